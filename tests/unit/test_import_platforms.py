"""Every layout: recognised by its headers, its words understood, its lines merged into orders."""

import pytest

from backend.imports.parse import detect, parse_file, shop_platform
from backend.imports.platforms.layouts import recognise
from backend.imports.platforms.statuses import order_status, refund_status, safe_word, shopify_status
from backend.imports.records import FileRefused
from tests.unit.import_files import HEADERS, OWN, own, table


def full_width(header: str) -> str:
    return header.replace("(", "（").replace(")", "）")


def parsed(headers, *rows, **options):
    return parse_file(table(headers, rows), name="export.csv", **options)


def only(headers, *rows, **options):
    result = parsed(headers, *rows, **options)
    assert result.rejected == (), result.rejected
    (record,) = result.records
    return record


# --- recognising -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "layout"),
    [
        ("taobao_order_report", "taobao"),
        ("taobao_item_report_new", "taobao_items"),
        ("jd_30", "jd"),
        ("douyin_74", "douyin"),
        ("pdd_23", "pinduoduo"),
        ("youzan_60", "youzan"),
        ("shopify", "shopify"),
        ("own_shop_21", "own"),
        ("stock_5", "stock"),
    ],
)
def test_headers_tell_the_platform(key, layout):
    headers = HEADERS[key]
    assert recognise(headers).name == layout
    assert recognise([f" {header}\t" for header in reversed(headers)]).name == layout
    assert recognise([full_width(header) for header in headers]).name == layout
    assert recognise([*headers, "以后新增", "Another"]).name == layout


def test_later_versions_of_jd_and_pinduoduo():
    assert recognise(HEADERS["jd_30"] + HEADERS["jd_extra_later_versions"]).name == "jd"
    assert recognise(HEADERS["pdd_23"] + HEADERS["pdd_extra"]).name == "pinduoduo"


@pytest.mark.parametrize(
    "headers",
    [
        ["订单号", "物流单号", "物流公司", "发货时间", "最后扫描时间", "最后扫描", "签收时间"],
        ["线上订单号", "快递单号", "快递公司"],
        ["订单号", "运单号", "承运商", "签收日期"],
    ],
)
def test_shipment_files(headers):
    assert recognise(headers).name == "shipments"


def test_unknown_headers_are_not_guessed():
    assert recognise(["编号", "名称", "数量", "备注"]) is None
    assert recognise([]) is None
    with pytest.raises(FileRefused) as refused:
        parsed(["编号", "名称"], ["1", "a"])
    assert refused.value.key == "headers_unknown"
    assert detect(table(["编号", "名称"], [["1", "a"]]), "x.csv").kind is None


def test_insisting_on_another_platform_or_kind_is_refused():
    with pytest.raises(FileRefused) as refused:
        parse_file(own({}), name="x.csv", platform="jd")
    assert (refused.value.key, refused.value.params) == ("platform_other", {"found": "own", "wanted": "jd"})
    with pytest.raises(FileRefused) as refused:
        parse_file(own({}), name="x.csv", kind="shipments")
    assert refused.value.key == "kind_other"
    assert parse_file(own({}), name="x.csv", kind="orders", platform="own").platform == "own"


def test_the_item_report_belongs_to_taobao_shops():
    assert shop_platform("taobao_items") == "taobao"
    assert shop_platform("jd") == "jd"
    row = {"子订单编号": "2", "主订单编号": "1", "商品标题": "睡衣", "购买数量": "1", "订单状态": "交易成功"}
    row["订单创建时间"] = "2026-11-09"
    assert only(HEADERS["taobao_item_report_new"], row, platform="taobao").status == "completed"


# --- words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "refund"),
    [
        ("等待买家付款", "unpaid", "none"),
        ("买家已付款，等待卖家发货", "to_ship", "none"),
        ("买家已付款,等待卖家发货 ", "to_ship", "none"),
        ("卖家已发货，等待买家确认", "shipped", "none"),
        ("交易成功", "completed", "none"),
        ("交易关闭", "closed", "none"),
        ("等待付款", "unpaid", "none"),
        ("等待出库", "to_ship", "none"),
        ("(删除)等待出库", "closed", "none"),
        ("（删除）等待付款", "closed", "none"),
        ("(锁定)等待出库", "to_ship", "requested"),
        ("等待确认收货", "shipped", "none"),
        ("完成", "completed", "none"),
        ("待支付", "unpaid", "none"),
        ("待发货", "to_ship", "none"),
        ("已发货", "shipped", "none"),
        ("已完成", "completed", "none"),
        ("已关闭", "closed", "none"),
        ("已发货，待收货", "shipped", "none"),
        ("未发货，退款成功", "closed", "done"),
        ("退款中", "to_ship", "requested"),
        ("Paid", "to_ship", "none"),
        ("CANCELLED", "closed", "none"),
    ],
)
def test_order_states(words, status, refund):
    assert order_status(words) == (status, refund)


