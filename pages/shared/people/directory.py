"""The list of members: filters, a table or cards, and which one is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from backend.members import ROLES, Member
from pages.shared import address, frame, widgets
from pages.shared import format as fmt
from pages.shared.i18n import plain, t

_OPEN = "members_open"
_TABLE = "members_table_round"
STATES = ("active", "invited", "off")


def summary(roles: Sequence[str]) -> str:
    """`37 人：客服 30 · 仓储 3 · 运营 4`."""
    counts = Counter(roles)
    parts = " · ".join(f"{plain(f'role.{role}')} {counts[role]}" for role in ROLES if counts[role])
    return t("members.summary", count=len(roles), parts=parts)


def filters(everybody: Sequence[Member]) -> list[Member]:
    """Draws the filter row and returns the members it leaves."""
    with widgets.filter_row("members"):
        words = st.text_input(
            t("members.search"),
            key="members_q",
            type="search",
            placeholder=plain("members.search"),
            bind="query-params",
            width=260,
        )
        role = st.selectbox(
            t("member.role"),
            ROLES,
            index=None,
            placeholder=plain("common.all"),
            format_func=lambda name: plain(f"role.{name}"),
            key="members_role",
            bind="query-params",
            width=160,
        )
        state = st.selectbox(
            t("member.state"),
            STATES,
            index=None,
            placeholder=plain("common.all"),
            format_func=lambda name: plain(f"member.state.{name}"),
            key="members_state",
            bind="query-params",
            width=160,
        )
    wanted = (words or "").strip().lower()
    return [
        member
        for member in everybody
        if wanted in f"{member.display_name} {member.staff_no} {member.login_email or ''}".lower()
        and role in (None, member.role)
        and state in (None, member.state)
    ]


def table(found: Sequence[Member]) -> int | None:
    """Draws the members and returns the one whose drawer is open: a selected row, or `?member=ID`."""
    _open_from_address()
    if not found:
        widgets.empty_state(
            t("members.none"), t("members.none_hint"), icon=":material/person_search:", key="members"
        )
        return st.session_state.get(_OPEN)
    with widgets.wide("members"):
        _table(found)
    with widgets.narrow("members"):
        for member in found:
            _card(member)
    found_id: int | None = st.session_state.get(_OPEN)
    return found_id


def _table(found: Sequence[Member]) -> None:
    key = f"members_table_{st.session_state.setdefault(_TABLE, 0)}"
    st.dataframe(
        pd.DataFrame([_row(member) for member in found]),
        hide_index=True,
        key=key,
        on_select=lambda: _open_selected(key, [member.id for member in found]),
        selection_mode="single-row",
        column_config=_columns(),
        alt=plain("members.title"),
    )
    st.caption(t("members.open_hint"))


def _card(member: Member) -> None:
    row = _row(member)
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"members_card_{member.id}"
    ):
        with st.container(gap="xxsmall", width="stretch"):
            st.markdown(f"**{fmt.md(member.display_name)}** · {fmt.md(row['role'])}")
            st.caption(fmt.md(" · ".join(str(row[name]) for name in ("staff_no", "state", "seen"))))
        st.button(
            t("members.open"),
            key=f"members_open_{member.id}",
            on_click=_open,
            args=(member.id,),
            type="tertiary",
            icon=":material/chevron_right:",
            icon_position="right",
        )


def _open(member_id: int) -> None:
    st.session_state[_OPEN] = member_id


def _row(member: Member) -> dict[str, object]:
    lead = fmt.when(member.duty_lead_until)
    return {
        "name": member.display_name,
        "staff_no": member.staff_no or "",
        "role": plain(f"role.{member.role}") + (" ★" if lead and lead > datetime.now(UTC) else ""),
        "shops": plain("common.all") if member.role == "admin" else " ".join(member.shops),
        "skills": " ".join(plain(f"skill.{skill}") for skill in member.skills),
        "state": state_words(member),
        "seen": frame.clock(member.last_seen_at),
    }


def state_words(member: Member) -> str:
    """`在用`, or `邀请码已过期` for an invitation that nobody took up in time."""
    until = fmt.when(member.invited_until)
    if member.state == "invited" and (until is None or until < datetime.now(UTC)):
        return plain("member.state.code_ended")
    return plain(f"member.state.{member.state}")


def _columns() -> dict[str, object]:
    names = ("name", "staff_no", "role", "shops", "skills", "state", "seen")
    return {name: st.column_config.TextColumn(plain(f"members.column.{name}")) for name in names}


def _open_from_address() -> None:
    wanted = address.number("member")
    if wanted is not None:
        st.session_state[_OPEN] = wanted
        del st.query_params["member"]


def _open_selected(key: str, ids: Sequence[int]) -> None:
    rows = st.session_state[key].selection.rows
    st.session_state[_OPEN] = ids[rows[0]] if rows else None


def close() -> None:
    """Forgets the open member and the row selection (a new key is a new table)."""
    member_id = st.session_state.pop(_OPEN, None)
    if member_id is not None:
        frame.close_form("member", member_id)
    st.session_state[_TABLE] = st.session_state.get(_TABLE, 0) + 1
