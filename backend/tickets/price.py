"""价保: the calculation for one product of an order, as far as it comes, and why nothing may be payable."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from supabase import Client

from backend import db
from backend.row import Row


class Calculation(Row):
    """What was paid for one piece against what it costs now, in CNY; later steps are None when one fails.

    `signed_source` is order or typed, `new_source` orders (today's), table or typed. `refusal` is the key of
    a message, with this row as its parameters.
    """

    sku: str | None = None
    order_no: str | None = None
    signed_at: datetime | None = None
    signed_source: str | None = None
    days: int | None = None
    allowed_days: int | None = None
    until: datetime | None = None
    old: Decimal | None = None
    new: Decimal | None = None
    new_source: str | None = None
    quantity: int | None = None
    difference: Decimal | None = None
    paid_before: Decimal | None = None
    payable: Decimal | None = None
    refusal: str | None = None


def calculate(
    client: Client,
    *,
    ticket_id: int | None = None,
    order_id: int | None = None,
    sku: str | None = None,
    signed_at: datetime | None = None,
    price: Decimal | None = None,
    evidence: Sequence[int] = (),
) -> Calculation:
    """The calculation for a ticket, or for an order and a product; stores nothing.

    `signed_at` and `price` count only where the desk does not know better, and with a proof (`evidence`:
    attachments of the ticket). Raises `order.none`.
    """
    facts = given(sku=sku, signed_at=signed_at, price=price)
    place: dict[str, Any] = {"ticket_id": ticket_id} if ticket_id is not None else {"order_id": order_id}
    answer = db.rpc(client, "preview_price_protection", p={**place, **facts, "evidence": list(evidence)})
    return Calculation.model_validate(answer)


def given(*, sku: str | None, signed_at: datetime | None, price: Decimal | None) -> dict[str, str]:
    """What a person typed, as the database takes it."""
    facts = {"sku": sku, "signed_at": signed_at and signed_at.isoformat(), "price": price and f"{price:.2f}"}
    return {name: value for name, value in facts.items() if value}
