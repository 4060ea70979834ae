"""Who imports what for whom, and what every step of an import shares: checks, words, patience, chunks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from backend import errors
from backend.checks.contact import CHECKS_VERSION
from backend.db import Rpc
from backend.errors import AppError
from backend.imports.reasons import REASONS, reason
from backend.imports.records import ParsedFile
from backend.pii import Keyring

CHUNK: Final = 2000
_RETRY_AFTER: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
T = TypeVar("T")

Report = dict[str, Any]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Shop:
    """The shop a file belongs to. `timezone` is that of times in the file that carry no offset."""

    id: int
    code: str
    platform: str
    timezone: str = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Importer:
    """Who imports where: `call` carries the actor's rights, `service` the verdicts of the checks."""

    call: Rpc
    service: Rpc
    keyring: Keyring
    lang: str = "zh-CN"
    on_progress: Progress | None = None

    def say(self, step: str, done: int, total: int) -> None:
        """Tell how far a step is: `staging`, `applying` or `checking`, in records."""
        if self.on_progress is not None:
            self.on_progress(step, done, total)


@dataclass(frozen=True, slots=True)
class Rules:
    """Version and parameters that the checks of a shop run under.

    `is_current` is false in an old replica while a newer one has announced itself: verdicts made here are
    stored under the old version, and the orders stay unchecked until the newer one judges them.
    """

    version: str
    params: Mapping[str, Any]
    is_current: bool = True


def check_rules(service: Rpc, shop_id: int | None) -> Rules:
    """Announce the checks of this program and learn version and parameters for a shop."""
    service("service_announce_checks", p_version=CHECKS_VERSION)
    answer = service("service_check_rules", p_shop_id=shop_id)
    version = f"{CHECKS_VERSION}.{answer['version'].partition('.')[2]}"
    return Rules(version=version, params=answer["params"], is_current=version == answer["version"])


def sentence(key: str, params: Mapping[str, Any], lang: str = "zh-CN") -> str:
    """Why a line was refused, or what to know about a file: keys of the parser and of the database."""
    if key in REASONS:
        return reason(key, params, lang)
    return errors.message(key, lang, **params)


def finish(importer: Importer, import_id: int, total: int = 0) -> Report:
    """Apply, check and close an import that is staged; also goes on with one that somebody left behind."""
    answer: Report = {"state": "applying"}
    while answer["state"] == "applying":
        answer = patiently(lambda: importer.call("import_apply", p_import_id=import_id, p_limit=CHUNK))
        importer.say("applying", answer["applied"], total)
    checked = 0
    while not answer.get("checked"):
        answer = patiently(lambda: importer.call("import_check", p_import_id=import_id, p_limit=CHUNK))
        checked = min(checked + CHUNK, total)
        importer.say("checking", checked, total)
    report: Report = patiently(lambda: importer.call("import_finish", p_import_id=import_id))
    return report


def patiently(call: Callable[[], T]) -> T:
    """Repeat a request that could not be served just now (busy, restarting, unreachable), for 8 seconds."""
    for pause in _RETRY_AFTER:
        try:
            return call()
        except AppError as problem:
            if problem.status < 500:
                raise
            time.sleep(pause)
    return call()


def report_of(parsed: ParsedFile[Any], lang: str) -> Report:
    """The report before anything has happened: what reading the file showed."""
    return {
        "kind": parsed.kind,
        "platform": parsed.platform,
        "encoding": parsed.encoding,
        "rows": parsed.rows,
        "accepted": 0,
        "updated": 0,
        "unchanged": 0,
        "rejected": [
            {"row": item.row, "column": item.column, "reason": sentence(item.key, item.params, lang)}
            for item in parsed.rejected
        ],
        "exceptions": {},
        "duplicate_rows": parsed.duplicate_rows,
        "notes": [sentence(note.key, note.params, lang) for note in parsed.notes],
    }


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Parts of at most `CHUNK`."""
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]
