"""Sphinx's settings for the documentation site: the Markdown pages as they are, and the API.

The pages stay plain Markdown that reads the same in the repository. What a site needs besides is
here: the order of the pages, and where links to source files lead. `scripts/docs.py` builds it.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

import posecast

ROOT = Path(__file__).resolve().parents[2]

# The navigation: heading -> pages, in reading order. A page that is missing here fails the build.
PAGES = {
    "Start": [
        "docs/start-creators",
        "docs/start-researchers",
        "docs/start-developers",
        "docs/faq",
        "docs/troubleshooting",
    ],
    "Animate": [
        "docs/gallery",
        "docs/studio",
        "docs/using",
        "docs/export",
        "comfyui/README",
        "docs/long-and-small",
        "docs/public-weights",
        "docs/performance",
    ],
    "Research": [
        "docs/method",
        "docs/embedded-model",
        "docs/claims",
        "docs/reproduce",
        "docs/training",
        "docs/data",
        "docs/evaluation",
    ],
    "Develop": [
        "CONTRIBUTING",
        "docs/design/README",
        "docs/design/networks",
        "docs/design/new-condition",
        "docs/design/cutout",
        "docs/design/stage",
        "docs/design/robustness",
        "docs/design/claims-log",
        "docs/design/gpu-log",
        "docs/design/cutout-log",
        "docs/design/networks-log",
        "docs/api/posecast",
    ],
    "Project": ["README", "CHANGELOG", "SECURITY"],
}
FRONT_PAGE = "docs/README"

project = "Posecast"
author = "the Posecast authors"
project_copyright = "The Posecast authors. Apache License 2.0"
version = release = posecast.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
root_doc = FRONT_PAGE
include_patterns = ["*.md", "docs/**", "comfyui/*.md"]
exclude_patterns = ["docs/api/modules.rst"]
myst_heading_anchors = 4

# Docstrings write code between single backquotes, as Markdown does.
default_role = "code"
apidoc_modules = [
    {
        "path": str(ROOT / "src" / "posecast"),
        "destination": "docs/api",
        "module_first": True,  # a page a package, its modules on it
    }
]
autodoc_member_order = "bysource"
# A name is described where it is defined, not again where a package passes it on.
autodoc_default_options = {"ignore-module-all": True}
autodoc_preserve_defaults = True
add_module_names = False
napoleon_use_ivar = True
# Two types may have a field of one name; a docstring refers to neither.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = "Posecast"
html_show_sphinx = False
html_copy_source = False


def _toctrees(depth: int = 1) -> str:
    """The navigation as MyST directives, hidden on the page itself."""
    trees = []
    for caption, pages in PAGES.items():
        listed = "\n".join(f"/{page}" for page in pages)
        trees.append(
            f"```{{toctree}}\n:hidden:\n:maxdepth: {depth}\n:caption: {caption}\n\n{listed}\n```\n"
        )
    return "\n" + "\n".join(trees)


def _api_page(link: re.Match[str]) -> str:
    """A link to a source file or folder, leading to its page of the API reference instead."""
    path = Path(link["path"])
    if path.suffix not in ("", ".py"):
        return link[0]
    package = path.parent if path.suffix else path
    return f"](/docs/api/{'.'.join(package.parts)}.rst)"


def _adapt(app: Sphinx, page: str, text: list[str]) -> None:
    if page == FRONT_PAGE:
        text[0] += _toctrees()
    text[0] = re.sub(r"\]\((?:\.\./)*src/(?P<path>posecast(?:/[\w./]+)?)\)", _api_page, text[0])


def setup(app: Sphinx) -> None:
    """Adapt each page as it is read."""
    app.connect("source-read", _adapt)
