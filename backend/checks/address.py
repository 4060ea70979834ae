"""Where does an address lie, and do its names belong together?

Names are read at the head of the text only, in the order province, city, district: a road, an
estate or a village that carries the name of another district never accuses a buyer. What is unknown
(development zones, new districts) is no contradiction; renamed and abolished districts lead to a
note.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache

from backend.checks import divisions
from backend.checks.divisions import Divisions, Place
from backend.checks.models import AddressParts, Contradiction, Note, ParsedAddress

_TRADITIONAL = str.maketrans(
    "號樓棟區縣鄉鎮鄰灣廣東門龍雲臺國際條層莊園環學華寧蘇貴慶陝遼黑內蒙蘭肅齊爾濱溝壩嶺橋倉運貨轉單測試發補",
    "号楼栋区县乡镇邻湾广东门龙云台国际条层庄园环学华宁苏贵庆陕辽黑内蒙兰肃齐尔滨沟坝岭桥仓运货转单测试发补",
)
# Format characters that arrive with text copied from chats and web pages (Unicode category Cf).
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]+"
)
_BLANKS = re.compile(r"\s+")
_SEPARATORS = " \t\r\n,，、/|-_·;；:："
_POSTCODE = re.compile(r"\(\s*(\d{6})\s*\)\s*$")
_SUFFIXED = re.compile(r"(?:区|县|市|旗|盟|州)$")
# What may follow a name that is really the name of a road, a building or an institution.
_PLACE_TAIL = re.compile(
    r"^(?:[东西南北中内外]|[一二三四五六七八九十])?(?:路|街|大街|大道|道|巷|弄|胡同|里|村|桥|大厦|广场|公寓|花园|小区|新村|饭店|酒店"
    r"|宾馆|大学|银行|商|公园|医院|中学|小学|厂|公司|门|站|湾|庄|园|城|府|苑|镇|乡)"
)
_NOT_THE_DIVISION = re.compile(
    r"^(?:路|街|大道|道|巷|弄|胡同|里弄|场|大厦|商厦|广场|公寓|花园|饭店|酒店|宾馆|大学|域|划)"
)
_COUNTY_TAIL = re.compile(r"^(?:城|委|政府|医院|一中|二中|中学|道)")
_ZONE = re.compile(
    r"^[\u4e00-\u9fff]{0,6}?(?:经济技术开发区|高新技术产业开发区|高新技术开发区|经济开发区|高新区|经开区|开发区|综合保税区|保税区|示范区|新区)"
)
_TOWN = re.compile(
    r"^(?P<town>[\u4e00-\u9fff]{1,9}?(?:街道办事处|街道办|街道|地区办事处|民族乡|苏木|[^水故梦老家原仙美]乡|[^古小乡老城水]镇))"
    r"(?!路|街|大街|大道|村|花园|小区|政府|医院|中学|小学|卫生院|\d+号(?!楼))"
)
_OLD_TOWN = re.compile(
    r"^(?P<town>古镇镇|[\u4e00-\u9fff]{1,4}(?:古镇|城镇|小镇))(?!路|街|大道|村|政府|医院|中学|小学)"
)


@dataclass(frozen=True, slots=True)
class Head:
    """Names as written at the head of a free text, and where the rest begins."""

    province: str = ""
    city: str = ""
    district: str = ""
    end: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """Names resolved to divisions."""

    province: str | None = None
    city: str | None = None
    district: str | None = None
    contradiction: Contradiction | None = None
    notes: tuple[Note, ...] = ()


def tidy(text: str | None) -> str:
    """Full-width and common traditional forms unified, invisible characters dropped, blanks collapsed."""
    value = unicodedata.normalize("NFKC", text or "").translate(_TRADITIONAL)
    value = _BLANKS.sub(" ", _INVISIBLE.sub("", value)).strip().strip("'\"").strip()
    return "" if value in {"-", "--", "/", "\\"} else value


def parse(
    *,
    province: str | None = None,
    city: str | None = None,
    district: str | None = None,
    address: str | None = None,
    postcode: str | None = None,
) -> ParsedAddress:
    """Recognise an address from columns, free text or both; columns win, the text fills what they lack."""
    columns = Head(tidy(province), tidy(city), tidy(district))
    text = tidy(address)
    found = _POSTCODE.search(text)
    if found:
        text = text[: found.start()].rstrip()
    head = read_head(text)
    if columns.province or columns.city or columns.district:
        judged, rest = _with_columns(columns, head, text)
    else:
        judged, rest = judge(head), text[head.end :]
    town, detail = split_town(rest.strip(_SEPARATORS))
    code = tidy(postcode) or (found.group(1) if found else "")
    parts = AddressParts(judged.province, judged.city, judged.district, town, detail, code or None)
    return ParsedAddress(parts, judged.contradiction, judged.notes)


def split_town(rest: str) -> tuple[str | None, str]:
    """Cut a leading street office, town or township off the detail."""
    zone = _ZONE.match(rest)
    if zone and len(rest) > zone.end():
        rest = rest[zone.end() :].lstrip(_SEPARATORS)
    found = _TOWN.match(rest) or _OLD_TOWN.match(rest)
    if not found:
        return None, rest
    return found.group("town"), rest[found.end() :].lstrip(_SEPARATORS)


def _with_columns(columns: Head, head: Head, text: str) -> tuple[Judged, str]:
    judged = judge(columns)
    if not judged.city and not columns.city and head.city and _agrees(judged, head):
        columns = replace(columns, city=head.city, district=columns.district or head.district)
        judged = judge(columns)
    elif not columns.district and head.district and _same_city(judged, head):
        columns = replace(columns, district=head.district)
        judged = judge(columns)
    rest = _strip_repeated(text, columns, judged)
    clash = None if judged.contradiction else _text_against_columns(judged, head)
    if clash:
        return replace(judged, contradiction=clash), text[head.end :]
    return judged, rest


def _agrees(judged: Judged, head: Head) -> bool:
    place = _resolve_city(head.city, judged.province)
    return place is not None and judged.province in {None, place.province}


def _same_city(judged: Judged, head: Head) -> bool:
    place = _resolve_city(head.city, judged.province) if head.city else None
    return place is not None and place.city == judged.city


def _text_against_columns(judged: Judged, head: Head) -> Contradiction | None:
    """Free text may repeat the columns; where it plainly names another city, it contradicts them."""
    index = divisions.load()
    place = index.cities.get(head.city) or (
        index.city_short.get(head.city) if head.province and head.district else None
    )
    if place is None or judged.city is None or place.city == judged.city:
        return None
    if not (
        head.district in index.districts.get(place.city, {})
        or index.provinces.get(head.province) == place.province
    ):
        return None
    if _moved(judged.city, head.district, index) or _moved(place.city, head.district, index):
        return None
    return Contradiction(judged.city, place.city, "city")


def _moved(city: str, district: str, index: Divisions) -> bool:
    return (city, district) in index.legacy


def _strip_repeated(text: str, columns: Head, judged: Judged) -> str:
    """Drop the names of the columns where the text begins with them once more."""
    names = {columns.province, columns.city, columns.district, judged.province, judged.city, judged.district}
    full = sorted((name for name in names if name and len(name) >= 2), key=len, reverse=True)
    short = [name for name in map(divisions.stem, full) if len(name) >= 2]
    rest = text.lstrip(_SEPARATORS)
    for _ in range(6):
        for name in (*full, *short):
            after = rest[len(name) :]
            if rest.startswith(name) and _is_repetition(name in full, after, (*full, *short)):
                rest = after.lstrip(_SEPARATORS)
                break
        else:
            break
    return rest


def _is_repetition(full: bool, after: str, names: tuple[str, ...]) -> bool:
    """A full name stands alone; a short one only before another name or a separator (保定学院 is no city)."""
    if full:
        return not _NOT_THE_DIVISION.match(after)
    return not after or after[0] in _SEPARATORS or after.startswith(names)


def read_head(text: str) -> Head:
    """Read province, city and district at the beginning of a free text, spaced or run together."""
    province, pos = _take_province(text)
    city, pos = _take_city(text, _skip(text, pos), province)
    index = divisions.load()
    canonical = index.provinces.get(province, "")
    if city and canonical in divisions.MUNICIPALITIES:
        again, pos = _take_city(text, _skip(text, pos), province)
        city = again or city
    district, pos = _take_district(text, _skip(text, pos), canonical, city)
    return Head(province, city, district, pos)


def _skip(text: str, pos: int) -> int:
    while pos < len(text) and text[pos] in _SEPARATORS:
        pos += 1
    return pos


def _ends(text: str, pos: int) -> bool:
    return pos >= len(text) or text[pos] in _SEPARATORS


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
        return ("", pos) if _NOT_THE_DIVISION.match(after) else (name, pos + size)
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
        and not _NOT_THE_DIVISION.match(after)
        and (cities[name].province == province or _begins_with_district(after, name))
        for name, after in names
    )


def _take_city(text: str, pos: int, province: str) -> tuple[str, int]:
    index = divisions.load()
    canonical = index.provinces.get(province, "")
    for size in range(min(12, len(text) - pos), 1, -1):
        name, after = text[pos : pos + size], text[pos + size :]
        if name in index.generic_cities and size >= 3:
            return name, pos + size
        if name in index.cities:
            is_road = _NOT_THE_DIVISION.match(after) and not _begins_with_district(after, name)
            blocked = is_road and not _begins_with_any_district(after)
            return ("", pos) if blocked else (name, pos + size)
        if any(home.province == canonical for home in index.homes.get(name, ())):
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
            bool(_SUFFIXED.search(name))
            or not _PLACE_TAIL.match(after)
            or _begins_with_district(after, place.city)
        )
    return _begins_with_district(after, place.city)


def _begins_with_district(text: str, city: str) -> bool:
    text = text.lstrip(_SEPARATORS)
    names = divisions.load().districts.get(city, {})
    return any(
        text[:size] in names and not _NOT_THE_DIVISION.match(text[size:])
        for size in range(min(15, len(text)), 1, -1)
    )


def _begins_with_any_district(text: str) -> bool:
    """路北区, 道县: a district may begin like a road."""
    homes = divisions.load().homes
    return any(
        text[:size] in homes and _SUFFIXED.search(text[:size]) for size in range(min(15, len(text)), 1, -1)
    )


def _take_district(text: str, pos: int, province: str, city: str) -> tuple[str, int]:
    place = _resolve_city(city, province or None) if city else None
    if place is None and province in divisions.load().cities:
        place = Place(province, province)
    candidates = [
        (text[pos : pos + size], text[pos + size :])
        for size in range(min(15, len(text) - pos), 1, -1)
        if not _NOT_THE_DIVISION.match(text[pos + size :])
    ]
    for fits in (_is_listed, _was_listed, _is_district_elsewhere):
        for name, after in candidates:
            if fits(name, after, place, province):
                return name, pos + len(name)
    return _unknown_district(text, pos) if place else ("", pos)


def _is_listed(name: str, after: str, place: Place | None, province: str) -> bool:
    index = divisions.load()
    if place is None:
        homes = index.homes.get(name, ()) if _SUFFIXED.search(name) else ()
        return any(not province or home.province == province for home in homes)
    return name in index.districts.get(place.city, {})


def _was_listed(name: str, after: str, place: Place | None, province: str) -> bool:
    """Renamed, or raised from county to district: 萧山市 for 萧山区."""
    index = divisions.load()
    if place is None:
        return False
    same_stem = _SUFFIXED.search(name) and divisions.stem(name) in index.stems.get(place.city, {})
    return (place.city, name) in index.legacy or bool(same_stem)


def _is_district_elsewhere(name: str, after: str, place: Place | None, province: str) -> bool:
    index = divisions.load()
    if not _SUFFIXED.search(name) or name in index.generic_districts or name in index.colloquial:
        return False
    return (name in index.homes or name in index.legacy_homes) and not _COUNTY_TAIL.match(after)


def _unknown_district(text: str, pos: int) -> tuple[str, int]:
    """A development zone, or a word of its own that ends like a district: kept apart, never judged."""
    word = re.match(r"[\u4e00-\u9fff]{2,10}(?:区|县|市|旗)(?= )", text[pos:])
    zone = _ZONE.match(text[pos:])
    found = word or (zone if zone and len(zone.group()) <= 10 else None)
    if not found or (
        word and re.search(r"(?:小区|社区|园区|景区|校区|厂区|院区|库区|市场区)$", word.group())
    ):
        return "", pos
    return found.group(), pos + found.end()


@lru_cache(maxsize=4096)
def _resolve_city(name: str, province: str | None) -> Place | None:
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
    return homes[0] if homes and _SUFFIXED.search(name) else None


def judge(names: Head) -> Judged:
    """Resolve written names and find the first contradiction between them."""
    index = divisions.load()
    province = index.provinces.get(names.province) or index.province_codes.get(names.province.upper())
    place = _resolve_city(names.city, province)
    if place is None and province is None and names.province:
        place = _resolve_city(names.province, None)  # the city stands in the province column
    clash: Contradiction | None = None
    if place and province and place.province != province:
        clash = Contradiction(
            province, place.district or place.city, "district" if place.district else "city"
        )
    if place is None and province in index.cities and province:
        place = Place(province, province)
    if place is None:
        return _judge_without_city(names, province)
    judged = _judge_district(names, place)
    city, clash = judged.city or place.city, clash or judged.contradiction
    notes = (*_renamed_city(names.city, place), *judged.notes)
    return Judged(province or place.province, city, judged.district, clash, notes)


def _judge_without_city(names: Head, province: str | None) -> Judged:
    """Province and district only: the district may tell the city, or belong to no city of the province."""
    index = divisions.load()
    homes = index.homes.get(names.district, ())
    if not homes or not _SUFFIXED.search(names.district) or names.district in index.generic_districts:
        return Judged(province)
    local = [home for home in homes if province in {None, home.province}]
    if not local:
        old = any(place.province == province for place in index.legacy_homes.get(names.district, ()))
        clash = None if old or not province else Contradiction(province, names.district, "district")
        return Judged(province, None, None if clash else names.district, clash)
    if len({home.city for home in local}) == 1:
        return Judged(local[0].province, local[0].city, local[0].district)
    same_province = {home.province for home in local}
    return Judged(
        province or (same_province.pop() if len(same_province) == 1 else None), None, names.district
    )


def _judge_district(names: Head, place: Place) -> Judged:
    index = divisions.load()
    name = names.district
    old = index.legacy.get((names.city, name)) or index.legacy.get((place.city, name))
    if old:
        return Judged(city=old.city, district=old.district or None, notes=(_renamed(name, old),))
    if (
        not name
        or name in index.generic_districts
        or name in {place.city, names.city, names.province, place.province}
    ):
        return Judged(district=place.district or index.districts.get(place.city, {}).get(name))
    known = index.districts.get(place.city, {}).get(name)
    if known:
        return _inside_county_city(known, place)
    same_stem = index.stems.get(place.city, {}).get(divisions.stem(name))
    if same_stem:
        notes = (
            (_renamed(name, Place(place.province, place.city, same_stem)),) if _SUFFIXED.search(name) else ()
        )
        return Judged(district=same_stem, notes=notes)
    if _exists_elsewhere(name, place):
        return Judged(
            district=place.district or None, contradiction=Contradiction(place.city, name, "district")
        )
    return Judged(district=place.district or None, notes=(Note("unknown_district"),))


def _inside_county_city(known: str, place: Place) -> Judged:
    """A county-level city in the city column has no districts of its own prefecture below it."""
    if place.district and place.district != known and _SUFFIXED.search(known):
        return Judged(district=place.district, contradiction=Contradiction(place.district, known, "district"))
    return Judged(district=place.district or known)


def _exists_elsewhere(name: str, place: Place) -> bool:
    index = divisions.load()
    if name in index.cities and name != place.city:
        return True
    return bool(_SUFFIXED.search(name)) and (name in index.homes or name in index.legacy_homes)


def _renamed_city(written: str, place: Place) -> tuple[Note, ...]:
    """襄樊市 is 襄阳市 now; a short form or a county city is no rename."""
    if place.district or not written.endswith("市") or divisions.stem(written) == divisions.stem(place.city):
        return ()
    return (_renamed(written, place),)


def _renamed(old: str, now: Place) -> Note:
    return Note("renamed_district", {"old": old, "now": now.district or now.city})
