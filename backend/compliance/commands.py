"""What people do with words, exemptions, listings and files. One request each; the database checks right
and version.

propose(client, title, operations, request_id=, proposal_id=, version=) -> (id, version)
try_proposal · submit_proposal · withdraw_proposal(client, id, version, request_id=) -> version
decide_proposal(client, id, version, approve, request_id=, note=) -> version of the dictionary | None
request_exemption(client, …) -> (id, version) · add_evidence(client, id, name, content, request_id=) ->
file id
decide_exemption(client, id, version, approve, request_id=, note=) · revoke_exemption(client, id,
version, note, request_id=)
save_listing(client, service, draft, request_id=, listing_id=, version=) -> (id, version, {part: Result})
recheck_listing(service, revision_id) -> {part: Result}
submit · approve · send_back · publish · withdraw(client, [ListingRef], request_id=, reason=) -> Moved
set_images(client, ref, urls, request_id=) -> version · undo(client, batch_id, request_id=) -> count
start_recheck(client, request_id=) · check_file(client, data, name, columns=, request_id=, …) -> id ·
cancel_file(client, id, request_id=)
"""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any, Final
from uuid import UUID

from supabase import Client

from backend import db
from backend.compliance.checking import check_revision, normal
from backend.compliance.models import Draft, ListingRef, Moved, Operation
from backend.errors import AppError
from backend.imports.limits import MAX_BYTES
from backend.service import Service
from backend.words import Result
from backend.words.conditions import compile_row
from backend.words.dictionary import ExceptionRow

_PART: Final = 1 << 20


# --- the dictionary ---


def propose(
    client: Client,
    title: str,
    operations: Sequence[Operation],
    *,
    request_id: UUID,
    proposal_id: int | None = None,
    version: int | None = None,
) -> tuple[int, int]:
    """Write a proposal, or write one anew while it is a draft; answers id and version.

    Raises `words.item_bad` (n, field), `words.pattern_bad` (n), `words.moved`, `words.term_exists`,
    `words.item_twice`,
    `words.title_missing`, `words.not_yours`, `words.proposal_stale`, `words.proposal_state`.
    """
    for n, operation in enumerate(operations, 1):
        check_pattern(operation, n)
    answer = db.command(
        client,
        "save_proposal",
        request_id=request_id,
        p_id=proposal_id,
        p_version=version,
        p_title=title,
        p_items=[operation.as_json() for operation in operations],
    )
    return int(answer["id"]), int(answer["version"])


def check_pattern(operation: Operation, n: int) -> None:
    """Refuse an exception that says nothing to the engine: `words.pattern_bad` (n)."""
    facts = operation.facts
    if operation.target != "exception" or operation.action == "disable" or "pattern" not in facts:
        return
    row = ExceptionRow(
        tuple(facts.get("terms", ("词",))),
        facts.get("effect", "clean"),
        facts.get("place", "phrase"),
        str(facts["pattern"]),
        "",
    )
    try:
        compile_row(row)
    except (ValueError, re.error, IndexError) as problem:
        raise AppError("words.pattern_bad", params={"n": n}) from problem


def try_proposal(client: Client, proposal_id: int, version: int, *, request_id: UUID) -> int:
    """Have the worker read the stored texts as the dictionary would be; the answer grows in
    `Proposal.trial`."""
    return _proposal(client, "try_proposal", proposal_id, version, request_id)


def submit_proposal(client: Client, proposal_id: int, version: int, *, request_id: UUID) -> int:
    """Hand my proposal to a manager. Raises `words.untried`, `words.not_yours`, `words.moved`."""
    return _proposal(client, "submit_proposal", proposal_id, version, request_id)


def withdraw_proposal(client: Client, proposal_id: int, version: int, *, request_id: UUID) -> int:
    """Take my proposal back."""
    return _proposal(client, "withdraw_proposal", proposal_id, version, request_id)


def decide_proposal(
    client: Client, proposal_id: int, version: int, approve: bool, *, request_id: UUID, note: str = ""
) -> int | None:
    """Approve (answers the new version of the dictionary) or refuse with a note (None). Managers, never
    the author.

    Raises `words.own`, `words.note_missing`, `words.moved`, `words.untried`, `words.proposal_state`.
    """
    answer = db.command(
        client,
        "decide_proposal",
        request_id=request_id,
        p_id=proposal_id,
        p_version=version,
        p_approve=approve,
        p_note=note,
    )
    return answer["words_version"] and int(answer["words_version"])


