"""Reminders really go out: the real database, the real function, and robots on this machine that keep the
platforms' rules or misbehave (tests/contract/robots.py).

The robots are reached through the developers' switch; that it opens nothing else, and nothing without it, is
tested here and in backend/functions/_shared.
"""

from __future__ import annotations

import os
import signal
import ssl
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from backend import config
from backend.local.stack import Stack
from backend.pii import Keyring
from tests.conftest import Installation
from tests.contract.robots import SECRET, MailServer, Place, Robots, certificate_for_localhost
from tests.sql import desk
from tests.support import wait_until

HTTP = httpx.Client(timeout=70, limits=httpx.Limits(max_connections=60))
HOSTS = {
    "wecom": "qyapi.weixin.qq.com",
    "dingtalk": "oapi.dingtalk.com",
    "feishu": "open.feishu.cn",
    "webhook": "hooks.example.com",
    "email": "smtp.example.com",
}
ALLOWANCE = timedelta(hours=2)  # of an order review
NEW_ORDERS = """
    with made as (
        insert into orders (shop_id, order_no, platform_status, status, amount, facts_hash, content_hash,
            checked_facts_hash, checked_version, findings, placed_at, paid_at)
        select s.id, %s || '-' || n, '买家已付款', 'to_ship', 100, 'f', 'c', 'f',
            private.current_check_version(), '[]', private.now(), private.now()
        from shops s, generate_series(1, %s) n where s.code = 'one' returning id, shop_id
    ), found as (
        insert into order_exceptions (order_id, shop_id, kind, is_blocking, severity, evidence, fingerprint,
            detected_at)
        select id, shop_id, 'mismatch', true, 'normal', '{}', 'fp', private.now() from made returning order_id
    )
    select array_agg(order_id) from found"""

TOLD_NOW = """
    select count(*), count(distinct (member_id, reminder_id)) from notifications
    where created_at = private.now()"""
NEXT_TRY = """
    select next_at - private.now() from deliveries where channel_id = any (%s) and last_error = %s"""


@dataclass
class Floor:
    """A desk with robots; each test has its own day and leaves nothing behind that speaks."""

    stack: Stack
    conn: psycopg.Connection[Any]
    robots: Robots
    tls: ssl.SSLContext
    now: datetime = desk.NOON
    made: list[int] = field(default_factory=list)

    def at(self, moment: datetime) -> None:
        """Set the product's clock."""
        self.now = moment
        desk.at(self.conn, moment)

    def later(self, **span: float) -> None:
        """Move the product's clock on (or back)."""
        self.at(self.now + timedelta(**span))

    def channel(
        self, kind: str, *moods: str, audience: str = "group", url: str = "", **options: str
    ) -> Place:
        """A channel of this kind to a place of its own, saved and sealed as the app does it."""
        name = f"{kind}-{len(self.made)}"
        address = url or self.robots.open(kind, name, *moods)
        channel_id = int(desk.ask(self.conn, "adm", "reserve_channel_id"))
        ring = Keyring.parse(self.stack.pii_key)
        sealed = ring.encrypt("channels", "endpoint", channel_id, address)
        draft = {"kind": kind, "name": name, "host": HOSTS[kind], "endpoint": sealed, "audience": audience,
                 "options": options}  # fmt: skip
        saved = desk.ask(self.conn, "adm", "save_channel", channel_id, None, draft, uuid.uuid4())
        if kind != "wecom":
            secret = ring.encrypt("channels", "secret", channel_id, SECRET)
            request = uuid.uuid4()
            desk.ask(self.conn, "adm", "set_channel_secret", channel_id, saved["version"], secret, request)
        self.made.append(channel_id)
        return self.robots.places.get(name, Place(kind))

    def orders(self, prefix: str, count: int) -> list[int]:
        """Orders that are found odd now: each has two hours to be reviewed."""
        ids = desk.one(self.conn, NEW_ORDERS, prefix, count)
        self.conn.execute("select private.refresh_reviews(%s::bigint[], private.now())", (ids,))
        return list(ids)

    def ring(self) -> dict[str, Any]:
        """One tick, as the scheduler rings it."""
        answer = self.tick()
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        return report

    def tick(self, headers: dict[str, str] | None = None) -> httpx.Response:
        """One call of the function through the gateway."""
        url = f"{self.stack.api_url}/functions/v1/sla-reminders"
        return HTTP.post(url, headers={"apikey": self.stack.secret_key} if headers is None else headers)

    def deliveries(self) -> list[tuple[str, str, int, str | None]]:
        """Kind, state, attempts and error of each message of this test's channels."""
        return self.conn.execute(
            "select c.kind, d.state, d.attempts, d.last_error from deliveries d"
            " join channels c on c.id = d.channel_id where c.id = any (%s) order by d.seq",
            (self.made,),
        ).fetchall()

    def lines(self) -> Counter[str]:
        """States of the reminders for this test's channels."""
        query = "select state, count(*) from reminder_lines where channel_id = any (%s) group by state"
        return Counter(dict(self.conn.execute(query, (self.made,)).fetchall()))

    def restart(self) -> None:
        """kill -9 of the process that runs the functions; returns when another one answers."""
        old = self.stack.pids["functions"]
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: self.stack.pids.get("functions", old) != old)
        wait_until(lambda: self.tick({}).status_code == 401)

    def leave(self) -> None:
        """Take every deadline its further steps, and switch off every channel."""
        self.conn.execute("update sla_clocks set next_step_at = null where next_step_at is not null")
        self.conn.execute("update channels set is_active = false")
        self.made.clear()


