"""The command line. Each command is a module with `add_parser(subparsers)` and `run(args) -> int`.

Exit codes: 0 done, 1 refused or rejected, 2 wrong usage. With `--json`, standard output holds nothing but the
JSON; progress and errors go to standard error. A command's module is imported only when it is asked for.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Sequence

COMMANDS: dict[str, tuple[str, str]] = {
    "local": ("backend.cli.local", "run the embedded stack until interrupted"),
    "import": ("backend.cli.import_", "import orders, stock, parcels, leads, cases, figures or chats"),
    "words": ("backend.cli.words", "check advertising text"),
    "sla": ("backend.cli.sla", "work out a deadline"),
    "kpi": ("backend.cli.kpi", "figures of a period"),
    "work": ("backend.cli.work", "do background work"),
    "backup": ("backend.cli.backup", "write a backup of the embedded data"),
    "restore": ("backend.cli.restore", "put a backup into an empty data folder"),
    "rekey": ("backend.cli.rekey", "encrypt personal data with a new key"),
    "deploy": ("backend.cli.deploy", "bring a hosted project to this version"),
    "doctor": ("backend.cli.doctor", "check an installation, with a fix for each finding"),
}


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    chosen = arguments[0] if arguments and arguments[0] in available() else None
    parser = argparse.ArgumentParser(prog="python -m backend", description="Shopdesk commands")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    if chosen is None:
        for name in available():
            commands.add_parser(name, help=COMMANDS[name][1], add_help=False)
        parser.parse_args(arguments)
        return 2
    module = importlib.import_module(COMMANDS[chosen][0])
    module.add_parser(commands)
    try:
        return int(module.run(parser.parse_args(arguments)))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 1


def available() -> list[str]:
    """The commands that this version of the desk has."""
    return [name for name, (module, _) in COMMANDS.items() if importlib.util.find_spec(module)]
