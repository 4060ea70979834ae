"""The table of the rota: people × dates, in words; a grid for managers, cards on a narrow window, files."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from backend import exports, rota_table
from backend.rota import Cell, Place, Rota
from pages.shared import widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.rota import one_day, plan
from pages.shared.rota.dates import head, today

_TODAY_TINT = "background-color: rgba(18, 130, 110, .14)"


def draw(found: Rota, user: User) -> None:
    """The rota with its files; managers edit it."""
    if not found.people:
        widgets.empty_state(
            t("rota.nobody_here"), t("rota.nobody_hint"), icon=":material/group_off:", key="rota"
        )
        return
    can_plan = user.has("manager", "admin")
    with widgets.wide("rota"):
        wanted = _grid(found, user) if can_plan else _shown(found, user)
    with widgets.narrow("rota"):
        _cards(found, user)
    if not found.cells and not can_plan:
        st.caption(t("rota.empty"))
    if can_plan:
        is_changing = plan.proposal(found, wanted, source="edited", key="grid")
        one_day.editor(found, user)
        if not is_changing:
            plan.notes(found)
    _files(found)


def texts(found: Rota, lang: str) -> pd.DataFrame:
    """The rota in words: a row a person, a column a date (ISO)."""
    rows = [
        {
            "name": person.name,
            **{
                day.isoformat(): rota_table.text(found.cell(person.id, day), found.shifts, lang)
                for day in found.dates
            },
        }
        for person in found.people
    ]
    return pd.DataFrame(rows, columns=["name", *(day.isoformat() for day in found.dates)])


def _shown(found: Rota, user: User) -> dict[Place, Cell]:
    """The table to read; a person's own row first. Nothing is wanted."""
    frame_of = texts(found, locale())
    own = [number for number, person in enumerate(found.people) if person.id == user.id]
    order = own + [number for number in range(len(frame_of)) if number not in own]
    shown = frame_of.iloc[order].reset_index(drop=True)
    now = today(user).isoformat()
    style = shown.style.map(lambda _: _TODAY_TINT, subset=[now]) if now in shown.columns else shown.style
    st.dataframe(
        style,
        hide_index=True,
        key="rota_shown",
        height="content" if len(shown) <= 20 else 740,
        column_config=_columns(found),
        alt=plain("rota.title"),
    )
    return {}


def _grid(found: Rota, user: User) -> dict[Place, Cell]:
    """The grid to edit; returns what a planner wants of it, and says which cells cannot be read."""
    lang = locale()
    before = texts(found, lang)
    usual = rota_table.choices(found.shifts, lang)
    seen = {text for day in found.dates for text in before[day.isoformat()] if text}
    options = [*usual, *sorted(seen - set(usual))]
    columns = _columns(found) | {
        day.isoformat(): st.column_config.SelectboxColumn(_marked(day, user), options=options, width=92)
        for day in found.dates
    }
    after = st.data_editor(
        before.replace("", None),
        hide_index=True,
        key=f"rota_grid_{found.start}_{found.days}_{plan.round_number()}",
        disabled=["name"],
        column_config=columns,
        height="content" if len(before) <= 20 else 740,
        placeholder="·",
        alt=plain("rota.title"),
    )
    st.caption(t("rota.grid_hint"))
    return wanted_of(found, before, after)


def wanted_of(found: Rota, before: pd.DataFrame, after: pd.DataFrame) -> dict[Place, Cell]:
    """The cells whose text was changed in the grid."""
    wanted: dict[Place, Cell] = {}
    for number, person in enumerate(found.people):
        for day in found.dates:
            old, new = (_text(one.at[number, day.isoformat()]) for one in (before, after))
            if new != old:
                wanted[person.id, day] = rota_table.parse(new, found.shifts, found.cell(person.id, day))
    return wanted


def _text(value: Any) -> str:
    """A cell of a table: an emptied one comes back as None or as a number that is none."""
    return value if isinstance(value, str) else ""


def _columns(found: Rota) -> dict[str, Any]:
    named: dict[str, Any] = {
        "name": st.column_config.TextColumn(plain("rota.person"), width=110, pinned=True)
    }
    return named | {day.isoformat(): st.column_config.TextColumn(head(day), width=92) for day in found.dates}


def _marked(day: date, user: User) -> str:
    return f"● {head(day)}" if day == today(user) else head(day)


def _cards(found: Rota, user: User) -> None:
    """A card a date: each shift with its people. From today on when the week holds today."""
    now = today(user)
    for day in [one for one in found.dates if one >= now or now not in found.dates]:
        with st.container(border=True, key=f"rota_card_{day}", gap="xxsmall"):
            mark = f" :green-badge[{t('rota.today')}]" if day == now else ""
            st.markdown(f"**{head(day)}**{mark}")
            lines = _day_lines(found, day, user)
            st.markdown("  \n".join(lines) if lines else f":gray[{t('rota.day_open')}]")


def _day_lines(found: Rota, day: date, user: User) -> list[str]:
    groups: dict[str, list[str]] = {}
    for person in found.people:
        cell = found.cell(person.id, day)
        name = f"**{md(person.name)}**" if person.id == user.id else md(person.name)
        for duty in cell.duties:
            mark = "lead" if duty.is_lead else "deputy" if duty.is_deputy else ""
            marked = name + plain(f"rota.mark.{mark}") if mark else name
            groups.setdefault(duty.name, []).append(marked)
        if cell.kind == "leave":
            groups.setdefault(plain("rota.kind.leave"), []).append(name)
    between, colon = plain("rota.and"), plain("rota.colon")
    return [f"{md(shift)}{colon}{between.join(names)}" for shift, names in groups.items()]


def _files(found: Rota) -> None:
    with st.container(horizontal=True, gap="small", key="rota_files"):
        rows: list[Mapping[str, Any]] = list(rota_table.rows_out(found, locale()))
        columns = [
            ("name", plain("rota.person")),
            ("staff_no", plain("rota.staff_no")),
            *(
                (day.isoformat(), f"{day.isoformat()} {plain(f'rota.weekday.{day.isoweekday()}')}")
                for day in found.dates
            ),
        ]
        name = f"{plain('rota.title')} {found.dates[0]} {found.dates[-1]}"
        sheet = exports.write_xlsx(rows, columns, plain("rota.title"))
        for label, data, mime in (
            ("XLSX", sheet, exports.XLSX),
            ("CSV", exports.write_csv(rows, columns), "text/csv"),
        ):
            st.download_button(
                label,
                data,
                f"{name}.{label.lower()}",
                mime=mime,
                icon=":material/download:",
                key=f"rota_{label.lower()}",
                on_click="ignore",
            )
