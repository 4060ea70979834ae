"""The parts of the rules page: the ten rules in words, and the drawer in which a manager changes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from backend import rules
from backend.rules import Rule
from pages.shared import address, frame, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t
from pages.shared.queue.words import kind_name

_SEEN = "rules_seen"
_OPEN = "rules_open"
_SHOWN_WORDS = 6


def shop_choice(user: User) -> int | None:
    """The defaults, or the rules of one shop."""
    names = {0: plain("rules.default"), **{shop.id: shop.name for shop in user.shops}}
    asked = address.number("shop")
    if "rules_shop" not in st.session_state and asked in names:
        st.session_state["rules_shop"] = asked
    with widgets.filter_row("rules"):
        chosen = st.segmented_control(
            t("rules.whose"),
            list(names),
            format_func=lambda number: md(names[number]),
            key="rules_shop",
            default=0,
            required=True,
        )
    return int(chosen) or None


def cards(found: Sequence[Rule], overrides: Mapping[str, Sequence[int]], user: User) -> None:
    """One card per kind: what it finds, how it holds here, and the way to change it."""
    with st.grid(min_column_width=340, gap="small", key="rules_cards"):
        for rule in found:
            with st.container(border=True, key=f"rules_card_{rule.kind}", gap="small", height="stretch"):
                _card(rule, overrides.get(rule.kind, ()), user)


def _card(rule: Rule, own_shops: Sequence[int], user: User) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{kind_name(rule.kind)}**", width="content")
        st.markdown(_badges(rule), width="content")
    st.caption(t(f"rules.about.{rule.kind}"))
    words = params_words(rule)
    if words:
        st.markdown(md(words))
    st.caption(_footer(rule, own_shops, user))
    if user.has("manager") and st.button(
        t("rules.change"), icon=":material/tune:", key=f"rules_change_{rule.kind}"
    ):
        st.session_state[_OPEN] = rule.kind
        st.session_state.pop(_SEEN, None)


def _badges(rule: Rule) -> str:
    if not rule.is_active:
        return f":gray-badge[:material/toggle_off: {t('rules.off')}]"
    found = [f":{'orange' if rule.is_blocking else 'gray'}-badge[{t(_blocking(rule.is_blocking))}]"]
    if rule.severity == "high":
        found.append(f":red-badge[:material/priority_high: {t('rules.severity.high')}]")
    return " ".join(found)


def _blocking(is_blocking: bool) -> str:
    return "rules.blocking" if is_blocking else "rules.not_blocking"


def _footer(rule: Rule, own_shops: Sequence[int], user: User) -> str:
    parts = [t("rules.waived_by", who=plain(f"rules.waiver.{rule.waived_by}"))]
    if rule.shop_id is None:
        names = [shop.name for shop in user.shops if shop.id in own_shops]
        if names:
            parts.append(t("rules.other_shops", shops=", ".join(names)))
    else:
        parts.append(t("rules.own") if rule.own else t("rules.follows"))
    parts.append(t("rules.changed", version=max(rule.version, 1), when=frame.clock(rule.updated_at)))
    return " · ".join(parts)


def params_words(rule: Rule) -> str:
    """The parameters in words. Plain text; empty for a rule without any."""
    params = rule.params
    if rule.kind == "duplicate":
        return plain("rules.params.duplicate", minutes=params.get("window_minutes", 30))
    if rule.kind == "same_ip":
        return plain(
            "rules.params.same_ip",
            orders=params.get("orders", 3),
            minutes=params.get("minutes", 60),
            accounts=params.get("accounts", 2),
        )
    if rule.kind == "remote":
        return " ".join(params.get("provinces", []))
    if rule.kind == "suspicious":
        words = rules.suspicious_words(params)["keywords"]
        shown = " ".join(words[:_SHOWN_WORDS])
        return plain("rules.params.suspicious", words=shown, count=len(words))
    return ""


# The drawer ------------------------------------------------------------------------------------------------


def drawer(found: Sequence[Rule]) -> None:
    """Change the chosen rule: look at the effect first, then save; or go back to the default."""
    rule = next((one for one in found if one.kind == st.session_state.get(_OPEN)), None)
    if rule is None:
        return

    @st.dialog(
        kind_name(rule.kind),
        position="right",
        width="medium",
        icon=":material/tune:",
        on_dismiss=_close,
    )
    def body() -> None:
        shop = frame.require_user().shop(rule.shop_id)
        where = t("rules.for_shop", shop=shop.name) if shop else t("rules.for_all")
        st.caption(f"{t(f'rules.about.{rule.kind}')} {where}")
        key = f"rules_{rule.kind}_{rule.shop_id or 0}_{rule.version}"
        values = _inputs(rule, key)
        with frame.boundary():
            _effect(rule, values, key)
        if rule.own:
            _reset(rule, key)

    body()


def _close() -> None:
    st.session_state.pop(_OPEN, None)
    st.session_state.pop(_SEEN, None)


def _inputs(rule: Rule, key: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    values["is_active"] = st.toggle(t("rules.active"), rule.is_active, key=f"{key}_active")
    values["is_blocking"] = st.toggle(
        t("rules.is_blocking"), rule.is_blocking, key=f"{key}_blocking", help=t("rules.blocking_help")
    )
    values["severity"] = st.segmented_control(
        t("rules.severity"),
        ("normal", "high"),
        default=rule.severity,
        required=True,
        format_func=lambda name: t(f"rules.severity.{name}"),
        key=f"{key}_severity",
        help=t("rules.severity_help"),
    )
    never = rule.kind in rules.NEVER_WAIVED
    options = ("never",) if never else rules.WAIVERS
    values["waived_by"] = st.selectbox(
        t("rules.who_waives"),
        options,
        index=options.index(rule.waived_by),
        format_func=lambda name: plain(f"rules.waiver.{name}"),
        key=f"{key}_waived",
        disabled=never,
        help=t("rules.never_help") if never else t("rules.who_waives_help"),
    )
    values["params"] = _params(rule, key)
    return values


def _params(rule: Rule, key: str) -> dict[str, Any]:
    params = rule.params
    if rule.kind == "duplicate":
        return {"window_minutes": _number("window_minutes", params.get("window_minutes", 30), (1, 1440), key)}
    if rule.kind == "same_ip":
        limits = {"orders": (2, 100), "minutes": (1, 1440), "accounts": (1, 2)}
        usual = {"orders": 3, "minutes": 60, "accounts": 2}
        return {
            name: _number(name, params.get(name, usual[name]), limit, key) for name, limit in limits.items()
        }
    if rule.kind == "remote":
        return {"provinces": _provinces(params.get("provinces", []), key)}
    if rule.kind == "suspicious":
        return _words(params, key)
    return dict(params)


def _number(name: str, value: int, limit: tuple[int, int], key: str) -> int:
    low, high = limit
    return int(st.number_input(t(f"rules.param.{name}"), low, high, int(value), step=1, key=f"{key}_{name}"))


def _provinces(chosen: Sequence[str], key: str) -> list[str]:
    options = list(dict.fromkeys([*rules.provinces(), *chosen]))
    return list(
        st.multiselect(
            t("rules.param.provinces"),
            options,
            default=list(chosen),
            placeholder=plain("rules.choose_provinces"),
            key=f"{key}_provinces",
        )
    )


def _words(params: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Lists of words, one a line; unchanged built-in lists stay built in and grow with the program."""
    before = rules.suspicious_words(params)
    found = {}
    for name in ("keywords", "allow"):
        text = st.text_area(
            t(f"rules.param.{name}"), "\n".join(before[name]), height=150, key=f"{key}_{name}"
        )
        found[name] = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    return dict(params) if found == before else found


