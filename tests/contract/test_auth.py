"""Signing in, web sessions and their end, over HTTP against the real gateway."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from backend import auth, cli, config, db
from backend.auth import WebSession
from backend.config import Settings
from backend.errors import AppError
from backend.local.stack import Stack
from tests.people import PASSWORD, invite, settings_of, sign_up


@pytest.fixture(scope="module")
def settings(stack: Stack) -> Settings:
    return settings_of(stack)


@pytest.fixture
def later(stack: Stack) -> Iterator[Callable[[timedelta], None]]:
    """Moves the product's clock; it runs again after the test."""
    yield lambda ahead: stack.set_clock(datetime.now(UTC) + ahead)
    stack.set_clock(None)


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(AppError) as caught:
        call()
    return caught.value.key


def hosted_env(stack: Stack) -> dict[str, str]:
    """The environment of a desk whose project is this stack."""
    kept = stack.secrets
    values = (stack.api_url, kept.publishable_key, kept.secret_key, kept.cookie_secret, kept.pii_key)
    return dict(zip(config.HOSTED_KEYS, values, strict=True))


def my_id(settings: Settings, session: WebSession) -> int:
    profile = db.rpc(db.user_client(settings, session.access_token), "my_profile")
    return int(profile["id"])


# Signing in ------------------------------------------------------------------------------------------------


def test_signs_in_by_staff_number_in_any_case_and_with_spaces(stack: Stack, settings: Settings) -> None:
    account = sign_up(stack, "agent")
    session = auth.sign_in(settings, f"  {account.staff_no.lower()} ", PASSWORD, source="a")
    assert my_id(settings, session) == account.member_id
    assert 0 < session.seconds_left <= 900


def test_a_wrong_password_and_an_unknown_person_are_refused_alike(stack: Stack, settings: Settings) -> None:
    account = sign_up(stack, "agent")
    assert (
        refused(lambda: auth.sign_in(settings, account.staff_no, "not this one", source="b"))
        == "sign_in.wrong"
    )
    assert (
        refused(lambda: auth.sign_in(settings, "nobody-here", "not this one", source="b")) == "sign_in.wrong"
    )
    assert refused(lambda: auth.sign_in(settings, "", "", source="b")) == "sign_in.empty"


def test_guessing_is_slowed_down_and_waiting_helps(
    stack: Stack, settings: Settings, later: Callable[[timedelta], None]
) -> None:
    account = sign_up(stack, "agent")
    later(timedelta(0))
    for _ in range(5):
        assert (
            refused(lambda: auth.sign_in(settings, account.staff_no, "wrong wrong", source="c"))
            == "sign_in.wrong"
        )
    with pytest.raises(AppError) as caught:
        auth.sign_in(settings, account.staff_no, PASSWORD, source="c")
    assert caught.value.key == "sign_in.wait"
    assert 1 <= caught.value.params["seconds"] <= 8
    later(timedelta(seconds=10))
    assert (
        my_id(settings, auth.sign_in(settings, account.staff_no, PASSWORD, source="c")) == account.member_id
    )
    later(timedelta(seconds=11))
    assert refused(lambda: auth.sign_in(settings, account.staff_no, "wrong", source="c")) == "sign_in.wrong"


# Codes -----------------------------------------------------------------------------------------------------


def test_a_code_opens_one_account_once(stack: Stack, settings: Settings) -> None:
    member_id, staff_no, code = invite(stack, "warehouse", name="仓储甲")
    found = auth.open_invitation(settings, code.lower().replace("-", " "))
    assert (found.display_name, found.staff_no) == ("仓储甲", staff_no)
    assert my_id(settings, auth.sign_up(settings, code, PASSWORD)) == member_id
    assert refused(lambda: auth.sign_up(settings, code, PASSWORD)) == "invitation.invalid"
    assert my_id(settings, auth.sign_in(settings, staff_no, PASSWORD, source="d")) == member_id


def test_a_weak_password_leaves_the_code_usable(stack: Stack, settings: Settings) -> None:
    member_id, _, code = invite(stack, "agent")
    assert refused(lambda: auth.sign_up(settings, code, "short")) == "password.short"
    assert my_id(settings, auth.sign_up(settings, code, PASSWORD)) == member_id


