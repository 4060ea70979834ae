"""Tickets as people read them: tabs, filters, pages, one case, a buyer's others, exports, and whose contact opens."""

from __future__ import annotations

import json
import uuid
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql.desk import BODY, HASH, add_order, ask, one, refusal, row
from tests.sql.ticketing import (
    WAYS,
    call_p,
    item,
    make,
    open_ticket_floor,
    register,
    resolve,
    step,
    whole_row,
)

Connection = psycopg.Connection[Any]


@pytest.fixture
def floor(db: Connection) -> Connection:
    """The sales floor with after-sales agents, inside a transaction that is rolled back."""
    open_ticket_floor(db)
    return db


# Reading -----------------------------------------------------------------------------------------------------------------


def test_tabs_filters_and_pages_of_the_list(floor: Connection) -> None:
    made = {name: make(floor, name) for name in WAYS}
    far = register(floor, "adm", shop="two")

    def listed(who: str, **p: Any) -> list[int]:
        return [r["id"] for r in ask(floor, who, "ticket_list", p)["rows"]]

    assert set(listed("ann", tab="mine")) == {
        made[s] for s in ("dispatched", "in_progress", "waiting_customer", "waiting_return", "pending_approval", "approved", "review")
    } | {made["merged"] + 1}  # fmt: skip
    assert set(listed("ben", tab="pool")) == {made["registered"], made["classified"]}
    assert set(listed("ben", tab="waiting")) == {
        made[s] for s in ("waiting_customer", "waiting_return", "pending_approval")
    }
    assert listed("ben", tab="review") == [made["review"]]
    assert set(listed("ben", tab="done")) == {made[s] for s in ("closed", "merged", "cancelled")}
    assert listed("ben", tab="all", state="approved") == [made["approved"]]
    assert far not in listed("mgr", tab="all")
    assert set(listed("far", tab="all")) == {far}
    assert listed("ben", tab="all", q=f"T-{made['closed']}") == [made["closed"]]
    assert listed("far", tab="all", q=f"T-{made['closed']}") == []
    everything = listed("ben", tab="all")
    seen: list[int] = []
    p: dict[str, Any] = {"tab": "all", "limit": 3}
    while True:
        page = ask(floor, "ben", "ticket_list", p)
        seen += [r["id"] for r in page["rows"]]
        if page["next"] is None:
            break
        p = {"tab": "all", "limit": 3, "after": page["next"]}
    assert seen == everything
    back = ask(floor, "ben", "ticket_list", {"tab": "all", "limit": 3, "before": page["previous"]})
    assert [r["id"] for r in back["rows"]] == everything[-len(page["rows"]) - 3 : -len(page["rows"])]
    for bad in (
        {"tab": "x"},
        {"after": {"id": "x"}},
        {"shop_id": "1 or 1"},
        {"after": {"id": 1, "sort": "x"}},
    ):
        with refusal("PT422", "filter.bad"):
            ask(floor, "ben", "ticket_list", bad)


def test_a_colleague_reads_how_the_cases_of_a_buyer_stand_masked(floor: Connection) -> None:
    order = add_order(floor, "A-1", contact=True)
    floor.execute("update orders set buyer_account = 'bob' where id = %s", (order,))
    mine = make(floor, "in_progress", order_id=order)
    other = make(floor, "classified", buyer_account="bob")
    screen = ask(floor, "cid", "ticket_screen", mine)
    assert [t["id"] for t in screen["buyer"]["tickets"]] == [other]
    assert [t["id"] for t in ask(floor, "cid", "buyer_cases", {"order_id": order})["tickets"]] == [
        other,
        mine,
    ]
    assert ask(floor, "far", "buyer_cases", {"buyer_account": "bob"}) == {
        "tickets": [],
        "orders": [],
        "leads": [],
    }
    assert BODY not in str(screen)
    assert "contact_id" not in str(screen)
    assert ask(floor, "far", "ticket_screen", mine) is None
    found = ask(floor, "cid", "search_desk", {"tickets": [str(mine)], "buyers": ["bob"]})["tickets"]
    assert [t["id"] for t in found] == [mine, other]
    assert ask(floor, "far", "search_desk", {"tickets": [str(mine)]})["tickets"] == []


def test_what_a_role_may_never_do_is_not_offered_to_it(floor: Connection) -> None:
    ticket = make(floor, "in_progress")
    call_p(floor, "ann", "add_message", ticket, {"direction": "in", "body": "什么时候补发"})
    screen = ask(floor, "ana", "ticket_screen", ticket)
    assert (screen["messages"], screen["can"]) == ([], [])
    assert [m["body"] for m in ask(floor, "ben", "ticket_screen", ticket)["messages"]] == ["什么时候补发"]
    money = {"request_money", "change_money", "cancel_money"}
    assert money <= {*ask(floor, "ann", "ticket_screen", ticket)["can"]}
    for who in ("whs", "adm"):
        floor.execute(
            "update tickets set owner_id = (select id from members where staff_no = %s) where id = %s",
            (who, ticket),
        )
        screen = ask(floor, who, "ticket_screen", ticket)
        assert (screen["is_mine"], money & {*screen["can"]}) == (True, set())
        assert {screen["why"][rpc] for rpc in money} == {"member.role"}
        with refusal("PT403", "member.role"):
            step(
                floor, who, "request_money", ticket, {"kind": "compensation", "amount": "5", "reason": "破损"}
            )


