"""Leads: who may take which step, claims of many at once, and what happens to a lead that nobody follows up."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql import leading
from tests.sql.desk import NOON, add_order, as_member, ask, at, call, one, open_floor, refusal, row, user_id
from tests.sql.leading import capture, facts, follow, hand_out, held, index, item, open_sales, tick, version
from tests.sql.reminding import later, member, rows, service, shop
from tests.support import together

Connection = psycopg.Connection[Any]


@pytest.fixture
def floor(db: Connection) -> Connection:
    """The sales floor of desk.py with two sellers in shop one, inside a transaction that is rolled back."""
    open_floor(db)
    open_sales(db)
    return db


# --- the steps ---


def lead_in(conn: Connection, state: str) -> int:
    """A lead in a state; whoever owned it is cid."""
    lead = capture(conn, keep=state != "pool", phone=f"{state}-{uuid.uuid4()}", buyer_account="buyer")
    if state in ("following", "lost", "converted"):
        follow(conn, "cid", lead)
    if state == "lost":
        call(conn, "cid", "lose_lead", lead, version(conn, lead), "price")
    if state == "converted":
        conn.execute("select private.convert_leads(array[%s::bigint], private.now())", (bought(conn),))
    if state == "merged":
        other = capture(conn, keep=True, buyer_account="buyer")
        merge = one(conn, "select id from lead_merges where lead_id = %s and state = 'open'", other)
        call(conn, "cid", "decide_merge", merge, "merge")
        lead = other
    assert held(conn, lead)[0] == state
    return lead


def bought(conn: Connection, number: str = "PAID", buyer: str = "buyer", **more: Any) -> int:
    order = add_order(conn, number, **more)
    conn.execute("update orders set buyer_account = %s where id = %s", (buyer, order))
    return order


def twin(conn: Connection, lead: int) -> int:
    """A proposal to merge another lead into this one."""
    other = one(
        conn,
        """insert into leads (shop_id, source, via, needs, graded_at, name_masked, buyer_account, free_at, captured_at, asked_at)
           select shop_id, source, via, needs, graded_at, '李**', 'twin', free_at, captured_at, asked_at from leads where id = %s returning id""",
        lead,
    )
    merge = "insert into lead_merges (shop_id, lead_id, into_id, matched, created_at) values (%s, %s, %s, '{phone}', now()) returning id"
    return int(one(conn, merge, shop(conn), other, lead))


STEPS: dict[str, Callable[[Connection, str, int], Any]] = {
    "claim_lead": lambda c, who, lead: call(c, who, "claim_lead", lead),
    "claim_next_leads": lambda c, who, lead: claimed(call(c, who, "claim_next_leads", shop(c)), lead),
    "take_over_lead": lambda c, who, lead: call(c, who, "take_over_lead", lead, version(c, lead)),
    "assign_leads": lambda c, who, lead: done(call(c, who, "assign_leads", [item(c, lead)], member(c, "sal"))),
    "give_back_leads": lambda c, who, lead: done(call(c, who, "give_back_leads", [item(c, lead)], "no_time")),
    "follow_up_lead": lambda c, who, lead: follow(c, who, lead),
    "convert_lead": lambda c, who, lead: call(c, who, "convert_lead", lead, version(c, lead), "FREE"),
    "lose_lead": lambda c, who, lead: call(c, who, "lose_lead", lead, version(c, lead), "price"),
    "transfer_lead": lambda c, who, lead: call(c, who, "transfer_lead", lead, version(c, lead), TICKET),
    "reopen_lead": lambda c, who, lead: call(c, who, "reopen_lead", lead, version(c, lead), "mistake"),
    "decide_merge": lambda c, who, lead: call(c, who, "decide_merge", twin(c, lead), "merge"),
}  # fmt: skip
TICKET = {"type": "service", "summary": "问安装", "is_script_sent": True}
AS = {
    "cid": {"seller", "owner"},
    "sal": {"seller", "colleague"},
    "mgr": {"seller", "owner", "leader", "colleague"},
}
OUTSIDE = ("sue", "lea", "ops", "whs", "ana", "adm", "ann")


class NothingDoneError(Exception):
    """An RPC that answers item by item changed nothing."""


def done(answer: dict[str, Any]) -> None:
    if not answer["done"]:
        raise NothingDoneError


def claimed(answer: dict[str, Any], lead: int) -> None:
    if lead not in [got["id"] for got in answer["leads"]]:
        raise NothingDoneError


@contextmanager
def tried(conn: Connection) -> Iterator[None]:
    """Whatever happens inside is taken back."""
    with conn.transaction(force_rollback=True):
        yield


def takes(conn: Connection, who: str, rpc: str, lead: int) -> bool:
    """Whether the person may take this step with the lead as it is; what is refused leaves the row as it was."""
    with tried(conn):
        if rpc == "take_over_lead":  # nobody is on duty at night, so the owner is not
            at(conn, NOON + timedelta(hours=15))
        before = row(conn, "select l from leads l where id = %s", lead)
        try:
            with conn.transaction():
                STEPS[rpc](conn, who, lead)
        except (psycopg.Error, NothingDoneError):
            assert row(conn, "select l from leads l where id = %s", lead) == before
            return False
        return True


def test_a_lead_takes_the_steps_of_its_table_and_no_other(floor: Connection) -> None:
    moves = floor.execute(
        "select state_from, rpc, who from private.lead_moves() where who not in ('system', 'undo')"
    ).fetchall()
    assert {rpc for _, rpc, _ in moves} == set(STEPS)
    add_order(floor, "FREE")
    wrong = []
    for state in ("pool", "assigned", "following", "lost", "converted", "merged"):
        with tried(floor):
            lead = lead_in(floor, state)
            for rpc in STEPS:
                for who in (*AS, *OUTSIDE):
                    if who in OUTSIDE and (state, rpc) not in {(was, by) for was, by, _ in moves}:
                        continue  # nobody may: three people have tried
                    may = any((state, rpc, role) in moves for role in AS.get(who, set()))
                    if rpc == "decide_merge" and state == "pool":
                        may = who in AS  # nobody's leads are everybody's to sort out
                    if state == "pool" and who == "cid" and rpc in ("follow_up_lead", "give_back_leads"):
                        may = False
                    if takes(floor, who, rpc, lead) != may:
                        wrong.append((state, rpc, who, may))
    assert wrong == []


def test_no_function_moves_a_lead_along_another_way(floor: Connection) -> None:
    lead = lead_in(floor, "lost")
    with refusal("PT409", "lead.state"), floor.transaction():
        floor.execute(
            "update leads set state = 'following', lost_reason = null, closed_at = null where id = %s",
            (lead,),
        )
    with refusal("PT403", "lead.needs_manager"):
        call(floor, "cid", "reopen_lead", lead, version(floor, lead), "mistake")
    at(floor, NOON + timedelta(days=30, seconds=1))
    with refusal("PT409", "lead.reopen_late"):
        call(floor, "mgr", "reopen_lead", lead, version(floor, lead), "came_back")
    at(floor, NOON + timedelta(days=30))
    answer = call(floor, "mgr", "reopen_lead", lead, version(floor, lead), "came_back")
    assert (answer["state"], answer["owner_id"]) == ("assigned", member(floor, "cid"))
    clocks = rows(
        floor,
        "select instance, state from sla_clocks where entity = 'lead' and entity_id = %s order by id",
        lead,
    )
    assert [c["state"] for c in clocks] == ["fulfilled", "cancelled", "running"]


# --- nobody follows up ---


@pytest.mark.parametrize(
    ("grade", "hours", "more"),
    [("A", 24, {"intent": "high", "budget": "high"}), ("B", 72, {"intent": "medium"}), ("C", 168, {})],
)
def test_a_lead_left_alone_warns_escalates_returns_and_is_given_to_another(
    floor: Connection, grade: str, hours: int, more: dict[str, str]
) -> None:
    """80 % owner, 100 % owner and manager, 150 % back to the pool, rest, then the other seller: each once, whoever ticks."""
    hand_out(floor, True)
    start = NOON.replace(hour=9)
    at(floor, start)
    lead = capture(floor, who="ops", **more)
    first = held(floor, lead)[1]
    assert held(floor, lead) == ("assigned", first, grade)
    reminded = "select step, action, state, reason from reminders where entity = 'lead' and entity_id = %s order by step"
    for share, steps in ((0.79, []), (0.8, [1]), (0.99, [1]), (1.01, [1, 2]), (1.49, [1, 2])):
        for _ in range(2):
            tick(floor, start + timedelta(hours=hours * share, minutes=1))
        assert [r["step"] for r in rows(floor, reminded, lead)] == steps
        assert held(floor, lead) == ("assigned", first, grade)
    assert told_of(floor, lead, 1) == {first}
    assert told_of(floor, lead, 2) == {first, "mgr"}
    end = start + timedelta(hours=hours * 1.5, minutes=1)  # nine in the evening: the late shift is there
    for minute in (0, 0, 59):
        tick(floor, end + timedelta(minutes=minute))
    assert held(floor, lead) == ("pool", None, grade)
    assert told_of(floor, lead, 3) == {first}
    other = {"cid": "sal", "sal": "cid"}[first]
    with refusal("PT409", "lead.resting"):
        call(floor, other, "claim_lead", lead)
    at(floor, end + timedelta(minutes=61))
    with refusal("PT409", "lead.cool_off"):
        call(floor, first, "claim_lead", lead)
    for _ in range(2):
        tick(floor, end + timedelta(minutes=61))
    assert held(floor, lead) == ("assigned", other, grade)
    clocks = rows(
        floor,
        "select state, due_at from sla_clocks where entity = 'lead' and entity_id = %s order by id",
        lead,
    )
    assert [c["state"] for c in clocks] == ["cancelled", "running"]
    assert clocks[1]["due_at"] == end + timedelta(minutes=61, hours=hours)
    events = rows(
        floor, "select action from audit_events where entity = 'lead' and entity_id = %s order by id", lead
    )
    assert [event["action"] for event in events] == ["captured", "graded", "assigned", "recycled", "assigned"]
    assert [r["step"] for r in rows(floor, reminded, lead)] == [1, 2, 3]


def told_of(conn: Connection, lead: int, step: int) -> set[str]:
    """Who was addressed by a step's reminder."""
    query = """select m.staff_no from reminders r join private.reminder_people p on p.audience_id = r.audience_id
        join members m on m.id = p.member_id where r.entity = 'lead' and r.entity_id = %s and r.step = %s"""
    return {found["staff_no"] for found in rows(conn, query, lead, step)}


