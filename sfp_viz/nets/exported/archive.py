"""The .pt2 archive of torch.export.save, read without running anything in it.

``torch.export.load`` unpickles objects (weights of tensor subclasses, custom and opaque constants,
sample inputs), evaluates expressions of sizes with sympy and loads compiled libraries. Here only
the program's JSON and raw bytes of tensors are read, and older files' tensors with weights_only.
"""

from __future__ import annotations

import json
import math
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sfp_viz.errors import ModelError

MOST_BYTES = 2_000_000_000  # of all members unpacked
MOST_JSON = 100_000_000  # bytes of the program's text
MOST_EXTRA = 10_000_000  # bytes of what sfp-viz adds
_MOST_MEMBERS = 100_000
EXTRA = "sfp_viz.json"  # the file of ours in an archive
# after torch._export.serde.schema.ScalarType; complex and 8-bit floating point are refused
DTYPES: Mapping[int, torch.dtype] = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64,
    6: torch.float16, 7: torch.float32, 8: torch.float64, 12: torch.bool, 13: torch.bfloat16,
}  # fmt: skip
_OLD_PROGRAM = "serialized_exported_program.json"  # torch before 2.8


@dataclass(frozen=True)
class Archive:
    """What an archive holds: the program's JSON, its tensors by name, and sfp-viz's own header."""

    program: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    header: Mapping[str, Any]


def read_archive(source: Path | BytesIO, name: str) -> Archive:
    """The contents of a .pt2 file, which messages call ``name``.

    Args:
        source: The file, or its bytes.
        name: What messages call it.

    Raises:
        ModelError: It is damaged, too large, of another kind, or holds Python objects.
    """
    try:
        with zipfile.ZipFile(source) as file:
            return _Reader(file, name).read()
    except ModelError:
        raise
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as problem:
        raise ModelError(
            f"The file {name} is no readable .pt2 archive ({str(problem)[:200]}); it may be "
            "cut off. Copy it again."
        ) from problem
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, RecursionError) as problem:
        raise ModelError(
            f"The .pt2 archive {name} is incomplete or wrong: {repr(problem)[:200]}. Write it "
            "again with torch.export.save."
        ) from problem


