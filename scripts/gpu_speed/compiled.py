"""A step through `torch.compile`: compiled in a process of its own while other things are measured.

Compiling takes a minute of the CPU and hardly the GPU. The process times its step when it is told
that nothing else runs on the device.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class CompiledStep:
    """The process, as the one that measures sees it."""

    def __init__(self, log: Path, tiny: bool) -> None:
        self.log, self.tiny = log, tiny
        self.process: subprocess.Popen[str] | None = None
        self.found: dict[str, Any] = {}
        self._reader: threading.Thread | None = None

    def start(self) -> None:
        """Begin to compile."""
        code = f"import sys; from gpu_speed.compiled import main; sys.exit(main({self.tiny}))"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def result(self, seconds: float) -> dict[str, Any]:
        """Let it time its step; what it has found after at most so many seconds."""
        if self.process is None or self._reader is None or self.process.stdin is None:
            return {}
        try:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended; its log says why
        self._reader.join(max(0.0, seconds))
        if self._reader.is_alive():
            self.found["cut_off"] = "not finished in time"
        elif "step_seconds" not in self.found:
            self.found["cut_off"] = f"ended early; see {self.log.name}"
        return dict(self.found)

    def stop(self) -> None:
        """End it and what it started."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _read(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.found.update(json.loads(line))


@torch.no_grad()
def main(tiny: bool) -> int:
    """Compile both halves of the guidance, then time them, a JSON line a finding."""
    from gpu_timing import median_seconds

    from benchmarks.denoising import Ours, relative
    from gpu_speed.model import random_animator, setup

    quiet = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), quiet.set()), daemon=True).start()
    chosen = setup(tiny)
    animator = random_animator(chosen)
    unet, inputs = animator.unet, chosen.inputs(animator)
    del animator
    ours = Ours(unet, chosen.config, inputs)
    ours.prepare()
    # A tensor: each other number would be compiled anew.
    timestep = torch.full((), 500, device=chosen.device)
    appearance = {"with": inputs.appearance, "without": torch.zeros_like(inputs.appearance)}
    reference = {"with": ours.reference, "without": None}

    def half(which: str) -> Tensor:
        halves = appearance[which], reference[which]
        return unet(inputs.noise, timestep, *halves, inputs.guidance)

    def time_half(which: str) -> None:
        seconds = median_seconds(lambda: half(which), chosen.device, 3)
        say(**{f"half_seconds_{which}": seconds})

    def step() -> Tensor:
        return half("with") + half("without")

    eager = {which: half(which) for which in reference}
    # Without Inductor where the sizes are tiny: whether it is one graph shows all the same.
    unet.compile(fullgraph=True, dynamic=False, backend="aot_eager" if tiny else "inductor")
    for which in reference:
        began = time.perf_counter()
        difference = relative(half(which), eager[which])
        say(**{
            f"compile_seconds_{which}": time.perf_counter() - began,
            f"difference_{which}": difference,
        })  # fmt: skip
        if quiet.is_set():
            time_half(which)
    quiet.wait()
    for which in reference:
        time_half(which)
    say(step_seconds=median_seconds(step, chosen.device, 5))
    return 0


def say(**figures: float) -> None:
    """A line for the process that waits."""
    print(json.dumps(figures), flush=True)
