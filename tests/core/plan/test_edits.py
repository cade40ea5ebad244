import pytest

from sfp_viz.core.plan.edits import Edits
from sfp_viz.errors import PlanError

NONE = Edits("abc")


def test_the_order_of_edits_does_not_matter():
    one = NONE.with_ratio("b", 0.5).with_ratio("a", 0.25).with_filter("a", 3, "keep")
    two = NONE.with_filter("a", 3, "keep").with_ratio("a", 0.25).with_ratio("b", 0.5)
    assert one == two
    assert hash(one) == hash(two)


def test_every_edit_can_be_taken_back():
    assert NONE.with_ratio("a", 0.5).with_ratio("a", None) == NONE
    assert NONE.with_clusters("a", (0, 1)).with_clusters("a", None) == NONE
    assert NONE.with_protected("a", True).with_protected("a", False) == NONE
    assert NONE.with_filter("a", 1, "remove").with_filter("a", 1, None) == NONE


def test_a_later_edit_replaces_the_earlier_one():
    assert NONE.with_ratio("a", 0.5).with_ratio("a", 0.75).ratios == (("a", 0.75),)
    assert NONE.with_clusters("a", (0, 0)).with_clusters("a", (0, 1)).clusters == (("a", (0, 1)),)
    changed = NONE.with_filter("a", 1, "keep").with_filter("a", 1, "remove")
    assert (changed.keep, changed.remove) == ((), (("a", 1),))
    assert NONE.with_protected("a", True).with_protected("a", True).protected == ("a",)


def test_edits_are_true_when_anything_was_changed():
    assert not NONE
    assert NONE.with_ratio("a", 0.0)
    assert NONE.with_protected("a", True)


@pytest.mark.parametrize("ratio", [-0.01, 1.01, float("nan")])
def test_a_ratio_is_a_share(ratio):
    with pytest.raises(PlanError, match="'a'"):
        NONE.with_ratio("a", ratio)


def test_a_filter_cannot_be_both_kept_and_removed():
    with pytest.raises(PlanError, match="Filter 2 of 'a'"):
        Edits("abc", keep=(("a", 2),), remove=(("a", 2),))


def test_a_group_has_one_ratio_and_one_set_of_clusters():
    with pytest.raises(PlanError, match="'a'"):
        Edits("abc", ratios=(("a", 0.1), ("a", 0.2)))
    with pytest.raises(PlanError, match="'a'"):
        Edits("abc", clusters=(("a", (0, 1)), ("a", (0, 0))))


def test_ratios_are_rounded_to_6_digits():
    assert NONE.with_ratio("a", 1 / 3).ratios == (("a", 0.333333),)


def test_a_minimum_is_a_whole_number_of_filters_and_can_be_lifted():
    one = NONE.with_least("a", 4)
    assert one.least == (("a", 4),)
    assert one
    assert one.with_least("a", 6).least == (("a", 6),)
    assert one.with_least("a", None) == NONE
    with pytest.raises(PlanError, match="'a' keeps at least 1"):
        NONE.with_least("a", 0)
    with pytest.raises(PlanError, match="'a' twice"):
        Edits("abc", least=(("a", 1), ("a", 2)))


def test_a_maximum_is_not_below_the_minimum_and_can_be_lifted():
    one = NONE.with_least("a", 4).with_most("a", 6)
    assert one.most == (("a", 6),)
    assert NONE.with_most("a", 6)
    assert one.with_most("a", 4).most == (("a", 4),)
    assert NONE.with_most("a", 6).with_most("a", None) == NONE
    with pytest.raises(PlanError, match="'a' keeps at least 4 filters; its most cannot be 3"):
        one.with_most("a", 3)
    with pytest.raises(PlanError, match="'a' keeps at least 1"):
        NONE.with_most("a", 0)
    with pytest.raises(PlanError, match="'a' twice"):
        Edits("abc", most=(("a", 1), ("a", 2)))


def test_whether_others_make_up_is_part_of_the_edits():
    assert Edits("abc", makeup=False) != NONE
    assert not Edits("abc", makeup=False)
