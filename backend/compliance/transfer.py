"""The dictionary as a file: export of what holds, and a file as operations of a proposal, refused rows
named.

The columns are those of backend/words/dictionary.csv and exceptions.csv, and `platforms` (separated by
|, empty: all),
`is_active` (1 or 0) and `reason`. A row missing from a file changes nothing: only is_active 0 disables.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from supabase import Client

from backend import exports
from backend.compliance import reads
from backend.compliance.commands import check_pattern
from backend.compliance.models import Operation, Word, WordException
from backend.errors import AppError
from backend.imports.reader import Row, open_table
from backend.words.dictionary import CATEGORIES

WORD_COLUMNS: Final = (
    "term",
    "category",
    "severity",
    "legal_basis",
    "suggestion",
    "match_kind",
    "context",
    "exceptions",
    "platforms",
    "is_active",
    "reason",
)
EXCEPTION_COLUMNS: Final = (
    "id",
    "term",
    "effect",
    "where",
    "pattern",
    "note",
    "platforms",
    "is_active",
    "reason",
)
PLATFORMS: Final = ("taobao", "jd", "douyin", "pinduoduo", "youzan", "shopify", "own")
Kind = Literal["words", "exceptions"]
_NEEDED: Final[Mapping[Kind, tuple[str, ...]]] = {
    "words": ("term", "category", "severity", "legal_basis"),
    "exceptions": ("term", "effect", "where", "pattern"),
}
_LIMITS: Final = {"legal_basis": 300, "suggestion": 300, "context": 1000, "exceptions": 1000, "note": 300}
_MOST: Final = 5_000


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that was not taken: its number in the file, the column, and why (empty, unknown, too_long,
    twice)."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a file would change: the operations for `commands.propose`, equal rows, and refused ones."""

    operations: tuple[Operation, ...]
    unchanged: int
    refused: tuple[Refused, ...]


def export_words(client: Client) -> bytes:
    """Every word that holds now, disabled ones included, as CSV."""
    rows = [
        word.model_dump()
        | {"platforms": "|".join(word.platforms), "is_active": "1" if word.is_active else "0"}
        for word in reads.all_words(client)
    ]
    return exports.write_csv(rows, [(name, name) for name in WORD_COLUMNS])


def export_exceptions(client: Client) -> bytes:
    """Every exception that holds now, as CSV. `id` says which row a changed line means; empty makes a
    new one."""
    rows = [
        found.model_dump()
        | {
            "id": str(found.id),
            "term": "|".join(found.terms),
            "where": found.place,
            "platforms": "|".join(found.platforms),
            "is_active": "1" if found.is_active else "0",
        }
        for found in reads.exceptions(client)
    ]
    return exports.write_csv(rows, [(name, name) for name in EXCEPTION_COLUMNS])


def read_words(client: Client, data: bytes, name: str, *, reason: str) -> Plan:
    """Compare a file of words with what holds. `reason` stands for rows that give none.

    Raises `words.file_columns` (columns), `bulk.too_many`, and FileRefused for a file that cannot be read.
    """
    known = {word.term: word for word in reads.all_words(client)}
    return plan_words(_records(data, name, "words"), known, reason)


def read_exceptions(client: Client, data: bytes, name: str, *, reason: str) -> Plan:
    """Compare a file of exceptions with what holds, by id. Raises as `read_words` does."""
    known = {found.id: found for found in reads.exceptions(client)}
    return plan_exceptions(_records(data, name, "exceptions"), known, reason)


def plan_words(records: Iterator[tuple[int, dict[str, str]]], known: Mapping[str, Word], reason: str) -> Plan:
    """The operations that make the dictionary say what the records say."""
    sorted_out = _Sorting()
    for line, record in records:
        term = record["term"]
        if problem := _word_problem(record) or sorted_out.twice(term):
            sorted_out.refused.append(Refused(line, *problem))
            continue
        facts = _word_facts(record)
        word = known.get(term)
        if word is None and len(term) < 2:  # one sign alone says nothing
            sorted_out.refused.append(Refused(line, "term", "too_short"))
            continue
        why = record.get("reason") or reason
        if word is None:
            sorted_out.add(Operation("word", "add", why, facts))
        elif record.get("is_active") == "0":
            sorted_out.disable("word", word, why)
        else:
            before = word.model_dump() | {"platforms": list(word.platforms)}
            sorted_out.change("word", word, why, {k: v for k, v in facts.items() if before[k] != v})
    return sorted_out.plan()


def plan_exceptions(
    records: Iterator[tuple[int, dict[str, str]]], known: Mapping[int, WordException], reason: str
) -> Plan:
    """The operations that make the exceptions say what the records say."""
    sorted_out = _Sorting()
    for line, record in records:
        number = record.get("id", "")
        found = known.get(int(number)) if number.isdecimal() and len(number) < 18 else None
        problem = ("id", "unknown") if number and found is None else _exception_problem(record)
        if problem := problem or (sorted_out.twice(number) if number else None):
            sorted_out.refused.append(Refused(line, *problem))
            continue
        facts = _exception_facts(record)
        why = record.get("reason") or reason
        if found is None:
            sorted_out.add(Operation("exception", "add", why, facts))
        elif record.get("is_active") == "0":
            sorted_out.disable("exception", found, why)
        else:
            before = found.model_dump() | {"terms": list(found.terms), "platforms": list(found.platforms)}
            sorted_out.change("exception", found, why, {k: v for k, v in facts.items() if before[k] != v})
    return sorted_out.plan()


