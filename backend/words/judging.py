"""Judging what was found: each needle where it stands, then the leftmost and longest of what overlaps."""

from __future__ import annotations

import functools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from backend.words.block import Block, Found
from backend.words.compiled import Compiled, Meaning, Pattern, Quiet
from backend.words.conditions import CLEAN, Rule, Surroundings, verdict
from backend.words.fold import fold_text
from backend.words.models import Context, Severity
from backend.words.rules import OWN, judge
from backend.words.view import GAP

_INSERTED: Final = re.compile(r"(?<=[\u4e00-\u9fff])[-.~/@#&*_\0]+(?=[\u4e00-\u9fff])")
"""Signs that mean something beside letters and numbers ("0.5", "a_7") but only part two ideographs."""
_SHAPE: Final = 24
_CONTEXTS: Final = 256


class Judged(NamedTuple):
    start: int
    end: int
    rule: Rule
    severity: Severity
    term: str
    disguised: bool


_judged: Final = functools.partial(tuple.__new__, Judged)
"""Makes a `Judged` of a tuple, in a third of the time."""


class Text(NamedTuple):
    """One text of a block, from `low` to `high`, and what it is for."""

    block: Block
    low: int
    high: int
    context: Context

    def around(self, start: int, end: int) -> Surroundings:
        return Surroundings(self.block.view, start, end, self.context.category, self.low, self.high)


def _pattern_hits(
    patterns: Sequence[Pattern], first: int, last: int, text: Text, table: Compiled
) -> Iterator[Judged]:
    """Match the families of terms whose trigger was found at [first, last), in the view around it."""
    low = max(text.low, first - _SHAPE)
    written = text.block.view[low : min(text.high, last + _SHAPE)]
    if _INSERTED.search(written):
        written = _INSERTED.sub(lambda signs: GAP * len(signs[0]), written)
    seen = written.replace(GAP, "")
    matches = [(pattern, match) for pattern in patterns for match in pattern.regex.finditer(seen)]
    if not matches:
        return
    places = [i for i, char in enumerate(written, low) if char != GAP]
    for pattern, match in matches:
        start, end = places[match.start()], places[match.end() - 1] + 1
        if start < last and first < end and fold_text(match[0]) not in table.rules:
            rule, around = pattern.rule, text.around(start, end)
            severity = judge(rule, around, text.context, term="", own=verdict(rule.conditions, around))
            if severity:
                yield Judged(start - text.low, end - text.low, rule, severity, match[0], False)


def _quiet(table: Compiled, context: Context) -> Quiet:
    """Return what is known of rules with nothing near, in one context."""
    key = (context.category, tuple(context.licences))
    known = table.quiet.get(key)
    if known is None:
        if len(table.quiet) >= _CONTEXTS:
            table.quiet.clear()
        known = table.quiet[key] = {}
    return known


def _alone(meaning: Meaning, rule: Rule, context: Context) -> tuple[Severity | None, str]:
    """Judge a needle with nothing near; and say what its own conditions say then."""
    needle = meaning.needle
    around = Surroundings(needle, 0, len(needle), context.category)
    own = verdict(rule.conditions, around)
    return judge(rule, around, context, term=meaning.plain, own=own, near=0), own


def judge_text(found: Iterable[tuple[Found, int]], text: Text, table: Compiled) -> list[Judged]:
    """Judge everything found in one text, each with the bits of the rules to try, and keep the leftmost, then
    longest, of what overlaps.

    What lies inside a longer term that is harmless here is harmless too: 最高 in the grammar's 最高级.
    """
    judged: list[Judged] = []
    cleared: list[tuple[int, int]] = []
    low, context, reach, apart = text.low, text.context, 0, True
    quiet = _quiet(table, context)
    for (start, end, _, _, meaning, rule), near in found:
        if start < low:
            continue  # it began in the text before
        if meaning.patterns:
            judged.extend(_pattern_hits(meaning.patterns, start, end, text, table))
            apart = False
        if rule is None:
            continue
        known = quiet.get(meaning.needle)
        if known is None:
            known = quiet[meaning.needle] = _alone(meaning, rule, context)
        severity, own = known
        if near and (near & OWN or own != CLEAN):
            severity = _severity(meaning, rule, near, own, text.around(start, end), context)
        start, end = start - low, end - low
        if severity:
            judged.append(_judged((start, end, rule, severity, rule.entry.term, meaning.disguised)))
            apart = apart and start >= reach
            reach = end
        elif not meaning.disguised:
            cleared.append((start, end))
    if cleared and judged:
        judged = _outside(cleared, judged)
    return judged if apart else leftmost_longest(judged)


def _severity(
    meaning: Meaning, rule: Rule, near: int, own: str, around: Surroundings, context: Context
) -> Severity | None:
    """Judge a needle where it stands; `own` is what its own conditions say with nothing near."""
    if near & OWN:
        own = verdict(rule.conditions, around)
    return judge(rule, around, context, term=meaning.plain, own=own, near=near)


def _outside(cleared: list[tuple[int, int]], judged: list[Judged]) -> list[Judged]:
    """Leave out what lies inside a cleared span."""
    cleared.sort()
    starts = [start for start, _ in cleared]
    reach = list(accumulate((end for _, end in cleared), max))
    kept = []
    for item in judged:
        before = bisect_right(starts, item.start)
        if before == 0 or reach[before - 1] < item.end:
            kept.append(item)
    return kept


def _is_family(item: Judged) -> bool:
    """Tell whether a hit was found by a pattern, not by a term."""
    return item.term != item.rule.entry.term


def _without_weak(judged: list[Judged]) -> list[Judged]:
    """Leave out the families that only ask for evidence where a term inside them blocks."""
    hard = [item for item in judged if item.severity == "block" and not _is_family(item)]
    if not hard or len(hard) == len(judged):
        return judged
    hard.sort(key=lambda j: (j.start, j.end))
    starts = [item.start for item in hard]

    def is_kept(item: Judged) -> bool:
        n = bisect_left(starts, item.start)
        weak = _is_family(item) and item.rule.entry.severity == "warn"
        return not weak or n == len(hard) or hard[n].end > item.end

    return list(filter(is_kept, judged))


def leftmost_longest(judged: list[Judged]) -> list[Judged]:
    judged = _without_weak(judged)
    judged.sort(key=lambda j: (j.start, -j.end, j.disguised))
    kept: list[Judged] = []
    for item in judged:
        if not kept or item.start >= kept[-1].end:
            kept.append(item)
    return kept
