"""A dictionary compiled for matching: class codes, needles, and what each needle means.

Every character is reduced to one byte. Code 0 is an insertion and is dropped, 1 is a barrier, 2 stands for
several characters, 3 for everything no term contains; letters and digits have a code of their own,
ideographs share the rest. One byte a character is what makes the scan fast; a candidate is compared with
the real folded text afterwards.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate, islice, pairwise
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.conditions import Condition, Rule, compile_row
from backend.words.dictionary import Dictionary, Entry, PatternRow
from backend.words.disguise import Phonetics, aliases, phonetics
from backend.words.fold import BARRIER, SKIP, fold_table, fold_text
from backend.words.lang import any_of, split_alternatives
from backend.words.models import Severity
from backend.words.nearby import Signs
from backend.words.report import Description
from backend.words.rules import SCANNED, SCANNED_SIGNS, always, heeds
from backend.words.scanner import Scan, build_scan
from backend.words.signs import EDGE, necessary
from backend.words.superlatives import superlative_entries
from backend.words.view import code_points

DROP, WALL, SEVERAL, OTHER = 0, 1, 2, 3
_FIRST_LETTER: Final = 4
_FIRST_DIGIT: Final = 30
_FIRST_FREE: Final = 40
_FIRST_SHARED: Final = 60
_BEGINNINGS: Final = 1 << 18
_PAIRED: Final = 8
"""So many times more classes for characters of needles of two, which chance finds most often, than for
others."""
DISGUISED: Final = 6_000
"""Terms, in the dictionary's order, that are also looked for in sound-alikes, pinyin and split characters."""
LETTERS: Final = bytes(b if _FIRST_LETTER <= b < _FIRST_DIGIT else 32 for b in range(256)).translate(
    bytes.maketrans(bytes(range(_FIRST_LETTER, _FIRST_DIGIT)), b"abcdefghijklmnopqrstuvwxyz")
)
"""Translation of class codes: letters to themselves, everything else to a space."""


class Pattern(NamedTuple):
    """A compiled family of terms."""

    rule: Rule
    regex: re.Pattern[str]


class Meaning(NamedTuple):
    """One folded needle. `plain` is the folded term it stands for; they differ in an alias.

    A stand-in ("女子" for 好, "醉" for 最) means nothing but that a term may be spelt here, and a sign
    nothing but that a rule may apply near: `heard` are the bits of those rules, `is_meant` tells that the
    needle is more than a sign. `is_edged`: a longer word or number could go on beyond it.
    """

    needle: str
    plain: str
    rule: Rule | None = None
    disguised: bool = False
    patterns: tuple[Pattern, ...] = ()
    stand_in: bool = False
    heard: tuple[int, ...] = ()
    is_meant: bool = True
    is_edged: bool = False


class Lexicon(dict[str, Meaning | None]):
    """Folded needle -> what it means, None if nothing.

    A term that is nothing else gets its rule and meaning when it is first met: of a large dictionary, most
    never are.
    """

    def __init__(
        self, terms: dict[str, Entry], dictionary: Dictionary, conditions: dict[str, tuple[Condition, ...]]
    ) -> None:
        super().__init__()
        self.terms, self._conditions = terms, conditions
        self._groups = dict(dictionary.superlatives)

    def __missing__(self, needle: str) -> Meaning | None:
        if needle not in self.terms:
            return None
        found = self[needle] = self.made(needle)
        return found

    def made(self, needle: str) -> Meaning:
        """Return what a needle means, a new meaning without a rule if it is no term."""
        return self.get(needle) or Meaning(needle, needle, self.rule(needle), is_edged=_has_edge(needle))

    def rule(self, term: str) -> Rule | None:
        entry = self.terms.get(term)
        if entry is None:
            return None
        group = self._groups.get(entry.term[1:], "quality") if entry.term.startswith("最") else ""
        return _rule(entry, self._conditions.get(term, ()), group)


class Compiled(NamedTuple):
    """Everything the engine needs, shared by all threads.

    `begins` tells for the hash of two characters whether a needle begins so, `walled` which of the scan's
    needles have a barrier. `meanings` are by folded needle, `rules` are the entries by folded term. `signs`
    remembers the signs of a term that was met, `quiet` for each context the severity of what has nothing
    near, `described` what hits say.
    """

    version: str
    engine: str
    scan: Scan
    classes: npt.NDArray[np.uint8]
    begins: npt.NDArray[np.bool_]
    walled: npt.NDArray[np.bool_]
    meanings: Lexicon
    signs: dict[str, Signs]
    rules: dict[str, Entry]
    phonetics: Phonetics
    quiet: dict[tuple[str, tuple[str, ...]], dict[str, Severity | None]]
    described: dict[tuple[Entry, Severity], Description]


