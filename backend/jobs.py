"""The worker: background jobs under a lease, in chunks of at most a few seconds, in any number of replicas.

A kind is a function of a `Job`; it works one chunk at a time, reports after each where it stands, and may be
run twice. Which replica works is decided by the lease in the database; its place is in the job's cursor.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from time import monotonic
from types import FrameType
from typing import Any, Final
from uuid import UUID

from pydantic import Field
from supabase import Client

from backend import db
from backend.checks.contact import CHECKS_VERSION
from backend.compliance import dictionary, files, rechecks
from backend.config import Settings
from backend.errors import AppError
from backend.imports import runner
from backend.job import LEASE_SECONDS, Job, Kind, LeaseLostError, Outcome, StoppedError, Worker
from backend.library import checking
from backend.orders import rechecks as order_rechecks
from backend.pii import Keyring, PiiError
from backend.row import Row
from backend.service import Service

IDLE_SECONDS: Final = 5.0
_TROUBLE_SECONDS: Final = 15.0
_ABANDONED_SECONDS: Final = 120  # how long an import must stand still before somebody else may go on with it
_MINUTE: Final = 60.0
_GIVEN_UP_SECONDS: Final = 1800  # a file that never arrived whole blocks its shop no longer than this
log = logging.getLogger(__name__)


def finish_import(job: Job) -> Outcome:
    """Go on with an import whose owner has vanished; give up one whose file never arrived whole."""
    rpc, import_id = job.worker.rpc, job.payload["import_id"]
    found = rpc("service_import_state", p_import_id=import_id)
    if found is None or found["state"] not in {"staging", "applying", "checking"}:
        return None
    if found["quiet_seconds"] < _ABANDONED_SECONDS:
        return float(_ABANDONED_SECONDS - found["quiet_seconds"] + 1)
    if found["state"] == "staging":
        if found["quiet_seconds"] < _GIVEN_UP_SECONDS:
            return float(_GIVEN_UP_SECONDS - found["quiet_seconds"] + 1)
        rpc("import_cancel", p_import_id=import_id)
        return None
    return _go_on(job, import_id)


def _go_on(job: Job, import_id: int) -> Outcome:
    def progress(step: str, done: int, _total: int) -> None:
        job.progress = {"step": step, "done": done}
        if not job.step():
            raise StoppedError

    rpc = job.worker.rpc
    importer = runner.Importer(call=rpc, service=rpc, keyring=job.worker.keyring, on_progress=progress)
    runner.finish(importer, import_id)
    return None


def evaluate_shop(job: Job) -> Outcome:
    """Judge all waiting orders of a shop anew, after a rule changed or an import was broken off."""
    while True:
        answer = job.worker.rpc(
            "service_evaluate_shop",
            p_shop_id=job.payload["shop_id"],
            p_after=job.cursor.get("after", 0),
            p_limit=runner.CHUNK,
        )
        if answer["done"]:
            return None
        if not job.step(after=answer["after"]):
            return 1.0


def retention(job: Job) -> Outcome:
    """Forget what is kept long enough; the database puts tomorrow's run into the queue itself."""
    while job.worker.rpc("service_retention", p_limit=5000):
        if not job.step():
            return 1.0
    return None


def end_decisions(job: Job) -> Outcome:
    """End the waivers and waits whose time is over; looks again every minute."""
    while job.worker.rpc("service_end_decisions", p_limit=500) >= 500:
        if not job.step():
            return 1.0
    return _MINUTE


def kpi_backfill(job: Job) -> Outcome:
    """Count the days of shops that were asked for anew, some at a time."""
    while job.worker.rpc("service_keep_kpis", p_limit=5):
        if not job.step():
            return 1.0
    return None


KINDS: Final[Mapping[str, Kind]] = {
    "finish_import": finish_import,
    "recheck_orders": order_rechecks.recheck_orders,
    "evaluate_shop": evaluate_shop,
    "retention": retention,
    "end_decisions": end_decisions,
    "recheck_texts": rechecks.recheck_texts,
    "try_words": rechecks.try_words,
    "settle_exemption": rechecks.settle_exemption,
    "check_file": files.check_file,
    "check_scripts": checking.check_scripts,
    "kpi_backfill": kpi_backfill,
}


