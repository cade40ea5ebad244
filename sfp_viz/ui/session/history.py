"""Undo and redo: a frozen history of records. No streamlit, so it is tested without a browser."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

Record = TypeVar("Record")

MOST = 200  # steps kept; older ones are forgotten


@dataclass(frozen=True)
class History(Generic[Record]):
    """A frozen history of records.

    Attributes:
        current: The current record.
        past: The records before it, the newest last.
        future: The records that were undone, the next one first.
        revision: Rises with each step, undo and redo, and never falls. Widgets that show a part
            of the record have it in their key, so that they take over the record's value.
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
