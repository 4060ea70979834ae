"""Which rules could apply to a hit, told from the characters around it, for many hits at once.

Every rule has signs (`signs.py`). The characters around the hits are looked up in tables of them, and each
hit gets a set of bits: a rule whose bit is absent cannot change the hit's severity and is not tried. A bit
too many only costs time, one too few would be an error; `tests/unit/test_words_engine.py` holds the short
way to the long one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.conditions import WARN, Condition, Rule
from backend.words.fold import SKIP, common_words, fold
from backend.words.rules import CLAUSE_SIGNS, NAMED, OWN, RIGHT_SIGNS, SCANNED
from backend.words.signs import EDGE, necessary
from backend.words.view import GAP, view_table

Ints = npt.NDArray[np.int64]
_LEFT = _RIGHT = 24
_NEAR: Final = 48
_FAR: Final = 121
_NEAR_SIGN, _FAR_SIGN, _AFTER, _BEFORE = 1, 2, 4, 8
_ENDS: Final = "，。！？；\n"
_OPENING: Final = "《“\"'®"


class Around(NamedTuple):
    """Where hits stand in a block: `at` leads from kept characters to the block's `points`, `kept` tells
    which those are."""

    points: npt.NDArray[np.uint32]
    kept: npt.NDArray[np.bool_]
    at: Ints
    starts: Ints
    ends: Ints


class Signs(NamedTuple):
    """The tables. A sign is one or two characters; its number indexes `left`, `right` and a row of `own`.

    `ids` numbers the characters of signs, by code point; `pairs` gives two numbered characters the number of
    their sign. `own` has one row for each rule with conditions: what kind of sign each number is to it.
    """

    ids: npt.NDArray[np.uint16]
    pairs: npt.NDArray[np.uint16]
    size: int
    left: npt.NDArray[np.uint8]
    edge: npt.NDArray[np.uint8]
    right: npt.NDArray[np.uint8]
    ends: npt.NDArray[np.bool_]
    opening: npt.NDArray[np.bool_]
    own: npt.NDArray[np.uint8]
    far: npt.NDArray[np.bool_]


def _kept(sign: str) -> str:
    """Leave out what the fold drops: the tables are asked about kept characters only."""
    return "".join(char for char in sign if char != EDGE and char != GAP and fold(char) != SKIP)


def _short(sign: str) -> str:
    """Return one or two kept characters of a sign, rather a pair that is no word of its own."""
    kept = _kept(sign)
    pairs = [kept[i : i + 2] for i in range(len(kept) - 1)]
    return next((pair for pair in pairs if pair not in common_words()), kept[:2])


def _own_signs(condition: Condition) -> Iterator[tuple[int, str, str]]:
    """Yield a condition's signs: kind, characters for the tables, and in full; "" if it may hold without."""
    far = condition.effect == WARN and condition.where == "sentence"
    for regex in (condition.regex, condition.before_regex, condition.after_regex):
        for sign in necessary(regex) if regex else ():
            yield _FAR_SIGN if far else _NEAR_SIGN, _short(sign), _kept(sign)
    for text in (*condition.after, *(after for _, after in condition.around)):
        yield _AFTER, _kept(text)[:1], ""
    for text in condition.before:
        yield _BEFORE, _kept(text)[-1:], ""


def _family_signs(families: Mapping[int, Sequence[re.Pattern[str]]]) -> Iterator[tuple[int, str]]:
    for bit, patterns in families.items():
        for sign in (sign for pattern in patterns for sign in necessary(pattern)):
            last = EDGE if sign.endswith(EDGE) and len(_kept(sign)) == 1 else ""
            yield bit, _short(sign) + last


class _Numbers:
    """Numbers for characters and for signs of two, given as they come."""

    def __init__(self, signs: Iterable[str]) -> None:
        signs = {sign.rstrip(EDGE) for sign in signs} - {""}
        self.characters = {char: n for n, char in enumerate(sorted(set(_ENDS).union(*signs)), start=1)}
        self.size = len(self.characters) + 1
        pairs = sorted(sign for sign in signs if len(sign) == 2)
        self.pairs = {sign: n for n, sign in enumerate(pairs, start=self.size)}
        self.count = self.size + len(self.pairs)

    def of(self, sign: str) -> int:
        return self.characters[sign] if len(sign) == 1 else self.pairs[sign]


def compile_signs(rules: Sequence[tuple[str, Rule]]) -> tuple[Signs, list[tuple[bool, bool]]]:
    """Make the tables for folded terms and their rules with conditions.

    Return also which of these rules must always be tried, as a condition has no sign or one that only begins
    in the term, and which terms have a sign in themselves.
    """
    left, right = list(_family_signs(CLAUSE_SIGNS)), list(_family_signs(RIGHT_SIGNS))
    known: dict[Condition, list[tuple[int, str, str]]] = {}
    for _, rule in rules:
        for condition in rule.conditions:
            if condition not in known:
                known[condition] = list(_own_signs(condition))
    own_signs = (sign for signs in known.values() for _, sign, _ in signs)
    numbers = _Numbers(chain((sign for _, sign in (*left, *right)), own_signs))
    own = np.zeros((len(rules) + 1, numbers.count), np.uint8)
    told: list[tuple[bool, bool]] = []
    for row, (term, rule) in enumerate(rules, start=1):
        signs = [sign for condition in rule.conditions for sign in known[condition]]
        told.append(
            (
                any(not sign or bool(full and full not in term and sign in term) for _, sign, full in signs),
                any(bool(full) and full in term for _, _, full in signs),
            )
        )
        for kind, sign, _ in signs:
            if sign:
                own[row, numbers.of(sign)] |= kind
    return _tables(numbers, left, right, own), told


