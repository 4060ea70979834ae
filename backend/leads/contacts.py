"""How a lead's contact leaves this process: judged as it was typed, encrypted, masked and indexed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from backend.imports.cells import BadCell
from backend.imports.platforms import lead_cells
from backend.leads.models import Draft
from backend.pii import Keyring, mask_account, mask_name, mask_phone

CONTACT_FIELDS = ("name", "phone", "wechat", "email")
_PHONE = re.compile(r"(?:\+?86[ -]?)?1[3-9][0-9](?:[ -]?[0-9]{4}){2}")
_READERS = {"phone": lead_cells.phone, "wechat": lead_cells.wechat, "email": lead_cells.email}
_KINDS: Mapping[str, Any] = {"name": "name", "phone": "phone", "wechat": "wechat", "email": "email"}


def unreachable(contact: Mapping[str, Any]) -> str | None:
    """Why the first contact that is given reaches nobody: lead.bad_phone, lead.bad_wechat, lead.bad_email."""
    for name, reader in _READERS.items():
        given = str(contact.get(name) or "").strip()
        try:
            reached = reader(given)
        except BadCell:
            return f"lead.bad_{name}"
        if given and not reached:  # a dash says in a file that there is none; typed, it is a slip
            return f"lead.bad_{name}"
    return None


def lead_row(keyring: Keyring, draft: Draft, contact_id: int) -> dict[str, Any]:
    """A draft as `create_leads` takes it: encrypted for the row `contact_id` of contacts, masked, indexed."""
    clear = {name: getattr(draft, name).strip() for name in (*CONTACT_FIELDS, "note")}
    buyer = draft.buyer_account.strip()
    if not clear["phone"] and _PHONE.fullmatch(buyer):  # accounts are not sealed, so a number is never one
        clear["phone"], buyer = buyer, ""
    contact = sealed(keyring, contact_id, clear) | {"id": contact_id} if any(clear.values()) else None
    return masks(clear) | {
        "contact": contact,
        "buyer_account": buyer or None,
        "needs": list(draft.needs),
        "source": draft.source,
        "intent": draft.intent,
        "budget": draft.budget,
        "membership": draft.membership,
        "asked_at": draft.asked_at and draft.asked_at.isoformat(),
    }


def sealed(keyring: Keyring, contact_id: int, clear: Mapping[str, str]) -> dict[str, Any]:
    """Ciphertexts and blind indexes of what is given; empty fields are left out."""
    found: dict[str, Any] = {}
    for name, text in clear.items():
        if text:
            found[name] = keyring.encrypt("contacts", name, contact_id, text)
            if name in _KINDS:
                found[f"{name}_hash"] = keyring.blind(_KINDS[name], text)
    if clear.get("phone"):
        found["phone_last4_hash"] = keyring.blind("phone_last4", clear["phone"])
    return {name: value for name, value in found.items() if value is not None}


def masks(clear: Mapping[str, str]) -> dict[str, str]:
    """What lists show of a contact; empty fields are left out."""
    of = {"name": mask_name, "phone": mask_phone, "wechat": mask_account, "email": mask_account}
    return {f"{name}_masked": of[name](clear[name]) for name in CONTACT_FIELDS if clear.get(name)}
