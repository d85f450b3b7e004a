"""Forecast of a run: parameters, arithmetic, memory, time.

The whole step (encoding, forward, backward) is taken once with tensors that have shapes but no
storage, so a forecast of the full-size model needs neither its weights nor its memory.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from posecast.cutout.mender import Mender
from posecast.data.batches import TrainingBatch
from posecast.geometry.conditions import Condition, known_conditions
from posecast.models.animator import Animator
from posecast.puppets import PuppetSettings
from posecast.training.autoencoder import AutoencoderTask, ImageBatch
from posecast.training.config import DataSettings, TrainingConfig, ValidationSettings
from posecast.training.diffusion import DiffusionTask
from posecast.training.mender import MenderBatch, MenderTask, carried_zeros
from posecast.training.sharding import trained_parts
from posecast.training.stages import build_animator, build_autoencoder
from posecast.training.task import Process, Task


@dataclass(frozen=True)
class Forecast:
    """One step of one process. Counts of parameters, floating-point operations, bytes."""

    processes: int
    """Of how many it is one."""
    parameters: int
    trainable: int
    flops: int
    weights: int
    """Where they are divided: this process's part, and the largest of the model's gathered."""
    optimizer: int
    """Adam's two moments of every trainable parameter."""
    average: int
    """The running mean of the trainable weights."""
    gradients: int
    """Those that stay: between accumulated batches, for the exchange of processes; 0: none do."""
    operators: int
    """How many the device is asked for; each takes its time, however little it does."""
    step: int
    """The most that a step holds beside these: batch, activations, gradients that do not stay."""

    @property
    def memory(self) -> int:
        """The peak, without what the libraries and the device's own context take."""
        return self.weights + self.optimizer + self.average + self.gradients + self.step


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors created inside (alive now, and the peak), and the arithmetic.

    A view of one of `known` (a weight transposed) is no new tensor.
    """

    def __init__(self, known: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self.operators = 0
        """Operators run inside, except views, which cost nothing on a device."""
        self.flops = 0
        """Floating-point operations of matrix products, convolutions and attention."""
        self._seen: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()
        for tensor in known:
            self._seen.add(tensor.untyped_storage())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operator; whatever storage its results bring is alive until nothing holds it."""
        results = func(*args, **(kwargs or {}))
        self.operators += not func.is_view
        flops = flop_registry.get(func.overloadpacket)
        if flops is not None:
            self.flops += flops(*args, **(kwargs or {}), out_val=results)
        for result in tree_leaves(results):
            if isinstance(result, Tensor):
                self.add(result)
        return results

    def add(self, tensor: Tensor) -> None:
        """Count a tensor's storage until it goes; once, however many views there are."""
        storage = tensor.untyped_storage()
        if storage in self._seen:
            return
        size = storage.nbytes()
        self._seen.add(storage)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.now -= size


def forecast(config: TrainingConfig, processes: int = 1) -> Forecast:
    """Take one step of a run without storage and count, for one of so many processes.

    Raises `InputError`: a config whose model does not fit.
    """
    task = _task(config)
    network = task.module
    divided = config.shard and processes > 1
    stay = config.batch.accumulate > 1 or processes > 1
    with FakeTensorMode(allow_non_fake_inputs=True):
        _without_storage(network)
        live = LiveBytes([*network.parameters(), *network.buffers()])
        network.train()
        if stay:
            drop_gradients(network, whole_parts=divided)
        with live:
            batch = _batch(config, network)
            kind = torch.float16 if config.precision == "fp16" else torch.bfloat16
            with torch.autocast("cpu", kind, enabled=config.precision != "no"):
                loss = task.loss(network, batch, torch.Generator().manual_seed(0))
            loss.total.backward()
    trainable = [p for p in network.parameters() if p.requires_grad]
    share = processes if divided else 1
    return Forecast(
        processes=processes,
        parameters=sum(p.numel() for p in network.parameters()),
        trainable=sum(p.numel() for p in trainable),
        flops=config.batch.accumulate * live.flops,
        weights=_weights(network, share),
        optimizer=_moments(trainable, config.optimizer.kind) // share,
        average=0 if config.ema is None else _bytes(trainable) // share,
        gradients=_bytes(trainable) // share if stay else 0,
        operators=config.batch.accumulate * live.operators,
        step=live.peak,
    )


