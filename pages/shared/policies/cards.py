"""The cards of the policies page: one per code, its variants below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from backend import deadlines, policies
from backend.policies import Calendar, Policy
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, t
from pages.shared.policies import wording

Calendars = Mapping[str, Calendar]


def read() -> tuple[list[Policy], Calendars]:
    """All policies that the person may see, and the calendars by code: two requests."""
    client = frame.client()
    return policies.list_policies(client), {one.code: one for one in policies.calendars(client)}


def draw(found: Sequence[Policy], calendars: Calendars, user: User) -> None:
    """A card per code, in the order of the list."""
    if not found:
        widgets.empty_state(
            t("policies.none"), t("policies.none_hint"), icon=":material/timer_off:", key="policies"
        )
        return
    codes = list(dict.fromkeys(one.code for one in found))
    with st.grid(min_column_width=340, gap="small", key="policies_cards"):
        for code in codes:
            default, *variants = [one for one in found if one.code == code]
            with st.container(border=True, key=f"policies_card_{code}", gap="xsmall", height="stretch"):
                _card(default, variants, calendars, user)


def _card(default: Policy, variants: Sequence[Policy], calendars: Calendars, user: User) -> None:
    terms = default.terms
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{md(terms.name)}**", width="content")
        st.markdown(badge(default, calendars), width="content")
    for step in terms.ladder:
        st.caption(md(wording.step(step)))
    if not terms.ladder:
        st.caption(t("policies.no_steps"))
    for variant in variants:
        where = md(wording.where(variant, user))
        st.markdown(f":material/subdirectory_arrow_right: {where} {badge(variant, calendars)}")
    area = deadlines.area_words(f"{default.applies_to}.{default.target}", locale())
    st.caption(t("policies.footer", area=area, version=default.version, when=frame.clock(default.updated_at)))
    words = t("policies.change") if user.has("manager", "admin") else t("policies.open")
    if st.button(words, icon=":material/tune:", key=f"policies_open_{default.code}"):
        st.query_params["code"] = default.code
        st.rerun()


def badge(policy: Policy, calendars: Calendars) -> str:
    """The time a policy gives, or that it is switched off, as Markdown."""
    terms = policy.terms
    if not terms.is_active:
        return f":gray-badge[:material/toggle_off: {t('policies.off')}]"
    clock = wording.clock(terms, calendars)
    return f":green-badge[{md(wording.length(terms.measure, terms.allowance))} · {md(clock)}]"
