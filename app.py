"""The desk as an ASGI app: `streamlit run app.py` (or `uvicorn app:app`).

The interface lives in pages/main.py. What a Streamlit script cannot do is here: set the session cookie,
answer health checks, and start the embedded stack and the worker with the server.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import anyio
import httpx
import streamlit as st
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

ROOT = Path(__file__).resolve().parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from backend import auth, demo, jobs, one_time, survey_page  # noqa: E402 (needs the repository root on the path)
from backend.config import ConfigError, Settings  # noqa: E402
from backend.errors import AppError  # noqa: E402
from backend.local import current  # noqa: E402
from backend.local.apply import ApplyError  # noqa: E402
from backend.local.demo import keep  # noqa: E402
from backend.local.stack import Stack, StackError  # noqa: E402
from backend.service import Service  # noqa: E402
from backend.tickets import surveys  # noqa: E402
from pages.shared import session  # noqa: E402

log = logging.getLogger("shopdesk.app")
OWN_DEVICE_DAYS = 30
WORKER_GRACE = 15.0  # seconds the worker gets to end the chunk at hand
WORKER_PAUSE = 5.0


async def keep_session(request: Request) -> Response:
    """POST: turns the one-time ticket of a fresh sign-in into the session cookie. 204, or 403 and 400."""
    if not _same_origin(request):
        return Response(status_code=HTTPStatus.FORBIDDEN)
    try:
        ticket = (await request.json()).get("ticket")
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError):
        return Response(status_code=HTTPStatus.BAD_REQUEST)
    grant = one_time.redeem(ticket) if isinstance(ticket, str) else None
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


async def open_survey(request: Request) -> Response:
    """GET: the form behind a survey link, or why it is over. Opening it uses nothing up: chat tools fetch
    links before people do.
    """
    return await anyio.to_thread.run_sync(_survey, request, None)


async def answer_survey(request: Request) -> Response:
    """POST: the answer, once. Only the token in the address counts: no session, so nothing to forge."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > survey_page.MOST_BODY:
            return Response(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return await anyio.to_thread.run_sync(_survey, request, survey_page.parse(body))


def _survey(request: Request, answer: survey_page.Answer | None) -> Response:
    token = request.path_params["token"]
    lang = survey_page.language(request.query_params.get("lang"), request.headers.get("accept-language"))
    found: dict[str, str] = {}
    try:
        settings = session.connection()
        caller = surveys.caller_hash(settings, request.client.host if request.client else "")
        service = Service(settings)
        if answer:
            state = surveys.answered(service, token, answer.score, answer.comment, caller)
        if not answer or state == "bad":
            found = surveys.opened(service, token, caller)
            state = "bad" if answer and found["state"] == "open" else found["state"]
    except (AppError, ConfigError) as problem:
        log.warning("a survey could not be served: %s", getattr(problem, "key", "settings"))
        state = "down"
    text = survey_page.page(
        state, lang, kind=found.get("kind", ""), shop=found.get("shop", ""), answer=answer
    )
    return HTMLResponse(text, survey_page.STATUS[state], headers=survey_page.HEADERS)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Starts the embedded stack unless a hosted project is set (or the app listens to the network), and
    the worker.
    """
    async with AsyncExitStack() as running:
        try:
            await _start(running)
        except (ConfigError, StackError, ApplyError) as problem:
            await running.aclose()
            _give_up(problem)
        yield


async def _start(running: AsyncExitStack) -> None:
    settings = session.connection()
    if not settings.connected and session.embedded_allowed(settings, st.get_option("server.address")):
        await _start_stack(running, settings)
        settings = session.connection()
    if settings.connected:
        await anyio.to_thread.run_sync(_welcome, settings)
        _start_worker(running, settings)
    else:
        _say("No SUPABASE_URL, and not on the local address alone: showing the set-up page.")


def _give_up(problem: Exception) -> NoReturn:
    """Ends the process with one sentence; the server would print a traceback around it."""
    print(problem, file=sys.stderr, flush=True)
    os._exit(1)


async def _start_stack(running: AsyncExitStack, settings: Settings) -> None:
    stack = Stack(settings.data_dir)
    running.push_async_callback(anyio.to_thread.run_sync, stack.stop)
    await anyio.to_thread.run_sync(stack.start)
    if settings.demo is not False:
        await anyio.to_thread.run_sync(partial(keep.ensure, stack, say=_say))
    current.hold(stack)


def _start_worker(running: AsyncExitStack, settings: Settings) -> None:
    """Background work in a thread of this process; leases in the database make any number of them safe."""
    stop = threading.Event()
    worker = threading.Thread(target=_work, args=(settings, stop), name="worker", daemon=True)
    worker.start()
    running.push_async_callback(anyio.to_thread.run_sync, worker.join, WORKER_GRACE)
    running.callback(stop.set)


def _work(settings: Settings, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            jobs.run_forever(settings, stop)
        except Exception:  # one broken job must not end all background work
            log.exception("the worker stumbled and goes on")
            stop.wait(WORKER_PAUSE)


def _welcome(settings: Settings) -> None:
    """Prints where the desk is, the demo accounts, and the first person's code while nobody is a member."""
    address = f"http://{st.get_option('server.address') or '127.0.0.1'}:{st.get_option('server.port')}"
    lines = [f"Shopdesk  {address}"]
    accounts = demo.demo_accounts(settings)
    if accounts:
        lines.append(f"Demo accounts, password {accounts[0].password} (or one click on the sign-in page):")
        lines += [f"  {account.staff_no}  {account.name}  {account.role}" for account in accounts]
    try:
        code = auth.issue_first_admin_code(settings)
    except AppError as error:
        lines.append(f"The database does not answer as expected ({error.key}): python -m backend doctor")
        code = None
    if code:
        lines.append(f"First start: the first person becomes admin with the one-time code {code}")
        lines.append(f"  {address}/?first={code}")
    _say("\n" + "\n".join(f"  {line}" for line in lines) + "\n")


def _say(line: str) -> None:
    print(line, flush=True)


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
        Route("/survey/{token}", open_survey, methods=["GET"]),
        Route("/survey/{token}", answer_survey, methods=["POST"]),
    ],
)