@pytest.fixture(scope="module")
def certificate(data_folder: Callable[[str], Path]) -> tuple[ssl.SSLContext, Path]:
    """TLS for servers named localhost."""
    return certificate_for_localhost(data_folder("certificate"))


@pytest.fixture(scope="module")
def switch(certificate: tuple[ssl.SSLContext, Path]) -> Iterator[pytest.MonkeyPatch]:
    """The developers' switch is on, and Deno trusts the authority of our own servers."""
    patch = pytest.MonkeyPatch()
    patch.setenv("DENO_CERT", str(certificate[1]))
    patch.setenv(config.LOOPBACK_CHANNELS, "1")
    patch.setenv("DESK_PUBLIC_URL", "https://desk.example.com")
    yield patch
    patch.undo()


@pytest.fixture(scope="module")
def open_floor(
    installation: Installation,
    certificate: tuple[ssl.SSLContext, Path],
    switch: pytest.MonkeyPatch,
) -> Iterator[Floor]:
    """A stack of this module's own with people and an empty order book."""
    with (
        Stack(installation("reminders", test_clock=True), test_clock=True, fsync=False) as stack,
        psycopg.connect(stack.db_url, autocommit=True) as conn,
    ):
        desk.open_floor(conn)
        desk.ask(conn, "adm", "set_channel_hosts", [HOSTS["webhook"], HOSTS["email"]], uuid.uuid4())
        floor = Floor(stack, conn, Robots(), certificate[0])
        floor.robots.now = lambda: floor.now.timestamp()
        yield floor
        floor.robots.close()


@pytest.fixture
def floor(open_floor: Floor) -> Iterator[Floor]:
    """The floor at noon of another day."""
    open_floor.at((open_floor.now + timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0))
    yield open_floor
    open_floor.leave()


# --- who may ring, and what arrives ---


def test_only_the_secret_key_rings(floor: Floor) -> None:
    robot = floor.channel("dingtalk")
    floor.orders("NOBODY", 1)
    floor.later(hours=2, seconds=1)
    strangers = ({}, {"apikey": floor.stack.publishable_key}, {"apikey": "sb_secret_guess"})
    for headers in (*strangers, {"authorization": f"Bearer {floor.stack.secret_key}"}):
        assert floor.tick(headers).status_code == 401
    assert (robot.requests, floor.lines()) == (0, Counter())
    assert floor.ring()["sent"] == 1