def start_recheck(client: Client, *, request_id: UUID) -> None:
    """All texts are read again by the worker, now."""
    db.command(client, "start_recheck", request_id=request_id)


# --- exemptions ---


def request_exemption(
    client: Client,
    *,
    shop_id: int,
    term: str,
    reason: str,
    note: str,
    valid_until: date,
    request_id: UUID,
    sku: str | None = None,
) -> tuple[int, int]:
    """Ask that evidence allows a word in a shop (`sku`: for one product). Answers id and version; then
    add files.

    Raises `exemption.term`, `exemption.not_possible`, `exemption.expiry`, `exemption.bad_value`,
    `shop.none`.
    """
    wanted = {
        "shop_id": shop_id,
        "term": term,
        "reason": reason,
        "note": note,
        "valid_until": valid_until.isoformat(),
        "sku": sku,
    }
    answer = db.command(client, "request_exemption", request_id=request_id, p_exemption=wanted)
    return int(answer["id"]), int(answer["version"])


def add_evidence(client: Client, exemption_id: int, name: str, content: bytes, *, request_id: UUID) -> int:
    """Attach a file (PDF, PNG, JPEG by content; at most 5 MB, five files) while the request waits.

    Raises `evidence.too_large`, `evidence.type`, `evidence.too_many`, `exemption.state`, `exemption.none`.
    """
    if len(content) > 5 * 1024 * 1024:
        raise AppError("evidence.too_large", params={"limit": 5})
    answer = db.command(
        client,
        "add_evidence",
        request_id=request_id,
        p_exemption_id=exemption_id,
        p_name=name,
        p_content=base64.b64encode(content).decode("ascii"),
    )
    return int(answer["id"])


def decide_exemption(
    client: Client, exemption_id: int, version: int, approve: bool, *, request_id: UUID, note: str = ""
) -> None:
    """Approve or refuse (with a note) what somebody else asked for; managers of the shop.

    Raises `exemption.own`, `exemption.no_evidence`, `exemption.note_missing`, `exemption.stale`,
    `exemption.state`.
    """
    db.command(
        client,
        "decide_exemption",
        request_id=request_id,
        p_id=exemption_id,
        p_version=version,
        p_approve=approve,
        p_note=note,
    )


def revoke_exemption(client: Client, exemption_id: int, version: int, note: str, *, request_id: UUID) -> None:
    """Take an exemption back (approved ones: managers); listings it allowed are judged at once."""
    db.command(
        client,
        "revoke_exemption",
        request_id=request_id,
        p_id=exemption_id,
        p_version=version,
        p_note=note,
    )


# --- listings ---


def save_listing(
    client: Client,
    service: Service,
    draft: Draft,
    *,
    request_id: UUID,
    listing_id: int | None = None,
    version: int | None = None,
) -> tuple[int, int, dict[str, Result]]:
    """Write a listing, or a new revision of one, and check it at once: id, version, part -> result.

    Raises `listing.stale`, `listing.none`, `listing.title`, `listing.too_long`, `listing.category`,
    `listing.licence`,
    `listing.product`, `shop.none`.
    """
    answer = db.command(
        client,
        "save_listing",
        request_id=request_id,
        p_id=listing_id,
        p_version=version,
        p_listing=_listing(draft),
    )
    return int(answer["id"]), int(answer["version"]), check_revision(service.rpc, answer["revision_id"])


def recheck_listing(service: Service, revision_id: int) -> dict[str, Result]:
    """Check a revision again now, with the version that holds: part -> result."""
    return check_revision(service.rpc, revision_id)


def submit(client: Client, refs: Sequence[ListingRef], *, request_id: UUID, reason: str = "") -> Moved:
    """Draft → text review (审核). `reason`: the grounds on which warnings may stay."""
    return _move(client, "submit_listings", refs, request_id, reason)


