"""Steps of a ticket's history as sentences."""

from __future__ import annotations

import re
from typing import Any

from backend import deadlines
from backend.history import Event
from backend.tickets import wording
from pages.shared import format as fmt
from pages.shared.i18n import locale, plain
from pages.shared.tickets import causes, words

_TOLD_CLOCKS = ("clock_breached",)
_SAID_ELSEWHERE = ("ticket_message", "attachment_added")
_TABLES = {
    "type": "types",
    "kind": "money",
    "outcome": "outcomes",
    "quality": "qualities",
    "freight_insurance": "insurances",
}
_PLAIN = ("member", "carrier", "tracking_no")
_REASONS = ("waits", "give_back", "reopen", "cancel", "closings")
_CODE = re.compile(r"[a-z][a-z_]*")


def is_told(event: Event) -> bool:
    """Whether the timeline shows it: messages and photos stand there themselves, clocks in the head."""
    if event.action.startswith("clock_"):
        return event.action in _TOLD_CLOCKS
    return event.action in wording.keys("events") and event.action not in _SAID_ELSEWHERE


def said(event: Event) -> str:
    """What happened, with what matters of it. Plain text."""
    detail = event.detail
    parts = [wording.label("events", event.action, locale()), *_facts(detail)]
    return " · ".join(part for part in parts if part)


def _facts(detail: dict[str, Any]) -> list[str]:
    """Kind, amount, reason, person, state: whatever the step carries."""
    found = [
        words.of(table, detail[name])
        for name, table in _TABLES.items()
        if detail.get(name) in wording.keys(table)
    ]
    if detail.get("target"):
        area = f"{detail.get('entity', 'ticket')}.{detail['target']}"
        found.append(deadlines.area_words(area, locale()))
    if detail.get("amount") is not None:
        found.append(fmt.money(detail["amount"]))
    if detail.get("root_cause_id"):
        found.append(causes.names().get(int(detail["root_cause_id"]), ""))
    if detail.get("reason"):
        found.append(_reason(str(detail["reason"])))
    if detail.get("score"):
        found.append(plain("tickets.score_n", score=detail["score"]))
    found += [str(detail[name]) for name in _PLAIN if detail.get(name)]
    if detail.get("to") and detail.get("from"):
        found.append(f"{words.of('states', detail['from'])} → {words.of('states', detail['to'])}")
    return found


def _reason(reason: str) -> str:
    """A reason of one of the lists in words, or a colleague's own; a code nobody knows says nothing."""
    for table in _REASONS:
        if reason in wording.keys(table):
            return words.of(table, reason)
    return "" if _CODE.fullmatch(reason) else reason
