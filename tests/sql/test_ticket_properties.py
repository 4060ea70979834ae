"""Whatever people do with tickets, in whatever order: no illegal state, and the clocks tell the same story.

Hypothesis lets random people take random steps (most of them not theirs to take) while time passes and the minute tick
runs. Each example is a transaction that is rolled back; a refused step must leave every ticket as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.sql.desk import NOON, ask, at, refused
from tests.sql.ticketing import SUMMARY, call_p, item, member, open_ticket_floor, shop_id, step

Connection = psycopg.Connection[Any]
PEOPLE = st.sampled_from(["ann", "ann", "ben", "lea", "mgr", "whs"])
KINDS = ["return", "exchange", "reship", "service", "public_complaint"]
PICK = st.integers(0, 59)  # taken modulo the choices there are: what is drawn never depends on what happened
TOLD = {"outcome": "other", "solution": "已处理", "contact": "phone"}
STEPS: dict[str, list[tuple[Any, ...]]] = {
    "classify_ticket": [({"severity": "urgent"},), *[({"type": kind},) for kind in KINDS]],
    "take_ticket": [()],
    "give_back_ticket": [("overload",)],
    "wait_ticket": [
        ({"state": "waiting_customer", "reason": "asked_photos"},),
        ({"state": "waiting_return", "reason": "goods_on_way"},),
    ],
    "resume_ticket": [()],
    "resolve_ticket": [(TOLD,), (TOLD,), ({"outcome": "other", "solution": "已处理"},)],
    "reopen_ticket": [("unsatisfied",)],
    "cancel_ticket": [("mistake",)],
    "agree_return": [({},)],
    "refuse_return": [({"reason": "超期"},)],
    "receive_return": [({"quality": "good"},)],
    "cancel_return": [({},)],
    "finish_return": [({},)],
    "request_money": [({"kind": "compensation", "amount": "600", "reason": "破损"},)],
}
ONWARDS = ("resolve_ticket", "reopen_ticket", "take_ticket")
ILLEGAL = """
select 'a step that is not in the table: ' || (a.detail ->> 'from') || ' > ' || (a.detail ->> 'to')
from audit_events a where a.entity = 'ticket' and a.detail ? 'from' and a.detail ? 'to' and not exists (
    select from private.ticket_moves() m where m.state_from = a.detail ->> 'from' and m.state_to = a.detail ->> 'to')
union all
select 'a running clock of a case that is over: ' || t.id from tickets t where t.stage = 'done' and exists (
    select from private.ticket_clocks(t.id))
union all
select 'the list sorts by another time: ' || t.id from tickets t
where (t.stage = 'done' and t.due_sort <> t.closed_at) or (t.stage <> 'done' and t.due_sort <> coalesce((
    select min(c.due_at) from private.ticket_clocks(t.id) c), 'infinity'))
union all
select 'paused without waiting, or the other way round: ' || t.id from tickets t, private.ticket_clocks(t.id, '{resolve,reship}') c
where (c.paused_at is not null) <> (t.state in ('waiting_customer', 'waiting_return'))
union all
select 'no clock for what is still to do, or one for what is done: ' || t.id from tickets t
where (t.stage in ('open', 'waiting')) <> exists (select from private.ticket_clocks(t.id, '{resolve}'))
union all
select 'as many resolutions as it was opened: ' || t.id from tickets t
where t.instance <> (select count(*) from sla_clocks c where c.entity = 'ticket' and c.entity_id = t.id and c.target = 'resolve')
union all
select 'answered without a word to the customer: ' || t.id from tickets t join sla_clocks c on c.entity_id = t.id
    and c.entity in ('ticket', 'public_complaint') and c.target in ('first', 'next', 'answer') and c.state in ('fulfilled', 'fulfilled_late')
where not exists (select from ticket_messages m where m.ticket_id = t.id and m.counts_as_contact)
union all
select 'resolved while the customer waits for a word: ' || t.id from tickets t
where t.state in ('resolved', 'revisit') and exists (select from private.ticket_clocks(t.id, '{first,next,answer}'))
union all
select 'merged into a case that does not know: ' || t.id from tickets t where t.state = 'merged' and not exists (
    select from audit_events a where a.entity = 'ticket' and a.entity_id = t.merged_into_id and a.action = 'ticket_merged_in')
