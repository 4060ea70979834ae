"""Disguises that folding cannot undo: sound-alikes, look-alikes, split characters, pinyin.

A folded term is given *aliases*, sound-alike spellings that stand for it. Sound-alikes are ordinary words
elsewhere, so an alias exists only as a whole term, never when it is a common word itself, and never for a
term of two or three characters that merely asks for evidence. Pinyin and split characters are found by their
own signs (a run of letters that is nothing but syllables, a pair of components) and fitted to the terms
around them.
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeVar

from backend.words.fold import DATA, common_words, fold, fold_text
from backend.words.view import COMPOSED

_T = TypeVar("_T")
_SUPERLATIVE: Final = "最"
_REMEMBERED: Final = 50_000
_NO_FORM: Final = "-"
_ONE_CHARACTER: Final = frozenset("好强低优牛")


class Variants(NamedTuple):
    """For a folded character: what is written in its place, and what it is taken apart into."""

    alike: dict[str, tuple[str, ...]]
    split: dict[str, tuple[str, ...]]


@functools.cache
def variants() -> Variants:
    """Read data/variants.csv; everything folded."""
    alike: dict[str, tuple[str, ...]] = {}
    split: dict[str, tuple[str, ...]] = {}
    with (DATA / "variants.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            char = fold_text(row["char"])
            if row["kind"] == "split":
                parts = (fold_text(part) for part in row["variants"].split())
                split[char] = split.get(char, ()) + tuple(p for p in parts if len(p) > 1)
            else:
                alike[char] = alike.get(char, ()) + tuple(map(fold_text, row["variants"]))
    return Variants(alike, split)


def _substitutes(term: str, table: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for i, char in enumerate(term):
        for other in table.get(char, ()):
            yield term[:i] + other + term[i + 1 :]


def _superlative_alias(alias: str) -> bool:
    rest = alias[1:]
    return len(rest) > 1 or (alias[0] == "醉" and rest in _ONE_CHARACTER)


def aliases(term: str, *, severe: bool) -> set[str]:
    """Return sound-alike spellings of a folded term. `severe`: the term is a block, short aliases are
    worth their risk.

    最 is not replaced here: its stand-ins are found on their own (`phonetics`), as they begin hundreds of
    terms; and what is one character after it stays as it is.
    """
    if len(term) < 2 or (len(term) < 4 and not severe):
        return set()
    found = {alias for alias in _substitutes(term, variants().alike) if alias not in common_words()}
    if term.startswith(_SUPERLATIVE):
        return {alias for alias in found if alias.startswith(_SUPERLATIVE)} if len(term) > 2 else set()
    found.update(term.replace("100", zeros) for zeros in ("1oo", "10o", "1o0") if "100" in term)
    if "no1" in term:
        found.add(term.replace("no1", "n01"))
    if "top1" in term:
        found.add(term.replace("top1", "t0p1"))
    found.discard(term)
    return found


@functools.cache
def readings() -> dict[str, tuple[str, ...]]:
    """Folded character -> its syllables without tones."""
    found: dict[str, tuple[str, ...]] = {}
    for line in (DATA / "readings.txt").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            syllable, chars = line.split(" ")
            for char in chars:
                folded = fold(char) or char
                found[folded] = (*found.get(folded, ()), syllable)
    return found


class Spelling(NamedTuple):
    """A folded term, and for each of its characters what may be written instead: syllables, its parts, a
    stand-in."""

    term: str
    forms: tuple[tuple[str, ...], ...]


class Phonetics(NamedTuple):
    """Where each form stands in which term: form -> the term's next character ("" at its end) -> places.

    `stand_ins` are the forms written in ideographs; `openings` tells for the first character of a form which
    characters of a term it may begin, `closings` the same for its last; `between` has for each form the
    characters of a term before and after it. `memory` keeps what runs of letters were found to be.
    """

    at: dict[str, dict[str, list[tuple[Spelling, int]]]]
    longest: int
    stand_ins: frozenset[str]
    openings: dict[str, frozenset[str]]
    closings: dict[str, frozenset[str]]
    between: dict[str, frozenset[tuple[str, str]]]
    memory: dict[bytes, str]

    def can_stand(self, form: str, before: str, after: str) -> bool:
        """Tell quickly whether a form may stand between two folded characters ("" at an end)."""
        if _is_letter(after) or COMPOSED in (before, after):
            return True
        pairs = self.between[form]
        afters = ("", after, *self.openings.get(after, ()))
        return any(
            (other, char) in pairs
            for other in ("", before, *self.closings.get(before, ()))
            for char in afters
        )

    def form_of(self, word: bytes) -> str | None:
        """Return what a run of letters may spell: a form, "" for several, None for nothing."""
        known = self.memory.get(word)
        if known is None:
            if len(self.memory) > _REMEMBERED:
                self.memory.clear()
            known = self.memory[word] = self._form_of(word.decode("ascii"))
        return None if known == _NO_FORM else known

    def _form_of(self, word: str) -> str:
        if len(word) < 2 or not is_pinyin(word, self):
            return _NO_FORM
        cut = any(word[:n] in self.at and is_pinyin(word[n:], self) for n in range(2, len(word)))
        return "" if cut else word

    def places(self, form: str, following: str) -> Iterator[tuple[Spelling, int]]:
        """Yield the places of a form that can be followed by a character of the text."""
        groups = self.at.get(form)
        if groups is None:
            return
        yield from groups.get("", ())
        if following:
            yield from groups.get(following, ())
            for char in self.openings.get(following, ()):
                if char != following:
                    yield from groups.get(char, ())


@functools.cache
def _forms_of(char: str) -> tuple[str, ...]:
    return readings().get(char, ()) + variants().split.get(char, ())


def _forms(term: str) -> tuple[tuple[str, ...], ...]:
    """Return the forms of each character; without a reading a character has none but its parts."""
    table = variants()
    forms = [*map(_forms_of, term)]
    if term.startswith(_SUPERLATIVE):
        forms[0] += tuple(c for c in table.alike.get(_SUPERLATIVE, ()) if _superlative_alias(c + term[1:]))
    return tuple(forms)


def phonetics(terms: Iterable[str]) -> Phonetics:
    """Index folded terms by the forms of their characters."""
    at: dict[str, dict[str, list[tuple[Spelling, int]]]] = {}
    for term in terms:
        if len(term) < 2:
            continue
        spelling = Spelling(term, _forms(term))
        for position, forms in enumerate(spelling.forms):
            place = spelling, position
            for form in forms:
                if len(form) > 1 or not _is_letter(form):
                    groups = at.setdefault(form, {})
                    groups.setdefault(term[position + 1 : position + 2], []).append(place)
    stand_ins = frozenset(form for form in at if not _is_letter(form[0]))
    openings: dict[str, set[str]] = {}
    closings: dict[str, set[str]] = {}
    between: dict[str, set[tuple[str, str]]] = {}
    shared: dict[tuple[str, str], tuple[str, str]] = {}
    for form, groups in at.items():
        for after, places in groups.items():
            for spelling, position in places:
                term = spelling.term
                openings.setdefault(form[0], set()).add(term[position])
                closings.setdefault(form[-1], set()).add(term[position])
                beside = (term[position - 1] if position else "", after)
                between.setdefault(form, set()).add(shared.setdefault(beside, beside))
    return Phonetics(
        at,
        max(map(len, at), default=0),
        stand_ins,
        _frozen(openings),
        _frozen(closings),
        _frozen(between),
        {},
    )


def _frozen(sets: dict[str, set[_T]]) -> dict[str, frozenset[_T]]:
    return {key: frozenset(values) for key, values in sets.items()}


def is_pinyin(word: str, index: Phonetics, *, depth: int = 8) -> bool:
    """Tell whether a run of letters is nothing but syllables of the index."""
    if not word:
        return True
    if depth == 0:
        return False
    return any(
        word[:n] in index.at and is_pinyin(word[n:], index, depth=depth - 1)
        for n in range(min(index.longest, len(word)), 1, -1)
    )


def _is_letter(char: str) -> bool:
    return "a" <= char <= "z"


def _consume(text: str, i: int, char: str, forms: tuple[str, ...], step: int) -> int | None:
    """Return the position after (step 1) or before (step -1) one character of a term, written or spelt."""
    if step > 0:
        if text[i : i + 1] == char:
            return i + 1
        return next((i + len(s) for s in forms if text.startswith(s, i)), None)
    if text[i - 1 : i] == char and i > 0:
        return i - 1
    return next((i - len(s) for s in forms if text.endswith(s, 0, i)), None)


def align(text: str, start: int, spelling: Spelling, position: int) -> tuple[int, int] | None:
    """Fit a term over folded text so that its character at `position` begins at `start`; None if it does
    not fit.

    At least one character must be written out, or six letters spelt, so that English words stay what they
    are.
    """
    begin = end = start
    for p in range(position - 1, -1, -1):
        before = _consume(text, begin, spelling.term[p], spelling.forms[p], -1)
        if before is None:
            return None
        begin = before
    for p in range(position, len(spelling.term)):
        after = _consume(text, end, spelling.term[p], spelling.forms[p], 1)
        if after is None:
            return None
        end = after
    if _is_letter(text[begin]) and begin > 0 and _is_letter(text[begin - 1]):
        return None
    if _is_letter(text[end - 1]) and _is_letter(text[end : end + 1]):
        return None
    covered = text[begin:end]
    written = sum(not _is_letter(char) for char in covered)
    return (begin, end) if written or len(covered) >= 6 else None
