"""Rows of any kind of file -> what the builder of that kind makes of them."""

import re
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from backend.imports.cells import clock
from backend.imports.platforms import goods, orders, sheets
from backend.imports.platforms.layouts import Layout, column_places
from backend.imports.platforms.rows import Outcome, Sheet
from backend.imports.reader import Row
from backend.imports.records import Kind

_DAY = re.compile(r"(20\d\d)[-._年/]?([01]?\d)[-._月/]?([0-3]?\d)(?!\d)")


def build(
    rows: Iterable[Row], layout: Layout, headers: tuple[str, ...], *, tz: str, serials: bool, name: str = ""
) -> tuple[Outcome[Any], Sheet]:
    """Records of the layout's kind, and which columns were used. `serials`: numbers may be Excel's days;
    `name` of the file may say the day of its figures."""
    when = clock(ZoneInfo(tz), serials=serials)
    sheet = Sheet(headers, column_places(layout.columns, headers), when, _day_in(name))
    return _BUILDERS.get(layout.kind, sheets.sheets)(rows, layout, sheet), sheet


def _day_in(name: str) -> date | None:
    """The last day that a file name holds: 20261121, 2026-11-21, 2026年11月21日."""
    for found in reversed(_DAY.findall(name)):
        try:
            return date(*map(int, found))
        except ValueError:
            continue
    return None


_Builder = Callable[[Iterable[Row], Layout, Sheet], Outcome[Any]]
_BUILDERS: dict[Kind, _Builder] = {
    "orders": orders.build,
    "products": goods.products,
    "shipments": goods.shipments,
}
