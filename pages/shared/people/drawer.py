"""One member at the right: facts, and for an admin everything that can be changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import streamlit as st

from backend import auth, members
from backend.members import Member
from backend.shops import Shop
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import t
from pages.shared.people import codes, directory, duties


def draw(member: Member, user: User, all_shops: Sequence[Shop]) -> None:
    """One member at the right: facts, and for an admin everything that can be changed."""

    @st.dialog(fmt.md(member.display_name), position="right", width="medium", on_dismiss=directory.close)
    def body() -> None:
        st.caption(t("members.facts", staff_no=member.staff_no or "—", state=directory.state_words(member)))
        if member.state == "active" and member.id != user.id:
            _duty_lead(member, user)
        if user.has("admin"):
            _change_form(member, all_shops)
            _access(member, user)

    body()


def _change_form(member: Member, all_shops: Sequence[Shop]) -> None:
    version = frame.opened_version("member", member.id, member.version)
    key = f"members_change_{member.id}_{version}"
    with st.form(key, border=False):
        name = st.text_input(t("member.name"), member.display_name, key=f"{key}_name", max_chars=40)
        staff_no = st.text_input(t("member.staff_no"), member.staff_no or "", key=f"{key}_no", max_chars=20)
        role, shops, skills, limit = duties.inputs(key, all_shops, member)
        sent = st.form_submit_button(t("common.save"), type="primary", key=f"{key}_save")
    if sent:
        change = {
            "display_name": name.strip(),
            "staff_no": staff_no.strip(),
            "role": role,
            "shops": shops,
            "skills": skills,
            "approval_limit": limit,
        }
        with frame.boundary(), frame.editing("member", member.id):
            mark = frame.request_id("members_change", member.id, version, change)
            opened = replace(member, version=version)
            members.change_member(frame.client(), opened, change=change, request_id=mark)
            directory.close()
            frame.flash_and_rerun(t("members.changed", name=name))


def _duty_lead(member: Member, user: User) -> None:
    until = fmt.when(member.duty_lead_until)
    leads = until is not None and until > datetime.now(UTC)
    with st.container(border=True, key=f"members_lead_{member.id}"):
        if leads:
            st.markdown(t("members.leads_until", until=frame.clock(until)))
            if st.button(t("members.end_lead"), key=f"members_end_lead_{member.id}"):
                _set_lead(member, None)
            return
        st.markdown(t("members.lead_text"))
        ends = st.time_input(
            t("members.lead_until"), time(16, 30), key=f"members_lead_time_{member.id}", width=140
        )
        if st.button(t("members.make_lead"), key=f"members_make_lead_{member.id}"):
            _set_lead(member, next_time(ends, user.zone, datetime.now(UTC)))


def next_time(at: time, zone: str, now: datetime) -> datetime:
    """The next instant at which a clock in that zone shows `at`; within 24 hours."""
    local = now.astimezone(ZoneInfo(zone))
    today = datetime.combine(local.date(), at, ZoneInfo(zone))
    return today if today > now else datetime.combine(local.date() + timedelta(days=1), at, ZoneInfo(zone))


def _set_lead(member: Member, until: datetime | None) -> None:
    with frame.boundary():
        mark = frame.request_id("members_lead", member.id, until)
        members.set_duty_lead(frame.client(), member, until=until, request_id=mark)
        directory.close()
        key = "members.lead_set" if until else "members.lead_ended"
        frame.flash_and_rerun(t(key, name=member.display_name))


def _access(member: Member, user: User) -> None:
    st.divider()
    st.markdown(f"**{t('members.access')}**")
    if member.state == "off":
        if st.button(t("members.switch_on"), key=f"members_on_{member.id}"):
            _switch(member, on=True)
        return
    sure = st.checkbox(t("members.sure", name=member.display_name), key=f"members_sure_{member.id}")
    with st.container(horizontal=True):
        label = t("members.new_code" if member.state == "invited" else "members.reset_password")
        if st.button(
            label, key=f"members_reset_{member.id}", disabled=not sure, help=t("members.reset_help")
        ):
            _renew(member)
        if member.id != user.id and st.button(
            t("members.switch_off"),
            key=f"members_off_{member.id}",
            disabled=not sure,
            help=t("members.off_help"),
        ):
            _switch(member, on=False)


def _switch(member: Member, *, on: bool) -> None:
    with frame.boundary():
        mark = frame.request_id("members_switch", member.id, member.version, on)
        members.switch_member(frame.client(), member, on=on, request_id=mark)
        directory.close()
        frame.flash_and_rerun(t("members.is_on" if on else "members.is_off", name=member.display_name))


def _renew(member: Member) -> None:
    with frame.boundary():
        code: str = st.session_state.setdefault(f"members_new_code_{member.id}", auth.new_code())
        mark = frame.request_id("members_renew", member.id, member.version, code)
        made = members.renew_code(frame.client(), frame.settings(), member, code=code, request_id=mark)
        del st.session_state[f"members_new_code_{member.id}"]
        directory.close()
        codes.keep([made])
        frame.flash_and_rerun(t("members.code_made", name=member.display_name))
