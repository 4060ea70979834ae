"""A real server and a real browser. Screenshots go to tests/browser/output, to be looked at."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    StorageState,
    expect,
    sync_playwright,
)
from playwright.sync_api import TimeoutError as NothingCame

from backend import auth
from backend.local import secrets as local_secrets
from backend.local.postgres import free_port
from tests.conftest import Installation
from tests.people import Account, settings_of

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = Path(__file__).with_name("output")
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
START_SECONDS = 90


class Server:
    """`streamlit run app.py` (or the plain main script) on a port and data folder of its own."""

    def __init__(
        self,
        data_dir: Path,
        *,
        script: str = "app.py",
        address: str = "127.0.0.1",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._script = script
        self._address = address
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._log = data_dir / f"server-{self.port}.log"

    def start(self) -> None:
        """Starts and returns when the server answers."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("SUPABASE_", "DESK_"))
        }
        environment = {**kept, "DESK_DATA_DIR": str(self.data_dir), **self._environment}
        options = [f"--server.port={self.port}", f"--server.address={self._address}"]
        command = [sys.executable, "-m", "streamlit", "run", self._script, *options]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._await()

    def stop(self) -> None:
        """Ends the server as Ctrl-C does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=30)
            self._process = None

    def restart(self) -> None:
        """A new process on the same port and data."""
        self.stop()
        self.start()

    @property
    def output(self) -> str:
        """What the server printed so far."""
        return self._log.read_text("utf-8")

    @property
    def console_code(self) -> str:
        """The latest one-time code for the first person."""
        return re.findall(r"one-time code (\S+)", self.output)[-1]

    @property
    def runtime(self) -> dict[str, Any]:
        """What the embedded stack wrote about itself."""
        found: dict[str, Any] = json.loads((self.data_dir / "runtime.json").read_text("utf-8"))
        return found

    @property
    def stack(self) -> Any:
        """Addresses and keys of the server's own stack, for helpers that know a `Stack`."""
        return SimpleNamespace(**self.runtime, secrets=local_secrets.load(self.data_dir))

    def _await(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        assert self._process is not None
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self.output
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                self._pause()
        raise AssertionError(f"the server did not answer within {START_SECONDS} s:\n{self.output}")

    def _pause(self) -> None:
        """Waits for the process, not for time: ends at once when the server dies."""
        assert self._process is not None
        try:
            self._process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            return


@pytest.fixture(scope="session")
def desk(installation: Installation) -> Iterator[Server]:
    """A desk on its embedded stack, for all files of tests that bring shops and people of their own."""
    server = Server(installation("browser"), environment={"DESK_DEMO": "0"})
    server.start()
    yield server
    server.stop()


PATIENCE = 30_000  # milliseconds; two busy cores may need them, an idle machine never does
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of this machine."""
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail("the browser tests need Chromium: apt-get install -y chromium fonts-noto-cjk")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


class Browsers:
    """Browsers by their window, handed out again: a cache spares each test the loading of Streamlit's code.

    What a person leaves behind is gone by then: pages, cookies, permissions, storage.
    """

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._idle: defaultdict[tuple[int, int, bool], list[BrowserContext]] = defaultdict(list)
        self.asked: set[str] = set()

    def take(self, *, width: int, height: int, dark: bool) -> BrowserContext:
        """An idle one with this window, or a new one."""
        idle = self._idle[width, height, dark]
        return idle.pop() if idle else self._open(width, height, dark=dark)

    def give_back(self, context: BrowserContext, *, width: int, height: int, dark: bool) -> None:
        """Whoever gets it next finds it empty."""
        for page in context.pages:
            page.close()
        context.clear_permissions()
        context.set_storage_state(NOBODY)
        self._idle[width, height, dark].append(context)

    def _open(self, width: int, height: int, *, dark: bool) -> BrowserContext:
        context = self._chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",  # what fades is drawn sixty times a second, here by the processor
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
        )
        context.set_default_timeout(PATIENCE)
        context.on("request", lambda request: self.asked.add(request.url))
        return context


NOBODY: StorageState = {"cookies": [], "origins": []}


@pytest.fixture(scope="session")
def browsers(chromium: Browser) -> Browsers:
    """The browsers of this session."""
    return Browsers(chromium)


@pytest.fixture
def new_browser(browsers: Browsers) -> Iterator[Callable[..., BrowserContext]]:
    """Opens a browser with a profile of its own: `new_browser(width=420, dark=True)`.

    `state` is the `storage_state()` of another one: whoever is signed in there is signed in here. One whose
    clock was set (`spent`) is not used again. Whatever a test does, its browsers ask nobody but this machine.
    """
    taken: list[tuple[BrowserContext, dict[str, Any] | None]] = []
    browsers.asked.clear()

    def make(
        *,
        width: int = 1440,
        height: int = 900,
        dark: bool = False,
        state: StorageState | None = None,
        spent: bool = False,
    ) -> BrowserContext:
        window = {"width": width, "height": height, "dark": dark}
        context = browsers.take(**window)
        taken.append((context, None if spent else window))
        if state is not None:
            context.set_storage_state(state)
        return context

    yield make
    for context, window in taken:
        if window is None:
            context.close()
        else:
            browsers.give_back(context, **window)
    here = ("http://127.0.0.1:", "data:", "blob:")
    assert [url for url in browsers.asked if not url.startswith(here)] == []


@pytest.fixture(scope="session")
def shoot() -> Callable[[Page, str], None]:
    """Stores a screenshot once the page has stopped drawing."""
    OUTPUT.mkdir(exist_ok=True)

    def take(page: Page, name: str) -> None:
        settled(page)
        page.evaluate("document.fonts.ready.then(() => null)")
        page.screenshot(path=OUTPUT / f"{name}.png", animations="disabled")

    return take


def sign_in(page: Page, login: str, password: str) -> None:
    """Fills in the sign-in page and waits until the desk is there and the cookie has been asked for."""
    page.get_by_role("textbox", name="工号或邮箱").fill(login)
    page.get_by_role("textbox", name="密码").fill(password)
    with page.expect_response("**/api/session"):
        page.get_by_role("button", name="登录", exact=True).click()
    page.locator(".st-key-desk_bar").wait_for()


def enter(page: Page, server: Server, stack: Any, account: Account, path: str) -> None:
    """Opens an address with the member's session in the cookie: the sign-in page has a test of its own."""
    cookie = {"name": auth.cookie_name(settings_of(stack)), "value": account.session.sid, "url": server.url}
    page.context.add_cookies([{**cookie, "httpOnly": True, "sameSite": "Lax"}])
    page.goto(f"{server.url}{path}")
    page.locator(".st-key-desk_bar").wait_for()


def settled(page: Page) -> None:
    """Waits until the script run under way is over and every widget has loaded its code."""
    expect(page.locator("[data-testid=stApp]")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.locator("[data-testid=stSkeleton]")).to_have_count(0)


def press(target: Locator, *, then: Callable[[float], object] | None = None) -> None:
    """Presses once nothing runs any more. `then(milliseconds)` waits for what it brings.

    Streamlit stops a run when the next one begins, and with it a press whose line it had not reached yet: a
    person sees that nothing came of it and presses again, and so do we, once.
    """
    settled(target.page)
    target.click()
    if then is None:
        return
    try:
        then(PATIENCE / 3)
    except AssertionError:
        settled(target.page)
        if target.is_visible():
            target.click()
        then(PATIENCE)


def downloaded(target: Locator) -> Path:
    """Presses until a file comes: what is made when asked for is forgotten by the next run of its part."""

    def pressed(patience: float) -> Path:
        settled(target.page)
        with target.page.expect_download(timeout=patience) as download:
            target.click()
        return Path(download.value.path())

    try:
        return pressed(PATIENCE / 3)
    except NothingCame:
        return pressed(PATIENCE)
