"""Backup and restore of an embedded installation: one file, never the key of the personal data.

The file is a tar of `manifest.json` and `desk.dump` (pg_dump, custom format). Open sessions stay out of it:
after a restore everybody signs in again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo, sql

from backend import config
from backend.local import apply
from backend.local import secrets as secret_files
from backend.local.postgres import DATABASE, bundled_binaries
from backend.local.stack import Stack, StackError, read_runtime

FORMAT = 1
LEFT_OUT = ("auth.sessions", "auth.refresh_tokens", "private.web_sessions", "private.sign_in_failures")


class BackupError(Exception):
    """A backup or restore was refused; the message is a sentence for the person at the console."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What was written: the file, its size in bytes, and where the key to its personal data lies."""

    file: Path
    size: int
    key_file: Path


def key_id(pii_key: str) -> str:
    """A name for a key that tells nothing about it, to find out whether two keys are the same."""
    return hashlib.sha256(b"shopdesk key id|" + pii_key.encode()).hexdigest()[:16]


def backup(data_dir: Path, file: Path, *, say: Callable[[str], None]) -> Backup:
    """Write a backup of the installation in `data_dir`, running or not, to a new file."""
    if file.exists():
        raise BackupError(f"{file} exists already: choose another name")
    if not (data_dir / secret_files.FILE_NAME).exists():
        raise BackupError(f"There is no installation in {data_dir}")
    running = read_runtime(data_dir)
    if running is not None:
        _write(running["admin_url"], data_dir, file)
    else:
        stack = Stack(data_dir, say=say)
        try:
            stack.start_database(bring_up_to_date=False)
            _write(stack.admin_url, data_dir, file)
        finally:
            stack.stop()
    return Backup(file=file, size=file.stat().st_size, key_file=data_dir / secret_files.FILE_NAME)


def restore(
    file: Path,
    data_dir: Path,
    *,
    keys: Path | None = None,
    without_personal_data: bool = False,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Make an installation in the empty folder `data_dir` from a backup; returns the backup's manifest.

    `keys` is a copy of the old installation's secrets.json. Refused with BackupError when the key at hand is
    not the one the personal data was encrypted with, unless `without_personal_data` accepts that.
    """
    if (data_dir / "postgres").exists():
        raise BackupError(f"{data_dir} already holds an installation: choose an empty folder with --data")
    with tempfile.TemporaryDirectory(prefix="shopdesk-restore-") as scratch:
        manifest = _unpack(file, Path(scratch))
        _place_keys(data_dir, keys)
        _check_key(manifest, data_dir, without_personal_data=without_personal_data)
        try:
            _fill(Path(scratch) / "desk.dump", data_dir, say)
        except BaseException:
            shutil.rmtree(data_dir / "postgres", ignore_errors=True)
            raise
    return manifest


def _write(admin_url: str, data_dir: Path, file: Path) -> None:
    manifest = {
        "format": FORMAT,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "key_id": key_id(secret_files.load(data_dir).pii_key),
    }
    with tempfile.TemporaryDirectory(prefix="shopdesk-backup-") as scratch:
        dump = Path(scratch) / "desk.dump"
        left_out = [f"--exclude-table-data={table}" for table in LEFT_OUT]
        schemas = ["--exclude-schema=stack"]
        _run("pg_dump", ["--format=custom", f"--file={dump}", *schemas, *left_out], admin_url)
        fresh = file.with_name(file.name + ".part")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as raw, tarfile.open(fileobj=raw, mode="w") as archive:
            _add(archive, "manifest.json", json.dumps(manifest).encode())
            archive.add(dump, arcname="desk.dump", filter=_anonymous)
            raw.flush()
            os.fsync(raw.fileno())
        fresh.replace(file)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def _unpack(file: Path, folder: Path) -> dict[str, Any]:
    try:
        with tarfile.open(file) as archive:
            for name in ("manifest.json", "desk.dump"):
                archive.extract(name, folder, filter="data")
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    except (tarfile.TarError, KeyError, ValueError, OSError) as problem:
        raise BackupError(f"{file} is not a backup of this program ({problem})") from problem
    if manifest.get("format") != FORMAT:
        raise BackupError(f"{file} was made by a newer version: restore it with that version")
    return manifest


def _place_keys(data_dir: Path, keys: Path | None) -> None:
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = data_dir / secret_files.FILE_NAME
    if keys is None:
        return
    if target.exists():
        raise BackupError(f"{target} exists already: leave out --keys, or choose an empty folder")
    try:
        secret_files.write_private(target, json.loads(keys.read_text("utf-8")))
        secret_files.load(data_dir)
    except (OSError, ValueError) as problem:
        target.unlink(missing_ok=True)
        raise BackupError(f"{keys} is not a secrets.json of an installation ({problem})") from problem


def _check_key(manifest: Mapping[str, Any], data_dir: Path, *, without_personal_data: bool) -> None:
    there = (data_dir / secret_files.FILE_NAME).exists()
    at_hand = key_id(secret_files.load(data_dir).pii_key) if there else None
    if at_hand == manifest["key_id"] or without_personal_data:
        return
    raise BackupError(
        f"The personal data in this backup was encrypted with the key {manifest['key_id']}, not this one. "
        "Add --keys with the secrets.json of the old installation, or --without-personal-data to go on with "
        "names, phones and addresses that nobody can read."
    )


def _fill(dump: Path, data_dir: Path, say: Callable[[str], None]) -> None:
    stack = Stack(data_dir, say=say)
    try:
        stack.start_database(bring_up_to_date=False)
        say("Restoring the data …")
        _empty_database(stack)
        options = ["--single-transaction", "--exit-on-error", f"--dbname={DATABASE}"]
        _run("pg_restore", [*options, str(dump)], stack.admin_url)
        stack.apply_schema()  # a backup of an older version becomes one of this version
    finally:
        stack.stop()


def _empty_database(stack: Stack) -> None:
    """Roles, which a dump does not hold, and a database without anything."""
    server = conninfo.make_conninfo(stack.admin_url, dbname="postgres")
    with psycopg.connect(server, autocommit=True) as admin:
        apply.make_roles(admin, stack.secrets)
        admin.execute(sql.SQL("create database {} owner desk_owner").format(sql.Identifier(DATABASE)))


def _run(program: str, arguments: list[str], admin_url: str) -> None:
    """Run a Postgres client program; the password goes by environment, not on the command line."""
    parts = {name: str(value) for name, value in conninfo.conninfo_to_dict(admin_url).items()}
    login = {
        "PGHOST": parts["host"],
        "PGPORT": parts["port"],
        "PGUSER": parts["user"],
        "PGPASSWORD": parts["password"],
        "PGDATABASE": parts["dbname"],
    }
    done = subprocess.run(  # noqa: S603
        [bundled_binaries().program(program), *arguments],
        env=config.child_environment({**login, "LC_ALL": "C"}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StackError(f"{program} failed: {done.stderr.strip()[:800]}")
