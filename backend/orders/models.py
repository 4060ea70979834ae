"""What the queue and the pages of an order show, as values. Amounts are CNY, times are aware (UTC)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from pydantic import Field

from backend.filters import Filter, Place, numbers, one_of
from backend.history import Event
from backend.row import Row

KINDS: Final = (
    "duplicate",
    "out_of_stock",
    "same_ip",
    "remote",
    "bad_phone",
    "missing_detail",
    "mismatch",
    "suspicious",
    "refund_stop",
    "unpaid",
)
REVIEWED: Final = tuple(kind for kind in KINDS if kind != "unpaid")
"""Unpaid orders are no work of the review: they stand in the list of payment follow-ups."""
STATES: Final = ("open", "waiting_customer", "done")
DECISIONS: Final = ("fixed", "waived", "waiting_customer", "resume", "cancelled", "reopened")
GROUP_DECISIONS: Final = ("keep_all", "keep_one", "ship_together")
REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "waived": (
        "customer_confirmed",
        "verified",
        "both_wanted",
        "stock_coming",
        "known_buyer",
        "keep_all",
        "kept_one",
        "ship_together",
        "other",
    ),
    "cancelled": (
        "customer_cancelled",
        "duplicate_order",
        "no_stock",
        "undeliverable",
        "unreachable",
        "fraud",
        "other",
    ),
    "waiting_customer": ("asked_chat", "asked_phone", "asked_sms", "other"),
    "reopened": ("customer_changed", "mistake", "later_proof", "other"),
    "fixed": (),
    "resume": (),
}
HOLD_REASONS: Final = ("customer_asked", "address_changed", "no_stock", "fraud", "price", "other")
REVEAL_REASONS: Final = ("contact_customer", "address_check", "courier", "after_sales", "complaint", "audit")

Decision = Literal["fixed", "waived", "waiting_customer", "resume", "cancelled", "reopened"]
GroupDecision = Literal["keep_all", "keep_one", "ship_together"]


class Right(Row):
    """Whether I may take a decision: `key` is null, or the message key that says why not."""

    key: str | None = None
    params: dict[str, Any] | None = None


class OrderException(Row):
    """One exception of an order. `rights` (decision -> Right) is filled on the order's page alone.

    `holds_until`: when a waiver or a wait for the customer ends by itself; None = never.
    """

    id: int
    kind: str
    state: str
    version: int
    evidence: dict[str, Any] = Field(default_factory=dict)
    same_key: str = ""
    severity: str = "normal"
    is_blocking: bool = True
    group_key: str | None = None
    detected_at: datetime | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None
    decided_as: str | None = None
    reason: str | None = None
    note_cipher: str | None = None
    holds_until: datetime | None = None
    rights: dict[str, Right] | None = None


class LastDecision(Row):
    """My last decision while it can be undone: `action` is the decision, or keep_one of a group."""

    batch_id: int
    action: str
    count: int
    at: datetime


class QueueRow(Row):
    """A piece of review work. `owner_name` is set while somebody's claim is alive."""

    order_id: int
    shop_id: int
    shop_name: str
    platform: str
    order_no: str
    order_version: int
    status: str
    amount: Decimal | None = None
    placed_at: datetime | None = None
    paid_at: datetime | None = None
    promise_ship_at: datetime | None = None
    buyer_account: str | None = None
    receiver_masked: str | None = None
    phone_masked: str | None = None
    province: str | None = None
    city: str | None = None
    released_at: datetime | None = None
    held_at: datetime | None = None
    held_reason: str | None = None
    state: str
    kinds: tuple[str, ...] = ()
    group_key: str | None = None
    is_high: bool = False
    detected_at: datetime
    done_at: datetime | None = None
    is_on_time: bool | None = None
    due_at: datetime | None = None
    version: int
    owner_id: int | None = None
    owner_name: str | None = None
    claim_until: datetime | None = None
    exceptions: tuple[OrderException, ...] = ()


class QueuePage(Row):
    """A page of the queue. `count` stops at 1,001 ("1000+"); `next` and `prev` are what to ask for as
    `after` and `before`.
    """

    rows: tuple[QueueRow, ...]
    count: int
    next: Place | None = None
    prev: Place | None = None
    tabs: dict[str, int] = Field(default_factory=dict)


class SameGroup(Row):
    """Exceptions that one decision fits: same kind, same evidence."""

    kind: str
    same_key: str
    count: int
    evidence: dict[str, Any] = Field(default_factory=dict)


class Item(Row):
    """A line of an order; `is_known` false: not in the stock list."""

    sku: str | None = None
    name: str = ""
    spec: str = ""
    quantity: int
    unit_price: Decimal | None = None
    available: int | None = None
    is_known: bool = True