def test_drafts_are_mine_and_go_when_the_reply_is_out(floor: Connection) -> None:
    ticket = make(floor, "in_progress")
    ask(floor, "ann", "save_draft", ticket, "您好，已为您")
    assert ask(floor, "ann", "ticket_screen", ticket)["draft"] == "您好，已为您"
    assert ask(floor, "ben", "ticket_screen", ticket)["draft"] == ""
    with refusal("PT422", "ticket.personal"):
        ask(floor, "ann", "save_draft", ticket, "打 13812345678")
    call_p(floor, "ann", "add_message", ticket, {"direction": "out", "channel": "phone"})
    assert ask(floor, "ann", "ticket_screen", ticket)["draft"] == ""


def test_no_reply_goes_out_unchecked(floor: Connection) -> None:
    ticket = make(floor, "in_progress")
    with refusal("PT409", "text.unchecked"):
        call_p(
            floor,
            "ann",
            "add_message",
            ticket,
            {"direction": "out", "channel": "wangwang", "body": "全网最好"},
        )
    assert one(floor, "select count(*) from ticket_messages where ticket_id = %s", ticket) == 0


def test_an_export_is_for_those_who_may_and_is_recorded(floor: Connection) -> None:
    ticket = make(floor, "in_progress")
    for who in ("ann", "whs"):
        with refusal("PT403", "member.role"):
            ask(floor, who, "ticket_export", {})
    answer = ask(floor, "ops", "ticket_export", {"tab": "all"})
    assert [r["id"] for r in answer["rows"]] == [ticket]
    assert (
        one(
            floor,
            "select count(*) from audit_events where action = 'exported' and detail ->> 'area' = 'tickets'",
        )
        == 1
    )


# Personal data -----------------------------------------------------------------------------------------------------------


def test_the_contact_opens_with_the_claim_and_each_time_is_recorded(floor: Connection) -> None:
    order = add_order(floor, "A-1", contact=True)
    ticket = make(floor, "dispatched", order_id=order)

    def opens(who: str, key: str | None, code: str = "PT403", *reason: str) -> None:
        """The contact opens for `who`, or is refused and nothing is recorded; the page offers the same."""
        before = one(floor, "select count(*) from audit_events")
        if who != "far":
            screen = ask(floor, who, "ticket_screen", ticket)
            assert ("reveal_contact" in screen["can"]) == (code != "PT403"), (who, key)
            assert screen["is_claimed"] == (key is None and not reason), (who, key)
        if key is None:
            assert ask(floor, who, "reveal_contact", "ticket", ticket, *reason)["phone"] == BODY
            return
        with refusal(code, key):
            ask(floor, who, "reveal_contact", "ticket", ticket, *reason)
        assert one(floor, "select count(*) from audit_events") == before

    for who in ("ann", "ben", "whs"):  # handed to her, not taken yet; a reason is no claim
        opens(who, "ticket.contact_claim")
        opens(who, "ticket.contact_claim", "PT403", "after_sales")
    opens("mgr", "reveal.reason", "PT422")
    step(floor, "ann", "take_ticket", ticket)
    opens("ann", None, "")
    opens("ben", "ticket.contact_claim", "PT403", "after_sales")
    opens("ops", None, "", "after_sales")
    opens("ana", "member.role", "PT403", "after_sales")
    opens("far", "ticket.none", "PT404", "after_sales")
    events = floor.execute(
        "select (detail ->> 'claimed')::boolean from audit_events where action = 'contact_revealed' and entity = 'ticket' order by id"
    ).fetchall()
    assert events == [(True,), (False,)]
    step(floor, "ben", "take_ticket", ticket)
    opens("ann", "ticket.contact_claim")  # it is his now
    resolve(floor, "ben", ticket)
    opens("ann", "reveal.reason", "PT422")  # over: nobody can claim it, who asks says why


def test_a_contact_of_its_own_is_bound_to_its_reserved_id(floor: Connection) -> None:
    contact = ask(floor, "ann", "reserve_contact_ids", 1)[0]
    ticket = register(
        floor,
        contact={
            "id": contact,
            "phone": BODY,
            "phone_hash": HASH,
            "phone_masked": "138****5678",
            "name_masked": "张**",
        },
    )
    step(floor, "ann", "classify_ticket", ticket, {})
    step(floor, "ann", "take_ticket", ticket)
    assert ask(floor, "ann", "reveal_contact", "ticket", ticket)["contact_id"] == contact
    assert one(floor, "select kind from private.contacts where id = %s", contact) == "ticket"
    assert ask(floor, "cid", "search_desk", {"phone_hashes": [HASH]})["tickets"][0]["id"] == ticket
    assert ask(floor, "ana", "search_desk", {"phone_hashes": [HASH]})["tickets"] == []


