"""From torch.export's JSON to a Program: its operations, with the layers found among them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sfp_viz.errors import ModelError
from sfp_viz.nets.exported.archive import DTYPES
from sfp_viz.nets.exported.layers import DROPOUTS, layer_of, leaves_of
from sfp_viz.nets.exported.operations import is_check, operation
from sfp_viz.nets.exported.program import (
    LAYER,
    MOST_STEPS,
    Argument,
    InputDevice,
    Layer,
    Program,
    State,
    Step,
    TensorSpec,
    Value,
    values_in,
)
from sfp_viz.nets.exported.sizes import Sizes, with_free_sizes
from sfp_viz.nets.exported.subgraphs import inlined, wrapper_of

_LAYOUTS = {7: torch.strided}
_MEMORY = {
    1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d,
    4: torch.preserve_format,
}  # fmt: skip
_NORMS = "aten.batch_norm.default"
_LOW = (torch.float16, torch.bfloat16, torch.float64)  # are opened as float32


def convert(content: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> tuple[Program, dict]:
    """The program of a .pt2 archive, and its weights under the names of its layers.

    Args:
        content: The archive's JSON, after torch._export.serde.schema.ExportedProgram.
        tensors: Its parameters, buffers and constants by name.

    Raises:
        ModelError: It takes or does what cannot be followed here.
        KeyError, TypeError, ValueError: The JSON is not as torch.export writes it.
    """
    graph, signature = content["graph_module"]["graph"], content["graph_module"]["signature"]
    nodes, facts = inlined(graph)
    if len(nodes) > MOST_STEPS:
        raise ModelError(f"The network has more than {MOST_STEPS:,} operations.")
    inputs, images = _inputs(signature, tensors)
    sizes: Sizes = {
        name: tuple(size.get("as_int") for size in entry["sizes"]) for name, entry in facts.items()
    }
    shape, kind = _image_shape(facts[images]), DTYPES.get(facts[images]["dtype"])
    low = kind if kind in _LOW else None
    if kind is None or not kind.is_floating_point:
        raise ModelError("The network's input is no floating-point image. Export it with one.")
    inputs[images] = Value(images)
    reader = _Arguments(inputs, low)
    nodes = [node for node in nodes if not is_check(_target(node))]
    steps, layers = _steps(nodes, reader, tensors, sizes)
    batch = sizes[images][0]
    output = _output(content["graph_module"], graph, signature, reader)
    steps = _without_unused(steps, output)
    own = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    steps = with_free_sizes(steps, {**own, **sizes}, images, batch)
    called = {step.args[0] for step in steps if step.target == LAYER}
    kept = tuple(layer for path, layer in layers.items() if path in called)
    owned = {f"{layer.path}.{leaf}" for layer in kept for leaf in leaves_of(layer)}
    parameters = {
        spec["parameter"]["parameter_name"] for spec in signature["input_specs"]
        if "parameter" in spec
    }  # fmt: skip
    loose = {
        value.name: None
        for step in steps
        for value in values_in((step.args, tuple(step.kwargs.values())))
        if isinstance(value, State) and value.name not in owned
    }
    state = {name: _as_float32(tensors[name], low) for name in (*loose, *owned) if name in tensors}
    for name in owned - state.keys():
        if not name.endswith(".num_batches_tracked"):
            raise ModelError(f"The archive has no weight '{name[:80]}'. Export the network again.")
        state[name] = torch.tensor(0)
    program = Program(
        steps=steps,
        layers=kept,
        tensors=tuple(
            TensorSpec(n, tuple(state[n].shape), state[n].dtype, n in parameters
                       and state[n].is_floating_point())
            for n in loose
        ),
        input=images,
        output=output,
        input_shape=shape,
        batch=batch,
        notes=_notes(graph["nodes"], low),
    )  # fmt: skip
    return program, state


def _target(node: Mapping[str, Any]) -> str:
    return str(node["target"]).removeprefix("torch.ops.")


def _inputs(signature: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> tuple[dict, str]:
    """What each of the graph's inputs is, by its name, and the name of the images."""
    inputs: dict[str, Argument] = {}
    images: list[str] = []
    for spec in signature["input_specs"]:
        ((kind, entry),) = spec.items()
        if kind == "user_input":
            ((form, value),) = entry["arg"].items()
            if form == "as_tensor":
                images.append(value["name"])
            elif form != "as_none":
                raise ModelError(
                    "The network takes a number or word beside its images. Export it with images "
                    "alone."
                )
            continue
        if kind == "constant_input":
            ((_, inputs[entry["name"]]),) = entry["value"].items()
            continue
        name = entry.get("parameter_name") or entry.get("buffer_name") or entry.get(
            "tensor_constant_name"
        )  # fmt: skip
        if kind not in ("parameter", "buffer", "tensor_constant") or name not in tensors:
            raise ModelError(
                f"The network needs '{str(name or kind)[:80]}', an object that is no tensor or is "
                "not in the file. Export the network without it."
            )
        inputs[entry["arg"]["name"]] = State(name)
    if len(images) != 1:
        raise ModelError(
            f"The network takes {len(images)} tensors; networks of one tensor of images are opened."
        )
    return inputs, images[0]


