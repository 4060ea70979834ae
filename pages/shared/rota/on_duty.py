"""Who is on duty now, above the rota: the database answers, the page only words it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from backend import rota
from backend.rota import OnDuty
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t

_SHOWN = 12


def shop_choice(user: User) -> int | None:
    """All my shops, or one of them; nothing to choose with a single shop."""
    if len(user.shops) < 2:
        return None
    names = {shop.id: shop.name for shop in user.shops}
    with widgets.filter_row("rota_shop"):
        return st.pills(
            t("rota.shop"),
            list(names),
            format_func=lambda number: md(names[number]),
            key="rota_shop",
            label_visibility="collapsed",
        )


def on_duty(shop_id: int | None, user: User) -> None:
    """The card with the people on duty, who leads, and the campaign that runs."""
    found = rota.on_duty(frame.client(), shop_id)
    with st.container(border=True, key="rota_now", gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{t('rota.now')}**", width="content")
            st.markdown(_lead_words(found), width="content")
            if found.campaign:
                name = md(found.campaign)
                st.markdown(
                    f":orange-badge[:material/campaign: {t('rota.campaign')} {name}]", width="content"
                )
        if found.people:
            st.markdown(_people_words(found.people, user))
        else:
            st.markdown(f":gray[{t('rota.nobody')}]")
        if not found.is_planned:
            st.caption(f":material/info: {t('rota.unplanned')}")


def _lead_words(found: OnDuty) -> str:
    """The lead by name; who steps in when nobody leads."""
    names = plain("rota.and").join(md(one["name"]) for one in found.leads)
    if not found.leads:
        return f":red-badge[:material/person_alert: {t('rota.no_lead_now')}]"
    if any(one["is_by_rota"] for one in found.leads):
        return f":green-badge[:material/star: {t('rota.lead_now')} {names}]"
    return f":gray-badge[:material/star: {t('rota.lead_fallback')} {names}]"


def _people_words(people: Sequence[Mapping[str, Any]], user: User) -> str:
    """`**早班** 客服A、客服D（副）· 至 16:30`, one line a shift."""
    shifts: dict[str, list[Mapping[str, Any]]] = {}
    for person in people:
        shifts.setdefault(person["shift"] or "", []).append(person)
    lines = []
    for shift, members in shifts.items():
        names = [_name(one, user) for one in members[:_SHOWN]]
        more = f" +{len(members) - _SHOWN}" if len(members) > _SHOWN else ""
        until = max((one["until"] for one in members if one["until"]), default=None)
        end = f" :gray[{t('rota.until', time=frame.clock(until))}]" if until else ""
        label = md(shift) if shift else t("rota.no_shift")
        lines.append(
            f"**{label}** {t('rota.count', count=len(members))}  {plain('rota.and').join(names)}{more}{end}"
        )
    return "  \n".join(lines)


def _name(person: Mapping[str, Any], user: User) -> str:
    mark = "lead" if person["is_lead"] else "deputy" if person["is_deputy"] else ""
    own = f"**{md(person['name'])}**" if person["id"] == user.id else md(person["name"])
    return own + plain(f"rota.mark.{mark}") if mark else own
