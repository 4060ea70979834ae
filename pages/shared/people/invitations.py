"""Inviting: one person by a form, or a whole team from a table pasted out of a spreadsheet."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from backend import members
from backend.members import COLUMNS, ROLES, Batch, Member, Person
from backend.shops import Shop
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.i18n import plain, t
from pages.shared.people import codes, directory, duties

_BATCH = "members_batch"
_RED = "background-color: rgba(208, 50, 31, .18)"


def one(everybody: Sequence[Member], all_shops: Sequence[Shop]) -> None:
    """A form for one person."""
    rounds = st.session_state.setdefault("members_one_round", 0)
    key = f"members_one_{rounds}"
    with st.form(key, width=560):
        name = st.text_input(t("member.name"), key=f"{key}_name", max_chars=40)
        staff_no = st.text_input(
            t("member.staff_no"), key=f"{key}_no", max_chars=20, help=t("member.staff_no_help")
        )
        phone = st.text_input(t("member.phone"), key=f"{key}_phone", help=t("member.phone_help"))
        role, shops, skills, limit = duties.inputs(key, all_shops)
        sent = st.form_submit_button(t("members.invite"), type="primary", key=f"{key}_send")
    if not sent:
        return
    person = members.check_person(
        Person(name.strip(), staff_no.strip(), role, tuple(shops), tuple(skills), phone.strip(), limit),
        taken=_taken(everybody),
    )
    for problem in person.problems:
        st.error(f"{t(f'members.column.{problem.column}')}: {t(problem.key, **problem.params)}")
    if not person.problems and _send([person]):
        st.session_state["members_one_round"] = rounds + 1
        frame.flash_and_rerun(t("members.invited", count=1))


def team(everybody: Sequence[Member], all_shops: Sequence[Shop]) -> None:
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
    st.markdown(f"**{directory.summary([p.role for p in found if p.role in ROLES])}**")
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
        codes.keep(batch.invited)
        return True
    return False
