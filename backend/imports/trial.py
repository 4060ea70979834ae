"""The preview of an order file: the database imports it, judges it, answers, and takes everything back.

So what the preview says about duplicates, stock, IP addresses and provinces is what the import will find.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from backend.imports import encode
from backend.imports.records import OrderRecord
from backend.pii import Keyring

MOST: Final = 3000  # orders: one request has to end well within the 8 s of a statement
_CLEAR: Final = {"name": None, "phone": None, "address": None, "note": None}


def run(
    call: Callable[..., Any],
    keyring: Keyring,
    records: Sequence[OrderRecord],
    *,
    shop_id: int | None,
    platform: str,
    params: Mapping[str, Any],
    version: str,
) -> dict[str, Any]:
    """{accepted, updated, unchanged, exceptions {kind: orders}, states {contact state: waiting orders}}.

    At most `MOST` records, not none. Ciphertexts stay here: the rules need the blind indexes alone. `params`
    and `version` are those of the checks (`runner.check_rules`).
    """
    rows, verdicts, states = [], [], []
    for record in records:
        content = encode.content_hash(keyring, record)
        row, verdict = encode.order_row(keyring, record, -record.row, content, params)
        if verdict is not None:
            verdicts.append(verdict)
            states.append(row["contact"]["state"])
        row["contact"] |= _CLEAR
        rows.append(row)
    answer: dict[str, Any] = call(
        "import_trial",
        p_shop_id=shop_id,
        p_platform=platform,
        p_rows=json.dumps(rows, ensure_ascii=False, separators=(",", ":")),
        p_verdicts=verdicts,
        p_as_of=encode.newest(records),
        p_rules_version=version,
    )
    return answer | {"states": {state: states.count(state) for state in set(states)}}
