"""A file of listings in, a workbook with every hit highlighted in its cell out. A kind of the worker.

Read and written as streams: neither the file's rows nor the workbook are held in memory. A file that is
interrupted begins
anew, for a workbook cannot be continued.
"""

from __future__ import annotations

import base64
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

from backend.compliance import dictionary
from backend.compliance.sheet import CELL, PLAIN, Formats, Pieces, Sheet, sheet
from backend.errors import message
from backend.exports import safe_text
from backend.imports import reasons
from backend.imports.reader import Row, open_table
from backend.imports.records import FileRefused
from backend.job import Job
from backend.words import Category, Context, Kind, Result, check_many, rewrite
from backend.words.dictionary import Dictionary

_BATCH: Final = 2_000
_PART: Final = 1 << 20
_VERDICTS: Final = {"block": "不可发布", "warn": "需举证", "clean": "未发现问题"}
_HEADS: Final = ("结论", "问题词", "依据", "建议改为")
_ANEW: Final = "（请重新写）"
"""In place of a proposal where nothing can stay."""
_OURS: Final = len(_HEADS)
_TOP: Final = {"block": 2, "warn": 1, "clean": 0}
_FORMATS: Final[Formats] = {
    "block": {"font_color": "#C00000", "bold": True, "underline": 1},
    "warn": {"font_color": "#B45F06", "bold": True},
    "blocked": {"bg_color": "#F8CBAD"},
    "warned": {"bg_color": "#FFE699"},
}
_FILLS: Final = {"block": "blocked", "warn": "warned", "clean": PLAIN}
OnBatch = Callable[[Mapping[str, int]], bool]


def check_file(job: Job) -> float | None:
    """Check a file that somebody handed over; stops within a batch when it is cancelled."""
    rpc, file_id = job.worker.rpc, job.payload["file_id"]
    file = rpc("service_file_check", p_id=file_id)
    if file is None:
        return None

    def report(progress: Mapping[str, int]) -> bool:
        job.progress = {"done": progress["rows"]}
        going = bool(rpc("service_file_progress", p_id=file_id, p_progress=dict(progress)))
        return job.step() and going

    with tempfile.TemporaryDirectory(prefix="shopdesk-check-") as folder:
        source, target = Path(folder, "in"), Path(folder, "out.xlsx")
        if not _fetch(job, file, source):
            return None
        try:
            totals = check_table(
                source,
                target,
                name=file["name"],
                options=file["options"],
                book=_book(job, file),
                on_batch=report,
            )
        except FileRefused as refusal:
            rpc(
                "service_file_end",
                p_id=file_id,
                p_progress={"params": dict(refusal.params)},
                p_error=refusal.key,
            )
            return None
        if totals is None:
            return 1.0 if job.worker.stop.is_set() else None
        _store(job, file_id, target)
        rpc("service_file_end", p_id=file_id, p_progress=totals, p_error=None)
    return None


def why(error: str, progress: Mapping[str, Any], lang: str = "zh-CN") -> str:
    """The sentence for `FileCheck.error`, with the parameters in `FileCheck.progress`."""
    if error in reasons.REASONS:
        return reasons.reason(error, progress.get("params") or {}, lang)
    return message(error, lang)


def check_table(
    source: Path,
    target: Path,
    *,
    name: str,
    options: Mapping[str, Any],
    book: Dictionary,
    on_batch: OnBatch,
) -> dict[str, int] | None:
    """Check the chosen columns of a table and write the workbook; None when `on_batch` says stop.

    `options`: columns (0-based), kind, category, sheet. Answers {rows, block, warn, clean}. Raises
    FileRefused.
    """
    table = open_table(source, name=name)
    number = int(options.get("sheet", 0))
    if number >= len(table.sheets):
        raise FileRefused("file_check.column_missing")
    rows = table.rows(number)
    head = next(rows, None)
    columns = [int(column) for column in options["columns"]]
    if head is None or max(columns) >= len(head.cells):
        raise FileRefused("file_check.column_missing")
    context = Context(
        cast("Kind", options.get("kind", "title")), cast("Category", options.get("category", "general"))
    )
    totals: Counter[str] = Counter(rows=0, block=0, warn=0, clean=0)
    with _result(target, head, columns) as out:
        page = _Page(out, columns)
        while batch := list(islice(rows, _BATCH)):
            for row, results in zip(batch, _judge(batch, columns, context, book), strict=True):
                totals[page.write(row, results)] += 1
            totals["rows"] += len(batch)
            if not on_batch(totals):
                return None
    return dict(totals)


