"""What a change does to deadlines that run: figures, and the first fifty that move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from backend import deadlines
from backend.policies import Effect
from pages.shared import frame
from pages.shared.i18n import locale, plain, t


def words(effect: Effect) -> None:
    """The effect in a sentence or two."""
    if effect.open == 0:
        st.info(t("policies.effect.none"), icon=":material/visibility:")
        return
    count = str(effect.open) if effect.is_all else f"{effect.open}+"
    parts = [t("policies.effect.open", count=count)]
    for name in ("earlier", "later", "same"):
        figure = getattr(effect, name)
        if figure:
            parts.append(t(f"policies.effect.{name}", count=figure))
    st.info(" ".join(parts), icon=":material/visibility:")
    if effect.at_once:
        st.warning(t("policies.effect.at_once", count=effect.at_once), icon=":material/alarm:")
    if effect.soon:
        st.caption(t("policies.effect.soon", count=effect.soon))


def table(effect: Effect) -> None:
    """Which records would be due when; the soonest first."""
    if not effect.rows:
        return
    st.dataframe(
        pd.DataFrame([_cells(row) for row in effect.rows]),
        hide_index=True,
        height=min(300, 38 + 35 * len(effect.rows)),
        alt=plain("policies.effect.table"),
        column_config={
            name: st.column_config.TextColumn(plain(f"policies.effect.{name}"))
            for name in ("item", "shop", "before", "after")
        },
    )
    moved = effect.earlier + effect.later
    if moved > len(effect.rows):
        st.caption(t("policies.effect.first", shown=len(effect.rows), count=moved))


def _cells(row: Mapping[str, Any]) -> dict[str, str]:
    area = deadlines.area_words(f"{row['entity']}.{row['target']}", locale())
    return {
        "item": row["label"] or f"{area} #{row['entity_id']}",
        "shop": row["shop_name"],
        "before": frame.clock(row["due_before"], row["timezone"]),
        "after": frame.clock(row["due_after"], row["timezone"]),
    }
