"""What the queue says beyond backend.orders.wording: deadlines, owners, refusals, in this run's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from backend import errors
from backend.orders import wording
from backend.orders.models import REASONS, OrderException, QueueRow
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.i18n import locale, plain, t

CORRECTABLE = ("bad_phone", "missing_detail", "mismatch", "suspicious", "remote")
OPEN = ("open", "waiting_customer")
_ADDRESS = ("customer_confirmed", "verified", "known_buyer", "other")
_WAIVE: Mapping[str, Sequence[str]] = {
    "duplicate": ("both_wanted", "customer_confirmed", "other"),
    "out_of_stock": ("stock_coming", "customer_confirmed", "other"),
    "same_ip": ("known_buyer", "customer_confirmed", "verified", "other"),
    **dict.fromkeys(CORRECTABLE, _ADDRESS),
}
_LIMIT = 1000
UNTIL = (0, 1, 3, 7)


def kind_name(code: str) -> str:
    """The name of an exception: 地址矛盾."""
    return wording.label(wording.KINDS, code, locale())


def state(code: str) -> str:
    """The name of a state: 待处理, 确认无误."""
    return wording.label(wording.STATES, code, locale())


def reason(code: str | None) -> str:
    """The words of a decision's reason."""
    return wording.label(wording.REASONS, code, locale()) if code else ""


def event(code: str) -> str:
    """The words of an entry of the history."""
    return wording.label(wording.ACTIONS, code, locale())


def reasons(decision: str, code: str | None = None) -> Sequence[str]:
    """The reasons worth offering for a decision, on one kind or on several."""
    offered = REASONS[decision]
    if decision != "waived":
        return offered
    wanted = _WAIVE.get(code or "", (*_ADDRESS[:-1], "both_wanted", "stock_coming", "other"))
    return [name for name in wanted if name in offered]


def why(item: OrderException) -> str:
    """The evidence in words, without the name of the exception. Plain text."""
    sentence = wording.evidence(item.kind, item.evidence, locale())
    return sentence.removeprefix(kind_name(item.kind)).lstrip(plain("orders.colon"))


def customer_text(code: str, facts: Mapping[str, Any], order_no: str) -> str:
    """The message to the customer, ready to paste; empty where the customer is not the one to ask."""
    return wording.customer_text(code, facts, order_no, locale())


def remark(what: str, user: frame.User) -> str:
    """The line for the platform's order remark, always in the team's own form."""
    return wording.remark(what, user.name, datetime.now(ZoneInfo(user.zone)), locale())


def capped(count: int) -> str:
    """`84`, `1000+`: counts are taken up to 1,001."""
    return f"{_LIMIT}+" if count > _LIMIT else str(count)


def until(choice: int | None, zone: str) -> datetime | None:
    """The end of a waiver: midnight after so many days, today included; None for 0, no end."""
    if not choice:
        return None
    today = datetime.now(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    return today + timedelta(days=choice)


def until_pills(key: str) -> int | None:
    """How long a waiver shall hold: a choice for `until`."""
    return st.pills(
        t("orders.until"),
        UNTIL,
        default=0,
        format_func=lambda days: t(f"orders.until.{days}"),
        key=key,
        help=t("orders.until_help"),
    )


def due(row: QueueRow) -> fmt.Due:
    """The deadline of a work row."""
    clock = {"open": "running", "waiting_customer": "paused"}.get(row.state, "stopped")
    return fmt.due(
        row.due_at, state=clock, lang=locale(), reason=state(row.state) if clock == "paused" else ""
    )


def when_done(row: QueueRow) -> str:
    """When a work row was finished, and whether it was late."""
    late = plain("orders.late") if row.is_on_time is False else ""
    return f"{frame.clock(row.done_at)} {late}".strip()


def owner(row: QueueRow, me: int) -> str:
    """我, a colleague's name, or 未领取."""
    if row.owner_id is None:
        return plain("orders.nobody")
    return plain("orders.me") if row.owner_id == me else row.owner_name or ""


def refusal(key: str, params: Mapping[str, Any] | None) -> str:
    """The sentence of a refusal, times and kinds in words. Plain text."""
    shown = {name: _param(key, name, value) for name, value in (params or {}).items()}
    return errors.message(key, locale(), **shown)


def chips(kinds: Sequence[str], *, high: bool = False) -> str:
    """Markdown of the kinds as small labels; high severity has a label of its own."""
    labels = [f":gray-badge[{md(kind_name(code))}]" for code in kinds]
    return " ".join([*labels, f":gray-badge[{t('orders.high')}]"] if high else labels)


def _param(key: str, name: str, value: Any) -> Any:
    if name in ("at", "until"):
        return frame.clock(value)
    if name == "kind":
        return kind_name(str(value))
    if name == "state":
        return state(str(value))
    if name == "kinds" and isinstance(value, list):
        return plain("orders.joiner").join(kind_name(str(code)) for code in value)
    return f"{Decimal(value):,.2f}" if (key, name) == ("exception.needs_manager", "limit") else value
