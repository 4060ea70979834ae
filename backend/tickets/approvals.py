"""待审批: amounts that wait for somebody else, one of them in full, and the decision. Amounts are CNY.

Whoever may not decide is refused as :class:`backend.errors.AppError`; the database keeps the attempt.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import Field
from supabase import Client

from backend import db, pii
from backend.row import Row
from backend.tickets.models import Money
from backend.tickets.money import Approver, unrefused

TABS: Final = ("open", "mine", "done")
Tab = Literal["open", "mine", "done"]
REASONS: Final = ("too_much", "no_proof", "not_ours", "other_way", "twice")
"""Quick reasons of a rejection; each has a sentence approvals.reason.<code>."""


class Refusal(Row):
    """Why I may not decide: a message key and its parameters."""

    key: str
    params: dict[str, Any] = Field(default_factory=dict)


class Person(Row):
    """Somebody who was asked or passed over when the approval was opened. `why`: a code."""

    name: str | None = None
    why: str
    limit: Decimal | None = None


class Approval(Row):
    """One question about one frozen amount. `covers`: what the limit of who decides must reach."""

    id: int
    version: int
    state: str
    kind: str
    amount: Decimal
    covers: Decimal
    why: tuple[str, ...]
    ticket_id: int
    money_id: int
    shop_id: int
    requested_by: str | None = None
    requested_at: datetime
    due_at: datetime | None = None
    clock_state: str | None = None
    decided_by: str | None = None
    decided_as: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None
    can_decide: bool = False


class ApprovalRow(Approval):
    """A line of the list."""

    shop_name: str
    order_no: str | None = None
    money_reason: str = ""


class ApprovalPage(Row):
    """A page of the list. `open` stops at 1,001; `next` is None on the last page."""

    rows: tuple[ApprovalRow, ...]
    next: int | None = None
    open: int = 0


class Evidence(Row):
    """A photo or file that the request names."""

    id: int
    name: str
    media_type: str

    @property
    def is_picture(self) -> bool:
        """Whether it can be shown as a picture."""
        return self.media_type.startswith("image/")


class Line(Row):
    """A line of the order."""

    sku: str | None = None
    name: str = ""
    spec: str = ""
    quantity: int
    unit_price: Decimal | None = None


class Order(Row):
    """The order that the money belongs to."""

    id: int
    order_no: str
    amount: Decimal | None = None
    signed_at: datetime | None = None
    items: tuple[Line, ...] = ()


class Ticket(Row):
    """The case behind the request, masked."""

    id: int
    type: str
    state: str
    summary: str = ""
    is_complaint: bool = False
    buyer_account: str | None = None
    receiver_masked: str | None = None
    claimed_amount: Decimal | None = None


class Used(Row):
    """How the amount stood to the authority table when it was asked; `limit` None: no limit of its own."""

    limit: Decimal | None = None
    used_order: Decimal = Decimal(0)
    used_customer: Decimal = Decimal(0)
    customer_days: int | None = None
    order_value: Decimal | None = None
    after: Decimal = Decimal(0)


class ApprovalScreen(Approval):
    """Everything the page of one approval shows. `latest_id` differs when it was asked anew."""

    judged: Used
    refusal: Refusal | None = None
    money: Money
    nearby: tuple[Money, ...] = ()
    approvers: tuple[Approver, ...] = ()
    asked: tuple[Person, ...] = ()
    passed: tuple[Person, ...] = ()
    latest_id: int
    attachments: tuple[Evidence, ...] = ()
    shop: dict[str, str]
    ticket: Ticket
    order: Order | None = None


class Decided(Row):
    """The outcome of a decision."""

    state: str
    ticket_id: int
    ticket_state: str


def listed(
    client: Client, tab: Tab = "open", *, shop_id: int | None = None, after: int | None = None
) -> ApprovalPage:
    """A page of approvals of my shops. Raises `filter.bad`."""
    facts = {"tab": tab, "shop_id": shop_id, "after": after}
    wanted = {name: value for name, value in facts.items() if value is not None}
    return ApprovalPage.model_validate(db.rpc(client, "approval_list", p=wanted))


def screen(client: Client, approval_id: int) -> ApprovalScreen:
    """One approval. Raises `approval.none`."""
    return ApprovalScreen.model_validate(db.rpc(client, "approval_screen", p_id=approval_id))


def decide(client: Client, found: Approval, approve: bool, reason: str = "", *, request_id: UUID) -> Decided:
    """同意 or, with a reason, 驳回. Raises `approval.self`, `approval.own_amount`, `approval.limit`,
    `approval.not_lead`, `approval.not_missing` (the attempt is kept), `approval.decided`, `approval.stale`,
    `approval.reason`.
    """
    answer = db.command(
        client,
        "decide_approval",
        p_id=found.id,
        p_version=found.version,
        p_approve=approve,
        p_reason=pii.mask_free_text(reason) or None,
        request_id=request_id,
    )
    unrefused(answer)
    return Decided.model_validate(answer)