def test_what_is_kept_too_long_comes_back_and_what_nobody_may_have_starves_nobody(floor: Connection) -> None:
    hand_out(floor, True)
    freeze = "insert into assignment_members (member_id, area, capacity, frozen_until, frozen_reason) values (%s, 'lead', 60, '2030-01-01', '培训')"
    floor.execute(freeze, (member(floor, "sal"),))
    blocked = [capture(floor, who="ops") for _ in range(25)]
    assert {held(floor, lead)[1] for lead in blocked} == {"cid"}
    call(
        floor, "cid", "give_back_leads", [item(floor, lead) for lead in blocked], "leave"
    )  # cid cools off, sal is frozen
    late = capture(floor, who="ops")
    floor.execute(
        "update leads set owner_id = null, owned_since = null, state = 'pool' where id = %s", (late,)
    )
    floor.execute("update assignment_members set capacity = 5")
    floor.execute(
        "update lead_owners set until = private.now(), ended_as = 'reassigned' where lead_id = %s and until is null",
        (late,),
    )
    for minute in (1, 2):
        tick(floor, later(minutes=minute))
    assert held(floor, late)[1] == "cid"  # the 25 before it stood in nobody's way
    floor.execute("delete from assignment_members")
    tick(floor, later(minutes=13))
    assert {held(floor, lead)[1] for lead in blocked} == {"sal"}
    follow(floor, "cid", late, after=timedelta(days=29))
    at(floor, later(days=30))
    follow(floor, "cid", late, after=timedelta(days=29))
    at(floor, later(days=58, hours=1))
    follow(floor, "cid", late, after=timedelta(days=29))
    tick(floor, later(days=61))
    assert held(floor, late)[0] == "pool"  # followed up in time, yet owned for 60 days without a sale
    reason = "select detail ->> 'reason' from audit_events where entity = 'lead' and entity_id = %s and action = 'recycled'"
    assert one(floor, reason, late) == "kept_too_long"


