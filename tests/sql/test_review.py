"""Claims, decisions, groups, undo, corrections and reveals: who may, who may not, and what the row says afterwards."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.desk import (
    BODY,
    HASH,
    NOON,
    OTHERS,
    PEOPLE,
    REVIEWERS,
    add_order,
    ask,
    at,
    call,
    item,
    one,
    open_floor,
    refusal,
    review,
    row,
    state,
    user_id,
)
from tests.support import as_role, together

Connection = psycopg.Connection[Any]
TWO_HOURS = NOON + timedelta(hours=2)


@pytest.fixture
def floor(db: Connection) -> Connection:
    """The sales floor of desk.py inside a transaction that is rolled back."""
    open_floor(db)
    return db


def decide(
    conn: Connection, who: str, items: list[dict[str, Any]], decision: str, reason: str | None = None
) -> Any:
    return call(conn, who, "decide_exceptions", items, decision, reason)


# Work rows and their clock -----------------------------------------------------------------------------------------


def test_an_exception_makes_one_work_row_with_a_deadline_of_two_hours(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote", "mismatch"])
    found = row(
        floor, "select state, kinds, due_at, due_sort, amount from order_reviews where order_id = %s", order
    )
    assert found == ("open", ["mismatch", "remote"], TWO_HOURS, TWO_HOURS, 100)
    assert one(floor, "select count(*) from sla_clocks where entity = 'order_review'") == 1


def test_unpaid_orders_and_what_does_not_block_stay_out_of_the_queue(floor: Connection) -> None:
    unpaid = add_order(floor, "1", ["unpaid"], status="unpaid")
    masked = add_order(floor, "2", [])
    floor.execute(
        """insert into order_exceptions (order_id, shop_id, kind, is_blocking, severity, fingerprint, detected_at)
           select id, shop_id, 'bad_phone', false, 'normal', 'f', private.now() from orders where id = %s""",
        (masked,),
    )
    floor.execute("select private.refresh_reviews(%s, private.now())", ([unpaid, masked],))
    assert one(floor, "select count(*) from order_reviews") == 0


def test_a_row_whose_exceptions_stop_blocking_is_done(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    floor.execute("update order_exceptions set is_blocking = false where order_id = %s", (order,))
    floor.execute("select private.refresh_reviews(%s, private.now())", ([order],))
    assert review(floor, order)[0] == "done"
    assert one(floor, "select state from sla_clocks where entity_id = %s", order) == "fulfilled"


def test_many_new_rows_share_one_computation_of_the_deadline(floor: Connection) -> None:
    orders = [add_order(floor, str(n)) for n in range(30)]
    floor.execute(
        """insert into order_exceptions (order_id, shop_id, kind, is_blocking, severity, fingerprint, detected_at)
           select id, shop_id, 'remote', true, 'normal', 'f', private.now() from orders where id = any (%s)""",
        (orders,),
    )
    floor.execute("select private.refresh_reviews(%s, private.now())", (orders,))
    assert row(floor, "select count(*), count(distinct due_at), min(due_at) from order_reviews") == (
        30,
        1,
        TWO_HOURS,
    )


def test_a_second_refresh_changes_nothing(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    before = row(floor, "select version, clock_id from order_reviews where order_id = %s", order)
    floor.execute("select private.refresh_reviews(%s, private.now())", ([order],))
    assert row(floor, "select version, clock_id from order_reviews where order_id = %s", order) == before


# Claims ----------------------------------------------------------------------------------------------------------------


def test_claim_next_gives_the_most_urgent_free_item(floor: Connection) -> None:
    late = add_order(floor, "1", ["remote"])
    at(floor, NOON - timedelta(minutes=30))
    soon = add_order(floor, "2", ["remote"])
    assert [i["order_id"] for i in call(floor, "ann", "claim_next")["items"]] == [soon]
    assert [i["order_id"] for i in call(floor, "ben", "claim_next")["items"]] == [late]
    assert call(floor, "ops", "claim_next")["items"] == []
    assert review(floor, soon)[1] == "ann"


def test_the_same_request_claims_once(floor: Connection) -> None:
    add_order(floor, "1", ["remote"])
    add_order(floor, "2", ["remote"])
    request = uuid.uuid4()
    first = call(floor, "ann", "claim_next", request=request)
    assert call(floor, "ann", "claim_next", request=request) == first
    assert one(floor, "select count(*) from order_reviews where owner_id is not null") == 1
    with refusal("PT409", "request.reused"):
        call(floor, "ann", "claim_next", {"kind": "remote"}, request=request)


@pytest.mark.parametrize("who", OTHERS)
def test_who_is_no_reviewer_claims_nothing(floor: Connection, who: str) -> None:
    order = add_order(floor, "1", ["remote"])
    key = "review.not_reviewer" if who == "cid" else "member.role"
    for function, args in (("claim_next", ()), ("claim_order", (order,)), ("take_over", (order, 1))):
        with refusal("PT403", key):
            call(floor, who, function, *args)
    assert review(floor, order)[1] is None


@pytest.mark.parametrize("who", REVIEWERS)
def test_every_reviewer_claims(floor: Connection, who: str) -> None:
    order = add_order(floor, "1", ["remote"])
    assert call(floor, who, "claim_order", order)["items"][0]["order_id"] == order
    assert review(floor, order)[1] == who


def test_the_warehouse_gets_only_what_is_about_stock(floor: Connection) -> None:
    remote = add_order(floor, "1", ["remote"])
    short = add_order(floor, "2", ["out_of_stock"])
    assert [i["order_id"] for i in call(floor, "whs", "claim_next", {}, 5)["items"]] == [short]
    with refusal("PT403", "review.not_reviewer"):
        call(floor, "whs", "claim_order", remote)
    assert review(floor, remote)[1] is None


def test_another_shop_is_out_of_reach(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    assert call(floor, "far", "claim_next")["items"] == []
    with refusal("PT404", "review.none"):
        call(floor, "far", "claim_order", order)
    answer = decide(floor, "far", [item(floor, order)], "waived", "verified")
    assert [(i["ok"], i["key"]) for i in answer["items"]] == [(False, "exception.none")]
    assert state(floor, order) == "open"


def test_a_claimed_item_is_refused_until_its_lease_ends(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    call(floor, "ann", "claim_order", order)
    with refusal("PT409", "review.claimed"):
        call(floor, "ben", "claim_order", order)
    at(floor, NOON + timedelta(minutes=20))
    call(floor, "ben", "claim_order", order)
    assert review(floor, order)[1] == "ben"


def test_activity_renews_the_lease(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    call(floor, "ann", "claim_order", order)
    at(floor, NOON + timedelta(minutes=15))
    assert ask(floor, "ben", "keep_claims", [order]) == 0
    assert ask(floor, "ann", "keep_claims", [order]) == 1
    at(floor, NOON + timedelta(minutes=30))
    with refusal("PT409", "review.claimed"):
        call(floor, "ben", "claim_order", order)
    at(floor, NOON + timedelta(minutes=36))
    assert ask(floor, "ann", "keep_claims", [order]) == 0


def test_an_expired_claim_is_found_again_by_claim_next(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    call(floor, "ann", "claim_next")
    assert call(floor, "ben", "claim_next")["items"] == []
    at(floor, NOON + timedelta(minutes=21))
    assert [i["order_id"] for i in call(floor, "ben", "claim_next")["items"]] == [order]


def test_the_free_rest_of_a_group_comes_along(floor: Connection) -> None:
    first = add_order(floor, "1", ["duplicate"], group="g1")
    taken = add_order(floor, "2", ["duplicate"], group="g1")
    third = add_order(floor, "3", ["duplicate"], group="g1")
    add_order(floor, "4", ["duplicate"], group="g2")
    call(floor, "ben", "claim_order", taken)
    assert review(floor, first)[1] == "ben"
    floor.execute(
        "update order_reviews set owner_id = null, claim_until = null where order_id = any (%s)",
        ([first, third],),
    )
    got = call(floor, "ann", "claim_next")["items"]
    assert sorted(i["order_id"] for i in got) == [first, third]


def test_a_group_goes_back_together(floor: Connection) -> None:
    pair = [add_order(floor, n, ["duplicate"], group="g1") for n in "12"]
    other = add_order(floor, "3", ["remote"])
    for order in (pair[0], other):
        call(floor, "ann", "claim_order", order)
    assert call(floor, "ann", "give_back", [pair[1]]) == {"done": 2}
    assert [review(floor, order)[1] for order in (*pair, other)] == [None, None, "ann"]


def test_a_group_is_taken_over_together(floor: Connection) -> None:
    pair = [add_order(floor, n, ["duplicate"], group="g1") for n in "12"]
    call(floor, "ann", "claim_order", pair[0])
    version = one(floor, "select version from order_reviews where order_id = %s", pair[0])
    got = call(floor, "ben", "take_over", pair[0], version)["items"]
    assert sorted(i["order_id"] for i in got) == pair
    assert [review(floor, order)[1] for order in pair] == ["ben", "ben"]


def test_only_my_own_items_are_given_back(floor: Connection) -> None:
    mine = add_order(floor, "1", ["remote"])
    other = add_order(floor, "2", ["remote"])
    call(floor, "ann", "claim_order", mine)
    call(floor, "ben", "claim_order", other)
    assert call(floor, "ann", "give_back", [mine, other]) == {"done": 1}
    assert (review(floor, mine)[1], review(floor, other)[1]) == (None, "ben")


def test_taking_over_needs_the_version_that_was_shown(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    version = call(floor, "ann", "claim_order", order)["items"][0]["version"]
    call(floor, "ben", "take_over", order, version)
    assert review(floor, order)[1] == "ben"
    with refusal("PT409", "order.stale"):
        call(floor, "ops", "take_over", order, version)
    assert review(floor, order)[1] == "ben"


def test_a_member_who_leaves_gives_everything_back(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    call(floor, "ann", "claim_order", order)
    floor.execute("select private.give_back_all(id, private.now()) from members where display_name = 'ann'")
    assert review(floor, order)[1] is None


# Decisions ----------------------------------------------------------------------------------------------------------------


def test_waiving_ends_the_work_and_its_clock_in_time(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    answer = decide(floor, "ann", [item(floor, order)], "waived", "customer_confirmed")
    assert (answer["done"], answer["items"][0]["ok"], answer["items"][0]["state"]) == (1, True, "waived")
    assert row(
        floor,
        "select e.state, m.display_name, e.decided_as, e.reason from order_exceptions e"
        " join members m on m.id = e.decided_by where order_id = %s", order,
    ) == ("waived", "ann", "agent", "customer_confirmed")  # fmt: skip
    assert review(floor, order) == ("done", None, TWO_HOURS, True)
    assert (
        one(
            floor,
            "select count(*) from audit_events where entity_id = %s and action = 'exception_waived'",
            order,
        )
        == 1
    )


def test_a_late_decision_is_late(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    at(floor, TWO_HOURS + timedelta(seconds=1))
    decide(floor, "ann", [item(floor, order)], "waived", "verified")
    assert review(floor, order)[3] is False


WAIVERS = {
    # kind, amount, severity: who may
    ("duplicate", 100, "normal"): {"ann", "ben", "lea", "ops", "mgr"},
    ("remote", 1000, "normal"): {"ann", "ben", "lea", "ops", "mgr"},
    ("remote", 1001, "normal"): {"lea", "mgr"},
    ("remote", None, "normal"): {"lea", "mgr"},
    ("remote", 100, "high"): {"lea", "mgr"},
    ("bad_phone", 100, "normal"): {"ann", "ben", "lea", "ops", "mgr"},
    ("missing_detail", 100, "normal"): {"ann", "ben", "lea", "ops", "mgr"},
    ("mismatch", 100, "normal"): {"ann", "ben", "lea", "ops", "mgr"},
    ("suspicious", 100, "normal"): {"lea", "mgr"},
    ("same_ip", 100, "normal"): {"lea", "mgr"},
    ("out_of_stock", 100, "normal"): {"whs", "mgr"},
    ("out_of_stock", 1001, "normal"): {"mgr"},
    ("unpaid", 100, "normal"): set(),
    ("refund_stop", 100, "normal"): set(),
}


def waives(conn: Connection, who: str, order: int) -> bool:
    """Whether `who` could waive the order's exception; whatever was written is rolled back."""
    with conn.transaction(force_rollback=True):
        try:
            answer = decide(conn, who, [item(conn, order)], "waived", "verified")
        except psycopg.errors.Error as error:
            if error.sqlstate != "PT403":
                raise
            return False
        done = bool(answer["items"][0]["ok"])
        assert state(conn, order) == ("waived" if done else "open")
        return done


