"""What the database, its dump and the logs may never hold: who bought, where it goes, and any key.

The samples of three platforms, an own-shop file, parcels and a team with phones go through the real importers
and the real gateway; then everything that is written to disk is read.
"""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from ahocorasick import Automaton
from psycopg import conninfo

from backend import db, members
from backend.imports.parse import parse_file
from backend.imports.runner import Importer, Shop, import_file
from backend.local.postgres import bundled_binaries
from backend.local.stack import Stack
from backend.pii import Keyring
from backend.service import Service
from backend.sql import build
from tests.conftest import Installation
from tests.people import Account, add_shop, settings_of, sign_up
from tests.unit import import_files

SAMPLES = Path(__file__).parents[1] / "data" / "samples"
FILES = {
    "taobao": SAMPLES / "taobao_ExportOrderList.csv",
    "jd": SAMPLES / "jd_orders.csv",
    "douyin": SAMPLES / "douyin_orders.csv",
}
OWN = import_files.own(
    {
        "收货人": "欧阳测量",
        "手机号": "13655550001",
        "买家账号": "13655550002",
        "买家备注": "打13655550003给诸葛测绘",
    },
    {
        "收货人": "欧阳测量",
        "手机号": "0571-86550004",
        "区": "西湖区测绘路55号",
        "详细地址": "测绘路55号9栋901室",
    },
    {"手机号": "1365555", "订单状态": "看不懂 13655550005"},
)
PARCELS = import_files.table(
    ["订单号", "运单号", "快递公司", "最后扫描", "最后扫描时间"],
    [
        ["2026110900001", "SF9001", "顺丰 13655550006", "派件员 13655550007 派送中", "2026-11-10 09:00:00"],
        ["2026110900002", "SF9002", "顺丰", "已签收，签收人：欧阳测量", "2026-11-10 09:00:00"],
        ["NOPE", "SF9003", "顺丰", "电话 13655550008", "2026-11-10 09:00:00"],
    ],
)
PHONE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
DETAIL = re.compile(r"[\u4e00-\u9fff]{2,4}(?:路|街|道|巷)\d+号|\d+栋\d+单元\d+室|\d+栋\d+室")


@dataclass
class Written:
    """What was written to disk while the desk worked."""

    stack: Stack
    admin: Account
    dumps: dict[str, str] = field(default_factory=dict)
    personal: set[str] = field(default_factory=set)


