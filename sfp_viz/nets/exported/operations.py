"""Which operations a file may name: torch's own on tensors and numbers, and nothing that reads
files, makes objects or touches memory by address.

``torch.export.load`` takes any attribute of ``torch``, ``math`` or ``operator`` that a file names;
here a name is looked up only among operators with a schema, and the schema is checked.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from sfp_viz.errors import ModelError

# arithmetic on sizes
_NUMBERS: Mapping[str, Callable[..., Any]] = {
    **{
        f"_operator.{name}": getattr(operator, name)
        for name in (
            "add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "pow", "getitem",
            "eq", "ne", "lt", "le", "gt", "ge", "and_", "or_",
        )
    },
    **{f"math.{name}": getattr(math, name) for name in ("ceil", "floor", "trunc")},
    **{
        f"torch.{name}": getattr(torch, name)
        for name in ("sym_int", "sym_float", "sym_max", "sym_min", "sym_not", "sym_ite")
    },
}  # fmt: skip
_CHECKS = ("aten._assert", "aten.sym_constrain_range")
_LIBRARIES = ("aten", "torchvision")
_PRIVATE = {  # operators whose names begin with '_', which mostly check nothing
    "_softmax", "_log_softmax", "_to_copy", "_unsafe_view", "_adaptive_avg_pool2d",
    "_adaptive_avg_pool3d", "_native_batch_norm_legit_no_training", "_native_batch_norm_legit",
    "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa", "_reshape_alias", "_stack", "_cat",
    "_weight_norm", "__and__", "__or__", "__xor__",
}  # fmt: skip
_REFUSED = {"from_file", "as_strided", "as_strided_", "as_strided_copy", "as_strided_scatter",
            "set_", "set", "set_data", "resize", "resize_", "resize_as_", "data", "requires_grad_",
            "retain_grad", "record_stream", "rename", "rename_", "sparse_resize_"}  # fmt: skip
_TYPES = {"Tensor", "number", "int", "float", "bool", "complex", "Device", "Generator"}
# kernels that are called by others, which check for them
_INTERNAL = ("quantized_", "fbgemm_", "mkldnn_", "cudnn_", "miopen_", "sparse_", "fake_quantize",
             "fused_", "to_mkldnn", "to_sparse", "segment_reduce", "lstm_mps")  # fmt: skip
_RECURRENT = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}  # gates
_WORDS = {"approximate", "mode", "rounding_mode", "equation", "padding", "indexing", "ord",
          "padding_mode", "interpolation_mode"}  # fmt: skip


def is_check(target: str) -> bool:
    """Whether an operation only asserts what torch.export found, so that nothing is lost without
    it: sizes that vary and the kinds of tensors."""
    return target.startswith(_CHECKS)


@cache
def operation(target: str) -> Callable[..., Any]:
    """The function of an operation's name.

    Raises:
        ModelError: It is none that a network's file may name.
    """
    if target in _NUMBERS:
        return _NUMBERS[target]
    library, *rest = target.split(".")
    if library not in _LIBRARIES or len(rest) != 2 or not _allowed_name(*rest):
        raise ModelError(_refusal(target))
    if library == "torchvision":
        import torchvision  # noqa: F401 (registers its operators)
    try:
        found = getattr(getattr(getattr(torch.ops, library), rest[0]), rest[1])
    except (AttributeError, RuntimeError) as problem:
        raise ModelError(
            f"This version of PyTorch ({torch.__version__}) has no operation '{target[:80]}'. "
            "Export the network again with the version that is installed here."
        ) from problem
    if not isinstance(found, torch._ops.OpOverload) or not _harmless(found):
        raise ModelError(_refusal(target))
    if rest[0] in _RECURRENT:
        return _checked_recurrent(found, _RECURRENT[rest[0]])
    return found


def _checked_recurrent(function: Any, gates: int) -> Callable[..., Any]:
    """A recurrent operator whose sizes are compared first: torch's own writes beyond its memory
    where they do not fit, and leaves the check to its modules."""
    if function._overloadname != "input":
        raise ModelError(_refusal(f"aten.{function.__name__}"))

    def recurrent(
        sequence: Tensor, state: Any, weights: Any, biases: bool, layers: int, dropout: float,
        train: bool, bidirectional: bool, batch_first: bool,
    ) -> Any:  # fmt: skip
        states = list(state) if isinstance(state, tuple | list) else [state]
        ways, width = 1 + bidirectional, states[0].shape[-1]
        batch = sequence.shape[0 if batch_first else 1]
        shapes = [(layers * ways, batch, width)] * len(states)
        wanted = []
        for layer in range(layers):
            ins = width * ways if layer else sequence.shape[2]
            one = [(gates * width, ins), (gates * width, width)]
            wanted += (one + [(gates * width,)] * (2 * biases)) * ways
        given = [tuple(t.shape) for t in (*states, *weights)]
        if sequence.dim() != 3 or len(states) != 1 + (gates == 4) or given != shapes + wanted:
            raise ValueError("the sizes of a recurrent layer do not fit its input")
        return function(sequence, state, weights, biases, layers, dropout, train, bidirectional,
                        batch_first)  # fmt: skip

    recurrent._schema = function._schema  # type: ignore[attr-defined]
    return recurrent


def _allowed_name(name: str, overload: str) -> bool:
    plain = re.fullmatch(r"[A-Za-z_]\w*", name) and re.fullmatch(r"[A-Za-z]\w*", overload)
    return (
        bool(plain)
        and name not in _REFUSED
        and not name.startswith(_INTERNAL)
        and (name[0] != "_" or name in _PRIVATE)
    )


def _harmless(found: Any) -> bool:
    """Whether an operator is one of the dispatcher, on tensors, numbers and a few words."""
    if not torch._C._dispatch_has_kernel(found.name()):
        return False  # of TorchScript's own: print, save, format ...
    return all(
        _bare(argument.type) in _TYPES
        or (_bare(argument.type) == "str" and argument.name in _WORDS)
        for argument in found._schema.arguments
    ) and all(_bare(result.type) in _TYPES for result in found._schema.returns)


def _bare(kind: Any) -> str:
    """A type of a schema without what makes it optional or a list."""
    return re.sub(r"Optional|List|[\[\]]", "", str(kind))


def _refusal(target: str) -> str:
    shown = "".join(letter for letter in target[:80] if letter.isprintable())
    return (
        f"The network uses the operation '{shown}', which is none of PyTorch's on tensors and "
        "numbers; operations of other libraries, control flow and custom operators cannot be "
        "opened. Export the network without it."
    )
