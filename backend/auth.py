"""Who is at the screen: signing in and up, and the web session behind a browser's cookie.

A browser holds one opaque id. Its tokens lie in the database, encrypted with a key derived from
DESK_COOKIE_SECRET, so a restart of the app loses nobody and "sign out everywhere" is one statement. The
database keeps hashes of ids and codes only.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, TypeVar

import httpx
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from supabase_auth.errors import AuthApiError, AuthError, AuthRetryableError
from supabase_auth.types import Session

from backend import db, errors, pii
from backend.config import Settings
from backend.errors import AppError
from backend.service import Service

T = TypeVar("T")
log = logging.getLogger(__name__)

REFRESH_BEFORE: Final = 60.0  # seconds of life left at which tokens are renewed
IDLE_SECONDS: Final = 60 * 60  # a shared machine locks after this; the database enforces the same figure
PASSWORD_MIN: Final = 10  # characters, no composition rules: NIST SP 800-63B-4 asks for length, not symbols
PASSWORD_MAX_BYTES: Final = 72  # bcrypt, which Supabase Auth uses, reads no further
_CODE_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
_CODE_LENGTH: Final = 12
_LEASE_WAIT: Final = 8.0
_LEASE_POLL: Final = 0.1


@dataclass(frozen=True, slots=True)
class WebSession:
    """A signed-in browser: `sid` is what its cookie holds, `access_token` what its requests carry."""

    sid: str
    user_id: str
    access_token: str
    access_expires_at: float
    is_own_device: bool

    def __repr__(self) -> str:
        return f"WebSession(user_id={self.user_id!r})"

    @property
    def seconds_left(self) -> float:
        """How long the access token still lives, in seconds."""
        return self.access_expires_at - time.time()


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whom a one-time code is for."""

    auth_email: str
    display_name: str
    staff_no: str | None
    locale: str


# Codes and passwords --------------------------------------------------------------------------------------


def new_code() -> str:
    """A one-time code that can be read from paper and typed: twelve characters, 60 random bits,
    `XXXX-XXXX-XXXX`.
    """
    text = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_LENGTH))
    return "-".join(text[i : i + 4] for i in range(0, _CODE_LENGTH, 4))


def normalise_code(text: str) -> str:
    """The code as it was issued, from what a person typed: any case, O for 0, I or L for 1, spaces and
    dashes anywhere.
    """
    kept = text.upper().translate(str.maketrans("OIL", "011"))
    return "".join(char for char in kept if char in _CODE_ALPHABET)


def invitation_token(settings: Settings, code: str) -> str:
    """The 32-byte token behind a code, in base64url.

    Without DESK_COOKIE_SECRET nobody can derive or guess it.
    """
    raw = hmac.digest(_key(settings, b"shopdesk/invitation/v1"), normalise_code(code).encode(), "sha256")
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def code_hash(settings: Settings, code: str) -> str:
    """What the database keeps of a one-time code: SHA-256 of its token, 64 hex digits."""
    return _sha256(invitation_token(settings, code))


def check_password(password: str, *, login: str = "") -> None:
    """Raises AppError password.short / .long / .simple when the password is too weak or cannot be stored."""
    if len(password) < PASSWORD_MIN:
        raise AppError("password.short", params={"least": PASSWORD_MIN})
    if len(password.encode()) > PASSWORD_MAX_BYTES:
        raise AppError("password.long", params={"most": PASSWORD_MAX_BYTES})
    lowered = password.lower()
    repeats = len(set(lowered)) < 4
    rows = any(
        lowered in row * 3 for row in ("1234567890", "0987654321", "qwertyuiop", "abcdefghijklmnopqrstuvwxyz")
    )
    if (
        repeats
        or rows
        or lowered.startswith(("password", "shopdesk"))
        or (len(login) > 3 and login.lower() in lowered)
    ):
        raise AppError("password.simple")


# Signing in and up ----------------------------------------------------------------------------------------


def sign_in(
    settings: Settings, login: str, password: str, *, source: str, own_device: bool = False
) -> WebSession:
    """Signs in by staff number or e-mail. `source` is the caller's address; only its keyed hash is stored.

    Raises AppError sign_in.empty, sign_in.wait (params: seconds), sign_in.wrong, or a service failure.
    """
    login = login.strip()
    if not login or not password:
        raise AppError("sign_in.empty")
    service = Service(settings)
    source_hash = pii.letters(hmac.digest(_key(settings, b"shopdesk/source/v1"), source.encode(), "sha256"))
    begun = service.rpc("sign_in_begin", p_login=login, p_source_hash=source_hash)
    if begun["wait_seconds"] > 0:
        raise AppError("sign_in.wait", status=429, params={"seconds": int(begun["wait_seconds"])})
    # Counted before the password is tried, so that many tries at once cannot slip past the limit.
    service.rpc("sign_in_end", p_login=login, p_source_hash=source_hash, p_ok=False)
    session = _password_session(settings, begun["auth_email"], password)
    service.rpc("sign_in_end", p_login=login, p_source_hash=source_hash, p_ok=True)
    return _open(settings, service, session, own_device=own_device)


