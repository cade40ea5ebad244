from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.evidence.elimination import eliminate
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Clustering, ClusterRule, Recipe, fpgm, random, uniform_l1
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.analysis import analyze_group
from sfp_viz.core.selection.selection import select
from sfp_viz.errors import PlanError


def rows(matrix):
    return np.asarray(matrix, np.float32)[:, :, None, None]


@pytest.fixture
def analyzed(single):
    """A builder: the analysis of one layer whose filters are the given rows."""

    def build(matrix, recipe=None, kept=None):
        recipe = recipe or Recipe()
        network = single(rows(matrix))
        return analyze_group(Problem(network, Request(recipe)), "conv", kept or len(matrix))

    return build


RECIPES = [
    Recipe(),
    *(Recipe(clustering=c) for c in get_args(Clustering)),
    *(Recipe(cluster_rule=r) for r in get_args(ClusterRule)),
    Recipe(clustering="complete", cluster_rule="threshold", similarity="euclidean"),
    Recipe(criterion="bn_scale"),
    Recipe(balance=0),
    Recipe(balance=1),
    Recipe(similarity="euclidean"),
    Recipe(similarity="correlation", clustering="agglomerative"),
    Recipe(kappa=1.0),
    Recipe(kappa=0.01),
    uniform_l1(),
    fpgm(),
    random(),
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_exactly_as_many_stay_as_asked(analyzed, recipe):
    matrix = np.random.default_rng(0).normal(size=(17, 20))
    matrix[[3, 8]] = 0
    for keep in range(1, 18):
        group = analyzed(matrix, recipe, keep)
        removal = select(group, keep, recipe)
        assert len(removal.filters) == 17 - keep
        assert removal == select(group, keep, recipe)
        assert len(removal.reasons) == 17 - keep


@pytest.mark.parametrize("recipe", RECIPES)
def test_nothing_kept_keeps_one_and_everything_kept_removes_none(analyzed, recipe):
    group = analyzed(np.random.default_rng(1).normal(size=(6, 9)), recipe)
    assert len(select(group, 0, recipe).filters) == 5
    assert select(group, 6, recipe).filters == ()
    assert select(group, 60, recipe).filters == ()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_single_filter_stays(analyzed, recipe):
    assert select(analyzed(np.ones((1, 4)), recipe), 1, recipe).filters == ()


@pytest.mark.parametrize("recipe", RECIPES)
def test_dead_filters_go_first(analyzed, recipe):
    matrix = np.random.default_rng(2).normal(size=(10, 9))
    matrix[[1, 4, 7]] = 0
    group = analyzed(matrix, recipe)
    assert select(group, 8, recipe).filters == (4, 7)
    removal = select(group, 5, recipe)
    assert {1, 4, 7} < set(removal.filters)
    reasons = dict(zip(removal.filters, removal.reasons, strict=True))
    assert [reasons[unit] for unit in (1, 4, 7)] == [Reason("dead")] * 3


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_all_dead_layer_keeps_one(analyzed, recipe):
    removal = select(analyzed(np.zeros((4, 3)), recipe), 1, recipe)
    assert removal.filters == (1, 2, 3)
    assert set(removal.reasons) == {Reason("dead")}


def test_identical_filters_are_redundant_with_the_kept_one(analyzed):
    removal = select(analyzed(np.ones((5, 4))), 1, Recipe())
    assert removal.filters == (1, 2, 3, 4)
    assert set(removal.reasons) == {Reason("redundant", other=0)}


def test_two_filters_of_opposite_sign_are_never_redundant(analyzed):
    removal = select(analyzed([[1, 2, 3], [-2, -4, -6]]), 1, Recipe())
    assert removal.filters == (0,)
    assert removal.reasons == (Reason("less_important"),)


@pytest.mark.parametrize("kind", ["cosine", "euclidean", "correlation"])
def test_of_each_pair_of_near_duplicates_the_weaker_goes(analyzed, kind):
    rng = np.random.default_rng(3)
    one = rng.normal(size=(6, 30))
    matrix = np.vstack([one, 0.97 * one + rng.normal(scale=0.01, size=one.shape)])
    recipe = Recipe(similarity=kind, kappa=1.0)
    removal = select(analyzed(matrix, recipe, 6), 6, recipe)
    assert removal.filters == tuple(range(6, 12))
    assert removal.reasons == tuple(Reason("redundant", other=unit) for unit in range(6))


def test_the_most_redundant_go_before_the_lonely_ones(analyzed):
    """One duplicate pair among orthogonal filters: a ranking cuts the weakest, clusters a twin."""
    matrix = np.eye(6, 8) * np.array([5, 4, 3, 2, 1, 4.5])[:, None]
    matrix[5] = 0
    matrix[5, 0] = 4.9  # a twin of filter 0
    recipe = Recipe(kappa=1.0)
    assert select(analyzed(matrix, recipe, 5), 5, recipe).filters == (5,)
    ranking = Recipe(selection="ranking")
    assert select(analyzed(matrix, ranking), 5, ranking).filters == (4,)


def test_fewer_kept_than_clusters_keeps_the_best_of_the_best_clusters(analyzed):
    matrix = np.eye(4) * np.array([1, 4, 2, 3])[:, None]
    group = analyzed(matrix, Recipe(kappa=1.0), 4)
    assert group.clusters.k == 4
    assert select(group, 2, Recipe(kappa=1.0)).filters == (0, 2)


def test_a_spread_cluster_keeps_more_than_a_tight_one(analyzed):
    rng = np.random.default_rng(4)
    tight = np.array([1.0] + [0] * 19) + rng.normal(scale=0.01, size=(8, 20))
    loose = np.array([0.0] * 19 + [1]) + rng.normal(scale=0.18, size=(8, 20))
    labels = (0,) * 8 + (1,) * 8
    group = analyzed(np.vstack([tight, loose]))
    removal = select(group, 8, Recipe(), labels=labels)
    kept = set(range(16)) - set(removal.filters)
    assert sum(unit < 8 for unit in kept) < sum(unit >= 8 for unit in kept)
    assert any(unit < 8 for unit in kept)


def test_quotas_by_hand(analyzed):
    """Sizes 4, 2, 1 without spread: weights 4:2:1 share out the two beyond one each."""
    matrix = np.repeat(np.eye(3, 5), [4, 2, 1], axis=0) * np.arange(8, 1, -1)[:, None]
    labels = (0, 0, 0, 0, 1, 1, 2)
    group = analyzed(matrix)
    assert select(group, 5, Recipe(), labels=labels).filters == (2, 3)  # quotas 2 2 1
    assert select(group, 6, Recipe(), labels=labels).filters == (3,)  # 3 2 1


def slow_pick(similarity, scores, quota, balance):
    """The greedy rule of docs/method.md in one cluster, word for word."""
    apart = 1 - similarity
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    rank = {unit: 1 - place / (len(scores) - 1) for place, unit in enumerate(order)}
    kept = [order[0]]
    while len(kept) < quota:
        rest = [i for i in range(len(scores)) if i not in kept]
        kept.append(
            max(
                rest,
                key=lambda i: (
                    balance * rank[i] + (1 - balance) * min(apart[i, j] for j in kept) / apart.max()
                ),
            )
        )
    return tuple(sorted(set(range(len(scores))) - set(kept)))


@pytest.mark.parametrize("balance", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("quota", [1, 2, 5, 8])
def test_the_pick_in_a_cluster_equals_the_plain_rule(analyzed, balance, quota):
    group = analyzed(np.random.default_rng(5).normal(size=(9, 6)))
    recipe = Recipe(balance=balance)
    expected = slow_pick(group.similarity, group.importance, quota, balance)
    assert select(group, quota, recipe, labels=(0,) * 9).filters == expected


ORDERLESS = [
    *(Recipe(clustering=c, similarity=s)
      for c in get_args(Clustering) for s in ("cosine", "euclidean", "activation")),
    *(Recipe(cluster_rule=r) for r in get_args(ClusterRule)),
    *(Recipe(criterion=c, selection=s)
      for c in ("l2", "fpgm", "taylor", "hrank", "chip", "reconstruction")
      for s in ("ranking", "clusters")),
]  # fmt: skip


@pytest.mark.parametrize("recipe", ORDERLESS)
def test_the_order_of_filters_does_not_matter(single, seen_of, recipe):
    """Turned filters, and what was seen of them, lose the same filters for the same reasons."""
    rng = np.random.default_rng(6)
    matrix, order = rng.normal(size=(14, 10)), rng.permutation(14)
    seen = seen_of(single(rows(matrix)))
    turned = replace(
        seen,
        mean={"conv": seen.mean["conv"][order]},
        covariance={"conv": seen.covariance["conv"][np.ix_(order, order)]},
        readers_gram={"conv": seen.readers_gram["conv"][np.ix_(order, order)]},
        scores={name: {"conv": part["conv"][order]} for name, part in seen.scores.items()},
    )
    before, after = (
        select(
            analyze_group(
                Problem(single(rows(m)), Request(recipe), Evidence(observations=s)), "conv", 6
            ),
            6,
            recipe,
        )
        for m, s in ((matrix, seen), (matrix[order], turned))
    )
    reasons = dict(zip(before.filters, before.reasons, strict=True))
    for unit, reason in zip(after.filters, after.reasons, strict=True):
        old = reasons[int(order[unit])]
        if reason.other is not None:
            reason = replace(reason, other=int(order[reason.other]))
        assert reason == old


@pytest.mark.parametrize("recipe", [r for r in RECIPES if r.criterion == "l1"])
@pytest.mark.parametrize("keep", [3, 6, 9])
def test_the_order_of_filters_does_not_matter_where_some_are_equal(analyzed, recipe, keep):
    """Of equal filters any may stay, but always as many of each kind."""
    for seed in range(6):
        rng = np.random.default_rng(seed)
        drawn = [rng.normal(size=(5, 8)), rng.integers(-2, 3, (5, 8)), np.eye(5, 8)][seed % 3]
        drawn = drawn * np.sqrt([[2], [3], [5], [7], [11]])  # so that no two norms are equal
        chosen = rng.integers(0, 5, 12) if seed < 3 else np.repeat(range(4), 3)
        matrix = drawn[rng.permutation(chosen)]
        order = rng.permutation(12)
        stayed = []
        for rows_now in (matrix, matrix[order]):
            removal = select(analyzed(rows_now, recipe, keep), keep, recipe)
            stayed.append(np.delete(rows_now, removal.filters, axis=0))
        before, after = (sorted(map(tuple, part)) for part in stayed)
        assert before == after, f"drawn with seed {seed}"


def test_of_clusters_with_equal_remainders_the_more_important_keeps_more(analyzed):
    """Two clusters of three equal filters share out three: the stronger keeps two of them."""
    strong, weak = np.eye(2, 5) * np.array([[2], [1]])
    for order in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 1, 1, 0, 1, 0]):
        matrix = np.array([[strong, weak][which] for which in order])
        group = analyzed(matrix, Recipe(), 3)
        assert group.clusters.k == 2
        removal = select(group, 3, Recipe())
        assert sum(order[unit] for unit in removal.filters) == 2