def _image_shape(facts: Mapping[str, Any]) -> tuple[int, ...]:
    """(channels, height, width) of the images of the export."""
    shape = []
    for size in facts["sizes"][1:]:
        hint = (size.get("as_expr") or {}).get("hint") or {}
        shape.append(int(size["as_int"] if "as_int" in size else hint.get("as_int", 0)))
    if len(shape) != 3:
        raise ModelError(
            f"The network's input has {len(shape) + 1} dimensions; networks of images (N, "
            "channels, height, width) are opened."
        )
    return tuple(shape)


class _Arguments:
    """Reads the arguments of operations. ``low`` is a floating-point type that becomes float32."""

    def __init__(self, known: dict[str, Argument], low: torch.dtype | None) -> None:
        self.known, self.low = known, low

    def read(self, content: Mapping[str, Any]) -> Argument:
        ((form, value),) = content.items()
        match form:
            case "as_none":
                return None
            case "as_tensor" | "as_sym_int" | "as_sym_bool" | "as_sym_float" | "as_optional_tensor":
                return self.one(value)
            case "as_tensors" | "as_optional_tensors" | "as_sym_ints" | "as_sym_bools":
                return tuple(self.one(item) for item in value)
            case "as_sym_floats":
                return tuple(self.one(item) for item in value)
            case "as_int" | "as_bool" | "as_string":
                return value
            case "as_float":
                return float(value)
            case "as_ints" | "as_bools" | "as_strings":
                return tuple(value)
            case "as_floats":
                return tuple(float(item) for item in value)
            case "as_int_lists" | "as_float_lists":
                return tuple(tuple(item) for item in value)
            case "as_scalar_type":
                kind = DTYPES[value]
                return torch.float32 if kind is self.low else kind
            case "as_memory_format":
                return _MEMORY[value]
            case "as_layout":
                return _LAYOUTS[value]
            case "as_device":
                return InputDevice()
        raise ModelError(
            f"The network has an operation on {form.removeprefix('as_')}, such as control flow or "
            "a custom object, which cannot be opened. Export the network without it."
        )

    def one(self, content: Any) -> Argument:
        """A tensor or a size: what has a name, or a number."""
        if "name" in content:
            return self.known.get(content["name"], Value(content["name"]))
        ((form, value),) = content.items()
        if form == "as_name":
            return self.known.get(value, Value(value))
        return self.one(value) if form == "as_tensor" else None if form == "as_none" else value


