"""Column mapping (字段对应): files of tools we do not know, read by saying which header holds which field."""

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from backend.imports.platforms.layouts import (
    LAYOUTS,
    OWN,
    PRODUCTS,
    SHIPMENTS,
    Layout,
    header_key,
)
from backend.imports.platforms.sheet_layouts import BASES, sheet_layout
from backend.imports.records import FileRefused

_CLOSE = 0.74  # difflib ratio from which two headers are taken as the same word with a small change


class Field(NamedTuple):
    """A field that a header can be mapped to."""

    name: str
    zh: str
    en: str
    required: bool = False

    def label(self, lang: str) -> str:
        """The field's name for people; `lang` is zh-CN or en."""
        return self.en if lang == "en" else self.zh


_FIELDS: Mapping[str, tuple[Field, ...]] = {
    "orders": (
        Field("order_no", "订单号", "Order number", True),
        Field("sub_no", "子订单号", "Sub-order number"),
        Field("status", "订单状态", "Order status", True),
        Field("refund", "售后状态", "Refund status"),
        Field("placed_at", "下单时间", "Placed at", True),
        Field("paid_at", "支付时间", "Paid at"),
        Field("shipped_at", "发货时间", "Shipped at"),
        Field("completed_at", "完成时间", "Completed at"),
        Field("promise_ship_at", "承诺发货时间", "Promised to ship by"),
        Field("amount", "实付金额", "Amount paid"),
        Field("buyer_account", "买家账号", "Buyer account"),
        Field("receiver", "收货人", "Receiver"),
        Field("phone", "手机号", "Phone"),
        Field("province", "省", "Province"),
        Field("city", "市", "City"),
        Field("district", "区", "District"),
        Field("street", "街道", "Street or town"),
        Field("address", "详细地址", "Address"),
        Field("postcode", "邮编", "Postcode"),
        Field("sku", "商品编码", "Product code"),
        Field("name", "商品名称", "Product name", True),
        Field("spec", "规格", "Specification"),
        Field("quantity", "数量", "Quantity", True),
        Field("unit_price", "单价", "Unit price"),
        Field("ip", "下单IP", "IP address"),
        Field("device", "设备标识", "Device"),
        Field("buyer_note", "买家备注", "Buyer's remark"),
        Field("seller_note", "卖家备注", "Seller's remark"),
        Field("carrier", "物流公司", "Carrier"),
        Field("tracking_no", "物流单号", "Tracking number"),
    ),
    "products": (
        Field("sku", "商品编码", "Product code", True),
        Field("name", "商品名称", "Product name"),
        Field("spec", "规格", "Specification"),
        Field("available", "可用库存", "Available stock"),
        Field("safety_stock", "安全库存", "Safety stock"),
    ),
    "shipments": (
        Field("order_no", "订单号", "Order number"),
        Field("tracking_no", "物流单号", "Tracking number", True),
        Field("carrier", "物流公司", "Carrier"),
        Field("shipped_at", "发货时间", "Shipped at"),
        Field("last_scan_at", "最后扫描时间", "Last scanned at"),
        Field("last_scan_text", "最后扫描", "Last scan"),
        Field("signed_at", "签收时间", "Signed for at"),
    ),
}
_SHEETS = {kind: sheet_layout(name) for kind, name in BASES.items()}
FIELDS: Mapping[str, tuple[Field, ...]] = {
    **_FIELDS,
    **{
        kind: tuple(Field(one.name, one.zh, one.en, one.required) for one in sheet.columns)
        for kind, sheet in _SHEETS.items()
    },
}
_BASE = {"orders": OWN, "products": PRODUCTS, "shipments": SHIPMENTS} | {
    kind: layout for kind, sheet in _SHEETS.items() for layout in LAYOUTS if layout.name == sheet.name
}
# Spellings of tools that no layout of ours covers (Jushuitan, Wangdiantong, couriers).
_MORE: Mapping[str, tuple[str, ...]] = {
    "order_no": (
        "线上订单号",
        "平台订单号",
        "原始单号",
        "内部订单号",
        "单号",
        "交易号",
        "order id",
        "order number",
    ),
    "status": ("状态", "交易状态", "订单当前状态", "order status"),
    "placed_at": ("订单时间", "创建时间", "成交时间", "下单日期", "订单日期", "order date", "created at"),
    "paid_at": ("付款日期", "支付日期", "买家付款时间"),
    "amount": ("实收金额", "已付金额", "应付金额", "订单金额", "支付金额", "总金额", "total"),
    "buyer_account": ("买家昵称", "买家", "会员名", "买家ID", "客户账号", "旺旺", "customer"),
    "receiver": ("收货人姓名", "收件人姓名", "姓名", "客户姓名", "recipient"),
    "phone": ("手机", "电话", "联系手机", "收件人电话", "联系方式", "移动电话", "mobile", "phone"),
    "address": ("地址", "收件地址", "收件人地址", "客户地址", "详细收货地址", "address"),
    "sku": ("规格编码", "货品编码", "商家SKU", "SKU编码", "货号", "sku code"),
    "name": ("商品", "商品标题", "宝贝标题", "货品名称", "品名", "产品名称", "product"),
    "spec": ("商品规格", "颜色规格", "销售属性", "商品属性", "型号"),
    "quantity": ("商品数量", "购买数量", "件数", "订购数量", "qty", "quantity"),
    "buyer_note": ("买家附言", "客户备注", "留言"),
    "seller_note": ("客服备注", "备注", "内部备注"),
    "available": ("库存数", "现有库存", "实际库存", "可配货库存", "主仓可用数", "stock"),
    "safety_stock": ("最低库存", "警戒库存", "安全库存下限"),
}