def _result(target: Path, head: Row, columns: Sequence[int]) -> AbstractContextManager[Sheet]:
    """The workbook of the result: verdict, terms, grounds and proposals, then the file's own columns."""

    def dress(page: Any) -> None:
        page.set_column(0, 0, 14)
        page.set_column(1, _OURS - 1, 28)
        for column in columns:
            page.set_column(_OURS + column, _OURS + column, 48)
        page.freeze_panes(1, 1)

    titles = [*_HEADS, *map(safe_text, head.cells)]
    return sheet(target, title="检查结果", head=titles, formats=_FORMATS, dress=dress)


def _judge(
    batch: Sequence[Row], columns: Sequence[int], context: Context, book: Dictionary
) -> Iterator[list[Result]]:
    texts = [row.cells[c] if c < len(row.cells) else "" for row in batch for c in columns]
    results = check_many(texts, contexts=[context] * len(texts), dictionary=book)
    width = len(columns)
    return (results[first : first + width] for first in range(0, len(results), width))


class _Page:
    """The sheet of the result: the file's cells, hits in colour, and before them what was found."""

    def __init__(self, out: Sheet, columns: Sequence[int]) -> None:
        self._out = out
        self._columns = tuple(columns)

    def write(self, row: Row, results: Sequence[Result]) -> str:
        """One row; answers its verdict, the gravest of its cells."""
        verdict = max((result.verdict for result in results), key=_TOP.__getitem__)
        cells: list[tuple[int, Pieces]] = [(0, [(_FILLS[verdict], _VERDICTS[verdict])])]
        if verdict != "clean":
            cells += self._found(row, results)
        judged = dict(zip(self._columns, results, strict=True))
        for place, text in enumerate(row.cells):
            if text:
                cells.append((_OURS + place, _shown(text, judged.get(place))))
        self._out.add(cells)
        return verdict

    def _found(self, row: Row, results: Sequence[Result]) -> Iterator[tuple[int, Pieces]]:
        """The cells with the terms, their grounds and the proposals."""
        hits = [hit for result in results for hit in result.hits]
        notices = [notice for result in results for notice in result.notices]
        terms = "；".join(dict.fromkeys([*(hit.term for hit in hits), *(notice.text for notice in notices)]))
        grounds = "；".join(
            dict.fromkeys([*(h.legal_basis for h in hits), *(n.legal_basis for n in notices)])
        )
        proposals = [
            rewrite(row.cells[column], result.hits) or _ANEW
            for column, result in zip(self._columns, results, strict=True)
            if result.hits
        ]
        for place, text in enumerate((terms, grounds, "\n".join(proposals)), 1):
            if text:
                yield place, [(PLAIN, safe_text(text)[:CELL])]


def _shown(text: str, result: Result | None) -> Pieces:
    """A cell of the file, cut at its hits."""
    hits = result.hits if result is not None else ()
    safe = safe_text(text)
    if not hits or len(safe) > CELL or not safe.endswith(text):
        return [(_FILLS[result.verdict if result else "clean"], safe[:CELL])]
    shift = len(safe) - len(text)  # a quote in front keeps spreadsheets from running the text
    pieces: list[tuple[str, str]] = []
    done = 0
    for hit in hits:
        if hit.start + shift > done:
            pieces.append((PLAIN, safe[done : hit.start + shift]))
        done = hit.end + shift
        pieces.append((hit.severity, safe[hit.start + shift : done]))
    if done < len(safe):
        pieces.append((PLAIN, safe[done:]))
    return pieces


def _book(job: Job, file: Mapping[str, Any]) -> Dictionary:
    return dictionary.current(job.worker.rpc).on(file["options"].get("platform"))


def _fetch(job: Job, file: Mapping[str, Any], target: Path) -> bool:
    """The file's pieces, put together; False when it was cancelled meanwhile."""
    with target.open("wb") as out:
        for n in range(file["parts"]):
            piece = job.worker.rpc("service_file_part", p_id=file["id"], p_n=n)
            if piece is None:
                return False
            out.write(base64.b64decode(piece))
    return True


def _store(job: Job, file_id: int, target: Path) -> None:
    with target.open("rb") as result:
        for n, piece in enumerate(iter(lambda: result.read(_PART), b"")):
            encoded = base64.b64encode(piece).decode("ascii")
            if not job.worker.rpc("service_file_result", p_id=file_id, p_n=n, p_content=encoded):
                return
            job.step()
