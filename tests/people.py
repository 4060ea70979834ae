"""Members for the layers that speak HTTP: made by the schema's owner.

`hire` for whoever works at the desk; `sign_up` through the gateway for whoever signs in with a password or
stays longer than a token lives.
"""

from __future__ import annotations

import itertools
import os
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import jwt
import psycopg

from backend import auth, config
from backend.auth import WebSession
from backend.cli.target import embedded
from backend.config import Settings
from backend.local.stack import Stack
from backend.service import Service

PASSWORD = "a long enough phrase"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Account:
    """A member who can sign in."""

    member_id: int
    name: str
    staff_no: str
    role: str
    session: WebSession


def settings_of(stack: Stack) -> Settings:
    """The settings of an app that works on this stack."""
    return embedded(config.load(), stack.api_url, stack.secrets)


def add_shop(stack: Stack, code: str, *, platform: str = "taobao") -> str:
    """A shop with this code (the same one when it exists); returns the code."""
    with psycopg.connect(stack.db_url) as owner:
        owner.execute("select private.ensure_shop(%s, %s, %s)", (code, f"店铺 {code}", platform))
    return code


def invite(
    stack: Stack,
    role: str,
    *,
    name: str | None = None,
    shops: Sequence[str] = (),
    skills: Sequence[str] = (),
) -> tuple[int, str, str]:
    """A member with an open invitation: member id, staff number, one-time code."""
    code = auth.new_code()
    with psycopg.connect(stack.db_url) as owner:
        member_id, staff_no = _add(owner, role, name, shops, skills)
        owner.execute(
            "select private.invite(%s, %s, null)", (member_id, auth.code_hash(settings_of(stack), code))
        )
    return member_id, staff_no, code


def _add(
    owner: psycopg.Connection[Any], role: str, name: str | None, shops: Sequence[str], skills: Sequence[str]
) -> tuple[int, str]:
    """A members row with its shops: its id and staff number."""
    staff_no = f"T{os.getpid()}-{next(_numbers)}"
    row = owner.execute(
        "insert into public.members (display_name, staff_no, role, skills)"
        " values (%s, %s, %s, %s) returning id",
        (name or f"{role} {staff_no}", staff_no, role, list(skills)),
    ).fetchone()
    assert row is not None
    owner.execute(
        "insert into public.member_shops select %s, id from public.shops where code = any(%s)",
        (row[0], list(shops)),
    )
    return int(row[0]), staff_no


def sign_up(
    stack: Stack,
    role: str,
    *,
    name: str | None = None,
    shops: Sequence[str] = (),
    skills: Sequence[str] = (),
    own_device: bool = False,
) -> Account:
    """A member with an account (`PASSWORD`) and an open session."""
    member_id, staff_no, code = invite(stack, role, name=name, shops=shops, skills=skills)
    session = auth.sign_up(settings_of(stack), code, PASSWORD, own_device=own_device)
    return Account(member_id, name or f"{role} {staff_no}", staff_no, role, session)


def hire(
    stack: Stack,
    role: str,
    *,
    name: str | None = None,
    shops: Sequence[str] = (),
    skills: Sequence[str] = (),
    own_device: bool = False,
) -> Account:
    """A member with an open session and no password: hashing one takes longer than most tests."""
    user_id = str(uuid.uuid4())
    with psycopg.connect(stack.db_url) as owner:
        member_id, staff_no = _add(owner, role, name, shops, skills)
        owner.execute(
            "update public.members set user_id = %s, state = 'active' where id = %s", (user_id, member_id)
        )
    ends = int(time.time()) + 12 * 3600
    claims = {"sub": user_id, "role": "authenticated", "aud": "authenticated", "exp": ends}
    token = jwt.encode(claims, stack.secrets.jwt_secret, algorithm="HS256")
    issued: Any = SimpleNamespace(
        user=SimpleNamespace(id=user_id), access_token=token, refresh_token="none", expires_at=ends
    )
    settings = settings_of(stack)
    session = auth._open(settings, Service(settings), issued, own_device=own_device)
    return Account(member_id, name or f"{role} {staff_no}", staff_no, role, session)
