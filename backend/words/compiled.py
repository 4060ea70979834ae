"""A dictionary compiled for matching: class codes, needles, and what each needle means.

Every character is reduced to one byte. Code 0 is an insertion and is dropped, 1 is a barrier, 2 stands for
several characters, 3 for everything no term contains; letters and digits have a code of their own,
ideographs share the rest. One byte a character is what makes the scan fast; a candidate is compared with
the real folded text afterwards.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from backend.words.conditions import CLEAN, Condition, compile_row
from backend.words.dictionary import Dictionary, Entry, PatternRow
from backend.words.disguise import Phonetics, aliases, phonetics
from backend.words.fold import BARRIER, SKIP, fold_table, fold_text
from backend.words.lang import any_of, last_choice
from backend.words.scanner import Scan, build_scan
from backend.words.signals import SIGNALS
from backend.words.superlatives import superlative_entries

DROP, WALL, SEVERAL, OTHER = 0, 1, 2, 3
_FIRST_LETTER: Final = 4
_FIRST_DIGIT: Final = 30
_FIRST_FREE: Final = 40
_FIRST_SHARED: Final = 60
DISGUISED: Final = 4_000
"""Terms, in the dictionary's order, that are also looked for in sound-alikes, pinyin and split characters."""
LETTERS: Final = bytes(b if _FIRST_LETTER <= b < _FIRST_DIGIT else 32 for b in range(256)).translate(
    bytes.maketrans(bytes(range(_FIRST_LETTER, _FIRST_DIGIT)), b"abcdefghijklmnopqrstuvwxyz")
)
"""Translation of class codes: letters to themselves, everything else to a space."""


class Rule(NamedTuple):
    """What a needle stands for: an entry of the dictionary and when it counts.

    `superlative` is "" or the group of the word after 最; `after` holds what makes the term harmless by
    following it, so that the commonest harmless uses are passed over at once.
    """

    entry: Entry
    conditions: tuple[Condition, ...] = ()
    superlative: str = ""
    after: tuple[str, ...] = ()


def _rule(entry: Entry, conditions: tuple[Condition, ...], superlative: str = "") -> Rule:
    after = tuple(text for c in conditions if c.effect == CLEAN for text in c.after)
    return Rule(entry, conditions, superlative, after)


class Pattern(NamedTuple):
    """A compiled family of terms. `gate` is its last necessary choice, cheap to look for."""

    rule: Rule
    gate: re.Pattern[str]
    regex: re.Pattern[str]


class Meaning(NamedTuple):
    """One folded needle. `plain` is the folded term it stands for; they differ in an alias.

    A stand-in ("女子" for 好, "醉" for 最) means nothing but that a term may be spelt here.
    """

    needle: str
    plain: str
    rule: Rule | None
    disguised: bool
    patterns: tuple[Pattern, ...]
    stand_in: bool = False


class Compiled(NamedTuple):
    """Everything the engine needs, shared by all threads. The lists run parallel: a group is one
    class-coded needle."""

    version: str
    engine: str
    scan: Scan
    classes: npt.NDArray[np.uint8]
    meanings: tuple[tuple[Meaning, ...], ...]
    lengths: tuple[int, ...]
    signals: tuple[str | None, ...]
    rules: dict[str, Rule]
    phonetics: Phonetics
    spelling_memory: dict[bytes, bool]


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
        folded = fold_text(entry.term)
        if len(folded) < 2 or (entry.match_kind == "prefix" and folded not in conditions):
            continue  # a prefix alone says nothing: superlatives and `need` rows stand for it
        group = groups.get(entry.term[1:], "quality") if entry.term.startswith("最") else ""
        if folded and folded not in rules:
            rules[folded] = _rule(entry, conditions.get(folded, ()), group)
    for entry, group in superlative_entries(dictionary):
        folded = fold_text(entry.term)
        rules.setdefault(folded, _rule(entry, conditions.get(folded, ()), group))
    return rules


