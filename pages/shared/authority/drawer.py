"""Changing a line of the table after a look at its effect, or a platform of price protection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from backend.tickets import authority
from backend.tickets.authority import Effect, Limit, Platform
from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.i18n import plain, t

_LINE = "authority_line"
_PLATFORM = "authority_platform"
_SEEN = "authority_seen"


def open_line(pot: str) -> None:
    """The drawer shows this pot from now on."""
    _close()
    st.session_state[_LINE] = pot


def open_platform(platform: str) -> None:
    """The drawer shows this platform from now on."""
    _close()
    st.session_state[_PLATFORM] = platform


def _close() -> None:
    for name in (_LINE, _PLATFORM, _SEEN):
        st.session_state.pop(name, None)


def draw(limits: Sequence[Limit], platforms: Sequence[Platform], shop_id: int | None) -> None:
    """The drawer that is open, if one is."""
    limit = next((one for one in limits if one.pot == st.session_state.get(_LINE)), None)
    platform = next((one for one in platforms if one.platform == st.session_state.get(_PLATFORM)), None)
    if limit is not None:
        _line(limit, shop_id)
    elif platform is not None:
        _protected(platform)


def _line(limit: Limit, shop_id: int | None) -> None:
    @st.dialog(
        plain(f"authority.pot.{limit.pot}"),
        position="right",
        width="medium",
        icon=":material/tune:",
        on_dismiss=_close,
    )
    def body() -> None:
        shop = frame.require_user().shop(shop_id)
        where = t("authority.for_shop", shop=shop.name) if shop else t("authority.for_all")
        st.caption(f"{t(f'authority.about.{limit.pot}')} {where}")
        key = f"authority_{limit.pot}_{shop_id or 0}_{limit.version}"
        values = _inputs(limit, key)
        with frame.boundary():
            _effect(limit, shop_id, values, key)
        if limit.own and shop_id is not None:
            _reset(limit, shop_id, key)

    body()


def _inputs(limit: Limit, key: str) -> dict[str, Any]:
    has_limit = True
    if limit.pot in authority.WITHOUT_LIMIT:
        has_limit = st.toggle(t("authority.has_limit"), limit.agent_limit is not None, key=f"{key}_has")
    amount = None
    if has_limit:
        amount = st.number_input(
            t("authority.limit"),
            0.0,
            authority.MOST_LIMIT,
            float(limit.agent_limit or 0),
            step=100.0,
            key=f"{key}_limit",
        )
    days = None
    if limit.pot in authority.BY_CUSTOMER and st.toggle(
        t("authority.by_customer"), limit.customer_days is not None, key=f"{key}_customer"
    ):
        days = int(
            st.number_input(
                t("authority.within_days"),
                1,
                authority.MOST_DAYS,
                limit.customer_days or 90,
                key=f"{key}_days",
            )
        )
    return {"agent_limit": None if amount is None else f"{amount:.2f}", "customer_days": days}


def _same(limit: Limit, values: dict[str, Any]) -> bool:
    now = None if limit.agent_limit is None else f"{limit.agent_limit:.2f}"
    return values == {"agent_limit": now, "customer_days": limit.customer_days}


def _effect(limit: Limit, shop_id: int | None, values: dict[str, Any], key: str) -> None:
    """The effect of exactly these values, before they can be saved."""
    if _same(limit, values):
        st.caption(t("authority.nothing_changed"))
        return
    seen = st.session_state.get(_SEEN)
    if seen is None or seen["values"] != values:
        if not st.button(t("authority.preview"), icon=":material/visibility:", key=f"{key}_preview"):
            return
        seen = {"values": values, "effect": authority.preview(frame.client(), shop_id, limit.pot, values)}
        st.session_state[_SEEN] = seen
    _effect_words(seen["effect"])
    if st.button(t("authority.save"), type="primary", icon=":material/check:", key=f"{key}_save"):
        mark = frame.request_id("save_authority", shop_id, limit.pot, limit.version, values)
        authority.save(frame.client(), shop_id, limit, values, request_id=mark)
        _close()
        frame.flash_and_rerun(t("authority.saved", pot=plain(f"authority.pot.{limit.pot}")))


def _effect_words(effect: Effect) -> None:
    st.info(
        t(
            "authority.effect",
            days=effect.days,
            count=effect.requests,
            amount=fmt.money(effect.amount),
            now=effect.asked_now,
            then=effect.asked_then,
        ),
        icon=":material/visibility:",
    )
    if effect.covered_by:
        st.caption(t("authority.covered_by", who=plain("approvals.joiner").join(effect.covered_by)))
    else:
        st.warning(t("authority.covered_by_nobody"), icon=":material/person_alert:")


def _reset(limit: Limit, shop_id: int, key: str) -> None:
    with st.container(border=True, key=f"{key}_reset_box"):
        st.caption(t("authority.reset_text"))
        if st.button(t("authority.reset"), icon=":material/restart_alt:", key=f"{key}_reset"):
            with frame.boundary():
                mark = frame.request_id("reset_authority", shop_id, limit.pot, limit.version)
                authority.reset(frame.client(), shop_id, limit, request_id=mark)
                _close()
                frame.flash_and_rerun(t("authority.reset_done", pot=plain(f"authority.pot.{limit.pot}")))


def _protected(platform: Platform) -> None:
    name = plain(f"platform.{platform.platform}")

    @st.dialog(name, position="right", width="medium", icon=":material/price_check:", on_dismiss=_close)
    def body() -> None:
        st.caption(t("authority.platforms_help"))
        key = f"authority_{platform.platform}_{platform.version}"
        on = st.toggle(t("authority.protects"), platform.is_active, key=f"{key}_on")
        days = int(
            st.number_input(
                t("authority.protected_days"),
                1,
                authority.MOST_PROTECTED_DAYS,
                platform.days,
                key=f"{key}_days",
            )
        )
        if (on, days) == (platform.is_active, platform.days):
            st.caption(t("authority.nothing_changed"))
            return
        with frame.boundary():
            if st.button(t("authority.save"), type="primary", icon=":material/check:", key=f"{key}_save"):
                mark = frame.request_id("save_platform", platform.platform, platform.version, on, days)
                authority.save_platform(frame.client(), platform, on, days, request_id=mark)
                _close()
                frame.flash_and_rerun(t("authority.saved", pot=name))

    body()
