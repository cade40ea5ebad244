"""What went wrong in a worker, in a sentence that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from typing import Literal

from sfp_viz.errors import SfpError

Shortage = Literal["", "memory", "disk"]  # kinds of trouble that a page has an answer to

DISK = (
    "The disk is full. Nothing is lost: free some space, then resume; the run continues from "
    "what it wrote last."
)
_NO_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "std::bad_alloc")


def shortage_of(problem: BaseException) -> Shortage:
    """What kind of trouble lies behind ``problem``, also where it was raised from another."""
    for cause in _chain(problem):
        if getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return "disk"
        if "No space left on device" in str(cause):  # as libraries put it
            return "disk"
        if isinstance(cause, MemoryError) or getattr(cause, "errno", None) == errno.ENOMEM:
            return "memory"
        if any(words in str(cause).lower() for words in _NO_MEMORY):
            return "memory"
    return ""


def failure_message(problem: BaseException, *, batch: int = 0) -> str:
    """What went wrong and what to do, in a sentence or two.

    Args:
        problem: The error.
        batch: The batch size; 0 where there is none to change.
    """
    kind = shortage_of(problem)
    if kind == "disk":
        return DISK
    if kind == "memory" and batch > 1:
        return (
            f"There was not enough memory for a batch size of {batch}. Start a copy with a batch "
            f"size of {batch // 2} (in a shell: runs copy RUN --batch-size {batch // 2}), or close "
            "other programs and resume."
        )
    if kind == "memory":
        return "There was not enough memory. Use fewer images, or close other programs and resume."
    if isinstance(problem, SfpError):
        return str(problem)
    return (
        f"An unexpected error occurred: {type(problem).__name__}: {problem} The details are in "
        "log.txt."
    )


def _chain(problem: BaseException | None) -> Iterator[BaseException]:
    visited: set[int] = set()
    while problem is not None and id(problem) not in visited:
        visited.add(id(problem))
        yield problem
        problem = problem.__cause__ or problem.__context__
