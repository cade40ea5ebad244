"""Commands that plan without pruning: analyze and plan. For samples they load no torch."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from sfp_viz.cli.options.arguments import find_digest, find_network
from sfp_viz.cli.options.edits import EditOptions, edit_options
from sfp_viz.cli.options.recipe import WorkspaceEvidence, recipe_options, workspace_evidence
from sfp_viz.cli.output.text import fact_list, print_result, table, with_json
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import Cost, cost, cost_of_widths
from sfp_viz.core.evidence.evidence import needs
from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.plan.validation import kept_units
from sfp_viz.core.redundancy.dead_filters import DeadFilters, dead_filters
from sfp_viz.errors import ModelError, PlanError
from sfp_viz.files import write_text
from sfp_viz.text.dead_filters import dead_count, dead_layers_warning
from sfp_viz.text.groups import tied_note
from sfp_viz.text.numbers import change, count, milliseconds, percent, size
from sfp_viz.text.outputs import outputs_sentence
from sfp_viz.text.plan.widths import unrounded_sentence

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("net")
@recipe_options
@click.option("--why", is_flag=True, help="Add the reason for each suggested width.")
@with_json
def analyze(net: str, recipe: Recipe, why: bool, as_json: bool) -> None:
    """Compute the redundancy of NET, and suggest widths.

    For each group of layers: its Kernel Dispersion (0 for copies, 1 for random filters) and how
    many filters the recipe would keep.
    """
    from sfp_viz.core.allocation.allocate import allocated_widths
    from sfp_viz.core.allocation.reasons import width_reason
    from sfp_viz.text.plan.feasibility import error_text
    from sfp_viz.text.plan.widths import width_sentence

    network = find_network(net)
    dead = dead_filters(network)
    available = workspace_evidence(recipe, network.digest, "latency")
    problem = Problem.of(network, Request(recipe), available.evidence)
    note, kept = "", kept_units(network, None)
    try:
        kept = allocated_widths(problem)
    except PlanError as error:
        note = error_text(error)
    reasons = {
        g.name: width_sentence(width_reason(problem, g.name, kept[g.name])) for g in network.groups
    }
    before, after = cost(network), cost_of_widths(network, kept)
    value = {
        **network_to_dict(network),
        "outputs": {name: list(shape) for name, shape in network.outputs},
        "target": recipe.target_reduction,
        "groups": _group_dicts(problem, kept, dead, reasons),
        "note": note,
        "dead_layers": [layer for group in dead for layer in group.layers],
        "computed": {"before": cost_to_dict(before), "after": cost_to_dict(after)},
        **_estimated(network, kept, available),
        "evidence": available.value,
    }
    table_text = _group_table(network, problem.dispersions, kept)
    outputs = f"{outputs_sentence(network)}\n" if network.outputs else ""
    text = f"{network_title(network)}\n{outputs}\n{table_text}\n"
    text += "\n" + fact_list(reasons.items()) + "\n" if why else ""
    text += "".join(f"\n{line}\n" for line in (dead_count(dead), dead_layers_warning(dead)) if line)
    text += f"\n{tied}\n" if (tied := tied_note(network, recipe)) else ""
    text += f"\n{note}" if note else "\n" + cost_table(before, after, value["estimated"])
    print_result(value, _with_sources(text, available), as_json=as_json)


def _group_dicts(
    problem: Problem,
    kept: Mapping[str, int],
    dead: Sequence[DeadFilters],
    reasons: Mapping[str, str],
) -> list[dict[str, Any]]:
    """The groups of a network as JSON: filters, suggested width, dispersion and reason of each."""
    dead_units = {group.group: len(group.units) for group in dead}
    return [
        {
            "group": g.name,
            "layers": list(g.layers),
            "filters": g.size,
            "dead": dead_units.get(g.name, 0),
            "kept": kept[g.name],
            "ratio": round(1 - kept[g.name] / g.size, 6),
            "dispersion": problem.dispersions.get(g.name),
            "protected": g.protected,
            "why": reasons[g.name],
        }
        for g in problem.network.groups
    ]


_BY_WEIGHTS = (
    "This plan uses the weights alone. A plan that also uses images usually keeps far more "
    "accuracy: 'sfp-viz observe NET', then --recipe default."
)


@click.command()
@click.argument("net")
@recipe_options
@click.option("--lose-at-most", "points", type=float, metavar="POINTS",
              help="Instead of --target: remove as much as an estimated accuracy loss of POINTS "
              "allows. Needs a measured sensitivity.")  # fmt: skip
@edit_options(widths=True)
@click.option("--ratio-dict", type=_FILE,
              help="Write Torch-Pruning's pruning_ratio_dict to this file.")  # fmt: skip
@click.option("-o", "--output", type=_FILE, help="Write the plan to this file.")
@with_json
def plan(
    net: str,
    recipe: Recipe,
    points: float | None,
    edit_options: EditOptions,
    ratio_dict: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Choose filters of NET to prune, and compute the cost.

    The recipe uses the newest finished 'observe', 'sensitivity' and 'latency' of NET in the
    workspace.
    """
    from sfp_viz.core.allocation.rounding import unrounded
    from sfp_viz.core.plan.interchange import pruning_ratio_dict
    from sfp_viz.core.plan.plan import plan_to_json

    network = find_network(net)
    edits = edit_options.edits(network)
    evidence_names = ("latency",) if points is None else ("latency", "sensitivity")
    available = workspace_evidence(recipe, network.digest, *evidence_names)
    new_plan = _made(Problem(network, Request(recipe, edits), available.evidence), points)
    if output is not None:
        _write(output, plan_to_json(new_plan), "plan")
    if ratio_dict is not None:
        _write(
            ratio_dict, json.dumps(pruning_ratio_dict(network, new_plan), indent=1) + "\n", "ratios"
        )
    before, after, kept = cost(network), cost(network, new_plan), kept_units(network, new_plan)
    removed = {r.group: list(r.filters) for r in new_plan.removals}
    goal = {"target": new_plan.recipe.target_reduction, "goal": new_plan.recipe.goal}
    value = {**network_to_dict(network), "plan": new_plan.hash, "removed": removed, **goal}
    value |= {"computed": {"before": cost_to_dict(before), "after": cost_to_dict(after)}}
    value |= _estimated(network, kept, available) | {"evidence": available.value}
    value["file"] = str(output) if output else None
    text = f"{network_title(network)}, plan {new_plan.hash}\n\n{_group_table(network, {}, kept)}\n"
    text = _with_sources(f"{text}\n{cost_table(before, after, value['estimated'])}", available)
    if not set(needs(recipe)) - {"latency"}:
        text += f"\n\n{_BY_WEIGHTS}"
    if tied := tied_note(network, recipe):
        text += f"\n\n{tied}"
    problem = Problem(network, Request(new_plan.recipe, edits), available.evidence)
    if off := unrounded(problem, kept):
        text += f"\n\n{unrounded_sentence(off)}"
    value["unrounded"] = [*off.by_target, *off.by_hand] if off else []
    if output is not None:
        text += f"\n\nWritten to {output}. Next: {_prune_command(net, network, output)}"
    print_result(value, text, as_json=as_json)


