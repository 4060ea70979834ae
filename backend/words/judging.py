"""Judging what was found: each needle where it stands, then the leftmost and longest of what overlaps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from backend.words.compiled import Compiled, Meaning, Rule
from backend.words.conditions import Page, Surroundings
from backend.words.fold import common_words, fold_text
from backend.words.models import Context, Severity
from backend.words.rules import judge
from backend.words.view import GAP

_SHAPE: Final = 24


class Found(NamedTuple):
    """A verified needle: code points [start, end) of its text, and what it means."""

    start: int
    end: int
    meaning: Meaning


class Judged(NamedTuple):
    start: int
    end: int
    rule: Rule
    severity: Severity
    term: str
    disguised: bool


class Text(NamedTuple):
    """One text: the page it is read from, and what it is for."""

    page: Page
    context: Context


def _straddles(found: Found, view: str, low: int) -> bool:
    """Tell whether a two-character span is the end of one common word and the start of another
    ("独|特价|值")."""
    if found.start == low:
        return False
    words = common_words()
    before, after = view[found.start - 1 : found.start + 1], view[found.end - 1 : found.end + 1]
    return before in words and after in words


def _pattern_hits(found: Found, text: Text, table: Compiled) -> Iterator[Judged]:
    """Match the families of terms whose trigger was found, in the view around it."""
    low = max(text.page.low, found.start - _SHAPE)
    seen = text.page.view[low : min(text.page.high, found.end + _SHAPE)]
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
                around = Surroundings(text.page, start, end)
                severity = judge(pattern.rule, around, text.context, term="")
                if severity:
                    yield Judged(start, end, pattern.rule, severity, match[0], False)


def judge_text(found: list[Found], text: Text, table: Compiled) -> list[Judged]:
    """Judge everything found in one text and keep the leftmost, then longest, of what overlaps.

    What lies inside a longer term that is harmless here is harmless too: 最高 in the grammar's 最高级.
    """
    judged: list[Judged] = []
    cleared: list[Found] = []
    for item in found:
        meaning = item.meaning
        if meaning.patterns:
            judged.extend(_pattern_hits(item, text, table))
        rule = meaning.rule
        if rule is None or (len(meaning.needle) == 2 and _straddles(item, text.page.view, text.page.low)):
            continue
        if rule.after and text.page.view.startswith(rule.after, item.end):
            severity = None
        else:
            around = Surroundings(text.page, item.start, item.end)
            severity = judge(rule, around, text.context, term=meaning.plain)
        if severity:
            judged.append(Judged(item.start, item.end, rule, severity, rule.entry.term, meaning.disguised))
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