@pytest.mark.parametrize("case", WAIVERS)
def test_who_may_waive_what(floor: Connection, case: tuple[str, int | None, str]) -> None:
    kind, amount, severity = case
    order = add_order(floor, "1", [kind], amount=amount, severity=severity)
    assert {who for who in PEOPLE if waives(floor, who, order)} == WAIVERS[case]
    assert state(floor, order) == "open"


def test_an_empty_phone_is_never_waived(floor: Connection) -> None:
    order = add_order(floor, "1", ["bad_phone"], evidence={"problem": "empty"})
    answer = decide(floor, "mgr", [item(floor, order)], "waived", "verified")
    assert answer["items"][0]["key"] == "exception.never_waived"
    assert state(floor, order) == "open"


def test_the_limit_is_the_shops_own(floor: Connection) -> None:
    floor.execute("update shops set review_limit = 50 where code = 'one'")
    order = add_order(floor, "1", ["remote"], amount=51)
    answer = decide(floor, "ann", [item(floor, order)], "waived", "verified")["items"][0]
    assert (answer["key"], answer["params"]["limit"]) == ("exception.needs_manager", 50)


def test_the_shops_own_rule_says_who_may_waive(floor: Connection) -> None:
    floor.execute(
        "insert into exception_rules (shop_id, kind, waived_by) select id, 'remote', 'manager' from shops where code = 'one'"
    )
    order = add_order(floor, "1", ["remote"])
    assert decide(floor, "ann", [item(floor, order)], "waived", "verified")["items"][0]["ok"] is False
    assert decide(floor, "mgr", [item(floor, order)], "waived", "verified")["items"][0]["ok"] is True


