"""What differs between runs, and their points."""

from __future__ import annotations

import pytest

from sfp_viz.core.comparison.tradeoff import Whole, accuracy_change, reduction_of
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe, fpgm, random
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.sparsification import sparse_settings
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.runs.results.differences import (
    SECTIONS,
    differing_rows,
    plan_of,
    plan_rows,
    shared_rows,
)
from sfp_viz.runs.results.points import points_of
from sfp_viz.runs.results.summary import Summary, finished_runs
from tests.finished_runs import MODEL, finished_run, sparsified_run
from tests.finished_runs import plan_of as made


@pytest.fixture
def pair(tmp_path) -> tuple[Summary, ...]:
    edits = Edits(sample_network(MODEL).digest, protected=("conv2",), makeup=False)
    finished_run(tmp_path, plan=made(Recipe()), settings=Distillation(epochs=3))
    settings = Distillation(epochs=3, learning_rate=0.1)
    finished_run(tmp_path, plan=made(fpgm(0.2), edits), settings=settings)
    return finished_runs(tmp_path)[::-1]


def test_only_rows_that_differ_are_there_and_the_rest_is_what_they_share(pair):
    rows = {(row.section, row.name): row.values for row in differing_rows(pair)}
    assert rows["Fine-tuning", "learning_rate"] == (0.02, 0.1)
    assert rows["Recipe", "criterion"] == ("l1", "fpgm")
    assert rows["Manual edits", "conv2: protected"] == ("–", True)
    assert all(any(v != values[0] for v in values) for values in rows.values())
    same = {(row.section, row.name): row.values for row in shared_rows(pair)}
    assert same["Fine-tuning", "epochs"] == (3,)
    assert same["Machine", "torch"] == ("2.15",)
    assert not set(same) & set(rows)
    order = [SECTIONS.index(row.section) for row in differing_rows(pair)]
    assert order == sorted(order)


def thinned(home, **more) -> Summary:
    settings = sparse_settings(epochs=8, **more)
    path = sparsified_run(home, settings=settings)
    return next(one for one in finished_runs(home) if one.id == path.name)


def rows_of(runs) -> dict[tuple[str, str], tuple]:
    return {(row.section, row.name): row.values for row in differing_rows(runs)}


def test_runs_that_pruned_while_training_differ_in_what_their_method_uses(tmp_path):
    weak, strong = thinned(tmp_path, strength=0.1), thinned(tmp_path, strength=0.4, seed=1)
    assert rows_of([weak, strong]) == {
        ("Sparse training", "strength (λ)"): (0.1, 0.4), ("Sparse training", "seed"): (0, 1),
    }  # fmt: skip
    exact = thinned(tmp_path, method="ssr_projection", target_reduction=0.4)
    rows = rows_of([weak, exact])
    assert rows["Sparse training", "method"] == ("SSR, l2,1", "SSR, projection")
    assert rows["Sparse training", "strength (λ)"] == (0.1, "–")
    assert rows["Sparse training", "target, % of the MACs"] == ("–", 40.0)
    told = {name for _, name in rows}
    assert not told & {"filter_share", "cutoff", "dead_gate", "criterion", "clustering"}


def test_a_run_that_pruned_while_training_beside_a_plan_shows_the_epochs_of_both_parts(
    tmp_path, pair
):
    rows = rows_of([thinned(tmp_path), pair[0]])
    assert rows["Sparse training", "epochs"] == (8, "–")
    assert rows["Fine-tuning", "epochs"] == (2, 3)
    assert rows["Recipe", "criterion"] == ("–", "l1")
    assert rows["Result", "best epoch"] == ("1 of 2 after pruning", "2 of 3")
    assert "target_reduction at the start" not in {name for _, name in rows}


def test_settings_of_plans_that_agree_do_not_differ_because_another_kind_of_run_has_none(
    tmp_path, pair
):
    rows = rows_of([thinned(tmp_path), *pair])
    assert rows["Recipe", "criterion"] == ("–", "l1", "fpgm")
    assert not {"goal", "gamma", "seed"} & {name for section, name in rows if section == "Recipe"}
    assert rows["Manual edits", "conv2: protected"] == ("–", "–", True)


def test_fine_tuning_that_was_not_asked_for_has_no_settings(tmp_path, pair):
    sparsified_run(tmp_path, accuracies=())
    bare = next(one for one in finished_runs(tmp_path) if one.kind == "sparsify")
    assert {v for (section, _), (v, _) in rows_of([bare, pair[0]]).items()
            if section == "Fine-tuning"} == {"–"}  # fmt: skip


