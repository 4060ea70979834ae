"""Personal data under a new key: whatever is not under the current one is encrypted anew, in chunks.

What is done is seen in the data alone (a ciphertext names its key), so a run that was cut off goes on where
it stopped, and two runs at once only share the work: each value is written where it still is what was read.
Blind indexes and the hash of the facts that a verdict is bound to move with their ciphertexts.

Three things cannot be made anew here, because what they were made of is not kept: the hash of a whole
imported record (the next file counts its orders as updated once), the index of an IP address, and the hash of
what the platform said before a person corrected it. The next file of the shop brings the last two along,
while the older key is still in the ring: import it before the older key is dropped. What no file mentions
again is not compared by IP, and a correction that meets its file only afterwards gives way to what the
platform says.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import psutil

from backend.checks.contact import facts_hash
from backend.db import Rpc
from backend.errors import AppError
from backend.imports import encode
from backend.imports.runner import patiently
from backend.local import secrets
from backend.local.stack import read_runtime
from backend.pii import BlindKind, Keyring, PiiError, generate_key, key_id_of

PLACES: Final = ("contacts", "notes", "undo", "channels")
CELLS: Final = ("name", "phone", "address", "note", "wechat", "email")
CHANNEL_CELLS: Final = ("endpoint", "secret")
# column of the index: the cell it is made of, and the kind it is searched as
HASHES: Final[Mapping[str, tuple[str, BlindKind]]] = {
    "name_hash": ("name", "name"),
    "phone_hash": ("phone", "phone"),
    "phone_last4_hash": ("phone", "phone_last4"),
    "wechat_hash": ("wechat", "wechat"),
    "email_hash": ("email", "email"),
}
_CHUNK: Final = 300
_PASSES: Final = 5  # others may write under the old key meanwhile: look again, but not for ever
Row = Mapping[str, Any]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Keys:
    """The ring, and each older key as a ring of its own: which one made a hash is found by trying."""

    ring: Keyring
    older: tuple[Keyring, ...]

    @classmethod
    def parse(cls, text: str) -> Keys:
        """Read DESK_PII_KEY. Raises PiiError."""
        parts = [part for part in text.split(",") if part.strip()]
        return cls(Keyring.parse(text), tuple(Keyring.parse(part) for part in parts[1:]))


@dataclass(slots=True)
class Summary:
    """What a run did: rows written by place, orders whose facts moved along; what could not be done.

    `left` values still lie under another key: `unreadable` ones (key missing, or changed), those that changed
    again and again, and what `imports` under way (file names) may still bring. `corrected`: waiting orders
    whose contact a person corrected; their shops' next file has to be imported before the older key goes.
    """

    key: str
    old_keys: tuple[str, ...]
    contacts: int = 0
    notes: int = 0
    undo: int = 0
    channels: int = 0
    orders: int = 0
    left: int = 0
    unreadable: int = 0
    imports: list[str] = field(default_factory=list)
    corrected: list[str] = field(default_factory=list)
    dropped: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether nothing needs an older key any more."""
        return self.left == 0 and not self.imports


@dataclass(slots=True)
class _Pass:
    """One walk through a place: rows written, rows tried in vain, rows that do not open, what moved along."""

    stored: int = 0
    missed: int = 0
    orders: int = 0
    unreadable: set[int] = field(default_factory=set)
    corrected: set[str] = field(default_factory=set)


def rekey(rpc: Rpc, keys: Keys, *, progress: Progress | None = None) -> Summary:
    """Bring everything under the current key. Raises AppError when the service cannot be reached."""
    summary = Summary(keys.ring.current_id, keys.ring.key_ids[1:])
    corrected: set[str] = set()
    for place in PLACES:
        for _ in range(_PASSES):
            walk = _walk(rpc, keys, place, progress)
            setattr(summary, place, getattr(summary, place) + walk.stored)
            summary.orders += walk.orders
            corrected |= walk.corrected
            if walk.stored == 0:
                break
        summary.unreadable += len(walk.unreadable)
        summary.left += len(walk.unreadable) + walk.missed
    summary.corrected = sorted(corrected)
    running = _next(rpc, "imports", keys.ring.current_id, 0)["rows"]
    summary.imports = [row["file"] for row in running]
    counts = {place: getattr(summary, place) for place in (*PLACES, "orders", "left")}
    patiently(lambda: rpc("service_rekey_done", p_key_id=summary.key, p_counts=counts))
    return summary


def _next(rpc: Rpc, place: str, key_id: str, after: int) -> dict[str, Any]:
    page: dict[str, Any] = patiently(
        lambda: rpc("service_rekey_next", p_place=place, p_key_id=key_id, p_after=after, p_limit=_CHUNK)
    )
    return page


def _walk(rpc: Rpc, keys: Keys, place: str, progress: Progress | None) -> _Pass:
    walk, after, done = _Pass(), 0, False
    while not done:
        page = _next(rpc, place, keys.ring.current_id, after)
        sealed = [_sealed(keys, place, row) for row in page["rows"]]
        ready = [item for item in sealed if item["new"] != item["old"]]
        stored = _store(rpc, place, ready) if ready else 0
        walk.stored += stored
        walk.missed += len(ready) - stored
        walk.unreadable |= {item["id"] for item in sealed if item["unreadable"]}
        for item in ready:
            walk.orders += len(item["orders"])
            walk.corrected.update(item["corrected"])
        after, done = page["after"], page["done"]
        if progress is not None and page["rows"]:
            progress(place, after, page["last"])
    return walk


