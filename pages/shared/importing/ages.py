"""The age of each data set, red once it is late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import streamlit as st

from pages.shared import format as fmt
from pages.shared import frame
from pages.shared.format import md
from pages.shared.i18n import locale, t


def draw(rows: Sequence[Mapping[str, Any]]) -> None:
    """One line per data set: who, when, and red once it is late."""
    if not rows:
        st.info(t("imports.no_shops"), icon=":material/storefront:")
        return
    with st.grid(min_column_width=175, gap="small", key="imports_ages"):
        for row in rows:
            with st.container(border=True, gap="xxsmall"):
                name = t(f"imports.kind.{row['kind']}")
                st.markdown(f"**{name}** · {md(row['shop_name'] or t('imports.stock_pool'))}")
                st.markdown(age_words(row), help=_help(row))


def age_words(row: Mapping[str, Any]) -> str:
    """Markdown of one data set's age: icon, words and colour."""
    if row["is_running"]:
        return f":blue-badge[:material/sync: {t('imports.running')}]"
    if row["at"] is None:
        return f":red-badge[:material/error: {t('imports.never')}]"
    when = md(frame.clock(row["at"]))
    if row["is_late"]:
        old = fmt.span(timedelta(hours=row["hours"]), locale())
        return f":red-badge[:material/error: {t('imports.late', when=when, old=old)}]"
    return f":material/check_circle: {when}"


def _help(row: Mapping[str, Any]) -> str:
    if row["at"] is None:
        return t("imports.never_help")
    if row["file_name"] is None:
        return t("imports.age_help_short")
    return t("imports.age_help", file=row["file_name"], rejected=row["rejected"])
