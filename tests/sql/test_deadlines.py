"""时效总览: how deadlines stand, whose they are, which of them a person sees, and what an export holds."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.desk import NOON, add_order, ask, at, call, one, open_floor, refusal, row
from tests.sql.test_clock_commands import at as clock_at
from tests.sql.test_clock_commands import rows

Connection = psycopg.Connection[Any]
SEES_ALL = ("ops", "ana", "mgr", "lea")


@pytest.fixture
def floor(db: Connection) -> Connection:
    """The sales floor of desk.py at noon."""
    open_floor(db)
    return db


def shop_id(conn: Connection, code: str = "one") -> int:
    return int(one(conn, "select id from shops where code = %s", code))


def start(
    conn: Connection,
    entity_id: int,
    minutes: float,
    *,
    shop: str = "one",
    entity: str = "test",
    target: str = "review",
) -> int:
    """A clock that is due so many minutes from noon."""
    begun = NOON + timedelta(minutes=minutes - 1440)
    query = "select id from private.start_clock(%s, %s, %s, %s, 'lead_a', %s)"
    return int(one(conn, query, entity, entity_id, shop_id(conn, shop), target, begun))


def claim(conn: Connection, order_id: int, who: str) -> None:
    """The order's work row belongs to somebody, for an hour."""
    conn.execute(
        "update order_reviews set owner_id = (select id from members where staff_no = %s), claim_until = %s where order_id = %s",
        (who, NOON + timedelta(hours=1), order_id),
    )


def figures(conn: Connection, who: str) -> Counter[tuple[str, str | None, str]]:
    """Open counts by area, owner and bucket."""
    answer = ask(conn, who, "deadline_overview")
    found: Counter[tuple[str, str | None, str]] = Counter()
    for line in answer["open"]:
        found[f"{line['entity']}.{line['target']}", line["owner_name"], line["bucket"]] += line["count"]
    return found


def listed(conn: Connection, who: str = "mgr", **wanted: Any) -> list[int]:
    return [line["id"] for line in ask(conn, who, "deadline_list", wanted)["rows"]]


# --- how it stands ---


@pytest.mark.parametrize(
    ("minutes", "bucket"),
    [(-1 / 60, "overdue"), (0, "soon"), (30, "soon"), (30 + 1 / 60, "on_time"), (600, "on_time")],
    ids=["a second late", "at the deadline", "half an hour", "a second more", "hours"],
)
def test_overdue_soon_and_on_time_at_their_edges(floor: Connection, minutes: float, bucket: str) -> None:
    found = start(floor, 1, minutes)
    assert figures(floor, "mgr") == {("test.review", None, bucket): 1}
    for name in ("overdue", "soon", "on_time"):
        assert listed(floor, bucket=name) == ([found] if name == bucket else [])
    assert [line["bucket"] for line in ask(floor, "mgr", "deadline_list", {})["rows"]] == [bucket]


def test_paused_uncovered_and_finished_have_places_of_their_own(floor: Connection) -> None:
    paused, done, late = (start(floor, n, m) for n, m in ((1, 60), (2, 60), (3, -60)))
    floor.execute("select private.pause_clock(%s, '等待客户', %s)", (paused, NOON))
    for one_done in (done, late):
        floor.execute("select private.stop_clock(%s, %s)", (one_done, NOON))
    waiting = one(
        floor,
        "select id from private.start_clock('test', 4, %s, 'refund', 'refund_arrival', '2027-03-01 10:00+08')",
        shop_id(floor),
    )
    assert figures(floor, "mgr") == {
        ("test.review", None, "paused"): 1,
        ("test.refund", None, "uncovered"): 1,
    }
    assert (listed(floor, bucket="paused"), listed(floor, bucket="uncovered")) == ([paused], [waiting])
    assert (listed(floor, bucket="late"), listed(floor)) == ([late], [])
    answer = ask(floor, "mgr", "deadline_overview")
    assert answer["missing_years"] == ["2027"]
    today = [(line["day"], line["met"], line["late"]) for line in answer["finished"]]
    assert today == [("2026-11-18", 1, 1)]


