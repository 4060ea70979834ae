"""The shifts of a calendar: read by all, changed by managers; new calendars; which shop works by which."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from backend import calendars, shops
from backend.calendars import Calendar, Screen, Shift, ShopCalendar
from backend.errors import AppError
from pages.shared import frame, widgets
from pages.shared.calendars import effects
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t

_ADDED = "calendars_added"
_WEEKDAYS = (1, 2, 3, 4, 5, 6, 7)


def draw(found: Screen, user: User) -> None:
    """One calendar with its shifts, then new ones and the shops."""
    calendar = effects.choice(found, key="calendar")
    st.caption(_facts(calendar))
    if user.has("manager", "admin"):
        _editor(calendar)
        with st.expander(t("calendars.new"), icon=":material/add:", key="calendars_new"):
            _new({one.code for one in found.calendars})
        _shops(found)
    else:
        for shift in calendar.shifts:
            with st.container(border=True, key=f"calendars_shift_{shift.id}"):
                st.markdown(f"**{md(shift.name)}** {calendars.hours_text([(shift.opens, shift.closes)])}")
                st.caption(weekdays_text(shift.weekdays))


def weekdays_text(days: tuple[int, ...]) -> str:
    """`周一 周二 …`, or every day."""
    if len(days) == len(_WEEKDAYS):
        return plain("calendars.every_day")
    return " ".join(plain(f"rota.weekday.{day}") for day in days)


def _facts(calendar: Calendar) -> str:
    parts = [md(calendar.timezone), t("calendars.policies", count=calendar.policies)]
    if calendar.follows_holidays:
        until = f"{calendar.covered_until:%Y-%m-%d}" if calendar.covered_until else "—"
        parts.append(t("calendars.follows", until=until))
    else:
        parts.append(t("calendars.follows_not"))
    return " · ".join(parts)


def _editor(calendar: Calendar) -> None:
    key = f"calendars_{calendar.id}_{calendar.version}"
    added = st.session_state.setdefault(_ADDED, {}).setdefault(key, 0)
    with st.container(key=f"{key}_shifts", gap="small"):
        name = st.text_input(t("calendars.name"), calendar.name, max_chars=60, key=f"{key}_name", width=320)
        blank = Shift(None, "", (1, 2, 3, 4, 5, 6, 7), 480, 1020)
        rows = [*calendar.shifts, *[blank] * added]
        try:
            read = [_shift(one, f"{key}_{one.id or f'new{number}'}") for number, one in enumerate(rows)]
        except AppError as error:
            st.error(error.message(), icon=":material/error:")
            return
        shifts = [one for one in read if one is not None]
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                t("calendars.add_shift"), icon=":material/add:", key=f"{key}_add", on_click=_add, args=(key,)
            )
            follows = st.toggle(t("calendars.follow"), calendar.follows_holidays, key=f"{key}_follows")
            is_active = st.toggle(t("calendars.active"), calendar.is_active, key=f"{key}_active")
        same = (name, follows, is_active) == (calendar.name, calendar.follows_holidays, calendar.is_active)
        if same and shifts == list(calendar.shifts):
            st.caption(t("calendars.nothing_changed"))
            return
        change = calendars.calendar_change(
            calendar, shifts, name=name, follows_holidays=follows, is_active=is_active
        )
        with frame.boundary():
            effects.ask(
                "calendar",
                change,
                calendars.save_calendar,
                key=key,
                saved=t("calendars.saved", name=calendar.name),
            )


def _add(key: str) -> None:
    st.session_state[_ADDED][key] += 1


def _shift(shift: Shift, key: str) -> Shift | None:
    """A shift as typed; None when it is to go. Raises AppError calendar.bad_hours."""
    with (
        st.container(border=True, key=f"{key}_box"),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        name = st.text_input(
            t("calendars.shift_name"), shift.name, max_chars=20, key=f"{key}_name", width=130
        )
        hours = st.text_input(
            t("calendars.shift_hours"),
            calendars.hours_text([(shift.opens, shift.closes)]),
            key=f"{key}_hours",
            help=t("calendars.hours_help"),
            width=180,
        )
        days = st.pills(
            t("calendars.weekdays"),
            _WEEKDAYS,
            selection_mode="multi",
            default=shift.weekdays,
            format_func=lambda day: t(f"rota.weekday.{day}"),
            key=f"{key}_days",
        )
        least = st.number_input(
            t("calendars.min_staff"),
            0,
            500,
            shift.min_staff,
            key=f"{key}_least",
            help=t("calendars.min_staff_help"),
            width=130,
        )
        gone = st.toggle(t("calendars.remove_shift"), key=f"{key}_gone")
    if gone:
        return None
    spans = calendars.parse_hours(hours)
    if len(spans) != 1:
        raise AppError("calendar.bad_hours")
    opens, closes = spans[0]
    return replace(
        shift,
        name=name.strip(),
        weekdays=tuple(sorted(days)),
        opens=opens,
        closes=closes,
        min_staff=int(least),
    )


def _new(taken: set[str]) -> None:
    """A calendar of its own, for a shop in another zone or a team with other hours."""
    st.caption(t("calendars.new_text"))
    with widgets.filter_row("calendars_new"):
        name = st.text_input(t("calendars.name"), key="calendars_new_name", max_chars=60, width=200)
        code = st.text_input(
            t("calendars.code"),
            key="calendars_new_code",
            max_chars=30,
            help=t("calendars.code_help"),
            width=160,
        )
        zone = st.selectbox(t("calendars.zone"), shops.ZONES, key="calendars_new_zone", width=200)
        hours = st.text_input(t("calendars.shift_hours"), "09:00–18:00", key="calendars_new_hours", width=180)
        shift_name = st.text_input(
            t("calendars.shift_name"), key="calendars_new_shift", max_chars=20, width=130
        )
        sent = st.button(t("calendars.new_send"), type="primary", key="calendars_new_send")
    if not sent:
        return
    with frame.boundary():
        spans = calendars.parse_hours(hours)
        if len(spans) != 1:
            raise AppError("calendar.bad_hours")
        if code.strip() in taken:
            raise AppError("calendar.code_taken", params={"code": code.strip()})
        shift = Shift(None, shift_name.strip() or name.strip(), (1, 2, 3, 4, 5, 6, 7), *spans[0])
        change = {
            "code": code.strip(),
            "name": name.strip(),
            "timezone": zone,
            "shifts": calendars.shifts_payload([shift]),
        }
        mark = frame.request_id("calendars_new", change)
        calendars.save_calendar(frame.client(), change, request_id=mark)
        frame.flash_and_rerun(t("calendars.saved", name=name.strip()))


def _shops(found: Screen) -> None:
    """By which calendar each shop works."""
    with st.expander(t("calendars.shops"), icon=":material/storefront:", key="calendars_shops"):
        st.caption(t("calendars.shops_text"))
        offered = {one.id: one for one in found.calendars if one.has_shifts and one.is_active}
        for shop in found.shops:
            _shop(shop, offered)


def _shop(shop: ShopCalendar, offered: dict[int, Calendar]) -> None:
    ids = list(offered)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            shop.name,
            ids,
            index=ids.index(shop.calendar_id) if shop.calendar_id in offered else None,
            format_func=lambda number: offered[number].name,
            key=f"calendars_shop_{shop.id}_{shop.version}",
            width=260,
        )
        if chosen is None:
            return
        other_zone = offered[chosen].timezone != shop.timezone
        if other_zone:
            zones = {"shop": shop.timezone, "calendar": offered[chosen].timezone}
            st.caption(f":material/warning: {t('calendars.other_zone', **zones)}")
        if chosen != shop.calendar_id and st.button(t("common.save"), key=f"calendars_shop_save_{shop.id}"):
            with frame.boundary():
                mark = frame.request_id("set_shop_calendar", shop.id, shop.version, chosen)
                calendars.set_shop_calendar(frame.client(), shop, chosen, request_id=mark)
                frame.flash_and_rerun(t("calendars.shop_saved", shop=shop.name))
