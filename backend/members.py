"""Members: who works here, one-time codes for new people, and a team pasted out of a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from supabase import Client

from backend import auth, db
from backend.config import Settings
from backend.errors import AppError
from backend.pii import Keyring
from backend.service import Service
from backend.shops import Shop

ROLES: Final = ("agent", "warehouse", "operations", "analyst", "manager", "admin")
SKILLS: Final = ("presales", "aftersales", "review")
COLUMNS: Final = ("name", "staff_no", "role", "shops", "skills", "phone", "limit")
MOST_AT_ONCE: Final = 500

_HEADERS: Final = {
    "name": ("姓名", "名字", "成员", "员工", "name"),
    "staff_no": ("工号", "员工编号", "编号", "staffno", "staffnumber", "staff"),
    "role": ("角色", "岗位", "职位", "role"),
    "shops": ("店铺", "店", "shops", "shop"),
    "skills": ("技能", "skills", "skill"),
    "phone": ("手机", "手机号", "手机号码", "电话", "phone", "mobile"),
    "limit": ("审批额度", "额度", "approvallimit", "limit"),
}
_ROLE_WORDS: Final = {
    "agent": ("客服", "客服专员", "坐席", "售前", "售后", "售前客服", "售后客服", "agent"),
    "warehouse": ("仓储", "仓库", "仓管", "仓储员", "warehouse"),
    "operations": ("运营", "运营专员", "operations"),
    "analyst": ("数据", "数据分析", "分析师", "数据分析师", "analyst"),
    "manager": ("主管", "经理", "主管/经理", "客服主管", "店长", "manager"),
    "admin": ("管理员", "admin"),
}
_SKILL_WORDS: Final = {
    "presales": ("售前", "presales", "pre-sales"),
    "aftersales": ("售后", "aftersales", "after-sales"),
    "review": ("复核", "订单复核", "审单", "review"),
}
_PLATFORM_WORDS: Final = {
    "taobao": ("淘宝", "天猫", "taobao", "tmall"),
    "jd": ("京东", "jd"),
    "douyin": ("抖音", "抖店", "douyin"),
    "pinduoduo": ("拼多多", "pinduoduo", "pdd"),
    "youzan": ("有赞", "youzan"),
    "shopify": ("shopify",),
}
_ALL_SHOPS: Final = ("全部", "所有", "全部店铺", "all")
_EMPTY: Final = ("", "-", "—", "无", "none")
_SEPARATORS: Final = re.compile(r"[,，、;；|+&\s]+|/(?!经理)")


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the members page shows one. `state` is invited, active or off."""

    id: int
    display_name: str
    staff_no: str | None
    login_email: str | None
    role: str
    skills: tuple[str, ...]
    shops: tuple[str, ...]
    approval_limit: float
    state: str
    duty_lead_until: str | None
    invited_until: str | None
    last_seen_at: str | None
    version: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a cell cannot be taken: a key of members.json and what to put instead. Never a personal value."""

    column: str
    key: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Person:
    """A person to invite, as read from a form or a pasted row (`row` counts from 1, header included)."""

    name: str
    staff_no: str
    role: str
    shops: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    phone: str = ""
    limit: float = 0
    row: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Invited:
    """A person and the one-time code made for him; the code is shown once and stored nowhere."""

    name: str
    staff_no: str
    role: str
    code: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Invitations ready to send.

    Keep it until it succeeded: a repeated request must carry the same content.
    """

    invited: tuple[Invited, ...]
    payload: tuple[Mapping[str, Any], ...] = field(repr=False)


# Reading and changing --------------------------------------------------------------------------------------


def list_members(client: Client) -> list[Member]:
    """Everybody, switched-off people last. For managers and admins (member.role otherwise)."""
    found = db.rpc(client, "list_members")
    return [Member(**{**row, "skills": tuple(row["skills"]), "shops": tuple(row["shops"])}) for row in found]


def prepare(client: Client, settings: Settings, keyring: Keyring, people: Sequence[Person]) -> Batch:
    """Makes the codes and encrypts the phones of people without problems, ready for `invite`."""
    with_phone = [person for person in people if person.phone]
    ids = db.rpc(client, "reserve_contact_ids", p_count=len(with_phone)) if with_phone else []
    contact_ids = {person.staff_no: number for person, number in zip(with_phone, ids, strict=True)}
    invited = tuple(Invited(p.name, p.staff_no, p.role, auth.new_code()) for p in people)
    payload = tuple(
        {
            "display_name": person.name,
            "staff_no": person.staff_no,
            "role": person.role,
            "shops": list(person.shops),
            "skills": list(person.skills),
            "approval_limit": person.limit,
            "token_hash": auth.code_hash(settings, made.code),
            **_contact(keyring, contact_ids.get(person.staff_no), person.phone),
        }
        for person, made in zip(people, invited, strict=True)
    )
    return Batch(invited, payload)


