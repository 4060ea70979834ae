"""Signs: strings one of which every match of a regular expression contains.

Reading what stands around a hit costs more than finding it. A rule is tried only where one of its signs is
near; they are derived from its expression, so that nobody has to keep two lists alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Final

EDGE: Final = "\0"
"""Stands in a sign for the end of what is searched: "不" right before a term is "不" + EDGE."""
_MOST: Final = 2_000
_FEW: Final = 100
_CLASS: Final = 40

Strings = frozenset[str]
_EMPTY: Final[Strings] = frozenset({""})


def necessary(pattern: re.Pattern[str]) -> Strings:
    """Return strings one of which is part of every match; {""} if none can be told."""
    return _needed(_parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE))


def _worth(strings: Strings) -> tuple[bool, bool, float, int]:
    """Order sets of strings: without digits, then long, then few."""
    lengths = [len(s.replace(EDGE, "")) for s in strings]
    digits = any(c.isdigit() for s in strings for c in s)
    mean = sum(min(n, 2) for n in lengths) / max(1, len(lengths))
    return min(lengths, default=0) > 0, not digits, mean, -len(strings)


def _better(*sets: Strings) -> Strings:
    """Return the best; among equals the last."""
    return max(reversed(sets), key=_worth)


def _needed(tokens: Iterable[tuple[Any, Any]]) -> Strings:
    """Return the best set along a sequence."""
    best, run = _EMPTY, _EMPTY
    for token in tokens:
        strings = _finite(token)
        if strings is None:
            best, run = _better(best, run, _inside(token)), _EMPTY
        elif (_are_long(run) and len(strings) > 1 and len(run) * len(strings) > _FEW) or len(run) * len(
            strings
        ) > _MOST:
            best, run = _better(best, run), strings
        else:
            run = _joined([run, strings])
    return _better(best, run)


def _are_long(strings: Strings) -> bool:
    return all(len(s.replace(EDGE, "")) > 1 for s in strings)


def _joined(parts: Sequence[Strings]) -> Strings:
    return frozenset(map("".join, product(*parts)))


def _inside(token: tuple[Any, Any]) -> Strings:
    """Return what is necessary in a part that has no finite set of matches."""
    kind, value = token
    if kind is op.SUBPATTERN:
        return _needed(value[-1])
    if kind is op.BRANCH:
        return frozenset().union(*map(_needed, value[1]))
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT) and value[0] > 0:
        return _needed(value[2])
    return _EMPTY


def _finite(token: tuple[Any, Any]) -> Strings | None:
    """Return everything a part can match, or None if that is too much."""
    kind, value = token
    if kind is op.LITERAL:
        return frozenset({chr(value)})
    if kind is op.IN:
        return _members(value)
    if kind is op.SUBPATTERN:
        return _sequence(value[-1])
    if kind is op.BRANCH:
        parts = [_sequence(part) for part in value[1]]
        known = [part for part in parts if part is not None]
        return frozenset().union(*known) if len(known) == len(parts) else None
    if kind in (op.MAX_REPEAT, op.MIN_REPEAT):
        low, high, item = value
        once = _sequence(item) if high <= 2 else None
        if once is None:
            return None
        return frozenset().union(*(_joined([once] * n) for n in range(low, high + 1)))
    if kind is op.ASSERT:
        return frozenset({EDGE}) if _is_end(value[1]) else _EMPTY
    if kind is op.AT:
        return frozenset({EDGE}) if _is_end([token]) else _EMPTY
    return _EMPTY if kind is op.ASSERT_NOT else None


def _is_end(tokens: Iterable[tuple[Any, Any]]) -> bool:
    return list(tokens) in ([(op.AT, op.AT_END)], [(op.AT, op.AT_END_STRING)])


def _sequence(tokens: Iterable[tuple[Any, Any]]) -> Strings | None:
    run = _EMPTY
    for token in tokens:
        strings = _finite(token)
        if strings is None or len(run) * len(strings) > _MOST:
            return None
        run = _joined([run, strings])
    return run


def _members(items: Sequence[tuple[Any, Any]]) -> Strings | None:
    """Return the characters of a small class."""
    found: set[str] = set()
    for kind, value in items:
        if kind is op.LITERAL:
            found.add(chr(value))
        elif kind is op.RANGE and value[1] - value[0] < _CLASS:
            found.update(map(chr, range(value[0], value[1] + 1)))
        else:
            return None
    return frozenset(found) if len(found) <= _CLASS else None
