"""时效规则 (deadline policies): what holds, what a change would do, and changing it.

The database decides which policy wins, checks every value and counts the effect; the checks here only let a
form mark the cell that is wrong before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from supabase import Client

from backend import db
from backend.orders.models import REVIEWED

Measure = Literal["working", "wall", "workdays"]
Anchor = Literal["percent", "before", "after"]

MEASURES: Final[tuple[Measure, ...]] = ("working", "wall", "workdays")
ANCHORS: Final[tuple[Anchor, ...]] = ("percent", "before", "after")
WHO: Final = ("owner", "on_duty", "duty_lead", "manager", "warehouse")
ACTIONS: Final = ("notify", "to_pool", "raise_priority")
MOST_STEPS: Final = 10
MOST_MINUTES: Final = 5_256_000
MOST_DAYS: Final = 3660
TICKET_KINDS: Final = (
    *("reship", "return", "exchange", "refund_only", "price_protection", "logistics", "quality", "repair"),
    *("service", "invoice", "public_complaint"),
)
PRIORITIES: Final = ("normal", "high")
FACTS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "order_review": {"kind": REVIEWED, "priority": PRIORITIES},
    "ticket": {"kind": TICKET_KINDS, "priority": PRIORITIES},
    "lead": {"grade": ("A", "B", "C")},
}
"""What conditions may ask of each kind of record (`applies_to`), with the values it can have."""
_COLUMNS: Final = (
    "id,code,name,applies_to,target,shop_id,conditions,measure,allowance,ladder,on_reopen,is_active,version,updated_at,"
    "calendar:calendars!sla_policies_calendar_id_fkey(code),"
    "remind:calendars!sla_policies_remind_calendar_id_fkey(code)"
)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the ladder: at a share of the allowance (percent), or minutes before or after it is due."""

    anchor: Anchor = "percent"
    amount: int | None = 50
    who: tuple[str, ...] = ("owner",)
    action: str = "notify"

    @classmethod
    def parse(cls, step: Mapping[str, Any]) -> Step:
        """A step as the database keeps it."""
        who, action = tuple(step["who"]), str(step["action"])
        if "percent" in step:
            return cls("percent", int(step["percent"]), who, action)
        minutes = int(step["minutes"])
        return cls("before" if minutes < 0 else "after", abs(minutes), who, action)

    def as_json(self) -> dict[str, Any]:
        """The step as the database takes it."""
        amount = self.amount or 0
        at = (
            {"percent": amount}
            if self.anchor == "percent"
            else {"minutes": -amount if self.anchor == "before" else amount}
        )
        return {**at, "who": list(self.who), "action": self.action}


@dataclass(frozen=True, slots=True)
class Terms:
    """What of a policy can be changed. `allowance`: minutes, whole working days under `workdays`."""

    name: str
    measure: str
    calendar: str | None
    allowance: float
    ladder: tuple[Step, ...]
    remind_calendar: str | None
    is_active: bool

    def as_json(self) -> dict[str, Any]:
        """The terms as the database takes them; a wall clock has no calendar."""
        allowance = int(self.allowance) if self.allowance == int(self.allowance) else self.allowance
        return {
            "name": self.name,
            "measure": self.measure,
            "calendar": None if self.measure == "wall" else self.calendar,
            "allowance": allowance,
            "ladder": [step.as_json() for step in self.ladder],
            "remind_calendar": self.remind_calendar,
            "is_active": self.is_active,
        }


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy: the default of its code (no shop, no conditions), or a variant. `id` 0: not saved yet."""

    id: int
    code: str
    applies_to: str
    target: str
    shop_id: int | None
    conditions: Mapping[str, tuple[str, ...]]
    terms: Terms
    on_reopen: str
    version: int
    updated_at: str

    @property
    def is_default(self) -> bool:
        """Whether it holds wherever no variant does."""
        return self.shop_id is None and not self.conditions


@dataclass(frozen=True, slots=True)
class Calendar:
    """A calendar that policies may count by."""

    code: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Effect:
    """When running clocks would be due under a change. `is_all` is false when not all were counted."""

    open: int
    is_all: bool
    earlier: int
    later: int
    same: int
    at_once: int
    soon: int
    rows: Sequence[Mapping[str, Any]]
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the history: who did what; `changes` {field: {from, to}}."""

    at: datetime
    who: str | None
    action: str
    policy: str
    shop_id: int | None
    conditions: Mapping[str, Sequence[str]]
    detail: Mapping[str, Any] = field(default_factory=dict)


# Reading ---------------------------------------------------------------------------------------------------


def list_policies(client: Client) -> list[Policy]:
    """All policies of my shops and the defaults, each code's default first, then its variants."""
    found = db.rows(client.table("sla_policies").select(_COLUMNS).order("id"))
    policies = [_policy(row) for row in found]
    places = {policy.code: place for place, policy in reversed([*enumerate(policies)])}
    return sorted(policies, key=lambda one: (places[one.code], not one.is_default, one.shop_id or 0, one.id))


def _policy(row: Mapping[str, Any]) -> Policy:
    terms = Terms(
        name=row["name"],
        measure=row["measure"],
        calendar=row["calendar"] and row["calendar"]["code"],
        allowance=float(row["allowance"]),
        ladder=tuple(Step.parse(step) for step in row["ladder"]),
        remind_calendar=row["remind"] and row["remind"]["code"],
        is_active=row["is_active"],
    )
    return Policy(
        **{name: row[name] for name in ("id", "code", "applies_to", "target", "shop_id", "on_reopen")},
        conditions={name: tuple(values) for name, values in row["conditions"].items()},
        terms=terms,
        version=row["version"],
        updated_at=row["updated_at"],
    )


