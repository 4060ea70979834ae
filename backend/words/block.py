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
from backend.words.nearby import SIDE, Heard, Own, Places, clause_rules, heard_in, heard_near, own_signs
from backend.words.rules import NAMED, OWN
from backend.words.scanner import Occurrence
from backend.words.view import code_points, text_of, view_table

_MANY: Final = 64
_DENSE: Final = 0.008
"""Candidates, and candidates per character, from which on it pays to look at all of them at once."""
_DROPPED: Final = bytes((DROP, OPENING))
_OPENING: Final = bytes((OPENING,))
_ORDINALS: Final = frozenset("一二三四五六七八九十0123456789")


class Block:
    """Joined texts as arrays: code points, their classes, and the classes that are left after dropping.

    What only some blocks need is made when it is first asked for: `at` leads from kept characters to code
    points, `view` is the whole text's.
    """

    __slots__ = ("_at", "_view", "classes", "kept", "points", "text")

    def __init__(self, text: str, table: Compiled) -> None:
        self.text = text
        self.points = code_points(text)
        self.classes = table.classes.take(self.points, mode="clip")
        self.kept = self.classes.tobytes().translate(None, _DROPPED)
        self._at: npt.NDArray[np.intp] | None = None
        self._view: str | None = None

    @property
    def at(self) -> npt.NDArray[np.intp]:
        if self._at is None:
            self._at = np.flatnonzero(self.classes > OPENING)
        return self._at

    @property
    def view(self) -> str:
        if self._view is None:
            self._view = text_of(view_table().take(self.points))
        return self._view

    def codes(self, kept: npt.NDArray[np.intp]) -> npt.NDArray[np.uint32]:
        """Return the code points in the view of some kept characters; beyond the ends, of the outermost."""
        return view_table().take(self.points.take(self.at.take(kept, mode="clip")))


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
    codes = block.codes(np.stack((first, np.minimum(first + 1, ends), ends)))
    likely = table.known.take(needle_hash(codes[0], codes[1], codes[2], last - first)) | table.walled.take(
        index
    )
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
    found = needles.found
    firsts = np.fromiter((item[2] for item in found), np.intp, len(found))
    lasts = np.fromiter((item[3] for item in found), np.intp, len(found))
    bits = clause_rules(block.codes, firsts, lasts) | _named(block, firsts, lasts)
    heard = heard_near(needles.heard, firsts, lasts)
    own = _own_near(block, found, table)
    return [
        0 if rule is None else (beside | far | touched) & rule.heeds | rule.always
        for (*_, rule), beside, far, touched in zip(found, bits.tolist(), heard, own, strict=True)
    ]


def _own_near(block: Block, found: list[Found], table: Compiled) -> list[int]:
    """Return for each needle the bit of its term's own conditions if one could apply."""
    near = [0] * len(found)
    by_reach: dict[int, list[tuple[int, Own]]] = {}
    for n, (*_, meaning, rule) in enumerate(found):
        if rule is not None and rule.heeds & OWN:
            own = _own(meaning, rule, table)
            if own is None:
                near[n] = OWN
            else:
                by_reach.setdefault(own.reach, []).append((n, own))
    for reach, owns in by_reach.items():
        spans = [found[n][2:4] for n, _ in owns]
        width = 2 * reach + max(last - first for first, last in spans)
        begins = np.fromiter((first - reach for first, _ in spans), np.intp, len(spans))
        seen = text_of(block.codes(begins[:, None] + np.arange(width)))
        places = range(reach, len(seen), width)
        for (n, own), (first, last), at in zip(owns, spans, places, strict=True):
            if own.is_near(seen, at, at + last - first):
                near[n] = OWN
    return near


def _own(meaning: Meaning, rule: Rule, table: Compiled) -> Own | None:
    """Return the signs of a term's own conditions, made when it is first met."""
    plain = meaning.plain
    if plain not in table.own:
        table.own[plain] = own_signs(plain, rule)
    return table.own[plain]


def _named(block: Block, firsts: Places, lasts: Places) -> npt.NDArray[np.uint8] | int:
    """Return the bit of names where something opens a quotation beside a needle or in it."""
    if _OPENING not in block.classes.tobytes():
        return 0
    openings = np.flatnonzero(block.classes == OPENING)
    at = np.concatenate((block.at, [len(block.text)]))
    lows = np.where(firsts < SIDE, 0, at.take(firsts - SIDE, mode="clip"))
    highs = at.take(lasts)
    return (openings.searchsorted(lows) < openings.searchsorted(highs)) * np.uint8(NAMED)