def _effect(rule: Rule, values: dict[str, Any], key: str) -> None:
    """The effect of exactly these values, before they can be saved."""
    if values == rule.values:
        st.caption(t("rules.nothing_changed"))
        return
    seen = st.session_state.get(_SEEN)
    if seen is None or seen["values"] != values:
        if not st.button(t("rules.preview"), icon=":material/visibility:", key=f"{key}_preview"):
            return
        with st.spinner(t("rules.previewing")):
            seen = {"values": values, "effect": rules.preview(frame.client(), rule, values)}
        st.session_state[_SEEN] = seen
    _effect_words(seen["effect"])
    if st.button(t("rules.save"), type="primary", icon=":material/check:", key=f"{key}_save"):
        mark = frame.request_id("save_rule", rule.shop_id, rule.kind, rule.version, values)
        rules.save(frame.client(), rule, values, request_id=mark)
        _close()
        frame.flash_and_rerun(t("rules.saved", kind=kind_name(rule.kind)))


def _effect_words(effect: Mapping[str, Any]) -> None:
    st.info(
        t("rules.effect", now=effect["open"], appear=effect["appear"], vanish=effect["vanish"]),
        icon=":material/visibility:",
    )
    if effect["rechecks"]:
        st.caption(t("rules.rechecks"))


def _reset(rule: Rule, key: str) -> None:
    with st.container(border=True, key=f"{key}_reset_box"):
        st.caption(t("rules.reset_text"))
        if st.button(t("rules.reset"), icon=":material/restart_alt:", key=f"{key}_reset"):
            with frame.boundary():
                mark = frame.request_id("reset_rule", rule.shop_id, rule.kind, rule.version)
                rules.reset(frame.client(), rule, request_id=mark)
                _close()
                frame.flash_and_rerun(t("rules.reset_done", kind=kind_name(rule.kind)))