def test_a_contact_typed_later_takes_the_place_of_the_old_one(floor: Connection) -> None:
    def sealed(mask: str, **more: Any) -> dict[str, Any]:
        number = ask(floor, "ann", "reserve_contact_ids", 1)[0]
        return {"id": number, "phone": BODY, "phone_hash": HASH, "phone_masked": mask, **more}

    ticket = make(floor, "in_progress")
    first = sealed("138****5678")
    step(floor, "ann", "set_ticket_contact", ticket, first)
    step(floor, "ann", "set_ticket_contact", ticket, sealed("139****0000"))
    found = row(
        floor, "select phone_masked, contact_id <> %s from tickets where id = %s", first["id"], ticket
    )
    assert found == ("139****0000", True)
    assert (
        one(floor, "select count(*) from private.contacts where kind = 'ticket'") == 1
    )  # nothing is left behind
    assert ask(floor, "ann", "reveal_contact", "ticket", ticket)["phone"] == BODY
    told = floor.execute(
        "select detail -> 'fields' from audit_events where action = 'contact_corrected' and entity = 'ticket'"
    ).fetchall()
    assert told == [(["phone"],), (["phone"],)]
    before = whole_row(floor, ticket)
    for who, code, key, given in (
        ("ben", "PT403", "ticket.not_yours", sealed("138****5678")),
        ("ana", "PT403", "member.role", sealed("138****5678")),
        ("far", "PT404", "ticket.none", sealed("138****5678")),
        ("ann", "PT422", "contact.form", sealed("13812345678")),
        ("ann", "PT422", "contact.form", sealed("138****5678", phone="13812345678")),
        ("ann", "PT422", "contact.form", {"id": first["id"]}),
        (
            "ann",
            "PT409",
            "contact.taken",
            {
                **sealed("138****5678"),
                "id": one(floor, "select contact_id from tickets where id = %s", ticket),
            },
        ),
    ):
        with refusal(code, key):
            step(floor, who, "set_ticket_contact", ticket, given)
        assert whole_row(floor, ticket) == before
    with refusal("PT422", "ticket.form"):
        ask(floor, "ann", "link_ticket", *item(floor, ticket).values(), None, uuid.uuid4(), "SF <b>")
    ask(floor, "ann", "link_ticket", *item(floor, ticket).values(), None, uuid.uuid4(), "sf1234567")
    assert one(floor, "select tracking_no from tickets where id = %s", ticket) == "SF1234567"
    order = add_order(floor, "A-2", contact=True)
    step(floor, "ann", "link_ticket", ticket, order)
    with refusal("PT409", "ticket.contact_of_order"):
        step(floor, "ann", "set_ticket_contact", ticket, sealed("138****5678"))


# Plans -------------------------------------------------------------------------------------------------------------------

FILTERS: tuple[dict[str, Any], ...] = (
    {"tab": "all"},
    {"tab": "mine"},
    {"tab": "pool"},
    {"tab": "done", "type": "invoice"},
    {"tab": "done", "severity": "urgent"},
    {"tab": "all", "state": "approved"},
    {"tab": "done", "owner": "1"},
    {"tab": "all", "root_cause": 1},
    {"tab": "waiting", "due": "overdue"},
)


def inner_limit(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes right below each limit of a plan, the outermost left out."""
    below = [child for child in plan.get("Plans", []) if plan["Node Type"] == "Limit"]
    return below + [node for child in plan.get("Plans", []) for node in inner_limit(child)]


def test_every_page_is_read_from_an_index_in_its_order_whatever_the_filter(floor: Connection) -> None:
    """With a million cases nothing is sorted but the few rows that each index range gives (see tests.bench.tickets)."""
    for name in ("seqscan", "bitmapscan", "sort"):
        floor.execute(f"set local enable_{name} = off")
    for number, p in enumerate(FILTERS):
        pieces = one(
            floor,
            """select format('select l.id from %%s and %%s and (t.due_sort, t.id) > (now(), 1) order by t.due_sort, t.id limit $6) l
                   order by l.due_sort, l.id limit $6', private.ticket_places(%s), private.ticket_where(%s))""",
            Jsonb(p),
            Jsonb(p),
        )
        kinds = "jsonb, bigint[], bigint, timestamptz, jsonb, integer, bigint[]"
        floor.execute(f"prepare page_{number} ({kinds}) as {pieces}")
        values = f"'{json.dumps(p)}', '{{1,2}}', 1, now(), null, 51, '{{1}}'"
        plan = one(floor, f"explain (format json) execute page_{number} ({values})")[0]["Plan"]
        inner = inner_limit(plan)[-1]
        inner = (
            inner["Plans"][0] if inner["Node Type"] == "Result" else inner
        )  # a stage that rules itself out
        assert inner["Node Type"] in ("Index Scan", "Index Only Scan"), (p, inner["Node Type"])
        assert "due_sort" in inner["Index Cond"], p
