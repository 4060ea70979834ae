"""What the board, the list and the page of a lead show, as values. Amounts are CNY, times are aware (UTC)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import Field

from backend.filters import Place
from backend.row import Row


class LeadRow(Row):
    """A card of the board or a line of the list; masked. `free_at`: nobody may claim it before."""

    id: int
    version: int
    shop_id: int
    shop_name: str = ""
    platform: str = ""
    timezone: str = "Asia/Shanghai"
    state: str
    stage: str
    source: str
    needs: tuple[str, ...] = ()
    intent: str = "unknown"
    budget: str = "unknown"
    membership: str | None = None
    grade: str
    grade_by: str = "rule"
    name_masked: str | None = None
    phone_masked: str | None = None
    wechat_masked: str | None = None
    email_masked: str | None = None
    buyer_masked: str | None = None
    owner_id: int | None = None
    owner_name: str | None = None
    free_at: datetime | None = None
    recycled: int = 0
    is_raised: bool = False
    is_at_risk: bool = False
    has_twin: bool = False
    follow_up_count: int = 0
    last_follow_up_at: datetime | None = None
    next_step: str | None = None
    next_at: datetime | None = None
    due_at: datetime | None = None
    order_id: int | None = None
    converted_by: str | None = None
    lost_reason: str | None = None
    closed_at: datetime | None = None
    captured_at: datetime
    asked_at: datetime


class Column(Row):
    """A page of a column. `count` stops at 1,001 ("1000+"); `next` and `prev` are what to ask for as
    `after` and `before`.
    """

    rows: tuple[LeadRow, ...] = ()
    count: int = 0
    next: Place | None = None
    prev: Place | None = None


class Board(Row):
    """The board as this person may see it. `tabs` counts mine, overdue, today, pool; `twins` proposals."""

    scope: str
    columns: dict[str, Column]
    tabs: dict[str, int] = Field(default_factory=dict)
    twins: int = 0


class Decider(Row):
    """Somebody who may agree to a pending promise now."""

    id: int
    name: str


class PromiseRow(Row):
    """A promise; `label` and `path` are those of its lead or ticket. Broken: open and past its time."""

    id: int
    shop_id: int
    entity: str
    entity_id: int
    kind: str
    amount: Decimal | None = None
    what: str
    due_at: datetime
    state: str
    made_by: int
    made_at: datetime | None = None
    ended_at: datetime | None = None
    shop_name: str = ""
    made_by_name: str = ""
    decided_by_name: str | None = None
    owner_id: int | None = None
    owner_name: str | None = None
    label: str | None = None
    path: str | None = None
    is_broken: bool = False
    is_on_time: bool | None = None
    deciders: tuple[Decider, ...] = ()
    version: int


class PromisePage(Row):
    """Promises of a page; `next`: what to ask for as `after`; `tabs` counts open, today, broken, pending."""

    rows: tuple[PromiseRow, ...] = ()
    next: Place | None = None
    tabs: dict[str, int] = Field(default_factory=dict)


class OpenPromise(Row):
    """What a colleague may know of a promise made to the customer."""

    id: int
    kind: str
    what: str
    amount: Decimal | None = None
    due_at: datetime
    state: str


class LeadCase(Row):
    """How a lead stands, for every colleague of the shop: nothing of the contact."""

    id: int
    shop_id: int
    state: str
    stage: str
    grade: str
    version: int
    owner_id: int | None = None
    owner_name: str | None = None
    due_at: datetime | None = None
    is_at_risk: bool = False
    last_follow_up_at: datetime | None = None
    closed_at: datetime | None = None
    promises: tuple[OpenPromise, ...] = ()
    name_masked: str | None = None
    needs: tuple[str, ...] = ()


class AskedOrder(Row):
    """An order whose customer may become a lead; masked but for the buyer account."""

    id: int
    shop_id: int
    order_no: str
    status: str
    amount: Decimal | None = None
    buyer_account: str | None = None
    receiver_masked: str | None = None
    phone_masked: str | None = None


class FollowUp(Row):
    """One contact with the customer and what came next."""

    id: int
    lead_id: int
    at: datetime
    who: str
    channel: str
    step: str
    outcome: str
    next_step: str
    next_at: datetime
    note: str | None = None
    is_on_time: bool | None = None


class Owner(Row):
    """Who had the lead from when until when; `decision_id` leads to why he got it."""

    who: str
    how: str
    since: datetime
    until: datetime | None = None
    ended_as: str | None = None
    decision_id: int | None = None


class Merge(Row):
    """A proposal or a merge that was made, with how the other lead stands."""

    id: int
    lead_id: int
    into_id: int
    matched: tuple[str, ...]
    state: str
    other: LeadCase


class Bought(Row):
    """An order of the same buyer."""

    id: int
    order_no: str
    status: str
    amount: Decimal | None = None
    placed_at: datetime | None = None


class Event(Row):
    """A line of a lead's history; `detail` holds no personal data."""

    at: datetime
    action: str
    who: str | None = None
    actor: str | None = None
    number: str = ""
    detail: dict[str, Any] = Field(default_factory=dict)


