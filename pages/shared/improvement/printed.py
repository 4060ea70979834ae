"""The review on paper: one HTML file without scripts or addresses that prints on A4."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from pages.shared.i18n import locale, plain

_COLUMNS = ("what", "value", "target", "note")
_STYLE = """
@page { size: A4; margin: 16mm 14mm; }
body { font: 10.5pt/1.5 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif;
  color: #1b1f1d; max-width: 182mm; margin: 8mm auto; }
@media print { body { margin: 0; } }
h1 { font-size: 17pt; margin: 0 0 2mm; }
h2 { font-size: 12pt; margin: 7mm 0 2mm; break-after: avoid; }
p.about { color: #5a635f; margin: 0 0 4mm; }
table { border-collapse: collapse; width: 100%; table-layout: fixed; }
th, td { border-bottom: .3mm solid #d5dad7; padding: 1.4mm 2mm 1.4mm 0; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; }
th { font-weight: 600; color: #5a635f; }
th:nth-child(1) { width: 36%; } th:nth-child(2) { width: 18%; } th:nth-child(3) { width: 22%; }
tr { break-inside: avoid; }
p.notes { white-space: pre-wrap; }
"""


def page(rows: Sequence[dict[str, str]], title: str, about: str) -> bytes:
    """The lines of meeting.pack_rows as a page to print, in this run's language."""
    parts = []
    for part, group in groupby(rows, key=lambda row: row["part"]):
        listed = list(group)
        notes = part == plain("meeting.part.notes")
        parts.append(f"<h2>{escape(part)}</h2>" + (_notes(listed) if notes else _table(listed)))
    return (
        f'<!doctype html><html lang="{locale()}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f'<p class="about">{escape(about)}</p>{"".join(parts)}</body></html>'
    ).encode()


def _table(rows: Sequence[dict[str, str]]) -> str:
    head = "".join(f"<th>{escape(plain(f'meeting.column.{name}'))}</th>" for name in _COLUMNS)
    lines = ("".join(f"<td>{escape(row[name])}</td>" for name in _COLUMNS) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _notes(rows: Sequence[dict[str, str]]) -> str:
    return "".join(f'<p class="notes">{escape(row["what"])}</p>' for row in rows)
