"""Phones and addresses read again, because rules or facts are newer than the verdict."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from backend.db import Rpc
from backend.imports import encode, runner
from backend.job import Job, Outcome
from backend.pii import Keyring, PiiError

_CHUNK: Final = 500
_OUTDATED_SECONDS: Final = 60.0  # a newer replica judges; this one only looks again
log = logging.getLogger(__name__)


def recheck_orders(job: Job) -> Outcome:
    """Kind of the worker: every waiting order of a shop whose verdict is older."""
    rpc, shop_id = job.worker.rpc, job.payload["shop_id"]
    rules = runner.check_rules(rpc, shop_id)
    if not rules.is_current:
        return _OUTDATED_SECONDS
    while True:
        rows = rpc(
            "service_unchecked_orders",
            p_shop_id=shop_id,
            p_after=job.cursor.get("after", 0),
            p_limit=_CHUNK,
        )
        if not rows:
            return None
        verdicts = list(_verdicts(job.worker.keyring, rows, rules.params))
        if verdicts:
            rpc("service_order_verdicts", p_rules_version=rules.version, p_verdicts=verdicts)
        job.progress = {"done": job.progress.get("done", 0) + len(rows)}
        if not job.step(after=rows[-1]["order_id"]):
            return 1.0


def recheck_order(rpc: Rpc, keyring: Keyring, shop_id: int, order_id: int) -> bool:
    """Judge one order now (a person corrected it and waits); False when it had a current verdict."""
    rules = runner.check_rules(rpc, shop_id)
    rows = rpc("service_unchecked_orders", p_shop_id=shop_id, p_after=order_id - 1, p_limit=1)
    if not rows or rows[0]["order_id"] != order_id:
        return False
    verdicts = [_verdict(keyring, rows[0], rules.params)]
    return bool(rpc("service_order_verdicts", p_rules_version=rules.version, p_verdicts=verdicts))


def _verdicts(
    keyring: Keyring, rows: Sequence[Mapping[str, Any]], params: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Verdicts on the contacts that can be read; an unreadable one stays unchecked and stops no other."""
    for row in rows:
        try:
            yield _verdict(keyring, row, params)
        except PiiError as problem:
            log.warning("order %s stays unchecked: %s", row["order_id"], problem)


def _verdict(keyring: Keyring, row: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    checked = encode.opened(keyring, row).check(params)
    found = encode.findings(checked)
    return {"order_id": row["order_id"], "facts_hash": row["facts_hash"], "findings": found}