def _ground(dictionary: Dictionary, category: str) -> tuple[str, str]:
    """Return legal basis and suggestion most used in a category."""
    counted = Counter((e.legal_basis, e.suggestion) for e in dictionary.entries if e.category == category)
    return counted.most_common(1)[0][0] if counted else ("广告法第二十八条", "删去，或改为有依据的描述")


def _pattern(row: PatternRow, dictionary: Dictionary, conditions: tuple[Condition, ...]) -> Pattern:
    basis, suggestion = _ground(dictionary, row.category)
    entry = Entry(row.name, row.category, row.severity, basis, suggestion, "context")
    return Pattern(Rule(entry, conditions), any_of([last_choice(row.pattern)]), any_of([row.pattern]))


def _meanings(
    dictionary: Dictionary,
    rules: dict[str, Rule],
    conditions: dict[str, tuple[Condition, ...]],
    stand_ins: Iterable[str],
) -> list[Meaning]:
    triggers: dict[str, list[Pattern]] = {}
    for row in dictionary.patterns:
        pattern = _pattern(row, dictionary, conditions.get(fold_text(row.name), ()))
        for trigger in row.triggers:
            triggers.setdefault(fold_text(trigger), []).append(pattern)
    found: dict[str, Meaning] = {}
    for needle, rule in rules.items():
        found[needle] = Meaning(needle, needle, rule, False, tuple(triggers.pop(needle, ())))
    for needle, patterns in triggers.items():
        if needle:
            found[needle] = Meaning(needle, needle, None, False, tuple(patterns))
    for needle, plain, rule in _aliases(rules):
        if needle not in found or found[needle].rule is None:
            found[needle] = Meaning(
                needle, plain, rule, True, found[needle].patterns if needle in found else ()
            )
    for needle in stand_ins:
        known = found.get(needle) or Meaning(needle, needle, None, False, ())
        found[needle] = known._replace(stand_in=True)
    return list(found.values())


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
    rest = [char for char, _ in counted.most_common() if char not in code]
    free = _FIRST_FREE + len(alone)
    code.update((char, free + i % (256 - free)) for i, char in enumerate(rest))
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


def compile_dictionary(dictionary: Dictionary, *, engine: str | None = None) -> Compiled:
    """Compile a dictionary. `engine` forces one matcher (see scanner.py)."""
    conditions = _conditions(dictionary)
    rules = _rules(dictionary, conditions)
    spellings = phonetics(list(rules)[:DISGUISED])
    meanings = _meanings(dictionary, rules, conditions, spellings.stand_ins)
    signals = {word: signal for signal, words in SIGNALS.items() for word in words}
    classes = _classes([*(m.needle for m in meanings), *signals])
    groups: dict[bytes, tuple[Meaning, ...]] = {}
    for meaning in meanings:
        key = encode(meaning.needle, classes)
        groups[key] = (*groups.get(key, ()), meaning)
    signalled: dict[bytes, str] = {}
    for word, signal in signals.items():
        groups.setdefault(encode(word, classes), ())
        signalled.setdefault(encode(word, classes), signal)
    name, scan = build_scan(list(groups), engine=engine)
    return Compiled(
        dictionary.version,
        name,
        scan,
        classes,
        tuple(groups.values()),
        tuple(map(len, groups)),
        tuple(map(signalled.get, groups)),
        rules,
        spellings,
        {},
    )


_CACHE: Final[dict[str, Compiled]] = {}
_KEPT_VERSIONS: Final = 4


def compiled(dictionary: Dictionary) -> Compiled:
    """Compile a dictionary once per version; the versions used last stay in memory."""
    found = _CACHE.pop(dictionary.version, None) or compile_dictionary(dictionary)
    _CACHE[dictionary.version] = found
    while len(_CACHE) > _KEPT_VERSIONS:
        _CACHE.pop(next(iter(_CACHE)), None)
    return found
