"""The word check of scripts: exactly the text with its braces, once for each shop it may be used in.

A shop's platform has words of its own, and evidence allows a word in one shop; so a text has a verdict per
shop, and is
offered only where it passed. A new dictionary, every week and a new shop make the worker read all of them
again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from backend import compliance
from backend.compliance.checking import subjects_of
from backend.db import Rpc
from backend.job import Job
from backend.words import Result

_CHUNK: Final = 200


def check_script(rpc: Rpc, script_id: int) -> dict[int, Result]:
    """Check the texts of a script that count, now; shop → result of the current text."""
    results: dict[int, Result] = {}
    for rows in _chunks(rpc, script_id=script_id):
        found = compliance.check(rpc, [subject for row in rows for subject in subjects_of(row)])
        results |= {
            row["shop_id"]: result for row, result in zip(rows, found, strict=True) if row["is_current"]
        }
    return results


def check_scripts(job: Job) -> float | None:
    """Kind of the worker: read every script again with the dictionary that holds."""
    rpc = job.worker.rpc
    for rows in _chunks(rpc, after=job.cursor.get("after", 0)):
        compliance.check(rpc, [subject for row in rows for subject in subjects_of(row)])
        job.progress = {"done": job.progress.get("done", 0) + len(rows)}
        if not job.step(after=rows[-1]["id"]):
            return 1.0
    return None


def _chunks(rpc: Rpc, *, script_id: int | None = None, after: int = 0) -> Iterator[list[Mapping[str, Any]]]:
    """The texts that count, a chunk at a time."""
    while rows := rpc("service_script_texts", p_after=after, p_limit=_CHUNK, p_script_id=script_id):
        yield rows
        after = rows[-1]["id"]
