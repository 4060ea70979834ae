"""`python -m backend import KIND FILE…`: the importer of the page, for scripts.

With `--json` one file gives one object, several files a list in their order. Exit codes: 0 taken over, 1 a
file or a line was refused, 2 the arguments mean nothing (no such file or shop, or several shops it could be).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from backend import errors
from backend.cli.target import Target, connect
from backend.config import ConfigError
from backend.errors import AppError
from backend.imports.kinds import KINDS, OF_POOL
from backend.imports.mapping import signature
from backend.imports.parse import detect, shop_platform
from backend.imports.reasons import reason
from backend.imports.records import Detected, FileRefused
from backend.imports.runner import Importer, Report, Shop, import_file
from backend.local.apply import ApplyError
from backend.local.stack import StackError
from backend.pii import Keyring
from backend.service import Service

_USAGE_KEYS = ("shop.unknown_code", "import.shop_ambiguous", "import.shop_missing", "import.file_missing")
_COUNTED = ("orders", "products")  # kinds whose preview says what is new
_STEPS = {"staging": "stored", "applying": "taken over", "checking": "checked"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "import", help="import orders, stock, parcels, leads, cases, figures or chats"
    )
    parser.add_argument("kind", choices=KINDS, help="products also takes stock files")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help=".csv or .xlsx")
    parser.add_argument("--shop", metavar="CODE", help="default: the only shop of the file's platform")
    parser.add_argument("--platform", default="auto", help="insist on a layout (default: by the headers)")
    parser.add_argument("--strict", action="store_true", help="one refused line refuses the whole file")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen, store nothing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--lang", choices=errors.LANGUAGES, default="zh-CN", help="language of the reasons")


def run(args: argparse.Namespace) -> int:
    """Import every file in turn and print what happened."""
    missing = [path for path in args.files if not path.is_file()]
    if missing:
        print(errors.message("import.file_missing", args.lang, file=missing[0]), file=sys.stderr)
        return 2
    try:
        with connect(args) as target:
            outcomes = [_import(target, args, path) for path in args.files]
    except (ConfigError, StackError, ApplyError) as problem:
        print(problem, file=sys.stderr)
        return 1
    reports = [report for report, _ in outcomes]
    if args.json:
        print(json.dumps(reports[0] if len(reports) == 1 else reports, ensure_ascii=False))
    else:
        for report in reports:
            print(_words(report))
    return max(code for _, code in outcomes)


def _import(target: Target, args: argparse.Namespace, path: Path) -> tuple[Report, int]:
    """One file: its report and its exit code. A refused file is a report as well."""
    try:
        report = _taken(target, args, path)
    except FileRefused as refused:
        return _nothing(path, reason(refused.key, refused.params, args.lang)), 1
    except AppError as refusal:
        print(f"{path.name}: {refusal.message(args.lang)}", file=sys.stderr)
        code = 2 if refusal.key in _USAGE_KEYS else 1
        return _nothing(path, refusal.message(args.lang)), code
    return {"file": path.name} | report, 1 if report["rejected"] or report["state"] == "refused" else 0


def _taken(target: Target, args: argparse.Namespace, path: Path) -> Report:
    service = Service(target.settings)
    found = detect(path, path.name, kind=args.kind)
    shop = _shop(service, args, found)
    return import_file(
        Importer(
            call=service.rpc,
            service=service.rpc,
            keyring=Keyring.parse(target.pii_key),
            lang=args.lang,
            on_progress=_progress(path.name),
        ),
        path,
        name=path.name,
        kind=args.kind,
        shop=shop,
        platform=_platform(args, shop),
        mapping=_mapping(service, args, shop, found),
        strict=args.strict,
        dry_run=args.dry_run,
    ) | {"shop": shop.code if shop else None}


def _shop(service: Service, args: argparse.Namespace, found: Detected) -> Shop | None:
    """The shop that is meant; without --shop the only one of the file's platform, else a new one."""
    if args.shop is None and args.kind in OF_POOL:
        return None
    platform = args.platform if args.platform != "auto" else found.platform
    if args.shop is None and platform is None and args.kind == "orders":
        raise FileRefused("headers_unknown", {"count": len(found.headers)})
    answer: dict[str, Any] | None = service.rpc(
        "service_ensure_shop",
        p_platform=shop_platform(platform or "") or None,
        p_code=args.shop,
        p_create=not args.dry_run,
    )
    return None if answer is None else Shop(**answer)


def _platform(args: argparse.Namespace, shop: Shop | None) -> str:
    """The layout to insist on: the one asked for, else for orders that of the shop."""
    platform: str = args.platform
    return shop.platform if platform == "auto" and shop and args.kind == "orders" else platform


def _mapping(
    service: Service, args: argparse.Namespace, shop: Shop | None, found: Detected
) -> dict[str, str] | None:
    """The column mapping that was remembered for headers we do not know."""
    if found.platform is not None:
        return None
    answer = service.rpc(
        "service_find_mapping",
        p_shop_id=shop.id if shop else None,
        p_kind=args.kind,
        p_signature=signature(found.headers),
    )
    return None if answer is None else answer["mapping"]


def _progress(name: str) -> Any:
    """Prints each chunk of a long file on standard error."""

    def say(step: str, done: int, total: int) -> None:
        if total > 2000:
            print(f"{name}: {done}/{total} {_STEPS[step]}", file=sys.stderr)

    return say


def _nothing(path: Path, refused: str) -> Report:
    counts = {"rows": 0, "accepted": 0, "updated": 0, "unchanged": 0, "rejected": [], "exceptions": {}}
    return {"file": path.name, **counts, "state": "refused", "refused": refused}


def _words(report: Report) -> str:
    """The report for a person at a console."""
    if "refused" in report:
        return f"{report['file']}: {report['refused']}"
    counts = f"{report['accepted']} new, {report['updated']} updated, {report['unchanged']} unchanged, "
    if report["state"] == "preview" and report["kind"] not in _COUNTED:
        counts = ""  # what is new among them only the import finds out
    refused = len({entry["row"] for entry in report["rejected"]})
    lines = [f"{report['file']}: {report['rows']} rows, {counts}{refused} rejected ({report['state']})"]
    lines += [f"  {kind}: {count}" for kind, count in sorted(report["exceptions"].items())]
    lines += [f"  {note}" for note in report["notes"]]
    lines += [f"  {entry['row']} {entry['column'] or ''}: {entry['reason']}" for entry in report["rejected"]]
    return "\n".join(lines)
