"""Verdicts bound to exactly one text; exemptions and their evidence; re-checks; files; insight."""

from __future__ import annotations

import base64
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from backend.compliance import Subject, check
from backend.compliance.checking import normal, sha
from backend.errors import AppError
from backend.words import Kind
from tests.sql.desk import NOON, Connection, as_member, ask, call, one, refusal, row
from tests.sql.test_words_sql import approve, operation, run
from tests.sql.texts import PNG, hit, item, later, open_desk, service, shop, state, step, verdict_row, write

TEXT = "保湿面霜"


@pytest.fixture
def desk(db: Connection) -> Connection:
    open_desk(db)
    return db


def subject(conn: Connection, text: str, **more: Any) -> Subject:
    given: dict[str, Any] = {
        "text": text,
        "kind": "reply",
        "shop_id": shop(conn),
        "entity": "reply",
        "entity_id": 1,
    }
    return Subject(**(given | more))


def require(conn: Connection, text: str, **more: Any) -> None:
    """What a publishing RPC calls first."""
    given = {
        "kind": "title",
        "shop": shop(conn),
        "category": "general",
        "licences": [],
        "reason": None,
    } | more
    conn.execute(
        "select private.require_text_check(%s, %s, %s, %s, %s, %s, null, private.now())",
        (text, given["kind"], given["shop"], given["category"], given["licences"], given["reason"]),
    )


def store(conn: Connection, *rows: dict[str, Any], version: int = 1) -> Any:
    return service(conn)("store_text_check", p_version=version, p_checks=list(rows))


# --- the verdict counts for exactly one text ---


def test_a_text_nobody_checked_is_refused(desk: Connection) -> None:
    with refusal("PT409", "text.unchecked"), desk.transaction():
        require(desk, TEXT)
    store(desk, verdict_row(TEXT, shop(desk)))
    require(desk, TEXT)
    require(desk, "")  # nothing is published by an empty text


@pytest.mark.parametrize(
    "other",
    [
        {"text": TEXT + " "}, {"kind": "description"}, {"shop": "two"}, {"category": "cosmetics"},
        {"licences": ["国妆特字:国妆特字G20200001"]},
    ],
)  # fmt: skip
def test_a_verdict_counts_for_nothing_else(desk: Connection, other: dict[str, Any]) -> None:
    store(desk, verdict_row(TEXT, shop(desk)))
    if "shop" in other:
        other = {"shop": shop(desk, other["shop"])}
    with refusal("PT409", "text.unchecked"), desk.transaction():
        require(desk, other.pop("text", TEXT), **other)


def test_the_order_of_licences_does_not_matter(desk: Connection) -> None:
    store(desk, verdict_row(TEXT, shop(desk), licences=["b:2", "a:1"]))
    require(desk, TEXT, licences=["a:1", "b:2", "a:1"])


def test_many_long_licences_are_told_apart(desk: Connection) -> None:
    long = [f"检测报告{n}:{'号' * 60}" for n in range(20)]
    store(desk, verdict_row(TEXT, shop(desk), licences=long))
    require(desk, TEXT, licences=long[::-1])
    with refusal("PT409", "text.unchecked"), desk.transaction():
        require(desk, TEXT, licences=long[1:])


def test_a_new_dictionary_makes_every_verdict_old(desk: Connection) -> None:
    store(desk, verdict_row(TEXT, shop(desk)))
    assert approve(desk, operation(desk, "最佳", severity="warn")) == 2
    with refusal("PT409", "text.unchecked"), desk.transaction():
        require(desk, TEXT)
    with pytest.raises(AppError, match=r"text\.version"):
        store(desk, verdict_row(TEXT, shop(desk)), version=1)
    store(desk, verdict_row(TEXT, shop(desk)), version=2)
    require(desk, TEXT)


def test_a_block_is_refused_and_a_warning_needs_a_reason(desk: Connection) -> None:
    store(desk, verdict_row("最佳", shop(desk), hits=[hit("最佳")]), verdict_row("销量第一", shop(desk), entity_id=2,
          hits=[hit("销量第一", "warn")]), verdict_row("压片糖果", shop(desk), entity_id=3, notices=["statement"]))  # fmt: skip
    for reason in (None, "有证书"):
        with refusal("PT409", "text.blocked"), desk.transaction():
            require(desk, "最佳", reason=reason)
    for text in ("销量第一", "压片糖果"):
        with refusal("PT422", "text.reason_missing"), desk.transaction():
            require(desk, text, reason=" ")
        require(desk, text, reason="报告 2026-11")


