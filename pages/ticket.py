"""One ticket: what to do next on top, what was said and done below, the order beside it."""

import streamlit as st

from backend.tickets import reads, wording
from pages.shared import frame, home_links, session, widgets
from pages.shared.i18n import plain, t
from pages.shared.tickets import attachments, header, one, reply, returns, side, timeline

user = frame.require_user()
ticket_id = one.opened()
found = None

with frame.boundary():
    found = reads.screen(frame.client(), ticket_id) if ticket_id is not None else None
    if found is None:
        box = widgets.empty_state(
            t("tickets.not_found"), t("tickets.not_found_hint"), icon=":material/search_off:", key="ticket"
        )
        with box:
            home_links.link(t("tickets.to_list"), "tickets", icon=":material/arrow_back:")

if found is not None:
    number = wording.number(found.ticket.id)
    st.set_page_config(page_title=f"{number} · {plain('common.product')}")
    narrow = session.width() == "narrow"
    left, right = (st.container(), st.container()) if narrow else st.columns([3, 2], gap="medium")
    with left, frame.boundary():
        header.draw(user, found)
        returns.draw(found)
        reply.draw(user, found)
        attachments.add(found)
        timeline.draw(found)
    with right, frame.boundary():
        side.draw(user, found)
