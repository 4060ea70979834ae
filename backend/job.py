"""A claimed piece of background work and what it works with, as every kind of the worker gets it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from backend import db
from backend.pii import Keyring

LEASE_SECONDS: Final = 60


class LeaseLostError(Exception):
    """Another worker has the job now."""


class StoppedError(Exception):
    """The worker is shutting down in the middle of a job; the next one goes on."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What jobs work with. `stop` ends the worker after the chunk at hand."""

    rpc: db.Rpc
    keyring: Keyring
    stop: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class Job:
    """A claimed job. `cursor` is where it goes on, `progress` what people see ({"done": orders})."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    cursor: dict[str, Any]
    progress: dict[str, Any]
    lease_id: str
    worker: Worker
    attempts: int = 0

    def step(self, **cursor: Any) -> bool:
        """Remember the place and keep the lease; False when the worker should stop here."""
        self.cursor |= cursor
        kept = self.worker.rpc(
            "job_progress",
            p_id=self.id,
            p_lease_id=self.lease_id,
            p_cursor=self.cursor,
            p_progress=self.progress,
            p_lease_seconds=LEASE_SECONDS,
        )
        if not kept:
            raise LeaseLostError
        return not self.worker.stop.is_set()


Outcome = float | None  # seconds after which to look again; None = done
Kind = Callable[[Job], Outcome]