def test_only_the_service_stores_a_verdict(desk: Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(desk, "mgr", "store_text_check", 1, [verdict_row("最佳", shop(desk))])
    with pytest.raises(psycopg.errors.InsufficientPrivilege), as_member(desk, "mgr"):
        desk.execute("update text_checks set verdict = 'clean'")
    assert one(desk, "select count(*) from text_checks") == 0


@pytest.mark.parametrize(
    "wrong",
    [{"sha": "x"}, {"kind": "poem"}, {"entity": "A b"}, {"shop_id": 0}, {"hits": [hit("最佳") | {"end": 0}]}],
)
def test_a_verdict_that_says_nothing_is_refused(desk: Connection, wrong: dict[str, Any]) -> None:
    with pytest.raises(AppError, match=r"text\.bad_check"):
        store(desk, verdict_row(TEXT, shop(desk)) | wrong)
    assert one(desk, "select count(*) from text_checks") == 0


def test_another_text_in_the_place_closes_what_was_found(desk: Connection) -> None:
    check(service(desk), [subject(desk, "这是最佳选择")])
    assert row(desk, "select term, start_at, end_at, gone_as from text_hits") == ("最佳", 2, 4, None)
    check(service(desk), [subject(desk, "这是合适的选择")])
    assert one(desk, "select gone_as from text_hits") == "replaced"
    check(
        service(desk), [subject(desk, "这是最佳选择")]
    )  # written back: blocked again, whatever the history says
    with refusal("PT409", "text.blocked"), desk.transaction():
        require(desk, "这是最佳选择", kind="reply")


def test_checking_again_keeps_the_day_of_the_find(desk: Connection) -> None:
    check(service(desk), [subject(desk, "最佳")])
    later(desk, days=7)
    check(service(desk), [subject(desk, "最佳")])
    assert row(desk, "select found_at, count(*) over () from text_hits") == (NOON, 1)
    assert one(desk, "select checked_at from text_checks") == NOON + timedelta(days=7)


def test_the_function_and_the_database_hash_alike(desk: Connection) -> None:
    for text in ("保湿", "a\nb", "𝟏最佳", "é", "'\"\\"):
        assert one(desk, "select private.sha256(%s)", text) == sha(text)
    assert normal("a\r\nb\rc\x00\ud800") == "a\nb\nc"


def test_a_check_survives_a_version_in_between(desk: Connection) -> None:
    rpc, calls = service(desk), []

    def overtaken(name: str, **params: Any) -> Any:
        if name == "store_text_check":
            calls.append(params["p_version"])
            if len(calls) == 1:
                approve(desk, operation(desk, "最佳", "disable"))
        return rpc(name, **params)

    results = check(overtaken, [subject(desk, "最佳")])
    assert calls == [1, 2]
    assert results[0].verdict == "clean"
    assert row(desk, "select words_version, verdict from text_checks") == (2, "clean")


def test_a_text_too_long_is_refused_before_anything_is_stored(desk: Connection) -> None:
    kind: Kind = "reply"
    with pytest.raises(AppError, match=r"text\.too_long"):
        check(service(desk), [subject(desk, "好" * 50_001, kind=kind)])
    assert one(desk, "select count(*) from text_checks") == 0


# --- exemptions ---


def ask_for(conn: Connection, who: str = "ops", term: str = "最佳", **more: Any) -> int:
    wanted = {
        "shop_id": shop(conn), "term": term, "reason": "award", "note": "2026 年度评选",
        "valid_until": str(date(2026, 12, 31)),
    } | more  # fmt: skip
    return int(call(conn, who, "request_exemption", wanted)["id"])


def decide(
    conn: Connection, who: str, exemption_id: int, approved: bool = True, note: str | None = None
) -> Any:
    version = one(conn, "select version from exemptions where id = %s", exemption_id)
    return call(conn, who, "decide_exemption", exemption_id, version, approved, note)


def exempted(conn: Connection, **more: Any) -> int:
    exemption_id = ask_for(conn, **more)
    call(conn, "ops", "add_evidence", exemption_id, "证书.png", PNG)
    decide(conn, "mgr", exemption_id)
    return exemption_id


def test_evidence_allows_a_block_until_its_day(desk: Connection) -> None:
    store(desk, verdict_row("最佳", shop(desk), hits=[hit("最佳")]))
    exempted(desk)
    require(desk, "最佳")
    desk.execute("update private.test_clock set at = '2026-12-31 15:59Z'")  # 23:59 in the shop
    require(desk, "最佳")
    desk.execute("update private.test_clock set at = '2026-12-31 16:01Z'")
    with refusal("PT409", "text.blocked"), desk.transaction():
        require(desk, "最佳")


def test_evidence_counts_for_its_word_and_shop_alone(desk: Connection) -> None:
    exempted(desk)
    store(
        desk,
        verdict_row("国旗", shop(desk), hits=[hit("国旗")]),
        verdict_row("最佳", shop(desk, "two"), entity_id=2, hits=[hit("最佳")]),
    )
    with refusal("PT409", "text.blocked"), desk.transaction():
        require(desk, "国旗")
    with refusal("PT409", "text.blocked"), desk.transaction():
        require(desk, "最佳", shop=shop(desk, "two"))


def test_an_exemption_of_a_product_counts_for_its_listing(desk: Connection) -> None:
    desk.execute(
        "insert into products (stock_pool_id, sku, name) select stock_pool_id, s, s from shops, unnest(array['A', 'B']) s where code = 'one'"
    )
    exempted(desk, sku="A")
    made = {sku: write(desk, title="最佳面霜", sku=sku)["id"] for sku in ("A", "B")}
    run(desk, "recheck_texts", cause="person")
    verdicts = {sku: one(desk, "select verdict from listings where id = %s", i) for sku, i in made.items()}
    assert verdicts == {"A": "clean", "B": "block"}


def test_an_exemption_needs_a_file_and_another_manager(desk: Connection) -> None:
    mine = ask_for(desk, "mgr")
    with refusal("PT403", "exemption.own"):
        decide(desk, "mgr", mine)
    with refusal("PT409", "exemption.no_evidence"):
        decide(desk, "mg2", mine)
    with refusal("PT403", "member.role"):
        decide(desk, "ops", mine)
    with refusal("PT404", "exemption.none"):
        ask(desk, "far", "add_evidence", uuid4(), mine, "x", PNG)
    call(desk, "ops", "add_evidence", mine, "x", PNG)
    assert decide(desk, "mg2", mine)["state"] == "approved"
    with refusal("PT409", "exemption.state"):
        call(desk, "ops", "add_evidence", mine, "later", PNG)


def test_what_the_law_forbids_whatever_the_proof(desk: Connection) -> None:
    with refusal("PT422", "exemption.not_possible"):
        ask_for(desk, term="国旗")
    with refusal("PT404", "exemption.term"):
        ask_for(desk, term="从未出现")
    for day in ("2026-11-17", "2031-01-01"):
        with refusal("PT422", "exemption.expiry"):
            ask_for(desk, valid_until=day)
    with refusal("PT422", "exemption.bad_value"):
        ask_for(desk, reason="because")
    assert one(desk, "select count(*) from exemptions") == 0


@pytest.mark.parametrize(
    ("content", "key"),
    [
        (base64.b64encode(b"<html>").decode(), "evidence.type"),
        ("not base64!", "evidence.type"),
        (base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(5 * 1024 * 1024)).decode(), "evidence.too_large"),
    ],
)
def test_a_file_is_judged_by_its_bytes(desk: Connection, content: str, key: str) -> None:
    exemption_id = ask_for(desk)
    with refusal("PT422", key):
        call(desk, "ops", "add_evidence", exemption_id, "证书.pdf", content)
    assert one(desk, "select count(*) from private.evidence_files") == 0


