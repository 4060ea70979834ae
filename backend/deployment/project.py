"""The parts `auth`, `secrets` and `functions`: what the Supabase command line sends to a project.

The functions are sent from a folder made for the purpose (`supabase/functions/<name>`, `_shared`, one import
map), because the bundler of the platform takes nothing from outside that folder.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from backend import config
from backend.config import Deployment, Settings
from backend.deployment.database import DeployError, digest

ROOT: Final = Path(__file__).resolve().parents[2]
FUNCTIONS: Final = ROOT / "backend" / "functions"
CONFIG: Final = ROOT / "supabase" / "config.toml"
CLI: Final = "supabase@3.1.0"  # the version whose flags are used below
TIMEOUT: Final = 300.0  # seconds that one command may take
_REF: Final = re.compile(r"^([a-z]{20})\.supabase\.(co|in|net)$")
_NOT_SENT: Final = re.compile(r"_test\.ts$|^deno\.lock$|^node_modules$")


@dataclass(frozen=True, slots=True)
class Project:
    """A hosted project, and the command that reaches it. The token is read by that command alone."""

    ref: str
    command: tuple[str, ...]
    token: str = field(repr=False)

    def run(self, *arguments: str, folder: Path) -> str:
        """Run a command of the Supabase command line in a folder with `supabase/`; returns its output."""
        environment = config.child_environment({"SUPABASE_ACCESS_TOKEN": self.token, "NO_COLOR": "1"})
        line = [*self.command, *arguments, f"--remote={self.ref}", "--yes", "--workdir", str(folder)]
        try:
            done = subprocess.run(  # noqa: S603 - our own arguments, no shell
                line, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired as problem:
            raise DeployError(
                f"supabase {arguments[0]} did not end within {TIMEOUT:.0f} s; run the same command again."
            ) from problem
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise DeployError(
                f"supabase {' '.join(arguments[:2])} failed: {said[-1] if said else 'it said nothing'}"
            )
        return done.stdout


def find(settings: Settings, deployment: Deployment) -> Project:
    """The project of SUPABASE_URL. Raises DeployError naming what is missing."""
    found = _REF.match(urlsplit(settings.supabase_url).hostname or "")
    if found is None:
        raise DeployError(
            "SUPABASE_URL is not the address of a hosted project (https://<20 letters>.supabase.co)."
        )
    if deployment.access_token == "":
        raise DeployError(
            "SUPABASE_ACCESS_TOKEN is not set: make one in the Supabase dashboard, Account, Access Tokens."
        )
    return Project(ref=found[1], command=_command(), token=deployment.access_token)


def _command() -> tuple[str, ...]:
    if shutil.which("supabase"):
        return ("supabase",)
    if shutil.which("npx"):
        return ("npx", "--yes", CLI)
    raise DeployError(f"Neither supabase nor npx is installed: npm install -g {CLI}")


# What is sent -----------------------------------------------------------------------------------------------


def function_names() -> list[str]:
    """The edge functions of this version."""
    return sorted(entry.parent.name for entry in FUNCTIONS.glob("*/index.ts"))


def function_files() -> list[Path]:
    """Every file that a deployment sends of backend/functions, relative to it; tests stay here."""
    return sorted(
        path.relative_to(FUNCTIONS)
        for path in FUNCTIONS.rglob("*")
        if path.is_file() and not any(_NOT_SENT.search(part) for part in path.relative_to(FUNCTIONS).parts)
    )


def functions_digest() -> str:
    """A name for the functions as they are now."""
    return digest(*(f"{path}\n{(FUNCTIONS / path).read_text('utf-8')}" for path in function_files()))


@contextmanager
def tree() -> Iterator[Path]:
    """A folder with `supabase/config.toml` and `supabase/functions/…` as the platform wants them."""
    with tempfile.TemporaryDirectory(prefix="shopdesk-deploy-") as made:
        folder = Path(made)
        target = folder / "supabase" / "functions"
        target.mkdir(parents=True)
        for path in function_files():
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(FUNCTIONS / path, target / path)
        (folder / "supabase" / "config.toml").write_text(_config(function_names()), "utf-8")
        yield folder


def _config(names: Sequence[str]) -> str:
    sections = [
        f"[functions.{name}]\nenabled = true\nverify_jwt = false # it checks the secret key itself\n"
        f'import_map = "./functions/deno.json"\nentrypoint = "./functions/{name}/index.ts"\n'
        for name in names
    ]
    return "\n".join([CONFIG.read_text("utf-8"), *sections])


def secrets(settings: Settings, deployment: Deployment) -> dict[str, str]:
    """What the edge functions read from their environment; address and secret keys the platform provides."""
    given = {"DESK_PII_KEY": settings.pii_key, "DESK_PUBLIC_URL": deployment.public_url}
    return {name: value for name, value in given.items() if value}


# Sending ----------------------------------------------------------------------------------------------------


def push_auth(project: Project) -> None:
    """Make the project's settings those of supabase/config.toml; properties it does not name stay."""
    with tree() as folder:
        project.run("config", "push", folder=folder)


def push_functions(project: Project) -> None:
    """Send the edge functions; the platform bundles them, so Docker is not needed."""
    with tree() as folder:
        project.run("functions", "deploy", *function_names(), "--use-api", folder=folder)


def push_secrets(project: Project, values: dict[str, str]) -> None:
    """Set the functions' environment from a file that only this user may read, and that is then gone."""
    with tempfile.TemporaryDirectory(prefix="shopdesk-deploy-") as made:
        folder = Path(made)  # 0700
        (folder / "supabase").mkdir()
        (folder / "supabase" / "config.toml").write_text(_config([]), "utf-8")
        file = folder / "secrets.env"
        file.write_text("".join(f'{name}="{value}"\n' for name, value in values.items()), "utf-8")
        project.run("secrets", "set", "--env-file", str(file), folder=folder)
