"""Which rules could apply to a hit, told from the characters around it.

Every rule has signs (`signs.py`). They are looked for beside a hit, and the hit gets a set of bits: a rule
whose bit is absent cannot change the hit's severity and is not tried. A bit too many only costs time, one
too few would be an error; `tests/unit/test_words_engine.py` holds the short way to the long one.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from backend.words.conditions import WARN, Condition, Rule
from backend.words.fold import SKIP, common_words, fold
from backend.words.rules import CLAUSE_SIGNS, FIGURE, OWN, RIGHT_SIGNS, SCANNED, YEAR
from backend.words.signs import EDGE, necessary
from backend.words.view import GAP

SIDE: Final = 24
"""Characters on each side of a hit that the general rules read."""
_NEAR: Final = 48
_FAR: Final = 121
_NEAR_SIGN, _FAR_SIGN, _AFTER, _BEFORE = range(4)
_IN_CLAUSE: Final = r"[^，。！？；\n]*\Z"
_FIGURE_OF_YEAR: Final = YEAR | FIGURE

Search = re.Pattern[str] | None


class Side(NamedTuple):
    """Searches for the signs of some rules on one side of a hit: of any of them, and of each with its bit."""

    some: Search
    each: tuple[tuple[int, re.Pattern[str]], ...]


class Signs(NamedTuple):
    """What can stand near a term and change its severity.

    `left`, `right`, `edge` (characters right before the term) and `scanned` (bits with their reach) are those
    of the general rules, the others of the term's own conditions. `inner` tells that the term itself has
    a sign of them; `always` are the bits to try whatever stands around.
    """

    always: int
    left: Side
    edge: tuple[tuple[int, frozenset[str]], ...]
    right: Side
    scanned: tuple[tuple[int, int], ...]
    near: Search
    far: Search
    before: frozenset[str]
    after: frozenset[str]
    inner: bool


def _kept(sign: str) -> str:
    """Leave out what the fold drops: signs are looked for among kept characters only."""
    return "".join(char for char in sign if char != EDGE and char != GAP and fold(char) != SKIP)


def _short(sign: str) -> str:
    """Return one or two kept characters of a sign, rather a pair that is no word of its own."""
    kept = _kept(sign)
    pairs = [kept[i : i + 2] for i in range(len(kept) - 1)]
    return next((pair for pair in pairs if pair not in common_words()), kept[:2])


def _any_of(signs: Iterable[str], tail: str = "") -> Search:
    """Compile a search for any of some signs. All begin with a literal, which is what `re` skips ahead to."""
    found = sorted(set(signs) - {""})
    return re.compile("(?:" + "|".join(map(re.escape, found)) + ")" + tail) if found else None


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


def _side(families: Mapping[int, Sequence[re.Pattern[str]]], heeds: int, tail: str = "") -> Side:
    each = {
        bit: [sign for sign, edge in _family(patterns) if not edge]
        for bit, patterns in families.items()
        if bit & heeds
    }
    searches = ((bit, _any_of(signs, tail)) for bit, signs in each.items())
    return Side(
        _any_of((sign for signs in each.values() for sign in signs), tail),
        tuple((bit, search) for bit, search in searches if search),
    )


@functools.cache
def _general(heeds: int) -> Signs:
    """Return the signs of the general rules with these bits."""
    edge = {
        bit: frozenset(sign for sign, edge in _family(patterns) if edge)
        for bit, patterns in CLAUSE_SIGNS.items()
        if bit & heeds
    }
    return Signs(
        0,
        _side(CLAUSE_SIGNS, heeds, _IN_CLAUSE),
        tuple((bit, chars) for bit, chars in edge.items() if chars),
        _side(RIGHT_SIGNS, heeds),
        tuple((bit, reach) for bit, reach in SCANNED.items() if bit & heeds),
        None,
        None,
        frozenset(),
        frozenset(),
        False,
    )


def signs_of(term: str, rule: Rule) -> Signs:
    """Return the signs of a folded term and its rule.

    A condition is always tried if it has no sign, or one that only begins in the term.
    """
    signs = [sign for condition in rule.conditions for sign in _own_signs(condition)]
    open_ = any(not sign or bool(full and full not in term and sign in term) for _, sign, full in signs)
    of = [[sign for kind, sign, _ in signs if kind == wanted] for wanted in range(4)]
    return _general(rule.heeds)._replace(
        always=rule.always | (OWN if open_ else 0),
        near=_any_of(of[_NEAR_SIGN]),
        far=_any_of(of[_FAR_SIGN]),
        before=frozenset(of[_BEFORE]),
        after=frozenset(of[_AFTER]),
        inner=any(bool(full) and full in term for _, _, full in signs),
    )


def _beside(side: Side, seen: str, low: int, high: int) -> int:
    """Return the bits of the rules that have a sign in seen[low:high]."""
    if side.some is None or not side.some.search(seen, low, high):
        return 0
    return sum(bit for bit, search in side.each if search.search(seen, low, high))


def _has_own(signs: Signs, seen: str, first: int, last: int) -> bool:
    """Tell whether a sign of the term's own conditions stands near."""
    if seen[last : last + 1] in signs.after or (first and seen[first - 1] in signs.before):
        return True
    for search, reach in ((signs.near, _NEAR), (signs.far, _FAR)):
        if search and (
            search.search(seen, first - reach, first + 1) or search.search(seen, last - 1, last + reach)
        ):
            return True
    return False


def open_rules(signs: Signs, seen: str, first: int, last: int, heard: Mapping[int, Sequence[int]]) -> int:
    """Return the bits of the rules that could apply to a hit.

    `seen` is the view without what the fold drops, the hit is seen[first:last], and `heard` are the sorted
    places in it of the signs that were scanned for. Quotation marks, which are dropped, are not looked for.
    """
    bits = signs.always | _beside(signs.left, seen, first - SIDE, first)
    bits |= _beside(signs.right, seen, last, last + SIDE)
    for bit, chars in signs.edge:
        if first and seen[first - 1] in chars:
            bits |= bit
    if _has_own(signs, seen, first, last):
        bits |= OWN
    if heard:
        for bit, reach in signs.scanned:
            places = heard.get(bit)
            if (
                places
                and (n := bisect_left(places, first - reach)) < len(places)
                and places[n] < last + reach
            ):
                bits |= bit
        if bits & _FIGURE_OF_YEAR != _FIGURE_OF_YEAR:
            bits &= ~_FIGURE_OF_YEAR
    return bits
