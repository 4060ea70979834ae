"""Phones: what a courier can call, however a platform or a spreadsheet wrote it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.checks import phone
from backend.checks.contact import check_contact

HK, MO, TW = "香港特别行政区", "澳门特别行政区", "台湾省"


@pytest.mark.parametrize(
    ("raw", "state", "normalised"),
    [
        ("13900001234", "mobile", "13900001234"),
        ("'13900001234", "mobile", "13900001234"),  # apostrophe that keeps Excel from counting
        ('="13900001234"', "mobile", "13900001234"),
        ("\t13900001234\t", "mobile", "13900001234"),
        ("１３９００００１２３４", "mobile", "13900001234"),
        ("+86 139 0000 1234", "mobile", "13900001234"),
        ("+86-13900001234", "mobile", "13900001234"),
        ("(+86)13900001234", "mobile", "13900001234"),
        ("008613900001234", "mobile", "13900001234"),
        ("8613900001234", "mobile", "13900001234"),
        ("86 139-0000-1234", "mobile", "13900001234"),
        ("139-0000-1234", "mobile", "13900001234"),
        ("139–0000–1234", "mobile", "13900001234"),  # en dashes
        ("139 0000 1234", "mobile", "13900001234"),
        ("139\u200b00001234", "mobile", "13900001234"),  # zero-width space of a chat window
        ("013900001234", "mobile", "13900001234"),  # the old trunk zero
        ("手机：13900001234", "mobile", "13900001234"),
        ("14200001234", "mobile", "14200001234"),  # rare prefix: a note, never a refusal
        ("19200001234", "mobile", "19200001234"),
        ("13900001234-1234", "privacy", "13900001234-1234"),
        ("13900001234转1234", "privacy", "13900001234-1234"),
        ("13900001234 转 123456", "privacy", "13900001234-123456"),
        ("13900001234,1234", "privacy", "13900001234-1234"),
        ("13900001234[1234]", "privacy", "13900001234-1234"),
        ("13900001234_1234", "privacy", "13900001234-1234"),
        ("13900001234（1234）", "privacy", "13900001234-1234"),
        ("'13900001234-0001", "privacy", "13900001234-0001"),
        ("+86 13900001234-1234", "privacy", "13900001234-1234"),
        ("0571-88880000", "landline", "057188880000"),
        ("057188880000", "landline", "057188880000"),
        ("(0571)88880000", "landline", "057188880000"),
        ("（0571）8888 0000", "landline", "057188880000"),
        ("010-88880000", "landline", "01088880000"),
        ("021 88880000", "landline", "02188880000"),
        ("0571-8888000", "landline", "05718888000"),  # seven digits in smaller cities
        ("0571-88880000-801", "landline", "057188880000-801"),
        ("0571-88880000转801", "landline", "057188880000-801"),
        ("+86 571 88880000", "landline", "057188880000"),
        ("+86 10 88880000", "landline", "01088880000"),
        ("400-800-1234", "service", "4008001234"),
        ("8008001234", "service", "8008001234"),
        ("13900001234/13900005678", "mobile", "13900001234"),
        ("0571-123 13900001234", "mobile", "13900001234"),  # one usable number is enough
        ("13900001234,010-88880000", "mobile", "13900001234"),
        ("+852 91230000", "hk", "85291230000"),
        ("00852-91230000", "hk", "85291230000"),
        ("+853 66120000", "mo", "85366120000"),
        ("+886 912000034", "tw", "886912000034"),
        ("+886 0912000034", "tw", "8860912000034"),
        ("+1 415 555 2671", "foreign", "+14155552671"),
    ],
)
def test_callable_numbers(raw: str, state: str, normalised: str) -> None:
    verdict = phone.classify(raw)
    assert (verdict.state, verdict.normalised, verdict.problem) == (state, normalised, None)


@pytest.mark.parametrize(
    ("raw", "province", "state"),
    [
        ("91230000", HK, "hk"),
        ("23450000", HK, "hk"),
        ("66120000", MO, "mo"),
        ("28330000", MO, "mo"),
        ("0912000034", TW, "tw"),
        ("912000034", TW, "tw"),
        ("02-23450000", TW, "tw"),
        ("13900001234", HK, "mobile"),  # mainland mobiles are fine everywhere
    ],
)
def test_local_forms_count_in_their_own_region(raw: str, province: str, state: str) -> None:
    assert phone.classify(raw, province=province).state == state


@pytest.mark.parametrize("raw", ["91230000", "66120000", "0912000034", "912000034"])
def test_local_forms_of_a_region_are_bad_on_the_mainland(raw: str) -> None:
    assert phone.classify(raw, province="浙江省").state == "bad"
    assert phone.classify(raw).state == "bad"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (None, "empty"),
        ("", "empty"),
        ("'", "empty"),
        ('=""', "empty"),
        ("-", "empty"),
        ("无", "empty"),
        ("暂无", "empty"),
        ("0", "empty"),
        ("未知", "empty"),
        ("nan", "empty"),
        ("139****1234", "masked"),
        ("139＊＊＊＊1234", "masked"),
        ("1**********", "masked"),
        ("139xxxx1234", "masked"),
        ("*******1234", "masked"),
        ("+86 139****1234", "masked"),
        ("1390000123", "length"),
        ("139000012345", "length"),
        ("13900001234567", "length"),
        ("1391234", "length"),
        ("10086", "length"),
        ("110", "length"),
        ("11111111111", "form"),
        ("12345678901", "form"),
        ("12900001234", "form"),
        ("23900001234", "form"),
        ("1O900001234", "form"),  # the letter O
        ("l3900001234", "form"),  # the letter l
        ("1390000123a", "form"),
        ("139000O1234", "form"),
        ("0571-12345", "landline"),
        ("0571-888800", "landline"),
        ("0571888800", "landline"),  # area code and six digits
        ("010-8888", "landline"),
        ("88880000", "landline"),  # no area code
        ("8888000", "landline"),
        ("00000000000", "landline"),
        ("+852 1234", "region"),
        ("+1 415", "region"),
        ("0912000034", "region"),
    ],
)
def test_what_nobody_can_call(raw: str | None, problem: str) -> None:
    assert phone.classify(raw).problem == problem


def test_masked_is_a_state_of_its_own() -> None:
    assert phone.classify("139****1234").state == "masked"
    assert phone.classify("").state == "absent"
    assert phone.classify("1390000123").state == "bad"


@settings(deadline=None)
@given(middle=st.integers(0, 99_999_999), second=st.integers(3, 9), third=st.integers(0, 9))
def test_every_mobile_in_every_spelling_is_one_number(middle: int, second: int, third: int) -> None:
    number = f"1{second}{third}{middle:08d}"
    for written in (
        number,
        f"'{number}",
        f"+86{number}",
        f"0086 {number}",
        f"{number[:3]}-{number[3:7]} {number[7:]}",
    ):
        assert phone.normalise(written) == number


@settings(deadline=None)
@given(number=st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), data=st.data())
def test_a_digit_too_many_or_too_few_is_bad(number: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, 10))
    assert phone.classify(number[:at] + number[at + 1 :]).state in {"bad", "service"}
    longer = phone.classify(number[:at] + "5" + number[at:])
    assert longer.state == "bad"
    assert longer.problem == "length"


@settings(deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_gets_a_verdict(text: str) -> None:
    verdict = phone.classify(text, province="香港特别行政区")
    assert (verdict.problem is None) == (verdict.state not in {"bad", "masked", "absent"})
    assert len(verdict.normalised) <= 40


def test_evidence_tells_problem_and_digits_but_never_the_number() -> None:
    checked = check_contact(
        phone="1390000123",
        receiver="王一",
        province="浙江省",
        city="杭州市",
        district="西湖区",
        address="文华路12号",
    )
    assert [(f.kind, dict(f.evidence)) for f in checked.findings] == [
        ("bad_phone", {"problem": "length", "digits": 10})
    ]


def test_a_rare_prefix_is_only_a_note() -> None:
    checked = check_contact(
        phone="14200001234",
        receiver="王一",
        province="浙江省",
        city="杭州市",
        district="西湖区",
        address="文华路12号",
    )
    assert checked.findings == ()
    assert [(note.kind, dict(note.evidence)) for note in checked.notes] == [
        ("rare_prefix", {"prefix": "142"})
    ]
