"""The dictionary: what is forbidden, on what ground, and what to write instead."""

from __future__ import annotations

import csv
import functools
import hashlib
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple, cast

from backend.words.models import Severity

HERE: Final = Path(__file__).parent
CATEGORIES: Final = (
    "absolute", "authority", "national_symbol", "trademark", "medical", "health_food", "cosmetics",
    "time_limit",
    "price_fraud", "superstition", "vulgar", "finance", "education", "patent", "data_citation", "disparage",
    "false_promise", "infant_alcohol_tobacco", "platform",
)  # fmt: skip
_CLASS: Final = re.compile("<[^<>]+>")


class Entry(NamedTuple):
    """One row of the dictionary. `match_kind` is exact, context or prefix; the last two never fire alone."""

    term: str
    category: str
    severity: Severity
    legal_basis: str
    suggestion: str
    match_kind: str = "exact"
    context: str = ""
    exceptions: str = ""


class ExceptionRow(NamedTuple):
    """One row of the exceptions; see `conditions.py` for what the columns mean."""

    terms: tuple[str, ...]
    effect: str
    where: str
    pattern: str
    note: str


class PatternRow(NamedTuple):
    """A family of terms that no list can hold ("7天见效"): literal triggers and the shape around them.

    `legal_basis` and `suggestion` are "" where those of most terms of the category fit.
    """

    name: str
    triggers: tuple[str, ...]
    pattern: str
    category: str
    severity: Severity
    legal_basis: str = ""
    suggestion: str = ""


class Dictionary(NamedTuple):
    """Everything that decides a verdict. `version` changes with any of it."""

    entries: tuple[Entry, ...]
    exceptions: tuple[ExceptionRow, ...]
    patterns: tuple[PatternRow, ...]
    superlatives: tuple[tuple[str, str], ...]
    version: str


def read_entries(text: str) -> tuple[Entry, ...]:
    """Parse the dictionary's CSV. Raise ValueError naming the line that is wrong."""
    entries = []
    for number, row in enumerate(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))), start=2):
        if row["category"] not in CATEGORIES or row["severity"] not in ("block", "warn") or not row["term"]:
            raise ValueError(f"dictionary line {number}: {row['term']!r} has no valid category or severity")
        if row["match_kind"] not in ("exact", "context", "prefix"):
            raise ValueError(f"dictionary line {number}: unknown match_kind {row['match_kind']!r}")
        entries.append(Entry(**cast("dict[str, Severity]", row)))
    return tuple(entries)


def read_exceptions(text: str) -> tuple[ExceptionRow, ...]:
    """Parse the exceptions' CSV."""
    rows = csv.DictReader(io.StringIO(text))
    return tuple(
        ExceptionRow(tuple(r["term"].split("|")), r["effect"], r["where"], r["pattern"], r["note"])
        for r in rows
    )


def read_classes(text: str) -> dict[str, str]:
    """Parse the classes of words that patterns name: <class> -> its words as alternatives."""
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    classes: dict[str, list[str]] = {}
    for name, *words in lines:
        classes.setdefault(f"<{name}>", []).extend(words)
    return {
        name: "|".join(sorted(dict.fromkeys(words), key=len, reverse=True)) for name, words in classes.items()
    }


def read_patterns(text: str, classes: Mapping[str, str]) -> tuple[PatternRow, ...]:
    """Parse the patterns' CSV. A class is written out wherever it is named."""

    def written_out(column: str) -> str:
        for name in _CLASS.findall(column):
            column = column.replace(name, classes[name])
        return column

    rows = csv.DictReader(io.StringIO(text))
    return tuple(
        PatternRow(
            r["name"],
            tuple(dict.fromkeys(written_out(r["trigger"]).split("|"))),
            written_out(r["pattern"]),
            r["category"],
            cast(Severity, r["severity"]),
            r["legal_basis"],
            r["suggestion"],
        )
        for r in rows
    )


def read_superlatives(text: str) -> tuple[tuple[str, str], ...]:
    """Parse what may follow 最: (word, group) with group quality, measure or soft; a later group wins."""
    found: dict[str, str] = {}
    group = ""
    for line in text.splitlines():
        if line.startswith("["):
            group = line.strip("[]")
        elif not line.startswith("#"):
            found.update(dict.fromkeys(line.split(), group))
    return tuple(found.items())


def build(
    entries: Iterable[Entry],
    *,
    exceptions: Iterable[ExceptionRow] = (),
    patterns: Iterable[PatternRow] = (),
    superlatives: Iterable[tuple[str, str]] = (),
) -> Dictionary:
    """Put a dictionary together and give it a version made from its content."""
    parts = (tuple(entries), tuple(exceptions), tuple(patterns), tuple(superlatives))
    digest = hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return Dictionary(*parts, version=digest[:12])


@functools.cache
def shipped() -> Dictionary:
    """Return the dictionary that comes with the product."""

    def read(name: str) -> str:
        return (HERE / name).read_text("utf-8")

    return build(
        read_entries(read("dictionary.csv")),
        exceptions=read_exceptions(read("exceptions.csv")),
        patterns=read_patterns(read("patterns.csv"), read_classes(read("data/classes.txt"))),
        superlatives=read_superlatives(read("data/superlatives.txt")),
    )
