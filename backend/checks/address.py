"""Where does an address lie, and do its names belong together?

Names are read at the head of the text only, in the order province, city, district: a road, an
estate or a village that carries the name of another district never accuses a buyer. What is unknown
(development zones, new districts) is no contradiction; renamed and abolished districts lead to a
note.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from backend.checks import divisions
from backend.checks.divisions import Divisions, Place
from backend.checks.heads import NOT_THE_DIVISION, SUFFIXED, ZONE, Head, read_head, resolve_city
from backend.checks.models import AddressParts, Contradiction, Note, ParsedAddress
from backend.checks.text import SEPARATORS, tidy

_POSTCODE = re.compile(r"\(\s*(\d{6})\s*\)\s*$")
_TOWN = re.compile(
    r"^(?P<town>[\u4e00-\u9fff]{1,9}?(?:街道办事处|街道办|街道|地区办事处|民族乡|苏木|[^水故梦老家原仙美]乡|[^古小乡老城水]镇))"
    r"(?!路|街|大街|大道|村|花园|小区|政府|医院|中学|小学|卫生院|\d+号(?!楼))"
)
_OLD_TOWN = re.compile(
    r"^(?P<town>古镇镇|[\u4e00-\u9fff]{1,3}城镇)(?!路|街|大道|村|花园|小区|政府|医院|中学|小学)"
)


@dataclass(frozen=True, slots=True)
class Judged:
    """Names resolved to divisions."""

    province: str | None = None
    city: str | None = None
    district: str | None = None
    contradiction: Contradiction | None = None
    notes: tuple[Note, ...] = ()


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
    head, text = _find_head(text)
    if columns.province or columns.city or columns.district:
        judged, rest = _with_columns(columns, head, text)
    else:
        judged, rest = judge(head), text[head.end :]
    town, detail = split_town(rest.strip(SEPARATORS))
    code = tidy(postcode) or (found.group(1) if found else "")
    parts = AddressParts(judged.province, judged.city, judged.district, town, detail, code or None)
    return ParsedAddress(parts, judged.contradiction, judged.notes)


def _find_head(text: str) -> tuple[Head, str]:
    """The names at the head, also behind a label or a receiver (收货地址：浙江省…)."""
    head = read_head(text)
    if head.province or head.city or head.district:
        return head, text
    for gap in list(re.finditer(r"[\s,，;；:：]+", text[:40]))[:4]:
        later = read_head(text[gap.end() :])
        if later.province and later.city:
            return later, text[gap.end() :]
    return head, text


def split_town(rest: str) -> tuple[str | None, str]:
    """Cut a leading street office, town or township off the detail."""
    zone = ZONE.match(rest)
    if zone and len(rest) > zone.end():
        rest = rest[zone.end() :].lstrip(SEPARATORS)
    found = _TOWN.match(rest) or _OLD_TOWN.match(rest)
    if not found:
        return None, rest
    return found.group("town"), rest[found.end() :].lstrip(SEPARATORS)


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
    place = resolve_city(head.city, judged.province)
    return place is not None and judged.province in {None, place.province}


def _same_city(judged: Judged, head: Head) -> bool:
    place = resolve_city(head.city, judged.province) if head.city else None
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
    rest = text.lstrip(SEPARATORS)
    for _ in range(6):
        for name in (*full, *short):
            after = rest[len(name) :]
            if rest.startswith(name) and _is_repetition(name in full, after, (*full, *short)):
                rest = after.lstrip(SEPARATORS)
                break
        else:
            break
    return rest


def _is_repetition(full: bool, after: str, names: tuple[str, ...]) -> bool:
    """A full name stands alone; a short one only before another name or a separator (保定学院 is no city)."""
    if full:
        return not NOT_THE_DIVISION.match(after)
    return not after or after[0] in SEPARATORS or after.startswith(names)


@lru_cache(maxsize=4096)  # the same regions come again and again
def judge(names: Head) -> Judged:
    """Resolve written names and find the first contradiction between them."""
    index = divisions.load()
    province = index.provinces.get(names.province) or index.province_codes.get(names.province.upper())
    place = resolve_city(names.city, province)
    if place is None and province is None and names.province:
        place = resolve_city(names.province, None)  # the city stands in the province column
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
    if not homes or not SUFFIXED.search(names.district) or names.district in index.generic_districts:
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
            (_renamed(name, Place(place.province, place.city, same_stem)),) if SUFFIXED.search(name) else ()
        )
        return Judged(district=same_stem, notes=notes)
    if _exists_elsewhere(name, place):
        return Judged(
            district=place.district or None, contradiction=Contradiction(place.city, name, "district")
        )
    return Judged(district=place.district or None, notes=(Note("unknown_district"),))


def _inside_county_city(known: str, place: Place) -> Judged:
    """A county-level city in the city column has no districts of its own prefecture below it."""
    if place.district and place.district != known and SUFFIXED.search(known):
        return Judged(district=place.district, contradiction=Contradiction(place.district, known, "district"))
    return Judged(district=place.district or known)


def _exists_elsewhere(name: str, place: Place) -> bool:
    index = divisions.load()
    if name in index.cities and name != place.city:
        return True
    return bool(SUFFIXED.search(name)) and (name in index.homes or name in index.legacy_homes)


def _renamed_city(written: str, place: Place) -> tuple[Note, ...]:
    """襄樊市 is 襄阳市 now; a short form or a county city is no rename."""
    if place.district or not written.endswith("市") or divisions.stem(written) == divisions.stem(place.city):
        return ()
    return (_renamed(written, place),)


def _renamed(old: str, now: Place) -> Note:
    return Note("renamed_district", {"old": old, "now": now.district or now.city})
