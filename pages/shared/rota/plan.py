"""Planning: the rota as it was opened, proposals (generated, copied, imported) and saving a difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import pandas as pd
import streamlit as st

from backend import rota, rota_patterns, rota_table
from backend.errors import AppError
from backend.imports import reasons
from backend.imports.records import FileRefused
from backend.rota import Cell, Change, Place, Rota, Source
from backend.rota_patterns import Group, Rhythm, Warned
from backend.rota_table import Refusal, Sheet
from pages.shared import frame, theme
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.rota import pattern
from pages.shared.rota.dates import Span, head

VIEWS = ("table", "generate", "copy", "import")
_OPENED = "rota_opened"
_PENDING = "rota_pending"
_ROUND = "rota_round"
_SHOWN = 30
_HISTORY = 28


def round_number() -> int:
    """Part of the keys of all inputs: a new number forgets what was typed."""
    return int(st.session_state.setdefault(_ROUND, 0))


def latest(span: Span, shop_id: int | None) -> Rota:
    """The rota as it is now."""
    return rota.read(frame.client(), span.start, span.days, shop_id)


def opened(span: Span, shop_id: int | None) -> Rota:
    """The rota as it was when the pending changes began, else as it is now.

    Versions must be those that the planner saw: with fresh ones a save would overwrite what a colleague
    planned meanwhile.
    """
    place = (span.start, span.days, shop_id)
    kept = st.session_state.get(_OPENED)
    if kept is None or kept[0] != place or not st.session_state.get(_PENDING):
        kept = (place, latest(span, shop_id))
        st.session_state[_OPENED] = kept
    st.session_state[_PENDING] = False
    found: Rota = kept[1]
    return found


def forget() -> None:
    """Drops pending changes: the next run reads the latest rota."""
    st.session_state[_ROUND] = round_number() + 1
    st.session_state[_PENDING] = False


def draw(view: str, found: Rota, user: User) -> None:
    """One way of planning."""
    if view == "generate":
        groups, rhythm = pattern.inputs(found, user, _history(found))
        if groups:
            proposal(found, _generated(found, groups, rhythm), source="generated", key="generate")
    elif view == "copy":
        _copy(found, user)
    else:
        _import(found)


def _history(found: Rota) -> Rota:
    """The weeks shown, or the four before them when nothing is planned yet."""
    if any(cell.duties for cell in found.cells.values()):
        return found
    start = found.start - timedelta(days=_HISTORY)
    return rota.read(frame.client(), start, _HISTORY, st.session_state.get("rota_shop"))


def _generated(found: Rota, groups: Sequence[Group], rhythm: Rhythm) -> dict[Place, Cell]:
    wanted = rota_patterns.generate(found, groups, rhythm)
    if st.toggle(t("rota.keep_planned"), value=True, key="rota_keep", help=t("rota.keep_planned_help")):
        return {place: cell for place, cell in wanted.items() if found.cell(*place).kind == "open"}
    return wanted


def _copy(found: Rota, user: User) -> None:
    """The weeks shown become like the ones before, or like those from another Monday."""
    usual = found.start - timedelta(days=found.days)
    chosen = st.date_input(t("rota.copy_from"), usual, key=f"rota_copy_{found.start}_{found.days}", width=220)
    source = rota_patterns.week_of(chosen)
    if source == found.start:
        st.info(t("rota.copy_same"), icon=":material/info:")
        return
    shop_id = st.session_state.get("rota_shop")
    before = rota.read(frame.client(), source, found.days, shop_id)
    wanted = rota.copied(before, found)
    if not wanted:
        st.info(t("rota.copy_nothing"), icon=":material/info:")
        return
    st.caption(t("rota.copy_words", start=f"{source:%m-%d}", end=f"{before.dates[-1]:%m-%d}"))
    proposal(found, wanted, source="copied", key="copy")


# From a file or the clipboard ------------------------------------------------------------------------------


def _import(found: Rota) -> None:
    st.caption(t("rota.import_text"))
    mark = round_number()
    theme.uploader()
    file = st.file_uploader(t("rota.import_file"), type=["csv", "xlsx"], key=f"rota_file_{mark}")
    pasted = st.text_area(
        t("rota.import_paste"),
        key=f"rota_paste_{mark}",
        height=160,
        placeholder=plain("rota.import_example"),
    )
    if file is None and not pasted.strip():
        return
    try:
        sheet = (
            rota_table.from_text(pasted, found)
            if file is None
            else rota_table.from_file(file.getvalue(), file.name, found)
        )
    except FileRefused as refused:
        st.error(reasons.reason(refused.key, refused.params, locale()), icon=":material/error:")
        return
    _read_words(sheet)
    proposal(found, sheet.wanted, source="imported", key="import")


def _read_words(sheet: Sheet) -> None:
    st.markdown(
        t("rota.import_read", people=sheet.people, cells=len(sheet.wanted), refused=len(sheet.refusals))
    )
    if not sheet.refusals:
        return
    with st.expander(t("rota.import_refused", count=len(sheet.refusals)), expanded=True):
        rows = [(one.row, one.column, _why(one)) for one in sheet.refusals[:200]]
        st.dataframe(
            pd.DataFrame(rows, columns=["row", "column", "reason"]),
            hide_index=True,
            key="rota_refusals",
            column_config={
                "row": st.column_config.NumberColumn(plain("rota.row"), width=70, format="%d"),
                "column": st.column_config.TextColumn(plain("rota.column"), width=90),
                "reason": st.column_config.TextColumn(plain("rota.reason"), width="large"),
            },
        )


def _why(refusal: Refusal) -> str:
    return plain(refusal.key, **refusal.params)


# What would change, and saving it --------------------------------------------------------------------------


def proposal(found: Rota, wanted: Mapping[Place, Cell], *, source: Source, key: str) -> bool:
    """The difference with its warnings, then save or discard. Whether there is any difference."""
    changes = rota.difference(found, wanted)
    if not changes:
        if source != "edited":
            st.info(t("rota.no_difference"), icon=":material/info:")
        return False
    st.session_state[_PENDING] = True
    with st.container(border=True, key=f"rota_proposal_{key}", gap="small"):
        st.markdown(
            f"**{t('rota.difference', count=len(changes), people=len({c.member_id for c in changes}))}**"
        )
        if source in ("generated", "copied"):
            _preview(found, wanted)
        else:
            _difference(found, changes, key)
        _warnings(rota.applied(found, wanted), f"after_{key}")
        with st.container(horizontal=True, gap="small"):
            save = st.button(
                t("rota.save", count=len(changes)),
                type="primary",
                icon=":material/check:",
                key=f"rota_save_{key}",
            )
            st.button(t("rota.discard"), key=f"rota_discard_{key}", on_click=forget)
        if save:
            with frame.boundary():
                _save(changes, source)
    return True


def _save(changes: Sequence[Change], source: Source) -> None:
    facts = [(c.member_id, c.day, c.version, c.after) for c in changes]
    mark = frame.request_id("save_rota", source, facts)
    try:
        count = rota.save(frame.client(), changes, source=source, request_id=mark)
    except AppError as error:
        if error.key == "rota.stale":  # who was faster, and when, as a person reads it
            error.params["at"] = frame.clock(error.params.get("at"))
            error.params["who"] = error.params.get("who") or plain("rota.system")
        raise
    forget()
    frame.flash_and_rerun(t("rota.saved", count=count))


def _difference(found: Rota, changes: Sequence[Change], key: str) -> None:
    names = {person.id: person.name for person in found.people}
    lang = locale()
    rows = [
        (
            names.get(change.member_id, ""),
            head(change.day),
            rota_table.text(change.before, found.shifts, lang) or "—",
            rota_table.text(change.after, found.shifts, lang) or "—",
        )
        for change in changes[:_SHOWN]
    ]
    st.dataframe(
        pd.DataFrame(rows, columns=["name", "day", "before", "after"]),
        hide_index=True,
        key=f"rota_difference_{key}",
        column_config={
            name: st.column_config.TextColumn(plain(f"rota.diff.{name}"))
            for name in ("name", "day", "before", "after")
        },
    )
    if len(changes) > _SHOWN:
        st.caption(t("rota.more", count=len(changes) - _SHOWN))


def _preview(found: Rota, wanted: Mapping[Place, Cell]) -> None:
    """Who works when, as it would be: the people of the proposal only, with their days."""
    after = rota.applied(found, wanted)
    counts = rota_patterns.counts(wanted)
    lang = locale()
    rows = [
        {
            "name": person.name,
            "days": "{} / {}".format(*counts[person.id]),
            **{
                d.isoformat(): rota_table.text(after.cell(person.id, d), after.shifts, lang)
                for d in after.dates
            },
        }
        for person in after.people
        if person.id in counts
    ]
    heads = {day.isoformat(): st.column_config.TextColumn(head(day), width=92) for day in after.dates}
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="rota_preview",
        height="content" if len(rows) <= 20 else 740,
        column_config={
            "name": st.column_config.TextColumn(plain("rota.person"), width=110, pinned=True),
            "days": st.column_config.TextColumn(plain("rota.days_on_off"), width=90),
            **heads,
        },
    )


def notes(found: Rota) -> None:
    """What to look at in the rota as it is."""
    _warnings(found, "now")


def _warnings(found: Rota, key: str) -> None:
    warned = rota_patterns.warnings(found)
    if not warned:
        return
    with st.expander(
        t("rota.warnings", count=len(warned)), icon=":material/warning:", key=f"rota_warned_{key}"
    ):
        names = {person.id: person.name for person in found.people}
        lines = [f"- {_warning(one, names)}" for one in warned[:_SHOWN]]
        st.markdown("\n".join(lines))
        if len(warned) > _SHOWN:
            st.caption(t("rota.more", count=len(warned) - _SHOWN))


def _warning(one: Warned, names: Mapping[int, str]) -> str:
    return t(
        f"rota.warning.{one.kind}",
        day=head(one.day),
        shift=one.shift.label if one.shift else "",
        name=names.get(one.member_id or 0, ""),
        count=one.count,
        wanted=one.wanted,
    )
