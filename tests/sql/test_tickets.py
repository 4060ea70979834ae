"""Tickets: every step for every person, registering, duplicates, claims, bulk, merging, resolving."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.desk import BODY, NOON, add_order, ask, at, one, refusal, refused, row
from tests.sql.ticketing import (
    WAYS,
    call_p,
    clocks,
    item,
    make,
    member,
    open_ticket_floor,
    owner,
    register,
    resolve,
    shop_id,
    state,
    step,
    whole_row,
)

Connection = psycopg.Connection[Any]


@pytest.fixture
def floor(db: Connection) -> Connection:
    """The sales floor with after-sales agents, inside a transaction that is rolled back."""
    open_ticket_floor(db)
    return db


# Every step, every person ------------------------------------------------------------------------------------------------

#        from (states)                                         to (= stays)      by                 as what
MOVES = """
         new                                                  | registered       | register_ticket  | worker warehouse system
         registered                                           | classified       | classify_ticket  | worker system
         classified                                           | classified       | classify_ticket  | worker system
         dispatched in_progress waiting_customer waiting_return approved | =     | classify_ticket  | owner lead system
         classified                                           | dispatched       | dispatch_ticket  | lead system
         classified                                           | dispatched       | reassign_ticket  | lead
         dispatched                                           | dispatched       | reassign_ticket  | owner lead system
         in_progress                                          | dispatched       | reassign_ticket  | owner lead system
         waiting_customer waiting_return pending_approval approved resolved revisit | = | reassign_ticket | owner lead system
         review                                               | =                | reassign_ticket  | lead system
         classified dispatched in_progress waiting_customer   | in_progress      | take_ticket      | worker
         waiting_return pending_approval approved resolved revisit | =           | take_ticket      | worker
         review                                               | =                | take_ticket      | lead
         dispatched in_progress                               | classified       | give_back_ticket | owner lead system
         waiting_customer waiting_return approved revisit     | =                | give_back_ticket | owner lead system
         in_progress                                          | waiting_customer | wait_ticket      | owner lead
         in_progress                                          | waiting_return   | wait_ticket      | owner lead
         waiting_customer waiting_return approved             | in_progress      | resume_ticket    | owner lead system
         waiting_customer waiting_return approved             | classified       | resume_ticket    | lead system
         waiting_customer                                     | in_progress      | add_message      | worker warehouse system
         waiting_customer                                     | classified       | add_message      | worker warehouse system
         waiting_return                                       | in_progress      | receive_return   | warehouse lead system
         waiting_return                                       | classified       | receive_return   | warehouse lead system
         waiting_return                                       | in_progress      | refuse_return_goods | warehouse lead
         waiting_return                                       | classified       | refuse_return_goods | warehouse lead
         waiting_return                                       | in_progress      | cancel_return    | owner lead system
         waiting_return                                       | classified       | cancel_return    | lead system
         in_progress pending_approval approved                | =                | request_money    | owner
         in_progress approved                                 | pending_approval | request_money    | owner
         in_progress pending_approval approved                | =                | change_money     | owner
         in_progress approved                                 | pending_approval | change_money     | owner
         pending_approval                                     | in_progress      | change_money     | owner
         pending_approval                                     | approved         | decide_approval  | lead
         pending_approval                                     | in_progress      | decide_approval  | lead
         pending_approval                                     | classified       | decide_approval  | lead
         in_progress approved                                 | =                | cancel_money     | owner lead
         pending_approval                                     | in_progress      | cancel_money     | owner lead
         pending_approval                                     | approved         | cancel_money     | owner lead
         pending_approval                                     | classified       | cancel_money     | lead
         in_progress approved                                 | resolved         | resolve_ticket   | owner system
         resolved                                             | revisit          | after_resolve    | system
         resolved revisit                                     | closed           | record_score     | owner lead system
         resolved revisit                                     | review           | record_score     | owner lead system
         closed                                               | review           | correct_score    | lead
         review                                               | closed           | correct_score    | lead
         resolved revisit                                     | closed           | close_unanswered | system
         review                                               | in_progress      | finish_review    | lead
         review                                               | classified       | finish_review    | lead
         review                                               | closed           | finish_review    | lead
         resolved revisit closed                              | in_progress      | reopen_ticket    | worker
         resolved revisit closed                              | classified       | reopen_ticket    | worker system
         registered classified dispatched in_progress waiting_customer waiting_return | cancelled | cancel_ticket | registrar owner lead system
         registered classified dispatched in_progress waiting_customer | merged  | merge_tickets    | worker
         registered classified dispatched in_progress waiting_customer waiting_return approved | = | link_ticket | worker
         registered classified dispatched in_progress waiting_customer waiting_return pending_approval approved resolved revisit review | = | set_ticket_contact | registrar owner lead
