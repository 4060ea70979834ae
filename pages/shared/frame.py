"""What every page stands on. A page starts like this:

    from pages.shared import frame
    from pages.shared.i18n import t

    user = frame.require_user("operations", "manager")   # or no roles: everybody who is signed in
    frame.page_header(t("orders.title"), help=t("orders.help"))
    with frame.boundary():
        rows = reads.open_orders(frame.client(), …)

and a write looks like this:

    if sent:
        with frame.boundary():
            commands.waive(frame.client(), …, request_id=frame.request_id("orders_waive", order_id))
            frame.flash_and_rerun(t("orders.waived"))
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

import streamlit as st

from backend import db, pii
from backend.config import Settings
from backend.errors import AppError
from backend.pii import Keyring
from backend.service import Service
from pages.shared import format as fmt
from pages.shared import session
from pages.shared.i18n import locale, plain, refusal, t

log = logging.getLogger("shopdesk.pages")

_USER = "desk_user"
_FLASH = "desk_flash"
_REQUESTS = "desk_requests"
_OPENED = "desk_opened"


@dataclass(frozen=True, slots=True)
class Shop:
    """A shop the person works for."""

    id: int
    code: str
    name: str
    platform: str
    timezone: str


@dataclass(frozen=True, slots=True)
class User:
    """The signed-in member, as the database knows the person at the start of this run."""

    id: int
    name: str
    staff_no: str | None
    role: str
    skills: tuple[str, ...]
    shops: tuple[Shop, ...]
    locale: str
    is_duty_lead: bool
    approval_limit: float
    home_seen_at: datetime | None
    user_id: str

    @property
    def zone(self) -> str:
        """Time zone for figures over several shops: that of the first one, Shanghai without any."""
        return self.shops[0].timezone if self.shops else fmt.DEFAULT_ZONE

    def shop(self, shop_id: int | None) -> Shop | None:
        """One of the person's shops by id."""
        return next((shop for shop in self.shops if shop.id == shop_id), None)

    def has(self, *roles: str) -> bool:
        """Whether the person holds one of the roles. Wording and menus only: the database decides."""
        return self.role in roles


def load_user(settings: Settings) -> User | None:
    """The member behind this run's session, or None; called once by the main script before any page."""
    found = session.current(settings)
    st.session_state.pop(_USER, None)
    if found is None:
        return None
    try:
        profile = db.rpc(db.user_client(settings, found.access_token), "my_profile")
    except AppError as error:
        if error.status != 401:
            raise
        session.ended(error.key)
        return None
    user = _user(profile, found.user_id)
    st.session_state[_USER] = user
    return user


def require_user(*roles: str) -> User:
    """The signed-in member. With `roles`, anybody else sees "no access" and the page ends there."""
    user: User | None = st.session_state.get(_USER)
    if user is None:
        st.stop()
    if roles and user.role not in roles:
        no_access()
    return user


def settings() -> Settings:
    """The settings of this process."""
    return session.connection()


def client() -> db.Client:
    """The client that acts as the signed-in person.

    Fresh at each call (about a millisecond); never cache it.
    """
    here = settings()
    return db.user_client(here, session.access_token(here))


def service() -> Service:
    """The service key's short list of RPCs: for what a person may not do alone (never a person's own
    action).
    """
    return Service(settings())


def keyring() -> Keyring:
    """The keys of the personal data."""
    return pii.Keyring.parse(settings().pii_key)


@contextmanager
def boundary() -> Iterator[None]:
    """Draws a refusal as a plain sentence, and anything unexpected as a sentence with the id it has in the
    log.

    The block ends there; the script goes on after it. A session that is over leads to the sign-in page.
    """
    try:
        yield
    except AppError as error:
        if error.status == 401:
            session.ended(error.key)
            st.rerun()
        if error.key == "error.unexpected":
            _show_unexpected()
        else:
            st.error(refusal(error), icon=":material/error:")
    except Exception:  # noqa: BLE001 (the last net: logged with an id; stop and rerun signals pass through)
        _show_unexpected()


