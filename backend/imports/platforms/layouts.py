"""The layouts of files we know: which header holds which field, and what tells one platform from another.

A field lists its spellings by preference; if several are present, the first cell that is not blank counts.
Column names are facts seen in public copies of genuine exports.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from backend.imports.platforms.sheet_layouts import SHEETS, SheetLayout
from backend.imports.records import Kind

Columns = Mapping[str, tuple[str, ...]]
_BLANK = re.compile(r"[\s\u200b-\u200f\u2060\ufeff]+")


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read one kind of file.

    `marks`: headers that only this layout has; `needed` of them recognise it. `lines`: one line an order,
    or many. `amount`: money of the order repeated on each line, money of the line, or to be inferred.
    """

    name: str
    shop_platform: str
    kind: Kind
    columns: Columns
    required: tuple[str, ...]
    marks: tuple[str, ...] = ()
    needed: int = 3
    lines: Literal["one", "many"] = "many"
    amount: Literal["order", "line", "infer"] = "order"


def header_key(header: str) -> str:
    """Headers compare without blanks, width of brackets and case; 帐号 is 账号."""
    folded = _BLANK.sub("", unicodedata.normalize("NFKC", header)).lower()
    return folded.replace("帐", "账").strip("\"'=*")


def column_places(columns: Columns, headers: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """field -> places of its columns by preference; of a doubled header the first one counts."""
    places: dict[str, int] = {}
    for place, header in enumerate(headers):
        places.setdefault(header_key(header), place)
    found = {
        field: tuple(places[header_key(name)] for name in names if header_key(name) in places)
        for field, names in columns.items()
    }
    return {field: at for field, at in found.items() if at}


def _columns(text: str) -> Columns:
    """`field: header | header` lines as a mapping."""
    parted = (line.partition(":") for line in text.strip().splitlines())
    return {field.strip(): tuple(name.strip() for name in names.split("|")) for field, _, names in parted}


TAOBAO = Layout(
    name="taobao",
    shop_platform="taobao",
    kind="orders",
    lines="one",
    columns=_columns("""
        order_no: 订单编号
        status: 订单状态
        refund: 退款状态
        placed_at: 订单创建时间
        paid_at: 订单付款时间
        shipped_at: 发货时间
        completed_at: 确认收货时间
        promise_ship_at: 应发货时间 | 承诺发货时间
        amount: 买家实际支付金额
        amount_due: 总金额 | 买家应付货款
        buyer_account: 买家会员名 | 买家昵称
        receiver: 收货人姓名 | 收货人
        phone: 联系手机 | 联系电话
        address: 修改后的收货地址 | 收货地址
        buyer_note: 买家留言
        seller_note: 订单备注 | 商家备注 | 卖家备注
        tracking_no: 物流单号
        carrier: 物流公司
        name: 宝贝标题 | 商品标题
        quantity: 宝贝总数量 | 商品总数量
    """),
    required=("order_no", "status", "placed_at", "name", "quantity"),
    marks=(
        "买家会员名",
        "买家支付宝账号",
        "买家实际支付金额",
        "收货人姓名",
        "宝贝标题",
        "宝贝种类",
        "宝贝总数量",
        "订单关闭原因",
    ),
)
TAOBAO_ITEMS = Layout(
    name="taobao_items",
    shop_platform="taobao",
    kind="orders",
    amount="line",
    columns=_columns("""
        order_no: 主订单编号
        sub_no: 子订单编号
        status: 订单状态
        refund: 退款状态
        placed_at: 订单创建时间
        paid_at: 订单付款时间
        shipped_at: 发货时间
        amount: 买家实付金额
        amount_due: 买家应付货款
        buyer_account: 买家会员名 | 买家昵称
        receiver: 收货人姓名 | 收货人
        phone: 联系手机 | 联系电话
        address: 收货地址
        buyer_note: 买家留言
        seller_note: 商家备注
        tracking_no: 物流单号
        carrier: 物流公司
        sku: 商家编码 | 外部系统编号
        name: 商品标题
        spec: 商品属性
        quantity: 购买数量
        unit_price: 商品价格
    """),
    required=("order_no", "status", "placed_at", "name", "quantity"),
    marks=(
        "商品标题",
        "购买数量",
        "商品属性",
        "套餐信息",
        "买家实付金额",
    ),
)
JD = Layout(
    name="jd",
    shop_platform="jd",
    kind="orders",
    columns=_columns("""
        order_no: 订单号 | 订单编号
        status: 订单状态
        refund: 售后状态
        placed_at: 下单时间
        paid_at: 付款确认时间
        shipped_at: 出库时间 | 发货时间
        completed_at: 订单完成时间
        promise_ship_at: 承诺出库时间 | 承诺发货时间
        amount: 结算金额 | 应付金额 | 订单金额
        buyer_account: 下单帐号
        receiver: 客户姓名
        phone: 联系电话
        address: 客户地址
        postcode: 邮政编码
        buyer_note: 订单备注
        seller_note: 商家备注
        carrier: 承运商 | 物流公司
        tracking_no: 运单号 | 快递单号
        sku: 商家SKUID | 货号
        name: 商品名称
        quantity: 订购数量
        unit_price: 京东价
    """),
    required=("order_no", "status", "placed_at", "name", "quantity"),
    marks=(
        "订购数量",
        "京东价",
        "结算金额",
        "余额支付",
        "下单帐号",
        "客户姓名",
        "客户地址",
        "付款确认时间",
    ),
)
DOUYIN = Layout(
    name="douyin",
    shop_platform="douyin",
    kind="orders",
    amount="line",
    columns=_columns("""
        order_no: 主订单编号
        sub_no: 子订单编号
        status: 订单状态
        refund: 售后状态
        placed_at: 订单提交时间
        paid_at: 支付完成时间
        shipped_at: 发货时间
        completed_at: 订单完成时间
        promise_ship_at: 承诺发货时间
        amount: 订单应付金额
        buyer_account: 买家昵称 | 抖音昵称
        receiver: 收件人
        phone: 收件人手机号
        province: 省
        city: 市
        district: 区
        street: 街道
        address: 详细地址
        buyer_note: 买家留言
        seller_note: 商家备注
        carrier: 快递公司 | 物流公司
        tracking_no: 快递单号 | 物流单号
        sku: 商家编码
        name: 选购商品
        spec: 商品规格
        quantity: 商品数量
        unit_price: 商品单价
    """),
    required=("order_no", "status", "placed_at", "name", "quantity"),
    marks=(
        "选购商品",
        "收件人手机号",
        "订单提交时间",
        "支付完成时间",
        "鲁班落地页ID",
        "达人ID",
        "是否安心购",
        "流量体裁",
    ),
)
PINDUODUO = Layout(
    name="pinduoduo",
    shop_platform="pinduoduo",
    kind="orders",
    lines="one",
    columns=_columns("""
        order_no: 订单号
        status: 订单状态
        refund: 售后状态
        placed_at: 订单成交时间
        paid_at: 支付时间
        shipped_at: 发货时间
        completed_at: 确认收货时间
        promise_ship_at: 承诺发货时间
        amount: 用户实付金额(元) | 用户实付金额
        amount_due: 商品总价(元) | 商品总价
        receiver: 收货人 | 收件人
        phone: 手机 | 收货人手机号 | 联系电话
        province: 省
        city: 市
        district: 区
        street: 街道
        address: 收货地址 | 详细地址
        buyer_note: 买家留言
        seller_note: 商家备注
        tracking_no: 快递单号
        carrier: 快递公司
        sku: 商家编码-规格维度 | 商家编码-商品维度
        name: 商品
        spec: 商品规格
        quantity: 商品数量(件) | 商品数量
    """),
    required=("order_no", "status", "name", "quantity"),
    marks=(
        "订单成交时间",
        "用户实付金额(元)",
        "商家实收金额(元)",
        "商品数量(件)",
        "样式ID",
        "商家编码-规格维度",
        "商家编码-商品维度",
        "多多支付立减金额(元)",
    ),
)
YOUZAN = Layout(
    name="youzan",
    shop_platform="youzan",
    kind="orders",
    lines="one",
    columns=_columns("""
        order_no: 订单号
        status: 订单状态
        refund: 订单退款状态
        placed_at: 订单创建时间
        paid_at: 买家付款时间
        shipped_at: 发货时间
        completed_at: 交易成功时间
        amount: 订单实付金额
        amount_due: 应收订单金额
        buyer_account: 买家昵称
        receiver: 收货人/提货人
        phone: 收货人手机号/提货人手机号
        province: 收货人省份
        city: 收货人城市
        district: 收货人地区
        address: 详细收货地址/提货地址
        buyer_note: 买家备注
        seller_note: 商家订单备注
        carrier: 快递公司 | 物流公司
        tracking_no: 快递单号 | 物流单号
        sku: 商品编码 | 商家编码
        name: 全部商品名称
        quantity: 商品数量 | 商品总数 | 商品件数
    """),
    required=("order_no", "status", "placed_at", "name"),
    marks=(
        "归属店铺",
        "买家付款时间",
        "全部商品名称",
        "收货人/提货人",
        "收货人手机号/提货人手机号",
        "收货人省份",
        "订单退款状态",
    ),
)
SHOPIFY = Layout(
    name="shopify",
    shop_platform="shopify",
    kind="orders",
    columns=_columns("""
        order_no: Name
        status: Financial Status
        fulfillment: Fulfillment Status
        cancelled_at: Cancelled at
        placed_at: Created at
        paid_at: Paid at
        shipped_at: Fulfilled at
        amount: Total
        receiver: Shipping Name | Billing Name
        phone: Shipping Phone | Phone | Billing Phone
        province: Shipping Province Name | Shipping Province | Billing Province Name | Billing Province
        city: Shipping City | Billing City
        address: Shipping Street | Shipping Address1 | Billing Street | Billing Address1
        address_more: Shipping Address2
        postcode: Shipping Zip | Billing Zip
        buyer_note: Notes
        device: Device ID
        sku: Lineitem sku
        name: Lineitem name
        quantity: Lineitem quantity
        unit_price: Lineitem price
    """),
    required=("order_no", "status", "placed_at", "name", "quantity"),
    marks=(
        "Financial Status",
        "Fulfillment Status",
        "Lineitem name",
        "Lineitem quantity",
        "Lineitem price",
    ),
)
OWN = Layout(
    name="own",
    shop_platform="own",
    kind="orders",
    amount="infer",
    columns=_columns("""
        order_no: 订单号 | 订单编号
        sub_no: 子订单号 | 子订单编号
        status: 订单状态
        refund: 售后状态 | 退款状态
        placed_at: 下单时间 | 订单创建时间
        paid_at: 支付时间 | 付款时间
        shipped_at: 发货时间
        completed_at: 完成时间 | 订单完成时间
        promise_ship_at: 承诺发货时间
        amount: 实付金额
        buyer_account: 买家账号
        receiver: 收货人 | 收件人
        phone: 手机号 | 收货人手机号 | 联系电话
        province: 省 | 省份
        city: 市 | 城市
        district: 区 | 区县
        address: 详细地址 | 收货地址
        postcode: 邮编
        sku: 商品编码
        name: 商品名称
        spec: 规格
        quantity: 数量
        unit_price: 单价
        ip: 下单IP
        device: 设备标识
        buyer_note: 买家备注 | 买家留言
        seller_note: 卖家备注 | 商家备注
        carrier: 物流公司 | 快递公司
        tracking_no: 物流单号 | 快递单号 | 运单号
    """),
    required=("order_no", "status", "placed_at", "name", "quantity"),
    marks=(
        "下单时间",
        "支付时间",
        "买家账号",
        "收货人",
        "手机号",
        "商品编码",
        "商品名称",
        "实付金额",
        "下单IP",
        "设备标识",
    ),
    needed=5,
)
PRODUCTS = Layout(
    name="stock",
    shop_platform="own",
    kind="products",
    lines="one",
    columns=_columns("""
        sku: 商品编码 | 商家编码 | SKU编码 | SKU | 货号 | 规格编码
        name: 商品名称 | 名称 | 品名
        spec: 规格 | 商品规格 | 颜色规格 | 规格名称
        available: 可用库存 | 可用数 | 可售库存 | 可用数量 | 库存 | 库存数量
        safety_stock: 安全库存 | 安全库存量 | 库存下限
    """),
    required=("sku",),
    marks=(
        "可用库存",
        "安全库存",
        "可用数",
        "可售库存",
        "可用数量",
        "库存",
        "库存数量",
        "安全库存量",
        "库存下限",
    ),
    needed=1,
)
SHIPMENTS = Layout(
    name="shipments",
    shop_platform="own",
    kind="shipments",
    lines="one",
    columns=_columns("""
        order_no: 订单号 | 线上订单号 | 平台订单号 | 平台单号 | 订单编号 | 原始单号
        tracking_no: 物流单号 | 快递单号 | 运单号 | 运单编号
        carrier: 物流公司 | 快递公司 | 承运商 | 快递
        shipped_at: 发货时间 | 发货日期 | 揽收时间
        last_scan_at: 最后扫描时间 | 最新物流时间 | 最后更新时间 | 最新轨迹时间
        last_scan_text: 最后扫描 | 最新物流 | 最新轨迹 | 物流状态 | 最新物流信息
        signed_at: 签收时间 | 签收日期 | 妥投时间
    """),
    required=("tracking_no",),
    marks=(
        "物流单号",
        "快递单号",
        "运单号",
        "运单编号",
        "最后扫描时间",
        "最后扫描",
        "签收时间",
        "最新物流时间",
        "最新轨迹",
        "物流公司",
        "快递公司",
        "承运商",
    ),
    needed=2,
)


def _of_sheet(sheet: SheetLayout) -> Layout:
    return Layout(
        name=sheet.name,
        shop_platform=sheet.shop_platform,
        kind=sheet.kind,
        lines="one",
        columns={column.name: column.spellings() for column in sheet.columns},
        required=tuple(column.name for column in sheet.columns if column.required),
        marks=sheet.marks,
        needed=sheet.needed,
    )


LAYOUTS = (
    *(TAOBAO, TAOBAO_ITEMS, JD, DOUYIN, PINDUODUO, YOUZAN, SHOPIFY, OWN, SHIPMENTS, PRODUCTS),
    *map(_of_sheet, SHEETS),
)
_WEIGHTS = {"orders": 10.0, "shipments": 3.0, "products": 1.0}
_SHEET_WEIGHT = 8.0


def recognise(headers: Sequence[str], kind: str | None = None) -> Layout | None:
    """The layout that these headers belong to, None if none fits well enough.

    Platform layouts win over our own ones; among equals the one with more of its marks present. A header row
    that has an order's status and product is an order file even if it also names a parcel.
    """
    keys = {header_key(header) for header in headers}
    best: Layout | None = None
    best_score = 0.0
    for layout in LAYOUTS:
        hits = sum(header_key(mark) in keys for mark in layout.marks)
        if hits < layout.needed or (kind and layout.kind != kind):
            continue
        places = column_places(layout.columns, headers)
        if layout.kind != "orders" and not kind and not all(field in places for field in layout.required):
            continue
        weight = _WEIGHTS.get(layout.kind, _SHEET_WEIGHT)
        score = weight * hits / len(layout.marks) + 0.01 * len(places)
        if layout.kind == "orders" and layout.name != "own":
            score += 10
        if score > best_score:
            best, best_score = layout, score
    return best
