"""The demo's after-sales: some weeks of cases, lived through by the people of the demo with the real RPCs.

Figures (product decision): 124 cases, 87 of them closed with a score (mean about 4.3, the low ones reviewed),
12 to be asked, the rest in work, waiting, with an approver or free to take. The story of the manual is the
scratched product: reshipped with an extra within 18 hours, scored 2, its review open; its siblings make
包装不足 the top cause. Three are about the kettle whose price fell from 200 to 150: 50 paid back, 50 still to
be computed, and one who asks on day 8.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from backend import compliance, db
from backend.library import commands as library
from backend.library.models import OfferDraft
from backend.library.reads import suggest
from backend.local.demo.orders import FALL
from backend.tickets import approvals, commands, money, surveys
from backend.tickets.choices import CHANNEL_OF
from backend.tickets.models import Draft, Moved, TicketRef

if TYPE_CHECKING:
    from backend.local.demo.load import Player

SetClock = Callable[[datetime], None]
SEED: Final = 1042
CLOSED: Final = 86
GOODS_BACK: Final = timedelta(hours=60)  # older returns of the demo have come back and were refunded
_TYPES: Final = (
    ("reship", 36), ("return", 30), ("logistics", 14), ("refund_only", 13), ("exchange", 8), ("quality", 8),
    ("repair", 3), ("service", 3), ("invoice", 3), ("public_complaint", 2),
)  # fmt: skip
_SAID: Final = {
    "reship": ("少发了一件配件", "收到有划痕，能补发吗", "盒子压坏了，里面也有划痕", "赠品没放"),
    "return": ("七天无理由，不想要了", "尺寸和想的不一样，退货", "颜色不喜欢"),
    "logistics": ("快递三天没有更新", "显示签收但没收到", "派送超时，催一下"),
    "refund_only": ("少了配件，退一部分", "外包装破损，商议退一点", "晚到两天，希望补偿"),
    "exchange": ("规格选错了，想换一款", "发错颜色，换货"),
    "quality": ("用了两天就坏了", "收到就不能用", "打不开，是不是坏了"),
    "repair": ("用了几天松动了，能修吗", "接口坏了，能修吗"),
    "service": ("上次没人回复我", "承诺的回电没有来"),
    "invoice": ("抬头开错了，重开一张", "发票没收到"),
    "public_complaint": ("小红书上说收到破损没人管", "微博上问为什么还没退款"),
}
_CAUSES: Final = {
    "reship": ("logistics_packaging", "logistics_packaging", "service_wrong_goods"),
    "return": ("description_size", "description_picture", "quality_material"),
    "logistics": ("logistics_delay", "logistics_lost"),
    "refund_only": ("logistics_damage", "service_wrong_goods", "logistics_delay"),
    "exchange": ("description_size", "service_wrong_goods"),
    "quality": ("quality_function",),
    "repair": ("quality_function",),
    "service": ("service_slow", "service_promise"),
    "invoice": ("service_explanation",),
    "public_complaint": ("logistics_damage", "service_slow"),
}
_ENDS: Final = {
    "reship": ("reshipped", "已补发同款一件"),
    "return": ("withdrawn", "说明尺寸后，客户决定留下"),
    "logistics": ("explained", "已催快递网点，次日送达"),
    "refund_only": ("refunded", "部分退款，客户同意"),
    "exchange": ("exchanged", "换货已寄出"),
    "quality": ("explained", "指导后恢复正常"),
    "repair": ("repaired", "配件寄出，客户自行更换"),
    "service": ("explained", "致歉并说明，客户理解"),
    "invoice": ("invoiced", "发票已重开"),
    "public_complaint": ("explained", "公开回复并私下解决"),
}
_COSTS: Final = {"reshipped": "reship", "refunded": "refund_only"}
_SCORES: Final = (5, 4, 5, 5, 3, 5, 4, 5, 5, 4, 5, 4, 3, 5, 5, 4, 2, 5, 4, 5)
_HANDLERS: Final = ("K004", "K005", "K006")
_REPLY: Final = "亲，已经为您登记处理，结果会在这里告诉您"
_RESULT: Final = "亲，已经为您处理好了，请您留意查收，有问题随时找我们"


@dataclass(frozen=True, slots=True)
class Case:
    """A case as the demo plans it: what, when, whose, and where it stands at the end."""

    type: str
    text: str
    cause: str
    at: datetime
    order: dict[str, Any]
    handler: str
    end: str


def play(player: Player, set_clock: SetClock, now: datetime) -> None:
    """Live through three weeks of cases; the clock stands at `now` afterwards."""
    hand = _Hand(player, set_clock, now)
    cases = list(plan(_orders(player, now), now))
    hand.check_replies(cases)
    for number, case in enumerate(cases):
        hand.live(case, score=_SCORES[number % len(_SCORES)])
    hand.story(_orders(player, now)[-1])
    hand.price_fell()
    set_clock(now)


def plan(orders: Sequence[dict[str, Any]], now: datetime) -> Iterator[Case]:
    """The cases, the oldest first; the ones that are still open began within the last day."""
    chance = random.Random(SEED)  # noqa: S311 (a plot, no secret)
    kinds = [kind for kind, count in _TYPES for _ in range(count)]
    chance.shuffle(kinds)
    ends = ["closed"] * CLOSED + list(_OPEN)
    for number, (kind, end) in enumerate(zip(kinds, ends, strict=True)):
        days = 18 - 16 * number / CLOSED
        at = now - timedelta(days=days, minutes=chance.randrange(300))
        if end != "closed":
            at = now - timedelta(minutes=_AGE.get(end, 200) + chance.randrange(45))
        shop_orders = [order for order in orders if datetime.fromisoformat(order["placed_at"]) < at]
        said, cause = chance.choice(_SAID[kind]), chance.choice(_CAUSES[kind])
        if end == "pending_approval":
            kind, said, cause = _DEAR
            shop_orders = [order for order in shop_orders if float(order["amount"]) >= 400] or shop_orders
        yield Case(
            kind,
            said,
            cause,
            at,
            shop_orders[(number * 7) % len(shop_orders)],
            _HANDLERS[number % len(_HANDLERS)],
            end,
        )


_OPEN: Final = (
    *("revisit",) * 12,
    *("in_progress",) * 8,
    "overdue",
    *("waiting_customer",) * 4,
    *("pool",) * 5,
    "pending_approval",
    "pending_approval",
    "reopened",
    "cancelled",
)
_DEAR: Final = ("quality", "第二次收到还是坏的，要求补偿", "quality_function")  # beyond the agent's limit
# Minutes since a case that is not over was registered: an hour for the first word, a day for the solution.
_AGE: Final = {
    "revisit": 1500,
    "in_progress": 320,
    "waiting_customer": 540,
    "pool": 5,
    "pending_approval": 35,
    "reopened": 2100,
    "overdue": 1520,
}


class _Hand:
    """The hands of the people in the demo."""

    def __init__(self, player: Player, set_clock: SetClock, now: datetime) -> None:
        self.player = player
        self.set_clock = set_clock
        self.now = now
        causes = db.rows(player.person("M001").table("root_causes").select("id, code"))
        self.causes = {row["code"]: row["id"] for row in causes}
        self.known: dict[tuple[str, str], int | None] = {}

    def check_replies(self, cases: Sequence[Case]) -> None:
        """The one reply everybody sends is checked once for each shop."""
        for shop_id in {case.order["shop_id"] for case in cases}:
            compliance.check(
                self.player.service.rpc,
                [compliance.Subject(text, "reply", shop_id, "ticket_reply", 0) for text in (_REPLY, _RESULT)],
            )

    def live(self, case: Case, *, score: int) -> None:
        """One case, from the registration to where it stands now."""
        client = self.player.person(case.handler)
        self.set_clock(case.at)
        took = case.end != "pool"
        ref = self._register(case, take=took)
        if not took:
            return
        self.set_clock(case.at + timedelta(minutes=24))
        facts = {"direction": "out", "channel": self._chat(case.order), "body": _REPLY}
        db.command(client, "add_message", p_ticket_id=ref.id, p=facts, request_id=uuid.uuid4())
        ends: dict[str, Callable[[TicketRef], object]] = {
            "waiting_customer": lambda at: commands.wait(
                client, at, "waiting_customer", "asked_photos", None, request_id=uuid.uuid4()
            ),
            "pending_approval": lambda at: money.request(
                client,
                at,
                {"kind": "compensation", "amount": "600.00", "reason": "多次破损，客户要求补偿"},
                request_id=uuid.uuid4(),
            ),
            "cancelled": lambda at: commands.cancel(client, at, "duplicate", request_id=uuid.uuid4()),
        }
        if case.end in ends:
            ends[case.end](ref)
        elif case.end not in ("in_progress", "overdue"):
            self._finish(case, ref, score)
        elif case.type == "return":
            self._agree(case, TicketRef(ref.id, _version(client, ref.id)))

    def _chat(self, order: dict[str, Any]) -> str:
        """The chat tool of the shop that sold it."""
        platforms = {shop.id: shop.platform for shop in self.player.shops.values()}
        return CHANNEL_OF[platforms[order["shop_id"]]]

    def _register(self, case: Case, *, take: bool) -> TicketRef:
        draft = Draft(
            case.type,
            case.text,
            order_id=case.order["id"],
            channel="review" if case.type == "public_complaint" else self._chat(case.order),
            severity="normal",
            root_cause_id=self.causes[case.cause],
            take=take,
        )
        client = self.player.person(case.handler)
        made = commands.register(client, draft, request_id=uuid.uuid4(), force=True)
        return TicketRef(made.id or 0, made.version or 0)

    def _finish(self, case: Case, ref: TicketRef, score: int) -> None:
        """The solution, the customer's score, the review of a low one."""
        client = self.player.person(case.handler)
        is_returned = case.type == "return" and case.end == "closed" and case.at < self.now - GOODS_BACK
        hours = 44 + ref.id % 7 if is_returned else 5 + (ref.id * 5) % 18
        solved = min(case.at + timedelta(hours=hours), self.now - timedelta(hours=2))
        outcome, solution = _ENDS[case.type]
        if is_returned:
            ref = self._send_back(case, ref, solved)
            outcome, solution = "return_refunded", "退货已验收，货款原路退回"
        self.set_clock(solved)
        if case.type in ("return", "exchange") and not is_returned:
            ref = _ref(commands.return_step(client, "cancel_return", ref, {}, request_id=uuid.uuid4()))
            outcome = "withdrawn"
        done = commands.resolve(
            client,
            self._cover(case, ref, outcome),
            outcome=outcome,
            solution=solution,
            solution_id=self._known(case) if ref.id % 6 else None,
            told_on=self._chat(case.order),
            told=_RESULT,
            request_id=uuid.uuid4(),
        )
        if case.end == "reopened":
            self.set_clock(self.now - timedelta(minutes=40))
            commands.reopen(client, _ref(done), "same_problem", request_id=uuid.uuid4())
        elif case.end == "closed":
            self.set_clock(solved + timedelta(hours=3))
            surveys.record(client, {"ticket_id": ref.id}, score, request_id=uuid.uuid4())
            if score <= 2:
                self._review(case, ref.id, solved + timedelta(hours=9))

    def _send_back(self, case: Case, ref: TicketRef, ended: datetime) -> TicketRef:
        """Agreed within hours, two days on the road, received, refunded: about 48 hours in all."""
        client, warehouse = self.player.person(case.handler), self.player.person("C001")
        ref = self._agree(case, ref)
        wait = commands.wait(client, ref, "waiting_return", "goods_on_way", None, request_id=uuid.uuid4())
        self.set_clock(ended - timedelta(hours=4))
        ref = _step(warehouse, "receive_return", _ref(wait), {"quality": "good"})
        asked = {"kind": "return_refund", "amount": case.order["amount"], "reason": "退货已验收"}
        money.request(client, ref, asked, request_id=uuid.uuid4())
        ref = TicketRef(ref.id, _version(client, ref.id))
        ref = _step(client, "start_refund", ref, {"amount": str(case.order["amount"])})
        self.set_clock(ended)
        return _step(client, "finish_return", ref, {})

    def _agree(self, case: Case, ref: TicketRef) -> TicketRef:
        """The handler agrees, the customer sends the goods."""
        client = self.player.person(case.handler)
        self.set_clock(min(case.at + timedelta(hours=3), self.now - timedelta(minutes=50)))
        ref = _step(client, "agree_return", ref, {})
        parcel = {"carrier": "顺丰速运", "tracking_no": f"SF9{case.order['id']:09d}"}
        return _step(client, "send_return_goods", ref, parcel)

    def _known(self, case: Case) -> int | None:
        """The solution that the knowledge base offers first for such a case."""
        kind = (case.cause, case.type)
        if kind not in self.known:
            offered = suggest(
                self.player.person(case.handler), root_cause_id=self.causes[case.cause], case_type=case.type
            )
            self.known[kind] = offered[0].id if offered else None
        return self.known[kind]

    def _cover(self, case: Case, ref: TicketRef, outcome: str) -> TicketRef:
        """What the outcome costs, granted or approved; of a complaint the manager sees how it ends."""
        amount = {"reshipped": case.order["amount"], "refunded": "20.00"}.get(outcome)
        if amount is None and case.type != "public_complaint":
            return ref
        client, manager = self.player.person(case.handler), self.player.person("M002")
        facts = {"kind": _COSTS.get(outcome, "compensation"), "amount": amount or "0.00", "reason": case.text}
        answer = money.request(client, ref, facts, request_id=uuid.uuid4())
        if answer.approval_id is not None:
            asked = approvals.screen(manager, answer.approval_id)
            approvals.decide(manager, asked, True, request_id=uuid.uuid4())
        return TicketRef(ref.id, _version(client, ref.id))

    def _review(self, case: Case, ticket_id: int, at: datetime) -> None:
        self.set_clock(at)
        manager = self.player.person("M002")
        surveys.finish_review(
            manager,
            ticket_id,
            _version(manager, ticket_id),
            finding="原因已核实，流程已提醒",
            root_cause_id=self.causes[case.cause],
            then="close",
            request_id=uuid.uuid4(),
        )

    def story(self, order: dict[str, Any]) -> None:
        """The scratched product of the manual: reshipped with an extra after 18 hours, scored 2."""
        yesterday = self.now - timedelta(hours=23)
        case = Case("reship", "外壳有划痕，请补发", "logistics_packaging", yesterday, order, "K004", "")
        client = self.player.person(case.handler)
        self.set_clock(yesterday)
        ref = self._register(case, take=True)
        self.set_clock(yesterday + timedelta(hours=17))
        extra = {"kind": "compensation", "amount": "15.00", "reason": "划痕，随补发附小礼品"}
        for facts in ({"kind": "reship", "amount": order["amount"], "reason": "划痕，补发一件"}, extra):
            money.request(client, ref, facts, request_id=uuid.uuid4())
            ref = TicketRef(ref.id, _version(client, ref.id))
        self.set_clock(yesterday + timedelta(hours=18))
        commands.resolve(
            client,
            ref,
            outcome="reshipped",
            solution="补发同款一件，附小礼品",
            told_on=self._chat(case.order),
            told=_RESULT,
            request_id=uuid.uuid4(),
        )
        self.set_clock(self.now - timedelta(hours=1))
        said = "补发的这件包装还是很薄"
        surveys.record(client, {"ticket_id": ref.id}, 2, comment=said, called=True, request_id=uuid.uuid4())

    def price_fell(self) -> None:
        """价保: 200 → 150 within seven days of signing is 50; on day 8 it is refused."""
        self.set_clock(self.now - FALL.ago)
        self._offers()
        signed = _dear_orders(self.player).not_.is_("signed_at", "null")
        signed = signed.gte("signed_at", (self.now - timedelta(days=6)).isoformat())
        early = db.rows(
            signed.lt("signed_at", (self.now - timedelta(hours=30)).isoformat()).order("placed_at")
        )
        old = _dear_orders(self.player).eq("status", "completed").is_("signed_at", "null")
        old = old.gte("placed_at", (self.now - timedelta(days=10, hours=6)).isoformat())
        late = db.rows(
            old.lt("placed_at", (self.now - timedelta(days=9, hours=14)).isoformat()).order("placed_at")
        )[:1]
        self.set_clock(self.now - timedelta(hours=30))
        arrived = [(order["order_no"], datetime.fromisoformat(order["placed_at"])) for order in late]
        self.player.take_in_signed("jd", arrived)
        for order in early[:1]:
            self._pay_difference(order)
        for order, text in zip(
            [*early[1:2], *late],
            ("刚买几天就降了 50 元，能退差价吗", "上周买的水壶降价了，补一下差价"),
            strict=False,
        ):
            self._ask_difference(order, text, self.now - timedelta(minutes=95))

    def _offers(self) -> None:
        """The new price stands in the price table too: it holds before today's first order. And a gift."""
        self._approved(
            OfferDraft(
                "price",
                "电热水壶直降",
                sku=FALL.sku,
                list_price=Decimal(150),
                agent_price=Decimal(150),
                manager_price=Decimal(145),
            )
        )
        self._approved(
            OfferDraft(
                "gift",
                "满 199 元送手机支架",
                min_amount=Decimal(199),
                gift_sku="SKU008",
                gift_name="车载手机支架",
                cost=Decimal(12),
                note="未下单的顾客可送；售后致歉也用它。",
            )
        )

    def _approved(self, draft: OfferDraft) -> None:
        number = library.save_offer(self.player.person("Y001"), draft, request_id=uuid.uuid4())
        manager = self.player.person("M001")
        version = db.rows(manager.table("offer_rules").select("version").eq("id", number))[0]["version"]
        library.move_offer(manager, number, version, "approve", request_id=uuid.uuid4())

    def _ask_difference(self, order: dict[str, Any], text: str, at: datetime) -> TicketRef:
        case = Case("price_protection", text, "service_explanation", at, order, "K004", "")
        self.set_clock(at)
        ref = self._register(case, take=True)
        self.set_clock(at + timedelta(minutes=6))
        facts = {"direction": "out", "channel": self._chat(case.order), "body": _REPLY}
        db.command(
            self.player.person("K004"), "add_message", p_ticket_id=ref.id, p=facts, request_id=uuid.uuid4()
        )
        return ref

    def _pay_difference(self, order: dict[str, Any]) -> None:
        client, at = self.player.person("K004"), self.now - timedelta(hours=26)
        ref = self._ask_difference(order, "水壶降价了，退一下差价", at)
        asked = {"kind": "price_protection", "sku": FALL.sku, "reason": "签收 7 天内同款降价"}
        money.request(client, ref, asked, request_id=uuid.uuid4())
        given = db.rows(client.table("ticket_money").select("id, version").eq("ticket_id", ref.id))[0]
        money.mark_paid(
            client, given["id"], given["version"], reference="支付宝 1126", request_id=uuid.uuid4()
        )
        commands.resolve(
            client,
            TicketRef(ref.id, _version(client, ref.id)),
            outcome="price_protected",
            solution="按订单算出差价 50 元，已退",
            told_on=self._chat(order),
            told=_RESULT,
            request_id=uuid.uuid4(),
        )
        self.set_clock(at + timedelta(hours=5))
        surveys.record(client, {"ticket_id": ref.id}, 5, request_id=uuid.uuid4())