def test_evidence_is_read_by_its_shop_and_recorded(desk: Connection) -> None:
    exempted(desk)
    file = ask(desk, "ann", "exemption_list", {})[0]["files"][0]
    assert (file["name"], file["mime"]) == ("证书.png", "image/png")
    assert ask(desk, "ana", "read_evidence", file["id"])["content"] == PNG
    for who, key in (("ann", "member.role"), ("far", "evidence.none")):
        with pytest.raises(psycopg.Error, match=key):
            ask(desk, who, "read_evidence", file["id"])
    assert one(desk, "select count(*) from audit_events where action = 'evidence_read'") == 1


def test_revoking_judges_at_once(desk: Connection) -> None:
    exemption_id = exempted(desk)
    made = write(desk, title="最佳面霜")
    run(desk, "recheck_texts", cause="person")
    assert one(desk, "select verdict from listings where id = %s", made["id"]) == "clean"
    version = one(desk, "select version from exemptions")
    with refusal("PT403", "exemption.manager"):
        call(desk, "ops", "revoke_exemption", exemption_id, version, "到期")
    call(desk, "mgr", "revoke_exemption", exemption_id, version, "证书作废")
    assert one(desk, "select verdict from listings where id = %s", made["id"]) == "block"


# --- re-checks ---


def publish(conn: Connection, title: str) -> int:
    listing_id = int(write(conn, title=title)["id"])
    run(conn, "recheck_texts", cause="person")
    step(conn, "ops", "submit_listings", listing_id)
    step(conn, "mgr", "approve_listings", listing_id)
    call(
        conn,
        "ops",
        "set_listing_images",
        listing_id,
        item(conn, listing_id)["version"],
        ["https://img.example/1.jpg"],
    )
    step(conn, "mgr", "approve_listings", listing_id)
    assert step(conn, "ops", "publish_listings", listing_id)["ok"]
    return listing_id