def test_a_breach_reaches_every_kind_of_channel_with_a_link_that_opens_it(floor: Floor) -> None:
    places = {kind: floor.channel(kind) for kind in ("wecom", "dingtalk", "feishu", "webhook")}
    mail = MailServer(floor.tls)
    floor.channel("email", url=mail.address, **{"from": "desk@example.com", "to": "team@example.com"})
    (order_id,) = floor.orders("TM2026", 1)
    floor.later(hours=1)
    floor.ring()  # half of the time is used up: the owner's business, not the group's
    assert sum(place.requests for place in places.values()) == 0
    floor.later(hours=1, minutes=18)
    report = floor.ring()
    mail.close()
    assert (report["sent"], report["failed"], report["refused"]) == (5, 0, 0)
    due = (floor.now - timedelta(minutes=18)).strftime("%m-%d %H:%M")
    link = f"https://desk.example.com/orders?id={order_id}"
    for kind, place in places.items():
        assert (place.complaints, len(place.accepted)) == ([], 1), kind
        text = place.accepted[0].text
        assert "TM2026-1" in text
        assert link in text
        if kind != "webhook":
            assert f"one · 订单异常 TM2026-1 · 超时 18 分 · {due} 到期" in text
    ((to, letter),) = mail.letters
    assert to == ["team@example.com"]
    assert "Message-ID: <" in letter


def test_a_test_message_is_sent_at_once(floor: Floor) -> None:
    robot = floor.channel("wecom")
    desk.ask(floor.conn, "adm", "test_channel", floor.made[0], uuid.uuid4())
    assert floor.ring()["sent"] == 1
    assert "测试消息" in robot.accepted[0].text


# --- once each ---


def test_fifty_ticks_at_once_send_one_message_each(floor: Floor) -> None:
    places = [floor.channel(kind) for kind in ("wecom", "dingtalk", "feishu", "webhook")]
    floor.orders("FIFTY", 3)
    floor.later(hours=2, minutes=1)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: floor.tick().status_code, range(50)))
    floor.ring()  # whoever found the sweep busy has left nothing undone
    assert Counter(answers) == {200: 50}
    assert [len(place.accepted) for place in places] == [1, 1, 1, 1]
    assert [place.requests for place in places] == [1, 1, 1, 1]
    assert floor.lines() == {"sent": 12}
    told = desk.row(floor.conn, TOLD_NOW)
    assert told == (3 * 5, 3 * 5), "three items, five people on duty, nobody twice"


def test_a_tick_killed_between_written_and_sent_is_made_up_for_once_with_the_same_id(floor: Floor) -> None:
    """D4: the message is claimed and on the line, not taken yet, when the process dies."""
    hook = floor.channel("webhook", "silent", "fine")
    floor.orders("KILLED", 2)
    floor.later(hours=2, minutes=1)
    ringing = threading.Thread(target=lambda: floor.tick(), daemon=True)
    ringing.start()
    wait_until(lambda: hook.requests == 1)
    floor.restart()
    ringing.join()
    assert (hook.accepted, floor.deliveries()) == ([], [("webhook", "sending", 1, None)])
    floor.ring()
    assert hook.accepted == [], "its lease has not run out"
    floor.later(seconds=61)
    floor.ring()  # finds the lease run out
    floor.later(seconds=5)
    floor.ring()  # and the first retry due
    (message,) = hook.accepted
    (sent_id,) = desk.row(floor.conn, "select id from deliveries where channel_id = any (%s)", floor.made)
    assert message.id == message.body["id"] == str(sent_id)
    assert floor.deliveries() == [("webhook", "sent", 2, None)]
    assert floor.lines() == {"sent": 2}


def test_a_tick_killed_after_the_message_was_taken_sends_the_same_once_more(floor: Floor) -> None:
    """At least once: a receiver that looks at the id can drop the second one."""
    hook = floor.channel("webhook", "taken", "fine")
    floor.orders("TWICE", 1)
    floor.later(hours=2, minutes=1)
    ringing = threading.Thread(target=lambda: floor.tick(), daemon=True)
    ringing.start()
    wait_until(lambda: len(hook.accepted) == 1)
    floor.restart()
    ringing.join()
    for seconds in (61, 5):
        floor.later(seconds=seconds)
        floor.ring()
    first, second = hook.accepted
    assert (first.id, first.body) == (second.id, second.body)
    assert floor.deliveries() == [("webhook", "sent", 2, None)]