def test_a_code_ends_after_seven_days(
    stack: Stack, settings: Settings, later: Callable[[timedelta], None]
) -> None:
    _, _, code = invite(stack, "agent")
    later(timedelta(days=6, hours=23))
    assert auth.open_invitation(settings, code).locale == "zh-CN"
    later(timedelta(days=7, minutes=1))
    assert refused(lambda: auth.open_invitation(settings, code)) == "invitation.invalid"


def test_the_sign_up_endpoint_takes_nobody_without_a_token(stack: Stack, settings: Settings) -> None:
    _, _, code = invite(stack, "admin")
    email = auth.open_invitation(settings, code).auth_email
    for data in ({}, {"invitation_token": code}, {"invitation_token": auth.code_hash(settings, code)}):
        body = {"email": email, "password": PASSWORD, "options": {"data": data}}
        with pytest.raises(Exception) as caught:  # noqa: PT011 (the gateway's own error, whatever its class)
            db.auth_client(settings).auth.sign_up(body)
        assert type(caught.value).__module__.startswith("supabase_auth")
    with psycopg.connect(stack.admin_url) as admin:
        assert admin.execute("select count(*) from auth.users where email = %s", (email,)).fetchone() == (0,)


def test_console_codes_end_with_the_first_member(stack: Stack, settings: Settings) -> None:
    sign_up(stack, "agent")
    assert auth.issue_first_admin_code(settings) is None
    assert (
        refused(
            lambda: auth.create_first_admin(
                settings, auth.new_code(), name="管理员B", staff_no="B9", password=PASSWORD
            )
        )
        == "first_admin.taken"
    )


# Web sessions ----------------------------------------------------------------------------------------------


