"""The end of a run that prunes while training: what was removed, what it costs, what is kept."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.cost.stripes import StripeChoice, stripe_cost
from sfp_viz.files import write_json
from sfp_viz.runs.storage.records import Before
from sfp_viz.runs.storage.sparsify import (
    OUTCOME,
    Outcome,
    SparsifyRequest,
    StripeTimes,
    read_refreshes,
)
from sfp_viz.runs.work.finetune import write_result

if TYPE_CHECKING:
    from sfp_viz.nets.model import Model

STUDENT = "student.safetensors"
REPEATS = 30  # passes of a whole network; half as many of a layer


def write_outcome(
    folder: Path, model: Model, student: Model, before: Before, order: SparsifyRequest
) -> None:
    """Write the trained network, the costs beside the unpruned one, and the result. In a network
    with stripes each layer is kept as it is fastest, measured here.

    Args:
        folder: The folder of the run.
        model: The unpruned network.
        student: The trained network.
        before: What was measured before the fine-tuning.
        order: What the run was asked for.
    """
    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.nets.tracing.read_network import read_network

    network, lines = read_network(student), read_refreshes(folder)
    unpruned, dense, pruned = cost(read_network(model)), cost(network), stripe_cost(network)
    choices, timed = (), None
    if order.settings.method == "stripes":
        choices, timed = _keep_striped(student, folder / STUDENT)
    else:
        save_model(student, folder / STUDENT)
    notes = [note for line in lines for note in line.notes]
    if pruned.macs == unpruned.macs:
        notes.append(_unchanged_note(order))
    outcome = Outcome(
        macs=(unpruned.macs, pruned.macs),
        params=(unpruned.params, pruned.params),
        activation_bytes=(unpruned.peak_activation_bytes, pruned.peak_activation_bytes),
        dense_macs=dense.macs,
        dense_params=dense.params,
        notes=tuple(dict.fromkeys(notes)),
        choices=choices,
        timed=timed,
    )
    write_json(folder / OUTCOME, asdict(outcome))
    write_result(folder, before, seconds=sum(line.seconds for line in lines))


def _keep_striped(
    student: Model, file: Path
) -> tuple[tuple[StripeChoice, ...], StripeTimes | None]:
    from sfp_viz.nets.evaluation.measure import measure_latency
    from sfp_viz.nets.stripes.striped_file import save_striped
    from sfp_viz.nets.stripes.striped_model import striped

    mixed, choices = striped(student, repeats=REPEATS // 2)
    save_striped(mixed, file)
    if not choices:
        return (), None
    every, _ = striped(student, kind="stripes")
    timings = [measure_latency(model, repeats=REPEATS) for model in (student, every, mixed)]
    dense, skipping, kept = (timing.latency_ms or 0.0 for timing in timings)
    first = timings[0]
    return choices, StripeTimes(dense, skipping, kept, first.batch, first.threads, first.repeats)


def _unchanged_note(order: SparsifyRequest) -> str:
    """What to do when nothing was removed."""
    settings = order.settings
    if settings.meets_target:
        return (
            "Nothing was removed: every filter is protected, or the target is 0. Raise the target."
        )
    return (
        f"The penalty removed no filter. Raise lambda (strength, now {settings.strength:g}), or "
        "have the largest filters kept that meet the target (finish 'target')."
    )
