import pytest

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.navigation import links, request_code, saved_requests
from sfp_viz.ui.session.state import Session


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path))


def test_what_is_written_is_read_back():
    session = Session(group="conv2", selection=(3, 7, 40), recipe=Recipe(target_reduction=0.35))
    assert links.from_query(links.to_query(session))[0] == session


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
    assert links.from_query(query)[0] == Session()


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
    assert links.from_query({"group": "conv2", "selection": text})[0].selection == units


def test_a_selection_too_large_for_an_address_stays_out_of_it():
    assert "selection" not in links.to_query(Session(group="conv2", selection=tuple(range(100))))


def test_edits_and_recipe_come_back_on_the_same_workspace():
    edits = Edits(loaders.network("lenet5_digits").digest).with_ratio("conv2", 0.25)
    session = Session(recipe=Recipe(0.3, criterion="fpgm"), edits=edits)
    assert links.from_query(links.to_query(session))[0] == session


@pytest.mark.parametrize("name", ["../../../etc/passwd", "0" * 16, "", "zz"])
def test_a_stored_wish_that_does_not_exist_changes_nothing(name):
    assert links.from_query({"asked": name})[0] == Session()


def test_a_stored_wish_for_other_weights_changes_nothing():
    name = saved_requests.save("0" * 16, Recipe(0.3), None)
    assert links.from_query({"asked": name})[0] == Session()


def test_a_layer_of_a_group_comes_back_with_its_group():
    read = loaders.network("resnet20_cifar10")
    group = next(group for group in read.groups if len(group.layers) > 1)
    layer = group.layers[1]
    session = Session("resnet20_cifar10", group=group.name, layer=layer, selection=(1, 2))
    assert links.from_query(links.to_query(session))[0] == session
    assert links.from_query({"model": session.model, "layer": layer})[0].group == group.name
    other = next(other.name for other in read.groups if other is not group)
    assert links.from_query({"model": session.model, "group": other, "layer": layer})[0].layer == ""


def test_a_link_makes_the_plan_again_in_another_workspace(tmp_path, monkeypatch):
    edits = Edits(loaders.network("lenet5_digits").digest).with_ratio("conv2", 0.25)
    labels = tuple(n % 7 for n in range(48))
    edits = edits.with_clusters("conv2", labels).with_filter("conv1", 3, "keep")
    session = Session(recipe=Recipe(0.3, criterion="fpgm"), edits=edits)
    query = links.to_query(session)
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path / "another"))
    assert links.from_query(query) == (session, ())
    assert len(query["plan"]) < 300


def test_edits_too_long_for_a_link_are_named_and_missed_elsewhere(tmp_path, monkeypatch):
    digest = loaders.network("lenet5_digits").digest
    monkeypatch.setattr("sfp_viz.ui.navigation.request_code.MOST", 100)
    edits = Edits(digest).with_clusters("conv2", tuple(n * n % 41 for n in range(48)))
    session = Session(recipe=Recipe(0.3, criterion="fpgm"), edits=edits)
    query = links.to_query(session)
    assert links.from_query(query) == (session, ())
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path / "another"))
    elsewhere, missing = links.from_query(query)
    assert elsewhere == Session(recipe=session.recipe)
    assert "manual changes" in " ".join(missing)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({"model": "0123456789abcdef", "group": "conv2"}, "0123456789abcdef"),
        ({"model": "<script>"}, "not in this workspace"),
        ({"asked": "0" * 16}, "plan of this link is not in this workspace"),
        ({"plan": "nonsense"}, "plan of this link cannot be read"),
        ({"plan": "AAAA" * 9000}, "plan of this link cannot be read"),
        ({"group": "no such group"}, "layer that the link names"),
    ],
)
def test_what_a_link_names_and_nobody_has_is_said(query, text):
    session, missing = links.from_query(query)
    assert session == Session()
    assert text in " ".join(missing)
    assert "<" not in " ".join(missing)


@pytest.mark.parametrize(
    "change",
    [
        {"ratios": (("conv9", 0.5),)},
        {"keep": (("conv2", 48),)},
        {"clusters": (("conv2", (0, 1)),)},
        {"protected": ("nothing",)},
    ],
)
def test_edits_of_groups_that_the_network_lacks_are_refused(change):
    edits = Edits(loaders.network("lenet5_digits").digest, **change)
    query = {"plan": request_code.encode(Recipe(), edits)}
    session, missing = links.from_query(query)
    assert session == Session()
    assert "does not fit" in " ".join(missing)


def test_a_link_of_other_weights_keeps_the_recipe_alone():
    code = request_code.encode(Recipe(0.3), Edits("0" * 16).with_ratio("conv2", 0.25))
    assert links.from_query({"plan": code})[0] == Session(recipe=Recipe(0.3))


def test_a_code_that_unpacks_to_a_bomb_is_refused():
    import base64
    import zlib

    bomb = base64.urlsafe_b64encode(zlib.compress(b"[" * 10_000_000, 9)).decode()
    assert links.from_query({"plan": bomb})[0] == Session()
