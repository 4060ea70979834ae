"""违禁词检查: paste a text, hand over a file, look at the listings; what was found over time."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.words import exemptions, file_tab, goods_tab, insight, setting, text_tab

TABS = {
    "text": (),
    "file": ("operations", "manager", "analyst"),
    "goods": ("operations", "manager", "analyst", "admin"),
    "insight": ("operations", "manager", "analyst", "admin"),
}

user = frame.require_user()
setting.sync()
frame.page_header(t("words.title"), help=t("words.help"))

open_to = [name for name, roles in TABS.items() if not roles or user.has(*roles)]
asked = st.query_params.get("tab", "")
st.session_state["words_tab"] = asked if asked in open_to else "text"


def _write() -> None:
    chosen = st.session_state["words_tab"]
    if chosen == "text":
        st.query_params.pop("tab", None)
    else:
        st.query_params["tab"] = chosen


if len(open_to) > 1:
    st.segmented_control(
        t("words.tabs"),
        open_to,
        required=True,
        format_func=lambda name: t(f"words.tab.{name}"),
        key="words_tab",
        label_visibility="collapsed",
        on_change=_write,
        wrap=True,
    )
tab = st.session_state["words_tab"]
if tab == "file":
    file_tab.draw(user)
elif tab == "goods":
    goods_tab.draw(user)
elif tab == "insight":
    insight.draw(user)
else:
    text_tab.draw(user)
exemptions.dialog(user)
