"""`python -m backend sla deadline …`: a deadline by the real clock.

Exit codes: 0 with the deadline; 1 when no maintained calendar covers it (or the service refuses); 2 for
arguments that mean nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from backend import sla
from backend.cli.target import connect
from backend.config import ConfigError
from backend.db import Rpc
from backend.errors import AppError, message
from backend.local.apply import ApplyError
from backend.local.stack import StackError
from backend.service import Service

_LANG = "en"  # the language of the command line, as argparse speaks it
_USAGE_KEYS = (
    "calendar.unknown",
    "clock.bad_start",
    "clock.bad_minutes",
    "clock.bad_days",
    "sla.bad_time",
    "sla.bad_pause",
    "sla.days_with_pause",
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("sla", help="work out a deadline")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    deadline = actions.add_parser("deadline", help="when a number of minutes or working days is used up")
    deadline.add_argument(
        "--calendar", required=True, metavar="CODE", help="all, early, late, office, wall …"
    )
    deadline.add_argument(
        "--start", required=True, metavar="ISO", help="in the calendar's zone without offset"
    )
    amount = deadline.add_mutually_exclusive_group(required=True)
    amount.add_argument("--minutes", type=_minutes, metavar="N", help="minutes of open time")
    amount.add_argument("--days", type=_days, metavar="N", help="working days after the start day")
    deadline.add_argument(
        "--pause", action="append", default=[], metavar="A/B", help="time left out; A/ for a pause that lasts"
    )
    deadline.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Ask the clock and print the answer."""
    try:
        with connect(args) as target:
            facts = _deadline(Service(target.settings).rpc, args)
    except AppError as refusal:
        return _refused(refusal, args)
    except (ConfigError, StackError, ApplyError) as problem:
        print(problem, file=sys.stderr)
        return 1
    print(json.dumps(facts, ensure_ascii=False) if args.json else _sentence(facts))
    return 0


def _deadline(rpc: Rpc, args: argparse.Namespace) -> dict[str, Any]:
    if args.days is not None and args.pause:
        raise AppError("sla.days_with_pause")
    zone = sla.zone_of(rpc, args.calendar)
    start = sla.read_instant(args.start, zone)
    due: datetime | None
    if args.days is not None:
        due = sla.deadline_in_days(rpc, args.calendar, start, args.days)
    else:
        pauses = [sla.read_pause(text, zone) for text in args.pause]
        due = sla.deadline_in_minutes(rpc, args.calendar, start, args.minutes, pauses)
    return {
        "deadline": due.astimezone(zone).isoformat() if due else None,
        "calendar": args.calendar,
        "timezone": zone.key,
        "start": start.astimezone(zone).isoformat(),
    }


def _sentence(facts: dict[str, Any]) -> str:
    if facts["deadline"] is None:
        return message("sla.paused", _LANG)
    due = sla.show_end(
        datetime.fromisoformat(facts["deadline"]), ZoneInfo(facts["timezone"]), date="%Y-%m-%d"
    )
    return message("sla.deadline", _LANG, **facts | {"deadline": due})


def _refused(refusal: AppError, args: argparse.Namespace) -> int:
    print(refusal.message(_LANG), file=sys.stderr)
    if args.json:
        year = refusal.params.get("year")
        print(json.dumps({"deadline": None, "error": refusal.key, "year": year}))
    return 2 if refusal.key in _USAGE_KEYS else 1


def _minutes(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of minutes") from error
    if not value.is_finite() or value < 0:
        raise argparse.ArgumentTypeError("minutes cannot be negative or endless")
    return value


def _days(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of days")
    return int(text)
