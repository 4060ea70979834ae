"""A block: texts joined and taken apart into arrays, and the needles that are really in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, compress
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.compiled import DROP, Compiled, Meaning, pair_hash
from backend.words.conditions import Rule
from backend.words.fold import common_words, fold_table, fold_text
from backend.words.nearby import SIDE, Signs, near_figures, open_rules, signs_of
from backend.words.rules import FIGURE, NAMED, YEAR
from backend.words.scanner import Occurrence
from backend.words.view import View, code_points, text_of, view_table, written_as

_MANY: Final = 64
"""Candidates from which on it pays to look at all of them at once."""
_DROPPED: Final = b"\0"
_ORDINALS: Final = frozenset("一二三四五六七八九十0123456789")
_OPENING: Final = re.compile("[" + re.escape(written_as("《“\"'®")) + "]")


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
    return Block(text, points, classes, classes.tobytes().translate(None, _DROPPED))


class Found(NamedTuple):
    """A verified needle: code points [start, end) of the block, [first, last) among its kept characters,
    what it means, its rule unless it is only parts of other words, and the bits of the rules to try on it."""

    start: int
    end: int
    first: int
    last: int
    meaning: Meaning
    rule: Rule | None
    near: int


class Needles(NamedTuple):
    """What was found in a block and its view; `at` leads from kept characters to code points, `seen` is
    their view."""

    view: View
    at: npt.NDArray[np.intp]
    seen: str
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


def _straddles(seen: str, first: int, text: str, start: int, end: int) -> bool:
    """Tell whether a two-character span is the end of one common word and the start of another
    ("独|特价|值")."""
    words = common_words()
    if not first or seen[first + 1 : first + 3] not in words or seen[first - 1 : first + 1] not in words:
        return False
    folds = fold_table()
    before, after = text[start - 1 : start + 1], text[end - 1 : end + 1]
    return after.translate(folds) in words and before.translate(folds) in words


def _likely(kept: npt.NDArray[np.uint32], table: Compiled, candidates: list[Occurrence]) -> list[Occurrence]:
    """Return the candidates whose first two characters begin a needle; classes alone let more pass."""
    if len(candidates) < _MANY:
        return candidates
    spans = np.fromiter(chain.from_iterable(candidates), np.intp, 3 * len(candidates)).reshape(-1, 3)
    first, last, index = spans.T
    begins = table.begins.take(pair_hash(kept.take(first), kept.take(first + 1, mode="clip")))
    likely = begins | (last - first == 1) | table.walled.take(index)
    return list(compress(candidates, likely.tolist()))


def _verified(seen: str, table: Compiled, candidates: list[Occurrence]) -> Iterator[tuple[int, int, Meaning]]:
    """Yield the candidates that have a meaning, by their kept characters."""
    meanings, walled = table.meanings, table.walled
    for first, last, index in candidates:
        meaning = meanings[seen[first:last]]
        if meaning is None and walled[index]:
            meaning = meanings[fold_text(seen[first:last])]
        if meaning is not None:
            yield first, last, meaning


class _Inside(NamedTuple):
    """What needles are judged in: the block's text, its kept characters, and the places of scanned signs."""

    text: str
    at: npt.NDArray[np.intp]
    seen: str
    heard: dict[int, list[int]]


def _signs(meaning: Meaning, rule: Rule, table: Compiled) -> Signs:
    """Return the signs of a term, made when it is first met."""
    known = table.signs.get(meaning.plain)
    if known is None:
        known = table.signs[meaning.plain] = signs_of(meaning.plain, rule)
    return known


def _found(inside: _Inside, needles: list[tuple[int, int, Meaning]], table: Compiled) -> Iterator[Found]:
    """Yield the needles that no longer word runs through."""
    text, at, seen, heard = inside
    inner = len(seen) - 1
    wanted = [(first, last - 1, max(0, first - SIDE), min(last, inner)) for first, last, _ in needles]
    places = at.take(wanted).tolist()
    for (first, last, meaning), (start, end, low, high) in zip(needles, places, strict=True):
        end += 1
        if meaning.is_edged and _cuts_word(text, start, end):
            continue
        rule, near = meaning.rule, 0
        if rule is not None and last - first == 2 and _straddles(seen, first, text, start, end):
            rule = None
        if rule is not None:
            near = open_rules(_signs(meaning, rule, table), seen, first, last, heard)
            if _OPENING.search(text, low if first >= SIDE else 0, high if last <= inner else len(text)):
                near |= NAMED
        yield Found(start, end, first, last, meaning, rule, near)


def needles_in(block: Block, table: Compiled, candidates: list[Occurrence]) -> Needles:
    """Return the needles that are really there among the scan's candidates."""
    at = np.flatnonzero(block.classes != DROP)
    view = view_table().take(block.points)
    kept = view.take(at)
    seen = text_of(kept)
    heard: dict[int, list[int]] = {}
    meant: list[tuple[int, int, Meaning]] = []
    for first, last, meaning in _verified(seen, table, _likely(kept, table, candidates)):
        for bit in meaning.heard:
            heard.setdefault(bit, []).append(last)
        if meaning.is_meant:
            meant.append((first, last, meaning))
    for places in heard.values():
        places.sort()
    if YEAR in heard:
        heard[YEAR] = near_figures(heard[YEAR], heard.get(FIGURE, []))
    inside = _Inside(block.text, at, seen, heard)
    return Needles(View(view), at, seen, list(_found(inside, meant, table)) if meant else [])