class LeadScreen(Row):
    """One lead. Of a colleague's there is only `case` (is_whole false); `can` names the allowed steps."""

    is_whole: bool
    can: tuple[str, ...] = ()
    case: LeadCase | None = None
    lead: LeadRow | None = None
    is_mine: bool = False
    next_until: datetime | None = None
    grade_reasons: dict[str, Any] = Field(default_factory=dict)
    graded_at: datetime | None = None
    contact_kinds: tuple[str, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    promises: tuple[PromiseRow, ...] = ()
    owners: tuple[Owner, ...] = ()
    merges: tuple[Merge, ...] = ()
    bought_as: LeadCase | None = None
    orders: tuple[Bought, ...] = ()
    timeline: tuple[Event, ...] = ()
    clock_id: int | None = None


class Twin(Row):
    """A merge proposal: the newer lead, and the older one it would end in (a colleague's: how it stands)."""

    id: int
    matched: tuple[str, ...]
    created_at: datetime
    lead: dict[str, Any]
    into: dict[str, Any]


class LeadForm(Row):
    """A landing page that may send leads; its token is shown once, when it is made."""

    id: int
    version: int
    shop_id: int
    name: str
    needs: tuple[str, ...] = ()
    per_minute: int
    per_source_hour: int
    is_active: bool
    accepted: int = 0
    trapped: int = 0
    limited: int = 0
    last_at: datetime | None = None


class Captured(Row):
    """A lead as it was captured: `same_as` are numbers of leads that may be the same customer."""

    id: int
    number: str
    grade: str
    version: int
    grade_reasons: dict[str, Any] = Field(default_factory=dict)
    due_at: datetime | None = None
    owner_id: int | None = None
    owner_name: str | None = None
    same_as: tuple[str, ...] = ()


class Refused(Row):
    """A captured row that is no lead: its place (from 1) and the key of the reason."""

    row: int
    refusal: str


class CaptureResult(Row):
    """What a capture made, and what it refused."""

    leads: tuple[Captured, ...] = ()
    refused: tuple[Refused, ...] = ()


class Moved(Row):
    """A lead after a step."""

    id: int
    number: str
    state: str
    stage: str
    grade: str
    version: int
    owner_id: int | None = None
    due_at: datetime | None = None
    next_step: str | None = None
    next_at: datetime | None = None
    ticket_id: int | None = None
    order_id: int | None = None


class ItemResult(Row):
    """A lead of a bulk action: why it stayed as it was, or None."""

    id: int
    refusal: str | None = None


class Done(Row):
    """A bulk action: how many were changed, the reason of each that was not; `batch_id` takes it back."""

    items: tuple[ItemResult, ...] = ()
    done: int = 0
    batch_id: int | None = None


class Preview(Row):
    """What a bulk action would do: `ok` of `count`, and the reason of each that would stay."""

    count: int
    ok: int
    items: tuple[ItemResult, ...] = ()


class Target(Row):
    """How long the first follow-up of a grade may take: minutes, whole working days under `workdays`."""

    measure: str
    allowance: float
    calendar: str | None = None


class FirstContact(Row):
    """First follow-ups of a grade against its targets (several where shops differ); hours since capture."""

    grade: str
    targets: tuple[Target, ...] = ()
    sample: int
    median_hours: float | None = None
    slow_hours: float | None = None
    on_time: int
    late: int
    waiting_late: int

    @property
    def due(self) -> int:
        """How many were followed up, or should have been by now."""
        return self.on_time + self.late + self.waiting_late


class Insight(Row):
    """The funnel of a period (first and last day) by all, source, shop, owner, grade, week; its leaks."""

    since: date = Field(alias="from")
    until: date = Field(alias="to")
    funnel: tuple[dict[str, Any], ...] = ()
    first_contact: tuple[FirstContact, ...] = ()
    leaks: dict[str, tuple[dict[str, Any], ...]] = Field(default_factory=dict)
    scripts: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class LeadRef:
    """A lead as it was seen."""

    id: int
    version: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A lead as somebody typed or pasted it: clear text, which leaves this process encrypted and masked."""

    name: str = ""
    phone: str = ""
    wechat: str = ""
    email: str = ""
    buyer_account: str = ""
    note: str = ""
    needs: tuple[str, ...] = ()
    source: str = "other"
    intent: str = "unknown"
    budget: str = "unknown"
    membership: str | None = None
    asked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClearLead:
    """An opened contact: personal data, for the screen of this person alone."""

    name: str
    phone: str
    wechat: str
    email: str
    buyer_account: str
    note: str
