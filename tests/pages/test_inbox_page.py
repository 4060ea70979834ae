"""消息 and the bell: what I was told, read, put off, and what I want to hear of; nobody reads another's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from backend.local.stack import Stack
from pages.shared.inbox_parts import later
from pages.shared.messages import target
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh
from tests.people import Account

Tell = Callable[..., int]


@pytest.fixture
def owner(stack: Stack) -> Iterator[psycopg.Connection]:
    with psycopg.connect(stack.db_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def tell(owner: psycopg.Connection, team: Callable[[str], Account]) -> Iterator[Tell]:
    """A message to a role's member, as the sweep writes it; gone afterwards."""
    made: list[int] = []

    def one(
        role: str,
        kind: str = "overdue",
        *,
        label: str = "3920001",
        path: str = "/orders?id=1",
        many: bool = False,
    ) -> int:
        item = {
            "label": label,
            "entity": "order_review",
            "entity_id": 1,
            "target": "review",
            "shop": "店铺 tm",
        }
        item |= {
            "policy": "订单异常审核",
            "due_at": "2026-11-20T02:00:00+00:00",
            "path": path,
            "state": "overdue",
        }
        params = {"count": 4, "overdue": 4, "items": [item]} if many or kind == "digest" else item
        row = owner.execute(
            "insert into public.notifications (member_id, kind, params, path, is_urgent, created_at)"
            " values (%s, %s, %s, %s, true, now()) returning id",
            (team(role).member_id, kind, json.dumps(params), "/inbox" if kind == "digest" else path),
        ).fetchone()
        assert row
        made.append(row[0])
        return int(row[0])

    yield one
    owner.execute("delete from public.notifications where id = any(%s)", (made,))


def is_unread(owner: psycopg.Connection, note: int) -> bool:
    row = owner.execute("select read_at is null from public.notifications where id = %s", (note,)).fetchone()
    assert row
    return bool(row[0])


def test_a_message_is_shown_read_and_gone(app_as: AppAs, tell: Tell, owner: psycopg.Connection) -> None:
    note = tell("agent", label="3920777")
    tab = app_as("agent", "inbox")
    assert "3920777" in shown(tab)
    tab.button(key=f"inbox_read_{note}").click().run()
    assert not tab.exception
    assert not is_unread(owner, note)
    assert zh("inbox.none_unread") in shown(tab)


def test_a_digest_lists_its_items(app_as: AppAs, tell: Tell) -> None:
    tell("agent", "digest", label="3920888")
    said = shown(app_as("agent", "inbox"))
    assert "3920888" in said
    assert zh("inbox.more", count=3) in said


def test_an_ended_wait_is_said_alone_or_with_others(app_as: AppAs, tell: Tell) -> None:
    one = tell("agent", "wait_ended", label="3920911")
    tell("agent", "wait_ended", label="3920912", many=True)
    tab = app_as("agent", "inbox")
    assert not tab.exception
    said = shown(tab)
    assert zh("inbox.kind.wait_ended", what="订单异常审核 3920911") in said
    assert zh("inbox.kinds.wait_ended", count=4) in said
    assert "3920912" in said
    assert f"inbox_open_{one}" in [button.key for button in tab.button]


def test_a_message_comes_back_when_it_was_put_off(
    app_as: AppAs, tell: Tell, owner: psycopg.Connection
) -> None:
    note = tell("agent")
    tab = app_as("agent", "inbox")
    tab.button(key=f"inbox_later_{note}_hour").click().run()
    assert not tab.exception
    row = owner.execute(
        "select snoozed_until > now() + interval '50 minutes' from public.notifications where id = %s",
        (note,),
    ).fetchone()
    assert row == (True,)


def test_everything_is_read_at_once(app_as: AppAs, tell: Tell, owner: psycopg.Connection) -> None:
    notes = [tell("agent"), tell("agent"), tell("manager")]
    app_as("agent", "inbox").button(key="inbox_read_all").click().run()
    assert [is_unread(owner, note) for note in notes] == [False, False, True]


def test_nobody_reads_what_another_was_told(app_as: AppAs, tell: Tell) -> None:
    tell("manager", label="39209990")
    assert "39209990" not in shown(app_as("agent", "inbox"))
    assert "39209990" in shown(app_as("manager", "inbox"))


def test_the_bell_counts_and_names_the_newest(app_as: AppAs, tell: Tell) -> None:
    tell("agent", label="3920555")
    said = shown(app_as("agent"))
    assert "3920555" in said
    assert zh("bar.inbox_empty") not in said


def test_an_empty_bell_says_so(app_as: AppAs) -> None:
    assert zh("bar.inbox_empty") in shown(app_as("analyst"))


def test_what_i_want_to_hear_of_is_kept(
    app_as: AppAs, owner: psycopg.Connection, team: Callable[[str], Account]
) -> None:
    tab = app_as("agent", "inbox", query={"inbox_tab": zh("inbox.tab.settings")})
    tab.session_state["inbox_tab"] = zh("inbox.tab.settings")
    tab.run()
    tab.radio(key="inbox_wishes_0_preset").set_value("urgent")
    tab.text_input(key="inbox_wishes_0_wecom_id").set_value("agent-07")
    tab.button(key="inbox_wishes_0_save").click().run()
    assert not tab.exception
    kept = owner.execute(
        "select preset, wecom_id from public.member_reminders where member_id = %s",
        (team("agent").member_id,),
    ).fetchone()
    assert kept == ("urgent", "agent-07")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/orders?id=12", ("orders", {"id": "12"})),
        ("/inbox", ("inbox", {})),
        ("https://evil.example/orders", ("", {})),
        ("//evil.example/orders", ("", {})),
        ("/no_such_page", ("", {})),
        (None, ("", {})),
    ],
)
def test_only_pages_of_ours_are_opened(path: str | None, found: tuple[str, dict[str, str]]) -> None:
    assert target(path) == found


def test_tomorrow_is_nine_in_the_zone_of_the_person() -> None:
    evening = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)  # 01:00 of the 23rd in Shanghai
    assert later("tomorrow", evening, "Asia/Shanghai") == datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
    assert later("quarter", evening, "UTC") - evening == timedelta(minutes=15)
