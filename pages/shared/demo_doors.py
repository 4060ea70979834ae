"""演示 or 正式使用: what an admin may do with the demo, where this process runs the embedded stack."""

from __future__ import annotations

import streamlit as st

from backend import auth
from backend.config import Settings
from backend.local import current
from backend.local.demo import keep
from backend.local.stack import Stack
from pages.shared import session
from pages.shared.i18n import plain, t


def draw(settings: Settings) -> None:
    """The demo's card: renew it, or clear it and begin. Draws nothing without an embedded stack here."""
    stack = current.running()
    if settings.hosted or stack is None:
        return
    known = keep.read(stack.data_dir)
    with st.container(border=True, key="setup_demo"):
        if known is None:
            st.markdown(t("demo.real"))
            return
        st.markdown(t("demo.now"))
        with st.container(horizontal=True):
            if st.button(t("demo.renew"), icon=":material/refresh:", key="demo_renew"):
                _renew(stack)
            if st.button(t("demo.clear"), icon=":material/delete_sweep:", key="demo_clear"):
                _confirm(stack, settings)


def _renew(stack: Stack) -> None:
    with st.status(t("demo.renewing"), expanded=True) as status:
        keep.renew(stack, say=status.write)
    session.ended("demo.renewed")
    st.rerun()


@st.dialog(" ", dismissible=True)
def _confirm(stack: Stack, settings: Settings) -> None:
    """清空演示数据: typed confirmation, then a backup, then an empty desk that waits for its first admin."""
    word = plain("demo.clear_word")
    st.markdown(f"#### {t('demo.clear')}")
    st.markdown(t("demo.clear_text", word=word))
    typed = st.text_input(t("demo.clear_type", word=word), key="demo_clear_word")
    if st.button(t("demo.clear_now"), type="primary", key="demo_clear_now", disabled=typed.strip() != word):
        with st.status(t("demo.clearing"), expanded=True) as status:
            keep.clear(stack, say=status.write)
            code = auth.issue_first_admin_code(session.connection())
        session.ended("demo.cleared")
        if code:
            st.query_params["first"] = code
        st.rerun()
