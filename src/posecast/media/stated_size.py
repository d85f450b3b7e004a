"""Reads the size that a video file states for itself: FFmpeg does not notice cut-off files."""

from __future__ import annotations

from pathlib import Path

from posecast.media.reading import read_head

_EBML, _SEGMENT = bytes.fromhex("1A45DFA3"), bytes.fromhex("18538067")
_HEAD = 4096


def stated_size(path: Path) -> int | None:
    """Smallest size in bytes that a Matroska, WebM or AVI file states for itself, or None.

    A Matroska file (RFC 9559) is a header and one segment, each with its size. An AVI file is one
    or several RIFF lists, of which the first counts. Unfinished recordings state no size.
    """
    head = read_head(path, _HEAD)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        size = int.from_bytes(head[4:8], "little")
        return 8 + size if 0 < size < 0xFFFFFFFF else None
    if head[:4] != _EBML:
        return None
    start, header = _number(head, 4)
    if header is None or head[start + header : start + header + 4] != _SEGMENT:
        return None
    start, segment = _number(head, start + header + 4)
    return None if segment is None else start + segment


def _number(data: bytes, at: int) -> tuple[int, int | None]:
    """An EBML number and the offset of its end. The leading zero bits give its further bytes."""
    if at >= len(data) or not data[at]:
        return at, None
    length = 9 - data[at].bit_length()
    bits = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
    unknown = bits == (1 << 7 * length) - 1
    return at + length, None if unknown else bits
