"""What people choose from in tickets: the codes, and the filter of the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal

from backend.filters import Filter, Place, number, numbers, one_of

TYPES: Final = (
    "reship",
    "return",
    "refund_only",
    "exchange",
    "price_protection",
    "logistics",
    "quality",
    "repair",
    "service",
    "invoice",
    "public_complaint",
)
"""The commonest first: the order in which the chips of the form stand."""
STATES: Final = (
    "registered",
    "classified",
    "dispatched",
    "in_progress",
    "waiting_customer",
    "waiting_return",
    "pending_approval",
    "approved",
    "resolved",
    "revisit",
    "review",
    "closed",
    "merged",
    "cancelled",
)
BulkAction = Literal["reassign", "give_back", "classify"]
"""What can be done with many tickets at once."""
OVER: Final = ("closed", "merged", "cancelled")
SEVERITIES: Final = ("low", "normal", "high", "urgent")
INSURANCES: Final = ("buyer", "shop")
"""Who paid for the freight insurance (运费险)."""
DEPARTMENTS: Final = ("customer_service", "warehouse", "operations", "supplier", "carrier")
CHANNELS: Final = (
    "wangwang",
    "dongdong",
    "feige",
    "phone",
    "wecom",
    "platform",
    "review",
    "social",
    "other",
)
CHANNEL_OF: Final[Mapping[str, str]] = {"taobao": "wangwang", "jd": "dongdong", "douyin": "feige"}
"""The chat tool of a platform: 旺旺, 咚咚, 飞鸽."""
TABS: Final = ("mine", "pool", "waiting", "revisit", "review", "all", "done")
OUTCOMES: Final[Mapping[str, tuple[str, ...]]] = {
    "reship": ("reshipped", "refunded", "compensated", "explained", "refused", "withdrawn", "other"),
    "return": ("return_refunded", "refunded", "compensated", "refused", "withdrawn", "other"),
    "refund_only": ("refunded", "compensated", "explained", "refused", "withdrawn", "other"),
    "exchange": ("exchanged", "return_refunded", "refunded", "refused", "withdrawn", "other"),
    "price_protection": ("price_protected", "compensated", "explained", "refused", "withdrawn", "other"),
    "logistics": ("explained", "reshipped", "refunded", "compensated", "withdrawn", "other"),
    "quality": ("reshipped", "exchanged", "refunded", "compensated", "explained", "refused", "other"),
    "repair": ("repaired", "exchanged", "refunded", "compensated", "refused", "withdrawn", "other"),
    "service": ("explained", "compensated", "refunded", "withdrawn", "other"),
    "invoice": ("invoiced", "explained", "refused", "withdrawn", "other"),
    "public_complaint": ("explained", "compensated", "refunded", "reshipped", "withdrawn", "other"),
}
"""How a case of a type usually ends, the commonest first (product decision)."""
WAITS: Final[Mapping[str, tuple[str, ...]]] = {
    "waiting_customer": ("asked_details", "asked_photos", "asked_choice", "asked_address", "no_answer"),
    "waiting_return": ("goods_on_way", "pickup_booked"),
}
"""Why a ticket may wait: other reasons stop no deadline."""
REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "give_back": ("off_shift", "wrong_skill", "overload", "other"),
    "reopen": ("unsatisfied", "not_received", "same_problem", "mistake", "other"),
    "cancel": ("customer_withdrew", "duplicate", "mistake", "platform_closed", "other"),
}
MONEY_KINDS: Final = (
    "compensation",
    "gift",
    "refund_only",
    "return_refund",
    "reship",
    "price_protection",
)
Tab = Literal["mine", "pool", "waiting", "revisit", "review", "all", "done"]


@dataclass(frozen=True, slots=True)
class TicketFilter(Filter):
    """The filters of the list as they stand in the URL, and a page of it.

    `since` and `until` are days of registration (both included, as the address writes them): the list is what
    the figures of after-sales insight counted. Only with them: `handler` (0: nobody), `solved` "no".
    """

    tab: str = "mine"
    type: str | None = None
    state: str | None = None
    shop_id: int | None = None
    owner: str | None = None
    severity: str | None = None
    root_cause: int | None = None
    due: str | None = None
    since: str | None = None
    until: str | None = None
    handler: int | None = None
    solved: str | None = None
    q: str | None = None
    limit: int = 25
    after: Place | None = None

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> TicketFilter:
        """From URL parameters; what is not a possible value is left out, never an error."""
        found = one_of(
            params,
            {
                "tab": TABS,
                "type": TYPES,
                "state": STATES,
                "severity": SEVERITIES,
                "due": ("overdue", "soon"),
            },
        )
        owner = params.get("owner")
        if owner in ("me", "none") or number(owner) is not None:
            found["owner"] = owner
        if text := params.get("q", "").strip():
            found["q"] = text[:200]
        return cls(**found, **numbers(params, "shop_id", "root_cause"), **_period(params))


def _period(params: Mapping[str, str]) -> dict[str, Any]:
    """The days of registration, if both are some, and what only a period has."""
    try:
        since, until = (date.fromisoformat(params.get(name, "")) for name in ("since", "until"))
    except ValueError:
        return {}
    days = {"since": since.isoformat(), "until": until.isoformat()}
    return days | one_of(params, {"solved": ("no",)}) | numbers(params, "handler")
