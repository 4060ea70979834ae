"""AppTest on the real frame and the real stack: `app_as("manager")` is a signed-in browser tab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest, local_script_runner

from backend.config import Settings
from backend.local.stack import Stack
from pages.shared import session
from tests.people import Account, add_shop, hire, settings_of

MAIN = Path(__file__).resolve().parents[2] / "pages" / "main.py"
TIMEOUT = 20.0
OWN_ADDRESS = ("home", "missing")  # AppTest learns by a run that their address is not the name of the file


class AppAs(Protocol):
    """Opens the desk as a role, or as a given member, at `pages/<page>.py`; not yet run without a page."""

    def __call__(
        self, who: str | Account, page: str | None = None, *, query: dict[str, str] | None = None
    ) -> AppTest: ...


@pytest.fixture(autouse=True, scope="session")
def components_found_once() -> Iterator[None]:
    """Every AppTest would read the metadata of all installed packages again: half of its time."""
    patch = pytest.MonkeyPatch()
    patch.setattr(
        manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests)
    )
    yield
    patch.undo()


@pytest.fixture(autouse=True, scope="session")
def runs_awaited() -> Iterator[None]:
    """An AppTest would ask a thousand times a second whether its script is over, and slow it down by that."""
    ask = local_script_runner.require_widgets_deltas

    def wait(runner: local_script_runner.LocalScriptRunner, timeout: float) -> None:
        assert runner._script_thread is not None
        runner._script_thread.join(timeout)
        ask(runner, 0.1)  # over by now, or the complaint

    patch = pytest.MonkeyPatch()
    patch.setattr(local_script_runner, "require_widgets_deltas", wait)
    yield
    patch.undo()


@pytest.fixture
def desk(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Points the pages at the test stack and empties Streamlit's caches, which AppTests would share."""
    settings = settings_of(stack)
    monkeypatch.setattr(session, "connection", lambda: settings)
    monkeypatch.setattr(session, "cookies", dict)  # an AppTest has no browser
    monkeypatch.setattr(session, "source", lambda: f"apptest-{uuid4()}")
    st.cache_data.clear()
    st.cache_resource.clear()
    return settings


@pytest.fixture
def browser_tab(desk: Settings) -> Callable[[], AppTest]:
    """A fresh browser tab in which nobody is signed in."""
    return lambda: AppTest.from_file(str(MAIN), default_timeout=TIMEOUT)


@pytest.fixture(scope="session")
def team(stack: Stack) -> Callable[[str], Account]:
    """One member per role, all in the shops `tm` and `jd`, made when first asked for."""
    made: dict[str, Account] = {}

    def member(role: str) -> Account:
        if role not in made:
            shops = [add_shop(stack, "tm"), add_shop(stack, "jd", platform="jd")]
            skills = ("presales", "review") if role == "agent" else ()
            made[role] = hire(stack, role, shops=shops, skills=skills)
        return made[role]

    return member


@pytest.fixture
def app_as(browser_tab: Callable[[], AppTest], team: Callable[[str], Account]) -> AppAs:
    """A tab with the session of a member; with `page` it has run and shows that page."""

    def open_tab(
        who: str | Account, page: str | None = None, *, query: dict[str, str] | None = None
    ) -> AppTest:
        account = team(who) if isinstance(who, str) else who
        tab = browser_tab()
        tab.session_state["desk_sid"] = account.session.sid
        if page is None or page in OWN_ADDRESS:
            tab.run()
        if page is not None:
            for name, value in (query or {}).items():
                tab.query_params[name] = value
            tab.switch_page(f"{page}.py").run()
        return tab

    return open_tab
