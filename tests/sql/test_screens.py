"""Screens: each answers in one request what its page shows, of one's own shops only, at any page."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.sql.desk import (
    NOON,
    add_order,
    ask,
    at,
    call,
    item,
    one,
    open_floor,
    order_item,
    refusal,
    row,
    user_id,
)
from tests.support import as_role

Connection = psycopg.Connection[Any]


@pytest.fixture
def floor(db: Connection) -> Connection:
    """The sales floor of desk.py inside a transaction that is rolled back."""
    open_floor(db)
    return db


def queue(conn: Connection, who: str = "ann", **filters: Any) -> Any:
    return ask(conn, who, "order_queue", filters)


def numbers(answer: Any) -> list[str]:
    return [r["order_no"] for r in answer["rows"]]


def spread(conn: Connection, count: int) -> None:
    """Orders 0 … count-1 whose deadlines are a minute apart, two by two the same."""
    for n in range(count):
        at(conn, NOON + timedelta(minutes=n // 2))
        add_order(conn, f"{n:02d}", ["remote"], amount=n)


def test_pages_forward_and_back_show_every_row_once(floor: Connection) -> None:
    spread(floor, 25)
    first = queue(floor, limit=10)
    second = queue(floor, limit=10, after=first["next"])
    third = queue(floor, limit=10, after=second["next"])
    assert numbers(first) + numbers(second) + numbers(third) == [f"{n:02d}" for n in range(25)]
    assert (first["prev"], third["next"], first["count"]) == (None, None, 25)
    back = queue(floor, limit=10, before=third["prev"])
    assert numbers(back) == numbers(second)
    assert numbers(queue(floor, limit=10, before=back["prev"])) == numbers(first)
    assert queue(floor, limit=10, before=back["prev"])["prev"] is None


def test_what_was_decided_is_shown_latest_first(floor: Connection) -> None:
    for n in range(4):
        at(floor, NOON + timedelta(minutes=n))
        order = add_order(floor, str(n), ["remote"])
        call(floor, "ann", "decide_exceptions", [item(floor, order)], "waived", "verified")
    page = queue(floor, state="done", limit=2)
    assert numbers(page) == ["3", "2"]
    rest = queue(floor, state="done", limit=2, after=page["next"])
    assert (numbers(rest), rest["next"]) == (["1", "0"], None)
    assert numbers(queue(floor, state="done", limit=2, before=rest["prev"])) == ["3", "2"]


def test_filters_narrow_the_queue(floor: Connection) -> None:
    dear = add_order(floor, "dear", ["remote"], amount=900)
    cheap = add_order(floor, "cheap", ["mismatch"], amount=5)
    late = NOON + timedelta(hours=2, minutes=1)
    assert numbers(queue(floor, kind="mismatch")) == ["cheap"]
    assert numbers(queue(floor, amount_min=5, amount_max=100)) == ["cheap"]
    assert numbers(queue(floor, platform="jd")) == []
    assert sorted(numbers(queue(floor, platform="taobao"))) == ["cheap", "dear"]
    call(floor, "ann", "claim_order", dear)
    assert numbers(queue(floor, owner="me")) == ["dear"]
    assert numbers(queue(floor, owner="none")) == ["cheap"]
    assert numbers(queue(floor, "ben", owner="me")) == []
    at(floor, late)
    assert numbers(queue(floor, owner="me")) == []
    assert len(numbers(queue(floor, due="overdue"))) == 2
    call(floor, "ann", "decide_exceptions", [item(floor, cheap)], "waiting_customer", "asked_chat")
    assert numbers(queue(floor, state="waiting_customer")) == ["cheap"]
    assert queue(floor)["tabs"] == {"open": 1, "waiting_customer": 1, "mine": 0, "overdue": 1}


def test_due_soon_is_half_an_hour_inclusive(floor: Connection) -> None:
    add_order(floor, "1", ["remote"])
    at(floor, NOON + timedelta(minutes=89))
    assert queue(floor, due="soon")["count"] == 0
    at(floor, NOON + timedelta(minutes=90))
    assert queue(floor, due="soon")["count"] == 1


def test_the_count_stops_at_a_thousand_and_one(floor: Connection) -> None:
    floor.execute(
        """insert into orders (shop_id, order_no, platform_status, status, facts_hash, content_hash)
           select s.id, 'm' || n, 'x', 'to_ship', 'f', 'c' from shops s, generate_series(1, 1100) n where code = 'one';
           insert into order_reviews (order_id, shop_id, state, detected_at)
           select id, shop_id, 'open', private.now() from orders where order_no like 'm%'"""
    )
    assert queue(floor)["count"] == 1001


def test_the_row_carries_evidence_and_the_holder_of_a_live_claim(floor: Connection) -> None:
    order = add_order(floor, "1", ["mismatch"], evidence={"left": "江苏省", "right": "杭州市"})
    call(floor, "ann", "claim_order", order)
    (shown,) = queue(floor, "ben")["rows"]
    assert shown["owner_name"] == "ann"
    assert shown["exceptions"][0]["evidence"] == {"left": "江苏省", "right": "杭州市"}
    at(floor, NOON + timedelta(minutes=20))
    assert queue(floor, "ben")["rows"][0]["owner_name"] is None


@pytest.mark.parametrize("who", ["ann", "cid", "whs", "ana", "adm"])
def test_nobody_sees_beyond_his_shops(floor: Connection, who: str) -> None:
    mine = add_order(floor, "mine", ["remote"])
    other = add_order(floor, "other", ["remote"], shop="two")
    unpaid = add_order(floor, "unpaid", ["unpaid"], shop="two", status="unpaid")
    everywhere = who == "adm"
    assert sorted(numbers(queue(floor, who))) == (["mine", "other"] if everywhere else ["mine"])
    assert (ask(floor, who, "order_detail", other) is not None) == everywhere
    assert ask(floor, who, "order_detail", mine)["order"]["order_no"] == "mine"
    assert bool(ask(floor, who, "payment_nudge", {})["rows"]) == everywhere
    assert len(ask(floor, who, "hold_screen", {})["rows"]) == (2 if everywhere else 1)
    assert len(ask(floor, who, "home_screen")["figures"]) == (2 if everywhere else 1)
    assert unpaid


def test_who_is_no_member_sees_nothing(floor: Connection) -> None:
    add_order(floor, "1", ["remote"])
    with as_role(floor, "authenticated", user_id("stranger")):
        answer = one(floor, "select public.order_queue('{}')")
    assert (answer["rows"], answer["count"]) == ([], 0)
    floor.execute("update members set state = 'off' where display_name = 'ann'")
    assert queue(floor, "ann")["rows"] == []
    for function in ("home_screen", "data_ages", "ready_list"):
        with refusal("PT401", "member.none"):
            ask(floor, "ann", function)


def test_a_filter_that_is_no_value_is_refused(floor: Connection) -> None:
    for bad in (
        {"amount_min": "x"},
        {"shop_id": "1; drop table orders"},
        {"after": {"due_sort": "x", "order_id": 1}},
    ):
        with refusal("PT422", "filter.bad"):
            queue(floor, **bad)
    assert queue(floor, kind="' or true --")["rows"] == []


def test_the_detail_shows_everything_of_one_order(floor: Connection) -> None:
    orders = [add_order(floor, f"g{n}", ["duplicate"], group="dup", contact=True) for n in range(2)]
    floor.execute(
        "insert into order_items (order_id, shop_id, line_no, sku, name, quantity)"
        " select id, shop_id, 1, 'S1', '杯', 2 from orders"
    )
    floor.execute("update orders set amount = 5000 where id = %s", (orders[0],))
    detail = ask(floor, "ann", "order_detail", orders[0])
    assert detail["items"][0]["is_known"] is False
    assert [g["order_no"] for g in detail["group"]] == ["g0", "g1"]
    rights = detail["exceptions"][0]["rights"]
    assert (rights["waived"]["key"], rights["cancelled"]["key"]) == ("exception.needs_manager", None)
    assert detail["review"]["state"] == "open"
    assert "exception_found" in [e["action"] for e in detail["timeline"]]
    assert not any("cipher" in key or "contact_id" in key or "hash" in key for key in detail["order"])
    other = ask(floor, "cid", "order_detail", orders[0])["exceptions"][0]["rights"]
    assert {answer["key"] for answer in other.values()} == {"review.not_reviewer"}


def test_what_can_be_decided_together_is_counted(floor: Connection) -> None:
    for n in range(3):
        add_order(floor, f"n{n}", ["remote"], evidence={"province": "新疆"})
    add_order(floor, "s", ["remote"], evidence={"province": "海南省"})
    add_order(floor, "t", ["remote"], evidence={"province": "新疆"}, shop="two")
    groups = ask(floor, "ann", "queue_groups", "open")
    assert [(g["kind"], g["same_key"], g["count"]) for g in groups] == [("remote", "新疆", 3)]


def test_unpaid_orders_are_paged_newest_first(floor: Connection) -> None:
    for n in range(52):
        at(floor, NOON + timedelta(minutes=n))
        add_order(floor, f"{n:02d}", ["unpaid"], status="unpaid", amount=10)
    page = ask(floor, "ann", "payment_nudge", {})
    assert (page["count"], page["amount"], len(page["rows"]), page["rows"][0]["order_no"]) == (
        52,
        520,
        50,
        "51",
    )
    last = page["rows"][-1]
    rest = ask(floor, "ann", "payment_nudge", {"after": {"placed_at": last["placed_at"], "id": last["id"]}})
    assert [r["order_no"] for r in rest["rows"]] == ["01", "00"]


def test_products_below_their_safety_stock_are_the_refill_list(floor: Connection) -> None:
    floor.execute(
        """insert into products (stock_pool_id, sku, name, available)
           select id, 'S' || n, '杯子', n from stock_pools, unnest(array[0, 49, 50, 900]) n where name = '仓'"""
    )
    low = ask(floor, "whs", "product_list", {"low": True})
    assert ([r["sku"] for r in low["rows"]], low["low"]) == (["S0", "S49"], 2)
    assert [r["sku"] for r in ask(floor, "whs", "product_list", {"text": "s9"})["rows"]] == ["S900"]
    assert ask(floor, "whs", "product_list", {"text": "杯"})["count"] == 4


def test_data_is_late_after_a_day_or_without_any_import(floor: Connection) -> None:
    floor.execute(
        """insert into imports (kind, shop_id, stock_pool_id, file_name, file_hash, state, actor, started_at, touched_at, finished_at)
           select 'orders', id, stock_pool_id, 'a.csv', 'h', 'done', 'cli', private.now(), private.now(), private.now()
           from shops where code = 'one'"""
    )
    late = {a["kind"]: a["is_late"] for a in ask(floor, "cid", "data_ages")}
    assert late == {"orders": False, "products": True, "shipments": True}
    at(floor, NOON + timedelta(hours=24, seconds=1))
    assert {a["kind"]: a["is_late"] for a in ask(floor, "cid", "data_ages")}["orders"] is True
    for who, name in (("ops", "a.csv"), ("mgr", "a.csv"), ("cid", None), ("whs", None), ("ana", None)):
        for ages in (ask(floor, who, "data_ages"), ask(floor, who, "home_screen")["data"]):
            assert next(a["file_name"] for a in ages if a["kind"] == "orders") == name


def test_who_changed_which_rule_is_told(floor: Connection) -> None:
    for minutes in (20, 45):
        version = one(
            floor, "select version from exception_rules where kind = 'duplicate' and shop_id is null"
        )
        rule = {"is_active": True, "params": {"window_minutes": minutes}}
        ask(floor, "mgr", "save_rule", None, "duplicate", rule, version, str(uuid.uuid4()))
    newest, first = ask(floor, "ops", "rule_changes")
    assert (newest["who"], newest["kind"], newest["before"]["params"]) == (
        "mgr",
        "duplicate",
        {"window_minutes": 20},
    )
    assert first["before"] is None
    for who in ("ann", "whs", "ana"):
        with refusal("PT403", "member.role"):
            ask(floor, who, "rule_changes")


def test_home_counts_the_day_and_what_changed(floor: Connection) -> None:
    done = add_order(floor, "1", ["remote"])
    mine = add_order(floor, "2", ["remote"])
    add_order(floor, "3", ["out_of_stock"])
    ready = add_order(floor, "4")
    call(floor, "ann", "decide_exceptions", [item(floor, done)], "waived", "verified")
    call(floor, "ann", "claim_order", mine)
    call(floor, "ops", "release_orders", [order_item(floor, ready)])
    home = ask(floor, "ann", "home_screen")
    assert [(i["order_no"], i["is_mine"]) for i in home["items"]] == [("2", True), ("3", False)]
    (shop,) = home["figures"]
    assert {k: shop[k] for k in ("open", "overdue", "decided", "judged", "on_time", "released", "breaches")} == {
        "open": 2, "overdue": 0, "decided": 1, "judged": 1, "on_time": 1, "released": 1, "breaches": 0,
    }  # fmt: skip
    assert (home["changes"]["found"], home["changes"]["decided"], home["changes"]["released"]) == (2, 1, 1)
    assert [i["order_no"] for i in ask(floor, "whs", "home_screen")["items"]] == ["3"]
    assert ask(floor, "cid", "home_screen")["items"] == []
    floor.execute("update members set home_seen_at = private.now() where display_name = 'ann'")
    assert ask(floor, "ann", "home_screen")["changes"]["found"] == 0
    at(floor, NOON + timedelta(hours=12))
    assert ask(floor, "ann", "home_screen")["figures"][0]["decided"] == 0


def test_managers_hear_of_many_reveals(floor: Connection) -> None:
    floor.execute(
        """insert into audit_events (at, actor, entity, entity_id, action)
           select private.now(), 'agent', 'member', id, 'reveals_many' from members where display_name = 'ben'"""
    )
    assert [r["who"] for r in ask(floor, "mgr", "home_screen")["changes"]["reveals"]] == ["ben"]
    assert ask(floor, "ann", "home_screen")["changes"]["reveals"] is None


def test_the_logs_show_who_made_and_downloaded(floor: Connection) -> None:
    order = add_order(floor, "1")
    call(floor, "ops", "release_orders", [order_item(floor, order)])
    with as_role(floor, "authenticated", user_id("ann")):
        assert row(floor, "select kind, order_count, made_by, shop_name from public.release_log") == (
            "release",
            1,
            "ops",
            "one",
        )
        assert row(floor, "select count(*) from public.import_log") == (0,)


# Saved views and exports --------------------------------------------------------------------------------------------------


def test_a_saved_view_is_replaced_shared_and_forgotten_by_its_owner(floor: Connection) -> None:
    first = call(floor, "ann", "save_view", "orders", "我的偏远", {"kind": "remote"})["id"]
    assert call(floor, "ann", "save_view", "orders", "我的偏远", {"kind": "mismatch"})["id"] == first
    with refusal("PT403", "view.share_right"):
        call(floor, "ann", "save_view", "orders", "共享", {"kind": "remote"}, True)
    shared = call(floor, "mgr", "save_view", "orders", "共享", {"kind": "remote"}, True)["id"]
    with as_role(floor, "authenticated", user_id("ben")):
        assert row(floor, "select count(*), min(id) from public.saved_views") == (1, shared)
    for who in ("ben", "mgr"):
        with refusal("PT404", "view.none"):
            call(floor, who, "delete_view", first)
    call(floor, "ann", "delete_view", first)
    assert one(floor, "select count(*) from saved_views") == 1


@pytest.mark.parametrize(("area", "name"), [("nowhere", "x"), ("orders", " "), ("orders", "长" * 41)])
def test_a_view_without_place_or_name_is_refused(floor: Connection, area: str, name: str) -> None:
    with refusal("PT422", "view.form"):
        call(floor, "ann", "save_view", area, name, {})


def test_an_export_is_recorded_without_search_words(floor: Connection) -> None:
    ask(floor, "ann", "note_export", "orders", 7, {"kind": "remote", "text": "张三"})
    assert one(floor, "select detail from audit_events where action = 'exported'") == {
        "area": "orders",
        "count": 7,
        "filter": {"kind": "remote"},
    }
    with refusal("PT401", "member.none"):
        ask(floor, "stranger", "note_export", "orders", 1, {})
