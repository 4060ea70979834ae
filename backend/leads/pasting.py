"""Lines that people paste from a table or a chat, read as leads."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Any, Final

from backend.leads.choices import COMMON_NEEDS
from backend.leads.models import Draft

_PHONE = re.compile(
    r"(?:(?:手机号?码?|电话|联系方式|tel|phone)[: ]*)?"
    r"(?<!\d)(?P<id>(?:\+?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}|0\d{2,3}-?\d{7,8})(?!\d)",
    re.IGNORECASE,
)
_ACCOUNT = re.compile(
    r"(?P<kind>微信号?|wechat|wx|vx|旺旺号?|旺旺名)(?:[:]| +)\s*(?P<id>[^\s,;|/、]{2,60})", re.IGNORECASE
)
_EMAIL = re.compile(r"(?:(?:邮箱|e-?mail)[: ]*)?(?P<id>[\w.+-]+@[\w-]+(?:\.[\w-]+)+)", re.IGNORECASE)
_ASIDE = re.compile(r"\[[^\]]*\]|【[^】]*】|预算[: ]*[^\s,;|]+")
_LABEL = re.compile(r"(?:需求(?:标签)?|姓名|昵称|称呼|客户) *: *")
_WANTS = re.compile(r"^(?:我?想要|我?想买|需要|想咨询|咨询)(?=.)")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_NO_TAG = re.compile(r"\d{5}|@|[\]\[{}<>\"\\]")
_HEADS: Final = re.compile(
    r"(?:客户|买家|联系|咨询|线索)?(?:昵称|姓名|客户|称呼|联系人|手机号?|电话|联系方式|微信号?|邮箱|旺旺名?|账号|会员名"
    r"|需求(?:标签)?|意向(?:商品)?|来源|渠道|预算|备注|时间|日期)"
)


def parsed(line: str, source: str) -> Draft | None:
    """A pasted line: contacts wherever they stand, then the name, then the wish; a contact tells its kind.

    A second number, a budget and words too long for a tag go to the note. None for a line that says nothing
    and for the header of a table.
    """
    text = unicodedata.normalize("NFKC", line)
    cells = [cell.strip() for cell in re.split(r"[\t,;|]+| +", text) if cell.strip()]
    if not cells or (len(cells) > 1 and all(map(_HEADS.fullmatch, cells))):
        return None
    found: dict[str, Any] = {}
    notes: list[str] = []
    text = _contacts(text, found, notes)
    words = _words(text)
    if words and not (len(words) == 1 and words[0] in COMMON_NEEDS):
        found["name"] = words.pop(0)[:60]
    if not words and {"name", "buyer_account"} <= found.keys():  # an account is a name, so this is the wish
        words = [found.pop("name")]
    needs = _needs(words, notes)
    if "name" in found and not found.keys() & {"phone", "email", "wechat", "buyer_account"}:
        found["buyer_account"] = found["name"]
    return replace(Draft(needs=needs, source=source, note="；".join(notes)[:500]), **found)


def _contacts(text: str, found: dict[str, Any], notes: list[str]) -> str:
    """The line without its contacts and asides, which go to `found` and `notes`."""
    for pattern in (_ACCOUNT, _EMAIL, _PHONE):
        for match in pattern.finditer(text):
            if pattern is _ACCOUNT:
                name = "buyer_account" if match["kind"].startswith("旺") else "wechat"
            else:
                name = "email" if pattern is _EMAIL else "phone"
            if name in found:
                notes.append(match["id"])
            else:
                found[name] = _plain(match["id"]) if name == "phone" else match["id"]
        text = pattern.sub("\t", text)
    notes += [aside.strip("[]【】 ") for aside in _ASIDE.findall(text)]
    return _ASIDE.sub("\t", text)


def _plain(number: str) -> str:
    return re.sub(r"^\+?86(?=1)", "", re.sub(r"[ -]", "", number))


def _words(text: str) -> list[str]:
    """What is left, in order: apart by tabs, commas, bars or two blanks, in Chinese by one."""
    parts = re.split(r"[\t,;|]+| {2,}", _LABEL.sub("\t", text))
    return [
        word
        for part in parts
        for piece in (part.split() if _HAN.search(part) else [part])
        if (word := piece.strip(" :/、-"))
    ]


def _needs(words: list[str], notes: list[str]) -> tuple[str, ...]:
    """At most ten tags; what cannot be one goes to the note."""
    tags: list[str] = []
    for tag in (_WANTS.sub("", tag.strip()) for word in words for tag in re.split(r"[、/]", word)):
        if tag:
            (notes if len(tag) > 20 or len(tags) == 10 or _NO_TAG.search(tag) else tags).append(tag)
    return tuple(dict.fromkeys(tags))
