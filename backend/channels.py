"""Channels: robots, webhooks and mail through which reminders go out, and the log of what went out.

A channel's address and secret are sealed here (``channels|endpoint|id``, ``channels|secret|id``) before they
reach the database; only the edge function opens them, nobody reads them back. The database checks the rights,
and stores a channel only for a host of its platform or one that an admin has listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from supabase import Client

from backend import db
from backend.errors import AppError, message
from backend.pii import Keyring
from backend.row import Row

Kind = Literal["wecom", "dingtalk", "feishu", "webhook", "email"]
Audience = Literal["group", "person"]
State = Literal["waiting", "sending", "failed", "sent", "suppressed", "dead"]
KINDS: Final[tuple[Kind, ...]] = ("wecom", "dingtalk", "feishu", "webhook", "email")
AUDIENCES: Final[tuple[Audience, ...]] = ("group", "person")
STATES: Final[tuple[State, ...]] = ("waiting", "sending", "failed", "sent", "suppressed", "dead")
PAGE_SIZE: Final = 50

# Where the robots of each platform live, and how their addresses begin (the platforms' own documentation).
_PLACES: Final[Mapping[Kind, tuple[tuple[str, ...], str]]] = {
    "wecom": (("qyapi.weixin.qq.com",), "/cgi-bin/webhook/send"),
    "dingtalk": (("oapi.dingtalk.com",), "/robot/send"),
    "feishu": (("open.feishu.cn", "open.larksuite.com"), "/open-apis/bot/v2/hook/"),
}
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])")
# Names of local networks: RFC 2606, RFC 6762, RFC 8375.
_LOCAL: Final = re.compile(
    r".*\.(?:local|localhost|internal|intranet|private|corp|home|lan|arpa|test|example|invalid|onion)"
)
_STAND_IN: Final = re.compile(r"https?://(?:127\.0\.0\.1|localhost)(?::\d{1,5})?(?:/[^\s\\\"<>@#]*)?")
_MAIL: Final = re.compile(r"[^\s@,<>()\[\]\\;:\"]{1,64}@[A-Za-z0-9.-]{1,253}")
_SMTPS_PORT: Final = 465  # implicit TLS (RFC 8314); the edge runtime closes 25 and 587


class Channel(Row):
    """A channel as managers see it. ``shop_id`` None: of all shops; of its address only the host is known."""

    id: int
    kind: Kind
    name: str
    shop_id: int | None
    audience: Audience
    language: str
    host: str
    has_secret: bool
    options: dict[str, Any]
    is_active: bool
    version: int


class Delivery(Row):
    """A row of the delivery log. ``member_name`` None: a group. ``last_error`` is a key, never an address."""

    seq: int
    id: UUID
    channel_id: int
    channel_name: str
    kind: Kind
    audience: Audience
    shop_id: int | None
    member_name: str | None
    purpose: Literal["reminders", "daily", "test"]
    state: State
    attempts: int
    next_at: datetime
    line_count: int
    last_error: str | None
    resent_from: UUID | None
    created_at: datetime
    ended_at: datetime | None


class Attempt(Row):
    """One try of a delivery. ``outcome`` None: under way."""

    attempt: int
    at: datetime
    reported_at: datetime | None
    outcome: Literal["sent", "failed", "refused", "abandoned"] | None
    error: str | None


class SentLine(Row):
    """A reminder in a delivery: what it is called, the page that opens it, what became of it."""

    reminder_id: int
    label: str | None
    path: str | None
    entity: str
    due_at: datetime
    state: State
    reason: str | None


class DeliveryDetail(Row):
    """The tries of a delivery and the reminders in it (the first 200)."""

    id: UUID
    state: State
    purpose: str
    figures: dict[str, Any] | None
    attempts: tuple[Attempt, ...]
    lines: tuple[SentLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A channel as a form gives it. ``endpoint`` None: the address stays, and with it the secret."""

    kind: Kind
    name: str
    endpoint: str | None
    shop_id: int | None = None
    audience: Audience = "group"
    language: str = "zh-CN"
    mail_from: str = ""
    mail_to: str = ""
    is_active: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


def is_public_host(text: str) -> bool:
    """Whether a text is a public DNS name in small letters: no IP address, no port, no local name."""
    return len(text) <= 253 and bool(_HOST.fullmatch(text)) and not _LOCAL.fullmatch(text)


