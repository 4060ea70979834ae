"""The settings of one process. This module alone reads the environment.

A value comes from the environment or, failing that, from a mapping the caller passes in
(Streamlit's secrets).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_PORT = 8501
HOSTED_KEYS = (
    "SUPABASE_URL",
    "SUPABASE_PUBLISHABLE_KEY",
    "SUPABASE_SECRET_KEY",
    "DESK_COOKIE_SECRET",
    "DESK_PII_KEY",
)
DEPLOY_KEYS = ("SUPABASE_DB_URL", "SUPABASE_ACCESS_TOKEN", "DESK_PUBLIC_URL")
LOOPBACK_CHANNELS = "DESK_LOOPBACK_CHANNELS"  # for development: no hosted deployment is ever given it
_KEY_PREFIXES = {"SUPABASE_PUBLISHABLE_KEY": "sb_publishable_", "SUPABASE_SECRET_KEY": "sb_secret_"}
_PRIVATE_NAME = re.compile(r"^(SUPABASE|DESK|STREAMLIT)_")


class ConfigError(Exception):
    """The settings cannot work; the message says what to set."""

    def __init__(self, message: str, *, missing: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the desk finds its API and its keys.

    `hosted` is true with a Supabase project in the settings. Otherwise the embedded stack provides the five
    connection values (see `with_connection`); until then they are empty.
    """

    hosted: bool
    supabase_url: str
    publishable_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    cookie_secret: str = field(repr=False)
    pii_key: str = field(repr=False)
    data_dir: Path
    demo: bool | None
    port: int

    @property
    def connected(self) -> bool:
        """Whether an API address is known."""
        return self.supabase_url != ""

    def with_connection(
        self, *, supabase_url: str, publishable_key: str, secret_key: str, cookie_secret: str, pii_key: str
    ) -> Settings:
        """The same settings pointing at a running embedded stack."""
        return replace(
            self,
            supabase_url=supabase_url,
            publishable_key=publishable_key,
            secret_key=secret_key,
            cookie_secret=cookie_secret,
            pii_key=pii_key,
        )


@dataclass(frozen=True, slots=True)
class Deployment:
    """What `deploy` needs besides: the owner's database address, a token, where people open the desk."""

    db_url: str = field(repr=False)
    access_token: str = field(repr=False)
    public_url: str


def deployment() -> Deployment:
    """The values of a deployment; each may be empty, the part that needs it says so."""
    db_url, access_token, public_url = (_value(name, None) for name in DEPLOY_KEYS)
    return Deployment(db_url=db_url, access_token=access_token, public_url=public_url.rstrip("/"))


@dataclass(frozen=True, slots=True)
class Reminders:
    """What the edge functions beside the embedded stack need to know of this machine."""

    public_url: str
    loopback_channels: bool


def reminders() -> Reminders:
    """Where people open the desk (this machine, unless DESK_PUBLIC_URL says more), and whether a developer's
    stand-in on this machine may take messages (DESK_LOOPBACK_CHANNELS). Raises ConfigError.
    """
    here = f"http://127.0.0.1:{_port(_value('PORT', None))}"
    return Reminders(
        public_url=deployment().public_url or here,
        loopback_channels=_flag(LOOPBACK_CHANNELS, _value(LOOPBACK_CHANNELS, None)) is True,
    )


def allows_stand_in(settings: Settings) -> bool:
    """Whether a channel may be a developer's stand-in on this machine: the switch is on, and so is the API
    (the edge function asks the same).
    """
    host = urlsplit(settings.supabase_url).hostname
    return reminders().loopback_channels and host in {None, "127.0.0.1", "localhost", "::1"}


def load(secrets: Mapping[str, object] | None = None) -> Settings:
    """Read the settings; `secrets` is the second source. Raises ConfigError naming what is wrong."""
    values = {name: _value(name, secrets) for name in (*HOSTED_KEYS, "DESK_DATA_DIR", "DESK_DEMO", "PORT")}
    hosted = values["SUPABASE_URL"] != ""
    if hosted:
        _require_hosted(values)
    return Settings(
        hosted=hosted,
        supabase_url=values["SUPABASE_URL"].rstrip("/"),
        publishable_key=values["SUPABASE_PUBLISHABLE_KEY"] if hosted else "",
        secret_key=values["SUPABASE_SECRET_KEY"] if hosted else "",
        cookie_secret=values["DESK_COOKIE_SECRET"],
        pii_key=values["DESK_PII_KEY"],
        data_dir=Path(values["DESK_DATA_DIR"] or ".desk").expanduser().resolve(),
        demo=_flag("DESK_DEMO", values["DESK_DEMO"]),
        port=_port(values["PORT"]),
    )


def child_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process we start: ours without the desk's own settings, plus `extra`."""
    kept = {name: value for name, value in os.environ.items() if not _PRIVATE_NAME.match(name)}
    return {**kept, **(extra or {})}


def package_cache() -> Path:
    """Folder where Deno keeps the packages of the gateway; shared by every data folder, so they load once."""
    given = os.environ.get("DENO_DIR")
    if given:
        return Path(given)
    if sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
        return Path(sys.prefix) / "deno"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "shopdesk" / "deno"


def _value(name: str, secrets: Mapping[str, object] | None) -> str:
    given = os.environ.get(name, "").strip()
    if given or secrets is None:
        return given
    second = secrets.get(name)
    return "" if second is None else str(second).strip()


def _require_hosted(values: Mapping[str, str]) -> None:
    missing = tuple(name for name in HOSTED_KEYS if values[name] == "")
    if missing:
        raise ConfigError(f"SUPABASE_URL is set, but not: {', '.join(missing)}", missing=missing)
    if not re.match(r"^https?://[^/\s]+", values["SUPABASE_URL"]):
        raise ConfigError("SUPABASE_URL must be an address like https://<project>.supabase.co")
    for name, prefix in _KEY_PREFIXES.items():
        if not values[name].startswith(prefix):
            raise ConfigError(f"{name} must be a new-style key that starts with {prefix}")
    if len(values["DESK_COOKIE_SECRET"]) < 32:
        raise ConfigError("DESK_COOKIE_SECRET must have at least 32 characters")


def _flag(name: str, text: str) -> bool | None:
    known = {"": None, "1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in known:
        raise ConfigError(f"{name} must be 1 or 0, not {text!r}")
    return known[text.lower()]


def _port(text: str) -> int:
    if text == "":
        return DEFAULT_PORT
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ConfigError(f"PORT must be a number from 1 to 65535, not {text!r}")
    return int(text)
