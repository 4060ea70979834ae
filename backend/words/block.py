"""A block: texts joined and taken apart into arrays, and the needles that are really in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.compiled import DROPPED, OPENING, Compiled, Meaning, Pattern, pair_hash
from backend.words.conditions import Rule
from backend.words.fold import common_words, fold_table, fold_text
from backend.words.nearby import SIDE, Own, Places, Signs, general_bits, scanned_bits, signs_of
from backend.words.rules import NAMED, OWN
from backend.words.scanner import Occurrence
from backend.words.view import code_points, text_of, view_table

SHAPE: Final = 24
"""Characters on each side of its trigger that a family of terms reads."""
_PAIR: Final = 4
"""The length of a needle of two characters with one more on each side."""
_ORDINALS: Final = frozenset("一二三四五六七八九十0123456789")


class Kept:
    """The characters of a block that are left after dropping: where they stand (`at`), and their view."""

    __slots__ = ("_points", "at")

    def __init__(self, points: npt.NDArray[np.uint32], classes: npt.NDArray[np.uint8]) -> None:
        self._points = points
        self.at = np.flatnonzero(classes > OPENING)

    def codes(self, places: Places) -> npt.NDArray[np.uint32]:
        """Return the view's code points at places among the kept; beyond an end they are the last one's."""
        return view_table().take(self._points.take(self.at.take(places, mode="clip")))

    def around(self, low: Places, high: Places) -> Iterator[str]:
        """Yield the view of the kept at [low, high) of each pair, as far as there are any."""
        low, high = np.maximum(low, 0), np.minimum(high, len(self.at))
        seen, begins = self.parts(low, high)
        return (seen[begin : begin + size] for begin, size in zip(begins, (high - low).tolist(), strict=True))

    def parts(self, low: Places, high: Places) -> tuple[str, list[int]]:
        """Return the view of the kept at [low, high) of each pair, one after the other, and where each
        begins."""
        sizes = high - low
        begins = sizes.cumsum() - sizes
        places = np.repeat(low - begins, sizes)
        places += np.arange(len(places))
        return text_of(self.codes(places)), begins.tolist()

    def beside(self, first: int, last: int) -> tuple[str, str]:
        """Return the characters before and after [first, last), the outermost ones at an end."""
        before, after = map(chr, self.codes(np.array((max(0, first - 1), last))).tolist())
        return before, after


Spans = npt.NDArray[np.intp]


class Block(NamedTuple):
    """Joined texts as arrays: code points, their classes, and the classes that are left after dropping."""

    text: str
    points: npt.NDArray[np.uint32]
    classes: npt.NDArray[np.uint8]
    kept: bytes


def block_of(text: str, table: Compiled) -> Block:
    """Return the arrays of a text, or of texts joined."""
    points = code_points(text)
    classes = table.classes.take(points, mode="clip")
    return Block(text, points, classes, classes.tobytes().translate(None, DROPPED))


class Found(NamedTuple):
    """A verified needle: code points [start, end) of the block, [first, last) among its kept characters,
    what it means, its rule unless it is only parts of other words, the bits of the rules to try on it, and
    the families of terms that fit around it."""

    start: int
    end: int
    first: int
    last: int
    meaning: Meaning
    rule: Rule | None
    near: int
    patterns: tuple[Pattern, ...]


class Needles(NamedTuple):
    """What was found in a block, and its kept characters."""

    kept: Kept
    found: list[Found]


def _cuts_word(text: str, start: int, end: int) -> bool:
    """Tell whether a letter or number goes on beyond the span: "no1" in "no12", "vx" in "svx", "一次…" in
    "第一次…"."""
    first, last = text[start], text[end - 1]
    if first in _ORDINALS and text[start - 1 : start] == "第" and start:
        return True
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    if first.isascii() and before.isascii() and first.isalpha() and before.isalpha():
        return True
    if last.isascii() and after.isascii() and last.isalpha() and after.isalpha():
        return True
    if (
        first.isdecimal()
        and before
        and (before.isdecimal() or (before == "." and text[start - 2 : start - 1].isdecimal()))
    ):
        return True
    return (
        last.isdecimal()
        and bool(after)
        and (after.isdecimal() or (after == "." and text[end + 1 : end + 2].isdecimal()))
    )


def _straddles(around: str, text: str, start: int, end: int) -> bool:
    """Tell whether a two-character span is the end of one common word and the start of another
    ("独|特价|值"). `around` are its kept characters and one on each side."""
    words = common_words()
    if around[2:] not in words or around[:2] not in words:
        return False
    folds = fold_table()
    before, after = text[start - 1 : start + 1], text[end - 1 : end + 1]
    return after.translate(folds) in words and before.translate(folds) in words


_Needle = tuple[int, int, str, Meaning]
"""A candidate that has a meaning: [first, last) of the kept characters, those with one more on each side."""


def _likely(kept: Kept, table: Compiled, candidates: list[Occurrence]) -> Spans:
    """Return the candidates whose first two characters begin a needle; classes alone let more pass."""
    spans = np.fromiter(chain.from_iterable(candidates), np.intp, 3 * len(candidates)).reshape(-1, 3)
    first = spans[:, 0]
    begins = table.begins.take(pair_hash(kept.codes(first), kept.codes(first + 1)))
    likely: Spans = spans[begins | (spans[:, 1] - first == 1) | table.walled.take(spans[:, 2])]
    return likely


def _verified(kept: Kept, table: Compiled, candidates: list[Occurrence]) -> Iterator[_Needle]:
    """Yield the candidates that have a meaning, by their kept characters."""
    meanings, walled = table.meanings, table.walled
    spans = _likely(kept, table, candidates)
    seen, begins = kept.parts(spans[:, 0] - 1, spans[:, 1] + 1)
    for (first, last, index), begin in zip(spans.tolist(), begins, strict=True):
        around = seen[begin : begin + last - first + 2]
        meaning = meanings[around[1:-1]]
        if meaning is None and walled[index]:
            meaning = meanings[fold_text(around[1:-1])]
        if meaning is not None:
            yield first, last, around, meaning


def _fitting(kept: Kept, needles: list[_Needle]) -> dict[int, tuple[Pattern, ...]]:
    """Return the families of terms that fit around their triggers, by the needle's number."""
    asked = [n for n, needle in enumerate(needles) if needle[3].patterns]
    fitting: dict[int, tuple[Pattern, ...]] = {}
    if asked:
        spans = np.array([needles[n][:2] for n in asked], np.intp)
        for n, part in zip(asked, kept.around(spans[:, 0] - SHAPE, spans[:, 1] + SHAPE), strict=True):
            if fit := tuple([p for p in needles[n][3].patterns if p.regex.search(part)]):
                fitting[n] = fit
    return fitting