# --- many at once ---


def test_of_claims_at_once_one_wins_and_no_day_exceeds_its_limit(db_url: str) -> None:
    """Each in a session of its own; a hundred of them, by HTTP: tests/contract/test_lead_intake.py."""
    with psycopg.connect(db_url) as conn:
        open_floor(conn)
        open_sales(conn)
        for n in range(23):
            conn.execute(
                """with m as (insert into members (user_id, staff_no, display_name, role, skills, state)
                     values (%s, %s, %s, 'agent', '{presales}', 'active') returning id)
                   insert into member_shops select m.id, s.id from m, shops s where s.code = 'one'""",
                (user_id(f"p{n}"), f"p{n}", f"p{n}"),
            )
        wanted = capture(conn)
        many = [capture(conn) for _ in range(15)]
        conn.execute("update lead_rules set claim_limit = 7")
    people = ["cid", "sal", *(f"p{n}" for n in range(23))]
    answers = together(db_url, 25, lambda conn, number: attempt(conn, people[number], wanted))
    winner = [answer for answer in answers if answer == wanted]
    assert len(winner) == 1
    assert Counter(answers) == {wanted: 1, "PT409 lead.taken": 24}
    got = together(db_url, 15, lambda conn, number: attempt(conn, "p3", many[number]))
    with psycopg.connect(db_url) as conn:
        before = one(conn, "select count(*) from leads where owner_id = %s", member(conn, "p3"))
        assert before == 7
        assert (
            one(conn, "select claims from private.lead_claims where member_id = %s", member(conn, "p3")) == 7
        )
    assert set(got) - set(many) == {"PT409 lead.claim_limit"}


