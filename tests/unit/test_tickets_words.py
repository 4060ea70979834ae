"""Tickets in words: numbers, the remark for the platform, labels of every code the database knows."""

from __future__ import annotations

from datetime import datetime

import pytest

from backend.tickets import choices, wording
from backend.tickets.remarks import remark, with_details

DAY = datetime(2026, 11, 22, 23, 30)


def test_the_remark_is_the_one_of_the_manual() -> None:
    assert remark("reship", 1042, "客服A", DAY) == "【补发】T-1042 客服A 11-22"
    assert remark("reship", 1042, "Agent A", DAY, "en") == "【Reship】T-1042 Agent A 11-22"


def test_the_remark_tells_what_was_done_in_one_short_line() -> None:
    line = remark("reshipped", 1042, "客服A", DAY)
    told = with_details(line, ["补发同款\n一件", "  ", "补偿 ¥15.00", "字" * 99])
    assert told == f"{line}：补发同款 一件；补偿 ¥15.00；{'字' * 59}…"
    assert with_details(line, ["", " "]) == line


def test_what_was_done_twice_is_named_once() -> None:
    assert remark(["reshipped", "reship", "gift"], 7, "客服D", DAY) == "【补发】【赠品】T-7 客服D 11-22"


@pytest.mark.parametrize("kind", choices.TYPES)
def test_each_way_to_end_a_case_has_a_remark_in_both_languages(kind: str) -> None:
    for outcome in choices.OUTCOMES[kind]:
        line, english = (remark(outcome, 1, "客服A", DAY, lang) for lang in ("zh-CN", "en"))
        assert outcome not in line
        assert outcome not in english.split("】")[0]
        assert line != english


@pytest.mark.parametrize(
    ("table", "codes"),
    [
        ("types", choices.TYPES),
        ("states", choices.STATES),
        ("severities", choices.SEVERITIES),
        ("departments", choices.DEPARTMENTS),
        ("channels", choices.CHANNELS),
        ("money", choices.MONEY_KINDS),
        ("outcomes", {code for codes in choices.OUTCOMES.values() for code in codes}),
        ("waits", {code for codes in choices.WAITS.values() for code in codes}),
        *((table, codes) for table, codes in choices.REASONS.items()),
    ],
)
def test_each_code_has_a_word(table: str, codes: tuple[str, ...]) -> None:
    assert set(wording.keys(table)) >= set(codes)
    for lang in ("zh-CN", "en"):
        assert len({wording.label(table, code, lang) for code in codes}) == len(codes)


def test_an_unknown_code_stands_for_itself_and_nothing_is_nothing() -> None:
    assert wording.label("types", "teleport") == "teleport"
    assert wording.label("types", None) == ""


def test_numbers_of_tickets_are_found_in_a_line() -> None:
    said = "并入 T-1042，另见t7 和 Ｔ－9？不是 AT-3、T-4b，T-1042 重复"
    assert wording.numbers_in(said) == [1042, 7, 9]
    assert wording.number(1042) == "T-1042"


def test_a_filter_survives_its_address_and_hostile_values_do_not() -> None:
    wanted = choices.TicketFilter(tab="pool", type="reship", shop_id=3, owner="12", due="soon", q="T-7")
    assert choices.TicketFilter.parse(wanted.params()) == wanted
    hostile = {"tab": "x", "type": "'; drop", "shop_id": "9" * 30, "owner": "-1", "due": "never", "q": "  "}
    assert choices.TicketFilter.parse(hostile) == choices.TicketFilter()
