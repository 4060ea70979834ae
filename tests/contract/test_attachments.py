"""Photos of a ticket through the real gateway: who may, who may not, and what is left after both."""

from __future__ import annotations

import io
from uuid import uuid4

import psycopg
import pytest
from PIL import ExifTags, Image
from supabase import Client

from backend import db
from backend.errors import AppError
from backend.local.stack import Stack
from backend.tickets import attachments
from tests.people import Account, add_shop, hire, settings_of


@pytest.fixture(scope="module")
def people(stack: Stack) -> dict[str, Account]:
    """Two agents of one shop, an analyst of it, and an agent of another shop."""
    here, far = add_shop(stack, "files-here"), add_shop(stack, "files-far")
    return {
        "owner": hire(stack, "agent", shops=[here]),
        "colleague": hire(stack, "agent", shops=[here]),
        "analyst": hire(stack, "analyst", shops=[here]),
        "stranger": hire(stack, "agent", shops=[far]),
    }


def client(stack: Stack, who: Account) -> Client:
    return db.user_client(settings_of(stack), who.session.access_token)


def case(stack: Stack, owner: Account) -> int:
    with psycopg.connect(stack.db_url) as conn:
        row = conn.execute(
            """insert into tickets (shop_id, type, state, owner_id, registered_at)
               select id, 'quality', 'in_progress', %s, private.now() from shops where code = 'files-here'
               returning id""",
            (owner.member_id,),
        ).fetchone()
    assert row is not None
    return int(row[0])


def kept(stack: Stack, ticket: int) -> list[tuple[int, bytes]]:
    with psycopg.connect(stack.db_url) as conn:
        query = "select id, content from private.attachments where ticket_id = %s order by id"
        return conn.execute(query, (ticket,)).fetchall()


def photo() -> bytes:
    """A large photo that says where it was taken."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (31.0, 14.0, 3.0)
    out = io.BytesIO()
    Image.effect_noise((1400, 1400), 90).convert("RGB").save(out, "JPEG", quality=95, exif=exif)
    return out.getvalue()


def test_two_people_and_one_file(stack: Stack, people: dict[str, Account]) -> None:
    ticket = case(stack, people["owner"])
    owner = client(stack, people["owner"])
    taken = photo()
    assert len(taken) > 1_000_000
    ready = attachments.prepare("划痕.jpg", taken)
    asked = uuid4()
    number = attachments.add(owner, ticket, ready, request_id=asked)
    assert attachments.add(owner, ticket, ready, request_id=asked) == number
    before = kept(stack, ticket)
    assert before == [(number, ready.content)]
    with Image.open(io.BytesIO(before[0][1])) as stored:
        assert not stored.getexif().get_ifd(ExifTags.IFD.GPSInfo)
    assert attachments.read(owner, number).content == ready.content
    assert attachments.read(owner, number, preview=True).content == ready.preview

    denied = {"colleague": "attachment.not_yours", "analyst": "member.role", "stranger": "attachment.none"}
    for name, key in denied.items():
        other = client(stack, people[name])
        with pytest.raises(AppError) as caught:
            attachments.read(other, number)
        assert (name, caught.value.key) == (name, key)
        with pytest.raises(AppError):
            attachments.add(other, ticket, attachments.prepare("x.pdf", b"%PDF-1"), request_id=uuid4())
        with pytest.raises(AppError):
            attachments.remove(other, number, "wrong_file", request_id=uuid4())
        with pytest.raises(AppError):  # no table behind the functions, in any schema of the API
            db.rows(other.table("attachments").select("*"))
        assert kept(stack, ticket) == before
    with pytest.raises(AppError):
        attachments.read(db.auth_client(settings_of(stack)), number)

    attachments.remove(owner, number, "wrong_file", request_id=uuid4())
    assert kept(stack, ticket) == []
    with pytest.raises(AppError) as caught:
        attachments.read(owner, number)
    assert caught.value.key == "attachment.none"
