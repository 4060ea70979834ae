"""The system account Postgres runs under. Postgres refuses to run as root, so root lends it an account."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

NAME = "shopdesk-db"


@dataclass(frozen=True, slots=True)
class Account:
    """User and group ids for the database processes; None keeps the current user."""

    uid: int
    gid: int

    def popen_options(self) -> dict[str, object]:
        """Arguments for subprocess that switch to this account and nothing more."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def database_account() -> Account | None:
    """None for an ordinary user; for root an account without rights, made on first use."""
    if os.geteuid() != 0:
        return None
    entry = _entry(NAME)
    if entry is None and shutil.which("useradd"):
        command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603
        entry = _entry(NAME)
    entry = entry or _entry("nobody")
    if entry is None:
        raise OSError(f"Postgres does not run as root: create an account with `useradd --system {NAME}`")
    return Account(uid=entry.pw_uid, gid=entry.pw_gid)


def let_through(path: Path, say: Callable[[str], None]) -> None:
    """Make every folder above `path` passable (o+x, no reading) for the database account, and say so."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)
            say(f"Made {folder} passable (o+x): the database runs under the account {NAME}")


def give(path: Path, account: Account | None) -> None:
    """Make the account the owner of one file or folder."""
    if account is not None:
        os.chown(path, account.uid, account.gid)


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
