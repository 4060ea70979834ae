"""What people choose from in leads: the codes, and the filter of the board."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from backend.filters import Filter, Place, numbers, one_of

STAGES: Final = ("first_touch", "discovery", "objection", "closing")
"""首次触达 → 需求挖掘 → 异议处理 → 促成: the four steps of the follow-up procedure."""
COLUMNS: Final = (*STAGES, "converted", "lost")
GRADES: Final = ("A", "B", "C")
SOURCES: Final = ("asked_unpaid", "live", "enterprise", "form", "chat", "order", "campaign", "other")
LEVELS: Final = ("high", "medium", "low", "unknown")
BUDGETS: Final = ("high", "enough", "low", "unknown")
COMMON_NEEDS: Final = ("母婴用品", "办公设备", "家居", "数码", "服饰", "食品")
"""Wishes to tick; any other word can be typed (examples of the process manual, and ours)."""
MEMBERSHIPS: Final = ("silver", "gold", "diamond")
CHANNELS: Final = ("phone", "wechat", "platform", "sms", "email", "visit", "other")
FOLLOW_UP_OUTCOMES: Final = ("reached", "replied", "no_answer", "wrong_contact", "refused")
NEXT_STEPS: Final = (
    "contact_again",
    "send_offer",
    "send_material",
    "answer_objection",
    "ask_order",
    "wait_payment",
    "care",
)
REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "lose": ("price", "no_need", "competitor", "no_answer", "out_of_stock", "wrong_contact", "other"),
    "give_back": ("no_time", "not_my_field", "leave", "other"),
    "reopen": ("came_back", "wrong_match", "mistake", "other"),
    "grade": (
        "asked_price",
        "named_quantity",
        "repeat_buyer",
        "decision_soon",
        "only_looking",
        "no_budget",
        "later",
        "wrong_facts",
    ),
}
BulkAction = Literal["assign", "give_back", "move", "tag"]
PROMISE_TABS: Final = ("open", "today", "broken", "pending", "kept", "over")
PROMISE_KINDS: Final = ("gift", "discount", "price", "delivery", "callback", "other")
MERGE_FIELDS: Final = (
    "name",
    "phone",
    "wechat",
    "email",
    "buyer_account",
    "needs",
    "source",
    "intent",
    "budget",
    "membership",
)


@dataclass(frozen=True, slots=True)
class LeadFilter(Filter):
    """The filters of the board as they stand in the URL. `column` reads a page of that one."""

    scope: str | None = None
    shop_id: int | None = None
    owner: int | None = None
    grade: str | None = None
    source: str | None = None
    need: str | None = None
    due: str | None = None
    column: str | None = None
    limit: int = 20
    after: Place | None = None
    before: Place | None = None

    @classmethod
    def parse(cls, params: Mapping[str, str]) -> LeadFilter:
        """From URL parameters; what is not a possible value is left out, never an error."""
        found = one_of(
            params,
            {
                "scope": ("mine", "pool", "all"),
                "grade": GRADES,
                "source": SOURCES,
                "due": ("overdue", "today"),
                "column": (*COLUMNS, "open"),
            },
        )
        if need := params.get("need", "").strip():
            found["need"] = need[:20]
        return cls(**found, **numbers(params, "shop_id", "owner"))

    def as_json(self) -> dict[str, Any]:
        """As the database takes it: ids as texts."""
        given = Filter.as_json(self)
        return given | {name: str(given[name]) for name in ("shop_id", "owner") if name in given}