def _steps(
    nodes: list[Mapping[str, Any]],
    reader: _Arguments,
    tensors: Mapping[str, Tensor],
    sizes: Sizes,
) -> tuple[tuple[Step, ...], dict[str, Layer]]:
    """One step a node; those that are a layer of torch.nn call it."""
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    layers: dict[str, Layer] = {}
    transposed: dict[str, State] = {}
    steps = []
    for node in nodes:
        step = _step(node, reader)
        named = _named(step, [entry["name"] for entry in node["inputs"]])
        target = step.target
        if (weight := _transposed(step)) is not None:
            transposed[step.outputs[0]] = weight
        elif (linear := _as_linear(step, transposed)) is not None:
            target, named = "aten.linear.default", linear
        source = named.get("input", named.get("self"))
        rank = len(sizes.get(source.name, ())) if isinstance(source, Value) else 0
        layer = layer_of(target, named, shapes, rank) if rank else None
        if layer is None and step.target in DROPOUTS:
            layer = _dropout(step.target, named, node, layers, rank)
        if layer is not None and layers.setdefault(layer.path, layer) == layer:
            step = Step(LAYER, (layer.path, source), {}, step.outputs[:1], step.place)
        steps.append(step)
    return tuple(steps), layers


def _transposed(step: Step) -> State | None:
    """The weight that a step transposes, as exports without composite operations do for linear
    layers; None for any other step."""
    swaps = {"aten.t.default": (), "aten.transpose.int": (0, 1), "aten.permute.default": ((1, 0),)}
    is_swap = step.target in swaps and step.args[1:] == swaps[step.target]
    return step.args[0] if is_swap and isinstance(step.args[0], State) else None


def _as_linear(step: Step, transposed: Mapping[str, State]) -> dict[str, Argument] | None:
    """The arguments of the linear layer that a product with a transposed weight is."""
    if step.kwargs or (step.target, len(step.args)) not in (
        ("aten.addmm.default", 3), ("aten.mm.default", 2)
    ):  # fmt: skip
        return None
    *bias, source, weight = step.args
    if not isinstance(weight, Value) or weight.name not in transposed:
        return None
    return {"input": source, "weight": transposed[weight.name], "bias": bias[0] if bias else None}


def _step(node: Mapping[str, Any], reader: _Arguments) -> Step:
    target = _target(node)
    args, kwargs = [], {}
    schema = getattr(operation(target), "_schema", None)
    words = {a.name for a in schema.arguments if a.kwarg_only} if schema else set()
    for entry in node["inputs"]:
        value = reader.read(entry["arg"])
        if entry["name"] in words or entry.get("kind") == 2:
            kwargs[str(entry["name"])] = value
        else:
            args.append(value)
    return Step(target, tuple(args), kwargs, _names(node["outputs"]), _module_of(node)[0])


def _module_of(node: Mapping[str, Any]) -> tuple[str, str]:
    """The path and the class of the module whose code runs a node; '' where it is not known."""
    entries = str(node.get("metadata", {}).get("nn_module_stack", "")).split(";")
    parts = entries[-1].split(",")
    return (parts[1], parts[-1]) if len(parts) >= 3 else ("", "")


