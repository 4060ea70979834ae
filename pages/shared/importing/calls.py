"""What the imports page asks of the backend, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from supabase import Client

from backend import db
from backend.imports import kinds, mapping, runner
from backend.imports.records import Detected
from backend.orders import reads
from pages.shared import frame
from pages.shared.i18n import locale

HISTORY = 30
_PAGE = 1000
Row = dict[str, Any]


@dataclass
class Line:
    """Calls RPCs as the signed-in person. Parts of an import run in a thread that cannot see the session, so
    the client is fetched before, and renewed with `renew` while a long import goes on.
    """

    client: Client = field(default_factory=frame.client)

    def renew(self) -> None:
        """Takes the access token that is valid now."""
        self.client = frame.client()

    def __call__(self, name: str, **params: Any) -> Any:
        return db.rpc(self.client, name, **params)


def importer(on_progress: runner.Progress | None = None) -> runner.Importer:
    """An importer that acts as the signed-in person; only the verdicts of the checks use the service key."""
    line = Line()

    def told(step: str, done: int, total: int) -> None:
        line.renew()
        if on_progress is not None:
            on_progress(step, done, total)

    return runner.Importer(
        call=line,
        service=frame.service().rpc,
        keyring=frame.keyring(),
        lang=locale(),
        on_progress=told,
    )


def shop_of(shop: frame.Shop | None) -> runner.Shop | None:
    """The shop as the importer knows it."""
    if shop is None:
        return None
    return runner.Shop(id=shop.id, code=shop.code, platform=shop.platform, timezone=shop.timezone)


def data_ages() -> list[Row]:
    """The age of every data set of the person's shops."""
    return reads.data_ages(frame.client())


def history() -> list[Row]:
    """The latest imports that the person may see, newest first."""
    return reads.import_log(frame.client(), limit=HISTORY)


def refused_rows(import_id: int) -> list[Row]:
    """The refused lines of an import in words: {row, column, reason}."""
    found: list[Row] = []
    while True:
        query = frame.client().table("import_errors").select("id,row_no,column_name,reason,params")
        after = found[-1]["id"] if found else 0
        page = db.rows(query.eq("import_id", import_id).gt("id", after).order("id").limit(_PAGE))
        found += page
        if len(page) < _PAGE:
            break
    lang = locale()
    return [
        {
            "row": line["row_no"],
            "column": line["column_name"],
            "reason": runner.sentence(line["reason"], line["params"], lang),
        }
        for line in sorted(found, key=lambda line: (line["row_no"], line["id"]))
    ]


def remembered(headers: Sequence[str]) -> list[Row]:
    """The column mappings that the person's shops keep for these headers, newest first:
    {shop_id, kind, mapping, tool}.
    """
    query = frame.client().table("import_mappings").select("shop_id,kind,mapping,tool")
    mark = mapping.signature(headers)
    return db.rows(query.eq("signature", mark).order("updated_at", desc=True).limit(20))


def remember(
    *, shop_id: int | None, kind: str, headers: Sequence[str], tool: str, chosen: Mapping[str, str]
) -> None:
    """Keeps a column mapping for the next file with these headers. Raises AppError."""
    params = {
        "p_shop_id": shop_id,
        "p_kind": kind,
        "p_signature": mapping.signature(headers),
        "p_tool": tool,
        "p_mapping": dict(chosen),
    }
    mark = frame.request_id("save_mapping", params)
    db.rpc(frame.client(), "save_mapping", **params, p_request_id=mark)
    frame.done()


def likely_kind(found: Detected) -> str:
    """The kind of file whose fields these headers fit best."""

    def fit(kind: str) -> tuple[bool, int]:
        suggested = mapping.suggest(found.headers, kind)
        complete = all(one.name in suggested for one in mapping.fields(kind) if one.required)
        return complete, len(suggested)

    return max(kinds.KINDS, key=fit)
