"""Downloads videos from public sites with yt-dlp (the extra `bench`)."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from posecast.errors import InputError

_MISSING = (
    "yt-dlp is not installed; run pip install 'posecast[bench]', or download {url} yourself and "
    "put the video at {place}"
)


class _Silent:
    """A logger that drops yt-dlp's messages; failures are raised as exceptions."""

    def debug(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...

    def error(self, message: str) -> None: ...


def fetch_video(url: str, folder: Path, name: str, lines: int = 720) -> Path:
    """Download a video without sound to ``folder/name.*``, atomically.

    The best quality with a shorter side of at most `lines` pixels is chosen. The next call resumes
    an interrupted download.

    Raises:
        InputError: yt-dlp is not installed, the site cannot be reached, or it refuses the video
            (private, removed, blocked in this country); quotes the site's message.
    """
    try:
        import yt_dlp
    except ImportError:
        place = folder / f"{name}.mp4"
        raise InputError(_MISSING.format(url=url, place=place)) from None
    from tqdm import tqdm

    unfinished = folder / ".unfinished"
    with tqdm(desc=name, unit="B", unit_scale=True, disable=None, leave=False) as bar:

        def on_progress(state: dict[str, Any]) -> None:
            bar.total = state.get("total_bytes") or state.get("total_bytes_estimate")
            bar.update((state.get("downloaded_bytes") or bar.n) - bar.n)

        options = {
            "format": "bestvideo/best",
            "format_sort": [f"res:{lines}"],
            "paths": {"home": str(unfinished)},
            "outtmpl": {"default": f"{name}.%(ext)s"},
            "noplaylist": True,
            "logger": _Silent(),
            "progress_hooks": [on_progress],
        }
        try:
            with yt_dlp.YoutubeDL(options) as site:
                info = site.extract_info(url)
        except yt_dlp.utils.YoutubeDLError as error:
            _close(error)
            raise InputError(f"{url}: cannot be downloaded ({_reason(error)})") from error
    done = Path(info["requested_downloads"][0]["filepath"])
    path = folder / done.name
    os.replace(done, path)
    with suppress(OSError):  # remaining files belong to unfinished downloads of other videos
        unfinished.rmdir()
    return path


def _close(error: Any) -> None:
    """Close the connection of the response behind an error."""
    behind = (getattr(error, "exc_info", None) or (None, None))[1]
    while behind is not None:
        if hasattr(behind, "response"):
            behind.response.close()
        behind = getattr(behind, "cause", None) or behind.__cause__


def _reason(error: Exception) -> str:
    """The message in one line without colours and without yt-dlp's advice to report bugs."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).removeprefix("ERROR: ")
    return " ".join(text.split("; please report this issue")[0].split())
