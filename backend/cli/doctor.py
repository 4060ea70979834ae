"""`python -m backend doctor`: what is wrong with an installation, and what to do about it.

Exit codes: 0 nothing is wrong (notes may be printed), 1 something is, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from backend import config, doctor, members
from backend.cli.target import connect
from backend.config import ConfigError, Settings
from backend.doctor import Finding
from backend.errors import LANGUAGES, AppError, message
from backend.local import secrets
from backend.local.apply import ApplyError
from backend.local.stack import StackError, read_runtime


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("doctor", help="check an installation, with a fix for each finding")
    parser.add_argument("--data", type=Path, help="data folder (default: DESK_DATA_DIR, else ./.desk)")
    parser.add_argument(
        "--recover", metavar="STAFF_NO", help="print a one-time code for an admin who lost the password"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language of the sentences")


def run(args: argparse.Namespace) -> int:
    """Look at everything and print what was found; with --recover only print a new code."""
    if args.recover:
        return recover(args)
    found = examine(args)
    healthy = not any(finding.is_problem for finding in found)
    if args.json:
        print(
            json.dumps(
                {"ok": healthy, "findings": [_plain(one, args.lang) for one in found]}, ensure_ascii=False
            )
        )
    else:
        for finding in found:
            line = "doctor.line" if finding.is_problem else "doctor.note"
            print(message(line, args.lang, what=finding.sentence(args.lang), fix=finding.fix(args.lang)))
        if healthy:
            print(message("doctor.healthy", args.lang))
    return 0 if healthy else 1


def recover(args: argparse.Namespace) -> int:
    """A one-time code for an admin: 0 and the code, or 1 and why not."""
    try:
        with connect(args) as target:
            code = members.recover_admin(target.settings, args.recover)
    except AppError as refusal:
        print(refusal.message(args.lang), file=sys.stderr)
        return 1
    except (ConfigError, StackError, ApplyError, ValueError) as problem:
        print(problem, file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"staff_no": args.recover, "code": code}))
    else:
        print(message("recover.done", args.lang, staff_no=args.recover, code=code))
    return 0


def examine(args: argparse.Namespace) -> list[Finding]:
    """Settings first; then the folder of an embedded installation; then what answers behind it."""
    try:
        settings = config.load()
    except ConfigError as problem:
        return list(doctor.settings_refused(problem))
    if settings.hosted:
        return _connected(args, settings, serves=True)
    folder = (args.data or settings.data_dir).expanduser().resolve()
    if not (folder / secrets.FILE_NAME).exists():
        return [Finding("no_installation", {"folder": folder})]
    found = list(doctor.folder(folder))
    return found + _connected(args, settings, serves=read_runtime(folder) is not None)


def _connected(args: argparse.Namespace, settings: Settings, *, serves: bool) -> list[Finding]:
    folder = (args.data or settings.data_dir).expanduser().resolve()
    try:
        with connect(args) as target:
            return doctor.examine(target.settings, serves=serves)
    except AppError as refusal:
        return [Finding("schema_failing", {"reason": refusal.message(args.lang)})]
    except (StackError, ApplyError, ValueError) as problem:
        return [Finding("does_not_start", {"reason": str(problem), "folder": folder})]


def _plain(finding: Finding, lang: str) -> dict[str, object]:
    return {
        "check": finding.key,
        "level": "problem" if finding.is_problem else "note",
        "what": finding.sentence(lang),
        "fix": finding.fix(lang),
    }
