"""After-sales figures: each formula by hand, sums that always equal a fresh count, and who sees whom."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sql import desk as floor
from tests.sql.desk import NOON, add_order, ask, one, refusal

Connection = psycopg.Connection[Any]
TODAY = NOON.date()


@pytest.fixture
def desk(db: Connection) -> Connection:
    floor.open_floor(db)
    return db


def case(
    desk: Connection,
    *,
    hours: float | None = None,
    registered: datetime = NOON - timedelta(days=2),
    owner: str = "ann",
    kind: str = "reship",
    state: str | None = None,
    complaint: bool = False,
    order: int | None = None,
    instance: int = 1,
    shop: str = "one",
    cause: int | None = None,
) -> int:
    """A case, resolved `hours` after its registration (None: still worked on)."""
    done = registered + timedelta(hours=hours) if hours is not None else None
    now_in = state or ("closed" if done else "in_progress")
    number = one(
        desk,
        """insert into tickets (shop_id, type, state, owner_id, is_complaint, order_id, instance, registered_at, first_resolved_at,
               resolved_at, outcome, closed_at, root_cause_id)
           select s.id, %s, %s, m.id, %s, %s, %s, %s, %s, %s, 'reshipped', case when %s in ('closed', 'cancelled') then private.now() end, %s
           from shops s, members m where s.code = %s and m.staff_no = %s returning id""",
        kind, now_in, complaint, order, instance, registered, done, done, now_in, cause, shop, owner,
    )  # fmt: skip
    return int(number)


def insight(desk: Connection, who: str = "mgr", **filters: Any) -> Any:
    facts = {"from": str(TODAY - timedelta(days=6)), "to": str(TODAY)} | filters
    return ask(desk, who, "ticket_insight", facts)


def test_each_rate_by_hand(desk: Connection) -> None:
    orders = [add_order(desk, f"I-{n}") for n in range(8)]
    case(desk, hours=3, complaint=True, order=orders[0])
    case(desk, hours=30, complaint=True, order=orders[0])  # the same order complains twice: one order
    case(desk, hours=24, complaint=True, order=orders[1], owner="ben", kind="quality")
    case(desk, hours=5, instance=2, state="in_progress")  # opened again: not solved
    case(desk, kind="quality")
    case(desk, state="cancelled")
    case(desk, hours=1, registered=NOON - timedelta(days=30))
    case(desk, hours=1, shop="two", owner="far")
    found = insight(desk)
    total = found["total"]
    assert (total["tickets"], total["solved"], total["solved_24h"]) == (5, 3, 2)
    assert (total["solve_rate"], total["solve_rate_24h"]) == (0.6, 0.4)
    assert (total["complaint_orders"], total["orders"], total["complaint_rate"]) == (2, 8, 0.25)
    assert (total["reopened"], total["resolved"], total["reopen_rate"]) == (1, 4, 0.25)
    assert (total["first_n"], total["first_met_rate"]) == (0, None)  # nothing measured is no 0 %
    assert found["before"] == {"tickets": 0}
    assert {row["type"]: row["tickets"] for row in found["by_type"]} == {"reship": 3, "quality": 2}
    assert {row["name"]: row["tickets"] for row in found["by_person"]} == {"ann": 4, "ben": 1}
    assert [(row["name"], row["solve_rate"]) for row in found["by_shop"]] == [("one", 0.6)]
    assert insight(desk, type="quality")["total"]["solve_rate"] == 0.5
    assert insight(desk, **{"from": str(TODAY), "to": str(TODAY)})["total"] == {"tickets": 0}


def test_a_case_in_time_lowers_no_rate_until_its_outcome_is_due_and_the_kpi_agrees(desk: Connection) -> None:
    def rates() -> list[tuple[int, float]]:
        until = one(desk, "select private.now()::date")
        days = {"from": str(TODAY - timedelta(days=6)), "to": str(until)}
        found = insight(desk, **days)["total"]
        codes = ["解决率", "24小时解决率"]
        kpis = {row["code"]: row for row in ask(desk, "mgr", "kpi_figures", codes, *days.values())}
        shown = [(found["due"], found["solve_rate"]), (found["due_24h"], found["solve_rate_24h"])]
        said = [(kpis[code]["denominator"], round(kpis[code]["value"] / 100, 6)) for code in codes]
        assert said == [(n, pytest.approx(rate, abs=2e-6)) for n, rate in shown]
        return shown

    case(desk, hours=1)
    case(desk, registered=NOON - timedelta(minutes=5))
    waiting = case(desk, registered=NOON - timedelta(hours=30))
    floor.at(desk, NOON - timedelta(hours=30))
    clock = one(
        desk,
        "select id from private.start_clock('ticket', %s, (select shop_id from tickets where id = %s), 'resolve', 'ticket_resolve', private.now())",
        waiting, waiting,
    )  # fmt: skip
    floor.at(desk, NOON - timedelta(hours=20))
    desk.execute("select private.pause_clock(%s, 'asked_photos', private.now())", (clock,))
    floor.at(desk, NOON)
    assert rates() == [(1, 1.0), (2, 0.5)]  # five minutes old; waiting for the customer, but 24 hours old
    floor.at(desk, NOON + timedelta(hours=25))
    assert rates() == [(2, 0.5), (3, 0.333333)]  # time alone made the young one due
    desk.execute("select private.resume_clock(%s, private.now())", (clock,))
    floor.at(desk, NOON + timedelta(hours=40))
    assert rates() == [(3, 0.333333), (3, 0.333333)]


def test_first_contact_and_resolution_against_their_targets(desk: Connection) -> None:
    floor.at(desk, NOON - timedelta(days=1))
    waits = {10: True, 60: True, 61: False}
    for minutes in waits:
        number = case(desk, registered=NOON - timedelta(days=1))
        for target, code in (("first", "ticket_first"), ("resolve", "ticket_resolve")):
            clock = one(
                desk,
                "select id from private.start_clock('ticket', %s, (select shop_id from tickets where id = %s), %s, %s, private.now())",
                number, number, target, code,
            )  # fmt: skip
            spent = minutes if target == "first" else minutes * 24
            desk.execute(
                "select private.stop_clock(%s, private.now() + %s)", (clock, timedelta(minutes=spent))
            )
    found = insight(desk)
    assert found["targets"] == {"ticket_first": 60, "ticket_resolve": 1440}
    assert (found["total"]["first_n"], found["total"]["first_met_rate"]) == (3, 0.666667)
    assert (found["total"]["resolve_n"], found["total"]["resolve_met_rate"]) == (3, 0.666667)
    assert found["first"] == {"1": 1, "3": 1, "4": 1}  # up to 15, up to 60 inclusive, beyond
    assert found["resolve"] == {"1": 1, "3": 1, "4": 1}
    desk.execute("update sla_policies set allowance = 30 where code = 'ticket_first'")
    assert insight(desk)["targets"]["ticket_first"] == 30


def test_what_compensation_cost_and_whose_case_it_was(desk: Connection) -> None:
    number = case(desk, hours=2)
    pay = """insert into ticket_money (ticket_id, shop_id, ticket_ids, kind, gift_sku, gift_quantity, amount, reason, state, requested_by,
            changed_by, requested_at, counted_at)
        select t.id, t.shop_id, array[t.id], %s, case when %s = 'gift' then 'G' end, case when %s = 'gift' then 1 end, %s, '划痕', %s, m.id,
            array[m.id], private.now(), private.now() from tickets t, members m where t.id = %s and m.staff_no = 'ann'"""
    for kind, amount, state in (
        ("compensation", 30, "granted"), ("gift", 15, "granted"), ("compensation", 500, "requested"), ("refund_only", 99, "granted"),
    ):  # fmt: skip
        desk.execute(pay, (kind, kind, kind, amount, state, number))
    total = insight(desk)["total"]
    assert (total["cost"], total["paid"]) == (45, 1)
    desk.execute("update ticket_money set state = 'cancelled' where kind = 'gift'")
    assert insight(desk)["total"]["cost"] == 30
    desk.execute(
        """insert into surveys (shop_id, kind, ticket_id, handler_id, opened_at, due_sort, closes_at)
           select t.shop_id, 'ticket', t.id, m.id, now(), now(), now() from tickets t, members m where t.id = %s and m.staff_no = 'ben'""",
        (number,),
    )
    desk.execute(
        "update tickets set owner_id = (select id from members where staff_no = 'lea') where id = %s",
        (number,),
    )
    assert [row["name"] for row in insight(desk)["by_person"]] == [
        "ben"
    ]  # who resolved it, not who reviews it


def behind(desk: Connection, **filters: Any) -> set[int]:
    """All rows of the list of a period, three at a time, forwards; the way back must show the same."""
    asked = {"tab": "all", "since": str(TODAY - timedelta(days=6)), "until": str(TODAY), "limit": 3} | filters
    pages = [ask(desk, "mgr", "ticket_list", asked)]
    while pages[-1]["next"]:
        pages.append(ask(desk, "mgr", "ticket_list", asked | {"after": pages[-1]["next"]}))
    if len(pages) > 1:
        back = ask(desk, "mgr", "ticket_list", asked | {"before": pages[-1]["previous"]})
        assert back["rows"] == pages[-2]["rows"]
    numbers = [row["id"] for page in pages for row in page["rows"]]
    assert len(numbers) == len(set(numbers)) == pages[-1]["count"]
    return set(numbers)


def test_the_list_of_a_period_is_what_a_figure_counted(desk: Connection) -> None:
    cause, other = (
        int(r[0]) for r in desk.execute("select id from root_causes order by id limit 2").fetchall()
    )
    for n in range(5):
        case(desk, hours=2, registered=NOON - timedelta(days=n), cause=cause)
    late = case(desk, registered=NOON - timedelta(days=1), cause=other, owner="ben", kind="quality")
    reopened = case(desk, hours=1, instance=2, state="in_progress", owner="ben")
    case(desk, state="cancelled", cause=cause)
    case(desk, hours=1, registered=NOON - timedelta(days=7), cause=cause)
    case(desk, hours=1, shop="two", owner="far", cause=cause)
    found = insight(desk)
    assert len(behind(desk)) == found["total"]["tickets"] == 7
    assert behind(desk, solved="no") == {late, reopened}
    assert found["total"]["tickets"] - found["total"]["solved"] == 2
    for groups, key, name in (
        ("by_type", "type", "type"),
        ("by_person", "member_id", "handler"),
        ("causes", "root_cause_id", "root_cause"),
    ):
        for group in found[groups]:
            if group[key]:
                assert len(behind(desk, **{name: str(group[key])})) == group["tickets"], group
    assert behind(desk, q=f"T-{late}") == {late}
    assert behind(desk, q=f"T-{late}", solved="no", handler="0") == set()
    assert behind(desk, tab="done", since=str(TODAY), until=str(TODAY)) <= behind(desk)
    new = case(desk, registered=NOON)  # counted before it is listed
    assert new in behind(desk)
    for wrong in (
        {"since": "x", "until": "y"},
        {"since": "2026-11-01"},
        {"handler": "1"},
        {"since": "2026-11-01", "until": "2026-11-02", "solved": "1"},
    ):
        with refusal("PT422", "filter.bad"):
            ask(desk, "mgr", "ticket_list", {"tab": "all"} | wrong)


def test_who_sees_what(desk: Connection) -> None:
    case(desk, hours=1)
    for who in ("mgr", "ops", "ana"):
        assert insight(desk, who)["by_person"][0]["name"] == "ann"
    mine = insight(desk, "ann")
    assert (mine["sees_people"], mine["by_person"], mine["total"]["tickets"]) == (False, None, 1)
    assert insight(desk, "far")["total"] == {"tickets": 0}
    with refusal("PT403", "member.role"):
        insight(desk, "whs")
    two = one(desk, "select id from shops where code = 'two'")
    with refusal("PT404", "shop.none"):
        insight(desk, "mgr", shop_id=two)
    for wrong in (
        {"from": "today"},
        {"to": None},
        {"from": str(TODAY - timedelta(days=500))},
        {"type": "x'; drop"},
        {"shop_id": "1 or 1"},
    ):
        with refusal("PT422", "filter.bad"):
            insight(desk, "mgr", **wrong)
        with refusal("PT422", "filter.bad"):
            ask(desk, "mgr", "satisfaction_figures", {"from": str(TODAY), "to": str(TODAY)} | wrong)


STEPS = ("new", "resolve", "reopen", "owner", "type", "complain", "cancel", "cause", "fold")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=5, max_size=25), seed=st.integers(0, 9999))
def test_sums_equal_a_fresh_count_whatever_happens(desk: Connection, steps: list[str], seed: int) -> None:
    dice = random.Random(seed)
    with desk.transaction(force_rollback=True):
        order = add_order(desk, f"H-{seed}")
        numbers = [case(desk, order=order, complaint=True)]
        for step in steps:
            number = dice.choice(numbers)
            if step == "new":
                numbers.append(case(desk, order=dice.choice((order, None)), complaint=dice.random() < 0.5))
            elif step == "fold":
                desk.execute("select private.fold_tickets()")
            else:
                desk.execute(CHANGES[step], (number,))
        desk.execute("select private.fold_tickets()")
        assert one(desk, "select count(*) from private.ticket_changes") == 0
        assert (
            desk.execute(SUMS.format(source="kept")).fetchall()
            == desk.execute(SUMS.format(source="fresh")).fetchall()
        )


CHANGES = {
    "resolve": """update tickets set state = 'resolved', first_resolved_at = coalesce(first_resolved_at, private.now()),
        resolved_at = private.now(), outcome = 'other' where id = %s and state in ('in_progress', 'approved')""",
    "reopen": "update tickets set state = 'in_progress', instance = instance + 1 where id = %s and state in ('resolved', 'revisit', 'closed')",
    "owner": "update tickets set owner_id = (select id from members where staff_no = 'ben') where id = %s",
    "type": "update tickets set type = 'quality' where id = %s",
    "complain": "update tickets set is_complaint = not is_complaint where id = %s",
    "cancel": "update tickets set state = 'cancelled', closed_at = private.now() where id = %s and state = 'in_progress'",
    "cause": "update tickets set root_cause_id = (select min(id) from root_causes) where id = %s",
}
SUMS = """
    with fresh as (select * from private.count_tickets(array(select id from tickets))),
    cells as (select c.dim, f.day, f.type, c.key, sum(f.solved) as solved, count(*) as tickets, sum(f.complaint_orders) as complaints,
            sum(f.reopened) as reopened from fresh f cross join lateral private.fact_cells((f.ticket_id, f.shop_id, f.day, f.type, f.member_id,
            f.root_cause_id, f.solved, f.solved_24h, f.due, f.due_24h, f.complaints, f.complaint_orders, f.resolved, f.reopened, f.first_bucket, f.first_met,
            f.resolve_bucket, f.resolve_met, f.paid, f.cost, f.next_at)::private.ticket_facts) c group by 1, 2, 3, 4),
    kept as (select dim, day, type, key, solved, tickets, complaint_orders as complaints, reopened from private.ticket_days where tickets <> 0)
    select dim, day, type, key, solved::bigint, tickets::bigint, complaints::bigint, reopened::bigint
    from (select dim, day, type, key, solved, tickets, complaints, reopened from {source}_rows) x order by 1, 2, 3, 4"""
SUMS = SUMS.replace("kept as (", "kept_rows as (").replace("cells as (", "fresh_rows as (")


def test_reading_asks_the_sums_and_never_the_cases(desk: Connection) -> None:
    case(desk, hours=1)
    insight(desk)
    desk.execute("alter table tickets rename to tickets_away")
    desk.execute("alter table sla_clocks rename to sla_clocks_away")
    assert insight(desk)["total"]["tickets"] == 1


def test_satisfaction_by_hand(desk: Connection) -> None:
    add = """insert into surveys (shop_id, kind, ticket_id, instance, state, score, answered_at, answered_as, answered_by, handler_id, ended_at, opened_at,
            due_sort, closes_at)
        select t.shop_id, 'ticket', t.id, %s, %s, %s, %s, %s, case when %s = 'typed' then t.owner_id end, t.owner_id, private.now(), now(), now(), now()
        from tickets t where t.id = %s"""
    number = case(desk, hours=1)
    for n, (score, how) in enumerate(((5, "typed"), (4, "link"), (2, "link"), (None, None))):
        state, at = ("answered", NOON) if score else ("unanswered", None)
        desk.execute(add, (n + 1, state, score, at, how, how, number))
    rate = "insert into ratings (shop_id, key, rating, level, rated_at, created_at) select id, %s, %s, %s, private.now(), now() from shops where code = 'one'"
    for n, (stars, level) in enumerate(
        ((5, None), (2, None), (None, "satisfied"), (None, "neutral"), (None, "very_satisfied"))
    ):
        desk.execute(rate, (str(n), stars, level))
    found = ask(desk, "ana", "satisfaction_figures", {"from": str(TODAY), "to": str(TODAY)})
    surveys = found["surveys"]["ticket"]
    assert (surveys["asked"], surveys["answered"], surveys["answer_rate"]) == (4, 3, 0.75)
    assert (surveys["mean"], surveys["satisfied"], surveys["by_link"], surveys["by_handler"]) == (
        3.666667,
        0.666667,
        2,
        1,
    )
    assert surveys["scores"] == {"1": 0, "2": 1, "3": 0, "4": 1, "5": 1}
    assert found["ratings"] == {"rated": 2, "mean": 3.5, "graded": 3, "satisfied": 0.666667}
    assert ask(desk, "far", "satisfaction_figures", {"from": str(TODAY), "to": str(TODAY)})["surveys"] == {}
