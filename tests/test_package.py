"""What is published: built, looked into, installed into an environment of its own, and used."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=240)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a clean environment that has the wheel; its dependencies are borrowed."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wheel = next(built.glob("*.whl"))
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, timeout=240)
    places = sysconfig.get_paths("venv", {"base": str(folder), "platbase": str(folder)})
    borrowed = Path(places["purelib"]) / "borrowed.pth"
    borrowed.write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


def run(python: Path, *arguments: str, where: Path) -> subprocess.CompletedProcess[str]:
    # Isolated from this checkout: -I passes over PYTHONPATH and the folder it runs in.
    command = [str(python), "-I", *arguments]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=240)


def test_wheel_holds_the_package_alone(built: Path) -> None:
    wheel = next(built.glob("*.whl"))
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"posecast"}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "posecast/assets/models/embedded/model_index.json" in names
    assert not [name for name in names if "__pycache__" in name]
    assert wheel.stat().st_size < 50 * MEGABYTE


def test_source_distribution_holds_sources_and_tests(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "LICENSE", "README.md", "tests/test_package.py"} <= names
    assert not [name for name in names if name.startswith((".venv", "build/", "runs/"))]


def test_metadata_is_what_pyproject_says(built: Path) -> None:
    archive = zipfile.ZipFile(next(built.glob("*.whl")))
    metadata = archive.read(
        next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    ).decode()
    assert re.search(r"^Requires-Python: >=3\.11$", metadata, re.M)
    assert "License-Expression: Apache-2.0" in metadata


def test_installed_package_animates(installed: Path, tmp_path: Path) -> None:
    code = "import posecast, pathlib; print(pathlib.Path(posecast.__file__).parent)"
    place = run(installed, "-c", code, where=tmp_path).stdout.strip()
    assert place.startswith(str(installed.parent.parent))
    assets = Path(place) / "assets" / "demo"
    picture = next(path for path in assets.iterdir() if path.suffix in (".png", ".jpg"))
    done = run(
        installed,
        *("-m", "posecast", "animate", "--reference", str(picture)),
        *("--reference-poses", str(assets / "reference.poses.json")),
        *("--poses", str(assets / "poses.json"), "--max-frames", "4", "-o", "out.mp4"),
        where=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.mp4").stat().st_size > 1000


def test_array_rooms_work_without_torch(installed: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'diffusers', 'transformers'): sys.modules[name] = None\n"
        "import posecast.geometry, posecast.media, posecast.types, posecast.cli\n"
        "print('imported')\n"
    )
    assert run(installed, "-c", code, where=tmp_path).stdout.strip() == "imported"
