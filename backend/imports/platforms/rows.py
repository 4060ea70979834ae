"""The cells of one row by field: shared by all builders."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Generic, NamedTuple, TypeVar

from backend.imports.cells import BadCell, text
from backend.imports.reader import Row
from backend.imports.records import FileRefused, Note, Params, Rejected

T = TypeVar("T")


class BadRow(Exception):  # noqa: N818 - a verdict on one row, turned into Rejected
    """The row is refused because of one field."""

    def __init__(self, field: str, key: str, params: Params | None = None) -> None:
        super().__init__(key)
        self.field = field
        self.key = key
        self.params: Params = params or {}


class Sheet(NamedTuple):
    """What is the same for all rows of a file. `day`: the one in the file's name, for sheets without days."""

    headers: tuple[str, ...]
    places: Mapping[str, tuple[int, ...]]
    when: Callable[[str], datetime | None]
    day: date | None = None

    def column(self, field: str) -> str | None:
        """The header of a field as the file writes it, None if the file has no such column."""
        at = self.places.get(field)
        return self.headers[at[0]].strip() if at else None

    def need(self, fields: Sequence[str], spellings: Mapping[str, tuple[str, ...]]) -> None:
        """Refuse the file if a column without which nothing can be read is missing."""
        missing = [spellings[field][0] for field in fields if field not in self.places]
        if missing:
            raise FileRefused("columns_missing", {"columns": "、".join(missing)})


class Cells:
    """Reads the fields of the current row. `cells` is set anew for each row: one object for a whole file."""

    __slots__ = ("_pool", "cells", "sheet")

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self._pool: dict[str, str] = {}
        self.cells: tuple[str, ...] = ()

    def text(self, field: str) -> str:
        """The words of a field, '' if blank or absent."""
        for place in self.sheet.places.get(field, ()):
            raw = self.cells[place]
            if raw and (value := text(raw)):
                return value
        return ""

    def word(self, field: str) -> str:
        """Words that repeat over the file (a city, a product): equal texts share one object."""
        value = self.text(field)
        return self._pool.setdefault(value, value)

    def read(self, field: str, reader: Callable[[str], T | None]) -> T | None:
        """The field through one of the readers of cells.py; None if blank or absent."""
        for place in self.sheet.places.get(field, ()):
            raw = self.cells[place]
            if not raw:
                continue
            try:
                value = reader(raw)
            except BadCell as bad:
                raise BadRow(field, bad.key, bad.params) from None
            if value is not None and value != "":
                return value
        return None

    def each(self, field: str, reader: Callable[[str], T | None]) -> list[tuple[str, T | BadCell]]:
        """What every column of the field holds, blank ones left out: (header, value or why it is none)."""
        found: list[tuple[str, T | BadCell]] = []
        for place in self.sheet.places.get(field, ()):
            try:
                value: T | BadCell | None = reader(self.cells[place])
            except BadCell as bad:
                value = bad
            if value is not None and value != "":
                found.append((self.sheet.headers[place].strip(), value))
        return found

    def time(self, field: str) -> datetime | None:
        """The field as an aware time."""
        return self.read(field, self.sheet.when)

    def must(self, field: str, reader: Callable[[str], T | None]) -> T:
        """Like `read`, but a blank field refuses the row."""
        value = self.read(field, reader)
        if value is None:
            raise BadRow(field, "required")
        return value


class Outcome(NamedTuple, Generic[T]):
    """What a builder made of the rows of a file."""

    records: list[T]
    rejected: list[Rejected]
    rows: int
    duplicate_rows: int
    notes: list[Note]


def shape_problem(row: Row, width: int) -> Rejected | None:
    """A row that does not have the header's columns is refused, blank cells beyond them allowed; so is one in
    which an unpaired quote has made whole rows part of a cell, which would lose them without a word."""
    found = len(row.cells)
    fits = found == width or (found > width and not "".join(row.cells[width:]).strip())
    if row.last_line > row.line and (not fits or any(_has_rows(cell, width) for cell in row.cells)):
        return Rejected(row.line, None, "quote_lines", {"last": row.last_line})
    return None if fits else Rejected(row.line, None, "ragged", {"found": found, "expected": width})


def _has_rows(cell: str, width: int) -> bool:
    """Whether a line inside the cell has as many delimiters as a row of the table."""
    if "\n" not in cell and "\r" not in cell:
        return False
    lines = cell.splitlines()[1:]
    return any(line.count(sign) >= max(width - 1, 2) for line in lines for sign in ",\t;")
