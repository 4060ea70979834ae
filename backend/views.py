"""Saved views: the filters of a queue under a name, mine and those that colleagues share."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from supabase import Client

from backend import db
from backend.row import Row


class SavedView(Row):
    """Filters as URL parameters. `member_id` is its owner, who alone may change or forget it."""

    id: int
    member_id: int
    area: str
    name: str
    params: dict[str, str]
    is_shared: bool


def saved(client: Client, area: str) -> tuple[SavedView, ...]:
    """My views of an area and the shared ones, by name."""
    rows = db.rows(client.table("saved_views").select("*").eq("area", area).order("name"))
    return tuple(SavedView.model_validate(row) for row in rows)


def save(
    client: Client,
    area: str,
    name: str,
    params: Mapping[str, str],
    *,
    request_id: UUID,
    is_shared: bool = False,
) -> int:
    """Keep filters under a name (the same name replaces them); answers the id.

    Raises `view.form`, `view.share_right` (sharing is for operations, managers and admins).
    """
    answer = db.command(
        client, "save_view",
        request_id=request_id, p_area=area, p_name=name, p_params=dict(params), p_is_shared=is_shared,
    )  # fmt: skip
    return int(answer["id"])


def forget(client: Client, view_id: int, *, request_id: UUID) -> None:
    """Forget one of my own views. Raises `view.none`."""
    db.command(client, "delete_view", request_id=request_id, p_id=view_id)
