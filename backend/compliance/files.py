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
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import xlsxwriter

from backend.compliance import dictionary
from backend.errors import message
from backend.exports import safe_text
from backend.imports import reasons
from backend.imports.reader import Row, open_table
from backend.imports.records import FileRefused
from backend.job import Job
from backend.words import Category, Context, Hit, Kind, Result, check_many, rewrite
from backend.words.dictionary import Dictionary

_BATCH: Final = 2_000
_PART: Final = 1 << 20
_CELL: Final = 32_767
_VERDICTS: Final = {"block": "不可发布", "warn": "需举证", "clean": "未发现问题"}
_HEADS: Final = ("结论", "问题词", "依据", "建议改为")
_OURS: Final = len(_HEADS)
_TOP: Final = {"block": 2, "warn": 1, "clean": 0}
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
    sheet = int(options.get("sheet", 0))
    if sheet >= len(table.sheets):
        raise FileRefused("file_check.column_missing")
    rows = table.rows(sheet)
    head = next(rows, None)
    columns = [int(column) for column in options["columns"]]
    if head is None or max(columns) >= len(head.cells):
        raise FileRefused("file_check.column_missing")
    context = Context(
        cast("Kind", options.get("kind", "title")), cast("Category", options.get("category", "general"))
    )
    totals: Counter[str] = Counter(rows=0, block=0, warn=0, clean=0)
    with xlsxwriter.Workbook(target, _OPTIONS) as out:
        page = _Page(out, head, columns)
        while batch := list(islice(rows, _BATCH)):
            for row, results in zip(batch, _judge(batch, columns, context, book), strict=True):
                totals[page.write(row, results)] += 1
            totals["rows"] += len(batch)
            if not on_batch(totals):
                return None
    return dict(totals)


_OPTIONS: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def _judge(
    batch: Sequence[Row], columns: Sequence[int], context: Context, book: Dictionary
) -> Iterator[list[Result]]:
    texts = [row.cells[c] if c < len(row.cells) else "" for row in batch for c in columns]
    results = check_many(texts, contexts=[context] * len(texts), dictionary=book)
    width = len(columns)
    return (results[first : first + width] for first in range(0, len(results), width))


class _Page:
    """The sheet of the result: the file's cells, hits in colour, then verdict, terms, grounds and
    proposals."""

    def __init__(self, book: Any, head: Row, columns: Sequence[int]) -> None:
        self._sheet = book.add_worksheet("检查结果")
        self._columns = tuple(columns)
        self._line = 0
        self._block = book.add_format({"font_color": "#C00000", "bold": True, "underline": 1})
        self._warn = book.add_format({"font_color": "#B45F06", "bold": True})
        self._fills = {
            "block": book.add_format({"bg_color": "#F8CBAD"}),
            "warn": book.add_format({"bg_color": "#FFE699"}),
            "clean": None,
        }
        bold = book.add_format({"bold": True})
        for place, text in enumerate((*_HEADS, *head.cells)):
            self._sheet.write_string(0, place, safe_text(text)[:_CELL], bold)
        self._sheet.set_column(0, 0, 14)
        self._sheet.set_column(1, _OURS - 1, 28)
        for column in columns:
            self._sheet.set_column(_OURS + column, _OURS + column, 48)
        self._sheet.freeze_panes(1, 1)

    def write(self, row: Row, results: Sequence[Result]) -> str:
        """One row; answers its verdict, the gravest of its cells."""
        self._line += 1
        verdict = max((result.verdict for result in results), key=_TOP.__getitem__)
        judged = dict(zip(self._columns, results, strict=True))
        self._sheet.write_string(self._line, 0, _VERDICTS[verdict], self._fills[verdict])
        if verdict != "clean":
            self._say(row, results)
        for place, text in enumerate(row.cells):
            if text:
                self._cell(_OURS + place, text, judged.get(place))
        return verdict

    def _say(self, row: Row, results: Sequence[Result]) -> None:
        hits = [hit for result in results for hit in result.hits]
        notices = [notice for result in results for notice in result.notices]
        terms = "；".join(dict.fromkeys([*(hit.term for hit in hits), *(notice.text for notice in notices)]))
        grounds = "；".join(
            dict.fromkeys([*(h.legal_basis for h in hits), *(n.legal_basis for n in notices)])
        )
        proposals = [
            rewrite(row.cells[column], result.hits)
            for column, result in zip(self._columns, results, strict=True)
            if result.hits
        ]
        for offset, text in enumerate((terms, grounds, "\n".join(proposals)), 1):
            if text:
                self._sheet.write_string(self._line, offset, safe_text(text)[:_CELL])

    def _cell(self, place: int, text: str, result: Result | None) -> None:
        hits = result.hits if result is not None else ()
        safe = safe_text(text)
        if not hits or len(safe) > _CELL or not safe.endswith(text):
            self._sheet.write_string(
                self._line, place, safe[:_CELL], self._fills[result.verdict if result else "clean"]
            )
            return
        shift = len(safe) - len(text)  # a quote in front keeps spreadsheets from running the text
        pieces = _pieces(safe, hits, shift, self._block, self._warn)
        if (
            len(pieces) == 2
        ):  # the cell is one hit: rich text needs two pieces, a plain cell with its format will do
            self._sheet.write_string(self._line, place, safe, pieces[0])
        else:
            self._sheet.write_rich_string(self._line, place, *pieces)


def _pieces(text: str, hits: Sequence[Hit], shift: int, block: Any, warn: Any) -> list[Any]:
    """The text cut at its hits, each hit after its format, as xlsxwriter takes it."""
    pieces: list[Any] = []
    done = 0
    for hit in hits:
        if hit.start + shift > done:
            pieces.append(text[done : hit.start + shift])
        done = hit.end + shift
        pieces += [block if hit.severity == "block" else warn, text[hit.start + shift : done]]
    if done < len(text):
        pieces.append(text[done:])
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
