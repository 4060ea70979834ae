"""One run of the desk: who is here, which page, the bar above it, and what the browser still has to do."""

from __future__ import annotations

import streamlit as st

from backend import auth
from backend.config import ConfigError, Settings
from backend.errors import AppError
from pages.shared import browser, frame, gate, navigation, session, theme, topbar
from pages.shared.i18n import locale, plain, refusal, t, use_locale
from pages.shared.leads import state as leads
from pages.shared.tickets import register


def run() -> None:
    """Draws everything. Called by pages/main.py on every run."""
    try:
        settings = session.connection()
    except ConfigError as problem:
        _without_connection(str(problem))
        return
    if not settings.connected:
        _without_connection(None)
        return
    theme.start()
    user = _whoever_is_here(settings)
    page = navigation.register(user.role if user else None)
    if user:
        st.set_page_config(page_title=f"{page.title} · {plain('common.product')}")
    _browser_work(settings)
    if user is None:
        gate.draw(settings)
        return
    frame.show_flashes()
    theme.logo()
    topbar.draw(user, settings)
    if page.url_path != "leads":
        leads.forget_contact()  # an opened contact ends with its page
    with frame.boundary():
        page.run()
    register.draw(user)


def _whoever_is_here(settings: Settings) -> frame.User | None:
    """The signed-in member; a failing service stops the run with a sentence instead of signing anybody
    out.
    """
    try:
        user = frame.load_user(settings)
    except AppError as error:
        navigation.register(None)
        st.error(refusal(error), icon=":material/cloud_off:")
        st.button(t("common.retry"), key="shell_retry", icon=":material/refresh:")
        st.stop()
    if user is not None:
        use_locale(user.locale)
    return user


def _browser_work(settings: Settings) -> None:
    """Mounts the bridge: cookie, idle lock, theme, width; acts on what it reports."""
    here: auth.WebSession | None = st.session_state.get("desk_session")
    shared = here is not None and not here.is_own_device
    answer = browser.bridge(
        lang=locale(),
        ticket=session.ticket(),
        forget=session.forget(),
        idle_seconds=auth.IDLE_SECONDS if shared else 0,
        theme=topbar.wanted_theme(),
        width=session.width(),
        paths=navigation.addresses(),
    )
    if answer.cookie:
        session.cookie_answered(answer.cookie == "kept")
    if answer.width:
        session.width_told(answer.width)
    if answer.idle and shared:
        session.sign_out(settings, notice="session.locked")
        st.rerun()


def _without_connection(problem: str | None) -> None:
    """The set-up page: no database to talk to, and what to do about it."""
    theme.start()
    navigation.register(None)
    gate.draw_not_connected(problem)
