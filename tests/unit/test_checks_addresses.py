"""Addresses: a labelled table of traps, and every division of the index as platforms write it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.checks import address, detail, divisions
from backend.checks.contact import check_contact
from backend.checks.models import Checked, ParsedAddress

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "checks" / "addresses.json").read_text("utf-8")
)["cases"]
# Roads that carry the names of other cities and districts: none of them may accuse anybody.
ROADS = (
    "学府路115号云栖府11栋2单元1103室",
    "北京路12号",
    "中山路5号幸福里6栋2单元1002室",
    "南京西路88号",
    "朝阳路183号",
    "西湖大道1号锦绣家园3栋",
    "市中路6号",
    "县城东路22号",
    "长安街8号",
    "科技三路247号",
    "和平里7号楼2单元301",
    "南山村3组",
    "区政府路5号",
)
Row = tuple[str, str, str]


def checked(case: dict[str, Any]) -> Checked:
    return check_contact(
        phone="13900001234",
        receiver="王一",
        province=case.get("province"),
        city=case.get("city"),
        district=case.get("district"),
        address=case["address"],
    )


# --- the labelled table ---


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_labelled_address(case: dict[str, Any]) -> None:
    found = sorted(finding.kind for finding in checked(case).findings)
    assert found == sorted(case["expect"]), case["why"]


@pytest.mark.parametrize("case", [c for c in CASES if "renamed" in c["id"]], ids=lambda case: case["id"])
def test_a_renamed_district_is_noted(case: dict[str, Any]) -> None:
    assert "renamed_district" in {note.kind for note in checked(case).notes}, case["why"]


@pytest.mark.parametrize("case", [c for c in CASES if c["id"].startswith("ok-")], ids=lambda case: case["id"])
def test_a_current_address_is_not_called_renamed(case: dict[str, Any]) -> None:
    assert "renamed_district" not in {note.kind for note in checked(case).notes}, case["why"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("浙江杭州市西湖区文华路12号(310012)", ("浙江省", "杭州市", "西湖区", None, "文华路12号", "310012")),
        ("北京朝阳区建国路88号", ("北京市", "北京市", "朝阳区", None, "建国路88号", None)),
        ("江苏省 昆山市 玉山镇 前进中路12号", ("江苏省", "苏州市", "昆山市", "玉山镇", "前进中路12号", None)),
        ("广东东莞市虎门镇滨江大道284号", ("广东省", "东莞市", "虎门镇", None, "滨江大道284号", None)),
        ("湖北仙桃市沙嘴街道仙桃大道12号", ("湖北省", "仙桃市", None, "沙嘴街道", "仙桃大道12号", None)),
        ("内蒙古包头市东河区南湖路173号", ("内蒙古自治区", "包头市", "东河区", None, "南湖路173号", None)),
        ("眉山市东坡区文化路87号", ("四川省", "眉山市", "东坡区", None, "文化路87号", None)),
        ("昆山市前进中路12号", ("江苏省", "苏州市", "昆山市", None, "前进中路12号", None)),
        ("文华路12号", (None, None, None, None, "文华路12号", None)),
        ("", (None, None, None, None, "", None)),
    ],
)
def test_parts_are_canonical(text: str, parts: tuple[str | None, ...]) -> None:
    found = address.parse(address=text).parts
    assert (found.province, found.city, found.district, found.town, found.detail, found.postcode) == parts


def test_a_county_that_moved_is_placed_in_its_present_city() -> None:
    found = address.parse(province="安徽省", city="巢湖市", district="和县", address="历阳中路12号").parts
    assert (found.city, found.district) == ("马鞍山市", "和县")


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("江苏省杭州市西湖区文华路12号", {"left": "江苏省", "right": "杭州市", "level": "city"}),
        ("浙江杭州市天河区体育西路12号", {"left": "杭州市", "right": "天河区", "level": "district"}),
        ("浙江昆山市前进中路12号", {"left": "浙江省", "right": "昆山市", "level": "district"}),
        ("浙江省 昆山市 玉山镇 前进中路12号", {"left": "浙江省", "right": "昆山市", "level": "district"}),
    ],
)
def test_evidence_names_the_two_words_that_clash(text: str, evidence: dict[str, str]) -> None:
    findings = checked({"address": text}).findings
    assert [dict(finding.evidence) for finding in findings] == [evidence]


@pytest.mark.parametrize(
    ("code", "province"),
    [("ZJ", "浙江省"), ("Zhejiang", "浙江省"), ("xj", "新疆维吾尔自治区"), ("HK", "香港特别行政区")],
)
def test_codes_and_latin_names_of_shop_systems_tell_the_province(code: str, province: str) -> None:
    assert address.parse(province=code, address="88 Wensan Road").parts.province == province


# --- every division ---


@lru_cache(maxsize=1)
def every_row() -> list[Row]:
    index = divisions.load()
    rows = {(place.province, place.city, place.district) for homes in index.homes.values() for place in homes}
    return sorted(rows | {(place.province, place.city, "") for place in index.cities.values()})


def short(province: str) -> str:
    names = [name for name, canonical in divisions.load().provinces.items() if canonical == province]
    return "内蒙古" if province.startswith("内蒙古") else min(names, key=len)


def forms(row: Row, road: str) -> Iterator[ParsedAddress]:
    province, city, district = row
    yield address.parse(address=f"{province} {city} {district} {road}(000000)")
    yield address.parse(address=f"{province}{city}{district}{road}")
    yield address.parse(address=f"{short(province)}{city}{district}{road}")
    yield address.parse(address=f"{city}{district}{road}")
    yield address.parse(province=province, city=city, district=district, address=road)
    yield address.parse(province=short(province), city=city, district=district or None, address=road)
    yield address.parse(
        province=province, city=city, district=district, address=f"{province}{city}{district}{road}"
    )


def test_every_division_is_recognised_in_every_form() -> None:
    random, wrong = Random(7), []
    for row in every_row():
        road = random.choice(ROADS)
        for parsed in forms(row, road):
            parts = parsed.parts
            good = (parts.province, parts.city, parts.district or "") == row and parts.detail.endswith(road)
            if not good or parsed.contradiction or parsed.notes or detail.have(parts.detail, town=parts.town):
                wrong.append((row, road, parsed))
    assert len(every_row()) > 3600
    assert wrong == []


def test_every_district_contradicts_a_province_that_is_not_its_own() -> None:
    random, missed = Random(11), []
    provinces = sorted(set(divisions.load().provinces.values()))
    for province, city, district in every_row():
        if not district or divisions.is_municipality(city):
            continue
        other = random.choice([name for name in provinces if name != province])
        for parsed in forms((other, city, district), ROADS[0]):
            clash = parsed.contradiction
            if parsed.parts.province != province and (clash is None or clash.left != other):
                missed.append((other, city, district, parsed))
    assert missed == []


def test_every_district_contradicts_a_city_that_is_not_its_own() -> None:
    index, random, missed, tried = divisions.load(), Random(13), [], 0
    words = (
        index.generic_districts | index.colloquial
    )  # used for parts of any town: never an accusation in text
    for province, city, district in every_row():
        if not re.search(r"[区县市旗]$", district) or province == "台湾省" or district in words:
            continue
        other = index.cities[random.choice(sorted(index.cities))]
        if other.city == city or divisions.stem(district) in index.stems.get(other.city, {}):
            continue
        if (other.city, district) in index.legacy or district in index.districts.get(other.city, {}):
            continue
        tried += 1
        row = (other.province, other.city, district)
        for parsed in (
            address.parse(address=f"{other.province} {other.city} {district} {ROADS[0]}"),
            address.parse(address=f"{other.province}{other.city}{district}{ROADS[0]}"),
            address.parse(province=row[0], city=row[1], district=row[2], address=ROADS[0]),
        ):
            if parsed.contradiction is None:
                missed.append((row, parsed))
    assert tried > 2500
    assert missed == []


def test_every_legacy_name_leads_to_a_note_and_to_a_current_place() -> None:
    index = divisions.load()
    for (city, old), place in index.legacy.items():
        known = index.cities.get(city) or index.city_short.get(city) or place
        parsed = address.parse(province=known.province, city=city, district=old, address=ROADS[0])
        assert parsed.contradiction is None, (city, old)
        assert {note.kind for note in parsed.notes} >= {"renamed_district"}, (city, old)
        assert not place.district or place.district in index.districts[place.city], (city, old)


# --- robustness ---


@settings(deadline=None)
@given(
    text=st.text(
        st.sampled_from("浙江省杭州市西湖区江苏南京北上海路街道镇村组号楼栋123 -()（），A*某X"), max_size=40
    ),
    given_city=st.sampled_from([None, "", "杭州市", "南京", "昆山市", "-"]),
)
def test_any_mixture_of_names_is_parsed_without_a_crash(text: str, given_city: str | None) -> None:
    parsed = address.parse(city=given_city, address=text)
    assert len(parsed.parts.detail) <= len(text) + 20
    assert detail.have(parsed.parts.detail, town=parsed.parts.town) in {
        None, "district", "town", "road", "estate", "building", "place",
    }  # fmt: skip


@settings(deadline=None)
@given(text=st.text(max_size=200))
def test_any_unicode_is_parsed_without_a_crash(text: str) -> None:
    address.parse(province=text, city=text, district=text, address=text, postcode=text)
    address.parse(address=text * 3)
