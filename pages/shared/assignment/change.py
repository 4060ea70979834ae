"""Changing what one agent is given: limit, weight, a pause with its reason."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from backend import assignment
from backend.assignment import Agent, Area, Screen
from pages.shared import frame
from pages.shared.i18n import plain, t


def form(area: Area, found: Screen, zone: str) -> None:
    """The settings of the agent who is chosen."""
    people = {one.member_id: one for one in found.members}
    chosen = st.selectbox(
        t("assignment.change"),
        list(people),
        index=None,
        format_func=lambda member_id: people[member_id].name,
        placeholder=plain("assignment.change_hint"),
        key="assignment_member",
        width=300,
    )
    if chosen is not None:
        _settings(area, people[chosen], zone)


def _settings(area: Area, agent: Agent, zone: str) -> None:
    name = f"assignment_{area}"
    version = frame.opened_version(name, agent.member_id, agent.version or 0)
    key = f"{name}_{agent.member_id}_{version}"
    with st.form(key, width=560):
        wanted = {**_share(agent, key), **_pause(agent, key, zone)}
        sent = st.form_submit_button(t("common.save"), type="primary", key=f"{key}_save")
    if sent:
        kept = agent.model_copy(update={"version": version or None})
        with frame.editing(name, agent.member_id):
            request_id = frame.request_id(key, wanted)
            assignment.set_agent(frame.client(), area, kept, wanted, request_id=request_id)
        frame.close_form(name, agent.member_id)
        frame.flash_and_rerun(t("assignment.saved", who=agent.name))


def _share(agent: Agent, key: str) -> dict[str, Any]:
    with st.container(horizontal=True, gap="small"):
        capacity = st.number_input(
            t("assignment.capacity"), 0, 1000, agent.capacity, key=f"{key}_capacity", width=160
        )
        weight = st.number_input(
            t("assignment.weight"),
            0.1,
            10.0,
            agent.weight,
            0.1,
            key=f"{key}_weight",
            width=160,
            help=t("assignment.weight_help"),
        )
    return {"capacity": int(capacity), "weight": round(float(weight), 2)}


def _pause(agent: Agent, key: str, zone: str) -> dict[str, Any]:
    paused = st.checkbox(t("assignment.pause"), agent.is_frozen, key=f"{key}_pause")
    today = datetime.now(ZoneInfo(zone)).date()
    until = st.date_input(
        t("assignment.pause_until"),
        max(last_day(agent, zone) or today, today),
        today,
        today + timedelta(days=364),
        key=f"{key}_until",
        width=200,
    )
    reason = st.text_input(
        t("assignment.reason"),
        agent.frozen_reason or "",
        key=f"{key}_reason",
        max_chars=200,
        placeholder=plain("assignment.reason_hint"),
    )
    return pause(until, reason, zone) if paused else {"frozen_until": None}


def last_day(agent: Agent, zone: str) -> date | None:
    """The last day of a pause that holds now, in the shop's zone."""
    if not agent.is_frozen or agent.frozen_until is None:
        return None
    return (agent.frozen_until.astimezone(ZoneInfo(zone)) - timedelta(minutes=1)).date()


def pause(until: date, reason: str, zone: str) -> dict[str, Any]:
    """A pause that includes its last day (the shop's)."""
    end = datetime.combine(until + timedelta(days=1), time(), ZoneInfo(zone))
    return {"frozen_until": end.isoformat(), "frozen_reason": reason.strip()}
