import pytest

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.navigation import links, saved_requests
from sfp_viz.ui.session.state import Session


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path))


def test_what_is_written_is_read_back():
    session = Session(group="conv2", selection=(3, 7, 40), recipe=Recipe(target_reduction=0.35))
    assert links.from_query(links.to_query(session)) == session


def test_defaults_leave_no_trace():
    assert links.to_query(Session()) == {}


@pytest.mark.parametrize(
    "query",
    [
        {"model": "../../etc/passwd"},
        {"model": "<script>"},
        {"group": "no such group"},
        {"selection": "1.2.3"},
        {"target": "nan"},
        {"target": "7"},
        {"target": "half"},
        {"something": "else"},
        {"layer": "no such layer"},
        {"layer": "../../etc/passwd", "selection": "1"},
        {"layer": "conv1" * 1000},
    ],
)
def test_what_does_not_hold_falls_back_to_the_default(query):
    assert links.from_query(query) == Session()


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("1.2.2", (1, 2)),
        ("47.48.-1", (47,)),
        ("٣.4", (4,)),
        ("9" * 4000, ()),
        (".".join("1" * 5000), (1,)),
        ("", ()),
    ],
)
def test_chosen_filters_are_checked_one_by_one(text, units):
    assert links.from_query({"group": "conv2", "selection": text}).selection == units


def test_a_selection_too_large_for_an_address_stays_out_of_it():
    assert "selection" not in links.to_query(Session(group="conv2", selection=tuple(range(100))))


def test_edits_and_recipe_come_back_on_the_same_workspace():
    edits = Edits(loaders.network("lenet5_digits").digest).with_ratio("conv2", 0.25)
    session = Session(recipe=Recipe(0.3, criterion="fpgm"), edits=edits)
    assert links.from_query(links.to_query(session)) == session


@pytest.mark.parametrize("name", ["../../../etc/passwd", "0" * 16, "", "zz"])
def test_a_stored_wish_that_does_not_exist_changes_nothing(name):
    assert links.from_query({"asked": name}) == Session()


def test_a_stored_wish_for_other_weights_changes_nothing():
    name = saved_requests.save("0" * 16, Recipe(0.3), None)
    assert links.from_query({"asked": name}) == Session()


def test_a_layer_of_a_group_comes_back_with_its_group():
    read = loaders.network("resnet20_cifar10")
    group = next(group for group in read.groups if len(group.layers) > 1)
    layer = group.layers[1]
    session = Session("resnet20_cifar10", group=group.name, layer=layer, selection=(1, 2))
    assert links.from_query(links.to_query(session)) == session
    assert links.from_query({"model": session.model, "layer": layer}).group == group.name
    other = next(other.name for other in read.groups if other is not group)
    assert links.from_query({"model": session.model, "group": other, "layer": layer}).layer == ""
