"""Lines that people paste from a table or a chat, read as leads."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Any

from backend.leads.models import Draft

_PHONE = re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)")
_ACCOUNT = re.compile(r"(?P<kind>微信号?|wechat|wx|vx|旺旺号?|旺旺名)[: ]\s*(?P<id>\S{2,60})", re.IGNORECASE)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def parsed(line: str, source: str) -> Draft | None:
    """A pasted line: name, contact, needs, apart by tabs, commas or two blanks; a contact tells its kind.

    None for a line that says nothing.
    """
    plain_line = unicodedata.normalize("NFKC", line)
    cells = [cell.strip() for cell in re.split(r"[\t,;]+| {2,}", plain_line) if cell.strip()]
    if not cells:
        return None
    found: dict[str, Any] = {}
    needs: list[str] = []
    for cell in cells:
        if phone := _PHONE.search(re.sub(r"[ -]", "", cell)):
            found["phone"] = phone.group()
        elif account := _ACCOUNT.fullmatch(cell):
            found["buyer_account" if account["kind"].startswith("旺") else "wechat"] = account["id"]
        elif _EMAIL.fullmatch(cell):
            found["email"] = cell
        elif "name" not in found:
            found["name"] = cell
        else:
            needs += [tag for tag in re.split(r"[、/]", cell) if tag]
    if (
        not needs and {"name", "buyer_account"} <= found.keys()
    ):  # an account is a name, so this is what it is about
        needs = re.split(r"[、/]", found.pop("name"))
    if "name" in found and not found.keys() & {"phone", "email", "wechat", "buyer_account"}:
        found["buyer_account"] = found["name"]
    return replace(Draft(needs=tuple(needs[:10]), source=source), **found)