def _made(problem: Problem, points: float | None) -> Plan:
    """The plan, with the largest target that is estimated to lose at most ``points``, if given."""
    from sfp_viz.core.allocation.accuracy_target import losing_at_most
    from sfp_viz.core.selection.planner import make_plan_for

    if points is not None:
        if _given("target"):
            raise click.UsageError("Give --target or --lose-at-most, not both.")
        problem = Problem.of(problem.network, problem.request, problem.evidence)
        recipe = losing_at_most(problem, points)
        problem = replace(problem, request=Request(recipe, problem.edits))
    return make_plan_for(problem)


def _prune_command(net: str, network: Network, output: Path) -> str:
    """The command that prunes by the written plan, as it can be typed here."""
    place: list[str] = []
    try:
        find_digest(network.digest)
    except ModelError:  # a file, or a network by name
        place = ["--model", net]
    return shlex.join(["sfp-viz", "prune", str(output), *place, "-o", "slim.safetensors"])


def _given(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option)
    return source is ParameterSource.COMMANDLINE


def _write(file: Path, text: str, what: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, text)
    except OSError as problem:
        raise PlanError(f"The {what} cannot be written to {file}: {problem}.") from problem


def _estimated(
    network: Network, kept: Mapping[str, int], available: WorkspaceEvidence
) -> dict[str, Any]:
    """Latency before and after, where the layers were measured on this machine."""
    from sfp_viz.core.cost.latency_table import estimate

    times = available.evidence.latency
    if times is None:
        return {"estimated": None}
    both = [estimate(network, times, widths) for widths in (kept_units(network, None), kept)]
    return {"estimated": {"latency_ms": both, "batch": times.batch, "threads": times.threads}}


def network_to_dict(network: Network) -> dict[str, Any]:
    """Which network it is, as JSON."""
    return {"network": network.name, "digest": network.digest}


def network_title(network: Network) -> str:
    """Which network it is, in words."""
    shape = " x ".join(str(n) for n in network.input_shape)
    return f"{network.name} ({network.digest}), images {shape}"


def cost_to_dict(value: Cost) -> dict[str, int]:
    """A cost as JSON."""
    return {
        "macs": value.macs,
        "params": value.params,
        "peak_activation_bytes": value.peak_activation_bytes,
    }


def cost_table(
    before: Cost,
    after: Cost,
    estimated: dict[str, Any] | None = None,
    *,
    heads: tuple[str, str] = ("before", "after"),
) -> str:
    """Two costs side by side.

    Args:
        before: The first cost.
        after: The second cost.
        estimated: Latencies, batch size and threads, where they are to be shown as estimated.
        heads: What the costs are called.
    """
    rows = [
        (name, words(old), words(new), change(old, new), f"{old:,}", f"{new:,}")
        for name, old, new, words in (
            ("MACs", before.macs, after.macs, count),
            ("params", before.params, after.params, count),
            ("peak activations", before.peak_activation_bytes, after.peak_activation_bytes, size),
        )
    ]
    text = table(("computed", *heads, "change", f"exactly {heads[0]}", heads[1]), rows)
    if estimated:
        old, new = estimated["latency_ms"]
        how = f"batch {estimated['batch']}, {estimated['threads']} threads"
        text += f"\nlatency {milliseconds(old)} -> {milliseconds(new)}  {change(old, new)}"
        text += f"  (estimated from layers measured here, {how})"
    return text


def _with_sources(text: str, available: WorkspaceEvidence) -> str:
    return f"{text}\n\n{fact_list(available.lines)}" if available.lines else text


def _group_table(
    network: Network, dispersions: Mapping[str, float], kept: Mapping[str, int]
) -> str:
    rows = []
    for group in network.groups:
        width = kept[group.name]
        ratio = percent(1 - width / group.size) if width < group.size else ""
        dispersion = f"{dispersions[group.name]:.3f}" if group.name in dispersions else ""
        state = "protected" if group.protected else ""
        rows.append((group.name, len(group.layers), group.size, dispersion, width, ratio, state))
    heads = ["group", "layers", "filters", "dispersion", "kept", "removed", ""]
    if not dispersions:
        heads.pop(3)
        rows = [(*row[:3], *row[4:]) for row in rows]
    return table(heads, rows)
