"""The browser behind this run: which installation it talks to, and who has signed in on it.

All names in `st.session_state` that start with `desk_` belong to this folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address

import streamlit as st

from backend import auth, config, one_time
from backend.auth import WebSession
from backend.cli.target import embedded
from backend.config import Settings
from backend.errors import AppError
from backend.local import secrets as local_secrets
from backend.local.stack import read_runtime

_SID = "desk_sid"
_SESSION = "desk_session"
_TICKET = "desk_ticket"
_FORGET = "desk_forget"
_NOTICE = "desk_notice"
_COOKIE_WORKS = "desk_cookie_works"
_WIDTH = "desk_width"
_WIDTHS = ("wide", "narrow")
_KEPT_ON_SIGN_OUT = ("desk_locale", _WIDTH)


def connection() -> Settings:
    """The settings of this process: the hosted project, or the embedded stack that runs on the data folder.

    `connected` is false when there is neither; the frame then shows the set-up page.
    Raises ConfigError when the settings contradict themselves.
    """
    settings = config.load(_secrets())
    if settings.hosted or not embedded_allowed(settings, st.get_option("server.address")):
        return settings
    running = read_runtime(settings.data_dir)
    if running is None:
        return settings
    return embedded(settings, running["api_url"], local_secrets.load(settings.data_dir))


def embedded_allowed(settings: Settings, address: str | None) -> bool:
    """The embedded stack serves this machine only, unless DESK_DEMO=1 says that it is a demonstration."""
    return settings.demo is True or is_loopback(address)


def is_loopback(address: str | None) -> bool:
    """Whether the app listens on this machine alone; no address means every interface."""
    if address == "localhost":
        return True
    try:
        return ip_address(address or "").is_loopback
    except ValueError:
        return False


def cookies() -> Mapping[str, str]:
    """Cookies of the request that opened this page (tests replace this function)."""
    return st.context.cookies


def width() -> str | None:
    """Whether the window is "wide" or "narrow" (up to 640 px); None before this browser said so."""
    told = st.session_state.get(_WIDTH) or cookies().get(_WIDTH)
    return told if told in _WIDTHS else None


def width_told(name: str) -> None:
    """The window crossed the border between the two layouts (or was seen for the first time)."""
    if name in _WIDTHS:
        st.session_state[_WIDTH] = name


def source() -> str:
    """Where sign-in attempts come from, for the brake on guessing."""
    return st.context.ip_address or "local"


def current(settings: Settings) -> WebSession | None:
    """The signed-in session of this run, read once per run; None when nobody is signed in."""
    sid = st.session_state.get(_SID) or _sid_of_cookie(settings)
    if not sid:
        return None
    try:
        session = auth.read_session(settings, sid)
    except AppError as error:
        if error.status != 401:
            raise
        _end(
            notice=error.key if _SID in st.session_state or error.key == "session.locked" else None,
            forget=sid,
        )
        return None
    st.session_state[_SID] = sid
    st.session_state[_SESSION] = session
    return session


def access_token(settings: Settings) -> str:
    """A token that is good for the next requests, also in a fragment that runs long after the page did.

    Raises AppError session.ended when the session is over.
    """
    session: WebSession | None = st.session_state.get(_SESSION)
    if session is None:
        raise AppError("session.ended", status=401)
    if session.seconds_left <= auth.REFRESH_BEFORE:
        session = auth.read_session(settings, session.sid)
        st.session_state[_SESSION] = session
    return session.access_token


def started(session: WebSession) -> None:
    """Takes over a session that was just opened; the browser component fetches its cookie with the ticket."""
    _clear()
    st.session_state[_SID] = session.sid
    st.session_state[_SESSION] = session
    st.session_state[_TICKET] = one_time.issue(one_time.Grant(session.sid, session.is_own_device))


def sign_out(settings: Settings, *, everywhere: bool = False, notice: str | None = None) -> None:
    """Ends the session of this browser (or every session of the person) and forgets all that this tab
    held.
    """
    sid = st.session_state.get(_SID)
    if sid:
        auth.close_session(settings, sid, everywhere=everywhere)
    _end(notice=notice, forget=sid)


def ended(notice: str = "session.ended") -> None:
    """This tab's session turned out to be over: the next run shows the sign-in page."""
    _end(notice=notice, forget=st.session_state.get(_SID))


def take_notice() -> str | None:
    """Why the person was signed out (a message key), once."""
    found: str | None = st.session_state.pop(_NOTICE, None)
    return found


def ticket() -> str | None:
    """The ticket that still has to be turned into a cookie."""
    found: str | None = st.session_state.get(_TICKET)
    return found


def forget() -> str | None:
    """Tells the browser component to drop the cookie: an opaque mark that changes with each sign-out."""
    found: str | None = st.session_state.get(_FORGET)
    return found


def cookie_answered(works: bool) -> None:
    """What became of the ticket. Without custom routes on this host the session lasts as long as the tab."""
    st.session_state.pop(_TICKET, None)
    st.session_state[_COOKIE_WORKS] = works


def survives_reload(settings: Settings) -> bool:
    """Whether this browser would still be signed in after a reload."""
    return bool(st.session_state.get(_COOKIE_WORKS)) or cookies().get(auth.cookie_name(settings)) is not None


def _sid_of_cookie(settings: Settings) -> str | None:
    sid = cookies().get(auth.cookie_name(settings))
    return sid if sid and sid != st.session_state.get(_FORGET) else None


def _end(*, notice: str | None, forget: str | None) -> None:
    _clear()
    if forget:
        st.session_state[_FORGET] = forget
    if notice:
        st.session_state[_NOTICE] = notice


def _clear() -> None:
    """Nothing of one person may meet the next one on the same tab."""
    for name in list(st.session_state):
        if name not in _KEPT_ON_SIGN_OUT:
            del st.session_state[name]


def _secrets() -> Mapping[str, object] | None:
    return st.secrets.to_dict() if st.secrets.load_if_toml_exists() else None