def test_a_new_word_suspends_what_is_published(desk: Connection) -> None:
    hurt, fine = publish(desk, "绝版面霜"), publish(desk, "保湿面霜")
    word = {"target": "word", "action": "add", "reason": "平台通知", "facts": {
        "term": "绝版", "category": "time_limit", "severity": "block", "legal_basis": "广告法第二十八条"}}  # fmt: skip
    approve(desk, word)
    later(desk, minutes=5)
    run(desk, "recheck_texts", cause="version")
    assert (state(desk, hurt), state(desk, fine)) == ("suspended", "published")
    newest = ask(desk, "mgr", "recheck_list")[0]
    assert {k: newest[k] for k in ("words_version", "cause", "state", "total", "done", "new_hits", "suspended")} == {
        "words_version": 2, "cause": "version", "state": "done", "total": 2, "done": 2, "new_hits": 1, "suspended": 1,
    }  # fmt: skip
    changes = ask(desk, "ann", "recheck_changes", newest["id"], 0)
    assert [(c["listing_id"], c["term"], c["change"]) for c in changes] == [(hurt, "绝版", "new")]
    assert ask(desk, "far", "recheck_changes", newest["id"], 0) == []
    assert (
        one(desk, "select count(*) from audit_events where entity = 'listing' and action = 'suspended'") == 1
    )
    weekly = one(desk, "select run_at from private.jobs where dedupe_key = 'recheck_texts:weekly'")
    assert weekly == NOON + timedelta(days=7)  # a week after the first of these runs


def test_a_word_that_goes_lets_a_suspended_text_out_again(desk: Connection) -> None:
    listing_id = publish(desk, "保湿面霜")
    approve(desk, {"target": "word", "action": "add", "reason": "试", "facts": {
        "term": "保湿", "category": "cosmetics", "severity": "block", "legal_basis": "试"}})  # fmt: skip
    later(desk, minutes=5)
    run(desk, "recheck_texts", cause="version")
    assert not step(desk, "ops", "publish_listings", listing_id)["ok"]
    approve(desk, operation(desk, "保湿", "disable"))
    later(desk, minutes=9)
    run(desk, "recheck_texts", cause="version")
    assert ask(desk, "ops", "recheck_list")[0]["released_hits"] == 1
    assert step(desk, "ops", "publish_listings", listing_id)["state"] == "published"


def test_an_expired_exemption_suspends(desk: Connection) -> None:
    exemption_id = exempted(desk)
    listing_id = publish(desk, "最佳面霜")
    job = row(desk, "select payload, run_at from private.jobs where kind = 'settle_exemption'")
    assert job[0]["exemption_id"] == exemption_id
    desk.execute("update private.test_clock set at = %s", (job[1],))
    service(desk)("service_settle_exemption", p_id=exemption_id)
    assert state(desk, listing_id) == "suspended"


