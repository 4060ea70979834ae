"""Two leads that may be one customer: decided by a person, field by field; nothing is ever deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from backend.leads import commands, reads, wording
from backend.leads.choices import MERGE_FIELDS
from backend.leads.models import Twin
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.leads import state, words

_OPEN = "leads_twins"
_CODED = {"source": "sources", "intent": "intents", "budget": "budgets", "membership": "memberships"}
_MASKS = ("name", "phone", "wechat", "email")


def button(user: User, count: int) -> None:
    """Opens the proposals, when there are any."""
    if (
        count
        and user.has("agent", "manager")
        and st.button(
            t("leads.twins_n", count=words.capped(count)),
            key="leads_twins_button",
            icon=":material/content_copy:",
            type="tertiary",
        )
    ):
        st.session_state[_OPEN] = True
        st.rerun()  # the board is a fragment, the proposals belong to the page


def dialog(user: User) -> None:
    """The proposals, when they are open."""
    if st.session_state.get(_OPEN):
        title = plain("leads.twins")
        st.dialog(title, width="large", on_dismiss=_end, icon=":material/content_copy:")(_body)(user)


def _body(user: User) -> None:
    with frame.boundary():
        found = reads.twins(frame.client())
        st.caption(t("leads.twins_text"))
        if not found:
            widgets.empty_state(t("leads.twins_none"), icon=":material/task_alt:", key="leads_twins")
        for twin in found[:20]:
            _draw(twin)


def _draw(twin: Twin) -> None:
    with st.container(border=True, gap="small", key=f"leads_twin_{twin.id}"):
        how = plain("common.listed").join(plain(f"leads.field.{name}") for name in twin.matched)
        st.markdown(t("leads.twin_how", how=how))
        left, right = st.columns(2)
        for place, side, label in ((left, twin.into, "older"), (right, twin.lead, "newer")):
            with place:
                st.markdown(f"**{t(f'leads.twin.{label}')}** {md(_line(side))}")
                st.caption(md(_facts(side)))
        if "name_masked" not in twin.lead or "name_masked" not in twin.into:
            st.caption(t("leads.twin_not_yours"))
            return
        taken = [name for name in MERGE_FIELDS if _differs(twin, name) and _takes_newer(twin, name)]
        with st.container(horizontal=True, gap="small"):
            if st.button(t("leads.twin_merge"), key=f"leads_twin_merge_{twin.id}", type="primary"):
                asked = state.mark("merge", twin.id, taken)
                pair = (int(twin.lead["id"]), int(twin.into["id"]))
                commands.merge(frame.client(), frame.keyring(), twin.id, pair, taken, request_id=asked)
                state.finished(t("leads.twin_merged", number=wording.number(pair[1])))
            if st.button(t("leads.twin_reject"), key=f"leads_twin_reject_{twin.id}"):
                asked = state.mark("reject_merge", twin.id)
                commands.reject_merge(frame.client(), twin.id, request_id=asked)
                state.finished(t("leads.twin_rejected"))


def _takes_newer(twin: Twin, name: str) -> bool:
    """Both values of a field side by side, and which stays: the newer one where the older says nothing."""
    sides = {"older": twin.into, "newer": twin.lead}
    chosen = st.radio(
        t(f"leads.field.{name}"),
        list(sides),
        index=int(_is_new(twin, name)),
        format_func=lambda side: md(plain(f"leads.twin.{side}_is", value=_shown(sides[side], name))),
        horizontal=True,
        key=f"leads_twin_take_{twin.id}_{name}",
    )
    return chosen == "newer"


def _shown(side: Mapping[str, Any], name: str) -> str:
    """A field's value in people's words."""
    value = _value(side, name)
    if not value:
        return "—"
    if name == "needs":
        return plain("common.listed").join(value)
    return words.of(_CODED[name], value) if name in _CODED else str(value)


def _line(side: Mapping[str, Any]) -> str:
    parts = (
        wording.number(int(side["id"])),
        str(side["grade"]),
        words.of("stages", side["stage"]),
        side.get("owner_name") or plain("leads.in_pool"),
    )
    return " · ".join(parts)


def _facts(side: Mapping[str, Any]) -> str:
    shown = [str(side.get(f"{name}_masked") or "") for name in (*_MASKS, "buyer")]
    tags = plain("common.listed").join(side.get("needs") or ())
    return " · ".join(part for part in [*shown, tags] if part)


def _value(side: Mapping[str, Any], name: str) -> Any:
    if name in _MASKS:
        return side.get(f"{name}_masked")
    return side.get("buyer_masked") if name == "buyer_account" else side.get(name)


def _differs(twin: Twin, name: str) -> bool:
    """Whether the newer lead has something else to offer."""
    value = _value(twin.lead, name)
    return bool(value) and value != "unknown" and value != _value(twin.into, name)


def _is_new(twin: Twin, name: str) -> bool:
    """Whether the older lead knows nothing there."""
    return _differs(twin, name) and _value(twin.into, name) in (None, "", "unknown")


def _end() -> None:
    st.session_state.pop(_OPEN, None)
