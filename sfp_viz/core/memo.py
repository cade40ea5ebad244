"""Memo: values worked out once for an object, held beside it and never inside it."""

from __future__ import annotations

import weakref
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Memo(Generic[T]):
    """Values by key, for each of the objects they were worked out of.

    Objects count by identity: they are frozen, or never written to once they are made. Their values
    are let go with them.
    """

    def __init__(self) -> None:
        self._values: dict[int, tuple[weakref.ref, dict[Any, T]]] = {}

    def of(self, owner: object) -> dict[Any, T]:
        """The values known for ``owner``, to be read and added to."""
        number = id(owner)
        if number not in self._values:
            reference = weakref.ref(owner, lambda _: self._values.pop(number, None))
            self._values[number] = reference, {}
        return self._values[number][1]