@pytest.mark.parametrize("words", ["", "待成团", "(暂停)等待出库", "(锁定)天知道", "张三", "发货"])
def test_unknown_order_states(words):
    assert order_status(words) is None


@pytest.mark.parametrize(
    ("words", "refund"),
    [
        ("", "none"),
        ("无退款申请", "none"),
        ("无售后或售后取消", "none"),
        ("退款关闭", "none"),
        ("买家撤销退款", "none"),
        ("售后已取消", "none"),
        ("退款成功", "done"),
        ("已全额退款", "done"),
        ("同意退款，退款成功", "done"),
        ("售后完成", "done"),
        ("待商家处理", "requested"),
        ("售后处理中", "requested"),
        ("买家已经申请退款，等待卖家同意", "requested"),
        ("卖家拒绝退款", "requested"),
        ("部分退款成功", "requested"),
        ("待退货", "requested"),
        ("天知道", None),
    ],
)
def test_refund_states(words, refund):
    assert refund_status(words) == refund


@pytest.mark.parametrize(
    ("financial", "fulfillment", "cancelled", "meaning"),
    [
        ("paid", "unfulfilled", False, ("to_ship", "none")),
        ("paid", "", False, ("to_ship", "none")),
        ("paid", "fulfilled", False, ("shipped", "none")),
        ("paid", "partial", False, ("to_ship", "none")),
        ("pending", "", False, ("unpaid", "none")),
        ("partially_refunded", "unfulfilled", False, ("to_ship", "none")),
        ("refunded", "", False, ("closed", "done")),
        ("refunded", "fulfilled", False, ("shipped", "done")),
        ("voided", "", False, ("closed", "none")),
        ("paid", "unfulfilled", True, ("closed", "none")),
        ("gifted", "", False, None),
        ("paid", "lost", False, None),
    ],
)
def test_shopify_states(financial, fulfillment, cancelled, meaning):
    assert shopify_status(financial, fulfillment, cancelled=cancelled) == meaning


def test_an_unknown_state_names_itself_but_never_a_person():
    result = parse_file(
        own({"订单状态": "待成团"}, {"订单状态": "欧阳修远"}, {"订单状态": "13800000001"}), name="x.csv"
    )
    assert [(r.key, r.column, dict(r.params)) for r in result.rejected] == [
        ("status_unknown", "订单状态", {"status": "待成团"}),
        ("status_unknown", "订单状态", {"status": "…"}),
        ("status_unknown", "订单状态", {"status": "…"}),
    ]
    assert safe_word("on hold") == "on hold"


# --- platforms ---------------------------------------------------------------------------------------------

DOUYIN = {
    "主订单编号": "6940001\t",
    "子订单编号": "69400011\t",
    "选购商品": "无线鼠标静音款",
    "商品规格": "白色",
    "商品数量": "1",
    "商家编码": "SKU006",
    "商品单价": "1,049.00",
    "订单应付金额": "1,049.00",
    "收件人": "顾客甲",
    "收件人手机号": "13800000001",
    "省": "浙江省",
    "市": "杭州市",
    "区": "西湖区",
    "街道": "-",
    "详细地址": "文三路1号",
    "订单提交时间": "2026-11-09 01:00:00",
    "支付完成时间": "2026-11-09 01:01:00",
    "承诺发货时间": "2026-11-11 01:01:00",
    "订单状态": "待发货",
    "售后状态": "-",
    "发货时间": "-",
}
SECOND = {
    "子订单编号": "69400012\t",
    "商家编码": "SKU007",
    "选购商品": "厨房硅胶铲勺5件套",
    "订单应付金额": "39.00",
}


def douyin(*changes):
    return parsed(HEADERS["douyin_74"], *(DOUYIN | change for change in changes))


def test_douyin_sub_orders_become_one_order():
    (record,) = douyin({}, SECOND, SECOND).records
    assert [(item.line_no, item.sku) for item in record.items] == [(1, "SKU006"), (2, "SKU007")]
    assert (record.order_no, str(record.amount), record.address) == ("6940001", "1088.00", "文三路1号")
    assert record.promise_ship_at.isoformat() == "2026-11-11T01:01:00+08:00"
    assert douyin({}, SECOND, SECOND).duplicate_rows == 1


