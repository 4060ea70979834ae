"""What the approvals say in words: why somebody else decides, how it stands, who was asked."""

from __future__ import annotations

from collections.abc import Sequence

from backend.tickets import wording
from backend.tickets.approvals import Approval, Person, Refusal, Used
from backend.tickets.models import Money
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.i18n import known, locale, plain, t


def kind(code: str) -> str:
    """补偿, 仅退款 … Plain text."""
    return wording.label("money", code, locale())


def chips(why: Sequence[str]) -> str:
    """Markdown of the reasons why the handler may not grant it; a complaint is red."""
    return " ".join(
        f":{'red' if code == 'complaint' else 'orange'}-badge[{t(f'approvals.why.{code}')}]" for code in why
    )


def state(found: Approval) -> str:
    """Markdown of the deadline while it is open, else of how it ended."""
    if found.state == "open":
        clock = found.clock_state if found.clock_state in ("paused", "uncovered") else "running"
        return widgets.due_chip(widgets.due_of(found.due_at and found.due_at.isoformat(), state=clock))
    color = {"approved": "green", "rejected": "red"}.get(found.state, "gray")
    return f":{color}-badge[{t(f'approvals.state.{found.state}')}]"


def ending(found: Approval) -> str:
    """Who decided, when, as what, and why. Plain text; empty while it is open."""
    if found.state == "open":
        return ""
    who = found.decided_by or ""
    if found.decided_as:
        who = plain("approvals.as", who=who, part=plain(f"approvals.part.{found.decided_as}"))
    reason = found.decision_reason or ""
    if found.state == "withdrawn" and known(f"approvals.withdrawn.{reason}"):
        reason = plain(f"approvals.withdrawn.{reason}")
    return " · ".join(
        part
        for part in (plain(f"approvals.state.{found.state}"), who, frame.clock(found.decided_at), reason)
        if part
    )


def used(figures: Used, covers: object) -> str:
    """「累计 ¥900，经办权限 ¥500；这一单已有 ¥300，客户 90 天内已有 ¥300」. Plain text."""
    parts = [plain("approvals.total", total=amount(covers))]
    if figures.limit is not None:
        parts.append(plain("approvals.limit", limit=amount(figures.limit)))
    parts.append(plain("approvals.used_order", used=amount(figures.used_order)))
    if figures.customer_days:
        parts.append(
            plain("approvals.used_customer", days=figures.customer_days, used=amount(figures.used_customer))
        )
    return " · ".join(parts)


def person(one: Person) -> str:
    """Somebody who was asked, or passed over and why. Plain text."""
    limit = "" if one.limit is None else plain("approvals.person_limit", limit=amount(one.limit))
    return " · ".join(part for part in (one.name or "—", plain(f"approvals.part.{one.why}"), limit) if part)


def money(one: Money) -> str:
    """Another amount that counts with it, in one line of Markdown."""
    state_word = wording.label("money_states", one.state, locale())
    parts = (
        f"{fmt.money(one.amount)} {kind(one.kind)}",
        state_word,
        one.requested_by or "",
        frame.clock(one.requested_at),
    )
    facts = " · ".join(part for part in parts if part)
    return md(facts) + (f"  \n:gray[{md(one.reason)}]" if one.reason else "")


def lock(said: Refusal) -> str:
    """Why I may not decide and who may, for Markdown."""
    params = said.params
    return t(
        f"approvals.lock.{said.key.removeprefix('approval.')}",
        who=params.get("who") or plain("approvals.nobody"),
        covers=amount(params.get("covers", 0)),
        limit=amount(params.get("limit") or 0),
    )


def amount(value: object) -> str:
    """`¥500` where there are no cents, `¥12.50` where there are."""
    return fmt.money(str(value)).removesuffix(".00")
