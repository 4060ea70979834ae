"""Where a data command works: a hosted project, the stack that runs, or one started for it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from backend import config
from backend.config import Settings
from backend.local import secrets
from backend.local.stack import Stack, read_runtime


@dataclass(frozen=True, slots=True)
class Target:
    """An API and its keys. `settings` is what backend.db and backend.service build their clients from."""

    settings: Settings

    @property
    def api_url(self) -> str:
        """Address of the API."""
        return self.settings.supabase_url

    @property
    def publishable_key(self) -> str:
        """API key of the application."""
        return self.settings.publishable_key

    @property
    def secret_key(self) -> str:
        """API key of background work."""
        return self.settings.secret_key

    @property
    def pii_key(self) -> str:
        """Key of the personal data."""
        return self.settings.pii_key


@contextmanager
def connect(args: argparse.Namespace | None = None) -> Iterator[Target]:
    """The target of a command, for the length of the `with` block.

    SUPABASE_* if set; else the running stack of the data folder (`args.data` or DESK_DATA_DIR); else a stack
    started here and stopped at the end. Raises ConfigError, StackError or ApplyError.
    """
    settings = config.load()
    given = getattr(args, "data", None)
    folder = (given or settings.data_dir).expanduser().resolve()
    running = None if settings.hosted else read_runtime(folder)
    if settings.hosted:
        yield Target(settings)
    elif running is not None:
        yield Target(embedded(settings, running["api_url"], secrets.load(folder)))
    else:
        with Stack(folder) as stack:
            yield Target(embedded(settings, stack.api_url, stack.secrets))


def embedded(settings: Settings, api_url: str, keys: secrets.Secrets) -> Settings:
    """The settings of a process that works on an embedded stack."""
    return settings.with_connection(
        supabase_url=api_url,
        publishable_key=keys.publishable_key,
        secret_key=keys.secret_key,
        cookie_secret=keys.cookie_secret,
        pii_key=keys.pii_key,
    )