def test_douyin_street_comes_before_the_detail():
    (record,) = douyin({"街道": "文新街道"}).records
    assert record.address == "文新街道文三路1号"


def test_douyin_closed_sub_orders_are_not_shipped_with_the_rest():
    (record,) = douyin({}, SECOND | {"订单状态": "已关闭", "售后状态": "退款成功"}).records
    assert (record.status, record.refund, [item.sku for item in record.items]) == (
        "to_ship",
        "none",
        ["SKU006"],
    )
    (record,) = douyin({"订单状态": "已关闭"}, SECOND | {"订单状态": "已关闭"}).records
    assert (record.status, len(record.items)) == ("closed", 2)


def test_douyin_one_open_refund_stops_the_order():
    (record,) = douyin({}, SECOND | {"售后状态": "待商家处理"}).records
    assert (record.status, record.refund) == ("to_ship", "requested")


def test_an_order_is_taken_in_whole_or_not_at_all():
    result = douyin({}, SECOND | {"商品数量": "0"}, {"主订单编号": "6940002"})
    assert [record.order_no for record in result.records] == ["6940002"]
    assert [(r.row, r.key, r.column) for r in result.rejected] == [
        (2, "order_part", None),
        (3, "quantity", "商品数量"),
    ]


def test_a_line_of_the_wrong_shape_takes_its_order_along():
    lines = [",".join(row) for row in (HEADERS["own_shop_21"], OWN.values(), OWN.values(), OWN.values())]
    lines[2] += ",x"
    lines[3] = lines[3].replace(OWN["订单号"], "2")
    result = parse_file("\r\n".join(lines).encode(), name="x.csv")
    assert [record.order_no for record in result.records] == ["2"]
    assert [(r.row, r.key) for r in result.rejected] == [(2, "order_part"), (3, "ragged")]


def test_lines_of_one_number_that_go_to_two_people_are_refused():
    result = douyin({}, SECOND | {"收件人手机号": "13900000001"})
    assert result.records == ()
    assert [(r.row, r.key, r.column) for r in result.rejected] == [
        (2, "order_conflict", "收件人手机号"),
        (3, "order_conflict", "收件人手机号"),
    ]


JD = {
    "订单号": "319000000001",
    "商品名称": "无线鼠标静音款 白色",
    "订购数量": "1",
    "下单时间": "2026-11-09 06:09:32",
    "京东价": "49.00",
    "订单金额": "147.00",
    "结算金额": "140.00",
    "应付金额": "0.00",
    "订单状态": "等待出库",
    "下单帐号": "jd_1",
    "客户姓名": "顾客甲",
    "客户地址": "广西壮族自治区南宁市兴宁区人民路1号",
    "联系电话": "13800000001",
    "付款确认时间": "2026-11-09 06:17:21",
    "货号": "SKU006",
}


def test_jd_lines_of_one_order():
    other = {"商品名称": "车载手机支架 磁吸款", "货号": "SKU008", "订购数量": "2"}
    record = only(HEADERS["jd_30"], JD, JD | other)
    assert [(item.sku, item.quantity) for item in record.items] == [("SKU006", 1), ("SKU008", 2)]
    assert str(record.amount) == "140.00"  # JD repeats the order's money on every line
    assert (record.province, record.address[:7]) == (None, "广西壮族自治区")


def test_a_repeated_line_with_a_newer_state_wins():
    result = parsed(HEADERS["jd_30"], JD | {"订单状态": "等待确认收货"}, JD)
    (record,) = result.records
    assert (record.status, len(record.items), result.duplicate_rows) == ("shipped", 1, 1)
    assert [(note.key, note.params) for note in result.notes] == [("orders_repeated", {"count": 1})]


def test_a_line_repeated_with_another_remark_is_not_a_second_piece():
    record = only(HEADERS["jd_30"], JD, JD | {"商家备注": "已改地址"})
    assert (record.seller_note, [item.quantity for item in record.items]) == ("已改地址", [1])


def test_jd_deleted_orders_are_closed():
    assert only(HEADERS["jd_30"], JD | {"订单状态": "(删除)等待出库"}).status == "closed"