def _signs(meaning: Meaning, rule: Rule, table: Compiled) -> Signs:
    """Return the signs of a term, made when it is first met."""
    known = table.signs.get(meaning.plain)
    if known is None:
        known = table.signs[meaning.plain] = signs_of(meaning.plain, rule)
    return known


def _open_rules(
    block: Block, kept: Kept, first: Places, last: Places, heard: dict[int, list[int]]
) -> list[int]:
    """Return for each needle the bits of the general rules that have a sign near it."""
    bits = general_bits(kept.codes, first, last)
    if heard:
        bits |= scanned_bits(heard, first, last)
    marks = np.flatnonzero(block.classes == OPENING)
    if len(marks):
        low = np.where(first < SIDE, 0, kept.at.take(first - SIDE, mode="clip"))
        high = np.where(last + SIDE < len(kept.at), kept.at.take(last + SIDE, mode="clip"), len(block.text))
        opened = marks.searchsorted(low) < marks.searchsorted(high)
        bits |= opened.astype(np.uint32) * NAMED
    return list(bits.tolist())


def _touched(own: Own, needle: _Needle, end: int) -> bool:
    """Tell whether one of the characters beside a needle is a sign of its term's own conditions."""
    first, last, around, _ = needle
    return (around[-1] in own.after and last < end) or (around[0] in own.before and first > 0)


def _own_rules(kept: Kept, needles: list[_Needle], table: Compiled) -> list[int]:
    """Return for each needle the bits to try whatever stands around, and OWN if a sign of its term's own
    conditions stands near."""
    bits = [0] * len(needles)
    asked: list[tuple[int, Own, int, int]] = []
    for n, needle in enumerate(needles):
        first, last, _, meaning = needle
        if meaning.rule is not None:
            bits[n], own = _signs(meaning, meaning.rule, table)
            if own is not None and _touched(own, needle, len(kept.at)):
                bits[n] |= OWN
            elif own is not None and own.reach:
                asked.append((n, own, first - own.reach, last + own.reach))
    if asked:
        numbers, owns, low, high = zip(*asked, strict=True)
        for n, own, part in zip(numbers, owns, kept.around(np.array(low), np.array(high)), strict=True):
            if own.search(part):
                bits[n] |= OWN
    return bits


def _found(
    block: Block, kept: Kept, needles: list[_Needle], heard: dict[int, list[int]], table: Compiled
) -> Iterator[Found]:
    """Yield the needles that no longer word runs through."""
    text, fitting = block.text, _fitting(kept, needles)
    numbers = [n for n, (*_, m) in enumerate(needles) if n in fitting or m.rule is not None or m.stand_in]
    if not numbers:
        return
    needles = [needles[n] for n in numbers]
    spans = np.array([needle[:2] for needle in needles], np.intp)
    first, last = spans[:, 0], spans[:, 1]
    found = zip(
        numbers,
        needles,
        kept.at.take(first).tolist(),
        (kept.at.take(last - 1) + 1).tolist(),
        _open_rules(block, kept, first, last, heard),
        _own_rules(kept, needles, table),
        strict=True,
    )
    for n, (begin, stop, around, meaning), start, end, bits, own in found:
        if meaning.is_edged and _cuts_word(text, start, end):
            continue
        rule, near = meaning.rule, 0
        if rule is not None:
            if len(around) == _PAIR and begin and _straddles(around, text, start, end):
                rule = None
            else:
                near = bits & rule.heeds | own
        yield Found(start, end, begin, stop, meaning, rule, near, fitting.get(n, ()))


def needles_in(block: Block, table: Compiled, candidates: list[Occurrence]) -> Needles:
    """Return the needles that are really there among the scan's candidates."""
    kept = Kept(block.points, block.classes)
    heard: dict[int, list[int]] = {}
    meant: list[_Needle] = []
    for needle in _verified(kept, table, candidates) if candidates else ():
        meaning = needle[3]
        for bit in meaning.heard:
            heard.setdefault(bit, []).append(needle[1])
        if meaning.is_meant:
            meant.append(needle)
    return Needles(kept, list(_found(block, kept, meant, heard, table)) if meant else [])
