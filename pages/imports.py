"""导入: drop the day's files, see what they would do, take them over; how old each data set is."""

import streamlit as st

from pages.shared import frame, importing, importing_calls, importing_history, importing_run
from pages.shared.i18n import t

user = frame.require_user("warehouse", "operations", "analyst", "manager", "admin")
frame.page_header(t("imports.title"), help=t("imports.help"))

with frame.boundary():
    importing.ages(importing_calls.data_ages())

if user.has("analyst"):
    st.caption(t("imports.read_only"))
else:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        strict = st.toggle(t("imports.strict"), key="imports_strict", help=t("imports.strict_help"))
        importing.templates()
    busy = importing_run.planned()
    files = importing.dropped(busy)
    with frame.boundary():
        states = importing.read(files)
        if busy:
            importing_run.carry_out(states, user, strict=strict)
        ready = [state["id"] for state in states if importing.card(state, user, strict=strict, busy=busy)]
        importing.together(ready, states, busy=busy)

with frame.boundary():
    importing_history.running(user.id)
    importing_history.table(importing_calls.history(), user.zone)
