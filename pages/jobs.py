"""后台任务: what works in the background, what failed and why, and its retry."""

import streamlit as st

from pages.shared import frame, job_list
from pages.shared.i18n import t

user = frame.require_user("manager", "admin")
frame.page_header(t("jobs.title"), help=t("jobs.help"))


@st.fragment(run_every=10)
def listing() -> None:
    """Refreshes itself: progress moves without a click."""
    with frame.boundary():
        job_list.draw(user)


listing()
