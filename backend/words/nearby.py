"""Which rules could apply to a hit, told from the characters around it.

Every rule has signs (`signs.py`). They are looked for beside all needles of a block at once, and each gets a
set of bits: a rule whose bit is absent cannot change the hit's severity and is not tried. A bit too many only
costs time, one too few would be an error; `tests/unit/test_words_engine.py` holds the short way to the long
one.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.conditions import WARN, Condition, Rule
from backend.words.fold import SKIP, common_words, fold
from backend.words.rules import ASKED, CLAUSE_SIGNS, FIGURE, RIGHT_SIGNS, SCANNED, YEAR
from backend.words.signs import EDGE, necessary
from backend.words.view import GAP

SIDE: Final = 24
"""Characters on each side of a hit that the general rules read."""
_NEAR: Final = 48
_FAR: Final = 121
_NEAR_SIGN, _FAR_SIGN, _AFTER, _BEFORE = range(4)
_MARKS: Final = "，。！？；\n"
_MARK: Final = 1 << 7
"""The bit of a mark that ends a clause, beside those of the rules in CLAUSE_SIGNS and RIGHT_SIGNS."""
_DATED: Final = 64
"""A figure stands at most so far after its year."""
_DATED_FIGURE: Final = YEAR | FIGURE

Places = npt.NDArray[np.intp]
Codes = npt.NDArray[np.uint32]
Bits = npt.NDArray[np.uint8]
Search = Callable[[str, int, int], re.Match[str] | None]


class Own(NamedTuple):
    """The signs of a term's own conditions: how far they count, a search for them if they are more than the
    characters that touch the term, and these."""

    reach: int
    search: Search | None
    before: frozenset[str]
    after: frozenset[str]

    def is_near(self, seen: str, first: int, last: int) -> bool:
        """Tell whether a sign stands near the hit seen[first:last]."""
        if seen[last : last + 1] in self.after or (first and seen[first - 1] in self.before):
            return True
        search, reach = self.search, self.reach
        return search is not None and bool(search(seen, max(0, first - reach), last + reach))


class Heard(NamedTuple):
    """Signs that were scanned for: their sorted places among the kept characters, the bits of their rules,
    and how far from a hit they count."""

    reach: int
    places: list[int]
    bits: list[int]


class _Tables(NamedTuple):
    """The signs of the general rules. `number` leads from a code point to its number; `pairs` from two
    numbers to bits, first those of a character and the one before it, on the left of a hit (number * `size` +
    number), then those of a character and the one after it, on its right; `edge` from the number of what
    stands right before a hit."""

    size: int
    number: npt.NDArray[np.int32]
    pairs: Bits
    edge: Bits


def _kept(sign: str) -> str:
    """Leave out what the fold drops: signs are looked for among kept characters only."""
    return "".join(char for char in sign if char != EDGE and char != GAP and fold(char) != SKIP)


def _short(sign: str) -> str:
    """Return one or two kept characters of a sign, rather a pair that is no word of its own."""
    kept = _kept(sign)
    pairs = [kept[i : i + 2] for i in range(len(kept) - 1)]
    return next((pair for pair in pairs if pair not in common_words()), kept[:2])


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


def own_signs(term: str, rule: Rule) -> Own | None:
    """Return the signs of the own conditions of a folded term, None if they are always to be tried: one has
    no sign, or one that is or begins in the term itself."""
    signs = [sign for condition in rule.conditions for sign in _own_signs(condition)]
    if any(not sign or (full and sign in term) for _, sign, full in signs):
        return None
    near, far, after, before = ({sign for kind, sign, _ in signs if kind == n} for n in range(4))
    search = re.compile("|".join(map(re.escape, sorted(near | far)))).search if near or far else None
    return Own(_FAR if far else _NEAR, search, frozenset(before), frozenset(after))


def _family(patterns: Sequence[re.Pattern[str]]) -> Iterator[tuple[str, bool]]:
    """Yield the signs of a rule, and whether each counts only right before the term."""
    for sign in (sign for pattern in patterns for sign in necessary(pattern)):
        yield _short(sign), sign.endswith(EDGE) and len(_kept(sign)) == 1


Family = Mapping[int, Sequence[re.Pattern[str]]]


def _signs(rules: Family, *, edge: bool) -> list[tuple[str, int]]:
    """Return the signs of some rules, each with its bit."""
    return [(sign, bit) for bit, patterns in rules.items() for sign, at in _family(patterns) if at == edge]


@functools.cache
def _tables() -> _Tables:
    left, right = _signs(CLAUSE_SIGNS, edge=False), _signs(RIGHT_SIGNS, edge=False)
    edges = _signs(CLAUSE_SIGNS, edge=True)
    chars = sorted(set(chain(_MARKS, *(sign for sign, _ in (*left, *right, *edges)))))
    numbers = {char: n for n, char in enumerate(chars, start=1)}
    size = len(numbers) + 1

    def pairs(signs: Iterable[tuple[str, int]]) -> Bits:
        table = np.zeros((size, size), np.uint8)
        for sign, bit in (*signs, *((mark, _MARK) for mark in _MARKS)):
            table[numbers[sign[0]], numbers[sign[1]] if len(sign) > 1 else slice(None)] |= bit
        return table

    number = np.zeros(1 << 16, np.int32)
    number[[ord(char) for char in chars]] = list(numbers.values())
    edge = np.zeros(size, np.uint8)
    for sign, bit in edges:
        edge[numbers[sign]] |= bit
    both = np.concatenate((pairs(left).T.ravel(), pairs(right).ravel()))
    return _Tables(size, number, both, edge)


_STEPS: Final = np.stack((-np.arange(SIDE + 1), np.arange(SIDE + 1)))
"""From a hit's first character to the left, from the one after it to the right."""


