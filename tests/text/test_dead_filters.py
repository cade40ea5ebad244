from sfp_viz.core.redundancy.dead_filters import DeadFilters
from sfp_viz.text.dead_filters import dead_count, dead_layers_warning


def test_nothing_is_said_where_no_filter_is_dead():
    assert dead_count(()) == dead_layers_warning(()) == ""


def test_dead_filters_are_counted_group_by_group():
    found = (DeadFilters("conv1", 16, (2, 5), ()), DeadFilters("conv3", 32, (31,), ()))
    assert dead_count(found).startswith("3 filters are dead")
    assert "conv1 2 of 16, conv3 1 of 32" in dead_count(found)
    assert dead_layers_warning(found) == ""


def test_a_layer_that_is_wholly_dead_is_warned_of():
    found = (DeadFilters("conv2", 24, tuple(range(24)), ("conv2",)),)
    assert "Every filter of 'conv2' is dead" in dead_layers_warning(found)