union all
select 'resolved with a return under way: ' || t.id from tickets t where t.state in ('resolved', 'revisit') and private.return_open(t.id)
"""


class Desk(RuleBasedStateMachine):
    """The sales floor at work."""

    conn: ClassVar[Connection]

    def __init__(self) -> None:
        super().__init__()
        self.tickets: list[int] = []
        self.moment = NOON
        self.conn.rollback()
        at(self.conn, NOON)

    def rows(self) -> Any:
        return self.conn.execute("select t::text from tickets t order by id").fetchall()

    def attempt(self, who: str, rpc: str, *args: Any) -> Any:
        """A try that may be refused, and then has changed nothing."""
        before = self.rows()
        try:
            return call_p(self.conn, who, rpc, *args)
        except psycopg.Error as error:
            code = refused(error)[0]
        assert code.startswith("PT4"), (rpc, args, code)
        assert self.rows() == before
        return None

    def ticket(self, pick: int) -> int:
        return self.tickets[pick % len(self.tickets)]

    @precondition(lambda self: len(self.tickets) < 4)
    @rule(who=PEOPLE, kind=st.sampled_from(KINDS), take=st.booleans())
    def register(self, who: str, kind: str, take: bool) -> None:
        p = {"shop_id": shop_id(self.conn), "type": kind, "summary": SUMMARY, "force": True, "take": take}
        if (answer := self.attempt(who, "register_ticket", p)) is not None:
            self.tickets.append(answer["id"])

    @precondition(lambda self: self.tickets)
    @rule(
        which=PICK,
        who=PEOPLE,
        rpc=st.sampled_from([*STEPS]),
        how=PICK,
        stale=st.sampled_from([0, 0, 0, 0, 1]),
    )
    def any_step(self, which: int, who: str, rpc: str, how: int, stale: int) -> None:
        ticket = self.ticket(which)
        args = STEPS[rpc][how % len(STEPS[rpc])]
        answer = self.attempt(who, rpc, ticket, item(self.conn, ticket)["version"] - stale, *args)
        assert answer is None or not stale

    @precondition(lambda self: self.tickets)
    @rule(which=PICK, steps=st.lists(st.tuples(PEOPLE, PICK, PICK), min_size=6, max_size=6))
    def steps_that_the_page_offers(self, which: int, steps: list[tuple[str, int, int]]) -> None:
        """Most random steps are refused; these lead on, to the end of a case and beyond."""
        ticket = self.ticket(which)
        for who, pick, how in steps:
            offered = sorted(
                {*ask(self.conn, who, "ticket_screen", ticket)["can"]} & {*STEPS} - {"cancel_ticket"}
            )
            offered += [rpc for rpc in offered if rpc in ONWARDS] * 5
            if offered:
                rpc = offered[pick % len(offered)]
                args = STEPS[rpc][how % len(STEPS[rpc])]
                self.attempt(who, rpc, ticket, item(self.conn, ticket)["version"], *args)
                self.nothing_is_illegal()

    @precondition(lambda self: self.tickets)
    @rule(
        which=st.lists(PICK, min_size=1, max_size=3),
        who=PEOPLE,
        to=st.sampled_from(["ann", "ben", "ana"]),
        undo=st.booleans(),
    )
    def hand_on(self, which: list[int], who: str, to: str, undo: bool) -> None:
        items = [item(self.conn, self.ticket(pick)) for pick in which]
        answer = self.attempt(who, "change_tickets", "reassign", items, {"member_id": member(self.conn, to)})
        if answer and answer["batch_id"] and undo:
            self.attempt(who, "undo_tickets", answer["batch_id"])

    @precondition(lambda self: len(self.tickets) > 1)
    @rule(one=PICK, other=PICK, who=PEOPLE)
    def merge(self, one: int, other: int, who: str) -> None:
        self.attempt(
            who, "merge_tickets", item(self.conn, self.ticket(one)), item(self.conn, self.ticket(other))
        )

    @precondition(lambda self: self.tickets)
    @rule(which=PICK, who=PEOPLE, direction=st.sampled_from(["in", "out", "note"]))
    def talk(self, which: int, who: str, direction: str) -> None:
        p = {"direction": direction, "channel": "phone", "body": "" if direction == "out" else "说了一句"}
        self.attempt(who, "add_message", self.ticket(which), p)

    @precondition(lambda self: self.tickets)
    @rule(which=PICK, score=st.sampled_from([1, 2, 3, 5]))
    def rate(self, which: int, score: int) -> None:
        self.attempt("ann", "record_score", {"ticket_id": self.ticket(which), "score": score})

    @rule(hours=st.sampled_from([1, 5, 30, 80, 200]))
    def time_passes(self, hours: int) -> None:
        self.moment += timedelta(hours=hours)
        at(self.conn, self.moment)
        for part in ("tick_clocks", "end_ticket_waits", "tick_surveys", "drain_tickets"):
            self.conn.execute(f"select private.{part}(%s)", (self.moment,))

    @invariant()
    def nothing_is_illegal(self) -> None:
        assert self.conn.execute(ILLEGAL).fetchall() == []


@pytest.fixture
def floor(db_url: str) -> Iterator[Connection]:
    """The sales floor with after-sales agents, at noon of a working day, in a database of its own."""
    with psycopg.connect(db_url) as conn:
        open_ticket_floor(conn)
        conn.commit()
        yield conn
        conn.rollback()


def test_random_sequences_never_reach_an_illegal_state(floor: Connection) -> None:
    Desk.conn = floor
    run_state_machine_as_test(
        Desk,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            phases=[Phase.generate],  # a failure shows its steps at once: shrinking them takes minutes
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_invariants_notice_what_they_are_for(floor: Connection) -> None:
    p = {"shop_id": shop_id(floor), "type": "service", "summary": SUMMARY, "take": True}
    ticket = call_p(floor, "ann", "register_ticket", p)["id"]
    assert floor.execute(ILLEGAL).fetchall() == []
    floor.execute("update tickets set due_sort = 'infinity', instance = 2 where id = %s", (ticket,))
    floor.execute(
        "select private.pause_clock(c.id, 'x', private.now()) from private.ticket_clocks(%s, '{resolve}') c",
        (ticket,),
    )
    found = [line.split(":")[0] for (line,) in floor.execute(ILLEGAL).fetchall()]
    assert len(found) >= 2
    step(floor, "ann", "cancel_ticket", ticket, "mistake")
