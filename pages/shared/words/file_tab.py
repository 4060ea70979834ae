"""文件: the worker checks a CSV or XLSX of listings; the answer is a workbook with the hits in colour."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import islice

import pandas as pd
import streamlit as st

from backend.compliance import commands, files, reads
from backend.compliance.models import FileCheck
from backend.imports import reasons
from backend.imports.reader import Row, Table, open_table
from backend.imports.records import FileRefused
from backend.words import CATEGORIES, KINDS
from pages.shared import frame, theme, widgets
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import catalogue, locale, plain, t
from pages.shared.words import download, wording

_ROUND = "words_file_round"
_REFRESH = 2
_SAMPLE = 5
_COLORS = {"done": "green", "failed": "red", "cancelled": "gray"}


def draw(user: User) -> None:
    """Choose a file and its columns; below, the files of the last days."""
    theme.uploader()
    with frame.boundary():
        _choose(user)
    found: tuple[FileCheck, ...] = ()
    with frame.boundary():
        found = reads.file_checks(frame.client())
    busy = any(file.state in ("waiting", "running") for file in found)
    st.fragment(_list, run_every=_REFRESH if busy else None, key="words_files")(busy)


def _choose(user: User) -> None:
    given = st.file_uploader(
        t("words.file.choose"),
        type=["csv", "xlsx", "txt"],
        key=f"words_file_{st.session_state.get(_ROUND, 0)}",
        help=t("words.file.help"),
    )
    if given is None:
        st.caption(t("words.file.hint"))
        return
    data = given.getvalue()
    try:
        table = open_table(data, name=given.name)
        sheet = _sheet(table)
        rows = list(islice(table.rows(sheet), _SAMPLE + 1))
    except FileRefused as refused:
        st.error(md(reasons.reason(refused.key, refused.params, locale())), icon=":material/error:")
        return
    if len(rows) < 2:
        st.warning(t("words.file.no_rows"), icon=":material/table_rows:")
        return
    _options(user, data, given.name, sheet, rows)


def _sheet(table: Table) -> int:
    if len(table.sheets) < 2:
        return 0
    return st.selectbox(
        t("words.file.sheet"),
        range(len(table.sheets)),
        format_func=lambda n: table.sheets[n],
        key="words_file_sheet",
        width=260,
    )


def _options(user: User, data: bytes, name: str, sheet: int, rows: Sequence[Row]) -> None:
    heads = {n: cell.strip() or plain("words.file.column", n=n + 1) for n, cell in enumerate(rows[0].cells)}
    words = "|".join(catalogue()["words.file.likely"].values()).split(
        "|"
    )  # headings by which listings are known
    likely = [n for n, head in heads.items() if any(word in head.lower() for word in words)]
    with st.container(border=True, gap="small", key="words_file_options"):
        columns = st.multiselect(
            t("words.file.columns"),
            list(heads),
            default=likely[:10],
            format_func=heads.get,
            placeholder=plain("words.choose"),
            max_selections=10,
            key=f"words_file_columns_{name}_{sheet}",
        )
        with st.container(horizontal=True, gap="small"):
            kind = _select("kind", KINDS)
            category = _select("category", CATEGORIES, prefix="product")
            names = {shop.id: shop.name for shop in user.shops}
            shop_id = st.selectbox(
                t("words.file.shop"),
                list(names),
                index=None,
                placeholder=plain("words.any_platform"),
                format_func=names.get,
                key="words_file_shop",
                help=t("words.file.shop_help"),
                width=180,
            )
        if columns:
            _sample(heads, columns, rows[1:])
        label = t("words.file.start", count=len(columns))
        if st.button(
            label, type="primary", key="words_file_start", disabled=not columns, icon=":material/play_arrow:"
        ):
            facts = (
                name,
                len(data),
                hashlib.sha256(data).hexdigest(),
                tuple(columns),
                kind,
                category,
                shop_id,
                sheet,
            )
            commands.check_file(
                frame.client(),
                data,
                name,
                columns=columns,
                kind=kind,
                category=category,
                shop_id=shop_id,
                sheet=sheet,
                request_id=frame.request_id("words_file", *facts),
            )
            st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
            frame.flash_and_rerun(t("words.file.started", name=name))


def _select(name: str, options: Sequence[str], *, prefix: str = "") -> str:
    return st.selectbox(
        t(f"words.{name}"),
        options,
        format_func=lambda code: wording.name_of(prefix or name, code),
        key=f"words_file_{name}",
        width=160,
    )


def _sample(heads: dict[int, str], columns: Sequence[int], rows: Sequence[Row]) -> None:
    shown = [
        {f"{heads[n]} ({n + 1})": row.cells[n] if n < len(row.cells) else "" for n in columns} for row in rows
    ]
    st.dataframe(pd.DataFrame(shown), hide_index=True, height="content", alt=plain("words.file.sample"))


def _list(was_busy: bool) -> None:
    with frame.boundary():
        found = reads.file_checks(frame.client())
        if was_busy and not any(file.state in ("waiting", "running") for file in found):
            st.rerun()  # the last one is done: the page stops asking
        if not found:
            widgets.empty_state(
                t("words.file.none"),
                t("words.file.none_hint"),
                icon=":material/description:",
                key="words_files",
            )
            return
        st.markdown(f"**{t('words.file.mine')}**", help=t("words.file.kept"))
        for file in found:
            _card(file)


def _card(file: FileCheck) -> None:
    with st.container(border=True, gap="xsmall", key=f"words_file_card_{file.id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            color = _COLORS.get(file.state, "blue")
            state = wording.name_of("file_state", file.state)
            st.markdown(f":{color}-badge[{md(state)}] **{md(file.name)}**", width="stretch")
            st.caption(frame.clock(file.created_at), width="content")
            if file.state in ("uploading", "waiting", "running"):
                _cancel(file)
        if file.state == "running":
            rows = f"{file.progress.get('rows', 0):,}"
            st.caption(f":material/progress_activity: {t('words.file.progress', rows=rows)}")
        if file.state == "failed":
            st.error(md(files.why(file.error or "", file.progress, locale())), icon=":material/error:")
        if file.state == "done":
            _result(file)


def _cancel(file: FileCheck) -> None:
    if st.button(
        t("words.file.cancel"), key=f"words_file_cancel_{file.id}", icon=":material/close:", type="tertiary"
    ):
        with frame.boundary():
            mark = frame.request_id("words_file_cancel", file.id)
            commands.cancel_file(frame.client(), file.id, request_id=mark)
            frame.flash_and_rerun(t("words.file.cancelled", name=file.name), icon=":material/close:")


def _result(file: FileCheck) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        counts = {name: f"{file.progress.get(name, 0):,}" for name in ("rows", "block", "warn", "clean")}
        st.markdown(t("words.file.result", **counts), width="stretch")
        download.button(
            t("words.file.download"),
            lambda: reads.file_result(frame.client(), file),
            file_name=f"{file.name.rpartition('.')[0] or file.name}_checked.xlsx",
            mime="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            key=f"words_file_get_{file.id}",
        )
