"""`gpu.py speed`: time, arithmetic and memory of the full-size model on one CUDA GPU.

`sd15` with random weights in bfloat16, 16 frames, guidance (two halves a step):

- the card: its bfloat16 matrix product of 8192^3 and its copy bandwidth, on random data;
- a denoising step and windows of 50 steps and of `--fast` at 896x640, ours and the plain
  composition of diffusers' classes (`benchmarks/plain.py`), on the same weights;
- which of torch's attention kernels is fastest at the model's own sizes;
- the peak memory of whole runs at the paper's sizes under each plan for memory;
- the same step through `torch.compile`, compiled in a process of its own meanwhile;
- the kernels that a step's time goes to (`speed_kernels.txt`).

What matters most comes first; what there is no time for is named.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from gpu_results import Results
from gpu_timing import mean_seconds, median_seconds, peak, reset_peak, wait

from benchmarks.denoising import Ours, Plain, relative
from benchmarks.measure import count_flops, machine
from gpu_speed import attention, memory
from gpu_speed.compiled import CompiledStep
from gpu_speed.model import random_animator, setup
from gpu_speed.report import table
from posecast.diffusion.shortcuts import FAST, FAST_STEPS


@torch.no_grad()
def run(minutes: float, out: Path, tiny: bool) -> int:
    """Measure everything that fits into the time; 1 where a part failed."""
    if not tiny and not torch.cuda.is_available():
        print("speed: needs a CUDA GPU; --tiny proves the script on a CPU", file=sys.stderr)
        return 2
    return Speed(minutes, out, tiny).measure_all()


class Speed:
    """The parts of the run, on one set of weights."""

    def __init__(self, minutes: float, out: Path, tiny: bool) -> None:
        self.setup, self.out, self.tiny = setup(tiny), out, tiny
        self.device = self.setup.device
        self.results = Results(out, "speed", minutes, table)
        self.results.add(
            machine=machine(self.device), torch=torch.__version__, dtype=str(self.setup.dtype),
            size=list(self.setup.size), frames=self.setup.frames, rows={},
        )  # fmt: skip
        self.compiled = CompiledStep(out / "speed_compiled.log", tiny)
        self.results.on_end.append(self.compiled.stop)

    def measure_all(self) -> int:
        """In the order of what the figures are worth. Seconds are guesses for an H100."""

        def do(name: str, seconds: float, work: Callable[[], None]) -> None:
            self.results.do(name, 0 if self.tiny else seconds, work)

        try:
            do("card", 2, self.card)
            do("weights", 5, self.weights)
            do("step", 8, self.steps)
            do("attention kernels", 2, self.attention)
            do("window", 20, self.window)
            do("window of --fast", 8, self.fast_window)
            do("choices", 6, self.choices)
            self.compiled.start()
            do("memory", 10, self.memory)
            do("kernels", 5, self.kernels)
            do("compiled step", 5, self.compiled_step)
            self.compiled.stop()
            do("window, plain", 35, self.plain_window)
        finally:
            self.compiled.stop()
        return self.results.finish()

    def card(self) -> None:
        """Its ceilings: matrix product and copy, means of 10 after warming up."""
        side, place = self.setup.matrix, {"device": self.device, "dtype": self.setup.dtype}
        a, b = (torch.randn(side, side, **place) for _ in "ab")
        source = torch.randn(16 * side, side, **place)
        target = torch.empty_like(source)
        product = mean_seconds(lambda: a @ b, self.device)
        copy = mean_seconds(lambda: target.copy_(source), self.device)
        self.results.add(
            matmul_tflops=2 * side**3 / 1e12 / product,
            copy_tb_a_second=2 * source.numel() * source.element_size() / 1e12 / copy,
        )

    def weights(self) -> None:
        """Made where they shall be: the model of all later parts."""
        self.animator = random_animator(self.setup)
        self.set_the_window()
        self.results.add(parameters=sum(p.numel() for p in self.animator.parameters()))

    def set_the_window(self) -> None:
        """The inputs of one window, and our denoiser for it."""
        self.inputs = self.setup.inputs(self.animator)
        self.ours = Ours(self.animator.unet, self.setup.config, self.inputs)
        self.ours.prepare()

    def steps(self) -> None:
        """Ours, and the plain composition's, which must give the same numbers; then our halves."""
        found = self.row("step, ours", self.ours.step)
        other = self.row("step, plain", self.plain().step)
        self.results.add(difference=relative(found, other))
        for name, conditional in (("with", True), ("without", False)):

            def half(conditional: bool = conditional) -> torch.Tensor:
                return self.ours.half(self.inputs.noise, 500, None, conditional, None)[0]

            self.row(f"half {name} reference, ours", half)

    def attention(self) -> None:
        """Of all kernels that torch has."""
        attention.measure(self.setup, self.results)

    def window(self) -> None:
        """50 steps, from what is projected once a video to the last latents."""
        steps = self.setup.steps
        tflop = steps * self.results.figures["rows"]["step, ours"]["tflop"]
        self.row(f"window of {steps} steps, ours", self.ours.window, tflop)

    def fast_window(self) -> None:
        """With all shortcuts."""
        steps = FAST_STEPS
        name = f"window of --fast, {steps} steps, ours"
        self.row(name, lambda: self.ours.window(steps, FAST), rounds=1)

    def choices(self) -> None:
        """The step as it would be with cuDNN's own search, and with weights laid out otherwise."""
        if self.device.type != "cuda":
            return
        torch.backends.cudnn.benchmark = True
        self.row("step, ours, cudnn.benchmark", self.ours.step)
        torch.backends.cudnn.benchmark = False
        unet = self.animator.unet
        unet.to(memory_format=torch.contiguous_format)
        self.row("step, ours, channels first", self.ours.step)
        unet.to(memory_format=torch.channels_last)

    def plain_window(self) -> None:
        """50 steps of the plain composition: long, and nearly known from its step."""
        steps = self.setup.steps
        tflop = steps * self.results.figures["rows"]["step, plain"]["tflop"]
        self.row(f"window of {steps} steps, plain", self.plain().window, tflop)

    def plain(self) -> Plain:
        """The composition of diffusers' classes; it shares the weights, and is made beside them."""
        with torch.device(self.device):
            return Plain(self.animator.unet, self.setup.config, self.inputs)

    def memory(self) -> None:
        """Whole runs of the pipeline, nothing else there; then all is back where it was."""
        del self.ours, self.inputs
        try:
            memory.measure(self.animator, self.setup, self.results)
        finally:
            self.animator.to(self.device)
            self.set_the_window()

    def kernels(self) -> None:
        """Those of a step, by their time."""
        with torch.profiler.profile() as profile:
            self.ours.step()
            wait(self.device)
        order = f"self_{self.device.type}_time_total"
        text = profile.key_averages().table(sort_by=order, row_limit=40, max_name_column_width=90)
        (self.out / "speed_kernels.txt").write_text(text, encoding="utf-8")

    def compiled_step(self) -> None:
        """What the other process finds, now that this one leaves the device alone."""
        found = self.compiled.result(self.results.left() - 5)
        rows = self.results.figures["rows"]
        if "step_seconds" in found and "step, ours" in rows:
            tflop = rows["step, ours"]["tflop"]
            rows["step, ours, compiled"] = self.figures(tflop, found["step_seconds"])
        self.results.add(compiled=found, rows=rows)

    def row(
        self, name: str, work: Callable[[], Any], tflop: float | None = None, rounds: int = 5
    ) -> Any:
        """Time work and note it: the median of `rounds` after a first run that counts its
        arithmetic, whose result is returned; work whose arithmetic is known runs once.
        """
        result = None
        if tflop is None:
            with count_flops() as counter:
                result = work()
            tflop = counter.get_total_flops() / 1e12
        else:
            rounds = 1
        reset_peak(self.device)
        seconds = median_seconds(work, self.device, rounds, warm=0)
        rows = self.results.figures["rows"]
        rows[name] = self.figures(tflop, seconds) | peak(self.device) | {"rounds": rounds}
        self.results.add(rows=rows)
        print(f"  {name}: {seconds:.4f} s", file=sys.stderr, flush=True)
        return result

    def figures(self, tflop: float, seconds: float) -> dict[str, float]:
        """Speed, beside the card's own."""
        speed, most = tflop / seconds, self.results.figures.get("matmul_tflops")
        share = {} if most is None else {"share_of_peak": speed / most}
        return {"tflop": tflop, "seconds": seconds, "tflops": speed, **share}
