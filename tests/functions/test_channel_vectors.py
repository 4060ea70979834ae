"""Channels are sealed and messages signed alike in Python and Deno: `deno test` reads the same vectors."""

from __future__ import annotations

import base64
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest

from backend import pii
from backend.errors import catalogue
from backend.pii import Keyring, PiiError

ROOT = Path(__file__).parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "tests/data/channel_vectors.json").read_text("utf-8"))
RING = Keyring.parse(VECTORS["keyring"])


@pytest.mark.parametrize("case", VECTORS["sealed"], ids=lambda case: f"{case['column']}-{case['channel_id']}")
def test_sealed_alike(case: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    nonce = base64.urlsafe_b64decode(case["nonce"])
    monkeypatch.setattr(pii.secrets, "token_bytes", lambda size: nonce[:size])
    place = ("channels", case["column"], case["channel_id"])
    assert RING.encrypt(*place, case["text"]) == case["token"]
    assert RING.decrypt(*place, case["token"]) == case["text"]
    with pytest.raises(PiiError):
        RING.decrypt("channels", case["column"], case["channel_id"] + 1, case["token"])


def sign(key: str, message: str) -> bytes:
    """HMAC-SHA-256."""
    return hmac.digest(key.encode(), message.encode(), "sha256")


def test_signed_alike() -> None:
    for case in VECTORS["dingtalk"]:
        mark = sign(case["secret"], f"{case['milliseconds']}\n{case['secret']}")
        assert base64.b64encode(mark).decode() == case["sign"]
    for case in VECTORS["feishu"]:
        assert base64.b64encode(sign(f"{case['seconds']}\n{case['secret']}", "")).decode() == case["sign"]
    for case in VECTORS["webhook"]:
        mark = sign(case["secret"], f"{case['seconds']}.{case['body']}")
        assert f"t={case['seconds']},v1={mark.hex()}" == case["signature"]


def test_each_reason_why_a_message_did_not_arrive_has_its_sentence() -> None:
    source = (ROOT / "backend/functions/_shared/delivery.ts").read_text("utf-8")
    union = source[source.index("export type ProblemCode") : source.index("export type Verdict")]
    codes = re.findall(r"^ *\| [\"`](\w+)", union, re.MULTILINE)
    assert len(codes) > 10
    assert [code for code in codes if f"delivery.{code}" not in catalogue()] == []
