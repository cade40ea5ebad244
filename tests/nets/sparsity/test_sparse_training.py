"""The sparsifying loop: its history, its plan, stop and resume, and its edge cases."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.plan import plan_from_json, plan_to_json
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.core.training.sparsification import sparse_settings
from sfp_viz.errors import DataError, PlanError, RecipeError, RunError
from sfp_viz.nets.data.datasets import Images, load_data
from sfp_viz.nets.evaluation.measure import count_macs
from sfp_viz.nets.model import Model, digest_of
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.sparsity.sparse_training import SparseTraining
from sfp_viz.nets.stripes.striped_model import striped
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.zoo.build import build
from tests import tiny


def quick(method, **changes):
    """Settings of ``method`` that are fast on the digits."""
    shared = {
        "epochs": 2, "refresh": 2, "batch_size": 48, "train_images": 200, "test_images": 60,
        "learning_rate": 0.05, "augmentation": "shift", "strength": 0.3,
    }  # fmt: skip
    return sparse_settings(method, **shared | changes)


QUICK = quick("ssr_l21")
STRIPES = quick("stripes", strength=0.05, target_reduction=0.6, epochs=3)
METHODS = [
    QUICK,
    quick("ssr_l20", rho=1.0, growth=1.1),
    quick("ssr_projection"),
    replace(QUICK, order="layers", epochs=1),
    quick("group_lasso", finish="target"),
    quick("proximal"),
    STRIPES,
]


def named(settings):
    return f"{settings.method}-{settings.order}"


def lenet():
    arguments = {"classes": 10, "side": 8}
    module = build("lenet5", arguments)
    return Model(module, name="lenet", input_shape=(1, 8, 8), architecture="lenet5",
                 arguments=arguments)  # fmt: skip


def noise(shape, classes, split="train", count=64):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    return Images("noise", split, pixels, rng.integers(0, classes, count))


def sparsifying(settings, model=None):
    if model is None:
        train, test = load_data("digits", "train"), load_data("digits", "test")
    else:
        train = noise(model.input_shape, model.classes)
        test = noise(model.input_shape, model.classes, "test")
    return SparseTraining(model or lenet(), train=train, test=test, settings=settings)


@pytest.mark.parametrize("settings", METHODS, ids=named)
def test_a_training_yields_its_history_and_ends_in_a_plan_that_prunes(settings):
    student = lenet()
    before = digest_of(student.module)
    session = sparsifying(settings)
    history = list(session.records())
    assert session.finished
    assert digest_of(student.module) == before
    assert [r.step for r in history] == sorted({r.step for r in history})
    assert history[-1].step == history[-1].steps == session.steps
    assert history[-1].test_images == 60
    model, plan = session.result()
    assert plan_from_json(plan_to_json(plan)) == plan
    small = prune(model, plan)
    assert count_macs(small) == cost(read_network(model), plan).macs
    if settings.method == "stripes":
        assert history[-1].macs < count_macs(small)  # stripes count besides
    else:
        assert count_macs(small) == history[-1].macs
    if settings.meets_target:
        whole = count_macs(student)
        assert history[-1].macs <= (1 - settings.target_reduction) * whole
    stripes = {"silenced_filter", "no_stripe"}
    kinds = stripes if settings.method == "stripes" else {"silenced", "small_norm"}
    assert {reason.kind for r in plan.removals for reason in r.reasons} <= kinds
    again = make_plan_for(Problem(read_network(model), Request.of(plan.recipe, plan.edits)))
    assert [(r.group, r.filters) for r in again.removals] == [
        (r.group, r.filters) for r in plan.removals
    ]


@pytest.mark.parametrize("settings", METHODS, ids=named)
@pytest.mark.parametrize("place", [0.3, 0.9])
def test_a_training_stopped_at_any_step_and_resumed_has_the_same_bits(settings, place):
    undisturbed = sparsifying(settings)
    whole = list(undisturbed.records())
    first = sparsifying(settings)
    last = int(place * first.steps)
    for _ in first.records(stop=lambda: first.step >= last):
        pass
    assert first.step == last
    second = sparsifying(settings)
    second.load_state_dict(first.state_dict())
    rest = list(second.records())
    assert digest_of(second.module) == digest_of(undisturbed.module)
    assert rest[-1].loss == whole[-1].loss
    assert rest[-1].live == whole[-1].live
    assert rest[-1].residual == whole[-1].residual
    ours, theirs = second.result(), undisturbed.result()
    assert ours[0].digest == theirs[0].digest
    assert ours[1] == theirs[1]


def test_a_projection_that_settles_early_meets_its_target_all_the_same():
    settings = quick("ssr_projection", settle=0.8, target_reduction=0.5)
    training = sparsifying(settings)
    *_, last = training.records()
    assert last.macs <= 0.5 * cost(training.network).macs


@pytest.mark.parametrize(
    ("refresh", "settle"),
    [(5, 0.5), (2, 0.4)],
    ids=["decided where a refresh is due", "decided after one before the half"],
)
def test_a_projection_meets_its_target_wherever_it_is_decided(refresh, settle):
    settings = quick("ssr_projection", refresh=refresh, settle=settle)
    training = sparsifying(settings)
    *_, last = training.records()
    assert last.steps == 10
    assert last.macs <= 0.5 * cost(training.network).macs


def test_steps_of_one_image_are_skipped_and_make_no_loss_smaller():
    settings = replace(QUICK, train_images=97, refresh=1, strength=0.0)  # 48, 48, 1
    losses = [line.loss for line in sparsifying(settings).records()]
    assert losses[2] == losses[1]
    whole = [line.loss for line in sparsifying(replace(settings, refresh=3)).records()]
    assert whole[0] == pytest.approx(sum(losses[:2]) / 2)


def test_seconds_count_what_came_before_a_pause():
    first = sparsifying(replace(QUICK, refresh=4))
    assert first.advance(stop=lambda: first.step >= 3) is None
    state = first.state_dict()
    second = sparsifying(replace(QUICK, refresh=4))
    second.load_state_dict({**state, "seconds": torch.tensor(100.0)})
    line = second.advance()
    assert 100 < line.seconds < 200
    assert line.images_per_second == pytest.approx(second._batches.seen(4) / line.seconds)
    second.load_state_dict(
        {name: t for name, t in state.items() if name not in ("seconds", "mean")}
    )
    assert second.advance().seconds < 100


def test_the_images_of_a_step_are_counted_as_they_are_and_not_as_full_batches():
    training = sparsifying(replace(QUICK, batch_size=80))  # of 200: 80, 80 and 40
    batches = training._batches
    sizes = [len(batches.at(step)[1]) for step in range(6)]
    assert sizes == [80, 80, 40] * 2
    assert [batches.seen(step) for step in range(7)] == [sum(sizes[:n]) for n in range(7)]


def test_the_residual_goes_to_zero_as_the_pull_grows():
    settings = replace(
        METHODS[1], epochs=24, refresh=4, growth=1.25, rho_most=20.0, augmentation="none",
        learning_rate=0.02,
    )  # fmt: skip
    session = sparsifying(settings)
    apart = [max(dict(r.residual).values()) for r in session.records() if "settl" not in r.phase]
    assert apart[-1] < max(apart) / 5


@pytest.mark.parametrize("method", ["ssr_l21", "ssr_l20", "proximal"])
def test_a_lambda_so_large_that_all_would_die_keeps_the_largest_row_and_says_so(method):
    strength = 2.0 if method == "ssr_l20" else 50.0
    settings = quick(method, strength=strength, rho=3.0, weights="plain", learning_rate=0.01)
    session = sparsifying(settings)
    history = list(session.records())
    model, plan = session.result()
    assert {r.group: len(r.filters) for r in plan.removals} == {"conv1": 19, "conv2": 47, "fc1": 63}
    assert any("its largest" in note for r in history for note in r.notes)
    prune(model, plan)


def test_l20_pulls_a_group_with_at_least_one_and_a_half_times_its_lambda_and_says_so():
    settings = quick("ssr_l20", strength=0.5, rho=1.0, growth=1.0)
    session = sparsifying(settings)
    strengths, lifts = session.sparse.scales.strengths, session.sparse.scales.rho_factors
    largest = max(strengths, key=lambda name: strengths[name])
    assert strengths[largest] > 0.7  # the share of MACs makes it more than what was asked for
    assert lifts[largest] == pytest.approx(1.5 * strengths[largest])
    assert min(lifts.values()) == 1  # where lambda is small rho stays as it was asked for
    first = session.advance()
    assert first.rho == 1
    assert any("there instead of 1" in note for note in first.notes)
    low = sparsifying(replace(settings, strength=1.0, rho=0.5)).sparse.scales  # by far too low
    for name, strength in low.strengths.items():
        assert 0.5 * low.rho_factors[name] >= 1.5 * strength - 1e-9
    enough = sparsifying(replace(settings, rho=9.0)).advance()
    assert enough.rho == 9
    assert not any("instead of" in note for note in enough.notes)
    assert sparsifying(replace(settings, method="ssr_l21")).advance().rho == 1
    with pytest.raises(RecipeError, match="Lower lambda, raise rho_most"):
        sparsifying(replace(settings, weights="size", rho_most=1.0))


def test_without_a_penalty_nothing_goes():
    session = sparsifying(replace(QUICK, strength=0.0))
    assert all(share == 1 for r in session.records() for _, share in r.live)
    assert session.result()[1].removals == ()


@pytest.mark.parametrize("settings", [METHODS[2], STRIPES], ids=named)
def test_networks_with_ties_concatenation_shared_and_depthwise_layers_end_in_plans(
    settings, tiny_model
):
    settings = replace(settings, coupled=True, target_reduction=0.4, batch_size=16)
    session = sparsifying(settings, tiny_model)
    history = list(session.records())
    model, plan = session.result()
    small = prune(model, plan)
    assert (
        count_macs(small)
        == cost(session.network, replace(plan, digest=session.network.digest)).macs
    )
    assert history[-1].macs <= 0.6 * count_macs(tiny_model)


def test_tied_layers_are_left_whole_unless_asked(residual_model):
    session = sparsifying(replace(QUICK, batch_size=16, strength=30.0), residual_model)
    assert {r.group for r in session.sparse.solver.rows} == {
        g.name for g in session.network.free if len(g.layers) == 1
    }


def test_rows_hold_filter_bias_and_norm(plain_model):
    session = sparsifying(replace(QUICK, batch_size=16), plain_model)
    found = {r.group: {p.name for p in r.slices} for r in session.sparse.solver.rows}
    assert found["conv1"] == {"conv1.weight", "conv1.bias"}
    assert found["conv3"] == {"conv3.weight", "bn3.weight", "bn3.bias"}
    rows = next(r for r in session.sparse.solver.rows if r.group == "conv3")
    state = {n: p.detach() for n, p in session.module.named_parameters()}
    row = torch.cat([state[name][2].flatten() for name in found["conv3"]])
    assert float(rows.norms(state)[2]) == pytest.approx(float(row.norm()), rel=1e-5)


def test_what_does_not_fit_is_refused_in_a_sentence():
    state = sparsifying(QUICK).state_dict()
    with pytest.raises(RunError, match="does not fit this run"):
        sparsifying(METHODS[5], lenet()).load_state_dict({**state, "step": torch.tensor([1])})
    with pytest.raises(RunError, match="does not fit this run"):
        sparsifying(QUICK).load_state_dict({k: v for k, v in state.items() if "copy" not in k})
    wrong = noise((1, 8, 9), 10)
    with pytest.raises(DataError, match=r"takes images of \(1, 8, 8\)"):
        SparseTraining(lenet(), train=wrong, test=wrong, settings=QUICK)
    whole = Model(tiny.NETS["residual"](), name="whole", input_shape=(3, 8, 8))
    session = sparsifying(replace(METHODS[2], target_reduction=0.95, batch_size=16), whole)
    with pytest.raises(PlanError, match="Lower the target"):
        list(session.records())


def test_an_infinite_loss_says_what_to_do():
    with pytest.raises(RunError, match=r"became infinite.*Lower the learning rate"):
        list(sparsifying(replace(QUICK, learning_rate=1e12)).records())


@pytest.mark.parametrize("settings", METHODS, ids=named)
def test_weights_that_are_no_longer_finite_make_no_state(settings):
    session = sparsifying(settings)
    session.advance()
    assert session.state_dict()
    with torch.no_grad():
        next(session.module.parameters())[0] = torch.inf
    with pytest.raises(RunError, match=r"became infinite before step.*Lower the learning rate"):
        session.state_dict()


@pytest.mark.parametrize("method", ["ssr_l21", "ssr_l20", "proximal"])
def test_filters_that_the_answer_does_not_need_are_the_ones_that_go(method):
    """Images whose class is one of four patterns; a layer that starts with the four right
    filters, and sixteen others that read noise: the sixteen go."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    pixels = rng.integers(118, 138, (400, 4, 4, 4), dtype=np.uint8)
    pixels[np.arange(400), labels] = 250
    images = Images("patterns", "train", pixels, labels)

    net = torch.nn.Sequential(
        torch.nn.Conv2d(4, 20, 1), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(), torch.nn.Linear(20, 4),
    )  # fmt: skip
    with torch.no_grad():
        source = torch.Generator().manual_seed(0)
        net[0].weight.normal_(0, 0.15, generator=source)
        net[0].weight[:4] = torch.eye(4)[:, :, None, None]
        net[0].bias.zero_()
        net[4].weight.normal_(0, 0.05, generator=source)
        net[4].weight[:, :4] = torch.eye(4)
    model = Model(net, name="toy", input_shape=(4, 4, 4))
    settings = sparse_settings(
        method, epochs=40, refresh=10, batch_size=50, learning_rate=0.05,
        augmentation="none", strength={"ssr_l20": 0.6}.get(method, 0.05),
    )  # fmt: skip
    session = SparseTraining(model, train=images, test=images, settings=settings)
    history = list(session.records())
    _, plan = session.result()
    assert set(plan.removed("0")) <= set(range(4, 20))
    # l2,0 starts at a pull where rows above 0.8 of the mean norm stay
    assert len(plan.removed("0")) >= (8 if method == "ssr_l20" else 12)
    assert history[-1].test_accuracy == 1


