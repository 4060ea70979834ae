"""Reports of an import in words: what would happen, what happened, which lines were refused and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from backend import exports
from backend.imports.runner import Report
from pages.shared import home_links
from pages.shared.format import md
from pages.shared.i18n import plain, t
from pages.shared.queue.words import kind_name

_SHOWN = 100


def preview(report: Report, *, key: str, name: str) -> None:
    """What importing the file would do."""
    st.markdown(f"**{_counts(report)}**")
    if report["kind"] == "orders":
        _exceptions(report["exceptions"], t("imports.would_find"), help=t("imports.would_find_help"))
    _notes(report["notes"])
    refused(report["rejected"], key=f"preview_{key}", name=name)


def result(report: Report, *, key: str, name: str, shop_id: int | None = None) -> None:
    """What importing the file did, and the way on."""
    if report["state"] == "refused":
        st.error(t("imports.refused_whole", count=len(report["rejected"])), icon=":material/block:")
    elif report["state"] == "done":
        words = t("imports.done", counts=_counts(report))
        st.success(words, icon=":material/check_circle:")
    if report["kind"] == "orders" and report["state"] == "done":
        _exceptions(report["exceptions"], t("imports.found"), help=t("imports.found_help"))
        with st.container(horizontal=True):
            if report["exceptions"]:
                query = {"where": str(shop_id)} if shop_id else {}
                home_links.link(t("imports.to_queue"), "orders", query=query, icon=":material/fact_check:")
            home_links.link(t("imports.to_release"), "release", icon=":material/local_shipping:")
    _notes(report["notes"])
    refused(report["rejected"], key=f"result_{key}", name=name)


def refused(rows: Sequence[Mapping[str, Any]], *, key: str, name: str) -> None:
    """The refused lines with column and reason, and the same as a file."""
    if not rows:
        return
    with st.expander(t("imports.refused_rows", count=len(rows)), icon=":material/playlist_remove:"):
        st.dataframe(
            pd.DataFrame([dict(row) for row in rows[:_SHOWN]], columns=["row", "column", "reason"]),
            hide_index=True,
            column_config={
                "row": st.column_config.NumberColumn(plain("imports.row"), width=70, format="%d"),
                "column": st.column_config.TextColumn(plain("imports.column"), width=140),
                "reason": st.column_config.TextColumn(plain("imports.reason"), width="large"),
            },
            key=f"imports_refused_{key}",
            alt=plain("imports.refused_alt"),
        )
        if len(rows) > _SHOWN:
            st.caption(t("imports.refused_more", shown=_SHOWN, count=len(rows)))
        columns = [(one, plain(f"imports.{one}")) for one in ("row", "column", "reason")]
        file = f"{name.rsplit('.', 1)[0]} {plain('imports.refused_file')}.csv"
        st.download_button(
            t("imports.refused_download"),
            exports.write_csv(rows, columns),
            file,
            mime="text/csv",
            icon=":material/download:",
            key=f"imports_refused_file_{key}",
            on_click="ignore",
        )


def kinds(exceptions: Mapping[str, int]) -> list[str]:
    """`地址矛盾 3`, most frequent first."""
    ordered = sorted(exceptions.items(), key=lambda item: (-item[1], item[0]))
    return [f"{kind_name(kind)} {count}" for kind, count in ordered]


def _counts(report: Report) -> str:
    lines = len({row["row"] for row in report["rejected"]})
    total = report["accepted"] + report["updated"] + report["unchanged"]
    if report["kind"] not in ("orders", "products") and report.get("dry_run"):
        words = t(
            "imports.counts.read", rows=f"{report['rows']:,}", kind=plain(f"imports.kind.{report['kind']}")
        )
    else:
        words = t(
            f"imports.counts.{report['kind']}",
            total=f"{total:,}",
            new=f"{report['accepted']:,}",
            updated=f"{report['updated']:,}",
            same=f"{report['unchanged']:,}",
        )
    return words + (t("imports.counts.refused", lines=lines) if lines else "")


def _exceptions(exceptions: Mapping[str, int], label: str, *, help: str) -> None:  # noqa: A002 (Streamlit's)
    if exceptions:
        badges = " ".join(f":gray-badge[{md(words)}]" for words in kinds(exceptions))
        st.markdown(f"{label} {badges}", help=help)
    else:
        st.markdown(f"{label} {t('imports.no_exceptions')}", help=help)


def _notes(notes: Sequence[str]) -> None:
    for note in notes:
        st.caption(f":material/info: {md(note)}")
