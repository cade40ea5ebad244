"""The command that prunes while it trains: sparsify."""

from __future__ import annotations

import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from click.core import ParameterSource

from sfp_viz.cli.commands.queue import start_and_follow
from sfp_viz.cli.options.arguments import data_name, find_model, net_name, parse_setting
from sfp_viz.cli.options.start import StartOptions, start_options
from sfp_viz.cli.options.training import TrainingOptions, training_options
from sfp_viz.cli.output.sparsify import SKIPPING
from sfp_viz.core.training.sparsification import (
    SSR,
    STRENGTHS,
    TUNING_RATE,
    Finish,
    Method,
    Order,
    SparseSettings,
    check_used,
    sparse_settings,
)
from sfp_viz.errors import RecipeError
from sfp_viz.runs.create.sparsify import create_sparsify
from sfp_viz.runs.folder import home

if TYPE_CHECKING:
    from sfp_viz.nets.model import Model

_DEFAULT = SSR()
_OWN = (
    "rho_most", "weights", "cutoff", "settle", "filter_share", "filter_part", "dead_gate",
    "reactivation",
)  # fmt: skip
_SHARED = (
    "batch_size", "learning_rate", "momentum", "weight_decay", "augmentation", "train_images",
    "test_images", "seed",
)  # fmt: skip
_TEACHING = (
    "tune_learning_rate", "alpha", "temperature", "schedule", "standardize", "dkd",
    "label_smoothing", "warmup", "ema", "clip", "teacher_views", "precision",
)  # fmt: skip
_HEADINGS = {
    "Both phases": ("data", *_SHARED),
    "Fine-tuning after pruning": ("tune_epochs", *_TEACHING),
    "The run": ("background", "where", "as_json"),
}


