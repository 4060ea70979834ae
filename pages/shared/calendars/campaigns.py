"""大促模式: from when to when calendars stay open and all hands are called; it ends by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from backend import calendars
from backend.calendars import Campaign, Screen
from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.calendars import effects
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t

_OPEN = "campaigns_open"


def draw(found: Screen, user: User) -> None:
    """Campaigns that run, come, or are just over; managers start one or end it."""
    can_change = user.has("manager", "admin")
    st.caption(t("campaigns.text"))
    now = datetime.now(UTC)
    for campaign in found.campaigns:
        _card(campaign, found, user, now, can_change=can_change)
    if not found.campaigns:
        widgets.empty_state(
            t("campaigns.none"), t("campaigns.none_hint"), icon=":material/campaign:", key="campaigns"
        )
    if can_change:
        current = next((one for one in found.campaigns if one.id == st.session_state.get(_OPEN)), None)
        with st.container(border=True, key="campaigns_form", gap="small"):
            st.markdown(f"**{t('campaigns.change', name=current.name) if current else t('campaigns.new')}**")
            _form(found, user, current, now)


def _card(campaign: Campaign, found: Screen, user: User, now: datetime, *, can_change: bool) -> None:
    start, end = _at(campaign.starts_at), _at(campaign.ends_at)
    state = "over" if end <= now else "running" if start <= now else "coming"
    color = {"over": "gray", "running": "orange", "coming": "blue"}[state]
    names = plain("common.listed").join(
        md(one.name) for one in found.calendars if one.id in campaign.calendars
    )
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"campaigns_{campaign.id}"
    ):
        with st.container(gap="xxsmall", width="stretch"):
            st.markdown(f"**{md(campaign.name)}** :{color}-badge[{t(f'campaigns.{state}')}]")
            hands = t("campaigns.all_hands") if campaign.is_all_hands else t("campaigns.by_rota")
            span = f"{frame.clock(start, user.zone)} – {frame.clock(end, user.zone)}"
            st.caption(" · ".join(part for part in (span, hands, names) if part))
        if can_change and state != "over":
            st.button(
                t("campaigns.edit"), key=f"campaigns_edit_{campaign.id}", on_click=_open, args=(campaign.id,)
            )
            with st.popover(t("campaigns.end"), key=f"campaigns_end_{campaign.id}"):
                st.caption(t("campaigns.end_text", name=campaign.name))
                if st.button(t("campaigns.end_now"), type="primary", key=f"campaigns_end_now_{campaign.id}"):
                    _end(campaign)


def _open(campaign_id: int) -> None:
    st.session_state[_OPEN] = campaign_id


def _end(campaign: Campaign) -> None:
    with frame.boundary():
        mark = frame.request_id("end_campaign", campaign.id, campaign.version)
        moved = calendars.end_campaign(frame.client(), campaign, request_id=mark)
        frame.flash_and_rerun(
            f"{t('campaigns.ended', name=campaign.name)} {t('calendars.moved', count=moved)}"
        )


def _form(found: Screen, user: User, current: Campaign | None, now: datetime) -> None:
    key = f"campaigns_{current.id}_{current.version}" if current else "campaigns_new"
    zone = ZoneInfo(user.zone)
    start = _at(current.starts_at).astimezone(zone) if current else _tomorrow(now, zone, 20)
    end = _at(current.ends_at).astimezone(zone) if current else _tomorrow(now, zone, 26)
    offered = {one.id: one.name for one in found.calendars if one.has_shifts and one.is_active}
    with widgets.filter_row(key):
        name = st.text_input(
            t("campaigns.name"), current.name if current else "", max_chars=60, key=f"{key}_name", width=200
        )
        starts = _moment(t("campaigns.starts"), start, f"{key}_start", zone)
        ends = _moment(t("campaigns.ends"), end, f"{key}_end", zone)
    usual = list(current.calendars) if current else [one.id for one in found.calendars if one.code == "all"]
    chosen = st.multiselect(
        t("campaigns.calendars"),
        list(offered),
        default=[one for one in usual if one in offered],
        format_func=lambda number: offered[number],
        key=f"{key}_calendars",
        placeholder=plain("campaigns.calendars_choose"),
        help=t("campaigns.calendars_help"),
    )
    hands = st.toggle(
        t("campaigns.all_hands"),
        current.is_all_hands if current else True,
        key=f"{key}_hands",
        help=t("campaigns.all_hands_help"),
    )
    if not name.strip():
        st.caption(t("campaigns.name_first"))
        return
    change: dict[str, Any] = {
        "name": name.strip(),
        "starts_at": starts.isoformat(),
        "ends_at": ends.isoformat(),
        "is_all_hands": hands,
        "calendars": sorted(chosen),
    }
    if current:
        change |= {"id": current.id, "version": current.version}
    with frame.boundary():
        effects.ask(
            "campaign",
            change,
            calendars.save_campaign,
            key=key,
            saved=t("campaigns.saved", name=name.strip()),
        )


def _moment(label: str, usual: datetime, key: str, zone: ZoneInfo) -> datetime:
    day = st.date_input(label, usual.date(), key=f"{key}_day", width=150)
    at = st.time_input(t("campaigns.time"), usual.time(), key=f"{key}_time", width=110)
    return datetime.combine(_one(day), at, zone)


def _one(day: Any) -> date:
    """What a date field holds while it is being typed may be empty: then today."""
    return day if isinstance(day, date) else datetime.now(UTC).date()


def _tomorrow(now: datetime, zone: ZoneInfo, hours: int) -> datetime:
    return datetime.combine(now.astimezone(zone).date() + timedelta(days=1), time(), zone) + timedelta(
        hours=hours
    )


def _at(text: str) -> datetime:
    return fmt.when(text) or datetime.now(UTC)