def calendars(client: Client) -> list[Calendar]:
    """Active calendars, in the order they were made."""
    query = client.table("calendars").select("code,name,kind").eq("is_active", True).order("id")
    return [Calendar(**row) for row in db.rows(query)]


def explain(client: Client, code: str, shop_id: int, facts: Mapping[str, str]) -> list[tuple[int, str]]:
    """Which policy of a code holds for these facts in a shop, and why the others do not.

    Pairs (policy id, wins | less_specific | off | conditions), the winner first. Raises `shop.none`.
    """
    found = db.rpc(client, "explain_policy", p_code=code, p_shop_id=shop_id, p_facts=dict(facts))
    return [(line["id"], line["verdict"]) for line in found]


def history(client: Client, code: str) -> list[Change]:
    """Who changed the policies of a code, newest first (at most 50)."""
    return [
        Change(
            at=datetime.fromisoformat(line["at"]),
            who=line["who"],
            action=line["action"],
            policy=line["name"],
            shop_id=line["shop_id"],
            conditions=line["conditions"],
            detail=line["detail"],
        )
        for line in db.rpc(client, "policy_history", p_code=code)
    ]


# Changing --------------------------------------------------------------------------------------------------


def variant(base: Policy, *, shop_id: int | None, conditions: Mapping[str, Sequence[str]]) -> Policy:
    """A new variant of a default, not saved yet: switched on, its other terms those of the default."""
    held = {name: tuple(values) for name, values in conditions.items() if values}
    terms = replace(base.terms, is_active=True)
    return replace(base, id=0, shop_id=shop_id, conditions=held, terms=terms, version=0)


def _change(policy: Policy, terms: Terms) -> dict[str, Any]:
    change = terms.as_json()
    if not policy.id:
        change |= {
            "code": policy.code,
            "shop_id": policy.shop_id,
            "conditions": {name: list(values) for name, values in policy.conditions.items()},
        }
    return change


def preview(client: Client, policy: Policy, terms: Terms) -> Effect:
    """What the running clocks would do if they followed the change; nothing is changed. Raises as `save`."""
    answer = db.rpc(
        client,
        "preview_policy",
        p_id=policy.id or None,
        p_policy=_change(policy, terms),
        p_version=policy.version or None,
    )
    return Effect(**answer)


def save(client: Client, policy: Policy, terms: Terms, *, request_id: UUID) -> int:
    """Stores the change, or the new variant; it holds for clocks that start from now on. Answers its id.

    Raises `policy.stale`, `policy.bad_field`, `policy.exists`, `calendar.never_open`.
    """
    answer = db.command(
        client,
        "save_policy",
        p_id=policy.id or None,
        p_policy=_change(policy, terms),
        p_version=policy.version or None,
        request_id=request_id,
    )
    return int(answer["id"])


def reset(client: Client, policy: Policy, *, request_id: UUID) -> None:
    """The default as a new installation has it. Raises `policy.no_default`, `policy.stale`."""
    db.command(client, "reset_policy", p_id=policy.id, p_version=policy.version, request_id=request_id)


def preview_recalculation(client: Client, code: str) -> Effect:
    """What `recalculate` would do now; its `stamp` is what `recalculate` asks for."""
    return Effect(**db.rpc(client, "preview_recalculation", p_code=code))


def recalculate(client: Client, code: str, stamp: str, *, request_id: UUID) -> tuple[int, bool]:
    """Running clocks follow the policy as it is now, up to 200 a call: (how many changed, whether more wait).

    Raises `policy.stale` when the policy changed since `stamp`.
    """
    answer = db.command(client, "recalculate_policy", p_code=code, p_stamp=stamp, request_id=request_id)
    return int(answer["changed"]), bool(answer["left"])


# Checking a form -------------------------------------------------------------------------------------------


def problems(terms: Terms, calendars_known: Mapping[str, Calendar]) -> dict[str, str]:
    """What is wrong, by cell: `name`, `allowance`, `calendar`, `step.<line from 0>.at|who`; and in which way.

    Values: empty, range, whole, choose, twice. An empty answer means the database would take it.
    """
    found: dict[str, str] = {}
    if not 1 <= len(terms.name.strip()) <= 60:
        found["name"] = "empty" if not terms.name.strip() else "range"
    most = MOST_DAYS if terms.measure == "workdays" else MOST_MINUTES
    if not 0 <= terms.allowance <= most:
        found["allowance"] = "range"
    elif terms.measure == "workdays" and terms.allowance != int(terms.allowance):
        found["allowance"] = "whole"
    calendar = calendars_known.get(terms.calendar or "")
    if terms.measure != "wall" and (calendar is None or calendar.kind == "wall"):
        found["calendar"] = "choose"
    return found | step_problems(terms.ladder)


def step_problems(ladder: Sequence[Step]) -> dict[str, str]:
    """What is wrong with the steps of a ladder, as in `problems`."""
    found: dict[str, str] = {}
    for line, step in enumerate(ladder):
        found |= _step_problems(step, ladder[:line], line)
    return found


def _step_problems(step: Step, before: Sequence[Step], line: int) -> dict[str, str]:
    found: dict[str, str] = {}
    most = 1000 if step.anchor == "percent" else MOST_MINUTES
    if step.amount is None:
        found[f"step.{line}.at"] = "empty"
    elif not 0 <= step.amount <= most:
        found[f"step.{line}.at"] = "range"
    elif any(_moment(one) == _moment(step) and one.action == step.action for one in before):
        found[f"step.{line}.at"] = "twice"
    if not step.who:
        found[f"step.{line}.who"] = "choose"
    return found


def _moment(step: Step) -> tuple[str, int]:
    if step.anchor == "percent":
        return "percent", step.amount or 0
    return "minutes", (step.amount or 0) * (-1 if step.anchor == "before" else 1)
