"""Texts that folding character by character cannot read: "№1", "zui好", "quan网di一".

Such a text is rewritten with the characters that are meant, next to a map back to the original positions;
the rewritten text is then checked like any other.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from backend.words.disguise import Phonetics, align
from backend.words.fold import expand, fold

_REACH: Final = 24


class Unfolded(NamedTuple):
    """A rewritten text; character i stands for the original's [starts[i], ends[i])."""

    text: str
    starts: list[int]
    ends: list[int]


class Spelt(NamedTuple):
    """A term found spelt out: the original's [start, end) stands for `term`."""

    start: int
    end: int
    term: str


def expand_text(text: str) -> Unfolded:
    """Write out the characters that stand for several."""
    chars: list[str] = []
    starts: list[int] = []
    for i, char in enumerate(text):
        written = char if fold(char) is not None else expand(char)
        chars.append(written)
        starts.extend([i] * len(written))
    return Unfolded("".join(chars), starts, [start + 1 for start in starts])


def _kept(text: str, low: int, high: int) -> tuple[str, list[int]]:
    """Return the folded characters of text[low:high] and their positions."""
    chars: list[str] = []
    places: list[int] = []
    for i in range(max(0, low), min(len(text), high)):
        folded = fold(text[i])
        if folded:
            chars.append(folded)
            places.append(i)
    return "".join(chars), places


def spelt_terms(text: str, at: int, index: Phonetics) -> list[Spelt]:
    """Find the terms spelt with the letters or stand-in that begin at text[at]."""
    kept, places = _kept(text, at - _REACH, at + 2 * _REACH)
    start = next((k for k, place in enumerate(places) if place >= at), None)
    if start is None:
        return []
    found = []
    for length in range(1, index.longest + 1):
        following = kept[start + length : start + length + 1]
        for spelling, position in index.places(kept[start : start + length], following):
            fitted = align(kept, start, spelling, position)
            if fitted:
                begin, end = fitted
                found.append(Spelt(places[begin], places[end - 1] + 1, spelling.term))
    return found


def write_out(text: str, spelt: list[Spelt]) -> Unfolded | None:
    """Put the terms in place of their spelling, the leftmost and longest first; None if there are none."""
    if not spelt:
        return None
    chars: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    done = 0
    for item in sorted(set(spelt), key=lambda s: (s.start, -s.end, -len(s.term), s.term)):
        if item.start < done:
            continue
        plain = range(done, item.start)
        chars.extend((text[done : item.start], item.term))
        starts.extend([*plain, *[item.start] * len(item.term)])
        ends.extend([*(i + 1 for i in plain), *[item.end] * len(item.term)])
        done = item.end
    rest = range(done, len(text))
    chars.append(text[done:])
    return Unfolded("".join(chars), [*starts, *rest], [*ends, *(i + 1 for i in rest)])
