"""The dictionary as a file: export, and a file that becomes a proposal; refused rows are named."""

from __future__ import annotations

import hashlib

import streamlit as st

from backend import exports
from backend.compliance import commands, transfer
from backend.compliance.transfer import Plan
from backend.imports import reasons
from backend.imports.records import FileRefused
from pages.shared import frame, theme
from pages.shared.format import md
from pages.shared.frame import User
from pages.shared.i18n import locale, plain, t
from pages.shared.words import dictionary_state, download, goods_tab, wording

_KINDS = ("words", "exceptions")
_SHOWN = 100


def draw(user: User) -> None:
    """Both ways."""
    st.markdown(f"**{t('dictionary.export')}**")
    with st.container(horizontal=True, gap="small"):
        for kind in _KINDS:
            write = transfer.export_words if kind == "words" else transfer.export_exceptions
            download.button(
                t(f"dictionary.export.{kind}"),
                lambda write=write: write(frame.client()),
                file_name=f"dictionary_{kind}.csv",
                mime="text/csv",
                key=f"dictionary_export_{kind}",
            )
    if user.has("operations", "manager"):
        theme.uploader()
        _import()


def _import() -> None:
    st.markdown(f"**{t('dictionary.import')}**", help=t("dictionary.import_help"))
    kind = st.segmented_control(
        t("dictionary.import_kind"),
        _KINDS,
        default="words",
        required=True,
        format_func=lambda name: t(f"dictionary.tab.{name}"),
        key="dictionary_import_kind",
        label_visibility="collapsed",
    )
    reason = st.text_input(
        t("dictionary.import_reason"), key="dictionary_import_reason", max_chars=300
    ).strip()
    given = st.file_uploader(
        t("dictionary.import_file"),
        type=["csv", "xlsx"],
        key=f"dictionary_import_{dictionary_state.table_key()}",
    )
    if given is None:
        return
    if not reason:
        st.info(t("dictionary.reason_missing"), icon=":material/edit:")
        return
    data = given.getvalue()
    read = transfer.read_words if kind == "words" else transfer.read_exceptions
    try:
        plan = read(frame.client(), data, given.name, reason=reason)
    except FileRefused as refused:
        st.error(md(reasons.reason(refused.key, refused.params, locale())), icon=":material/error:")
        return
    _preview(plan, given.name, data)


def _preview(plan: Plan, name: str, data: bytes) -> None:
    counts = {
        action: sum(one.action == action for one in plan.operations)
        for action in ("add", "change", "disable")
    }
    st.markdown(t("dictionary.import_plan", **counts, unchanged=plan.unchanged, refused=len(plan.refused)))
    if plan.refused:
        rows = [
            {"row": str(one.row), "column": one.column, "why": wording.name_of("refused", one.reason)}
            for one in plan.refused
        ]
        goods_tab.table(rows[:_SHOWN], "dictionary.refused_rows")
        st.download_button(
            t("dictionary.refused_rows"),
            data=exports.write_csv(rows, [(key, plain(f"words.column.{key}")) for key in rows[0]]),
            file_name="refused_rows.csv",
            mime="text/csv",
            key="dictionary_refused",
            icon=":material/download:",
            on_click="ignore",
        )
    label = t("dictionary.import_send", count=len(plan.operations))
    if st.button(label, type="primary", key="dictionary_import_send", disabled=not plan.operations):
        mark = frame.request_id("dictionary_import", name, hashlib.sha256(data).hexdigest(), plan.operations)
        title = plain("dictionary.import_title", name=name[:80])
        number, _ = commands.propose(frame.client(), title, plan.operations, request_id=mark)
        dictionary_state.open_proposal(number)
        frame.flash_and_rerun(t("dictionary.proposed"))
