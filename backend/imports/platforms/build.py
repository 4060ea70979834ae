"""Rows of any kind of file -> what the builder of that kind makes of them."""

from collections.abc import Callable, Iterable
from typing import Any
from zoneinfo import ZoneInfo

from backend.imports.cells import clock
from backend.imports.platforms import goods, orders
from backend.imports.platforms.layouts import Layout, column_places
from backend.imports.platforms.rows import Outcome, Sheet
from backend.imports.reader import Row
from backend.imports.records import Kind


def build(
    rows: Iterable[Row], layout: Layout, headers: tuple[str, ...], *, tz: str, serials: bool
) -> tuple[Outcome[Any], Sheet]:
    """Records of the layout's kind, and which columns were used. `serials`: numbers may be Excel's days."""
    sheet = Sheet(headers, column_places(layout.columns, headers), clock(ZoneInfo(tz), serials=serials))
    return _BUILDERS[layout.kind](rows, layout, sheet), sheet


_Builder = Callable[[Iterable[Row], Layout, Sheet], Outcome[Any]]
_BUILDERS: dict[Kind, _Builder] = {
    "orders": orders.build,
    "products": goods.products,
    "shipments": goods.shipments,
}