def _task(config: TrainingConfig) -> Task:
    """The run's task with networks that have shapes alone, on no data.

    No sample is drawn, so the data need not be there. What is dropped costs nothing, and whether
    something is dropped cannot be asked without storage.
    """
    shot = PuppetSettings(size=(64, 64), frames=config.batch.frames)
    objective = replace(config.objective, reference_drop=0.0)
    stripped = replace(
        config,
        data=DataSettings(stage=shot),
        validation=ValidationSettings(),
        objective=replace(objective, guider_drop={}),
    )
    process = Process(torch.device("cpu"))
    with torch.device("meta"):
        if config.stage == "autoencoder":
            return AutoencoderTask(stripped, process, build_autoencoder(config))
        if config.stage == "mender":
            return MenderTask(stripped, process, Mender())
        animator = build_animator(config, load=False)
    animator.scheduler = DDIMScheduler(**animator.config.scheduler)  # its values are read
    return DiffusionTask(stripped, process, animator)


def _weights(animator: nn.Module, share: int) -> int:
    """All of them; divided among `share` processes, the largest part is whole during a step."""
    everything = _bytes(list(animator.parameters()) + list(animator.buffers()))
    if share == 1:
        return everything
    parts = [_bytes(list(part.parameters())) for part in trained_parts(animator).values()]
    return everything - sum(parts) + sum(parts) // share + max(parts)


def drop_gradients(module: nn.Module, whole_parts: bool) -> None:
    """What stays is counted apart: drop a gradient as it comes, or with the last of its part's."""
    for part in trained_parts(module).values():
        trained = [p for p in part.parameters() if p.requires_grad]
        for group in [trained] if whole_parts else [[p] for p in trained]:

            def drop(_: Tensor, group: list[nn.Parameter] = group) -> None:
                if all(p.grad is not None for p in group):
                    for p in group:
                        p.grad = None

            for parameter in group:
                parameter.register_post_accumulate_grad_hook(drop)


def _moments(trainable: list[nn.Parameter], kind: str) -> int:
    """Adam's two a parameter: as the parameter, or a byte each (and a scale for 256 of them)."""
    if kind != "adamw8bit":
        return 2 * _bytes(trainable)
    return sum(2 * p.numel() + 8 * (p.numel() // 256 + 1) for p in trainable)


def _without_storage(module: nn.Module) -> None:
    """The module's tensors, on the meta device, as fake ones: on the CPU as far as shapes go."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                fake = torch.empty_like(parameter, device="cpu")
                part._parameters[name] = nn.Parameter(fake, parameter.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = torch.empty_like(buffer, device="cpu")


def _size(config: TrainingConfig) -> tuple[int, int]:
    size = config.data.sample_size
    assert size is not None  # DataSettings requires it
    return size


def _batch(config: TrainingConfig, network: nn.Module) -> TrainingBatch | ImageBatch | MenderBatch:
    samples, frames, size = config.batch.references, config.batch.frames, _size(config)
    make: Callable[..., Tensor] = torch.zeros
    if config.stage == "autoencoder":
        images = samples * (frames + 1)
        return ImageBatch(make(images, 3, *size), make(images, 1, *size))
    if config.stage == "mender":
        return carried_zeros(samples * frames, size)
    assert isinstance(network, Animator)  # the remaining stages
    guiders = network.config.guiders
    names = network.config.conditions_read(config.without)
    read = [known_conditions()[name] for name in names]

    def shape(condition: Condition) -> tuple[int, int, int]:
        guider = guiders.get(condition.name, {})
        rows, columns = (-(-side // condition.stride) for side in size)
        return guider.get("in_channels", condition.channels), rows, columns

    shown = {c.name: frames if c.of == "frames" else 1 for c in read}
    return TrainingBatch(
        reference=make(samples, 3, *size),
        frames=make(samples, frames, 3, *size),
        maps={c.name: make(samples, shown[c.name], *shape(c)) for c in read},
        reference_maps={c.name: make(samples, *shape(c)) for c in read if c.compared},
        character_mask=make(samples, frames, 1, *size),
    )


def _bytes(tensors: list[Any]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
