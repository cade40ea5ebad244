from sfp_viz.ui.session.history import MOST, History


def test_a_step_can_be_undone_and_made_again():
    line = History("a").to("b").to("c")
    assert line.back().now == "b"
    assert line.back().back().now == "a"
    assert line.back().back().on().on().now == "c"


def test_undo_and_redo_at_the_ends_change_nothing():
    line = History("a")
    assert line.back() is line
    assert line.on() is line


def test_a_new_step_forgets_what_was_undone():
    line = History("a").to("b").back().to("c")
    assert line.on().now == "c"
    assert line.back().now == "a"


def test_the_same_record_is_no_step():
    line = History("a")
    assert line.to("a") is line


def test_looking_elsewhere_is_no_step_and_keeps_the_way_back():
    line = History("a").to("b").look("b, seen from the left")
    assert line.revision == 1
    assert line.back().now == "a"
    assert line.back().on().now == "b, seen from the left"


def test_the_revision_rises_also_on_the_way_back():
    line = History("a").to("b")
    assert [line.revision, line.back().revision, line.back().on().revision] == [1, 2, 3]


def test_ten_undos_and_ten_redos_return_to_the_same_record():
    line = History(0)
    for step in range(1, 11):
        line = line.to(step)
    there = line
    for _ in range(10):
        line = line.back()
    assert line.now == 0
    for _ in range(10):
        line = line.on()
    assert line.now == there.now


def test_old_steps_are_forgotten():
    line = History(0)
    for step in range(1, MOST + 50):
        line = line.to(step)
    assert len(line.past) == MOST
