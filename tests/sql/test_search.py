"""The search box in the database: each kind of candidate, the surest first, and never beyond one's own shops."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.sql.desk import HASH, PEOPLE, add_order, ask, call, item, one, open_floor

Connection = psycopg.Connection[Any]
OTHER = "b" * 64


@pytest.fixture
def floor(db: Connection) -> Connection:
    """Two shops with one order each that can be found by everything."""
    open_floor(db)
    for number, shop in (("690012345678901", "one"), ("319999678901", "two")):
        order = add_order(db, number, ["remote"], shop=shop, contact=True)
        db.execute(
            "update orders set tracking_no = %s, buyer_account = 'tb_li' where id = %s",
            (f"SF{number}", order),
        )
        db.execute(
            """update private.contacts set phone_hash = %s, phone_last4_hash = %s, name_hash = %s
               where id = (select contact_id from orders where id = %s)""",
            (HASH, "c" * 64, "d" * 64, order),
        )
    return db


CANDIDATES = {
    "order_no": {"order_nos": ["690012345678901", "319999678901"]},
    "tracking": {"tracking": ["SF690012345678901", "SF319999678901"]},
    "buyer": {"buyers": ["tb_li"]},
    "phone": {"phone_hashes": [OTHER, HASH]},
    "name": {"name_hashes": ["d" * 64]},
    "last_six": {"six": ["678901"]},
    "last_four": {"last4_hashes": ["c" * 64]},
}
PERSONAL = ("phone", "name", "last_four")


def found(conn: Connection, who: str, words: dict[str, Any]) -> list[tuple[str, str]]:
    return [(o["order_no"], o["how"]) for o in ask(conn, who, "search_desk", words)["orders"]]


@pytest.mark.parametrize("how", CANDIDATES)
def test_each_candidate_finds_the_order_of_my_shop_only(floor: Connection, how: str) -> None:
    for who in set(PEOPLE) - {"adm", "far", "ana"}:
        assert found(floor, who, CANDIDATES[how]) == [("690012345678901", how)]
    assert found(floor, "far", CANDIDATES[how]) == [("319999678901", how)]
    assert len(found(floor, "adm", CANDIDATES[how])) == 2


@pytest.mark.parametrize("how", CANDIDATES)
def test_an_analyst_finds_nothing_by_personal_data(floor: Connection, how: str) -> None:
    assert found(floor, "ana", CANDIDATES[how]) == ([] if how in PERSONAL else [("690012345678901", how)])


def test_the_surest_match_comes_first_and_each_order_once(floor: Connection) -> None:
    second = add_order(floor, "7777678901")
    words = {"order_nos": ["690012345678901"], "six": ["678901"], "buyers": ["tb_li"]}
    assert found(floor, "ann", words) == [("690012345678901", "order_no"), ("7777678901", "last_six")]
    assert one(floor, "select count(*) from orders where id = %s", second) == 1


def test_the_row_is_masked_and_says_what_is_wrong(floor: Connection) -> None:
    (order,) = ask(floor, "ann", "search_desk", CANDIDATES["order_no"])["orders"]
    assert (order["kinds"], order["review_state"], order["shop_name"]) == (["remote"], "open", "one")
    assert not any("cipher" in key or "hash" in key for key in order)


def test_what_was_decided_is_no_longer_shown_as_wrong(floor: Connection) -> None:
    order = one(floor, "select id from orders where order_no = '690012345678901'")
    call(floor, "ann", "decide_exceptions", [item(floor, order)], "waived", "verified")
    (hit,) = ask(floor, "ann", "search_desk", CANDIDATES["order_no"])["orders"]
    assert (hit["kinds"], hit["review_state"]) == (None, "done")


def test_at_most_twenty_rows(floor: Connection) -> None:
    for n in range(30):
        add_order(floor, f"{n:04d}555555")
    assert len(found(floor, "ann", {"six": ["555555"]})) == 20


def test_colleagues_are_found_by_name_and_staff_number(floor: Connection) -> None:
    names = [m["display_name"] for m in ask(floor, "ann", "search_desk", {"names": ["ben", "li"]})["members"]]
    assert names == ["ben"]


def test_nothing_pasted_finds_nothing(floor: Connection) -> None:
    assert ask(floor, "ann", "search_desk", {}) == {"orders": [], "tickets": [], "leads": [], "members": []}


def test_text_is_a_value_and_never_sql(floor: Connection) -> None:
    assert found(floor, "ann", {"order_nos": ["' or true --", "%"], "buyers": ["_%"], "names": ["%"]}) == []
