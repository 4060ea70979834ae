"""Filters of the deadline overview; the address holds them: `?bucket=overdue&person=pool`."""

from __future__ import annotations

from typing import Any, cast

import streamlit as st

from backend import deadlines
from backend.deadlines import Bucket, Overview, Wanted
from pages.shared import address, widgets
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t

_USUAL: dict[str, Any] = {"bucket": "open", "shop": None, "area": None, "person": None}


def sync(user: User) -> None:
    """Brings the widgets in line with the address, which alone says what is filtered, without nonsense."""
    given = {name: st.query_params.get(name, "") for name in _USUAL}
    person = given["person"]
    is_person = person in ("me", "pool") or address.number("person") is not None
    values: dict[str, Any] = {
        "bucket": given["bucket"] if given["bucket"] in deadlines.BUCKETS else "open",
        "shop": address.shop(user),
        "area": given["area"][:80] or None,
        "person": person if is_person else None,
    }
    for name, value in values.items():
        st.session_state[f"deadlines_{name}"] = value


def wanted() -> Wanted:
    """What the widgets ask for."""
    state = st.session_state
    return Wanted(
        bucket=cast(Bucket, state.get("deadlines_bucket") or "open"),
        shop_id=state.get("deadlines_shop"),
        area=state.get("deadlines_area"),
        person=state.get("deadlines_person"),
    )


def narrowed() -> bool:
    """Whether anything but the bucket narrows the page."""
    return any(st.session_state.get(f"deadlines_{name}") is not None for name in ("shop", "area", "person"))


def narrow_to(**values: Any) -> None:
    """Sets filters and writes the address; the list begins anew."""
    for name, value in values.items():
        st.session_state[f"deadlines_{name}"] = value
    _write()


def clear() -> None:
    """Takes all filters back but the bucket."""
    narrow_to(shop=None, area=None, person=None)


def draw(user: User, found: Overview) -> None:
    """Shop, area and person; who sees only himself and the pool is offered just those."""
    if len(user.shops) > 1:
        _select("shop", [shop.id for shop in user.shops], lambda number: _shop_name(user, number))
    areas = found.areas()
    asked = st.session_state.get("deadlines_area")
    _select("area", [*areas, *([asked] if asked and asked not in areas else [])], _area_name)
    people = _people(user, found)
    asked = st.session_state.get("deadlines_person")
    _select(
        "person",
        [*people, *([asked] if asked and asked not in people else [])],
        lambda one: people.get(one, one),
    )
    if narrowed():
        st.button(
            t("common.clear_filters"),
            icon=":material/filter_alt_off:",
            type="tertiary",
            key="deadlines_clear",
            on_click=clear,
        )


def buckets(counts: dict[str, int]) -> None:
    """The figures, which are the tabs of the list."""
    shown = [name for name in deadlines.BUCKETS if name not in ("paused", "uncovered") or counts.get(name)]
    asked = st.session_state.get("deadlines_bucket")
    if asked not in shown:
        shown.append(asked)
    st.segmented_control(
        t("deadlines.buckets"),
        shown,
        required=True,
        format_func=lambda name: _bucket_words(name, counts),
        key="deadlines_bucket",
        label_visibility="collapsed",
        on_change=_write,
        wrap=True,
    )


def cursor(asked: Wanted) -> dict[str, Any] | None:
    """Where the shown page of the list begins."""
    place: dict[str, Any] | None = widgets.cursor("deadlines", asked)
    return place


def _bucket_words(name: str, counts: dict[str, int]) -> str:
    icon = (
        {"overdue": ":material/error:", "soon": ":material/schedule:"}.get(name) if counts.get(name) else None
    )
    words = f"{t(f'deadlines.bucket.{name}')} {counts.get(name, 0)}"
    return f"{icon} {words}" if icon else words


def _select(name: str, options: list[Any], words: Any) -> None:
    widgets.choice(
        t(f"deadlines.filter.{name}"), options, words, key=f"deadlines_{name}", on_change=_write, width=180
    )


def _people(user: User, found: Overview) -> dict[str, str]:
    people = {"me": plain("deadlines.person.me"), "pool": plain("deadlines.person.pool")}
    others = {str(number): name for number, name in found.people().items() if number != user.id}
    return people | dict(sorted(others.items(), key=lambda pair: pair[1]))


def _shop_name(user: User, number: int) -> str:
    shop = user.shop(number)
    return shop.name if shop else str(number)


def _area_name(area: str) -> str:
    return deadlines.area_words(area, locale())


def _write() -> None:
    address.write("deadlines", _USUAL)
