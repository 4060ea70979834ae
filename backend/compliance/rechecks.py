"""Kinds of the worker: all texts read again, a proposal tried, the end of an exemption. Each is safe to
run twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from backend.compliance import checking, dictionary
from backend.compliance.checking import Subject
from backend.job import Job
from backend.words import Result

_CHUNK: Final = 200  # listings; up to three texts in up to two revisions each, well under a second
_SAMPLES: Final = 200  # differences a trial names; beyond that it counts
Found = set[tuple[str, str]]


def recheck_texts(job: Job) -> float | None:
    """Read every text that counts with the version that holds; a newer version meanwhile starts a new
    run."""
    rpc = job.worker.rpc
    version = dictionary.announce(rpc)["version"]
    if job.cursor.get("version") != version:
        run = rpc("service_recheck_begin", p_cause=job.payload["cause"], p_words_version=version)
        job.step(version=version, run=run["id"], after=0)
    while True:
        after = job.cursor["after"]
        rows = rpc("service_texts", p_after=after, p_limit=_CHUNK)
        if not rows:
            rpc("service_recheck_end", p_id=job.cursor["run"])
            return None
        checking.check(rpc, _subjects(rows))
        upto = rows[-1]["listing_id"]
        run = rpc("service_recheck_step", p_id=job.cursor["run"], p_after=after, p_upto=upto)
        job.progress = {"done": run["done"], "total": run["total"]} if run else {}
        if not job.step(after=upto):
            return 1.0


def try_words(job: Job) -> float | None:
    """Read every text with the dictionary as a proposal would make it, and say what would differ."""
    rpc, proposal_id = job.worker.rpc, job.payload["proposal_id"]
    proposal = rpc("service_proposal", p_id=proposal_id)
    if proposal is None or proposal["state"] not in {"draft", "submitted"}:
        return None
    before = dictionary.current(rpc)
    after = dictionary.proposed(rpc, before.version, proposal_id)
    trial = _new_trial(before.version)
    try:
        after.on(None)
        checking.judge(after, [_PROBE])
    except ValueError as problem:  # a pattern that does not compile: the proposal cannot go on
        failed = trial | {"state": "failed", "error": str(problem)[:200]}
        rpc("service_trial", p_id=proposal_id, p_items_version=proposal["items_version"], p_trial=failed)
        return None
    place = 0
    while rows := rpc("service_texts", p_after=place, p_limit=_CHUNK):
        subjects = list(_subjects(rows))
        _compare(trial, rows, subjects, checking.judge(before, subjects), checking.judge(after, subjects))
        place = rows[-1]["listing_id"]
        trial["done"] += len({row["listing_id"] for row in rows})
        if not rpc(
            "service_trial", p_id=proposal_id, p_items_version=proposal["items_version"], p_trial=trial
        ):
            return None
        job.progress = {"done": trial["done"]}
        if not job.step():
            return 1.0  # a trial is short: the next worker begins it anew
    trial["state"] = "done"
    rpc("service_trial", p_id=proposal_id, p_items_version=proposal["items_version"], p_trial=trial)
    return None


def settle_exemption(job: Job) -> float | None:
    """The day after an exemption's last: what it allowed is judged without it."""
    job.worker.rpc("service_settle_exemption", p_id=job.payload["exemption_id"])
    return None


_PROBE: Final = Subject(text="试", kind="title", shop_id=0, entity="probe", entity_id=0)


def _subjects(rows: Iterable[Mapping[str, Any]]) -> Iterable[Subject]:
    for row in rows:
        yield from checking.subjects_of(row)


def _new_trial(version: int) -> dict[str, Any]:
    return {
        "state": "running",
        "words_version": version,
        "done": 0,
        "texts": 0,
        "new_count": 0,
        "released_count": 0,
        "live_blocked": 0,
        "terms": {},
        "new": [],
        "released": [],
    }


def _compare(
    trial: dict[str, Any],
    rows: Sequence[Mapping[str, Any]],
    subjects: Sequence[Subject],
    before: Sequence[Result],
    after: Sequence[Result],
) -> None:
    listings = {row["entity_id"]: row for row in rows}
    terms = Counter(trial["terms"])
    for subject, old, new in zip(subjects, before, after, strict=True):
        row = listings[subject.entity_id]
        trial["texts"] += 1
        was, now = _found(old), _found(new)
        for kind, difference in (("new", now - was), ("released", was - now)):
            trial[f"{kind}_count"] += len(difference)
            for term, severity in sorted(difference):
                terms[term] += 1
                if len(trial[kind]) < _SAMPLES:
                    trial[kind].append(
                        {
                            "listing_id": row["listing_id"],
                            "shop_id": subject.shop_id,
                            "part": subject.part,
                            "term": term,
                            "severity": severity,
                            "is_live": row["is_live"],
                        }
                    )
        if row["is_live"] and new.verdict == "block" and old.verdict != "block":
            trial["live_blocked"] += 1
    trial["terms"] = dict(terms.most_common(50))


def _found(result: Result) -> Found:
    return {(hit.term, hit.severity) for hit in result.hits}
