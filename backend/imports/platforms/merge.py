"""Several lines of one order -> one record."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal

from backend.imports.platforms.layouts import Layout
from backend.imports.platforms.lines import CONTACT, Line
from backend.imports.records import OrderItem, OrderRecord, Refund, Status

RANK: dict[Status, int] = {"unpaid": 0, "to_ship": 1, "shipped": 2, "completed": 3, "closed": 4}


def latest(lines: list[Line], layout: Layout) -> list[Line]:
    """One line for each sub-order (or order, or product): the most advanced status, then the later line.

    Two lines of the same product in the same state are two lines (a paid piece and a gift).
    """
    same: dict[object, list[Line]] = {}
    for line in lines:
        item = line.item
        key: object = line.sub_no or (item.sku, item.name, item.spec)
        same.setdefault("" if layout.lines == "one" else key, []).append(line)
    kept: list[Line] = []
    for group in same.values():
        two_lines = (
            layout.lines == "many" and not group[0].sub_no and len({_state(line) for line in group}) == 1
        )
        kept += group if two_lines else [max(reversed(group), key=_rank)]
    return sorted(kept, key=lambda line: line.row)


def _rank(line: Line) -> int:
    return RANK[line.record.status] if line.record else -1


def _state(line: Line) -> object:
    """The order's own facts: if they differ between two lines of a product, the file repeats the line."""
    return line.record and replace(line.record, row=0, items=(), amount=None)


def shopify_lines(lines: list[Line]) -> list[Line]:
    """The order's head line and its further products, [] without a head. The export repeats equal lines
    for an article that is in the cart twice, so equal lines are only dropped if the head is repeated as
    well."""
    heads = [line for line in lines if line.record]
    if not heads:
        return []
    kept = [max(reversed(heads), key=_rank)]
    copies = Counter(line.digest for line in lines if not line.record)
    left = {digest: max(1, count // len(heads)) for digest, count in copies.items()}
    for line in lines:
        if not line.record and left[line.digest] > 0:
            left[line.digest] -= 1
            kept.append(line)
    return kept


def conflict(lines: list[Line]) -> str | None:
    """The field in which lines of one order contradict each other: whose order it is, and where it goes."""
    records = [line.record for line in lines if line.record]
    for field in (*CONTACT, "buyer_account"):
        if len({value for record in records if (value := getattr(record, field))}) > 1:
            return field
    return None


def merged(lines: list[Line], layout: Layout) -> OrderRecord:
    """One order of all lines. Closed or refunded lines count only if nothing else is left; of the others the
    least advanced says where the order stands."""
    heads = [(line, line.record) for line in lines if line.record]
    live = [pair for pair in heads if not _gone(pair[1])] or heads
    first = heads[0][1]
    records = [record for _, record in live]
    leading = min(records, key=lambda record: RANK[record.status])
    gone = {line.row for line, _ in heads} - {line.row for line, _ in live}
    items = [line.item for line in lines if line.row not in gone]
    done = RANK[leading.status] >= RANK["shipped"]
    return replace(
        leading,
        row=min(line.row for line in lines),
        refund=_refund(records),
        placed_at=min((r.placed_at for r in records if r.placed_at), default=None),
        paid_at=min((r.paid_at for r in records if r.paid_at), default=None),
        shipped_at=max((r.shipped_at for r in records if r.shipped_at), default=None) if done else None,
        promise_ship_at=min((r.promise_ship_at for r in records if r.promise_ship_at), default=None),
        amount=_amount(lines, layout) if len(heads) > 1 else first.amount,
        buyer_note=_joined([r.buyer_note for r in records]),
        seller_note=_joined([r.seller_note for r in records]),
        tracking_no=next((r.tracking_no for r in records if r.tracking_no), None),
        carrier=next((r.carrier for r in records if r.carrier), None),
        items=tuple(replace(item, line_no=number) for number, item in enumerate(items, 1)),
        receiver=_first(records, "receiver"),
        phone=_first(records, "phone"),
        address=_first(records, "address"),
        buyer_account=_first(records, "buyer_account"),
    )


def _gone(record: OrderRecord) -> bool:
    """A line that will not be shipped: closed, or refunded before shipping."""
    return record.status == "closed" or (record.status in ("unpaid", "to_ship") and record.refund == "done")


def _refund(records: list[OrderRecord]) -> Refund:
    found = {record.refund for record in records}
    if "requested" in found:
        return "requested"
    return "done" if found == {"done"} else "none"


def _joined(notes: list[str | None]) -> str | None:
    return " / ".join(dict.fromkeys(note for note in notes if note)) or None


def _first(records: list[OrderRecord], field: str) -> str | None:
    return next((value for record in records if (value := getattr(record, field))), None)


def _amount(lines: list[Line], layout: Layout) -> Decimal | None:
    """Money of the whole order. Where the layout does not say whether a cell is the order's or the
    line's: the line's if it equals price times pieces on every line, or if the cells differ."""
    pairs = [
        (line.record.amount, line.item) for line in lines if line.record and line.record.amount is not None
    ]
    amounts = [amount for amount, _ in pairs if amount is not None]
    if not amounts:
        return None
    per_line = layout.amount == "line"
    if layout.amount == "infer":
        per_line = len(set(amounts)) > 1 or all(_price(item) == amount for amount, item in pairs)
    return sum(amounts, Decimal(0)) if per_line else amounts[0]


def _price(item: OrderItem) -> Decimal | None:
    return None if item.unit_price is None else item.unit_price * item.quantity
