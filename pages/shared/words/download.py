"""Files that are read when somebody asks: first the button that fetches, then the one that saves."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t


def button(
    label: str,
    read: Callable[[], bytes],
    *,
    file_name: str,
    mime: str,
    key: str,
    icon: str = ":material/download:",
) -> None:
    """Fetches with `read` within the run, as the person, and offers the file.

    Streamlit's own deferred download runs outside a session and could not act as the person.
    """
    place = st.empty()
    if not place.button(label, key=key, icon=icon):
        return
    with frame.boundary():
        data = read()
        place.download_button(
            t("words.save_file", name=file_name),
            data=data,
            file_name=file_name,
            mime=mime,
            key=f"{key}_save",
            type="primary",
            icon=":material/save:",
            on_click="ignore",
        )
