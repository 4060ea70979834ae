"""排班: who works when, who is on duty now; managers plan in a grid, by pattern, by copy or from a file."""

import streamlit as st

from pages.shared import address, frame
from pages.shared.i18n import t
from pages.shared.rota import dates, grid, on_duty, plan

user = frame.require_user()
frame.page_header(t("rota.title"), help=t("rota.help"))

can_plan = user.has("manager", "admin")
with frame.boundary():
    shop_id = on_duty.shop_choice(user)
    on_duty.on_duty(shop_id, user)
    span = dates.span_choice(user)
    found = plan.opened(span, shop_id) if can_plan else plan.latest(span, shop_id)
    view = "table"
    if can_plan:
        address.start("rota_view", "view", plan.VIEWS)
        view = st.segmented_control(
            t("rota.view"),
            plan.VIEWS,
            format_func=lambda name: t(f"rota.view.{name}"),
            key="rota_view",
            default=None if "rota_view" in st.session_state else "table",
            required=True,
            label_visibility="collapsed",
        )
        address.keep("view", view)
    if view == "table":
        grid.draw(found, user)
    else:
        plan.draw(view, found, user)
