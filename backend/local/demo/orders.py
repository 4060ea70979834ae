"""Three thousand synthetic orders of three weeks, the odd ones among them labelled with what is odd.

Figures (product decision): 110 orders a normal day, 650 on the campaign day (11 days ago), 260 the day after;
two peaks a day (11:00 and 21:00); half of them Tmall, three tenths Douyin, the rest JD; one buyer in 25 buys
twice.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

ZONE: Final = ZoneInfo("Asia/Shanghai")
SEED: Final = 20261122
DAYS: Final = 21
CAMPAIGN = {-11: 650, -10: 260}
NORMAL_DAY: Final = 110
SHOP_SHARE: Final = (("tm", 0.5), ("dy", 0.3), ("jd", 0.2))
_HOURS: Final = (1, 1, 1, 1, 1, 1, 2, 3, 5, 8, 11, 13, 9, 7, 7, 7, 7, 7, 8, 10, 13, 14, 9, 4)


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the demo, with what the stock list says."""

    sku: str
    name: str
    spec: str
    price: Decimal
    stock: int


PRODUCTS: Final = tuple(
    Product(sku, name, spec, Decimal(price), stock)
    for sku, name, spec, price, stock in (
        ("SKU001", "加厚珊瑚绒睡衣套装", "粉色 L", "129.00", 1260),
        ("SKU002", "316不锈钢保温杯 500ml", "黑色", "69.00", 1450),
        ("SKU003", "宿舍折叠小桌板", "原木色 60cm", "79.00", 32),
        ("SKU004", "儿童护脊书包", "蓝色 大号", "159.00", 980),
        ("SKU005", "猫砂盆半封闭", "灰色", "89.00", 870),
        ("SKU006", "无线鼠标静音款", "白色", "49.00", 1980),
        ("SKU007", "厨房硅胶铲勺5件套", "米白", "59.00", 1160),
        ("SKU008", "车载手机支架", "磁吸款", "35.00", 2400),
        ("SKU009", "四件套床上用品", "1.8m 灰格", "219.00", 940),
        ("SKU010", "瑜伽垫加长", "紫色 8mm", "75.00", 1090),
        ("SKU011", "电热水壶1.5L", "奶白", "150.00", 890),
        ("SKU012", "户外露营灯", "充电款", "85.00", 18),
        ("SKU013", "婴儿湿巾80抽*5", "5包装", "45.00", 1200),
        ("SKU014", "坚果礼盒1kg", "混合装", "118.00", 1040),
        ("SKU015", "男士纯棉T恤", "白 XL", "59.00", 0),
        ("SKU016", "遮阳伞三折", "黑胶", "42.00", 3),
    )
)
ORDINARY: Final = tuple(p for p in PRODUCTS if p.stock > 100)
SOLD_OUT: Final = PRODUCTS[14]


@dataclass(frozen=True, slots=True)
class Fall:
    """A product that is sold cheaper since `ago`, for price protection."""

    sku: str
    before: Decimal
    ago: timedelta


FALL: Final = Fall("SKU011", Decimal("200.00"), timedelta(days=4))

PLACES: Final = (
    ("浙江省", "杭州市", "西湖区"), ("浙江省", "宁波市", "鄞州区"), ("浙江省", "杭州市", "临平区"),
    ("江苏省", "南京市", "玄武区"), ("江苏省", "苏州市", "昆山市"), ("江苏省", "无锡市", "滨湖区"),
    ("广东省", "广州市", "天河区"), ("广东省", "深圳市", "南山区"), ("广东省", "佛山市", "顺德区"),
    ("上海市", "上海市", "浦东新区"), ("上海市", "上海市", "闵行区"), ("北京市", "北京市", "海淀区"),
    ("北京市", "北京市", "朝阳区"), ("四川省", "成都市", "武侯区"), ("四川省", "绵阳市", "涪城区"),
    ("湖北省", "武汉市", "洪山区"), ("湖南省", "长沙市", "岳麓区"), ("山东省", "青岛市", "市南区"),
    ("山东省", "济南市", "历下区"), ("河南省", "郑州市", "金水区"), ("陕西省", "西安市", "雁塔区"),
    ("福建省", "厦门市", "思明区"), ("安徽省", "合肥市", "蜀山区"), ("重庆市", "重庆市", "渝北区"),
    ("辽宁省", "大连市", "沙河口区"), ("河北省", "石家庄市", "长安区"), ("天津市", "天津市", "南开区"),
)  # fmt: skip
REMOTE_PLACES: Final = (
    ("新疆维吾尔自治区", "乌鲁木齐市", "天山区"), ("西藏自治区", "拉萨市", "城关区"),
    ("青海省", "西宁市", "城西区"), ("甘肃省", "兰州市", "七里河区"),
)  # fmt: skip
_ROADS: Final = ("文昌路", "学府路", "滨河路", "锦绣路", "新华路", "科技大道", "朝阳路", "建设路", "南湖路")
_ESTATES: Final = ("翡翠城", "锦绣家园", "书香名邸", "阳光花园", "碧水湾", "金桂苑")


