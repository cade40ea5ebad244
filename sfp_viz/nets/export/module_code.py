"""Plain PyTorch code that builds a pruned network and loads its weights, without this package."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

from torch import nn

from sfp_viz.errors import ModelError
from sfp_viz.nets.exported.module import ARCHITECTURE as EXPORTED
from sfp_viz.nets.model import Model
from sfp_viz.nets.zoo import architectures, build

_SIZES = (
    "in_channels", "out_channels", "groups", "in_features", "out_features", "num_features",
    "num_channels", "num_parameters", "normalized_shape",
)  # fmt: skip

_IMPORTS = """\
from __future__ import annotations

import torch
from torch import nn
"""

_LOADING = '''
def load_network(path, network{default}):
    """The pruned network in evaluation mode, with the weights of a .pt or .safetensors file.
    ``network`` is your own uncut one, whose layers have the names of the file{otherwise}."""
    if str(path).endswith(".safetensors"):
        from safetensors.torch import load_file

        state = load_file(path)
    else:
        state = torch.load(path, map_location="cpu", weights_only=True)
    names = NAMES{build}
    resize(network, state, names)
    entries = type(network.state_dict())(state)
    entries._metadata = network.state_dict()._metadata
    network.load_state_dict(entries, strict=True)
    return network.eval()


def renamed(name, names):
    """The entry with another name of its layer."""
    layer, _, leaf = name.rpartition(".")
    return ".".join(filter(None, (names.get(layer, layer), leaf)))


def resize(network, state, names):
    """Give the layers of an uncut network the sizes of a pruned state_dict."""
    for name in (renamed(bias, names) for bias in ADDED_BIASES):
        layer = network.get_submodule(name.rpartition(".")[0])
        if layer.bias is None:
            layer.bias = nn.Parameter(torch.zeros(len(state[name])))
    for name, tensor in network.state_dict().items():
        if name in state and state[name].shape != tensor.shape:
            owner, _, leaf = name.rpartition(".")
            layer, resized = network.get_submodule(owner), torch.zeros_like(state[name])
            is_learned = isinstance(getattr(layer, leaf), nn.Parameter)
            setattr(layer, leaf, nn.Parameter(resized) if is_learned else resized)
    for name, sizes in LAYERS.items():
        for size, value in sizes.items():
            setattr(network.get_submodule(names.get(name, name)), size, value)
'''
_BUILD = """
    if network is None:
        network, names = build(), {}
        layers = {layer: name for name, layer in NAMES.items()}
        state = {renamed(name, layers): tensor for name, tensor in state.items()}"""


def module_code(model: Model, *, stem: str = "network") -> str:
    """A Python file with ``build()``, the uncut architecture, and ``load_network(path)``, the
    pruned network. It imports torch, and torchvision or timm where the architecture is theirs.

    ``load_network(path, network)`` loads the weights into the caller's own uncut network. There is
    no ``build()`` where only the caller has the code: of a network of one's own, or a .pt2 file.

    Args:
        model: The network; layers that leave stripes out are written as plain ones.
        stem: Name of the files without suffix, for the example.

    Raises:
        ModelError: These are weights without a network.
    """
    own = needs_own_code(model)
    imports, classes, call = ("", "", "") if own else _architecture(model)
    channels, height, width = model.input_shape
    use = f'load_network("{_clean(stem)}.pt"{", YourNetwork()" if own else ""})'
    lines = [
        f'"""{_clean(model.name)}: the pruned network in plain PyTorch.',
        "",
        f"    network = {use}",
        f"    outputs = network(images)  # float32 [N, {channels}, {height}, {width}], normalized",
        '"""',
        "",
        _IMPORTS + imports,
        f"MEAN, STD = {model.mean!r}, {model.std!r}  # of pixels in 0..1, one a channel",
        "",
        "# Sizes of the layers that are not as in the uncut architecture.",
        "LAYERS = {",
        *(f"    {name!r}: {sizes!r}," for name, sizes in _layer_sizes(model).items()),
        "}",
        "# Biases that the uncut architecture does not have.",
        f"ADDED_BIASES = {list(model.added_biases)!r}",
        "# Names of layers in the file, where they are not those of build().",
        "NAMES = {",
        *(f"    {name!r}: {layer!r}," for name, layer in names_in_file(model).items()),
        "}",
        "",
    ]
    if classes:
        lines += ["", classes, ""]
    if not own:
        lines += ["", "def build():", '    """The uncut network with random weights."""']
        lines += [f"    return {call}", ""]
    return "\n".join(lines) + _LOADING.format(
        default="" if own else "=None",
        otherwise="" if own else "; None builds one",
        build="" if own else _BUILD,
    )


