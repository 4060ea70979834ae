"""What the pages say of tickets beyond backend.tickets.wording: deadlines, owners, refusals, remarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from backend import errors
from backend.tickets import remarks, wording
from backend.tickets.choices import OVER
from backend.tickets.models import Case, TicketRow
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain

_WAITING = ("waiting_customer", "waiting_return", "pending_approval")
_SUMMARY = 60


def of(table: str, code: str | None) -> str:
    """The word of a code: of("types", "reship") is 补发/少件. Plain text."""
    return wording.label(table, code, locale())


def due(row: TicketRow) -> fmt.Due:
    """The nearest open deadline of a ticket; a wait says what it waits for."""
    state = "paused" if row.state in _WAITING and row.due_at is None else "running"
    if row.state in OVER:
        state = "stopped"
    return fmt.due(
        row.due_at, state=state, lang=locale(), reason=of("states", row.state) if state == "paused" else ""
    )


def owner(owner_id: int | None, name: str | None, me: int) -> str:
    """我, a colleague's name, or 未领取."""
    if owner_id is None:
        return plain("tickets.nobody")
    return plain("tickets.me") if owner_id == me else name or ""


def marks(row: TicketRow) -> list[str]:
    """What makes a ticket special, in words: complaint, high, reopened."""
    found = [plain("tickets.complaint")] if row.is_complaint else []
    if row.severity in ("high", "urgent"):
        found.append(of("severities", row.severity))
    if row.instance > 1:
        found.append(plain("tickets.reopened", times=row.instance - 1))
    return found


def chips(row: TicketRow) -> str:
    """Markdown of a ticket's type and of what makes it special."""
    color = "red" if row.is_complaint else "orange"
    loud = " ".join(f":{color}-badge[{md(mark)}]" for mark in marks(row))
    return f":gray-badge[{md(of('types', row.type))}] {loud}".strip()


def short(text: str) -> str:
    """The beginning of a summary, for a line of a list."""
    line = " ".join(text.split())
    return line if len(line) <= _SUMMARY else f"{line[:_SUMMARY]}…"


def case(one: Case) -> str:
    """A ticket in one line: number, type, state, whose it is, what happened. Plain text."""
    parts = (
        wording.number(one.id),
        of("types", one.type),
        of("states", one.state),
        one.owner_name or plain("tickets.nobody"),
        short(one.summary),
    )
    return " · ".join(part for part in parts if part)


def remark(
    what: str | Sequence[str],
    ticket_id: int,
    user: User,
    *,
    who: str | None = None,
    when: datetime | None = None,
    details: Sequence[str] = (),
) -> str:
    """The line for the platform's order remark; without `who` and `when` it is written by me, today."""
    at = (when or datetime.now(UTC)).astimezone(ZoneInfo(user.zone))
    line = remarks.remark(what, ticket_id, who or user.name, at, locale())
    return remarks.with_details(line, details, locale())


def refusal(key: str | None, params: Mapping[str, Any] | None = None) -> str:
    """The sentence of a refusal, times in words. Plain text."""
    shown = {name: _param(name, value) for name, value in (params or {}).items()}
    return errors.message(key or "error.unexpected", locale(), **shown)


def _param(name: str, value: Any) -> Any:
    if name in ("at", "until", "by"):
        return frame.clock(value)
    if name == "state":
        return of("states", str(value))
    if name in ("amount", "limit", "used", "left"):
        return fmt.money(value).lstrip("¥")
    return value


def capped(count: int) -> str:
    """`84`, `1000+`: counts are taken up to 1,001."""
    return "1000+" if count > 1000 else str(count)
