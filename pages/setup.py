"""上线进度: what a new installation still needs, step by step; and the two doors, demo or real work."""

import streamlit as st

from backend import setup
from pages.shared import demo_doors, frame
from pages.shared.i18n import t

frame.require_user("admin")
frame.page_header(t("setup.title"), help=t("setup.help"))


def draw_step(step: setup.Step) -> None:
    """One step: its state in words and icon, and the way to it."""
    icon = ":green[:material/check_circle:]" if step.is_done else ":gray[:material/radio_button_unchecked:]"
    with st.container(border=True, horizontal=True, vertical_alignment="center", key=f"setup_{step.name}"):
        with st.container(gap="xxsmall", width="stretch"):
            st.markdown(f"{icon} **{t(f'setup.step.{step.name}')}**")
            st.caption(t(f"setup.now.{step.name}", count=step.count))
        st.page_link(f"{step.page}.py", label=t("setup.open"), icon=":material/arrow_forward:")


with frame.boundary():
    demo_doors.draw(frame.settings())
    steps = setup.steps(frame.client())
    done = sum(step.is_done for step in steps)
    st.progress(done / len(steps), text=t("setup.progress", done=done, total=len(steps)))
    for found in steps:
        draw_step(found)
    if done == len(steps):
        st.success(t("setup.all_done"), icon=":material/celebration:")