def attempt(conn: Connection, who: str, lead: int) -> Any:
    """The lead when claimed, else why not."""
    try:
        return call(conn, who, "claim_lead", lead)["id"]
    except psycopg.Error as error:
        return f"{error.sqlstate} {error.diag.message_primary}"


# --- many at once, and taken back ---

KEPT = """select l.state, m.staff_no, l.stage, l.furthest, l.needs, l.is_raised, l.owned_since,
    (select array_agg((o.member_id, o.since, o.until, o.ended_as) order by o.id) filter (where o.until is null) from lead_owners o where o.lead_id = l.id),
    l.due_at from leads l left join members m on m.id = l.owner_id where l.id = %s"""


def test_what_was_done_with_many_is_taken_back_by_whoever_did_it(floor: Connection) -> None:
    """assign, give back, move, tag: {before} is there again, deadline and history of owners included."""
    following, fresh, pooled = (lead_in(floor, state) for state in ("following", "assigned", "pool"))
    late = capture(floor, keep=True)
    floor.execute("update leads set is_raised = true where id = %s", (late,))
    at(floor, later(days=8))  # every deadline is over by now
    sal, cid = member(floor, "sal"), member(floor, "cid")
    many = [following, fresh, pooled, late]
    cases: list[tuple[str, str, Any, set[int]]] = [
        ("mgr", "assign", sal, set()),
        ("mgr", "assign", cid, {following, fresh, late}),
        ("cid", "give_back", "no_time", {pooled}),
        ("mgr", "move", "objection", {fresh, pooled, late}),
        ("cid", "tag", "大客户", {pooled}),
    ]
    wrong = []
    for who, action, value, refused in cases:
        asked = {"assign": "member_id", "give_back": "reason", "move": "stage", "tag": "tag"}[action]
        with tried(floor):
            before = {lead: row(floor, KEPT, lead) for lead in many}
            items = [item(floor, lead) for lead in many]
            seen = ask(floor, who, "preview_leads", action, items, {asked: value})
            assert {lead: row(floor, KEPT, lead) for lead in many} == before
            answer = call(floor, who, f"{action}_leads", items, value)
            named = {i["id"] for i in answer["items"] if i["refusal"]}
            at(floor, later(days=8, minutes=10))
            undone = call(floor, who, "undo_leads", answer["batch_id"])
            after = {lead: row(floor, KEPT, lead) for lead in many}
            if (seen["items"], seen["ok"]) != (answer["items"], answer["done"]) or named != refused:
                wrong.append((action, value, seen, answer))
            if after != before or undone["done"] != answer["done"]:
                wrong.append((action, value, before, after))
            with refusal("PT409", "undo.done"):
                call(floor, who, "undo_leads", answer["batch_id"])
    assert wrong == []


