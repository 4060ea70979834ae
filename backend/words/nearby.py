"""Which rules could apply to a hit, told from the characters around it.

Every rule has signs (`signs.py`). They are looked for beside a hit, and the hit gets a set of bits: a rule
whose bit is absent cannot change the hit's severity and is not tried. A bit too many only costs time, one
too few would be an error; `tests/unit/test_words_engine.py` holds the short way to the long one.

The general rules are told for all hits of a block at once, by tables of pairs of characters; only what a
term's own conditions look for is looked for hit by hit.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.conditions import WARN, Condition, Rule
from backend.words.fold import SKIP, common_words, fold
from backend.words.rules import ALL, CLAUSE_SIGNS, FIGURE, OWN, RIGHT_SIGNS, SCANNED, YEAR
from backend.words.signs import EDGE, necessary
from backend.words.view import GAP

SIDE: Final = 24
"""Characters on each side of a hit that the general rules read."""
_NEAR: Final = 48
_FAR: Final = 121
_NEAR_SIGN, _FAR_SIGN, _AFTER, _BEFORE = range(4)
_CLAUSE_END: Final = "，。！？；\n"
_DATED: Final = 64
"""A figure stands at most so far after its year."""
_DATED_FIGURE: Final = YEAR | FIGURE
_UNDATED: Final = ALL & ~_DATED_FIGURE
_SIZE: Final = 1 << 16
_RIGHT: Final = 16
"""Bits of rules that read on the right stand so much higher in the tables than those of the left."""
_BEGIN: Final = np.arange(-SIDE, 0)
_AROUND: Final = np.concatenate([_BEGIN, np.arange(SIDE)])

Search = Callable[[str], re.Match[str] | None]
Places = npt.NDArray[np.intp]
Bits = npt.NDArray[np.uint32]


class Own(NamedTuple):
    """The signs of a term's own conditions: a search with its reach, and characters that touch the term."""

    search: Search
    reach: int
    before: frozenset[str]
    after: frozenset[str]


class Signs(NamedTuple):
    """What can stand near a term and change its severity beside the signs of the general rules.

    `always` are the bits to try whatever stands around.
    """

    always: int
    own: Own | None


class Tables(NamedTuple):
    """The signs of the general rules: for a hash of two characters, or for one, the bits of the rules.

    The right side's bits are shifted by `_RIGHT`; `edges` are of characters right before the term, `ends`
    tells what ends a clause. Two signs may share a place: that makes a bit too many, never one too few.
    """

    pairs: Bits
    singles: Bits
    edges: Bits
    ends: npt.NDArray[np.bool_]


def _kept(sign: str) -> str:
    """Leave out what the fold drops: signs are looked for among kept characters only."""
    return "".join(char for char in sign if char != EDGE and char != GAP and fold(char) != SKIP)


def _short(sign: str) -> str:
    """Return one or two kept characters of a sign, rather a pair that is no word of its own."""
    kept = _kept(sign)
    pairs = [kept[i : i + 2] for i in range(len(kept) - 1)]
    return next((pair for pair in pairs if pair not in common_words()), kept[:2])


def _any_of(signs: Iterable[str]) -> Search:
    """Compile a search for any of some signs. All begin with a literal, which is what `re` skips ahead to."""
    return re.compile("|".join(map(re.escape, sorted(set(signs))))).search


@functools.cache
def _own_signs(condition: Condition) -> tuple[tuple[int, str, str], ...]:
    """Return a condition's signs: kind, what to look for, and in full; "" if it may hold without."""
    far = condition.effect == WARN and condition.where == "sentence"
    signs = [
        (_FAR_SIGN if far else _NEAR_SIGN, _short(sign), _kept(sign))
        for regex in (condition.regex, condition.before_regex, condition.after_regex)
        for sign in (necessary(regex) if regex else ())
    ]
    afters = (*condition.after, *(after for _, after in condition.around))
    signs += [(_AFTER, _kept(text)[:1], "") for text in afters]
    signs += [(_BEFORE, _kept(text)[-1:], "") for text in condition.before]
    return tuple(signs)


