"""Changing a policy without code: a form, a grid of steps, the effect on what runs, then saving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from backend import policies
from backend.policies import Calendar, Effect, Policy, Terms
from pages.shared import frame
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.policies import effects, steps, wording

Calendars = Mapping[str, Calendar]
_SEEN = "policies_seen"
_FORMS = "policies_forms"
_UNITS = {"minutes": 1, "hours": 60}


def forget(code: str) -> None:
    """Everything typed for a code: the next form begins with what is stored."""
    st.session_state.pop(_SEEN, None)
    for name in [name for name in st.session_state if str(name).startswith(f"policies_{code}_")]:
        del st.session_state[name]
    for policy_id in st.session_state.pop(_FORMS, set()):
        frame.close_form("policies", policy_id)


def change(policy: Policy, calendars: Calendars, user: User) -> None:
    """The form of a stored policy, with the ways back: restoring a default, or what switching off means."""
    version = frame.opened_version("policies", policy.id, policy.version)
    st.session_state.setdefault(_FORMS, set()).add(policy.id)
    opened = replace(policy, version=version)
    key = f"policies_{policy.code}_{policy.id}_{version}"
    st.caption(_scope(policy, user))
    _form(opened, calendars, key)
    if policy.is_default:
        _restore(opened, key)
    else:
        st.caption(t("policies.variant_off"))


def add(mine: Sequence[Policy], calendars: Calendars, user: User) -> None:
    """A variant: for a shop, for conditions, or both; then its form."""
    base = mine[0]
    key = f"policies_{base.code}_add"
    st.caption(t("policies.add_text"))
    shop_id = st.selectbox(
        t("policies.shop"),
        [shop.id for shop in user.shops],
        index=None,
        placeholder=plain("policies.any_shop"),
        format_func=lambda number: _shop_name(user, number),
        key=f"{key}_shop",
    )
    conditions = _conditions(base, key)
    if shop_id is None and not any(conditions.values()):
        st.info(t("policies.add_first"), icon=":material/add_business:")
        return
    variant = policies.variant(base, shop_id=shop_id, conditions=conditions)
    if any((one.shop_id, _same(one)) == (variant.shop_id, _same(variant)) for one in mine):
        st.warning(t("policies.add_twice"), icon=":material/content_copy:")
        return
    _form(variant, calendars, key)


def _same(policy: Policy) -> dict[str, list[str]]:
    return {name: sorted(held) for name, held in policy.conditions.items()}


def _shop_name(user: User, number: int) -> str:
    shop = user.shop(number)
    return shop.name if shop else str(number)


def _conditions(base: Policy, key: str) -> dict[str, list[str]]:
    found = {}
    for name, values in policies.FACTS.get(base.applies_to, {}).items():
        found[name] = st.multiselect(
            t(f"policies.fact_name.{name}"),
            values,
            format_func=lambda code, name=name: wording.value(base.applies_to, name, code),
            placeholder=plain("common.all"),
            key=f"{key}_{name}",
        )
    return found


def _scope(policy: Policy, user: User) -> str:
    if policy.is_default:
        return t("policies.for_all")
    return t("policies.for_variant", where=wording.where(policy, user))


def _form(policy: Policy, calendars: Calendars, key: str) -> None:
    terms = _inputs(policy.terms, calendars, key)
    wrong = policies.problems(terms, calendars)
    steps.complain(wrong, ("name", "allowance", "calendar"))
    if wrong:
        st.warning(t("policies.correct_first", count=len(wrong)), icon=":material/edit:")
        return
    if policy.id and terms == policy.terms:
        st.caption(t("policies.nothing_changed"))
        return
    _effect(policy, terms, key)


def _inputs(terms: Terms, calendars: Calendars, key: str) -> Terms:
    name = st.text_input(t("policies.field.name"), terms.name, max_chars=60, key=f"{key}_name")
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        measure = st.selectbox(
            t("policies.field.measure"),
            policies.MEASURES,
            index=policies.MEASURES.index(terms.measure),
            format_func=lambda code: plain(f"policies.measure.{code}"),
            key=f"{key}_measure",
            width=170,
        )
        allowance = _allowance(terms, measure, key)
        calendar = None if measure == "wall" else _calendar(terms, measure, calendars, key)
    ladder = steps.grid(terms.ladder, key)
    opening = [one.code for one in calendars.values() if one.kind == "working"]
    remind = st.selectbox(
        t("policies.field.remind_calendar"),
        opening,
        index=_place(opening, terms.remind_calendar),
        placeholder=plain("policies.remind_at_once"),
        format_func=lambda code: wording.calendar(code, calendars),
        help=t("policies.remind_help"),
        key=f"{key}_remind",
    )
    active = st.toggle(
        t("policies.field.is_active"), terms.is_active, help=t("policies.active_help"), key=f"{key}_active"
    )
    return Terms(name.strip(), measure, calendar, allowance, ladder, remind, active)


def _allowance(terms: Terms, measure: str, key: str) -> float:
    """The time as people say it: a number and its unit; whole days where working days count."""
    if measure == "workdays":
        days = terms.allowance if terms.measure == "workdays" else 1
        return float(
            st.number_input(
                t("policies.allowance_days"), 0, policies.MOST_DAYS, int(days), key=f"{key}_days", width=140
            )
        )
    held = terms.allowance if terms.measure != "workdays" else 1440
    usual = next(unit for unit in ("hours", "minutes") if held % _UNITS[unit] == 0 or unit == "minutes")
    amount = st.number_input(
        t("policies.field.allowance"),
        min_value=0.0,
        value=held / _UNITS[usual],
        step=1.0,
        format="%g",
        key=f"{key}_amount",
        width=140,
    )
    unit = st.segmented_control(
        t("policies.unit"),
        ("minutes", "hours"),
        default=usual,
        required=True,
        format_func=lambda name: plain(f"policies.unit.{name}"),
        key=f"{key}_unit",
        label_visibility="collapsed",
    )
    return round(amount * _UNITS[unit], 3)


def _calendar(terms: Terms, measure: str, calendars: Calendars, key: str) -> str | None:
    kinds = ("working",) if measure == "working" else ("workdays", "working")
    fitting = [one.code for kind in kinds for one in calendars.values() if one.kind == kind]
    usual = terms.calendar if terms.calendar in fitting else fitting[0] if fitting else None
    return st.selectbox(
        t("policies.field.calendar"),
        fitting,
        index=_place(fitting, usual),
        placeholder=plain("policies.no_calendar"),
        format_func=lambda code: wording.calendar(code, calendars),
        key=f"{key}_calendar_{measure}",
        width=200,
    )


def _place(options: Sequence[Any], wanted: Any) -> int | None:
    return options.index(wanted) if wanted in options else None


def _effect(policy: Policy, terms: Terms, key: str) -> None:
    """The effect of exactly these values, before they can be saved."""
    seen: dict[str, Any] | None = st.session_state.get(_SEEN)
    asked = (policy.id, policy.version, policy.shop_id, policy.conditions, terms)
    if seen is None or seen["of"] != asked:
        if not st.button(t("policies.preview"), icon=":material/visibility:", key=f"{key}_preview"):
            return
        with st.spinner(t("policies.previewing")), frame.editing("policies", policy.id):
            seen = {"of": asked, "effect": policies.preview(frame.client(), policy, terms)}
        st.session_state[_SEEN] = seen
    effect: Effect = seen["effect"]
    effects.words(effect)
    effects.table(effect)
    if st.button(t("policies.save"), type="primary", icon=":material/check:", key=f"{key}_save"):
        _save(policy, terms)


def _save(policy: Policy, terms: Terms) -> None:
    mark = frame.request_id(
        "save_policy", policy.id, policy.version, policy.shop_id, policy.conditions, terms
    )
    with frame.editing("policies", policy.id):
        policies.save(frame.client(), policy, terms, request_id=mark)
    forget(policy.code)
    st.query_params["code"] = policy.code
    frame.flash_and_rerun(t("policies.saved", name=terms.name))


def _restore(policy: Policy, key: str) -> None:
    with st.container(border=True, key=f"{key}_restore_box", gap="xsmall"):
        st.caption(t("policies.restore_text"))
        if st.button(t("policies.restore"), icon=":material/restart_alt:", key=f"{key}_restore"):
            mark = frame.request_id("reset_policy", policy.id, policy.version)
            with frame.editing("policies", policy.id):
                policies.reset(frame.client(), policy, request_id=mark)
            forget(policy.code)
            frame.flash_and_rerun(t("policies.restored", name=policy.terms.name))