def _conditions(dictionary: Dictionary) -> dict[str, tuple[Condition, ...]]:
    found: dict[str, list[Condition]] = {}
    for row in dictionary.exceptions:
        condition = compile_row(row)
        for term in dict.fromkeys(map(fold_text, row.terms)):
            found.setdefault(term, []).append(condition)
    return {term: tuple(rows) for term, rows in found.items()}


def _terms(dictionary: Dictionary, conditions: dict[str, tuple[Condition, ...]]) -> dict[str, Entry]:
    """Return the entries by their folded term; the first of several counts."""
    terms: dict[str, Entry] = {}
    for entry in dictionary.entries:
        folded = _folded(entry.term)
        if len(folded) < 2 or (entry.match_kind == "prefix" and folded not in conditions):
            continue  # a prefix alone says nothing: superlatives and `need` rows stand for it
        terms.setdefault(folded, entry)
    for entry, _ in superlative_entries(dictionary):
        terms.setdefault(_folded(entry.term), entry)
    return terms


def _folded(term: str) -> str:
    """Fold a term; most fold to themselves and need no string of their own."""
    folded = fold_text(term)
    return term if folded == term else folded


def _rule(entry: Entry, conditions: tuple[Condition, ...], superlative: str = "") -> Rule:
    bits = heeds(entry.category, superlative=bool(superlative), own=bool(conditions))
    return Rule(entry, conditions, superlative, bits, always(entry, superlative))


def _ground(dictionary: Dictionary, category: str) -> tuple[str, str]:
    """Return legal basis and suggestion most used in a category."""
    counted = Counter((e.legal_basis, e.suggestion) for e in dictionary.entries if e.category == category)
    return counted.most_common(1)[0][0] if counted else ("广告法第二十八条", "删去，或改为有依据的描述")


def _pattern(row: PatternRow, dictionary: Dictionary, conditions: tuple[Condition, ...]) -> Pattern:
    basis, suggestion = _ground(dictionary, row.category)
    entry = Entry(
        row.name,
        row.category,
        row.severity,
        row.legal_basis or basis,
        row.suggestion or suggestion,
        "context",
    )
    return Pattern(_rule(entry, conditions), any_of(split_alternatives(row.pattern)))


def _triggers(
    dictionary: Dictionary, conditions: dict[str, tuple[Condition, ...]]
) -> dict[str, list[Pattern]]:
    """Return the families of terms by what triggers them."""
    triggers: dict[str, list[Pattern]] = {}
    for row in dictionary.patterns:
        pattern = _pattern(row, dictionary, conditions.get(fold_text(row.name), ()))
        for trigger in row.triggers:
            triggers.setdefault(fold_text(trigger), []).append(pattern)
    return triggers


def _lexicon(
    terms: dict[str, Entry],
    dictionary: Dictionary,
    conditions: dict[str, tuple[Condition, ...]],
    stand_ins: Iterable[str],
) -> Lexicon:
    """Return the meanings of needles; those are made that are more than a term."""
    found = Lexicon(terms, dictionary, conditions)
    for needle, patterns in _triggers(dictionary, conditions).items():
        if needle:
            found[needle] = found.made(needle)._replace(patterns=tuple(patterns))
    for needle, plain in _aliases(terms):
        known = found.made(needle)
        if known.rule is None:
            found[needle] = known._replace(plain=plain, rule=found.rule(plain), disguised=True)
    for needle in stand_ins:
        found[needle] = found.made(needle)._replace(stand_in=True)
    for sign, bits in _heard().items():
        meant = sign in found or sign in terms
        heard = tuple(bit for bit in SCANNED if bit & bits)
        found[sign] = found.made(sign)._replace(heard=heard, is_meant=meant)
    return found


def _aliases(terms: dict[str, Entry]) -> Iterable[tuple[str, str]]:
    """Yield the aliases of the terms that are looked for in disguise, each with its term."""
    for term, entry in islice(terms.items(), DISGUISED):
        for alias in aliases(term, severe=entry.severity == "block"):
            yield alias, term


