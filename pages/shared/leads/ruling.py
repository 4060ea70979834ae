"""The rules of leads, for all shops or one; managers see what a change does to the open leads, then save."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import streamlit as st

from backend.leads import commands, reads
from backend.leads.choices import BUDGETS, GRADES, LEVELS, SOURCES
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.leads import forms, state, words

_FACTS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "intent": (LEVELS, "intents"),
    "budget": (BUDGETS, "budgets"),
    "source": (SOURCES, "sources"),
    "recency": (("day", "three_days", "week", "older"), "recency"),
}
_NUMBERS = {
    "claim_limit": (0, 1000),
    "quarantine_minutes": (0, 10080),
    "cool_off_days": (0, 90),
    "reopen_days": (0, 365),
    "promise_limit": (0, 100000),
}
_LINES = "lead_rules_lines"
_SEEN = "lead_rules_seen"


def draw(user: User) -> None:
    """The rules in force for the chosen shop, and the form to change them."""
    found = reads.rules(frame.client())
    names = {0: plain("rules.default"), **{shop.id: shop.name for shop in user.shops}}
    with widgets.filter_row("lead_rules"):
        chosen = st.segmented_control(
            t("rules.whose"),
            list(names),
            format_func=lambda one: md(names[one]),
            key="lead_rules_shop",
            default=0,
            required=True,
        )
    shop_id = int(chosen or 0) or None
    own = next((one["rules"] for one in found["shops"] if one["shop_id"] == shop_id), None)
    held = own or found["default"]
    version = held["version"] if own or shop_id is None else 0
    if shop_id is not None:
        st.caption(t("rules.own") if own else t("rules.follows"))
    if not user.has("manager"):
        st.caption(f":material/lock: {t('rules.read_only')}")
        _show(held)
    else:
        _form(shop_id, version, held, own is not None)
    _changes(found["changes"], names)
    if user.has("manager", "admin"):
        forms.draw(user)


def _show(held: Mapping[str, Any]) -> None:
    for n, rule in enumerate(held["grading"], start=1):
        st.markdown(f"{n}. {words.grade(rule['grade'])} {md(_in_words(rule['conditions']))}")
    st.markdown(f"{len(held['grading']) + 1}. {words.grade('C')} {t('leads.rules.else')}")
    for name in _NUMBERS:
        st.caption(md(plain("common.told", name=plain(f"leads.rules.{name}"), text=held[name])))


def _in_words(conditions: Mapping[str, list[str]]) -> str:
    parts = [
        "/".join(words.of(_FACTS[fact][1], one) for one in values) for fact, values in conditions.items()
    ]
    return " + ".join(parts)


def _form(shop_id: int | None, version: int, held: Mapping[str, Any], is_own: bool) -> None:
    mark = (shop_id, version)
    if st.session_state.get(f"{_LINES}_of") != mark:
        st.session_state[f"{_LINES}_of"] = mark
        st.session_state[_LINES] = list(range(len(held["grading"])))
        st.session_state.pop(_SEEN, None)
    key = f"lead_rule_{shop_id or 0}_{version}"
    change = {"grading": _grading(key, held), "recycling": _recycling(key, held), **_numbers(key, held)}
    seen = st.session_state.get(_SEEN)
    with st.container(horizontal=True, gap="small"):
        if st.button(t("leads.rules.preview"), key="lead_rules_preview", icon=":material/visibility:"):
            st.session_state[_SEEN] = (change, reads.preview_rules(frame.client(), shop_id, change))
            st.rerun()
        if st.button(
            t("leads.save"),
            key="lead_rules_save",
            type="primary",
            disabled=seen is None or seen[0] != change,
            help=t("leads.rules.save_help"),
        ):
            asked = state.mark("rules", shop_id, version, change)
            commands.save_rules(frame.client(), shop_id, version, change, request_id=asked)
            st.session_state.pop(_SEEN, None)
            frame.flash_and_rerun(t("leads.rules.saved"))
        if is_own and shop_id and st.button(t("leads.rules.reset"), key="lead_rules_reset", type="tertiary"):
            commands.reset_rules(
                frame.client(), shop_id, version, request_id=state.mark("rules_reset", shop_id, version)
            )
            frame.flash_and_rerun(t("leads.rules.saved"))
        if shop_id and st.button(
            t("leads.rules.apply"), key="lead_rules_apply", help=t("leads.rules.apply_help")
        ):
            asked = state.mark("rules_apply", shop_id, version)
            count, more = commands.apply_rules(frame.client(), shop_id, request_id=asked)
            told = "leads.rules.applied_more" if more else "leads.rules.applied"
            frame.flash_and_rerun(t(told, count=count))
    if seen is not None and seen[0] == change:
        _effect(seen[1])


def _grading(key: str, held: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The list of rules, each with its facts; the first that holds counts."""
    st.markdown(f"**{t('leads.rules.grading')}** :gray[{t('leads.rules.grading_hint')}]")
    lines: list[int] = st.session_state[_LINES]
    made = []
    for n in list(lines):
        before = held["grading"][n] if n < len(held["grading"]) else {"grade": "B", "conditions": {}}
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small", border=True):
            grade = st.selectbox(
                t("leads.filter.grade"),
                GRADES,
                index=GRADES.index(before["grade"]),
                key=f"{key}_{n}_grade",
                width=80,
            )
            conditions = {}
            for fact, (options, table) in _FACTS.items():
                chosen = st.multiselect(
                    t(f"leads.rules.fact.{fact}"),
                    options,
                    default=before["conditions"].get(fact, []),
                    format_func=partial(words.of, table),
                    select_all=False,
                    key=f"{key}_{n}_{fact}",
                    placeholder=plain("leads.rules.any"),
                )
                if chosen:
                    conditions[fact] = list(chosen)
            st.button(
                "",
                key=f"{key}_{n}_drop",
                icon=":material/delete:",
                help=t("leads.rules.drop"),
                type="tertiary",
                on_click=lines.remove,
                args=(n,),
            )
        if conditions:
            made.append({"grade": grade, "conditions": conditions})
    st.caption(f"{words.grade('C')} {t('leads.rules.else')}")
    st.button(
        t("leads.rules.add"),
        key=f"{key}_add",
        icon=":material/add:",
        type="tertiary",
        on_click=lines.append,
        args=(max([*lines, len(held["grading"]) - 1], default=-1) + 1,),
    )
    return made


