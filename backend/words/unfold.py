"""Texts that folding character by character cannot read: "№1", "zui好", "quan网di一".

Such a text is rewritten with the characters that are meant, next to a map back to the original positions;
the rewritten text is then checked like any other.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Final, NamedTuple

from backend.words.disguise import Phonetics, align
from backend.words.fold import CIRCLED, HEARTS, expand, fold

_REACH: Final = 24
_PLUSES: Final = "+＋➕"
_PARTED: Final = re.compile(f"[\u4e00-\u9fff](?:[{_PLUSES}][\u4e00-\u9fff]){{2,}}")
_NUMBERED: Final = re.compile(
    f"(?:[\u4e00-\u9fff](?<![买满拍第送发减付赠选件])[{''.join(sorted(CIRCLED))}]){{2,}}(?=[\u4e00-\u9fff])"
)
"""Numbers in circles that part single ideographs; those of an offer or a rank count."""
_ACCOUNTS: Final = frozenset("微薇威葳巍维卫v")
_IN_WORDS: Final = frozenset("权示扬雄保护防思纤")
"""Before 威, 卫 or 维 they make a word of their own, which no account's name is."""


class Unfolded(NamedTuple):
    """A rewritten text: `begins` is where its pieces begin, `spans` what each stands for in the original, and
    whether it is the same there, character by character."""

    text: str
    begins: list[int]
    spans: list[tuple[int, int, bool]]

    def origin(self, place: int) -> tuple[int, int]:
        """Return the original's [start, end) that one character stands for."""
        n = bisect_right(self.begins, place) - 1
        start, end, same = self.spans[n]
        start += place - self.begins[n] if same else 0
        return start, start + 1 if same else end


class Spelt(NamedTuple):
    """A term found spelt out: the original's [start, end) stands for `term`."""

    start: int
    end: int
    term: str


def _rewritten(text: str, changes: Iterable[Spelt]) -> Unfolded:
    """Put something else in place of some spans, in order and apart from each other."""
    parts: list[str] = []
    spans: list[tuple[int, int, bool]] = []
    done = 0
    for start, end, written in changes:
        parts += (text[done:start], written)
        spans += ((done, start, True), (start, end, False))
        done = end
    parts.append(text[done:])
    spans.append((done, len(text), True))
    return Unfolded("".join(parts), list(accumulate(map(len, parts[:-1]), initial=0)), spans)


def _expanded(text: str, place: int) -> str:
    """Return what a character that stands for several means where it stands."""
    if text[place] not in HEARTS:
        return expand(text[place])
    before = text[place - 2 : place - 1] if place > 1 else ""
    is_account = place > 0 and fold(text[place - 1]) in _ACCOUNTS
    return "心" if is_account and before not in HEARTS and before not in _IN_WORDS else ""


def expand_text(text: str, places: Iterable[int]) -> Unfolded:
    """Write out the characters at some places, which stand for several."""
    parting = {n for match in _NUMBERED.finditer(text) for n in range(*match.span()) if text[n] in CIRCLED}
    return _rewritten(text, (Spelt(n, n + 1, "" if n in parting else _expanded(text, n)) for n in places))


def without_pluses(text: str) -> Unfolded | None:
    """Leave out the pluses that part single ideographs ("全+网+最+低"); None if there are none."""
    pluses = [
        place for match in _PARTED.finditer(text) for place in range(*match.span()) if text[place] in _PLUSES
    ]
    return _rewritten(text, (Spelt(place, place + 1, "") for place in pluses)) if pluses else None


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


def write_out(text: str, spelt: list[Spelt]) -> Unfolded:
    """Put the terms in place of their spelling, the leftmost and longest first."""
    chosen: list[Spelt] = []
    for item in sorted(set(spelt), key=lambda s: (s.start, -s.end, -len(s.term), s.term)):
        if not chosen or item.start >= chosen[-1].end:
            chosen.append(item)
    return _rewritten(text, chosen)
