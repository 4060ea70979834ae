"""KPIs of chats against a second count in plain Python: random logs, nasty ones, by person, shift, day and whole."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from backend.imports.runner import Importer, import_file
from tests.sql.importing import KEYRING, TEN, Connection, Rpc, add_shop, shop_of, undone
from tests.sql.test_kpi_chats import HEAD, figures

FIRST, LAST = "2026-11-09", "2026-11-12"
MIDNIGHT = TEN.replace(hour=0)
AGENTS = ("客服A", "客服B", "不在名单的人", "")
KINDS = {"售前": False, "售后": True, "其他": False, "": False}  # whether it is after-sales
SENDERS = {"买家": 40, "客服": 35, "自动回复": 10, "机器人": 8, "系统": 7}
RATINGS = {"非常满意": 5, "满意": 4, "一般": 3, "不满意": 2, "非常不满意": 1, "": None}
# Openings near the edges of days, of the shifts 8:00–16:30 and 16:00–24:00, and of the night that JD leaves out.
EDGES = (
    0,
    7 * 60 + 59.9,
    8 * 60,
    9 * 60,
    15 * 60 + 59.5,
    16 * 60,
    16 * 60 + 29.9,
    23 * 60 - 0.1,
    23 * 60,
    24 * 60 - 0.2,
)


@dataclass(frozen=True, order=True)
class Message:
    """A message in the order in which it was sent: by time, then by number."""

    at: datetime
    number: int
    sender: str = field(compare=False)
    agent: str = field(compare=False)


@dataclass(frozen=True)
class Talk:
    """A talk that a buyer began, with its line in the sheet of sessions (rating and payment; empty: no such line)."""

    name: str
    buyer: str
    kind: str
    messages: tuple[Message, ...]
    rating: str | None
    paid: int | None

    @property
    def of_buyer(self) -> list[Message]:
        return [one for one in self.messages if one.sender == "买家"]

    @property
    def begun(self) -> datetime:
        return self.of_buyer[0].at

    @property
    def agent(self) -> str | None:
        by_person = [one.agent for one in self.messages if one.sender == "客服" and one.agent]
        return next(iter([*by_person, *(one.agent for one in self.messages if one.agent)]), None)

    def turns(self) -> list[tuple[datetime, datetime, Message | None]]:
        """First and last message of each run of the buyer's, and the first of a person after it."""
        found: list[tuple[datetime, datetime, Message | None]] = []
        runs = False
        for one in (one for one in self.messages if one.sender in ("买家", "客服")):
            if one.sender == "买家":
                found = (
                    [*found[:-1], (found[-1][0], one.at, None)] if runs else [*found, (one.at, one.at, None)]
                )
            elif runs:
                found[-1] = (*found[-1][:2], one)
            runs = one.sender == "买家"
        return found


def shift(at: datetime) -> str:
    """By the clock on the wall; in the half hour of two shifts the later one."""
    if at.time() >= time(16):
        return "晚班"
    return "早班" if at.time() >= time(8) else "(off)"


def log(seed: int) -> list[Talk]:
    """Sixty talks of four days: over midnight, over two shifts, without answer, at the same second, without a buyer."""
    dice = random.Random(seed)
    number = 0
    talks = []
    for name in range(60):
        at = MIDNIGHT + timedelta(days=dice.randrange(4), minutes=dice.choice([*EDGES, dice.randrange(1440)]))
        messages = []
        agent = dice.choice(AGENTS)
        for _ in range(dice.randrange(1, 12)):
            number += 1
            sender = dice.choices([*SENDERS], [*SENDERS.values()])[0]
            messages.append(Message(at, number, sender, agent))
            at += timedelta(seconds=dice.choice((0, 1, 15, 29, 30, 31, 90, 1900)))
            agent = dice.choice((agent, agent, agent, *AGENTS))
        paid = dice.choice((None, None, dice.randrange(1, 500)))
        sheet = dice.random() < 0.7
        talks.append(
            Talk(f"S{name}", f"b{dice.randrange(9)}", dice.choice([*KINDS]), tuple(sorted(messages)),
                dice.choice([*RATINGS]) if sheet else None, paid if sheet else None)
        )  # fmt: skip
    return talks


