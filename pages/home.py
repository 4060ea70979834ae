"""我的工作台: what needs me now, how today stands, what changed since I was last here."""

import streamlit as st

from backend import home
from pages.shared import frame, home_parts
from pages.shared.i18n import t

user = frame.require_user()
frame.page_header(t("home.title", name=user.name))

with frame.boundary():
    screen = home.home(frame.client())
    changes = home_parts.changes_of(screen)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        home_parts.needs_me(screen, user)
        home_parts.also(screen, user)
    with right:
        home_parts.today(screen.figures, screen.ready)
        home_parts.after_sales(screen.tickets)
        home_parts.changed(changes)
        home_parts.checklist(screen.data, user)
