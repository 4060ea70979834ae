"""Which rules could apply to a hit, told from the characters around it.

Every rule has signs (`signs.py`). They are looked for beside a hit, and the hit gets a set of bits: a rule
whose bit is absent cannot change the hit's severity and is not tried. A bit too many only costs time, one
too few would be an error; `tests/unit/test_words_engine.py` holds the short way to the long one.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
_IN_CLAUSE: Final = r"[^，。！？；\n]*+\Z"
_DATED: Final = 64
"""A figure stands at most so far after its year."""
_DATED_FIGURE: Final = YEAR | FIGURE

Search = Callable[[str, int, int], re.Match[str] | None]


class Side(NamedTuple):
    """Searches for the signs of some rules on one side of a hit: of any of them, and of each with its bit."""

    some: Search
    each: tuple[tuple[int, Search], ...]


class Own(NamedTuple):
    """The signs of a term's own conditions: a search with its reach, and characters that touch the term."""

    search: Search
    reach: int
    before: frozenset[str]
    after: frozenset[str]


class Signs(NamedTuple):
    """What can stand near a term and change its severity.

    `left`, `right`, `edge` (characters right before the term) and `scanned` (bits with their reach) are those
    of the general rules. `always` are the bits to try whatever stands around.
    """

    always: int
    left: Side
    edge: tuple[tuple[int, frozenset[str]], ...]
    right: Side
    scanned: tuple[tuple[int, int], ...]
    own: Own | None


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
    return re.compile("(?:" + "|".join(map(re.escape, sorted(set(signs)))) + ")" + tail).search


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
    return Side(
        _any_of((sign for signs in each.values() for sign in signs), tail),
        tuple((bit, _any_of(signs, tail)) for bit, signs in each.items()),
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
    )


def signs_of(term: str, rule: Rule) -> Signs:
    """Return the signs of a folded term and its rule.

    A condition is always tried if it has no sign, or one that is or begins in the term itself.
    """
    general = _general(rule.heeds)
    signs = [sign for condition in rule.conditions for sign in _own_signs(condition)]
    if any(not sign or (full and sign in term) for _, sign, full in signs):
        return general._replace(always=rule.always | OWN)
    if not signs:
        return general._replace(always=rule.always)
    near, far, after, before = ({sign for kind, sign, _ in signs if kind == n} for n in range(4))
    reach = _FAR if far else _NEAR if near else 0
    own = Own(_any_of(near | far), reach, frozenset(before), frozenset(after))
    return general._replace(always=rule.always, own=own)


def near_figures(years: Sequence[int], figures: Sequence[int]) -> list[int]:
    """Leave out the years that no figure follows in what `rules.py` reads as a dated figure. Both sorted."""
    follow = ((year, bisect_right(figures, year)) for year in years)
    return [year for year, n in follow if n < len(figures) and figures[n] <= year + _DATED]


def _has_own(own: Own, seen: str, first: int, last: int) -> bool:
    """Tell whether a sign of the term's own conditions stands near."""
    if seen[last : last + 1] in own.after or (first and seen[first - 1] in own.before):
        return True
    return own.reach > 0 and own.search(seen, first - own.reach, last + own.reach) is not None


def _scanned(
    rules: Sequence[tuple[int, int]], first: int, last: int, heard: Mapping[int, Sequence[int]]
) -> int:
    """Return the bits of the rules that have a scanned sign within their reach."""
    bits = 0
    for bit, reach in rules:
        places = heard.get(bit)
        if places and (n := bisect_left(places, first - reach)) < len(places) and places[n] < last + reach:
            bits |= bit
    return bits if bits & _DATED_FIGURE == _DATED_FIGURE else bits & ~_DATED_FIGURE


def open_rules(signs: Signs, seen: str, first: int, last: int, heard: Mapping[int, Sequence[int]]) -> int:
    """Return the bits of the rules that could apply to a hit.

    `seen` is the view without what the fold drops, the hit is seen[first:last], and `heard` are the sorted
    places in it of the signs that were scanned for. Quotation marks, which are dropped, are not looked for.
    """
    bits, left, edges, right, scanned, own = signs
    for (some, each), low, high in ((left, first - SIDE, first), (right, last, last + SIDE)):
        if some(seen, low, high):
            for bit, search in each:
                if search(seen, low, high):
                    bits |= bit
    for bit, chars in edges:
        if first and seen[first - 1] in chars:
            bits |= bit
    if own and _has_own(own, seen, first, last):
        bits |= OWN
    return bits | _scanned(scanned, first, last, heard) if heard else bits
