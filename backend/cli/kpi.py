"""`python -m backend kpi [CODE …] --from DATE --to DATE`: figures of a period, counted from imported rows.

Exit codes: 0 with the figures; 1 when the service refuses; 2 for arguments that mean nothing (an unknown
KPI or shop, a period that ends before it begins).
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import date
from typing import Any

from backend.cli.target import connect
from backend.config import ConfigError
from backend.errors import AppError
from backend.local.apply import ApplyError
from backend.local.stack import StackError
from backend.service import Service

_LANG = "en"  # the language of the command line, as argparse speaks it
_USAGE_KEYS = ("kpi.unknown", "kpi.period", "kpi.by", "shop.unknown_code")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("kpi", help="figures of a period")
    parser.add_argument("codes", nargs="*", metavar="CODE", help="names of KPIs, such as 平响 (default: all)")
    parser.add_argument("--from", dest="first", required=True, type=_day, metavar="DATE")
    parser.add_argument("--to", dest="last", required=True, type=_day, metavar="DATE")
    parser.add_argument("--shop", metavar="CODE", help="default: all shops together")
    parser.add_argument("--by", choices=("shop", "person", "shift", "day"), help="one line for each")
    parser.add_argument("--json", action="store_true", help="print a JSON list")


def run(args: argparse.Namespace) -> int:
    """Ask for the figures and print them."""
    try:
        with connect(args) as target:
            service = Service(target.settings)
            shop_id = _shop_id(service, args.shop)
            figures = _figures(service, args, shop_id, args.by)
            silent = [] if args.json or not args.by else _silent(service, args, shop_id, figures)
    except (ConfigError, StackError, ApplyError) as problem:
        print(problem, file=sys.stderr)
        return 1
    except AppError as refusal:
        print(refusal.message(_LANG), file=sys.stderr)
        return 2 if refusal.key in _USAGE_KEYS else 1
    if args.json:
        print(json.dumps(figures, ensure_ascii=False))
    else:
        for figure in figures:
            print(_line(figure, args.by))
        for figure in silent:
            print(_why(figure, args.by))
    return 0


def _figures(
    service: Service, args: argparse.Namespace, shop_id: int | None, by: str | None
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.rpc(
        "kpi_figures",
        p_codes=args.codes,
        p_from=args.first.isoformat(),
        p_to=args.last.isoformat(),
        p_by=by,
        p_shop_id=shop_id,
    )
    return found


def _silent(
    service: Service, args: argparse.Namespace, shop_id: int | None, figures: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The figures, not divided, of KPIs that were named and have no line; of all while nothing has one."""
    told = {figure["code"] for figure in figures}
    wanted = set(args.codes)
    is_whole = wanted <= told if wanted else bool(told)
    if is_whole:
        return []
    return [one for one in _figures(service, args, shop_id, None) if one["code"] not in told]


def _why(figure: dict[str, Any], by: str) -> str:
    """Why there is no line: the file that is missing, no cases, or a figure that is not known that way."""
    if figure["numerator"] is None:
        return _line(figure, None)
    return f"{figure['code']}  n/a  (not known by {by}; leave out --by for the figure of the period)"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"no day of the calendar: {text} (write YYYY-MM-DD)") from None


def _shop_id(service: Service, code: str | None) -> int | None:
    """The shop of a code; AppError `shop.unknown_code` without one."""
    if code is None:
        return None
    shop: dict[str, Any] = service.rpc("service_ensure_shop", p_platform=None, p_code=code, p_create=False)
    return int(shop["id"])


def _line(figure: dict[str, Any], by: str | None) -> str:
    """One figure for a person at a console: `平响  客服A  18.5 秒  (37 / 2, sample 2)`."""
    value = "n/a" if figure["value"] is None else f"{_number(figure['value'])} {figure['unit']}"
    missing = f"  import first: {' or '.join(figure['missing'])}" if figure["missing"] else ""
    if figure["numerator"] is None:
        return "  ".join(part for part in (figure["code"], figure[by] if by else "", value) if part) + (
            missing or "  (no cases in these days)"
        )
    parts = [figure["code"], figure[by] if by else "", value]
    parts_of = [_number(figure[name]) for name in ("numerator", "denominator") if figure[name] is not None]
    sums = f"({' / '.join(parts_of)}, sample {figure['sample']})"
    return "  ".join(part for part in (*parts, sums) if part) + missing


def _number(value: float) -> str:
    """Two decimals at most: `1904`, `18.5`, `8.57`."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
