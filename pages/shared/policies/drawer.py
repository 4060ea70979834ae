"""The drawer of a policy code: change it, see which one holds, recalculate what runs, look back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from backend.policies import Calendar, Policy
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.policies import form, more, wording

_EDITOR = ("change", "add", "running", "which", "history")
_READER = ("which", "history")


def draw(found: Sequence[Policy], calendars: Mapping[str, Calendar], user: User) -> None:
    """Opens the drawer of the code that the address names."""
    code = st.query_params.get("code", "")
    mine = [one for one in found if one.code == code]
    if not mine:
        return
    title = plain("policies.drawer", name=mine[0].terms.name)
    st.dialog(title, position="right", width="large", icon=":material/timer:", on_dismiss=close)(_body)(
        mine, calendars, user
    )


def close() -> None:
    """Closes the drawer; the next one opens with the latest values."""
    code = st.query_params.pop("code", None)
    form.forget(code or "")


def _body(mine: Sequence[Policy], calendars: Mapping[str, Calendar], user: User) -> None:
    sections = _EDITOR if user.has("manager", "admin") else _READER
    code = mine[0].code
    section = st.segmented_control(
        t("policies.sections"),
        sections,
        default=sections[0],
        required=True,
        format_func=lambda name: t(f"policies.section.{name}"),
        key=f"policies_{code}_section",
        label_visibility="collapsed",
        wrap=True,
    )
    with frame.boundary():
        if section == "change":
            _change(mine, calendars, user)
        elif section == "add":
            form.add(mine, calendars, user)
        elif section == "running":
            more.running(code)
        elif section == "which":
            more.which(mine, calendars, user)
        else:
            more.history(code, calendars, user)


def _change(mine: Sequence[Policy], calendars: Mapping[str, Calendar], user: User) -> None:
    """Which of the code's policies is changed, then its form."""
    chosen = mine[0]
    if len(mine) > 1:
        names = {one.id: wording.where(one, user) for one in mine}
        picked = st.selectbox(
            t("policies.which_one"),
            list(names),
            format_func=lambda number: names[number],
            key=f"policies_{chosen.code}_picked",
        )
        chosen = next(one for one in mine if one.id == picked)
    form.change(chosen, calendars, user)
