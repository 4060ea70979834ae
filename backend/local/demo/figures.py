"""The demo's figures: weeks of performance sheets and visitors, a week of chats, and improvements.

Figures (product decision): answers of the first shop took about 42 seconds and take about 24 since its
improvement was delivered twelve days ago, so one task is accepted by the figures and a stricter one fails;
one is being measured, one is under way, one is an anonymous suggestion. In the chats of the third shop the
late shift answers in 42 seconds and the early one in 18, as its alert and the figures by shift say.
"""

from __future__ import annotations

import csv
import io
import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from backend import db
from backend.imports.runner import import_file
from backend.local.demo.orders import ZONE
from backend.local.demo.team import PEOPLE

if TYPE_CHECKING:
    from backend.local.demo.load import Player

SetClock = Callable[[datetime], None]
SEED: Final = 1107
DAYS: Final = 28
DELIVERED: Final = 12  # days ago: from then on the first shop answers faster
_SHEET: Final = (
    "日期", "客服昵称", "咨询人数", "接待人数", "未回复人数", "有效接待人数", "买家消息数", "客服消息数",
    "首次响应(秒)", "平均响应(秒)", "询单人数", "付款人数", "销售人数",
    "销售额", "登录时长", "评价数", "满意数",
)  # fmt: skip
_SECONDS: Final = {"tm": (42, 24), "jd": (22, 22), "dy": (27, 27)}
CHAT_DAYS: Final = 7
TALKS: Final = 11  # a shift
_TALK: Final[tuple[tuple[str, str], ...]] = (
    ("买家", "在吗，想问下尺码"),
    ("自动回复", "您好，正在为您接入客服"),
    ("客服", "亲，在的"),
    ("买家", "有现货吗"),
    ("客服", "有的，今天下单今天发"),
    ("客服", "16 点前付款都能发"),
    ("买家", "好的谢谢"),
    ("客服", "不客气，有事随时找我"),
)
# The shifts of the third shop: from when on talks begin, who answers, after how many seconds.
_SHIFTS: Final = ((8, ("客服A", "客服F"), (9, 27)), (16, ("客服C",), (28, 56)))


def play(player: Player, set_clock: SetClock, now: datetime) -> None:
    """Brings the files in, then lives through two weeks of tasks; the clock stands at `now` afterwards."""
    rng = random.Random(SEED)  # noqa: S311 (a plot, no secret)
    set_clock(now)
    today = now.astimezone(ZONE).date()
    for code in player.shops:
        _bring(player, code, "performance", "客服绩效.csv", _performance(rng, code, today))
        _bring(player, code, "traffic", "流量.csv", _visitors(rng, today))
    messages, sessions = _chats(rng, today)
    _bring(player, "dy", "chats", "聊天记录.csv", messages)
    _bring(player, "dy", "chats", "会话.csv", sessions)
    _tasks(player, set_clock, now)
    set_clock(now)
    while player.service.rpc("service_keep_kpis", p_limit=20):
        pass
    player.service.rpc("tick_figures")  # judges the targets by them


