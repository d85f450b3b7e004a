"""The library's words in the command line's: parameters become options.

The library writes a parameter in its messages as `name=` or `name=value` between backquotes; for
whoever typed a command that is `--name` or `--name value`, and `--no-name` for `name=False`.
"""

from __future__ import annotations

import re

_PARAMETER = re.compile(r"`([a-z][a-z0-9_]*)=([^`]*)`")
_OTHER_NAMES = {"num_steps": "steps", "guidance_scale": "guidance"}
"""Parameters whose option has a shorter name."""


def in_options(text: str) -> str:
    """A line of the library with each parameter as the option of its name."""

    def option(match: re.Match[str]) -> str:
        name = _OTHER_NAMES.get(match[1], match[1]).replace("_", "-")
        if match[2] in ("True", "False"):
            return f"--{name}" if match[2] == "True" else f"--no-{name}"
        return f"--{name} {match[2]}" if match[2] else f"--{name}"

    return _PARAMETER.sub(option, text)
