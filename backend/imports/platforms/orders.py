"""Rows of an order file -> one record an order.

Decisions: identical lines are one line. Where a line repeats an order (or sub-order) with other facts,
the line with the more advanced status wins, then the later one: files are often several downloads pasted
together. An order is taken in whole or not at all: one refused line refuses its other lines too.
A file names its receivers in full or not at all: half of the columns would make every order look bad.
"""

from collections.abc import Iterable
from contextlib import suppress

from backend.imports import cells as read
from backend.imports.platforms.layouts import Layout
from backend.imports.platforms.lines import CONTACT, Line, LineReader
from backend.imports.platforms.merge import conflict, latest, merged, shopify_lines
from backend.imports.platforms.rows import BadRow, Outcome, Sheet, shape_problem
from backend.imports.reader import Row
from backend.imports.records import Note, OrderRecord, Params, Rejected


def build(rows: Iterable[Row], layout: Layout, sheet: Sheet) -> Outcome[OrderRecord]:
    """All orders of a file; see the module's decisions. Raises FileRefused for missing columns and limits."""
    sheet.need(_needed(layout, sheet), layout.columns)
    found = _Collected(layout, sheet)
    reader = LineReader(layout, sheet)
    for row in rows:
        found.rows += 1
        problem = shape_problem(row, len(sheet.headers))
        if problem:
            found.rejected.append(problem)
            found.spoil(row)
            continue
        reader.cells.cells = row.cells
        order_no = ""
        try:
            order_no = reader.cells.must("order_no", read.ident)
            found.add(order_no, row, reader)
        except BadRow as bad:
            found.rejected.append(Rejected(row.line, sheet.column(bad.field), bad.key, bad.params))
            if order_no:
                found.spoilt.setdefault(order_no, row.line)
    return found.finished()


def _needed(layout: Layout, sheet: Sheet) -> tuple[str, ...]:
    if not any(field in sheet.places for field in CONTACT):
        return layout.required
    return (*layout.required, *(field for field in ("phone", "address") if field in layout.columns))


class _Collected:
    """The lines of a file by order number, in the order of the file."""

    def __init__(self, layout: Layout, sheet: Sheet) -> None:
        self.layout = layout
        self.sheet = sheet
        self.rows = 0
        self.duplicates = 0
        self.repeated = 0
        self.groups: dict[str, Line | list[Line]] = {}
        self.rejected: list[Rejected] = []
        self.spoilt: dict[str, int] = {}

    def add(self, order_no: str, row: Row, reader: LineReader) -> None:
        digest = hash(tuple(map(str.strip, row.cells)))
        group = self.groups.get(order_no)
        if group is None:
            self.groups[order_no] = reader.line(order_no, row.line, digest)
            return
        lines = group if isinstance(group, list) else [group]
        # Shopify writes two equal lines for an article that was put into the cart twice: see shopify_lines.
        if self.layout.name != "shopify" and any(line.digest == digest for line in lines):
            self.duplicates += 1
            return
        lines.append(reader.line(order_no, row.line, digest))
        self.groups[order_no] = lines

    def spoil(self, row: Row) -> None:
        """A row of the wrong shape may still name its order, whose other lines must not go in without it."""
        place = self.sheet.places["order_no"][0]
        with suppress(read.BadCell):
            order_no = read.ident(row.cells[place]) if place < len(row.cells) else None
            if order_no:
                self.spoilt.setdefault(order_no, row.line)

    def finished(self) -> Outcome[OrderRecord]:
        records: list[OrderRecord] = []
        for order_no in list(self.groups):
            group = self.groups.pop(order_no)
            lines = group if isinstance(group, list) else [group]
            if order_no in self.spoilt:
                self._refuse(lines, "order_part", None, {"line": self.spoilt[order_no]})
            elif len(lines) == 1 and lines[0].record:
                records.append(lines[0].record)
            else:
                self._merge(lines, records)
        kept, lost = _without_lost_digits(records)
        column = self.sheet.column("order_no")
        self.rejected += [Rejected(record.row, column, "id_lost_digits", {}) for record in lost]
        self.rejected.sort(key=lambda rejected: rejected.row)
        notes = [Note("orders_repeated", {"count": self.repeated})] if self.repeated else []
        return Outcome(kept, self.rejected, self.rows, self.duplicates, notes)

    def _refuse(self, lines: list[Line], key: str, field: str | None, params: Params) -> None:
        column = self.sheet.column(field) if field else None
        self.rejected += [Rejected(line.row, column, key, params) for line in lines]

    def _merge(self, lines: list[Line], records: list[OrderRecord]) -> None:
        kept = shopify_lines(lines) if self.layout.name == "shopify" else latest(lines, self.layout)
        if not kept:
            self._refuse(lines, "order_head", "status", {})
            return
        differing = conflict(kept)
        if differing:
            self._refuse(lines, "order_conflict", differing, {"line": kept[0].row})
            return
        self.duplicates += len(lines) - len(kept)
        self.repeated += len(kept) < len(lines)
        records.append(merged(kept, self.layout))


def _without_lost_digits(records: list[OrderRecord]) -> tuple[list[OrderRecord], list[OrderRecord]]:
    """Excel keeps 15 digits and writes zeros for the rest. Long numbers that end so are refused when they
    are the rule in this file; a single genuine number may end in zeros by chance."""
    long = [r for r in records if len(r.order_no) >= 18 and r.order_no.isdigit()]
    lost = {r.order_no for r in long if not r.order_no[15:].strip("0")}
    if len(lost) * 2 <= len(long):
        return records, []
    return (
        [r for r in records if r.order_no not in lost],
        [r for r in records if r.order_no in lost],
    )
