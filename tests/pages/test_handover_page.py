"""交接班: one hands over, another takes some and gives some back; leaders see who left without."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from backend.local.stack import Stack
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.pages.shop_floor import ROLES, ShopFloor
from tests.people import Account, hire


@pytest.fixture
def floor(stack: Stack, request: pytest.FixtureRequest) -> ShopFloor:
    """A shop of this test's own."""
    return ShopFloor(stack, f"hand-{abs(hash(request.node.name)) % 10**8}")


@pytest.fixture
def owner(stack: Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.db_url, autocommit=True) as connection:
        yield connection


def on_shift(owner: psycopg.Connection, who: Account, minutes_left: int) -> datetime:
    """On shift since four hours ago, for so many minutes more; answers when it ends."""
    row = owner.execute(
        """with d as (insert into rota_days (member_id, day, kind, source, updated_at)
               values (%s, private.now()::date, 'work', 'edited', now()) returning *)
           insert into rota_entries (member_id, day, shift_name, starts_at, ends_at)
           select member_id, day, '班', n - interval '4 hours', n + %s * interval '1 minute'
           from d, private.now() n returning ends_at""",
        (who.member_id, minutes_left),
    ).fetchone()
    assert row is not None
    ends_at: datetime = row[0]
    return ends_at


def ticket(owner: psycopg.Connection, floor: ShopFloor, who: Account) -> int:
    """A ticket of somebody that is due in three hours."""
    row = owner.execute(
        """insert into tickets (shop_id, type, state, owner_id, registered_at, due_at, due_sort)
           select %s, 'reship', 'dispatched', %s, n, n + interval '3 hours', n + interval '3 hours'
           from private.now() n returning id""",
        (floor.shop_id, who.member_id),
    ).fetchone()
    assert row is not None
    return int(row[0])


def owner_of(owner: psycopg.Connection, item: int) -> int | None:
    row = owner.execute("select owner_id from tickets where id = %s", (item,)).fetchone()
    assert row is not None
    return row[0]


def click(tab: AppTest, key: str) -> AppTest:
    tab.button(key=key).click().run()
    assert not tab.exception
    return tab


def test_some_are_taken_and_some_given_back(
    app_as: AppAs, floor: ShopFloor, owner: psycopg.Connection
) -> None:
    skills = ("presales", "aftersales")
    amy, bob = (
        hire(floor.stack, "agent", name=name, shops=floor.shops, skills=skills) for name in ("艾米*", "鲍勃")
    )
    on_shift(owner, amy, 30)
    on_shift(owner, bob, 300)
    first, second = ticket(owner, floor, amy), ticket(owner, floor, amy)

    mine = app_as(amy, "handover")
    assert zh("handover.in_hand", count=2) in shown(mine)
    click(mine, "handover_begin")
    ids = dict(
        owner.execute(
            "select entity_id, id from handover_items where entity_id in (%s, %s)", (first, second)
        ).fetchall()
    )
    mine.text_input(key=f"handover_note_{ids[first]}").set_value("客户 13812345678 等回电")
    box = next(one for one in mine.selectbox if one.key and one.key.startswith("handover_receiver_"))
    assert box.options == ["鲍勃"]
    box.select(bob.member_id)
    click(mine, "handover_offer")
    assert all(zh("handover.state.offered", who="鲍勃") in box.label for box in mine.checkbox)

    his = app_as(bob, "handover")
    said = shown(his)
    assert r"138\*\*\*\*5678" in said
    assert "13812345678" not in said
    [offer] = owner.execute(
        "select handover_id from handover_items where id = %s", (ids[first],)
    ).fetchone() or [0]
    assert zh("handover.offered", who="艾米\\*", count=2) in said
    his.checkbox(key=f"handover_take_{offer}_{ids[second]}").uncheck().run()
    click(his, f"handover_take_{offer}")
    assert (owner_of(owner, first), owner_of(owner, second)) == (bob.member_id, amy.member_id)
    back = app_as(amy, "handover")
    assert zh("handover.state.accepted", who="鲍勃") in shown(back)
    assert [zh("handover.state.declined", who="鲍勃") in box.label for box in back.checkbox] == [True]
    assert zh("inbox.kinds.handover_declined", count=1, who="鲍勃") in shown(app_as(amy, "inbox"))


def test_leaders_see_who_left_without(app_as: AppAs, floor: ShopFloor, owner: psycopg.Connection) -> None:
    agent = floor.person("agent")
    late = on_shift(owner, agent, 30) - timedelta(hours=2)
    owner.execute(
        """with h as (insert into handovers (member_id, shift_ends_at, swept_at, closed_at, created_at)
               select %s, %s, n, n, n from private.now() n returning id, created_at)
           insert into handover_items
               (handover_id, shop_id, area, entity_id, label, path, due_at, settled_at, state)
           select id, %s, 'ticket', 1, 'T-1', '/ticket?id=1', created_at, created_at, 'pooled' from h""",
        (agent.member_id, late, floor.shop_id),
    )
    seen = {}
    for role in ROLES:
        tab = app_as(floor.person(role), "handover")
        assert not tab.exception
        said = shown(tab)
        seen[role] = (zh("handover.left_count", count=1, days=7) in said, zh("common.no_access") in said)
    assert seen == {
        "agent": (False, False), "warehouse": (False, True), "operations": (True, False),
        "analyst": (True, False), "manager": (True, False), "admin": (True, False),
    }  # fmt: skip


def test_off_shift_there_is_nothing_to_do(app_as: AppAs, floor: ShopFloor) -> None:
    tab = app_as(floor.person("agent"), "handover")
    assert not tab.exception
    assert zh("handover.no_shift") in shown(tab)
    assert zh("handover.no_shift") not in shown(app_as(floor.person("manager"), "handover"))
