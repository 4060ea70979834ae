"""Reading province, city and district at the head of a free text, spaced or run together.

Names are taken in the order province, city, district and nowhere else: a road, an estate or a
village that carries the name of another district never accuses a buyer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from backend.checks import divisions
from backend.checks.divisions import Place
from backend.checks.text import SEPARATORS

_KINDS = "区县市旗盟州"
SUFFIXED = re.compile(rf"[{_KINDS}]$")
# What may follow a name that is really the name of a road, a building or an institution.
_PLACE_TAIL = re.compile(
    r"^(?:[东西南北中内外]|[一二三四五六七八九十])?(?:路|街|大街|大道|道|巷|弄|胡同|里|村|桥|大厦|广场|公寓|花园|小区|新村|饭店|酒店"
    r"|宾馆|大学|银行|商|公园|医院|中学|小学|厂|公司|门|站|湾|庄|园|城|府|苑|镇|乡)"
)
NOT_THE_DIVISION = re.compile(
    r"^(?:路|街|大道|道|巷|弄|胡同|里弄|场|大厦|商厦|广场|公寓|花园|饭店|酒店|宾馆|大学|域|划)"
)
# The Xinjiang corps writes its divisions between province and city.
_CORPS = re.compile(r"\s*(?:新疆)?(?:生产建设)?兵团\s*(?:第?[一二三四五六七八九十\d]+师)?")
_COUNTY_TAIL = re.compile(r"^(?:城|委|政府|医院|一中|二中|中学|道)")
ZONE = re.compile(
    r"^[\u4e00-\u9fff]{0,6}?(?:经济技术开发区|高新技术产业开发区|高新技术开发区|经济开发区|高新区|经开区|开发区|综合保税区|保税区|示范区|新区)(?!花园|家园|小区|公寓|大厦|广场|路|街|大道|中学|小学|医院|管委会|政府|域|村)"
)


@dataclass(frozen=True, slots=True)
class Head:
    """Names as written at the head of a free text, and where the rest begins."""

    province: str = ""
    city: str = ""
    district: str = ""
    end: int = 0


def read_head(text: str) -> Head:
    """Read province, city and district at the beginning of a free text, spaced or run together."""
    province, pos = _take_province(text)
    corps = _CORPS.match(text, pos)
    pos = corps.end() if corps else pos
    city, pos = _take_city(text, _skip(text, pos), province)
    index = divisions.load()
    canonical = index.provinces.get(province, "")
    if city and canonical in divisions.MUNICIPALITIES:
        again, pos = _take_city(text, _skip(text, pos), province)
        city = again or city
    district, pos = _take_district(text, _skip(text, pos), canonical, city)
    return Head(province, city, district, pos)


def _skip(text: str, pos: int) -> int:
    while pos < len(text) and text[pos] in SEPARATORS:
        pos += 1
    return pos


def _ends(text: str, pos: int) -> bool:
    return pos >= len(text) or text[pos] in SEPARATORS


def _take_province(text: str) -> tuple[str, int]:
    index = divisions.load()
    pos = 2 if text.startswith("中国") and text[2:4] not in {"香港", "澳门", "台湾"} else 0
    pos = _skip(text, pos)
    for size in range(min(9, len(text) - pos), 1, -1):
        name = text[pos : pos + size]
        canonical = index.provinces.get(name)
        if canonical is None:
            continue
        after = text[pos + size :]
        if name != canonical and _longer_city(text, pos, size):
            return "", pos
        if name != canonical and _PLACE_TAIL.match(after) and not _begins_with_city(after, canonical):
            return "", pos
        return ("", pos) if NOT_THE_DIVISION.match(after) else (name, pos + size)
    return "", pos


def _longer_city(text: str, pos: int, size: int) -> bool:
    """吉林市, 海南藏族自治州: a city whose name begins with that of a province."""
    index = divisions.load()
    names = (text[pos : pos + longer] for longer in range(size + 1, size + 10))
    return any(
        (name in index.cities and name not in divisions.MUNICIPALITIES) or name in {"海南州", "吉林地区"}
        for name in names
    )


def _begins_with_city(text: str, province: str) -> bool:
    """四川内江市, 广东中山市: what looks like the rest of a road name is a city."""
    cities = divisions.load().cities
    names = [(text[:size], text[size:]) for size in range(min(12, len(text)), 1, -1)]
    return any(
        name in cities
        and not NOT_THE_DIVISION.match(after)
        and (cities[name].province == province or _begins_with_district(after, name))
        for name, after in names
    )


def _take_city(text: str, pos: int, province: str) -> tuple[str, int]:
    index = divisions.load()
    if text[pos : pos + 2] not in index.beginnings:
        return "", pos
    canonical = index.provinces.get(province, "")
    for size in range(min(12, len(text) - pos), 1, -1):
        name, after = text[pos : pos + size], text[pos + size :]
        if name in index.generic_cities and size >= 3:
            return name, pos + size
        if name in index.cities:
            is_road = NOT_THE_DIVISION.match(after) and not _begins_with_district(after, name)
            blocked = is_road and not _begins_with_any_district(after)
            return ("", pos) if blocked else (name, pos + size)
        if name in index.homes and any(home.province == canonical for home in index.homes[name]):
            return "", pos  # a county where the city is left out: 湖南长沙县, 浙江义乌市
        place = index.city_short.get(name)
        if place and _short_city_fits(name, place, canonical, text, pos + size):
            return name, pos + size
    return "", pos


def _short_city_fits(name: str, place: Place, province: str, text: str, end: int) -> bool:
    """A city without its suffix counts only where nothing makes it part of another name."""
    after = text[end:]
    if place.province == province:
        return (
            bool(SUFFIXED.search(name))
            or not _PLACE_TAIL.match(after)
            or _begins_with_district(after, place.city)
        )
    return _begins_with_district(after, place.city)


def _begins_with_district(text: str, city: str) -> bool:
    text = text.lstrip(SEPARATORS)
    names = divisions.load().districts.get(city, {})
    return any(
        text[:size] in names and not NOT_THE_DIVISION.match(text[size:])
        for size in range(min(15, len(text)), 1, -1)
    )


def _begins_with_any_district(text: str) -> bool:
    """路北区, 道县: a district may begin like a road."""
    homes = divisions.load().homes
    return any(
        text[:size] in homes and SUFFIXED.search(text[:size]) for size in range(min(15, len(text)), 1, -1)
    )


def _take_district(text: str, pos: int, province: str, city: str) -> tuple[str, int]:
    place = resolve_city(city, province or None) if city else None
    if place is None and province in divisions.load().cities:
        place = Place(province, province)
    candidates = [
        (name, text[pos + len(name) :])
        for name in _district_names(text, pos, place.city if place else "")
        if not NOT_THE_DIVISION.match(text[pos + len(name) :])
    ]
    for fits in (_is_listed, _was_listed, _is_district_elsewhere):
        for name, after in candidates:
            if fits(name, after, place, province):
                return name, pos + len(name)
    return _unknown_district(text, pos) if place else ("", pos)


def _district_names(text: str, pos: int, city: str) -> list[str]:
    """What could be a district at this place, the longest first: it ends like one or the city knows it."""
    index = divisions.load()
    if text[pos : pos + 2] not in index.beginnings:
        return []
    known = index.districts.get(city, {})
    names = [text[pos : pos + size] for size in range(min(15, len(text) - pos), 1, -1)]
    return [name for name in names if name[-1] in _KINDS or name in known or (city, name) in index.legacy]


def _is_listed(name: str, after: str, place: Place | None, province: str) -> bool:
    index = divisions.load()
    if place is None:
        homes = index.homes.get(name, ()) if SUFFIXED.search(name) else ()
        return any(not province or home.province == province for home in homes)
    return name in index.districts.get(place.city, {})


def _was_listed(name: str, after: str, place: Place | None, province: str) -> bool:
    """Renamed, or raised from county to district: 萧山市 for 萧山区."""
    index = divisions.load()
    if place is None:
        return False
    same_stem = SUFFIXED.search(name) and divisions.stem(name) in index.stems.get(place.city, {})
    return (place.city, name) in index.legacy or bool(same_stem)


def _is_district_elsewhere(name: str, after: str, place: Place | None, province: str) -> bool:
    index = divisions.load()
    if not SUFFIXED.search(name) or name in index.generic_districts or name in index.colloquial:
        return False
    return (name in index.homes or name in index.legacy_homes) and not _COUNTY_TAIL.match(after)


def _unknown_district(text: str, pos: int) -> tuple[str, int]:
    """A development zone, or a word of its own that ends like a district: kept apart, never judged."""
    word = re.match(r"[\u4e00-\u9fff]{2,10}(?:区|县|市|旗)(?= )", text[pos:])
    zone = ZONE.match(text[pos:])
    found = word or (zone if zone and len(zone.group()) <= 10 else None)
    if not found or (
        word
        and re.search(
            r"(?:小|社|园|景|校|厂|院|库|工业|住宅|生活|家属|别墅|商业|服务|保护|矿|林|牧|安置|居住|营)区$|(?:超|菜|城|夜|门|集)市$",
            word.group(),
        )
    ):
        return "", pos
    return found.group(), pos + found.end()


@lru_cache(maxsize=4096)
def resolve_city(name: str, province: str | None) -> Place | None:
    """The city that a written name means; county-level cities in the city column carry their district."""
    index = divisions.load()
    if not name or name in index.generic_cities:
        return None
    homes = index.homes.get(name, ())
    local = [home for home in homes if home.province == province]
    direct = index.cities.get(name) or index.city_short.get(name) or index.cities.get(name + "市")
    if direct and (direct.province == province or not local):
        return direct
    if local:
        return local[0]
    return homes[0] if homes and SUFFIXED.search(name) else None
