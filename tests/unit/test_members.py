"""A team pasted out of a spreadsheet."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import members
from backend.errors import AppError
from backend.shops import Shop, free_code

SHOPS = [
    Shop(1, "tm", "示例旗舰店", "taobao", "Asia/Shanghai", "CNY", Decimal(1000), 72, True, 1),
    Shop(2, "jd", "示例 京东店", "jd", "Asia/Shanghai", "CNY", Decimal(1000), 72, True, 1),
    Shop(3, "dy", "示例抖音店", "douyin", "Asia/Shanghai", "CNY", Decimal(1000), 72, True, 1),
    Shop(4, "old", "旧店", "douyin", "Asia/Shanghai", "CNY", Decimal(1000), 72, False, 1),
]


def keys(person: members.Person) -> list[tuple[str, str]]:
    return [(problem.column, problem.key) for problem in person.problems]


def test_columns_come_in_any_order_by_header() -> None:
    text = "手机号码\t角色\t工号\t姓名\t店铺\t备注\n138 0000 1111\t售后客服\t1004\t客服D\t天猫、京东\t无\n"
    (person,) = members.parse_people(text, SHOPS)
    assert person == members.Person(
        "客服D", "1004", "agent", ("tm", "jd"), ("aftersales",), "13800001111", 0, row=2
    )


def test_without_a_header_the_position_counts() -> None:
    text = "经理A,8001,经理,全部,,,￥5000\r\n\r\n仓储甲，2001，仓储，全部\r\n"
    manager, clerk = members.parse_people(text, SHOPS)
    assert (manager.role, manager.shops, manager.limit, manager.row) == (
        "manager",
        ("tm", "jd", "dy"),
        5000,
        1,
    )
    assert (clerk.role, clerk.staff_no, clerk.row, clerk.problems) == ("warehouse", "2001", 3, ())


@pytest.mark.parametrize(
    ("word", "role"),
    [
        ("客服", "agent"),
        ("Agent", "agent"),
        ("仓库", "warehouse"),
        ("运营", "operations"),
        ("数据分析", "analyst"),
        ("主管", "manager"),
        ("主管/经理", "manager"),
        ("管理员", "admin"),
        ("ADMIN", "admin"),
    ],
)
def test_roles_in_both_languages(word: str, role: str) -> None:
    assert members.parse_people(f"A\t1\t{word}\t", SHOPS)[0].role == role


def test_skills_and_shops_are_recognised_by_words_codes_and_names() -> None:
    text = "A\t1\t客服\tDY 示例旗舰店\t售前/售后，复核\nB\t2\t客服\t示例 京东店\tpre-sales\n"
    first, second = members.parse_people(text, SHOPS)
    assert (first.shops, first.skills) == (("dy", "tm"), ("presales", "aftersales", "review"))
    assert (second.shops, second.skills) == (("jd",), ("presales",))


def test_each_bad_cell_says_what_to_do() -> None:
    text = "\t10 01\t主官\t美团\t唱歌\t12345\t很多\nB\t1002\t客服\told\nC\t1002\t客服\n"
    bad, off_shop, twice = members.parse_people(text, SHOPS, taken=frozenset({"x1"}))
    assert set(keys(bad)) == {
        ("name", "people.name"),
        ("staff_no", "people.staff_no"),
        ("role", "people.role"),
        ("shops", "people.shop"),
        ("skills", "people.skill"),
        ("phone", "people.phone"),
        ("limit", "people.limit"),
    }
    assert keys(off_shop) == [("shops", "people.shop"), ("staff_no", "people.staff_no_twice")]
    assert keys(twice) == [("staff_no", "people.staff_no_twice")]


def test_a_number_in_use_is_named_in_any_case() -> None:
    (person,) = members.parse_people("A\tk001\t客服", SHOPS, taken=frozenset({"k001"}))
    assert keys(person) == [("staff_no", "people.staff_no_taken")]


def test_a_platform_word_is_refused_where_two_shops_fit() -> None:
    shops = [*SHOPS, Shop(5, "tm2", "二店", "taobao", "Asia/Shanghai", "CNY", Decimal(1000), 72, True, 1)]
    assert keys(members.parse_people("A\t1\t客服\t天猫", shops)[0]) == [("shops", "people.shop")]


def test_spreadsheet_leftovers_are_cleaned() -> None:
    (person,) = members.parse_people('"客服\nA"\t1001.0\t客服\t\t\t+86 138-0000-1111', SHOPS)
    assert (person.name, person.staff_no, person.phone) == ("客服 A", "1001", "+8613800001111")
    assert person.problems == ()


def test_five_hundred_and_one_are_too_many() -> None:
    text = "\n".join(f"A\t{number}\t客服" for number in range(501))
    with pytest.raises(AppError, match=r"bulk\.too_many"):
        members.parse_people(text, SHOPS)


def test_a_quote_that_never_ends_is_no_table() -> None:
    with pytest.raises(AppError, match=r"member\.bad_paste"):
        members.parse_people('A\t"' + "x" * 200_000, SHOPS)


@given(st.text(max_size=300))
def test_any_paste_is_read_or_refused_never_a_crash(text: str) -> None:
    for person in members.parse_people(text, SHOPS):
        assert person.row >= 1
        assert person.role in members.ROLES or ("role", "people.role") in keys(person)


def test_codes_are_proposed_until_one_is_free() -> None:
    assert free_code("taobao", set()) == "tm"
    assert free_code("taobao", {"tm", "tm2", "x"}) == "tm3"
