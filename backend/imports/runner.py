"""A file -> the database: parsed and checked here, staged and applied by RPCs in chunks; page and command.

Every step may be repeated: a lost answer is asked for again, and the same file after a crash goes on where it
stopped.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from backend import errors
from backend.checks.contact import CHECKS_VERSION
from backend.db import Rpc
from backend.errors import AppError
from backend.imports import encode, trial
from backend.imports.encode_sheets import lead_row, sheet_row
from backend.imports.parse import parse_file, shop_platform
from backend.imports.reasons import REASONS, reason
from backend.imports.records import (
    AnyRecord,
    OrderRecord,
    ParsedFile,
    ProductRecord,
    SheetRecord,
    ShipmentRecord,
)
from backend.pii import Keyring, letters

CHUNK: Final = 2000
_DATED: Final = ("performance", "traffic", "chats", "reviews")
_MOMENTS: Final = ("day", "sent_at", "rated_at")
_RETRY_AFTER: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
T = TypeVar("T")

Report = dict[str, Any]
Progress = Callable[[str, int, int], None]
Records = Sequence[AnyRecord]


@dataclass(frozen=True, slots=True)
class Shop:
    """The shop a file belongs to. `timezone` is that of times in the file that carry no offset."""

    id: int
    code: str
    platform: str
    timezone: str = "Asia/Shanghai"


@dataclass(frozen=True, slots=True)
class Importer:
    """Who imports where: `call` carries the actor's rights, `service` the verdicts of the checks."""

    call: Rpc
    service: Rpc
    keyring: Keyring
    lang: str = "zh-CN"
    on_progress: Progress | None = None

    def say(self, step: str, done: int, total: int) -> None:
        """Tell how far a step is: `staging`, `applying` or `checking`, in records."""
        if self.on_progress is not None:
            self.on_progress(step, done, total)


@dataclass(frozen=True, slots=True)
class Rules:
    """Version and parameters that the checks of a shop run under.

    `is_current` is false in an old replica while a newer one has announced itself: verdicts made here are
    stored under the old version, and the orders stay unchecked until the newer one judges them.
    """

    version: str
    params: Mapping[str, Any]
    is_current: bool = True


def import_file(
    importer: Importer,
    source: bytes | Path,
    *,
    name: str,
    kind: str | None = None,
    shop: Shop | None = None,
    platform: str = "auto",
    mapping: Mapping[str, str] | None = None,
    strict: bool = False,
    dry_run: bool = False,
) -> Report:
    """Import one file and report what happened.

    Everything needs a `shop` but products, which go to its stock pool or the default one, and parcels, which
    belong to it or, without one, to all shops of the actor. `strict`: one refused line refuses the whole file
    before anything is applied (state `refused`).
    The report holds `rows` (data lines), `accepted`, `updated`, `unchanged` (entities, such as orders),
    `rejected` [{row, column, reason}], `exceptions` {kind: orders}, and `kind`, `platform`, `state`, `notes`.
    Raises FileRefused for a file that cannot be read, AppError for what the database refuses.
    """
    zone = shop.timezone if shop else "Asia/Shanghai"
    parsed = parse_file(source, name=name, kind=kind, platform=platform, tz=zone, mapping=mapping)
    if dry_run:
        return preview(importer, parsed, shop)
    return _Run(importer, parsed, shop, name, _hash(source), strict).run()


def preview(importer: Importer, parsed: ParsedFile[Any], shop: Shop | None) -> Report:
    """What the file would do. Nothing is stored.

    `exceptions` are those that the import would leave open on the orders of the file. Of a file with more
    than `trial.MOST` orders only what an order shows by itself (phone, address, words, payment, refund) is
    counted; a note says so.
    """
    report = _report(parsed, importer.lang) | {"dry_run": True, "state": "preview"}
    if parsed.kind == "orders":
        report |= _preview_orders(importer, parsed, shop)
    elif parsed.kind == "products":
        rows = [encode.product_row(record) for record in parsed.records]
        report |= _preview_counts(importer, "products", shop, rows)
    elif parsed.kind in _DATED:
        report["rejected"] += _to_come(importer, parsed, shop)
    report["notes"] += report.pop("unjudged", [])
    return report