def test_undoing_names_what_was_changed_since_and_is_for_nobody_else(floor: Connection) -> None:
    changed, kept = (lead_in(floor, "assigned") for _ in range(2))
    batch = call(floor, "cid", "give_back_leads", [item(floor, changed), item(floor, kept)], "leave")[
        "batch_id"
    ]
    call(floor, "sal", "claim_lead", changed)
    for who in ("mgr", "sal", "sue"):
        with refusal("PT404", "undo.none"):
            call(floor, who, "undo_leads", batch)
    with refusal("PT404", "undo.none"):
        call(floor, "cid", "undo_batch", batch)  # an action on leads is no decision on orders
    at(floor, later(minutes=10, seconds=1))
    with refusal("PT409", "undo.too_late"):
        call(floor, "cid", "undo_leads", batch)
    at(floor, later(minutes=10))
    answer = call(floor, "cid", "undo_leads", batch)
    assert answer == {
        "done": 1,
        "items": [{"id": changed, "refusal": "lead.changed_since"}, {"id": kept, "refusal": None}],
    }
    assert (held(floor, changed)[:2], held(floor, kept)[:2]) == (("assigned", "sal"), ("assigned", "cid"))
    given = call(floor, "mgr", "assign_leads", [item(floor, kept)], member(floor, "sal"))["batch_id"]
    floor.execute("update members set state = 'off' where staff_no = 'cid'")
    answer = call(floor, "mgr", "undo_leads", given)
    assert (answer["done"], answer["items"][0]["refusal"]) == (0, "lead.bad_owner")
    assert held(floor, kept)[1] == "sal"


# --- whose contact ---

SECRETS = (leading.BODY, "dear_buyer", index("13812345678"))


def test_nobody_reads_a_colleagues_contact_and_every_opening_is_recorded(floor: Connection) -> None:
    lead = capture(floor, keep=True, phone="13812345678", buyer_account="dear_buyer")
    call(
        floor,
        "cid",
        "make_promise",
        "lead",
        lead,
        {"kind": "gift", "amount": 12, "what": "小样", "due_at": later(days=1).isoformat()},
    )
    follow(floor, "cid", lead)
    told = ask(floor, "cid", "reveal_contact", "lead", lead)
    assert (told["phone"], told["buyer_account"]) == (leading.BODY, "dear_buyer")
    for who in ("sal", "lea", "ann", "ops", "whs"):
        with refusal("PT403", "lead.contact_hidden"):
            ask(floor, who, "reveal_contact", "lead", lead, "audit")
    with refusal("PT404", "lead.none"):
        ask(floor, "sue", "reveal_contact", "lead", lead, "audit")
    with refusal("PT403", "member.role"):
        ask(floor, "ana", "reveal_contact", "lead", lead, "audit")
    with refusal("PT422", "reveal.reason"):
        ask(floor, "mgr", "reveal_contact", "lead", lead)
    assert ask(floor, "mgr", "reveal_contact", "lead", lead, "audit")["phone"] == leading.BODY
    opened = "select m.staff_no as who, detail from audit_events a join members m on m.id = a.member_id where a.entity = 'lead' and a.action = 'contact_revealed' order by a.id"
    assert [(r["who"], r["detail"]) for r in rows(floor, opened)] == [
        ("cid", {"claimed": True}),
        ("mgr", {"claimed": False, "reason": "audit"}),
    ]
    for who in ("sal", "sue", "ops", "ann"):
        said = whatever_is_told(floor, who, lead)
        assert [secret for secret in SECRETS if secret in said] == []
        assert ("138****5678" in said, "张**" in said) == (False, False)
    assert "138****5678" in whatever_is_told(floor, "cid", lead)
    screen = ask(floor, "sal", "lead_screen", lead)
    assert (screen["is_whole"], screen["case"]["owner_name"], screen["case"]["promises"][0]["what"]) == (
        False,
        "cid",
        "小样",
    )


