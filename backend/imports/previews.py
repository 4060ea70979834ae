"""What a file would do before it is imported. Nothing is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from backend import errors
from backend.imports import encode, trial
from backend.imports.importer import (
    Importer,
    Report,
    Rules,
    Shop,
    check_rules,
    chunks,
    patiently,
    report_of,
    sentence,
)
from backend.imports.parse import shop_platform
from backend.imports.records import OrderRecord, ParsedFile, SheetRecord

_DATED: Final = ("performance", "traffic", "chats", "reviews")
_MOMENTS: Final = ("day", "sent_at", "rated_at")


def preview(importer: Importer, parsed: ParsedFile[Any], shop: Shop | None) -> Report:
    """What the file would do. Nothing is stored.

    `exceptions` are those that the import would leave open on the orders of the file. Of a file with more
    than `trial.MOST` orders only what an order shows by itself (phone, address, words, payment, refund) is
    counted; a note says so.
    """
    report = report_of(parsed, importer.lang) | {"dry_run": True, "state": "preview"}
    if parsed.kind == "orders":
        report |= _preview_orders(importer, parsed, shop)
    elif parsed.kind == "products":
        rows = [encode.product_row(record) for record in parsed.records]
        report |= _preview_counts(importer, "products", shop, rows)
    elif parsed.kind in _DATED:
        report["rejected"] += _to_come(importer, parsed, shop)
    report["notes"] += report.pop("unjudged", [])
    return report


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
    for part in chunks(rows):
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
        for part in chunks(items)
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