def fields(kind: str) -> tuple[Field, ...]:
    """The fields of a kind of file, in the order in which people think of them."""
    return FIELDS[kind]


def signature(headers: Sequence[str]) -> str:
    """A stable name for this set of headers, whatever their order: what a mapping is remembered by."""
    keys = sorted(header_key(header) for header in headers if header_key(header))
    return hashlib.sha256("\x1f".join(keys).encode()).hexdigest()[:32]


def suggest(headers: Sequence[str], kind: str = "orders") -> dict[str, str]:
    """The most likely header for each field: exact spellings of any layout first, then near ones."""
    free = {header_key(header): header for header in reversed(headers) if header_key(header)}
    found: dict[str, str] = {}
    for close in (False, True):
        for field in FIELDS[kind]:
            if field.name not in found:
                key = _match(_spellings(field, kind), free, close=close)
                if key:
                    found[field.name] = free.pop(key)
    return found


def _spellings(field: Field, kind: str) -> list[str]:
    """Keys of all known spellings, our own first."""
    layouts = (_BASE[kind], *(layout for layout in LAYOUTS if layout.kind == kind))
    names = [field.zh, field.en, *(n for layout in layouts for n in layout.columns.get(field.name, ()))]
    return list(dict.fromkeys(header_key(name) for name in (*names, *_MORE.get(field.name, ()))))


def _match(spellings: list[str], free: Mapping[str, str], *, close: bool) -> str | None:
    if not close:
        return next((spelling for spelling in spellings if spelling in free), None)
    best, best_ratio = None, _CLOSE
    for spelling in spellings:
        for key in difflib.get_close_matches(spelling, free, n=1, cutoff=_CLOSE):
            ratio = difflib.SequenceMatcher(None, spelling, key).ratio()
            if ratio > best_ratio and len(spelling) > 1:
                best, best_ratio = key, ratio
    return best


def layout_of(mapping: Mapping[str, str], *, kind: str, platform: str = "own") -> Layout:
    """A layout made of a mapping (field -> header).

    Raises FileRefused `mapping_kind`, `mapping_field` (unknown field), `mapping_twice` (one header for two
    fields) or `mapping_missing` (required fields without a header).
    """
    if kind not in FIELDS:
        raise FileRefused("mapping_kind", {"kind": kind[:20]})
    known = {field.name: field for field in FIELDS[kind]}
    chosen = {field: header for field, header in mapping.items() if header_key(header)}
    unknown = [field for field in chosen if field not in known]
    if unknown:
        raise FileRefused("mapping_field", {"field": unknown[0][:40]})
    keys = [header_key(header) for header in chosen.values()]
    if len(set(keys)) < len(keys):
        raise FileRefused("mapping_twice", {"column": next(k for k in keys if keys.count(k) > 1)})
    missing = [field.zh for field in known.values() if field.required and field.name not in chosen]
    if missing:
        raise FileRefused("mapping_missing", {"columns": "、".join(missing)})
    base = _BASE[kind]
    name = base.name if kind != "orders" or platform == "auto" else platform
    return replace(
        base, name=name, shop_platform=name, columns={field: (header,) for field, header in chosen.items()}
    )
