"""The one place where a network's own code is run dry: it is copied, called, and its outputs told.

The code of a network may raise anything, make tensors of its own on any device, draw random
numbers, and give anything back. Here that becomes a ModelError with the cause, or plain tensors.
"""

from __future__ import annotations

import contextlib
import copy
import random
import string
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from sfp_viz.errors import ModelError, SfpError

_CASTS = {"half", "float", "double", "bfloat16"}
_MOVES = {"cpu", "cuda"}
_DROPOUTS = {"dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d", "feature_dropout",
             "feature_dropout_", "alpha_dropout", "alpha_dropout_",
             "feature_alpha_dropout"}  # fmt: skip
_RANDOM = {"rand", "rand_like", "randn", "randn_like", "normal", "normal_", "uniform_",
           "exponential_", "log_normal_", "cauchy_", "_standard_gamma"}  # fmt: skip
_COINS = {"bernoulli", "bernoulli_"}
_LEAVING = {"item", "tolist", "numpy", "__array__"}
_LONGEST_CAUSE = 200  # characters of what an error says


def first_line(problem: BaseException) -> str:
    """What an error says, in one line without a full stop at its end; its type where it is mute."""
    lines = str(problem).strip().splitlines()
    text = lines[0][:_LONGEST_CAUSE].rstrip(". ") if lines else ""
    if isinstance(problem, KeyError | IndexError | AttributeError | StopIteration) or not text:
        return f"{type(problem).__name__}: {text}".rstrip(": ")
    return text


@contextlib.contextmanager
def foreign_code(failure: str, advice: str = "") -> Iterator[None]:
    """Turns whatever is raised inside into a ModelError that says ``failure``, the cause and
    ``advice``; errors of our own pass.

    Args:
        failure: What did not work, as a clause: "The network 'a' cannot be copied".
        advice: What to do next, as a sentence.
    """
    try:
        yield
    except SfpError:
        raise
    except Exception as problem:  # foreign code may raise anything
        message = f"{failure}: {first_line(problem)}. {advice}".rstrip()
        raise ModelError(message) from problem


def copy_module(
    module: nn.Module,
    *,
    device: str | None = None,
    dtype: torch.dtype | None = None,
    instead: Mapping[nn.Module, nn.Module] | None = None,
) -> nn.Module:
    """A deep copy, also where a layer holds a tensor that it computes (the older weight_norm).

    Args:
        module: The network; it is not changed.
        device: Where the copy goes; 'meta' copies shapes without values. None leaves it.
        dtype: The type of its floating-point values; None leaves it.
        instead: Layers that are not copied, with what takes their place.

    Raises:
        ModelError: It cannot be copied; says why.
    """
    memo: dict[int, Any] = {id(layer): other for layer, other in (instead or {}).items()}
    for layer in module.modules():
        for value in vars(layer).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach().clone()
    whole = [layer for layer in module.modules() if layer not in (instead or {})]
    for tensor in (t for layer in whole for t in (*layer._parameters.values(),
                                                  *layer._buffers.values())):  # fmt: skip
        if tensor is None or not (device == "meta" or (dtype and _is_plain(tensor))):
            continue
        kind = dtype if dtype and tensor.is_floating_point() else tensor.dtype
        value: Any = (
            torch.empty_like(tensor, device="meta", dtype=kind)
            if device == "meta"
            else tensor.detach().to(device, kind, copy=True)  # at once, so that one copy is held
        )
        if isinstance(tensor, nn.Parameter):
            learns = kind.is_floating_point if device == "meta" else tensor.requires_grad
            value = nn.Parameter(value, requires_grad=learns)
        memo.setdefault(id(tensor), value)
    with foreign_code(f"The module {type(module).__name__} cannot be copied"):
        copied = copy.deepcopy(module, memo)
        return copied if device == "meta" else copied.to(device=device, dtype=dtype)


def _is_plain(tensor: Tensor) -> bool:
    return type(tensor) in (Tensor, nn.Parameter) and tensor.is_leaf and tensor.grad is None