def whatever_is_told(conn: Connection, who: str, lead: int) -> str:
    """Everything that lists, screens, searches, exports and the tables themselves tell a person about a lead."""
    words = {"lead_nos": [str(lead)], "buyers": ["dear_buyer"], "phone_hashes": [index("13812345678")]}
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("lead_board", ({"scope": "all"},)), ("lead_board", ({"scope": "all", "owner": str(member(conn, "cid"))},)),
        ("lead_board", ({"scope": "pool"},)), ("lead_screen", (lead,)), ("export_leads", ({"scope": "all"}, 0)),
        ("lead_cases", ({"buyer_account": "dear_buyer", "hashes": [index("13812345678")]},)), ("search_desk", (words,)),
        ("merge_list", (shop(conn),)), ("promise_list", ({},)), ("lead_insight", ({},)), ("deadline_list", ({},)),
    ]  # fmt: skip
    said = []
    for name, args in calls:
        try:
            answer = str(ask(conn, who, name, *args))
        except psycopg.Error as error:
            if error.sqlstate not in ("PT401", "PT403", "PT404"):
                raise
            answer = str(error.diag.message_primary)
        said.append(answer)
    columns = "id, name_masked, phone_masked, wechat_masked, email_masked, buyer_masked, owner_id"
    with as_member(conn, who):
        for query in (f"select {columns} from leads where id = {lead}", f"select * from follow_ups where lead_id = {lead}",
                      f"select l.phone_masked from lead_owners o join leads l on l.id = o.lead_id where o.lead_id = {lead}",
                      f"select l.phone_masked from sla_clocks c join leads l on l.id = c.entity_id where c.entity = 'lead' and l.id = {lead}"):  # fmt: skip
            said.append(str(conn.execute(query.encode()).fetchall()))
    return "\n".join(said)


# --- the robot's side ---


def test_a_form_takes_what_it_may_and_nothing_twice(floor: Connection) -> None:
    token, sender = "a" * 64, "b" * 32
    form = {
        "shop_id": shop(floor),
        "name": "双十一页",
        "token_hash": token,
        "needs": ["样品"],
        "per_minute": 4,
        "per_source_hour": 3,
    }
    call(floor, "mgr", "save_lead_form", None, None, form)
    wrong: list[Any] = []

    def send(
        submission: str,
        expected: str,
        *,
        source: str = sender,
        trap: bool = False,
        key: str = token,
        **more: Any,
    ) -> None:
        found = service(
            floor, "service_lead_intake", key, source, submission, Jsonb(facts(floor) | more), trap
        )
        if found["outcome"] != expected:
            wrong.append((submission, expected, found))

    send("submission-000001", "accepted")
    send("submission-000001", "repeated")
    send("submission-000002", "unknown", key="c" * 64)
    send("submission-000003", "trapped", trap=True)
    send("submission-000004", "limited")  # the fourth of one sender within the hour
    send("submission-000005", "limited", source="c" * 32)  # the fifth of the form within the minute
    at(floor, later(minutes=1))
    send("submission-000006", "refused", source="d" * 32, contact=None)
    send("submission-000007", "accepted", source="d" * 32)
    send("submission-000008", "refused", source="not a digest")
    at(floor, later(hours=2))
    send("submission-000009", "accepted")
    assert wrong == []
    made = rows(
        floor, "select via, source, captured_by from leads where shop_id = %s order by id", shop(floor)
    )
    assert [(m["via"], m["source"], m["captured_by"]) for m in made] == [("form", "form", None)] * 3
    assert row(floor, "select accepted, trapped, limited from lead_forms") == (3, 1, 2)
    with refusal("PT403", "member.role"):
        call(floor, "cid", "save_lead_form", None, None, form)
