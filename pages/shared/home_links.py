"""Links from one page to another, for pages that this installation has and this role may open."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages.shared import frame, navigation


def reachable(page: str) -> bool:
    """Whether the page exists and the signed-in person may use it."""
    user = frame.require_user()
    return any(spec.name == page and user.role in spec.roles for spec in navigation.specs())


def link(
    label: str,
    page: str,
    *,
    query: Mapping[str, str] | None = None,
    icon: str | None = None,
    width: str = "content",
) -> None:
    """A link to a page with filters in its address; nothing for who cannot go there."""
    if reachable(page):
        path = navigation.PAGES_DIR / f"{page}.py"
        st.page_link(path, label=label, icon=icon, query_params=dict(query or {}), width=width)
