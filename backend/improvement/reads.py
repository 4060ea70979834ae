"""Reading tasks, one task, the people who may own one, a month's review, what was accepted."""

from __future__ import annotations

from datetime import date
from typing import Any

from supabase import Client

from backend import db
from backend.improvement.models import Person, Screen, Task, TaskList


def tasks(client: Client, **filters: Any) -> TaskList:
    """Tasks of my shops by tab, state, shop_id, owner_id, source, meeting_id, text, after."""
    given = {name: value for name, value in filters.items() if value not in (None, "")}
    return TaskList.model_validate(db.rpc(client, "task_list", p=given))


def screen(client: Client, task_id: int) -> Screen:
    """One task with its criteria, measures and history. Raises AppError `task.none`."""
    return Screen.model_validate(db.rpc(client, "task_screen", p_id=task_id))


def people(client: Client, shop_id: int | None = None) -> tuple[Person, ...]:
    """Who may own a task of a shop, or of any of mine."""
    return tuple(Person.model_validate(row) for row in db.rpc(client, "task_people", p_shop_id=shop_id))


def meeting(client: Client, month: date, shop_id: int | None = None) -> dict[str, Any]:
    """A month's review: `meeting` (None before it was saved), `pack`, `is_kept`, `decisions`."""
    found: dict[str, Any] = db.rpc(client, "meeting_screen", p_month=month.isoformat(), p_shop_id=shop_id)
    return found


def accepted(client: Client, first: date, last: date, shop_id: int | None = None) -> tuple[Task, ...]:
    """The tasks accepted in a period, oldest first: what an announcement is drafted from. Raises AppError."""
    params = {"p_from": first.isoformat(), "p_to": last.isoformat(), "p_shop_id": shop_id}
    return tuple(Task.model_validate(row) for row in db.rpc(client, "announcement", **params))
