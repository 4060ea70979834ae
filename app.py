"""The desk as an ASGI app: `streamlit run app.py` (or `uvicorn app:app`).

The interface lives in pages/main.py. What a Streamlit script cannot do is here: set the session cookie,
answer health checks, and start the embedded stack and the worker with the server.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx
import streamlit as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

ROOT = Path(__file__).resolve().parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from backend import auth, tickets  # noqa: E402 (needs the repository root on the path)
from backend.config import Settings  # noqa: E402
from backend.demo import demo_accounts  # noqa: E402
from backend.errors import AppError  # noqa: E402
from backend.local import current  # noqa: E402
from backend.local.demo import keep  # noqa: E402
from backend.local.stack import Stack, say_on_stderr  # noqa: E402
from pages.shared import session  # noqa: E402

log = logging.getLogger("shopdesk.app")
OWN_DEVICE_DAYS = 30


async def keep_session(request: Request) -> Response:
    """POST: turns the one-time ticket of a fresh sign-in into the session cookie. 204, or 403 and 400."""
    if not _same_origin(request):
        return Response(status_code=HTTPStatus.FORBIDDEN)
    try:
        ticket = (await request.json()).get("ticket")
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError):
        return Response(status_code=HTTPStatus.BAD_REQUEST)
    grant = tickets.redeem(ticket) if isinstance(ticket, str) else None
    if grant is None:
        return Response(status_code=HTTPStatus.FORBIDDEN)
    answer = Response(status_code=HTTPStatus.NO_CONTENT)
    answer.set_cookie(
        auth.cookie_name(session.connection()),
        grant.sid,
        max_age=OWN_DEVICE_DAYS * 24 * 3600 if grant.is_own_device else None,
        httponly=True,
        samesite="lax",
        secure=_is_https(request),
    )
    return answer


async def drop_session(request: Request) -> Response:
    """DELETE: ends the session behind the cookie and removes the cookie. 204, or 403."""
    if not _same_origin(request):
        return Response(status_code=HTTPStatus.FORBIDDEN)
    settings = session.connection()
    name = auth.cookie_name(settings)
    sid = request.cookies.get(name)
    if sid:
        await anyio.to_thread.run_sync(_close_quietly, settings, sid)
    answer = Response(status_code=HTTPStatus.NO_CONTENT)
    answer.delete_cookie(name, httponly=True, samesite="lax", secure=_is_https(request))
    return answer


async def health(_: Request) -> Response:
    """GET: 200 when the API behind the desk answers, else 503. Says nothing about addresses or keys."""
    settings = session.connection()
    if not settings.connected:
        return JSONResponse({"status": "not connected"}, HTTPStatus.SERVICE_UNAVAILABLE)
    headers = {"apikey": settings.publishable_key}
    async with httpx.AsyncClient(timeout=5) as client:
        try:
            answer = await client.get(f"{settings.supabase_url}/auth/v1/health", headers=headers)
        except httpx.HTTPError:
            return JSONResponse({"status": "api unreachable"}, HTTPStatus.SERVICE_UNAVAILABLE)
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return JSONResponse({"status": "api failing"}, HTTPStatus.SERVICE_UNAVAILABLE)
    return JSONResponse({"status": "ok"})


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Starts the embedded stack unless a hosted project is set (or the app listens to the network), and
    the worker.
    """
    settings = session.connection()
    async with AsyncExitStack() as running:
        if _wants_stack(settings):
            await _start_stack(running, settings)
        settings = session.connection()
        if settings.connected:
            await anyio.to_thread.run_sync(_welcome, settings)
        else:
            print("No SUPABASE_URL, and not on the local address alone: showing the set-up page.", flush=True)
        yield


def _wants_stack(settings: Settings) -> bool:
    allowed = session.embedded_allowed(settings, st.get_option("server.address"))
    return not settings.connected and allowed


async def _start_stack(running: AsyncExitStack, settings: Settings) -> None:
    stack = Stack(settings.data_dir)
    running.push_async_callback(anyio.to_thread.run_sync, stack.stop)
    await anyio.to_thread.run_sync(stack.start)
    if settings.demo is not False:
        await anyio.to_thread.run_sync(partial(keep.ensure, stack, say=say_on_stderr))
    current.hold(stack)


def _welcome(settings: Settings) -> None:
    """Prints where the desk is, and the first person's code while nobody is a member."""
    address = st.get_option("server.address") or "127.0.0.1"
    print(f"\n  Shopdesk  http://{address}:{st.get_option('server.port')}\n", flush=True)
    try:
        code = auth.issue_first_admin_code(settings)
    except AppError as error:
        print(
            f"  The database does not answer as expected ({error.key}): python -m backend doctor", flush=True
        )
        return
    if code:
        print(f"  First start: the first person becomes admin with the one-time code {code}\n", flush=True)
    for account in demo_accounts(settings):
        print(f"  {account.role:<11} {account.staff_no}  {account.password}  {account.name}", flush=True)


def _close_quietly(settings: Settings, sid: str) -> None:
    try:
        auth.close_session(settings, sid)
    except AppError as error:
        log.warning("a session could not be closed: %s", error.key)


def _same_origin(request: Request) -> bool:
    """Browsers name the page a fetch comes from; another site's page must not move sessions."""
    origin = request.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.headers.get("host")


def _is_https(request: Request) -> bool:
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))


app = st.App(
    ROOT / "pages" / "main.py",
    lifespan=lifespan,
    routes=[
        Route("/api/session", keep_session, methods=["POST"]),
        Route("/api/session", drop_session, methods=["DELETE"]),
        Route("/api/health", health, methods=["GET"]),
    ],
)