class _Sorting:
    """Operations, equal rows and refusals while a file is read."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.refused: list[Refused] = []
        self.unchanged = 0
        self._seen: set[str] = set()

    def twice(self, key: str) -> tuple[str, str] | None:
        """A key that an earlier line had already."""
        if key in self._seen:
            return ("term", "twice")
        self._seen.add(key)
        return None

    def add(self, operation: Operation) -> None:
        self.operations.append(operation)

    def disable(self, target: Literal["word", "exception"], row: Word | WordException, why: str) -> None:
        if row.is_active:
            self.add(Operation(target, "disable", why, {}, row.id))
        else:
            self.unchanged += 1

    def change(
        self, target: Literal["word", "exception"], row: Word | WordException, why: str, facts: dict[str, Any]
    ) -> None:
        """Changed columns, or the return of a disabled row."""
        if facts or not row.is_active:
            self.add(Operation(target, "change", why, facts, row.id))
        else:
            self.unchanged += 1

    def plan(self) -> Plan:
        if len(self.operations) > _MOST:
            raise AppError("bulk.too_many", params={"limit": _MOST})
        return Plan(tuple(self.operations), self.unchanged, tuple(self.refused))


def _records(data: bytes, name: str, kind: Kind) -> Iterator[tuple[int, dict[str, str]]]:
    rows = open_table(data, name=name).rows()
    head: Row | None = next(rows, None)
    heads = [cell.strip().lower() for cell in head.cells] if head else []
    missing = [column for column in _NEEDED[kind] if column not in heads]
    if missing:
        raise AppError("words.file_columns", params={"columns": "、".join(missing)})
    return ((row.line, _record(heads, row)) for row in rows)


def _record(heads: list[str], row: Row) -> dict[str, str]:
    """Cells by column; the quote that an export puts before a text that would run is taken off again."""
    cells = [cell.strip() for cell in row.cells]
    plain = [
        cell[1:] if cell.startswith("'") and exports.safe_text(cell[1:]) == cell else cell for cell in cells
    ]
    return {head: cell for head, cell in zip(heads, plain, strict=False) if head}


def _word_problem(record: Mapping[str, str]) -> tuple[str, str] | None:
    term = record.get("term", "")
    if not term or len(term) > 60:
        return ("term", "too_long" if term else "empty")
    if record.get("category") not in CATEGORIES:
        return ("category", "unknown")
    if record.get("severity") not in ("block", "warn"):
        return ("severity", "unknown")
    if not record.get("legal_basis"):
        return ("legal_basis", "empty")
    if record.get("match_kind", "exact") not in ("exact", "context", "prefix", ""):
        return ("match_kind", "unknown")
    return _common_problem(record)


def _exception_problem(record: Mapping[str, str]) -> tuple[str, str] | None:
    if not record.get("term"):
        return ("term", "empty")
    if record.get("effect") not in ("clean", "warn", "need"):
        return ("effect", "unknown")
    if not record.get("pattern") or len(record["pattern"]) > 4000:
        return ("pattern", "too_long" if record.get("pattern") else "empty")
    try:
        check_pattern(Operation("exception", "add", "", _exception_facts(record)), 1)
    except AppError:
        return ("pattern", "unknown")
    return _common_problem(record)


def _common_problem(record: Mapping[str, str]) -> tuple[str, str] | None:
    for column, limit in _LIMITS.items():
        if len(record.get(column, "")) > limit:
            return (column, "too_long")
    if any(platform not in PLATFORMS for platform in _parts(record.get("platforms", ""))):
        return ("platforms", "unknown")
    if record.get("is_active", "1") not in ("0", "1", ""):
        return ("is_active", "unknown")
    return None


def _word_facts(record: Mapping[str, str]) -> dict[str, Any]:
    names = (
        "term",
        "category",
        "severity",
        "legal_basis",
        "suggestion",
        "match_kind",
        "context",
        "exceptions",
    )
    facts: dict[str, Any] = {name: record[name] for name in names if name in record}
    if not facts.get("match_kind"):
        facts.pop("match_kind", None)
    if "platforms" in record:
        facts["platforms"] = _parts(record["platforms"])
    return facts


def _exception_facts(record: Mapping[str, str]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "terms": _parts(record["term"]),
        "effect": record["effect"],
        "place": record.get("where", ""),
        "pattern": record["pattern"],
    }
    if "note" in record:
        facts["note"] = record["note"]
    if "platforms" in record:
        facts["platforms"] = _parts(record["platforms"])
    return facts


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split("|") if part.strip()]
