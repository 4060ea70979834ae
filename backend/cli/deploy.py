"""`python -m backend deploy`: brings a hosted project to this version; without `--apply` only shows the plan.

Exit codes: 0 done or nothing to do, 1 refused (what was done before stays done), 2 wrong usage. A dry run
that found something to do exits 0 as well: the list is its answer.
"""

from __future__ import annotations

import argparse
import json
import sys

from backend import config
from backend.config import ConfigError
from backend.deployment import parts
from backend.deployment.database import DeployError
from backend.deployment.parts import Report

WORDS = {"same": "nothing to do", "pending": "would deploy", "done": "deployed"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("deploy", help="bring a hosted project to this version (dry run by default)")
    parser.add_argument(
        "--apply", action="store_true", help="do it; without this, only the difference is shown"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=parts.PARTS,
        default=parts.PARTS,
        metavar="PART",
        help=f"some parts only: {', '.join(parts.PARTS)}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Plan or deploy, and say part by part what was found."""
    reports: list[Report] = []

    def say(report: Report) -> None:
        reports.append(report)
        if not args.json:
            print(f"{report.part}: {WORDS[report.state]}")
            print("".join(f"  {line}\n" for line in report.lines), end="", flush=True)

    problem = ""
    try:
        needs_project = set(args.only) != {"database"}
        parts.run(
            config.load() if needs_project else None,
            config.deployment(),
            parts=args.only,
            apply=args.apply,
            say=say,
        )
    except (DeployError, ConfigError) as refused:
        problem = str(refused)
        print(problem, file=sys.stderr)
    if args.json:
        found = [{"part": one.part, "state": one.state, "lines": one.lines} for one in reports]
        print(json.dumps({"ok": not problem, "parts": found, "problem": problem or None}, ensure_ascii=False))
    elif not problem:
        waiting = any(report.state == "pending" for report in reports)
        print("Run again with --apply to deploy." if waiting else "Now: python -m backend doctor")
    return 1 if problem else 0
