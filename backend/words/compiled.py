"""A dictionary compiled for matching: class codes, needles, and what each needle means.

Every character is reduced to one byte. Code 0 is an insertion and is dropped, 1 is dropped too but opens a
quotation, 2 is a barrier, 3 stands for several characters, 4 for everything no term contains; letters and
digits have a code of their own, ideographs share the rest. One byte a character is what makes the scan fast;
a candidate is compared with the real folded text afterwards.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain, islice, pairwise
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.conditions import WARN, Condition, Rule, compile_row
from backend.words.dictionary import Dictionary, Entry, PatternRow
from backend.words.disguise import Phonetics, aliases, phonetics
from backend.words.fold import BARRIER, CODE_POINTS, SKIP, fold_table, fold_text
from backend.words.lang import any_of, split_alternatives, words_of
from backend.words.models import Severity
from backend.words.nearby import Own
from backend.words.rules import SCANNED_SIGNS, always, heeds
from backend.words.scanner import Scan, build_scan
from backend.words.signs import EDGE, necessary
from backend.words.superlatives import superlative_entries
from backend.words.view import code_points, written_as

DROP, OPENING, WALL, SEVERAL, OTHER = range(5)
_FIRST_LETTER: Final = 5
_FIRST_DIGIT: Final = 31
_FIRST_FREE: Final = 41
_FIRST_SHARED: Final = 60
_OPENINGS: Final = written_as("《“\"'®")
_KNOWN_BITS: Final = 18
_REMEMBERED: Final = 20_000
_SHORT: Final = 32
_PAIRED: Final = 8
"""So many times more classes for characters of needles of two, which chance finds most often, than for
others."""
DISGUISED: Final = 5_500
"""Terms, in the dictionary's order, that are also looked for in sound-alikes, pinyin and split characters."""
LETTERS: Final = bytes(b if _FIRST_LETTER <= b < _FIRST_DIGIT else 32 for b in range(256)).translate(
    bytes.maketrans(bytes(range(_FIRST_LETTER, _FIRST_DIGIT)), b"abcdefghijklmnopqrstuvwxyz")
)
"""Translation of class codes: letters to themselves, everything else to a space."""


Codes = npt.NDArray[np.uint32]
Quiet = dict[str, tuple[Severity | None, str]]
"""Needle -> its severity with nothing near, and what its own conditions say then."""


class Pattern(NamedTuple):
    """A compiled family of terms."""

    rule: Rule
    regex: re.Pattern[str]


class Meaning(NamedTuple):
    """One folded needle. `plain` is the folded term it stands for; they differ in an alias.

    A stand-in ("女子" for 好, "醉" for 最) means nothing but that a term may be spelt here; with a `plain` of
    its own it is a sound-alike of a word that patterns are made of ("见笑" for 见效). `is_edged`: a longer
    word or number could go on beyond it.
    """

    needle: str
    plain: str
    rule: Rule | None = None
    disguised: bool = False
    patterns: tuple[Pattern, ...] = ()
    stand_in: bool = False
    is_edged: bool = False


class Lexicon(dict[str, Meaning | None]):
    """Folded needle -> what it means, None if nothing.

    A term or an alias (`aliases`: alias -> term) that is nothing else gets its rule and meaning when it is
    first met: of a large dictionary, most never are.
    """

    def __init__(
        self, terms: dict[str, Entry], dictionary: Dictionary, conditions: dict[str, tuple[Condition, ...]]
    ) -> None:
        super().__init__()
        self.terms, self._conditions = terms, conditions
        self.aliases: dict[str, str] = {}
        self._groups = dict(dictionary.superlatives)

    def __missing__(self, needle: str) -> Meaning | None:
        if needle not in self.terms and needle not in self.aliases:
            return None
        found = self[needle] = self.made(needle)
        return found

    def made(self, needle: str) -> Meaning:
        """Return what a needle means, a new meaning without a rule if it is neither a term nor an alias."""
        plain = needle if needle in self.terms else self.aliases.get(needle, needle)
        return self.get(needle) or Meaning(
            needle, plain, self.rule(plain), plain != needle, is_edged=_has_edge(needle)
        )

    def rule(self, term: str) -> Rule | None:
        entry = self.terms.get(term)
        if entry is None:
            return None
        group = self._groups.get(entry.term[1:], "quality") if entry.term.startswith("最") else ""
        return _rule(entry, self._conditions.get(term, ()), group)


class Written(dict[str, Meaning | None]):
    """What is written -> what it means, None if nothing; what was met lately is remembered."""

    def __init__(self, meanings: Lexicon) -> None:
        super().__init__()
        self._meanings = meanings

    def __missing__(self, written: str) -> Meaning | None:
        found = self._meanings[fold_text(written)]
        if len(written) <= _SHORT:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[written] = found
        return found


class Compiled(NamedTuple):
    """Everything the engine needs, shared by all threads.

    `known` tells for a needle's hash whether there is one, `walled` which of the scan's needles have a
    barrier. A sign means nothing but that a rule may apply near: `signs` are the bits of those rules by the
    scan's needles, `only_signs` the needles that are nothing else. `written` and `rules` have meanings by
    what is written and entries by folded term. `own` remembers the signs of the conditions of a term that
    was met, `quiet` for each context the severity of what has nothing near and what its conditions say.
    """

    version: str
    engine: str
    scan: Scan
    classes: npt.NDArray[np.uint8]
    known: npt.NDArray[np.bool_]
    walled: npt.NDArray[np.bool_]
    signs: dict[int, int]
    only_signs: frozenset[int]
    written: Written
    rules: dict[str, Entry]
    phonetics: Phonetics
    own: dict[str, Own | None]
    quiet: dict[tuple[str, tuple[str, ...]], Quiet]


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
    if entry.severity == "warn":  # what asks for evidence anyway needs no condition that says so
        conditions = tuple(condition for condition in conditions if condition.effect != WARN)
    bits = heeds(entry.category, entry.severity, superlative=bool(superlative), own=bool(conditions))
    return Rule(entry, conditions, superlative, bits, always(entry, superlative), {})


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


