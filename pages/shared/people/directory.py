"""The parts of the members page: list and filters, the drawer of one member, invitations, slips."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from backend import auth, members
from backend.members import COLUMNS, ROLES, SKILLS, Batch, Invited, Member, Person
from backend.shops import Shop
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.people import slips

_OPEN = "members_open"
_TABLE = "members_table_round"
_CODES = "members_codes"
_BATCH = "members_batch"
_RED = "background-color: rgba(208, 50, 31, .18)"
STATES = ("active", "invited", "off")


def summary(roles: Sequence[str]) -> str:
    """`37 人：客服 30 · 仓储 3 · 运营 4`."""
    counts = Counter(roles)
    parts = " · ".join(f"{plain(f'role.{role}')} {counts[role]}" for role in ROLES if counts[role])
    return t("members.summary", count=len(roles), parts=parts)


# The list --------------------------------------------------------------------------------------------------


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
        "state": _state_words(member),
        "seen": frame.clock(member.last_seen_at),
    }


def _state_words(member: Member) -> str:
    until = fmt.when(member.invited_until)
    if member.state == "invited" and (until is None or until < datetime.now(UTC)):
        return plain("member.state.code_ended")
    return plain(f"member.state.{member.state}")


def _columns() -> dict[str, object]:
    names = ("name", "staff_no", "role", "shops", "skills", "state", "seen")
    return {name: st.column_config.TextColumn(plain(f"members.column.{name}")) for name in names}


def _open_from_address() -> None:
    wanted = st.query_params.get("member", "")
    if wanted.isdigit():
        st.session_state[_OPEN] = int(wanted)
        del st.query_params["member"]


def _open_selected(key: str, ids: Sequence[int]) -> None:
    rows = st.session_state[key].selection.rows
    st.session_state[_OPEN] = ids[rows[0]] if rows else None


def _close() -> None:
    """Forgets the open member and the row selection (a new key is a new table)."""
    member_id = st.session_state.pop(_OPEN, None)
    if member_id is not None:
        frame.close_form("member", member_id)
    st.session_state[_TABLE] = st.session_state.get(_TABLE, 0) + 1


# The drawer -------------------------------------------------------------------------------------------------


def drawer(member: Member, user: User, all_shops: Sequence[Shop]) -> None:
    """One member at the right: facts, and for an admin everything that can be changed."""

    @st.dialog(fmt.md(member.display_name), position="right", width="medium", on_dismiss=_close)
    def body() -> None:
        st.caption(t("members.facts", staff_no=member.staff_no or "—", state=_state_words(member)))
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
        role, codes, skills, limit = _duties(key, all_shops, member)
        sent = st.form_submit_button(t("common.save"), type="primary", key=f"{key}_save")
    if sent:
        change = {
            "display_name": name.strip(),
            "staff_no": staff_no.strip(),
            "role": role,
            "shops": codes,
            "skills": skills,
            "approval_limit": limit,
        }
        with frame.boundary(), frame.editing("member", member.id):
            mark = frame.request_id("members_change", member.id, version, change)
            opened = replace(member, version=version)
            members.change_member(frame.client(), opened, change=change, request_id=mark)
            _close()
            frame.flash_and_rerun(t("members.changed", name=name))


def _duties(
    key: str, all_shops: Sequence[Shop], member: Member | None = None
) -> tuple[str, list[str], list[str], float]:
    role = st.selectbox(
        t("member.role"),
        ROLES,
        index=ROLES.index(member.role) if member else 0,
        format_func=lambda name: plain(f"role.{name}"),
        key=f"{key}_role",
        help=t("member.role_help"),
    )
    codes = [shop.code for shop in all_shops if shop.is_active or (member and shop.code in member.shops)]
    names = {shop.code: shop.name for shop in all_shops}
    chosen = st.multiselect(
        t("member.shops"),
        codes,
        default=[code for code in member.shops if code in codes] if member else codes,
        format_func=lambda code: names[code],
        placeholder=plain("member.shops_placeholder"),
        key=f"{key}_shops",
    )
    skills = st.pills(
        t("member.skills"),
        SKILLS,
        selection_mode="multi",
        default=list(member.skills) if member else None,
        format_func=lambda name: t(f"skill.{name}"),
        key=f"{key}_skills",
    )
    limit = st.number_input(
        t("member.limit"),
        min_value=0.0,
        max_value=99_999_999.0,
        step=100.0,
        value=float(member.approval_limit) if member else 0.0,
        key=f"{key}_limit",
        help=t("member.limit_help"),
    )
    return role, chosen, list(skills), limit


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
        _close()
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
        _close()
        frame.flash_and_rerun(t("members.is_on" if on else "members.is_off", name=member.display_name))


def _renew(member: Member) -> None:
    with frame.boundary():
        code: str = st.session_state.setdefault(f"members_new_code_{member.id}", auth.new_code())
        mark = frame.request_id("members_renew", member.id, member.version, code)
        made = members.renew_code(frame.client(), frame.settings(), member, code=code, request_id=mark)
        del st.session_state[f"members_new_code_{member.id}"]
        _close()
        st.session_state[_CODES] = [made]
        frame.flash_and_rerun(t("members.code_made", name=member.display_name))


# Invitations ------------------------------------------------------------------------------------------------


def invite_one(everybody: Sequence[Member], all_shops: Sequence[Shop]) -> None:
    """A form for one person."""
    rounds = st.session_state.setdefault("members_one_round", 0)
    key = f"members_one_{rounds}"
    with st.form(key, width=560):
        name = st.text_input(t("member.name"), key=f"{key}_name", max_chars=40)
        staff_no = st.text_input(
            t("member.staff_no"), key=f"{key}_no", max_chars=20, help=t("member.staff_no_help")
        )
        phone = st.text_input(t("member.phone"), key=f"{key}_phone", help=t("member.phone_help"))
        role, codes, skills, limit = _duties(key, all_shops)
        sent = st.form_submit_button(t("members.invite"), type="primary", key=f"{key}_send")
    if not sent:
        return
    person = members.check_person(
        Person(name.strip(), staff_no.strip(), role, tuple(codes), tuple(skills), phone.strip(), limit),
        taken=_taken(everybody),
    )
    for problem in person.problems:
        st.error(f"{t(f'members.column.{problem.column}')}: {t(problem.key, **problem.params)}")
    if not person.problems and _send([person]):
        st.session_state["members_one_round"] = rounds + 1
        frame.flash_and_rerun(t("members.invited", count=1))


def invite_team(everybody: Sequence[Member], all_shops: Sequence[Shop]) -> None:
    """A table pasted out of a spreadsheet: preview with red cells and the fix, then codes for all."""
    st.markdown(t("members.team_text"))
    header = "\t".join(plain(f"members.column.{name}") for name in COLUMNS)
    widgets.copy_button(header, key="members_template", label=plain("members.copy_template"))
    rounds = st.session_state.setdefault("members_team_round", 0)
    text = st.text_area(
        t("members.paste"),
        key=f"members_paste_{rounds}",
        height=180,
        placeholder=plain("members.paste_example"),
    )
    st.button(t("members.preview"), key="members_preview")
    found = members.parse_people(text or "", all_shops, taken=_taken(everybody))
    if not found:
        return
    st.markdown(f"**{summary([p.role for p in found if p.role in ROLES])}**")
    _preview(found)
    wrong = [person for person in found if person.problems]
    if wrong:
        st.warning(t("members.fix_first", count=len(wrong)), icon=":material/edit:")
        return
    if st.button(t("members.invite_all", count=len(found)), type="primary", key="members_send_all") and _send(
        found
    ):
        st.session_state["members_team_round"] = rounds + 1
        frame.flash_and_rerun(t("members.invited", count=len(found)))


def _preview(found: Sequence[Person]) -> None:
    shown = pd.DataFrame([_preview_row(person) for person in found])
    red = pd.DataFrame("", index=shown.index, columns=shown.columns)
    for index, person in enumerate(found):
        for problem in person.problems:
            red.loc[index, [problem.column, "fix"]] = _RED
    names = {name: plain(f"members.column.{name}") for name in ("row", *COLUMNS, "fix")}
    st.dataframe(
        shown.style.apply(lambda _: red, axis=None),
        hide_index=True,
        column_config=names,
        column_order=["row", "fix", *COLUMNS] if any(p.problems for p in found) else ["row", *COLUMNS],
        key="members_preview_table",
        alt=plain("members.preview"),
    )


def _preview_row(person: Person) -> dict[str, object]:
    known = person.role in ROLES
    return {
        "row": person.row,
        "name": person.name,
        "staff_no": person.staff_no,
        "role": plain(f"role.{person.role}") if known else person.role,
        "shops": " ".join(person.shops),
        "skills": " ".join(plain(f"skill.{skill}") for skill in person.skills),
        "phone": person.phone,
        "limit": fmt.money(person.limit) if person.limit else "",
        "fix": "; ".join(plain(problem.key, **problem.params) for problem in person.problems),
    }


def _taken(everybody: Sequence[Member]) -> frozenset[str]:
    return frozenset((member.staff_no or "").lower() for member in everybody)


def _send(found: Sequence[Person]) -> bool:
    """Invites; the prepared batch is kept until it succeeded, so that a repeat carries the same codes."""
    with frame.boundary():
        mark = frame.request_id("members_invite", found)
        kept: dict[str, Batch] = st.session_state.setdefault(_BATCH, {})
        batch = kept.get(mark) or members.prepare(frame.client(), frame.settings(), frame.keyring(), found)
        kept[mark] = batch
        members.invite(frame.client(), batch, request_id=mark)
        del st.session_state[_BATCH]
        st.session_state[_CODES] = list(batch.invited)
        return True
    return False


def show_codes() -> None:
    """The fresh one-time codes: shown until put away, and never again."""
    made: list[Invited] = st.session_state.get(_CODES, [])
    if not made:
        return
    address = slips.address()
    with st.container(border=True, key="members_codes_box"):
        st.markdown(f"**{t('members.codes_title', count=len(made))}**")
        st.caption(t("members.codes_text"))
        rows = [
            {"name": one.name, "staff_no": one.staff_no, "code": one.code, "link": slips.link(address, one)}
            for one in made
        ]
        names = {name: plain(f"members.column.{name}") for name in ("name", "staff_no", "code", "link")}
        st.dataframe(
            pd.DataFrame(rows),
            hide_index=True,
            column_config=names,
            key="members_codes_table",
            height="content" if len(rows) <= 10 else 380,
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            st.download_button(
                t("members.slips"),
                slips.page(made, address),
                file_name="shopdesk-codes.html",
                mime="text/html",
                icon=":material/print:",
                on_click="ignore",
                key="members_slips",
            )
            lines = "\n".join(slips.line(one, address) for one in made)
            widgets.copy_button(lines, key="members_copy_codes", label=plain("members.copy_codes"))
            group = plain("members.group_text", address=address)
            widgets.copy_button(group, key="members_copy_group", label=plain("members.copy_group"))
            if st.button(t("members.put_away"), key="members_put_away", type="tertiary"):
                del st.session_state[_CODES]
                st.rerun()
