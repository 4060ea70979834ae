"""Records -> staged payloads: personal values encrypted, indexed or masked before they leave the process.

The clear values of a contact are kept in a form from which a later re-check gets back exactly what the file
said: the address cell holds `province TAB city TAB district TAB address TAB postcode`, the note cell the
buyer's remark, a line break, and the seller's. `shown_address` makes the first one readable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

from backend.checks.contact import check_contact, facts, facts_hash
from backend.checks.models import Checked
from backend.imports.records import AnyRecord, OrderItem, OrderRecord, ProductRecord, ShipmentRecord
from backend.pii import Keyring, mask_free_text, mask_ip, mask_name, mask_phone

Params = Mapping[str, Any]
Payload = dict[str, Any]

_CONTENT = attrgetter(
    *(
        "order_no",
        "platform_status",
        "status",
        "refund",
        "placed_at",
        "paid_at",
        "shipped_at",
        "completed_at",
    ),
    *("promise_ship_at", "amount", "buyer_account", "receiver", "phone", "province", "city", "district"),
    *("address", "postcode", "buyer_note", "seller_note", "ip", "carrier", "tracking_no", "receiver_known"),
)
_ITEM = attrgetter("line_no", "sku", "name", "spec", "quantity", "unit_price")
_TIMES = ("placed_at", "paid_at", "shipped_at", "completed_at", "promise_ship_at")
_PLAIN = ("row", "order_no", "platform_status", "status", "refund", "tracking_no")
_CELLS = ("name", "phone", "address", "note")


@dataclass(frozen=True, slots=True)
class Contact:
    """What a file or a person says about a receiver, in clear; in memory only."""

    receiver: str | None
    phone: str | None
    province: str | None
    city: str | None
    district: str | None
    address: str | None
    postcode: str | None
    buyer_note: str | None
    seller_note: str | None
    receiver_known: bool = True

    def facts(self) -> tuple[str, ...]:
        """The canonical tuple of what the checks read (hash it, never store it)."""
        return facts(**self._arguments())

    def check(self, params: Params | None = None) -> Checked:
        """The verdict of the checks; `params` as `service_check_rules` gives them."""
        return check_contact(**self._arguments(), params=params)

    def _arguments(self) -> dict[str, Any]:
        return {
            "phone": self.phone,
            "receiver": self.receiver,
            "province": self.province,
            "city": self.city,
            "district": self.district,
            "address": self.address,
            "postcode": self.postcode,
            "notes": (self.buyer_note, self.seller_note),
            "receiver_known": self.receiver_known,
        }


@dataclass(frozen=True, slots=True)
class Sealed:
    """A contact ready to be stored.

    `cells` is the `contact` object of a staged row, `facts_hash` what the verdict is bound to, `checked` the
    verdict; province, city and district are the recognised names, else those given.
    """

    cells: Payload
    facts_hash: str
    checked: Checked
    province: str | None
    city: str | None
    district: str | None


def contact_of(record: OrderRecord) -> Contact:
    """The contact of an order record."""
    return Contact(
        receiver=record.receiver,
        phone=record.phone,
        province=record.province,
        city=record.city,
        district=record.district,
        address=record.address,
        postcode=record.postcode,
        buyer_note=record.buyer_note,
        seller_note=record.seller_note,
        receiver_known=record.receiver_known,
    )


def seal(keyring: Keyring, contact: Contact, contact_id: int, params: Params | None = None) -> Sealed:
    """Check a contact and encrypt it for the row `contact_id` (reserved with `reserve_contact_ids`)."""
    checked = contact.check(params)
    clear = (contact.receiver, contact.phone, _address(contact), _note(contact))
    cells: Payload = {
        cell: keyring.encrypt("contacts", cell, contact_id, value) if value else None
        for cell, value in zip(_CELLS, clear, strict=True)
    }
    cells |= {
        "id": contact_id if any(clear) else None,
        "name_hash": keyring.blind("name", contact.receiver),
        "phone_hash": keyring.blind("phone", contact.phone),
        "phone_last4_hash": keyring.blind("phone_last4", contact.phone),
        "name_masked": mask_name(contact.receiver) or None,
        "phone_masked": mask_phone(contact.phone) or None,
        "state": state_of(contact, checked),
    }
    return Sealed(
        cells=cells,
        facts_hash=facts_hash(keyring, contact.facts()),
        checked=checked,
        province=checked.parts.province or _region(contact.province),
        city=checked.parts.city or _region(contact.city),
        district=checked.parts.district or _region(contact.district),
    )


def _region(text: str | None) -> str | None:
    """A region as the file names it, if it can only be a name: a number makes it an address."""
    is_name = text is not None and len(text) <= 20 and not any(char.isdigit() for char in text)
    return text if is_name else None


def state_of(contact: Contact, checked: Checked) -> str:
    """`absent` without any receiver column, `masked` when the platform hides the phone, else `ok`."""
    if not contact.receiver_known:
        return "absent"
    return "masked" if checked.phone_state == "masked" else "ok"


def opened(keyring: Keyring, row: Mapping[str, Any]) -> Contact:
    """The contact behind a stored row: contact_id, contact_state, ciphers name, phone, address, note."""
    clear = {
        cell: keyring.decrypt("contacts", cell, row["contact_id"], row[cell]) if row.get(cell) else None
        for cell in _CELLS
    }
    region = (
        ((clear["address"] or "").split("\t") + [""] * 5)[:5] if "\t" in (clear["address"] or "") else None
    )
    province, city, district, address, postcode = region or ("", "", "", clear["address"], "")
    buyer, _, seller = (clear["note"] or "").partition("\n")
    return Contact(
        receiver=clear["name"],
        phone=clear["phone"],
        province=province or None,
        city=city or None,
        district=district or None,
        address=address or None,
        postcode=postcode or None,
        buyer_note=buyer or None,
        seller_note=seller or None,
        receiver_known=row["contact_state"] != "absent",
    )


def shown_address(text: str | None) -> str:
    """A decrypted address cell as people read it; regions that the address repeats are not said twice."""
    parts = (text or "").split("\t")
    if len(parts) < 4:
        return " ".join(parts).strip()
    region = [part for part in parts[:3] if part and part not in parts[3]]
    return " ".join([*region, *(part for part in parts[3:] if part)]).strip()


def content_hash(keyring: Keyring, record: OrderRecord) -> str:
    """Keyed hash of everything a record says except its place in the file: equal = nothing changed."""
    return keyring.fingerprint("order", (*_CONTENT(record), [_ITEM(item) for item in record.items]))


def order_row(
    keyring: Keyring, record: OrderRecord, contact_id: int, content: str, params: Params | None = None
) -> tuple[Payload, Payload | None]:
    """The staged row of an order and, while it waits to ship, its verdict for `service_import_verdicts`.

    `content` is the order's `content_hash`.
    """
    sealed = seal(keyring, contact_of(record), contact_id, params)
    row: Payload = {name: getattr(record, name) for name in _PLAIN}
    row |= {name: _iso(getattr(record, name)) for name in _TIMES}
    row |= {
        "buyer_account": mask_free_text(record.buyer_account),
        "carrier": mask_free_text(record.carrier),
        "amount": _money(record.amount),
        "province": sealed.province,
        "city": sealed.city,
        "district": sealed.district,
        "ip_hash": keyring.blind("ip", record.ip),
        "ip_masked": mask_ip(record.ip) or None,
        "contact": sealed.cells,
        "items": [_item(item) for item in record.items],
        "facts_hash": sealed.facts_hash,
        "content_hash": content,
    }
    if len(keyring.key_ids) > 1:
        row["older"] = _older(keyring, record)
    return row, verdict(record, sealed)


def _older(keyring: Keyring, record: OrderRecord) -> Payload:
    """The hashes under the older keys, while a rekey is under way: by them the import finds what a person
    corrected and what came from the same address before, and brings both under the current key.
    """
    known = contact_of(record).facts()
    older = keyring.key_ids[1:]
    return {
        "facts": [facts_hash(keyring, known, key_id=key_id) for key_id in older],
        "ips": [keyring.blind("ip", record.ip, key_id=key_id) for key_id in older if record.ip],
    }


def known_row(record: OrderRecord, content: str) -> Payload:
    """The staged row of an order of which the shop has everything already."""
    row: Payload = {name: getattr(record, name) for name in ("row", "order_no", "status", "refund")}
    return row | {"content_hash": content}


def verdict(record: OrderRecord, sealed: Sealed) -> Payload | None:
    """What the checks found in an order that waits to ship; the others are history and are not judged."""
    if record.status != "to_ship":
        return None
    found = findings(sealed.checked)
    return {"row": record.row, "facts_hash": sealed.facts_hash, "findings": found}


def findings(checked: Checked) -> list[Payload]:
    """The findings of a verdict as they are stored."""
    return [{"kind": item.kind, "evidence": dict(item.evidence)} for item in checked.findings]


def product_row(record: ProductRecord) -> Payload:
    """The staged row of a product or stock line."""
    return {
        name: getattr(record, name) for name in ("row", "sku", "name", "spec", "available", "safety_stock")
    }


def shipment_row(record: ShipmentRecord) -> Payload:
    """The staged row of a parcel."""
    row: Payload = {name: getattr(record, name) for name in ("row", "order_no", "tracking_no")}
    row |= {name: mask_free_text(getattr(record, name)) for name in ("carrier", "last_scan_text")}
    return row | {name: _iso(getattr(record, name)) for name in ("shipped_at", "last_scan_at", "signed_at")}


def newest(records: Iterable[AnyRecord]) -> str | None:
    """The newest instant that order records mention, as ISO text: how old the news of the file are."""
    times = (
        getattr(record, name)
        for record in records
        if isinstance(record, OrderRecord)
        for name in ("placed_at", "paid_at", "shipped_at", "completed_at")
    )
    return _iso(max((time for time in times if time is not None), default=None))


def _address(contact: Contact) -> str | None:
    parts = (contact.province, contact.city, contact.district, contact.address, contact.postcode)
    flat = [" ".join((part or "").split()) for part in parts]
    return "\t".join(flat) if any(flat[:3]) or flat[4] else flat[3] or None


def _note(contact: Contact) -> str | None:
    notes = [" ".join((note or "").split()) for note in (contact.buyer_note, contact.seller_note)]
    return "\n".join(notes).rstrip("\n") or None


def _item(item: OrderItem) -> Payload:
    return {
        "line_no": item.line_no,
        "sku": item.sku,
        "name": item.name,
        "spec": item.spec,
        "quantity": item.quantity,
        "unit_price": _money(item.unit_price),
    }


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)
