"""A report as one self-contained HTML file: no scripts, no external resources, all text escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.5 Inter,Helvetica,Arial,sans-serif;margin:2rem auto;max-width:1100px;
padding:0 1rem;color:light-dark(#14181b,#e4e6e3);background:light-dark(#fbfbf9,#14171a)}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
figure{margin:1rem 0;overflow-x:auto}svg{max-width:100%;height:auto}
div.table{overflow-x:auto}table{border-collapse:collapse;font-size:13px}
.caption{font-size:13px}
th,td{padding:.25rem .6rem;border-bottom:1px solid light-dark(#dfdfd9,#33393d);text-align:left;
vertical-align:top}
th{min-width:5rem;vertical-align:bottom}td{max-width:22rem;overflow-wrap:break-word}
h1,h2,p{overflow-wrap:anywhere}.name{white-space:nowrap;max-width:none}
td.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
footer{margin-top:2rem;font-size:13px;opacity:.75}
"""


_PERCENT = re.compile(r"[-−]?[\d.]+ %")
_NAME = re.compile(r"[\w.:]{1,80}(-[\w.:]{1,80}){2,12}")  # a run's id, a date


@dataclass(frozen=True)
class Table:
    """A table of the report; ``caption`` says what its numbers are."""

    title: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Any]]


def report_page(
    title: str,
    sentences: Sequence[str],
    *,
    svg: str = "",
    svg_caption: str = "",
    tables: Sequence[Table] = (),
    footer: str = "",
) -> str:
    """The page as HTML.

    Args:
        title: Its title.
        sentences: Paragraphs below the title.
        svg: A chart of ``tradeoff_svg``; everything else is escaped here.
        svg_caption: Caption of the chart.
        tables: Its tables; those without rows are left out.
        footer: A line at the end.
    """
    parts = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(text)}</p>" for text in sentences)]
    if svg:
        caption = f"<figcaption>{escape(svg_caption)}</figcaption>" if svg_caption else ""
        parts.append(f"<figure>{svg}{caption}</figure>")
    parts += [_table(table) for table in tables if table.rows]
    parts.append(f"<footer>{escape(footer)}</footer>" if footer else "")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _table(table: Table) -> str:
    heads = "".join(
        f'<th scope="col"{_name(str(head))}>{escape(str(head))}</th>' for head in table.heads
    )
    rows = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in table.rows)
    return (
        f'<h2>{escape(table.title)}</h2><p class="caption">{escape(table.caption)}</p>'
        f'<div class="table"><table aria-label="{escape(table.title)}">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return f"<td>{'yes' if value else 'no'}</td>"
    if isinstance(value, int | float):
        text = f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
        return f'<td class="number">{text.replace("-", "−")}</td>'
    text = "" if value is None else str(value)
    kind = ' class="number"' if _PERCENT.fullmatch(text) else _name(text)
    return f"<td{kind}>{escape(text)}</td>"


def _name(text: str) -> str:
    """The class of a name such as a run's id, which must not wrap at its hyphens; '' for others."""
    return ' class="name"' if _NAME.fullmatch(text) else ""
