"""A block: texts joined and taken apart into arrays, and the needles that are really in it."""

from __future__ import annotations

import functools
from itertools import chain, compress
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.compiled import DROP, OPENING, Compiled, Meaning, needle_hash
from backend.words.conditions import Rule
from backend.words.fold import common_words, fold_table
from backend.words.nearby import (
    SIDE,
    Heard,
    Own,
    clause_rules,
    clause_rules_of_one,
    heard_in,
    heard_near,
    own_signs,
)
from backend.words.rules import NAMED, OWN
from backend.words.scanner import Occurrence
from backend.words.view import code_points, text_of, view_table

_MANY: Final = 32
"""Candidates or needles from which on it pays to look at all of them at once."""
_DENSE: Final = 0.008
"""The same for candidates per character."""
_DROPPED: Final = bytes((DROP, OPENING))
_OPENING: Final = bytes((OPENING,))
_ORDINALS: Final = frozenset("一二三四五六七八九十0123456789")


class Block:
    """Joined texts as arrays: code points, their classes, and the classes that are left after dropping.

    What only some blocks need is made when it is first asked for.
    """

    def __init__(self, text: str, table: Compiled) -> None:
        self.text = text
        self.points = code_points(text)
        self.classes = table.classes.take(self.points, mode="clip")
        self.kept = self.classes.tobytes().translate(None, _DROPPED)

    @functools.cached_property
    def at(self) -> npt.NDArray[np.intp]:
        """From kept characters to code points."""
        return np.flatnonzero(self.classes > OPENING)

    @functools.cached_property
    def _shown(self) -> npt.NDArray[np.uint32]:
        return view_table().take(self.points, mode="clip")

    @functools.cached_property
    def codes(self) -> npt.NDArray[np.uint32]:
        """The kept characters in the view."""
        return self._shown.take(self.at)

    @functools.cached_property
    def view(self) -> str:
        return text_of(self._shown)

    @functools.cached_property
    def seen(self) -> str:
        """The view of the kept characters."""
        return text_of(self.codes)


Found = tuple[int, int, int, int, Meaning, Rule | None]
"""A verified needle: code points [start, end) of the block, [first, last) among its kept characters, what it
means, and its rule unless it is only parts of other words. Plain, as there are many."""


class Needles(NamedTuple):
    """What was found in a block, and the signs heard in it."""

    found: list[Found]
    heard: list[Heard]


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


@functools.lru_cache(1 << 16)
def _is_word(written: str) -> bool:
    return written.translate(fold_table()) in common_words()


def _straddles(text: str, start: int, end: int) -> bool:
    """Tell whether a two-character span is the end of one common word and the start of another
    ("独|特价|值")."""
    return _is_word(text[end - 1 : end + 1]) and start > 0 and _is_word(text[start - 1 : start + 1])


def _likely(block: Block, table: Compiled, candidates: list[Occurrence]) -> list[Occurrence]:
    """Return the candidates that look like a needle; classes alone let more pass."""
    if len(candidates) < max(_MANY, _DENSE * len(block.kept)):
        return candidates
    spans = np.fromiter(chain.from_iterable(candidates), np.intp, 3 * len(candidates)).reshape(-1, 3)
    first, last, index = spans.T
    ends = last - 1
    codes, second = block.codes, np.minimum(first + 1, ends)
    hashes = needle_hash(codes.take(first), codes.take(second), codes.take(ends), last - first)
    likely = table.known.take(hashes) | table.walled.take(index)
    return list(compress(candidates, likely.tolist()))


def _verified(block: Block, table: Compiled, candidates: list[Occurrence]) -> list[Found]:
    """Return the candidates that have a meaning and that no longer word runs through."""
    text, written = block.text, table.written
    starts = block.at.take([first for first, _, _ in candidates]).tolist()
    ends = block.at.take([last - 1 for _, last, _ in candidates]).tolist()
    found: list[Found] = []
    for (first, last, _), start, end in zip(candidates, starts, ends, strict=True):
        end += 1
        meaning = written[text[start:end]]
        if meaning is None or (meaning.is_edged and _cuts_word(text, start, end)):
            continue
        rule = meaning.rule
        if rule is not None and last - first == 2 and _straddles(text, start, end):
            rule = None
        found.append((start, end, first, last, meaning, rule))
    return found


def needles_in(block: Block, table: Compiled, candidates: list[Occurrence]) -> Needles:
    """Return the needles that are really there among the scan's candidates, and the signs."""
    signs, only = table.signs, table.only_signs
    heard: list[tuple[int, int]] = []
    meant: list[Occurrence] = []
    for candidate in _likely(block, table, candidates):
        index = candidate[2]
        if index in signs:
            heard.append((candidate[1], signs[index]))
            if index in only:
                continue
        meant.append(candidate)
    found = _verified(block, table, meant) if meant else []
    return Needles(found, heard_in(heard) if found and heard else [])


def near_rules(block: Block, needles: Needles, table: Compiled) -> list[int]:
    """Return for each needle the bits of the rules that could apply to it."""
    found, heard = needles.found, needles.heard
    if len(found) < _MANY:
        bits = [clause_rules_of_one(block.seen, item[2], item[3]) for item in found]
    else:
        bits = clause_rules(block.codes, np.array([item[2:4] for item in found]))
    named = _named(block, found)
    near = []
    for (_, _, first, last, meaning, rule), beside, name in zip(found, bits, named, strict=True):
        if rule is None:
            near.append(0)
            continue
        tried = beside | name | heard_near(heard, first, last)
        if rule.heeds & OWN:
            own = _own(meaning, rule, table)
            tried |= OWN if own is None or own.is_near(block.seen, first, last) else 0
        near.append(tried & rule.heeds | rule.always)
    return near


def _own(meaning: Meaning, rule: Rule, table: Compiled) -> Own | None:
    """Return the signs of a term's own conditions, made when it is first met."""
    plain = meaning.plain
    if plain not in table.own:
        table.own[plain] = own_signs(plain, rule)
    return table.own[plain]


def _named(block: Block, found: list[Found]) -> list[int]:
    """Return for each needle the bit of names if something opens a quotation beside it or in it."""
    if _OPENING not in block.classes.tobytes():
        return [0] * len(found)
    openings = np.flatnonzero(block.classes == OPENING)
    at = np.concatenate(([0], block.at, [len(block.text)]))
    around = at.take([(item[2] + 1 - SIDE, item[3] + 1) for item in found], mode="clip")
    low, high = openings.searchsorted(around).T
    bits: list[int] = ((low < high) * NAMED).tolist()
    return bits