def _recycling(key: str, held: Mapping[str, Any]) -> dict[str, Any]:
    st.markdown(f"**{t('leads.rules.recycling')}** :gray[{t('leads.rules.recycling_hint')}]")
    made: dict[str, Any] = {}
    for grade in GRADES:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            st.markdown(words.grade(grade), width="content")
            made[grade] = {
                name: _number(f"{key}_{grade}_{name}", name, held["recycling"][grade][name], 1, most)
                for name, most in (("rest_days", 90), ("keep_days", 365))
            }
    return made


def _numbers(key: str, held: Mapping[str, Any]) -> dict[str, Any]:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        made: dict[str, Any] = {
            name: _number(f"{key}_{name}", name, int(held[name]), least, most)
            for name, (least, most) in _NUMBERS.items()
        }
    made["is_handed_out"] = st.toggle(
        t("leads.rules.is_handed_out"), value=bool(held["is_handed_out"]), key=f"{key}_handed_out"
    )
    return made


def _number(key: str, name: str, value: int, least: int, most: int) -> int:
    found = st.number_input(
        t(f"leads.rules.{name}"), min_value=least, max_value=most, value=value, step=1, key=key, width=160
    )
    return int(found)


def _effect(seen: Mapping[str, Any]) -> None:
    """What the change would make of the open leads."""
    if not seen["moves"]:
        st.info(t("leads.rules.no_effect"), icon=":material/info:")
        return
    told = plain("common.clauses").join(
        plain("common.told", name=f"{one['from']} → {one['to']}", text=one["count"]) for one in seen["moves"]
    )
    st.info(t("leads.rules.effect", moves=told), icon=":material/info:")


def _changes(changes: list[Mapping[str, Any]], names: Mapping[int, str]) -> None:
    with st.expander(t("leads.rules.changes"), key="lead_rules_changes"):
        for one in changes:
            where = names.get(one["shop_id"] or 0, "")
            what = plain(f"leads.rules.changed.{one['action']}")
            st.caption(md(" · ".join((frame.clock(one["at"]), one["who"] or "", where, what))))