def test_an_only_admin_who_lost_the_password_gets_a_code_on_the_server(
    stack: Stack, settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = sign_up(stack, "admin")
    agent = sign_up(stack, "agent")
    for name, value in hosted_env(stack).items():
        monkeypatch.setenv(name, value)
    assert cli.main(["doctor", "--recover", agent.staff_no]) == 1
    assert admin.staff_no in capsys.readouterr().err
    assert auth.sign_in(settings, agent.staff_no, PASSWORD, source="here")
    assert cli.main(["doctor", "--recover", admin.staff_no, "--json"]) == 0
    code = json.loads(capsys.readouterr().out)["code"]
    with pytest.raises(AppError):
        auth.sign_in(settings, admin.staff_no, PASSWORD, source="here")
    with pytest.raises(AppError):
        db.rpc(db.user_client(settings, admin.session.access_token), "my_profile")
    fresh = auth.sign_up(settings, code, "another " + PASSWORD)
    profile = db.rpc(db.user_client(settings, fresh.access_token), "my_profile")
    assert (profile["id"], profile["role"]) == (admin.member_id, "admin")


def test_a_session_lives_in_the_database_not_in_the_process(stack: Stack, settings: Settings) -> None:
    account = sign_up(stack, "agent")
    db.http.cache_clear()
    auth._derived.cache_clear()
    again = auth.read_session(settings, account.session.sid)
    assert again.access_token == account.session.access_token
    assert my_id(settings, again) == account.member_id


def test_the_database_holds_neither_the_cookie_nor_a_readable_token(stack: Stack, settings: Settings) -> None:
    account = sign_up(stack, "agent")
    with psycopg.connect(stack.db_url) as owner:
        rows = owner.execute("select s::text from private.web_sessions s").fetchall()
    dump = "\n".join(text for (text,) in rows)
    assert account.session.sid not in dump
    assert account.session.access_token not in dump
    assert account.session.access_token.split(".")[1] not in dump


def test_an_expiring_token_is_renewed_once(stack: Stack, settings: Settings) -> None:
    account = sign_up(stack, "agent")
    _expire(stack, account.session, "30 seconds")
    fresh = auth.read_session(settings, account.session.sid)
    assert fresh.seconds_left > 600
    assert my_id(settings, fresh) == account.member_id
    assert auth.read_session(settings, account.session.sid).access_token == fresh.access_token


def test_many_tabs_renew_a_dead_token_together(stack: Stack, settings: Settings) -> None:
    account = sign_up(stack, "agent")
    _expire(stack, account.session, "-5 seconds")
    with ThreadPoolExecutor(6) as tabs:
        found = list(tabs.map(lambda _: auth.read_session(settings, account.session.sid), range(6)))
    assert len({session.access_token for session in found}) == 1
    assert my_id(settings, found[0]) == account.member_id


def test_a_shared_machine_locks_after_an_idle_hour_and_an_own_device_does_not(
    stack: Stack, settings: Settings, later: Callable[[timedelta], None]
) -> None:
    shared, own = sign_up(stack, "agent"), sign_up(stack, "manager", own_device=True)
    later(timedelta(minutes=59))
    assert auth.read_session(settings, shared.session.sid).user_id == shared.session.user_id
    later(timedelta(minutes=59 + 61))
    assert refused(lambda: auth.read_session(settings, shared.session.sid)) == "session.locked"
    assert refused(lambda: auth.read_session(settings, shared.session.sid)) == "session.ended"
    assert auth.read_session(settings, own.session.sid).is_own_device
    later(timedelta(days=31))
    assert refused(lambda: auth.read_session(settings, own.session.sid)) == "session.ended"


def test_signing_out_ends_one_browser_and_everywhere_ends_all(stack: Stack, settings: Settings) -> None:
    account, other = sign_up(stack, "agent"), sign_up(stack, "agent")
    laptop, phone, tablet = (auth.sign_in(settings, account.staff_no, PASSWORD, source="e") for _ in range(3))
    auth.close_session(settings, laptop.sid)
    assert refused(lambda: auth.read_session(settings, laptop.sid)) == "session.ended"
    assert auth.read_session(settings, phone.sid).user_id == account.session.user_id
    auth.close_session(settings, phone.sid, everywhere=True)
    for session in (phone, tablet, account.session):
        assert refused(lambda sid=session.sid: auth.read_session(settings, sid)) == "session.ended"
    assert my_id(settings, auth.read_session(settings, other.session.sid)) == other.member_id
    auth.close_session(settings, "never-issued")


def test_a_foreign_or_damaged_session_is_over(stack: Stack, settings: Settings) -> None:
    account = sign_up(stack, "agent")
    other_key = dataclasses.replace(settings, cookie_secret="another secret of sufficient length")
    assert refused(lambda: auth.read_session(other_key, account.session.sid)) == "session.ended"
    assert refused(lambda: auth.read_session(settings, "guessed")) == "session.ended"
    with psycopg.connect(stack.db_url) as owner:
        owner.execute(
            "update private.web_sessions set access_cipher = refresh_cipher where user_id = %s",
            (account.session.user_id,),
        )
    assert refused(lambda: auth.read_session(settings, account.session.sid)) == "session.ended"


def test_switching_a_member_off_counts_at_the_next_request(stack: Stack, settings: Settings) -> None:
    account = sign_up(stack, "agent")
    client = db.user_client(settings, account.session.access_token)
    assert db.rpc(client, "my_profile")["id"] == account.member_id
    with psycopg.connect(stack.db_url) as owner:
        owner.execute("update public.members set state = 'off' where id = %s", (account.member_id,))
    assert refused(lambda: db.rpc(client, "my_profile")) == "member.none"
    assert refused(lambda: auth.read_session(settings, account.session.sid)) == "session.ended"
    assert refused(lambda: auth.sign_in(settings, account.staff_no, PASSWORD, source="f")) == "sign_in.wrong"


def test_two_people_in_one_server_are_never_mixed(stack: Stack, settings: Settings) -> None:
    first, second = sign_up(stack, "agent"), sign_up(stack, "manager")
    people = [first, second] * 100

    def ask(number: int) -> int:
        session = auth.read_session(settings, people[number].session.sid)
        return my_id(settings, session)

    with ThreadPoolExecutor(8) as server:
        answers = list(server.map(ask, range(200)))
    assert answers == [person.member_id for person in people]


def _expire(stack: Stack, session: WebSession, left: str) -> None:
    with psycopg.connect(stack.db_url) as owner:
        owner.execute(
            "update private.web_sessions set access_expires_at = now() + %s::interval where user_id = %s",
            (left, session.user_id),
        )
