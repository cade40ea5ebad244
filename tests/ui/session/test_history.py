from sfp_viz.ui.session.history import MOST, History


def test_a_step_can_be_undone_and_made_again():
    history = History("a").push("b").push("c")
    assert history.undo().current == "b"
    assert history.undo().undo().current == "a"
    assert history.undo().undo().redo().redo().current == "c"


def test_undo_and_redo_at_the_ends_change_nothing():
    history = History("a")
    assert history.undo() is history
    assert history.redo() is history


def test_a_new_step_forgets_what_was_undone():
    history = History("a").push("b").undo().push("c")
    assert history.redo().current == "c"
    assert history.undo().current == "a"


def test_the_same_record_is_no_step():
    history = History("a")
    assert history.push("a") is history


def test_looking_elsewhere_is_no_step_and_keeps_the_way_back():
    history = History("a").push("b").replace_current("b, seen from the left")
    assert history.revision == 1
    assert history.undo().current == "a"
    assert history.undo().redo().current == "b, seen from the left"


def test_the_revision_rises_also_on_the_way_back():
    history = History("a").push("b")
    assert [history.revision, history.undo().revision, history.undo().redo().revision] == [1, 2, 3]


def test_ten_undos_and_ten_redos_return_to_the_same_record():
    history = History(0)
    for step in range(1, 11):
        history = history.push(step)
    there = history
    for _ in range(10):
        history = history.undo()
    assert history.current == 0
    for _ in range(10):
        history = history.redo()
    assert history.current == there.current


def test_old_steps_are_forgotten():
    history = History(0)
    for step in range(1, MOST + 50):
        history = history.push(step)
    assert len(history.past) == MOST
