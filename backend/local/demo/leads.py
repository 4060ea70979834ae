"""The demo's presales: three weeks of leads, lived through by the people of the demo with the real RPCs.

Figures (product decision): 60 leads; 14 bought, 12 lost, 22 followed up in all four stages, 5 overdue and
7 in the pool of the shop whose pool waits for claims. Two of them are one
customer. Three were promised something: two today, one broken.
"""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from backend import db
from backend.leads import commands
from backend.leads.choices import STAGES
from backend.leads.models import Draft, LeadRef
from backend.pii import Keyring

if TYPE_CHECKING:
    from backend.local.demo.load import Player

SetClock = Callable[[datetime], None]
SEED: Final = 606
_OVER: Final = ("converted", "lost")
POOL_SHOP: Final = "dy"
_ENDS: Final = (
    *("converted",) * 14, *("lost",) * 12, *("first_touch",) * 6, *("discovery",) * 6, *("objection",) * 5,
    *("closing",) * 5, *("overdue",) * 5, *("pool",) * 7,
)  # fmt: skip
_SELLERS: Final = {"tm": ("K001", "K003", "K006"), "jd": ("K002", "K006"), "dy": ("K003", "K001", "K006")}
_SOURCES: Final = ("asked_unpaid", "live", "chat", "campaign", "form", "asked_unpaid", "enterprise")
_NEEDS: Final = ("企业采购", "节日礼品", "母婴用品", "办公用品", "厨房小电", "换季收纳", "老客复购")
_REASONS: Final = ("price", "no_answer", "competitor", "no_need", "price", "out_of_stock")
_WISHES: Final = (
    ("high", "high"),
    ("high", "enough"),
    ("medium", "enough"),
    ("low", "unknown"),
    ("unknown", "low"),
)
_CHANNELS: Final = ("platform", "phone", "wechat")
_PROMISES: Final = (
    ("gift", "随单送清洁套装", Decimal(12), 5.0),
    ("callback", "下午回电确认颜色", None, -0.5),  # nobody called
    ("delivery", "下单后当天发出", None, 9.0),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A lead as the demo plans it: who asked, when, in which shop, whose it becomes, and how it ends."""

    draft: Draft
    shop: str
    seller: str
    at: datetime
    end: str


def play(player: Player, set_clock: SetClock, now: datetime) -> None:
    """Live through three weeks of leads; the clock stands at `now` afterwards."""
    hand = _Hand(player, set_clock, now)
    hand.keep_a_pool()
    for number, (one, ref) in enumerate(hand.capture(list(plan(now)))):
        hand.live(one, ref, number)
    set_clock(now)


def plan(now: datetime) -> Iterator[Plan]:
    """The leads, those that are over first; the pool and the running ones began within the last days."""
    chance = random.Random(SEED)  # noqa: S311 (a plot, no secret)
    for number, end in enumerate(_ENDS):
        shop = POOL_SHOP if end == "pool" else ("tm", "jd", "dy")[number % 3]
        sellers = _SELLERS[shop]
        days = {"overdue": 3.05, "pool": 0.1}.get(end, 1.0 if end in STAGES else 3 + chance.random() * 16)
        yield Plan(
            _draft(chance, number, end),
            shop,
            sellers[number // 3 % len(sellers)],
            now - timedelta(days=days, minutes=chance.randrange(90)),
            end,
        )


def _draft(chance: random.Random, number: int, end: str) -> Draft:
    """Who asks: nobody's name and phone (0000 inside); the last one asks from two sides."""
    intent, budget = ("high", "high") if end == "converted" and number % 2 else _WISHES[number % len(_WISHES)]
    if end == "overdue":  # grade B, three days: late by an hour or two, still its owner's
        intent, budget = "medium", "enough"
    buyer = number - 1 if number == len(_ENDS) - 1 else number
    return Draft(
        name=f"{chance.choice('陈林黄周吴徐孙马')}{chance.choice(('女士', '先生', '经理'))}",
        phone=f"15{buyer % 10}0000{2000 + buyer * 13:04d}",
        wechat=f"wx_demo_{number:03d}" if number % 3 == 0 else "",
        needs=(_NEEDS[number % len(_NEEDS)],),
        source=_SOURCES[number % len(_SOURCES)],
        intent=intent,
        budget=budget,
    )


class _Hand:
    """The hands of the sellers in the demo."""

    def __init__(self, player: Player, set_clock: SetClock, now: datetime) -> None:
        self.player = player
        self.set_clock = set_clock
        self.now = now
        self.keyring = Keyring.parse(player.settings.pii_key)
        self.orders = self._orders()

    def _orders(self) -> dict[int, list[str]]:
        """Paid orders by shop: each lead that bought takes one."""
        found: dict[int, list[str]] = defaultdict(list)
        query = self.player.person("M001").table("orders").select("shop_id, order_no")
        query = (
            query.in_("status", ["completed", "shipped"]).eq("refund", "none").order("placed_at", desc=True)
        )
        for row in db.rows(query.order("placed_at", desc=True).limit(300)):
            found[row["shop_id"]].append(row["order_no"])
        return found

    def keep_a_pool(self) -> None:
        """In one shop the pool waits for claims, so that a visitor finds something to claim."""
        shop_id = self.player.shops[POOL_SHOP].id
        change = {"is_handed_out": False}
        commands.save_rules(self.player.person("M001"), shop_id, 0, change, request_id=uuid.uuid4())

    def capture(self, plans: Sequence[Plan]) -> Iterator[tuple[Plan, LeadRef]]:
        """All of them, up to three of a seller at a time, as a campaign brings them."""
        waiting: dict[tuple[str, str, str], list[Plan]] = defaultdict(list)
        for one in plans:
            kind = one.end if one.end in ("pool", "overdue") else "over" if one.end in _OVER else "open"
            waiting[(one.shop, one.seller, kind)].append(one)
        for same in waiting.values():
            for start in range(0, len(same), 3):
                yield from self._capture([replace(one, at=same[start].at) for one in same[start : start + 3]])

    def live(self, one: Plan, ref: LeadRef, number: int) -> None:
        """One lead, from the capture to where it stands now."""
        if one.end in ("pool", "overdue"):
            return
        if one.end in STAGES:
            steps = dict.fromkeys(("first_touch", one.end))
            start, gap = self.now - timedelta(hours=2 * len(steps)), timedelta(hours=2)
            start += timedelta(minutes=20 + number)
        else:
            steps = dict.fromkeys(
                ("discovery", "closing") if one.end == "converted" else (STAGES[number % 3],)
            )
            start, gap = one.at + timedelta(hours=2 + number % 5 * 3), timedelta(hours=9)
        for place, step in enumerate(steps):
            ref = self._follow_up(one, ref, step, start + gap * place, number + place)
        self._finish(one, ref, start + gap * len(steps), number)

    def _capture(self, same: Sequence[Plan]) -> Iterator[tuple[Plan, LeadRef]]:
        first = same[0]
        self.set_clock(first.at)
        keep = first.end != "pool"
        client = self.player.person(first.seller if keep else "Y001")
        shop_id = self.player.shops[first.shop].id
        drafts = [one.draft for one in same]
        made = commands.capture(client, self.keyring, shop_id, drafts, request_id=uuid.uuid4(), keep=keep)
        refs = {one.id: LeadRef(one.id, one.version) for one in made.leads}
        yield from zip(same, (refs[number] for number in sorted(refs)), strict=True)

    def _follow_up(self, one: Plan, ref: LeadRef, step: str, at: datetime, number: int) -> LeadRef:
        self.set_clock(at)
        done = commands.follow_up(
            self.player.person(one.seller),
            ref,
            channel=_CHANNELS[number % len(_CHANNELS)],
            step=step,
            outcome="no_answer" if step == "first_touch" and number % 6 == 5 else "reached",
            next_step="ask_order" if step == "closing" else "send_offer",
            next_at=at + timedelta(hours=20),
            request_id=uuid.uuid4(),
        )
        return LeadRef(done.id, done.version)

    def _finish(self, one: Plan, ref: LeadRef, at: datetime, number: int) -> None:
        client: Any = self.player.person(one.seller)
        if one.end == "converted":
            self.set_clock(at)
            order_no = self.orders[self.player.shops[one.shop].id].pop()
            commands.convert(client, ref, order_no, request_id=uuid.uuid4())
        elif one.end == "lost":
            self.set_clock(at)
            commands.lose(client, ref, _REASONS[number % len(_REASONS)], request_id=uuid.uuid4())
        elif one.end == "closing" and number % 2:
            kind, what, amount, hours = _PROMISES[number // 2 % len(_PROMISES)]
            commands.promise(
                client,
                "lead",
                ref.id,
                kind=kind,
                what=what,
                amount=amount,
                due_at=self.now + timedelta(hours=hours),
                request_id=uuid.uuid4(),
            )
