"""派单: how much work each agent is given, and why somebody, or nobody, got an item."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from supabase import Client

from backend import db
from backend.row import Row

Area = Literal["ticket", "lead"]
AREAS: Final[tuple[Area, ...]] = ("ticket", "lead")
SKILLS: Final[dict[Area, str]] = {"ticket": "aftersales", "lead": "presales"}
"""The skill that work of an area is given out for."""


class Agent(Row):
    """An agent of a shop and what decides how much he is given. ``version`` None: nothing was set yet.

    ``credit``: items that fairness owes him (below zero: that he had before his turn).
    """

    member_id: int
    name: str
    skills: tuple[str, ...]
    is_on_duty: bool
    is_away: bool
    is_frozen: bool
    frozen_until: datetime | None
    frozen_reason: str | None
    load: int
    room: int
    capacity: int
    weight: float
    credit: float
    given_today: int
    chosen_today: int
    version: int | None


class Screen(Row):
    """The agents of a shop, those on duty first."""

    default_capacity: int
    can_change: bool
    members: tuple[Agent, ...]


class Considered(Row):
    """An agent who was looked at for an item. ``why``: what kept him from it; None: he was eligible."""

    member_id: int
    name: str | None
    is_eligible: bool
    why: str | None
    load: int
    room: int
    credit: float


class Decision(Row):
    """One time that work was given out, taken or returned. ``reasons``: people by what kept them from it.

    ``id`` None: the item lies in the pool, and this is how it stands now.
    """

    id: int | None
    at: datetime
    source: Literal["arrival", "on_duty", "manual", "claim", "handover", "recycle"]
    rule: Literal["credit", "only", "nobody", "waiting", "chosen", "returned"]
    member_id: int | None
    name: str | None
    reasons: dict[str, int]
    considered: tuple[Considered, ...]

    @property
    def eligible(self) -> int:
        """How many could have had the item."""
        return sum(one.is_eligible for one in self.considered)


def screen(client: Client, area: Area, shop_id: int) -> Screen:
    """Who is on duty, carries how much and may have how much; leaders only (`assignment.not_lead`)."""
    return Screen.model_validate(db.rpc(client, "assignment_screen", p_area=area, p_shop_id=shop_id))


def set_agent(
    client: Client, area: Area, agent: Agent, change: Mapping[str, Any], *, request_id: UUID
) -> int:
    """Change capacity, weight, frozen_until (ISO or None) with frozen_reason; answers the version.

    Raises `assignment.stale` (who), `assignment.bad_value` (field), `assignment.no_agent`.
    """
    answer = db.command(
        client,
        "set_assignment",
        p_member_id=agent.member_id,
        p_area=area,
        p_change=dict(change),
        p_version=agent.version,
        request_id=request_id,
    )
    return int(answer["version"])


def why(client: Client, area: Area, entity_id: int) -> tuple[Decision, ...]:
    """Why somebody has an item: how it stands now (in the pool), then the ten newest decisions."""
    found = db.rpc(client, "why_assigned", p_area=area, p_entity_id=entity_id)
    return tuple(Decision.model_validate(row) for row in found)
