"""Background work: one worker at a time, nothing lost, nothing endless."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from backend import jobs
from backend.errors import AppError
from backend.imports import encode, runner
from backend.job import Worker
from backend.orders import rechecks
from tests.sql.importing import (
    KEYRING,
    TEN,
    Connection,
    Rpc,
    add_member,
    add_shop,
    bring,
    connected,
    one,
    opened,
    record,
    shop_of,
    undone,
)


@pytest.fixture
def conn(sql_url: str) -> Iterator[Connection]:
    with undone(sql_url) as connection:
        add_shop(connection)
        connection.execute("delete from private.jobs")
        yield connection


def clock(conn: Connection, at: datetime) -> None:
    conn.execute("update private.test_clock set at = %s", (at,))


def enqueue(
    conn: Connection, kind: str = "tidy", key: str = "tidy", at: datetime = TEN, **payload: Any
) -> None:
    conn.execute(
        "select private.enqueue(%s, %s::jsonb, %s, %s)", (kind, psycopg.types.json.Jsonb(payload), key, at)
    )


def claim(rpc: Rpc, *kinds: str, seconds: int = 60) -> Any:
    return rpc("job_claim", p_kinds=list(kinds or ("tidy",)), p_lease_seconds=seconds)


def test_one_job_waits_per_key_and_comes_forward(conn: Connection) -> None:
    enqueue(conn, at=TEN + timedelta(hours=1), n=1)
    enqueue(conn, at=TEN, n=2)
    enqueue(conn, at=TEN + timedelta(hours=2), n=3)
    assert conn.execute("select run_at, payload from private.jobs").fetchall() == [(TEN, {"n": 3})]


def test_a_job_is_claimed_when_due_and_only_by_those_who_know_it(conn: Connection) -> None:
    rpc = Rpc(conn)
    enqueue(conn)
    clock(conn, TEN - timedelta(seconds=1))
    assert claim(rpc) is None
    clock(conn, TEN)
    assert claim(rpc, "other") is None
    assert claim(rpc)["kind"] == "tidy"
    assert claim(rpc) is None


def test_thirty_workers_share_ten_jobs_without_doing_one_twice(db_url: str) -> None:
    with connected(db_url) as conn:
        conn.execute("delete from private.jobs")
        for number in range(10):
            enqueue(conn, key=f"k{number}")

    def grab(_: int) -> Any:
        with connected(db_url) as own, own.transaction():
            own.execute("set local role service_role")
            row = own.execute("select public.job_claim('[\"tidy\"]', 60)").fetchone()
            return row and row[0] and row[0]["id"]

    with ThreadPoolExecutor(10) as pool:
        claimed = [found for found in pool.map(grab, range(30)) if found]
    assert sorted(claimed) == sorted(set(claimed))
    assert len(claimed) == 10


def test_a_second_job_of_a_key_waits_for_the_first(conn: Connection) -> None:
    rpc = Rpc(conn)
    enqueue(conn)
    first = claim(rpc)
    enqueue(conn)
    assert claim(rpc) is None
    assert rpc("job_finish", p_id=first["id"], p_lease_id=first["lease_id"])
    assert claim(rpc)["id"] != first["id"]


def test_a_lost_lease_hands_the_job_on_with_its_cursor(conn: Connection) -> None:
    rpc = Rpc(conn)
    clock(conn, TEN)
    enqueue(conn)
    first = claim(rpc)
    assert progress(rpc, first, after=500)
    clock(conn, TEN + timedelta(seconds=59))
    assert claim(rpc) is None
    clock(conn, TEN + timedelta(seconds=60))
    second = claim(rpc)
    assert (second["id"], second["cursor"]) == (first["id"], {"after": 500})
    assert not progress(rpc, first, after=9), "the first worker must stop"
    assert not rpc("job_finish", p_id=first["id"], p_lease_id=first["lease_id"])
    assert rpc("job_fail", p_id=first["id"], p_lease_id=first["lease_id"], p_error="x") == {"state": "lost"}
    assert one(conn, "select cursor from private.jobs") == {"after": 500}
    assert one(conn, "select state from private.jobs") == "running"


def progress(rpc: Rpc, job: Any, **cursor: Any) -> bool:
    kept: bool = rpc(
        "job_progress",
        p_id=job["id"],
        p_lease_id=job["lease_id"],
        p_cursor=cursor,
        p_progress={"done": 1},
        p_lease_seconds=60,
    )
    return kept


def test_failures_come_back_later_and_later_and_end(conn: Connection) -> None:
    rpc = Rpc(conn)
    enqueue(conn)
    now, waits = TEN, []
    for _ in range(8):
        clock(conn, now)
        job = claim(rpc)
        answer = rpc("job_fail", p_id=job["id"], p_lease_id=job["lease_id"], p_error="service.slow")
        due = datetime.fromisoformat(answer["run_at"])
        waits.append((due - now).total_seconds())
        now = max(due, now)
    assert waits[:7] == [1, 5, 25, 120, 600, 3600, 21600]
    assert conn.execute("select state, last_error, attempts from private.jobs").fetchone() == (
        "dead",
        "service.slow",
        8,
    )
    clock(conn, now + timedelta(days=1))
    assert claim(rpc) is None


def test_a_job_that_kills_its_workers_ends_too(conn: Connection) -> None:
    rpc = Rpc(conn)
    enqueue(conn)
    for number in range(9):
        clock(conn, TEN + timedelta(hours=number))
        claim(rpc)
    assert conn.execute("select state, attempts from private.jobs").fetchone() == ("dead", 8)


def test_progress_forgives_earlier_failures_and_snoozing_counts_as_none(conn: Connection) -> None:
    rpc = Rpc(conn)
    clock(conn, TEN)
    enqueue(conn)
    job = claim(rpc)
    rpc("job_fail", p_id=job["id"], p_lease_id=job["lease_id"], p_error="x")
    clock(conn, TEN + timedelta(seconds=1))
    job = claim(rpc)
    assert job["attempts"] == 2
    assert progress(rpc, job)
    assert one(conn, "select attempts from private.jobs") == 1
    assert rpc("job_snooze", p_id=job["id"], p_lease_id=job["lease_id"], p_seconds=30)
    row = conn.execute("select state, attempts, run_at from private.jobs").fetchone()
    assert row == ("queued", 0, TEN + timedelta(seconds=31))


# --- who sees and retries ---


def test_leaders_see_the_jobs_of_their_shops_and_retry_dead_ones(conn: Connection) -> None:
    shop, two = shop_of(conn).id, add_shop(conn, "two")
    conn.execute("delete from private.jobs")  # the scripts of a new shop wait to be read
    enqueue(conn, "evaluate_shop", "a", shop_id=shop)
    enqueue(conn, "evaluate_shop", "b", shop_id=two)
    conn.execute("update private.jobs set state = 'dead', finished_at = now(), last_error = 'x'")
    call = Rpc(conn, add_member(conn, "manager", shop))
    seen = call("list_jobs")
    assert [(job["shop_id"], job["state"], job["last_error"]) for job in seen] == [(shop, "dead", "x")]
    other = one(conn, "select id from private.jobs where dedupe_key = 'b'")
    with pytest.raises(AppError, match=r"shop\.none"):
        call("retry_job", p_id=other, p_request_id=str(uuid.uuid4()))
    request = str(uuid.uuid4())
    for _ in range(2):
        call("retry_job", p_id=seen[0]["id"], p_request_id=request)
    states = conn.execute("select dedupe_key, state from private.jobs order by id").fetchall()
    assert states == [("a", "done"), ("b", "dead"), ("a", "queued")]
    with pytest.raises(AppError, match=r"job\.not_dead"):
        call("retry_job", p_id=seen[0]["id"], p_request_id=str(uuid.uuid4()))


def test_the_list_names_the_file_and_leaves_routine_work_out(conn: Connection) -> None:
    left = left_behind(conn, "import_check")
    conn.execute("delete from private.jobs")
    enqueue(conn, "finish_import", "a", import_id=left)
    for kind in ("retention", "end_decisions"):
        enqueue(conn, kind, kind)
    manager = Rpc(conn, add_member(conn, "manager", shop_of(conn).id))
    assert [(job["kind"], job["file_name"], job["total"]) for job in manager("list_jobs")] == [
        ("finish_import", "test.csv", 2)
    ]
    assert manager("home_screen")["dead_jobs"] == 0
    conn.execute("update private.jobs set state = 'dead', finished_at = now() where kind <> 'end_decisions'")
    assert {job["kind"] for job in manager("list_jobs")} == {"finish_import", "retention"}
    assert manager("home_screen")["dead_jobs"] == 2
    agent = Rpc(conn, add_member(conn, "agent", shop_of(conn).id))
    assert agent("home_screen")["dead_jobs"] == 0


def test_a_manager_retries_no_import_of_another_shop(conn: Connection) -> None:
    left = left_behind(conn, "import_check")
    enqueue(conn, "finish_import", "a", import_id=left)
    conn.execute("update private.jobs set state = 'dead', finished_at = now() where dedupe_key = 'a'")
    stranger = Rpc(conn, add_member(conn, "manager", add_shop(conn, "two")))
    assert [job["kind"] for job in stranger("list_jobs") if job["state"] == "dead"] == []
    job = one(conn, "select id from private.jobs where dedupe_key = 'a'")
    with pytest.raises(AppError, match=r"shop\.none"):
        stranger("retry_job", p_id=job, p_request_id=str(uuid.uuid4()))
    assert one(conn, "select state from private.jobs where id = %s", job) == "dead"


@pytest.mark.parametrize("role", ["agent", "warehouse", "operations", "analyst"])
def test_others_neither_see_nor_retry_nor_work(conn: Connection, role: str) -> None:
    enqueue(conn)
    call = Rpc(conn, add_member(conn, role, shop_of(conn).id))
    with pytest.raises(AppError, match=r"member\.role"):
        call("list_jobs")
    with pytest.raises(AppError, match=r"member\.role"):
        call("retry_job", p_id=1, p_request_id=str(uuid.uuid4()))
    with pytest.raises(AppError, match=r"access\.denied"):
        claim(call)
    assert one(conn, "select state from private.jobs") == "queued"


# --- the kinds ---


@pytest.fixture
def worker(conn: Connection) -> Worker:
    return Worker(Rpc(conn), KEYRING)


class Ends(threading.Event):
    """A stop that comes when the worker would pause for the second time."""

    pauses = 0

    def wait(self, timeout: float | None = None) -> bool:
        if timeout:
            self.pauses += 1
        if self.pauses == 2:
            self.set()
        return self.is_set()


class Stumbles(Rpc):
    """The database, where some calls end in an error that nobody expects."""

    def __init__(self, conn: Connection, **errors: Exception) -> None:
        super().__init__(conn)
        self.errors = errors
        self.called: list[str] = []

    def __call__(self, name: str, **params: Any) -> Any:
        self.called.append(name)
        if name in self.errors:
            raise self.errors[name]
        return super().__call__(name, **params)


@pytest.mark.parametrize(
    "errors",
    [
        {"service_words_version": RuntimeError("broken")},
        {"service_words_version": AppError("words.bad_entry", status=422)},
        {"service_announce_checks": ZeroDivisionError()},
    ],
)
def test_news_that_cannot_be_told_hold_up_no_job(conn: Connection, errors: dict[str, Exception]) -> None:
    clock(conn, TEN)
    enqueue(conn, "end_decisions", "one")
    enqueue(conn, "retention", "two")
    rpc = Stumbles(conn, **errors)
    jobs.work_on(Worker(rpc, KEYRING, Ends()))
    assert {"service_announce_checks", "service_words_version"} <= set(rpc.called), "each is told by itself"
    assert {"service_end_decisions", "service_retention"} <= set(rpc.called)
    assert conn.execute("select last_error from private.jobs where last_error is not null").fetchall() == []


def test_a_job_that_stumbles_fails_alone(conn: Connection) -> None:
    clock(conn, TEN)
    enqueue(conn, "end_decisions", "one")
    enqueue(conn, "retention", "two")
    rpc = Stumbles(conn, service_end_decisions=ZeroDivisionError())
    jobs.work_on(Worker(rpc, KEYRING, Ends()))
    assert "service_retention" in rpc.called
    query = "select last_error, attempts from private.jobs where kind = 'end_decisions'"
    assert conn.execute(query).fetchone() == ("ZeroDivisionError", 1)


def left_behind(conn: Connection, until: str) -> int:
    """An import of two orders whose owner vanished right before the RPC `until`."""

    class Dies(Exception):  # noqa: N818 - the process is gone
        pass

    class Mortal(Rpc):
        def __call__(self, name: str, **params: Any) -> Any:
            if name == until:
                raise Dies
            return super().__call__(name, **params)

    clock(conn, TEN)
    with pytest.raises(Dies):
        bring(conn, [record(1, phone="123"), record(2)], call=Mortal(conn))
    return int(one(conn, "select id from imports"))


def test_an_import_left_behind_is_finished_by_the_worker(conn: Connection, worker: Worker) -> None:
    left_behind(conn, "import_apply")
    clock(conn, TEN + timedelta(minutes=1))
    assert not jobs.run_once(worker), "its owner may still be there"
    clock(conn, TEN + timedelta(minutes=6))
    assert jobs.run_once(worker)
    assert conn.execute("select state, accepted from imports").fetchone() == ("done", 2)
    assert opened(conn) == {"NO00001": ["bad_phone"]}
    assert one(conn, "select state from private.jobs where kind = 'finish_import'") == "done"


def test_a_file_that_never_arrived_whole_is_given_up(conn: Connection, worker: Worker) -> None:
    left_behind(conn, "import_ready")
    clock(conn, TEN + timedelta(minutes=6))
    assert jobs.run_once(worker)
    assert one(conn, "select state from imports") == "staging", "the same file may still come again"
    clock(conn, TEN + timedelta(minutes=31))
    assert jobs.run_once(worker)
    assert one(conn, "select state from imports") == "cancelled"
    assert one(conn, "select count(*) from private.import_rows") == 0


def test_an_import_at_work_is_left_alone(conn: Connection, worker: Worker) -> None:
    import_id = left_behind(conn, "import_apply")
    clock(conn, TEN + timedelta(minutes=6))
    Rpc(conn)("import_apply", p_import_id=import_id, p_limit=1)
    assert jobs.run_once(worker)
    assert conn.execute("select state, rows_applied from imports").fetchone() == ("applying", 1)
    assert one(conn, "select state from private.jobs where kind = 'finish_import'") == "queued"


def test_a_recheck_reads_what_the_file_said(
    conn: Connection, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rechecks, "_CHUNK", 2)
    records = [
        record(1, phone="123"),
        record(2, city="南京市"),
        record(3, province=None, city=None, district=None, address="浙江省杭州市西湖区"),
        record(4, seller_note="刷单"),
        record(5, buyer_note="测试单，勿发"),
        record(6),
        record(7, phone="138****0007"),
    ]
    bring(conn, records)
    before = conn.execute(
        "select order_id, kind, state, evidence, fingerprint from order_exceptions order by 1, 2"
    ).fetchall()
    assert {kind for _, kind, _, _, _ in before} == {"bad_phone", "mismatch", "missing_detail", "suspicious"}
    conn.execute("update orders set checked_facts_hash = null, findings = null")
    conn.execute("delete from order_exceptions")
    enqueue(conn, "recheck_orders", "recheck", shop_id=shop_of(conn).id)
    assert jobs.run_once(worker)
    after = conn.execute(
        "select order_id, kind, state, evidence, fingerprint from order_exceptions order by 1, 2"
    ).fetchall()
    assert after == before
    assert one(conn, "select bool_and(is_checked) from orders")
    assert one(conn, "select progress from private.jobs where kind = 'recheck_orders'") == {"done": 7}


def test_one_corrected_order_is_judged_at_once(conn: Connection) -> None:
    rpc = Rpc(conn)
    bring(conn, [record(1, phone="123"), record(2)])
    order_id, contact_id = conn.execute(
        "select id, contact_id from orders where order_no = 'NO00001'"
    ).fetchone()  # type: ignore[misc]
    sealed = encode.seal(KEYRING, encode.contact_of(record(1)), contact_id)
    conn.execute(
        "update private.contacts set phone_cipher = %s where id = %s", (sealed.cells["phone"], contact_id)
    )
    conn.execute("update orders set facts_hash = %s where id = %s", (sealed.facts_hash, order_id))
    shop_id = shop_of(conn).id
    assert rechecks.recheck_order(rpc, KEYRING, shop_id, order_id)
    assert opened(conn) == {}
    assert not rechecks.recheck_order(rpc, KEYRING, shop_id, order_id)


def test_a_verdict_on_other_facts_is_not_stored(conn: Connection) -> None:
    rpc = Rpc(conn)
    bring(conn, [record(1)])
    order_id = one(conn, "select id from orders")
    verdict = {
        "order_id": order_id,
        "facts_hash": "other",
        "findings": [{"kind": "bad_phone", "evidence": {}}],
    }
    version = runner.check_rules(rpc, None).version
    assert rpc("service_order_verdicts", p_rules_version=version, p_verdicts=[verdict]) == 0
    assert opened(conn) == {}


def test_a_value_nobody_can_read_stops_no_other_order(
    conn: Connection, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    bring(conn, [record(1), record(2)])
    broken = "v1.x.AAAABBBBCCCCDDDD.AAAABBBBCCCCDDDDEEEEFF"
    conn.execute(
        "update private.contacts set phone_cipher = %s where id = (select min(contact_id) from orders)",
        (broken,),
    )
    conn.execute("update orders set checked_facts_hash = null")
    enqueue(conn, "recheck_orders", "recheck", shop_id=shop_of(conn).id)
    assert jobs.run_once(worker)
    row = conn.execute("select state, last_error from private.jobs where kind = 'recheck_orders'").fetchone()
    assert row == ("done", None)
    assert conn.execute("select is_checked from orders order by contact_id").fetchall() == [(False,), (True,)]
    assert broken not in caplog.text
    assert "stays unchecked" in caplog.text


def test_a_stopped_worker_ends_after_its_chunk_and_the_next_goes_on(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rechecks, "_CHUNK", 2)
    bring(conn, [record(n, phone="123") for n in range(1, 6)])
    conn.execute("update orders set checked_facts_hash = null")
    clock(conn, TEN)
    enqueue(conn, "recheck_orders", "recheck", shop_id=shop_of(conn).id)
    stop = threading.Event()
    stop.set()
    assert jobs.run_once(Worker(Rpc(conn), KEYRING, stop))
    assert one(conn, "select count(*) from orders where is_checked") == 2
    clock(conn, TEN + timedelta(seconds=1))
    assert jobs.run_once(Worker(Rpc(conn), KEYRING))
    assert one(conn, "select count(*) from orders where is_checked") == 5


def test_retention_forgets_what_is_old_and_comes_back_tomorrow(conn: Connection, worker: Worker) -> None:
    clock(conn, TEN)
    requests = "insert into private.requests (actor, request_id, rpc, args_hash, created_at) values ('a', gen_random_uuid(), %s, 'h', %s)"
    conn.execute(requests, ("old", TEN - timedelta(days=8)))
    conn.execute(requests, ("new", TEN - timedelta(days=6)))
    history = "insert into audit_events (at, actor, entity, action) values (%s, 'cli', 'x', %s)"
    conn.execute(history, (datetime.now(TEN.tzinfo) - timedelta(days=3 * 366 + 2), "ancient"))
    conn.execute(history, (datetime.now(TEN.tzinfo) - timedelta(days=2 * 365), "kept"))
    clock(conn, datetime.now(TEN.tzinfo))
    conn.execute("update private.requests set created_at = now() - interval '6 days' where rpc = 'new'")
    enqueue(conn, "retention", "retention")
    assert jobs.run_once(worker)
    assert one(conn, "select array_agg(rpc) from private.requests") == ["new"]
    assert one(conn, "select array_agg(action) from audit_events where entity = 'x'") == ["kept"]
    waiting = conn.execute(
        "select state, run_at > private.now() + interval '23 hours' from private.jobs order by id"
    ).fetchall()
    assert waiting == [("done", False), ("queued", True)]


def test_no_job_holds_personal_data(conn: Connection) -> None:
    bring(conn, [record(1, phone="123")])
    text = one(conn, "select string_agg(j::text, ' ') from private.jobs j")
    for clear in ("周强军", "文三路", "buyer1"):
        assert clear not in text