def invite(client: Client, batch: Batch, *, request_id: UUID) -> None:
    """Adds the people of a batch, all or none. member.staff_no_taken, shop.unknown_code, member.bad_*."""
    db.command(client, "invite_members", p_people=list(batch.payload), request_id=request_id)


def change_member(client: Client, member: Member, *, change: Mapping[str, Any], request_id: UUID) -> None:
    """Changes display_name, staff_no, role, skills, approval_limit or shops (codes).

    member.stale, member.last_admin.
    """
    db.command(
        client,
        "change_member",
        p_id=member.id,
        p_version=member.version,
        p_change=dict(change),
        request_id=request_id,
    )


def renew_code(client: Client, settings: Settings, member: Member, *, code: str, request_id: UUID) -> Invited:
    """Resets a password, or replaces an open code: the old account and code end at once.

    `code` comes from `auth.new_code` and must stay the same when the request is repeated.
    """
    db.command(
        client,
        "renew_invitation",
        p_id=member.id,
        p_version=member.version,
        p_token_hash=auth.code_hash(settings, code),
        request_id=request_id,
    )
    return Invited(member.display_name, member.staff_no or "", member.role, code)


def switch_member(client: Client, member: Member, *, on: bool, request_id: UUID) -> None:
    """Switches a member off, effective at the next request, or on again. member.last_admin."""
    db.command(
        client, "switch_member", p_id=member.id, p_version=member.version, p_on=on, request_id=request_id
    )


def set_duty_lead(client: Client, member: Member, *, until: datetime | None, request_id: UUID) -> None:
    """Names the 当班主管 until an instant (at most 24 hours ahead), or ends it with None."""
    db.command(
        client,
        "set_duty_lead",
        p_id=member.id,
        p_until=until.isoformat() if until else None,
        request_id=request_id,
    )


def recover_admin(settings: Settings, staff_no: str) -> str:
    """A one-time code for an admin who lost the password; the old account ends at once.

    For the console alone: who runs commands on the server may have it. Raises recover.none (admins).
    """
    code = auth.new_code()
    Service(settings).rpc(
        "service_recover_admin", p_staff_no=staff_no.strip(), p_token_hash=auth.code_hash(settings, code)
    )
    return code


def _contact(keyring: Keyring, contact_id: int | None, phone: str) -> dict[str, Any]:
    if contact_id is None:
        return {}
    sealed = keyring.encrypt("contacts", "phone", contact_id, phone)
    return {"contact": {"id": contact_id, "phone": sealed, "phone_hash": keyring.blind("phone", phone)}}


# A team pasted out of a spreadsheet -----------------------------------------------------------------------


def parse_people(text: str, shops: Sequence[Shop], *, taken: frozenset[str] = frozenset()) -> list[Person]:
    """Reads a pasted table: columns by header in any order, or by position (`COLUMNS`) without one.

    Each person carries the problems of its cells. `taken` holds staff numbers in use, in lower case.
    Raises AppError bulk.too_many above 500 rows, member.bad_paste when it is no table.
    """
    rows = _cells(text)
    if not rows:
        return []
    order = _header(rows[0][1])
    body = rows[1:] if order else rows
    if len(body) > MOST_AT_ONCE:
        raise AppError("bulk.too_many", params={"limit": MOST_AT_ONCE})
    people = [_person(number, cells, order or dict(enumerate(COLUMNS)), shops) for number, cells in body]
    return _mark_repeats(people, taken)


def check_person(person: Person, *, taken: frozenset[str] = frozenset()) -> Person:
    """The same person with the problems of name, staff number, phone and limit filled in (for a form)."""
    problems = list(person.problems)
    if not 1 <= len(person.name) <= 40:
        problems.append(Problem("name", "people.name"))
    if not auth.is_staff_no(person.staff_no):
        problems.append(Problem("staff_no", "people.staff_no"))
    elif person.staff_no.lower() in taken:
        problems.append(Problem("staff_no", "people.staff_no_taken"))
    if person.phone and not is_phone(person.phone):
        problems.append(Problem("phone", "people.phone"))
    if not 0 <= person.limit <= 99_999_999:
        problems.append(Problem("limit", "people.limit"))
    return replace(person, problems=tuple(problems))


def is_phone(text: str) -> bool:
    """A mainland mobile number, or an international one with its + and country code (ITU-T E.164)."""
    return bool(re.fullmatch(r"1[3-9]\d{9}|\+[1-9]\d{6,14}", re.sub(r"[\s-]", "", text)))


