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
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.conditions import Condition, Rule, compile_row
from backend.words.dictionary import Dictionary, Entry, PatternRow
from backend.words.disguise import Phonetics, aliases, phonetics
from backend.words.fold import BARRIER, SKIP, fold_table, fold_text
from backend.words.lang import any_of, last_choice, split_alternatives
from backend.words.models import Severity
from backend.words.nearby import Signs
from backend.words.report import Description
from backend.words.rules import SCANNED, SCANNED_SIGNS, always, heeds
from backend.words.scanner import Scan, build_scan
from backend.words.signs import EDGE, necessary
from backend.words.superlatives import superlative_entries

DROP, WALL, SEVERAL, OTHER = 0, 1, 2, 3
_FIRST_LETTER: Final = 4
_FIRST_DIGIT: Final = 30
_FIRST_FREE: Final = 40
_FIRST_SHARED: Final = 60
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
    """A compiled family of terms. `gate` is its last necessary choice, cheap to look for."""

    rule: Rule
    gate: re.Pattern[str]
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


class Compiled(NamedTuple):
    """Everything the engine needs, shared by all threads.

    `walled` are the numbers of the scan's needles with a barrier, `meanings` are by folded needle. `signs`
    remembers the signs of a term that was met, `quiet` for each context the severity of what has nothing
    near, `described` what hits say.
    """

    version: str
    engine: str
    scan: Scan
    classes: npt.NDArray[np.uint8]
    walled: frozenset[int]
    meanings: dict[str, Meaning]
    signs: dict[str, Signs]
    rules: dict[str, Rule]
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


def _rules(dictionary: Dictionary, conditions: dict[str, tuple[Condition, ...]]) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    groups = dict(dictionary.superlatives)
    for entry in dictionary.entries:
        folded = _folded(entry.term)
        if len(folded) < 2 or (entry.match_kind == "prefix" and folded not in conditions):
            continue  # a prefix alone says nothing: superlatives and `need` rows stand for it
        group = groups.get(entry.term[1:], "quality") if entry.term.startswith("最") else ""
        if folded and folded not in rules:
            rules[folded] = _rule(entry, conditions.get(folded, ()), group)
    for entry, group in superlative_entries(dictionary):
        folded = _folded(entry.term)
        if folded not in rules:
            rules[folded] = _rule(entry, conditions.get(folded, ()), group)
    return rules


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
    shapes = split_alternatives(row.pattern)
    return Pattern(_rule(entry, conditions), any_of([last_choice(shape) for shape in shapes]), any_of(shapes))


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


def _meanings(
    dictionary: Dictionary,
    rules: dict[str, Rule],
    conditions: dict[str, tuple[Condition, ...]],
    stand_ins: Iterable[str],
) -> dict[str, Meaning]:
    triggers = _triggers(dictionary, conditions)
    found: dict[str, Meaning] = {}
    for needle, rule in rules.items():
        found[needle] = Meaning(needle, needle, rule, patterns=tuple(triggers.pop(needle, ())))
    for needle, patterns in triggers.items():
        if needle:
            found[needle] = Meaning(needle, needle, patterns=tuple(patterns))
    for needle, plain, rule in _aliases(rules):
        if needle not in found or found[needle].rule is None:
            found[needle] = Meaning(
                needle, plain, rule, True, found[needle].patterns if needle in found else ()
            )
    for needle in stand_ins:
        found[needle] = found.get(needle, Meaning(needle, needle))._replace(stand_in=True)
    for needle in filter(_has_edge, found):
        found[needle] = found[needle]._replace(is_edged=True)
    for sign, bits in _heard().items():
        meaning = found.get(sign, Meaning(sign, sign, is_meant=False))
        found[sign] = meaning._replace(heard=tuple(bit for bit in SCANNED if bit & bits))
    return found


def _aliases(rules: dict[str, Rule]) -> Iterable[tuple[str, str, Rule]]:
    for needle, rule in islice(rules.items(), DISGUISED):
        for alias in aliases(needle, severe=rule.entry.severity == "block"):
            yield alias, needle, rule


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


def encode(text: str, classes: npt.NDArray[np.uint8]) -> bytes:
    """Return the class codes of a folded text."""
    return bytes(int(classes[ord(char)]) for char in text)


def _has_edge(needle: str) -> bool:
    return needle[0].isascii() or needle[-1].isascii() or needle[0] == "十"


def compile_dictionary(dictionary: Dictionary, *, engine: str | None = None) -> Compiled:
    """Compile a dictionary. `engine` forces one matcher (see scanner.py)."""
    conditions = _conditions(dictionary)
    rules = _rules(dictionary, conditions)
    spellings = phonetics(list(rules)[:DISGUISED])
    meanings = _meanings(dictionary, rules, conditions, spellings.stand_ins)
    classes = _classes(list(meanings))
    keys = list(dict.fromkeys(encode(needle, classes) for needle in meanings))
    name, scan = build_scan(keys, engine=engine)
    walled = frozenset(n for n, key in enumerate(keys) if WALL in key)
    return Compiled(dictionary.version, name, scan, classes, walled, meanings, {}, rules, spellings, {}, {})


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