def checked_endpoint(kind: Kind, text: str, *, stand_in: bool = False) -> tuple[str, str]:
    """The address as it is stored, and its host. With ``stand_in`` (a developer's switch) a robot may be one
    on this machine, without TLS: it is stored under the host of the platform it stands for.

    Raises AppError ``channel.bad_url`` (scheme), ``channel.host_not_listed`` (host), ``channel.bad_host``.
    """
    plain = text.strip()
    if stand_in and kind in _PLACES and _STAND_IN.fullmatch(plain):
        return plain, _PLACES[kind][0][0]
    url = _split(kind, plain)
    host = url.hostname or ""
    if kind in _PLACES:
        hosts, start = _PLACES[kind]
        if host not in hosts:
            raise AppError("channel.host_not_listed", params={"host": host})
        if not url.path.startswith(start):
            raise _bad_url(kind)
    elif not is_public_host(host):
        raise AppError("channel.bad_host")
    return plain, host


def _split(kind: Kind, text: str) -> SplitResult:
    if len(text) > 2000 or not text.isprintable() or any(mark in text for mark in ' \\"<>'):
        raise _bad_url(kind)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise _bad_url(kind) from None
    is_mail_server = kind == "email" and url.scheme == "smtps"
    if not (is_mail_server or url.scheme == "https") or url.fragment or url.password or not url.hostname:
        raise _bad_url(kind)
    if port not in ({None, _SMTPS_PORT} if is_mail_server else {None}) or (
        url.username is not None and not is_mail_server
    ):
        raise _bad_url(kind)
    return url


def _bad_url(kind: Kind) -> AppError:
    return AppError(
        "channel.bad_url", params={"scheme": "smtps:// / https://" if kind == "email" else "https://"}
    )


# Reading -----------------------------------------------------------------------------------------------


def channels(client: Client) -> tuple[Channel, ...]:
    """Channels of my shops and of all shops, the ones in use first."""
    columns = "id,kind,name,shop_id,audience,language,host,has_secret,options,is_active,version"
    query = client.table("channels").select(columns).order("is_active", desc=True).order("id")
    return tuple(Channel.model_validate(row) for row in db.rows(query))


def hosts(client: Client) -> dict[str, tuple[str, ...]]:
    """Hosts that messages may go to, by kind of channel."""
    return {kind: tuple(found) for kind, found in db.rpc(client, "channel_hosts").items()}


def log(
    client: Client,
    *,
    before: int | None = None,
    channel_id: int | None = None,
    state: State | None = None,
    limit: int = PAGE_SIZE,
) -> tuple[Delivery, ...]:
    """What went out, newest first; ``before`` is the ``seq`` of the last row shown."""
    query = client.table("delivery_log").select("*")
    if before is not None:
        query = query.lt("seq", before)
    if channel_id is not None:
        query = query.eq("channel_id", channel_id)
    if state is not None:
        query = query.eq("state", state)
    found = db.rows(query.order("seq", desc=True).limit(limit))
    return tuple(Delivery.model_validate(row) for row in found)


def delivery(client: Client, delivery_id: UUID) -> DeliveryDetail:
    """One delivery with its tries and reminders. Raises `delivery.none`."""
    return DeliveryDetail.model_validate(db.rpc(client, "delivery_detail", p_id=str(delivery_id)))


# Changing ----------------------------------------------------------------------------------------------


def why_failed(last_error: str, lang: str = "zh-CN") -> str:
    """The sentence for ``last_error``: a key, or a key and the other side's code (``delivery.http 503``)."""
    key, _, code = last_error.partition(" ")
    return message(key, lang, code=code)


def add(client: Client, keyring: Keyring, draft: Draft, *, request_id: UUID, stand_in: bool = False) -> int:
    """Add a channel and answer its id; ``stand_in`` as in :func:`checked_endpoint`.

    Raises `channel.bad_url`, `channel.host_not_listed`, `channel.bad_host`, `channel.bad_mail`.
    """
    if draft.endpoint is None:
        raise AppError("channel.bad_endpoint")
    checked_endpoint(draft.kind, draft.endpoint, stand_in=stand_in)
    channel_id = int(db.rpc(client, "reserve_channel_id"))
    return _save(client, channel_id, None, sealed(keyring, channel_id, draft, stand_in=stand_in), request_id)


