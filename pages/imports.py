"""导入: drop the day's files, see what they would do, take them over; how old each data set is."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.importing import ages, calls, history, run, uploads

user = frame.require_user("warehouse", "operations", "analyst", "manager", "admin")
frame.page_header(t("imports.title"), help=t("imports.help"))

with frame.boundary():
    ages.draw(calls.data_ages())

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    strict = st.toggle(t("imports.strict"), key="imports_strict", help=t("imports.strict_help"))
    uploads.templates(user)
busy = run.planned()
files = uploads.dropped(busy)
with frame.boundary():
    states = uploads.read(files)
    if busy:
        run.carry_out(states, user, strict=strict)
    ready = [state["id"] for state in states if uploads.card(state, user, strict=strict, busy=busy)]
    uploads.together(ready, states, busy=busy)

with frame.boundary():
    history.running(user.id)
    history.table(calls.history(), user.zone)