TAOBAO = {
    "订单编号": '="3920017000060010328"',
    "买家会员名": "tb_1",
    "总金额": "79.00",
    "买家实际支付金额": "79.00",
    "订单状态": "买家已付款，等待卖家发货",
    "收货人姓名": "顾客甲",
    "收货地址 ": "广东省 东莞市 虎门镇 人民路1号1栋(523000)",
    "联系手机": "'13800000001",
    "订单创建时间": "2026-11-09 01:03:28",
    "订单付款时间 ": "2026-11-09 01:04:28",
    "宝贝标题 ": "猫砂盆半封闭",
    "宝贝总数量": "2",
    "卖家服务费": "0元",
}


def test_taobao_address_without_district_and_postcode():
    record = only(HEADERS["taobao_order_report"], TAOBAO)
    assert (record.province, record.city, record.district) == ("广东省", "东莞市", None)
    assert (record.postcode, record.address) == ("523000", "广东省 东莞市 虎门镇 人民路1号1栋")
    assert (record.items[0].sku, record.items[0].name, record.items[0].quantity) == (None, "猫砂盆半封闭", 2)


def test_taobao_unpaid_orders_are_worth_what_is_due():
    unpaid = {"订单状态": "等待买家付款", "买家实际支付金额": "0", "订单付款时间 ": ""}
    record = only(HEADERS["taobao_order_report"], TAOBAO | unpaid)
    assert (record.status, str(record.amount), record.paid_at) == ("unpaid", "79.00", None)


def test_taobao_changed_address_counts():
    changed = {"修改后的收货地址": "浙江省 杭州市 西湖区 文三路2号(000000)"}
    assert only(HEADERS["taobao_order_report"], TAOBAO | changed).city == "杭州市"


def test_taobao_landline_if_there_is_no_mobile():
    record = only(HEADERS["taobao_order_report"], TAOBAO | {"联系手机": "'", "联系电话 ": "'0571-88880000"})
    assert record.phone == "0571-88880000"
    assert only(HEADERS["taobao_order_report"], TAOBAO | {"联系手机": "'"}).phone is None


def test_taobao_items_merge_by_main_order():
    first = {
        "子订单编号": "11",
        "主订单编号": "1",
        "商品标题": "睡衣",
        "商品价格": "100",
        "购买数量": "1",
        "商品属性": "颜色:粉色",
        "订单状态": "买家已付款，等待卖家发货",
        "商家编码": "SKU001",
        "买家实付金额": "90.00",
        "退款状态": "没有申请退款",
        "订单创建时间": "2026-11-09 01:03:28",
    }
    second = {"子订单编号": "12", "商品标题": "水杯", "商家编码": "SKU002", "买家实付金额": "30.00"}
    record = only(HEADERS["taobao_item_report_new"], first, first | second)
    assert (record.platform_status, str(record.amount), len(record.items)) == (first["订单状态"], "120.00", 2)
    assert not record.receiver_known


PDD = {
    "订单成交时间": "2026-11-09 01:03:28",
    "商品": "四件套",
    "订单号": "261109-123456789012345",
    "订单状态": "待发货",
    "用户实付金额(元)": "219.00",
    "商品总价(元)": "229.00",
    "商品数量(件)": "1",
    "商家编码-规格维度": "SKU009",
    "售后状态": "无售后或售后取消",
}


def test_pinduoduo_has_no_receiver_and_pays_when_the_deal_is_made():
    result = parsed(HEADERS["pdd_23"], PDD)
    (record,) = result.records
    assert (record.receiver_known, record.phone, record.paid_at) == (False, None, record.placed_at)
    assert [note.key for note in result.notes] == ["receiver_absent"]


def test_pinduoduo_day_comes_from_the_number_if_the_deal_has_no_time():
    record = only(
        HEADERS["pdd_23"], PDD | {"订单成交时间": "", "订单状态": "待支付", "用户实付金额(元)": "0"}
    )
    assert (record.status, record.placed_at.isoformat()) == ("unpaid", "2026-11-09T00:00:00+08:00")
    assert (record.paid_at, str(record.amount)) == (None, "229.00")


def test_pinduoduo_masked_regions_are_kept_as_they_are():
    masked = {"省": "浙江省", "市": "杭**", "区": "***"}
    record = only(HEADERS["pdd_23"] + HEADERS["pdd_extra"], PDD | masked)
    assert (record.province, record.city, record.receiver_known) == ("浙江省", "杭**", False)


def test_pinduoduo_open_after_sales():
    assert only(HEADERS["pdd_23"], PDD | {"售后状态": "售后处理中"}).refund == "requested"
    result = parsed(HEADERS["pdd_23"], PDD | {"售后状态": "待成团"})
    assert [(r.key, r.params) for r in result.rejected] == [("refund_unknown", {"status": "待成团"})]


