"""One-time codes on paper: a self-contained A4 page to print and cut, and lines to copy."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import quote, urlsplit

import streamlit as st

from backend.members import Invited
from pages.shared.i18n import locale, plain

_STYLE = """
@page { size: A4; margin: 12mm; }
* { box-sizing: border-box; }
body { margin: 0; color: #000; font: 12pt/1.5 'PingFang SC', 'Microsoft YaHei', 'Noto Sans SC', sans-serif; }
main { display: grid; grid-template-columns: 1fr 1fr; }
section { border: 1px dashed #888; padding: 6mm; height: 66mm; break-inside: avoid; overflow: hidden; }
h2 { font-size: 15pt; margin: 0 0 1mm; }
p { margin: 0 0 1.5mm; overflow-wrap: anywhere; }
code { font: 600 17pt/1.6 'SF Mono', 'Cascadia Mono', Consolas, monospace; letter-spacing: .04em; }
small { color: #444; }
"""


def address() -> str:
    """Where people reach the desk, as this browser does: `https://desk.example.com`."""
    parts = urlsplit(st.context.url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "http://127.0.0.1"


def link(base: str, one: Invited) -> str:
    """The address that opens the account with this code."""
    return f"{base}/?invite={quote(one.code)}"


def line(one: Invited, base: str) -> str:
    """One person's code and link, to send to that person alone."""
    who = plain("common.of_what", name=one.name, what=one.staff_no)
    return f"{plain('common.told', name=who, text=one.code)}  {link(base, one)}"


def page(made: Sequence[Invited], base: str) -> str:
    """The printable page: eight slips to a sheet, every value escaped."""
    body = "".join(_slip(one, base) for one in made)
    title = escape(plain("slips.title"))
    head = f"<meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style>"
    return (
        f"<!doctype html><html lang='{locale()}'><head>{head}</head><body><main>{body}</main></body></html>"
    )


def _slip(one: Invited, base: str) -> str:
    words = [
        f"<h2>{escape(one.name)}</h2>",
        f"<p>{escape(plain('slips.who', staff_no=one.staff_no, role=plain(f'role.{one.role}')))}</p>",
        f"<p><code>{escape(one.code)}</code></p>",
        f"<p>{escape(plain('slips.how', address=base))}</p>",
        f"<p><small>{escape(plain('slips.once'))}</small></p>",
    ]
    return f"<section>{''.join(words)}</section>"
