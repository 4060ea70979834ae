"""Reminders as a person meets them: bell, inbox, what one wants to hear of, and why one was (not) told.

Who is told what, and when, is decided in the database; nothing here sends anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from supabase import Client

from backend import db
from backend.row import Row

Preset = Literal["all", "urgent", "mentions"]
PRESETS: Final[tuple[Preset, ...]] = ("all", "urgent", "mentions")
KINDS: Final = (
    "due_soon", "overdue", "returned", "raised", "digest", "daily", "wait_ended",
    "handover_open", "handover", "handover_declined", "handover_left", "low_score", "low_ratings",
    "task_accepted", "task_failed", "task_inconclusive", "task_regressed",
)  # fmt: skip
PAGE_SIZE: Final = 50


class Notification(Row):
    """A message in the app. ``params`` by kind: see the comment of the table; ``path`` opens the item."""

    id: int
    kind: Literal[
        "due_soon", "overdue", "returned", "raised", "digest", "daily", "wait_ended",
        "handover_open", "handover", "handover_declined", "handover_left", "low_score", "low_ratings",
        "task_accepted", "task_failed", "task_inconclusive", "task_regressed",
    ]  # fmt: skip
    params: dict[str, Any]
    path: str | None
    is_urgent: bool
    created_at: datetime
    read_at: datetime | None = None
    snoozed_until: datetime | None = None
    closed_at: datetime | None = None


class Bell(Row):
    """What the bell shows: counts (1,001 stands for "more than 1,000") and the ten newest unread messages."""

    unread: int
    urgent: int
    newest: tuple[Notification, ...]


class Settings(Row):
    """What a member wants to hear of, and his ids for @mentions. ``version`` None: nothing was set yet."""

    member_id: int
    preset: Preset = "all"
    wecom_id: str | None = None
    dingtalk_id: str | None = None
    feishu_id: str | None = None
    version: int | None = None


class Told(Row):
    """One line of a reminder. ``name`` None: the group of ``channel``; ``channel`` None: in the app."""

    name: str | None
    channel: str | None
    role: str
    state: str
    reason: str | None
    is_me: bool


class Reminder(Row):
    """A ladder step that came, and what became of it. ``ready_at`` after ``created_at``: it had to wait."""

    step: int
    due_version: int
    due_at: datetime
    step_at: datetime
    created_at: datetime
    ready_at: datetime
    late_minutes: int
    state: str
    reason: str | None
    who: tuple[str, ...]
    people: tuple[Told, ...]


class Why(Row):
    """The reminders of one deadline. ``ladder``: its steps with their instants ``at`` (None: not known)."""

    clock_id: int
    entity: str
    entity_id: int
    state: str
    policy: str | None
    due_at: datetime | None
    due_version: int
    next_step: int | None
    next_step_at: datetime | None
    ladder: tuple[dict[str, Any], ...]
    reminders: tuple[Reminder, ...]


def bell(client: Client) -> Bell:
    """My unread messages. One request, cheap enough for every half minute."""
    return Bell.model_validate(db.rpc(client, "bell"))


def inbox(
    client: Client, *, before: int | None = None, unread: bool = False, limit: int = PAGE_SIZE
) -> tuple[Notification, ...]:
    """My messages, newest first; ``before`` is the id of the last one shown."""
    query = client.table("notifications").select(
        "id,kind,params,path,is_urgent,created_at,read_at,snoozed_until,closed_at"
    )
    if unread:
        query = query.is_("read_at", "null").is_("closed_at", "null")
    if before is not None:
        query = query.lt("id", before)
    found = db.rows(query.order("id", desc=True).limit(limit))
    return tuple(Notification.model_validate(row) for row in found)


def read(client: Client, ids: Sequence[int] | None = None) -> int:
    """Mark messages (None: all) as read; answers how many were not before."""
    return int(db.rpc(client, "read_notifications", p_ids=None if ids is None else list(ids)))


def snooze(client: Client, notification_id: int, until: datetime) -> None:
    """Put a message off until then, at most seven days.

    Raises `notification.bad_time`, `notification.none`.
    """
    db.rpc(client, "snooze_notification", p_id=notification_id, p_until=until.isoformat())


def settings(client: Client, member_id: int) -> Settings:
    """What a member wants to hear of; managers and admins may ask for anybody."""
    columns = "member_id,preset,wecom_id,dingtalk_id,feishu_id,version"
    found = db.rows(client.table("member_reminders").select(columns).eq("member_id", member_id))
    return Settings.model_validate(found[0]) if found else Settings(member_id=member_id)


def save_settings(
    client: Client, old: Settings, changes: Mapping[str, str | None], *, request_id: UUID
) -> int:
    """Change preset or ids (None removes an id) of ``old.member_id``; answers the new version.

    Raises `reminder_settings.stale`, `reminder_settings.bad_id`, `reminder_settings.not_yours`.
    """
    wanted = {name: (value or "").strip() or None for name, value in changes.items()}
    answer = db.command(
        client,
        "save_reminder_settings",
        p_member_id=old.member_id,
        p_version=old.version,
        p_settings=wanted,
        request_id=request_id,
    )
    return int(answer["version"])


def why(client: Client, clock_id: int) -> Why:
    """Why was somebody (not) told of this deadline? Raises `clock.none`."""
    return Why.model_validate(db.rpc(client, "why_reminder", p_clock=clock_id))
