"""`python -m backend local`: the embedded stack alone, in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from backend import config
from backend.local.apply import ApplyError
from backend.local.demo import keep
from backend.local.stack import Stack, StackError, say_on_stderr


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("local", help="run the embedded stack until interrupted")
    parser.add_argument("--data", type=Path, help="data folder (default: DESK_DATA_DIR, else ./.desk)")
    parser.add_argument("--port", type=int, default=0, help="port of the API (default: any free one)")
    parser.add_argument("--no-demo", action="store_true", help="leave a new installation empty")
    parser.add_argument("--test-clock", action="store_true", help="let tests set the clock")
    parser.add_argument("--json", action="store_true", help="say nothing on standard error but errors")


def run(args: argparse.Namespace) -> int:
    """Start, print one JSON line when ready, stop on a signal. 1 when the stack cannot run."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    folder = args.data or config.load().data_dir
    try:
        with Stack(folder, port=args.port, test_clock=args.test_clock) as stack:
            if not args.no_demo:
                keep.ensure(stack, say=say_on_stderr)
            facts = {
                "api_url": stack.api_url,
                "db_url": stack.db_url,
                "publishable_key": stack.publishable_key,
                "secret_key": stack.secret_key,
            }
            print(json.dumps(facts), flush=True)
            ended.wait()
            return 0
    except (StackError, ApplyError) as problem:
        print(problem, file=sys.stderr)
        return 1
