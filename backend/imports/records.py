"""What a file says, as plain values: the result of parsing, before anything is checked, encrypted or stored.

Clear text lives here and in memory only. Nothing in this module reads a network, a database or a clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

Kind = Literal[
    "orders", "products", "shipments", "leads", "aftersales", "performance", "reviews", "traffic", "chats"
]
Status = Literal["unpaid", "to_ship", "shipped", "completed", "closed"]
Refund = Literal["none", "requested", "done"]
Params = Mapping[str, str | int]


class FileRefused(Exception):  # noqa: N818 - the name of the outcome, as the pages show it
    """The whole file is refused; `key` and `params` give the sentence through `reasons.reason`."""

    def __init__(self, key: str, params: Params | None = None) -> None:
        super().__init__(key)
        self.key = key
        self.params: Params = params or {}


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One product of an order. `line_no` counts from 1 within the order; prices are in yuan per piece."""

    line_no: int
    sku: str | None
    name: str
    spec: str
    quantity: int
    unit_price: Decimal | None


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """One order of a file, its lines merged.

    `row` is the first 1-based line of the order in the file, header included. Times are aware: an offset in
    the file wins, else the zone given to the parser. `address` is the text of the file without a trailing
    postcode: the whole address for Taobao and JD, what follows the region for platforms with region columns.
    `province`, `city` and `district` are None where the file has no such parts. `receiver_known` is False
    when the file has no column at all for receiver, phone or address: rules about them cannot be judged.
    """

    row: int
    order_no: str
    platform_status: str
    status: Status
    refund: Refund
    placed_at: datetime | None
    paid_at: datetime | None
    shipped_at: datetime | None
    completed_at: datetime | None
    promise_ship_at: datetime | None
    amount: Decimal | None
    buyer_account: str | None
    receiver: str | None
    phone: str | None
    province: str | None
    city: str | None
    district: str | None
    address: str | None
    postcode: str | None
    buyer_note: str | None
    seller_note: str | None
    ip: str | None
    device: str | None
    carrier: str | None
    tracking_no: str | None
    items: tuple[OrderItem, ...]
    receiver_known: bool


@dataclass(frozen=True, slots=True)
class ProductRecord:
    """One product or stock line. None for a figure means that the file has no value, not that it is zero."""

    row: int
    sku: str
    name: str | None
    spec: str | None
    available: int | None
    safety_stock: int | None


@dataclass(frozen=True, slots=True)
class ShipmentRecord:
    """One parcel: found by order number, or by tracking number alone."""

    row: int
    order_no: str | None
    tracking_no: str
    carrier: str | None
    shipped_at: datetime | None
    last_scan_at: datetime | None
    last_scan_text: str | None
    signed_at: datetime | None


@dataclass(frozen=True, slots=True)
class SheetRecord:
    """One line of a sheet whose cells are plain facts: leads, after-sales cases, figures, ratings, chats.

    `sheet` is the layout's name, `key` what makes the line one and the same in the next file, `values` what
    the columns of the layout hold: None where the file has no value. Personal values are still in clear.
    """

    row: int
    sheet: str
    key: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line that was not taken in; the sentence is `reasons.reason(key, params, lang)`.

    `column` is the header as the file writes it. `params` never hold a personal value.
    """

    row: int
    column: str | None
    key: str
    params: Params


@dataclass(frozen=True, slots=True)
class Note:
    """Something the person should know about an accepted file (sentence by `reasons.reason`)."""

    key: str
    params: Params


AnyRecord = OrderRecord | ProductRecord | ShipmentRecord | SheetRecord
R = TypeVar("R", OrderRecord, ProductRecord, ShipmentRecord, SheetRecord)


@dataclass(frozen=True, slots=True)
class ParsedFile(Generic[R]):
    """A whole file.

    `platform` is the layout that was recognised (`taobao_items` is a second layout of shops of `taobao`, see
    `platforms.shop_platform`); `rows` counts data lines, so rows = lines of records + rejected +
    duplicate_rows.
    """

    kind: Kind
    platform: str
    encoding: str
    rows: int
    records: tuple[R, ...]
    rejected: tuple[Rejected, ...]
    duplicate_rows: int
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Detected:
    """A first look at a file. `kind` and `platform` are None when the headers are unknown (map them)."""

    kind: Kind | None
    platform: str | None
    encoding: str
    headers: tuple[str, ...]
    sample_rows: tuple[tuple[str, ...], ...]
