"""班次日历: when time counts. Managers change shifts, dates, holidays and campaigns after a preview."""

import streamlit as st

from backend import calendars
from pages.shared import address, frame
from pages.shared.calendars import campaigns, month, shifts, years
from pages.shared.i18n import t

user = frame.require_user("operations", "analyst", "manager", "admin")
frame.page_header(t("calendars.title"), help=t("calendars.help"))

VIEWS = {
    "shifts": shifts.draw,
    "month": month.draw,
    "years": years.draw,
    "campaigns": campaigns.draw,
}

with frame.boundary():
    found = calendars.screen(frame.client())
    years.banner(found)
    if not user.has("manager", "admin"):
        st.caption(f":material/lock: {t('calendars.read_only')}")
    address.start("calendars_view", "view", VIEWS)
    view = st.segmented_control(
        t("calendars.view"),
        list(VIEWS),
        format_func=lambda name: t(f"calendars.view.{name}"),
        key="calendars_view",
        default=None if "calendars_view" in st.session_state else "shifts",
        required=True,
        label_visibility="collapsed",
    )
    VIEWS[address.keep("view", view)](found, user)
