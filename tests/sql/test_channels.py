"""Channels: who edits them, who sets the secret, that nobody reads either back, and where messages may go at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from backend import channels
from backend.channels import Draft
from backend.errors import AppError
from backend.pii import Keyring, generate_key
from tests.sql import desk
from tests.sql.desk import ask, one, refusal, row
from tests.sql.reminding import channel, claim, member, request, rows, service, sweep

Connection = psycopg.Connection[Any]
VECTORS = json.loads((Path(__file__).parents[1] / "data" / "channel_vectors.json").read_text("utf-8"))
KEYRING = Keyring.parse(generate_key())
ROBOT = "https://oapi.dingtalk.com/robot/send?access_token=example"


@pytest.fixture
def floor(db: Connection) -> Connection:
    desk.open_floor(db)
    return db


def draft(**more: Any) -> Draft:
    return Draft(**({"kind": "dingtalk", "name": "客服群", "endpoint": ROBOT} | more))


def save(
    conn: Connection,
    who: str,
    wanted: Draft,
    channel_id: int | None = None,
    version: int | None = None,
    **over: Any,
) -> Any:
    """Save a channel as the app does; `over` replaces what a hand-made request would."""
    channel_id = channel_id or ask(conn, "mgr", "reserve_channel_id")
    body = channels.sealed(KEYRING, channel_id, wanted) | over
    return ask(conn, who, "save_channel", channel_id, version, body, request())


# --- who may do what ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["mgr", "adm"])
def test_leaders_add_and_change_channels(floor: Connection, who: str) -> None:
    made = save(floor, who, draft())
    again = save(floor, who, draft(name="夜班群", endpoint=None), made["id"], made["version"])
    with desk.as_member(floor, who):
        columns = "kind, name, shop_id, audience, host, has_secret, is_active, version"
        assert row(floor, f"select {columns} from channels") == (
            "dingtalk", "夜班群", None, "group", "oapi.dingtalk.com", False, True, again["version"],
        )  # fmt: skip
    actions = floor.execute(
        "select action, detail from audit_events where entity = 'channel' order by id"
    ).fetchall()
    assert [action for action, _ in actions] == ["created", "changed"]
    assert "v1." not in json.dumps([detail for _, detail in actions])


@pytest.mark.parametrize("who", ["ann", "ops", "whs", "ana", "lea"])
def test_others_neither_add_nor_change_nor_see_them(floor: Connection, who: str) -> None:
    made = save(floor, "mgr", draft())
    with refusal("PT403", "member.role"):
        save(floor, who, draft())
    with refusal("PT403", "member.role"):
        save(floor, who, draft(name="另一个"), made["id"], made["version"])
    for name in ("reserve_channel_id", "channel_hosts"):
        with refusal("PT403", "member.role"):
            ask(floor, who, name)
    with refusal("PT403", "member.role"):
        ask(floor, who, "test_channel", made["id"], request())
    with desk.as_member(floor, who):
        assert rows(floor, "select id from channels") == []
    assert row(floor, "select name, version from channels") == ("客服群", made["version"])


def test_a_shop_of_others_is_out_of_reach(floor: Connection) -> None:
    theirs = channel(floor, code="two")
    version = one(floor, "select version from channels where id = %s", theirs)
    with refusal("PT404", "channel.none"):
        save(floor, "mgr", draft(), theirs, version)
    with refusal("PT404", "shop.none"):
        save(floor, "mgr", draft(shop_id=one(floor, "select id from shops where code = 'two'")))
    with refusal("PT404", "channel.none"):
        ask(floor, "mgr", "test_channel", theirs, request())
    with desk.as_member(floor, "mgr"):
        assert rows(floor, "select id from channels") == []
    assert row(floor, "select name, version from channels") == ("群", version)


def test_the_admin_alone_sets_the_secret(floor: Connection) -> None:
    made = save(floor, "mgr", draft())
    token = KEYRING.encrypt("channels", "secret", made["id"], "SEC0000")
    for who in ("mgr", "ops"):
        with refusal("PT403", "member.role"):
            ask(floor, who, "set_channel_secret", made["id"], made["version"], token, request())
    assert one(floor, "select has_secret from channels") is False
    with refusal("PT422", "channel.bad_secret"):
        ask(floor, "adm", "set_channel_secret", made["id"], made["version"], "SEC0000", request())
    with refusal("PT409", "channel.stale"):
        ask(floor, "adm", "set_channel_secret", made["id"], made["version"] + 1, token, request())
    answer = ask(floor, "adm", "set_channel_secret", made["id"], made["version"], token, request())
    assert row(floor, "select has_secret, secret_cipher, version from channels") == (
        True,
        token,
        answer["version"],
    )
    ask(floor, "adm", "set_channel_secret", made["id"], answer["version"], None, request())
    assert one(floor, "select has_secret from channels") is False


@pytest.mark.parametrize("who", ["mgr", "adm"])
@pytest.mark.parametrize("column", ["endpoint_cipher", "secret_cipher", "*"])
def test_nobody_reads_address_or_secret_back(floor: Connection, who: str, column: str) -> None:
    save(floor, "mgr", draft())
    with pytest.raises(psycopg.errors.InsufficientPrivilege), desk.as_member(floor, who):
        floor.execute(f"select {column} from channels")
    assert one(floor, "select endpoint_cipher from channels").startswith("v1.")


def test_a_new_address_drops_the_secret(floor: Connection) -> None:
    """Else a manager could have it sent to a host of his own."""
    made = save(floor, "mgr", draft())
    token = KEYRING.encrypt("channels", "secret", made["id"], "SEC0000")
    version = ask(floor, "adm", "set_channel_secret", made["id"], made["version"], token, request())[
        "version"
    ]
    version = save(floor, "mgr", draft(name="改名", endpoint=None), made["id"], version)["version"]
    assert one(floor, "select has_secret from channels")
    save(floor, "mgr", draft(), made["id"], version)
    assert one(floor, "select has_secret from channels") is False


def test_the_second_of_two_editors_is_told_who_was_first(floor: Connection) -> None:
    made = save(floor, "mgr", draft())
    save(floor, "adm", draft(name="夜班群"), made["id"], made["version"])
    with pytest.raises(psycopg.Error) as caught:
        save(floor, "mgr", draft(name="白班群"), made["id"], made["version"])
    assert desk.refused(caught.value) == ("PT409", "channel.stale")
    assert json.loads(caught.value.diag.message_detail or "{}")["who"] == "adm"
    assert one(floor, "select name from channels") == "夜班群"


def test_a_repeated_click_saves_once(floor: Connection) -> None:
    again = request()
    answers = []
    for _ in range(2):
        channel_id = ask(floor, "mgr", "reserve_channel_id")
        answers.append(
            ask(
                floor,
                "mgr",
                "save_channel",
                channel_id,
                None,
                channels.sealed(KEYRING, channel_id, draft()),
                again,
            )
        )
    assert answers[0] == answers[1]
    assert one(floor, "select count(*) from channels") == 1


def test_an_id_must_be_reserved_and_free(floor: Connection) -> None:
    made = save(floor, "mgr", draft())
    for channel_id in (made["id"], made["id"] + 1000, None):
        with refusal("PT409", "channel.not_reserved"):
            ask(
                floor,
                "mgr",
                "save_channel",
                channel_id,
                None,
                channels.sealed(KEYRING, 1, draft()),
                request(),
            )
    assert one(floor, "select count(*) from channels") == 1


# --- where messages may go ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "key"),
    [
        ({"host": "127.0.0.1"}, "channel.host_not_listed"),
        ({"host": "evil.example.com"}, "channel.host_not_listed"),
        ({"host": None}, "channel.host_not_listed"),
        ({"kind": "webhook"}, "channel.host_not_listed"),
        ({"kind": "pager"}, "channel.bad_value"),
        ({"name": ""}, "channel.bad_value"),
        ({"name": "长" * 41}, "channel.bad_value"),
        ({"audience": "all"}, "channel.bad_value"),
        ({"options": [1]}, "channel.bad_value"),
        ({"options": {"x": "y" * 2000}}, "channel.bad_value"),
        ({"is_active": "perhaps"}, "channel.bad_value"),
        ({"shop_id": "1; drop"}, "channel.bad_value"),
        ({"endpoint": ROBOT}, "channel.bad_endpoint"),
        ({"endpoint": None}, "channel.bad_endpoint"),
    ],
)
def test_a_hand_made_request_is_refused(floor: Connection, over: dict[str, Any], key: str) -> None:
    with refusal("PT422", key):
        save(floor, "mgr", draft(), **over)
    assert one(floor, "select count(*) from channels") == 0


def test_the_admin_alone_lists_hosts_of_webhooks_and_mail(floor: Connection) -> None:
    hook = draft(kind="webhook", endpoint="https://hooks.shop-tools.com/desk")
    with refusal("PT422", "channel.host_not_listed"):
        save(floor, "mgr", hook)
    with refusal("PT403", "member.role"):
        ask(floor, "mgr", "set_channel_hosts", ["hooks.shop-tools.com"], request())
    for wrong in (
        "127.0.0.1",
        "localhost",
        "10.0.0.1",
        "[::1]",
        "desk.local",
        "a..b.com",
        "hooks.shop-tools.com.",
        "UPPER.com",
        "a_b.com",
        "metadata.google.internal",
        "",
    ):
        with refusal("PT422", "channel.bad_host"):
            ask(floor, "adm", "set_channel_hosts", ["good.shop-tools.com", wrong], request())
    assert ask(floor, "mgr", "channel_hosts")["webhook"] == []
    ask(floor, "adm", "set_channel_hosts", ["hooks.shop-tools.com"], request())
    assert ask(floor, "mgr", "channel_hosts")["email"] == ["hooks.shop-tools.com"]
    assert save(floor, "mgr", hook)["id"]


@pytest.mark.parametrize(
    ("kind", "text", "key"),
    [
        ("dingtalk", "http://oapi.dingtalk.com/robot/send?access_token=x", "channel.bad_url"),
        ("dingtalk", "https://oapi.dingtalk.com.evil.com/robot/send", "channel.host_not_listed"),
        ("dingtalk", "https://oapi.dingtalk.com@evil.com/robot/send", "channel.bad_url"),
        ("dingtalk", "https://oapi.dingtalk.com:8443/robot/send", "channel.bad_url"),
        ("dingtalk", "https://oapi.dingtalk.com/other", "channel.bad_url"),
        ("wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x#y", "channel.bad_url"),
        ("webhook", "https://127.0.0.1/x", "channel.bad_host"),
        ("webhook", "https://[::1]/x", "channel.bad_host"),
        ("webhook", "https://2130706433/x", "channel.bad_host"),
        ("webhook", "https://desk.local/x", "channel.bad_host"),
        ("webhook", "smtps://mail.shop-tools.com", "channel.bad_url"),
        ("webhook", "https://hooks.shop-tools.com/a b", "channel.bad_url"),
        ("webhook", "https://hooks.shop-tools.com/\n", None),
        ("webhook", "https://[broken/x", "channel.bad_url"),
        ("webhook", "https://hooks.shop-tools.com:99999/", "channel.bad_url"),
        ("email", "smtps://user:password@smtp.shop-tools.com", "channel.bad_url"),
        ("email", "smtp://smtp.shop-tools.com:25", "channel.bad_url"),
        ("email", "smtps://user%40a@smtp.shop-tools.com:587", "channel.bad_url"),
        ("email", "smtps://user%40a@smtp.shop-tools.com:465", None),
        ("email", "https://api.shop-tools.com/emails", None),
        ("feishu", "https://open.larksuite.com/open-apis/bot/v2/hook/abc", None),
        ("wecom", " https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x ", None),
    ],
)
def test_addresses_as_people_paste_them(kind: channels.Kind, text: str, key: str | None) -> None:
    if key is None:
        address, host = channels.checked_endpoint(kind, text)
        assert address == text.strip()
        assert host in address
        return
    with pytest.raises(AppError) as caught:
        channels.checked_endpoint(kind, text)
    assert caught.value.key == key
    assert "access_token" not in str(caught.value)


def test_a_robot_on_this_machine_is_the_developers_switch_alone() -> None:
    here = "http://127.0.0.1:9999/robot?key=x"
    for kind, host in (
        ("wecom", "qyapi.weixin.qq.com"),
        ("dingtalk", "oapi.dingtalk.com"),
        ("feishu", "open.feishu.cn"),
    ):
        assert channels.checked_endpoint(kind, here, stand_in=True) == (here, host)  # type: ignore[arg-type]
        with pytest.raises(AppError, match="channel"):
            channels.checked_endpoint(kind, here)  # type: ignore[arg-type]
    for wrong in (
        "http://10.0.0.1/x",
        "http://127.0.0.1.shop-tools.com/x",
        "http://127.0.0.1@shop-tools.com/x",
        "http://localhost.shop-tools.com/x",
        "https://qyapi.weixin.qq.com.shop-tools.com/cgi-bin/webhook/send",
        "https://qyapi.weixin.qq.com./cgi-bin/webhook/send",
        "https://qyapi.weixin.qq.com:444/cgi-bin/webhook/send",
        "https://a@qyapi.weixin.qq.com/cgi-bin/webhook/send",
        "https://ｑyapi.weixin.qq.com/cgi-bin/webhook/send",
        "https://[::ffff:127.0.0.1]/cgi-bin/webhook/send",
    ):
        with pytest.raises(AppError, match="channel"):
            channels.checked_endpoint("wecom", wrong, stand_in=True)


def test_python_and_the_database_agree_on_hosts(floor: Connection) -> None:
    for host in (
        "a.com",
        "hooks.shop-tools.com",
        "a.b.c.cn",
        "x-.com",
        "-x.com",
        "a.com-",
        "1.2.3.4",
        "a",
        "a.b.local",
        "xn--fiqs8s.com",
        "a" * 64 + ".com",
        "a.co1",
        "a.1com",
        "",
        "a.com\n",
    ):
        assert one(floor, "select private.is_public_host(%s)", host) == channels.is_public_host(host), host


def test_mail_needs_addresses() -> None:
    mail = draft(kind="email", endpoint="https://api.shop-tools.com/emails", mail_from="desk@shop-tools.com")
    assert channels.sealed(
        KEYRING, 1, draft(kind="email", endpoint=mail.endpoint, mail_from=mail.mail_from, audience="person")
    )["options"] == {"from": "desk@shop-tools.com"}
    for wrong in ({"mail_to": ""}, {"mail_to": "nobody"}, {"mail_to": "a@b.com", "mail_from": "x"}):
        with pytest.raises(AppError, match=r"channel\.bad_mail"):
            channels.sealed(
                KEYRING,
                1,
                draft(**({"kind": "email", "endpoint": mail.endpoint, "mail_from": mail.mail_from} | wrong)),
            )


def test_what_was_sealed_here_opens_there() -> None:
    ring = Keyring.parse(VECTORS["keyring"])
    for vector in VECTORS["sealed"]:
        assert (
            ring.decrypt("channels", vector["column"], vector["channel_id"], vector["token"])
            == vector["text"]
        )
    made = channels.sealed(ring, 7, draft())
    assert ring.decrypt("channels", "endpoint", 7, made["endpoint"]) == ROBOT
    assert ROBOT not in json.dumps(made)


# --- the test button ------------------------------------------------------------------------------------------------


def test_a_test_message_goes_out_and_stands_in_the_log(floor: Connection) -> None:
    made = save(floor, "mgr", draft())
    sent = ask(floor, "mgr", "test_channel", made["id"], request())
    with refusal("PT409", "channel.test_under_way"):
        ask(floor, "mgr", "test_channel", made["id"], request())
    (message,) = claim(floor)
    assert (message["id"], message["purpose"], message["lines"], message["mentions"]) == (
        sent["id"],
        "test",
        [],
        [],
    )
    assert KEYRING.decrypt("channels", "endpoint", made["id"], message["endpoint"]) == ROBOT
    service(floor, "report_delivery", message["id"], 1, "sent", None, None)
    with desk.as_member(floor, "mgr"):
        assert row(floor, "select purpose, state, requested_by from delivery_log") == (
            "test",
            "sent",
            member(floor, "mgr"),
        )
    sweep(floor)
    assert claim(floor) == []


def test_a_channel_that_is_off_is_not_tested(floor: Connection) -> None:
    made = save(floor, "mgr", draft(is_active=False))
    with refusal("PT409", "channel.off"):
        ask(floor, "mgr", "test_channel", made["id"], request())
    assert one(floor, "select count(*) from deliveries") == 0
