"""话术库: what is said to customers, before the sale and after it; found, filled in and copied in one
click."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.library import script_drawer, script_list, state

user = frame.require_user()
script_list.sync(user)

with st.container(horizontal=True, vertical_alignment="center", gap="small", key="scripts_head"):
    frame.page_header(t("library.scripts"), help=t("library.scripts_help"))
    if user.has("agent", "operations", "manager"):
        st.button(
            t("library.new_script"),
            key="scripts_new",
            icon=":material/add:",
            type="primary",
            on_click=state.open_new,
        )

script_list.draw(user)
if state.opened() is not None or state.is_new():
    script_drawer.draw(user)