def _show_unexpected() -> None:
    """Logs the exception being handled under a short id and shows that id."""
    mark = secrets.token_hex(4)
    log.exception("unexpected error %s", mark)
    st.error(t("common.unexpected", mark=mark), icon=":material/error:")


def page_header(title: str, help: str | None = None, *, waiting: int | None = None) -> None:  # noqa: A002
    """The page's heading; `help` hangs on a question mark beside it.

    `waiting` is how much the person has to do here: the browser tab then reads `(3) …`.
    """
    st.header(title, help=help, anchor=False)
    if waiting is not None:
        mark = f"({waiting}) " if waiting else ""
        st.set_page_config(page_title=f"{mark}{title} · {plain('common.product')}")


def no_access() -> NoReturn:
    """Says that the role may not use this page and ends it."""
    st.warning(t("common.no_access"), icon=":material/lock:")
    st.stop()


def flash_and_rerun(text: str, *, icon: str = ":material/check:") -> NoReturn:
    """After a write that worked: forgets its request id, draws the page anew and shows `text` as a toast."""
    done()
    flash(text, icon=icon)
    st.rerun()


def flash(text: str, *, icon: str = ":material/check:") -> None:
    """A toast on the next run."""
    st.session_state.setdefault(_FLASH, []).append((text, icon))


def show_flashes() -> None:
    """Shows what `flash` left; called by the main script."""
    for text, icon in st.session_state.pop(_FLASH, []):
        st.toast(text, icon=icon)


def request_id(name: str, *facts: Any) -> uuid.UUID:
    """The id under which the database knows an intention, so that doing it twice is doing it once.

    The same for `name` and `facts` until the write succeeded (`flash_and_rerun` or `done`), so a second
    click after a time-out repeats the request instead of the work. Put into `facts` what the person can
    change in the form.
    """
    key = hashlib.sha256(repr((name, facts)).encode()).hexdigest()
    ids: dict[str, uuid.UUID] = st.session_state.setdefault(_REQUESTS, {})
    return ids.setdefault(key, uuid.uuid4())


def done() -> None:
    """The pending intentions are carried out: the next click is a new one."""
    st.session_state.pop(_REQUESTS, None)


def opened_version(name: str, record_id: int, version: int) -> int:
    """The version of a record that this tab's form was opened with.

    A form must send this one, not the version of the latest read: otherwise every rerun would adopt what
    somebody else saved meanwhile, and overwrite it. Put it into the keys of the form's widgets too.
    """
    opened: dict[tuple[str, int], int] = st.session_state.setdefault(_OPENED, {})
    return opened.setdefault((name, record_id), version)


def close_form(name: str, record_id: int) -> None:
    """The form is done or given up: the next one opens with the latest version."""
    st.session_state.get(_OPENED, {}).pop((name, record_id), None)


@contextmanager
def editing(name: str, record_id: int) -> Iterator[None]:
    """Inside `boundary`, around a write: somebody else was faster (`….stale`) means fresh values and a
    word about it.
    """
    try:
        yield
    except AppError as error:
        if not error.key.endswith(".stale"):
            raise
        close_form(name, record_id)
        flash(refusal(error), icon=":material/sync_problem:")
        st.rerun()


def clock(at: str | datetime | None, zone: str | None = None) -> str:
    """`今天 14:30` in a zone (that of the person's first shop when none is given) and this run's language."""
    user: User | None = st.session_state.get(_USER)
    place = zone or (user.zone if user else fmt.DEFAULT_ZONE)
    return fmt.clock_time(at, zone=place, lang=locale())


def _user(profile: dict[str, Any], user_id: str) -> User:
    return User(
        id=profile["id"],
        name=profile["display_name"],
        staff_no=profile["staff_no"],
        role=profile["role"],
        skills=tuple(profile["skills"]),
        shops=tuple(Shop(**shop) for shop in profile["shops"]),
        locale=profile["locale"],
        is_duty_lead=profile["is_duty_lead"],
        approval_limit=float(profile["approval_limit"]),
        home_seen_at=fmt.when(profile["home_seen_at"]),
        user_id=user_id,
    )
