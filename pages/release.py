"""放行: what may ship goes to the ERP as a list; what must not is held; every list in the log."""

import streamlit as st

from pages.shared import frame
from pages.shared.i18n import t
from pages.shared.releasing import holds, ready

user = frame.require_user("warehouse", "operations", "manager", "admin")
frame.page_header(t("release.page"), help=t("release.help"))

with frame.boundary():
    ready.fresh(user)
    view = st.segmented_control(
        t("release.view"),
        ready.VIEWS,
        format_func=lambda name: t(f"release.view.{name}"),
        key="release_view",
        default="ready",
        required=True,
        label_visibility="collapsed",
    )
    if view == "holds":
        holds.draw(user)
    elif view == "log":
        ready.log(user)
    else:
        ready.ready(user)
