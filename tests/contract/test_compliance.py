"""The word check over HTTP, as the pages and the worker use it: dictionary, listings, evidence, files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from supabase import Client

from backend import db, jobs
from backend.compliance import Subject, check, commands, look, reads, transfer
from backend.compliance.models import Draft, FileCheck, ListingRef, Operation
from backend.config import Settings
from backend.errors import AppError
from backend.imports.reader import open_table
from backend.job import Worker
from backend.local.stack import Stack
from backend.pii import Keyring
from backend.service import Service
from tests.people import Account, add_shop, hire, settings_of

PNG = b"\x89PNG\r\n\x1a\n" + bytes(200_000)


@pytest.fixture(scope="module")
def settings(stack: Stack) -> Settings:
    return settings_of(stack)


@pytest.fixture(scope="module")
def service(settings: Settings) -> Service:
    return Service(settings)


@pytest.fixture(scope="module")
def people(stack: Stack) -> dict[str, Account]:
    """Two operations members, two managers, an agent and an analyst of a shop of this module alone."""
    shop = add_shop(stack, "words-http")
    roles = {
        "ops": "operations",
        "op2": "operations",
        "mgr": "manager",
        "mg2": "manager",
        "ann": "agent",
        "ana": "analyst",
    }
    return {name: hire(stack, role, shops=[shop]) for name, role in roles.items()}


@pytest.fixture
def client(settings: Settings, people: dict[str, Account]) -> Callable[[str], Client]:
    """The client of a person."""
    return lambda name: db.user_client(settings, people[name].session.access_token)


@pytest.fixture(scope="module")
def shop_id(stack: Stack, people: dict[str, Account]) -> int:
    with psycopg.connect(stack.db_url) as owner:
        found = owner.execute("select id from shops where code = 'words-http'").fetchone()
    assert found is not None
    return int(found[0])


@pytest.fixture
def work(stack: Stack, settings: Settings) -> Callable[[], None]:
    """Lets the worker do the jobs of the word check that are due."""

    def run() -> None:
        worker = Worker(Service(settings).rpc, Keyring.parse(stack.pii_key), threading.Event())
        kinds = ("recheck_texts", "try_words", "settle_exemption", "check_file")
        while jobs.run_once(worker, kinds=kinds):
            pass

    return run


def save(
    client: Client, service: Service, shop_id: int, title: str, **more: Any
) -> tuple[int, int, dict[str, Any]]:
    return commands.save_listing(client, service, Draft(shop_id, title, **more), request_id=uuid4())


def ref(client: Client, listing_id: int) -> ListingRef:
    found = reads.listing(client, listing_id)
    assert found is not None
    return ListingRef(listing_id, found.listing.version)


def published(client: Callable[[str], Client], service: Service, shop_id: int, title: str) -> int:
    """A listing by ops, through every station."""
    ops, mgr = client("ops"), client("mgr")
    listing_id, version, results = save(ops, service, shop_id, title)
    assert {result.verdict for result in results.values()} == {"clean"}
    moved = commands.submit(ops, [ListingRef(listing_id, version)], request_id=uuid4())
    assert moved.refused == ()
    commands.approve(client("op2"), [ref(ops, listing_id)], request_id=uuid4())
    commands.set_images(ops, ref(ops, listing_id), ["https://img.example/1.jpg"], request_id=uuid4())
    commands.approve(mgr, [ref(ops, listing_id)], request_id=uuid4())
    assert commands.publish(ops, [ref(ops, listing_id)], request_id=uuid4()).done == 1
    return listing_id


def test_what_is_typed_is_judged_without_a_trace(service: Service, stack: Stack) -> None:
    result = look(service.rpc, "全网第一的最佳面霜", category="cosmetics")
    assert result.verdict == "block"
    assert [hit.severity for hit in result.hits] == ["block"] * len(result.hits)
    with psycopg.connect(stack.db_url) as owner:
        found = owner.execute(
            "select count(*) from text_checks where sha = private.sha256('全网第一的最佳面霜')"
        )
        assert found.fetchone() == (0,)


def test_a_listing_from_draft_to_published_and_its_page(
    client: Callable[[str], Client], service: Service, shop_id: int
) -> None:
    listing_id = published(client, service, shop_id, "保湿面霜 50g")
    page = reads.listings(client("ann"), q="保湿面霜 50", shop_id=shop_id)
    assert [row.id for row in page.rows] == [listing_id]
    detail = reads.listing(client("ann"), listing_id)
    assert detail is not None
    assert (detail.listing.state, detail.listing.verdict) == ("published", "clean")
    assert detail.revision.checks[0].verdict == "clean"
    assert {right.key for right in detail.rights.values()} == {"member.role"}


def test_a_blocked_text_shows_its_hits_and_goes_nowhere(
    client: Callable[[str], Client], service: Service, shop_id: int
) -> None:
    ops = client("ops")
    listing_id, version, results = save(ops, service, shop_id, "水杯", description="这款是最佳的\r\n水杯\x00")
    assert results["description"].verdict == "block"
    moved = commands.submit(ops, [ListingRef(listing_id, version)], request_id=uuid4(), reason="我保证")
    assert [(a.key, a.part) for a in moved.refused] == [("text.blocked", "description")]
    detail = reads.listing(ops, listing_id)
    assert detail is not None
    assert detail.revision.description == "这款是最佳的\n水杯"
    part = next(c for c in detail.revision.checks if c.part == "description")
    assert detail.revision.description[part.hits[0].start : part.hits[0].end] == part.hits[0].term
    with pytest.raises(AppError, match=r"access\.denied|member\.role"):
        save(client("ann"), service, shop_id, "客服不写文案")


def test_evidence_lets_a_block_pass_until_revoked(
    client: Callable[[str], Client], service: Service, shop_id: int
) -> None:
    ops, mgr = client("ops"), client("mgr")
    listing_id, _, results = save(ops, service, shop_id, "2026 年度最佳设计台灯")
    term = results["title"].hits[0].term
    exemption_id, _ = commands.request_exemption(
        ops,
        shop_id=shop_id,
        term=term,
        reason="award",
        note="获奖证书",
        valid_until=date.today() + timedelta(days=90),
        request_id=uuid4(),
    )
    commands.add_evidence(ops, exemption_id, "证书.png", PNG, request_id=uuid4())
    waiting = next(e for e in reads.exemptions(mgr, state="requested") if e.id == exemption_id)
    assert waiting.can_decide
    assert reads.evidence(mgr, waiting.files[0].id) == ("证书.png", "image/png", PNG)
    commands.decide_exemption(mgr, exemption_id, waiting.version, True, request_id=uuid4())
    assert commands.submit(ops, [ref(ops, listing_id)], request_id=uuid4(), reason="证书").done == 1
    approved = next(e for e in reads.exemptions(mgr, term=term) if e.id == exemption_id)
    commands.revoke_exemption(mgr, exemption_id, approved.version, "撤回", request_id=uuid4())
    moved = commands.approve(mgr, [ref(ops, listing_id)], request_id=uuid4())
    assert [a.key for a in moved.refused] == ["text.blocked"]


def test_a_proposal_is_tried_approved_and_rechecks_what_is_published(
    client: Callable[[str], Client], service: Service, shop_id: int, work: Callable[[], None]
) -> None:
    ops, mgr = client("ops"), client("mgr")
    listing_id = published(client, service, shop_id, "云感枕头")
    facts = {
        "term": "云感",
        "category": "false_promise",
        "severity": "block",
        "legal_basis": "广告法第二十八条",
    }
    proposal_id, version = commands.propose(
        ops, "加一个词", [Operation("word", "add", "平台通知", facts)], request_id=uuid4()
    )
    commands.try_proposal(ops, proposal_id, version, request_id=uuid4())
    work()
    tried = reads.proposal(ops, proposal_id)
    assert tried is not None
    assert tried.is_tried
    assert (tried.trial.live_blocked, tried.trial.new[0]["listing_id"]) == (1, listing_id)
    version = commands.submit_proposal(ops, proposal_id, tried.version, request_id=uuid4())
    with pytest.raises(AppError, match=r"member\.role"):
        commands.decide_proposal(client("op2"), proposal_id, version, True, request_id=uuid4())
    made = commands.decide_proposal(mgr, proposal_id, version, True, request_id=uuid4())
    work()
    detail = reads.listing(ops, listing_id)
    assert detail is not None
    assert detail.listing.state == "suspended"
    newest = reads.rechecks(ops)[0]
    assert (newest.words_version, newest.state, newest.suspended) == (made, "done", 1)
    assert [c.listing_id for c in reads.recheck_changes(ops, newest.id)] == [listing_id]
    word = reads.words(client("ann"), q="云感").rows[0]
    proposal_id, version = commands.propose(
        ops, "撤掉", [Operation("word", "disable", "误加", {}, word.id)], request_id=uuid4()
    )
    commands.try_proposal(ops, proposal_id, version, request_id=uuid4())
    work()
    tried = reads.proposal(ops, proposal_id)
    assert tried is not None
    assert tried.trial.released_count == 1
    version = commands.submit_proposal(ops, proposal_id, tried.version, request_id=uuid4())
    commands.decide_proposal(mgr, proposal_id, version, True, request_id=uuid4())
    work()
    assert commands.publish(ops, [ref(ops, listing_id)], request_id=uuid4()).done == 1


def test_the_dictionary_as_a_file_and_back(client: Callable[[str], Client], service: Service) -> None:
    look(service.rpc, "文案")  # the program's dictionary is there
    ops = client("ops")
    data = transfer.export_words(ops)
    same = transfer.read_words(ops, data, "words.csv", reason="导入")
    assert (same.operations, same.refused, same.unchanged) == ((), (), data.count(b"\r\n") - 1)
    exceptions = transfer.export_exceptions(ops)
    back = transfer.read_exceptions(ops, exceptions, "exceptions.csv", reason="导入")
    assert (back.operations, back.refused) == ((), ())
    with pytest.raises(AppError, match=r"words\.file_columns"):
        transfer.read_words(ops, b"a,b\n1,2\n", "x.csv", reason="导入")


def test_a_file_is_checked_by_the_worker_for_its_owner(
    client: Callable[[str], Client], work: Callable[[], None]
) -> None:
    ana = client("ana")
    text = "编码,标题\n" + "".join(f"{n},{'最佳面霜' if n % 2 else '面霜'}\n" for n in range(3000))
    file_id = commands.check_file(ana, text.encode(), "标题.csv", columns=[1], request_id=uuid4())
    work()
    file = mine(ana, file_id)
    assert (file.state, file.progress) == ("done", {"rows": 3000, "block": 1500, "warn": 0, "clean": 1500})
    rows = list(open_table(reads.file_result(ana, file), name="x.xlsx").rows())
    assert len(rows) == 3001
    with pytest.raises(AppError, match=r"file_check\.none"):
        reads.file_result(client("mgr"), file)
    broken = commands.check_file(ana, b"%PDF-1.7", "x.csv", columns=[0], request_id=uuid4())
    work()
    assert (mine(ana, broken).state, mine(ana, broken).error) == ("failed", "not_a_table")


def test_a_cancelled_file_is_not_worked(client: Callable[[str], Client], work: Callable[[], None]) -> None:
    ops = client("ops")
    file_id = commands.check_file(ops, "a,b\n1,最佳\n".encode(), "x.csv", columns=[1], request_id=uuid4())
    commands.cancel_file(ops, file_id, request_id=uuid4())
    work()
    assert (mine(ops, file_id).state, mine(ops, file_id).result_parts) == ("cancelled", 0)


def mine(client: Client, file_id: int) -> FileCheck:
    return next(file for file in reads.file_checks(client) if file.id == file_id)


def test_insight_over_http(client: Callable[[str], Client], service: Service, shop_id: int) -> None:
    check(service.rpc, [Subject("最佳面霜", "reply", shop_id, "reply", 4711)])
    now = datetime.now(UTC)
    found = reads.insight(client("ana"), now - timedelta(days=1), now + timedelta(days=1), shop_id=shop_id)
    assert found["by_entity"]["reply"] >= 1
    with pytest.raises(AppError, match=r"member\.role"):
        reads.insight(client("ann"), now - timedelta(days=1), now)