def test_six_hours_of_downtime_over_forty_items_make_one_message(floor: Floor) -> None:
    robot = floor.channel("dingtalk")
    for number in range(40):
        floor.orders(f"DOWN{number}", 1)
        floor.later(minutes=3)
    floor.later(hours=6)
    floor.ring()
    (message,) = robot.accepted
    text = message.body["markdown"]["text"]
    assert text.count("超时") == 41, "forty items and the title"
    assert "40 项超时" in text
    assert "还剩" not in text
    assert "快到期" not in text
    assert "这条提醒晚了" in text
    assert floor.lines() == {"sent": 40}


def test_a_clock_set_back_an_hour_sends_nothing_again(floor: Floor) -> None:
    robot = floor.channel("wecom")
    floor.orders("BACK", 2)
    floor.later(hours=2, minutes=1)
    floor.ring()
    floor.later(hours=-1)
    floor.ring()
    floor.later(hours=1, minutes=1)
    floor.ring()
    assert [len(robot.accepted), robot.requests] == [1, 1]


def test_a_deadline_at_midnight_is_told_as_24_00(floor: Floor) -> None:
    robot = floor.channel("wecom")
    floor.at(floor.now.replace(hour=22))
    floor.orders("LATE", 1)
    midnight = floor.now + ALLOWANCE
    floor.at((midnight + timedelta(hours=9)).replace(minute=0))  # quiet hours are over
    floor.ring()
    assert f"{midnight - timedelta(days=1):%m-%d} 24:00 到期" in robot.accepted[0].text


# --- many at once ---


def test_five_hundred_breaches_in_a_minute_keep_the_limit_and_lose_nothing(floor: Floor) -> None:
    """25 waves of 20, two seconds apart, and a tick after each: more messages than DingTalk takes."""
    robot = floor.channel("dingtalk")
    start = floor.now
    for wave in range(25):
        floor.at(start + timedelta(seconds=2 * wave))
        floor.orders(f"RUSH{wave}", 20)
    due = start + ALLOWANCE
    for wave in range(25):
        floor.at(due + timedelta(seconds=2 * wave + 1))
        floor.ring()
    in_the_first_minute = len(robot.accepted)
    for _ in range(3):
        floor.later(seconds=61)
        floor.ring()
    moments = [message.at for message in robot.accepted]
    assert 0 < in_the_first_minute <= 20
    assert max(sum(at <= other < at + 60 for other in moments) for at in moments) <= 20
    assert (robot.complaints, robot.requests) == ([], len(robot.accepted))
    assert floor.lines() == {"sent": 500}
    orders = {number for message in robot.accepted for number in _orders(message.text)}
    assert len(orders) == 500, "each of them is named in a message"


def _orders(text: str) -> list[str]:
    return [word for word in text.replace("\\n", " ").split() if word.startswith("RUSH")]


def test_five_hundred_breaches_at_one_moment_are_a_handful_of_messages(floor: Floor) -> None:
    places = {kind: floor.channel(kind) for kind in ("wecom", "dingtalk", "feishu")}
    floor.orders("RUSH", 500)
    floor.later(hours=2, minutes=1)
    floor.ring()
    assert {kind: (len(place.accepted), place.complaints) for kind, place in places.items()} == {
        kind: (5, []) for kind in places
    }
    assert floor.lines() == {"sent": 1500}
    named = {number for message in places["dingtalk"].accepted for number in _orders(message.text)}
    assert len(named) == 500


# --- who misbehaves ---


def test_whoever_misbehaves_delays_nobody_and_is_tried_again_as_asked(floor: Floor) -> None:
    moods = ("silent", "drip", "500", "429", "410", "redirect", "errcode", "nonsense")
    kinds = {mood: "webhook" if mood in ("500", "429", "410", "redirect") else "dingtalk" for mood in moods}
    bad = {mood: floor.channel(kinds[mood], mood) for mood in moods}
    dead = floor.channel("webhook", url="http://127.0.0.1:1/")
    good = [floor.channel(kind) for kind in ("wecom", "dingtalk", "feishu", "webhook")]
    floor.orders("MOODS", 2)
    floor.later(hours=2, minutes=1)
    began = time.monotonic()
    report = floor.ring()
    took = time.monotonic() - began
    assert [len(place.accepted) for place in good] == [1, 1, 1, 1]
    first = min(place.asked[0] for place in (*bad.values(), *good))
    assert max(place.accepted[0].arrived for place in good) - first < 1
    assert 10 <= took < 15, "the two slow ones end with their ten seconds"
    assert report["errors"] == {
        "timeout": 2, "http 500": 1, "rate_limited": 1, "http 410": 1, "redirected": 1, "platform -1": 1,
        "bad_reply": 1, "unreachable": 1,
    }  # fmt: skip
    assert {state for _, state, _, error in floor.deliveries() if error in _REFUSED} == {"dead"}
    assert [place.requests for place in bad.values()] == [1] * len(bad)
    assert dead.accepted == []
    wait = desk.one(floor.conn, NEXT_TRY, floor.made, "delivery.rate_limited")
    assert wait == timedelta(seconds=90)
    for mood in ("silent", "drip"):
        bad[mood].moods = ["fine"]
    floor.later(seconds=10)
    floor.ring()
    assert [bad[mood].accepted != [] for mood in ("silent", "drip")] == [True, True]
    assert [bad[mood].requests for mood in ("500", "429", "410", "redirect")] == [2, 1, 1, 1]


