"""Many leads at once: what would be refused is named first, and for ten minutes it can be taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import streamlit as st

from backend.leads import commands, reads, wording
from backend.leads.choices import COMMON_NEEDS, REASONS, STAGES, BulkAction
from backend.leads.models import Done, ItemResult, LeadRow
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.leads import state, words

_ASKED = "leads_bulk_asked"
_UNDO = "leads_last_batch"
_UNDO_MINUTES = 10
_NAMED = 12


@dataclass(frozen=True)
class _Asked:
    """What is about to be done with which leads; `told` says it in words."""

    rows: tuple[LeadRow, ...]
    action: BulkAction
    value: Any
    to: str
    told: str


def making() -> bool:
    """Whether a preview is open."""
    return _ASKED in st.session_state


def bar(user: User, rows: Sequence[LeadRow]) -> None:
    """What can be done with the ticked rows. Always as high, so that the table stays where it is."""
    if not user.has("agent", "manager"):
        return
    with (
        widgets.wide("leads_bulk"),
        st.container(horizontal=True, vertical_alignment="center", gap="small", key="leads_bulk_bar"),
    ):
        st.markdown(t("leads.selected", count=len(rows)) if rows else t("leads.tick_hint"), width="content")
        _menu(rows, "move", {one: words.of("stages", one) for one in STAGES})
        _menu(rows, "tag", {one: one for one in COMMON_NEEDS})
        _menu(rows, "give_back", {one: words.of("give_back_reasons", one) for one in REASONS["give_back"]})
        if user.has("manager") or user.is_duty_lead:
            names = reads.sellers(frame.client(), {row.shop_id for row in rows}) if rows else {}
            _menu(rows, "assign", names)


def _menu(rows: Sequence[LeadRow], action: BulkAction, choices: Mapping[Any, str]) -> None:
    key = f"leads_bulk_{action}"
    chosen = widgets.menu(t(f"leads.bulk.{action}"), choices, key=key, disabled=not rows)
    if chosen is not None:
        told = plain(f"leads.bulk.{action}_to", to=choices[chosen])
        st.session_state[_ASKED] = _Asked(tuple(rows), action, chosen, choices[chosen], told)
        st.rerun()


def dialog() -> None:
    """The preview, when it is open."""
    asked: _Asked | None = st.session_state.get(_ASKED)
    if asked is not None:
        st.dialog(asked.told, width="medium", on_dismiss=_end)(_body)(asked)


def _body(asked: _Asked) -> None:
    with frame.boundary():
        refs = [state.ref(row) for row in asked.rows]
        found = commands.preview(frame.client(), asked.action, refs, asked.value)
        st.markdown(t("leads.bulk.preview", ok=found.ok, count=found.count))
        _changes(asked, {item.id for item in found.items if item.refusal is None})
        _refused(found.items)
        label = t("leads.bulk.send", count=found.ok)
        if st.button(label, key="leads_bulk_send", type="primary", disabled=not found.ok):
            mark = state.mark("bulk", asked.action, refs, asked.value)
            answer = commands.change(frame.client(), asked.action, refs, asked.value, request_id=mark)
            remember(answer, plain("leads.bulk.done", what=asked.told, count=answer.done))
            _end()
            state.finished(t("leads.done_n", count=answer.done))


def _changes(asked: _Asked, ids: Set[int]) -> None:
    """What becomes of which lead, from what it is now."""
    rows = [row for row in asked.rows if row.id in ids]
    lines = [
        plain(
            "common.told",
            name=f"{wording.number(row.id)} {words.name(row)}",
            text=f"{_before(asked.action, row)} → {_after(asked, row)}",
        )
        for row in rows[:_NAMED]
    ]
    if len(rows) > _NAMED:
        lines.append(plain("leads.bulk.and_more", count=len(rows) - _NAMED))
    if lines:
        st.caption("  \n".join(md(line) for line in lines))


def _before(action: BulkAction, row: LeadRow) -> str:
    if action == "move":
        return words.of("stages", row.stage)
    return (
        plain("common.listed").join(row.needs)
        if action == "tag"
        else row.owner_name or plain("leads.in_pool")
    )


def _after(asked: _Asked, row: LeadRow) -> str:
    if asked.action == "tag":
        return plain("common.listed").join(dict.fromkeys([*row.needs, asked.to]))
    return plain("leads.in_pool") if asked.action == "give_back" else asked.to


def _refused(items: Sequence[ItemResult]) -> None:
    """Why which leads stay as they are, by name."""
    reasons: dict[str, list[str]] = {}
    for item in items:
        if item.refusal:
            reasons.setdefault(item.refusal, []).append(wording.number(item.id))
    for key, numbers in reasons.items():
        named = plain("common.listed").join(numbers[:_NAMED]) + (" …" if len(numbers) > _NAMED else "")
        told = t("leads.refused_n", count=len(numbers), why=words.of("refusals", key))
        st.warning(f"{told} {md(named)}", icon=":material/lock:")


def remember(answer: Done, told: str) -> None:
    """What was just done can be taken back."""
    if answer.batch_id is not None:
        st.session_state[_UNDO] = {"batch_id": answer.batch_id, "words": told, "at": datetime.now(UTC)}


def undo_bar() -> None:
    """The last action on many and its 撤销, for ten minutes."""
    kept: dict[str, Any] | None = st.session_state.get(_UNDO)
    if kept is None:
        return
    left = timedelta(minutes=_UNDO_MINUTES) - (datetime.now(UTC) - kept["at"])
    if left <= timedelta(0):
        st.session_state.pop(_UNDO)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="leads_undo_bar"):
        st.caption(md(kept["words"]), width="content")
        label = t("leads.undo", minutes=max(1, round(left.total_seconds() / 60)))
        if st.button(label, key="leads_undo", icon=":material/undo:", shortcut="Alt+Z", type="tertiary"):
            with frame.boundary():
                _undo(kept["batch_id"])


def _undo(batch_id: int) -> None:
    answer = commands.undo(frame.client(), batch_id, request_id=state.mark("undo", batch_id))
    st.session_state.pop(_UNDO)
    left = [item for item in answer.items if item.refusal]
    if left:
        named = plain("common.listed").join(wording.number(item.id) for item in left[:_NAMED])
        why = words.of("refusals", left[0].refusal)
        frame.flash(f"{t('leads.undo_left', count=len(left), why=why)} {md(named)}", icon=":material/lock:")
    state.finished(t("leads.undone", count=answer.done), icon=":material/undo:")


_end = partial(st.session_state.pop, _ASKED, None)
