"""Rows of product, stock and shipment files -> records."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from backend.imports import cells as read
from backend.imports.platforms.layouts import Layout
from backend.imports.platforms.lines import tracking
from backend.imports.platforms.rows import BadRow, Cells, Outcome, Sheet, shape_problem
from backend.imports.reader import Row
from backend.imports.records import FileRefused, Note, ProductRecord, Rejected, ShipmentRecord


def products(rows: Iterable[Row], layout: Layout, sheet: Sheet) -> Outcome[ProductRecord]:
    """Products by code. The same code twice with other facts: the first line counts, the second is
    refused."""
    sheet.need(layout.required, layout.columns)
    if not any(field in sheet.places for field in ("name", "available", "safety_stock")):
        raise FileRefused("columns_missing", {"columns": layout.columns["available"][0]})
    cells = Cells(sheet)
    found: dict[str, ProductRecord] = {}
    rejected: list[Rejected] = []
    count = duplicates = oversold = 0
    for row in rows:
        count += 1
        try:
            _shaped(row, sheet)
            cells.cells = row.cells
            record, below_zero = _product(cells, row.line)
            oversold += below_zero
            known = found.setdefault(record.sku, record)
            if known is not record and replace(known, row=row.line) != record:
                raise BadRow("sku", "sku_repeated", {"line": known.row})
            duplicates += known is not record
        except BadRow as bad:
            rejected.append(Rejected(row.line, sheet.column(bad.field), bad.key, bad.params))
    notes = [Note("stock_below_zero", {"count": oversold})] if oversold else []
    return Outcome(list(found.values()), rejected, count, duplicates, notes)


def _shaped(row: Row, sheet: Sheet) -> None:
    problem = shape_problem(row, len(sheet.headers))
    if problem:
        raise BadRow("", problem.key, problem.params)


def _product(cells: Cells, line: int) -> tuple[ProductRecord, bool]:
    """The record, and whether the file's stock is below zero (oversold: nothing is available, so 0)."""
    below_zero = cells.text("available").replace("−", "-").startswith("-")
    available = cells.read("available", _stock)
    record = ProductRecord(
        row=line,
        sku=cells.must("sku", read.sku),
        name=cells.text("name") or None,
        spec=cells.text("spec") or None,
        available=available,
        safety_stock=cells.read("safety_stock", read.count),
    )
    return record, below_zero


def _stock(raw: str) -> int | None:
    value = read.plain(raw).replace("−", "-")
    if value.startswith("-"):
        read.count(value[1:])
        return 0
    return read.count(value)


def shipments(rows: Iterable[Row], layout: Layout, sheet: Sheet) -> Outcome[ShipmentRecord]:
    """Parcels by tracking number and order; a later scan of the same parcel replaces an earlier one."""
    sheet.need(layout.required, layout.columns)
    cells = Cells(sheet)
    found: dict[tuple[str | None, str], ShipmentRecord] = {}
    rejected: list[Rejected] = []
    count = duplicates = 0
    for row in rows:
        count += 1
        try:
            _shaped(row, sheet)
            cells.cells = row.cells
            record = _shipment(cells, row.line)
        except BadRow as bad:
            rejected.append(Rejected(row.line, sheet.column(bad.field), bad.key, bad.params))
            continue
        key = (record.order_no, record.tracking_no)
        known = found.get(key)
        duplicates += known is not None
        if known is None or _age(record) >= _age(known):
            found[key] = record
    return Outcome(list(found.values()), rejected, count, duplicates, [])


def _shipment(cells: Cells, line: int) -> ShipmentRecord:
    return ShipmentRecord(
        row=line,
        order_no=cells.read("order_no", read.ident),
        tracking_no=cells.must("tracking_no", tracking),
        carrier=cells.word("carrier") or None,
        shipped_at=cells.time("shipped_at"),
        last_scan_at=cells.time("last_scan_at"),
        last_scan_text=cells.text("last_scan_text") or None,
        signed_at=cells.time("signed_at"),
    )


def _age(record: ShipmentRecord) -> tuple[bool, float]:
    """Sorts a signed parcel after an unsigned one, then by the last scan."""
    last: datetime | None = record.last_scan_at or record.shipped_at
    return record.signed_at is not None, last.timestamp() if last else 0.0