"""

STANDS = {
    "ann": {"worker", "owner", "registrar"},
    "ben": {"worker"},
    "lea": {"worker", "lead"},
    "mgr": {"worker", "lead"},
    "whs": {"warehouse"},
    "ana": set(),
    "far": set(),  # a manager of the other shop
}
FREE = ("registered", "classified")  # ann has registered it, nobody owns it


def moves() -> set[tuple[str, str, str, frozenset[str]]]:
    """The table above, one line for each state."""
    found = set()
    for line in MOVES.strip().splitlines():
        states, to, rpc, who = (part.strip() for part in line.split("|"))
        found |= {
            (one_state, one_state if to == "=" else to, rpc, frozenset(who.split()))
            for one_state in states.split()
        }
    return found


def steps(conn: Connection) -> dict[str, tuple[Any, ...]]:
    """Arguments after id and version with which each function is tried."""
    order = add_order(conn, "LINK")
    contact = {
        "id": ask(conn, "ann", "reserve_contact_ids", 1)[0],
        "phone": BODY,
        "phone_masked": "138****5678",
    }
    return {
        "set_ticket_contact": (contact,),
        "classify_ticket": ({"severity": "high"},),
        "dispatch_ticket": (member(conn, "ben"),),
        "take_ticket": (),
        "give_back_ticket": ("overload",),
        "wait_ticket": ({"state": "waiting_customer", "reason": "asked_photos"},),
        "resume_ticket": (),
        "resolve_ticket": ({"outcome": "explained", "solution": "已说明", "contact": "phone"},),
        "reopen_ticket": ("unsatisfied",),
        "cancel_ticket": ("mistake",),
        "link_ticket": (order,),
        "reassign_ticket": ({"member_id": member(conn, "ben")},),
    }


def attempt(
    conn: Connection,
    who: str,
    rpc: str,
    mine: dict[str, Any],
    before: Any,
    args: Iterable[Any],
    other: dict[str, Any],
) -> str:
    """What one try makes of a ticket, taken back afterwards: its new state, or the key of the refusal."""
    ticket = mine["id"]
    try:
        with conn.transaction(force_rollback=True):
            if rpc == "merge_tickets":
                call_p(conn, who, rpc, mine, other)
            elif rpc == "reassign_ticket":
                answer = call_p(conn, who, "change_tickets", "reassign", [mine], *args)["items"][0]
                if not answer["ok"]:
                    return untouched(conn, ticket, before, "PT409", answer["key"])
            else:
                call_p(conn, who, rpc, ticket, mine["version"], *args)
            return str(state(conn, ticket))
    except psycopg.Error as error:
        return untouched(conn, ticket, before, *refused(error))


def untouched(conn: Connection, ticket: int, before: Any, code: str, key: str) -> str:
    """The key of a refusal, after which the row must be what it was."""
    assert code in ("PT403", "PT404", "PT409"), (code, key)
    assert whole_row(conn, ticket) == before
    return key


def test_the_table_of_moves_is_the_one_of_the_desk(db: Connection) -> None:
    rows = db.execute("select state_from, state_to, rpc, who from private.ticket_moves()").fetchall()
    assert {(a, b, rpc, frozenset(who)) for a, b, rpc, who in rows} == moves()
    assert len(rows) == len(moves())


def wanted(name: str, rpc: str, person: str) -> set[str]:
    """The states to which a step of this person may lead; empty: he is refused."""
    may = STANDS[person] - {"owner"} if name in FREE else STANDS[person]
    to = {to for of, to, by, who in moves() if of == name and by == rpc and who & may}
    if rpc == "take_ticket" and person == "ann" and name not in (*FREE, "dispatched", "waiting_customer"):
        return set()  # it is hers already
    return {"revisit"} if rpc == "resolve_ticket" and to else to  # the invitation follows at once


def test_every_step_for_every_person_in_every_state_and_the_page_offers_just_these(floor: Connection) -> None:
    tickets = {name: make(floor, name) for name in WAYS}
    other = item(floor, make(floor, "in_progress", owner="ben"))
    args: dict[str, tuple[Any, ...]] = {**steps(floor), "merge_tickets": ()}
    wrong = []
    tried = 0
    for name, ticket in tickets.items():
        mine, before = item(floor, ticket), whole_row(floor, ticket)
        for person in STANDS:
            screen = ask(floor, person, "ticket_screen", ticket)
            taken = set()
            for rpc in args:
                found = attempt(floor, person, rpc, mine, before, args[rpc], other)
                expected = wanted(name, rpc, person)
                tried += 1
                if found not in expected if expected else found in WAYS:
                    wrong.append((name, rpc, person, found, expected))
                if found in WAYS:
                    taken.add(rpc)
            offered = set(screen["can"]) & set(args) if screen else set()
            if offered != taken:
                wrong.append((name, person, "offered", offered - taken, "not offered", taken - offered))
    assert wrong == []
    assert tried == len(WAYS) * len(args) * len(STANDS)


def test_no_statement_takes_a_step_that_is_not_in_the_table(floor: Connection) -> None:
    allowed = {(of, to) for of, to, _, _ in moves()}
    for name in WAYS:
        ticket = make(floor, name)
        for to in WAYS:
            if to != name and (name, to) not in allowed:
                with refusal("PT409", "ticket.wrong_state"), floor.transaction(force_rollback=True):
                    floor.execute("update tickets set state = %s where id = %s", (to, ticket))


# Registering -------------------------------------------------------------------------------------------------------------


def test_what_the_order_says_is_not_typed_again(floor: Connection) -> None:
    order = add_order(floor, "A-1", contact=True)
    floor.execute(
        "update orders set buyer_account = 'bob', tracking_no = 'SF1', receiver_masked = '张**' where id = %s",
        (order,),
    )
    floor.execute(
        "insert into order_items (order_id, shop_id, line_no, sku, quantity) select id, shop_id, 1, 'S-1', 1 from orders"
    )
    ticket = call_p(floor, "ann", "register_ticket", {"order_id": order, "type": "reship", "take": True})
    found = row(
        floor,
        "select shop_id, sku, tracking_no, buyer_account, receiver_masked, state from tickets where id = %s",
        ticket["id"],
    )
    assert found == (shop_id(floor), "S-1", "SF1", "bob", "张**", "in_progress")
    assert owner(floor, ticket["id"]) == "ann"


def test_a_case_that_is_open_already_is_shown_before_it_is_registered_twice(floor: Connection) -> None:
    order = add_order(floor, "A-1")
    first = register(floor, order_id=order)
    p = {"order_id": order, "type": "return"}
    shown = call_p(floor, "ben", "register_ticket", p)
    assert [d["id"] for d in shown["duplicates"]] == [first]
    assert "id" not in shown
    assert one(floor, "select count(*) from tickets") == 1
    assert call_p(floor, "ben", "register_ticket", p | {"force": True})["id"] != first
    assert (
        call_p(floor, "ben", "register_ticket", {"shop_id": shop_id(floor), "type": "return"})["duplicates"]
        == []
    )


def test_nobody_learns_of_another_shop_s_cases_by_registering(floor: Connection) -> None:
    register(floor, "adm", shop="two", buyer_account="bob")
    with refusal("PT404", "shop.none"):
        call_p(
            floor,
            "ann",
            "register_ticket",
            {"shop_id": shop_id(floor, "two"), "type": "reship", "buyer_account": "bob"},
        )


REFUSED = {
    "another shop": ({"shop": "two"}, "PT404", "shop.none"),
    "no such type": ({"type": "magic"}, "PT422", "ticket.form"),
    "a phone in the summary": ({"summary": "电话 138 1234 5678"}, "PT422", "ticket.personal"),
    "no number": ({"quantity": "many"}, "PT422", "ticket.form"),
    "no such insurance": ({"freight_insurance": "me"}, "PT422", "ticket.form"),
    "a negative claim": ({"claimed_amount": -1}, "PT422", "ticket.form"),
    "no such order": ({"order_id": 999999}, "PT404", "order.none"),
    "a number of the platform twice": ({"platform_ref": "R-1"}, "PT409", "ticket.ref_taken"),
    "a name that is a novel": ({"buyer_account": "b" * 101}, "PT422", "ticket.form"),
    "a contact that is no ciphertext": ({"contact": {"id": 1, "name": "张三"}}, "PT422", "contact.form"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_registered(floor: Connection, case: str) -> None:
    more, code, key = REFUSED[case]
    register(floor, platform_ref="R-1")
    with refusal(code, key):
        register(floor, **more)
    assert one(floor, "select count(*) from tickets") == 1


def test_a_repeated_request_registers_once(floor: Connection) -> None:
    request = uuid.uuid4()
    p = {"shop_id": shop_id(floor), "type": "service", "summary": "咨询"}
    answers = [call_p(floor, "ann", "register_ticket", p, request=request) for _ in range(2)]
    assert answers[0] == answers[1]
    assert one(floor, "select count(*) from tickets") == 1


# Claims, hand-outs ---------------------------------------------------------------------------------------------------------


def test_of_many_who_take_the_same_ticket_one_gets_it(db_url: str) -> None:
    people = ("ann", "ben", "cid", "lea", "ops", "mgr") * 3
    with psycopg.connect(db_url, autocommit=True) as conn:
        open_ticket_floor(conn)
        ticket = make(conn, "classified")
        shown = one(conn, "select version from tickets where id = %s", ticket)

    def take(who: str) -> str:
        with psycopg.connect(db_url) as mine:
            try:
                step(mine, who, "take_ticket", ticket, version=shown)
            except psycopg.Error as error:
                return refused(error)[1]
            return "taken"

    with ThreadPoolExecutor(len(people)) as pool:
        outcomes = list(pool.map(take, people))
    assert sorted(set(outcomes)) == ["taken", "ticket.stale"]
    assert outcomes.count("taken") == 1


def test_the_pool_goes_to_agents_with_the_skill_oldest_first(floor: Connection) -> None:
    old = make(floor, "classified")
    at(floor, NOON + timedelta(minutes=5))
    new = make(floor, "classified")
    late = NOON + timedelta(minutes=8)
    floor.execute(
        "insert into assignment_members (member_id, area, capacity) select id, 'ticket', 1 from members where staff_no in ('ann')"
    )
    floor.execute("update members set skills = '{}' where staff_no = 'ben'")
    assert one(floor, "select private.drain_tickets(%s)", late) == 1
    assert (state(floor, old), owner(floor, old)) == ("dispatched", "ann")
    assert (state(floor, new), owner(floor, new)) == ("classified", None)
    assert one(floor, "select private.drain_tickets(%s)", late) == 0


def test_what_an_agent_has_just_registered_is_left_to_him(floor: Connection) -> None:
    ticket = make(floor, "classified")
    floor.execute("update tickets set updated_at = %s where id = %s", (NOON, ticket))
    assert one(floor, "select private.drain_tickets(%s)", NOON + timedelta(minutes=1)) == 0
    assert one(floor, "select private.drain_tickets(%s)", NOON + timedelta(minutes=2)) == 1


def test_a_ticket_goes_only_to_somebody_who_can_have_it(floor: Connection) -> None:
    ticket = make(floor, "classified")
    for nobody in ("ana", "far"):
        with refusal("PT422", "ticket.member"):
            step(floor, "mgr", "dispatch_ticket", ticket, member(floor, nobody))
    assert (state(floor, ticket), owner(floor, ticket)) == ("classified", None)


def test_the_tickets_of_somebody_who_is_switched_off_are_free(floor: Connection) -> None:
    kept = make(floor, "pending_approval")  # the answer decides where it goes
    worked, waiting, done = make(floor, "in_progress"), make(floor, "waiting_customer"), make(floor, "closed")
    version = one(floor, "select version from members where staff_no = 'ann'")
    call_p(floor, "adm", "switch_member", member(floor, "ann"), version, False)
    assert [(state(floor, t), owner(floor, t)) for t in (worked, waiting, done, kept)] == [
        ("classified", None),
        ("waiting_customer", None),
        ("closed", "ann"),
        ("pending_approval", "ann"),
    ]


# Many at once ----------------------------------------------------------------------------------------------------------------


def undoable(conn: Connection, ticket: int) -> tuple[Any, ...]:
    """What an action on many may change of a ticket, and undoing restores."""
    query = "select state, owner_id, type, severity, department, root_cause_id, is_complaint, freight_insurance from tickets where id = %s"
    return conn.execute(query, (ticket,)).fetchone() or ()


def test_bulk_does_what_it_can_and_is_undone_whole(floor: Connection) -> None:
    mine, free = make(floor, "in_progress"), make(floor, "classified")
    over, stale = make(floor, "cancelled"), make(floor, "classified")
    items = [item(floor, t) for t in (mine, free, over)] + [{"id": stale, "version": 1}]
    to = {"member_id": member(floor, "ben")}
    before = [whole_row(floor, t) for t in (mine, free, over, stale)]
    shown = ask(floor, "mgr", "preview_tickets", "reassign", items, to)
    assert (shown["count"], shown["ok"], shown["ids"]) == (4, 2, [mine, free])
    assert {r["key"] for r in shown["refused"]} == {"ticket.wrong_state", "ticket.stale"}
    assert [whole_row(floor, t) for t in (mine, free, over, stale)] == before
    answer = call_p(floor, "mgr", "change_tickets", "reassign", items, to)
    assert [(i["id"], i["ok"]) for i in answer["items"]] == [
        (mine, True),
        (free, True),
        (over, False),
        (stale, False),
    ]
    assert [(state(floor, t), owner(floor, t)) for t in (mine, free)] == [("dispatched", "ben")] * 2
    with refusal("PT404", "undo.none"):
        call_p(floor, "ann", "undo_tickets", answer["batch_id"])
    assert call_p(floor, "mgr", "undo_tickets", answer["batch_id"]) == {"done": 2}
    assert [(state(floor, t), owner(floor, t)) for t in (mine, free)] == [
        ("in_progress", "ann"),
        ("classified", None),
    ]
    with refusal("PT409", "undo.done"):
        call_p(floor, "mgr", "undo_tickets", answer["batch_id"])
    facts = {"severity": "urgent", "freight_insurance": "buyer", "department": "warehouse"}
    for action, p in (("classify", facts), ("give_back", {"reason": "overload"})):
        was = undoable(floor, mine)
        answer = call_p(floor, "mgr", "change_tickets", action, [item(floor, mine)], p)
        assert answer["done"] == 1
        assert undoable(floor, mine) != was
        assert call_p(floor, "mgr", "undo_tickets", answer["batch_id"]) == {"done": 1}
        assert undoable(floor, mine) == was


def test_all_that_match_are_changed_only_while_there_are_as_many_as_were_shown(floor: Connection) -> None:
    tickets = [make(floor, "classified") for _ in range(3)]
    p = {"filter": {"tab": "pool", "type": "reship"}, "member_id": member(floor, "ben")}
    assert ask(floor, "mgr", "preview_tickets", "reassign", None, p)["ok"] == 3
    for shown in (2, 4):
        with refusal("PT409", "bulk.count_changed"):
            call_p(floor, "mgr", "change_tickets", "reassign", None, p | {"count": shown})
    assert {owner(floor, t) for t in tickets} == {None}
    assert call_p(floor, "mgr", "change_tickets", "reassign", None, p | {"count": 3})["done"] == 3
    assert {owner(floor, t) for t in tickets} == {"ben"}
    with refusal("PT422", "bulk.empty"):
        call_p(floor, "mgr", "change_tickets", "reassign", None, p | {"count": 0})


def test_undo_is_refused_when_somebody_went_on_or_too_late(floor: Connection) -> None:
    ticket = make(floor, "classified")
    to = {"member_id": member(floor, "ben")}
    batch = call_p(floor, "mgr", "change_tickets", "reassign", [item(floor, ticket)], to)["batch_id"]
    with floor.transaction(force_rollback=True):
        at(floor, NOON + timedelta(minutes=10, seconds=1))
        with refusal("PT409", "undo.too_late"):
            call_p(floor, "mgr", "undo_tickets", batch)
    step(floor, "ben", "take_ticket", ticket)
    with refusal("PT409", "ticket.undo_changed"):
        call_p(floor, "mgr", "undo_tickets", batch)
    assert (state(floor, ticket), owner(floor, ticket)) == ("in_progress", "ben")
    with refusal("PT404", "undo.none"):  # decisions about orders are undone elsewhere, and nothing here
        ask(floor, "mgr", "undo_batch", uuid.uuid4(), batch)


# Merging -----------------------------------------------------------------------------------------------------------------


def test_merging_keeps_what_each_knew_and_both_histories(floor: Connection) -> None:
    order = add_order(floor, "A-1")
    a = make(floor, "in_progress", order_id=order, is_complaint=True, freight_insurance="shop")
    for paid_by in ("buyer", None, "shop"):
        step(floor, "ann", "classify_ticket", a, {"freight_insurance": paid_by})
        assert row(floor, "select freight_insurance from tickets where id = %s", a) == (paid_by,)
    step(floor, "ann", "classify_ticket", a, {"severity": "high"})  # says nothing of it
    call_p(floor, "ann", "add_message", a, {"direction": "note", "body": "等仓库回复"})
    b = make(floor, "in_progress", owner="ben")
    call_p(floor, "ben", "merge_tickets", item(floor, a), item(floor, b))
    assert row(floor, "select state, merged_into_id from tickets where id = %s", a) == ("merged", b)
    facts = "select order_id, is_complaint, freight_insurance, state from tickets where id = %s"
    assert row(floor, facts, b) == (order, True, "shop", "in_progress")
    screen = ask(floor, "ben", "ticket_screen", b)
    assert screen["merged"] == [a]
    assert "等仓库回复" in [m["body"] for m in screen["messages"]]
    assert {e["ticket_id"] for e in screen["timeline"]} == {a, b}
    assert set(clocks(floor, a).values()) == {"cancelled"}
    with refusal("PT409", "ticket.merged"):
        call_p(floor, "ann", "add_message", a, {"direction": "note", "body": "还在吗"})
    elsewhere = make(floor, "in_progress", owner="far", shop="two")
    floor.execute(
        "insert into member_shops (member_id, shop_id) select m.id, s.id from members m, shops s where m.staff_no = 'ben' and s.code = 'two'"
    )
    for target, code, key in ((b, "PT422", "ticket.merge_self"), (elsewhere, "PT409", "ticket.merge_shop")):
        before = whole_row(floor, target)
        with refusal(code, key):
            call_p(floor, "ben", "merge_tickets", item(floor, b), item(floor, target))
        assert whole_row(floor, target) == before


# Resolving, reopening ------------------------------------------------------------------------------------------------------


def test_a_case_is_not_resolved_before_the_customer_is_told(floor: Connection) -> None:
    ticket = make(floor, "in_progress")
    for more, key in (
        ({"contact": None}, "ticket.no_contact"),
        ({"contact": "wangwang"}, "ticket.form"),  # only a call has no words
        ({"contact": "wangwang", "message": "已给您补发"}, "text.unchecked"),
        ({"solution": " "}, "ticket.form"),
        ({"outcome": "magic"}, "ticket.form"),
        ({"solution": "打电话 13812345678"}, "ticket.personal"),
    ):
        before = whole_row(floor, ticket)
        with pytest.raises(psycopg.Error) as caught:
            resolve(floor, "ann", ticket, **more)
        assert refused(caught.value)[1] == key
        assert whole_row(floor, ticket) == before
    with refusal("PT422", "ticket.form"):  # only a call has no words
        call_p(floor, "ann", "add_message", ticket, {"direction": "out", "channel": "wangwang", "body": " "})
    assert not one(floor, "select exists (select from ticket_messages where ticket_id = %s)", ticket)
    call_p(floor, "ann", "add_message", ticket, {"direction": "out", "channel": "phone"})
    resolve(floor, "ann", ticket, contact=None)
    assert state(floor, ticket) == "revisit"


def test_the_window_of_reopening_then_a_new_case_that_names_the_old_one(floor: Connection) -> None:
    ticket = make(floor, "closed")
    at(floor, NOON + timedelta(days=7))
    with floor.transaction(force_rollback=True):
        answer = step(floor, "ben", "reopen_ticket", ticket, "unsatisfied")
        assert (answer["id"], answer["follows_id"], state(floor, ticket)) == (ticket, None, "in_progress")
    at(floor, NOON + timedelta(days=7, seconds=1))
    answer = step(floor, "ben", "reopen_ticket", ticket, "unsatisfied")
    assert answer["id"] != ticket
    assert answer["follows_id"] == ticket
    assert (state(floor, ticket), state(floor, answer["id"])) == ("closed", "classified")
    assert step(floor, "ben", "reopen_ticket", ticket, "unsatisfied")["id"] == answer["id"]


def test_a_reopened_case_of_somebody_who_left_lies_in_the_pool(floor: Connection) -> None:
    ticket = make(floor, "closed")
    floor.execute("update members set state = 'off' where staff_no = 'ann'")
    step(floor, "ben", "reopen_ticket", ticket, "same_problem")
    assert (state(floor, ticket), owner(floor, ticket)) == ("classified", None)
