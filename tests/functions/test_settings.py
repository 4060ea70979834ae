"""What the process of the edge functions is told beside the embedded stack."""

from __future__ import annotations

import pytest

from backend import config
from backend.config import ConfigError


def test_links_lead_to_this_machine_unless_the_desk_has_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.reminders().public_url == "http://127.0.0.1:8501"
    monkeypatch.setenv("PORT", "9000")
    assert config.reminders().public_url == "http://127.0.0.1:9000"
    monkeypatch.setenv("DESK_PUBLIC_URL", "https://desk.example.com/")
    assert config.reminders().public_url == "https://desk.example.com"


def test_stand_ins_take_a_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config.reminders().loopback_channels is False
    for text, is_on in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv(config.LOOPBACK_CHANNELS, text)
        assert config.reminders().loopback_channels is is_on
    monkeypatch.setenv(config.LOOPBACK_CHANNELS, "perhaps")
    with pytest.raises(ConfigError, match="DESK_LOOPBACK_CHANNELS must be 1 or 0"):
        config.reminders()
