"""Deno and its packages: fetched once into a cache shared by every data folder, then used without network."""

from __future__ import annotations

import fcntl
import hashlib
import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from backend import config
from backend.local.child import ChildError

GATEWAY = Path(__file__).parent / "gateway"
FUNCTIONS = Path(__file__).parent.parent / "functions"


def binary() -> str:
    """Path of the Deno program of the wheel."""
    from deno import find_deno_bin  # type: ignore[import-untyped]

    return str(find_deno_bin())


def environment() -> dict[str, str]:
    """Environment of every Deno process: our package cache, no colours, no update check."""
    quiet = {"NO_COLOR": "1", "DENO_NO_UPDATE_CHECK": "1", "DO_NOT_TRACK": "1"}
    return config.child_environment({"DENO_DIR": str(config.package_cache()), **quiet})


def loopback_only() -> list[str]:
    """Permissions of a process that talks to this machine alone and reads nothing but its own code."""
    code = f"{GATEWAY},{config.package_cache()}"
    return [
        "--allow-net=127.0.0.1",
        "--allow-env",
        f"--allow-read={code}",
        "--allow-sys=hostname,osRelease,uid",
    ]


def functions_config() -> Path:
    """The deno.json that names the packages of the edge functions; the gateway's while there is none."""
    own = FUNCTIONS / "deno.json"
    return own if own.exists() else GATEWAY / "deno.json"


def prepare(say: Callable[[str], None]) -> None:
    """Fetch the packages of the gateway and of the edge functions unless this cache holds them already."""
    cache = config.package_cache()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "shopdesk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two first starts at a time would fetch everything twice
        _prepare(GATEWAY / "deno.json", sorted(GATEWAY.glob("*.ts")), cache, say)
        if functions_config().parent == FUNCTIONS:
            _prepare(functions_config(), sorted(FUNCTIONS.glob("*/*.ts")), cache, say)


def command(script: str, permissions: Sequence[str], *, configuration: Path | None = None) -> list[str]:
    """The command line of a prepared script of the gateway folder; it touches no registry."""
    chosen = configuration or GATEWAY / "deno.json"
    options = ["--config", str(chosen), "--cached-only", "--no-prompt", "--no-check", *permissions]
    return [binary(), "run", *options, str(GATEWAY / script)]


def _needs_nothing(lock: Path) -> bool:
    """Whether a lock file says that no package is used."""
    return lock.exists() and not json.loads(lock.read_text(encoding="utf-8")).get("specifiers")


def _prepare(configuration: Path, scripts: Sequence[Path], cache: Path, say: Callable[[str], None]) -> None:
    lock = configuration.with_name("deno.lock")
    wanted = [configuration, *([lock] if lock.exists() else [])]
    mark = hashlib.sha256(b"\0".join(path.read_bytes() for path in wanted)).hexdigest()[:20]
    stamp = cache / f"shopdesk-{mark}"
    if stamp.exists() or not scripts or _needs_nothing(lock):
        return
    say("Fetching the packages of the API gateway (first start only, about 100 MB) …")
    options = ["--config", str(configuration), "--frozen"]
    done = subprocess.run(  # noqa: S603
        [binary(), "cache", *options, *map(str, scripts)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ChildError(
            "The packages of the API gateway could not be fetched. The first start needs the network and the "
            f"npm registry set up for this machine. Deno said: {done.stderr.strip()[-400:]}"
        )
    stamp.touch()
