"""Networks whose convolutions skip dead stripes: make one, by what is faster here; save; open."""

from __future__ import annotations

import copy
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from sfp_viz.core.stripes import StripeChoice
from sfp_viz.errors import ModelError
from sfp_viz.nets.execution import execute
from sfp_viz.nets.model import Model
from sfp_viz.nets.saved import load_saved, model_bytes, name_beside
from sfp_viz.nets.stripe_conv import StripeConv

ENTRY = "sfp_viz_stripes"
FORMAT = 1


def live_mask(conv: nn.Conv2d) -> Tensor:
    """Stripes of a convolution that are not 0 everywhere: bool [filters, height, width]."""
    return conv.weight.detach().ne(0).any(1)


def striped(
    model: Model,
    *,
    kind: Literal["fastest", "stripes"] = "fastest",
    batch: int = 1,
    repeats: int = 15,
) -> tuple[Model, tuple[StripeChoice, ...]]:
    """A copy of ``model`` in which convolutions with dead stripes skip them, and what was chosen.

    'fastest' measures each such layer both ways on this machine, at ``batch`` images, and takes
    the faster: on a CPU that is often the dense one, whose zeros cost nothing extra. 'stripes'
    takes all without measuring. Fewer counted MACs do not mean less time.
    """
    module = copy.deepcopy(model.module).eval()
    calls = execute(model.module, model.input_shape, name=model.name).calls
    choices = []
    for name, conv in _thinned(module):
        mask = live_mask(conv)
        thin = StripeConv(conv, mask)
        times: tuple[float | None, float | None] = (None, None)
        if kind == "fastest" and name in calls:
            maps = torch.randn(batch, *calls[name][0][0][1:])
            times = _fast(conv, maps, repeats), _fast(thin, maps, repeats)
        slower = times[0] is not None and times[1] is not None and times[1] >= times[0]
        chosen: Literal["dense", "stripes"] = "dense" if slower else "stripes"
        choices.append(StripeChoice(name, int(mask.sum()), mask.numel(), *times, chosen))
        if chosen == "stripes":
            _put(module, name, thin)
    module.train(model.module.training)
    return model.with_module(module, base_digest=model.base_digest), tuple(choices)


def dense_twin(model: Model) -> Model:
    """``model`` with zeros in place of skipped stripes: the same outputs, a plain architecture."""
    module = copy.deepcopy(model.module)
    for name, part in list(module.named_modules()):
        if isinstance(part, StripeConv):
            _put(module, name, part.dense())
    return model.with_module(module)


def stripe_layers(model: Model) -> tuple[str, ...]:
    """Names of the layers that skip dead stripes."""
    return tuple(n for n, part in model.module.named_modules() if isinstance(part, StripeConv))


def save_striped(model: Model, path: str | Path) -> None:
    """Write the dense twin as safetensors, with the names of the layers that skip stripes.

    ``load_model`` opens it as the plain network with zeros, ``load_striped`` as it is. Raises
    ModelError as save_model does.
    """
    from safetensors import safe_open
    from safetensors.torch import load, save

    path = Path(path)
    beside = name_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = model_bytes(dense_twin(model))
        beside.write_bytes(content)
        with safe_open(beside, framework="numpy") as file:
            facts = dict(file.metadata() or {})
        facts[ENTRY] = json.dumps({"format": FORMAT, "layers": list(stripe_layers(model))})
        beside.write_bytes(save(load(content), metadata=facts))
        beside.replace(path)
    except OSError as problem:
        raise ModelError(f"The file {path} cannot be written: {problem}.") from problem
    finally:
        beside.unlink(missing_ok=True)


def load_striped(path: str | Path) -> Model:
    """Open a file of ``save_striped`` with the layers that skip stripes as they were.

    Raises ModelError where the file is damaged or names layers that its network has not.
    """
    from safetensors import safe_open

    model = load_saved(path)
    with safe_open(path, framework="numpy") as file:
        text = (file.metadata() or {}).get(ENTRY, "")
    try:
        said = json.loads(text) if text else {"format": FORMAT, "layers": []}
        names = [str(name) for name in said["layers"]]
        if said["format"] != FORMAT:
            raise ValueError("format")
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise ModelError(
            f"What {Path(path).name} says of its stripes is not readable; it may come from a newer "
            "version. Open it as a plain network: its dead stripes are zeros there."
        ) from problem
    module = copy.deepcopy(model.module)
    parts = dict(module.named_modules())
    for name in names:
        conv = parts.get(name)
        if type(conv) is not nn.Conv2d or isinstance(conv.padding, str):
            raise ModelError(
                f"{Path(path).name} names a layer '{name[:100]}' with stripes that its network "
                "does not have. Save it again."
            )
        _put(module, name, StripeConv(conv, live_mask(conv)))
    return model.with_module(module, base_digest=model.base_digest)


def hold_stripes(module: nn.Module) -> None:
    """Keep the dead stripes of ``module`` at 0 through any training of it: their gradients are 0
    from now on, so that neither momentum nor decay moves them. In place; a copy does not."""
    for conv in module.modules():
        if type(conv) is not nn.Conv2d or bool((live := live_mask(conv)).all()):
            continue
        mask = live[:, None]
        conv.weight.register_hook(lambda gradient, mask=mask: gradient * mask)


def _thinned(module: nn.Module) -> Iterator[tuple[str, nn.Conv2d]]:
    """Convolutions with dead stripes that StripeConv can stand for."""
    for name, part in list(module.named_modules()):
        if type(part) is not nn.Conv2d or isinstance(part.padding, str):
            continue
        mask = live_mask(part)
        plain = part.padding_mode == "zeros" and mask[0].numel() > 1
        if plain and bool(mask.any()) and not bool(mask.all()):
            yield name, part


def _put(module: nn.Module, name: str, part: nn.Module) -> None:
    owner, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(owner), leaf, part)


def _fast(part: nn.Module, maps: Tensor, repeats: int) -> float:
    """Median milliseconds of a call, after three that warm up."""
    times = []
    with torch.inference_mode():
        for turn in range(repeats + 3):
            started = time.perf_counter()
            part(maps)
            if turn >= 3:
                times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)
