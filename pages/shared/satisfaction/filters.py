"""Period, shop, type and tab of the two pages; the address holds them: `?days=90&shop=2&tab=low`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from backend.tickets import insight, wording
from pages.shared import address, widgets
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t

DAYS = (7, 30, 90, 365)
_USUAL: dict[str, Any] = {"days": 30, "shop": None, "type": None, "tab": None}


def sync(user: User, tabs: tuple[str, ...] = ()) -> None:
    """Brings the widgets in line with the address, without nonsense."""
    given = {name: st.query_params.get(name, "") for name in _USUAL}
    values: dict[str, Any] = {
        "days": int(given["days"]) if given["days"] in {str(days) for days in DAYS} else _USUAL["days"],
        "shop": address.shop(user),
        "type": given["type"] if given["type"] in wording.keys("types") else None,
        "tab": given["tab"] if given["tab"] in tabs else next(iter(tabs), None),
    }
    for name, value in values.items():
        st.session_state[f"satisfaction_{name}"] = value


def shop_id() -> int | None:
    """The shop that was chosen; None: all of mine."""
    found: int | None = st.session_state.get("satisfaction_shop")
    return found


def kind() -> str | None:
    """The type of case that was chosen."""
    found: str | None = st.session_state.get("satisfaction_type")
    return found


def days(user: User) -> tuple[date, date]:
    """First and last day of the period, in the zone of the person's first shop."""
    today = datetime.now(ZoneInfo(user.zone)).date()
    return insight.period(st.session_state.get("satisfaction_days") or _USUAL["days"], today)


def draw(user: User, *, with_type: bool = False) -> None:
    """The row above the figures."""
    with widgets.filter_row("satisfaction"):
        st.selectbox(
            t("satisfaction.period"),
            DAYS,
            format_func=lambda count: plain("satisfaction.last", count=count),
            key="satisfaction_days",
            on_change=_write,
            width=150,
        )
        widgets.shop_choice(user, t("satisfaction.shop"), key="satisfaction_shop", on_change=_write)
        if with_type:
            widgets.choice(
                t("aftersales.type"),
                wording.keys("types"),
                lambda key: wording.label("types", key, locale()),
                key="satisfaction_type",
                on_change=_write,
                width=150,
            )


def tabs(names: tuple[str, ...]) -> str:
    """The tab that is open."""
    chosen = st.segmented_control(
        t("satisfaction.tabs"),
        names,
        required=True,
        format_func=lambda name: plain(f"satisfaction.tab.{name}"),
        key="satisfaction_tab",
        on_change=_write,
        label_visibility="collapsed",
    )
    return chosen or names[0]


def flag(name: str, label: str) -> bool:
    """A switch of a tab that the address remembers."""
    st.session_state[f"satisfaction_{name}"] = st.query_params.get(name) == "1"
    return bool(st.toggle(label, key=f"satisfaction_{name}", on_change=_write_flag, args=(name,)))


def _write_flag(name: str) -> None:
    if st.session_state.get(f"satisfaction_{name}"):
        st.query_params[name] = "1"
    else:
        st.query_params.pop(name, None)


def _write() -> None:
    address.write("satisfaction", _USUAL)
