"""Downloading through yt-dlp, from a web server of the test's own."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from posecast.errors import InputError
from posecast.media.video import read_info, write_video
from posecast.media.video_sites import fetch_video


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "site"
    folder.mkdir()
    write_video(np.zeros((3, 16, 16, 3), np.uint8), folder / "dance.mp4", 25)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_video_comes_whole_under_its_name(site, tmp_path, capsys):
    out = tmp_path / "out"
    out.mkdir()
    path = fetch_video(f"{site}/dance.mp4", out, "Da_348")
    assert path == out / "Da_348.mp4"
    assert read_info(path).declared_frames == 3
    assert path.read_bytes() == (tmp_path / "site" / "dance.mp4").read_bytes()
    assert [entry.name for entry in out.iterdir()] == ["Da_348.mp4"]
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_video_that_is_not_there_is_named_with_the_reason(site, tmp_path, capsys):
    with pytest.raises(InputError, match=r"gone\.mp4: cannot be downloaded \(.*404") as error:
        fetch_video(f"{site}/gone.mp4", tmp_path, "gone")
    assert "\n" not in str(error.value)
    assert "report this issue" not in str(error.value)
    assert not list(tmp_path.glob("gone*"))
    assert capsys.readouterr().err == ""


def test_without_yt_dlp_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yt_dlp", None)
    with pytest.raises(InputError, match=r"posecast\[bench\].*https://example\.org.*Da\.mp4"):
        fetch_video("https://example.org", tmp_path, "Da")
