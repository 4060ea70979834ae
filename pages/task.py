"""One optimization task: what is wanted, what was measured, what happens next."""

import streamlit as st

from backend.improvement import reads
from pages.shared import address, frame, home_links
from pages.shared.i18n import t
from pages.shared.improvement import one

user = frame.require_user()
home_links.link(t("tasks.all"), "tasks", icon=":material/arrow_back:")
asked = address.number("id")
if asked is None:
    st.warning(t("tasks.no_id"), icon=":material/search_off:")
    st.stop()
with frame.boundary():
    one.draw(user, reads.screen(frame.client(), asked))