def test_youzan_doubled_header_and_names_with_asterisks():
    row = dict.fromkeys(HEADERS["youzan_60"], "") | {
        "订单号": "E20261109010328000001",
        "订单状态": "待发货",
        "订单创建时间": "2026-11-09 01:00:00",
        "买家付款时间": "2026-11-09 01:01:00",
        "订单实付金额": "45.00",
        "全部商品名称": "婴儿湿巾80抽*5",
        "收货人/提货人": "顾客甲",
        "收货人手机号/提货人手机号": "13800000001",
        "收货人省份": "浙江省",
        "收货人城市": "杭州市",
        "收货人地区": "西湖区",
        "详细收货地址/提货地址": "文三路1号",
        "订单退款状态": "",
    }
    result = parsed(HEADERS["youzan_60"], row)
    assert result.rejected == ()
    (record,) = result.records
    assert (record.items[0].name, record.items[0].quantity) == ("婴儿湿巾80抽*5", 1)
    assert [note.key for note in result.notes] == ["quantity_absent"]


SHOPIFY = {
    "Name": "#1001",
    "Email": "a@example.com",
    "Financial Status": "paid",
    "Paid at": "2026-11-09 01:04:28 +0800",
    "Fulfillment Status": "unfulfilled",
    "Total": "308.00",
    "Created at": "2026-11-09 01:03:28 +0800",
    "Lineitem quantity": "1",
    "Lineitem name": "睡衣 - 粉色",
    "Lineitem price": "129.00",
    "Lineitem sku": "SKU001",
    "Shipping Name": "顾客甲",
    "Shipping Street": "文三路1号, 1栋",
    "Shipping Address1": "文三路1号",
    "Shipping Address2": "1栋",
    "Shipping City": "杭州市",
    "Shipping Zip": "'310012",
    "Shipping Province": "ZJ",
    "Shipping Province Name": "浙江省",
    "Shipping Phone": "'+86 138 0000 0001",
}
MORE = {
    "Name": "#1001",
    "Created at": "2026-11-09 01:03:28 +0800",
    "Lineitem quantity": "1",
    "Lineitem name": "水杯",
    "Lineitem price": "50.00",
    "Lineitem sku": "SKU002",
}


def test_shopify_lines_without_order_cells():
    record = only(HEADERS["shopify"], SHOPIFY, MORE, tz="America/New_York")
    assert [(item.line_no, item.sku) for item in record.items] == [(1, "SKU001"), (2, "SKU002")]
    assert (record.address, record.province, record.postcode) == ("文三路1号, 1栋", "浙江省", "310012")
    assert (record.phone, str(record.amount)) == ("+86 138 0000 0001", "308.00")
    assert record.paid_at.isoformat() == "2026-11-09T01:04:28+08:00"
    assert record.buyer_account is None  # the e-mail address is personal and is not kept


def test_shopify_equal_lines_are_pieces_unless_the_file_repeats_itself():
    assert len(only(HEADERS["shopify"], SHOPIFY, MORE, MORE).items) == 3
    result = parsed(HEADERS["shopify"], SHOPIFY, MORE, MORE, SHOPIFY, MORE, MORE)
    assert (len(result.records[0].items), result.duplicate_rows) == (3, 3)


def test_shopify_lines_without_their_first_line_are_refused():
    result = parsed(HEADERS["shopify"], MORE, SHOPIFY | {"Name": "#1002"})
    assert [(r.row, r.key) for r in result.rejected] == [(2, "order_head")]
    assert [record.order_no for record in result.records] == ["#1002"]


def test_shopify_cancelled():
    record = only(HEADERS["shopify"], SHOPIFY | {"Cancelled at": "2026-11-10 00:00:00 +0800"})
    assert (record.status, record.platform_status) == ("closed", "paid / unfulfilled")


# --- own shop ----------------------------------------------------------------------------------------------


def test_own_lines_with_the_money_of_the_line_or_of_the_order():
    gift = {"订单号": "1", "商品编码": "SKU002", "单价": "10.00", "数量": "1"}
    per_line = parse_file(own({"订单号": "1"}, gift | {"实付金额": "10.00"}), name="x.csv").records[0]
    assert str(per_line.amount) == "268.00"
    per_order = parse_file(
        own({"订单号": "1", "实付金额": "268"}, gift | {"实付金额": "268"}), name="x.csv"
    ).records[0]
    assert str(per_order.amount) == "268.00"


