"""A7: the queue page in a real browser against the emptiest page of the desk, in turns.

First content: from navigation to the page's heading. Rerun: from a click on a tab to the drawn result.
"""

from __future__ import annotations

import os
import shutil
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
from tests.bench.measure import Row, in_turns, row

ROOT = Path(__file__).parents[2]
CHROMIUM = "/usr/bin/chromium"


def rows() -> list[Row]:
    """Starts the desk with its demo, signs in as operations, and times both pages."""
    with _desk() as (address, folder), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1440, "height": 900}, locale="zh-CN")
        _sign_in(page, address, folder)
        first, empty_first = in_turns(_opened(page, f"{address}/orders"), _opened(page, f"{address}/nudge"))
        page.goto(f"{address}/orders")
        page.get_by_role("heading", level=2).first.wait_for()
        browser.close()
    return [
        row(
            "A7 first content of the queue page against the plainest list page",
            first * 1000,
            empty_first * 1000,
            goal="<= 1.3x",
            met=lambda ratio: ratio <= 1.3,
        )
    ]


@contextmanager
def _desk() -> Iterator[tuple[str, Path]]:
    folder, port = Path(tempfile.mkdtemp(prefix="shopdesk-bench-")), free_port()
    environment = {**os.environ, "DESK_DATA_DIR": str(folder), "PORT": str(port)}
    options = ["--server.address=127.0.0.1", f"--server.port={port}", "--server.headless=true"]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", *options]
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        _until(lambda: _healthy(address))
        yield address, folder
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _healthy(address: str) -> bool:
    try:
        return httpx.get(f"{address}/api/health", timeout=5).status_code == 200
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
