"""`python -m backend backup [FILE]`: the embedded data in one file, while the desk runs or not."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path

from backend import config
from backend.local.apply import ApplyError
from backend.local.dump import BackupError, backup
from backend.local.stack import StackError, say_on_stderr


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("backup", help="write a backup of the embedded data")
    parser.add_argument("file", type=Path, nargs="?", help="default: shopdesk-<date>-<time>.backup")
    parser.add_argument("--data", type=Path, help="data folder (default: DESK_DATA_DIR, else ./.desk)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Write the backup and say where the key to its personal data is."""
    settings = config.load()
    if settings.hosted:
        print(
            "SUPABASE_URL is set: a hosted project is backed up by Supabase, not by this command",
            file=sys.stderr,
        )
        return 2
    file = args.file or Path(f"shopdesk-{datetime.now():%Y%m%d-%H%M%S}.backup")
    try:
        made = backup(
            (args.data or settings.data_dir).expanduser().resolve(), file.resolve(), say=say_on_stderr
        )
    except (BackupError, StackError, ApplyError) as problem:
        print(problem, file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"file": str(made.file), "size": made.size, "key_file": str(made.key_file)}))
    else:
        print(f"Backup written: {made.file} ({made.size / 1e6:.1f} MB)")
        print(f"It does not hold the key to the personal data. The key is in {made.key_file}:")
        print("keep a copy of that file in another place than the backup; without it names, phones and")
        print("addresses are lost.")
    return 0