class OrderFacts(Row):
    """The masked facts of an order."""

    id: int
    shop_id: int
    shop_name: str
    platform: str
    timezone: str
    review_limit: Decimal
    order_no: str
    platform_status: str
    status: str
    refund: str
    placed_at: datetime | None = None
    paid_at: datetime | None = None
    shipped_at: datetime | None = None
    completed_at: datetime | None = None
    promise_ship_at: datetime | None = None
    amount: Decimal | None = None
    buyer_account: str | None = None
    contact_state: str
    receiver_masked: str | None = None
    phone_masked: str | None = None
    province: str | None = None
    city: str | None = None
    district: str | None = None
    ip_masked: str | None = None
    carrier: str | None = None
    tracking_no: str | None = None
    last_scan_at: datetime | None = None
    last_scan_text: str | None = None
    signed_at: datetime | None = None
    is_checked: bool
    released_at: datetime | None = None
    release_id: int | None = None
    held_at: datetime | None = None
    held_reason: str | None = None
    version: int
    import_file: str | None = None
    imported_at: datetime | None = None


class Release(Row):
    """A release list (放行单) or hold list (拦截单) of one shop."""

    id: int
    shop_id: int
    shop_name: str = ""
    kind: Literal["release", "hold"]
    order_count: int
    created_at: datetime
    member_id: int | None = None
    made_by: str | None = None
    downloaded_at: datetime | None = None
    downloaded_by: str | None = None
    undone_at: datetime | None = None


class OrderDetail(Row):
    """Everything the page of an order shows. `group`: all orders of its duplicate group, itself included."""

    order: OrderFacts
    items: tuple[Item, ...] = ()
    exceptions: tuple[OrderException, ...] = ()
    review: QueueRow | None = None
    group: tuple[QueueRow, ...] = ()
    releases: tuple[dict[str, Any], ...] = ()
    breach: dict[str, Any] | None = None
    timeline: tuple[Event, ...] = ()


class Answer(Row):
    """What became of one item: `key` and `params` say why it was refused."""

    id: int
    ok: bool = False
    order_id: int | None = None
    version: int | None = None
    state: str | None = None
    key: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)


class Decided(Row):
    """The outcome of a decision; `batch_id` undoes it for ten minutes (null: nothing to undo)."""

    done: int
    batch_id: int | None = None
    items: tuple[Answer, ...] = ()
    kept: int | None = None
    cancelled: int | None = None

    @property
    def refused(self) -> tuple[Answer, ...]:
        """The items that were not decided."""
        return tuple(item for item in self.items if not item.ok)


class Preview(Row):
    """What an action would do: `refused` counts reasons (decisions) or names orders (release)."""

    count: int
    ok: int
    orders: int | None = None
    amount: Decimal | None = None
    refused: tuple[dict[str, Any], ...] = ()


class Released(Row):
    """Outcome of a release or a hold: lists per shop {id, shop_id, count}, and refusals."""

    done: int
    releases: tuple[dict[str, int], ...] = ()
    refused: tuple[Answer, ...] = ()


class Claimed(Row):
    """Items that are mine now."""

    order_id: int
    state: str
    kinds: tuple[str, ...]
    group_key: str | None = None
    due_at: datetime | None = None
    claim_until: datetime
    version: int


@dataclass(frozen=True, slots=True)
class ItemRef:
    """An exception to decide, with the version that was on the screen and its order (for a note)."""

    id: int
    version: int
    order_id: int


@dataclass(frozen=True, slots=True)
class OrderRef:
    """An order to release or hold, with the version that was on the screen."""

    id: int
    version: int


@dataclass(frozen=True, slots=True)
class ClearContact:
    """An opened contact: personal data, for the screen of this person alone."""

    receiver: str
    phone: str
    address: str
    note: str


@dataclass(frozen=True, slots=True)
class QueueFilter(Filter):
    """The filters of the queue as they stand in the URL, and a page of it."""

    state: str = "open"
    kind: str | None = None
    platform: str | None = None
    shop_id: int | None = None
    amount_min: Decimal | None = None
    amount_max: Decimal | None = None
    owner: str | None = None
    due: str | None = None
    same_key: str | None = None
    limit: int = 50
    after: Place | None = None
    before: Place | None = None

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> QueueFilter:
        """From URL parameters; what is not a possible value is left out, never an error."""
        found = one_of(
            params, {"state": STATES, "kind": KINDS, "owner": ("me", "none"), "due": ("overdue", "soon")}
        )
        found |= {name: params[name] for name in ("platform", "same_key") if params.get(name)}
        found |= {name: value for name in ("amount_min", "amount_max") if (value := _money(params.get(name)))}
        return cls(**found, **numbers(params, "shop_id"))


def _money(text: str | None) -> Decimal | None:
    try:
        value = Decimal(text or "")
    except InvalidOperation:
        return None
    return value if value.is_finite() and 0 <= value < Decimal(10) ** 12 else None