def _shapes(dictionary: Dictionary) -> list[str]:
    """Return the folded words that patterns are made of."""
    written = {word for row in dictionary.patterns for word in words_of(row.pattern)}
    return sorted(word for word in map(fold_text, written) if len(word) > 1)


def _lexicon(
    terms: dict[str, Entry],
    dictionary: Dictionary,
    conditions: dict[str, tuple[Condition, ...]],
    stand_ins: Iterable[str],
    shapes: Sequence[str],
) -> Lexicon:
    """Return the meanings of needles; those are made that are more than a term."""
    found = Lexicon(terms, dictionary, conditions)
    for needle, plain in _aliases(terms):
        if needle not in terms:
            found.aliases.setdefault(needle, plain)
    for needle, patterns in _triggers(dictionary, conditions).items():
        if needle:
            found[needle] = found.made(needle)._replace(patterns=tuple(patterns))
    for needle in stand_ins:
        found[needle] = found.made(needle)._replace(stand_in=True)
    for word in shapes:
        for alias in aliases(word, severe=len(word) > 2):
            if alias not in found and alias not in terms and found.aliases.get(alias, word) == word:
                known = found.aliases.setdefault(alias, word)
                found[alias] = found.made(alias)._replace(plain=known, stand_in=True)
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
    table = np.full(CODE_POINTS, OTHER, np.uint8)
    table[0xD800:0xF900] = DROP
    for char, number in code.items():
        if char and ord(char) < CODE_POINTS:
            table[ord(char)] = number
    for point, folded in fold_table().items():
        table[point] = SEVERAL if folded is None else code.get(folded, OTHER)
    opening = [ord(char) for char in _OPENINGS]
    table[opening] = np.where(table[opening] == DROP, OPENING, table[opening])
    return table


def needle_hash(first: Codes, second: Codes, last: Codes, length: npt.NDArray[Any]) -> Codes:
    """Return the places of needles in `Compiled.known`, from three of their code points."""
    mixed: Codes = first * np.uint32(0x9E3779B1) + second * np.uint32(0x85EBCA77)
    mixed += last * np.uint32(0xC2B2AE3D)
    mixed += length.astype(np.uint32) * np.uint32(0x27D4EB2F)
    return mixed >> np.uint32(32 - _KNOWN_BITS)


def _known(points: Codes, ends: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Return which hashes needles have whose code points are joined and end so."""
    known = np.zeros(1 << _KNOWN_BITS, np.bool_)
    lengths = np.diff(ends, prepend=np.int32(0))
    starts = ends - lengths
    second = points.take(np.minimum(starts + 1, ends - 1))
    known[needle_hash(points.take(starts), second, points.take(ends - 1), lengths)] = True
    return known


class _Keys(NamedTuple):
    """Needles in class codes, each once: first the `meant`, then those that are nothing but signs."""

    classes: npt.NDArray[np.uint8]
    known: npt.NDArray[np.bool_]
    codes: list[bytes]
    meant: int


def _coded(needles: Sequence[str], mere: Sequence[str]) -> _Keys:
    """Return the classes that folded needles and mere signs need, and both in them."""
    every = [*needles, *mere]
    classes = _classes(every)
    points = code_points("".join(every))
    ends = np.cumsum(np.fromiter(map(len, every), np.int32, len(every)), dtype=np.int32)
    known = _known(points, ends)
    coded = classes.take(points, mode="clip").tobytes()
    del points
    spans = pairwise(accumulate(map(len, every), initial=0))
    codes = dict.fromkeys(coded[start:end] for start, end in islice(spans, len(needles)))
    meant = len(codes)
    codes.update(dict.fromkeys(coded[start:end] for start, end in spans))
    return _Keys(classes, known, list(codes), meant)


def _has_edge(needle: str) -> bool:
    return needle[0].isascii() or needle[-1].isascii() or needle[0] == "十"


def compile_dictionary(dictionary: Dictionary, *, engine: str | None = None) -> Compiled:
    """Compile a dictionary. `engine` forces one matcher (see scanner.py)."""
    conditions = _conditions(dictionary)
    terms = _terms(dictionary, conditions)
    shapes = _shapes(dictionary)
    spellings = phonetics(dict.fromkeys(chain(islice(terms, DISGUISED), shapes)))
    meanings = _lexicon(terms, dictionary, conditions, spellings.stand_ins, shapes)
    heard = _heard()
    needles = [*dict.fromkeys(chain(terms, meanings.aliases, meanings))]
    keys = _coded(needles, [*(heard.keys() - set(needles))])
    del needles  # memory for the scan
    said: dict[bytes, int] = {}
    for sign, bits in heard.items():
        code = keys.classes.take(code_points(sign)).tobytes()
        said[code] = said.get(code, 0) | bits
    signs = {n: said[code] for n, code in enumerate(keys.codes) if code in said}
    name, scan = build_scan(keys.codes, engine=engine)
    walled = np.fromiter((WALL in key for key in keys.codes), np.bool_, len(keys.codes))
    return Compiled(
        dictionary.version,
        name,
        scan,
        keys.classes,
        keys.known,
        walled,
        signs,
        frozenset(n for n in signs if n >= keys.meant),
        Written(meanings),
        terms,
        spellings,
        {},
        {},
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
