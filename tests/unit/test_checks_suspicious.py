"""Words of brushing, forwarding, tests and do-not-ship, and the harmless sentences that contain them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.checks import suspicious


@pytest.mark.parametrize(
    ("remark", "word"),
    [
        ("刷单", "刷单"),
        ("这是刷单订单", "刷单"),
        ("牙刷，刷单用", "刷单"),  # a harmless word before does not excuse the next one
        ("补单，空包即可", "补单"),
        ("补单做销量", "补单"),
        ("放单", "放单"),
        ("放单,好评返现", "放单"),
        ("空包", "空包"),
        ("发空包裹就行", "空包"),
        ("空单", "空单"),
        ("礼品代发", "礼品代发"),
        ("拍A发B", "拍A发B"),
        ("拍a发b", "拍A发B"),
        ("拍 A 发 C", "拍A发B"),
        ("拍此款发其他", "拍A发B"),
        ("勿发货", "勿发货"),
        ("请勿发货！", "勿发货"),
        ("不要发货", "不要发货"),
        ("先不要发货，等我通知", "先不要发"),
        ("暂不发货", "不发货"),
        ("今天不发货", "不发货"),
        ("先别发，地址要改", "先别发"),
        ("别发货", "别发货"),
        ("等我通知再发货", "等通知发货"),
        ("暂停发货", "暂停发货"),
        ("测试", "测试"),
        ("测试单", "测试"),
        ("测试下单", "测试"),
        ("系统测试请忽略", "测试"),
        ("test", "test"),
        ("TEST ORDER", "test"),
        ("test单", "test"),
        ("订单test123", "test"),
        ("ｔｅｓｔ", "test"),
        ("ceshi", "ceshi"),
        ("CeShi单", "ceshi"),
        ("随便", "随便"),
        ("地址随便写的", "随便"),
        ("转寄到国外", "转寄"),
        ("货代", "货代"),
        ("转运仓", "转运仓"),
        ("转 运 仓", "转运仓"),
        ("转*运*仓", "转运仓"),
        ("轉運倉", "转运仓"),
        ("转\u200b运\u200b仓", "转运仓"),
        ("代拍", "代拍"),
        ("海外集运", "海外集运"),
        ("国际转运", "国际转运"),
        ("职业打假", "职业打假"),
        ("代收转寄", "转寄"),
        ("仓库统一转发", "统一转发"),
        ("放门口。不发货", "不发货"),
    ],
)
def test_suspicious_remarks(remark: str, word: str) -> None:
    finding = suspicious.check(None, [None, remark])
    assert finding is not None
    assert finding.kind == "suspicious"
    assert dict(finding.evidence)["where"] == "remark"
    assert word in {hit.word for hit in suspicious.find(remark, "remark")}


@pytest.mark.parametrize(
    ("remark", "why"),
    [
        (None, "nothing"),
        ("", "nothing"),
        ("-", "how Douyin writes nothing"),
        ("尽快发货，谢谢", "ordinary"),
        ("门卫代收", "gatehouse"),
        ("前台代收", "front desk"),
        ("放驿站代收", "pick-up point"),
        ("丰巢代收", "locker"),
        ("便利店代收", "shop"),
        ("家人代收", "family"),
        ("到货代收一下", "到货 and 代收, not 货代"),
        ("收货代表签收", "代表"),
        ("请放单元门口", "放 and 单元"),
        ("麻烦放单元楼下", "放 and 单元"),
        ("放单位前台", "放 and 单位"),
        ("不要放单元门口", "放 and 单元"),
        ("真空包装的吗", "真空 and 包装"),
        ("航空包裹可以吗", "航空 and 包裹"),
        ("牙刷单支装", "牙刷 and 单支"),
        ("毛刷单独包装", "毛刷 and 单独"),
        ("悬空单层架要白色", "悬空 and 单层"),
        ("补单价差", "补 and 单价"),
        ("漏发补单", "the shop sends what was left out"),
        ("怎么还不发货", "a complaint"),
        ("为什么不发货", "a complaint"),
        ("三天了还不发货", "a complaint"),
        ("5天不发货", "a complaint"),
        ("再不发货就退款", "a complaint"),
        ("不要发货单", "no delivery note in the parcel"),
        ("请不要发货到驿站", "about the place, not the order"),
        ("先别发票，月底再开", "about the invoice"),
        ("颜色随便", "about the colour"),
        ("随便发一个颜色", "about the colour"),
        ("快递随便", "about the carrier"),
        ("时间随便", "about the time"),
        ("代拍照片", "a photograph"),
        ("现代拍摄道具", "现代 and 拍摄"),
        ("发最新测试卷", "a product"),
        ("检测试纸买2盒", "检测 and 试纸"),
        ("测试员小王收", "a profession"),
        ("latest version please", "inside a word"),
        ("contest prize", "inside a word"),
        ("testing", "inside a word"),
        ("不是刷单", "denied"),
        ("拒绝刷单", "denied"),
        ("请勿转寄", "denied"),
        ("生日礼物，请包装好", "ordinary"),
        ("顺丰中转站自提", "a depot"),
        ("发到公司仓库", "a warehouse"),
        ("拍2发3活动", "a promotion"),
    ],
)
def test_harmless_remarks(remark: str | None, why: str) -> None:
    assert suspicious.check(None, [remark]) is None, why


def test_the_address_is_reported_before_the_remark() -> None:
    finding = suspicious.check("南湖路31号集运仓B12", ["刷单"])
    assert finding is not None
    assert dict(finding.evidence) == {"word": "集运仓", "where": "address"}


def test_the_first_word_of_a_text_is_reported() -> None:
    assert [hit.word for hit in suspicious.find("测试地址不要发货", "address")] == ["测试", "不要发货"]


# --- data of the shop ---


def test_a_shop_can_add_and_remove_words() -> None:
    params = suspicious.default_params()
    params["keywords"] = [word for word in params["keywords"] if word != "代拍"] + ["黄牛"]
    assert suspicious.check(None, ["黄牛订单"], params) is not None
    assert suspicious.check(None, ["黄牛订单"]) is None
    assert suspicious.check(None, ["代拍"], params) is None
    assert suspicious.check(None, ["代拍"]) is not None


def test_a_shop_can_allow_a_phrase() -> None:
    params = suspicious.default_params() | {"allow": ["转运仓路"]}
    assert suspicious.check("南湖区转运仓路12号", [], params) is None
    assert suspicious.check("南湖区转运仓路12号转运仓", [], params) is not None


def test_an_empty_list_switches_the_rule_off() -> None:
    assert suspicious.check("集运仓", ["刷单", "拍A发B"], {"keywords": []}) is None


def test_default_params_are_a_copy() -> None:
    suspicious.default_params()["keywords"].clear()
    assert "刷单" in suspicious.default_params()["keywords"]


def test_words_of_a_shop_are_plain_text_not_patterns() -> None:
    params = {"keywords": ["a.c", "(坏", ""]}
    assert suspicious.check(None, ["abc"], params) is None
    assert suspicious.check(None, ["a.c"], params) is not None
    assert suspicious.check(None, ["(坏"], params) is not None


@settings(deadline=None)
@given(text=st.text(max_size=120), word=st.text(max_size=20))
def test_any_text_and_any_word_are_taken(text: str, word: str) -> None:
    suspicious.find(text, "remark")
    suspicious.find(text, "remark", {"keywords": [word], "allow": [word]})


@settings(deadline=None)
@given(around=st.text("，。 请谢好的1", max_size=8))
def test_a_word_is_found_wherever_it_stands(around: str) -> None:
    assert suspicious.check(None, [f"{around}集运仓{around}"]) is not None