def clause_rules(codes: Codes, spans: Places) -> list[int]:
    """Return for each of many hits the bits of the rules with a sign in its clause, or right after it.

    `codes` are the kept characters, `spans` the first of each hit and the one after it. A sign that runs into
    the hit counts, as it costs nothing.
    """
    size, number, pairs, edge = _tables()
    numbers = number.take(codes.take(spans[:, :, None] + _STEPS, mode="clip"), mode="clip")
    beside = numbers[:, :, :-1] * size + numbers[:, :, 1:]
    beside[:, 1] += size * size
    bits = pairs.take(beside)
    near = _in_clause(bits.reshape(-1, SIDE)).reshape(-1, 2)
    asked = np.bitwise_or.reduce(bits[:, 1], axis=1) & np.uint8(ASKED)
    united: list[int] = (near[:, 0] | near[:, 1] | asked | edge.take(numbers[:, 0, 1])).tolist()
    return united


class _Side(NamedTuple):
    """Searches for the signs of some rules on one side of a hit: of any of them, and of each with its bit."""

    some: Search
    each: list[tuple[int, Search]]


def _side(rules: Family, tail: str = "") -> _Side:
    signs = _signs(rules, edge=False)

    def search(bits: int) -> Search:
        """All begin with a literal, which is what `re` skips ahead to."""
        some = sorted({re.escape(sign) for sign, bit in signs if bit & bits})
        return re.compile(f"(?:{'|'.join(some)}){tail}").search

    return _Side(search(sum(rules)), [(bit, search(bit)) for bit in rules])


@functools.cache
def _sides() -> tuple[_Side, _Side, dict[str, int]]:
    """Return the signs on the left, on the right, and right before a hit."""
    edges: dict[str, int] = {}
    for sign, bit in _signs(CLAUSE_SIGNS, edge=True):
        edges[sign] = edges.get(sign, 0) | bit
    return _side(CLAUSE_SIGNS, rf"[^{_MARKS}]*+\Z"), _side(RIGHT_SIGNS), edges


def clause_rules_of_one(seen: str, first: int, last: int) -> int:
    """Return what `clause_rules` does, for the hit seen[first:last]; quicker for a few."""
    left, right, edges = _sides()
    bits = edges.get(seen[first - 1], 0) if first else 0
    for (some, each), low, high in ((left, max(0, first - SIDE), first), (right, last, last + SIDE)):
        if some(seen, low, high):
            for bit, search in each:
                if search(seen, low, high):
                    bits |= bit
    return bits


def _in_clause(bits: Bits) -> Bits:
    """Unite rows of bits up to the first mark that ends a clause."""
    united: Bits = np.bitwise_or.reduce(bits, axis=1)
    rows = np.flatnonzero(united > _MARK)
    if rows.size:
        running = np.bitwise_or.accumulate(bits[rows], axis=1)
        united[rows] = np.where(running < _MARK, running, 0).max(axis=1)
    return united & np.uint8(_MARK - 1)


def _reaches() -> list[tuple[int, int]]:
    """Return how far signs that are scanned for count, each with the bits of its rules."""
    return [
        (reach, sum(bit for bit, far in SCANNED.items() if far == reach)) for reach in set(SCANNED.values())
    ]


_REACHES: Final = _reaches()


def heard_in(signs: list[tuple[int, int]]) -> list[Heard]:
    """Put signs (place, bits of their rules), which are in order, by their reach."""
    signs = _dated(signs)
    heard = []
    for reach, mask in _REACHES:
        part = [(place, bits & mask) for place, bits in signs if bits & mask]
        if part:
            heard.append(Heard(reach, [place for place, _ in part], [bits for _, bits in part]))
    return heard


def _dated(signs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Leave out the years that no figure follows in what `rules.py` reads as a dated figure."""
    figures = [place for place, bits in signs if bits & FIGURE]

    def is_followed(year: int) -> bool:
        n = bisect_right(figures, year)
        return n < len(figures) and figures[n] <= year + _DATED

    return [(place, bits) for place, bits in signs if not bits & YEAR or is_followed(place)]


def heard_near(heard: list[Heard], first: int, last: int) -> int:
    """Return the bits of the rules with a sign within reach of a hit."""
    near = 0
    for reach, places, bits in heard:
        for n in range(bisect_left(places, first - reach), bisect_left(places, last + reach)):
            near |= bits[n]
    return near if near & _DATED_FIGURE == _DATED_FIGURE else near & ~_DATED_FIGURE
