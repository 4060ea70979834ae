"""What the pages say of leads beyond backend.leads.wording: deadlines, owners, what a card shows."""

from __future__ import annotations

from backend import errors
from backend.leads import wording
from backend.leads.models import LeadCase, LeadRow
from pages.shared import format as fmt
from pages.shared.format import md
from pages.shared.i18n import locale, plain

_GRADE_COLORS = {"A": "red", "B": "orange", "C": "gray"}


def of(table: str, code: str | None) -> str:
    """The word of a code: of("stages", "closing") is 促成. Plain text."""
    return wording.label(table, code, locale())


def due(row: LeadRow) -> fmt.Due:
    """When the next follow-up is due; a closed lead has no deadline."""
    state = "stopped" if row.closed_at else "running"
    return fmt.due(row.due_at, state=state, lang=locale())


def owner(owner_id: int | None, name: str | None, me: int) -> str:
    """我, a colleague's name, or 公海."""
    if owner_id is None:
        return plain("leads.in_pool")
    return plain("leads.me") if owner_id == me else name or ""


def standing(row: LeadRow) -> str:
    """The stage of an open lead; won, or lost with the reason. Plain text."""
    if row.state == "lost":
        return f"{of('states', row.state)} · {of('lost_reasons', row.lost_reason)}"
    return of("stages", row.stage) if row.closed_at is None else of("states", row.state)


def name(row: LeadRow) -> str:
    """How the customer is called on lists: masked. Plain text."""
    return row.name_masked or row.buyer_masked or plain("leads.no_name")


def grade(letter: str) -> str:
    """Markdown of a grade."""
    return f":{_GRADE_COLORS.get(letter, 'gray')}-badge[{md(letter)}]"


def marks(row: LeadRow) -> list[str]:
    """What makes a lead special, in words: urgent, may be a duplicate, came back."""
    found = [plain("leads.raised")] if row.is_raised else []
    if row.has_twin:
        found.append(plain("leads.twin"))
    if row.recycled:
        found.append(plain("leads.recycled_n", times=row.recycled))
    return found


def chips(row: LeadRow) -> str:
    """Markdown of grade, marks and tags."""
    loud = [f":orange-badge[{md(mark)}]" for mark in marks(row)]
    tags = [f":gray-badge[{md(tag)}]" for tag in row.needs[:3]]
    return " ".join([grade(row.grade), *loud, *tags])


def case(one: LeadCase) -> str:
    """How a lead stands, in one line. Plain text."""
    parts = (
        wording.number(one.id),
        one.grade,
        of("stages", one.stage) if one.closed_at is None else of("states", one.state),
        one.owner_name or plain("leads.in_pool"),
    )
    return " · ".join(part for part in parts if part)


def refusal(key: str) -> str:
    """The short sentence of a refusal of one lead in a bulk action. Plain text."""
    return errors.message(key, locale())


def capped(count: int) -> str:
    """`84`, `1000+`: counts are taken up to 1,001."""
    return "1000+" if count > 1000 else str(count)