def test_a_ranking_takes_the_most_important_and_the_first_of_equals(analyzed):
    matrix = np.diag([3.0, 1, 2, 1, 5])
    assert select(analyzed(matrix, uniform_l1()), 3, uniform_l1()).filters == (1, 3)
    assert select(analyzed(matrix, uniform_l1()), 4, uniform_l1()).filters == (3,)


def test_the_reason_inside_a_cluster_is_what_decided_there(analyzed):
    """Filter 1 is stronger than filter 2, which stays: it goes for its nearness to 0."""
    matrix = np.diag([6.0, 3.8, 4, 1])
    matrix[1, 0] = 2.0  # nearer to 0 than 2 is, yet no twin of it
    group, labels = analyzed(matrix), (0, 0, 0, 0)
    told = dict(enumerate(select(group, 2, Recipe(balance=0.2), labels=labels).reasons))
    assert select(group, 2, Recipe(balance=0.2), labels=labels).filters == (1, 3)
    assert told[0] == Reason("nearer")
    assert told[1] == Reason("less_important")


@pytest.mark.parametrize("recipe", [r for r in RECIPES if r.selection == "clusters"])
def test_no_filter_is_called_less_important_than_one_of_its_cluster_that_matters_less(
    analyzed, recipe
):
    matrix = np.random.default_rng(12).normal(size=(24, 30))
    for keep in (2, 6, 12, 20):
        group = analyzed(matrix, recipe, keep)
        names, worth = group.clusters.labels, group.importance
        removal = select(group, keep, recipe)
        for unit, reason in zip(removal.filters, removal.reasons, strict=True):
            mates = [u for u in range(24) if u not in removal.filters and names[u] == names[unit]]
            assert reason != Reason("unimportant")
            if reason.kind == "less_important":
                assert worth[unit] <= min(worth[u] for u in mates)
            if reason.kind == "nearer":
                assert worth[unit] > min(worth[u] for u in mates)
            assert (reason.kind == "cluster_without_place") <= (not mates)


