"""`python -m backend restore FILE`: an installation in an empty data folder, made from a backup."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from backend import config
from backend.local.apply import ApplyError
from backend.local.dump import BackupError, restore
from backend.local.stack import StackError, say_on_stderr


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("restore", help="put a backup into an empty data folder")
    parser.add_argument("file", type=Path)
    parser.add_argument("--data", type=Path, help="empty data folder (default: DESK_DATA_DIR, else ./.desk)")
    parser.add_argument("--keys", type=Path, help="secrets.json of the old installation")
    parser.add_argument(
        "--without-personal-data", action="store_true", help="go on although its key is not at hand"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Restore; 1 when refused."""
    settings = config.load()
    if settings.hosted:
        print("SUPABASE_URL is set: this command restores embedded data only", file=sys.stderr)
        return 2
    folder = (args.data or settings.data_dir).expanduser().resolve()
    try:
        manifest = restore(
            args.file.resolve(),
            folder,
            keys=args.keys,
            without_personal_data=args.without_personal_data,
            say=say_on_stderr,
        )
    except (BackupError, StackError, ApplyError) as problem:
        print(problem, file=sys.stderr)
        return 1
    facts = {"data_dir": str(folder), "made_at": manifest["made_at"]}
    print(json.dumps(facts) if args.json else f"Restored into {folder} as of {manifest['made_at']}")
    return 0
