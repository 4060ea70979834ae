"""One row of an order file -> an order with one item."""

import re
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from backend.imports import cells as read
from backend.imports.platforms.layouts import Layout
from backend.imports.platforms.rows import BadRow, Cells, Sheet
from backend.imports.platforms.statuses import (
    Meaning,
    order_status,
    refund_status,
    safe_word,
    shopify_status,
)
from backend.imports.records import OrderItem, OrderRecord, Refund, Status

_POOLED = 10_000
CONTACT = ("receiver", "phone", "address")
_POSTCODE = re.compile(r"\s*[(（](\d{6})[)）]$")
_PDD_DAY = re.compile(r"(\d{2})(\d{2})(\d{2})-\d+")
_DISTRICT = re.compile(r"\S*[区县市旗]|\S*(?:林区|特区)")


class Line(NamedTuple):
    """One line of a file. `record` (with this line's item alone) is None for a further product of a Shopify
    order, whose order cells are blank; `digest` is equal for identical lines of an order."""

    row: int
    record: OrderRecord | None
    item: OrderItem
    sub_no: str
    digest: int


class _Place(NamedTuple):
    province: str
    city: str
    district: str
    address: str
    postcode: str


class LineReader:
    """Reads the lines of one file; raises BadRow for the first field that cannot be read."""

    def __init__(self, layout: Layout, sheet: Sheet) -> None:
        self.layout = layout
        self.cells = Cells(sheet)
        self.receiver_known = any(field in sheet.places for field in CONTACT)
        self.has_quantity = "quantity" in sheet.places
        self._items: dict[OrderItem, OrderItem] = {}  # most lines sell the same few things: share them

    def line(self, order_no: str, row: int, digest: int) -> Line:
        item = self._item()
        if self.layout.name == "shopify" and not self.cells.text("status"):
            return Line(row, None, item, "", digest)
        record = self._order(order_no, row, item)
        return Line(row, record, item, self.cells.text("sub_no"), digest)

    def _order(self, order_no: str, row: int, item: OrderItem) -> OrderRecord:
        cells = self.cells
        words, meaning = self._status()
        placed_at, paid_at = self._times(order_no, meaning.status)
        shipped_at = cells.time("shipped_at")
        status = meaning.status
        if meaning.refund == "requested" and shipped_at:  # "退款中" alone does not say whether it was shipped
            status = "shipped" if status == "to_ship" else status
        place = self._place()
        return OrderRecord(
            row=row,
            order_no=order_no,
            platform_status=words,
            status=status,
            refund=self._refund(meaning),
            placed_at=placed_at,
            paid_at=paid_at,
            shipped_at=shipped_at,
            completed_at=cells.time("completed_at"),
            promise_ship_at=cells.time("promise_ship_at"),
            amount=self._amount(status),
            buyer_account=cells.text("buyer_account") or None,
            receiver=cells.text("receiver") or None,
            phone=cells.read("phone", read.plain),
            province=place.province or None,
            city=place.city or None,
            district=place.district or None,
            address=place.address or None,
            postcode=place.postcode or None,
            buyer_note=cells.text("buyer_note") or None,
            seller_note=cells.text("seller_note") or None,
            ip=cells.read("ip", read.address_of_ip),
            device=cells.text("device") or None,
            carrier=cells.word("carrier") or None,
            tracking_no=cells.read("tracking_no", tracking),
            items=(item,),
            receiver_known=self.receiver_known,
        )

    def _status(self) -> tuple[str, Meaning]:
        words = self.cells.word("status")
        if not words:
            raise BadRow("status", "required")
        if self.layout.name == "shopify":
            fulfillment = self.cells.word("fulfillment")
            meaning = shopify_status(words, fulfillment, cancelled=bool(self.cells.text("cancelled_at")))
            shown = f"{words} / {fulfillment}" if fulfillment else words
        else:
            meaning, shown = order_status(words), words
        if meaning is None:
            raise BadRow("status", "status_unknown", {"status": safe_word(shown)})
        return shown, meaning

    def _refund(self, meaning: Meaning) -> Refund:
        words = self.cells.word("refund")
        refund = refund_status(words)
        if refund is None:
            raise BadRow("refund", "refund_unknown", {"status": safe_word(words)})
        return refund if refund != "none" and meaning.refund != "done" else meaning.refund

    def _times(self, order_no: str, status: Status) -> tuple[datetime, datetime | None]:
        placed_at, paid_at = self.cells.time("placed_at"), self.cells.time("paid_at")
        if self.layout.name == "pinduoduo":
            # The deal is made when the group has paid; before that the column is blank and only the order
            # number tells the day (yymmdd-…).
            if paid_at is None and status not in ("unpaid", "closed"):
                paid_at = placed_at
            placed_at = placed_at or self._pdd_day(order_no)
        placed_at = placed_at or paid_at
        if placed_at is None:
            raise BadRow("placed_at", "required")
        return placed_at, paid_at

    def _pdd_day(self, order_no: str) -> datetime | None:
        day = _PDD_DAY.fullmatch(order_no)
        if not day:
            return None
        try:
            return self.cells.sheet.when("20{}-{}-{}".format(*day.groups()))
        except read.BadCell:
            return None

    def _amount(self, status: Status) -> Decimal | None:
        """What the buyer paid; for an unpaid order what there is to pay (platforms write 0 as paid)."""
        paid = self.cells.read("amount", read.money)
        if paid is None or status == "unpaid":
            due = self.cells.read("amount_due", read.money)
            return paid if due is None else due
        return paid

    def _item(self) -> OrderItem:
        cells = self.cells
        sku = cells.read("sku", read.sku)
        name = cells.word("name") or sku
        if not name:
            raise BadRow("name", "required")
        pieces = cells.must("quantity", read.quantity) if self.has_quantity else 1
        price = cells.read("unit_price", read.money)
        item = OrderItem(1, sku, name, cells.word("spec"), pieces, price)
        if len(self._items) < _POOLED:
            return self._items.setdefault(item, item)
        return self._items.get(item, item)

    def _place(self) -> _Place:
        cells = self.cells
        address = cells.text("address")
        postcode = cells.read("postcode", read.plain) or ""
        if self.layout.name == "taobao":
            return taobao_place(address)
        more = cells.text("address_more")
        if more and more not in address:
            address = f"{address} {more}".strip()
        street = cells.word("street")
        if street and not address.startswith(street):
            address = street + address
        return _Place(cells.word("province"), cells.word("city"), cells.word("district"), address, postcode)


def taobao_place(text: str) -> _Place:
    """`省 市 区 详细(邮编)`: the region is named by blanks; (000000) says that no postcode was given."""
    found = _POSTCODE.search(text)
    postcode = found.group(1) if found else ""
    address = text[: found.start()].strip() if found else text
    parts = address.split(maxsplit=3)
    if len(parts) < 3:
        return _Place("", "", "", address, postcode.strip("0") and postcode)
    district = parts[2] if len(parts) == 4 and _DISTRICT.fullmatch(parts[2]) else ""
    return _Place(parts[0], parts[1], district, address, postcode.strip("0") and postcode)


def tracking(raw: str) -> str | None:
    """A tracking number; Taobao writes `No:` before it. Several numbers in a cell stay as they are."""
    value = read.sku(raw)
    return value.removeprefix("No:").strip() or None if value else None
