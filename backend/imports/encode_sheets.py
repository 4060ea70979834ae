"""Sheet records -> staged payloads: personal values are encrypted, indexed or masked before they leave."""

from datetime import date
from decimal import Decimal
from typing import Any, Final

from backend.imports.encode import Payload
from backend.imports.records import AnyRecord, SheetRecord
from backend.pii import Keyring, mask_account, mask_free_text, mask_name, mask_phone

_CUSTOMERS_WORDS: Final = ("reason", "text", "status", "carrier", "buyer_account", "buyer", "agent")
_SEALED: Final = ("name", "phone", "wechat", "email", "note")
_LEAD: Final = ("source", "intent", "budget", "buyer_account", "asked_at")


def sheet_row(record: SheetRecord) -> Payload:
    """The staged row of a record without personal values: `row`, `key`, `sheet` and its fields."""
    values = {name: _plain(value) for name, value in record.values.items()}
    values |= {name: mask_free_text(values[name]) for name in _CUSTOMERS_WORDS if values.get(name)}
    return {"row": record.row, "key": record.key, "sheet": record.sheet} | values


def lead_row(keyring: Keyring, record: AnyRecord, contact_id: int) -> Payload:
    """The staged row of a lead; its contact is encrypted for the row `contact_id` of contacts.

    `key` (also `row_key`) is a keyed digest: the same line imported again makes no second lead.
    """
    if not isinstance(record, SheetRecord):
        raise TypeError("a file holds one kind of record")
    values = record.values
    key = keyring.fingerprint("lead", (record.key,))
    row: Payload = {"row": record.row, "key": key, "row_key": key}
    row |= {name: _plain(values[name]) for name in _LEAD}
    row |= {
        "source": values["source"] or "other",
        "needs": values["needs"].split("、"),
        "name_masked": mask_name(values["name"]) or None,
        "phone_masked": mask_phone(values["phone"]) or None,
        "wechat_masked": mask_account(values["wechat"]) or None,
        "email_masked": mask_account(values["email"]) or None,
        "contact": _contact(keyring, values, contact_id),
    }
    return row


def _contact(keyring: Keyring, values: Any, contact_id: int) -> Payload | None:
    """Ciphertexts and blind indexes, or None for a lead known by its buyer account alone."""
    clear = {name: values[name] for name in _SEALED}
    if not any(clear.values()):
        return None
    sealed: Payload = {
        name: keyring.encrypt("contacts", name, contact_id, value) if value else None
        for name, value in clear.items()
    }
    return sealed | {
        "id": contact_id,
        "name_hash": keyring.blind("name", clear["name"]),
        "phone_hash": keyring.blind("phone", clear["phone"]),
        "phone_last4_hash": keyring.blind("phone_last4", clear["phone"]),
        "wechat_hash": keyring.blind("wechat", clear["wechat"]),
        "email_hash": keyring.blind("email", clear["email"]),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value