def dump(stack: Stack) -> str:
    """The whole database as text, system accounts and staged rows included."""
    parts = conninfo.conninfo_to_dict(stack.admin_url)
    names = {
        "host": "PGHOST",
        "port": "PGPORT",
        "user": "PGUSER",
        "password": "PGPASSWORD",
        "dbname": "PGDATABASE",
    }
    login = {names[key]: str(value) for key, value in parts.items() if key in names}
    done = subprocess.run(
        [bundled_binaries().program("pg_dump"), "--format=plain", "--encoding=UTF8"],
        env={**login, "LC_ALL": "C"},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode()


@pytest.fixture(scope="module")
def written(installation: Installation) -> Iterator[Written]:
    """A desk that has imported everything; its dump in the middle of an import and at the end."""
    with Stack(installation("promises", test_clock=True), test_clock=True, fsync=False) as stack:
        desk = Written(stack, sign_up(stack, "admin"))
        invite_team(desk)
        bring(desk, "stock.csv", SAMPLES / "stock.csv", kind="products")
        for platform, path in FILES.items():
            bring(desk, path.name, path, platform=platform, watch=("import_ready",))
        bring(desk, "own.csv", OWN, platform="own", watch=("import_ready", "import_check", "import_finish"))
        bring(desk, "parcels.csv", PARCELS, kind="shipments", watch=("import_ready",))
        provoke(stack, desk.admin)
        desk.dumps["at the end"] = dump(stack)
        yield desk


def bring(
    desk: Written,
    name: str,
    source: Path | bytes,
    *,
    kind: str = "orders",
    platform: str | None = None,
    watch: tuple[str, ...] = (),
) -> None:
    """Import a file as the command does; the database is dumped just before each call in `watch`."""
    settings = settings_of(desk.stack)
    service = Service(settings)

    def call(rpc: str, **params: Any) -> Any:
        if rpc in watch:
            desk.dumps[f"{name} before {rpc}"] = dump(desk.stack)
        return service.rpc(rpc, **params)

    shop = None
    if platform is not None:
        add_shop(desk.stack, f"p-{platform}", platform=platform)
        found = service.rpc(
            "service_ensure_shop", p_platform=platform, p_code=f"p-{platform}", p_create=False
        )
        shop = Shop(**found)
        read = parse_file(source, name=name, kind=kind, platform="auto", tz="Asia/Shanghai")
        for record in read.records:
            desk.personal |= {record.receiver or ""} | set(DETAIL.findall(record.address or ""))
            desk.personal |= {
                record.address or "",
                *(note for note in (record.buyer_note, record.seller_note) if note),
            }
    importer = Importer(call=call, service=service.rpc, keyring=Keyring.parse(settings.pii_key))
    import_file(importer, source, name=name, kind=kind, shop=shop)
    desk.personal -= {""}


def invite_team(desk: Written) -> None:
    """Two people with phones, as an admin pastes them."""
    settings = settings_of(desk.stack)
    client = db.user_client(settings, desk.admin.session.access_token)
    people = [
        members.Person(name="客服甲", staff_no="P-1", role="agent", phone="13655550009"),
        members.Person(name="客服乙", staff_no="P-2", role="manager", phone="+86 136 5555 0010"),
    ]
    batch = members.prepare(client, settings, Keyring.parse(settings.pii_key), people)
    members.invite(client, batch, request_id=uuid.uuid4())


def provoke(stack: Stack, admin: Account) -> None:
    """Requests that fail with something personal in them: a log must not repeat it."""
    sent = {"apikey": stack.publishable_key, "authorization": f"Bearer {admin.session.access_token}"}
    for path, body in (
        ("rpc/search_desk", {"p": {"order_nos": {"x": "13655550011"}}}),
        ("rpc/reveal_contact", {"p_entity": "13655550012", "p_id": "13655550012 x", "p_reason": None}),
        ("rpc/no_such_function", {"phone": "13655550013"}),
        ("orders", {"buyer_account": "13655550014"}),
    ):
        assert httpx.post(f"{stack.api_url}/rest/v1/{path}", json=body, headers=sent).status_code >= 400
    wrong = httpx.get(f"{stack.api_url}/rest/v1/orders?select=id&id=eq.13655550015x", headers=sent)
    assert wrong.status_code >= 400


def phones(text: str) -> list[str]:
    """What reads like a phone; eleven digits of a random id are none."""
    return sorted(set(PHONE.findall(UUID.sub("", text))))


def test_no_phone_is_readable_in_any_dump(written: Written) -> None:
    assert len(written.dumps) == 8
    found = {when: phones(text) for when, text in written.dumps.items()}
    assert {when: numbers for when, numbers in found.items() if numbers} == {}


def test_no_name_and_no_address_is_readable_in_any_dump(written: Written) -> None:
    assert len(written.personal) > 300
    ours = build.assemble()  # a receiver called 公司 cannot be told from the 快递公司 of our own words
    values = Automaton()
    for value in written.personal:
        if value not in ours:
            values.add_word(value, value)
    values.make_automaton()
    found = {when: [value for _, value in values.iter(text)] for when, text in written.dumps.items()}
    assert {when: values for when, values in found.items() if values} == {}


def test_the_dumps_hold_what_they_should(written: Written) -> None:
    """The two tests above look at the right text: staged rows with ciphertexts, masks, and the orders."""
    staged = written.dumps["taobao_ExportOrderList.csv before import_ready"]
    assert re.search(r'"phone": "v1\.', staged)
    end = written.dumps["at the end"]
    assert re.search(r"1\d\d\*\*\*\*\d{4}", end)
    assert "v1." in end
    assert "派件员 136****0007 派送中" in end
    assert "签收人：欧**" in end
    assert "319000000037" in end


def test_the_logs_hold_no_key_no_token_and_no_phone(written: Written) -> None:
    stack = written.stack
    files = [path for path in (stack.data_dir / "log").rglob("*") if path.is_file()]
    text = "".join(path.read_text("utf-8", errors="replace") for path in files)
    keys = stack.secrets
    secrets = [
        *(stack.secret_key, stack.publishable_key, keys.jwt_secret, stack.pii_key, stack.cookie_secret),
        *(written.admin.session.access_token, written.admin.session.access_token.rsplit(".", 1)[1]),
        written.admin.session.sid,
    ]
    assert files
    assert [secret[:12] for secret in secrets if secret in text] == []
    assert phones(text) == []
    assert [value for value in written.personal if value in text] == []


def test_the_database_holds_no_key_and_no_session(written: Written) -> None:
    end = written.dumps["at the end"]
    stack = written.stack
    secrets = (
        stack.pii_key,
        stack.cookie_secret,
        written.admin.session.access_token,
        written.admin.session.sid,
    )
    assert [secret[:8] for secret in secrets if secret in end] == []