def test_the_trend_has_fourteen_days_of_the_shops_own_zone(floor: Connection) -> None:
    floor.execute("update shops set timezone = 'America/New_York' where code = 'one'")
    for n, when in enumerate(
        (clock_at("18 11:00"), clock_at("18 12:00"), clock_at("05 02:00"), clock_at("04 02:00")), 1
    ):
        found = one(
            floor,
            "select id from private.start_clock('test', %s, %s, 'review', 'lead_a', %s)",
            n,
            shop_id(floor),
            when - timedelta(hours=1),
        )
        floor.execute("select private.stop_clock(%s, %s)", (found, when))
    days = {line["day"]: line["met"] for line in ask(floor, "mgr", "deadline_overview")["finished"]}
    assert days == {
        "2026-11-17": 2,
        "2026-11-04": 1,
    }  # 05 02:00 in Shanghai is 04 13:00 there; 03 is too long ago


# --- whose it is, and who sees it ---


@pytest.fixture
def shared(floor: Connection) -> Connection:
    """Ann holds one order, Ben another, one is free; and one of shop two."""
    for number, who in (("A", "ann"), ("B", "ben"), ("C", None)):
        order_id = add_order(floor, number, ["remote"])
        if who:
            claim(floor, order_id, who)
    add_order(floor, "D", ["remote"], shop="two")
    return floor


AREA = "order_review.review"


@pytest.mark.parametrize("who", SEES_ALL)
def test_some_see_everybodys_work(shared: Connection, who: str) -> None:
    assert figures(shared, who) == {(AREA, name, "on_time"): 1 for name in ("ann", "ben", None)}
    assert len(listed(shared, who)) == 3
    assert ask(shared, who, "deadline_overview")["sees_everybody"] is True


@pytest.mark.parametrize(("who", "held"), [("ann", 1), ("cid", 0), ("whs", 0)])
def test_others_see_their_own_and_the_pool(shared: Connection, who: str, held: int) -> None:
    expected = {(AREA, None, "on_time"): 1} | ({(AREA, who, "on_time"): 1} if held else {})
    assert figures(shared, who) == expected
    labels = {line["label"] for line in ask(shared, who, "deadline_list", {})["rows"]}
    assert labels == {"C"} | ({"A"} if held else set())
    bens = one(shared, "select id from members where staff_no = 'ben'")
    assert listed(shared, who, person=str(bens)) == []
    assert len(listed(shared, who, person="me")) == held
    assert len(listed(shared, who, person="pool")) == 1


def test_a_claim_that_ran_out_is_back_in_the_pool(shared: Connection) -> None:
    at(shared, NOON + timedelta(hours=1))
    assert figures(shared, "ann") == {(AREA, None, "on_time"): 3}


def test_an_admin_sees_every_shop_and_a_shop_only_its_own(shared: Connection) -> None:
    assert sum(figures(shared, "adm").values()) == 4
    assert sum(figures(shared, "far").values()) == 1
    assert listed(shared, "mgr", shop_id=shop_id(shared, "two")) == []
    assert len(listed(shared, "adm", shop_id=shop_id(shared, "two"))) == 1


def test_a_row_says_what_it_is_and_whose(shared: Connection) -> None:
    (line,) = ask(shared, "ann", "deadline_list", {"person": "me"})["rows"]
    assert (line["label"], line["owner_name"], line["shop_name"], line["policy"]) == (
        "A",
        "ann",
        "one",
        "订单异常审核",
    )
    assert (line["entity"], line["target"], line["state"]) == ("order_review", "review", "running")


# --- pages ---


