#!/usr/bin/env python3
"""Set everything up in `.venv`, then animate the bundled example or run every check.

    python3 scripts/run.py demo     # a video of two characters dancing
    python3 scripts/run.py test     # lint, types, import contract, documentation, tests

Needs Python 3.11 or newer and nothing else. An environment that is up to date is used as it is;
what follows the verb goes to `posecast demo` or to pytest.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this script meets the Python that people have
    sys.exit(
        "Posecast needs Python 3.11 or newer; this is {}.{}. Run this script with a newer one, "
        "for example: python3.13 scripts/run.py demo".format(*sys.version_info[:2])
    )

import hashlib
import importlib.util
import json
import os
import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PROGRAMS = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
PYTHON = PROGRAMS / ("python.exe" if os.name == "nt" else "python")
STAMP = ENVIRONMENT / "posecast-set-up.json"

# What each verb installs. The second includes the first, so either verb can run after it.
WANTED = {"demo": ".", "test": ".[dev]"}

CHECKS = {
    "lint": [PYTHON, "-m", "ruff", "check", "."],
    "format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "types": [PYTHON, "-m", "mypy"],
    "import contract": [PROGRAMS / "lint-imports"],
    "documentation": [PYTHON, "scripts/docs.py"],
    # One process per core; the tests of a file stay together, because they share slow fixtures.
    "tests": [PYTHON, "-m", "pytest", "-n", "auto", "--dist", "loadfile"],
}


def fingerprint() -> str:
    """A digest of everything that determines the installation."""
    digest = hashlib.sha256(str(ROOT).encode())
    for name in ("constraints.txt", "pyproject.toml"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def works() -> bool:
    """Whether `.venv` has a Python that runs (its base may have been removed since)."""
    try:
        return subprocess.run([PYTHON, "-c", ""], capture_output=True).returncode == 0
    except OSError:
        return False


def is_up_to_date(verb: str) -> bool:
    """Whether `.venv` already holds what the verb needs."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return False
    holds = stamp.get("verb") in (verb, "test")
    return holds and stamp.get("fingerprint") == fingerprint() and works()


def make_environment() -> list[str]:
    """Create `.venv` if there is none that works, and return the command of a pip that fills it."""
    # Some Linux distributions split `ensurepip` off from Python; their own pip can do it instead.
    has_ensurepip = importlib.util.find_spec("ensurepip") is not None
    has_pip = importlib.util.find_spec("pip") is not None
    if not (has_ensurepip or has_pip):
        sys.exit(
            f"{sys.executable} has neither `ensurepip` nor `pip`, so nothing can be installed. On "
            "Debian or Ubuntu: sudo apt install python3-venv; then run this command again."
        )
    if not works():
        print(f"Creating {ENVIRONMENT}", flush=True)
        venv.create(ENVIRONMENT, clear=True)
    own_pip = [str(PYTHON), "-m", "pip"]
    if subprocess.run([*own_pip, "--version"], capture_output=True).returncode == 0:
        return own_pip
    if has_ensurepip:
        ensurepip = [PYTHON, "-m", "ensurepip", "--default-pip"]
        subprocess.run(ensurepip, check=True, stdout=subprocess.DEVNULL)
        return own_pip
    return [sys.executable, "-m", "pip", "--python", str(PYTHON)]


def set_up(verb: str) -> None:
    """Install what the verb needs into `.venv`; exits with pip's status on failure."""
    if is_up_to_date(verb):
        return
    pip = make_environment()
    STAMP.unlink(missing_ok=True)  # an interrupted installation must not look complete
    print(f"Installing Posecast into {ENVIRONMENT} (some minutes the first time)", flush=True)
    install = [*pip, "install", "--quiet", "--disable-pip-version-check"]
    status = subprocess.run(
        [*install, "-c", "constraints.txt", "-e", WANTED[verb]], cwd=ROOT
    ).returncode
    if status:
        sys.exit(f"Installation failed (pip's status {status}); what pip says stands above.")
    STAMP.write_text(json.dumps({"fingerprint": fingerprint(), "verb": verb}))


def run_demo(arguments: list[str]) -> int:
    """Animate the bundled example."""
    return subprocess.run([PYTHON, "-m", "posecast", "demo", *arguments]).returncode


def run_checks(arguments: list[str]) -> int:
    """Run all checks, the tests last, even after a failure, so that one run shows all faults."""
    failed = []
    for name, command in CHECKS.items():
        print(f"--- {name}", flush=True)
        extra = arguments if name == "tests" else []
        # One torch thread per process: more would only wait for each other.
        environment = {"OMP_NUM_THREADS": "1", **os.environ}
        if subprocess.run([*command, *extra], cwd=ROOT, env=environment).returncode:
            failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    """Set up for the verb, then run it."""
    if not arguments or arguments[0] not in WANTED:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    verb, *rest = arguments
    try:
        set_up(verb)
        return run_demo(rest) if verb == "demo" else run_checks(rest)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
