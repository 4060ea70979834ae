"""What the pages of the word check read. One request each; people see the shops they work for.

words(client, q=, category=, severity=, platform=, origin=, is_active=, after=, limit=) -> WordPage
all_words(client) -> tuple[Word, ...] · exceptions(client, term) -> tuple[WordException, ...]
word_history(client, term) -> tuple[WordState, ...] · versions(client) -> list of word_versions rows
proposals(client, state) -> tuple[Proposal, ...] · proposal(client, id) -> Proposal | None
exemptions(client, shop_id=, state=, term=, after=, limit=) -> tuple[Exemption, ...] · evidence(client,
id) -> (name, mime, bytes)
listings(client, state=, verdict=, live_verdict=, shop_id=, platform=, author=, product_id=, q=, todo=,
after=, limit=) -> ListingPage
listing(client, id) -> ListingDetail | None · revision(client, id) -> Revision | None
rechecks(client) -> tuple[Recheck, ...] · recheck_changes(client, id, after) -> tuple[RecheckChange, ...]
file_checks(client) -> tuple[FileCheck, ...] · file_result(client, FileCheck) -> bytes (xlsx)
insight(client, since, until, shop_id=) -> dict, see the comment of compliance_insight
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from supabase import Client

from backend import db
from backend.compliance.models import (
    Exemption,
    FileCheck,
    ListingDetail,
    ListingPage,
    Proposal,
    Recheck,
    RecheckChange,
    Revision,
    Word,
    WordException,
    WordPage,
    WordState,
)


def words(
    client: Client,
    *,
    q: str | None = None,
    category: str | None = None,
    severity: str | None = None,
    platform: str | None = None,
    origin: str | None = None,
    is_active: bool | None = None,
    after: dict[str, int] | None = None,
    limit: int = 50,
) -> WordPage:
    """A page of the words that hold now, in the dictionary's order; `q` is part of the term."""
    wanted = {
        "q": q or None,
        "category": category,
        "severity": severity,
        "platform": platform,
        "origin": origin,
        "is_active": is_active,
        "after": after,
        "limit": limit,
    }
    return WordPage.model_validate(db.rpc(client, "word_list", p=_given(wanted)))


def all_words(client: Client) -> tuple[Word, ...]:
    """Every word that holds now."""
    found: list[Word] = []
    after = None
    while True:
        page = words(client, after=after, limit=500)
        found.extend(page.rows)
        after = page.next
        if after is None:
            return tuple(found)


def exceptions(client: Client, term: str | None = None) -> tuple[WordException, ...]:
    """The exceptions that hold now, of one word or all."""
    return tuple(WordException.model_validate(row) for row in db.rpc(client, "exception_list", p_term=term))


def word_history(client: Client, term: str) -> tuple[WordState, ...]:
    """Every state a word ever had, newest first."""
    return tuple(WordState.model_validate(row) for row in db.rpc(client, "word_history", p_term=term))


def versions(client: Client, limit: int = 50) -> list[dict[str, Any]]:
    """Versions of the dictionary, newest first: what each added, changed, disabled, and who approved it."""
    return db.rows(client.table("word_versions").select("*").order("id", desc=True).limit(limit))


def proposals(client: Client, state: str | None = None) -> tuple[Proposal, ...]:
    """The latest 200 proposals, newest first."""
    return tuple(Proposal.model_validate(row) for row in db.rpc(client, "proposal_list", p_state=state))


def proposal(client: Client, proposal_id: int) -> Proposal | None:
    """A proposal with its operations and its trial; None when there is none."""
    found = db.rpc(client, "proposal_detail", p_id=proposal_id)
    return Proposal.model_validate(found) if found else None


def exemptions(
    client: Client,
    *,
    shop_id: int | None = None,
    state: str | None = None,
    term: str | None = None,
    after: int | None = None,
    limit: int = 50,
) -> tuple[Exemption, ...]:
    """Exemptions of my shops, newest first; `after` is the last id shown."""
    wanted = {"shop_id": shop_id, "state": state, "term": term, "after": after, "limit": limit}
    return tuple(Exemption.model_validate(row) for row in db.rpc(client, "exemption_list", p=_given(wanted)))


def evidence(client: Client, file_id: int) -> tuple[str, str, bytes]:
    """A file of evidence: name, media type, content; recorded. Raises `evidence.none`."""
    found = db.rpc(client, "read_evidence", p_id=file_id)
    return found["name"], found["mime"], base64.b64decode(found["content"])


def listings(
    client: Client,
    *,
    state: str | None = None,
    verdict: str | None = None,
    live_verdict: str | None = None,
    shop_id: int | None = None,
    platform: str | None = None,
    author: str | None = None,
    product_id: int | None = None,
    q: str | None = None,
    todo: bool = False,
    after: int | None = None,
    limit: int = 50,
) -> ListingPage:
    """A page of the listings of my shops, newest first. `author`: "me" or a member's id; `q`: two signs
    or more.

    `todo`: what waits for me: reviews of others' texts, pictures, suspended ones. Raises `filter.bad`.
    """
    wanted = {
        "state": state,
        "verdict": verdict,
        "live_verdict": live_verdict,
        "shop_id": shop_id,
        "platform": platform,
        "author": author,
        "product_id": product_id,
        "q": q or None,
        "todo": "true" if todo else None,
        "after": after,
        "limit": limit,
    }
    return ListingPage.model_validate(db.rpc(client, "listing_page", p=_given(wanted)))


def listing(client: Client, listing_id: int) -> ListingDetail | None:
    """Everything about one listing; None when it does not exist for this person."""
    found = db.rpc(client, "listing_detail", p_id=listing_id)
    return ListingDetail.model_validate(found) if found else None


def revision(client: Client, revision_id: int) -> Revision | None:
    """One revision with its checks, to compare; None when it is not visible."""
    found = db.rpc(client, "listing_revision", p_id=revision_id)
    return Revision.model_validate(found) if found else None


def rechecks(client: Client) -> tuple[Recheck, ...]:
    """The latest 50 runs over all texts, newest first."""
    return tuple(Recheck.model_validate(row) for row in db.rpc(client, "recheck_list"))


def recheck_changes(client: Client, recheck_id: int, after: int = 0) -> tuple[RecheckChange, ...]:
    """What a run found differently in my shops, 200 at a time; `after` is the last id shown."""
    found = db.rpc(client, "recheck_changes", p_id=recheck_id, p_after=after)
    return tuple(RecheckChange.model_validate(row) for row in found)


def file_checks(client: Client) -> tuple[FileCheck, ...]:
    """My own files, newest first."""
    return tuple(FileCheck.model_validate(row) for row in db.rpc(client, "file_check_list"))


def file_result(client: Client, file: FileCheck) -> bytes:
    """The checked workbook of a file of mine. Raises `file_check.none`."""
    parts = (db.rpc(client, "file_result_part", p_id=file.id, p_n=n) for n in range(file.result_parts))
    return b"".join(base64.b64decode(part) for part in parts)


def insight(
    client: Client, since: datetime, until: datetime, *, shop_id: int | None = None
) -> dict[str, Any]:
    """What was found from `since` to before `until` (at most 400 days): totals, by category, shop,
    author, top
    words, trend, exemption reasons, and unresolved blocks by age. Raises `filter.bad`, `shop.none`.
    """
    found: dict[str, Any] = db.rpc(
        client, "compliance_insight", p_from=since.isoformat(), p_to=until.isoformat(), p_shop_id=shop_id
    )
    return found


def _given(wanted: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}
