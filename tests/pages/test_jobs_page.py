"""后台任务: what failed and why, its retry, and who may look."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from backend.job import Job, Worker
from backend.local.stack import Stack
from backend.pii import Keyring
from backend.service import Service
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.people import settings_of

Ask = Callable[..., list[tuple]]


@pytest.fixture
def ask(stack: Stack) -> Iterator[Ask]:
    """Rows as the owner sees them; the jobs of a test are gone afterwards."""
    with psycopg.connect(stack.db_url, autocommit=True) as owner:
        yield lambda query, *values: owner.execute(query, values).fetchall()
        owner.execute("delete from private.jobs where dedupe_key like 'page-%'")


def add_job(ask: Ask, key: str, kind: str, state: str, error: str | None = None) -> int:
    ((job_id,),) = ask(
        """insert into private.jobs
               (kind, dedupe_key, state, run_at, created_at, attempts, last_error, finished_at)
           values (%s, %s, %s, now(), now(), 8, %s, case when %s in ('dead', 'done') then now() end)
           returning id""",
        *(kind, f"page-{key}", state, error, state),
    )
    return int(job_id)


def test_what_failed_says_why_and_is_retried(app_as: AppAs, ask: Ask) -> None:
    failed = add_job(ask, "a", "evaluate_shop", "dead", "job.abandoned")
    add_job(ask, "b", "recheck_orders", "dead", "KeyError")
    add_job(ask, "c", "recheck_orders", "done")
    tab = app_as("manager", "jobs")
    said = shown(tab)
    assert zh("jobs.section.failed", count=2) in said
    assert "后台任务多次中断" in said
    assert zh("jobs.broken", name="KeyError") in said
    tab.button(key=f"jobs_retry_{failed}").click().run()
    assert ask("select state from private.jobs where dedupe_key = 'page-a' order by id") == [
        ("done",),
        ("queued",),
    ]
    assert zh("jobs.section.failed", count=1) in shown(tab)


def test_how_far_a_job_is_moves_with_it(app_as: AppAs, ask: Ask, stack: Stack) -> None:
    job_id = add_job(ask, "a", "recheck_orders", "queued")
    ask("update private.jobs set kind = 'page_only' where id = %s returning id", job_id)
    rpc = Service(settings_of(stack)).rpc
    claimed = rpc("job_claim", p_kinds=["page_only"], p_lease_seconds=60)
    job = Job(worker=Worker(rpc, Keyring.parse(settings_of(stack).pii_key)), **claimed)
    job.progress = {"done": 40}
    assert job.step(after=7)
    assert zh("jobs.progress", done=40) in shown(app_as("admin", "jobs"))
    assert ask("select cursor ->> 'after' from private.jobs where id = %s", job_id) == [("7",)]


def test_an_admin_sees_on_the_start_page_that_something_failed(app_as: AppAs, ask: Ask) -> None:
    add_job(ask, "a", "evaluate_shop", "dead", "service.slow")
    for role, told in (("admin", True), ("operations", False)):
        tab = app_as(role, "home")
        links = [link.label for link in tab.get("page_link")]
        assert any("后台任务" in label for label in links) is told
