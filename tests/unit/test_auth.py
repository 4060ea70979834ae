"""Codes, passwords and tickets: what of signing in needs no database."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import auth, config, one_time
from backend.config import Settings
from backend.errors import AppError


@pytest.fixture(scope="module")
def settings() -> Settings:
    return dataclasses.replace(config.load(), cookie_secret="a secret of more than thirty-two letters")


def test_codes_are_typable_and_differ() -> None:
    codes = {auth.new_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){2}", code) for code in codes)


@given(st.data())
def test_a_code_survives_paper_and_keyboard(data: st.DataObject) -> None:
    code = auth.new_code()
    typed = code.replace("0", data.draw(st.sampled_from("0Oo"))).replace(
        "1", data.draw(st.sampled_from("1IlL"))
    )
    gap = data.draw(st.sampled_from(["-", " ", "", " - ", "–"]))
    typed = f" {typed.replace('-', gap)}\n"
    if data.draw(st.booleans()):
        typed = typed.lower()
    assert auth.normalise_code(typed) == code.replace("-", "")


def test_the_token_of_a_code_needs_the_secret(settings: Settings) -> None:
    code = auth.new_code()
    token = auth.invitation_token(settings, code)
    assert len(token) == 43  # 32 bytes in base64url
    assert token == auth.invitation_token(settings, code.lower())
    elsewhere = dataclasses.replace(settings, cookie_secret="the secret of another installation here")
    assert token != auth.invitation_token(elsewhere, code)
    assert re.fullmatch(r"[a-p]{64}", auth.code_hash(settings, code))


@pytest.mark.parametrize(
    ("password", "key"),
    [
        ("", "password.short"),
        ("nine char", "password.short"),
        ("1234567890", "password.simple"),
        ("aaaaaaaaaaaa", "password.simple"),
        ("Password2026!", "password.simple"),
        ("my K-1001 word", "password.simple"),
        ("密" * 25, "password.long"),
    ],
)
def test_weak_passwords_are_refused_with_the_reason(password: str, key: str) -> None:
    with pytest.raises(AppError) as caught:
        auth.check_password(password, login="K-1001")
    assert caught.value.key == key


@pytest.mark.parametrize(
    "password", ["correct horse", "今天也要好好吃饭睡觉呀", "x7!kPw0-qz", "a" * 40 + "bcdef"]
)
def test_long_enough_passwords_are_taken(password: str) -> None:
    auth.check_password(password, login="1001")


@pytest.mark.parametrize("text", ["1001", "K-12_a", "a" * 20])
def test_staff_numbers(text: str) -> None:
    assert auth.is_staff_no(text)


@pytest.mark.parametrize("text", ["", "a" * 21, "工号", "10 01", "a;b", "１００１"])
def test_no_staff_numbers(text: str) -> None:
    assert not auth.is_staff_no(text)


def test_a_ticket_is_taken_once_and_only_within_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(one_time, "monotonic", lambda: now)
    ticket = one_time.issue(one_time.Grant("sid", is_own_device=False))
    assert one_time.redeem("another") is None
    assert one_time.redeem(ticket) == one_time.Grant("sid", is_own_device=False)
    assert one_time.redeem(ticket) is None
    late, in_time = (one_time.issue(one_time.Grant("sid", is_own_device=True)) for _ in range(2))
    now += 29
    assert one_time.redeem(in_time) is not None
    now += 2
    assert one_time.redeem(late) is None


def test_each_installation_has_its_own_cookie(settings: Settings) -> None:
    other = dataclasses.replace(settings, cookie_secret="the secret of another installation here")
    assert auth.cookie_name(settings) != auth.cookie_name(other)
    assert settings.cookie_secret not in auth.cookie_name(settings)


def test_a_session_prints_no_token() -> None:
    session = auth.WebSession("the-sid", "user-1", "the-token", 0.0, is_own_device=False)
    assert "the-sid" not in repr(session)
    assert "the-token" not in f"{session}"
