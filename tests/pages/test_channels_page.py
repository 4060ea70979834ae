"""提醒渠道 and 发送记录: adding, testing, secrets, the log, sending again; managers and admins alone."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from backend.local.stack import Stack
from tests.pages.conftest import AppAs
from tests.pages.reading import shown, zh

ROBOT = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=2f1c"


@pytest.fixture
def owner(stack: Stack) -> Iterator[psycopg.Connection]:
    """The owner; channels of a test and what they sent are gone afterwards."""
    with psycopg.connect(stack.db_url, autocommit=True) as connection:
        yield connection
        connection.execute(
            "delete from private.delivery_attempts; delete from public.deliveries;"
            " delete from public.channels"
        )


def add(tab: AppTest, *, name: str = "客服群", address: str = ROBOT) -> AppTest:
    tab.text_input(key="channels_add_0_wecom_name").set_value(name)
    tab.text_input(key="channels_add_0_wecom_endpoint").set_value(address)
    return tab.button(key="channels_add_0_wecom_send").click().run()


def channel(owner: psycopg.Connection) -> tuple[int, str, str, bool]:
    row = owner.execute("select id, name, endpoint_cipher, has_secret from public.channels").fetchone()
    assert row
    return row


def test_a_robot_is_added_sealed_and_tested(app_as: AppAs, owner: psycopg.Connection) -> None:
    tab = add(app_as("manager", "channels"))
    assert not tab.exception
    number, name, sealed, _ = channel(owner)
    assert name == "客服群"
    assert sealed.startswith("v1.")
    assert "2f1c" not in sealed
    assert "2f1c" not in shown(tab)
    tab.button(key=f"channels_test_{number}").click().run()
    assert not tab.exception
    assert zh("channels.test_waits") in "\n".join(str(one.value) for one in tab.info)
    assert owner.execute("select purpose, state from public.deliveries").fetchall() == [("test", "waiting")]


@pytest.mark.parametrize(
    "address", ["https://evil.example/hook", "http://qyapi.weixin.qq.com/cgi-bin/webhook/send", ""]
)
def test_an_address_that_is_no_robot_is_refused(
    app_as: AppAs, owner: psycopg.Connection, address: str
) -> None:
    tab = add(app_as("manager", "channels"), address=address)
    assert tab.error
    assert owner.execute("select count(*) from public.channels").fetchone() == (0,)


def test_an_admin_sets_the_secret_and_a_manager_does_not(app_as: AppAs, owner: psycopg.Connection) -> None:
    tab = app_as("admin", "channels")
    tab.segmented_control(key="channels_add_0_kind").set_value("dingtalk").run()
    tab.text_input(key="channels_add_0_dingtalk_name").set_value("主管群")
    tab.text_input(key="channels_add_0_dingtalk_endpoint").set_value(
        "https://oapi.dingtalk.com/robot/send?access_token=1"
    )
    tab.button(key="channels_add_0_dingtalk_send").click().run()
    number = channel(owner)[0]
    tab.text_input(key=f"channels_secret_{number}_1_text").set_value("SEC123")
    tab.button(key=f"channels_secret_{number}_1_save").click().run()
    assert not tab.exception
    assert channel(owner)[3] is True
    seen = app_as("manager", "channels")
    assert zh("channels.secret_admin") in shown(seen)
    assert not [one for one in seen.text_input if "secret" in str(one.key)]


def test_what_failed_is_explained_and_sent_again(app_as: AppAs, owner: psycopg.Connection) -> None:
    add(app_as("manager", "channels"))
    number = channel(owner)[0]
    owner.execute(
        "insert into public.deliveries"
        " (channel_id, purpose, state, attempts, next_at, last_error, created_at, ended_at)"
        " values (%s, 'test', 'dead', 8, now(), 'delivery.robot_disabled', now(), now())",
        (number,),
    )
    row = owner.execute("select id from public.deliveries where state = 'dead'").fetchone()
    assert row
    tab = app_as("manager", "deliveries", query={"message": str(row[0])})
    assert zh("deliveries.state.dead") in shown(tab)
    tab.button(key="deliveries_resend").click().run()
    assert not tab.exception
    assert owner.execute(
        "select count(*) from public.deliveries where resent_from = %s", (row[0],)
    ).fetchone() == (1,)


def test_an_empty_log_says_what_will_be_here(app_as: AppAs, owner: psycopg.Connection) -> None:
    assert owner.execute("select count(*) from public.deliveries").fetchone() == (0,)
    assert zh("deliveries.none") in shown(app_as("manager", "deliveries"))
