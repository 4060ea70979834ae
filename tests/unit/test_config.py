"""Settings: where they come from, and what is said when they cannot work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend import config

HOSTED = {
    "SUPABASE_URL": "https://one.supabase.co/",
    "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_a",
    "SUPABASE_SECRET_KEY": "sb_secret_b",
    "DESK_COOKIE_SECRET": "c" * 32,
    "DESK_PII_KEY": "d" * 43,
}


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*config.HOSTED_KEYS, "DESK_DATA_DIR", "DESK_DEMO", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_nothing_set_is_the_embedded_default(tmp_path: Path) -> None:
    settings = config.load()
    assert (settings.hosted, settings.connected, settings.demo, settings.port) == (False, False, None, 8501)
    assert settings.data_dir == tmp_path / ".desk"


def test_a_hosted_project_comes_from_the_environment_or_from_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    from_secrets = config.load(HOSTED)
    assert (from_secrets.hosted, from_secrets.supabase_url) == (True, "https://one.supabase.co")
    monkeypatch.setenv("SUPABASE_URL", "https://two.supabase.co")
    assert config.load(HOSTED).supabase_url == "https://two.supabase.co"


@pytest.mark.parametrize("name", [name for name in HOSTED if name != "SUPABASE_URL"])
def test_each_missing_setting_is_named(name: str) -> None:
    with pytest.raises(config.ConfigError, match=name) as refused:
        config.load({**HOSTED, name: " "})
    assert refused.value.missing == (name,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SUPABASE_URL", "one.supabase.co"),
        ("SUPABASE_PUBLISHABLE_KEY", "eyJhbGciOi"),
        ("SUPABASE_SECRET_KEY", "sb_publishable_b"),
        ("DESK_COOKIE_SECRET", "short"),
        ("DESK_DEMO", "maybe"),
        ("PORT", "80a"),
        ("PORT", "70000"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(config.ConfigError, match=name):
        config.load({**HOSTED, name: value})


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    shown = repr(config.load(HOSTED))
    assert [value for name, value in HOSTED.items() if name != "SUPABASE_URL" and value in shown] == []


def test_a_child_process_gets_none_of_our_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTED.items():
        monkeypatch.setenv(name, value)
    inherited = config.child_environment({"LC_ALL": "C"})
    assert set(HOSTED) & set(inherited) == set()
    assert inherited["LC_ALL"] == "C"
    assert "PATH" in inherited


@pytest.mark.parametrize(
    ("url", "switch", "allowed"),
    [
        ("http://127.0.0.1:5000", "1", True),
        ("http://127.0.0.1:5000", "0", False),
        ("https://abc.supabase.co", "1", False),
    ],
)
def test_a_stand_in_needs_the_switch_and_an_api_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, url: str, switch: str, allowed: bool
) -> None:
    monkeypatch.setenv(config.LOOPBACK_CHANNELS, switch)
    assert config.allows_stand_in(replace(config.load(), supabase_url=url)) is allowed