def test_own_two_lines_of_one_product_are_two_items():
    gift = {"订单号": "1", "单价": "0", "数量": "1", "实付金额": "0"}
    (record,) = parse_file(own({"订单号": "1"}, gift), name="x.csv").records
    assert [item.quantity for item in record.items] == [2, 1]


def test_own_identical_lines_are_one():
    result = parse_file(own({"订单号": "1"}, {"订单号": "1"}, {"订单号": "1"}), name="x.csv")
    assert (len(result.records), result.duplicate_rows, result.rows) == (1, 2, 3)


def test_own_extra_columns_tell_of_refunds_and_parcels():
    extra = {
        "售后状态": "退款中",
        "物流公司": "中通快递",
        "物流单号": "78570000000001",
        "发货时间": "2026-11-10 10:00:00",
    }
    (record,) = parse_file(own(extra), name="x.csv").records
    assert (record.refund, record.carrier, record.tracking_no) == ("requested", "中通快递", "78570000000001")
    assert record.shipped_at.isoformat() == "2026-11-10T10:00:00+08:00"


def test_masked_contacts_are_kept_as_they_are():
    (record,) = parse_file(own({"收货人": "张**", "手机号": "139****5678"}), name="x.csv").records
    assert (record.receiver, record.phone) == ("张**", "139****5678")
    (record,) = parse_file(own({"手机号": "13912345678-1234"}), name="x.csv").records
    assert record.phone == "13912345678-1234"


@pytest.mark.parametrize(
    ("change", "column", "key"),
    [
        ({"订单号": ""}, "订单号", "required"),
        ({"订单状态": ""}, "订单状态", "required"),
        ({"商品名称": "", "商品编码": ""}, "商品名称", "required"),
        ({"数量": ""}, "数量", "required"),
        ({"数量": "-1"}, "数量", "quantity"),
        ({"实付金额": "NaN"}, "实付金额", "amount"),
        ({"单价": "-1"}, "单价", "amount"),
        ({"下单时间": "昨天"}, "下单时间", "time"),
        ({"下单时间": "", "支付时间": ""}, "下单时间", "required"),
        ({"下单IP": "一个地址"}, "下单IP", "ip"),
        ({"商品编码": "1.2E+10"}, "商品编码", "id_scientific"),
    ],
)
def test_a_refused_line_names_its_column(change, column, key):
    result = parse_file(own(change, {}), name="x.csv")
    assert [(r.row, r.column, r.key) for r in result.rejected] == [(2, column, key)]
    assert len(result.records) == 1


# --- stock and shipments -----------------------------------------------------------------------------------


def test_stock_files():
    rows = [["A", "睡衣", "粉", "5", "50"], ["A", "睡衣", "粉", "5", "50"], ["A", "睡衣", "粉", "6", "50"]]
    rows += [["B", "", "", "-3", ""], ["", "x", "", "1", "1"], ["C", "杯", "", "1.5", "1"]]
    result = parsed(HEADERS["stock_5"], *rows)
    assert [(r.sku, r.available, r.safety_stock) for r in result.records] == [("A", 5, 50), ("B", 0, None)]
    assert [(r.row, r.key) for r in result.rejected] == [(4, "sku_repeated"), (6, "required"), (7, "count")]
    assert (result.rows, result.duplicate_rows) == (6, 1)
    assert [(note.key, note.params) for note in result.notes] == [("stock_below_zero", {"count": 1})]


def test_stock_without_names_is_enough():
    result = parsed(["商家编码", "可用数"], ["A", "5"])
    assert (result.kind, result.records[0].name, result.records[0].available) == ("products", None, 5)


def test_shipments_keep_the_latest_scan():
    headers = ["订单号", "物流单号", "物流公司", "发货时间", "最后扫描时间", "最后扫描", "签收时间"]
    sent = ["1", "7857", "中通快递", "2026-11-09 10:00:00", "2026-11-09 20:00:00", "已揽收", ""]
    later = [*sent[:4], "2026-11-10 20:00:00", "派送中", ""]
    result = parsed(
        headers, later, sent, ["2", "", "x", "", "", "", ""], ["", "78570000000002", "", "", "", "", ""]
    )
    assert [(r.order_no, r.tracking_no, r.last_scan_text) for r in result.records] == [
        ("1", "7857", "派送中"),
        (None, "78570000000002", None),
    ]
    assert [(r.row, r.column, r.key) for r in result.rejected] == [(4, "物流单号", "required")]
    assert (result.kind, result.duplicate_rows) == ("shipments", 1)