def _family(patterns: Sequence[re.Pattern[str]]) -> Iterator[tuple[str, bool]]:
    """Yield the signs of a rule, and whether each counts only right before the term."""
    for sign in (sign for pattern in patterns for sign in necessary(pattern)):
        yield _short(sign), sign.endswith(EDGE) and len(_kept(sign)) == 1


def _hash(first: Any, second: Any) -> Any:
    """Return the place of two code points in the table of pairs."""
    return (first * 40_503 ^ second) & (_SIZE - 1)


@functools.cache
def _tables() -> Tables:
    """Put the signs of the general rules into tables."""
    pairs, singles, edges = (np.zeros(_SIZE, np.uint32) for _ in range(3))
    for families, shift in ((CLAUSE_SIGNS, 0), (RIGHT_SIGNS, _RIGHT)):
        for bit, patterns in families.items():
            for sign, edge in _family(patterns):
                if len(sign) == 2:
                    pairs[_hash(*map(ord, sign))] |= bit << shift
                else:
                    (edges if edge else singles)[ord(sign)] |= bit << (0 if edge else shift)
    ends = np.zeros(_SIZE, np.bool_)
    ends[list(map(ord, _CLAUSE_END))] = True
    return Tables(pairs, singles, edges, ends)


def general_bits(codes: Callable[[Places], npt.NDArray[np.uint32]], first: Places, last: Places) -> Bits:
    """Return for each hit [first, last) the bits of the general rules that have a sign beside it.

    `codes` gives the view's code points at places among the kept characters, whatever the place.
    """
    pairs, singles, edges, ends = _tables()
    around = codes(np.where(_AROUND < 0, first[:, None], last[:, None]) + _AROUND)
    narrow = around & (_SIZE - 1)
    found = singles.take(narrow)
    found[:, :-1] |= pairs.take(_hash(around[:, :-1], around[:, 1:]))
    left = narrow[:, :SIDE]
    over = np.logical_or.accumulate(ends.take(left)[:, ::-1], axis=1)[:, ::-1]
    before = np.bitwise_or.reduce(np.where(over, 0, found[:, :SIDE]), axis=1)
    after = np.bitwise_or.reduce(found[:, SIDE:], axis=1)
    bits: Bits = (before & ((1 << _RIGHT) - 1)) | (after >> _RIGHT) | edges.take(left[:, -1])
    return bits


def scanned_bits(heard: Mapping[int, Sequence[int]], first: Places, last: Places) -> Bits:
    """Return for each hit the bits of the rules that have a scanned sign within their reach.

    `heard` are the places of the signs by bit.
    """
    found = np.zeros(len(first), np.uint32)
    signs = {bit: np.sort(np.array(places)) for bit, places in heard.items()}
    if YEAR in signs:
        signs[YEAR] = near_figures(signs[YEAR], signs.get(FIGURE, signs[YEAR][:0]))
    for bit, places in signs.items():
        if len(places):
            n = places.searchsorted(first - SCANNED[bit])
            is_near = (places.take(n, mode="clip") < last + SCANNED[bit]) & (n < len(places))
            found |= is_near.astype(np.uint32) * bit
    dated = found & _DATED_FIGURE == _DATED_FIGURE
    return np.where(dated, found, found & _UNDATED)


def signs_of(term: str, rule: Rule) -> Signs:
    """Return the signs of a folded term and its rule.

    A condition is always tried if it has no sign, or one that is or begins in the term itself.
    """
    signs = [sign for condition in rule.conditions for sign in _own_signs(condition)]
    if any(not sign or (full and sign in term) for _, sign, full in signs):
        return Signs(rule.always | OWN, None)
    if not signs:
        return Signs(rule.always, None)
    near, far, after, before = ({sign for kind, sign, _ in signs if kind == n} for n in range(4))
    reach = _FAR if far else _NEAR if near else 0
    return Signs(rule.always, Own(_any_of(near | far), reach, frozenset(before), frozenset(after)))


def near_figures(years: Places, figures: Places) -> Places:
    """Leave out the years that no figure follows in what `rules.py` reads as a dated figure. Both sorted."""
    if not len(figures):
        return figures
    n = figures.searchsorted(years, side="right")
    near: Places = years[(n < len(figures)) & (figures.take(n, mode="clip") <= years + _DATED)]
    return near