_REFUSED = ("delivery.http 410", "delivery.redirected")


def test_a_robot_that_recovers_gets_its_message_once(floor: Floor) -> None:
    hook = floor.channel("webhook", "500", "silent", "errcode", "fine")
    robot = floor.channel("dingtalk", "errcode", "500", "fine")
    hook.moods.remove("silent")
    hook.moods.remove("errcode")
    floor.orders("AGAIN", 2)
    floor.later(hours=2, minutes=1)
    for seconds in (2, 7, 31, 150):
        floor.ring()
        floor.later(seconds=seconds)
    assert [len(place.accepted) for place in (hook, robot)] == [1, 1]
    assert [state for _, state, _, _ in floor.deliveries()] == ["sent", "sent"]
    assert [attempts for *_, attempts, _ in floor.deliveries()] == [2, 3]


# --- where nothing may go (P11) ---


def test_a_server_must_show_a_certificate_of_its_name(floor: Floor) -> None:
    robots = Robots(tls=floor.tls)
    floor.channel("webhook", url=robots.open("webhook", "named", host="localhost"))
    floor.channel("webhook", url=robots.open("webhook", "unnamed", host="127.0.0.1"))
    floor.orders("TLS", 1)
    floor.later(hours=2, minutes=1)
    report = floor.ring()
    robots.close()
    assert (report["sent"], report["errors"]) == (1, {"unreachable": 1})
    assert [len(robots.places[name].accepted) for name in ("named", "unnamed")] == [1, 0]


def test_without_the_switch_nothing_goes_to_this_machine(floor: Floor, switch: pytest.MonkeyPatch) -> None:
    switch.delenv(config.LOOPBACK_CHANNELS)
    floor.restart()
    try:
        hook, robot = floor.channel("webhook"), floor.channel("dingtalk")
        floor.orders("NEAR", 1)
        floor.later(hours=2, minutes=1)
        report = floor.ring()
    finally:
        switch.setenv(config.LOOPBACK_CHANNELS, "1")
        floor.restart()
    assert report["errors"] == {"endpoint_not_allowed": 2}
    assert [hook.requests, robot.requests] == [0, 0]
    assert {state for _, state, _, _ in floor.deliveries()} == {"dead"}


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data",
        "https://[fd00:ec2::254]/",
        "https://0x0a000001/",
    ],
)
def test_the_switch_opens_this_machine_alone(floor: Floor, url: str) -> None:
    floor.channel("webhook", url=url)
    desk.ask(floor.conn, "adm", "test_channel", floor.made[0], uuid.uuid4())
    assert set(floor.ring()["errors"]) <= {"endpoint_not_allowed", "private_address"}
    assert [state for _, state, _, _ in floor.deliveries()] == ["dead"]


def test_no_log_holds_an_address_or_a_secret(floor: Floor) -> None:
    floor.channel("webhook", "500")
    floor.orders("QUIET", 1)
    floor.later(hours=2, minutes=1)
    assert floor.ring()["failed"] == 1
    text = "".join(path.read_text() for path in (floor.stack.data_dir / "log").iterdir())
    ours = [SECRET, "access_token", "QUIET", floor.stack.secret_key, floor.stack.pii_key]
    assert [word for word in ours if word in text] == []
    assert "http 500" in text, "but the log says what went wrong"