def test_a_run_beside_itself_differs_in_nothing(pair):
    assert differing_rows([pair[0], pair[0]]) == ()
    assert differing_rows([]) == ()


def test_a_plan_that_is_gone_or_damaged_is_none(pair):
    assert plan_of(pair[0].path) is not None
    (pair[0].path / "plan.json").write_text("no plan")
    assert plan_of(pair[0].path) is None
    assert plan_of(pair[0].path / "nowhere") is None
    assert differing_rows(pair)  # the other rows are still there


def test_a_plan_in_short_names_groups_and_how_many_filters_go():
    plan = made(Recipe())
    sizes = {group.name: group.size for group in sample_network(MODEL).groups}
    rows = dict(plan_rows(plan, sizes))
    for removal in plan.removals:
        if removal.filters:
            expected = f"{len(removal.filters)} of {sizes[removal.group]}"
            assert rows[removal.group] == expected


def test_runs_become_points_with_their_unpruned_network(tmp_path):
    plan = made(Recipe())
    finished_run(tmp_path, plan=plan, macs_before=160_000, params_before=22_000)
    finished_run(tmp_path, kind="uniform", accuracies=(0.8,))
    finished_run(tmp_path, plan=made(random()), kind="sweep of ours")
    points = points_of(finished_runs(tmp_path), plan=plan.hash)
    kinds = sorted(point.kind for point in points)
    assert kinds == ["plan", "random", "uniform", "unpruned"]
    ours = next(point for point in points if point.kind == "plan")
    assert reduction_of(ours, "macs") == pytest.approx(0.5)
    assert reduction_of(ours, "params") == pytest.approx(0.5)
    assert accuracy_change(ours) == pytest.approx(0.95 - 0.986)
    known = points_of(finished_runs(tmp_path), whole=Whole(macs=320_000))
    assert reduction_of(known[-1], "macs") == pytest.approx(0.75)
    assert {point.kind for point in known} == {"run", "random", "uniform", "unpruned"}


def test_sparse_runs_of_one_method_are_told_apart_by_what_differs(tmp_path):
    weak, strong = thinned(tmp_path, strength=0.1), thinned(tmp_path, strength=0.4)
    low = thinned(tmp_path, method="ssr_projection", target_reduction=0.4)
    high = thinned(tmp_path, method="ssr_projection", target_reduction=0.6, strength=9.0)
    labels = [point.label for point in points_of([weak, strong, low, high])[1:]]
    l21, projection = (
        "SSR, l2,1, 8 epochs of sparse training",
        "SSR, projection, 8 epochs of sparse training",
    )
    assert labels == [
        f"{l21}, 2 of fine-tuning, λ 0.1", f"{l21}, 2 of fine-tuning, λ 0.4",
        f"{projection}, 2 of fine-tuning, target 40 %",
        f"{projection}, 2 of fine-tuning, target 60 %",
    ]  # fmt: skip
    assert points_of([weak, low])[1].label == f"{l21}, 2 of fine-tuning"


def test_sparse_runs_that_differ_in_their_fine_tuning_alone_say_so(tmp_path):
    for rate in (0.01, 0.02):
        sparsified_run(tmp_path, tuning=Distillation(epochs=2, learning_rate=rate))
    labels = {point.label for point in points_of(finished_runs(tmp_path))[1:]}
    assert {label.rpartition(", ")[2] for label in labels} == {
        "fine-tuning learning rate 0.01", "fine-tuning learning rate 0.02",
    }  # fmt: skip


def test_baselines_of_one_title_are_told_apart_too_and_twins_read_the_same(tmp_path):
    for seed in (0, 1, 1):
        finished_run(tmp_path, kind="uniform", settings=Distillation(epochs=2, seed=seed))
    labels = sorted(point.label for point in points_of(finished_runs(tmp_path))[1:])
    title = labels[0].rpartition(", ")[0]
    assert labels == [f"{title}, seed 0", f"{title}, seed 1", f"{title}, seed 1"]


def test_without_a_teacher_or_with_two_networks_no_unpruned_point_is_made_up(tmp_path):
    finished_run(tmp_path, whole=None)
    assert [point.kind for point in points_of(finished_runs(tmp_path))] == ["run"]
    finished_run(tmp_path)
    finished_run(tmp_path, digest="0" * 16)
    assert "unpruned" not in [point.kind for point in points_of(finished_runs(tmp_path))]