def _names(outputs: list[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of a node's results, in order."""
    names = []
    for output in outputs:
        ((form, value),) = output.items()
        entries = value if form in ("as_tensors", "as_optional_tensors") else [value]
        for entry in entries:
            inner = entry if isinstance(entry, Mapping) else {}
            inner = inner.get("as_tensor", inner)
            names.append(str(inner.get("name", inner.get("as_name", "")) if inner else ""))
    return tuple(names)


def _named(step: Step, names: list[str]) -> dict[str, Argument]:
    """The arguments by name, with the defaults of the operator's schema."""
    schema = getattr(operation(step.target), "_schema", None)
    named = {a.name: a.default_value for a in schema.arguments} if schema else {}
    return {**named, **dict(zip(names, step.args, strict=False)), **step.kwargs}


def _dropout(
    target: str, named: Mapping[str, Any], node: Mapping[str, Any], layers: Mapping[str, Layer],
    rank: int,
) -> Layer | None:  # fmt: skip
    """A dropout at the path of its module, or beside it where the module has one of another kind.
    It is a module, so that it drops in training and not in evaluation."""
    if not isinstance(named.get("p"), int | float):
        return None
    path, kind = _module_of(node)
    word = DROPOUTS[target]
    if word == "Dropout2d" and rank in (3, 5):
        word = f"Dropout{rank - 2}d"
    base = path if "Dropout" in kind else f"{path}.dropout" if path else "dropout"
    settings = {"p": float(named["p"]), "inplace": target.endswith("_.default")}
    wanted, count = Layer(base, word, settings), 1
    while layers.get(wanted.path, wanted) != wanted:
        count += 1
        wanted = replace(wanted, path=f"{base}_{count}")
    return wanted


def _without_unused(steps: tuple[Step, ...], output: Argument) -> tuple[Step, ...]:
    """Without steps whose results nothing uses, such as counts of batches that a norm keeps."""
    used = {value.name for value in values_in(output)}
    kept = []
    for step in reversed(steps):
        values = values_in((step.args, tuple(step.kwargs.values())))
        counts = bool(values) and all(
            isinstance(v, State) and v.name.endswith("num_batches_tracked") for v in values
        )
        name = step.target.split(".")[1] if "." in step.target else ""
        writes = name.endswith("_") and not name.endswith("__") and not counts
        if writes or used & set(step.outputs):
            kept.append(step)
            used |= {value.name for value in values if isinstance(value, Value)}
    return tuple(reversed(kept))


def _output(
    module: Mapping[str, Any],
    graph: Mapping[str, Any],
    signature: Mapping[str, Any],
    reader: _Arguments,
) -> Argument:
    """What the network returns: one tensor, or tensors in the tuples, lists and dicts that its code
    put them in."""
    flat = [
        reader.read(output)
        for spec, output in zip(signature["output_specs"], graph["outputs"], strict=True)
        if "user_output" in spec
    ]
    call = next((c for c in module["module_call_graph"] if c["fqn"] == ""), None)
    try:
        spec = json.loads(call["signature"]["out_spec"])[1] if call else None
        parts = iter(flat)
        output = _shaped(spec, parts)
        if next(parts, None) is not None:
            raise ValueError("outputs are left over")
    except (KeyError, TypeError, ValueError, IndexError, StopIteration, RecursionError):
        output = flat[0] if len(flat) == 1 else tuple(flat)
    return output


def _shaped(spec: Any, parts: Any) -> Argument:
    if spec["type"] is None:
        return next(parts)
    children = [_shaped(child, parts) for child in spec["children_spec"]]
    kind = str(spec["type"])
    if kind.endswith(("dict", "Dict")):
        context = json.loads(spec["context"])
        keys = context[1] if len(context) == 2 and isinstance(context[1], list) else context
        return dict(zip(map(str, keys), children, strict=True))
    return children if kind.endswith("list") else tuple(children)


def _as_float32(tensor: Tensor, low: torch.dtype | None) -> Tensor:
    return tensor.float() if low is not None and tensor.dtype is low else tensor


def _notes(nodes: list[Mapping[str, Any]], low: torch.dtype | None) -> tuple[str, ...]:
    """What is not in the file, in sentences."""
    trained = any(
        entry["name"] in ("training", "train") and entry["arg"].get("as_bool") is True
        for node in nodes
        if _target(node) in (_NORMS, *DROPOUTS)
        for entry in node["inputs"]
    )
    notes = []
    if not trained:
        notes.append(
            "It was exported in evaluation mode. In training its norms and dropouts work as in "
            "your code, but whatever your code does in training alone, such as stochastic depth or "
            "auxiliary outputs, is not in the file."
        )
    else:
        notes.append(
            "It was exported in training mode. Its norms and dropouts are switched to evaluation "
            "where that is needed, but whatever your code does in training alone runs there too. "
            "Export it after model.eval() if its outputs differ."
        )
    if any(wrapper_of(node) for node in nodes):
        notes.append(
            "Its code switches gradients or precision off for a part (torch.no_grad or autocast); "
            "here that part is run like the others."
        )
    if low is not None:
        notes.append(f"Its {str(low).removeprefix('torch.')} weights were opened as float32.")
    return tuple(notes)
