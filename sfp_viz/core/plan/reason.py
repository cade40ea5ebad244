"""Why a filter is kept or removed."""

from __future__ import annotations


def why_sparse(method: str, norm: float, mean: float) -> str:
    """Why a filter goes that a training made sparse: ``method`` in words, and its norm at the end
    (with its bias and norm scale) beside the ``mean`` of those of its group that stay."""
    if norm == 0:
        return f"SSR: silenced in training ({method})"
    share = 100 * norm / mean if mean else 0.0
    return f"SSR: {share:.2g} % of the mean norm of the filters that stay ({method})"


def why_no_stripe(level: str) -> str:
    """Why a filter goes in multi-granularity pruning: ``level`` 'filter' or 'stripe'."""
    if level == "filter":
        return "stripe: silenced as a whole filter, before stripes were thinned (multi-granularity)"
    return "stripe: none of its stripes is left (multi-granularity)"