def check_rules(service: Rpc, shop_id: int | None) -> Rules:
    """Announce the checks of this program and learn version and parameters for a shop."""
    service("service_announce_checks", p_version=CHECKS_VERSION)
    answer = service("service_check_rules", p_shop_id=shop_id)
    version = f"{CHECKS_VERSION}.{answer['version'].partition('.')[2]}"
    return Rules(version=version, params=answer["params"], is_current=version == answer["version"])


def sentence(key: str, params: Mapping[str, Any], lang: str = "zh-CN") -> str:
    """Why a line was refused, or what to know about a file: keys of the parser and of the database."""
    if key in REASONS:
        return reason(key, params, lang)
    return errors.message(key, lang, **params)


def finish(importer: Importer, import_id: int, total: int = 0) -> Report:
    """Apply, check and close an import that is staged; also goes on with one that somebody left behind."""
    answer: Report = {"state": "applying"}
    while answer["state"] == "applying":
        answer = patiently(lambda: importer.call("import_apply", p_import_id=import_id, p_limit=CHUNK))
        importer.say("applying", answer["applied"], total)
    checked = 0
    while not answer.get("checked"):
        answer = patiently(lambda: importer.call("import_check", p_import_id=import_id, p_limit=CHUNK))
        checked = min(checked + CHUNK, total)
        importer.say("checking", checked, total)
    report: Report = patiently(lambda: importer.call("import_finish", p_import_id=import_id))
    return report


