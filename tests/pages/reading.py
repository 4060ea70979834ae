"""What a page says: the catalogue's sentences, and every word that a tab shows."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from pages.shared.i18n import catalogue


def zh(key: str, **params: object) -> str:
    """The sentence of a key in Chinese."""
    return catalogue()[key]["zh-CN"].format(**params)


def en(key: str, **params: object) -> str:
    """The sentence of a key in English."""
    return catalogue()[key]["en"].format(**params)


def shown(tab: AppTest) -> str:
    """Every word on the page that Markdown, captions, alerts and headings carry."""
    alerts = (*tab.error, *tab.warning, *tab.info, *tab.success)
    parts = (*tab.markdown, *tab.caption, *alerts, *tab.header, *tab.subheader)
    return "\n".join(str(part.value) for part in parts)
