"""The demo's shops and people (names are roles with letters, nobody real)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SHOPS: Final = (
    {"code": "tm", "name": "示例旗舰店", "platform": "taobao"},
    {"code": "jd", "name": "示例京东店", "platform": "jd"},
    {"code": "dy", "name": "示例抖音店", "platform": "douyin"},
)
ALL_SHOPS: Final = ("tm", "jd", "dy")
State = Literal["active", "off", "invited"]


@dataclass(frozen=True, slots=True)
class Person:
    """A demo member. `shown`: offered as a one-click account on the sign-in page (one per role)."""

    staff_no: str
    name: str
    role: str
    shops: tuple[str, ...] = ALL_SHOPS
    skills: tuple[str, ...] = ()
    approval_limit: int = 0
    state: State = "active"
    shown: bool = False


PEOPLE: Final = (
    Person("A001", "管理员A", "admin", shown=True),
    Person("M001", "经理A", "manager", approval_limit=5000, shown=True),
    Person("M002", "主管A", "manager", approval_limit=2000),
    Person("M003", "主管B", "manager", approval_limit=2000),
    Person("Y001", "运营A", "operations", shown=True),
    Person("Y002", "运营B", "operations"),
    Person("D001", "数据A", "analyst", shown=True),
    Person("C001", "仓储甲", "warehouse", shown=True),
    Person("C002", "仓储乙", "warehouse"),
    Person("K001", "客服A", "agent", ("tm", "dy"), ("presales", "review"), shown=True),
    Person("K002", "客服B", "agent", ("jd",), ("presales", "review")),
    Person("K003", "客服C", "agent", ("tm", "dy"), ("presales",)),
    Person("K004", "客服D", "agent", ALL_SHOPS, ("aftersales", "review")),
    Person("K005", "客服E", "agent", ALL_SHOPS, ("aftersales",)),
    Person("K006", "客服F", "agent", ALL_SHOPS, ("presales", "aftersales")),
    Person("K007", "客服G", "agent", ("tm",), ("presales",), state="off"),
    Person("K008", "客服H", "agent", ("tm",), ("presales",), state="invited"),
)
