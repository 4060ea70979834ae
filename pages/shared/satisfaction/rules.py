"""满意度设置: which share is asked and called, what counts as low, how long to wait, the texts."""

from __future__ import annotations

from typing import Any

import streamlit as st

from backend.tickets import surveys
from backend.tickets.surveys import Rules
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.satisfaction import filters

_OPENED = "satisfaction_rules_opened"


def button(user: User) -> None:
    """Opens the settings, for whoever looks after them."""
    if not user.has("agent"):
        st.button(t("satisfaction.rules"), icon=":material/tune:", key="satisfaction_rules", on_click=_open)


def _open() -> None:
    st.session_state[_OPENED] = True


def _close() -> None:
    st.session_state.pop(_OPENED, None)


def dialog(user: User) -> None:
    """The settings of the shop that is chosen above, else those of all shops."""
    if st.session_state.get(_OPENED):
        st.dialog(
            t("satisfaction.rules"),
            width="medium",
            position="right",
            icon=":material/tune:",
            on_dismiss=_close,
        )(_body)(user)


def _body(user: User) -> None:
    with frame.boundary():
        shop = user.shop(filters.shop_id())
        rules = surveys.rules(frame.client(), shop.id if shop else None)
        st.markdown(
            f"**{t('satisfaction.rules_of', shop=shop.name) if shop else t('satisfaction.rules_all')}**"
        )
        if shop and not rules.is_own:
            st.caption(t("satisfaction.rules_inherited"))
        values = _fields(rules, disabled=not user.has("manager"))
        st.caption(_effect(rules, values))
        if user.has("manager"):
            if st.button(t("satisfaction.save"), type="primary", key="satisfaction_save"):
                _save(shop.id if shop else None, rules, values)
        else:
            st.caption(t("satisfaction.rules_managers"))


def _fields(rules: Rules, *, disabled: bool) -> dict[str, Any]:
    mark = f"{rules.shop_id or 0}_{rules.version or 0}"
    left, right = st.columns(2)
    with left:
        share = st.number_input(
            t("satisfaction.order_share"),
            0,
            100,
            rules.order_share,
            5,
            help=t("satisfaction.share_help"),
            key=f"satisfaction_share_{mark}",
            disabled=disabled,
        )
        low = st.number_input(
            t("satisfaction.low_line"),
            1,
            4,
            rules.low_score,
            key=f"satisfaction_line_{mark}",
            disabled=disabled,
        )
    with right:
        called = st.number_input(
            t("satisfaction.callback_share"),
            0,
            100,
            rules.callback_share,
            5,
            help=t("satisfaction.share_help"),
            key=f"satisfaction_calls_{mark}",
            disabled=disabled,
        )
        wait = st.number_input(
            t("satisfaction.answer_days"),
            1,
            30,
            rules.answer_days,
            key=f"satisfaction_wait_{mark}",
            disabled=disabled,
        )
    texts = {
        name: st.text_area(
            t(f"satisfaction.{name}"),
            getattr(rules, name),
            max_chars=300,
            height=120,
            help=t("satisfaction.text_help", shop="{shop}", order="{order}", ticket="{ticket}"),
            key=f"satisfaction_{name}_{mark}",
            disabled=disabled,
        )
        for name in ("order_text", "ticket_text")
    }
    return {
        "order_share": share,
        "callback_share": called,
        "low_score": low,
        "answer_days": wait,
        **texts,
    }


def _effect(rules: Rules, values: dict[str, Any]) -> str:
    """What the settings would have meant in the last thirty days."""
    signed = int(rules.effect.get("signed", 0))
    scores = {int(score): int(count) for score, count in rules.effect.get("scores", {}).items()}
    asked = signed * values["order_share"] // 100
    return t(
        "satisfaction.effect",
        signed=signed,
        asked=asked,
        called=asked * values["callback_share"] // 100,
        low=sum(count for score, count in scores.items() if score <= values["low_score"]),
        answered=sum(scores.values()),
    )


def _save(shop_id: int | None, rules: Rules, values: dict[str, Any]) -> None:
    asked = frame.request_id("satisfaction_rules", shop_id, rules.version, sorted(values.items()))
    surveys.save_rules(frame.client(), shop_id, rules.version, values, request_id=asked)
    _close()
    frame.flash_and_rerun(plain("satisfaction.saved"))