def _dear_orders(player: Player) -> Any:
    """JD orders of one piece at the price before the fall: its file names the product, Tmall's does not."""
    query = player.person("M001").table("orders")
    found = query.select("id, shop_id, order_no, placed_at, amount, order_items!inner(sku)")
    found = found.eq("shop_id", player.shops["jd"].id).eq("order_items.sku", FALL.sku)
    return found.eq("amount", str(FALL.before)).eq("refund", "none")


def _orders(player: Player, now: datetime) -> list[dict[str, Any]]:
    """Orders that customers have, the oldest first; each case takes one of them."""
    query = player.person("M001").table("orders").select("id, shop_id, placed_at, amount")
    query = query.in_("status", ["completed", "shipped"]).eq("refund", "none")
    return db.rows(query.lt("placed_at", now.isoformat()).order("placed_at").order("id").limit(900))


def _version(client: Any, ticket_id: int) -> int:
    found = db.rows(client.table("tickets").select("version").eq("id", ticket_id))
    return int(found[0]["version"])


def _step(client: Any, name: commands.Step, ref: TicketRef, facts: dict[str, Any]) -> TicketRef:
    return _ref(commands.return_step(client, name, ref, facts, request_id=uuid.uuid4()))


def _ref(moved: Moved) -> TicketRef:
    return TicketRef(moved.id, moved.version)
