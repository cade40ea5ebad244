"""Undo and redo: a frozen history of records. No streamlit, so it is tested without a browser."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

Record = TypeVar("Record")

MOST = 200  # steps kept; older ones are forgotten


@dataclass(frozen=True)
class History(Generic[Record]):
    """The current record, the ones before it and the ones that were undone.

    ``revision`` rises with each step, undo and redo, and never falls: widgets that show a part of
    the record carry it in their key, so that they take the record's value afresh.
    """

    current: Record
    past: tuple[Record, ...] = ()
    future: tuple[Record, ...] = ()
    revision: int = 0

    def push(self, record: Record) -> History[Record]:
        """One step further, which can be undone; nothing when the record is the same."""
        if record == self.current:
            return self
        return History(record, (*self.past, self.current)[-MOST:], (), self.revision + 1)

    def replace_current(self, record: Record) -> History[Record]:
        """Another record without a step: for what is shown, not what is changed."""
        return replace(self, current=record)

    def undo(self) -> History[Record]:
        """One step back; nothing when there is none."""
        if not self.past:
            return self
        future = (self.current, *self.future)
        return History(self.past[-1], self.past[:-1], future, self.revision + 1)

    def redo(self) -> History[Record]:
        """The undone step again; nothing when there is none."""
        if not self.future:
            return self
        past = (*self.past, self.current)
        return History(self.future[0], past, self.future[1:], self.revision + 1)
