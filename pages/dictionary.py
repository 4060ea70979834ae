"""词库: words and exceptions, what people propose, what a manager approved, and on which evidence."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.words import (
    dictionary_drawer,
    dictionary_file,
    dictionary_list,
    dictionary_versions,
    exemptions,
    proposal_drawer,
    proposal_list,
)

SECTIONS = ("words", "exceptions", "proposals", "evidence", "versions", "file")

user = frame.require_user("operations", "analyst", "manager", "admin")
frame.page_header(t("dictionary.title"), help=t("dictionary.help"))

asked = st.query_params.get("tab", "")
st.session_state["dictionary_tab"] = asked if asked in SECTIONS else "words"


def _write() -> None:
    chosen = st.session_state["dictionary_tab"]
    if chosen == "words":
        st.query_params.pop("tab", None)
    else:
        st.query_params["tab"] = chosen


st.segmented_control(
    t("dictionary.tabs"),
    SECTIONS,
    required=True,
    format_func=lambda name: t(f"dictionary.tab.{name}"),
    key="dictionary_tab",
    label_visibility="collapsed",
    on_change=_write,
    wrap=True,
)
with frame.boundary():
    section = st.session_state["dictionary_tab"]
    if section == "exceptions":
        dictionary_list.exceptions(user)
    elif section == "proposals":
        proposal_list.draw(user)
    elif section == "evidence":
        exemptions.board(user)
    elif section == "versions":
        dictionary_versions.draw()
    elif section == "file":
        dictionary_file.draw(user)
    else:
        dictionary_list.words(user)
if proposal_drawer.opened() is not None:
    proposal_drawer.draw(user)
else:
    dictionary_drawer.draw(user)