def open_invitation(settings: Settings, code: str) -> Invitation:
    """Whom the code is for; raises AppError invitation.invalid when it is unknown, used or older than 7
    days.
    """
    found = Service(settings).rpc("invitation_open", p_token_hash=code_hash(settings, code))
    if not found:
        raise AppError("invitation.invalid", status=403)
    return Invitation(**found)


def sign_up(settings: Settings, code: str, password: str, *, own_device: bool = False) -> WebSession:
    """Opens the account that a one-time code belongs to, with the person's own password, and signs in."""
    invitation = open_invitation(settings, code)
    check_password(password, login=invitation.staff_no or "")
    email, token = invitation.auth_email, invitation_token(settings, code)
    credentials: Any = {
        "email": email,
        "password": password,
        "options": {"data": {"invitation_token": token}},
    }
    answer = _auth_call(
        lambda: db.auth_client(settings).auth.sign_up(credentials), refused="invitation.invalid"
    )
    session = answer.session or _password_session(settings, email, password)
    return _open(settings, Service(settings), session, own_device=own_device)


def issue_first_admin_code(settings: Settings) -> str | None:
    """A fresh console code for the first person, or None once anybody is a member. Earlier codes end."""
    code = new_code()
    fresh = Service(settings).rpc("first_admin_code", p_code_hash=code_hash(settings, code))
    return code if fresh else None


def create_first_admin(
    settings: Settings, code: str, *, name: str, staff_no: str, password: str
) -> WebSession:
    """Makes the first person admin, by the console code, and signs in.

    The code doubles as that person's invitation: if the account cannot be opened now, the same code still
    opens it. Raises AppError first_admin.code, first_admin.taken, first_admin.fields, password.*.
    """
    name, staff_no = name.strip(), staff_no.strip()
    if not name or len(name) > 40 or not is_staff_no(staff_no):
        raise AppError("first_admin.fields")
    check_password(password, login=staff_no)
    digest = code_hash(settings, code)
    try:
        Service(settings).rpc(
            "first_admin", p_code_hash=digest, p_display_name=name, p_staff_no=staff_no, p_token_hash=digest
        )
    except AppError as error:
        if error.key != "first_admin.taken":
            raise
    try:
        return sign_up(settings, code, password)
    except AppError as error:
        raise (
            AppError("first_admin.taken", status=409) if error.key == "invitation.invalid" else error
        ) from error


def is_staff_no(text: str) -> bool:
    """Whether text can be a staff number: 1 to 20 letters, digits, - or _."""
    return 1 <= len(text) <= 20 and text.isascii() and text.replace("-", "a").replace("_", "a").isalnum()


# Web sessions ---------------------------------------------------------------------------------------------


def read_session(settings: Settings, sid: str) -> WebSession:
    """The session behind a cookie, its tokens renewed when they are about to end.

    Raises AppError session.ended, or session.locked when a shared machine was left alone.
    """
    service = Service(settings)
    session, refresh_token = _stored(settings, service, sid)
    if session.seconds_left > REFRESH_BEFORE:
        return session
    if service.rpc("session_lease", p_sid_hash=_sha256(sid)):
        return _renew(settings, service, session, refresh_token)
    if session.seconds_left > 5:
        return session  # another process is renewing; this token is good enough for one run
    return _await_renewal(settings, service, sid)


def close_session(settings: Settings, sid: str, *, everywhere: bool = False) -> None:
    """Signs this browser out, or every browser of the same person. Unknown ids are no error."""
    service = Service(settings)
    try:
        session, _ = _stored(settings, service, sid)
    except AppError:
        session = None
    service.rpc("session_close", p_sid_hash=_sha256(sid), p_everywhere=everywhere)
    if session is not None:
        _revoke(settings, session, scope="global" if everywhere else "local")


def cookie_name(settings: Settings) -> str:
    """Name of the session cookie; differs per installation, because cookies do not tell ports apart."""
    return f"desk_{_sha256(settings.cookie_secret)[:8]}"


def _open(settings: Settings, service: Service, session: Session, *, own_device: bool) -> WebSession:
    sid = secrets.token_urlsafe(32)
    expires = float(session.expires_at or time.time() + session.expires_in)
    service.rpc(
        "session_open",
        p_sid_hash=_sha256(sid),
        p_user_id=session.user.id,
        p_access_cipher=_seal(settings, sid, "access", session.access_token),
        p_refresh_cipher=_seal(settings, sid, "refresh", session.refresh_token),
        p_access_expires_at=_iso(expires),
        p_is_own_device=own_device,
    )
    return WebSession(sid, session.user.id, session.access_token, expires, own_device)


