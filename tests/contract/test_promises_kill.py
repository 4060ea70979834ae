"""kill -9 of the database and of the gateway while files are imported and orders decided.

Whatever was acknowledged is there, nothing is half-written, and doing it again completes it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from backend import db
from backend.errors import AppError
from backend.imports.runner import Importer, Shop, import_file
from backend.local.stack import Stack
from backend.pii import Keyring
from backend.service import Service
from tests.conftest import Installation
from tests.people import Account, add_shop, settings_of, sign_up
from tests.support import wait_until
from tests.unit import import_files

ORDERS = 2400  # two chunks of the importer
FILE = import_files.own(
    *(
        {
            "订单号": f"KILL{number:06d}",
            "手机号": f"137{number:08d}",
            "下单IP": "",
            "省": "新疆维吾尔自治区" if number % 10 == 0 else "浙江省",
            "市": "乌鲁木齐市" if number % 10 == 0 else "杭州市",
            "区": "天山区" if number % 10 == 0 else "西湖区",
        }
        for number in range(ORDERS)
    )
)
HALF_WRITTEN = {
    "an order without items": """
        select o.order_no from orders o
        where not exists (select from order_items i where i.order_id = o.id)""",
    "an order without its contact": """
        select o.order_no from orders o left join private.contacts c on c.id = o.contact_id
        where o.contact_state = 'ok' and c.id is null""",
    "a contact of no order": """
        select c.id::text from private.contacts c
        where c.kind = 'order' and not exists (select from orders o where o.contact_id = c.id)""",
    "a blocking exception without a review": """
        select e.id::text from order_exceptions e where e.is_blocking and e.kind <> 'unpaid'
        and not exists (select from order_reviews r where r.order_id = e.order_id)""",
    "a review that contradicts its exceptions": """
        select r.order_id::text from order_reviews r where (r.state <> 'done') <> exists (
            select from order_exceptions e
            where e.order_id = r.order_id and e.is_blocking and e.kind <> 'unpaid'
              and e.state in ('open', 'waiting_customer'))""",
    "a finished review whose clock runs": """
        select r.order_id::text from order_reviews r join sla_clocks c on c.id = r.clock_id
        where (r.state = 'done') <> (c.stopped_at is not null)""",
    "an import that is done with rows missing": """
        select i.id::text from imports i where i.state = 'done' and i.kind = 'orders' and i.rows_total <>
            i.accepted + i.updated + i.unchanged + i.rejected""",
    "staged rows of an import that ended": """
        select r.import_id::text from private.import_rows r join imports i on i.id = r.import_id
        where i.finished_at is not null""",
    "a decision without history": """
        select e.id::text from order_exceptions e
        where e.state = 'waived' and 1 <> (select count(*) from audit_events a
            where a.action = 'exception_waived' and (a.detail ->> 'exception_id')::bigint = e.id)""",
    "history without a decision": """
        select a.id::text from audit_events a
        join order_exceptions e on e.id = (a.detail ->> 'exception_id')::bigint
        where a.action = 'exception_waived' and e.state <> 'waived'""",
}


@pytest.fixture(scope="module")
def desk(installation: Installation) -> Iterator[Stack]:
    """A stack as in real use: every commit reaches the disk."""
    with Stack(installation("kill")) as stack:
        yield stack


def ask(stack: Stack, query: str, *values: Any) -> list[Any]:
    """Rows as the owner, patiently: the database may be on its way back."""
    end = time.monotonic() + 30
    while True:
        try:
            with psycopg.connect(stack.db_url) as owner:
                return owner.execute(query.encode(), values).fetchall()
        except psycopg.OperationalError:
            assert time.monotonic() < end


def half_written(stack: Stack) -> dict[str, list[Any]]:
    """Whatever contradicts itself."""
    found = {what: ask(stack, query) for what, query in HALF_WRITTEN.items()}
    return {what: rows for what, rows in found.items() if rows}


def kill(stack: Stack, part: str) -> None:
    """kill -9, and wait until the stack has brought the part back."""
    old = stack.pids[part]
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: stack.pids.get(part, old) != old)


# --- while a file is imported ---


def importing(stack: Stack, code: str) -> dict[str, Any]:
    """Import the file into a shop, as the command does."""
    settings = settings_of(stack)
    service = Service(settings)
    shop = Shop(**service.rpc("service_ensure_shop", p_platform="own", p_code=code, p_create=False))
    importer = Importer(call=service.rpc, service=service.rpc, keyring=Keyring.parse(settings.pii_key))
    return import_file(importer, FILE, name="kill.csv", kind="orders", shop=shop)


@pytest.mark.parametrize(("part", "moment"), [("postgres", "rows_applied"), ("gateway", "rows_staged")])
def test_an_import_survives(desk: Stack, part: str, moment: str) -> None:
    code = add_shop(desk, f"{part}-{moment.replace('_', '-')}"[:20], platform="own")
    reports: list[dict[str, Any]] = []
    problems: list[AppError] = []

    def work() -> None:
        try:
            reports.append(importing(desk, code))
        except AppError as problem:
            problems.append(problem)

    progress = f"select {moment} from imports i join shops s on s.id = i.shop_id where s.code = %s"
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    wait_until(lambda: any(row[0] > 0 for row in ask(desk, progress, code)))
    kill(desk, part)
    thread.join(90)
    assert not thread.is_alive()
    assert [problem.key for problem in problems if problem.status < 500] == []
    assert half_written(desk) == {}
    wait_until(lambda: is_served(desk))
    report = importing(desk, code)  # goes on where it stopped, or finds everything there
    assert report["state"] == "done"
    assert report["accepted"] + report["unchanged"] == ORDERS
    assert reports == [] or reports[0]["accepted"] == ORDERS
    assert half_written(desk) == {}
    assert ask(desk, STORED, code) == [(ORDERS, ORDERS, ORDERS)]
    assert ask(desk, REMOTE, code) == [(ORDERS // 10,)]


STORED = """
    select count(*), count(distinct o.order_no), count(*) filter (where is_checked)
    from orders o join shops s on s.id = o.shop_id where s.code = %s"""
REMOTE = """
    select count(*) from order_exceptions e join shops s on s.id = e.shop_id
    where e.kind = 'remote' and s.code = %s"""


def is_served(stack: Stack) -> bool:
    """Whether the API answers the service key."""
    try:
        Service(settings_of(stack)).rpc("service_import_state", p_import_id=0)
    except AppError:
        return False
    return True


# --- while people decide ---


def test_decisions_survive(desk: Stack) -> None:
    """Two people decide one exception after the other while parts are killed; each repeats the unanswered."""
    code = add_shop(desk, "decide", platform="own")
    ids = [row[0] for row in ask(desk, DECIDABLE, code)]
    people = [sign_up(desk, "operations", shops=[code], own_device=True) for _ in range(2)]
    acknowledged: list[int] = []
    problems: list[str] = []
    halves = (ids[::2], ids[1::2])
    threads = [
        threading.Thread(target=decide_all, args=(desk, person, half, acknowledged, problems), daemon=True)
        for person, half in zip(people, halves, strict=True)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) >= len(ids) // 3)
    kill(desk, "postgres")
    wait_until(lambda: len(acknowledged) >= len(ids) * 2 // 3)
    kill(desk, "gateway")
    for thread in threads:
        thread.join(90)
    assert problems == []
    assert sorted(acknowledged) == sorted(ids)
    assert half_written(desk) == {}
    waived = ask(desk, "select id from order_exceptions where state = 'waived'")
    assert {row[0] for row in waived} == set(ids)


DECIDABLE = """
    with made as (
        insert into orders (shop_id, order_no, platform_status, status, amount, facts_hash, content_hash,
            contact_state)
        select s.id, 'DECIDE' || n, '待发货', 'to_ship', 10, 'f', 'c', 'absent'
        from shops s, generate_series(1, 60) n
        where s.code = %s returning id, shop_id
    ), items as (
        insert into order_items (order_id, shop_id, line_no, quantity) select id, shop_id, 1, 1 from made
    ), found as (
        insert into order_exceptions (order_id, shop_id, kind, is_blocking, severity, fingerprint,
            detected_at)
        select id, shop_id, 'remote', true, 'normal', 'f', now() from made returning id, order_id
    )
    select id from found"""


def decide_all(
    stack: Stack, person: Account, ids: list[int], acknowledged: list[int], problems: list[str]
) -> None:
    """Waive one exception after the other; a request that was not answered is sent again, unchanged."""
    client = db.user_client(settings_of(stack), person.session.access_token)
    for exception_id in ids:
        request = str(uuid.uuid4())
        item = {"id": exception_id, "version": 1}
        end = time.monotonic() + 40
        while time.monotonic() < end:
            try:
                answer = db.rpc(client, "decide_exceptions", p_request_id=request, p_items=[item],
                                p_decision="waived", p_reason="verified")  # fmt: skip
            except AppError as problem:
                if problem.status < 500:
                    problems.append(problem.key)
                    return
                threading.Event().wait(0.05)
                continue
            if answer["done"] != 1:
                problems.append(str(answer))
            acknowledged.append(exception_id)
            break
