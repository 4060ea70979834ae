"""班次日历: when time counts. Managers change shifts, dates, holidays and campaigns after a preview."""

import streamlit as st

from backend import calendars
from pages.shared import (
    calendar_campaigns,
    calendar_month,
    calendar_shifts,
    calendar_years,
    frame,
    rota_address,
)
from pages.shared.i18n import t

user = frame.require_user("operations", "analyst", "manager", "admin")
frame.page_header(t("calendars.title"), help=t("calendars.help"))

VIEWS = {
    "shifts": calendar_shifts.draw,
    "month": calendar_month.draw,
    "years": calendar_years.draw,
    "campaigns": calendar_campaigns.draw,
}

with frame.boundary():
    found = calendars.screen(frame.client())
    calendar_years.banner(found)
    if not user.has("manager", "admin"):
        st.caption(f":material/lock: {t('calendars.read_only')}")
    rota_address.start("calendars_view", "view", VIEWS)
    view = st.segmented_control(
        t("calendars.view"),
        list(VIEWS),
        format_func=lambda name: t(f"calendars.view.{name}"),
        key="calendars_view",
        default=None if "calendars_view" in st.session_state else "shifts",
        required=True,
        label_visibility="collapsed",
    )
    VIEWS[rota_address.keep("view", view)](found, user)
