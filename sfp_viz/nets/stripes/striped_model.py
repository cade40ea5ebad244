"""Networks whose convolutions leave dead stripes out: made by what is fastest here, and undone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from sfp_viz.core.cost.stripes import StripeChoice, StripeKind, live_window
from sfp_viz.nets.forward import copy_module
from sfp_viz.nets.model import Model
from sfp_viz.nets.stripes.cropped_conv import CroppedConv
from sfp_viz.nets.stripes.stripe_conv import StripeConv
from sfp_viz.nets.tracing.execution import execute

RunKind = Literal["fastest", "stripes", "smaller"]


def live_mask(conv: nn.Conv2d | CroppedConv) -> Tensor:
    """Stripes of a convolution that are not 0 everywhere: bool [filters, height, width]."""
    return conv.weight.detach().ne(0).any(1)


def striped(
    model: Model, *, kind: RunKind = "fastest", batch: int = 1, repeats: int = 15
) -> tuple[Model, tuple[StripeChoice, ...]]:
    """A copy of a network whose convolutions leave dead stripes out.

    Fewer counted MACs do not mean less time (docs/method.md).

    Args:
        model: The network.
        kind: 'fastest' measures every way that a layer with dead stripes can run on this machine
            and takes the fastest: with zeros, which cost nothing extra on many CPUs; with its
            stripes skipped; or with a smaller window, where a border row or column of it is dead
            for all filters. 'stripes' skips in all of them, and 'smaller' makes all windows smaller
            that can be, without measuring.
        batch: Images per measured call.
        repeats: How many calls to time.

    Returns:
        The copy, and what was chosen for each layer with dead stripes.
    """
    module = copy_module(model.module).eval()
    calls = execute(model.module, model.input_shape, name=model.name).calls
    choices = []
    for name, conv in _thinned(module):
        variants = _variants(conv)
        times: dict[StripeKind, float] = {}
        if kind == "fastest" and name in calls:
            maps = torch.randn(batch, *calls[name][0][0][1:])
            times = {n: _median_ms(layer, maps, repeats) for n, layer in variants.items()}
        chosen = _chosen(kind, variants, times)
        choices.append(_choice(name, live_mask(conv), variants, times, chosen))
        replace_layer(module, name, variants[chosen])
    module.train(model.module.training)
    return model.with_module(module, base_digest=model.base_digest), tuple(choices)


def dense_twin(model: Model) -> Model:
    """``model`` with zeros in place of what its layers leave out: the same outputs, a plain
    architecture."""
    module = copy_module(model.module)
    for name, layer in list(module.named_modules()):
        if isinstance(layer, (StripeConv, CroppedConv)):
            replace_layer(module, name, layer.dense())
    return model.with_module(module)


def stripe_layers(model: Model) -> tuple[str, ...]:
    """Names of the layers that skip dead stripes."""
    return tuple(n for n, layer in model.module.named_modules() if isinstance(layer, StripeConv))


def cropped_layers(model: Model) -> tuple[str, ...]:
    """Names of the layers with a smaller window than they had."""
    return tuple(n for n, layer in model.module.named_modules() if isinstance(layer, CroppedConv))


def replace_layer(module: nn.Module, name: str, layer: nn.Module) -> None:
    """Replace a layer of a module, in place.

    Args:
        module: The module.
        name: The layer's path in it.
        layer: What to put there.
    """
    owner, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(owner), leaf, layer)


def with_skipped_stripes(conv: nn.Conv2d) -> StripeConv:
    """``conv`` with its dead stripes skipped."""
    return StripeConv(conv, live_mask(conv))


def with_cropped_window(conv: nn.Conv2d) -> CroppedConv | None:
    """``conv`` without the border rows and columns that are dead for all filters; None: none is."""
    window = live_window(live_mask(conv).cpu().numpy())
    return CroppedConv(conv, window) if window else None


def freeze_stripes(module: nn.Module) -> None:
    """Keep the dead stripes of ``module`` at 0 through any training of it: their gradients are 0
    from now on, so that neither momentum nor decay moves them. In place; a copy does not."""
    for conv in module.modules():
        if not (type(conv) is nn.Conv2d or isinstance(conv, CroppedConv)):
            continue
        if bool((live := live_mask(conv)).all()):
            continue
        mask = live[:, None]
        conv.weight.register_hook(lambda gradient, mask=mask: gradient * mask)


def can_leave_out_stripes(conv: nn.Conv2d) -> bool:
    """Whether a convolution pads with zeros, by numbers: others have to run as they are."""
    return conv.padding_mode == "zeros" and not isinstance(conv.padding, str)


def _thinned(module: nn.Module) -> Iterator[tuple[str, nn.Conv2d]]:
    """Convolutions with dead stripes that can leave them out."""
    for name, layer in list(module.named_modules()):
        if type(layer) is not nn.Conv2d or not can_leave_out_stripes(layer):
            continue
        mask = live_mask(layer)
        if mask[0].numel() > 1 and bool(mask.any()) and not bool(mask.all()):
            yield name, layer


def _variants(conv: nn.Conv2d) -> dict[StripeKind, nn.Module]:
    """How a convolution with dead stripes can run; the first is taken where two are as fast."""
    variants: dict[StripeKind, nn.Module] = {"dense": conv}
    if smaller := with_cropped_window(conv):
        variants["smaller"] = smaller
    variants["stripes"] = with_skipped_stripes(conv)
    return variants


def _chosen(
    kind: RunKind, variants: Mapping[StripeKind, nn.Module], times: Mapping[StripeKind, float]
) -> StripeKind:
    """A layer that was not measured, because nothing calls it, stays as it is."""
    if kind == "fastest":
        return min(times, key=lambda variant: times[variant]) if times else "dense"
    return kind if kind in variants else "dense"


def _choice(
    name: str,
    mask: Tensor,
    variants: Mapping[StripeKind, nn.Module],
    times: Mapping[StripeKind, float],
    chosen: StripeKind,
) -> StripeChoice:
    smaller = variants.get("smaller")
    return StripeChoice(
        layer=name,
        live=int(mask.sum()),
        stripes=mask.numel(),
        dense_ms=times.get("dense"),
        stripes_ms=times.get("stripes"),
        kind=chosen,
        window=smaller.size if isinstance(smaller, CroppedConv) else None,
        smaller_ms=times.get("smaller"),
    )


def _median_ms(layer: nn.Module, maps: Tensor, repeats: int) -> float:
    """Median milliseconds of a call, after three that warm up."""
    times = []
    with torch.inference_mode():
        for turn in range(repeats + 3):
            started = time.perf_counter()
            layer(maps)
            if turn >= 3:
                times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)
