"""Judging what was found: each needle where it stands, then the leftmost and longest of what overlaps."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.compiled import Compiled, Meaning, Rule
from backend.words.conditions import Surroundings
from backend.words.fold import common_words, fold_text
from backend.words.models import Context, Severity
from backend.words.rules import judge
from backend.words.signals import EVIDENCE, MENTION, REACH, SELF
from backend.words.view import GAP, view_of

_SHAPE: Final = 24
_FAR: Final = 120


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
    """One text of a block: its code points [low, high) in the block, and its context."""

    low: int
    high: int
    context: Context


class Reader:
    """Reads the surroundings of spans in the texts of a block, through one view."""

    __slots__ = ("near", "view")

    def __init__(self, points: npt.NDArray[np.uint32], near: dict[str, list[int]]) -> None:
        self.view = view_of(points)
        self.near = near
        for places in near.values():
            places.sort()

    def has_signal(self, signal: str, start: int, end: int) -> bool:
        places = self.near[signal]
        i = bisect_left(places, start - REACH[signal])
        return i < len(places) and places[i] < end + REACH[signal]

    def around(self, start: int, end: int, text: Text) -> Surroundings:
        view = self.view
        parts = (
            view[max(text.low, start - _FAR) : start],
            view[start:end],
            view[end : min(text.high, end + _FAR)],
        )
        if GAP in parts[0] or GAP in parts[1] or GAP in parts[2]:
            parts = (parts[0].replace(GAP, ""), parts[1].replace(GAP, ""), parts[2].replace(GAP, ""))
        signals = (
            self.has_signal(MENTION, start, end),
            self.has_signal(SELF, start, end),
            self.has_signal(EVIDENCE, start, end),
        )
        return Surroundings(parts, category=text.context.category, signals=signals)


def _straddles(found: Found, view: str, low: int) -> bool:
    """Tell whether a two-character span is the end of one common word and the start of another
    ("独|特价|值")."""
    if found.start == low:
        return False
    words = common_words()
    before, after = view[found.start - 1 : found.start + 1], view[found.end - 1 : found.end + 1]
    return before in words and after in words


def _pattern_hits(found: Found, reader: Reader, text: Text, table: Compiled) -> Iterator[Judged]:
    """Match the families of terms whose trigger was found, in the view around it."""
    low = max(text.low, found.start - _SHAPE)
    seen = reader.view[low : min(text.high, found.end + _SHAPE)]
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
                around = reader.around(start, end, text)
                severity = judge(pattern.rule, around, text.context, term="")
                if severity:
                    yield Judged(start, end, pattern.rule, severity, match[0], False)


def judge_text(found: list[Found], reader: Reader, text: Text, table: Compiled) -> list[Judged]:
    """Judge everything found in one text and keep the leftmost, then longest, of what overlaps.

    What lies inside a longer term that is harmless here is harmless too: 最高 in the grammar's 最高级.
    """
    judged: list[Judged] = []
    cleared: list[Found] = []
    for item in found:
        meaning = item.meaning
        if meaning.patterns:
            judged.extend(_pattern_hits(item, reader, text, table))
        rule = meaning.rule
        if rule is None or (len(meaning.needle) == 2 and _straddles(item, reader.view, text.low)):
            continue
        around = reader.around(item.start, item.end, text)
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
