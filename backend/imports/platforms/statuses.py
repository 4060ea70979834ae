"""What the platforms call the state of an order and of a refund, in our five and three words.

The words come from public copies of genuine exports; the row of an unknown word is refused, never guessed.
"""

import re
import unicodedata
from typing import NamedTuple

from backend.imports.records import Refund, Status

_NOISE = re.compile(r"[\s,.;:，。；：、/|·\-—_]+")
_JD_PREFIX = re.compile(r"\((删除|锁定)\)(.*)")
_STATUS_SIGNS = frozenset(
    "待已未等买卖家付支款发出收货退换交易完成功关闭取消团锁定删除暂停审核处理中签库拒订单部分超时"
    "申请售后付尾定金配打印备确认成交运送派妥投到自提核销作废异常失败同意平台介入商"
)


class Meaning(NamedTuple):
    """An order status, and what the same words say about a refund."""

    status: Status
    refund: Refund = "none"


_ORDER_WORDS: dict[Meaning, str] = {
    Meaning("unpaid"): (
        "等待买家付款 没有创建支付宝交易 付款确认中 0元购合约中 定金已付尾款未付 "  # Taobao
        "等待付款 等待付款确认 未付款确认 "  # JD
        "待支付 待付款 待付尾款 未支付 未付款 等待支付 待买家付款 部分付款 "
        "unpaid pending pendingpayment awaitingpayment topay"
    ),
    Meaning("to_ship"): (
        "买家已付款等待卖家发货 卖家部分发货 等待卖家发货 "  # Taobao
        "等待出库 正在出库 等待打印 等待发货 "  # JD
        "待发货 备货中 部分发货 待配货 配货中 待打单 待出库 待商家发货 "
        "已付款 已支付 已付款待发货 已支付待发货 已成团待发货 未发货 "
        "paid processing toship unfulfilled awaitingshipment awaitingfulfillment"
    ),
    Meaning(
        "to_ship", "requested"
    ): "退款中 申请退款 申请退款中 退款申请中 申请取消 取消中 取消申请中 待发货退款中",
    Meaning("shipped"): (
        "卖家已发货等待买家确认 等待买家确认收货 已发货 已发货待收货 已发货待签收 "
        "等待确认收货 等待收货 商品出库 已出库 待收货 待签收 待确认收货 运输中 配送中 派送中 "
        "shipped fulfilled intransit outfordelivery"
    ),
    Meaning("shipped", "requested"): "已发货退款中",
    Meaning("completed"): (
        "交易成功 买家已签收货到付款专用 完成 已完成 订单完成 交易完成 已签收 已收货 已妥投 已评价 "
        "completed complete delivered"
    ),
    Meaning("closed"): (
        "交易关闭 付款以前卖家或买家主动关闭交易 已关闭 关闭 订单关闭 "
        "已取消 取消 交易已取消 订单取消 订单已取消 已作废 作废 已删除 "
        "cancelled canceled closed voided void expired"
    ),
    Meaning("closed", "done"): (
        "付款以后用户退款成功交易自动关闭 已退款 退款成功 退款完成 全额退款 "
        "未发货退款成功 已发货退款成功 已收货退款成功 refunded"
    ),
}
_STATUS = {word: meaning for meaning, words in _ORDER_WORDS.items() for word in words.split()}

_REFUND_NONE = (
    "无售后 无退款 无退款申请 没有申请退款 未申请退款 无售后或售后取消 无 未退款 没有退款 正常 "
    "none no normal norefund notrefunded"
)
_REFUND: dict[str, Refund] = dict.fromkeys(_REFUND_NONE.split(), "none")
# Order matters: withdrawn wins over asked ("退款关闭"), partial over done ("部分退款成功" still ships the
# rest).
_REFUND_FORMS: tuple[tuple[re.Pattern[str], Refund], ...] = (
    (re.compile(r"(关闭|取消|撤销|撤回|已撤|closed|cancel|withdrawn)"), "none"),
    (re.compile(r"部分退|partial"), "requested"),
    (
        re.compile(r"(退款|退货|售后|换货|维修|补寄).*(成功|完成)|(已全额|已|全额)退款$|^refunded$|^done$"),
        "done",
    ),
    (
        re.compile(r"退|售后|换货|维修|补寄|仲裁|介入|拒绝|待商家|待买家|待平台|refund|return|request"),
        "requested",
    ),
)


def normal(value: str) -> str:
    """Status words without blanks, punctuation and width: `买家已付款，等待卖家发货` =
    `买家已付款,等待卖家发货`."""
    return _NOISE.sub("", unicodedata.normalize("NFKC", value)).lower()


def order_status(value: str) -> Meaning | None:
    """The meaning of an order status, None if the words are unknown.

    JD marks a cancelled order by `(删除)` before the last state and one whose cancellation waits by `(锁定)`.
    """
    words = normal(value)
    marked = _JD_PREFIX.fullmatch(words)
    if not marked:
        return _STATUS.get(words)
    mark, rest = marked.groups()
    if mark == "删除":
        return Meaning("closed")
    inner = _STATUS.get(rest)
    return Meaning(inner.status, "requested") if inner else None


def refund_status(value: str) -> Refund | None:
    """The meaning of an after-sales status, '' included; None if the words are unknown."""
    words = normal(value)
    if not words:
        return "none"
    if words in _REFUND:
        return _REFUND[words]
    return next((refund for form, refund in _REFUND_FORMS if form.search(words)), None)


def safe_word(value: str) -> str:
    """A status as it may be shown in a reason: a shifted row can carry a name here, which must not be
    repeated."""
    words = normal(value)
    plain_ascii = words.isascii() and words.replace("(", "").replace(")", "").isalpha() and len(words) <= 24
    known = sum(1 for sign in words if sign in _STATUS_SIGNS)
    return value[:24] if plain_ascii or (len(words) <= 20 and known >= max(2, len(words) * 0.75)) else "…"


_SHOPIFY_UNPAID = frozenset({"pending", "authorized", "partiallypaid", "unpaid"})
_SHOPIFY_GONE: dict[str, Refund] = {"refunded": "done", "voided": "none", "expired": "none"}


def shopify_status(financial: str, fulfillment: str, *, cancelled: bool) -> Meaning | None:
    """Shopify tells payment, fulfilment and cancellation apart; it does not know when an order arrived."""
    paid, sent = normal(financial), normal(fulfillment)
    if paid not in {*_SHOPIFY_UNPAID, *_SHOPIFY_GONE, "paid", "partiallyrefunded"}:
        return None
    if sent not in {"", "unfulfilled", "partial", "fulfilled", "restocked", "null", "scheduled", "onhold"}:
        return None
    refund: Refund = _SHOPIFY_GONE.get(paid, "none")
    if cancelled or sent == "restocked":
        return Meaning("closed", refund)
    if sent == "fulfilled":
        return Meaning("shipped", refund)
    if paid in _SHOPIFY_GONE:
        return Meaning("closed", refund)
    return Meaning("unpaid" if paid in _SHOPIFY_UNPAID else "to_ship")
