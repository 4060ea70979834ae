"""Before anybody is signed in: sign in, open an account with a one-time code, make the first admin, or set
up.
"""

from __future__ import annotations

import streamlit as st

from backend import auth, demo
from backend.config import HOSTED_KEYS, Settings
from backend.errors import AppError
from pages.shared import frame, session
from pages.shared.i18n import LANGUAGES, locale, refusal, t, use_locale

_CODE = "desk_gate_code"
_FIRST = "desk_gate_first"


def draw(settings: Settings) -> None:
    """The page for people who are not signed in, at whatever address they came to."""
    with _card("desk_gate"):
        _head()
        _notice()
        _take_from_address("invite", _CODE)
        _take_from_address("first", _FIRST)
        if st.session_state.get(_FIRST):
            _first_admin(settings, st.session_state[_FIRST])
        elif st.session_state.get(_CODE):
            _sign_up(settings, st.session_state[_CODE])
        else:
            _sign_in(settings)
            _demo(settings)


def _take_from_address(param: str, name: str) -> None:
    """A code leaves the address at once, so that it stays out of the history and of copied links."""
    if st.query_params.get(param):
        st.session_state[name] = st.query_params[param]
        del st.query_params[param]


def draw_not_connected(problem: str | None) -> None:
    """No database: what this installation needs."""
    with _card("desk_setup"):
        _head()
        st.subheader(t("setup.connect_title"), anchor=False)
        st.markdown(t("setup.connect_text"))
        if problem:
            st.error(problem, icon=":material/error:")
        st.code("\n".join(f"{name}=" for name in HOSTED_KEYS), language="ini")
        st.caption(t("setup.connect_local"))


def _card(key: str) -> st.delta_generator.DeltaGenerator:
    outer = st.container(horizontal=True, horizontal_alignment="center", key=f"{key}_outer")
    return outer.container(border=True, width=440, key=key)


def _head() -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"### {t('common.product')}", width="content")
        other = next(name for name in LANGUAGES if name != locale())
        if st.button(LANGUAGES[other], key="desk_gate_language", type="tertiary"):
            use_locale(other)
            st.rerun()


def _notice() -> None:
    key = session.take_notice()
    if key:
        st.info(refusal(AppError(key)), icon=":material/info:")


def _sign_in(settings: Settings) -> None:
    with st.form("desk_sign_in", border=False):
        login = st.text_input(t("auth.login"), key="desk_login", autocomplete="username")
        password = st.text_input(
            t("auth.password"), type="password", key="desk_password", autocomplete="current-password"
        )
        own = st.checkbox(t("auth.own_device"), key="desk_own_device", help=t("auth.own_device_help"))
        sent = st.form_submit_button(
            t("auth.sign_in"), type="primary", width="stretch", key="desk_sign_in_send"
        )
    if sent:
        with frame.boundary():
            _enter(auth.sign_in(settings, login, password, source=session.source(), own_device=own))
    with st.popover(t("auth.have_code"), type="tertiary", icon=":material/key:"):
        _code_form()


def _code_form() -> None:
    with st.form("desk_code", border=False):
        code = st.text_input(t("auth.code"), key="desk_code_text", placeholder="XXXX-XXXX-XXXX")
        sent = st.form_submit_button(t("common.continue"), type="primary", key="desk_code_send")
    if sent and code.strip():
        st.session_state[_CODE] = code
        st.rerun()


def _demo(settings: Settings) -> None:
    """One click per demo account; only where the demo is."""
    accounts = demo.demo_accounts(settings)
    if not accounts:
        return
    st.caption(t("auth.demo"))
    with st.container(horizontal=True, gap="small", key="desk_demo"):
        for account in accounts:
            if st.button(account.name, key=f"desk_demo_{account.staff_no}", help=t(f"role.{account.role}")):
                with frame.boundary():
                    source = session.source()
                    _enter(auth.sign_in(settings, account.staff_no, account.password, source=source))


def _sign_up(settings: Settings, code: str) -> None:
    try:
        invitation = auth.open_invitation(settings, code)
    except AppError as error:
        st.error(refusal(error), icon=":material/error:")
        if st.button(t("auth.first_admin_link"), key="desk_first_link", type="tertiary"):
            st.session_state[_FIRST] = code
            st.rerun()
        _back()
        return
    st.markdown(t("auth.welcome", name=invitation.display_name))
    if invitation.staff_no:
        st.caption(t("auth.your_staff_no", staff_no=invitation.staff_no))
    with st.form("desk_sign_up", border=False):
        password = _new_password("desk_new")
        own = st.checkbox(t("auth.own_device"), key="desk_new_own_device", help=t("auth.own_device_help"))
        sent = st.form_submit_button(
            t("auth.open_account"), type="primary", width="stretch", key="desk_sign_up_send"
        )
    if sent and password is not None:
        with frame.boundary():
            _enter(auth.sign_up(settings, code, password, own_device=own))
    _back()


def _first_admin(settings: Settings, given: str) -> None:
    st.markdown(t("auth.first_admin_text"))
    with st.form("desk_first_admin", border=False):
        code = st.text_input(t("auth.console_code"), given, key="desk_first_code")
        name = st.text_input(t("auth.your_name"), key="desk_first_name", max_chars=40)
        staff_no = st.text_input(
            t("member.staff_no"), key="desk_first_staff_no", max_chars=20, help=t("member.staff_no_help")
        )
        password = _new_password("desk_first")
        sent = st.form_submit_button(
            t("auth.first_admin_send"), type="primary", width="stretch", key="desk_first_send"
        )
    if sent and password is not None:
        with frame.boundary():
            _enter(auth.create_first_admin(settings, code, name=name, staff_no=staff_no, password=password))
    _back()


def _new_password(key: str) -> str | None:
    """Two equal inputs; None (with a sentence) as long as they differ."""
    first = st.text_input(
        t("auth.new_password"),
        type="password",
        key=f"{key}_password",
        autocomplete="new-password",
        help=t("auth.password_help", least=auth.PASSWORD_MIN),
    )
    again = st.text_input(
        t("auth.repeat_password"), type="password", key=f"{key}_again", autocomplete="new-password"
    )
    if first != again:
        st.error(t("auth.passwords_differ"), icon=":material/error:")
        return None
    return first


def _enter(opened: auth.WebSession) -> None:
    session.started(opened)
    st.rerun()


def _back() -> None:
    if st.button(t("auth.back"), key="desk_gate_back", type="tertiary", icon=":material/arrow_back:"):
        for name in (_CODE, _FIRST):
            st.session_state.pop(name, None)
        st.rerun()
