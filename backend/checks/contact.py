"""The verdict on one contact: may a parcel with this phone, address and these remarks leave?

Pure: no network, no database, no clock. The caller stores the findings with CHECKS_VERSION and the
hash of the facts, so that an order whose facts or rules changed since is seen to be unchecked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from backend.checks import address as addresses
from backend.checks import detail, divisions, suspicious
from backend.checks import phone as phones
from backend.checks.models import AddressParts, Checked, Evidence, Finding, Note, ParsedAddress, PhoneVerdict
from backend.checks.text import tidy
from backend.pii import Keyring

# Raised with every change of a rule or of its data: verdicts of an older version count as unchecked.
CHECKS_VERSION = 1

_MOBILE_IN_TEXT = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
_WECHAT_IN_TEXT = re.compile(
    r"微信|薇信|威信号|加v(?![a-z])|(?<![a-z])(?:vx|wx|wechat)(?![a-z])|v信", re.IGNORECASE
)
_NO_POSTCODE = frozenset({"", "000000", "100000"})  # what export tools write where the buyer gave none


def check_contact(
    *,
    phone: str | None,
    receiver: str | None,
    province: str | None,
    city: str | None,
    district: str | None,
    address: str | None,
    postcode: str | None = None,
    notes: Sequence[str | None] = (),
    receiver_known: bool = True,
    params: Mapping[str, Any] | None = None,
) -> Checked:
    """Judge a contact. `params`: kind -> parameters of the shop's rule, as suspicious.default_params().

    Where the export carries no receiver (`receiver_known` false) nothing is judged, only parts recognised.
    Evidence never holds a personal value. `remote` is judged elsewhere, from `parts.province`.
    """
    parsed = addresses.parse(
        province=province, city=city, district=district, address=address, postcode=postcode
    )
    verdict = phones.classify(phone, province=parsed.parts.province)
    if not receiver_known:
        return Checked((), parsed.notes, parsed.parts, verdict.state)
    found = (
        _bad_phone(verdict),
        _missing_detail(parsed.parts),
        _mismatch(parsed),
        suspicious.check(address, notes, (params or {}).get("suspicious")),
    )
    remarks = (*parsed.notes, *_phone_notes(verdict), *_address_notes(parsed.parts, address))
    if receiver and suspicious.find(receiver, "receiver", (params or {}).get("suspicious")):
        remarks = (*remarks, Note("odd_receiver"))
    return Checked(tuple(item for item in found if item), remarks, parsed.parts, verdict.state)


def facts(
    *,
    phone: str | None,
    receiver: str | None,
    province: str | None,
    city: str | None,
    district: str | None,
    address: str | None,
    postcode: str | None = None,
    notes: Sequence[str | None] = (),
    receiver_known: bool = True,
) -> tuple[str, ...]:
    """What check_contact reads, in one canonical tuple (personal data: hash it, never store it)."""
    values = (phone, receiver, province, city, district, address, postcode, *notes)
    return ("1" if receiver_known else "0", *(tidy(value) for value in values))


def facts_hash(keyring: Keyring, known: tuple[str, ...], *, key_id: str | None = None) -> str:
    """Keyed hash of `facts(…)`: equal facts, equal hashes; nobody without the key can try addresses."""
    return keyring.fingerprint("contact-facts", known, key_id=key_id)


def _bad_phone(verdict: PhoneVerdict) -> Finding | None:
    if verdict.problem is None:
        return None
    evidence: dict[str, str | int] = {"problem": verdict.problem}
    if verdict.problem not in {"empty", "masked"}:
        evidence["digits"] = verdict.digits
    return Finding("bad_phone", evidence)


def _missing_detail(parts: AddressParts) -> Finding | None:
    if detail.is_masked(parts.detail):
        return None
    district = parts.district or ""
    town = parts.town or (district if district.endswith(("镇", "乡", "街道")) else None)
    have = detail.have(parts.detail, town=town)
    return Finding("missing_detail", {"have": have}) if have else None


def _mismatch(parsed: ParsedAddress) -> Finding | None:
    clash = parsed.contradiction
    if clash is None:
        return None
    evidence: Evidence = {"left": clash.left, "right": clash.right, "level": clash.level}
    return Finding("mismatch", evidence)


def _phone_notes(verdict: PhoneVerdict) -> tuple[Note, ...]:
    rare = verdict.state in {"mobile", "privacy"} and verdict.normalised[:3] in phones.RARE_PREFIXES
    return (Note("rare_prefix", {"prefix": verdict.normalised[:3]}),) if rare else ()


def _address_notes(parts: AddressParts, address: str | None) -> tuple[Note, ...]:
    text = tidy(address)
    notes = []
    if detail.is_masked(parts.detail):
        notes.append(Note("masked_address"))
    if _MOBILE_IN_TEXT.search(text):
        notes.append(Note("contact_in_address", {"what": "phone"}))
    if _WECHAT_IN_TEXT.search(text):
        notes.append(Note("contact_in_address", {"what": "wechat"}))
    return (*notes, *_postcode_notes(parts))


def _postcode_notes(parts: AddressParts) -> tuple[Note, ...]:
    code = parts.postcode or ""
    if code in _NO_POSTCODE:
        return ()
    if not re.fullmatch(r"\d{6}", code):
        return (Note("postcode_form"),)
    areas = divisions.load().postcode_areas.get(parts.province or "")
    return (
        (Note("postcode_province", {"province": parts.province or ""}),)
        if areas and code[:2] not in areas
        else ()
    )
