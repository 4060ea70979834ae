"""售后分析: cases registered in a period by shop, type, person and cause; satisfaction.

The formulas lie in the database, each once; nothing is computed here but what a Pareto chart shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from pydantic import Field
from supabase import Client

from backend import db
from backend.row import Row

SOLVE_TARGET: Final = 0.95
"""解决率, as the optimisation plan of the shop asks."""
SATISFIED_TARGET: Final = 0.95
"""满意比, as the presales policy asks."""
FEW: Final = 10
"""Below this many cases a share says little (product decision): it is shown in grey, with its number."""
FIRST_BARS: Final = (5, 15, 30, 60, 120, 240)
"""Upper ends in minutes of the bars of first contact, the last one open."""
RESOLVE_BARS: Final = (120, 360, 720, 1440, 2880, 4320)
"""Likewise of resolution."""


class Group(Row):
    """Sums of a group of cases and the shares made of them; a share without cases is None, never 0.

    `due` are the cases ever solved or past their deadline, `due_24h` those ever solved or 24 hours old: a
    case that is in time lowers neither solve rate.
    """

    tickets: int = 0
    solved: int = 0
    solved_24h: int = 0
    due: int = 0
    due_24h: int = 0
    complaints: int = 0
    complaint_orders: int = 0
    resolved: int = 0
    reopened: int = 0
    first_n: int = 0
    resolve_n: int = 0
    paid: int = 0
    cost: Decimal = Decimal(0)
    orders: int | None = None
    solve_rate: float | None = None
    solve_rate_24h: float | None = None
    reopen_rate: float | None = None
    first_met_rate: float | None = None
    resolve_met_rate: float | None = None
    complaint_rate: float | None = None
    name: str | None = None
    parent: str | None = None
    type: str | None = None
    shop_id: int | None = None
    member_id: int | None = None
    root_cause_id: int | None = None
    day: date | None = None


class Insight(Row):
    """The page: `before` are as many days earlier; `by_person` is None for who does not see people.

    `first` and `resolve`: cases per bar. `targets`: allowed minutes, where the shops agree. `waiting`:
    changed cases that are not counted yet.
    """

    total: Group
    before: Group
    by_shop: tuple[Group, ...] = ()
    by_type: tuple[Group, ...] = ()
    by_person: tuple[Group, ...] | None = None
    causes: tuple[Group, ...] = ()
    trend: tuple[Group, ...] = ()
    first: dict[int, int] = Field(default_factory=dict)
    resolve: dict[int, int] = Field(default_factory=dict)
    targets: dict[str, float | None] = Field(default_factory=dict)
    waiting: int = 0


class Scores(Row):
    """Surveys of a kind that ended in the period."""

    asked: int = 0
    answered: int = 0
    answer_rate: float | None = None
    mean: float | None = None
    satisfied: float | None = None
    by_link: int = 0
    by_handler: int = 0
    scores: dict[int, int] = Field(default_factory=dict)


class Graded(Row):
    """Platform ratings: stars with their mean, grades with the share of the content."""

    rated: int = 0
    mean: float | None = None
    graded: int = 0
    satisfied: float | None = None


class Satisfaction(Row):
    """Surveys by kind (order, ticket) and platform ratings."""

    surveys: dict[str, Scores] = Field(default_factory=dict)
    ratings: Graded = Graded()

    def of(self, kind: str) -> Scores:
        """The surveys of a kind; empty ones where none ended."""
        return self.surveys.get(kind, Scores())


def insight(
    client: Client, since: date, until: date, *, shop_id: int | None = None, kind: str | None = None
) -> Insight:
    """Figures of the cases registered on these days, both included. Raises filter.bad, shop.none."""
    wanted = {"from": since.isoformat(), "to": until.isoformat(), "shop_id": shop_id, "type": kind}
    return Insight.model_validate(db.rpc(client, "ticket_insight", p=_given(wanted)))


def satisfaction(client: Client, since: date, until: date, *, shop_id: int | None = None) -> Satisfaction:
    """Surveys and ratings of these days, both included."""
    wanted = {"from": since.isoformat(), "to": until.isoformat(), "shop_id": shop_id}
    return Satisfaction.model_validate(db.rpc(client, "satisfaction_figures", p=_given(wanted)))


def period(days: int, today: date) -> tuple[date, date]:
    """The last so many days, today included."""
    return today - timedelta(days=days - 1), today


def pareto(causes: Sequence[Group], most: int = 10) -> list[tuple[Group | None, int, float]]:
    """Causes by number of cases with their running share of all; those beyond `most` as one (None) at the
    end. Cases without a cause do not count.
    """
    named = sorted((one for one in causes if one.root_cause_id), key=lambda one: -one.tickets)
    whole = sum(one.tickets for one in named)
    rows: list[tuple[Group | None, int, float]] = []
    running = 0
    for one in named[:most]:
        running += one.tickets
        rows.append((one, one.tickets, running / whole))
    if len(named) > most:
        rows.append((None, whole - running, 1.0))
    return rows


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