def test_pages_show_every_row_once_across_shops_and_areas(floor: Connection) -> None:
    floor.execute(
        "insert into member_shops select m.id, s.id from members m, shops s where m.staff_no = 'mgr' and s.code = 'two'"
    )
    for n in range(24):
        start(floor, n, 60 + n // 3, shop=("one", "two")[n % 2], target=("review", "ship")[n % 3 == 0])
    seen: list[int] = []
    wanted: dict[str, Any] = {"limit": 7}
    for _ in range(4):
        answer = ask(floor, "mgr", "deadline_list", wanted)
        seen += [line["id"] for line in answer["rows"]]
        wanted["after"] = answer["next"]
    assert answer["next"] is None
    assert seen == [line["id"] for line in rows(floor, "select id from sla_clocks order by due_at, id")]
    assert len(listed(floor, area="test.ship")) == 8


@pytest.mark.parametrize("bucket", ["paused", "late"])
def test_pages_without_a_deadline_go_on_too(floor: Connection, bucket: str) -> None:
    for n in range(5):
        found = start(floor, n, -60)
        command = "pause_clock(%s, '等待客户', %s)" if bucket == "paused" else "stop_clock(%s, %s)"
        floor.execute(f"select private.{command}", (found, NOON - timedelta(minutes=n // 2)))
    first = ask(floor, "mgr", "deadline_list", {"bucket": bucket, "limit": 3})
    second = ask(floor, "mgr", "deadline_list", {"bucket": bucket, "limit": 3, "after": first["next"]})
    seen = [line["id"] for line in first["rows"] + second["rows"]]
    assert (len(seen), len(set(seen)), second["next"]) == (5, 5, None)


@pytest.mark.parametrize(
    "wanted",
    [{"bucket": "all"}, {"person": "1; drop"}, {"shop_id": "x"}, {"limit": "many"}, {"limit": -1}, {"after": {"id": "x"}},
     {"after": {"id": 1, "due_at": "soon"}}, ["open"]],
    ids=str,
)  # fmt: skip
def test_a_filter_that_means_nothing_is_refused(floor: Connection, wanted: Any) -> None:
    with refusal("PT422", "filter.bad"):
        ask(floor, "mgr", "deadline_list", wanted)


def test_an_unknown_area_is_empty(floor: Connection) -> None:
    start(floor, 1, 60)
    assert listed(floor, area="x' or true --") == []


# --- the export ---


def exported(conn: Connection, who: str, what: str, *more: Any) -> Any:
    return ask(conn, who, "export_deadlines", what, *(more or (None, None)))


@pytest.mark.parametrize("who", ["ops", "ana", "mgr"])
def test_an_export_holds_all_clocks_and_events_of_ones_shops(shared: Connection, who: str) -> None:
    clocks, events = exported(shared, who, "clocks"), exported(shared, who, "events")
    assert [line["label"] for line in clocks] == ["A", "B", "C"]
    assert {(line["kind"], line["shop_name"]) for line in events} == {("started", "one")}
    noted = rows(
        shared,
        "select detail ->> 'what' as what, m.staff_no from audit_events a join members m on m.id = a.member_id where action = 'exported' order by a.id",
    )
    assert [tuple(line.values()) for line in noted] == [("clocks", who), ("events", who)]


@pytest.mark.parametrize("who", ["ann", "lea", "whs"])
def test_an_export_is_not_for_everybody(shared: Connection, who: str) -> None:
    with refusal("PT403", "member.role"):
        exported(shared, who, "clocks")
    assert one(shared, "select count(*) from audit_events where action = 'exported'") == 0


def test_an_export_has_a_period_and_goes_on_after_an_id(floor: Connection) -> None:
    first, second = start(floor, 1, 60), start(floor, 2, 1500)
    begun = NOON + timedelta(minutes=60)
    assert [line["id"] for line in exported(floor, "mgr", "clocks", begun, None)] == [second]
    assert [line["id"] for line in exported(floor, "mgr", "clocks", None, begun)] == [first]
    assert [line["id"] for line in exported(floor, "mgr", "clocks", None, None, first)] == [second]
    assert (
        one(floor, "select count(*) from audit_events where action = 'exported'") == 2
    )  # going on is not noted again
    assert exported(floor, "adm", "clocks", None, None, 0, shop_id(floor, "two")) == []
    with refusal("PT422", "filter.bad"):
        exported(floor, "mgr", "members")


def test_decided_work_leaves_the_overview(shared: Connection) -> None:
    version, item_id = row(
        shared,
        "select e.version, e.id from orders o join order_exceptions e on e.order_id = o.id where order_no = 'A'",
    )
    call(
        shared, "ann", "decide_exceptions", [{"id": item_id, "version": version}], "waived", "verified", None
    )
    assert figures(shared, "mgr") == {(AREA, "ben", "on_time"): 1, (AREA, None, "on_time"): 1}
    assert [(line["met"], line["late"]) for line in ask(shared, "mgr", "deadline_overview")["finished"]] == [
        (1, 0)
    ]
