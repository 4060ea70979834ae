"""Demo orders as the platforms would export them, byte for byte in their own layout and encoding."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from backend.local.demo.orders import PRODUCTS, ZONE, Order

_TAOBAO_STATUS: Final = {
    "unpaid": "等待买家付款",
    "to_ship": "买家已付款，等待卖家发货",
    "shipped": "卖家已发货，等待买家确认",
    "completed": "交易成功",
    "closed": "交易关闭",
}
_JD_STATUS: Final = {
    "unpaid": "等待付款",
    "to_ship": "等待出库",
    "shipped": "等待确认收货",
    "completed": "完成",
    "closed": "(删除)等待出库",
}
_DOUYIN_STATUS: Final = {
    "unpaid": "待支付",
    "to_ship": "待发货",
    "shipped": "已发货",
    "completed": "已完成",
    "closed": "已关闭",
}


def order_file(shop: str, orders: Sequence[Order]) -> tuple[str, bytes]:
    """File name and bytes of a shop's export that holds `orders`."""
    name, encoding, columns = _LAYOUTS[shop]
    return name, _table(list(columns), [[cell(o) for cell in columns.values()] for o in orders], encoding)


def stock_file() -> tuple[str, bytes]:
    """The stock list of the demo."""
    rows = [[p.sku, p.name, p.spec, str(p.stock), "50"] for p in PRODUCTS]
    return "库存.csv", _table(["商品编码", "商品名称", "规格", "可用库存", "安全库存"], rows, "utf-8-sig")


def shipment_file(orders: Sequence[Order]) -> tuple[str, bytes]:
    """What the carrier tells about shipped orders: sent the next morning, the older half signed for."""
    half = len(orders) // 2
    return parcel_file([(order.order_no, order.placed_at, n < half) for n, order in enumerate(orders)])


def parcel_file(parcels: Sequence[tuple[str, datetime, bool]]) -> tuple[str, bytes]:
    """News of orders (number, placed at, whether signed for): sent after 15 hours, there 40 later."""
    header = ["订单号", "物流单号", "物流公司", "发货时间", "最后扫描时间", "最后扫描", "签收时间"]
    rows = []
    for order_no, placed_at, is_signed in parcels:
        sent = placed_at + timedelta(hours=15)
        signed = sent + timedelta(hours=40) if is_signed else None
        scan = (_at(signed or sent + timedelta(hours=9)), "已签收" if signed else "运输中", _at(signed))
        rows.append([order_no, f"SF{order_no[-11:].zfill(12)}", "顺丰速运", _at(sent), *scan])
    return "快递.csv", _table(header, rows, "utf-8-sig")


def _table(header: list[str], rows: list[list[str]], encoding: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode(encoding)


def _at(moment: datetime | None, *, blank: str = "") -> str:
    return f"{moment.astimezone(ZONE):%Y-%m-%d %H:%M:%S}" if moment else blank


def _taobao_status(order: Order) -> str:
    return "退款中" if order.refund and order.status == "to_ship" else _TAOBAO_STATUS[order.status]


Columns = dict[str, Callable[[Order], str]]
_TAOBAO: Final[Columns] = {
    "订单编号": lambda o: f'="{o.order_no}"',
    "买家会员名": lambda o: f"buyer_{o.buyer:04d}",
    "总金额": lambda o: str(o.amount),
    "买家实际支付金额": lambda o: str(o.amount if o.paid_at else 0),
    "订单状态": _taobao_status,
    "买家留言": lambda o: o.note,
    "收货人姓名": lambda o: o.receiver,
    "收货地址 ": lambda o: f"{' '.join(o.place)} {o.detail}(000000)",
    "联系手机": lambda o: f"'{o.phone}",
    "订单创建时间": lambda o: _at(o.placed_at),
    "订单付款时间 ": lambda o: _at(o.paid_at),
    "宝贝标题 ": lambda o: o.product.name,
    "宝贝种类 ": lambda o: "1",
    "宝贝总数量": lambda o: str(o.quantity),
    "订单关闭原因": lambda o: "买家取消" if o.status == "closed" else "订单未关闭",
}
_JD: Final[Columns] = {
    "订单号": lambda o: o.order_no,
    "商品名称": lambda o: f"{o.product.name} {o.product.spec}",
    "订购数量": lambda o: str(o.quantity),
    "下单时间": lambda o: _at(o.placed_at),
    "京东价": lambda o: str(o.product.price),
    "结算金额": lambda o: str(o.amount),
    "余额支付": lambda o: "0.00",
    "订单状态": lambda o: "(锁定)等待出库" if o.refund else _JD_STATUS[o.status],
    "下单帐号": lambda o: f"buyer_{o.buyer:04d}",
    "客户姓名": lambda o: o.receiver,
    "客户地址": lambda o: "".join(dict.fromkeys(o.place)) + o.detail,
    "联系电话": lambda o: o.phone,
    "订单备注": lambda o: o.note,
    "付款确认时间": lambda o: _at(o.paid_at),
    "货号": lambda o: o.product.sku,
}
_DOUYIN: Final[Columns] = {
    "主订单编号": lambda o: f"{o.order_no}\t",
    "子订单编号": lambda o: f"{o.order_no}1\t",
    "选购商品": lambda o: o.product.name,
    "商品规格": lambda o: o.product.spec,
    "商品数量": lambda o: str(o.quantity),
    "商家编码": lambda o: o.product.sku,
    "商品单价": lambda o: f"{o.product.price:,}",
    "订单应付金额": lambda o: f"{o.amount:,}",
    "收件人": lambda o: o.receiver,
    "收件人手机号": lambda o: o.phone,
    "省": lambda o: o.place[0],
    "市": lambda o: o.place[1],
    "区": lambda o: o.place[2],
    "详细地址": lambda o: o.detail or "-",
    "买家留言": lambda o: o.note,
    "订单提交时间": lambda o: _at(o.placed_at),
    "支付完成时间": lambda o: _at(o.paid_at, blank="-"),
    "订单状态": lambda o: _DOUYIN_STATUS[o.status],
    "达人ID": lambda o: "",
    "鲁班落地页ID": lambda o: "",
    "售后状态": lambda o: "待商家处理" if o.refund else "-",
    "买家昵称": lambda o: f"buyer_{o.buyer:04d}",
}
_LAYOUTS: Final[dict[str, tuple[str, str, Columns]]] = {
    "tm": ("ExportOrderList.csv", "gb18030", _TAOBAO),
    "jd": ("jd_orders.csv", "gb18030", _JD),
    "dy": ("douyin_orders.csv", "utf-8-sig", _DOUYIN),
}
