"""Many tickets at once: what would change and what is refused is named first; ten minutes take it back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from backend.tickets import commands, reads, wording
from backend.tickets.choices import REASONS, SEVERITIES, BulkAction
from backend.tickets.models import TicketRef, TicketRow
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.tickets import causes, state, words

_ASKED = "tickets_bulk_asked"
_NAMED = 12
_STEPS: Mapping[str, tuple[BulkAction, str]] = {
    "reassign": ("reassign", "member_id"),
    "severity": ("classify", "severity"),
    "cause": ("classify", "root_cause_id"),
    "give_back": ("give_back", "reason"),
}
"""What each menu asks of `commands.change`: the action, and the name of what was chosen."""


@dataclass(frozen=True)
class _Asked:
    """What is about to be done with which tickets; `to` says what was chosen in words."""

    rows: tuple[TicketRow, ...]
    menu: str
    value: Any
    to: str

    @property
    def told(self) -> str:
        return plain(f"tickets.bulk.{self.menu}_to", to=self.to)


def is_making() -> bool:
    """Whether a preview is open."""
    return _ASKED in st.session_state


def bar(user: User, ticked: Sequence[TicketRow]) -> None:
    """What can be done with the ticked rows. Always as high, so that the table stays where it is."""
    if not user.has("agent", "operations", "manager", "admin"):
        return
    with (
        widgets.wide("tickets_bulk"),
        st.container(horizontal=True, vertical_alignment="center", gap="small", key="tickets_bulk_bar"),
    ):
        told = t("tickets.selected", count=len(ticked)) if ticked else t("tickets.tick_hint")
        st.markdown(told, width="content")
        with frame.boundary():
            _menu(ticked, "reassign", _colleagues(ticked))
            _menu(ticked, "severity", {one: words.of("severities", one) for one in SEVERITIES})
            _menu(ticked, "cause", causes.names() if ticked else {})
            _menu(ticked, "give_back", {one: words.of("give_back", one) for one in REASONS["give_back"]})


def _colleagues(rows: Sequence[TicketRow]) -> Mapping[int, str]:
    """Who could work on all of these; not the one who has them all already."""
    if not rows:
        return {}
    found = reads.colleagues(frame.client(), {row.shop_id for row in rows})
    owners = {row.owner_id for row in rows}
    return {one: name for one, name in found.items() if owners != {one}}


def _menu(rows: Sequence[TicketRow], menu: str, choices: Mapping[Any, str]) -> None:
    key = f"tickets_bulk_{menu}"
    chosen = widgets.menu(t(f"tickets.bulk.{menu}"), choices, key=key, disabled=not rows)
    if chosen is not None:
        st.session_state[_ASKED] = _Asked(tuple(rows), menu, chosen, choices[chosen])
        st.rerun()


def dialog() -> None:
    """The preview, when it is open."""
    asked: _Asked | None = st.session_state.get(_ASKED)
    if asked is not None:
        st.dialog(asked.told, width="medium", on_dismiss=_end)(_body)(asked)


def _body(asked: _Asked) -> None:
    with frame.boundary():
        action, name = _STEPS[asked.menu]
        items = [TicketRef(row.id, row.version) for row in asked.rows]
        found = commands.preview(frame.client(), action, items, {name: asked.value})
        st.markdown(t("tickets.bulk.preview", ok=found.ok, count=found.count))
        _changes(asked, [row for row in asked.rows if row.id in found.ids])
        for refused in found.refused:
            why = words.refusal(refused.key, refused.params)
            st.warning(t("tickets.refused_n", count=refused.count, why=why), icon=":material/lock:")
        label = t("tickets.bulk.send", count=found.ok)
        if st.button(label, key="tickets_bulk_send", type="primary", disabled=not found.ok):
            _send(asked, items)


def _changes(asked: _Asked, rows: Sequence[TicketRow]) -> None:
    """What becomes of which ticket, from what it is now."""
    after = plain("tickets.bulk.nobody") if asked.menu == "give_back" else asked.to
    lines = [
        plain(
            "common.told",
            name=f"{wording.number(row.id)} {words.of('types', row.type)}",
            text=f"{_before(asked.menu, row)} → {after}",
        )
        for row in rows[:_NAMED]
    ]
    if len(rows) > _NAMED:
        lines.append(plain("tickets.bulk.and_more", count=len(rows) - _NAMED))
    if lines:
        st.caption("  \n".join(md(line) for line in lines))


def _before(menu: str, row: TicketRow) -> str:
    match menu:
        case "severity":
            return words.of("severities", row.severity)
        case "cause":
            return row.root_cause or plain("tickets.bulk.none")
        case _:
            return row.owner_name or plain("tickets.bulk.nobody")


def _send(asked: _Asked, items: Sequence[TicketRef]) -> None:
    action, name = _STEPS[asked.menu]
    mark = state.mark("tickets_bulk", asked.menu, items, asked.value)
    answer = commands.change(frame.client(), action, items, {name: asked.value}, request_id=mark)
    told = plain("tickets.bulk.done", what=asked.told, count=answer.done)
    state.changed(answer.batch_id, told)
    _end()
    if answer.refused:
        first = answer.refused[0]
        why = words.refusal(first.key, first.params)
        frame.flash(t("tickets.refused_n", count=len(answer.refused), why=why), icon=":material/lock:")
    frame.flash_and_rerun(told)


def _end() -> None:
    st.session_state.pop(_ASKED, None)
