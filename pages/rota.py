"""排班: who works when, who is on duty now; managers plan in a grid, by pattern, by copy or from a file."""

import streamlit as st

from pages.shared import frame, rota_address, rota_dates, rota_now, rota_plan, rota_table
from pages.shared.i18n import t

user = frame.require_user()
frame.page_header(t("rota.title"), help=t("rota.help"))

can_plan = user.has("manager", "admin")
with frame.boundary():
    shop_id = rota_now.shop_choice(user)
    rota_now.on_duty(shop_id, user)
    span = rota_dates.span_choice(user)
    found = rota_plan.opened(span, shop_id) if can_plan else rota_plan.latest(span, shop_id)
    view = "table"
    if can_plan:
        rota_address.start("rota_view", "view", rota_plan.VIEWS)
        view = st.segmented_control(
            t("rota.view"),
            rota_plan.VIEWS,
            format_func=lambda name: t(f"rota.view.{name}"),
            key="rota_view",
            default=None if "rota_view" in st.session_state else "table",
            required=True,
            label_visibility="collapsed",
        )
        rota_address.keep("view", view)
    if view == "table":
        rota_table.draw(found, user)
    else:
        rota_plan.draw(view, found, user)
