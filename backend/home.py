"""我的工作台: what I hold, today's figures of my shops, what changed since I was last here; one request."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from pydantic import Field
from supabase import Client

from backend import db
from backend.row import Row
from backend.tickets.models import TicketRow


class HomeItem(Row):
    """A piece of work: mine (`is_mine`), or among the most urgent of the pool."""

    area: str
    order_id: int
    order_no: str
    shop_id: int
    amount: Decimal | None = None
    state: str
    kinds: tuple[str, ...]
    due_at: datetime | None = None
    is_mine: bool


class HomeTickets(Row):
    """My open tickets and the most urgent of the pool; `counts` as beside the tabs of the list (to 1,001).

    `resolved`: today, each shop's own day.
    """

    items: tuple[TicketRow, ...] = ()
    counts: dict[str, int] = Field(default_factory=dict)
    resolved: int = 0


class ShopFigures(Row):
    """Today in the shop's zone. Breaches: of the last seven days."""

    shop_id: int
    shop_name: str
    platform: str
    open: int
    overdue: int
    soon: int
    waiting: int
    decided: int
    judged: int
    on_time: int
    released: int
    breaches: int


class Reveals(Row):
    """A member who opened more than 30 contacts in an hour outside claimed items (for managers)."""

    who: str
    at: datetime


class Changes(Row):
    """Counts since `since` (last visit, at most seven days back)."""

    since: datetime
    found: int
    decided: int
    released: int
    breaches: int
    imports: int
    taken_over: int
    reveals: tuple[Reveals, ...] | None = None


class DataAge(Row):
    """A data set of a shop (`shop_id` null: of a stock pool). Late: over 24 hours old, or never imported."""

    kind: str
    shop_id: int | None = None
    shop_name: str
    at: datetime | None = None
    file_name: str | None = None
    rejected: int | None = None
    hours: float | None = None
    is_late: bool
    is_running: bool


class Home(Row):
    """Everything the start page shows. `ready` counts to 5,001, `unpaid` to 1,001.

    `dead_jobs`: background work that failed for good, for managers and admins.
    """

    now: datetime
    items: tuple[HomeItem, ...]
    tickets: HomeTickets = HomeTickets()
    figures: tuple[ShopFigures, ...]
    changes: Changes
    ready: int
    unpaid: int
    low_stock: int
    dead_jobs: int = 0
    data: tuple[DataAge, ...]


def home(client: Client) -> Home:
    """The start page of this person. Raises `member.none`."""
    return Home.model_validate(db.rpc(client, "home_screen"))


def seen(client: Client) -> None:
    """From now on `changes` counts from here."""
    db.rpc(client, "home_seen")
