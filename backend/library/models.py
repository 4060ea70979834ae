"""What the pages of the library show, as values. Amounts are CNY, times are aware (UTC)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from pydantic import Field

from backend.history import Event
from backend.row import Row

AREAS: Final = ("presales", "aftersales", "both")
STAGES: Final = ("first_touch", "needs", "objection", "closing", "won")
CASE_TYPES: Final = (
    "return",
    "exchange",
    "reship",
    "repair",
    "refund_only",
    "price_protection",
    "logistics",
    "quality",
    "service",
    "invoice",
    "public_complaint",
)
SCRIPT_TABS: Final = ("usable", "pending", "draft", "stopped", "over", "retired")
SOLUTION_TABS: Final = ("published", "draft", "expired", "retired")
OFFER_TABS: Final = ("holds", "pending", "ahead", "over", "refused", "retired")
GIFT_TABS: Final = ("missing", "released", "waiting", "later")
PURPOSES: Final = ("waive", "close", "lost", "remark")
OCCASIONS: Final = ("any", "repurchase")
REUSE_TARGET: Final = 0.8
"""Share of solved tickets with a solution of the knowledge base (T11 of the floor's requirements)."""

ScriptStep = Literal["submit", "approve", "return", "discard", "retire", "restore"]
SolutionState = Literal["draft", "published", "retired"]
OfferStep = Literal["approve", "refuse", "retire"]
OfferKind = Literal["gift", "price"]


def stages(area: str) -> tuple[str, ...]:
    """The stages that a script of an area can be for: before the sale, kinds of ticket after it, or both."""
    return (() if area == "aftersales" else STAGES) + (() if area == "presales" else CASE_TYPES)


class Right(Row):
    """Whether I may take a step: `key` is null, or the message key that says why not."""

    key: str | None = None
    params: dict[str, Any] = Field(default_factory=dict)


class Script(Row):
    """A script with one of its texts. `offered_in`: in how many of my shops this text may be used now."""

    id: int
    revision_id: int
    revision: int
    title: str
    body: str
    area: str
    stage: str | None = None
    root_cause_id: int | None = None
    root_cause: str | None = None
    objection: str = ""
    sku: str = ""
    category: str = "general"
    campaign_from: datetime | None = None
    campaign_until: datetime | None = None
    expires_at: datetime | None = None
    scope: str
    shop_id: int | None = None
    shop_name: str | None = None
    state: str
    is_live: bool
    has_live: bool
    is_over: bool
    is_ahead: bool
    offered_in: int
    verdict: str
    reason: str | None = None
    owner_id: int | None = None
    author_id: int | None = None
    author: str | None = None
    approved_by: str | None = None
    approved_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    version: int
    uses: int = 0
    score: int = 0


class ScriptPage(Row):
    """A page of scripts; `next` is what to pass as `after`."""

    rows: tuple[Script, ...]
    next: int | None = None
    tabs: dict[str, int] = Field(default_factory=dict)


class PlaceHit(Row):
    """Something the word check found in a script; places count code points of the text with its braces."""

    start: int
    end: int
    term: str
    category: str
    severity: str
    is_exempt: bool = False


class Place(Row):
    """What the word check says about a text in a shop; `is_current`: under the dictionary that holds."""

    shop_id: int
    shop_name: str
    platform: str
    revision_id: int
    verdict: str
    is_current: bool
    notices: tuple[str, ...] | None = None
    hits: tuple[PlaceHit, ...] = ()


class Outcome(Row):
    """Use and outcome of a script: cases count once, and only what was won or solved after the use."""

    uses: int = 0
    members: int = 0
    leads: int = 0
    won: int = 0
    tickets: int = 0
    solved: int = 0


class ScriptFigure(Outcome):
    """A line of the statistics."""

    id: int
    title: str
    scope: str
    state: str
    area: str


class ScriptRevision(Row):
    """A text as somebody wrote it."""

    id: int
    number: int
    title: str
    body: str
    author: str | None = None
    created_at: datetime
    approved_at: datetime | None = None


class ScriptDetail(Row):
    """Everything about one script: `live` is what is in use while an edit waits."""

    script: Script
    live: Script | None = None
    places: tuple[Place, ...] = ()
    may_edit: bool = False
    rights: dict[str, Right] = Field(default_factory=dict)
    revisions: tuple[ScriptRevision, ...] = ()
    outcome: Outcome | None = None
    timeline: tuple[Event, ...] = ()


class RootCause(Row):
    """A cause in the tree; `path` is its name with those above it."""

    id: int
    parent_id: int | None = None
    code: str
    name: str
    path: str
    is_active: bool = True
    position: int = 0
    version: int
    solutions: int = 0


class Reason(Row):
    """A reason to tick."""

    id: int
    purpose: str
    text: str
    is_active: bool = True
    position: int = 0
    version: int


class Solution(Row):
    """Steps that solved a kind of case."""

    id: int
    title: str
    steps: str
    root_cause_id: int | None = None
    root_cause: str | None = None
    case_types: tuple[str, ...] = ()
    sku: str = ""
    state: str
    expires_at: datetime | None = None
    is_expired: bool = False
    author_id: int | None = None
    author: str | None = None
    published_at: datetime | None = None
    updated_at: datetime
    version: int
    uses: int = 0
    helpful: int = 0
    unhelpful: int = 0
    score: int = 0


class SolutionPage(Row):
    """A page of solutions; `next` is what to pass as `after`."""

    rows: tuple[Solution, ...]
    next: int | None = None
    tabs: dict[str, int] = Field(default_factory=dict)


class SolutionDetail(Row):
    """Everything about one solution; `revisions` newest first, each with the facts of then."""

    solution: Solution
    may_edit: bool = False
    may_publish: bool = False
    revisions: tuple[dict[str, Any], ...] = ()
    timeline: tuple[Event, ...] = ()


class Used(Row):
    """How often a solution was used."""

    id: int
    title: str
    uses: int
    helpful: int
    unhelpful: int


class KnowledgeFigures(Row):
    """知识库复用率 of a period: `rate` null without solved tickets; `without`: causes that have no
    solution."""

    solved: int
    reused: int
    rate: float | None = None
    target: float = REUSE_TARGET
    top: tuple[Used, ...] = ()
    without: int = 0


class Offer(Row):
    """A gift rule or a line of the price table."""

    id: int
    kind: OfferKind
    shop_id: int | None = None
    shop_name: str | None = None
    name: str
    sku: str = ""
    product: str | None = None
    min_amount: Decimal | None = None
    gift_sku: str = ""
    gift_name: str = ""
    quantity: int = 1
    cost: Decimal | None = None
    after_order_price: Decimal | None = None
    list_price: Decimal | None = None
    agent_price: Decimal | None = None
    manager_price: Decimal | None = None
    occasion: str = "any"
    promised_by: str = "agent"
    note: str = ""
    valid_from: datetime
    valid_until: datetime | None = None
    state: str
    replaces_id: int | None = None
    author_id: int | None = None
    author: str | None = None
    decided_by_name: str | None = None
    decided_at: datetime | None = None
    decision_note: str | None = None
    version: int
    rights: dict[str, Right] = Field(default_factory=dict)
    timeline: tuple[Event, ...] = ()
    may_promise: bool = True
    missing: Decimal | None = None
    my_price: Decimal | None = None


class OfferPage(Row):
    """A page of rules; `next` is what to pass as `after`."""

    rows: tuple[Offer, ...]
    next: int | None = None
    tabs: dict[str, int] = Field(default_factory=dict)


class Offers(Row):
    """What may be promised while talking."""

    gifts: tuple[Offer, ...] = ()
    prices: tuple[Offer, ...] = ()


class Gift(Row):
    """A gift promised on an order. `goes_with` later: it needs a parcel of its own."""

    id: int
    order_id: int
    sku: str = ""
    name: str
    quantity: int
    cost: Decimal
    rule_id: int | None = None
    goes_with: str
    source: str
    source_id: int | None = None
    promised_by_id: int | None = None
    promised_by: str | None = None
    promised_at: datetime
    packed_by: str | None = None
    packed_at: datetime | None = None
    cancelled_at: datetime | None = None
    cancel_reason: str | None = None
    version: int
    order_no: str = ""
    status: str = ""
    shop_name: str = ""
    shipped_at: datetime | None = None
    released_at: datetime | None = None
    tracking_no: str | None = None


class OrderGifts(Row):
    """Gifts of an order, and the rules that would give it more while it has not shipped."""

    gifts: tuple[Gift, ...] = ()
    offers: tuple[Offer, ...] = ()


class GiftPage(Row):
    """Gifts that nobody ticked; `next` is what to pass as `after`."""

    rows: tuple[Gift, ...]
    next: int | None = None
    tabs: dict[str, int] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ScriptDraft:
    """A script as somebody writes it; `shop_id` None: every shop."""

    title: str
    body: str
    area: str
    stage: str | None = None
    shop_id: int | None = None
    scope: str = "team"
    root_cause_id: int | None = None
    objection: str = ""
    sku: str = ""
    category: str = "general"
    campaign_from: datetime | None = None
    campaign_until: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SolutionDraft:
    """A solution as somebody writes it."""

    title: str
    steps: str
    root_cause_id: int | None = None
    case_types: tuple[str, ...] = ()
    sku: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OfferDraft:
    """A gift rule (gift_name, cost, …) or a line of the price table (sku, list_price, …)."""

    kind: OfferKind
    name: str
    shop_id: int | None = None
    sku: str = ""
    min_amount: Decimal | None = None
    gift_sku: str = ""
    gift_name: str = ""
    quantity: int = 1
    cost: Decimal | None = None
    after_order_price: Decimal | None = None
    list_price: Decimal | None = None
    agent_price: Decimal | None = None
    manager_price: Decimal | None = None
    occasion: str = "any"
    promised_by: str = "agent"
    note: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None


def as_json(draft: ScriptDraft | SolutionDraft | OfferDraft) -> dict[str, Any]:
    """A draft as the database takes it."""
    return {name: _plain(value) for name, value in asdict(draft).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
