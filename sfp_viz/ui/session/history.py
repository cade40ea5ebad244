"""Undo and redo: a frozen line of records. No streamlit, so it is tested without a browser."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, TypeVar

Record = TypeVar("Record")

MOST = 200  # steps kept; older ones are forgotten


@dataclass(frozen=True)
class History(Generic[Record]):
    """The record now, what came before it and what was undone.

    ``revision`` rises with each step, undo and redo, and never falls: widgets that show a part of
    the record carry it in their key, so that they take the record's value afresh.
    """

    now: Record
    past: tuple[Record, ...] = ()
    future: tuple[Record, ...] = ()
    revision: int = 0

    def to(self, record: Record) -> History[Record]:
        """One step on, which can be undone; nothing when the record is the same."""
        if record == self.now:
            return self
        return History(record, (*self.past, self.now)[-MOST:], (), self.revision + 1)

    def look(self, record: Record) -> History[Record]:
        """Replace the record without a step: what is looked at, not what is changed."""
        return replace(self, now=record)

    def back(self) -> History[Record]:
        """Undo one step; nothing when there is none."""
        if not self.past:
            return self
        future = (self.now, *self.future)
        return History(self.past[-1], self.past[:-1], future, self.revision + 1)

    def on(self) -> History[Record]:
        """Redo one step; nothing when there is none."""
        if not self.future:
            return self
        past = (*self.past, self.now)
        return History(self.future[0], past, self.future[1:], self.revision + 1)