def needs_own_code(model: Model) -> bool:
    """Whether only the caller's code builds the uncut network."""
    return model.architecture in (None, EXPORTED)


def names_in_file(model: Model) -> dict[str, str]:
    """Names that layers had in the state_dict that the network was opened from, by their names
    here; empty where they are the same, or where more than the layers' names differs.

    Args:
        model: The network.
    """
    names: dict[str, str] = {}
    for old, new in model.source.keys:
        (layer, _, leaf), (module, _, own_leaf) = old.rpartition("."), new.rpartition(".")
        if leaf != own_leaf or names.setdefault(module, layer) != layer:
            return {}
    others = {name for name, _ in model.module.named_modules()} - names.keys()
    is_one_to_one = len(set(names.values())) == len(names) and not others & set(names.values())
    return {name: layer for name, layer in names.items() if name != layer} if is_one_to_one else {}


def _architecture(model: Model) -> tuple[str, str, str]:
    """Imports, class definitions and the call that build the uncut architecture."""
    source, _, name = (model.architecture or "").rpartition(":")
    arguments = dict(model.arguments)
    if source == "torchvision":
        options = architectures.torchvision_options(name, arguments)
        return "from torchvision import models\n", "", _call("models.get_model", name, options)
    if source == "timm":
        return "import timm\n", "", _call("timm.create_model", name, arguments)
    constructor: Any = architectures.ARCHITECTURES.get(name)
    if constructor is None:
        raise ModelError(
            f"'{model.name}' was opened from weights alone, so there is no code to write for it."
        )
    imports, classes = _definitions(constructor)
    return imports, classes, _call(constructor.__name__, "", arguments)


def _call(function: str, name: str, arguments: dict[str, Any]) -> str:
    words = [repr(name)] if name else []
    words += [f"{key}={value!r}" for key, value in arguments.items()]
    if bad := next((key for key in arguments if not str(key).isidentifier()), None):
        raise ModelError(f"The architecture has an argument {bad[:100]!r}, which is no name.")
    return f"{function}({', '.join(words)})"


def _definitions(constructor: type) -> tuple[str, str]:
    """The imports that a class of the zoo needs, and its source with that of all it uses."""
    module = inspect.getmodule(constructor)
    assert module is not None
    source = inspect.getsource(module)
    defined: dict[str, ast.stmt] = {}
    imported: dict[str, str] = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            text = ast.get_source_segment(source, statement) or ""
            for alias in statement.names:
                imported[alias.asname or alias.name.partition(".")[0]] = text
        elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
            defined[statement.name] = statement
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    defined[target.id] = statement
    names, pending = set(), {constructor.__name__}
    while pending:
        name = pending.pop()
        names.add(name)
        if name in defined:
            used = {n.id for n in ast.walk(defined[name]) if isinstance(n, ast.Name)}
            pending |= (used & (defined.keys() | imported.keys())) - names
    lines = dict.fromkeys(text for name, text in imported.items() if name in names)
    imports = "".join(f"{line}\n" for line in lines if line not in _IMPORTS)
    parts = [ast.get_source_segment(source, node) or "" for name, node in defined.items()
             if name in names]  # fmt: skip
    return imports, "\n\n\n".join(parts)


def _layer_sizes(model: Model) -> dict[str, dict[str, Any]]:
    """Plain attributes of the layers whose value is not that of the uncut architecture; the
    sizes of all layers where only the caller's code builds it."""
    uncut: dict[str, nn.Module] = {}
    if model.architecture and not needs_own_code(model):
        uncut = dict(build.layout(model.architecture, model.arguments).named_modules())
    layers: dict[str, dict[str, Any]] = {}
    for name, layer in model.module.named_modules():
        before = vars(uncut[name]) if name in uncut else None
        sizes = {
            key: value
            for key, value in vars(layer).items()
            if _is_plain(value)
            and not key.startswith("_") and key != "training"
            and (key in _SIZES if before is None else key in before and before[key] != value)
        }  # fmt: skip
        if sizes:
            layers[name] = sizes
    return layers


def _is_plain(value: Any) -> bool:
    values = value if type(value) in (tuple, list) else [value]
    return all(type(item) in (int, float, bool, str) for item in values)


def _clean(text: str) -> str:
    """A name that may stand in a docstring."""
    return re.sub(r"[^\w .,()/:+%-]", "_", text)[:200]