def test_stripes_that_went_in_training_are_skipped_by_the_cut_network():
    session = sparsifying(STRIPES)
    history = list(session.records())
    model, plan = session.result()
    small = prune(model, plan)
    thin, choices = striped(small, kind="stripes")
    assert choices
    assert count_macs(thin) == history[-1].macs
    images = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(thin.module(images), model.module(images), atol=1e-5)
    assert {r.phase for r in history} == {"filters", "stripes", "frozen"}
    assert all(0 < share <= 1 for r in history for _, share in r.stripes)
    assert all(len(points) == 5 for r in history for _, points in r.gates)


def test_a_gate_below_the_threshold_can_come_back_for_a_while():
    session = sparsifying(replace(STRIPES, filter_share=0.0, reactivation=1, strength=0.0))
    held = session.sparse.solver.stripe_gates
    gate = held.gates["conv2"]
    with torch.no_grad():
        gate[0, 0, 0], gate[1, 0, 0] = 0.001, 0.001
    session._train_step()
    assert held.since["conv2"][0, 0, 0] >= 0
    with torch.no_grad():
        gate[0, 0, 0] = 0.5  # what its gradient, which is still there, may do
    session.step += 1
    session._train_step()
    assert held.since["conv2"][0, 0, 0] == -1
    session.step += session._batches.steps
    session._train_step()
    assert gate[1, 0, 0] == 0 or held.since["conv2"][1, 0, 0] == -1
