"""What the list and the page of a ticket show, as values. Amounts are CNY, times are aware (UTC)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import Field

from backend.filters import Place
from backend.history import Event
from backend.row import Row


class TicketRow(Row):
    """A line of the list. `due_at`: the nearest open deadline; `due_state` is that clock's."""

    id: int
    shop_id: int
    shop_name: str = ""
    type: str
    state: str
    severity: str = "normal"
    is_complaint: bool = False
    order_id: int | None = None
    order_no: str | None = None
    buyer_account: str | None = None
    receiver_masked: str | None = None
    summary: str = ""
    root_cause: str | None = None
    channel: str = "other"
    source: str = "agent"
    owner_id: int | None = None
    owner_name: str | None = None
    claimed_amount: Decimal | None = None
    waiting_reason: str | None = None
    waiting_until: datetime | None = None
    platform_ref: str | None = None
    score: int | None = None
    instance: int = 1
    registered_at: datetime
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    due_at: datetime | None = None
    due_target: str | None = None
    version: int


class TicketPage(Row):
    """A page of the list. `count` stops at 1,001 ("1000+"); `next` is what to ask for as `after`."""

    rows: tuple[TicketRow, ...]
    count: int = 0
    next: Place | None = None
    previous: Place | None = None
    counts: dict[str, int] = Field(default_factory=dict)


class Ticket(TicketRow):
    """All facts of a ticket."""

    phone_masked: str | None = None
    product_id: int | None = None
    sku: str | None = None
    product_name: str | None = None
    quantity: int | None = None
    tracking_no: str | None = None
    department: str | None = None
    root_cause_id: int | None = None
    freight_insurance: str | None = None
    platform: str | None = None
    platform_status: str | None = None
    platform_due_at: datetime | None = None
    lead_id: int | None = None
    solution: str | None = None
    outcome: str | None = None
    reship_tracking_no: str | None = None
    return_state: str | None = None
    follows_id: int | None = None
    first_resolved_at: datetime | None = None
    merged_into_id: int | None = None
    registered_by: str | None = None
    updated_at: datetime | None = None


class Message(Row):
    """What was said to the customer (`out`), by the customer (`in`) or among colleagues (`note`)."""

    id: int
    direction: str
    channel: str = "other"
    body: str
    who: str | None = None
    at: datetime


class Money(Row):
    """An amount asked for or given; gifts count at cost. `approval` is the latest question about it."""

    id: int
    kind: str
    amount: Decimal
    state: str
    reason: str | None = None
    gift_sku: str | None = None
    gift_quantity: int | None = None
    facts: dict[str, Any] = Field(default_factory=dict)
    requested_by: str | None = None
    requested_at: datetime | None = None
    paid_at: datetime | None = None
    approval: dict[str, Any] | None = None
    version: int = 1


class Return(Row):
    """The return of a ticket; `state` is one of the words of wording "returns"."""

    state: str
    applied_at: datetime | None = None
    decided_at: datetime | None = None
    refuse_reason: str | None = None
    carrier: str | None = None
    tracking_no: str | None = None
    received_at: datetime | None = None
    quality: str | None = None
    refund_amount: Decimal | None = None
    refunded_at: datetime | None = None
    version: int = 1


class Parcel(Row):
    """A return that the warehouse waits for, with the ticket it belongs to."""

    ticket_id: int
    version: int
    shop_id: int
    state: str
    type: str = "return"
    carrier: str | None = None
    tracking_no: str | None = None
    summary: str = ""
    sku: str | None = None
    quantity: int | None = None
    buyer_account: str | None = None
    receiver_masked: str | None = None
    order_id: int | None = None
    sent_at: datetime | None = None
    applied_at: datetime | None = None


class Attachment(Row):
    """A photo or file of a ticket; its content is read apart."""

    id: int
    name: str
    media_type: str
    size: int = 0
    who: str | None = None
    at: datetime | None = None


class Clock(Row):
    """A deadline of the ticket: `entity` and `target` are what has to happen, `state` the clock's."""

    id: int
    entity: str = "ticket"
    target: str
    state: str
    due_at: datetime | None = None
    instance: int = 1


class Case(Row):
    """Another ticket of the buyer, masked."""

    id: int
    type: str
    state: str
    owner_name: str | None = None
    summary: str = ""
    registered_at: datetime | None = None
    shop_id: int | None = None
    version: int = 1


