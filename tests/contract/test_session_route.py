"""The routes beside the pages: the cookie that a sign-in leaves, and the health check."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

import app
from backend import auth, one_time
from backend.config import Settings
from backend.errors import AppError
from backend.local.stack import Stack
from pages.shared import session
from tests.people import settings_of, sign_up

with warnings.catch_warnings():  # Starlette would rather have another client than the one Supabase brings
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

ORIGIN = {"origin": "http://testserver"}


@pytest.fixture(scope="module")
def settings(stack: Stack) -> Settings:
    return settings_of(stack)


@pytest.fixture
def browser(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(session, "connection", lambda: settings)
    routes = [
        Route("/api/session", app.keep_session, methods=["POST"]),
        Route("/api/session", app.drop_session, methods=["DELETE"]),
        Route("/api/health", app.health),
    ]
    with TestClient(Starlette(routes=routes)) as client:
        yield client


def ticket_for(sid: str, *, own: bool = False) -> dict[str, str]:
    return {"ticket": one_time.issue(one_time.Grant(sid, is_own_device=own))}


def test_a_ticket_becomes_a_cookie_once(browser: TestClient, settings: Settings) -> None:
    body = ticket_for("the-sid")
    answer = browser.post("/api/session", json=body, headers=ORIGIN)
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith(f"{auth.cookie_name(settings)}=the-sid;")
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "max-age" not in cookie
    assert "secure" not in cookie
    assert browser.post("/api/session", json=body, headers=ORIGIN).status_code == 403


def test_an_own_device_is_remembered_and_https_makes_the_cookie_secure(browser: TestClient) -> None:
    headers = {**ORIGIN, "x-forwarded-proto": "https"}
    answer = browser.post("/api/session", json=ticket_for("sid", own=True), headers=headers)
    assert "max-age=2592000" in answer.headers["set-cookie"].lower()
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize("headers", [{}, {"origin": "http://evil.example"}, {"origin": "null"}])
def test_another_site_moves_no_session(browser: TestClient, headers: dict[str, str]) -> None:
    body = ticket_for("sid")
    refused = browser.post("/api/session", json=body, headers=headers)
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers
    assert browser.delete("/api/session", headers=headers).status_code == 403
    assert (
        browser.post("/api/session", json=body, headers=ORIGIN).status_code == 204
    )  # the ticket was not spent


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b'"x"', b'{"ticket": 7}', b'{"ticket": "guess"}']
)
def test_nonsense_is_refused(browser: TestClient, body: bytes) -> None:
    answer = browser.post("/api/session", content=body, headers=ORIGIN)
    assert answer.status_code in {400, 403}
    assert "set-cookie" not in answer.headers


def test_dropping_ends_the_session_behind_the_cookie(
    browser: TestClient, settings: Settings, stack: Stack
) -> None:
    account = sign_up(stack, "agent")
    browser.cookies.set(auth.cookie_name(settings), account.session.sid)
    answer = browser.delete("/api/session", headers=ORIGIN)
    assert answer.status_code == 204
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    with pytest.raises(AppError, match=r"session\.ended"):
        auth.read_session(settings, account.session.sid)


def test_health_tells_whether_the_api_answers_and_nothing_else(
    browser: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = browser.get("/api/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    monkeypatch.setattr(session, "connection", lambda: replace(settings, supabase_url="http://127.0.0.1:9"))
    answer = browser.get("/api/health")
    assert (answer.status_code, answer.json()) == (503, {"status": "api unreachable"})
    monkeypatch.setattr(session, "connection", lambda: replace(settings, supabase_url=""))
    assert browser.get("/api/health").status_code == 503