def _store(rpc: Rpc, place: str, ready: list[dict[str, Any]]) -> int:
    sent = [{name: item[name] for name in ("id", "old", "new", "orders")} for item in ready]
    text = json.dumps(sent, separators=(",", ":"))
    return int(patiently(lambda: rpc("service_rekey_store", p_place=place, p_rows=text)))


def _sealed(keys: Keys, place: str, row: Row) -> dict[str, Any]:
    """What to store of a row: {id, old, new, orders}, and whether part of it could not be opened."""
    if place == "contacts":
        return _sealed_contact(keys, row)
    if place == "channels":
        return _sealed_channel(keys, row)
    new, clear = _moved(keys.ring, "order_exceptions", "note", row["order_id"], row["note"])
    return {
        "id": row["id"],
        "old": row["note"],
        "new": new,
        "orders": [],
        "corrected": [],
        "unreadable": clear is None,
    }


def _sealed_contact(keys: Keys, row: Row) -> dict[str, Any]:
    old = {cell: row[cell] for cell in CELLS}
    new: dict[str, str | None] = {}
    clear: dict[str, str | None] = {}
    for cell, token in old.items():
        new[cell], clear[cell] = (
            _moved(keys.ring, "contacts", cell, row["id"], token) if token else (None, None)
        )
    readable = all(clear[cell] is not None for cell in CELLS if old[cell])
    for name, (cell, kind) in HASHES.items():
        old[name] = row[name]
        new[name] = keys.ring.blind(kind, clear[cell]) if row[name] and clear[cell] else row[name]
    return {
        "id": row["id"],
        "old": old,
        "new": new,
        "orders": _moved_facts(keys, row, new) if readable else [],
        "corrected": [order["corrected"] for order in row["orders"] if order["corrected"]],
        "unreadable": not readable,
    }


def _sealed_channel(keys: Keys, row: Row) -> dict[str, Any]:
    old = {cell: row[cell] for cell in CHANNEL_CELLS}
    moved = {
        cell: _moved(keys.ring, "channels", cell, row["id"], token) if token else (None, None)
        for cell, token in old.items()
    }
    return {
        "id": row["id"],
        "old": old,
        "new": {cell: token for cell, (token, _) in moved.items()},
        "orders": [],
        "corrected": [],
        "unreadable": any(old[cell] and clear is None for cell, (_, clear) in moved.items()),
    }


def _moved(ring: Keyring, table: str, column: str, row_id: int, token: str) -> tuple[str, str | None]:
    """The token under the current key and its clear text; the same token and None when it does not open."""
    try:
        clear = ring.decrypt(table, column, row_id, token)
    except PiiError:
        return token, None
    if key_id_of(token) == ring.current_id:
        return token, clear
    return ring.encrypt(table, column, row_id, clear), clear


def _moved_facts(keys: Keys, row: Row, new: Row) -> list[dict[str, Any]]:
    """For each order of a contact whose facts hash an older key made of these very facts: the new hash."""
    moved = []
    for order in row["orders"]:
        seen = dict(new) | {"contact_id": row["id"], "contact_state": order["contact_state"]}
        facts = encode.opened(keys.ring, seen).facts()
        if any(facts_hash(ring, facts) == order["facts_hash"] for ring in keys.older):
            fresh = facts_hash(keys.ring, facts)
            moved.append({"id": order["id"], "facts_hash": order["facts_hash"], "new_hash": fresh})
    return moved


# The key of an embedded installation ----------------------------------------------------------------------


def add_key(folder: Path) -> None:
    """Make a key and put it before the present one in the data folder.

    Raises AppError: rekey.no_installation, rekey.unfinished (there are two keys already).
    """
    with _changing(folder) as (present, path):
        if len(Keyring.parse(present.pii_key).key_ids) > 1:
            raise AppError("rekey.unfinished", status=409)
        fresh = replace(present, pii_key=f"{generate_key()},{present.pii_key}")
        secrets.write_private(path, asdict(fresh))


def drop_old_keys(folder: Path) -> None:
    """Keep the current key alone.

    Raises AppError rekey.restart_first while a desk runs that was started before the keys changed: it would
    go on writing under a key that nobody has any more.
    """
    with _changing(folder) as (present, path):
        running = read_runtime(folder)
        if running and psutil.Process(int(running["pid"])).create_time() < path.stat().st_mtime:
            raise AppError("rekey.restart_first", status=409)
        current = next(part for part in present.pii_key.split(",") if part.strip())
        secrets.write_private(path, asdict(replace(present, pii_key=current.strip())))


@contextmanager
def _changing(folder: Path) -> Iterator[tuple[secrets.Secrets, Path]]:
    """The secrets and their file, for one process at a time: a key that two overwrote would be lost."""
    path = folder / secrets.FILE_NAME
    if not path.exists():
        raise AppError("rekey.no_installation", status=404, params={"folder": str(folder)})
    with (folder / "secrets.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield secrets.load(folder), path
