"""Leads at work: captured, graded, merged, followed up, promised, won; the board, the funnel and files."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql import leading
from tests.sql.desk import NOON, add_order, ask, at, call, one, open_floor, order_item, refusal, refused, row
from tests.sql.leading import (
    capture,
    contact,
    facts,
    follow,
    hand_out,
    held,
    index,
    item,
    open_sales,
    tick,
    version,
)
from tests.sql.reminding import later, member, rows, service, shop

Connection = psycopg.Connection[Any]


@pytest.fixture
def floor(db: Connection) -> Connection:
    """The sales floor of desk.py with two sellers in shop one, inside a transaction that is rolled back."""
    open_floor(db)
    open_sales(db)
    return db


def due(conn: Connection, lead: int) -> Any:
    return one(conn, "select due_at from leads where id = %s", lead)


# --- capture and grade ---


def test_what_is_no_lead_is_refused_row_by_row_and_a_repeated_request_makes_none(floor: Connection) -> None:
    good = facts(floor)
    broken = {
        "lead.name_missing": good | {"name_masked": None, "contact": contact(floor, phone="1")},
        "lead.contact_missing": good | {"contact": contact(floor)},
        "lead.needs_missing": good | {"needs": [], "contact": contact(floor, phone="2")},
        "lead.bad_tag": good | {"needs": ["打13812345678"], "contact": contact(floor, phone="3")},
        "contact.form": good | {"contact": contact(floor, phone="4") | {"phone": "13812345678"}},
        "lead.bad_value": good | {"intent": "burning", "contact": contact(floor, phone="5")},
    }
    request = uuid.uuid4()
    answer = call(floor, "ops", "create_leads", shop(floor), [*broken.values(), good], request=request)
    assert [bad["refusal"] for bad in answer["refused"]] == list(broken)
    assert len(answer["leads"]) == 1
    again = [
        row | {"contact": row["contact"] and row["contact"] | {"phone": leading.BODY}}
        for row in [*broken.values(), good]
    ]
    assert call(floor, "ops", "create_leads", shop(floor), again, request=request) == answer
    assert one(floor, "select count(*) from leads") == 1
    with refusal("PT409", "contact.taken"):
        call(floor, "ops", "create_leads", shop(floor), [good])
    with refusal("PT404", "shop.none"):
        call(floor, "cid", "create_leads", shop(floor, "two"), [facts(floor)])
    with refusal("PT422", "contact.form"):  # the mask may not be the number
        lead = answer["leads"][0]
        call(
            floor,
            "mgr",
            "update_lead",
            lead["id"],
            lead["version"],
            {"contact": {}, "phone_masked": "13812345678"},
        )


GRADES = [
    ({"intent": "high", "budget": "high"}, "A", 1, 24),
    ({"intent": "high", "budget": "enough", "source": "enterprise"}, "A", 2, 24),
    ({"intent": "high", "budget": "enough"}, "B", 3, 72),
    ({"intent": "medium"}, "B", 3, 72),
    ({"source": "asked_unpaid"}, "B", 4, 72),
    ({"source": "asked_unpaid", "asked_at": (NOON - timedelta(hours=25)).isoformat()}, "C", None, 168),
    ({"intent": "low", "budget": "high"}, "C", None, 168),
]


def test_the_rules_grade_with_their_reason_and_start_the_deadline_of_the_grade(floor: Connection) -> None:
    found = []
    for more, *_ in GRADES:
        lead = capture(floor, **more)
        grade, rule = row(floor, "select grade, grade_reasons ->> 'rule' from leads where id = %s", lead)
        found.append((more, grade, rule and int(rule), (due(floor, lead) - NOON) / timedelta(hours=1)))
    assert found == GRADES


def test_another_grade_keeps_the_time_already_used(floor: Connection) -> None:
    lead = capture(floor, keep=True)  # C: seven days
    at(floor, later(hours=10))
    with refusal("PT422", "lead.grade_reason"):
        call(floor, "cid", "grade_lead", lead, version(floor, lead), "A", "because")
    call(floor, "cid", "grade_lead", lead, version(floor, lead), "A", "decision_soon")
    assert due(floor, lead) == later(hours=24)  # ten of A's 24 hours are used up
    call(floor, "cid", "update_lead", lead, version(floor, lead), {"intent": "medium"})
    assert held(floor, lead)[2] == "A"  # what a person said stays
    at(floor, later(hours=25))
    call(floor, "cid", "grade_lead", lead, version(floor, lead), "C", "later")
    assert due(floor, lead) == later(hours=24)  # what is overdue stays overdue
    follow(floor, "cid", lead, after=timedelta(days=20))
    assert due(floor, lead) == later(hours=25, days=20)
    call(floor, "cid", "grade_lead", lead, version(floor, lead), "A", "repeat_buyer")
    assert due(floor, lead) == later(hours=25, days=3)  # A lets nobody wait longer than three days
    assert one(floor, "select count(*) from sla_clocks where entity = 'lead' and stopped_at is null") == 1


def test_rules_are_tried_before_they_are_saved_and_applied_when_asked(floor: Connection) -> None:
    leads = [capture(floor) for _ in range(3)]
    hand = capture(floor, keep=True)
    call(floor, "cid", "grade_lead", hand, version(floor, hand), "C", "later")
    hot = {"grading": [{"grade": "A", "conditions": {"source": ["live"]}}]}
    before = floor.execute("select * from lead_rules").fetchall()
    seen = ask(floor, "mgr", "preview_lead_rules", shop(floor), hot)
    assert (seen["moves"], seen["open"]) == ([{"from": "C", "to": "A", "count": 3}], {"A": 0, "B": 0, "C": 4})
    assert floor.execute("select * from lead_rules").fetchall() == before
    assert {held(floor, lead)[2] for lead in leads} == {"C"}
    for bad in ({"grading": [{"grade": "D", "conditions": {"source": ["live"]}}]}, {"grading": [{"grade": "A", "conditions": {"colour": ["red"]}}]},
                {"grading": [{"grade": "A", "conditions": {}}]}, {"recycling": {"A": {"rest_days": 1, "keep_days": 1}}}, {"claim_limit": -1}):  # fmt: skip
        with refusal("PT422", "lead_rules.bad_value"):
            call(floor, "mgr", "save_lead_rules", shop(floor), 0, bad)
    call(floor, "mgr", "save_lead_rules", shop(floor), 0, hot)
    with refusal("PT409", "lead_rules.stale"):
        call(floor, "mgr", "save_lead_rules", shop(floor), 0, hot)
    assert held(floor, capture(floor))[2] == "A"
    assert call(floor, "mgr", "apply_lead_rules", shop(floor)) == {"changed": 3, "more": False}
    assert [held(floor, lead)[2] for lead in (*leads, hand)] == ["A", "A", "A", "C"]
    assert due(floor, leads[0]) == later(hours=24)
    call(floor, "mgr", "reset_lead_rules", shop(floor), 1)
    assert held(floor, capture(floor))[2] == "C"
    with refusal("PT403", "member.role"):
        call(floor, "cid", "save_lead_rules", None, 1, hot)


# --- two that may be one ---


def test_duplicates_are_proposed_decided_field_by_field_and_never_lost(floor: Connection) -> None:
    old = capture(floor, keep=True, phone="13900000001", needs=["母婴用品"])
    at(floor, later(hours=2))
    new = capture(
        floor,
        phone="13900000001",
        wechat="wx88",
        wechat_masked="w**8",
        needs=["办公设备"],
        intent="high",
        buyer_account="b1",
    )
    elsewhere = call(floor, "sue", "create_leads", shop(floor, "two"), [facts(floor, phone="13900000001")])
    assert elsewhere["leads"][0]["same_as"] == []  # another shop, another customer relation
    merge = one(floor, "select id from lead_merges where lead_id = %s and into_id = %s", new, old)
    with refusal("PT409", "lead.twin"):
        call(floor, "sal", "claim_lead", new)
    with refusal("PT403", "lead.not_yours"):
        call(floor, "sal", "decide_merge", merge, "merge")
    taken = {"id": one(floor, "select contact_id from leads where id = %s", old), "wechat": leading.BODY}
    with refusal("PT422", "contact.form"):  # not the other lead's WeChat
        call(floor, "cid", "decide_merge", merge, "merge", ["wechat"], taken | {"wechat_hash": index("mine")})
    call(
        floor,
        "cid",
        "decide_merge",
        merge,
        "merge",
        ["wechat", "needs", "intent", "buyer_account"],
        taken | {"wechat_hash": index("wx88")},
    )
    kept = row(
        floor,
        "select needs, intent, grade, wechat_masked, phone_masked, buyer_masked, state from leads where id = %s",
        old,
    )
    assert (sorted(kept[0]), *kept[1:]) == (
        ["办公设备", "母婴用品"],
        "high",
        "B",
        "w**8",
        "138****5678",
        "b***",
        "assigned",
    )
    assert row(floor, "select state, merged_into, contact_id is not null from leads where id = %s", new) == (
        "merged",
        old,
        True,
    )
    assert one(floor, "select wechat_hash from private.contacts where id = %s", taken["id"]) == index("wx88")
    open_clocks = rows(
        floor,
        "select entity_id from sla_clocks where entity = 'lead' and stopped_at is null and shop_id = %s",
        shop(floor),
    )
    assert [c["entity_id"] for c in open_clocks] == [old]
    third = capture(floor, wechat="wx88")
    other = one(floor, "select id from lead_merges where lead_id = %s", third)
    call(floor, "cid", "decide_merge", other, "reject")
    call(
        floor,
        "cid",
        "update_lead",
        old,
        version(floor, old),
        {"contact": {"wechat": leading.BODY, "wechat_hash": index("wx88")}},
    )
    assert (
        one(floor, "select count(*) from lead_merges where state = 'open'") == 0
    )  # what was rejected is not asked again
    history = [event["action"] for event in ask(floor, "cid", "lead_screen", old)["timeline"]]
    assert {"captured", "merged", "merged_in", "clock_merged"} <= set(history)


# --- follow-up, promise, sale ---


def test_a_follow_up_ends_the_deadline_and_the_next_one_is_the_agreed_date(floor: Connection) -> None:
    lead = capture(floor, keep=True, intent="high")  # B: three days, next date within seven
    at(floor, later(hours=5))
    for wrong, key in (
        ({"next_step": None}, "lead.next_missing"), ({"next_at": later(hours=5).isoformat()}, "lead.next_range"),
        ({"next_at": later(hours=5, days=7, seconds=1).isoformat()}, "lead.next_range"), ({"outcome": "sold"}, "lead.bad_value"),
        ({"note": "打 138 1234 5678"}, "lead.note_phone"), ({"next_at": "soon"}, "lead.bad_value"),
    ):  # fmt: skip
        with refusal("PT422", key):
            follow(floor, "cid", lead, **wrong)
    assert (
        call(floor, "cid", "move_leads", [item(floor, lead)], "closing")["items"][0]["refusal"]
        == "lead.not_contacted"
    )
    follow(floor, "cid", lead, outcome="no_answer", after=timedelta(days=7))
    assert row(floor, "select state, stage, is_first_on_time, first_contact_at from leads where id = %s", lead) == (
        "following", "first_touch", True, None,
    )  # fmt: skip
    assert due(floor, lead) == later(hours=5, days=7)
    assert (
        one(floor, "select state from sla_clocks where id = (select clock_id from leads where id = %s)", lead)
        == "scheduled"
    )
    at(floor, later(days=8))
    follow(floor, "cid", lead, step="objection", note="问价格")
    assert row(floor, "select stage, furthest, follow_up_count from leads where id = %s", lead) == (
        "objection",
        3,
        2,
    )
    verdicts = rows(floor, "select is_on_time from follow_ups where lead_id = %s order by id", lead)
    assert [v["is_on_time"] for v in verdicts] == [True, False]
    assert call(floor, "cid", "move_leads", [item(floor, lead)], "closing")["done"] == 1
    assert (
        call(floor, "sal", "move_leads", [item(floor, lead)], "discovery")["items"][0]["refusal"]
        == "lead.not_yours"
    )


def test_a_promise_within_limits_holds_beyond_them_a_manager_agrees_never_oneself(floor: Connection) -> None:
    floor.execute("update members set approval_limit = 500 where staff_no = 'mgr'")
    lead = capture(floor, keep=True)
    small = {"kind": "gift", "amount": 15, "what": "小样一份", "due_at": later(days=1).isoformat()}

    def promise(who: str, **more: Any) -> Any:
        return call(floor, who, "make_promise", "lead", lead, small | more)

    first = promise("cid")
    assert first["state"] == "open"
    big = promise("cid", amount=15.01)
    assert big["state"] == "pending"
    [waits] = ask(floor, "cid", "promise_list", {"tab": "pending"})["rows"]
    assert [one["id"] for one in waits["deciders"]] == [member(floor, "mgr")]
    with refusal("PT403", "promise.not_yours"):
        promise("sal")
    with refusal("PT403", "lead.needs_manager"):
        call(floor, "sal", "decide_promise", big["id"], big["version"], True)
    own = promise("mgr", amount=501)
    with refusal("PT403", "promise.self"):
        call(floor, "mgr", "decide_promise", own["id"], own["version"], True)
    huge = promise("cid", amount=123456789012.5)
    with pytest.raises(psycopg.Error) as beyond:
        call(floor, "mgr", "decide_promise", huge["id"], huge["version"], True)
    assert refused(beyond.value) == ("PT403", "promise.limit")
    assert json.loads(str(beyond.value.diag.message_detail))["amount"] == "123,456,789,012.50"
    waiting = {p["id"]: p["deciders"] for p in ask(floor, "cid", "promise_list", {"tab": "pending"})["rows"]}
    assert (waiting[own["id"]], waiting[huge["id"]]) == ([], [])  # his own, beyond his limit
    agreed = call(floor, "mgr", "decide_promise", big["id"], big["version"], True)
    assert agreed["state"] == "open"
    clocks = rows(
        floor,
        "select entity_id, due_at from sla_clocks where entity = 'promise' and stopped_at is null order by entity_id",
    )
    assert [(c["entity_id"], c["due_at"]) for c in clocks] == [
        (first["id"], later(days=1)),
        (big["id"], later(days=1)),
    ]
    at(floor, later(hours=20))
    assert call(floor, "cid", "end_promise", first["id"], first["version"], "kept")["is_on_time"] is True
    tick(floor, later(days=1, minutes=1))
    broken = ask(floor, "sal", "promise_list", {"tab": "broken"})["rows"]
    assert [(p["id"], p["label"], p["owner_name"], p["is_broken"]) for p in broken] == [
        (big["id"], f"L-{lead}", "cid", True)
    ]
    assert ask(floor, "sal", "promise_list", {"tab": "broken"})["tabs"] == {
        "open": 1,
        "today": 1,
        "broken": 1,
        "pending": 2,
    }
    listed = {
        (who, *wanted.items()): [p["id"] for p in ask(floor, who, "promise_list", wanted)["rows"]]
        for who, wanted in (
            ("sal", {"tab": "kept"}), ("ana", {"tab": "pending"}), ("mgr", {"tab": "pending", "mine": True}),
            ("ops", {"tab": "pending", "person": str(member(floor, "cid"))}), ("sal", {"kind": "callback", "tab": "all"}), ("sue", {"tab": "all"}),
        )
    }  # fmt: skip
    assert list(listed.values()) == [
        [first["id"]],
        [own["id"], huge["id"]],
        [own["id"]],
        [huge["id"]],
        [],
        [],
    ]
    exported = {
        who: [p["id"] for p in ask(floor, who, "export_promises", {"tab": "pending"})["rows"]]
        for who in ("cid", "mgr", "sal", "sue")
    }
    assert exported == {"cid": [huge["id"]], "mgr": [own["id"], huge["id"]], "sal": [], "sue": []}
    assert (
        one(
            floor,
            "select count(*) from audit_events where action = 'exported' and detail ->> 'area' = 'promises'",
        )
        == 4
    )
    with refusal("PT422", "filter.bad"):
        ask(floor, "sal", "promise_list", {"tab": "mine or anybody's"})
    for bad, key in (
        ({"what": "打13812345678"}, "lead.note_phone"),
        ({"amount": -1}, "promise.bad_value"),
        ({"due_at": NOON.isoformat()}, "promise.bad_time"),
    ):
        with refusal("PT422", key):
            promise("cid", **{"due_at": later(days=3).isoformat()} | bad)


def test_an_imported_order_converts_the_lead_it_belongs_to_once(floor: Connection) -> None:
    mine = capture(floor, keep=True, phone="13900000009")
    follow(floor, "cid", mine)
    again = call(
        floor, "sal", "create_leads", shop(floor), [facts(floor, phone="13900000009")], "manual", True
    )
    twin = again["leads"][0]["id"]  # newer and owned, but nobody has talked to him there
    family, later_wish = (capture(floor, keep=True, phone="13900000009") for _ in range(2))
    proposal = one(floor, "select id from lead_merges where lead_id = %s and into_id = %s", family, mine)
    call(floor, "mgr", "decide_merge", proposal, "reject")  # the same phone, another person
    floor.execute("update leads set asked_at = %s where id = %s", (later(days=1, hours=2), later_wish))
    pool = capture(floor, who="ops", buyer_account="buyer_x")
    stranger = capture(floor, who="ops", buyer_account="other")
    early = capture(floor, who="ops", buyer_account="early")
    elsewhere = call(floor, "sue", "create_leads", shop(floor, "two"), [facts(floor, phone="13900000009")])[
        "leads"
    ][0]["id"]
    at(floor, later(days=1))
    by_phone = add_order(floor, "P", contact=True)
    floor.execute(
        "update private.contacts set phone_hash = %s where id = (select contact_id from orders where id = %s)",
        (index("13900000009"), by_phone),
    )
    by_name, unpaid, before = (
        add_order(floor, number, status=status)
        for number, status in (("N", "to_ship"), ("U", "unpaid"), ("B", "to_ship"))
    )
    for order, buyer in ((by_name, "buyer_x"), (unpaid, "other"), (before, "early")):
        floor.execute("update orders set buyer_account = %s where id = %s", (buyer, order))
    floor.execute(
        "update orders set placed_at = %s, paid_at = %s where id = %s",
        (later(hours=-2), later(hours=-2), before),
    )
    orders = [by_phone, by_name, unpaid, before]
    for expected in (2, 0):
        assert one(floor, "select private.convert_leads(%s, private.now())", orders) == expected
    assert row(floor, "select state, order_id, converted_by from leads where id = %s", mine) == (
        "converted",
        by_phone,
        "phone",
    )
    assert row(floor, "select state, order_id, converted_by from leads where id = %s", pool) == (
        "converted",
        by_name,
        "buyer_account",
    )
    others = {
        twin: "lost", family: "assigned", later_wish: "assigned", stranger: "pool", early: "pool", elsewhere: "pool",
    }  # fmt: skip
    assert {lead: held(floor, lead)[0] for lead in others} == others
    assert one(floor, "select count(*) from sla_clocks where entity = 'lead' and stopped_at is null") == 5
    closed = ask(floor, "sal", "lead_screen", twin)
    assert (closed["lead"]["lost_reason"], closed["bought_as"]["id"], closed["merges"]) == (
        "other_lead",
        mine,
        [],
    )
    histories = {lead: ask(floor, "mgr", "lead_screen", lead)["timeline"] for lead in (mine, twin)}
    told = {
        (event["action"], *event["detail"].get("lead_ids", []))
        for told in histories.values()
        for event in told
    }
    assert {("others_closed", twin), ("lost", mine)} <= told
    assert (twin, mine) not in [
        (m["lead"]["id"], m["into"]["id"]) for m in ask(floor, "mgr", "merge_list", None)
    ]
    opened = call(floor, "mgr", "reopen_lead", twin, version(floor, twin), "other")
    assert (opened["state"], opened["owner_id"]) == ("assigned", member(floor, "sal"))
    assert ask(floor, "sal", "lead_screen", twin)["bought_as"] is None
    wrong = call(floor, "mgr", "reopen_lead", mine, version(floor, mine), "wrong_match")
    assert (wrong["state"], wrong["owner_id"]) == ("assigned", member(floor, "cid"))


def test_a_promised_gift_stands_on_the_order_and_the_pick_list_once(floor: Connection) -> None:
    """In words and by a rule, before and after the sale; what was withdrawn or never agreed to is not packed."""
    product = "insert into products (stock_pool_id, sku, name) select stock_pool_id, 'B', '小样' from shops where code = 'one'"
    floor.execute(product.encode())
    gift = {"kind": "gift", "name": "满赠", "gift_name": "小样", "gift_sku": "B", "cost": "8", "quantity": 2}
    saved = call(floor, "ops", "save_offer", None, None, gift | {"shop_id": shop(floor)})
    rule = int(saved["id"])
    assert call(floor, "mgr", "move_offer", rule, saved["version"], "approve", None)["state"] == "approved"
    lead = capture(floor, keep=True, buyer_account="gifted")

    def promise(**more: Any) -> Any:
        made = {"kind": "gift", "due_at": later(days=2).isoformat()} | more
        return call(floor, "cid", "make_promise", "lead", lead, made)

    ruled = promise(rule_id=rule)
    assert (ruled["what"], float(ruled["amount"]), ruled["state"]) == ("小样 × 2", 16, "open")
    words, gone = promise(what="贺卡一张", amount=3), promise(what="杯子")
    promise(what="大礼包", amount=900)  # waits for a manager
    promise(kind="callback", what="回电")
    call(floor, "cid", "end_promise", gone["id"], gone["version"], "withdrawn")
    order = add_order(floor, "GIFT", amount=300)
    floor.execute("update orders set buyer_account = 'gifted' where id = %s", (order,))
    for _ in range(2):
        floor.execute("select private.convert_leads(array[%s::bigint], private.now())", (order,))
    after = promise(what="试吃装", amount=2)
    listed = {g["name"]: g for g in ask(floor, "whs", "order_gift_list", order)["gifts"]}
    assert {n: (g["sku"], g["quantity"], float(g["cost"]), g["source_id"], g["promised_by"]) for n, g in listed.items()} == {
        "小样": ("B", 2, 16, lead, "cid"),
        "贺卡一张": ("", 1, 3, lead, "cid"),
        "试吃装": ("", 1, 2, lead, "cid"),
    }  # fmt: skip
    release = call(floor, "ops", "release_orders", [order_item(floor, order)], None, None)["releases"][0][
        "id"
    ]
    picked = ask(floor, "whs", "pick_list", release)["by_sku"]
    assert {(p["name"], p["quantity"]) for p in picked if p["is_gift"]} == {
        ("小样", 2),
        ("贺卡一张", 1),
        ("试吃装", 1),
    }
    rows_of = ask(floor, "ops", "release_list", release)["rows"][0]["gifts"]
    assert {g["name"] for g in rows_of} == set(listed)
    call(floor, "cid", "end_promise", words["id"], words["version"], "withdrawn")
    gift = {"id": listed["小样"]["id"], "version": listed["小样"]["version"]}
    assert call(floor, "whs", "pack_gifts", [gift], True)["done"] == 1
    call(floor, "mgr", "reopen_lead", lead, version(floor, lead), "wrong_match")
    standing = "select name, packed_at is not null, cancelled_at is not null from order_gifts order by id"
    assert floor.execute(standing.encode()).fetchall() == [
        ("小样", True, False),
        ("贺卡一张", False, True),
        ("试吃装", False, True),
    ]
    assert after["state"] == "open"
    with refusal("PT409", "gift.rule"):
        promise(rule_id=rule + 99)


def test_a_transferred_lead_becomes_a_ticket_after_the_customer_was_told(floor: Connection) -> None:
    lead = capture(floor, keep=True, buyer_account="b")
    ticket = {"type": "service", "summary": "问安装"}
    with refusal("PT422", "lead.script_missing"):
        call(floor, "cid", "transfer_lead", lead, version(floor, lead), ticket)
    answer = call(
        floor, "cid", "transfer_lead", lead, version(floor, lead), ticket | {"is_script_sent": True}
    )
    assert row(
        floor, "select lead_id, source, buyer_account from tickets where id = %s", answer["ticket_id"]
    ) == (lead, "lead", "b")
    assert row(floor, "select state, lost_reason from leads where id = %s", lead) == ("lost", "transferred")


def test_whoever_leaves_leaves_no_lead_behind(floor: Connection) -> None:
    lead = capture(floor, keep=True)
    with refusal("PT409", "lead.owner_here"):
        call(floor, "sal", "take_over_lead", lead, version(floor, lead))
    seen = one(floor, "select version from members where staff_no = 'cid'")
    ask(floor, "adm", "switch_member", member(floor, "cid"), seen, False, uuid.uuid4())
    assert held(floor, lead)[0] == "pool"
    hand_out(floor, True)
    tick(floor, later(minutes=1))
    assert held(floor, lead)[1] == "sal"


# --- looking ---


def test_every_open_lead_is_on_the_board_once_whatever_the_page_size(floor: Connection) -> None:
    leads = [
        capture(
            floor,
            keep=True,
            source="asked_unpaid" if n % 3 == 0 else "live",
            intent="high" if n % 2 else "low",
        )
        for n in range(23)
    ]
    for lead in leads[:7]:
        follow(floor, "cid", lead)
    capture(floor)  # in the pool
    for limit in (1, 4, 50):
        seen: list[int] = []
        page: Any = {"scope": "mine", "column": "open", "limit": limit}
        while page:
            found = ask(floor, "cid", "lead_board", page)["columns"]["open"]
            seen += [card["id"] for card in found["rows"]]
            page = found["next"] and page | {"after": found["next"]}
        assert sorted(seen) == leads
        dues = [due(floor, lead) for lead in seen]
        assert dues == sorted(dues)
    second = ask(
        floor,
        "cid",
        "lead_board",
        {"column": "open", "limit": 5, "after": {"at": due(floor, seen[4]).isoformat(), "id": seen[4]}},
    )
    back = ask(
        floor,
        "cid",
        "lead_board",
        {"column": "open", "limit": 5, "before": second["columns"]["open"]["prev"]},
    )
    assert [card["id"] for card in back["columns"]["open"]["rows"]] == seen[:5]
    board = ask(floor, "cid", "lead_board", {"grade": "B"})
    assert {stage: column["count"] for stage, column in board["columns"].items() if column["count"]} == {
        "first_touch": 10,
        "discovery": 5,
    }
    assert board["tabs"] == {"mine": 23, "overdue": 0, "today": 7, "pool": 1}
    assert (
        ask(floor, "cid", "lead_board", {"column": "open", "source": "asked_unpaid"})["columns"]["open"][
            "count"
        ]
        == 8
    )
    assert ask(floor, "mgr", "lead_board", {"column": "open"})["columns"]["open"]["count"] == 24
    assert (
        ask(floor, "sal", "lead_board", {"scope": "all", "column": "open"})["columns"]["open"]["count"] == 0
    )
    for bad in (
        {"scope": "everything"},
        {"column": "x"},
        {"limit": "many"},
        {"owner": "me"},
        {"shop_id": "x"},
    ):
        with refusal("PT422", "filter.bad"):
            ask(floor, "mgr", "lead_board", bad)


def whole_of(conn: Connection, key: str) -> int:
    """A count of the funnel in all."""
    report = ask(conn, "mgr", "lead_insight", {"from": NOON.isoformat()})
    return int(next(part for part in report["funnel"] if part["by"] == "all")[key])


def test_the_funnel_counts_what_happened(floor: Connection) -> None:
    add_order(floor, "X")
    won, lost, left, fresh = (
        capture(floor, keep=True, source=source) for source in ("live", "live", "enterprise", "form")
    )
    at(floor, later(hours=4))
    used = """insert into script_uses (script_id, revision_id, shop_id, member_id, entity, entity_id, at)
        select s.id, s.revision_id, l.shop_id, l.owner_id, 'lead', l.id, private.now() from leads l, (select * from scripts order by id limit 1) s
        where l.id = any (%s)"""
    floor.execute(used.encode(), ([won, won, lost],))
    follow(floor, "cid", won, step="closing", after=timedelta(days=2))
    follow(floor, "cid", lost, step="objection")
    call(floor, "cid", "convert_lead", won, version(floor, won), "X")
    call(floor, "cid", "lose_lead", lost, version(floor, lost), "price", "太贵")
    call(floor, "cid", "give_back_leads", [item(floor, left)], "not_my_field")
    at(floor, later(days=8))
    report = ask(floor, "mgr", "lead_insight", {"from": NOON.isoformat()})
    whole = next(part for part in report["funnel"] if part["by"] == "all")
    assert {key: whole[key] for key in ("captured", "followed", "contacted", "discovery", "objection", "closing", "converted", "lost",
                                        "first_on_time", "first_late", "never_followed_late")} == {
        "captured": 4, "followed": 2, "contacted": 2, "discovery": 2, "objection": 2, "closing": 1, "converted": 1, "lost": 1,
        "first_on_time": 2, "first_late": 0, "never_followed_late": 2,
    }  # fmt: skip
    by_source = {part["source"]: part["captured"] for part in report["funnel"] if part["by"] == "source"}
    assert by_source == {"live": 2, "enterprise": 1, "form": 1}
    week = [{"measure": "wall", "allowance": 10080, "calendar": None}]
    assert report["first_contact"] == [
        {"grade": "C", "targets": week, "sample": 2, "median_hours": 4.2, "slow_hours": 4.4, "on_time": 2, "late": 0, "waiting_late": 2}
    ]  # fmt: skip
    # classes a tenth wide
    assert [(s["leads"], s["converted"]) for s in report["scripts"]] == [(2, 1)]
    assert report["leaks"]["lost"] == [{"stage": "objection", "reason": "price", "count": 1}]
    assert [(g["name"], g["ended_as"]) for g in report["leaks"]["given_up"]] == [("cid", "given_back")]
    assert ask(floor, "sal", "lead_insight", {})["leaks"]["given_up"] == []
    assert {p["name"] for p in ask(floor, "sal", "lead_insight", {})["funnel"] if p["by"] == "owner"} <= {
        "sal"
    }
    call(floor, "sal", "claim_lead", left)  # new time for him, late for the customer
    assert (due(floor, left) > later(days=8), whole_of(floor, "never_followed_late")) == (True, 2)
    follow(floor, "sal", left)
    assert row(floor, "select is_first_on_time from leads where id = %s", left) == (False,)
    assert one(floor, "select is_on_time from follow_ups where lead_id = %s", left)
    judged = ("first_on_time", "first_late", "never_followed_late")
    assert [whole_of(floor, key) for key in judged] == [2, 1, 1]
    floor.execute("update leads set grade = 'A' where id = %s", (fresh,))
    ask(floor, "mgr", "lead_insight", {})
    counted = "select * from private.count_leads(array(select id from leads)) order by lead_id"
    kept = floor.execute("select * from private.lead_facts order by lead_id").fetchall()
    assert (kept, len(kept)) == (floor.execute(counted).fetchall(), 4)
    by_grade = "select key, sum(captured) from private.lead_days where dim = 'grade' group by 1 having sum(captured) <> 0 order by 1"
    assert floor.execute(by_grade).fetchall() == [("A", 1), ("C", 3)]


def test_a_lost_lead_forgets_after_a_year_who_it_was_and_its_ticket_does_not(floor: Connection) -> None:
    lost, moved, running = (
        capture(floor, keep=True, wechat=name) for name in ("wx-lost", "wx-moved", "wx-running")
    )
    for lead in (lost, moved, running):
        follow(floor, "cid", lead)
    call(floor, "cid", "lose_lead", lost, version(floor, lost), "price", None)
    call(
        floor,
        "cid",
        "transfer_lead",
        moved,
        version(floor, moved),
        {"type": "service", "summary": "要发票", "is_script_sent": True},
    )

    def known() -> list[tuple[Any, int]]:
        """Whether each lead still shows its phone, and how many contacts still have its WeChat."""
        shown = "select contact_id is not null and phone_masked is not null from leads where id = %s"
        kept = "select count(*) from private.contacts where wechat_hash = %s"
        named = ((lost, "wx-lost"), (moved, "wx-moved"), (running, "wx-running"))
        return [(one(floor, shown, lead), one(floor, kept, index(name))) for lead, name in named]

    at(floor, later(days=365))
    service(floor, "service_retention", 5000)
    assert known() == [(True, 1)] * 3
    at(floor, later(days=365, seconds=1))
    while service(floor, "service_retention", 5000):
        pass
    assert known() == [(False, 0), (False, 1), (True, 1)]
    assert ask(floor, "mgr", "lead_screen", lost)["lead"]["name_masked"] is None
    assert one(floor, "select lost_reason from leads where id = %s", lost) == "price"


def test_whose_they_are_is_no_filter_for_those_who_see_only_their_own(floor: Connection) -> None:
    add_order(floor, "X")
    won = capture(floor, keep=True)
    follow(floor, "cid", won)
    call(floor, "cid", "convert_lead", won, version(floor, won), "X")
    for scope in ("mine", "pool", "all"):
        for column in ("converted", "lost", "open"):
            asked = {"scope": scope, "column": column, "owner": str(member(floor, "cid"))}
            assert ask(floor, "sal", "lead_board", asked)["columns"][column]["rows"] == [], asked
        assert ask(floor, "sal", "export_leads", {"scope": scope, "owner": str(member(floor, "cid"))}) == []
    assert len(ask(floor, "mgr", "lead_board", {"column": "converted"})["columns"]["converted"]["rows"]) == 1


def test_an_account_that_becomes_known_is_proposed_as_the_same_customer(floor: Connection) -> None:
    first, second = capture(floor, buyer_account="tb_one"), capture(floor, keep=True)
    with refusal("PT422", "lead.bad_value"):
        call(floor, "cid", "update_lead", second, version(floor, second), {"buyer_account": "x" * 61})
    with refusal("PT422", "lead.bad_value"):
        call(floor, "cid", "update_lead", second, version(floor, second), ["needs"])
    told = call(floor, "cid", "update_lead", second, version(floor, second), {"buyer_account": "tb_one"})
    assert told["same_as"] == [f"L-{first}"]


# --- files ---


def test_a_lead_file_makes_each_lead_once_and_lists_what_is_none(floor: Connection) -> None:
    def import_of(staged: list[Any]) -> list[tuple[int, str]]:
        made = one(
            floor,
            """insert into imports (kind, shop_id, stock_pool_id, file_name, file_hash, state, actor, started_at, touched_at, member_id)
               select 'leads', id, stock_pool_id, 'f.csv', 'h', 'staging', 'operations', private.now(), private.now(), %s
               from shops where code = 'one' returning id""",
            member(floor, "ops"),
        )
        rows = [lead | {"row": number, "key": str(number)} for number, lead in enumerate(staged, start=2)]
        for _ in range(2):  # a chunk that was sent twice counts once
            assert ask(floor, "ops", "import_stage", made, 0, rows) == {"staged": len(rows)}
        ready = ask(floor, "ops", "import_ready", made, len(staged), None)
        said.append([(bad["row"], bad["reason"]) for bad in ready["unknown"]])
        assert ready["rejected"] == len(said[-1])
        floor.execute(
            "select private.apply_leads(i, 1000, private.now()) from imports i where i.id = %s", (made,)
        )
        floor.execute("update imports set state = 'done', finished_at = private.now() where id = %s", (made,))
        return floor.execute(
            "select row_no, outcome from private.import_results where import_id = %s order by 1", (made,)
        ).fetchall()

    said: list[list[tuple[int, str]]] = []
    same = facts(floor, row_key="k1", phone="13800000000")
    staged = [
        same,
        facts(floor, row_key="k2"),
        facts(floor, row_key="k3", needs=[]),
        same | {"needs": ["办公设备"]},
    ]
    assert import_of(staged) == [(2, "accepted"), (3, "accepted"), (5, "unchanged")]
    assert said == [[(4, "lead.needs_missing")]]
    again = [
        same | {"contact": contact(floor, phone="13800000000")},
        facts(floor, row_key="k4", phone="13800000000"),
    ]
    assert import_of(again) == [(2, "unchanged"), (3, "accepted")]
    assert one(floor, "select count(*) from leads") == 3
    assert one(floor, "select count(*) from lead_merges where state = 'open' and matched = '{phone}'") == 1
    assert one(floor, "select count(*) from leads where owner_id is not null") == 0
    hand_out(floor, True)
    tick(floor, later(minutes=1))
    assert rows(floor, "select row_key, owner_id is null as waits from leads order by id") == [
        {"row_key": "k1", "waits": False},
        {"row_key": "k2", "waits": False},
        {"row_key": "k4", "waits": True},  # perhaps the customer of k1, who has an owner now
    ]
    assert service(floor, "service_lead_intake", "x", "y", "z", Jsonb({}), False) == {"outcome": "unknown"}
