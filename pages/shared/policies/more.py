"""Beside the form of a policy: recalculating what runs, which policy holds and why, who changed what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from backend import policies
from backend.policies import Calendar, Change, Effect, Policy
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.policies import cards, effects, wording

Calendars = Mapping[str, Calendar]


def running(code: str) -> None:
    """What runs under older terms, and the button that brings it under today's. Recorded."""
    st.caption(t("policies.running_text"))
    effect = policies.preview_recalculation(frame.client(), code)
    if effect.open == 0:
        widgets.empty_state(
            t("policies.running_none"),
            t("policies.running_none_hint"),
            icon=":material/task_alt:",
            key="policies_running",
        )
        return
    effects.words(effect)
    effects.table(effect)
    count = str(effect.open) if effect.is_all else f"{effect.open}+"
    if st.button(
        t("policies.recalculate", count=count),
        type="primary",
        icon=":material/update:",
        key=f"policies_{code}_recalculate",
    ):
        changed = _recalculate(code, effect)
        frame.flash_and_rerun(t("policies.recalculated", count=changed))


def _recalculate(code: str, effect: Effect) -> int:
    """Two hundred at a time, with a bar; stopping half-way leaves the rest as it was."""
    bar = st.progress(0.0, t("policies.recalculating", count=0))
    done, left = 0, True
    while left:
        mark = frame.request_id("recalculate_policy", code, effect.stamp, done)
        changed, left = policies.recalculate(frame.client(), code, effect.stamp, request_id=mark)
        done += changed
        bar.progress(min(1.0, done / max(effect.open, 1)), t("policies.recalculating", count=done))
        left = left and changed > 0
    return done


def which(mine: Sequence[Policy], calendars: Calendars, user: User) -> None:
    """Choose a shop and facts, see which policy holds there and why not the others."""
    base = mine[0]
    key = f"policies_{base.code}_which"
    if not user.shops:
        st.caption(t("policies.no_shop"))
        return
    with widgets.filter_row(key):
        shop_id = st.selectbox(
            t("policies.shop"),
            [shop.id for shop in user.shops],
            format_func=lambda number: next(shop.name for shop in user.shops if shop.id == number),
            key=f"{key}_shop",
            width=200,
        )
        facts = {}
        for name, values in policies.FACTS.get(base.applies_to, {}).items():
            facts[name] = st.selectbox(
                t(f"policies.fact_name.{name}"),
                values,
                index=None,
                placeholder=plain("policies.not_given"),
                format_func=lambda code, name=name: wording.value(base.applies_to, name, code),
                key=f"{key}_{name}",
                width=180,
            )
    given = {name: value for name, value in facts.items() if value}
    by_id = {one.id: one for one in mine}
    told = [pair for pair in policies.explain(frame.client(), base.code, shop_id, given) if pair[0] in by_id]
    if not any(verdict == "wins" for _, verdict in told):
        st.warning(t("policies.none_holds"), icon=":material/timer_off:")
    for policy_id, verdict in told:
        _verdict(by_id[policy_id], verdict, calendars, user)


def _verdict(policy: Policy, verdict: str, calendars: Calendars, user: User) -> None:
    with st.container(border=True, gap="xxsmall", key=f"policies_verdict_{policy.id}"):
        icon = ":material/check_circle:" if verdict == "wins" else ":material/radio_button_unchecked:"
        name = (
            f"**{md(wording.where(policy, user))}**" if verdict == "wins" else md(wording.where(policy, user))
        )
        st.markdown(f"{icon} {name} {cards.badge(policy, calendars)}")
        st.caption(t(f"policies.verdict.{verdict}"))


def history(code: str, calendars: Calendars, user: User) -> None:
    """Who changed what, newest first."""
    changes = policies.history(frame.client(), code)
    if not changes:
        widgets.empty_state(
            t("policies.no_history"),
            t("policies.no_history_hint"),
            icon=":material/history:",
            key="policies_history",
        )
    for place, change in enumerate(changes):
        with st.container(border=True, gap="xxsmall", key=f"policies_change_{place}"):
            _change(change, calendars, user)


def _change(change: Change, calendars: Calendars, user: User) -> None:
    who = change.who or plain("policies.system")
    action = t(f"policies.did.{change.action}", count=change.detail.get("changed", 0))
    shop = user.shop(change.shop_id)
    where = f" · {md(shop.name)}" if shop else ""
    st.markdown(f"**{md(who)}** {action}{where} :gray[{md(frame.clock(change.at))}]")
    for field, pair in change.detail.get("changes", {}).items():
        if pair["from"] != pair["to"]:
            st.caption(md(wording.changed(field, pair["from"], pair["to"], calendars)))
