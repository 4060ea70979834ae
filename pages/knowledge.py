"""知识库: solutions that worked, the tree of root causes, the reasons to tick, and how much of it is
reused."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.library import causes, reuse, solution_drawer, solution_list, state

VIEWS = ("solutions", "causes", "reasons", "reuse")

user = frame.require_user()
solution_list.sync(VIEWS)

with st.container(horizontal=True, vertical_alignment="center", gap="small", key="knowledge_head"):
    frame.page_header(t("library.knowledge"), help=t("library.knowledge_help"))
    if user.has("agent", "operations", "manager") and state.value("knowledge", "view") == VIEWS[0]:
        st.button(
            t("library.new_solution"),
            key="knowledge_new",
            icon=":material/add:",
            type="primary",
            on_click=state.open_new,
        )

st.segmented_control(
    t("library.tabs"),
    VIEWS,
    required=True,
    format_func=lambda name: t(f"library.view.{name}"),
    key="knowledge_view",
    label_visibility="collapsed",
    on_change=solution_list.write,
)
with frame.boundary():
    view = state.value("knowledge", "view")
    if view == "causes":
        causes.tree(user)
    elif view == "reasons":
        causes.reasons(user)
    elif view == "reuse":
        reuse.draw()
    else:
        solution_list.draw()
if state.opened() is not None or state.is_new():
    solution_drawer.draw(user)
