"""时效总览: how every deadline stands, by area, person and shop; the list behind a figure; files of it all.

What a person sees is decided by the database: agents and the warehouse their own and the pool, others
everybody's, always of their own shops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from supabase import Client

from backend import db, exports, sla
from backend.errors import catalogue, message

Bucket = Literal["open", "overdue", "soon", "on_time", "paused", "uncovered", "late"]
Format = Literal["csv", "xlsx"]

BUCKETS: Final[tuple[Bucket, ...]] = ("open", "overdue", "soon", "on_time", "paused", "uncovered", "late")
MOST_ROWS: Final = 50_000
TREND_DAYS: Final = 14
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Figure:
    """Open clocks of one shop, area and person that stand alike. `owner_id` None: the pool."""

    shop_id: int
    entity: str
    target: str
    owner_id: int | None
    owner_name: str | None
    bucket: str
    count: int

    @property
    def area(self) -> str:
        """`ticket.first`: what is worked on, and towards what."""
        return f"{self.entity}.{self.target}"


@dataclass(frozen=True, slots=True)
class Finished:
    """Work of one shop and area that was finished on a day of the shop's zone."""

    shop_id: int
    entity: str
    target: str
    day: date
    met: int
    late: int

    @property
    def area(self) -> str:
        """As in Figure."""
        return f"{self.entity}.{self.target}"


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the overview draws, in one request; filters are applied to it without another one."""

    at: datetime
    sees_everybody: bool
    open: tuple[Figure, ...]
    finished: tuple[Finished, ...]
    missing_years: tuple[str, ...]

    def areas(self) -> list[str]:
        """Areas with open or recently finished work."""
        return sorted({one.area for one in self.open} | {one.area for one in self.finished})

    def people(self) -> dict[int, str]:
        """Who holds open work."""
        return {one.owner_id: one.owner_name or "" for one in self.open if one.owner_id is not None}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters of the overview and of its list; None means all. `person`: me, pool, or a member's id."""

    bucket: Bucket = "open"
    shop_id: int | None = None
    area: str | None = None
    person: str | None = None
    after: Mapping[str, Any] | None = None

    def as_json(self, limit: int) -> dict[str, Any]:
        """The filter as `deadline_list` takes it."""
        values = {
            "bucket": self.bucket,
            "shop_id": self.shop_id,
            "area": self.area,
            "person": self.person,
            "after": self.after and dict(self.after),
            "limit": limit,
        }
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the list. Times are ISO 8601 as the API gives them; `path` opens the record in the desk."""

    id: int
    shop_id: int
    shop_name: str
    timezone: str
    entity: str
    entity_id: int
    target: str
    label: str | None
    path: str | None
    policy: str
    state: str
    due_at: str | None
    stopped_at: str | None
    pause_reason: str | None
    bucket: str
    owner_id: int | None
    owner_name: str | None

    @property
    def area(self) -> str:
        """As in Figure."""
        return f"{self.entity}.{self.target}"

    @property
    def name(self) -> str:
        """What people call the record: an order number, or its number."""
        return self.label or f"#{self.entity_id}"


@dataclass(frozen=True, slots=True)
class File:
    """A file to download; `is_all` is false when it stops at MOST_ROWS."""

    name: str
    content: bytes
    is_all: bool


def overview(client: Client) -> Overview:
    """How the deadlines of my shops stand now, and the last fourteen days."""
    answer = db.rpc(client, "deadline_overview")
    return Overview(
        at=datetime.fromisoformat(answer["at"]),
        sees_everybody=answer["sees_everybody"],
        open=tuple(Figure(**row) for row in answer["open"]),
        finished=tuple(
            Finished(**{**row, "day": date.fromisoformat(row["day"])}) for row in answer["finished"]
        ),
        missing_years=tuple(answer["missing_years"]),
    )


def narrowed(figures: Iterable[Figure], wanted: Wanted, me: int) -> list[Figure]:
    """The open figures that the filters leave (every bucket)."""
    person = str(me) if wanted.person == "me" else wanted.person
    return [
        one
        for one in figures
        if wanted.shop_id in (None, one.shop_id)
        and wanted.area in (None, one.area)
        and (person is None or person == ("pool" if one.owner_id is None else str(one.owner_id)))
    ]


def counts(figures: Iterable[Figure]) -> Counter[str]:
    """How many in each bucket."""
    found: Counter[str] = Counter()
    for one in figures:
        found[one.bucket] += one.count
    return found


def grouped(figures: Iterable[Figure], key: Callable[[Figure], Any]) -> list[tuple[Any, Counter[str]]]:
    """Counts per area, person or shop: most overdue first, then most due soon, then most open."""
    groups: dict[Any, Counter[str]] = {}
    for one in figures:
        groups.setdefault(key(one), Counter())[one.bucket] += one.count
    return sorted(
        groups.items(),
        key=lambda item: (-item[1]["overdue"], -item[1]["soon"], -item[1].total(), str(item[0])),
    )


def by_day(finished: Iterable[Finished], wanted: Wanted, today: date) -> list[tuple[date, int, int]]:
    """(day, in time, late) for each of the last 14 days, of what the shop and area filters leave.

    It is everybody's work: what is finished has no owner any more.
    """
    days = {today - timedelta(days=back): [0, 0] for back in range(TREND_DAYS - 1, -1, -1)}
    for one in finished:
        if wanted.shop_id in (None, one.shop_id) and wanted.area in (None, one.area):
            sums = days.setdefault(one.day, [0, 0])
            sums[0] += one.met
            sums[1] += one.late
    return [(day, met, late) for day, (met, late) in sorted(days.items())]


def page(client: Client, wanted: Wanted, *, limit: int = 50) -> tuple[list[Line], dict[str, Any] | None]:
    """A page of the list, soonest deadline first, and where the next one begins. Raises `filter.bad`."""
    answer = db.rpc(client, "deadline_list", p=wanted.as_json(limit))
    return [Line(**row) for row in answer["rows"]], answer["next"]


def worst(client: Client, wanted: Wanted, *, limit: int = 5) -> list[Line]:
    """The longest overdue of what the filters leave."""
    return page(client, replace(wanted, bucket="overdue", after=None), limit=limit)[0]


@dataclass(frozen=True, slots=True)
class Reason:
    """为什么是这个时间？ Three lines; what it is about, and the address in the desk that opens that."""

    name: str
    path: str | None
    lines: tuple[str, str, str]


def explain(client: Client, clock_id: int, lang: str = "zh-CN") -> Reason:
    """Why a clock has its deadline. Raises `clock.none`."""
    facts = db.rpc(client, "explain_clock", p_clock_id=clock_id)
    area = area_words(f"{facts['entity']}.{facts['target']}", lang)
    name = f"{facts['label'] or '#' + str(facts['entity_id'])} · {area}"
    return Reason(name, facts["path"], sla.explain_lines(facts, lang))


def clock_of(client: Client, entity: str, entity_id: int) -> int | None:
    """The latest clock of a record, for `explain`; None when it has none."""
    query = client.table("sla_clocks").select("id").eq("entity", entity).eq("entity_id", entity_id)
    found = db.rows(query.order("id", desc=True).limit(1))
    return int(found[0]["id"]) if found else None


def show_due(due_at: str | None, timezone: str) -> str:
    """A deadline as lists and files write it: `2026-11-22 24:00`, midnight ending its day; '' for none."""
    if due_at is None:
        return ""
    return sla.show_end(datetime.fromisoformat(due_at), ZoneInfo(timezone), date="%Y-%m-%d")


# Files -----------------------------------------------------------------------------------------------------

_CLOCKS: Final = (
    *(
        "id",
        "shop_name",
        "area",
        "label",
        "instance",
        "policy",
        "policy_version",
        "state",
        "measure",
        "calendar",
    ),
    *(
        "allowance",
        "used",
        "started_at",
        "due_at",
        "stopped_at",
        "breached_at",
        "paused_minutes",
        "pause_reason",
    ),
)
_EVENTS: Final = (
    *("id", "clock_id", "shop_name", "area", "label", "kind", "at", "who", "reason", "state", "due_at"),
    "due_version",
)
_TIMES: Final = ("started_at", "stopped_at", "breached_at", "at")
_FIGURES: Final = ("allowance", "used", "paused_minutes")


def file(
    client: Client,
    what: Literal["clocks", "events"],
    *,
    start: datetime | None,
    end: datetime | None,
    shop_id: int | None = None,
    fmt: Format = "xlsx",
    lang: str = "zh-CN",
) -> File:
    """Clocks that started, or events that happened, in [start, end): at most 50,000 rows; recorded.

    Raises `member.role` for agents and the warehouse.
    """
    keys = _CLOCKS if what == "clocks" else _EVENTS
    rows: list[dict[str, Any]] = []
    for found in _pages(client, what, start=start, end=end, shop_id=shop_id):
        rows.extend(_row(row, lang) for row in found)
        if len(rows) >= MOST_ROWS:
            break
    columns = [(key, message(f"deadline.column.{key}", lang)) for key in keys]
    title = message(f"deadline.file.{what}", lang)
    shown = rows[:MOST_ROWS]
    content = exports.write_csv(shown, columns) if fmt == "csv" else exports.write_xlsx(shown, columns, title)
    return File(f"shopdesk-{what}.{fmt}", content, len(rows) < MOST_ROWS)


def _pages(
    client: Client, what: str, *, start: datetime | None, end: datetime | None, shop_id: int | None
) -> Iterator[Sequence[Mapping[str, Any]]]:
    after = 0
    while True:
        found = db.rpc(
            client,
            "export_deadlines",
            p_what=what,
            p_from=start and start.isoformat(),
            p_to=end and end.isoformat(),
            p_after=after,
            p_shop_id=shop_id,
        )
        yield found
        if len(found) < _PAGE:
            return
        after = found[-1]["id"]


def _row(row: Mapping[str, Any], lang: str) -> dict[str, Any]:
    """A row as people read it: words for codes, times of the shop's zone, figures as figures."""
    zone = ZoneInfo(row["timezone"])
    shown = dict(row)
    shown["area"] = area_words(f"{row['entity']}.{row['target']}", lang)
    shown["label"] = row["label"] or (f"#{row['entity_id']}" if "entity_id" in row else "")
    shown["due_at"] = show_due(row["due_at"], row["timezone"])
    for key in _TIMES:
        if row.get(key):
            shown[key] = datetime.fromisoformat(row[key]).astimezone(zone).replace(tzinfo=None)
    for key in _FIGURES:
        if row.get(key) is not None:
            shown[key] = _figure(row[key])
    shown["state"] = _word("state", row["state"], lang)
    for key in ("kind", "measure"):
        if key in row:
            shown[key] = _word(key, row[key], lang)
    for key in ("reason", "pause_reason"):
        if row.get(key):
            shown[key] = sla.reason_words(row[key], lang)
    return shown


def area_words(area: str, lang: str) -> str:
    """`ticket.first` in words; an area that has none yet as it is."""
    return _word("area", area, lang)


def _word(group: str, code: str, lang: str) -> str:
    key = f"deadline.{group}.{code}"
    return message(key, lang) if key in catalogue() else code


def _figure(value: Any) -> float:
    """A number of a file: whole ones without a fraction."""
    figure = float(str(value))
    return int(figure) if figure == int(figure) else figure
