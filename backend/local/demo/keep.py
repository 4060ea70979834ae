"""When the demo is made, how long it is fresh, and how it makes room for real work (embedded only)."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg

from backend import config
from backend.cli.target import embedded
from backend.config import Settings
from backend.local import dump
from backend.local.demo import load
from backend.local.secrets import write_private
from backend.local.stack import Stack

FILE_NAME: Final = "demo.json"
FRESH_FOR: Final = timedelta(hours=12)
Say = Callable[[str], None]


def connect(stack: Stack) -> Settings:
    """The settings under which this process works on the stack."""
    return embedded(config.load(), stack.api_url, stack.secrets)


def read(data_dir: Path) -> dict[str, Any] | None:
    """What is known of the demo in a data folder ({state, password, made_at}), or None without one."""
    path = data_dir / FILE_NAME
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def ensure(stack: Stack, *, say: Say) -> None:
    """Makes the demo in an empty installation, finishes one that was cut off, renews one nobody touched.

    An installation with members of its own, or a demo that somebody worked in, is left alone.
    """
    known = read(stack.data_dir)
    if known is None and not _is_empty(stack):
        return
    if known is not None:
        if known["state"] == "ready" and not _is_stale(stack, known):
            return
        _start_empty(stack)
    make(stack, say=say)


def make(stack: Stack, *, say: Say) -> None:
    """Plays the demo into the empty installation."""
    facts = {"state": "loading", "password": _password(), "made_at": datetime.now(UTC).isoformat()}
    write_private(stack.data_dir / FILE_NAME, facts)
    load.play(connect(stack), stack.admin_url, facts["password"], say=say)
    write_private(
        stack.data_dir / FILE_NAME, facts | {"state": "ready", "made_at": datetime.now(UTC).isoformat()}
    )


def renew(stack: Stack, *, say: Say) -> None:
    """刷新演示: throws the demo away and plays it again, up to now."""
    _start_empty(stack)
    make(stack, say=say)


def clear(stack: Stack, *, say: Say) -> Path:
    """清空演示数据: keeps a backup, then starts an empty installation. Returns the backup's path."""
    kept = stack.data_dir / f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}.backup"
    dump.backup(stack.data_dir, kept, say=say)
    _start_empty(stack)
    (stack.data_dir / FILE_NAME).unlink(missing_ok=True)
    return kept


def _start_empty(stack: Stack) -> None:
    stack.stop()
    shutil.rmtree(stack.data_dir / "postgres")
    stack.start()


def _is_empty(stack: Stack) -> bool:
    with psycopg.connect(stack.admin_url) as admin:
        query = "select not exists (select from members) and not exists (select from shops)"
        return admin.execute(query).fetchone() == (True,)


def _is_stale(stack: Stack, known: dict[str, Any]) -> bool:
    """Old, and nobody has worked in it: what people did since is never thrown away unasked."""
    made_at = datetime.fromisoformat(known["made_at"])
    if datetime.now(UTC) - made_at < FRESH_FOR:
        return False
    with psycopg.connect(stack.admin_url) as admin:
        query = "select not exists (select from audit_events where at > %s)"
        return admin.execute(query, (made_at,)).fetchone() == (True,)


def _password() -> str:
    """Long enough for the rules, short enough to type from the console."""
    return f"demo-{secrets.token_hex(4)}"
