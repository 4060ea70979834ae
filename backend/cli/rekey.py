"""`python -m backend rekey [--new] [--drop-old]`: personal data under another key.

Without options: everything that is not under the first key of DESK_PII_KEY is encrypted anew. A run that was
cut off is started again and goes on. Exit codes: 0 nothing needs an older key any more; 1 something does, or
it was refused; 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from backend import config, rekey
from backend.cli.target import Target, connect
from backend.config import ConfigError, Settings
from backend.errors import LANGUAGES, AppError, message
from backend.local.apply import ApplyError
from backend.local.stack import StackError
from backend.pii import PiiError, generate_key
from backend.service import Service


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("rekey", help="encrypt personal data with a new key")
    parser.add_argument(
        "--new", action="store_true", help="embedded: make a new key first and keep the old one"
    )
    parser.add_argument(
        "--drop-old", action="store_true", help="embedded: forget the older keys once nothing needs them"
    )
    parser.add_argument("--data", type=Path, help="data folder (default: DESK_DATA_DIR, else ./.desk)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the sentences")


def run(args: argparse.Namespace) -> int:
    """Change the key where asked, encrypt anew, say what is left."""
    try:
        settings = config.load()
        if settings.hosted and (args.new or args.drop_old):
            return _hosted(args)
        return _rekey(args, settings)
    except AppError as refusal:
        print(refusal.message(args.lang), file=sys.stderr)
    except (ConfigError, StackError, ApplyError, PiiError) as problem:
        print(problem, file=sys.stderr)
    return 1


def _hosted(args: argparse.Namespace) -> int:
    """The keys of a hosted project are in its settings, which no command of ours may change."""
    key = "rekey.hosted_new" if args.new else "rekey.hosted_drop"
    print(message(key, args.lang, fresh=generate_key()), file=sys.stderr)
    return 2


def _rekey(args: argparse.Namespace, settings: Settings) -> int:
    folder = (args.data or settings.data_dir).expanduser().resolve()
    if args.new:
        rekey.add_key(folder)
        print(message("rekey.made", args.lang, file=folder / "secrets.json"), file=sys.stderr)
    with connect(args) as target:
        summary = _work(target, args.lang)
    if args.drop_old and summary.is_complete and summary.old_keys:
        rekey.drop_old_keys(folder)
        summary.dropped = True
    if args.json:
        print(json.dumps(asdict(summary), ensure_ascii=False))
    for line in _sentences(summary, hosted=settings.hosted):
        print(message(line[0], args.lang, **line[1]), file=sys.stderr if args.json else sys.stdout)
    return 0 if summary.is_complete else 1


def _work(target: Target, lang: str) -> rekey.Summary:
    def progress(place: str, at: int, last: int) -> None:
        print(message(f"rekey.progress_{place}", lang, at=at, last=max(at, last)), file=sys.stderr)

    keys = rekey.Keys.parse(target.pii_key)
    return rekey.rekey(Service(target.settings).rpc, keys, progress=progress)


def _sentences(summary: rekey.Summary, *, hosted: bool) -> list[tuple[str, dict[str, object]]]:
    """What to tell, as message keys with their parameters."""
    counts = {name: getattr(summary, name) for name in ("contacts", "notes", "channels", "orders")}
    lines: list[tuple[str, dict[str, object]]] = [("rekey.done", counts | {"key_id": summary.key})]
    if summary.unreadable:
        lines.append(("rekey.unreadable", {"count": summary.unreadable}))
    if summary.left > summary.unreadable:
        lines.append(("rekey.left", {"count": summary.left - summary.unreadable}))
    if summary.imports:
        lines.append(("rekey.imports", {"files": ", ".join(summary.imports)}))
    if summary.corrected:
        lines.append(("rekey.corrected", {"orders": ", ".join(summary.corrected)}))
    if summary.dropped:
        lines.append(("rekey.dropped", {}))
    elif summary.is_complete and summary.old_keys:
        lines.append(("rekey.may_drop_hosted" if hosted else "rekey.may_drop", {}))
    return lines
