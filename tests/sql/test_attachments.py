"""Photos and files of a ticket: what is taken, who opens them, what is written down, when they go."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.sql import desk as floor
from tests.sql.desk import NOON, at, one, refusal

Connection = psycopg.Connection[Any]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
FILES = {
    "application/pdf": b"%PDF-1.7" + bytes(9),
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0" + bytes(9),
    "image/webp": b"RIFF\x00\x00\x00\x00WEBPVP8 ",
}
NO_FILES = (
    b"",
    b"MZ" + bytes(9),
    b"<svg onload=alert(1)>",
    b"RIFF\x00\x00\x00\x00WAVE",
    b"GIF89a",
    b"PK\x03\x04",
)


@pytest.fixture
def desk(db: Connection) -> Connection:
    floor.open_floor(db)
    return db


def case(desk: Connection, owner: str = "ann", *, state: str = "in_progress") -> int:
    """A case of shop one that ben registered and `owner` works on."""
    number = one(
        desk,
        """insert into tickets (shop_id, type, state, owner_id, registered_by, registered_at, closed_at)
           select s.id, 'reship', %s, m.id, b.id, private.now(), case when %s = 'cancelled' then private.now() end
           from shops s, members m, members b where s.code = 'one' and m.staff_no = %s and b.staff_no = 'ben' returning id""",
        state, state, owner,
    )  # fmt: skip
    return int(number)


def add(desk: Connection, who: str, number: int, content: bytes = PNG, **more: Any) -> Any:
    facts = {"name": "划痕.png", "content": base64.b64encode(content).decode()} | more
    with floor.as_member(desk, who):
        return one(desk, "select public.add_attachment(%s, %s, gen_random_uuid())", number, Jsonb(facts))


def read(desk: Connection, who: str, file: int) -> bytes:
    with floor.as_member(desk, who):
        return base64.b64decode(one(desk, "select public.attachment(%s)", file)["content"])


def remove(desk: Connection, who: str, file: int, reason: str | None = "wrong_file") -> Any:
    with floor.as_member(desk, who):
        return one(desk, "select public.remove_attachment(%s, %s, gen_random_uuid())", file, reason)


def offered(desk: Connection, who: str, number: int) -> set[str]:
    """Which of adding and opening the page of a ticket offers."""
    with floor.as_member(desk, who):
        screen = one(desk, "select public.ticket_screen(%s)", number)
    return {"add_attachment", "attachment"} & set(screen["can"] if screen else ())


def kept(desk: Connection, number: int) -> int:
    return int(one(desk, "select count(*) from private.attachments where ticket_id = %s", number))


def test_a_file_is_what_its_bytes_say(desk: Connection) -> None:
    number = case(desk)
    for kind, content in FILES.items():
        assert add(desk, "ann", number, content, media_type="text/html")["media_type"] == kind
    for content in NO_FILES:
        with refusal("PT422", "attachment.type"):
            add(desk, "ann", number, content)
    for preview in (b"%PDF-", *NO_FILES):
        with refusal("PT422", "attachment.type"):
            add(desk, "ann", number, PNG + b"2", preview=base64.b64encode(preview).decode())
    with refusal("PT422", "attachment.type"), floor.as_member(desk, "ann"):
        one(
            desk,
            "select public.add_attachment(%s, %s, gen_random_uuid())",
            number,
            Jsonb({"content": "no base64!"}),
        )
    assert kept(desk, number) == 4


def test_size_number_and_names_have_limits(desk: Connection) -> None:
    number = case(desk)
    most = PNG + bytes(5 * 1024 * 1024 - len(PNG))
    assert read(desk, "ann", add(desk, "ann", number, most)["id"]) == most
    with refusal("PT422", "attachment.too_large"):
        add(desk, "ann", number, most + b"x")
    same = add(desk, "ann", number)["id"]
    assert add(desk, "ann", number, name="again.png")["id"] == same
    named = add(desk, "ann", number, PNG + b"n", name="../../13812345678\n.png")["id"]
    assert one(desk, "select name from private.attachments where id = %s", named) == "file"
    assert "/" not in one(
        desk,
        "select name from private.attachments where id = %s",
        add(desk, "ann", number, PNG + b"m", name="a/b.png")["id"],
    )
    for n in range(16):
        add(desk, "ann", number, PNG + bytes([n]))
    with refusal("PT422", "attachment.too_many"):
        add(desk, "ann", number, PNG + b"21")
    assert kept(desk, number) == 20
    over = case(desk, state="cancelled")
    with refusal("PT409", "attachment.closed"):
        add(desk, "ann", over)
    assert kept(desk, over) == 0


ALLOWED = (
    "ann",
    "ben",
    "lea",
    "ops",
    "mgr",
    "whs",
    "adm",
)  # owner, registrar, lead, operations, manager, warehouse, admin
DENIED = {
    "cid": ("PT403", "attachment.not_yours"),
    "ana": ("PT403", "member.role"),
    "far": ("PT404", "none"),
}


def test_who_adds_and_who_opens(desk: Connection) -> None:
    number = case(desk)
    file = add(desk, "ann", number)["id"]
    wrong = []
    for n, who in enumerate(ALLOWED):
        try:
            add(desk, who, number, PNG + bytes([n]))
            assert read(desk, who, file) == PNG
            assert offered(desk, who, number) == {"add_attachment", "attachment"}
        except psycopg.Error as error:
            wrong.append((who, error.diag.message_primary))
    assert wrong == []
    before = kept(desk, number)
    for who, (code, key) in DENIED.items():
        assert offered(desk, who, number) == set()
        with refusal(code, f"ticket.{key}" if key == "none" else key):
            add(desk, who, number, PNG + b"denied")
        with refusal(code, f"attachment.{key}" if key == "none" else key):
            read(desk, who, file)
        with refusal(code, f"attachment.{key}" if key == "none" else key):
            remove(desk, who, file)
    assert kept(desk, number) == before
    desk.execute(
        "update tickets set owner_id = (select id from members where staff_no = 'cid') where id = %s",
        (number,),
    )
    assert read(desk, "cid", file) == PNG  # he took the case over
    assert offered(desk, "ann", number) == set()
    with refusal("PT403", "attachment.not_yours"):  # what she uploaded herself went with the case
        read(desk, "ann", file)
    own = one(desk, "select max(id) from private.attachments where ticket_id = %s", number)
    hers = "update private.attachments set uploaded_by = (select id from members where staff_no = 'ann') where id = %s"
    desk.execute(hers.encode(), (own,))
    assert remove(desk, "ann", own)["id"] == own  # a wrong file goes, within ten minutes
    middle, last = case(desk), case(desk, "cid")
    for merged, into in ((number, middle), (middle, last)):
        desk.execute(
            "update tickets set state = 'merged', merged_into_id = %s, closed_at = private.now() where id = %s",
            (into, merged),
        )
    assert read(desk, "cid", file) == PNG  # it went on with its case, twice
    with floor.as_member(desk, "cid"):
        assert one(desk, "select public.ticket_screen(%s)", last)["attachments"][0]["id"] == file
    for role in ("anon", "authenticated", "service_role"):
        assert one(desk, "select has_table_privilege(%s, 'private.attachments', 'select')", role) is False


def test_opening_somebody_elses_file_is_written_down(desk: Connection) -> None:
    file = add(desk, "ann", case(desk))["id"]
    for who in ("ann", "ops", "ops"):
        read(desk, who, file)
    at(desk, NOON + timedelta(minutes=11))
    read(desk, "ops", file)
    said = desk.execute(
        "select m.staff_no, a.action from audit_events a join members m on m.id = a.member_id where action like 'attachment%' order by a.id"
    ).fetchall()
    assert said == [("ann", "attachment_added"), ("ops", "attachment_opened"), ("ops", "attachment_opened")]


def test_a_file_goes_by_a_mistake_soon_noticed_by_a_lead_or_with_its_ticket(desk: Connection) -> None:
    number = case(desk)
    first, second, third = (add(desk, "ann", number, PNG + bytes([n]))["id"] for n in range(3))
    with refusal("PT422", "attachment.reason"):
        remove(desk, "ann", first, None)
    remove(desk, "ann", first)
    at(desk, NOON + timedelta(minutes=10))
    with refusal("PT403", "attachment.kept"):
        remove(desk, "ann", second)
    assert kept(desk, number) == 2
    remove(desk, "lea", second, "personal_data")
    detail = one(
        desk, "select detail from audit_events where action = 'attachment_removed' order by id desc limit 1"
    )
    assert (detail["reason"], detail["size"]) == ("personal_data", len(PNG) + 1)
    assert one(desk, "select private.ticket_attachments(%s)", number)[0]["id"] == third
    into = case(desk)
    desk.execute(
        "update tickets set state = 'merged', merged_into_id = %s, closed_at = private.now(), owner_id = null where id = %s",
        (into, number),
    )
    assert one(desk, "select private.ticket_attachments(%s)", into)[0]["id"] == third
    assert read(desk, "ann", third) == PNG + b"\x02"
    desk.execute("delete from tickets where id = %s", (number,))
    assert kept(desk, number) == 0
