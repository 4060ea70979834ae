"""The bar above every page: search, registering a case, bell, language, theme, and the person."""

from __future__ import annotations

import secrets

import streamlit as st

from backend import db
from backend.config import Settings
from pages.shared import bell, finder, frame, session
from pages.shared.frame import User
from pages.shared.i18n import LANGUAGES, locale, t, use_locale
from pages.shared.tickets import register

_THEME = "desk_theme"


def draw(user: User, settings: Settings) -> None:
    """Draws the bar, and below it what the search box found."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="desk_bar"):
        words = finder.box()
        register.button(user)
        bell.draw()
        _language()
        _theme(settings)
        _person(user, settings)
    if words:
        finder.results(words, user)


def wanted_theme() -> dict[str, str] | None:
    """The theme the person just asked for, with a mark that makes it happen once."""
    found: dict[str, str] | None = st.session_state.pop(_THEME, None)
    return found


def _language() -> None:
    other = next(name for name in LANGUAGES if name != locale())
    if st.button(t("bar.other_language"), key="desk_language", help=LANGUAGES[other], type="tertiary"):
        with frame.boundary():
            db.rpc(frame.client(), "set_my_locale", p_locale=other)
            use_locale(other)
            st.rerun()


def _theme(settings: Settings) -> None:
    if not session.survives_reload(settings):
        return  # the switch reloads the page
    dark = st.context.theme.type == "dark"
    icon, word = (":material/light_mode:", "bar.light") if dark else (":material/dark_mode:", "bar.dark")
    if st.button(t(word), key="desk_theme_button", icon=icon, help=t(word), type="tertiary"):
        st.session_state[_THEME] = {"name": "Light" if dark else "Dark", "mark": secrets.token_hex(4)}
        st.rerun()


def _person(user: User, settings: Settings) -> None:
    with st.popover(user.name[:1], help=t("bar.account"), key="desk_person"):
        st.markdown(t("bar.signed_in_as", name=user.name, role=t(f"role.{user.role}")))
        if user.staff_no:
            st.caption(t("bar.staff_no", staff_no=user.staff_no))
        if user.is_duty_lead:
            st.badge(t("member.duty_lead"), icon=":material/military_tech:")
        if st.button(
            t("bar.switch_user"), key="desk_switch", icon=":material/switch_account:", width="stretch"
        ):
            session.sign_out(settings)
            st.rerun()
        if st.button(t("bar.sign_out"), key="desk_sign_out", icon=":material/logout:", width="stretch"):
            session.sign_out(settings, notice="session.signed_out")
            st.rerun()
        if st.button(
            t("bar.sign_out_everywhere"),
            key="desk_sign_out_all",
            icon=":material/devices_off:",
            width="stretch",
        ):
            session.sign_out(settings, everywhere=True, notice="session.signed_out_everywhere")
            st.rerun()
