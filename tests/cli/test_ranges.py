"""Values that no option can have: refused in one line with status 2, before anything is done."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click
import pytest

from posecast.cli import VERBS, cli, run
from posecast.cli.options import FPS, GUIDANCE, SIZE, Number

ABSURD = ["nan", "inf", "-inf", "-1", "1e300", "1e-9", "", "9" * 5000, "٣", "1_0", "0x10", "one"]


def commands(
    group: click.Group | None = None, path: tuple[str, ...] = ()
) -> dict[str, click.Command]:
    """Every command that does something, by its words."""
    group = group or cli
    found: dict[str, click.Command] = {}
    for name in VERBS if group is cli else group.commands:
        command = group.get_command(click.Context(group), name)
        assert command is not None
        words = (*path, name)
        if isinstance(command, click.Group):
            found |= commands(command, words)
        else:
            found[" ".join(words)] = command
    return found


def options() -> list[tuple[str, click.Option]]:
    return [
        (name, param)
        for name, command in commands().items()
        for param in command.params
        if isinstance(param, click.Option) and not param.is_flag
    ]


def test_every_number_has_an_end_and_every_text_and_path_says_something() -> None:
    assert len(options()) > 80
    for name, option in options():
        where, kind = f"{name} {option.opts[0]}", option.type
        assert not isinstance(kind, click.FloatRange), f"{where}: NaN is in no range of click's"
        if isinstance(kind, click.IntRange):
            assert kind.min is not None, where
            assert kind.max is not None, where
        if isinstance(kind, Number):
            assert math.isfinite(kind.most - kind.least), where
        plain = {type(click.STRING), type(click.INT), type(click.FLOAT), click.Path}
        assert type(kind) not in plain, f"{where}: takes anything"


@pytest.mark.parametrize(
    ("name", "option"), options(), ids=[f"{name} {o.opts[0]}" for name, o in options()]
)
def test_no_option_takes_an_absurd_value(name: str, option: click.Option) -> None:
    """Each value is a usage error, or one that the option may have."""
    numeric = isinstance(option.type, (Number, click.IntRange))
    for text in ABSURD:
        try:
            value = option.type.convert(text, option, None)
        except click.UsageError:
            continue
        assert text, f"{name} {option.opts[0]} takes an empty value"
        if numeric:
            assert math.isfinite(value)
            assert value == float(text)


@pytest.mark.parametrize(
    "text", ["0x0", "15x64", "99999x99999", "-64x64", "64", "64x64x3", "٦٤x٦٤", ""]
)
def test_sizes_that_no_frame_has(text: str) -> None:
    with pytest.raises(click.UsageError, match="sides from 16 to 8192"):
        SIZE.convert(text, None, None)
    assert SIZE.convert("896X640", None, None) == (896, 640)
    assert (FPS.convert("0.01", None, None), GUIDANCE.convert("0", None, None)) == (0.01, 0)


IMPOSSIBLE = [
    "animate --reference r.png --poses p.json -o {out}/a.gif --fps 0.0001",
    "animate --reference r.png --poses p.json -o {out}/a.mp4 --fps 1e-9",
    "animate --reference r.png --poses p.json -o {out}/a.mp4 --guidance 1e300",
    "animate --reference r.png --poses p.json -o {out}/a.mp4 --size 99999x99999",
    "animate --reference r.png --poses p.json -o {out}/a.mp4 --device meta",
    "animate --reference r.png --poses p.json -o {empty}",
    "animate --reference r.png --poses p.json -o {out}/a.mp4 --smooth nan",
    "conditions --reference r.png --poses p.json -o {out}/m.npz --size 0x0",
    "conditions --reference r.png --poses p.json -o {empty} --size 64x64",
    "cast --reference r.png --poses p.json -o {empty}",
    "poses video.mp4 -o {out}/p.json --device meta",
    "poses {empty} -o {out}/p.json",
    "prepare videos -o {out}/d --latents m --size 0x0",
    "prepare videos -o {out}/d --workers 10000",
    "prepare videos -o {out}/d --device meta",
    "evaluate --generated a --real b --size 99999x99999",
    "evaluate --generated a --real b --device meta",
    "stage render -o {out}/s --size 0x0",
    "stage render -o {out}/s --size 99999x99999",
    "stage render -o {out}/s --fps nan",
    "stage render -o {out}/s --fps inf",
    "stage render -o {out}/s --clips 1000000000000",
    "stage render -o {out}/s --characters nan",
    "stage render -o {out}/s --characters inf,1",
    "stage render -o {out}/s --characters=-1,2",
    "stage render -o {out}/s --size 4096x4096 --frames 10000",
    "benchmark stage --guidance inf",
    "benchmark stage --long 1000000000",
    "benchmark ablation a.yaml --processes 100000",
    "train {empty}",
    "demo -o {empty}",
]


@pytest.mark.parametrize("line", IMPOSSIBLE)
def test_impossible_values_are_one_line_and_leave_nothing(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [word.format(out=tmp_path, empty="") for word in line.split()]
    assert run(words) == 2
    text = capsys.readouterr().err
    assert text.startswith("posecast: error: ")
    assert len(text.splitlines()) == 1
    assert "no such file" not in text, "the value is what is wrong"
    assert not list(tmp_path.iterdir())


def test_a_pose_files_own_rate_must_be_one(scene: dict[str, Path], tmp_path: Path) -> None:
    from posecast.casting.plan import plan_animation
    from posecast.errors import InputError

    clip = json.loads(scene["dance"].read_text())
    for fps in (1e-9, 1e300, -1):
        clip["fps"] = fps
        (tmp_path / "dance.json").write_text(json.dumps(clip))
        with pytest.raises(InputError, match=r"dance\.json: fps: expected 0.01 to 1000"):
            plan_animation(
                scene["picture"], tmp_path / "dance.json", reference_poses=scene["people"]
            )
