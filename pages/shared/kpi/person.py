"""One person's KPIs: whose they are, the tasks that are his, and which member a name on a platform is."""

from __future__ import annotations

import streamlit as st

from backend.improvement import reads as tasks
from backend.improvement.models import Person
from backend.kpi import commands
from backend.kpi.reads import Screen
from pages.shared import frame, home_links
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.improvement import words
from pages.shared.kpi import filters

_MOST = 12


def heading(user: User, found: Screen) -> None:
    """Whose figures these are; nothing while they are everybody's."""
    if user.has("agent"):
        st.subheader(t("kpi.mine", name=md(user.name)), anchor=False)
        st.caption(t("kpi.mine_hint"))
        return
    agent = filters.value("agent")
    if agent is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="kpi_person_bar"):
        st.subheader(t("kpi.of_person", name=md(agent)), anchor=False, width="content")
        if found.person is not None:
            st.markdown(f":gray[{md(t('kpi.is_member', name=found.person.name))}]", width="content")
        if user.has("analyst", "manager", "admin"):
            _who(user, agent, found)


def open_tasks(user: User, found: Screen) -> None:
    """The open tasks of the person whose figures these are."""
    if found.person is None:
        return
    listed = tasks.tasks(frame.client(), tab="open", owner_id=found.person.id)
    st.markdown(f"**{t('kpi.person_tasks')}** :gray[{len(listed.rows)}]")
    for one in listed.rows[:_MOST]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            home_links.link(f"{words.number(one.id)} {md(one.title)}", "task", query={"id": str(one.id)})
            due = frame.clock(one.deadline) if one.deadline else ""
            st.markdown(f"{words.badge(one.state)} :gray[{md(due)}]", width="content")
    if not listed.rows:
        st.markdown(f":gray[{t('kpi.person_no_tasks')}]")


def _who(user: User, agent: str, found: Screen) -> None:
    shop_id = filters.value("shop") or (user.shops[0].id if len(user.shops) == 1 else None)
    with st.popover(t("kpi.who"), icon=":material/badge:", disabled=shop_id is None, help=t("kpi.who_help")):
        if shop_id is None:
            return
        people: dict[int | None, Person | None] = {None: None}
        people |= {one.id: one for one in tasks.people(frame.client(), shop_id)}
        shown = found.person.id if found.person is not None else None
        chosen = st.selectbox(
            t("kpi.who_member", name=md(agent)),
            list(people),
            index=list(people).index(shown) if shown in people else 0,
            format_func=lambda key: _name(people[key]),
            key=f"kpi_who_{shop_id}_{agent}",
        )
        if st.button(t("common.save"), type="primary", key="kpi_who_save"):
            with frame.boundary():
                asked = frame.request_id("kpi_who", shop_id, agent, chosen)
                commands.name_agent(frame.client(), shop_id, agent, chosen, request_id=asked)
                frame.flash_and_rerun(t("kpi.who_saved"))


def _name(one: Person | None) -> str:
    return plain("kpi.who_nobody") if one is None else one.name
