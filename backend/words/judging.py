"""Judging what was found: each needle where it stands, then the leftmost and longest of what overlaps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from backend.words.compiled import Compiled, Meaning
from backend.words.conditions import Rule, Surroundings
from backend.words.fold import common_words, fold_table, fold_text
from backend.words.models import Context, Severity
from backend.words.rules import judge
from backend.words.view import GAP, View

_SHAPE: Final = 24
_CONTEXTS: Final = 256


class Found(NamedTuple):
    """A verified needle: code points [start, end) of its text, what it means, and the bits of the rules to
    try on it."""

    start: int
    end: int
    meaning: Meaning
    near: int


class Judged(NamedTuple):
    start: int
    end: int
    rule: Rule
    severity: Severity
    term: str
    disguised: bool


class Text:
    """One text, what it is for, and its view."""

    __slots__ = ("_view", "context", "low", "source", "text")

    def __init__(self, text: str, context: Context, source: View, low: int = 0) -> None:
        self.text, self.context, self.source, self.low = text, context, source, low
        self._view: str | None = None

    @property
    def view(self) -> str:
        if self._view is None:
            self._view = self.source.part(self.low, self.low + len(self.text))
        return self._view

    def around(self, start: int, end: int) -> Surroundings:
        return Surroundings(self.view, start, end, self.context.category)


def _straddles(found: Found, text: str) -> bool:
    """Tell whether a two-character span is the end of one common word and the start of another
    ("独|特价|值")."""
    if not found.start:
        return False
    words, folds = common_words(), fold_table()
    after = text[found.end - 1 : found.end + 1].translate(folds)
    return after in words and text[found.start - 1 : found.start + 1].translate(folds) in words


def _pattern_hits(found: Found, text: Text, table: Compiled) -> Iterator[Judged]:
    """Match the families of terms whose trigger was found, in the view around it."""
    low = max(0, found.start - _SHAPE)
    seen = text.view[low : found.end + _SHAPE]
    places: Sequence[int] = range(len(seen))
    if GAP in seen:
        places = [i for i, char in enumerate(seen) if char != GAP]
        seen = seen.replace(GAP, "")
    for pattern in found.meaning.patterns:
        if not pattern.gate.search(seen):
            continue
        for match in pattern.regex.finditer(seen):
            start, end = low + places[match.start()], low + places[match.end() - 1] + 1
            if start <= found.start and found.end <= end and fold_text(match[0]) not in table.rules:
                severity = judge(pattern.rule, text.around(start, end), text.context, term="")
                if severity:
                    yield Judged(start, end, pattern.rule, severity, match[0], False)


def _quiet(table: Compiled, context: Context) -> dict[str, Severity | None]:
    """Return what is known of rules with nothing near, in one context."""
    key = (context.category, tuple(context.licences))
    known = table.quiet.get(key)
    if known is None:
        if len(table.quiet) >= _CONTEXTS:
            table.quiet.clear()
        known = table.quiet[key] = {}
    return known


def _severity(item: Found, rule: Rule, text: Text, quiet: dict[str, Severity | None]) -> Severity | None:
    needle, term = item.meaning.needle, item.meaning.plain
    if item.near:
        return judge(rule, text.around(item.start, item.end), text.context, term=term, near=item.near)
    if needle not in quiet:
        alone = Surroundings(needle, 0, len(needle), text.context.category)
        quiet[needle] = judge(rule, alone, text.context, term=term, near=0)
    return quiet[needle]


def judge_text(found: list[Found], text: Text, table: Compiled) -> list[Judged]:
    """Judge everything found in one text and keep the leftmost, then longest, of what overlaps.

    What lies inside a longer term that is harmless here is harmless too: 最高 in the grammar's 最高级.
    """
    judged: list[Judged] = []
    cleared: list[Found] = []
    quiet = _quiet(table, text.context)
    for item in found:
        start, end, meaning, _ = item
        if meaning.patterns:
            judged.extend(_pattern_hits(item, text, table))
        rule = meaning.rule
        if rule is None or (len(meaning.needle) == 2 and _straddles(item, text.text)):
            continue
        severity = _severity(item, rule, text, quiet)
        if severity:
            judged.append(Judged(start, end, rule, severity, rule.entry.term, meaning.disguised))
        elif not meaning.disguised:
            cleared.append(item)
    if cleared and judged:
        judged = _outside(cleared, judged)
    return leftmost_longest(judged) if len(judged) > 1 else judged


def _outside(cleared: list[Found], judged: list[Judged]) -> list[Judged]:
    """Leave out what lies inside a cleared span."""
    cleared = sorted(cleared, key=lambda c: c.start)
    starts = [c.start for c in cleared]
    reach = list(accumulate((c.end for c in cleared), max))
    kept = []
    for item in judged:
        before = bisect_right(starts, item.start)
        if before == 0 or reach[before - 1] < item.end:
            kept.append(item)
    return kept


def leftmost_longest(judged: list[Judged]) -> list[Judged]:
    judged.sort(key=lambda j: (j.start, -j.end, j.disguised))
    kept: list[Judged] = []
    for item in judged:
        if not kept or item.start >= kept[-1].end:
            kept.append(item)
    return kept