def test_places_taken_by_hand_are_the_reason_for_the_rest_of_a_cluster(analyzed):
    matrix = np.diag([3.0, 2, 1, 5])
    removal = select(analyzed(matrix), 2, Recipe(), labels=(0, 0, 0, 1), forced_keep=(2,))
    assert removal.filters == (0, 1)
    assert set(removal.reasons) == {Reason("cluster_kept_by_hand")}


def test_a_random_choice_depends_on_the_seed_and_says_so(analyzed):
    matrix = np.random.default_rng(7).normal(size=(20, 5))
    one, two = random(seed=1), random(seed=2)
    removal = select(analyzed(matrix, one), 10, one)
    assert removal.filters != select(analyzed(matrix, two), 10, two).filters
    assert set(removal.reasons) == {Reason("random")}


@pytest.mark.parametrize("recipe", RECIPES)
def test_filters_fixed_by_hand_are_obeyed(analyzed, recipe):
    matrix = np.random.default_rng(8).normal(size=(12, 9))
    matrix[[2, 5]] = 0
    group = analyzed(matrix, recipe, 6)
    removal = select(group, 6, recipe, forced_keep=(0, 2, 11), forced_remove=(1, 5, 7))
    assert {1, 5, 7} < set(removal.filters)
    assert not {0, 2, 11} & set(removal.filters)
    assert len(removal.filters) == 6
    reasons = dict(zip(removal.filters, removal.reasons, strict=True))
    assert [reasons[unit] for unit in (1, 5, 7)] == [Reason("by_hand")] * 3


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_number_kept_gives_way_to_filters_fixed_by_hand(analyzed, recipe):
    group = analyzed(np.random.default_rng(9).normal(size=(8, 9)), recipe)
    removal = select(group, 1, recipe, forced_keep=(0, 1, 2))
    assert removal.filters == (3, 4, 5, 6, 7)
    removal = select(group, 8, recipe, forced_remove=(0, 1))
    assert removal.filters == (0, 1)
    assert removal.reasons == (Reason("by_hand"),) * 2