def change(
    client: Client,
    keyring: Keyring,
    channel_id: int,
    version: int,
    draft: Draft,
    *,
    request_id: UUID,
    stand_in: bool = False,
) -> int:
    """Change a channel and answer its id. A new address drops the secret: an admin sets it again.

    Raises as :func:`add` does, and `channel.stale`, `channel.none`.
    """
    changed = sealed(keyring, channel_id, draft, stand_in=stand_in)
    return _save(client, channel_id, version, changed, request_id)


def _save(
    client: Client, channel_id: int, version: int | None, channel: Mapping[str, Any], request_id: UUID
) -> int:
    answer = db.command(
        client,
        "save_channel",
        p_id=channel_id,
        p_version=version,
        p_channel=channel,
        request_id=request_id,
    )
    return int(answer["id"])


def sealed(keyring: Keyring, channel_id: int, draft: Draft, *, stand_in: bool = False) -> dict[str, Any]:
    """A draft as save_channel takes it: the address sealed for this channel, its host in the open."""
    channel: dict[str, Any] = {
        "kind": draft.kind,
        "name": draft.name.strip(),
        "shop_id": draft.shop_id,
        "audience": draft.audience,
        "language": draft.language,
        "is_active": draft.is_active,
        "options": {**draft.options, **_mail_options(draft)},
    }
    if draft.endpoint is not None:
        address, host = checked_endpoint(draft.kind, draft.endpoint, stand_in=stand_in)
        channel |= {"endpoint": keyring.encrypt("channels", "endpoint", channel_id, address), "host": host}
    return channel


def _mail_options(draft: Draft) -> dict[str, str]:
    if draft.kind != "email":
        return {}
    receivers = [part.strip() for part in draft.mail_to.split(",") if part.strip()]
    addresses = [draft.mail_from.strip(), *receivers]
    if not all(_MAIL.fullmatch(address) for address in addresses) or len(receivers) > 50:
        raise AppError("channel.bad_mail")
    if draft.audience == "group" and not receivers:
        raise AppError("channel.bad_mail")
    return {"from": addresses[0]} | ({"to": ",".join(receivers)} if receivers else {})


def set_secret(
    client: Client, keyring: Keyring, channel_id: int, version: int, secret: str | None, *, request_id: UUID
) -> int:
    """Set (or with None remove) the secret of a channel; admins alone. Answers the new version.

    Raises `channel.stale`, `channel.none`, `channel.bad_secret`.
    """
    plain = (secret or "").strip()
    if len(plain) > 500 or (secret is not None and not plain):
        raise AppError("channel.bad_secret")
    token = keyring.encrypt("channels", "secret", channel_id, plain) if plain else None
    answer = db.command(
        client,
        "set_channel_secret",
        p_id=channel_id,
        p_version=version,
        p_secret=token,
        request_id=request_id,
    )
    return int(answer["version"])


def set_hosts(client: Client, names: Sequence[str], *, request_id: UUID) -> tuple[str, ...]:
    """Replace the hosts that webhooks and mail may go to; admins alone. Raises `channel.bad_host`."""
    wanted = sorted({name.strip().lower() for name in names if name.strip()})
    if not all(is_public_host(name) for name in wanted):
        raise AppError("channel.bad_host")
    answer = db.command(client, "set_channel_hosts", p_hosts=wanted, request_id=request_id)
    return tuple(answer["hosts"])


def test(client: Client, channel_id: int, *, request_id: UUID) -> UUID:
    """Queue a test message; what became of it stands in the log under the answered id.

    Raises `channel.off`, `channel.test_under_way`, `channel.host_not_listed`, `channel.none`.
    """
    answer = db.command(client, "test_channel", p_id=channel_id, request_id=request_id)
    return UUID(answer["id"])


def resend(client: Client, delivery_id: UUID, *, request_id: UUID) -> UUID:
    """Send once more what failed for good; answers the id of the new delivery. Raises `delivery.not_dead`."""
    answer = db.command(client, "resend_delivery", p_id=str(delivery_id), request_id=request_id)
    return UUID(answer["id"])
