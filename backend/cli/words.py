"""`words check [FILE|-] [--json|--jsonl]`: the compliance check from the command line, offline.

Exit code 0: the check was done, whatever its verdict (the verdict is in the output, so that a script can
tell "not allowed" from "not checked"). 1: the file cannot be read, or a line of `--jsonl` was refused. 2:
wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from backend.words import CATEGORIES, KINDS, Context, Result, check_many, check_one, rewrite

_BATCH: Final = 500
_LINE_ENDS: Final = {code: f"\\u{code:04x}" for code in (0x85, 0x2028, 0x2029)}
_LABELS: Final = {"block": "不可发布", "warn": "需举证", "clean": "未发现问题"}
_FIELDS: Final = frozenset({"text", "kind", "category", "licences"})


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register `words` and its sub-command `check`."""
    words = subparsers.add_parser("words", help="违禁词检查 compliance word check (offline)")
    commands = words.add_subparsers(dest="words_command", required=True)
    check = commands.add_parser("check", help="检查文本 check a text, a file, or standard input")
    check.add_argument("file", nargs="?", default="-", metavar="FILE|-")
    output = check.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="one JSON object")
    output.add_argument(
        "--jsonl", action="store_true", help="one JSON object per input line, one per output line"
    )
    check.add_argument("--kind", choices=KINDS, default="description", help="kind of text")
    check.add_argument("--category", choices=CATEGORIES, default="general", help="product category")
    check.add_argument("--licence", action="append", default=[], metavar="TYPE:NUMBER", help="repeatable")


def run(args: argparse.Namespace) -> int:
    """Run the check and return the exit code."""
    try:
        source = _read(args.file)
    except OSError as error:
        print(f"{args.file}: {error.strerror or error}", file=sys.stderr)
        return 1
    if args.jsonl:
        return _run_lines(source.split("\n"))
    result = check_one(source, kind=args.kind, category=args.category, licences=args.licence)
    if args.json:
        _write(as_json(source, result))
    else:
        _write_for_people(source, result)
    return 0


def _read(name: str) -> str:
    """Read UTF-8 (with or without BOM); bytes that are not become the replacement character, so offsets
    stay."""
    data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    return data.decode("utf-8-sig", "replace")


def as_json(text: str, result: Result) -> dict[str, Any]:
    """Return a result as the command's JSON: offsets in code points of the text that was read."""
    return {
        "verdict": result.verdict,
        "hits": [hit._asdict() for hit in result.hits],
        "notices": [notice._asdict() for notice in result.notices],
        "rewritten": rewrite(text, result.hits),
        "version": result.version,
    }


def _write(value: object) -> None:
    """Write one line of JSON; a lone surrogate is written as its escape, which JSON can carry and UTF-8
    cannot."""
    line = json.dumps(value, ensure_ascii=False).translate(_LINE_ENDS)
    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def parse_line(line: str) -> tuple[str, Context]:
    """Return the text and context of one input line. Raise ValueError saying what is wrong with it."""
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg}") from error
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        raise ValueError('an object with a string "text" is needed')
    kind, category = value.get("kind") or "description", value.get("category") or "general"
    licences = value.get("licences") or []
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; use one of {', '.join(KINDS)}")
    if category not in CATEGORIES:
        raise ValueError(f"unknown category {category!r}; use one of {', '.join(CATEGORIES)}")
    if not isinstance(licences, list) or not all(isinstance(item, str) for item in licences):
        raise ValueError('"licences" must be a list of "type:number"')
    return value["text"], Context(kind, category, tuple(licences))


def _batches(lines: list[str]) -> Iterator[Iterable[tuple[int, str]]]:
    numbered = [(n, line) for n, line in enumerate(lines, start=1) if line.strip()]
    for first in range(0, len(numbered), _BATCH):
        yield numbered[first : first + _BATCH]


def _run_lines(lines: list[str]) -> int:
    """Check line by line; a bad line is answered with its error and does not stop the rest."""
    refused = 0
    for batch in _batches(lines):
        parsed: list[tuple[str, Context] | str] = []
        for number, line in batch:
            try:
                parsed.append(parse_line(line))
            except ValueError as error:
                parsed.append(f"line {number}: {error}")
        good = [item for item in parsed if not isinstance(item, str)]
        results = iter(check_many([text for text, _ in good], contexts=[context for _, context in good]))
        for item in parsed:
            if isinstance(item, str):
                refused += 1
                _write({"error": item})
            else:
                _write(as_json(item[0], next(results)))
    return 1 if refused else 0


def _write_for_people(text: str, result: Result) -> None:
    lines = [f"{result.verdict} {_LABELS[result.verdict]}"]
    for hit in result.hits:
        lines.append(f"{hit.start}-{hit.end} [{hit.severity}] {hit.text} ({hit.category}) {hit.legal_basis}")
        lines.append(f"    {hit.suggestion}" + (f" · {hit.exemption}" if hit.exemption else ""))
    lines.extend(f"! {notice.text} ({notice.legal_basis})" for notice in result.notices)
    if result.hits:
        lines.append(f"建议 proposal: {rewrite(text, result.hits) or '请重新写 write it anew'}")
    data = "\n".join(lines).encode("utf-8", "backslashreplace")
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()
