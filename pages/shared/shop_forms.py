"""The forms of the shops page; the first-run page uses the same."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from backend import shops
from backend.shops import PLATFORMS, ZONES, Shop
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.i18n import plain, t


def card(shop: Shop) -> None:
    """One shop: what it is, and its form behind a button."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"shops_card_{shop.id}"):
        with st.container(gap="xxsmall", width="stretch"):
            off = "" if shop.is_active else f" :gray-badge[{t('shops.off')}]"
            st.markdown(f"**{md(shop.name)}**{off}")
            limit = fmt.money(shop.review_limit, shop.currency)
            facts = (
                t(f"platform.{shop.platform}"),
                md(shop.code),
                md(shop.timezone),
                t("shops.limit_is", limit=limit),
            )
            st.caption(" · ".join(facts))
        with st.popover(t("shops.change"), icon=":material/edit:", key=f"shops_edit_{shop.id}"):
            _change(shop)


def add(taken: set[str], *, platform: str | None = None) -> None:
    """The form for one more shop, with code and zone proposed."""
    rounds = st.session_state.setdefault("shops_add_round", 0)
    key = f"shops_add_{rounds}"
    kind = st.selectbox(
        t("shops.platform"),
        PLATFORMS,
        index=PLATFORMS.index(platform) if platform else 0,
        format_func=lambda name: plain(f"platform.{name}"),
        key=f"{key}_platform",
        width=560,
    )
    with st.form(key, width=560):
        name = st.text_input(t("shops.name"), key=f"{key}_name", max_chars=60)
        code = st.text_input(
            t("shops.code"),
            shops.free_code(kind, taken),
            key=f"{key}_code_{kind}",
            max_chars=20,
            help=t("shops.code_help"),
        )
        zone = st.selectbox(t("shops.zone"), ZONES, key=f"{key}_zone")
        sent = st.form_submit_button(t("shops.add_send"), type="primary", key=f"{key}_send")
    if not sent:
        return
    if not name.strip():
        st.error(t("shops.name_missing"), icon=":material/error:")
        return
    with frame.boundary():
        facts = (code.strip(), name.strip(), kind, zone)
        shops.add_shop(
            frame.client(),
            code=code,
            name=name,
            platform=kind,
            timezone=zone,
            request_id=frame.request_id("shops_add", *facts),
        )
        st.session_state["shops_add_round"] = rounds + 1
        frame.flash_and_rerun(t("shops.added", name=name))


def _change(shop: Shop) -> None:
    version = frame.opened_version("shop", shop.id, shop.version)
    key = f"shops_change_{shop.id}_{version}"
    zones = ZONES if shop.timezone in ZONES else (shop.timezone, *ZONES)
    with st.form(key, border=False):
        name = st.text_input(t("shops.name"), shop.name, key=f"{key}_name", max_chars=60)
        zone = st.selectbox(t("shops.zone"), zones, index=zones.index(shop.timezone), key=f"{key}_zone")
        limit = st.number_input(
            t("shops.limit"),
            min_value=0.0,
            step=100.0,
            value=float(shop.review_limit),
            key=f"{key}_limit",
            help=t("shops.limit_help"),
        )
        wait = st.number_input(
            t("shops.wait"),
            min_value=1,
            max_value=720,
            value=shop.wait_hours,
            key=f"{key}_wait",
            help=t("shops.wait_help"),
        )
        active = st.toggle(
            t("shops.active"), shop.is_active, key=f"{key}_active", help=t("shops.active_help")
        )
        sent = st.form_submit_button(t("common.save"), type="primary", key=f"{key}_save")
    if sent:
        change = {
            "name": name.strip(),
            "timezone": zone,
            "review_limit": limit,
            "wait_hours": wait,
            "is_active": active,
        }
        with frame.boundary(), frame.editing("shop", shop.id):
            mark = frame.request_id("shops_change", shop.id, version, change)
            shops.change_shop(frame.client(), replace(shop, version=version), change=change, request_id=mark)
            frame.close_form("shop", shop.id)
            frame.flash_and_rerun(t("shops.changed", name=name))
