#!/usr/bin/env python3
"""Build the documentation site: `python scripts/docs.py`, then open build/site/docs/README.html.

Needs the extra `posecast[docs]`. Any warning (a dead link, a page outside of the navigation, a
docstring that cannot be read) is an error. The site needs no server, network or external asset.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def build(out: Path) -> int:
    """Write the site to `out` (replaced); the exit status of Sphinx."""
    trees = out.parent / "site-trees"
    for stale in (out, ROOT / "docs" / "api"):
        shutil.rmtree(stale, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "--builder", "html", "--conf-dir", "docs/site"]
    command += ["--doctree-dir", str(trees), "--fail-on-warning", "--keep-going", "--quiet"]
    status = subprocess.run([*command, ".", str(out)], cwd=ROOT).returncode
    if status == 0:
        front = '<meta http-equiv="refresh" content="0; url=docs/README.html">'
        (out / "index.html").write_text(f"<!doctype html>\n{front}\n", encoding="utf-8")
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site")
    sys.exit(build(parser.parse_args().out.resolve()))
