"""Cells of leads: contacts that reach somebody, and the words people use for where a lead came from."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from backend.imports.cells import BadCell, plain
from backend.imports.platforms import sheet_cells as sheet

_SCIENTIFIC = re.compile(r"\d+(?:\.\d+)?[eE][+-]?\d+")
_PHONE = re.compile(r"\+?[\d\s().-]+(?:(?:转|ext\.?|x|#)\s*\d{1,6})?", re.IGNORECASE)
_MOBILE = re.compile(r"(?:0086|86|0)?1[3-9]\d{9}")
_LANDLINE = re.compile(r"(?:0086|86)?(?:0[1-9]\d{1,2}\d{7,8}|[48]00\d{7})")
_ABROAD = re.compile(r"(?:00)?[1-9]\d{7,14}")
_WECHAT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{4,29}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")


def phone(raw: str) -> str | None:
    """A number somebody can call: a mobile, a landline with its area code, 400/800, or `+` and a country's.

    What a cell holds instead is told by its form, never by its digits: they may be most of a real number.
    Raises BadCell `phone_scientific`, `phone_formula`, `phone_masked`, `phone_digits` or `phone_form`.
    """
    value = plain(raw)
    if not value:
        return None
    if _SCIENTIFIC.fullmatch(value):
        raise BadCell("phone_scientific")
    if value[0] == "=":
        raise BadCell("phone_formula")
    if "*" in value:
        raise BadCell("phone_masked")
    if not _PHONE.fullmatch(value):
        raise BadCell("phone_form")
    digits = re.sub(r"\D", "", re.split(r"转|[xX#]|ext", value)[0])
    abroad = value.startswith(("+", "00")) and not digits.startswith(("86", "0086"))
    if _MOBILE.fullmatch(digits) or _LANDLINE.fullmatch(digits) or (abroad and _ABROAD.fullmatch(digits)):
        return value
    raise BadCell("phone_digits", {"count": len(digits)})


def wechat(raw: str) -> str | None:
    """A WeChat id, or the phone or QQ number it is found by. Raises BadCell `wechat_form`."""
    value = plain(raw)
    if value and not (_WECHAT.fullmatch(value) or _MOBILE.fullmatch(re.sub(r"[\s+-]", "", value))):
        raise BadCell("wechat_form")
    return value or None


def email(raw: str) -> str | None:
    """An e-mail address. Raises BadCell `email_form`."""
    value = plain(raw)
    if value and (len(value) > 100 or not _EMAIL.fullmatch(value)):
        raise BadCell("email_form")
    return value or None


# What comes anywhere in the cell, the first that fits. Who recommended somebody is worth keeping as words.
_SIGNS: Final[Mapping[str, str]] = {
    "": "介绍 推荐",
    "live": "直播",
    "asked_unpaid": "未付",
    "enterprise": "企业购 企业采购 团购",
    "form": "表单 落地页",
    "campaign": "活动 大促 广告 投放",
    "order": "老客 复购 订单",
    "chat": "淘宝 天猫 京东 抖音 拼多多 小红书 快手 有赞 微信 企微 旺旺 聊天 私信 客服 咨询",
}


def source(words: Mapping[str, str]) -> Callable[[str], str | None]:
    """A reader of sources: one of `words` (meaning -> words), else what the cell's words point to.

    A live stream on a platform is a live stream, the platform's name alone a chat there. Raises BadCell
    `lead_source` for other words, and for who recommended somebody: the caller keeps them in the remark.
    """
    exact = sheet.chosen(words, "lead_source")
    pointed = sheet.has(_SIGNS, "lead_source")

    def read(raw: str) -> str | None:
        try:
            return exact(raw)
        except BadCell:
            found = pointed(raw)
        if not found:
            raise BadCell("lead_source")
        return found

    return read
