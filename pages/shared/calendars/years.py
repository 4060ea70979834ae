"""Holiday lists by year: what is covered, what waits for a list, and the import of the next one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import streamlit as st

from backend import calendars
from backend.calendars import Screen, Year
from pages.shared import frame, theme
from pages.shared.calendars import effects
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import plain, t


def banner(found: Screen) -> None:
    """Deadlines that have no answer until a year's list comes."""
    waiting = sum(one.waiting for one in found.calendars)
    if waiting:
        names = plain("common.listed").join(md(one.name) for one in found.calendars if one.waiting)
        st.warning(t("calendars.waiting", count=waiting, names=names), icon=":material/event_busy:")


def draw(found: Screen, user: User) -> None:
    """The lists, and for managers the import."""
    if user.has("manager", "admin"):
        _import(found)
    for year in reversed(found.years):
        with st.expander(t("calendars.year", year=year.year), key=f"calendars_year_{year.year}"):
            show(year)


def show(year: Year) -> None:
    """A list in words: holidays as spans, make-up workdays, its source."""
    st.markdown(f"**{t('calendars.holidays', count=len(year.holidays))}** {_spans(year.holidays)}")
    st.markdown(
        f"**{t('calendars.makeup', count=len(year.makeup_workdays))}** {_spans(year.makeup_workdays)}"
    )
    if year.source:
        st.caption(t("calendars.source", source=year.source))


def _spans(days: Sequence[date]) -> str:
    """`01-01–01-03、02-15–02-23`: dates in a row as one."""
    groups: list[list[date]] = []
    for day in sorted(days):
        if groups and day - groups[-1][-1] == timedelta(days=1):
            groups[-1].append(day)
        else:
            groups.append([day])
    parts = [f"{g[0]:%m-%d}–{g[-1]:%m-%d}" if len(g) > 1 else f"{g[0]:%m-%d}" for g in groups]
    return plain("common.listed").join(parts) or "—"


def _import(found: Screen) -> None:
    following = max((year.year for year in found.years), default=2025) + 1
    with st.container(border=True, key="calendars_import", gap="small"):
        st.markdown(f"**{t('calendars.import_year')}**")
        st.caption(t("calendars.import_text"))
        way = st.segmented_control(
            t("calendars.import_way"),
            ("type", "file"),
            default="type",
            required=True,
            format_func=lambda name: t(f"calendars.import_way.{name}"),
            key="calendars_import_way",
            label_visibility="collapsed",
        )
        with frame.boundary():
            change = _from_file() if way == "file" else _typed(following)
            if change is None:
                return
            year = calendars.as_year(change)
            show(year)
            if year.year in [one.year for one in found.years]:
                st.caption(f":material/info: {t('calendars.replaces', year=year.year)}")
            effects.ask(
                "year",
                change,
                calendars.import_year,
                key="calendars_year",
                saved=t("calendars.year_saved", year=year.year),
            )


def _from_file() -> dict[str, Any] | None:
    theme.uploader()
    file = st.file_uploader(t("calendars.import_file"), type=["json"], key="calendars_file")
    return calendars.read_year(file.getvalue()) if file else None


def _typed(following: int) -> dict[str, Any] | None:
    """A list as typed from the announcement: dates and spans."""
    year = int(
        st.number_input(
            t("calendars.import_for"), 2020, 2200, following, key="calendars_typed_year", width=140
        )
    )
    holidays = st.text_area(
        t("calendars.typed_holidays"),
        key="calendars_typed_holidays",
        placeholder=plain("calendars.typed_example", year=year),
        height=90,
    )
    makeup = st.text_area(
        t("calendars.typed_makeup"), key="calendars_typed_makeup", placeholder=f"{year}-01-03", height=70
    )
    source = st.text_input(t("calendars.typed_source"), key="calendars_typed_source", max_chars=300)
    if not holidays.strip():
        return None
    return {
        "year": year,
        "holidays": calendars.typed_dates(holidays, "holidays"),
        "makeup_workdays": calendars.typed_dates(makeup, "makeup_workdays"),
        "source": source.strip(),
    }
