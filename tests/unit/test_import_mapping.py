"""Unknown headers: suggested, mapped, remembered, and read to the same records as a known file."""

import pytest

from backend.imports import mapping
from backend.imports.parse import detect, parse_file
from backend.imports.records import FileRefused
from tests.unit.import_files import HEADERS, OWN, own, table

FOREIGN = {
    "线上订单编号": "订单号",
    "交易状态": "订单状态",
    "订单日期": "下单时间",
    "付款日期": "支付时间",
    "收件人姓名": "收货人",
    "收件人电话": "手机号",
    "收件省份": "省",
    "收件城市": "市",
    "货品编码": "商品编码",
    "货品名称": "商品名称",
    "件数": "数量",
    "留言": "买家备注",
}


def foreign_file(**changes: str) -> bytes:
    """The own-shop example under the headers of a tool that we do not know."""
    return table(list(FOREIGN), [[(OWN | changes)[known] for known in FOREIGN.values()]])


def refusal(chosen, kind="orders") -> tuple[str, dict]:
    with pytest.raises(FileRefused) as refused:
        mapping.layout_of(chosen, kind=kind)
    return refused.value.key, dict(refused.value.params)


def test_an_unknown_tool_is_mapped_by_its_suggestion():
    seen = detect(foreign_file(), "erp.csv")
    assert (seen.kind, seen.headers) == (None, tuple(FOREIGN))
    chosen = mapping.suggest(seen.headers, "orders")
    assert chosen["order_no"] == "线上订单编号"
    assert chosen["phone"] == "收件人电话"
    assert chosen["quantity"] == "件数"
    parsed = parse_file(foreign_file(), name="erp.csv", mapping=chosen, platform="taobao")
    (record,) = parsed.records
    (same,) = parse_file(own({"订单号": OWN["订单号"]}), name="own.csv").records
    for field in ("order_no", "status", "placed_at", "paid_at", "receiver", "phone", "buyer_note"):
        assert getattr(record, field) == getattr(same, field), field
    assert (record.items[0].sku, record.items[0].quantity) == ("SKU001", 2)
    assert (parsed.platform, parsed.kind) == ("taobao", "orders")


def test_our_own_headers_suggest_themselves():
    chosen = mapping.suggest(HEADERS["own_shop_21"], "orders")
    assert len(chosen) == 21
    assert set(chosen.values()) == set(HEADERS["own_shop_21"])
    labels = {field.name: field.zh for field in mapping.fields("orders")}
    assert all(labels[field] == header for field, header in chosen.items())


def test_suggestions_for_every_kind_use_a_header_once():
    for key, kind in (
        ("stock_5", "products"),
        ("jd_30", "orders"),
        ("douyin_74", "orders"),
        ("shopify", "orders"),
    ):
        chosen = mapping.suggest(HEADERS[key], kind)
        assert len(set(chosen.values())) == len(chosen)
        required = {field.name for field in mapping.fields(kind) if field.required}
        assert required <= set(chosen), key


def test_nothing_is_suggested_for_headers_without_likeness():
    assert mapping.suggest(["甲", "乙", "x1"], "orders") == {}


def test_signature_knows_a_header_set_whatever_its_order():
    headers = HEADERS["jd_30"]
    same = mapping.signature([f"{header} " for header in reversed(headers)])
    assert mapping.signature(headers) == same
    assert mapping.signature(headers[:-1]) != same
    assert len(same) == 32


def test_mappings_that_cannot_work_are_refused():
    chosen = mapping.suggest(list(FOREIGN), "orders")
    assert refusal({**chosen, "colour": "x"}) == ("mapping_field", {"field": "colour"})
    assert refusal({**chosen, "name": chosen["sku"]})[0] == "mapping_twice"
    del chosen["status"], chosen["name"]
    assert refusal(chosen) == ("mapping_missing", {"columns": "订单状态、商品名称"})
    assert refusal({}, kind="dreams")[0] == "mapping_kind"


def test_a_saved_mapping_that_no_longer_fits_is_refused():
    chosen = mapping.suggest(list(FOREIGN), "orders")
    with pytest.raises(FileRefused) as refused:
        parse_file(own({}), name="own.csv", mapping=chosen)
    assert refused.value.key == "mapping_stale"


def test_a_mapping_chooses_between_doubled_headers():
    headers = [*HEADERS["own_shop_21"], "手机号"]
    data = table(headers, [[*OWN.values(), "13900000000"]])
    assert detect(data, "x.csv").headers[-1] == "手机号 (2)"
    chosen = mapping.suggest(HEADERS["own_shop_21"], "orders") | {"phone": "手机号 (2)"}
    assert parse_file(data, name="x.csv", mapping=chosen).records[0].phone == "13900000000"


def test_shipments_of_an_unknown_courier():
    headers = ["面单号", "客户单号", "最近路由"]
    chosen = {"tracking_no": "面单号", "order_no": "客户单号", "last_scan_text": "最近路由"}
    parsed = parse_file(
        table(headers, [["7857", "1", "派送中"]]), name="x.csv", kind="shipments", mapping=chosen
    )
    (record,) = parsed.records
    assert (record.tracking_no, record.order_no, record.last_scan_text) == ("7857", "1", "派送中")


def test_fields_have_labels_in_both_languages():
    for kind in mapping.FIELDS:
        for field in mapping.fields(kind):
            assert field.label("zh-CN") == field.zh
            assert field.label("en") == field.en
            assert field.zh
            assert field.en
