"""优化任务: the table that managers edit, the board, the timeline; anybody proposes in two clicks."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.improvement import board, filters, grid, propose, timeline

user = frame.require_user()
filters.sync(user)
with st.container(horizontal=True, vertical_alignment="center", gap="small", key="tasks_head"):
    frame.page_header(t("tasks.title"), help=t("tasks.help"))
    propose.draw(user)
with frame.boundary():
    found = filters.draw(user)
    view = filters.view()
    if view == "table":
        grid.draw(user, found)
    elif view == "board":
        board.draw(filters.whole(found))
    else:
        timeline.draw(found)
