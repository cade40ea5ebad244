"""Reasons as the sentences that plans of format 1 held.

They are those of version 0.1, word for word, and never change: they are part of the hashes under
which that version recorded its runs and measurements.
"""

from __future__ import annotations

import re

from sfp_viz.core.plan.reason import Reason

_SENTENCES = {
    "by hand": Reason("by_hand"),
    "dead": Reason("dead"),
    "made up for by the others": Reason("reconstructed"),
    "drawn at random": Reason("random"),
    "unimportant": Reason("unimportant"),
    "no more important than those kept of its cluster": Reason("less_important"),
    "nearer to those kept of its cluster": Reason("nearer"),
    "no place is left for its cluster": Reason("cluster_without_place"),
    "those kept by hand take the places of its cluster": Reason("cluster_kept_by_hand"),
    "stripe: silenced as a whole filter, before stripes were thinned (multi-granularity)": Reason(
        "silenced_filter"
    ),
    "stripe: none of its stripes is left (multi-granularity)": Reason("no_stripe"),
}
_METHODS = {
    "SSR, l2,1": "ssr_l21",
    "SSR, l2,0": "ssr_l20",
    "SSR, projection": "ssr_projection",
    "group lasso by SGD": "group_lasso",
    "group lasso by proximal SGD": "proximal",
    "multi-granularity": "stripes",
}
_REDUNDANT = re.compile(r"redundant with (\d+)")
_SILENCED = re.compile(r"SSR: silenced in training \((.+)\)")
_SMALL = re.compile(r"SSR: (\S+) % of the mean norm of the filters that stay \((.+)\)")
_OF_REASON = {reason: sentence for sentence, reason in _SENTENCES.items()}
_OF_METHOD = {method: words for words, method in _METHODS.items()}


def reason_of(sentence: str) -> Reason:
    """The reason that a sentence of format 1 gives; kind 'text' where it is none of them."""
    if known := _SENTENCES.get(sentence):
        return known
    if match := _REDUNDANT.fullmatch(sentence):
        return Reason("redundant", other=int(match[1]))
    if match := _SILENCED.fullmatch(sentence):
        return Reason("silenced", detail=_METHODS.get(match[1], match[1]))
    if match := _SMALL.fullmatch(sentence):
        share = float(f"{float(match[1]) / 100:.2g}")
        return Reason("small_norm", value=share, detail=_METHODS.get(match[2], match[2]))
    return Reason("text", detail=sentence)


def sentence_of(reason: Reason) -> str:
    """The sentence that format 1 has for ``reason``."""
    method = _OF_METHOD.get(reason.detail, reason.detail)
    if reason.kind == "redundant":
        return f"redundant with {reason.other}"
    if reason.kind == "silenced":
        return f"SSR: silenced in training ({method})"
    if reason.kind == "small_norm":
        share = f"{100 * (reason.value or 0.0):.2g}"
        return f"SSR: {share} % of the mean norm of the filters that stay ({method})"
    return _OF_REASON.get(reason, reason.detail)
