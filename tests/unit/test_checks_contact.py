"""The whole verdict on a contact: what is judged, evidence, the hash of the facts, and words."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend import pii
from backend.checks import contact, divisions, suspicious, wording
from backend.checks.contact import check_contact
from backend.checks.phone import RARE_PREFIXES
from backend.pii import Keyring

GOOD: dict[str, Any] = {
    "phone": "13900001234",
    "receiver": "王一",
    "province": "浙江省",
    "city": "杭州市",
    "district": "西湖区",
    "address": "文华路12号云栖府3栋2单元501室",
    "postcode": None,
    "notes": (None, None),
    "receiver_known": True,
}


def kinds(**changed: Any) -> list[str]:
    return [finding.kind for finding in check_contact(**(GOOD | changed)).findings]


def note_kinds(**changed: Any) -> list[str]:
    return [note.kind for note in check_contact(**(GOOD | changed)).notes]


# --- what is judged ---


def test_a_good_contact_has_neither_finding_nor_note() -> None:
    checked = check_contact(**GOOD)
    assert checked.findings == ()
    assert checked.notes == ()
    assert checked.phone_state == "mobile"
    assert checked.parts.province == "浙江省"


def test_all_four_kinds_can_meet_in_one_order() -> None:
    found = kinds(phone="", province="江苏省", address="人民路", notes=("刷单", None))
    assert found == ["bad_phone", "missing_detail", "mismatch", "suspicious"]


def test_both_remarks_are_read() -> None:
    assert kinds(notes=("刷单", None)) == ["suspicious"]
    assert kinds(notes=(None, "刷单")) == ["suspicious"]


def test_without_a_receiver_nothing_is_judged_but_the_province_is_known() -> None:
    checked = check_contact(
        **(GOOD | {"phone": None, "address": None, "province": "新疆", "receiver_known": False})
    )
    assert checked.findings == ()
    assert checked.parts.province == "新疆维吾尔自治区"


def test_a_masked_export_gives_one_finding_and_a_note() -> None:
    masked = {"phone": "139****1234", "receiver": "王**", "address": "文华路****"}
    checked = check_contact(**(GOOD | masked))
    assert [(f.kind, dict(f.evidence)) for f in checked.findings] == [("bad_phone", {"problem": "masked"})]
    assert checked.phone_state == "masked"
    assert [note.kind for note in checked.notes] == ["masked_address"]


def test_parameters_reach_the_rule() -> None:
    params = {"suspicious": {"keywords": ["黄牛"]}}
    assert kinds(notes=("黄牛", None), params=params) == ["suspicious"]
    assert kinds(notes=("刷单", None), params=params) == []


# --- notes ---


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ({"address": "文华路12号3栋501 电话13900005678"}, "contact_in_address"),
        ({"address": "文华路12号3栋501 加微信wxid000"}, "contact_in_address"),
        ({"address": "文华路12号3栋501 vx:demo0000"}, "contact_in_address"),
        ({"postcode": "610000"}, "postcode_province"),
        ({"postcode": "31001"}, "postcode_form"),
        ({"postcode": "ABCDEF"}, "postcode_form"),
        ({"district": "江干区"}, "renamed_district"),
        ({"district": "大西湖区"}, "unknown_district"),
        ({"receiver": "测试"}, "odd_receiver"),
    ],
)
def test_notes_never_block(changed: dict[str, Any], note: str) -> None:
    assert note_kinds(**changed) == [note]
    assert kinds(**changed) == []


@pytest.mark.parametrize("postcode", ["310012", "321000", "000000", "100000", "", None])
def test_postcodes_that_fit_or_are_placeholders_say_nothing(postcode: str | None) -> None:
    assert note_kinds(postcode=postcode) == []


# --- evidence ---


WORDS = {
    *("empty", "masked", "length", "form", "landline", "region"),
    *("district", "town", "road", "estate", "building", "place"),
    *("city", "address", "remark", "phone", "wechat"),
    *RARE_PREFIXES,
    *suspicious.default_params()["keywords"],
    *("代收转寄", "统一转发", "等通知发货"),
}


@lru_cache(maxsize=1)
def division_names() -> frozenset[str]:
    index = divisions.load()
    names = {*index.provinces, *index.cities, *index.city_short, *index.homes, *index.legacy_homes}
    return frozenset(names | {divisions.stem(name) for name in names})


def is_public(value: str | int) -> bool:
    """A count, a word of the rules, or the name of a division: nothing that a buyer typed."""
    if isinstance(value, int) or value in WORDS or value in division_names():
        return True
    return divisions.stem(value) in division_names()


ODD_ADDRESSES = st.lists(
    st.sampled_from(
        ["王一", "13900005678", "文华路12号", "微信wx0000", "集运仓", "浙江省", "南京市", "鼓楼区", "人民路"]
    ),
    max_size=6,
).map("".join)


@settings(deadline=None)
@given(
    place=st.tuples(
        st.sampled_from(["浙江省", "江苏", "", "王一", "安徽省"]),
        st.sampled_from(["杭州市", "巢湖市", "昆山市", "", "王一", "襄樊市"]),
        st.sampled_from(["西湖区", "江干区", "萧山市", "天河区", "", "王一", "王一区"]),
    ),
    address=ODD_ADDRESSES | st.text(max_size=30),
    phone=st.sampled_from(["13900005678", "1390000567", "14200005678", "139****5678", ""])
    | st.text(max_size=12),
    note=st.sampled_from(["刷单 王一", "拍a发b", "等我通知再发", "王一13900005678"]) | st.text(max_size=20),
)
def test_evidence_holds_only_counts_rule_words_and_names_of_divisions(
    place: tuple[str, str, str], address: str, phone: str, note: str
) -> None:
    named = dict(zip(("province", "city", "district"), place, strict=True))
    checked = check_contact(**(GOOD | named | {"phone": phone, "address": address, "notes": (note,)}))
    for item in (*checked.findings, *checked.notes):
        for value in item.evidence.values():
            assert is_public(value), (item.kind, value)


@pytest.mark.parametrize(
    "field", ["phone", "receiver", "province", "city", "district", "address", "postcode"]
)
@settings(deadline=None)
@given(text=st.none() | st.text(max_size=80))
def test_any_value_in_any_field_gets_a_verdict(field: str, text: str | None) -> None:
    checked = check_contact(**(GOOD | {field: text}))
    for finding in checked.findings:
        assert wording.describe(finding.kind, finding.evidence)
    for note in checked.notes:
        assert wording.describe_note(note.kind, note.evidence)


# --- the hash of the facts ---


def facts_of(**changed: Any) -> tuple[str, ...]:
    return contact.facts(**(GOOD | changed))


@pytest.mark.parametrize(
    "changed",
    [
        {"phone": "13900001235"},
        {"receiver": "王二"},
        {"province": "江苏省"},
        {"city": "宁波市"},
        {"district": "滨江区"},
        {"address": "文华路13号"},
        {"postcode": "310012"},
        {"notes": ("加急", None)},
        {"notes": (None, "加急")},
        {"receiver_known": False},
    ],
)
def test_every_fact_changes_the_hash(changed: dict[str, Any]) -> None:
    ring = Keyring.parse(pii.generate_key())
    assert contact.facts_hash(ring, facts_of(**changed)) != contact.facts_hash(ring, facts_of())


def test_the_hash_ignores_blanks_and_needs_the_key() -> None:
    ring, other = Keyring.parse(pii.generate_key()), Keyring.parse(pii.generate_key())
    assert contact.facts_hash(ring, facts_of(receiver=" 王一 ")) == contact.facts_hash(ring, facts_of())
    assert contact.facts_hash(ring, facts_of(postcode="")) == contact.facts_hash(
        ring, facts_of(postcode=None)
    )
    assert contact.facts_hash(ring, facts_of()) != contact.facts_hash(other, facts_of())


# --- words ---


@pytest.mark.parametrize(
    ("kind", "evidence", "chinese", "english"),
    [
        (
            "mismatch",
            {"left": "江苏省", "right": "杭州市", "level": "city"},
            "地址矛盾：江苏省 ≠ 杭州市",
            "Address mismatch: 江苏省 ≠ 杭州市",
        ),
        (
            "bad_phone",
            {"problem": "length", "digits": 10},
            "电话无效：号码共 10 位，手机号应为 11 位",
            "Bad phone: the number has 10 digits, a mobile has 11",
        ),
        (
            "bad_phone",
            {"problem": "empty"},
            "电话无效：没有填写电话",
            "Bad phone: no phone was given",
        ),
        (
            "missing_detail",
            {"have": "road"},
            "地址不全：只有路名，没有门牌号",
            "Detail missing: only a road, no house number",
        ),
        (
            "suspicious",
            {"word": "转运仓", "where": "address"},
            "可疑订单：地址里有「转运仓」",
            "Suspicious: the address contains “转运仓”",
        ),
    ],
)
def test_findings_in_words(kind: str, evidence: dict[str, Any], chinese: str, english: str) -> None:
    assert wording.describe(kind, evidence) == chinese
    assert wording.describe(kind, evidence, "en") == english


def test_every_problem_and_every_kind_of_detail_has_its_sentence() -> None:
    sentences = [
        wording.describe("bad_phone", {"problem": problem, "digits": 9}, lang)
        for problem in ("empty", "masked", "length", "form", "landline", "region")
        for lang in ("zh-CN", "en")
    ] + [
        wording.describe("missing_detail", {"have": have}, lang)
        for have in ("district", "town", "road", "estate", "building", "place")
        for lang in ("zh-CN", "en")
    ]
    assert len(set(sentences)) == len(sentences)
    assert not any("{" in sentence for sentence in sentences)


def test_a_word_with_braces_is_not_a_placeholder() -> None:
    assert "{where}" in wording.describe("suspicious", {"word": "{where}", "where": "remark"})


# --- speed ---


def test_a_large_import_is_checked_in_seconds() -> None:
    """20,000 orders import in 30 s; the checks may take 10 s of processor time (product decision)."""
    check_contact(**GOOD)  # builds the index once
    start = time.process_time()
    for number in range(2_000):
        check_contact(
            **(
                GOOD
                | {
                    "phone": f"1390000{number:04d}",
                    "province": None,
                    "city": None,
                    "district": None,
                    "address": f"浙江杭州市西湖区文华路{number}号云栖府3栋2单元501室",
                    "notes": ("请尽快发货，放单元门口", None),
                }
            )
        )
    assert time.process_time() - start < 1.0