class DryRun(TorchFunctionMode):
    """Inside its context all floating-point numbers have one type, tensors that meet are on one
    device, and what is drawn at random is one value a call, the same for networks of any width.

    So a network that casts, that makes grids of its own, that keeps a constant beside its buffers
    or that adds noise runs in the precision and on the device of its copy, with outputs that can
    be compared. Dropout passes everything on.

    Attributes:
        undifferentiated: The last tensor with a gradient that was made into something without one:
            by argmax, a comparison or ``detach``.
    """

    def __init__(self, dtype: torch.dtype, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self._dtype, self._device = dtype, torch.device(device)
        self._draws = 0
        self.undifferentiated: Tensor | None = None

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name, kwargs = getattr(func, "__name__", ""), dict(kwargs or {})
        if name in _DROPOUTS:
            return args[0] if args else kwargs["input"]
        if name in _MOVES and args:
            return args[0]
        if name in _CASTS and args:
            return args[0].to(self._dtype)
        if name == "to":
            args = tuple(self._device if isinstance(value, str) else value for value in args)
        if isinstance(kwargs.get("device"), str | int):
            kwargs["device"] = self._device
        mixed = self._device.type == "meta" and _has_tensor_on(args, kwargs, self._device)

        def uniform(value: Any) -> Any:
            if isinstance(value, Tensor):
                dtype = self._dtype if value.is_floating_point() else value.dtype
                return value.to(self._device if mixed else value.device, dtype)
            if isinstance(value, torch.dtype):
                return self._dtype if value.is_floating_point else value
            return self._device if isinstance(value, torch.device) else value

        if name not in ("__get__", "__set__"):
            args, kwargs = tree_map(uniform, args), tree_map(uniform, kwargs)
        result = func(*args, **kwargs)  # pyright: ignore[reportCallIssue]
        if name in _LEAVING or (isinstance(result, Tensor) and result.grad_fn is None):
            followed = [tensor for tensor in tensors_of(args) if tensor.grad_fn is not None]
            self.undifferentiated = followed[0] if followed else self.undifferentiated
        if not isinstance(result, Tensor) or not result.is_floating_point():
            return result
        if name in _RANDOM or name in _COINS:
            self._draws += 1
            value = 0.25 + 0.5 * (self._draws * 0.618 % 1) if name in _RANDOM else 1.0
            if name.endswith("_"):
                with torch.no_grad():
                    return result.fill_(value)
            return torch.full_like(result, value, dtype=self._dtype)
        return result if result.dtype == self._dtype else result.to(self._dtype)


def _has_tensor_on(args: Any, kwargs: Mapping[str, Any], device: torch.device) -> bool:
    return any(tensor.device.type == device.type for tensor in tensors_of([args, dict(kwargs)]))


@contextlib.contextmanager
def dry_run(dtype: torch.dtype, device: torch.device | str = "cpu") -> Iterator[DryRun]:
    """A ``DryRun`` in which every pass draws the same random numbers and nothing is compiled; the
    caller's random numbers go on afterwards as if it had not been.

    Args:
        dtype: The floating point type of the pass.
        device: Where it runs.
    """
    state, numpy_state = random.getstate(), np.random.get_state()
    with contextlib.ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        torch.random.default_generator.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        if "torch._dynamo" in sys.modules:  # imported by whoever compiled something
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", "Using `torch.compile", UserWarning)
        if torch.device(device).type == "meta":
            stack.enter_context(torch.device(device))  # what is made and then written into
        mode = stack.enter_context(DryRun(dtype, device))
        try:
            yield mode
        finally:
            random.setstate(state)
            np.random.set_state(numpy_state)


def forward(module: nn.Module, images: Tensor) -> Any:
    """What ``module`` gives for ``images`` in a ``dry_run`` of their type, on their device.

    Args:
        module: A network.
        images: [N, channels, height, width].
    """
    with dry_run(images.dtype, images.device):
        return module(images)


def differentiable_outputs(module: nn.Module, images: Tensor) -> list[Tensor]:
    """The tensors with a gradient that the outputs of ``module`` are, or were made from last where
    they have none (classes by argmax, masks, numbers).

    Args:
        module: A network.
        images: [N, channels, height, width].
    """
    with dry_run(images.dtype, images.device) as mode:
        outputs = tensors_of(module(images))
    followed = [tensor for tensor in outputs if tensor.grad_fn is not None]
    if mode.undifferentiated is not None and (not outputs or len(followed) < len(outputs)):
        followed.append(mode.undifferentiated)
    return followed


def noise(
    input_shape: tuple[int, int, int],
    count: int,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Tensor:
    """The same normally distributed images each time: [count, channels, height, width].

    Args:
        input_shape: (channels, height, width).
        count: How many images.
        dtype: Their type.
        device: Where they lie.
    """
    if torch.device(device).type == "meta":
        return torch.empty(count, *input_shape, dtype=dtype, device=device)
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, *input_shape, generator=generator, dtype=torch.float64)
    return images.to(device, dtype)


def floating_dtype(module: nn.Module) -> torch.dtype:
    """The type of the first floating-point parameter; float32 where there is none."""
    kinds = (p.dtype for p in module.parameters() if p.is_floating_point())
    return next(kinds, torch.float32)


def tensors_of(value: Any) -> list[Tensor]:
    """All tensors of an output, whatever tuples, lists, dicts and records they are in."""
    return list(_named_tensors(value, "").values())


def named_tensors(value: Any) -> dict[str, Tensor]:
    """All tensors of an output by name: the keys of dicts and the fields of records, with numbers
    for the places in lists, joined by '_'; 'output' and a number where there are numbers alone."""
    return {
        f"output_{name}".rstrip("_") if name[:1] in ("", *string.digits) else name: tensor
        for name, tensor in _named_tensors(value, "").items()
    }


def _named_tensors(value: Any, name: str) -> dict[str, Tensor]:
    if isinstance(value, Tensor):
        return {name: value}
    if isinstance(value, Mapping):
        entries = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        entries = list(value._asdict().items())  # pyright: ignore[reportAttributeAccessIssue]
    elif isinstance(value, list | tuple):
        entries = [(str(place), item) for place, item in enumerate(value)]
    elif is_dataclass(value) and not isinstance(value, type):
        entries = [(field.name, getattr(value, field.name)) for field in fields(value)]
    else:
        return {}
    tensors: dict[str, Tensor] = {}
    for key, item in entries:
        for path, tensor in _named_tensors(item, f"{name}_{key}" if name else key).items():
            tensors[path] = tensor
    return tensors


def described(value: Any, *, depth: int = 2) -> str:
    """What an output is, in a few words: "a dict of 'logits' ([N, 10])".

    Args:
        value: An output: a tensor, or tuples, lists and dicts of them.
        depth: How many levels of nesting are spelled out.
    """
    if isinstance(value, Tensor):
        kind = "" if value.is_floating_point() else f" of {str(value.dtype).split('.')[-1]}"
        return f"{_sizes(value)}{kind}"
    kind = type(value).__name__
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    if depth and isinstance(value, Mapping):
        entries = [f"'{key}' ({described(item, depth=depth - 1)})" for key, item in value.items()]
    elif depth and isinstance(value, list | tuple):
        entries = [described(item, depth=depth - 1) for item in value]
    else:
        return f"{article} {kind}"
    more = " ..." * (len(entries) > 4)
    return f"{article} {kind} of " + (", ".join(entries[:4]) + more if entries else "nothing")


def _sizes(tensor: Tensor) -> str:
    if not tensor.ndim:
        return "a single number"
    return f"[{', '.join(['N', *map(str, tensor.shape[1:])])}]"


def keep_frozen(module: nn.Module, original: nn.Module) -> nn.Module:
    """Let the parameters of ``module``, in place, learn where those of the same names in
    ``original`` do; others learn.

    Args:
        module: The network, which is returned.
        original: The network as its author left it.
    """
    learns = {name: parameter.requires_grad for name, parameter in original.named_parameters()}
    for name, parameter in module.named_parameters():
        if parameter.is_floating_point():
            parameter.requires_grad_(learns.get(name, True))
    return module


def logits_of(module: nn.Module, images: Tensor, name: str) -> Tensor:
    """What ``module`` gives for a batch, as logits [N, classes].

    Args:
        module: The network, in any precision.
        images: Normalized images.
        name: What messages call the network.

    Raises:
        ModelError: It does not run, or gives something else.
    """
    with foreign_code(f"The network '{name}' does not run on these images"):
        output = module(images if images.dtype == floating_dtype(module) else
                        images.to(floating_dtype(module)))  # fmt: skip
    check_logits(output, name)
    return output


def check_logits(output: Any, name: str, *, training: bool = False) -> None:
    """Raise ModelError unless an output is one tensor of logits, [N, classes].

    Args:
        output: What the network gave.
        name: What messages call the network.
        training: It was in training.
    """
    if isinstance(output, Tensor) and output.ndim == 2 and output.is_floating_point():
        return
    when = " in training" if training else ""
    raise ModelError(
        f"The network '{name}' gives {described(output)}{when}. Accuracy and the loss need logits: "
        "one tensor [N, classes]. Put it into a module whose forward returns the logits alone."
    )


def outputs_of(
    module: nn.Module,
    input_shape: tuple[int, int, int],
    *,
    training: bool = False,
    batches: Sequence[int] = (2, 1),
    watch: Callable[[nn.Module], None] | None = None,
) -> Any:
    """What the network gives for two images, or for one where it takes no two: on 'meta' where
    it runs there, else on the CPU.

    Args:
        module: The network; a copy is run.
        input_shape: Channels, height and width.
        training: Run it as in training, instead of as in evaluation.
        batches: How many images to try.
        watch: Called with each copy before it is run.

    Raises:
        Exception: Whatever the network raises; run it inside ``foreign_code``.
    """
    problem: Exception | None = None
    for device in ("meta", "cpu"):
        copied = copy_module(module, device=device, dtype=torch.float32).train(training)
        if watch is not None:
            watch(copied)
        for batch in batches:
            try:
                with torch.no_grad():
                    return forward(copied, noise(input_shape, batch, device=device))
            except Exception as error:  # foreign code may raise anything
                problem = problem if device == "cpu" and batch != batches[0] else error
    assert problem is not None
    raise problem


def class_count(module: nn.Module, input_shape: tuple[int, int, int]) -> int:
    """How many classes the network tells apart; 0 where it gives no logits, or does not run on
    such images.

    Args:
        module: The network.
        input_shape: Channels, height and width of its images.
    """
    try:
        return logit_columns(outputs_of(module, input_shape))
    except Exception:  # what is wrong with it is said when it is read or run
        return 0


def logit_columns(output: Any) -> int:
    """The columns of logits [N, classes]; 0 for any other output."""
    return output.shape[1] if isinstance(output, Tensor) and output.ndim == 2 else 0
