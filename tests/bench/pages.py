"""A7: the queue page in a real browser against an empty page, in turns.

The empty page is a server of its own with a script of one heading and one button: Streamlit, the theme and
the browser without the desk, so the frame, the sign-in and every request of the queue count on our side.
First content: from navigation to the page's heading. Rerun: from a click (on the tab of open orders, on
the button of the empty page) until the script has ended with other words on the page and the browser has drawn them.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

from backend import demo
from backend.config import load
from backend.local.postgres import free_port
from tests.bench.measure import Row, in_turns, row, seconds

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"


EMPTY = """import streamlit as st
st.header("empty")
st.button("again", on_click=lambda: st.session_state.update(turn=st.session_state.get("turn", 0) + 1))
st.write(st.session_state.get("turn", 0))
"""
FULL, OTHER = "待处理", "已处理"
RERUN = """element => new Promise((done, failed) => {
    const app = document.querySelector('[data-testid="stApp"]');
    const before = app.textContent;
    const late = setTimeout(() => failed(new Error('nothing was drawn')), 30000);
    const watch = new MutationObserver(() => {
        if (app.getAttribute('data-test-script-state') !== 'notRunning' || app.textContent === before) return;
        watch.disconnect();
        clearTimeout(late);
        requestAnimationFrame(() => setTimeout(done));
    });
    watch.observe(app, {attributes: true, childList: true, characterData: true, subtree: true});
    element.click();
})"""


def rows() -> list[Row]:
    """Starts the desk with its demo and an empty page, signs in as operations, and times both."""
    with _desk() as (address, folder), _empty() as bare, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        desk, empty = (
            browser.new_page(viewport={"width": 1440, "height": 900}, locale="zh-CN") for _ in range(2)
        )
        _sign_in(desk, address, folder)
        first = in_turns(_opened(desk, f"{address}/orders"), _opened(empty, bare))
        again = _reruns(desk, empty)
        browser.close()
    return [
        _row("first content of the queue page", first, 1.3),
        _row("rerun of the queue page on a click on a tab", again, 1.5),
    ]


def _row(what: str, times: tuple[float, float], limit: float) -> Row:
    ours, other = times
    return row(
        f"A7 {what}, against an empty page",
        ours * 1000,
        other * 1000,
        goal=f"<= {limit}x",
        met=lambda ratio: ratio <= limit,
    )


@contextmanager
def _desk() -> Iterator[tuple[str, Path]]:
    with _folder() as folder, _server("app.py", DESK_DATA_DIR=str(folder)) as address:
        _until(lambda: _healthy(f"{address}/api/health"))
        yield address, folder


@contextmanager
def _empty() -> Iterator[str]:
    with _folder() as folder:
        script = folder / "empty.py"
        script.write_text(EMPTY, "utf-8")
        with _server(str(script)) as address:
            _until(lambda: _healthy(f"{address}/_stcore/health"))
            yield address


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="shopdesk-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server(script: str, **settings: str) -> Iterator[str]:
    port = free_port()
    environment = {**os.environ, "PORT": str(port), **settings}
    options = ["--server.address=127.0.0.1", f"--server.port={port}", "--server.headless=true"]
    command = [sys.executable, "-m", "streamlit", "run", script, *options]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(30)


def _healthy(address: str) -> bool:
    try:
        return httpx.get(address, timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def _until(true: Callable[[], bool], limit: float = 300) -> None:
    end = time.monotonic() + limit
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("the desk did not start")
        time.sleep(0.5)


def _sign_in(page: Page, address: str, folder: Path) -> None:
    os.environ["DESK_DATA_DIR"] = str(folder)
    account = next(found for found in demo.demo_accounts(load()) if found.role == "operations")
    page.goto(address)
    page.locator("input").first.fill(account.staff_no)
    page.locator("input[type=password]").fill(account.password)
    page.keyboard.press("Enter")
    page.get_by_test_id("stSidebarNav").wait_for(timeout=60_000)


def _opened(page: Page, address: str) -> Callable[[], object]:
    def work() -> None:
        page.goto(address)
        page.get_by_role("heading", level=2).first.wait_for(timeout=60_000)

    return work


def _reruns(desk: Page, empty: Page, rounds: int = 15) -> tuple[float, float]:
    """Medians of the way back to the full tab and of the button; the way to the other tab is not timed."""
    for page in (desk, empty):
        page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=60_000)
    _click(desk, OTHER)
    _click(desk, FULL)
    _click(empty, "again")
    pairs = []
    for _ in range(rounds):
        _click(desk, OTHER)
        pairs.append((seconds(lambda: _click(desk, FULL)), seconds(lambda: _click(empty, "again"))))
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def _click(page: Page, words: str) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for(timeout=60_000)
    page.locator("button", has_text=words).first.evaluate(RERUN)
