"""Folders of a video's frames: which files are frames, and what lies beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from posecast.media.pose_formats.content import natural_order

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""Endings by which a folder is seen to hold the frames of one video; files are read by content."""
_BESIDE = """
.txt .md .rst .json .jsonl .yaml .yml .toml .csv .tsv .xml .html .log .db .ini .py .sh
.npy .npz .pkl .pt .safetensors .parquet .zip .tar .gz .sha256 .md5 .url .lnk .torrent
.srt .vtt .ass .pdf .wav .mp3 .m4a .aac .flac
"""
BESIDE = frozenset(_BESIDE.split())
"""Endings of what is neither a video nor a frame: notes, tables, sound, archives."""
_LITTER = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "__macosx"})
"""What file managers leave in folders, in small letters; other litter is hidden (.DS_Store)."""


def visible(folder: Path) -> list[Path]:
    """The entries of a folder in natural order, without hidden ones and file managers' litter."""
    return sorted((e for e in folder.iterdir() if not is_litter(e.name)), key=natural_order)


def is_litter(name: str) -> bool:
    """Whether an entry of this name is hidden, or one that no person put there."""
    return name.startswith(".") or name.lower() in _LITTER


def beside(entry: Path) -> bool:
    """Whether an entry is a file that lies beside videos or frames and is neither, by its name."""
    return entry.suffix.lower() in BESIDE and entry.is_file()


def is_frame(entry: Path) -> bool:
    """Whether an entry is a file named as a picture is."""
    return entry.suffix.lower() in PICTURES and entry.is_file()


def holds_frames(entries: Iterable[Path]) -> bool:
    """Whether the entries of a folder are one video's frames: pictures, and what may lie beside."""
    others = [entry for entry in entries if not beside(entry)]
    return bool(others) and all(is_frame(entry) for entry in others)
