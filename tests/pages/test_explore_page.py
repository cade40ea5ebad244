"""The Explore page: map, table, pictures, and what a person changes; gestures are a browser's."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.explore.panels import trust_text
from sfp_viz.ui.session.history import History
from sfp_viz.ui.session.state import Session
from tests.pages.page_words import press, said, undo


@pytest.fixture
def exploring(unopened):
    """The page with some filters chosen."""

    def exploring(*chosen: int, group: str = "conv2", recipe: Recipe | None = None) -> AppTest:
        app = unopened
        app.session_state["session"] = History(
            Session(group=group, selection=chosen, recipe=recipe or Recipe())
        )
        app.run()
        app.switch_page("pages/explore.py").run()
        assert not app.exception
        return app

    return exploring


RANKING = Recipe(selection="ranking")


def now(app: AppTest) -> Session:
    return app.session_state["session"].current


def test_it_opens_with_map_pictures_and_table(open_page):
    app = open_page("explore")
    assert len(app.get("bidi_component")) == 2
    assert len(app.dataframe[0].value) == 48
    assert any('data-shown="48"' in block.body for block in app.html)


def test_the_trust_in_the_map_is_called_estimated(open_page):
    assert "estimated" in said(open_page("explore"))


@pytest.mark.parametrize(
    ("trust", "words"),
    [(0.95, "almost all neighbors"), (0.85, "most neighbors"), (0.67, "often not similar")],
)
def test_a_poor_map_warns_and_a_good_one_reassures(trust, words):
    assert words in trust_text(trust)


def test_the_words_of_filters_that_go_are_as_dark_as_others(open_page):
    css = next(block.body for block in open_page("explore").html if ".tiles" in block.body)
    assert ".pruned img{opacity" in css
    assert ".pruned{opacity" not in css


def test_the_table_says_what_goes_and_why(open_page):
    plan = open_page("explore").dataframe[0].value["plan"]
    assert sum(text.startswith("pruned: ") for text in plan) == 24
    assert sum(text == "kept" for text in plan) == 24


def test_the_pictures_follow_the_selection(exploring):
    app = exploring(3, 5)
    assert "2 of 48" in said(app)
    assert any('class="tiles few" data-shown="2"' in block.body for block in app.html)


def test_the_neurons_of_a_linear_layer_are_drawn_as_the_maps_they_read(exploring):
    app = exploring(group="fc1")
    assert "64 units, each a filter of 48 × 2 × 2" in said(app)
    assert "Shown: the first 16 of 48 maps of each filter." in said(app)
    assert "1 × 1" not in said(app)


def test_splitting_off_makes_one_cluster_more_and_is_undone_in_one_step(exploring):
    app = exploring(3, 5, 9)
    before = len(set(app.dataframe[0].value["cluster"]))
    press(app, "Split")
    labels = app.dataframe[0].value["cluster"]
    assert len({labels[unit] for unit in (3, 5, 9)}) == 1
    assert list(labels).count(labels[3]) == 3
    undo(app).switch_page("pages/explore.py").run()
    assert len(set(app.dataframe[0].value["cluster"])) == before
    assert now(app).edits is None


def test_merging_makes_their_clusters_one(exploring):
    app = exploring(0, 1)
    labels = list(app.dataframe[0].value["cluster"])
    assert labels[0] != labels[1]
    press(app, "Merge")
    after = list(app.dataframe[0].value["cluster"])
    assert after[0] == after[1]
    assert len(set(after)) == len(set(labels)) - 1


def test_moving_puts_filters_into_the_cluster_that_was_named(exploring):
    app = exploring(0)
    menu = next(box for box in app.selectbox if box.label == "Cluster")
    menu.set_value(4).run()
    press(app, "Move")
    labels = list(app.dataframe[0].value["cluster"])
    assert labels.count(labels[0]) > 1


def test_another_number_of_clusters_is_found_anew(exploring):
    app = exploring()
    app.number_input[0].set_value(5).run()
    assert not app.exception
    assert set(app.dataframe[0].value["cluster"]) == set(range(5))
    press(app, "Reset to suggested clusters")
    assert now(app).edits is None


def test_where_the_whole_group_is_ranked_the_acts_say_so_and_lead_to_clusters(exploring):
    app = exploring(0, 1, recipe=RANKING)
    assert said(app).count("clusters show which filters are similar but do not affect") == 2
    plan = list(app.dataframe[0].value["plan"])
    app.button(key="in clusters acts").click().run()
    assert not app.exception
    assert now(app).recipe == Recipe()
    assert "do not decide" not in said(app)
    assert list(app.dataframe[0].value["plan"]) != plan
    undo(app)
    assert now(app).recipe == RANKING


def test_only_where_filters_are_chosen_in_clusters_some_stand_for_theirs(exploring):
    for recipe in (Recipe(), RANKING):
        app = exploring(recipe=recipe)
        drawn = next(
            e for e in app.get("bidi_component") if '"representatives"' in str(e.proto.json)
        )
        assert ('"representatives":[]' in drawn.proto.json.replace(" ", "")) == (recipe == RANKING)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe(), "Suggested: 50 % of the 24 filters that the suggestion keeps. Method: k-means."),
        (
            Recipe(cluster_rule="one_each"),
            "one for each of the 24 filters that the suggestion keeps",
        ),
        (Recipe(cluster_rule="silhouette"), "the number with the best silhouette score"),
        (Recipe(clustering="hdbscan"), "Suggested: the number found by HDBSCAN"),
    ],
)
def test_the_suggested_number_of_clusters_says_where_it_comes_from(exploring, recipe, words):
    assert words in said(exploring(recipe=recipe))


@pytest.mark.parametrize(
    ("button", "word"), [("Keep", "kept"), ("Remove", "pruned: removed manually")]
)
def test_the_fate_of_filters_is_fixed_by_hand_and_released(exploring, button, word):
    app = exploring(2, 7)
    press(app, button)
    plan = list(app.dataframe[0].value["plan"])
    assert plan[2] == plan[7] == word
    press(app, "Release")
    assert now(app).edits is None


def test_removing_every_filter_is_refused_and_changes_nothing(exploring):
    app = press(exploring(*range(48)), "Remove")
    assert "keep at least one" in app.error[0].value
    assert now(app).edits is None


def test_a_ratio_by_hand_is_said_to_be_one_and_can_be_taken_back(exploring):
    app = exploring()
    app.slider[0].set_value(10).run()
    assert dict(now(app).edits.ratios)["conv2"] == pytest.approx(38 / 48)
    assert "Set manually: 10 of 48 filters kept" in said(app)
    press(app, "Reset to suggestion")
    assert now(app).edits is None


def test_a_group_can_be_left_whole(exploring):
    app = exploring()
    app.toggle[0].set_value(True).run()
    assert now(app).edits.protected == ("conv2",)
    assert set(app.dataframe[0].value["plan"]) == {"kept"}


def test_a_target_out_of_reach_leaves_the_page_usable(unopened):
    app = unopened
    app.session_state["session"] = History(
        Session(recipe=Recipe(target_reduction=0.98, max_ratio=0.1))
    )
    app.run()
    app.switch_page("pages/explore.py").run()
    assert not app.exception
    assert set(app.dataframe[0].value["plan"]) == {"kept"}
    assert "The target cannot be reached" in said(app)
    assert "can be met by other groups" not in said(app)


def test_the_reason_is_the_one_that_plan_gives(exploring):
    app = exploring(group="fc1")
    sentence = next(text for text in said(app).splitlines() if "44 of 64 filters are kept" in text)
    app.switch_page("pages/plan.py").run()
    assert sentence in said(app)


def test_dispersion_over_depth_is_drawn_when_it_is_opened(exploring):
    app = exploring()
    assert not app.get("plotly_chart")


def test_a_network_without_groups_gets_a_sentence(open_page, monkeypatch):
    bare = Network("bare", "0" * 16, (3, 8, 8), (), (), ())
    monkeypatch.setattr(loaders, "network", lambda key: bare)
    assert "there is nothing to prune" in said(open_page("explore"))


def test_a_link_brings_group_selection_and_target_back(unopened):
    app = unopened
    app.query_params["group"] = "conv1"
    app.query_params["selection"] = "3.1"
    app.query_params["target"] = "0.3"
    app.run()
    app.switch_page("pages/explore.py").run()
    assert not app.exception
    assert (now(app).group, now(app).selection) == ("conv1", (1, 3))
    assert now(app).recipe.target_reduction == 0.3
