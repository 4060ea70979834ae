"""Verdicts, categories, states and hits of the word check in words and signs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from backend.errors import AppError
from pages.shared.format import md
from pages.shared.i18n import known, plain, refusal, t

VERDICT_ICONS = {
    "block": ":material/block:",
    "warn": ":material/warning:",
    "clean": ":material/check_circle:",
    "unchecked": ":material/hourglass_empty:",
}
VERDICT_COLORS = {"block": "red", "warn": "orange", "clean": "green", "unchecked": "gray"}
VERDICT_SIGNS = {"block": "■", "warn": "▲", "clean": "✓", "unchecked": "○"}
TEXT_COLORS = {
    "block": {"light": "#B3261E", "dark": "#F0705E"},
    "warn": {"light": "#9A4A06", "dark": "#F0A347"},
    "unchecked": {"light": "#5F6A66", "dark": "#9AA5A1"},
}


class Found(Protocol):
    """A hit, judged now or stored."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def severity(self) -> str: ...


def name_of(kind: str, code: str) -> str:
    """The word for a code (`words.<kind>.<code>`), or the code when it is newer than this page."""
    return plain(f"words.{kind}.{code}") if known(f"words.{kind}.{code}") else code


def verdict_badge(verdict: str) -> str:
    """Markdown of a verdict: icon, words and colour."""
    words = md(name_of("verdict", verdict))
    return f":{VERDICT_COLORS[verdict]}-badge[{VERDICT_ICONS[verdict]} {words}]"


def verdict_cell(verdict: str) -> str:
    """A verdict for a table cell."""
    return f"{VERDICT_SIGNS[verdict]} {name_of('verdict', verdict)}"


def severity_mark(severity: str) -> str:
    """The sign of a hit, in its colour."""
    return f":{VERDICT_COLORS[severity]}[{VERDICT_ICONS[severity]}]"


def spans(hits: Iterable[Found]) -> list[tuple[int, int, str]]:
    """Hits as the editor takes them."""
    return [(hit.start, hit.end, hit.severity) for hit in hits]


def marked(text: str, hits: Sequence[tuple[int, int, str]]) -> str:
    """Markdown of a text with its hits in colour, letter by letter: nothing in it becomes markup."""
    parts: list[str] = []
    done = 0
    for start, end, severity in sorted(hits):
        if start < done:
            continue
        parts.append(lines(text[done:start]))
        inner = lines(text[start:end]).replace("  \n", " ")
        color = VERDICT_COLORS.get(severity, "orange")
        parts.append(f":{color}-background[**{inner}**]" if inner.strip() else inner)
        done = end
    return "".join([*parts, lines(text[done:])])


def lines(text: str) -> str:
    """Markdown of a text that keeps its line breaks."""
    return "  \n".join(md(line) for line in text.split("\n"))


def refused(key: str, params: dict[str, Any]) -> str:
    """Why something was not done; codes of states become words."""
    said = dict(params)
    if isinstance(said.get("state"), str):
        said["state"] = name_of("state", said["state"])
    if isinstance(said.get("terms"), list):
        said["terms"] = plain("common.listed").join(said["terms"])
    return refusal(AppError(key, params=said))


def count_words(block: int, warn: int) -> str:
    """`2 处不可发布，1 处需举证`."""
    parts = [
        t(f"words.count.{name}", count=count) for name, count in (("block", block), ("warn", warn)) if count
    ]
    return t("words.count.join").join(parts)