# --- insight ---


def test_insight_counts_by_what_people_ask(desk: Connection) -> None:
    author = one(desk, "select id from members where display_name = 'ops'")
    check(
        service(desk),
        [
            subject(desk, "最佳", author_id=author),
            subject(desk, "最佳 销量第一", entity_id=2, author_id=author),
        ],
    )
    later(desk, days=2)
    check(service(desk), [subject(desk, "合适", author_id=author)])
    found = ask(desk, "ana", "compliance_insight", NOON - timedelta(days=1), NOON + timedelta(days=3), None)
    assert (found["total"], found["block"], found["replaced"]) == (3, 2, 1)
    assert [(c["category"], c["count"]) for c in found["by_category"]] == [
        ("absolute", 2),
        ("data_citation", 1),
    ]
    assert [(a["author"], a["count"]) for a in found["by_author"]] == [("ops", 3)]
    assert [(t["term"], t["count"], t["replaced"]) for t in found["top_terms"]] == [
        ("最佳", 2, 1),
        ("销量第一", 1, 0),
    ]
    assert found["trend"] == [{"day": "2026-11-18", "count": 3, "block": 2}]
    assert {k: found["unresolved"][k] for k in ("count", "day", "three_days", "older")} == {
        "count": 1, "day": 0, "three_days": 1, "older": 0,
    }  # fmt: skip
    assert (
        ask(desk, "far", "compliance_insight", NOON - timedelta(days=1), NOON + timedelta(days=3), None)[
            "total"
        ]
        == 0
    )
    with refusal("PT404", "shop.none"):
        ask(desk, "far", "compliance_insight", NOON, NOON + timedelta(days=3), shop(desk))
    with refusal("PT422", "filter.bad"):
        ask(desk, "ana", "compliance_insight", NOON, NOON, None)


# --- files ---


def test_a_file_belongs_to_the_one_who_brought_it(desk: Connection) -> None:
    file_id = call(desk, "ops", "begin_file_check", "a.csv", {"columns": [0]})["id"]
    for who in ("mgr", "ana"):
        with refusal("PT404", "file_check.none"):
            ask(desk, who, "add_file_part", file_id, 0, "YQ==")
    with refusal("PT422", "file_check.incomplete"):
        call(desk, "ops", "start_file_check", file_id)
    for n, content in ((64, "YQ=="), (0, ""), (0, "!")):
        with refusal("PT422", "file_check.part"):
            ask(desk, "ops", "add_file_part", file_id, n, content)
    ask(desk, "ops", "add_file_part", file_id, 0, "YQ==")
    call(desk, "ops", "start_file_check", file_id)
    assert ask(desk, "mgr", "file_check_list") == []
    with refusal("PT404", "file_check.none"):
        call(desk, "mgr", "cancel_file_check", file_id)
    assert call(desk, "ops", "cancel_file_check", file_id)["state"] == "cancelled"
    assert service(desk)("service_file_check", p_id=file_id) is None
    assert one(desk, "select count(*) from private.file_parts") == 0


@pytest.mark.parametrize(
    ("options", "key"),
    [({}, "file_check.columns"), ({"columns": [900]}, "file_check.columns"), ({"columns": ["a"]}, "file_check.columns"),
     ({"columns": [0], "kind": "poem"}, "file_check.options")],
)  # fmt: skip
def test_what_to_check_must_be_said(desk: Connection, options: dict[str, Any], key: str) -> None:
    with refusal("PT422", key):
        call(desk, "ops", "begin_file_check", "a.csv", options)


def test_nobody_checks_more_than_three_files_at_once(desk: Connection) -> None:
    for _ in range(3):
        file_id = call(desk, "ops", "begin_file_check", "a.csv", {"columns": [0]})["id"]
        ask(desk, "ops", "add_file_part", file_id, 0, "YQ==")
        call(desk, "ops", "start_file_check", file_id)
    with refusal("PT409", "file_check.too_many"):
        call(desk, "ops", "begin_file_check", "a.csv", {"columns": [0]})