@pytest.mark.parametrize(
    ("keep", "remove"), [((0,), (0,)), ((), range(5)), ((5,), ()), ((), (-1,))]
)
def test_filters_by_hand_that_do_not_fit_are_refused(analyzed, keep, remove):
    group = analyzed(np.random.default_rng(10).normal(size=(5, 9)))
    with pytest.raises(PlanError, match="'conv'"):
        select(group, 3, Recipe(), forced_keep=keep, forced_remove=remove)


@pytest.mark.parametrize("labels", [(0, 1), (0, 0, 0, 0, -1), ()])
def test_clusters_by_hand_that_do_not_fit_are_refused(analyzed, labels):
    group = analyzed(np.random.default_rng(11).normal(size=(5, 9)))
    with pytest.raises(PlanError, match="manual clusters of 'conv'"):
        select(group, 3, Recipe(), labels=labels)


def test_clusters_by_hand_change_what_goes(analyzed):
    matrix = np.eye(6) * np.array([6, 5, 4, 3, 2, 1])[:, None]
    group, recipe = analyzed(matrix, Recipe(kappa=1.0), 6), Recipe(balance=1.0)
    assert select(group, 3, recipe, labels=(0, 0, 0, 1, 1, 2)).filters == (1, 2, 4)
    assert select(group, 3, recipe, labels=(0, 1, 2, 2, 2, 2)).filters == (3, 4, 5)


@pytest.mark.parametrize("keep", [1, 5, 15])
def test_ranking_by_reconstruction_is_the_order_of_elimination(plain, seen_of, keep):
    seen = seen_of(plain)
    recipe = Recipe(criterion="reconstruction", selection="ranking")
    removal = select(
        analyze_group(Problem(plain, Request(recipe), Evidence(observations=seen)), "conv1", keep),
        keep,
        recipe,
    )
    order = eliminate(seen.covariance["conv1"], seen.readers_gram["conv1"]).order
    assert removal.filters == tuple(sorted(order[: 16 - keep]))
    assert set(removal.reasons) == {Reason("reconstructed")}


def test_a_unit_that_never_changes_goes_first_as_dead(plain, seen_of):
    seen = seen_of(plain)
    covariance = seen.covariance["conv1"].copy()
    covariance[7, :] = covariance[:, 7] = 0
    seen.covariance["conv1"] = covariance
    recipe = Recipe(similarity="activation", criterion="reconstruction")
    problem = Problem(plain, Request(recipe), Evidence(observations=seen))
    removal = select(analyze_group(problem, "conv1", 15), 15, recipe)
    assert (removal.filters, removal.reasons) == ((7,), (Reason("dead"),))


@pytest.mark.parametrize("criterion", ["taylor", "hrank", "chip", "reconstruction"])
@pytest.mark.parametrize("similarity", ["cosine", "activation"])
def test_every_filter_that_goes_has_a_reason_whatever_was_seen(
    plain, seen_of, criterion, similarity
):
    seen = seen_of(plain)
    recipe = Recipe(criterion=criterion, similarity=similarity, balance=0.7)
    for keep in (1, 7, 15):
        removal = select(
            analyze_group(
                Problem(plain, Request(recipe), Evidence(observations=seen)), "conv1", keep
            ),
            keep,
            recipe,
        )
        assert len(removal.filters) == len(removal.reasons) == 16 - keep
        assert all(removal.reasons)