def counted(
    talks: Sequence[Talk], by: str | None, *, jd: bool
) -> dict[tuple[str, str | None], tuple[float, ...]]:
    """Numerator and denominator (1 of a mean's weight each) of every KPI, whole or by person, shift or day."""
    sums: dict[tuple[str, str | None], list[float]] = defaultdict(lambda: [0, 0])

    def add(code: str, talk: Talk, top: float, low: float, *, agent: str | None, at: datetime) -> None:
        scope = {None: None, "person": agent, "shift": shift(at), "day": f"{talk.begun:%Y-%m-%d}"}[by]
        if by != "person" or agent is not None:
            sums[code, scope][0] += top
            sums[code, scope][1] += low

    asked = [one for one in talks if one.of_buyer]
    for talk in asked:
        _talk(talk, add, jd=jd)
    for talk, same_buyer in _buyers(asked):
        who = {"agent": talk.agent, "at": talk.begun}
        paid = [one for one in same_buyer if one.paid is not None]
        answered = any(end for one in same_buyer for *_, end in one.turns())
        add("回复率", talk, answered, 1, **who)
        add("订单转化率", talk, bool(paid), 1, **who)
        if any(not KINDS[one.kind] for one in same_buyer):
            add("询单人数", talk, 1, 0, **who)
            add("转化率(客服)", talk, any(not KINDS[one.kind] for one in paid), 1, **who)
        if paid:
            add("客单价(客服)", talk, sum(one.paid or 0 for one in paid), 1, **who)
    return {key: tuple(both) for key, both in sums.items()}


def _talk(talk: Talk, add: Any, *, jd: bool) -> None:
    whole = {"agent": talk.agent, "at": talk.begun}
    of_person = [one for one in talk.messages if one.sender == "客服"]
    add("答问比", talk, len(of_person), len(talk.of_buyer), **whole)
    if talk.rating:
        add("满意度", talk, RATINGS[talk.rating] or 0, 1, **whole)
        add("满意比", talk, (RATINGS[talk.rating] or 0) >= 4, 1, **whole)
    night = not time(9) <= talk.begun.time() < time(23)
    answers = [end for *_, end in talk.turns() if end]
    if answers:
        waited = (answers[0].at - talk.begun).total_seconds()
        add("首响", talk, waited, 1, **whole)
        if not night:
            add("30秒应答率", talk, waited <= 30, 1, **whole)
    for first, last, end in talk.turns():
        if end and not (jd and night):
            who = {"agent": end.agent or None, "at": first}
            add("平响", talk, (end.at - first).total_seconds(), 1, **who)
            add("平响(末条)", talk, (end.at - last).total_seconds(), 1, **who)
        if end:
            add(
                "响应超时率",
                talk,
                (end.at - first).total_seconds() > 30,
                1,
                agent=end.agent or None,
                at=first,
            )


def _buyers(talks: Sequence[Talk]) -> Iterator[tuple[Talk, list[Talk]]]:
    """Each buyer of a day with the talk he counts by: the first that is not after-sales, else the first."""
    days: dict[tuple[str, str], list[Talk]] = defaultdict(list)
    for one in talks:
        days[f"{one.begun:%F}", one.buyer].append(one)
    for same in days.values():
        yield min(same, key=lambda one: (KINDS[one.kind], one.begun)), same


def bring_in(conn: Connection, talks: Sequence[Talk], shop: str, *, seed: int) -> None:
    """Both sheets: messages in any order as GBK, sessions with a byte order mark."""
    lines = [
        f"{one.number},{talk.name},{one.agent},{talk.buyer},{talk.kind},{one.sender},{one.at:%Y-%m-%d %H:%M:%S},内容"
        for talk in talks
        for one in talk.messages
    ]
    random.Random(seed).shuffle(lines)
    sessions = ["会话ID,客服,买家,咨询类型,评价,是否付款,付款金额"] + [
        f"{one.name},,{one.buyer},{one.kind},{one.rating},{'否' if one.paid is None else '是'},{one.paid or ''}"
        for one in talks
        if one.rating is not None
    ]
    importer = Importer(call=Rpc(conn), service=Rpc(conn), keyring=KEYRING)
    for name, content in (("消息.csv", "\n".join([HEAD, *lines]).encode("gb18030")),
                          ("会话.csv", "\n".join(sessions).encode("utf-8-sig"))):  # fmt: skip
        outcome = import_file(importer, content, name=name, kind="chats", shop=shop_of(conn, shop))
        assert outcome["rejected"] == []


@pytest.fixture
def conn(sql_url: str) -> Iterator[Connection]:
    with undone(sql_url) as connection:
        add_shop(connection)
        add_shop(connection, "jing", "jd")
        connection.execute("set timezone = 'America/New_York'")
        yield connection


@pytest.mark.parametrize(("seed", "shop"), [(7, "one"), (8, "one"), (9, "jing")])
def test_a_second_count_in_plain_python_agrees(conn: Connection, seed: int, shop: str) -> None:
    talks = log(seed)
    bring_in(conn, talks, shop, seed=seed)
    for by in (None, "person", "shift", "day"):
        expected = counted(talks, by, jd=shop == "jing")
        codes = sorted({code for code, _ in expected})
        found = {
            (one["code"], one[by] if by else None): (float(one["numerator"]), float(one["denominator"] or 0))
            for one in figures(conn, *codes, first=FIRST, last="2026-11-13", by=by)
        }
        assert found == expected, by
