"""The one way to the database for people: a Supabase client that carries the user's own token.

Only this module and :mod:`backend.service` build clients. All share one connection pool; a client costs about
a millisecond and holds no timer and no refresh token, so it is made per run and never cached across users.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Protocol, TypeVar
from uuid import UUID

import httpx
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, create_client

from backend import errors
from backend.config import Settings

T = TypeVar("T")
_TIMEOUT = httpx.Timeout(20.0, connect=5.0)


class Query(Protocol):
    """A PostgREST request builder that is ready to run."""

    def execute(self) -> Any: ...


class Rpc(Protocol):
    """Calls an RPC with `p_`-parameters: :func:`rpc` bound to a person's client, or `Service.rpc`."""

    def __call__(self, name: str, **params: Any) -> Any: ...


@cache
def http() -> httpx.Client:
    """The connection pool of this process (thread-safe; carries no credentials of its own)."""
    return httpx.Client(
        timeout=_TIMEOUT, limits=httpx.Limits(max_connections=40, max_keepalive_connections=20)
    )


def make_client(url: str, key: str, *, access_token: str | None = None) -> Client:
    """A stateless client for ``key``; with ``access_token`` every request acts as that user."""
    headers = {"Authorization": f"Bearer {access_token}"} if access_token else {}
    options = ClientOptions(
        headers=headers, auto_refresh_token=False, persist_session=False, httpx_client=http()
    )
    return create_client(url, key, options)


def user_client(settings: Settings, access_token: str) -> Client:
    """The client of one signed-in person: publishable key and the person's own access token."""
    return make_client(settings.supabase_url, settings.publishable_key, access_token=access_token)


def auth_client(settings: Settings) -> Client:
    """A fresh client without a session, for one sign-in, sign-up, refresh or sign-out."""
    return make_client(settings.supabase_url, settings.publishable_key)


def rpc(client: Client, name: str, **params: Any) -> Any:
    """Calls RPC ``name`` with ``p_``-parameters and returns its data.

    Raises :class:`backend.errors.AppError` for every refusal and transport failure.
    """
    return run(lambda: client.rpc(name, params).execute().data)


def command(client: Client, name: str, *, request_id: UUID, **params: Any) -> Any:
    """Calls RPC ``name``, which changes something; `request_id` makes doing it twice doing it once.

    The same id with the same arguments answers the same; with other arguments it is refused.
    """
    return rpc(client, name, p_request_id=str(request_id), **params)


def rows(query: Query) -> list[dict[str, Any]]:
    """Runs a table or view request and returns its rows; raises :class:`backend.errors.AppError`."""
    data: list[dict[str, Any]] = run(lambda: query.execute().data)
    return data


def run(call: Callable[[], T]) -> T:
    """Runs one request and translates its failure into an :class:`backend.errors.AppError`."""
    try:
        return call()
    except APIError as error:
        raise errors.from_api_error(error) from error
    except httpx.HTTPError as error:
        raise errors.from_transport_error(error) from error