def patiently(call: Callable[[], T]) -> T:
    """Repeat a request that could not be served just now (busy, restarting, unreachable), for 8 seconds."""
    for pause in _RETRY_AFTER:
        try:
            return call()
        except AppError as problem:
            if problem.status < 500:
                raise
            time.sleep(pause)
    return call()


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database says about a chunk of orders: `contents` order number -> content hash."""

    contents: Mapping[str, str]
    known: frozenset[str]
    contact_ids: Sequence[int]


class _Run:
    """One import from begin to finish."""

    def __init__(
        self,
        importer: Importer,
        parsed: ParsedFile[Any],
        shop: Shop | None,
        name: str,
        file_hash: str,
        strict: bool,
    ) -> None:
        self.importer = importer
        self.parsed = parsed
        self.shop = shop
        self.name = name
        self.file_hash = file_hash
        self.strict = strict
        self.rules = Rules("", {})

    def run(self) -> Report:
        """The whole import; a refusal on the way cancels it, so that the shop is free again."""
        begun = self._begin()
        try:
            report = self._finish(begun)
        except AppError as problem:
            if problem.status < 500:
                self._call("import_cancel", p_import_id=begun["id"])
            raise
        return report

    def _finish(self, begun: Report) -> Report:
        ready = self._ready(begun)
        unknown = ready.get("unknown", [])
        closed = ready
        if ready["state"] != "refused":
            closed = finish(self.importer, begun["id"], len(self.parsed.records))
        report = _report(self.parsed, self.importer.lang)
        for line in unknown:
            text = sentence(line["reason"], line["params"], self.importer.lang)
            report["rejected"].append({"row": line["row"], "column": None, "reason": text})
        counts = {key: closed[key] for key in ("accepted", "updated", "unchanged", "exceptions", "state")}
        return report | counts | {"import_id": begun["id"]}

    def _begin(self) -> Report:
        request = str(uuid.uuid4())
        begun: Report = self._call(
            "import_begin",
            p_kind=self.parsed.kind,
            p_shop_id=self.shop.id if self.shop else None,
            p_platform=self.parsed.platform,
            p_file_name=self.name,
            p_file_hash=self.file_hash,
            p_is_strict=self.strict,
            p_rows_total=self.parsed.rows,
            p_request_id=request,
        )
        return begun

    def _ready(self, begun: Report) -> Report:
        """Stage what is missing, once more from the start if the pieces do not fit, and close the staging."""
        if begun["state"] == "staging":
            self._stage(begun["id"], set(begun["chunks"]))
        try:
            return self._close_staging(begun["id"])
        except AppError as problem:
            if problem.key != "import.incomplete" or not begun["chunks"]:
                raise
            self._stage(begun["id"], set())
            return self._close_staging(begun["id"])

    def _close_staging(self, import_id: int) -> Report:
        ready: Report = self._call(
            "import_ready",
            p_import_id=import_id,
            p_records=len(self.parsed.records),
            p_as_of=encode.newest(self.parsed.records),
        )
        return ready

    def _stage(self, import_id: int, staged: set[int]) -> None:
        for part in _chunks([_rejected(item) for item in self.parsed.rejected]):
            self._call("import_reject", p_import_id=import_id, p_errors=part)
        if self.parsed.kind == "orders":
            self.rules = check_rules(self.importer.service, self.shop.id if self.shop else None)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="import") as sender:
            self._stage_chunks(import_id, staged, sender)

    def _stage_chunks(self, import_id: int, staged: set[int], sender: Executor) -> None:
        """Check and encrypt a chunk while the one before is on its way, and the question about the next."""
        total = len(self.parsed.records)
        parts = [part for part in enumerate(_chunks(self.parsed.records)) if part[0] not in staged]
        done = total - sum(len(records) for _, records in parts)
        asked = [sender.submit(self._ask, import_id, records) for _, records in parts[:1]]
        sent: Future[None] | None = None
        for place, (number, records) in enumerate(parts, start=1):
            answer = asked.pop().result()
            asked = [sender.submit(self._ask, import_id, later) for _, later in parts[place : place + 1]]
            encoded = self._encoded(records, answer)
            if sent is not None:
                sent.result()
            sent = sender.submit(self._send, import_id, number, *encoded)
            done += len(records)
            self.importer.say("staging", done, total)
        if sent is not None:
            sent.result()

    def _send(self, import_id: int, number: int, rows: str, verdicts: list[encode.Payload]) -> None:
        """Verdicts go first: a staged chunk is a judged chunk, whenever the process dies."""
        if verdicts:
            patiently(
                lambda: self.importer.service(
                    "service_import_verdicts",
                    p_import_id=import_id,
                    p_verdicts=verdicts,
                    p_rules_version=self.rules.version,
                )
            )
        self._call("import_stage", p_import_id=import_id, p_chunk_no=number, p_rows=rows)

    def _ask(self, import_id: int, records: Records) -> _Known:
        """Which orders the shop already has exactly so (no check, no encryption), and ids for the others."""
        orders = [record for record in records if isinstance(record, OrderRecord)]
        if not orders:
            count = len(records) if self.parsed.kind == "leads" else 0
            return _Known({}, frozenset(), self._call("reserve_contact_ids", p_count=count) if count else ())
        contents = {order.order_no: encode.content_hash(self.importer.keyring, order) for order in orders}
        known = self._call("import_known", p_import_id=import_id, p_items=_json([*contents.items()]))
        fresh = len(contents) - len(known)
        ids = self._call("reserve_contact_ids", p_count=fresh) if fresh else ()
        return _Known(contents, frozenset(known), ids)

    def _encoded(self, records: Records, asked: _Known) -> tuple[str, list[encode.Payload]]:
        """The rows of a chunk as JSON text (the gateway need not read it), and the verdicts of its orders."""
        orders = [record for record in records if isinstance(record, OrderRecord)]
        if self.parsed.kind == "leads":
            pairs = zip(records, asked.contact_ids, strict=True)
            return _json([lead_row(self.importer.keyring, lead, number) for lead, number in pairs]), []
        if not orders:
            return _json([_plain_row(record) for record in records]), []
        contents, known = asked.contents, asked.known
        coded = [
            encode.order_row(
                self.importer.keyring, order, contact_id, contents[order.order_no], self.rules.params
            )
            for order, contact_id in zip(
                (order for order in orders if order.order_no not in known), asked.contact_ids, strict=True
            )
        ]
        rows = [row for row, _ in coded]
        rows += [
            encode.known_row(order, contents[order.order_no]) for order in orders if order.order_no in known
        ]
        return _json(rows), [verdict for _, verdict in coded if verdict is not None]

    def _call(self, name: str, **params: Any) -> Any:
        return patiently(lambda: self.importer.call(name, **params))


def _plain_row(record: AnyRecord) -> encode.Payload:
    match record:
        case ProductRecord():
            return encode.product_row(record)
        case ShipmentRecord():
            return encode.shipment_row(record)
        case SheetRecord():
            return sheet_row(record)
        case OrderRecord():
            raise TypeError("a file holds one kind of record")


def _preview_orders(importer: Importer, parsed: ParsedFile[Any], shop: Shop | None) -> Report:
    rules = check_rules(importer.service, shop.id if shop else None)
    if 0 < len(parsed.records) <= trial.MOST:
        return _tried(importer, parsed, shop, rules)
    found = _preview_alone(importer, parsed.records, shop, rules)
    if parsed.records:
        found["unjudged"].append(errors.message("import.trial_too_big", importer.lang, limit=trial.MOST))
    return found


def _tried(importer: Importer, parsed: ParsedFile[Any], shop: Shop | None, rules: Rules) -> Report:
    found = patiently(
        lambda: trial.run(
            importer.call,
            importer.keyring,
            parsed.records,
            shop_id=shop.id if shop else None,
            platform=shop.platform if shop else shop_platform(parsed.platform or ""),
            params=rules.params,
            version=rules.version,
        )
    )
    return found | {"unjudged": _unjudged(Counter(found.pop("states")), importer.lang)}


def _preview_alone(
    importer: Importer, records: Sequence[OrderRecord], shop: Shop | None, rules: Rules
) -> Report:
    """A file too big to try: what each order says by itself."""
    as_of = encode.newest(records)
    kinds: Counter[str] = Counter()
    states: Counter[str] = Counter()
    rows = []
    for record in records:
        contact = encode.contact_of(record)
        if record.status == "to_ship":
            checked = contact.check(rules.params)
            kinds.update(finding.kind for finding in checked.findings)
            kinds["refund_stop"] += record.refund == "requested"
            states[encode.state_of(contact, checked)] += 1
        kinds["unpaid"] += record.status == "unpaid"
        content = encode.content_hash(importer.keyring, record)
        rows.append(
            {
                "order_no": record.order_no,
                "content_hash": content,
                "status": record.status,
                "refund": record.refund,
                "as_of": as_of,
            }
        )
    counts = _preview_counts(importer, "orders", shop, rows)
    return counts | {"exceptions": dict(+kinds), "unjudged": _unjudged(states, importer.lang)}


def _preview_counts(importer: Importer, kind: str, shop: Shop | None, rows: Sequence[Any]) -> Report:
    total: Counter[str] = Counter(accepted=0, updated=0, unchanged=0)
    if shop is None and kind == "orders":
        return {"accepted": len(rows), "updated": 0, "unchanged": 0}
    for part in _chunks(rows):
        total.update(
            importer.call("import_preview", p_kind=kind, p_shop_id=shop.id if shop else None, p_items=part)
        )
    return dict(total)


def _to_come(importer: Importer, parsed: ParsedFile[SheetRecord], shop: Shop | None) -> list[Report]:
    """The lines that the import would refuse because their day or moment is to come."""
    items = [
        {"row": record.row}
        | {name: record.values[name].isoformat() for name in _MOMENTS if record.values.get(name)}
        for record in parsed.records
    ]
    shop_id = shop.id if shop else None
    found = [
        importer.call("import_preview", p_kind=parsed.kind, p_shop_id=shop_id, p_items=part)["future"]
        for part in _chunks(items)
    ]
    text = sentence("import.future", {}, importer.lang)
    return [{"row": row, "column": None, "reason": text} for rows in found for row in rows]


def _unjudged(states: Counter[str], lang: str) -> list[str]:
    """Which rules cannot judge how many of the waiting orders, in words."""
    return [
        errors.message(f"import.cannot_judge_{state}", lang, count=states[state])
        for state in ("masked", "absent")
        if states[state]
    ]


def _report(parsed: ParsedFile[Any], lang: str) -> Report:
    return {
        "kind": parsed.kind,
        "platform": parsed.platform,
        "encoding": parsed.encoding,
        "rows": parsed.rows,
        "accepted": 0,
        "updated": 0,
        "unchanged": 0,
        "rejected": [
            {"row": item.row, "column": item.column, "reason": sentence(item.key, item.params, lang)}
            for item in parsed.rejected
        ],
        "exceptions": {},
        "duplicate_rows": parsed.duplicate_rows,
        "notes": [sentence(note.key, note.params, lang) for note in parsed.notes],
    }


def _rejected(item: Any) -> Report:
    return {"row": item.row, "column": item.column, "reason": item.key, "params": dict(item.params)}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _hash(source: bytes | Path) -> str:
    if isinstance(source, bytes):
        return letters(hashlib.sha256(source).digest())
    with source.open("rb") as stream:
        return letters(hashlib.file_digest(stream, "sha256").digest())