class _Reader:
    """Reads the members of one archive."""

    def __init__(self, file: zipfile.ZipFile, name: str) -> None:
        members = file.infolist()
        if len(members) > _MOST_MEMBERS or sum(m.file_size for m in members) > MOST_BYTES:
            raise ModelError(
                f"The archive {name} unpacks to more than {MOST_BYTES / 1e9:.0f} GB or "
                f"{_MOST_MEMBERS:,} members, so it was not opened."
            )
        self.file, self.name = file, name
        self.names = [member.filename for member in members]
        if len(set(self.names)) != len(self.names):
            raise ModelError(f"The archive {name} holds two members of one name. Write it again.")
        self.total = 0  # bytes of the tensors so far: several may share one member
        self.old = _OLD_PROGRAM in self.names
        marks = [n.partition("/")[0] for n in self.names if n.endswith("/archive_format")]
        self.root = "" if self.old or not marks else f"{marks[0]}/"

    def read(self) -> Archive:
        if self.old:
            program = self._json(_OLD_PROGRAM)
            tensors = self._unpickled("serialized_state_dict.pt")
            tensors |= self._unpickled("serialized_constants.pt")
            return Archive(program, tensors, self._header("extra_files/"))
        if self._bytes(f"{self.root}archive_format", 100).strip() != b"pt2":
            raise ModelError(f"The archive {self.name} is not of torch.export ('pt2').")
        order = f"{self.root}byteorder"
        if order in self.names and self._bytes(order, 100).strip() != b"little":
            raise ModelError(f"The weights in {self.name} are big-endian, which is not read here.")
        start, end = f"{self.root}models/", ".json"
        models = [n[len(start) : -len(end)] for n in self.names if n.startswith(start)]
        if not models:
            raise ModelError(
                f"The archive {self.name} holds no exported program, only what was compiled from "
                "one. Save the program itself with torch.export.save."
            )
        if len(models) > 1 and "model" not in models:
            raise ModelError(
                f"The archive {self.name} holds {len(models)} programs. Save the one network to be "
                "opened with torch.export.save."
            )
        model = models[0] if len(models) == 1 else "model"
        program = self._json(f"{start}{model}{end}")
        tensors = self._payload("weights", model) | self._payload("constants", model)
        return Archive(program, tensors, self._header(f"{self.root}extra/"))

    def _payload(self, kind: str, model: str) -> dict[str, Tensor]:
        """The tensors of one folder: raw bytes, described by a JSON file."""
        folder = f"{self.root}data/{kind}/"
        if f"{folder}{model}.pt" in self.names:  # of torch 2.8
            return self._unpickled(f"{folder}{model}.pt")
        tensors: dict[str, Tensor] = {}
        storages: dict[tuple[str, torch.dtype], Tensor] = {}
        for name, entry in self._json(f"{folder}{model}_{kind}_config.json")["config"].items():
            member = str(entry["path_name"])
            if entry["use_pickle"] or not member.startswith(("weight_", "tensor_")):
                raise ModelError(self._objects(name))
            facts = entry["tensor_meta"]
            dtype = self._dtype(facts["dtype"], name)
            if (member, dtype) not in storages:
                content = self._bytes(folder + member, MOST_BYTES)
                empty = torch.empty(0, dtype=dtype)
                whole = content and len(content) % dtype.itemsize == 0
                storages[member, dtype] = (
                    torch.frombuffer(bytearray(content), dtype=dtype) if whole else empty
                )
            tensors[name] = self._strided(storages[member, dtype], facts, name)
        return tensors

    def _strided(self, storage: Tensor, facts: Mapping[str, Any], name: str) -> Tensor:
        """A tensor of its own in a storage; the bounds are checked before."""
        sizes, strides = ([int(n["as_int"]) for n in facts[k]] for k in ("sizes", "strides"))
        offset = int(facts["storage_offset"]["as_int"])
        count = math.prod(sizes)
        if len(sizes) != len(strides) or min([0, offset, *sizes, *strides]) < 0:
            raise ModelError(self._misfit(name))
        last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
        self.total += count * storage.itemsize
        if count and (last >= len(storage) or self.total > MOST_BYTES):
            raise ModelError(self._misfit(name))
        if not count:
            return storage.new_empty(sizes)
        return storage.as_strided(sizes, strides, offset).clone(
            memory_format=torch.contiguous_format
        )

    def _unpickled(self, member: str) -> dict[str, Tensor]:
        """Tensors of a file of torch.save in the archive; anything else in it is refused."""
        if member not in self.names:
            raise ModelError(f"The archive {self.name} has no {member}. Write it again.")
        content = self._bytes(member, MOST_BYTES)
        if not content:
            return {}
        if content[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(BytesIO(content)) as inner:
                if sum(entry.file_size for entry in inner.infolist()) > MOST_BYTES:
                    raise ModelError(f"The weights in {self.name} unpack to more than 2 GB.")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
        except Exception as problem:  # torch's reader of damaged files raises whatever it meets
            raise ModelError(self._objects(member)) from problem
        if not isinstance(state, Mapping):
            raise ModelError(self._objects(member))
        for name, tensor in state.items():
            if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.layout != torch.strided:
                raise ModelError(self._objects(str(name)))
            self.total += tensor.numel() * tensor.itemsize
            if self.total > MOST_BYTES:
                raise ModelError(self._misfit(str(name)))
        return {str(name): tensor.detach().clone() for name, tensor in state.items()}

    def _header(self, folder: str) -> Mapping[str, Any]:
        """What ``save`` of this program put there; {} in a file of another program."""
        name = f"{folder}{EXTRA}"
        try:
            header = json.loads(self._bytes(name, MOST_EXTRA)) if name in self.names else {}
        except (ModelError, ValueError, RecursionError):
            return {}
        return header if isinstance(header, dict) else {}

    def _json(self, name: str) -> dict[str, Any]:
        if name not in self.names:
            raise ModelError(f"The archive {self.name} has no {name}. Write it again.")
        content = json.loads(self._bytes(name, MOST_JSON))
        if not isinstance(content, dict):
            raise ValueError(f"{name} holds no entries")
        return content

    def _bytes(self, name: str, most: int) -> bytes:
        member = self.file.getinfo(name)
        if member.file_size > most:
            raise ModelError(
                f"The member {name[-80:]} of {self.name} has {member.file_size:,} bytes; up to "
                f"{most:,} are read."
            )
        with self.file.open(member) as content:
            return content.read(member.file_size)

    def _dtype(self, number: Any, name: str) -> torch.dtype:
        if number not in DTYPES:
            raise ModelError(
                f"The weight '{name[:80]}' in {self.name} is complex, quantized or of 8-bit "
                "floating point. Export the network in float32."
            )
        return DTYPES[number]

    def _objects(self, name: str) -> str:
        return (
            f"The archive {self.name} holds Python objects at '{name[:80]}' where weights belong; "
            "they are never loaded here. Export the network without custom objects and tensor "
            "subclasses."
        )

    def _misfit(self, name: str) -> str:
        return (
            f"The weight '{name[:80]}' in {self.name} does not fit the bytes that hold it: the "
            "file is damaged. Write it again with torch.export.save."
        )