def test_waiting_for_the_customer_pauses_and_the_answer_resumes(floor: Connection) -> None:
    order = add_order(floor, "1", ["mismatch"])
    at(floor, NOON + timedelta(minutes=30))
    decide(floor, "ann", [item(floor, order)], "waiting_customer", "asked_chat")
    assert review(floor, order) == ("waiting_customer", "ann", None, None)
    assert one(floor, "select due_sort = 'infinity' from order_reviews") is True
    at(floor, NOON + timedelta(hours=3))
    with refusal("PT409", "review.claimed"):
        call(floor, "ben", "claim_order", order)
    decide(floor, "ann", [item(floor, order)], "resume")
    assert review(floor, order) == ("open", "ann", NOON + timedelta(hours=4, minutes=30), None)


def test_the_clock_runs_on_while_something_is_still_open(floor: Connection) -> None:
    order = add_order(floor, "1", ["mismatch", "remote"])
    decide(floor, "ann", [item(floor, order, "mismatch")], "waiting_customer", "asked_chat")
    assert review(floor, order)[0] == "open"
    assert review(floor, order)[2] == TWO_HOURS


def test_cancelling_takes_the_whole_order_and_holds_it(floor: Connection) -> None:
    order = add_order(floor, "1", ["mismatch", "remote"])
    answer = decide(floor, "ann", [item(floor, order, "mismatch")], "cancelled", "customer_cancelled")
    assert answer["done"] == 1
    assert (state(floor, order, "mismatch"), state(floor, order, "remote")) == ("cancelled", "cancelled")
    assert review(floor, order)[0] == "done"
    assert one(floor, "select held_reason from orders where id = %s", order) == "cancelled"


