"""Findings and notes in words, for queue, notes on an order and refused releases."""

from __future__ import annotations

from collections.abc import Mapping

from backend.checks.models import Evidence

_KINDS = {
    "bad_phone": ("电话无效", "Bad phone"),
    "missing_detail": ("地址不全", "Detail missing"),
    "mismatch": ("地址矛盾", "Address mismatch"),
    "suspicious": ("可疑订单", "Suspicious"),
}
_PROBLEMS = {
    "empty": ("没有填写电话", "no phone was given"),
    "masked": ("平台隐藏了号码，无法核对", "the platform hid the number, so it cannot be checked"),
    "length": ("号码共 {digits} 位，手机号应为 11 位", "the number has {digits} digits, a mobile has 11"),
    "form": ("不是可拨打的号码", "this is no number that can be called"),
    "landline": ("座机号码位数不够或缺少区号", "the landline is too short or lacks its area code"),
    "region": (
        "港澳台或境外号码不完整或缺少区号",
        "the number from outside the mainland is incomplete or lacks its country code",
    ),
}
_HAVE = {
    "district": ("只写到区县", "it ends at the district"),
    "town": ("只写到乡镇街道", "it ends at the town"),
    "road": ("只有路名，没有门牌号", "only a road, no house number"),
    "estate": ("只有小区名，没有楼栋房号", "only an estate, no building or room"),
    "building": ("只有楼号，没有路名或小区", "only a building number, no road or estate"),
    "place": ("只有模糊地点，快递员找不到", "only a vague place that a courier cannot find"),
}
_WHERE = {"address": ("地址", "address"), "remark": ("备注", "remark")}
_NOTES = {
    "renamed_district": ("「{old}」已调整为「{now}」", "{old} is now {now}"),
    "unknown_district": (
        "区县名不在现行区划中，未判断",
        "the district is not in the current list and was not judged",
    ),
    "masked_address": (
        "平台隐藏了详细地址，无法核对",
        "the platform hid the address detail, so it cannot be checked",
    ),
    "rare_prefix": (
        "号段 {prefix} 很少用于普通手机，请留意",
        "prefix {prefix} is rarely used by ordinary mobiles",
    ),
    "postcode_form": ("邮编不是 6 位数字", "the postcode does not have six digits"),
    "postcode_province": ("邮编与{province}不符", "the postcode does not belong to {province}"),
    "odd_receiver": ("收件人姓名含可疑词", "the receiver's name contains a suspicious word"),
}
_CONTACT_NOTE = {
    "phone": ("地址里写有手机号", "the address contains a mobile number"),
    "wechat": ("地址里写有微信号", "the address contains a WeChat id"),
}


def describe(kind: str, evidence: Evidence, lang: str = "zh-CN") -> str:
    """One sentence for a finding, e.g. 「地址矛盾：江苏省 ≠ 杭州市」. Unknown kinds raise KeyError."""
    at = 0 if lang.startswith("zh") else 1
    colon = "：" if at == 0 else ": "
    return f"{_KINDS[kind][at]}{colon}{_reason(kind, evidence, at)}"


def describe_note(kind: str, evidence: Evidence, lang: str = "zh-CN") -> str:
    """One sentence for a note. Unknown kinds raise KeyError."""
    at = 0 if lang.startswith("zh") else 1
    if kind == "contact_in_address":
        return _CONTACT_NOTE[str(evidence["what"])][at]
    return _filled(_NOTES[kind][at], evidence)


def _reason(kind: str, evidence: Evidence, at: int) -> str:
    if kind == "bad_phone":
        return _filled(_PROBLEMS[str(evidence["problem"])][at], evidence)
    if kind == "missing_detail":
        return _HAVE[str(evidence["have"])][at]
    if kind == "mismatch":
        return f"{evidence['left']} ≠ {evidence['right']}"
    where = _WHERE[str(evidence["where"])][at]
    word = evidence["word"]
    return f"{where}里有「{word}」" if at == 0 else f"the {where} contains “{word}”"


def _filled(sentence: str, evidence: Mapping[str, str | int]) -> str:
    for name, value in evidence.items():
        sentence = sentence.replace("{" + name + "}", str(value))
    return sentence