def approve(client: Client, refs: Sequence[ListingRef], *, request_id: UUID, reason: str = "") -> Moved:
    """Text review → pictures, final review → ready (managers). Never the author: `listing.own`."""
    return _move(client, "approve_listings", refs, request_id, reason)


def send_back(client: Client, refs: Sequence[ListingRef], *, request_id: UUID, reason: str) -> Moved:
    """Back to draft, with a reason."""
    return _move(client, "return_listings", refs, request_id, reason)


def publish(client: Client, refs: Sequence[ListingRef], *, request_id: UUID, reason: str = "") -> Moved:
    """Ready (or suspended and clean again) → published. Refused: `text.blocked`, `text.unchecked`,
    `text.reason_missing`."""
    return _move(client, "publish_listings", refs, request_id, reason)


def withdraw(client: Client, refs: Sequence[ListingRef], *, request_id: UUID, reason: str) -> Moved:
    """Take listings out, with a reason."""
    return _move(client, "withdraw_listings", refs, request_id, reason)


def set_images(client: Client, ref: ListingRef, urls: Sequence[str], *, request_id: UUID) -> int:
    """Pictures (1 to 20 https addresses) → final review (上架审核); answers the version. Raises
    `listing.images`."""
    answer = db.command(
        client,
        "set_listing_images",
        request_id=request_id,
        p_id=ref.id,
        p_version=ref.version,
        p_images=[url.strip() for url in urls if url.strip()],
    )
    return int(answer["version"])


def undo(client: Client, batch_id: int, *, request_id: UUID) -> int:
    """Take my own step of the last ten minutes back; answers how many listings are as before.

    Raises `undo.none`, `undo.done`, `undo.too_late`, `listing.changed`.
    """
    return int(db.command(client, "undo_listings", request_id=request_id, p_batch_id=batch_id)["done"])


# --- files ---


def check_file(
    client: Client,
    data: bytes,
    name: str,
    *,
    columns: Sequence[int],
    request_id: UUID,
    kind: str = "title",
    category: str = "general",
    shop_id: int | None = None,
    sheet: int = 0,
) -> int:
    """Hand a CSV or XLSX file (at most 50 MB) to the worker; `columns` are 0-based places. Answers its id.

    Raises `file_check.columns`, `file_check.options`, `file_check.too_many`, `shop.none`; what is wrong
    with the file itself
    shows later as `FileCheck.error` (a key of backend/imports/reasons.py).
    """
    if len(data) > MAX_BYTES:
        raise AppError("file_check.part")
    options = {
        "columns": list(columns),
        "kind": kind,
        "category": category,
        "shop_id": shop_id,
        "sheet": sheet,
    }
    answer = db.command(client, "begin_file_check", request_id=request_id, p_name=name, p_options=options)
    file_id = int(answer["id"])
    for n, first in enumerate(range(0, len(data), _PART)):
        piece = base64.b64encode(data[first : first + _PART]).decode("ascii")
        db.rpc(client, "add_file_part", p_id=file_id, p_n=n, p_content=piece)
    start = uuid.uuid5(request_id, "start")
    db.command(client, "start_file_check", request_id=start, p_id=file_id)
    return file_id


def cancel_file(client: Client, file_id: int, *, request_id: UUID) -> None:
    """Stop a file of mine that is not done. Raises `file_check.state`, `file_check.none`."""
    db.command(client, "cancel_file_check", request_id=request_id, p_id=file_id)


def _proposal(client: Client, name: str, proposal_id: int, version: int, request_id: UUID) -> int:
    answer = db.command(client, name, request_id=request_id, p_id=proposal_id, p_version=version)
    return int(answer["version"])


def _listing(draft: Draft) -> dict[str, Any]:
    given = asdict(draft)
    for part in ("title", "selling_points", "description", "sku"):
        given[part] = normal(given[part]).strip()
    given["licences"] = [normal(licence).strip() for licence in draft.licences]
    return given


def _move(client: Client, name: str, refs: Sequence[ListingRef], request_id: UUID, reason: str) -> Moved:
    items = [{"id": ref.id, "version": ref.version} for ref in refs]
    answer = db.command(client, name, request_id=request_id, p_items=items, p_reason=reason)
    return Moved.model_validate(answer)