def _tables(
    numbers: _Numbers, left: list[tuple[int, str]], right: list[tuple[int, str]], own: npt.NDArray[np.uint8]
) -> Signs:
    size = numbers.size
    by_view = np.zeros(0x110000, np.uint16)
    opening = np.zeros(0x110000, np.bool_)
    for char, n in numbers.characters.items():
        by_view[ord(char)] = n
    opening[[ord(char) for char in _OPENING]] = True
    pairs = np.zeros(size * size, np.uint16)
    for pair, n in numbers.pairs.items():
        pairs[numbers.characters[pair[0]] * size + numbers.characters[pair[1]]] = n
    found = Signs(
        by_view.take(view_table()),
        pairs,
        size,
        np.zeros(numbers.count, np.uint8),
        np.zeros(size, np.uint8),
        np.zeros(numbers.count, np.uint8),
        np.zeros(size, np.bool_),
        opening.take(view_table()),
        own,
        np.asarray((own & _FAR_SIGN).any(axis=1)),
    )
    for bit, sign in left:
        if sign.endswith(EDGE):
            found.edge[numbers.of(sign[0])] |= bit
        else:
            found.left[numbers.of(sign)] |= bit
    for bit, sign in right:
        found.right[numbers.of(sign)] |= bit
    found.ends[[numbers.characters[char] for char in _ENDS]] = True
    return found


def _window(signs: Signs, around: Around, at: Ints, low: int, high: int) -> tuple[Any, Any]:
    """Return the numbers of the characters from `low` to `high` around places, and of each with its next.

    One row for each distance, one column for each place: combining rows is what numpy does fastest.
    """
    places = around.at.take(np.arange(low, high)[:, None] + at, mode="clip")
    ids = signs.ids.take(around.points.take(places)).astype(np.intp)
    return ids, signs.pairs.take(ids[:-1] * signs.size + ids[1:])


def _general(signs: Signs, around: Around) -> Ints:
    """Return the bits of the rules that hold for every term."""
    ids, pairs = _window(signs, around, around.starts, -_LEFT, 1)
    before = ids[:-1]
    flags = signs.left.take(before) | signs.left.take(pairs)
    beyond = np.logical_or.accumulate(signs.ends.take(before)[::-1])[::-1]
    flags[beyond] = 0
    bits = np.bitwise_or.reduce(flags) | signs.edge.take(before[-1])
    ids, pairs = _window(signs, around, around.ends, 0, _RIGHT)
    bits |= np.bitwise_or.reduce(signs.right.take(ids))
    bits |= np.bitwise_or.reduce(signs.right.take(pairs))
    return np.asarray(bits.astype(np.int64) | _quoted(signs, around))


def _quoted(signs: Signs, around: Around) -> Ints:
    """Return `NAMED` where a quotation mark, which is never kept, stands near the hit."""
    places = np.flatnonzero(~around.kept)
    places = places[signs.opening.take(around.points.take(places))]
    low = around.at.take(around.starts - _LEFT, mode="clip")
    low[around.starts < _LEFT] = 0
    high = around.at.take(around.ends, mode="clip")
    high[around.ends == len(around.at)] = len(around.points)
    return np.where(places.searchsorted(high) > places.searchsorted(low), NAMED, 0)


def _own(signs: Signs, around: Around, guards: Ints) -> npt.NDArray[np.bool_]:
    """Tell which hits have a sign of their own conditions near. `guards` are rows of the table."""
    table, base = signs.own.ravel(), guards * signs.own.shape[1]
    ids, pairs = _window(signs, around, around.starts, -_NEAR, 1)
    left = table.take(ids + base)
    found = np.bitwise_or.reduce(left) | np.bitwise_or.reduce(table.take(pairs + base))
    ids, pairs = _window(signs, around, around.ends, -1, _NEAR)
    right = table.take(ids + base)
    found |= np.bitwise_or.reduce(right) | np.bitwise_or.reduce(table.take(pairs + base))
    return np.asarray((found & _NEAR_SIGN | left[-2] & _BEFORE | right[1] & _AFTER) != 0)


def _own_far(signs: Signs, around: Around, guards: Ints) -> npt.NDArray[np.bool_]:
    table, base = signs.own.ravel(), guards * signs.own.shape[1]
    found = np.zeros(len(guards), np.uint8)
    for at, low, high in ((around.starts, -_FAR, 1), (around.ends, -1, _FAR)):
        for numbers in _window(signs, around, at, low, high):
            found |= np.bitwise_or.reduce(table.take(numbers + base))
    return np.asarray((found & _FAR_SIGN) != 0)


def open_rules(signs: Signs, around: Around, guards: Ints, heard: Mapping[int, Ints]) -> Ints:
    """Return the bits of the rules that could apply to each hit.

    `guards` are the hits' rows of `own`, 0 for none; `heard` are the sorted places, in kept characters, of
    the signs that were scanned for.
    """
    bits = _general(signs, around)
    for select, test in ((guards > 0, _own), (signs.far.take(guards), _own_far)):
        some = np.flatnonzero(select)
        if len(some):
            part = around._replace(starts=around.starts[some], ends=around.ends[some])
            bits[some] |= test(signs, part, guards[some]) * OWN
    for bit, places in heard.items():
        if len(places):
            first = places.searchsorted(around.starts - SCANNED[bit])
            bits[places.searchsorted(around.ends + SCANNED[bit]) > first] |= bit
    return bits