def _classes(needles: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Give every code point its class: the characters of the needles, and whatever folds to them.

    Characters that are a needle on their own share their class with nobody, the others as evenly as they can.
    """
    counted = Counter(char for needle in needles for char in needle)
    code: dict[str, int] = {SKIP: DROP, BARRIER: WALL}
    code.update((chr(ord("a") + i), _FIRST_LETTER + i) for i in range(26))
    code.update((str(i), _FIRST_DIGIT + i) for i in range(10))
    alone = sorted({needle for needle in needles if len(needle) == 1 and needle not in code})[
        : _FIRST_SHARED - _FIRST_FREE
    ]
    code.update((char, _FIRST_FREE + i) for i, char in enumerate(alone))
    free = _FIRST_FREE + len(alone)
    paired = {char for needle in needles if len(needle) == 2 for char in needle}
    rest = [char for char, _ in counted.most_common() if char not in code]
    pair = [char for char in rest if char in paired]
    other = [char for char in rest if char not in paired]
    cut = free + (256 - free) * _PAIRED * len(pair) // max(1, _PAIRED * len(pair) + len(other))
    code.update((char, free + i % max(1, cut - free)) for i, char in enumerate(pair))
    code.update((char, cut + i % (256 - cut)) for i, char in enumerate(other))
    table = np.full(0x110000, OTHER, np.uint8)
    table[0xD800:0xF900] = DROP
    for char, number in code.items():
        if char:
            table[ord(char)] = number
    for point, folded in fold_table().items():
        table[point] = SEVERAL if folded is None else code.get(folded, OTHER)
    return table


def pair_hash(first: npt.NDArray[np.uint32], second: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    """Return the places of two code points in `Compiled.begins`."""
    return (first * np.uint32(40_503) ^ second) & np.uint32(_BEGINNINGS - 1)


def _begins(needles: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return how needles begin, by the hash of two characters."""
    begins = np.zeros(_BEGINNINGS, np.bool_)
    pairs = code_points("".join([needle[:2] for needle in needles if len(needle) > 1])).reshape(-1, 2)
    begins[pair_hash(pairs[:, 0], pairs[:, 1])] = True
    return begins


def _coded(needles: Sequence[str]) -> tuple[npt.NDArray[np.uint8], list[bytes]]:
    """Return the classes that folded needles need, and the needles in their codes, each once."""
    classes = _classes(needles)
    codes = classes.take(code_points("".join(needles))).tobytes()
    ends = accumulate(map(len, needles), initial=0)
    return classes, list(dict.fromkeys(codes[start:end] for start, end in pairwise(ends)))


def _has_edge(needle: str) -> bool:
    return needle[0].isascii() or needle[-1].isascii() or needle[0] == "十"


def compile_dictionary(dictionary: Dictionary, *, engine: str | None = None) -> Compiled:
    """Compile a dictionary. `engine` forces one matcher (see scanner.py)."""
    conditions = _conditions(dictionary)
    terms = _terms(dictionary, conditions)
    spellings = phonetics(islice(terms, DISGUISED))
    meanings = _lexicon(terms, dictionary, conditions, spellings.stand_ins)
    needles = [*terms, *(needle for needle in meanings if needle not in terms)]
    begins = _begins(needles)
    classes, keys = _coded(needles)
    del needles  # memory for the scan
    name, scan = build_scan(keys, engine=engine)
    walled = np.fromiter((WALL in key for key in keys), np.bool_, len(keys))
    return Compiled(
        dictionary.version, name, scan, classes, begins, walled, meanings, {}, terms, spellings, {}, {}
    )


@functools.cache
def _heard() -> dict[str, int]:
    """Return the folded signs to scan for and the bits of their rules."""
    found: dict[str, int] = {}
    for bit, patterns in SCANNED_SIGNS.items():
        for sign in {sign for pattern in patterns for sign in necessary(pattern)}:
            folded = fold_text(sign.replace(EDGE, ""))
            found[folded] = found.get(folded, 0) | bit
    return found


_CACHE: Final[dict[str, Compiled]] = {}
_KEPT_VERSIONS: Final = 4


def compiled(dictionary: Dictionary) -> Compiled:
    """Compile a dictionary once per version; the versions used last stay in memory."""
    found = _CACHE.pop(dictionary.version, None) or compile_dictionary(dictionary)
    _CACHE[dictionary.version] = found
    while len(_CACHE) > _KEPT_VERSIONS:
        _CACHE.pop(next(iter(_CACHE)), None)
    return found