def test_a_manager_reopens_what_was_decided(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    decide(floor, "ann", [item(floor, order)], "cancelled", "unreachable")
    assert (
        decide(floor, "ann", [item(floor, order)], "reopened", "mistake")["items"][0]["key"]
        == "exception.needs_manager"
    )
    assert state(floor, order) == "cancelled"
    assert decide(floor, "mgr", [item(floor, order)], "reopened", "mistake")["done"] == 1
    assert state(floor, order) == "open"
    assert one(floor, "select held_at from orders where id = %s", order) is None
    assert review(floor, order)[:3] == ("open", None, TWO_HOURS)


def test_fixed_is_true_only_when_the_rule_no_longer_holds(floor: Connection) -> None:
    order = add_order(floor, "1", province="新疆维吾尔自治区")
    floor.execute("select private.evaluate_orders(%s, private.now())", ([order],))
    answer = decide(floor, "ann", [item(floor, order, "remote")], "fixed")
    assert (answer["done"], answer["items"][0]["key"]) == (0, "exception.still_holds")
    assert state(floor, order) == "open"
    floor.execute("update orders set province = '浙江省' where id = %s", (order,))
    answer = decide(floor, "ann", [item(floor, order, "remote")], "fixed")
    assert (answer["done"], answer["items"][0]["state"]) == (1, "fixed")
    assert one(floor, "select decided_as from order_exceptions where order_id = %s", order) == "agent"
    assert review(floor, order)[0] == "done"


def test_a_colleagues_item_is_not_decided_by_me(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    call(floor, "ann", "claim_order", order)
    answer = decide(floor, "ben", [item(floor, order)], "waived", "verified")["items"][0]
    assert (answer["key"], answer["params"]["who"]) == ("review.claimed", "ann")
    assert state(floor, order) == "open"


def test_a_bulk_decision_answers_per_item(floor: Connection) -> None:
    good = add_order(floor, "1", ["remote"])
    dear = add_order(floor, "2", ["remote"], amount=5000)
    decided = add_order(floor, "3", ["remote"])
    stale = {**item(floor, decided), "version": 99}
    answer = decide(floor, "ann", [item(floor, good), item(floor, dear), stale], "waived", "verified")
    assert [(i["ok"], i.get("key")) for i in answer["items"]] == [
        (True, None), (False, "exception.needs_manager"), (False, "order.stale"),
    ]  # fmt: skip
    assert answer["done"] == 1
    assert [state(floor, o) for o in (good, dear, decided)] == ["waived", "open", "open"]


def test_a_decided_item_is_not_decided_again(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    decide(floor, "ann", [item(floor, order)], "waived", "verified")
    answer = decide(floor, "ops", [item(floor, order)], "cancelled", "fraud")
    assert answer["items"][0]["key"] == "exception.decided"
    assert state(floor, order) == "waived"


BAD = {
    "decision.unknown": ("released", "verified", {}),
    "decision.reason": ("waived", None, {}),
    "decision.note_missing": ("waived", "other", {}),
}


@pytest.mark.parametrize("key", BAD)
def test_a_decision_that_makes_no_sense_is_refused(floor: Connection, key: str) -> None:
    decision, reason, more = BAD[key]
    order = add_order(floor, "1", ["remote"])
    with refusal("PT422", key):
        decide(floor, "ann", [item(floor, order, **more)], decision, reason)
    assert state(floor, order) == "open"


@pytest.mark.parametrize(
    ("decision", "reason"),
    [("waived", "fraud"), ("fixed", "verified"), ("resume", "mistake"), ("cancelled", None)],
)
def test_reasons_belong_to_their_decision(floor: Connection, decision: str, reason: str | None) -> None:
    order = add_order(floor, "1", ["remote"])
    with refusal("PT422", "decision.reason"):
        decide(floor, "ann", [item(floor, order)], decision, reason)


def test_a_note_is_stored_encrypted_or_not_at_all(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    with refusal("PT422", "decision.note_missing"):
        decide(floor, "ann", [item(floor, order, note="客户说可以")], "waived", "other")
    decide(floor, "ann", [item(floor, order, note=BODY)], "waived", "other")
    assert one(floor, "select note_cipher from order_exceptions where order_id = %s", order) == BODY


def test_bulk_limits(floor: Connection) -> None:
    with refusal("PT422", "bulk.empty"):
        decide(floor, "ann", [], "waived", "verified")
    with refusal("PT422", "bulk.too_many"):
        decide(floor, "ann", [{"id": n, "version": 1} for n in range(501)], "waived", "verified")


def test_nobody_writes_around_the_functions(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    for who in ("ann", "mgr", "adm"):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            as_role(floor, "authenticated", user_id(who)),
        ):
            floor.execute("update public.order_exceptions set state = 'waived'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), as_role(floor, "service_role"):
        floor.execute("select public.decide_exceptions(gen_random_uuid(), '[]', 'waived', 'verified')")
    assert state(floor, order) == "open"


# Many of the same ------------------------------------------------------------------------------------------------------------


def test_all_of_the_same_kind_and_evidence_are_decided_together(floor: Connection) -> None:
    north = [add_order(floor, f"n{n}", ["remote"], evidence={"province": "新疆"}) for n in range(3)]
    south = add_order(floor, "s", ["remote"], evidence={"province": "海南省"})
    other = add_order(floor, "o", ["remote"], evidence={"province": "新疆"}, shop="two")
    wanted = {"kind": "remote", "same_key": "新疆"}
    preview = ask(floor, "ann", "preview_decision", None, wanted, "waived")
    assert (preview["count"], preview["ok"], preview["refused"]) == (3, 3, [])
    with refusal("PT409", "bulk.count_changed"):
        call(floor, "ann", "decide_matching", wanted, 2, "waived", "verified")
    assert {state(floor, o) for o in north} == {"open"}
    assert call(floor, "ann", "decide_matching", wanted, 3, "waived", "verified")["done"] == 3
    assert {state(floor, o) for o in north} == {"waived"}
    assert (state(floor, south), state(floor, other)) == ("open", "open")


def test_a_filter_without_a_kind_decides_nothing(floor: Connection) -> None:
    add_order(floor, "1", ["remote"])
    with refusal("PT422", "filter.kind_missing"):
        call(floor, "ann", "decide_matching", {}, 1, "waived", "verified")


def test_the_preview_counts_refusals_and_changes_nothing(floor: Connection) -> None:
    orders = [add_order(floor, "1", ["remote"]), add_order(floor, "2", ["remote"], amount=5000)]
    answer = ask(floor, "ann", "preview_decision", [item(floor, o) for o in orders], None, "waived")
    assert (answer["count"], answer["ok"], answer["amount"]) == (2, 1, 100)
    assert [(r["key"], r["count"]) for r in answer["refused"]] == [("exception.needs_manager", 1)]
    assert {state(floor, o) for o in orders} == {"open"}


# Groups ------------------------------------------------------------------------------------------------------------------------


def group_of(conn: Connection, count: int = 3, **more: Any) -> tuple[list[int], int]:
    orders = [add_order(conn, f"g{n}", ["duplicate"], group="dup", **more) for n in range(count)]
    return orders, one(conn, "select id from shops where code = 'one'")


@pytest.mark.parametrize("decision", ["keep_all", "ship_together"])
def test_a_group_is_kept_as_a_whole(floor: Connection, decision: str) -> None:
    orders, shop = group_of(floor)
    answer = call(floor, "ann", "decide_group", shop, "dup", [item(floor, o) for o in orders], decision)
    assert (answer["kept"], answer["cancelled"]) == (3, 0)
    assert {state(floor, o) for o in orders} == {"waived"}
    assert one(floor, "select count(*) from order_exceptions where reason = %s", decision) == 3


def test_one_of_a_group_is_kept_and_the_rest_cancelled_and_undone(floor: Connection) -> None:
    orders, shop = group_of(floor)
    items = [item(floor, o) for o in orders]
    answer = call(floor, "ann", "decide_group", shop, "dup", items, "keep_one", orders[1])
    assert [state(floor, o) for o in orders] == ["cancelled", "waived", "cancelled"]
    assert one(floor, "select count(*) from orders where held_reason = 'cancelled'") == 2
    assert call(floor, "ann", "undo_batch", answer["batch_id"])["done"] == 3
    assert {state(floor, o) for o in orders} == {"open"}
    assert one(floor, "select count(*) from orders where held_at is not null") == 0


def test_a_group_that_changed_is_not_decided(floor: Connection) -> None:
    orders, shop = group_of(floor)
    with refusal("PT409", "group.changed"):
        call(floor, "ann", "decide_group", shop, "dup", [item(floor, o) for o in orders[:2]], "keep_all")
    with refusal("PT422", "group.keep_missing"):
        call(floor, "ann", "decide_group", shop, "dup", [item(floor, o) for o in orders], "keep_one", 0)
    with refusal("PT404", "group.none"):
        call(floor, "far", "decide_group", shop, "dup", [item(floor, o) for o in orders], "keep_all")
    assert {state(floor, o) for o in orders} == {"open"}


def test_a_group_with_one_order_above_the_limit_is_refused_as_a_whole(floor: Connection) -> None:
    orders, shop = group_of(floor)
    floor.execute("update orders set amount = 9999 where id = %s", (orders[2],))
    with refusal("PT403", "exception.needs_manager"):
        call(floor, "ann", "decide_group", shop, "dup", [item(floor, o) for o in orders], "keep_all")
    assert {state(floor, o) for o in orders} == {"open"}
    call(floor, "mgr", "decide_group", shop, "dup", [item(floor, o) for o in orders], "keep_all")
    assert {state(floor, o) for o in orders} == {"waived"}


# Undo ----------------------------------------------------------------------------------------------------------------------------


def waive(conn: Connection, number: str = "1", who: str = "ann") -> tuple[int, int]:
    order = add_order(conn, number, ["remote"])
    return order, decide(conn, who, [item(conn, order)], "waived", "verified")["batch_id"]


def test_undo_restores_the_state_and_the_deadline_runs_on(floor: Connection) -> None:
    order, batch = waive(floor)
    at(floor, NOON + timedelta(minutes=10))
    assert call(floor, "ann", "undo_batch", batch) == {"done": 1, "order_ids": [order]}
    assert row(floor, "select state, decided_at, decided_by, reason from order_exceptions") == (
        "open",
        None,
        None,
        None,
    )
    assert review(floor, order) == ("open", "ann", TWO_HOURS, None)


def test_undo_has_ten_minutes_one_owner_and_one_use(floor: Connection) -> None:
    order, batch = waive(floor)
    with refusal("PT404", "undo.none"):
        call(floor, "mgr", "undo_batch", batch)
    at(floor, NOON + timedelta(minutes=10, seconds=1))
    with refusal("PT409", "undo.too_late"):
        call(floor, "ann", "undo_batch", batch)
    assert state(floor, order) == "waived"
    at(floor, NOON)
    call(floor, "ann", "undo_batch", batch)
    with refusal("PT409", "undo.done"):
        call(floor, "ann", "undo_batch", batch)


def test_undo_is_refused_once_somebody_changed_an_item(floor: Connection) -> None:
    order, batch = waive(floor)
    decide(floor, "mgr", [item(floor, order)], "reopened", "mistake")
    with refusal("PT409", "undo.changed"):
        call(floor, "ann", "undo_batch", batch)
    assert state(floor, order) == "open"


def test_undo_is_refused_once_the_order_was_released(floor: Connection) -> None:
    order, batch = waive(floor)
    version = one(floor, "select version from orders where id = %s", order)
    assert call(floor, "ops", "release_orders", [{"id": order, "version": version}])["done"] == 1
    with refusal("PT409", "undo.released"):
        call(floor, "ann", "undo_batch", batch)
    assert state(floor, order) == "waived"


def test_undo_asks_again_for_the_skill_and_the_shop(floor: Connection) -> None:
    order, batch = waive(floor)
    floor.execute("update members set skills = '{}' where display_name = 'ann'")
    with refusal("PT403", "review.not_reviewer"):
        call(floor, "ann", "undo_batch", batch)
    floor.execute("update members set skills = '{review}' where display_name = 'ann'")
    floor.execute("update member_shops set shop_id = (select id from shops where code = 'two')")
    with refusal("PT404", "shop.none"):
        call(floor, "ann", "undo_batch", batch)
    assert state(floor, order) == "waived"
    floor.execute("update member_shops set shop_id = (select id from shops where code = 'one')")
    assert call(floor, "ann", "undo_batch", batch)["done"] == 1


def test_the_last_decision_is_remembered_while_it_can_be_undone(floor: Connection) -> None:
    assert ask(floor, "ann", "my_undo") is None
    first, _ = waive(floor, "1")
    _, second = waive(floor, "2")
    found = ask(floor, "ann", "my_undo")
    assert (found["batch_id"], found["action"], found["count"]) == (second, "waived", 1)
    assert ask(floor, "ben", "my_undo") is None
    call(floor, "ann", "undo_batch", second)
    assert ask(floor, "ann", "my_undo")["batch_id"] != second
    decide(floor, "mgr", [item(floor, first)], "reopened", "mistake")
    assert ask(floor, "ann", "my_undo") is None, "somebody changed it"
    waive(floor, "3")
    at(floor, NOON + timedelta(minutes=10, seconds=1))
    assert ask(floor, "ann", "my_undo") is None


# What ends by itself ------------------------------------------------------------------------------------------------


def waive_until(conn: Connection, order: int, until: Any) -> Any:
    return call(conn, "ann", "decide_exceptions", [item(conn, order)], "waived", "verified", until)


def end_decisions(conn: Connection) -> int:
    with as_role(conn, "service_role"):
        return int(one(conn, "select public.service_end_decisions(500)"))


def test_a_waiver_ends_and_is_found_anew(floor: Connection) -> None:
    order, forever = add_order(floor, "1", ["remote"]), add_order(floor, "2", ["remote"])
    waive_until(floor, order, NOON + timedelta(hours=3))
    waive_until(floor, forever, None)
    at(floor, NOON + timedelta(hours=3) - timedelta(seconds=1))
    assert end_decisions(floor) == 0
    at(floor, NOON + timedelta(hours=3))
    version = one(floor, "select version from orders where id = %s", order)
    refused = call(floor, "ops", "release_orders", [{"id": order, "version": version}])["refused"]
    assert [r["key"] for r in refused] == ["order.blocked"], "before anybody has looked"
    assert end_decisions(floor) == 1
    assert (state(floor, order), state(floor, forever)) == ("open", "waived")
    assert review(floor, order)[::2] == ("open", NOON + timedelta(hours=5))
    assert "waiver_ended" in {e["action"] for e in ask(floor, "ann", "order_timeline", order)}
    assert end_decisions(floor) == 0


def test_a_waiver_of_what_has_left_stays(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    waive_until(floor, order, NOON + timedelta(hours=1))
    version = one(floor, "select version from orders where id = %s", order)
    assert call(floor, "ops", "release_orders", [{"id": order, "version": version}])["done"] == 1
    at(floor, NOON + timedelta(hours=2))
    assert end_decisions(floor) == 0
    assert state(floor, order) == "waived"


@pytest.mark.parametrize("hours", [-1, 0, 24 * 367])
def test_an_end_lies_ahead_within_a_year(floor: Connection, hours: int) -> None:
    order = add_order(floor, "1", ["remote"])
    with refusal("PT422", "decision.until"):
        waive_until(floor, order, NOON + timedelta(hours=hours))
    with refusal("PT422", "decision.until"):
        call(
            floor,
            "ann",
            "decide_exceptions",
            [item(floor, order)],
            "cancelled",
            "fraud",
            NOON + timedelta(hours=1),
        )
    assert state(floor, order) == "open"


def test_nobody_waits_for_a_customer_for_ever(floor: Connection) -> None:
    floor.execute("update shops set wait_hours = 6 where code = 'one'")
    order = add_order(floor, "1", ["remote"])
    at(floor, NOON + timedelta(minutes=30))
    decide(floor, "ann", [item(floor, order)], "waiting_customer", "asked_chat")
    assert review(floor, order)[::2] == ("waiting_customer", None)
    at(floor, NOON + timedelta(hours=6, minutes=30))
    assert end_decisions(floor) == 1
    assert state(floor, order) == "open"
    assert review(floor, order)[::2] == ("open", NOON + timedelta(hours=8)), "the rest of the two hours"
    assert "wait_ended" in {e["action"] for e in ask(floor, "ann", "order_timeline", order)}


@pytest.mark.parametrize("hours", [0, 721, "soon"])
def test_how_long_to_wait_is_an_hour_to_thirty_days(floor: Connection, hours: Any) -> None:
    shop, version = row(floor, "select id, version from shops where code = 'one'")
    with refusal("PT422", "shop.bad_value"):
        ask(floor, "adm", "save_shop", shop, version, {"wait_hours": hours}, uuid.uuid4())
    ask(floor, "adm", "save_shop", shop, version, {"wait_hours": 48}, uuid.uuid4())
    assert one(floor, "select wait_hours from shops where code = 'one'") == 48


def test_undo_brings_the_end_of_a_wait_back(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    decide(floor, "ann", [item(floor, order)], "waiting_customer", "asked_chat")
    batch = waive_until(floor, order, NOON + timedelta(hours=1))["batch_id"]
    call(floor, "ann", "undo_batch", batch)
    found = row(floor, "select state, holds_until from order_exceptions where order_id = %s", order)
    assert found == ("waiting_customer", NOON + timedelta(hours=24))


# What a hand-made request may hold ----------------------------------------------------------------------------------


MALFORMED: dict[str, tuple[Any, ...]] = {
    "give_back": (["x"],),
    "decide_exceptions": ([{"id": "1; drop", "version": 1}], "waived", "verified"),
    "release_orders": ([{"id": 1, "version": 99999999999}], None, None),
    "add_hold": ({"id": 1}, "fraud"),
    "lift_hold": ([7],),
}


@pytest.mark.parametrize("function", MALFORMED)
def test_a_malformed_id_is_refused_in_words(floor: Connection, function: str) -> None:
    with refusal("PT422", "request.bad_value"):
        call(floor, "ops", function, *MALFORMED[function])


@pytest.mark.parametrize("given", ['{"shop_id": "one"}', '{"amount_min": "1e999"}', "[1]", '"no json"'])
def test_a_malformed_filter_is_refused_in_words(floor: Connection, given: str) -> None:
    with (
        pytest.raises(psycopg.Error) as caught,
        as_role(floor, "authenticated", user_id("ops")),
    ):
        floor.execute("select decide_matching(gen_random_uuid(), %s::jsonb, 1, 'fixed')", (given,))
    assert str(caught.value.diag.message_primary) in ("filter.bad", "request.bad_value")
    assert caught.value.sqlstate == "PT422"


@pytest.mark.parametrize("screen", ["order_queue", "payment_nudge", "hold_screen", "product_list"])
def test_a_malformed_filter_of_a_list_is_refused_in_words(floor: Connection, screen: str) -> None:
    given = {"after": {"sku": "A", "id": "x"}} if screen == "product_list" else {"shop_id": "one"}
    with refusal("PT422", "filter.bad"):
        ask(floor, "ops", screen, given)


@pytest.mark.parametrize("contact_id", ["x", "99999999999999999999", 10**12, -1])
def test_a_contact_takes_only_an_id_that_was_reserved(floor: Connection, contact_id: Any) -> None:
    order = add_order(floor, "1", ["bad_phone"])
    contact = {"id": contact_id, "phone": BODY, "phone_hash": HASH, "phone_masked": "139****0001"}
    with refusal("PT422", "contact.form"):
        call(floor, "ops", "correct_order", order, 1, contact, "浙江省", "杭州市", "西湖区", HASH)
    assert one(floor, "select contact_id from orders where id = %s", order) is None


# Correcting and opening contacts ----------------------------------------------------------------------------------------------------


def correct(conn: Connection, who: str, order: int, version: int | None = None) -> Any:
    shown = version or one(conn, "select version from orders where id = %s", order)
    contact = {
        "phone": "v1.k.NNNNBBBBCCCCDDDD.NNNNBBBBCCCCDDDDEEEEFF",
        "phone_hash": HASH,
        "phone_last4_hash": HASH,
        "phone_masked": "139****0001",
    }
    return call(conn, who, "correct_order", order, shown, contact, "浙江省", "杭州市", "西湖区", HASH)


def test_a_correction_replaces_what_was_wrong_and_awaits_its_check(floor: Connection) -> None:
    order = add_order(floor, "1", ["bad_phone"], contact=True)
    correct(floor, "ann", order)
    assert row(
        floor,
        """select c.phone_cipher, c.name_cipher, o.phone_masked, o.city, o.facts_hash, o.platform_facts_hash, o.is_checked
           from orders o join private.contacts c on c.id = o.contact_id where o.id = %s""", order,
    ) == ("v1.k.NNNNBBBBCCCCDDDD.NNNNBBBBCCCCDDDDEEEEFF", BODY, "139****0001", "杭州市", HASH, "f", False)  # fmt: skip
    assert review(floor, order)[1] == "ann"
    with as_role(floor, "service_role"):
        floor.execute(
            "select public.service_order_verdicts(%s, %s)",
            (
                one_as_owner_version(floor),
                Jsonb([{"order_id": order, "facts_hash": HASH, "findings": []}]),
            ),
        )
    assert state(floor, order) == "fixed"
    assert review(floor, order)[0] == "done"


def one_as_owner_version(conn: Connection) -> str:
    """The current version of the checks, read before the service key takes over."""
    with as_role(conn, "desk_owner"):
        return str(one(conn, "select private.current_check_version()"))


@pytest.mark.parametrize("who", ["cid", "whs", "ana", "adm"])
def test_who_is_no_reviewer_corrects_nothing(floor: Connection, who: str) -> None:
    order = add_order(floor, "1", ["bad_phone"], contact=True)
    with pytest.raises(psycopg.Error) as caught:
        correct(floor, who, order)
    assert caught.value.sqlstate == "PT403"
    assert one(floor, "select facts_hash from orders where id = %s", order) == "f"


def test_corrections_are_refused_when_stale_claimed_released_or_gone(floor: Connection) -> None:
    order = add_order(floor, "1", ["bad_phone"], contact=True)
    with refusal("PT409", "order.stale"):
        correct(floor, "ann", order, version=99)
    with refusal("PT404", "order.none"):
        correct(floor, "far", order)
    call(floor, "ben", "claim_order", order)
    with refusal("PT409", "review.claimed"):
        correct(floor, "ann", order)
    floor.execute("update orders set status = 'shipped' where id = %s", (order,))
    with refusal("PT409", "order.not_waiting"):
        correct(floor, "ben", order)
    assert one(floor, "select facts_hash from orders where id = %s", order) == "f"


def test_a_contact_in_clear_text_is_refused(floor: Connection) -> None:
    order = add_order(floor, "1", ["bad_phone"], contact=True)
    with refusal("PT422", "contact.form"):
        call(floor, "ann", "correct_order", order, 1, {"phone": "13900000001"}, None, None, None, HASH)


def test_a_claimed_item_opens_its_contact_without_a_reason(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"], contact=True)
    with refusal("PT422", "reveal.reason"):
        ask(floor, "ann", "reveal_contact", "order", order)
    assert one(floor, "select count(*) from audit_events where action = 'contact_revealed'") == 0
    call(floor, "ann", "claim_order", order)
    assert ask(floor, "ann", "reveal_contact", "order", order)["phone"] == BODY
    assert one(floor, "select detail from audit_events where action = 'contact_revealed'") == {
        "claimed": True
    }


@pytest.mark.parametrize("who", ["ann", "cid", "ops", "whs", "mgr", "adm"])
def test_outside_claimed_items_a_reason_is_asked_for_and_recorded(floor: Connection, who: str) -> None:
    order = add_order(floor, "1", contact=True)
    assert ask(floor, who, "reveal_contact", "order", order, "courier")["address"] == BODY
    assert one(floor, "select detail from audit_events where action = 'contact_revealed'") == {
        "claimed": False,
        "reason": "courier",
    }


def test_analysts_and_other_shops_open_nothing(floor: Connection) -> None:
    order = add_order(floor, "1", contact=True)
    with refusal("PT403", "member.role"):
        ask(floor, "ana", "reveal_contact", "order", order, "courier")
    with refusal("PT404", "order.none"):
        ask(floor, "far", "reveal_contact", "order", order, "courier")


def test_more_than_thirty_reveals_an_hour_are_told_to_managers_once(floor: Connection) -> None:
    order = add_order(floor, "1", contact=True)
    told = "select count(*) from audit_events where action = 'reveals_many'"
    for _ in range(30):
        ask(floor, "ops", "reveal_contact", "order", order, "courier")
    assert one(floor, told) == 0
    for _ in range(3):
        ask(floor, "ops", "reveal_contact", "order", order, "courier")
    assert one(floor, told) == 1
    at(floor, NOON + timedelta(minutes=61))
    ask(floor, "ops", "reveal_contact", "order", order, "courier")
    assert one(floor, told) == 1


def test_readers_of_the_order_see_what_happened(floor: Connection) -> None:
    order = add_order(floor, "1", ["remote"])
    decide(floor, "ann", [item(floor, order)], "waived", "verified")
    told = [event["action"] for event in ask(floor, "cid", "order_timeline", order)]
    assert {"exception_found", "clock_started", "exception_waived", "clock_stopped", "paid"} <= set(told)
    with refusal("PT404", "order.none"):
        ask(floor, "far", "order_timeline", order)


# Many at once ---------------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shared_floor(db_url: str) -> str:
    """A committed floor that several connections can work on."""
    with psycopg.connect(db_url) as conn:
        open_floor(conn)
        for n in range(60):
            add_order(conn, str(n), ["remote"])
    return db_url


def test_fifty_people_claiming_at_once_get_fifty_items(shared_floor: str) -> None:
    people = ("ann", "ben", "lea", "ops", "mgr")

    def claim(conn: Connection, number: int) -> list[int]:
        return [i["order_id"] for i in call(conn, people[number % 5], "claim_next")["items"]]

    got = [order for items in together(shared_floor, 50, claim) for order in items]
    assert len(got) == 50
    assert len(set(got)) == 50


def test_of_twenty_writers_with_the_same_version_one_wins(shared_floor: str) -> None:
    with psycopg.connect(shared_floor) as conn:
        order = one(conn, "select min(id) from orders")
        same = item(conn, order)
    people = ("ann", "ben", "lea", "ops", "mgr")

    def write(conn: Connection, number: int) -> bool:
        decision = ("waived", "verified") if number % 2 else ("cancelled", "fraud")
        return bool(decide(conn, people[number % 5], [same], *decision)["items"][0]["ok"])

    assert sum(together(shared_floor, 20, write)) == 1


def test_one_request_sent_twenty_times_works_once(shared_floor: str) -> None:
    request = uuid.uuid4()

    def write(conn: Connection, number: int) -> Any:
        return call(conn, "ann", "claim_next", request=request)

    answers = together(shared_floor, 20, write)
    assert all(answer == answers[0] for answer in answers)
    with psycopg.connect(shared_floor) as conn:
        assert one(conn, "select count(*) from order_reviews where owner_id is not null") == 1
