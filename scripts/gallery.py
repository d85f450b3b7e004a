"""Make the pictures of docs/gallery.md again, with the commands on the page itself.

    python scripts/gallery.py --inputs FOLDER [--only NAME]

FOLDER holds the pictures that the page names but that are not in the repository. Each clip becomes
a small animated WebP in docs/media/gallery.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

from PIL import Image

from posecast.media.video import iterate_video, read_info

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "gallery.md"
SHOWN = ROOT / "docs" / "media" / "gallery"
MADE = ROOT / "out" / "gallery"
WIDEST, HIGHEST = 900, 256
FRAMES = 40
QUALITY = 35


def commands() -> list[list[str]]:
    """The words of the page's commands, in order."""
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.S | re.M)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines]


def clip_of(name: str) -> Path:
    """The clip that a picture of the page shows; for an export, its masks."""
    folder = MADE / name
    return folder / "rendered_mask_v2.mp4" if folder.is_dir() else MADE / f"{name}.mp4"


def is_newer(one: Path, other: Path) -> bool:
    """Whether a file was written after another."""
    return one.stat().st_mtime > other.stat().st_mtime


def show(name: str) -> None:
    """Write a clip as a small animated picture."""
    clip = clip_of(name)
    pictures = [Image.fromarray(frame) for frame in islice(iterate_video(clip), FRAMES)]
    for picture in pictures:
        picture.thumbnail((WIDEST, HIGHEST), Image.Resampling.LANCZOS)
    SHOWN.mkdir(parents=True, exist_ok=True)
    pictures[0].save(
        SHOWN / f"{name}.webp", save_all=True, append_images=pictures[1:], loop=0, quality=QUALITY,
        duration=round(1000 / read_info(clip).fps),
    )  # fmt: skip
    print(f"{name}: {(SHOWN / f'{name}.webp').stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Run the page's commands, then convert their clips."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--only", default="", help="commands that hold this word")
    options = parser.parse_args()
    MADE.mkdir(parents=True, exist_ok=True)
    for words in commands():
        if options.only not in " ".join(words):
            continue
        words = [str(options.inputs / w) if (options.inputs / w).is_file() else w for w in words]
        print(shlex.join(words), flush=True)
        if Path(words[-1]).is_dir():
            shutil.rmtree(words[-1])
        subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=True)
    for name in re.findall(r"\(media/gallery/(\w+)\.webp\)", PAGE.read_text(encoding="utf-8")):
        clip, shown = clip_of(name), SHOWN / f"{name}.webp"
        if clip.exists() and not (shown.exists() and is_newer(shown, clip)):
            show(name)


if __name__ == "__main__":
    main()
