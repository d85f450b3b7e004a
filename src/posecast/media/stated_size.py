"""How long a file is by its own first bytes: FFmpeg takes one that was cut off for a short one."""

from __future__ import annotations

from pathlib import Path

from posecast.media.reading import read_head

_EBML, _SEGMENT = bytes.fromhex("1A45DFA3"), bytes.fromhex("18538067")
_HEAD = 4096


def stated_size(path: Path) -> int | None:
    """Bytes that a Matroska, WebM or AVI file says it has, at least; None where nothing says so.

    Matroska (RFC 9559) is one segment after a header, each with its size; an AVI file is a RIFF
    list, or several (then the first counts). Recordings that were never finished state no size.
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
    """An EBML number and where it ends: zeros before the first one bit count its further bytes."""
    if at >= len(data) or not data[at]:
        return at, None
    length = 9 - data[at].bit_length()
    bits = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
    unknown = bits == (1 << 7 * length) - 1
    return at + length, None if unknown else bits
