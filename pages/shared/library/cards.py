"""A script as a card: its text, what it is for, copy; the copy is noted as a use."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from backend.library import commands
from backend.library.models import Script
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.library import state, values, wording
from pages.shared.words import wording as words

_USED = "library_used"
Case = tuple[str, int]


def card(
    row: Script,
    user: User,
    *,
    shop_id: int | None,
    given: Mapping[str, str],
    case: Case | None = None,
    key: str = "scripts",
    opens: bool = True,
) -> None:
    """One script. `shop_id` is where it would be used; None: it can only be read."""
    with st.container(border=True, gap="xsmall", key=f"{key}_card_{row.id}", height="stretch"):
        st.markdown(_head(row))
        st.markdown(wording.body(values.filled(row.body, given).text))
        st.caption(" · ".join(md(part) for part in _foot(row) if part))
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if shop_id is not None and row.offered_in and row.is_live:
                _copy(row, user, shop_id, given, case, key)
            if opens:
                st.button(
                    t("library.open"),
                    key=f"{key}_open_{row.id}",
                    on_click=state.open_record,
                    args=(row.id,),
                )


def _head(row: Script) -> str:
    marks = [f"**{md(row.title)}**"]
    if row.scope == "personal":
        marks.append(f":gray-badge[:material/person: {t('library.scope.personal')}]")
    if row.has_live and not row.is_live:
        marks.append(f":blue-badge[:material/edit: {t('library.change_of_live')}]")
    if row.is_over:
        marks.append(f":gray-badge[:material/event_busy: {t('library.over')}]")
    if row.verdict in ("block", "unchecked") or (row.verdict == "warn" and not row.is_live):
        marks.append(words.verdict_badge(row.verdict))
    return " ".join(marks)


def _foot(row: Script) -> list[str]:
    where = row.shop_name or plain("library.all_shops")
    uses = plain("library.uses", count=row.uses) if row.uses else ""
    return [*wording.facts(row), where, wording.until(row), uses]


def _copy(
    row: Script, user: User, shop_id: int, given: Mapping[str, str], case: Case | None, key: str
) -> None:
    found = values.filled(row.body, given)
    label = (
        plain("library.copy_missing", count=len(found.missing)) if found.missing else plain("library.copy")
    )
    noting = user.has("agent", "operations", "manager", "warehouse")
    copied = widgets.copy_button(found.text, key=f"{key}_copy_{row.id}", label=label, tell=noting)
    if copied:
        note(row.id, shop_id, case)


def note(script_id: int, shop_id: int, case: Case | None) -> None:
    """A copy counts once per click: each is an intention of its own."""
    count = st.session_state[_USED] = st.session_state.get(_USED, 0) + 1
    with frame.boundary():
        asked = frame.request_id("library_use", script_id, shop_id, case, count)
        commands.use_script(frame.client(), script_id, shop_id, request_id=asked, case=case)