class Buyer(Row):
    """The buyer's other cases and orders, masked, over all colleagues."""

    tickets: tuple[Case, ...] = ()
    orders: tuple[dict[str, Any], ...] = ()
    leads: tuple[dict[str, Any], ...] = ()


class OrderOfTicket(Row):
    """The order behind a ticket, masked."""

    id: int
    order_no: str
    shop_id: int
    shop_name: str = ""
    platform: str = ""
    status: str = ""
    platform_status: str = ""
    amount: Decimal | None = None
    placed_at: datetime | None = None
    shipped_at: datetime | None = None
    signed_at: datetime | None = None
    carrier: str | None = None
    tracking_no: str | None = None
    last_scan_text: str | None = None
    last_scan_at: datetime | None = None
    buyer_account: str | None = None
    receiver_masked: str | None = None
    phone_masked: str | None = None
    province: str | None = None
    city: str | None = None
    items: tuple[dict[str, Any], ...] = ()


class Finding(Row):
    """A low-score review: what the customer said and, once it is done, what was found."""

    id: int
    score: int
    state: str
    comment: str | None = None
    owner: str | None = None
    opened_at: datetime
    due_at: datetime | None = None
    finding: str | None = None
    root_cause: str | None = None
    done_by: str | None = None
    done_at: datetime | None = None


class Resolving(Row):
    """What stands between a case and its end: outcomes whose money was not granted or approved, and who
    has to approve how a complaint ends before it does (null: nobody).
    """

    uncovered: tuple[str, ...] = ()
    waits_for: str | None = None


class TicketScreen(Row):
    """Everything the page of a ticket shows. `can`: the RPCs that this person may call now; `why`: the key of
    the refusal of those he may not, as far as the state allows them. `is_claimed`: it is his work, which
    opens its contact without a reason.
    """

    ticket: Ticket
    order: OrderOfTicket | None = None
    timeline: tuple[Event, ...] = ()
    messages: tuple[Message, ...] = ()
    money: tuple[Money, ...] = ()
    returned: Return | None = Field(None, alias="return")
    attachments: tuple[Attachment, ...] = ()
    clocks: tuple[Clock, ...] = ()
    buyer: Buyer = Buyer()
    draft: str = ""
    can: tuple[str, ...] = ()
    why: dict[str, str] = Field(default_factory=dict)
    merged: tuple[int, ...] = ()
    followed_by: tuple[int, ...] = ()
    is_mine: bool = False
    is_claimed: bool = False
    reviews: tuple[Finding, ...] = ()
    resolving: Resolving = Resolving()


class Registered(Row):
    """The new ticket, or the open cases it looks like (then nothing was registered: `id` is null)."""

    id: int | None = None
    version: int | None = None
    state: str | None = None
    duplicates: tuple[Case, ...] = ()


class Moved(Row):
    """A ticket after a step."""

    id: int
    version: int
    state: str


class Answer(Row):
    """What became of one ticket of a bulk action: `key` and `params` say why it was refused."""

    id: int
    ok: bool = False
    key: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)


class Refusals(Row):
    """How many tickets a reason refuses; `params` are those of one of them."""

    key: str
    count: int
    params: dict[str, Any] = Field(default_factory=dict)


class Preview(Row):
    """What a bulk action would do; `ids`: the tickets with which it can be done."""

    count: int
    ok: int
    ids: frozenset[int] = frozenset()
    refused: tuple[Refusals, ...] = ()


class Done(Row):
    """The outcome of a bulk action; `batch_id` undoes it for ten minutes (null: nothing to undo)."""

    done: int
    batch_id: int | None = None
    items: tuple[Answer, ...] = ()

    @property
    def refused(self) -> tuple[Answer, ...]:
        """The tickets that were not moved."""
        return tuple(item for item in self.items if not item.ok)


@dataclass(frozen=True, slots=True)
class TicketRef:
    """A ticket to change, with the version that was on the screen."""

    id: int
    version: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A case that is being registered. Without an order the shop must be named; with severity or root cause
    it is classified at once, with `take` it is mine.
    """

    type: str
    summary: str
    shop_id: int | None = None
    order_id: int | None = None
    channel: str = "other"
    sku: str | None = None
    quantity: int | None = None
    tracking_no: str | None = None
    buyer_account: str | None = None
    claimed_amount: Decimal | None = None
    platform_ref: str | None = None
    freight_insurance: str | None = None
    severity: str | None = None
    root_cause_id: int | None = None
    take: bool = False