def _stored(settings: Settings, service: Service, sid: str) -> tuple[WebSession, str]:
    found = service.rpc("session_read", p_sid_hash=_sha256(sid))
    if not found:
        raise AppError("session.ended", status=401)
    if found.get("locked"):
        raise AppError("session.locked", status=401)
    try:
        access = _unseal(settings, sid, "access", found["access_cipher"])
        refresh = _unseal(settings, sid, "refresh", found["refresh_cipher"])
    except (InvalidTag, ValueError) as error:
        raise AppError("session.ended", status=401) from error
    expires = datetime.fromisoformat(found["access_expires_at"]).timestamp()
    return WebSession(sid, found["user_id"], access, expires, found["is_own_device"]), refresh


def _renew(settings: Settings, service: Service, session: WebSession, refresh_token: str) -> WebSession:
    client = db.auth_client(settings)
    try:
        answer = _auth_call(lambda: client.auth.refresh_session(refresh_token), refused="session.ended")
    except AppError as error:
        if error.status == 401:
            service.rpc("session_close", p_sid_hash=_sha256(session.sid))
        elif session.seconds_left > 0:
            return session  # the sign-in service is away; the current token still works
        raise
    fresh = answer.session
    if fresh is None:
        raise AppError("session.ended", status=401)
    expires = float(fresh.expires_at or time.time() + fresh.expires_in)
    service.rpc(
        "session_renew",
        p_sid_hash=_sha256(session.sid),
        p_access_cipher=_seal(settings, session.sid, "access", fresh.access_token),
        p_refresh_cipher=_seal(settings, session.sid, "refresh", fresh.refresh_token),
        p_access_expires_at=_iso(expires),
    )
    return WebSession(session.sid, session.user_id, fresh.access_token, expires, session.is_own_device)


def _await_renewal(settings: Settings, service: Service, sid: str) -> WebSession:
    deadline = time.monotonic() + _LEASE_WAIT
    while time.monotonic() < deadline:
        time.sleep(_LEASE_POLL)
        session, _ = _stored(settings, service, sid)
        if session.seconds_left > REFRESH_BEFORE:
            return session
    raise AppError("service.slow", status=504)


def _revoke(settings: Settings, session: WebSession, *, scope: Any) -> None:
    """Ends the refresh tokens at Supabase Auth too.

    The desk's own session is gone already, so a failure is only logged.
    """
    try:
        db.auth_client(settings).auth.admin.sign_out(session.access_token, scope)
    except (AuthError, httpx.HTTPError) as error:
        log.info("refresh tokens of a closed session were not revoked: %s", type(error).__name__)


def _password_session(settings: Settings, email: str, password: str) -> Session:
    credentials: Any = {"email": email, "password": password}
    client = db.auth_client(settings)
    answer = _auth_call(lambda: client.auth.sign_in_with_password(credentials), refused="sign_in.wrong")
    if answer.session is None:
        raise AppError("sign_in.wrong")
    return answer.session


def _auth_call(call: Callable[[], T], *, refused: str) -> T:
    """Runs one request to Supabase Auth; a refusal becomes AppError `refused`, an outage the usual service
    failure.
    """
    try:
        return call()
    except AuthRetryableError as error:
        raise AppError("service.unreachable", status=503) from error
    except AuthApiError as error:
        raise _auth_refusal(error, refused) from error
    except AuthError as error:
        raise _refused(refused) from error
    except httpx.HTTPError as error:
        raise errors.from_transport_error(error) from error


def _auth_refusal(error: AuthApiError, refused: str) -> AppError:
    if error.status == 429:
        return AppError("sign_in.wait", status=429, params={"seconds": 60})
    if error.code == "weak_password":
        return AppError("password.simple")
    if (
        error.status >= 500 and refused != "invitation.invalid"
    ):  # the sign-up trigger's refusal arrives as a plain 500
        return AppError("service.unreachable", status=503)
    return _refused(refused)


def _refused(key: str) -> AppError:
    return AppError(key, status=401 if key == "session.ended" else 422)


@cache
def _derived(secret: str, label: bytes) -> bytes:
    return pii.derive(secret.encode(), label)


def _key(settings: Settings, label: bytes) -> bytes:
    return _derived(settings.cookie_secret, label)


def _seal(settings: Settings, sid: str, kind: str, token: str) -> str:
    nonce = secrets.token_bytes(12)
    place = f"web_sessions|{kind}|{_sha256(sid)}".encode()
    body = AESGCM(_key(settings, b"shopdesk/session/v1")).encrypt(nonce, token.encode(), place)
    return urlsafe_b64encode(nonce + body).decode()


def _unseal(settings: Settings, sid: str, kind: str, sealed: str) -> str:
    raw = urlsafe_b64decode(sealed)
    place = f"web_sessions|{kind}|{_sha256(sid)}".encode()
    return AESGCM(_key(settings, b"shopdesk/session/v1")).decrypt(raw[:12], raw[12:], place).decode()


def _sha256(text: str) -> str:
    return pii.letters(hashlib.sha256(text.encode()).digest())


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