class _Grouped(click.Command):
    """Its options under headings: first those of the method, then the rest by what they are for."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        place = {name: heading for heading, names in _HEADINGS.items() for name in names}
        sections: dict[str, list[tuple[str, str]]] = {"Pruning": [], **{h: [] for h in _HEADINGS}}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record and isinstance(option, click.Option):
                default = "The run" if "--help" in option.opts else "Pruning"
                sections[place.get(option.name or "", default)].append(record)
        for heading, options in sections.items():
            with formatter.section(heading):
                formatter.write_dl(options)


@click.command(cls=_Grouped)
@click.argument("net")
@click.option("--method", type=click.Choice(get_args(Method)), default=_DEFAULT.method,
              show_default=True, help="How filters are driven to zero; see above.")  # fmt: skip
@click.option("--target", type=click.FloatRange(0, 0.95), default=_DEFAULT.target_reduction,
              show_default=True, help="Share of the MACs to remove.")  # fmt: skip
@click.option("--finish", type=click.Choice(get_args(Finish)), default="target", show_default=True,
              help="target: keep the filters with the largest norms, as many as the target allows; "
              "found: keep all filters that the penalty did not set to 0.")  # fmt: skip
@click.option("--strength", type=click.FloatRange(0),
              help="Lambda, the weight of the penalty: a larger one prunes more filters. [default: "
              f"{', '.join(f'{n} {x:g}' for n, x in STRENGTHS.items() if x)}]")  # fmt: skip
@click.option(
    "--rho",
    default=_DEFAULT.rho,
    show_default=True,
    help="SSR: weight of the distance between the weights and their sparse copy; above 0.",
)
@click.option(
    "--growth",
    type=click.FloatRange(1),
    help="SSR: rho times this at each refresh. [default: 1.05 for ssr_l20, else 1]",
)
@click.option("--refresh", type=click.IntRange(1),
              help="Steps between refreshes of the sparse copy; SSR needs 70 refreshes or more. "
              f"[default: 10 for digits, else {_DEFAULT.refresh}]")  # fmt: skip
@click.option("--order", type=click.Choice(get_args(Order)), default=_DEFAULT.order,
              show_default=True,
              help="whole: all layers at once; layers: one after the other with --epochs each, "
              "for --finish found.")  # fmt: skip
@click.option("--coupled", is_flag=True,
              help="Also prune layers that are tied by an addition.")  # fmt: skip
@click.option("--set", "more_settings", multiple=True, metavar="KEY=VALUE",
              help=f"Another setting; repeatable. Keys: {', '.join(_OWN)}.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), default=_DEFAULT.epochs, show_default=True,
              help="Epochs of sparse training.")  # fmt: skip
@click.option(
    "--tune-epochs",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    help="Epochs of fine-tuning after pruning, with the unpruned NET as teacher; 0 skips it.",
)
@click.option(
    "--tune-learning-rate",
    type=click.FloatRange(0, min_open=True),
    help="Learning rate of the fine-tuning. [default: a quarter of --learning-rate]",
)
@training_options()
@start_options("Return at once; the run is queued.")
def sparsify(
    net: str,
    target: float,
    refresh: int | None,
    more_settings: tuple[str, ...],
    epochs: int,
    tune_epochs: int,
    tune_learning_rate: float | None,
    training: TrainingOptions,
    start: StartOptions,
    **settings: Any,
) -> None:
    """Train the unpruned NET sparse, prune it, fine-tune it.

    \b
    ssr_l21, ssr_l20  SSR: a penalty on the distance of each layer to a sparse copy
    ssr_projection    the same, with a copy that always meets the target
    group_lasso       a penalty on whole filters, with plain SGD
    proximal          the same penalty, with proximal steps that set filters to 0
    stripes           prunes filters first, then kernel positions (stripes)

    Skipping stripes is usually slower on a CPU: choose stripes for fewer counted MACs, not for
    speed. Both times are measured at the end.

    Options of the training, such as --batch-size, apply to both phases; those of the teacher
    (--alpha, --temperature ...) to the fine-tuning. 'runs resume' continues a stopped run.
    """
    model = find_model(net)
    images = data_name(model, training.data)
    tuning = training.settings(images, epochs=max(1, tune_epochs))
    given_names = _given()
    records = get_args(SparseSettings)
    defaults = {f.name: f.default for record in records for f in fields(record) if f.name in _OWN}
    sparse = sparse_settings(
        target_reduction=target,
        refresh=refresh or (10 if images == "digits" else _DEFAULT.refresh),
        epochs=epochs,
        **settings,
        **{name: getattr(tuning, name) for name in _SHARED},
        **dict(parse_setting(word, defaults) for word in more_settings),
    )
    more_names = [word.partition("=")[0] for word in more_settings]
    check_used(
        sparse, ["target_reduction" if n == "target" else n for n in (*given_names, *more_names)]
    )
    if not tune_epochs and (idle := [name for name in given_names if name in _TEACHING]):
        raise RecipeError(
            f"--{idle[0].replace('_', '-')} is for the fine-tuning, but --tune-epochs is 0. Leave "
            "it out, or set --tune-epochs."
        )
    if sparse.method == "stripes" and not start.as_json:
        click.echo(SKIPPING, err=True)
    rate = tune_learning_rate or TUNING_RATE * tuning.learning_rate
    tuned = replace(tuning, learning_rate=rate) if tune_epochs else None
    path = _lay_out(model, net, images, sparse, tuned)
    start_and_follow(path, start, show=f"{path.name} --follow")


def _given() -> list[str]:
    """The options that a person gave, by the names of their parameters."""
    context = click.get_current_context()
    usual = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
    return [name for name in context.params if context.get_parameter_source(name) not in usual]


def _lay_out(model: Model, net: str, images: str, settings: SparseSettings, tuning: Any) -> Path:
    from sfp_viz.nets.evaluation.measure import count_macs, count_params
    from sfp_viz.nets.io.model_file import save_model

    facts = {
        "model": net_name(net, model.digest),
        "macs_before": count_macs(model),
        "params_before": count_params(model),
    }
    with tempfile.TemporaryDirectory() as aside:
        file = Path(aside) / "model.safetensors"
        save_model(model, file)
        return create_sparsify(
            home(), model_file=file, settings=settings, tuning=tuning, data=images, facts=facts
        )
