"""`make bench`: every goal against a peer or a limit measured in the same run; table and results.json.

Name modules to run only those: `python -m tests.bench lists imports`.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

MODULES = ("lists", "tickets", "leads", "figures", "imports", "pages", "words", "listings", "clocks")


def main(names: list[str]) -> None:
    """Runs the modules and prints their rows as they come."""
    rows = []
    for name in names or MODULES:
        for row in importlib.import_module(f"tests.bench.{name}").rows():
            rows.append(row)
            mark = "met " if row["met"] else "MISS"
            unit = row.get("unit", "")
            print(
                f"{mark} {row['ratio']:>8.3f}x  {row['ours']:>10} / {row['other']:>10} {unit:<4} {row['name']} ({row['goal']})",
                flush=True,
            )
    out = Path(__file__).with_name("results.json")
    out.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