def _cells(text: str) -> list[tuple[int, list[str]]]:
    """Rows with content and their 1-based numbers; tab-separated as Excel copies, else by comma."""
    tabbed = "\t" in text
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    source = io.StringIO(lines if tabbed else lines.replace("，", ","))
    try:
        rows = list(csv.reader(source, delimiter="\t" if tabbed else ","))
    except csv.Error as error:  # a quote that never ends
        raise AppError("member.bad_paste") from error
    cleaned = [(number, [_clean(cell) for cell in row]) for number, row in enumerate(rows, start=1)]
    return [(number, row) for number, row in cleaned if any(row)]


def _clean(cell: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", cell).split())


def _header(cells: Sequence[str]) -> dict[int, str] | None:
    """Column index → field, when the row is a header: it names at least the name or the staff number."""
    found: dict[int, str] = {}
    for index, cell in enumerate(cells):
        word = re.sub(r"[\s._*(（].*$|[\s._]", "", cell.lower())
        for name, words in _HEADERS.items():
            if word in words and name not in found.values():
                found[index] = name
    return found if {"name", "staff_no"} & set(found.values()) else None


def _person(number: int, cells: Sequence[str], order: Mapping[int, str], shops: Sequence[Shop]) -> Person:
    value = {name: cells[index] for index, name in order.items() if index < len(cells)}
    problems: list[Problem] = []
    role, implied = _role(value.get("role", ""), problems)
    limit = _limit(value.get("limit", ""), problems)
    phone = re.sub(r"[\s-]", "", value.get("phone", ""))
    person = Person(
        name=value.get("name", ""),
        staff_no=re.sub(r"\.0$", "", value.get("staff_no", "")),
        role=role,
        shops=_shops(value.get("shops", ""), shops, problems),
        skills=_skills(value.get("skills", ""), implied, problems),
        phone="" if phone in _EMPTY else phone,
        limit=limit,
        row=number,
        problems=tuple(problems),
    )
    return check_person(person)


def _role(text: str, problems: list[Problem]) -> tuple[str, tuple[str, ...]]:
    word = text.lower()
    for role, words in _ROLE_WORDS.items():
        if word in words:
            implied = tuple(skill for skill in ("presales", "aftersales") if _SKILL_WORDS[skill][0] in word)
            return role, implied
    problems.append(Problem("role", "people.role", {"given": text}))
    return text, ()


def _skills(text: str, implied: tuple[str, ...], problems: list[Problem]) -> tuple[str, ...]:
    found = list(implied)
    for word in _words(text):
        skill = next((name for name, words in _SKILL_WORDS.items() if word in words), None)
        if skill is None:
            problems.append(Problem("skills", "people.skill", {"given": word}))
        elif skill not in found:
            found.append(skill)
    return tuple(found)


def _shops(text: str, shops: Sequence[Shop], problems: list[Problem]) -> tuple[str, ...]:
    open_shops = [shop for shop in shops if shop.is_active]
    exact = {name: shop.code for shop in open_shops for name in (shop.code, shop.name.lower())}
    if text.lower() in exact:  # a shop's name may contain a separator
        return (exact[text.lower()],)
    found: list[str] = []
    for word in _words(text):
        codes = (
            [shop.code for shop in open_shops] if word in _ALL_SHOPS else _shop_of(word, exact, open_shops)
        )
        if not codes:
            known = "、".join(shop.code for shop in open_shops)
            problems.append(Problem("shops", "people.shop", {"given": word, "known": known}))
        found.extend(code for code in codes if code not in found)
    return tuple(found)


def _shop_of(word: str, exact: Mapping[str, str], shops: Sequence[Shop]) -> list[str]:
    if word in exact:
        return [exact[word]]
    platform = next((name for name, words in _PLATFORM_WORDS.items() if word in words), None)
    codes = [shop.code for shop in shops if shop.platform == platform]
    return codes if len(codes) == 1 else []  # 「天猫」 is clear only while there is one such shop


def _limit(text: str, problems: list[Problem]) -> float:
    bare = re.sub(r"[¥￥元,\s]", "", text)
    if bare in _EMPTY:
        return 0
    if re.fullmatch(r"\d{1,8}(\.\d{1,2})?", bare):
        return float(bare)
    problems.append(Problem("limit", "people.limit"))
    return 0


def _words(text: str) -> list[str]:
    return [word for word in _SEPARATORS.split(text.lower()) if word not in _EMPTY]


def _mark_repeats(people: list[Person], taken: frozenset[str]) -> list[Person]:
    counts = Counter(person.staff_no.lower() for person in people)
    return [_mark(person, counts[person.staff_no.lower()], taken) for person in people]


def _mark(person: Person, count: int, taken: frozenset[str]) -> Person:
    number = person.staff_no.lower()
    key = "people.staff_no_taken" if number in taken else "people.staff_no_twice" if count > 1 else None
    if key is None or not number:
        return person
    return replace(person, problems=(*person.problems, Problem("staff_no", key)))
