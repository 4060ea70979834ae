"""Texts and words of a shop of a test's own, for the pages of the word check."""

from __future__ import annotations

import uuid
from typing import Any

from backend import db, jobs
from backend.compliance import commands, reads
from backend.compliance.models import Draft, ListingDetail, ListingRef
from backend.config import Settings
from backend.job import Worker
from backend.pii import Keyring
from backend.service import Service
from tests.pages.shop_floor import ShopFloor
from tests.people import Account, settings_of

KINDS = ("recheck_texts", "try_words", "check_file")


def settings(floor: ShopFloor) -> Settings:
    """The settings of an app on the floor's stack."""
    return settings_of(floor.stack)


def as_person(floor: ShopFloor, who: str | Account) -> Any:
    """The client of a member."""
    account = floor.person(who) if isinstance(who, str) else who
    return db.user_client(settings(floor), account.session.access_token)


def write(floor: ShopFloor, title: str, who: str = "operations", **more: str) -> int:
    """A checked listing; returns its id."""
    draft = Draft(floor.shop_id, title, **more)
    client = as_person(floor, who)
    return commands.save_listing(client, Service(settings(floor)), draft, request_id=uuid.uuid4())[0]


def detail(floor: ShopFloor, listing_id: int, who: str = "operations") -> ListingDetail:
    """The listing as the database has it now."""
    found = reads.listing(as_person(floor, who), listing_id)
    assert found is not None
    return found


def ref(floor: ShopFloor, listing_id: int) -> ListingRef:
    """The listing with its version of now."""
    return ListingRef(listing_id, detail(floor, listing_id).listing.version)


def work(floor: ShopFloor) -> None:
    """The worker's part."""
    here = settings(floor)
    worker = Worker(rpc=Service(here).rpc, keyring=Keyring.parse(here.pii_key))
    while jobs.run_once(worker, kinds=KINDS):
        pass