@dataclass(frozen=True, slots=True)
class Order:
    """One demo order in clear text (nobody's: phones have 0000 inside); `odd` is the kind it will show."""

    shop: str
    order_no: str
    buyer: int
    placed_at: datetime
    paid_at: datetime | None
    product: Product
    quantity: int
    place: tuple[str, str, str]
    detail: str
    phone: str
    status: str = "to_ship"
    refund: bool = False
    note: str = ""
    odd: str = ""

    @property
    def amount(self) -> Decimal:
        """What was paid."""
        return self.product.price * self.quantity

    @property
    def receiver(self) -> str:
        """The synthetic name of the buyer."""
        return f"顾客{self.buyer:04d}"


def numbers(rng: random.Random) -> Iterator[int]:
    """Buyer numbers in order of first purchase; one in 25 comes back."""
    latest = 0
    while True:
        if latest > 20 and rng.random() < 0.04:
            yield rng.randint(1, latest)
        else:
            latest += 1
            yield latest


def history(now: datetime, rng: random.Random) -> list[Order]:
    """All ordinary orders, oldest first: 21 stretches of 24 hours that end three hours before `now`."""
    end = now.astimezone(ZONE) - timedelta(hours=3)
    buyers = numbers(rng)
    orders: list[Order] = []
    fell = now - FALL.ago
    for day in range(-DAYS, 0):
        start, first = end + timedelta(days=day), len(orders)
        moments = sorted(_moment(start, rng) for _ in range(CAMPAIGN.get(day, NORMAL_DAY)))
        orders += [plain(at, first + n, next(buyers), rng) for n, at in enumerate(moments)]
    return [_dearer(order) if order.placed_at < fell else order for order in orders]


def _dearer(order: Order) -> Order:
    """The order at the price that held before the fall."""
    if order.product.sku != FALL.sku:
        return order
    return replace(order, product=replace(order.product, price=FALL.before))


def plain(at: datetime, number: int, buyer: int, rng: random.Random, *, shop: str = "") -> Order:
    """An order with nothing odd about it, placed at `at` and paid within five minutes."""
    shop = shop or rng.choices([s for s, _ in SHOP_SHARE], [w for _, w in SHOP_SHARE])[0]
    return Order(
        shop=shop,
        order_no=order_no(shop, number),
        buyer=buyer,
        placed_at=at,
        paid_at=at + timedelta(seconds=rng.randint(20, 300)),
        product=rng.choice(ORDINARY),
        quantity=rng.choices((1, 2, 3), (8, 2, 1))[0],
        place=rng.choice(PLACES),
        detail=address(rng),
        phone=f"13{buyer % 10}0000{(1000 + buyer * 7) % 10000:04d}",
    )


def address(rng: random.Random) -> str:
    """A deliverable street address that belongs to nobody."""
    return (
        f"{rng.choice(_ROADS)}{rng.randint(1, 390)}号{rng.choice(_ESTATES)}{rng.randint(1, 30)}栋"
        f"{rng.randint(1, 4)}单元{rng.randint(1, 28)}0{rng.randint(1, 4)}室"
    )


def order_no(shop: str, number: int) -> str:
    """A number in the form of the shop's platform."""
    forms = {"tm": "39200180{0:07d}{1:04d}", "jd": "3190{0:08d}", "dy": "694{0:07d}7889{1:04d}"}
    return forms[shop].format(number, (number * 7919 + 1405) % 10000)


def spoil(order: Order, kind: str, rng: random.Random) -> Order:
    """The same order with one thing odd about it, so that the check of `kind` finds it."""
    odd = replace(order, odd=kind)
    if kind == "remote":
        return replace(odd, place=rng.choice(REMOTE_PLACES))
    if kind == "missing_detail":
        return replace(odd, detail="")
    if kind == "mismatch":
        return replace(odd, place=("江苏省", "杭州市", "西湖区"))
    if kind == "bad_phone":
        return replace(odd, phone=order.phone[:9])
    if kind == "suspicious":
        return replace(odd, detail=f"{rng.choice(_ROADS)}{rng.randint(1, 90)}号国际转运仓B区")
    if kind == "out_of_stock":
        return replace(odd, product=SOLD_OUT)
    if kind == "refund_stop":
        return replace(odd, refund=True)
    return replace(odd, status="unpaid", paid_at=None)


def twin(order: Order, number: int, rng: random.Random) -> Order:
    """The same person buys the same thing again a few minutes later."""
    later = timedelta(minutes=rng.randint(3, 12))
    return replace(
        order,
        order_no=order_no(order.shop, number),
        placed_at=order.placed_at + later,
        paid_at=order.paid_at + later if order.paid_at else None,
        odd="duplicate",
    )


def _moment(start: datetime, rng: random.Random) -> datetime:
    """An instant of the 24 hours after `start`, more likely when people shop."""
    hour = rng.choices(range(24), _HOURS)[0]
    found = start.replace(hour=hour, minute=rng.randint(0, 59), second=rng.randint(0, 59), microsecond=0)
    return found if found >= start else found + timedelta(days=1)
