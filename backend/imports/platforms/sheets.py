"""Rows of sheets of one line a record -> records."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from backend.imports.platforms.layouts import Layout
from backend.imports.platforms.rows import BadRow, Cells, Outcome, Sheet, shape_problem
from backend.imports.platforms.sheet_layouts import TIME, SheetLayout, sheet_layout
from backend.imports.reader import Row
from backend.imports.records import Note, Rejected, SheetRecord

_SUMMARY = ("汇总", "汇总值", "平均值", "合计", "总计", "均值", "平均")  # last rows of performance sheets


def sheets(rows: Iterable[Row], layout: Layout, sheet: Sheet) -> Outcome[SheetRecord]:
    """Records of one line each, the same one twice counted once: the later line of a file holds.

    Rows of sums and means are left out and told as a note. A performance sheet without days is of the day in
    the file's name; without that its lines have none, and a note says what the import then takes. Raises
    FileRefused `columns_missing`.
    """
    sheet.need(layout.required, layout.columns)
    reader = _Lines(sheet_layout(layout.name), sheet)
    found: dict[str, SheetRecord] = {}
    rejected: list[Rejected] = []
    count = summaries = duplicates = 0
    for row in rows:
        if reader.is_summary(row):
            summaries += 1
            continue
        count += 1
        try:
            record = reader.record(row)
        except BadRow as bad:
            rejected.append(Rejected(row.line, sheet.column(bad.field), bad.key, bad.params))
            continue
        duplicates += record.key in found
        found[record.key] = record
    notes = [Note("summaries_left_out", {"count": summaries})] if summaries else []
    if layout.kind == "performance" and "day" not in sheet.places:
        notes.append(
            Note("day_of_name", {"day": sheet.day.isoformat()}) if sheet.day else Note("day_assumed", {})
        )
    return Outcome(list(found.values()), rejected, count, duplicates, notes)


class _Lines:
    """Reads the lines of one sheet; raises BadRow for the first field that cannot be read."""

    def __init__(self, layout: SheetLayout, sheet: Sheet) -> None:
        self.layout = layout
        self.cells = Cells(sheet)
        self.width = len(sheet.headers)
        self.first = sheet.places.get("agent", ()) if layout.kind == "performance" else ()

    def is_summary(self, row: Row) -> bool:
        """Whether a row of a performance sheet sums up the others."""
        return any(row.cells[place].strip() in _SUMMARY for place in self.first if place < len(row.cells))

    def record(self, row: Row) -> SheetRecord:
        problem = shape_problem(row, self.width)
        if problem:
            raise BadRow("", problem.key, problem.params)
        self.cells.cells = row.cells
        values = dict(self._values())
        self._check(values)
        return SheetRecord(row.line, self.layout.name, self._key(values), values)

    def _values(self) -> Iterator[tuple[str, Any]]:
        for column in self.layout.columns:
            reader = self.cells.sheet.when if column.reader == TIME else column.reader
            if not callable(reader):
                raise TypeError(f"{column.name} has no reader")
            value = self.cells.read(column.name, reader)
            if value is None and column.required:
                raise BadRow(column.name, "required")
            yield column.name, value.date() if column.name == "day" and value else value

    def _check(self, values: dict[str, Any]) -> None:
        """What one cell alone cannot tell."""
        if self.layout.kind == "performance" and values["day"] is None:
            if "day" in self.cells.sheet.places:
                raise BadRow("day", "required")
            values["day"] = self.cells.sheet.day
        if self.layout.kind == "reviews" and values["rating"] is None and values["level"] is None:
            raise BadRow("rating", "required")
        if self.layout.kind != "leads":
            return
        if not any(values[field] for field in ("phone", "wechat", "email", "buyer_account")):
            raise BadRow("phone", "lead_unreachable")
        if not (values["name"] or values["buyer_account"]):
            raise BadRow("name", "required")

    def _key(self, values: dict[str, Any]) -> str:
        """The first key whose fields are all there; a lead is the same when all its cells are."""
        for fields in self.layout.keys:
            if all(values[field] is not None for field in fields):
                return "|".join(_shown(values[field]) for field in fields)
        return "|".join(_shown(values[field]) for field in self.layout.keys[-1])


def _shown(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else str(value)
