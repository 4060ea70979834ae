"""The pages: one line each. Every page is registered on every run; the menu shows what the role may use.

The menu is never the lock: each page asks `frame.require_user`, and the database decides.
"""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import streamlit as st
from streamlit.navigation.page import Page

from pages.shared.i18n import locale, plain

PAGES_DIR = Path(__file__).resolve().parent.parent
EVERYBODY = ("agent", "warehouse", "operations", "analyst", "manager", "admin")


@dataclass(frozen=True, slots=True)
class Spec:
    """A page: `pages/<name>.py`, its address `/<name>`, its words `nav.<name>` and `nav.<name>.help`."""

    name: str
    section: str
    icon: str
    roles: tuple[str, ...] = EVERYBODY
    is_listed: bool = True
    """Whether the menu names it; a page of one record is reached from its list."""

    @property
    def path(self) -> Path:
        """The script."""
        return PAGES_DIR / f"{self.name}.py"


PAGES = (
    Spec("home", "work", ":material/home:"),
    Spec("orders", "work", ":material/fact_check:"),
    Spec("leads", "work", ":material/groups:", ("agent", "operations", "analyst", "manager", "admin")),
    Spec("promises", "work", ":material/handshake:", ("agent", "operations", "analyst", "manager", "admin")),
    Spec("tickets", "work", ":material/support_agent:"),
    Spec("ticket", "work", ":material/confirmation_number:", is_listed=False),
    Spec("approvals", "work", ":material/approval:", ("agent", "operations", "manager", "admin")),
    Spec("receiving", "work", ":material/assignment_return:", ("warehouse", "manager", "admin")),
    Spec("satisfaction", "work", ":material/star:", ("agent", "operations", "analyst", "manager", "admin")),
    Spec(
        "aftersales_insight",
        "work",
        ":material/insights:",
        ("agent", "operations", "analyst", "manager", "admin"),
    ),
    Spec("nudge", "work", ":material/payments:", ("agent", "operations", "analyst", "manager", "admin")),
    Spec("release", "work", ":material/local_shipping:", ("warehouse", "operations", "manager", "admin")),
    Spec("scripts", "work", ":material/forum:"),
    Spec("knowledge", "work", ":material/lightbulb:"),
    Spec("gifts", "work", ":material/redeem:"),
    Spec("words", "work", ":material/spellcheck:"),
    Spec("listings", "work", ":material/article:", ("operations", "analyst", "manager", "admin")),
    Spec("inbox", "work", ":material/inbox:"),
    Spec("rota", "work", ":material/calendar_month:"),
    Spec("handover", "work", ":material/sync_alt:", ("agent", "operations", "analyst", "manager", "admin")),
    Spec("deadlines", "work", ":material/timer:"),
    Spec("kpi", "data", ":material/query_stats:", ("agent", "operations", "analyst", "manager", "admin")),
    Spec(
        "lead_insight",
        "data",
        ":material/filter_alt:",
        ("agent", "operations", "analyst", "manager", "admin"),
    ),
    Spec("tasks", "data", ":material/task_alt:"),
    Spec("task", "data", ":material/task:", is_listed=False),
    Spec("meeting", "data", ":material/groups:", ("operations", "analyst", "manager", "admin")),
    Spec("stock", "data", ":material/inventory_2:"),
    Spec(
        "imports",
        "data",
        ":material/upload_file:",
        ("warehouse", "operations", "analyst", "manager", "admin"),
    ),
    Spec("authority", "manage", ":material/verified_user:"),
    Spec("lead_rules", "manage", ":material/leaderboard:", ("operations", "analyst", "manager", "admin")),
    Spec("rules", "manage", ":material/rule:", ("operations", "manager", "admin")),
    Spec("dictionary", "manage", ":material/menu_book:", ("operations", "analyst", "manager", "admin")),
    Spec("calendars", "manage", ":material/event_available:", ("operations", "analyst", "manager", "admin")),
    Spec("assignment", "manage", ":material/assignment_ind:", ("manager", "admin")),
    Spec("policies", "manage", ":material/avg_pace:", ("operations", "analyst", "manager", "admin")),
    Spec("channels", "manage", ":material/campaign:", ("manager", "admin")),
    Spec("deliveries", "manage", ":material/receipt_long:", ("manager", "admin")),
    Spec("members", "manage", ":material/group:", ("manager", "admin")),
    Spec("shops", "manage", ":material/storefront:", ("admin",)),
    Spec("jobs", "manage", ":material/manufacturing:", ("manager", "admin")),
    Spec("setup", "manage", ":material/checklist:", ("admin",)),
)


def specs() -> tuple[Spec, ...]:
    """All pages, in the order of the menu."""
    return PAGES


def register(role: str | None) -> Page:
    """Registers every page and returns the one this address asks for; no role, no menu."""
    sections = {name: [copy(page) for page in pages] for name, pages in _menu(role, locale())}
    unknown = unknown_address(st.context.url)
    if unknown:
        page = st.Page(
            PAGES_DIR / "missing.py", title=plain("nav.missing"), url_path=unknown, visibility="hidden"
        )
        sections[next(iter(sections))].append(page)
    return st.navigation(sections, position="sidebar" if role else "hidden")


@cache
def _menu(role: str | None, _language: str) -> tuple[tuple[str, tuple[Page, ...]], ...]:
    """The pages by section, with their words in the language of this run. Finding fifty scripts anew would be
    a tenth of each run; each run gets copies, because Streamlit notes on a page that it may be drawn.
    """
    sections: dict[str, list[Page]] = {}
    for spec in PAGES:
        page = st.Page(
            spec.path,
            title=plain(f"nav.{spec.name}"),
            icon=spec.icon,
            url_path=_address(spec),
            default=spec is PAGES[0],
            visibility="visible" if spec.is_listed and role in spec.roles else "hidden",
        )
        sections.setdefault(plain(f"nav.section.{spec.section}"), []).append(page)
    start = st.Page(
        _open_start, title=plain(f"nav.{PAGES[0].name}"), url_path=PAGES[0].name, visibility="hidden"
    )
    sections[next(iter(sections))].append(start)
    return tuple((name, tuple(pages)) for name, pages in sections.items())


def _address(spec: Spec) -> str:
    """Of the start page, which Streamlit opens at `/` alone: a name that no address can have, so that
    `/home` is free for the page that leads there.
    """
    return f"~{spec.name}" if spec is PAGES[0] else spec.name


def _open_start() -> None:
    """`/home`, which messages link to, is the start page."""
    st.switch_page(PAGES[0].path, query_params=st.query_params.to_dict())


def unknown_address(url: str | None) -> str | None:
    """The address a tab asks for when no page has it: it gets a page of our own instead of Streamlit's
    dialog, which speaks English.
    """
    asked = unquote(urlsplit(url or "").path).strip("/").rpartition("/")[2]
    if not asked or asked in {spec.name for spec in PAGES}:
        return None
    return asked if re.fullmatch(r"[\w.-]{1,80}", asked) else None


def addresses() -> list[str]:
    """Paths under which the browser may open the desk (the theme is remembered per path)."""
    return ["/", *(f"/{spec.name}" for spec in PAGES)]