def run_once(worker: Worker, *, kinds: Sequence[str] | None = None) -> bool:
    """Claim and work one job (of these kinds); False when none is due."""
    claimed = worker.rpc("job_claim", p_kinds=list(kinds or KINDS), p_lease_seconds=LEASE_SECONDS)
    if claimed is None:
        return False
    job = Job(worker=worker, **claimed)
    try:
        _close(job, KINDS[job.kind](job))
    except LeaseLostError:
        log.warning("job %s (%s): another worker has it now", job.id, job.kind)
    except StoppedError:
        _close(job, 1.0)
    except (AppError, PiiError) as problem:
        key = problem.key if isinstance(problem, AppError) else type(problem).__name__
        log.warning("job %s (%s) failed: %s", job.id, job.kind, key)
        _fail(job, key)
    except Exception as problem:  # whatever a kind stumbles over is that job's failure, never the worker's
        log.exception("job %s (%s) failed", job.id, job.kind)
        _fail(job, type(problem).__name__)
    return True


def _fail(job: Job, key: str) -> None:
    job.worker.rpc("job_fail", p_id=job.id, p_lease_id=job.lease_id, p_error=key)


def _close(job: Job, again: Outcome) -> None:
    if again is None:
        job.worker.rpc("job_finish", p_id=job.id, p_lease_id=job.lease_id)
    else:
        seconds = max(1, round(again))
        job.worker.rpc("job_snooze", p_id=job.id, p_lease_id=job.lease_id, p_seconds=seconds)


# What people see of it --------------------------------------------------------------------------------------


class JobRow(Row):
    """A piece of background work of my shops. `last_error` is an error key, or the name of a programming
    error; `progress` {step, done}; `total` the lines of the imported file.
    """

    id: int
    kind: str
    state: str
    attempts: int
    run_at: datetime
    created_at: datetime
    finished_at: datetime | None = None
    progress: dict[str, Any] = Field(default_factory=dict)
    last_error: str | None = None
    shop_id: int | None = None
    file_name: str | None = None
    total: int | None = None


def listing(client: Client) -> tuple[JobRow, ...]:
    """Background work: failed for good first, then waiting and running, then done today. Managers, admins."""
    return tuple(JobRow.model_validate(row) for row in db.rpc(client, "list_jobs"))


def retry(client: Client, job_id: int, *, request_id: UUID) -> None:
    """Let a job that failed for good run again. Raises `job.not_dead`, `shop.none`."""
    db.command(client, "retry_job", p_id=job_id, request_id=request_id)


def work(settings: Settings, stop: threading.Event) -> int:
    """Work every job that is due now, then return how many there were."""
    worker = _worker(settings, stop)
    announced(worker)
    done = 0
    while not stop.is_set() and run_once(worker):
        done += 1
    return done


def run_forever(settings: Settings, stop: threading.Event) -> None:
    """Work until `stop` is set (the chunk at hand is ended first); waits while the service is away."""
    work_on(_worker(settings, stop))


def work_on(worker: Worker) -> None:
    """Work jobs as they come. News of this program that the database would not take is told again every
    quarter of a minute, between jobs: it never holds one up.
    """
    tell_at: float | None = 0.0
    while not worker.stop.is_set():
        if tell_at is not None and monotonic() >= tell_at:
            tell_at = None if announced(worker) else monotonic() + _TROUBLE_SECONDS
        try:
            wait = 0.0 if run_once(worker) else IDLE_SECONDS
        except AppError as problem:
            log.warning("worker: %s", problem.key)
            wait = _TROUBLE_SECONDS
        worker.stop.wait(wait)


def announce(worker: Worker) -> None:
    """Tell the database which version of the checks, and which dictionary, this program brings."""
    for tell in _NEWS:
        tell(worker.rpc)


def announced(worker: Worker) -> bool:
    """`announce`, each piece of news by itself; whether all of it arrived. What did not is logged."""
    arrived = True
    for tell in _NEWS:
        try:
            tell(worker.rpc)
        except AppError as problem:
            log.warning("worker: %s failed: %s", tell.__qualname__, problem.key)
            arrived = False
        except Exception:  # a fault of this program's own data must not stop the background work
            log.exception("worker: %s failed", tell.__qualname__)
            arrived = False
    return arrived


def _announce_checks(rpc: db.Rpc) -> object:
    return rpc("service_announce_checks", p_version=CHECKS_VERSION)


def _announce_dictionary(rpc: db.Rpc) -> object:
    return dictionary.announce(rpc)


_NEWS: Final[tuple[Callable[[db.Rpc], object], ...]] = (_announce_checks, _announce_dictionary)


def stop_on_signals(stop: threading.Event) -> None:
    """SIGTERM and SIGINT end the worker after the chunk at hand (main thread only)."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)


def _worker(settings: Settings, stop: threading.Event) -> Worker:
    return Worker(rpc=Service(settings).rpc, keyring=Keyring.parse(settings.pii_key), stop=stop)
