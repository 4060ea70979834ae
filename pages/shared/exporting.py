"""The rows that the filters leave as a file, masked and recorded; made when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import streamlit as st

from backend import exports
from pages.shared.i18n import locale, t

Format = Literal["csv", "xlsx"]
_TYPES: tuple[tuple[Format, str], ...] = (("xlsx", exports.XLSX), ("csv", "text/csv"))


def draw(area: str, label: str, hint: str, make: Callable[[Format, str], bytes]) -> None:
    """A button per format. `make(format, locale)` runs outside the script: bind the client to it."""
    with st.popover("", icon=":material/download:", help=label, key=f"{area}_export"):
        st.caption(hint)
        for kind, mime in _TYPES:
            st.download_button(
                t(f"orders.export_{kind}"),
                partial(make, kind, locale()),
                file_name=f"shopdesk-{area}.{kind}",
                mime=mime,
                key=f"{area}_export_{kind}",
                on_click="ignore",
                width="stretch",
            )
