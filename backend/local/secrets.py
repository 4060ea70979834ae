"""The random secrets of one installation, made once, kept in the data folder for its owner alone (0600)."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

FILE_NAME = "secrets.json"


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """All secrets of an installation. `pii_key` opens personal data; it enters no database and no backup."""

    jwt_secret: str
    publishable_key: str
    secret_key: str
    cookie_secret: str
    pii_key: str
    superuser_password: str
    owner_password: str
    authenticator_password: str


def load_or_create(folder: Path) -> Secrets:
    """The secrets of this data folder, made on the first call. A damaged file raises ValueError."""
    path = folder / FILE_NAME
    if not path.exists():
        write_private(path, asdict(_fresh()))
    return load(folder)


def load(folder: Path) -> Secrets:
    """The secrets of an existing data folder. Raises FileNotFoundError or ValueError."""
    path = folder / FILE_NAME
    values = json.loads(path.read_text(encoding="utf-8"))
    names = [field.name for field in fields(Secrets)]
    if not isinstance(values, dict) or not all(isinstance(values.get(name), str) for name in names):
        raise ValueError(f"{path} is damaged: put back the copy you keep, or start with an empty data folder")
    return Secrets(**{name: values[name] for name in names})


def write_private(path: Path, values: Mapping[str, object]) -> None:
    """Write JSON that only the owner of the file may read, replacing the file in one step."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(values, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _fresh() -> Secrets:
    return Secrets(
        jwt_secret=secrets.token_urlsafe(48),
        publishable_key=f"sb_publishable_{secrets.token_urlsafe(24)}",
        secret_key=f"sb_secret_{secrets.token_urlsafe(32)}",
        cookie_secret=secrets.token_urlsafe(48),
        pii_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="),
        superuser_password=secrets.token_urlsafe(32),
        owner_password=secrets.token_urlsafe(32),
        authenticator_password=secrets.token_urlsafe(32),
    )
