"""Rows of sheets of one line a record -> records."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from backend.imports.cells import BadCell
from backend.imports.platforms.layouts import Layout
from backend.imports.platforms.rows import BadRow, Cells, Outcome, Sheet, shape_problem
from backend.imports.platforms.sheet_layouts import TIME, SheetLayout, sheet_layout
from backend.imports.reader import Row
from backend.imports.records import Note, Params, Rejected, SheetRecord

# A part and its whole: a tool that counts more of the one than of the other has counted something else.
_PARTS = (
    ("received", "asked"),
    ("unreplied", "received"),
    ("effective", "received"),
    ("slow", "received"),
    ("satisfied", "rated"),
)
_CONTACTS = ("phone", "wechat", "email")  # of a lead; one that reaches nobody is left out beside another
_WISHED = ("source", "intent", "budget", "asked_at")  # of a lead; what is not understood goes to its remark
# What the last rows of figures are called.
_SUMMARY = ("汇总", "汇总值", "平均值", "合计", "总计", "总和", "均值", "平均", "小计")
_SUMMED = ("performance", "traffic")  # kinds of sheets that have such rows


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
    replaced: list[int] = []
    count = summaries = 0
    for row in rows:
        if reader.is_summary(row):
            summaries += 1
            continue
        count += 1
        try:
            record = reader.record(row)
        except BadRows as bad:
            rejected += [
                Rejected(row.line, sheet.column(one.field), one.key, one.params) for one in bad.faults
            ]
            continue
        if record.key in found:
            replaced.append(found[record.key].row)
        found[record.key] = record
    odd = [record.row for record in found.values() if _is_odd(record.values)]
    notes = [Note("summaries_left_out", {"count": summaries})] if summaries else []
    notes += [Note("rows_repeated", {"count": len(replaced), "lines": _listed(replaced)})] if replaced else []
    notes += [Note("parts_exceed", {"count": len(odd), "lines": _listed(odd)})] if odd else []
    notes += reader.notes()
    if layout.kind == "performance" and "day" not in sheet.places:
        notes.append(
            Note("day_of_name", {"day": sheet.day.isoformat()}) if sheet.day else Note("day_assumed", {})
        )
    return Outcome(list(found.values()), rejected, count, len(replaced), notes)


class BadRows(Exception):  # noqa: N818 - a verdict on one row, turned into Rejected
    """The row is refused; every field that is wrong is named."""

    def __init__(self, faults: Sequence[BadRow]) -> None:
        super().__init__()
        self.faults = faults


def _is_odd(values: Mapping[str, Any]) -> bool:
    pairs = ((values.get(part), values.get(whole)) for part, whole in _PARTS)
    return any(part is not None and whole is not None and part > whole for part, whole in pairs)


def _listed(lines: Sequence[int]) -> str:
    """The first lines by number: `3、9、12 …`."""
    shown = "、".join(map(str, lines[:8]))
    return f"{shown} …" if len(lines) > 8 else shown


def _told(column: str, lines: list[int]) -> Params:
    return {"column": column, "count": len(lines), "lines": _listed(lines)}


class _Lines:
    """Reads the lines of one sheet; raises BadRows for the fields that cannot be read."""

    def __init__(self, layout: SheetLayout, sheet: Sheet) -> None:
        self.layout = layout
        self.cells = Cells(sheet)
        self.width = len(sheet.headers)
        told = ("agent", "day") if layout.kind in _SUMMED else ()
        self.first = [place for name in told for place in sheet.places.get(name, ())]
        self.left: dict[str, list[int]] = {}
        self.kept: dict[str, list[int]] = {}
        self.more: dict[str, list[int]] = {}
        self.beside: list[tuple[str, str | BadCell]] = []

    def notes(self) -> list[Note]:
        """Which cells of accepted lines were left out or kept as words, by column."""
        return [
            *(Note("contacts_left", _told(column, at)) for column, at in self.left.items()),
            *(Note("contacts_more", _told(column, at)) for column, at in self.more.items()),
            *(Note("cells_kept", _told(column, at)) for column, at in self.kept.items()),
        ]

    def is_summary(self, row: Row) -> bool:
        """Whether a row sums up the others: a word says so in place of a name or a day."""
        cells = (row.cells[place] for place in self.first if place < len(row.cells))
        return any(re.sub(r"\W", "", cell) in _SUMMARY for cell in cells)

    def record(self, row: Row) -> SheetRecord:
        problem = shape_problem(row, self.width)
        if problem:
            raise BadRows([BadRow("", problem.key, problem.params)])
        self.cells.cells = row.cells
        self.beside = []
        faults: list[BadRow] = []
        values = dict(self._values(faults))
        if self.layout.kind == "leads":
            faults = self._lead(row.line, values, faults)
        if not faults:
            try:
                self._check(values)
            except BadRow as bad:
                faults.append(bad)
        if faults:
            raise BadRows(faults)
        return SheetRecord(row.line, self.layout.name, self._key(values), values)

    def _values(self, faults: list[BadRow]) -> Iterator[tuple[str, Any]]:
        """The fields by name; what cannot be read, or must not be blank, goes to `faults`."""
        for column in self.layout.columns:
            reader = self.cells.sheet.when if column.reader == TIME else column.reader
            if not callable(reader):
                raise TypeError(f"{column.name} has no reader")
            try:
                if self.layout.kind == "leads" and column.name in _CONTACTS:
                    value = self._contact(column.name, reader)
                else:
                    value = self.cells.read(column.name, reader)
            except BadRow as bad:
                faults.append(bad)
                continue
            if value is None and column.required:
                faults.append(BadRow(column.name, "required"))
                continue
            yield column.name, value.date() if column.name == "day" and value else value

    def _contact(self, field: str, reader: Callable[[str], Any]) -> Any:
        """Of several columns the first that reaches somebody; what else they hold is put `beside`."""
        found = self.cells.each(field, reader)
        good = next((value for _, value in found if not isinstance(value, BadCell)), None)
        if good is None and found:
            _, bad = found[0]
            self.beside += found[1:]
            raise BadRow(field, bad.key, bad.params)
        self.beside += [(name, value) for name, value in found if _bare(field, value) != _bare(field, good)]
        return good

    def _check(self, values: dict[str, Any]) -> None:
        """What one cell alone cannot tell."""
        if self.layout.kind == "performance" and values["day"] is None:
            if "day" in self.cells.sheet.places:
                raise BadRow("day", "required")
            values["day"] = self.cells.sheet.day
        if self.layout.kind == "reviews" and values["rating"] is None and values["level"] is None:
            raise BadRow("rating", "required")

    def _lead(self, line: int, values: dict[str, Any], faults: list[BadRow]) -> list[BadRow]:
        """What refuses a lead. A contact that reaches nobody does so only if there is no other; what is not
        understood of the wishes stands in the remark, and the file's notes name these lines."""
        wished = [bad for bad in faults if bad.field in _WISHED]
        contacts = [bad for bad in faults if bad.field in _CONTACTS]
        others = [bad for bad in faults if bad not in wished and bad not in contacts]
        wrong = {bad.field for bad in others}
        reached = any(values.get(field) for field in (*_CONTACTS, "buyer_account"))
        if not (reached or contacts or "buyer_account" in wrong):
            others.append(BadRow("phone", "lead_unreachable"))
        if not (values.get("name") or values.get("buyer_account") or wrong & {"name", "buyer_account"}):
            others.append(BadRow("name", "required"))
        if others or (contacts and not reached):
            return [*contacts, *others]
        words = [f"{self.cells.sheet.column(bad.field)}：{self.cells.text(bad.field)}" for bad in wished]
        words += [f"{column}：{value}" for column, value in self.beside if not isinstance(value, BadCell)]
        values |= dict.fromkeys(bad.field for bad in (*wished, *contacts))
        values["note"] = "；".join([*filter(None, [values["note"]]), *words]) or None
        for told, faulty in ((self.kept, wished), (self.left, contacts)):
            for bad in faulty:
                told.setdefault(self.cells.sheet.column(bad.field) or "", []).append(line)
        for column, value in self.beside:
            told = self.left if isinstance(value, BadCell) else self.more
            told.setdefault(column, []).append(line)
        return []

    def _key(self, values: dict[str, Any]) -> str:
        """The first key whose fields are all there; a lead is the same when all its cells are, and so is a
        review without a number and an order."""
        for fields in self.layout.keys:
            if all(values[field] is not None for field in fields):
                return "|".join(_shown(values[field]) for field in fields)
        whole = "|".join(_shown(values[field]) for field in self.layout.keys[-1])
        return _digest(whole) if self.layout.kind == "reviews" else whole


def _bare(field: str, value: Any) -> str:
    """A contact without what people write in several ways: the same number twice is one."""
    if not isinstance(value, str):
        return ""
    return re.sub(r"[\s()+-]", "", value).removeprefix("86") if field == "phone" else value.strip().lower()


def _digest(text: str) -> str:
    """Stands for a line whose own words must not be its key: a customer wrote them."""
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def _shown(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else str(value)
