"""`python -m backend work [--once]`: the worker for background jobs; any number may run at once."""

from __future__ import annotations

import argparse
import sys
import threading

from backend import jobs
from backend.cli.target import connect
from backend.config import ConfigError
from backend.errors import AppError
from backend.local.apply import ApplyError
from backend.local.stack import StackError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("work", help="do background work")
    parser.add_argument("--once", action="store_true", help="do what is due now, then stop (for cron)")


def run(args: argparse.Namespace) -> int:
    """Work until SIGTERM, or once."""
    stop = threading.Event()
    try:
        with connect(args) as target:
            jobs.stop_on_signals(stop)
            if not args.once:
                jobs.run_forever(target.settings, stop)
            else:
                print(f"{jobs.work(target.settings, stop)} jobs done", file=sys.stderr)
    except AppError as refusal:
        print(refusal.message("en"), file=sys.stderr)
        return 1
    except (ConfigError, StackError, ApplyError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0