def _bring(player: Player, shop: str, kind: Any, name: str, rows: Sequence[Sequence[str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    import_file(
        player.importer, out.getvalue().encode("utf-8-sig"), name=name, kind=kind, shop=player.shops[shop]
    )


# Files -----------------------------------------------------------------------------------------------------


def _performance(rng: random.Random, shop: str, today: date) -> list[Sequence[str]]:
    """A line for each agent of the shop and day, and the summary that genuine exports end with."""
    agents = [
        one.name for one in PEOPLE if one.role == "agent" and one.state == "active" and shop in one.shops
    ]
    before, after = _SECONDS[shop]
    rows: list[Sequence[str]] = [_SHEET]
    for ago in range(DAYS, 0, -1):
        for agent in agents:
            mean = after if ago < DELIVERED else before
            rows.append(_line(rng, today - timedelta(days=ago), agent, mean))
    rows.append(["", "汇总", *["0"] * (len(_SHEET) - 2)])
    return rows


def _line(rng: random.Random, day: date, agent: str, mean: int) -> Sequence[str]:
    asked = rng.randint(34, 60)
    received = asked - rng.randint(0, 3)
    inquiries = round(received * 0.7)
    paid = round(inquiries * rng.uniform(0.6, 0.74))
    buyer = received * rng.randint(4, 6)
    rated = rng.randint(8, 16)
    seconds = mean + rng.randint(-4, 4)
    values = (
        asked, received, int(rng.random() < 0.2), received, buyer, round(buyer * rng.uniform(1.28, 1.5)),
        max(4, seconds - 9), seconds, inquiries, paid, paid, paid * rng.randint(90, 160),
        f"{rng.randint(7, 8)}:{rng.randint(10, 59)}:00", rated, rated - int(rng.random() < 0.4),
    )  # fmt: skip
    return [day.isoformat(), agent, *map(str, values)]


def _visitors(rng: random.Random, today: date) -> list[Sequence[str]]:
    rows: list[Sequence[str]] = [("日期", "访客数", "浏览量")]
    for ago in range(DAYS, 0, -1):
        visitors = rng.randint(1400, 2300)
        rows.append(((today - timedelta(days=ago)).isoformat(), str(visitors), str(visitors * 3)))
    return rows


def _chats(rng: random.Random, today: date) -> tuple[list[Sequence[str]], list[Sequence[str]]]:
    """A week's talks of the third shop in both shifts, and one at night that nobody answered.

    The sheet of messages and the sheet of sessions."""
    messages: list[Sequence[str]] = [
        ("消息ID", "会话ID", "客服", "买家", "咨询类型", "发送方", "发送时间", "内容")
    ]
    sessions: list[Sequence[str]] = [("会话ID", "客服", "买家", "咨询类型", "评价", "是否付款", "付款金额")]
    for ago in range(CHAT_DAYS, 0, -1):
        day = datetime.combine(today - timedelta(days=ago), datetime.min.time())
        for number in range(2 * TALKS):
            begins, agents, seconds = _SHIFTS[number // TALKS]
            at = day + timedelta(hours=begins, minutes=3 + (number % TALKS) * 42)
            kind = "售后" if number % 5 == 4 else "售前"
            who = (
                f"D{day:%m%d}{number:02d}",
                agents[number % len(agents)],
                f"dy_demo{ago}{number:02d}",
                kind,
            )
            messages += _talk(rng, at, who, seconds)
            sessions.append(_session(rng, who))
    night = datetime.combine(today - timedelta(days=3), datetime.min.time()) + timedelta(hours=2, minutes=14)
    messages += list(_talk(rng, night, ("DNIGHT", "", "dy_demo_night", "售前"), (1, 2)))[:2]
    return messages, sessions


def _talk(
    rng: random.Random, at: datetime, who: tuple[str, str, str, str], seconds: tuple[int, int]
) -> Iterator[Sequence[str]]:
    talk, agent, buyer, kind = who
    lines = (*_TALK, ("客服", "关注店铺，下次有券")) if rng.random() < 0.5 else _TALK
    for place, (sender, text) in enumerate(lines):
        yield (f"{talk}-{place}", talk, agent, buyer, kind, sender, f"{at:%Y-%m-%d %H:%M:%S}", text)
        robot_next = place + 1 < len(lines) and lines[place + 1][0] == "自动回复"
        at += timedelta(seconds=1 if robot_next else rng.randint(*seconds))


def _session(rng: random.Random, who: tuple[str, str, str, str]) -> Sequence[str]:
    """Its line in the sheet of sessions: two in three are rated, seven in ten inquiries paid."""
    talk, agent, buyer, kind = who
    rating = rng.choice(
        ("非常满意", "非常满意", "满意", "满意", "", "", "一般" if rng.random() < 0.2 else "满意")
    )
    paid = kind == "售前" and rng.random() < 0.7
    return talk, agent, buyer, kind, rating, "是" if paid else "否", str(rng.randint(59, 189)) if paid else ""


# Tasks -----------------------------------------------------------------------------------------------------


def _tasks(player: Player, set_clock: SetClock, now: datetime) -> None:
    """Planned and delivered on their days; the daily check of each following morning measures them."""
    quick = {"kpi_code": "平响", "comparison": "<=", "target": 30, "window_days": 7, "min_sample": 100}
    answers = {"kpi_code": "答问比", "comparison": ">=", "target": 130, "window_days": 7, "min_sample": 100}
    hours = {"kpi_code": "退货处理时长", "comparison": "<=", "target": 24, "window_days": 14, "min_sample": 3}
    done = {
        14: ("常见问题做成快捷短语，平响降到 30 秒", "tm", quick, "整理了 60 条快捷短语并培训"),
        15: ("平响降到 15 秒", "tm", quick | {"target": 15}, "试行抢答排班"),
        5: ("售前开场白主动追问", "dy", answers, "开场白改为两段，先答后问"),
    }
    for ago in range(15, -1, -1):
        at = now - timedelta(days=ago)
        set_clock(at)
        for begun, (title, shop, criterion, note) in done.items():
            if ago == begun:
                _planned(player, title, shop, criterion)
            elif ago == (DELIVERED if begun > DELIVERED else 3) and begun > ago:
                _step(player, "K004", title, "start_task")
                _step(player, "K004", title, "deliver_task", p_note=note)
        if ago == 2:
            title = "退货到仓 24 小时内审核"
            _planned(player, title, "tm", hours)
            _step(player, "K004", title, "start_task")
            _step(player, "K004", title, "report_task", p_progress=60, p_note="仓库已分出退货台，差排班")
        if ago < DELIVERED:
            player.service.rpc("tick_figures")
    _propose(
        player,
        "K003",
        {"title": "快递破损多，换五层箱试一个月", "shop_id": player.shops["tm"].id, "is_anonymous": True},
    )


def _planned(player: Player, title: str, shop: str, criterion: dict[str, Any]) -> None:
    client = player.person("M001")
    shop_id = player.shops[shop].id
    made = _propose(
        player,
        "M001",
        {"title": title, "shop_id": shop_id, "source": "anomaly", "evidence": {"kpi": criterion["kpi_code"]}},
    )
    owner = next(
        one["id"] for one in db.rpc(client, "task_people", p_shop_id=shop_id) if one["name"] == "客服D"
    )
    begun = db.rpc(client, "task_screen", p_id=made["id"])["task"]["created_at"]
    p = {
        "owner_id": owner,
        "deadline": (datetime.fromisoformat(begun) + timedelta(days=4)).isoformat(),
        "criteria": [criterion],
    }
    _ask(player, "M001", "plan_task", p_id=made["id"], p_version=made["version"], p=p)


def _propose(player: Player, staff_no: str, p: dict[str, Any]) -> Any:
    return _ask(player, staff_no, "propose_task", p=p)


def _step(player: Player, staff_no: str, title: str, rpc: str, **params: Any) -> None:
    """A step of the task of this title, as its owner sees it."""
    found = db.rpc(player.person(staff_no), "task_list", p={"tab": "open", "text": title})["rows"][0]
    _ask(player, staff_no, rpc, p_id=found["id"], p_version=found["version"], **params)


def _ask(player: Player, staff_no: str, rpc: str, **params: Any) -> Any:
    return db.command(player.person(staff_no), rpc, **params, request_id=uuid.uuid4())
