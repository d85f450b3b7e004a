"""Folders that hold a video's frames: which files are frames, and which are not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from posecast.media.pose_formats.content import natural_order

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""File endings that mark a folder as one video's frames; the files are read by content."""
_OTHER_ENDINGS = """
.txt .md .rst .json .jsonl .yaml .yml .toml .csv .tsv .xml .html .log .db .ini .py .sh
.npy .npz .pkl .pt .safetensors .parquet .zip .tar .gz .sha256 .md5 .url .lnk .torrent
.srt .vtt .ass .pdf .wav .mp3 .m4a .aac .flac
"""
OTHER_ENDINGS = frozenset(_OTHER_ENDINGS.split())
"""Endings of files that are neither videos nor frames: notes, tables, sound, archives."""
_FILE_MANAGER_FILES = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "__macosx"}
)
"""Files that file managers leave in folders, in lower case; others (.DS_Store) are hidden."""


def visible(folder: Path) -> list[Path]:
    """The entries of a folder in natural order, without hidden files and file managers' files."""
    return sorted((e for e in folder.iterdir() if not is_litter(e.name)), key=natural_order)


def is_litter(name: str) -> bool:
    """Whether an entry of this name is hidden or was left by a file manager."""
    return name.startswith(".") or name.lower() in _FILE_MANAGER_FILES


def beside(entry: Path) -> bool:
    """Whether an entry is a file that is, by its name, neither a video nor a frame."""
    return entry.suffix.lower() in OTHER_ENDINGS and entry.is_file()


def is_frame(entry: Path) -> bool:
    """Whether an entry is a file with the ending of a picture."""
    return entry.suffix.lower() in PICTURES and entry.is_file()


def holds_frames(entries: Iterable[Path]) -> bool:
    """Whether a folder's entries are one video's frames: pictures, perhaps with notes beside."""
    others = [entry for entry in entries if not beside(entry)]
    return bool(others) and all(is_frame(entry) for entry in others)
