"""The tree of root causes, and the reasons to tick: read by everybody, edited by operations, managers,
admins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from backend.library import commands, reads
from backend.library.models import PURPOSES, Reason, RootCause
from pages.shared import frame
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import t

_EDITORS = ("operations", "manager", "admin")


def tree(user: User) -> None:
    """The causes, children below their parents."""
    found = reads.root_causes(frame.client())
    st.caption(t("library.causes_help"))
    tops = [one for one in found if one.parent_id is None]
    with st.grid(min_column_width=300, gap="small", key="causes_grid"):
        for top in tops:
            with st.container(border=True, gap="xsmall", key=f"causes_{top.id}", height="stretch"):
                _line(top, user, found, depth=0)
                for child in _children(top, found):
                    _line(child, user, found, depth=1)
                    for leaf in _children(child, found):
                        _line(leaf, user, found, depth=2)
    if user.has(*_EDITORS):
        _new(found)


def _children(one: RootCause, found: Sequence[RootCause]) -> list[RootCause]:
    return [child for child in found if child.parent_id == one.id]


def _line(one: RootCause, user: User, found: Sequence[RootCause], *, depth: int) -> None:
    name = md(one.name) if depth else f"**{md(one.name)}**"
    shown = name if one.is_active else f":gray[~~{name}~~]"
    count = f" :gray[{t('library.solutions_count', count=one.solutions)}]" if one.solutions else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{'&emsp;' * depth}{shown}{count}", width="stretch")
        if user.has(*_EDITORS):
            with st.popover(
                "",
                icon=":material/edit:",
                key=f"causes_edit_{one.id}",
                help=t("library.edit"),
                type="tertiary",
            ):
                _form(one, found)


def _form(one: RootCause, found: Sequence[RootCause]) -> None:
    key = f"causes_form_{one.id}_{one.version}"
    name = st.text_input(t("library.cause_name"), one.name, key=f"{key}_name", max_chars=20)
    place = st.number_input(
        t("library.position"),
        0,
        9999,
        one.position,
        step=10,
        key=f"{key}_position",
        help=t("library.position_help"),
    )
    active = st.toggle(t("library.is_offered"), one.is_active, key=f"{key}_active")
    if st.button(t("library.save"), key=f"{key}_save", type="primary", disabled=not name.strip()):
        facts = {"parent_id": one.parent_id, "name": name.strip(), "position": place, "is_active": active}
        _save(facts, one)


def _new(found: Sequence[RootCause]) -> None:
    parents = {one.id: one.path for one in found if one.is_active and one.path.count(" / ") < 2}
    with (
        st.expander(t("library.new_cause"), icon=":material/add:"),
        st.form("causes_new", border=False, clear_on_submit=True),
        st.container(horizontal=True, vertical_alignment="bottom", gap="small"),
    ):
        parent = st.selectbox(
            t("library.cause_above"),
            list(parents),
            format_func=parents.get,
            key="causes_new_parent",
            width=220,
        )
        name = st.text_input(t("library.cause_name"), key="causes_new_name", max_chars=20, width=220)
        sent = st.form_submit_button(t("library.add"), key="causes_new_save")
    if sent and name.strip():
        _save({"parent_id": parent, "name": name.strip()}, None)


def _save(facts: dict[str, Any], one: RootCause | None) -> None:
    with frame.boundary():
        asked = frame.request_id("causes_save", one and (one.id, one.version), facts)
        commands.save_root_cause(
            frame.client(),
            facts,
            request_id=asked,
            cause_id=one.id if one else None,
            version=one.version if one else None,
        )
        frame.flash_and_rerun(t("library.saved"))


def reasons(user: User) -> None:
    """The reasons by purpose."""
    found = reads.reasons(frame.client())
    st.caption(t("library.reasons_help"))
    with st.grid(min_column_width=300, gap="small", key="reasons_grid"):
        for purpose in PURPOSES:
            with st.container(border=True, gap="xsmall", key=f"reasons_{purpose}", height="stretch"):
                st.markdown(f"**{t(f'library.purpose.{purpose}')}**")
                _chips(user, purpose, [one for one in found if one.purpose == purpose])


def _chips(user: User, purpose: str, found: Sequence[Reason]) -> None:
    if not user.has(*_EDITORS):
        st.markdown(" ".join(f":gray-badge[{md(one.text)}]" for one in found if one.is_active))
        return
    names = {one.id: one for one in found}
    usual = [one.id for one in found if one.is_active]
    mark = "_".join(str(one.version) for one in found)
    chosen = st.pills(
        t("library.reasons_offered"),
        list(names),
        selection_mode="multi",
        default=usual,
        format_func=lambda number: names[number].text,
        key=f"reasons_{purpose}_{mark}",
        label_visibility="collapsed",
    )
    for one in found:
        if one.is_active != (one.id in chosen):
            _switch(one, one.id in chosen)
    with (
        st.form(f"reasons_new_{purpose}", border=False, clear_on_submit=True),
        st.container(horizontal=True, vertical_alignment="bottom", gap="small"),
    ):
        text = st.text_input(
            t("library.new_reason"), key=f"reasons_new_{purpose}_text", max_chars=30, width=170
        )
        sent = st.form_submit_button(t("library.add"), key=f"reasons_new_{purpose}_save")
    if sent and text.strip():
        with frame.boundary():
            facts = {"purpose": purpose, "text": text.strip()}
            commands.save_reason(frame.client(), facts, request_id=frame.request_id("reasons_new", facts))
            frame.flash_and_rerun(t("library.saved"))


def _switch(one: Reason, on: bool) -> None:
    with frame.boundary():
        asked = frame.request_id("reasons_switch", one.id, one.version, on)
        commands.save_reason(
            frame.client(), {"is_active": on}, request_id=asked, reason_id=one.id, version=one.version
        )
        frame.flash_and_rerun(t("library.reason_on" if on else "library.reason_off", text=one.text))
