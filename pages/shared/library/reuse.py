"""知识库复用率: how many solved tickets used a solution, which ones, and what is missing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import streamlit as st

from backend.library import reads
from pages.shared import frame, widgets
from pages.shared.i18n import plain, t
from pages.shared.library import script_figures, wording


def draw() -> None:
    """The figure of a period and the solutions behind it."""
    days = script_figures.period("knowledge")
    until = datetime.now(UTC)
    found = reads.knowledge_figures(
        frame.client(), until - timedelta(days=days), until + timedelta(seconds=1)
    )
    rate = "—" if found.rate is None else f"{found.rate:.1%}"
    with st.container(horizontal=True, gap="medium"):
        st.metric(
            t("library.reuse"), rate, help=t("library.reuse_help", target=f"{found.target:.0%}"), border=True
        )
        st.metric(t("library.reused"), wording.share(found.reused, found.solved), border=True)
        st.metric(t("library.without"), found.without, help=t("library.without_help"), border=True)
    if found.rate is not None and found.rate < found.target:
        st.info(t("library.reuse_low", target=f"{found.target:.0%}"), icon=":material/flag:")
    if not found.top:
        widgets.empty_state(
            t("library.no_solution_uses"),
            t("library.no_solution_uses_hint"),
            icon=":material/insights:",
            key="reuse",
        )
        return
    st.dataframe(
        pd.DataFrame([one.model_dump(exclude={"id"}) for one in found.top]),
        hide_index=True,
        key="knowledge_top",
        height="content",
        alt=plain("library.view.reuse"),
        column_config={
            name: plain(f"library.figure.{name}") for name in ("title", "uses", "helpful", "unhelpful")
        },
    )
