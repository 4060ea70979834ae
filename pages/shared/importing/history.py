"""The log of imports: who, when, which file, what came of it; refused lines of any of them as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.shared import format as fmt
from pages.shared import frame, widgets
from pages.shared.format import md
from pages.shared.i18n import known, plain, t
from pages.shared.importing import calls, outcome

_RUNNING = ("staging", "applying", "checking")
_COLUMNS = {  # widths that leave the last one room in a window of 1440
    **{"at": 95, "who": 75, "kind": 60, "shop": 105, "file": 140, "state": 65},
    **{"counts": 165, "rejected": 95, "exceptions": 250},
}
_KINDS = 3  # named in the last column; more of them would be cut


@st.fragment(run_every="5s")
def running(user_id: int) -> None:
    """Imports under way, with progress that refreshes itself."""
    with frame.boundary():
        rows = [row for row in calls.history() if row["state"] in _RUNNING]
        for row in rows:
            total = max(row["rows_total"], 1)
            done = row["rows_staged"] if row["state"] == "staging" else row["rows_applied"]
            words = t(
                f"imports.under_way.{row['state']}",
                file=row["file_name"],
                who=row["made_by"] or plain("imports.system"),
                done=f"{done:,}",
                total=f"{row['rows_total']:,}",
            )
            st.progress(min(done / total, 1.0), words)
        if rows:
            st.caption(t("imports.under_way_text"))


def table(rows: Sequence[Mapping[str, Any]], zone: str) -> None:
    """The latest imports; a selected one shows its refused lines."""
    st.subheader(t("imports.history"), anchor=False)
    if not rows:
        widgets.empty_state(t("imports.history_none"), t("imports.history_hint"), key="imports_history")
        return
    with widgets.wide("imports_history"):
        chosen = st.dataframe(
            pd.DataFrame([_row(row) for row in rows], columns=list(_COLUMNS)),
            hide_index=True,
            key="imports_history_table",
            on_select="rerun",
            selection_mode="single-row",
            column_config=_columns(),
            alt=plain("imports.history"),
        )
        st.caption(t("imports.history_select"))
        picked = chosen.selection.rows
        if picked and picked[0] < len(rows):
            _detail(rows[picked[0]], zone)
    with widgets.narrow("imports_history"):
        for row in rows[:10]:
            _card(row)


def _row(row: Mapping[str, Any]) -> dict[str, object]:
    return {
        "at": frame.clock(row["started_at"]),
        "who": row["made_by"] or fmt.sentence(plain("imports.system")),
        "kind": plain(f"imports.kind.{row['kind']}"),
        "shop": row["shop_name"] or plain("imports.all_shops"),
        "file": row["file_name"],
        "state": _state(row),
        "counts": _counts(row),
        "rejected": row["rejected"],
        "exceptions": _exceptions(row),
    }


def _state(row: Mapping[str, Any]) -> str:
    key = f"imports.state.{row['state']}"
    return fmt.sentence(plain(key)) if known(key) else str(row["state"])


def _exceptions(row: Mapping[str, Any]) -> str:
    """The most frequent kinds; how many more there are."""
    kinds = outcome.kinds(row["exceptions"] or {})
    rest = [f"+{len(kinds) - _KINDS}"] if len(kinds) > _KINDS else []
    return fmt.sentence(", ".join([*kinds[:_KINDS], *rest]))


def _counts(row: Mapping[str, Any]) -> str:
    return plain("imports.history_counts", new=row["accepted"], updated=row["updated"], same=row["unchanged"])


def _columns() -> dict[str, Any]:
    found: dict[str, Any] = {
        name: st.column_config.TextColumn(plain(f"imports.history.{name}"), width=width)
        for name, width in _COLUMNS.items()
    }
    found["rejected"] = st.column_config.NumberColumn(
        plain("imports.history.rejected"), format="%d", width=_COLUMNS["rejected"]
    )
    return found


def _card(row: Mapping[str, Any]) -> None:
    with st.container(border=True, gap="xxsmall"):
        st.markdown(f"**{md(row['file_name'])}** · {md(_state(row))}")
        facts = _row(row)
        st.caption(md(" · ".join(str(facts[name]) for name in ("at", "who", "kind", "shop"))))
        st.caption(md(f"{facts['counts']} · {plain('imports.history.rejected')} {row['rejected']}"))


def _detail(row: Mapping[str, Any], zone: str) -> None:
    """The chosen import: exact times and its refused lines."""
    ended = fmt.exact_time(row["finished_at"], zone=zone) or plain("imports.not_ended")
    began = fmt.exact_time(row["started_at"], zone=zone)
    st.markdown(t("imports.history_detail", file=row["file_name"], began=began, ended=ended))
    if not row["rejected"]:
        st.caption(t("imports.nothing_refused"))
        return
    with frame.boundary():
        rows = calls.refused_rows(row["id"])
        outcome.refused(rows, key=f"log_{row['id']}", name=row["file_name"])
