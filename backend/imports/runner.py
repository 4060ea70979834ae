"""A file -> the database: parsed and checked here, staged and applied by RPCs in chunks; page and command.

Every step may be repeated: a lost answer is asked for again, and the same file after a crash goes on where it
stopped.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import AppError
from backend.imports import encode
from backend.imports.encode_sheets import lead_row, sheet_row
from backend.imports.importer import (
    CHUNK,
    Importer,
    Progress,
    Report,
    Rules,
    Shop,
    check_rules,
    chunks,
    finish,
    patiently,
    report_of,
    sentence,
)
from backend.imports.parse import parse_file
from backend.imports.previews import preview
from backend.imports.records import (
    AnyRecord,
    OrderRecord,
    ParsedFile,
    ProductRecord,
    SheetRecord,
    ShipmentRecord,
)
from backend.pii import letters

__all__ = [
    "CHUNK",
    "Importer",
    "Progress",
    "Report",
    "Rules",
    "Shop",
    "check_rules",
    "finish",
    "import_file",
    "patiently",
    "preview",
    "sentence",
]

Records = Sequence[AnyRecord]


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
        report = report_of(self.parsed, self.importer.lang)
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
        for part in chunks([_rejected(item) for item in self.parsed.rejected]):
            self._call("import_reject", p_import_id=import_id, p_errors=part)
        if self.parsed.kind == "orders":
            self.rules = check_rules(self.importer.service, self.shop.id if self.shop else None)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="import") as sender:
            self._stage_chunks(import_id, staged, sender)

    def _stage_chunks(self, import_id: int, staged: set[int], sender: Executor) -> None:
        """Check and encrypt a chunk while the one before is on its way, and the question about the next."""
        total = len(self.parsed.records)
        parts = [part for part in enumerate(chunks(self.parsed.records)) if part[0] not in staged]
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


def _rejected(item: Any) -> Report:
    return {"row": item.row, "column": item.column, "reason": item.key, "params": dict(item.params)}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _hash(source: bytes | Path) -> str:
    if isinstance(source, bytes):
        return letters(hashlib.sha256(source).digest())
    with source.open("rb") as stream:
        return letters(hashlib.file_digest(stream, "sha256").digest())
