"""The search box: finds orders, tickets, leads, colleagues by whatever was pasted, even a whole chat line.

Personal candidates (phones, receivers' names) leave this process only as blind indexes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from supabase import Client

from backend import db
from backend.leads import wording as lead_wording
from backend.leads.models import LeadCase
from backend.pii import Keyring
from backend.row import Row
from backend.tickets import wording

MOST: Final = 20
_LONGEST: Final = 500

_MOBILE: Final = re.compile(
    r"(?<![0-9])(?:(?:\+|00)?86[ -]?)?(1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4})(?![0-9])"
)
_LANDLINE: Final = re.compile(r"(?<![0-9])(0[0-9]{2,3}-?[0-9]{7,8})(?![0-9])")
_DASHED: Final = re.compile(r"(?<![0-9])[0-9]{6}-[0-9]{12,18}(?![0-9])")
_CODE: Final = re.compile(r"[A-Za-z]{0,6}[0-9]{8,32}")
_OWN_CODE: Final = re.compile(r"#?[A-Za-z0-9]{1,12}(?:[-_][A-Za-z0-9]{1,20}){1,3}|#[0-9]{3,12}")
_SIX: Final = re.compile(r"(?<![0-9A-Za-z])[0-9]{6}(?![0-9A-Za-z])")
_FOUR: Final = re.compile(r"(?<![0-9])[0-9]{4}(?![0-9])")
_TAIL: Final = re.compile(r"(?:尾号|后四位|末四位|last four)\D{0,4}([0-9]{4})(?![0-9])", re.IGNORECASE)
_TIME: Final = re.compile(r"\d{4}[-/年]\d{1,2}[-/月]\d{1,2}日?|\d{1,2}:\d{2}(?::\d{2})?")
_NAME: Final = re.compile(r"[\u4e00-\u9fff·]{2,6}")
_LABELLED_NAME: Final = re.compile(
    r"(?:收件人|收货人|姓名|receiver)\s*[::]?\s*([\u4e00-\u9fff·]{2,6})", re.IGNORECASE
)
_LABELLED_BUYER: Final = re.compile(
    r"(?:旺旺名?|会员名|昵称|买家账?号?|京东账号|buyer)\s*[::]\s*([^\s,,;;()()]{2,40})", re.IGNORECASE
)
_WORD: Final = re.compile(r"[^\s,,;;()()::【】\[\]]{2,40}")
_INVISIBLE: Final = re.compile(r"[\u200b-\u200f\u2060\ufeff\u00ad]")


class Hit(Row):
    """An order that was found, and `how`: order_no, tracking, buyer, phone, name, last_six, … last_four."""

    id: int
    order_no: str
    shop_id: int
    shop_name: str
    platform: str
    status: str
    platform_status: str
    amount: Decimal | None = None
    placed_at: datetime | None = None
    buyer_account: str | None = None
    receiver_masked: str | None = None
    phone_masked: str | None = None
    tracking_no: str | None = None
    released_at: datetime | None = None
    held_at: datetime | None = None
    how: str
    review_state: str | None = None
    kinds: tuple[str, ...] | None = None
    due_at: datetime | None = None


class Case(Row):
    """A ticket that was found, masked, and `how`: ticket, platform_ref, order_no, buyer, phone, …"""

    id: int
    shop_id: int
    shop_name: str
    type: str
    state: str
    order_no: str | None = None
    buyer_account: str | None = None
    receiver_masked: str | None = None
    summary: str = ""
    owner_name: str | None = None
    registered_at: datetime | None = None
    due_at: datetime | None = None
    how: str


class Colleague(Row):
    """A member who was found."""

    id: int
    display_name: str
    staff_no: str | None = None
    role: str
    state: str


class Found(Row):
    """At most 20 orders, tickets and leads, the surest match first, and at most 20 colleagues."""

    orders: tuple[Hit, ...] = ()
    tickets: tuple[Case, ...] = ()
    leads: tuple[LeadCase, ...] = ()
    members: tuple[Colleague, ...] = ()


def search(client: Client, keyring: Keyring, text: str) -> Found:
    """Find what was pasted. Personal data is matched exactly, for analysts not at all. One request."""
    words = candidates(keyring, text)
    if not any(words.values()):
        return Found()
    return Found.model_validate(db.rpc(client, "search_desk", p=words))


def candidates(keyring: Keyring, text: str) -> dict[str, list[str]]:
    """What in a text may be an order, parcel, phone, buyer, name: lists of at most 20 for `search_desk`."""
    line = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))[:_LONGEST].strip()
    phones = _distinct(
        re.sub(r"\D", "", found) for pattern in (_MOBILE, _LANDLINE) for found in pattern.findall(line)
    )
    bare = _TIME.sub(" ", line)
    codes = _distinct([*_DASHED.findall(bare), *_CODE.findall(bare), *_own_codes(bare)])
    names = _names(line)
    return {
        "tickets": [str(number) for number in wording.numbers_in(line)][:MOST],
        "lead_nos": [str(number) for number in lead_wording.numbers_in(line)][:MOST],
        "order_nos": codes,
        "tracking": _distinct(code.upper() for code in codes),
        "six": _distinct(_SIX.findall(bare)),
        "buyers": _buyers(line),
        "phone_hashes": _distinct(i for p in phones for i in keyring.blind_all("phone", p)),
        "last4_hashes": _distinct(i for p in _tails(line) for i in keyring.blind_all("phone_last4", p)),
        "name_hashes": _distinct(i for n in names for i in keyring.blind_all("name", n)),
        "names": _distinct([*names, *_WORD.findall(line)] if len(line) <= 40 else names),
    }


def _own_codes(line: str) -> list[str]:
    """Numbers of own shops and Shopify (A-1001, #1001): they hold a digit."""
    found = [code for code in _OWN_CODE.findall(line) if any(sign.isdigit() for sign in code)]
    return [*found, *(code.lstrip("#") for code in found if code.startswith("#"))]


def _tails(line: str) -> list[str]:
    """Last four digits: said so, or nothing but four digits pasted."""
    return [*_TAIL.findall(line), *([line] if _FOUR.fullmatch(line) else [])]


def _names(line: str) -> list[str]:
    """Receivers' names: labelled, or a short text that is nothing but a name."""
    whole = [line] if _NAME.fullmatch(line) else []
    return _distinct([*_LABELLED_NAME.findall(line), *whole])


def _buyers(line: str) -> list[str]:
    """Buyer accounts: labelled, the speaker of a chat line (`name: …`, `name (time): …`), any other word."""
    labelled = _LABELLED_BUYER.findall(line)
    speaker = re.match(r"\s*([^\s::()()]{2,40})\s*(?:\([^)]*\)|\d{4}-\d\d?-\d\d?\s[\d:]+)?\s*[::]", line)
    words = [word for word in _WORD.findall(line) if not word.isdecimal()]
    whole = [line] if 2 <= len(line) <= 40 else []
    return _distinct([*labelled, *([speaker.group(1)] if speaker else []), *whole, *words])


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))[:MOST]
