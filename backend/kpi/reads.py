"""What the KPI page reads: figures of a period with targets, one by day, shop, person or shift, alerts."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

from supabase import Client

from backend import db
from backend.row import Row

OFF_SHIFT: Final = "(off)"
"""In place of a shift: outside all of them. No name of a shift has brackets."""

DAY_ALONE: Final = "(day)"
"""In place of a shift: the file says the day alone."""


class Point(Row):
    """A point of a line: `value` None is a day without anything to divide by, never 0."""

    at: date
    value: float | None
    sample: int


class Tile(Row):
    """A KPI of a period; `value`, `target` and `before` (the period of the same length before) are in `unit`.

    `missing`: the kinds of file, any of which would do, if none was imported. `no_shift`: why it is never
    said by shift (visitors, sheets, off_shift, orders, tasks). `only_days`: asked for one shift, but the
    files of this period know the day alone. `counted_to`: the newest day of which anything was counted."""

    code: str
    name_en: str
    area: str
    unit: str
    direction: str
    version: int
    by_person: bool
    no_shift: str | None
    only_days: bool
    value: float | None
    before: float | None
    numerator: float | None
    denominator: float | None
    sample: int
    target: float | None
    is_met: bool | None
    missing: tuple[str, ...]
    counted_to: date | None = None
    points: tuple[Point, ...]


class Whose(Row):
    """The member whose figures a page shows."""

    id: int
    name: str


class Age(Row):
    """When a kind of file that feeds figures came in last; None: never."""

    kind: str
    at: datetime | None


class Screen(Row):
    """The page. `kept_at`: when the oldest of its days was counted; `waiting`: days still to be counted.

    `person`: whose figures they are, if they are one member's. `shifts`: by name, in the order of the day."""

    tiles: tuple[Tile, ...]
    agents: tuple[str, ...]
    shifts: tuple[str, ...]
    person: Whose | None
    ages: tuple[Age, ...]
    kept_at: datetime | None
    waiting: int


class Line(Row):
    """One day, shop, person or shift of a KPI; of shifts also `OFF_SHIFT` and `DAY_ALONE`."""

    scope: str
    value: float | None
    numerator: float | None
    denominator: float | None
    sample: int


class Definition(Row):
    """What a KPI counts, in the version that is computed now."""

    code: str
    version: int
    position: int
    name_en: str
    area: str
    unit: str
    direction: str
    formula: str
    formula_en: str
    numerator: str
    denominator: str
    sources: tuple[str, ...]
    threshold: float | None
    platform_thresholds: dict[str, float]
    params: dict[str, int]
    origin: str
    valid_from: datetime


class Alert(Row):
    """A watched target of one shop, as it was judged last. `since`: the day it was first missed."""

    id: int
    shop_id: int
    code: str
    is_active: bool
    min_sample: int
    margin: float
    state: str
    value: float | None
    target: float | None
    sample: int | None
    day: date | None
    since: date | None
    version: int


def screen(
    client: Client,
    first: date,
    last: date,
    *,
    shop_id: int | None = None,
    agent: str | None = None,
    member_id: int | None = None,
    shift: str | None = None,
) -> Screen:
    """All KPIs of the days `first` to `last`, both included. An agent sees himself alone. Raises AppError."""
    given = {"shop_id": shop_id, "agent": agent, "member_id": member_id, "shift": shift}
    p: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    p |= {"from": first.isoformat(), "to": last.isoformat()}
    return Screen.model_validate(db.rpc(client, "kpi_screen", p=p))


def lines(
    client: Client,
    code: str,
    first: date,
    last: date,
    *,
    by: str,
    shop_id: int | None = None,
    agent: str | None = None,
    shift: str | None = None,
) -> tuple[Line, ...]:
    """One KPI by `day`, `shop`, `person` or `shift`, of one agent, in one shift. Raises AppError."""
    found = db.rpc(
        client,
        "kpi_rows",
        p_code=code,
        p_from=first.isoformat(),
        p_to=last.isoformat(),
        p_shop_id=shop_id,
        p_by=by,
        p_agent=agent,
        p_shift=shift,
    )
    return tuple(Line.model_validate(row) for row in found)


def definitions(client: Client) -> tuple[Definition, ...]:
    """What every KPI means now, in their order."""
    rows = db.rows(client.table("kpis").select("*").order("position"))
    return tuple(Definition.model_validate(row) for row in rows)


def alerts(client: Client, *, shop_id: int | None = None, raised: bool = False) -> tuple[Alert, ...]:
    """The watched targets of the person's shops, missed ones first."""
    query = client.table("kpi_alerts").select("*")
    if shop_id is not None:
        query = query.eq("shop_id", shop_id)
    if raised:
        query = query.eq("state", "raised")
    rows = db.rows(query.order("state", desc=True).order("since", desc=True).order("id").limit(500))
    return tuple(Alert.model_validate(row) for row in rows)
