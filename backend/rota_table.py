"""The rota as a table of people × dates: the words of its cells, files and pasted text in, files out.

A cell reads 早班, 早班（主）, 早班（副）, 早班+晚班, 休, 请假 or nothing; English words are understood too.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Final

from backend.errors import AppError
from backend.imports.reader import open_table
from backend.rota import OPEN, Cell, Duty, Person, Place, Rota, Shift

MOST_ROWS: Final = 500
MOST_BYTES: Final = 5 * 1024 * 1024
_WORDS: Final = {
    "zh-CN": {"rest": "休", "leave": "请假", "lead": "（主）", "deputy": "（副）"},
    "en": {"rest": "off", "leave": "leave", "lead": " (lead)", "deputy": " (deputy)"},
}
_REST: Final = frozenset({"休", "休息", "轮休", "off", "rest", "r", "x", "-", "—", "/"})
_LEAVE: Final = frozenset({"请假", "假", "事假", "病假", "年假", "调休", "leave", "holiday", "vacation"})
_LEAD: Final = frozenset({"主", "主管", "当班主管", "lead"})
_DEPUTY: Final = frozenset({"副", "副主管", "deputy"})
_NAME_HEADERS: Final = frozenset({"姓名", "名字", "成员", "员工", "name"})
_NUMBER_HEADERS: Final = frozenset({"工号", "员工编号", "编号", "staffno", "staffnumber", "staff"})
_PART: Final = re.compile(r"^(?P<shift>[^()]*?)\s*(?:\((?P<mark>[^()]*)\))?$")
_FULL_DATE: Final = re.compile(r"(20\d\d)[-/.年](\d{1,2})[-/.月](\d{1,2})")
_SHORT_DATE: Final = re.compile(r"^(\d{1,2})[-/.月](\d{1,2})(?!\d)")
_SERIAL: Final = re.compile(r"4\d{4}|5\d{4}")
_EXCEL_EPOCH: Final = date(1899, 12, 30)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a cell is not taken: row and column as the sheet shows them, key and params of rota.json."""

    row: int
    column: str
    key: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What was read: cells that can be planned, refused ones, how many people, and the dates."""

    wanted: Mapping[Place, Cell]
    refusals: tuple[Refusal, ...]
    people: int
    dates: tuple[date, ...]


class BadCell(Exception):  # noqa: N818 - a verdict on one cell, caught by its reader
    """The text means nothing here; `key` and `params` as in rota.json."""

    def __init__(self, key: str, **params: Any) -> None:
        super().__init__(key)
        self.key = key
        self.params = params


# Words of a cell -------------------------------------------------------------------------------------------


def text(cell: Cell, shifts: Sequence[Shift], lang: str) -> str:
    """A cell in words, as `parse` reads them; empty when nothing is planned."""
    words = _WORDS[lang]
    if cell.kind != "work":
        return words.get(cell.kind, "")
    labels = {shift.id: shift.label for shift in shifts}
    marks = {(True, False): words["lead"], (False, True): words["deputy"]}
    return "+".join(
        labels.get(duty.shift_id or 0, duty.name) + marks.get((duty.is_lead, duty.is_deputy), "")
        for duty in cell.duties
    )


def choices(shifts: Sequence[Shift], lang: str) -> list[str]:
    """The usual words of a cell, for a menu: rest, leave, each shift (as lead, as deputy), two of them."""
    words = _WORDS[lang]
    single = [shift.label + mark for shift in shifts for mark in ("", words["lead"], words["deputy"])]
    pairs = [f"{a.label}+{b.label}" for n, a in enumerate(shifts) for b in shifts[n + 1 :]]
    return [words["rest"], words["leave"], *single, *pairs]


def parse(raw: str, shifts: Sequence[Shift], before: Cell = OPEN) -> Cell:
    """The cell behind a text. The note, and how long a lead answers, stay as they were `before`.

    Raises BadCell: rota.cell.unknown, rota.cell.ambiguous, rota.cell.mark, rota.cell.twice.
    """
    plain = _plain(raw)
    if plain == "":
        return OPEN
    if plain in _REST or plain in _LEAVE:
        return Cell("rest" if plain in _REST else "leave", note=before.note)
    duties = tuple(_duty(part, shifts) for part in re.split(r"[+、,&]", plain))
    if len({duty.shift_id for duty in duties}) < len(duties):
        raise BadCell("rota.cell.twice", text=raw[:20])
    until = {(d.shift_id, d.is_lead, d.is_deputy): d.lead_until for d in before.duties}
    kept = (replace(d, lead_until=until.get((d.shift_id, d.is_lead, d.is_deputy))) for d in duties)
    return Cell("work", tuple(kept), before.note)


def _plain(raw: str) -> str:
    """Full-width signs and brackets as half-width ones, one blank at most, lower case."""
    return " ".join(unicodedata.normalize("NFKC", raw).split()).lower()


def _duty(part: str, shifts: Sequence[Shift]) -> Duty:
    found = _PART.match(part.strip())
    name = found["shift"] if found else part
    mark = (found["mark"] or "").strip() if found else ""
    if mark and mark not in _LEAD | _DEPUTY:
        raise BadCell("rota.cell.mark", text=mark[:20])
    shift = _shift(name, shifts)
    return Duty(shift.id, shift.name, mark in _LEAD, mark in _DEPUTY)


def _shift(name: str, shifts: Sequence[Shift]) -> Shift:
    """The shift of that label, else the only one that begins so: 早 is 早班."""
    wanted = _plain(name)
    exact = [shift for shift in shifts if _plain(shift.label) == wanted]
    alike = exact or [shift for shift in shifts if wanted and _plain(shift.label).startswith(wanted)]
    if len(alike) == 1:
        return alike[0]
    names = "、".join(shift.label for shift in alike or shifts)
    raise BadCell("rota.cell.ambiguous" if alike else "rota.cell.unknown", text=name[:20], names=names)


# Tables in -------------------------------------------------------------------------------------------------


def from_file(data: bytes, name: str, rota: Rota) -> Sheet:
    """Reads a CSV or XLSX file. Raises FileRefused (backend.imports) for what is no table, AppError like
    `from_text`.
    """
    if len(data) > MOST_BYTES:
        raise AppError("rota.file_large", params={"limit": MOST_BYTES // 1024 // 1024})
    rows = ((row.line, row.cells) for row in open_table(data, name=name).rows())
    return read(rows, rota)


def from_text(pasted: str, rota: Rota) -> Sheet:
    """Reads a table as copied out of a spreadsheet. Raises AppError rota.no_dates, bulk.too_many."""
    lines = pasted.replace("\r\n", "\n").replace("\r", "\n")
    tabbed = "\t" in lines
    try:
        rows = list(csv.reader(io.StringIO(lines), delimiter="\t" if tabbed else ","))
    except csv.Error as error:  # a quote that never ends
        raise AppError("rota.no_dates") from error
    return read(enumerate(rows, start=1), rota)


def read(rows: Iterable[tuple[int, Sequence[str]]], rota: Rota) -> Sheet:
    """Rows of text with their numbers: a header with dates, then a person a row, by staff number or name.

    Blank cells change nothing. Dates without a year are the ones nearest to the rota shown. Raises AppError
    rota.no_dates without a header, bulk.too_many above 500 rows.
    """
    columns: dict[int, date] = {}
    heads: Sequence[str] = ()
    wanted: dict[Place, Cell] = {}
    refusals: list[Refusal] = []
    people: set[int] = set()
    for count, (number, cells) in enumerate(rows):
        if count > MOST_ROWS:
            raise AppError("bulk.too_many", params={"limit": MOST_ROWS})
        if not columns:
            columns, heads = _dates(cells, rota), cells
            continue
        if not any(cell.strip() for cell in cells):
            continue
        person = _person(number, cells, heads, rota.people, refusals)
        if person:
            people.add(person.id)
            _take(number, cells, columns, person, rota, wanted, refusals)
    if not columns:
        raise AppError("rota.no_dates")
    return Sheet(wanted, tuple(refusals), len(people), tuple(sorted(set(columns.values()))))


def _take(
    number: int,
    cells: Sequence[str],
    columns: Mapping[int, date],
    person: Person,
    rota: Rota,
    wanted: dict[Place, Cell],
    refusals: list[Refusal],
) -> None:
    for index, day in columns.items():
        raw = cells[index] if index < len(cells) else ""
        column = f"{day:%m-%d}"
        if not raw.strip():
            continue
        if day not in rota.dates:
            params = {"day": column, "start": f"{rota.dates[0]:%m-%d}", "end": f"{rota.dates[-1]:%m-%d}"}
            refusals.append(Refusal(number, column, "rota.cell.outside", params))
        elif (person.id, day) in wanted:
            params = {"day": column, "name": person.name}
            refusals.append(Refusal(number, column, "rota.cell.again", params))
        else:
            try:
                wanted[person.id, day] = parse(raw, rota.shifts, rota.cell(person.id, day))
            except BadCell as bad:
                refusals.append(Refusal(number, column, bad.key, bad.params))


def _person(
    number: int,
    cells: Sequence[str],
    heads: Sequence[str],
    people: Sequence[Person],
    refusals: list[Refusal],
) -> Person | None:
    """The person of a row: by staff number where there is one, else by a name that only one person has."""
    staff_no, name = _value(cells, heads, _NUMBER_HEADERS), _value(cells, heads, _NAME_HEADERS)
    if not staff_no and not name:
        name = _plain(cells[0]) if cells else ""
    found = [p for p in people if staff_no and _plain(p.staff_no or "") == staff_no]
    found = found or [p for p in people if name and _plain(p.name) == name]
    found = found or [p for p in people if name and _plain(p.staff_no or "") == name]
    if len(found) == 1 and found[0].state != "off":
        return found[0]
    key = "rota.row.unknown" if not found else "rota.row.off" if len(found) == 1 else "rota.row.namesakes"
    refusals.append(Refusal(number, "", key, {"name": (name or staff_no)[:20]}))
    return None


def _value(cells: Sequence[str], heads: Sequence[str], words: frozenset[str]) -> str:
    for index, head in enumerate(heads[: len(cells)]):
        if re.sub(r"[\s._]", "", _plain(head)) in words:
            return _plain(cells[index]).removeprefix("'")
    return ""


def _dates(cells: Sequence[str], rota: Rota) -> dict[int, date]:
    found = {index: _date(cell, rota.start) for index, cell in enumerate(cells)}
    return {index: day for index, day in found.items() if day is not None}


def _date(cell: str, near: date) -> date | None:
    """2026-11-23, 11-23, 11/23 周一, 11月23日, or the number by which Excel knows a date."""
    plain = _plain(cell)
    try:
        if full := _FULL_DATE.search(plain):
            return date(int(full[1]), int(full[2]), int(full[3]))
        if short := _SHORT_DATE.match(plain):
            same = [date(near.year + n, int(short[1]), int(short[2])) for n in (-1, 0, 1)]
            return min(same, key=lambda day: abs(day - near))
        if _SERIAL.fullmatch(plain):
            return _EXCEL_EPOCH + timedelta(days=int(plain))
    except ValueError:  # the 30th of February
        return None
    return None


# Tables out ------------------------------------------------------------------------------------------------


def rows_out(rota: Rota, lang: str) -> list[dict[str, str]]:
    """One row a person for a file: name, staff_no, and a text per ISO date. `read` takes it back."""
    return [
        {
            "name": person.name,
            "staff_no": person.staff_no or "",
            **{day.isoformat(): text(rota.cell(person.id, day), rota.shifts, lang) for day in rota.dates},
        }
        for person in rota.people
    ]
