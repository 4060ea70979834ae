"""Use → outcome: which scripts are used, and what became of the cases they were used for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import streamlit as st

from backend.library import reads
from backend.library.models import ScriptFigure
from pages.shared import frame, widgets
from pages.shared.i18n import plain, t
from pages.shared.library import wording

PERIODS = (7, 30, 90)


def draw(shop_id: int | None) -> None:
    """The table of a period."""
    days = period("scripts")
    until = datetime.now(UTC)
    with frame.boundary():
        found = reads.script_figures(
            frame.client(), until - timedelta(days=days), until + timedelta(seconds=1), shop_id=shop_id
        )
        if not found:
            widgets.empty_state(
                t("library.no_uses"), t("library.no_uses_hint"), icon=":material/insights:", key="figures"
            )
            return
        st.dataframe(
            pd.DataFrame([_line(one) for one in found]),
            hide_index=True,
            key="scripts_figures",
            height="content",
            alt=plain("library.script_tab.figures"),
            column_config={name: plain(f"library.figure.{name}") for name in _line(found[0])},
        )
        st.caption(t("library.figure_help"))


def period(page: str) -> int:
    """Days back; a choice of the page."""
    chosen: int = st.segmented_control(
        t("library.period"),
        PERIODS,
        default=30,
        required=True,
        format_func=lambda days: t("library.last_days", days=days),
        key=f"{page}_period",
        label_visibility="collapsed",
    )
    return chosen


def _line(one: ScriptFigure) -> dict[str, object]:
    return {
        "title": one.title,
        "area": wording.name_of("area", one.area),
        "uses": one.uses,
        "members": one.members,
        "won": wording.share(one.won, one.leads),
        "solved": wording.share(one.solved, one.tickets),
    }
