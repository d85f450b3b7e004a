"""Divided among two processes a module learns what it learns in one, whatever its sizes."""

from __future__ import annotations

import copy
import socket
from pathlib import Path

import torch
import torch.multiprocessing as mp
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from posecast.training.checkpoints import (
    PROGRESS_FILE,
    STATE_FILE,
    load_state,
    state_tensors,
    write_state,
)
from posecast.training.ema import WeightAverage
from posecast.training.sharding import gather_into, lent_to, sharded_copy, trained_parts, whole

STEPS = 3
GATHERED = "gathered.safetensors"
PROGRESS = '{"step": 3, "seconds": 1.0, "processes": 2}'


class Parts(nn.Module):
    """Two parts that train, one of them with fewer rows than there are processes; one frozen."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.guide = nn.Linear(4, 5)
        self.unet = nn.Sequential(nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 1))
        self.unet[0].bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.unet(self.guide(self.frozen(x)))


def optimizer_of(module: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], fused=True)


def learn(
    module: nn.Module, optimizer: torch.optim.Optimizer, mean: WeightAverage, seeds: list[int]
) -> float:
    """Steps on the mean of as many batches as there are seeds; the last norm."""
    norm = torch.zeros(())
    for step in range(STEPS):
        for seed in seeds:
            x = torch.randn(6, 4, generator=torch.Generator().manual_seed(10 * step + seed))
            (module(x).square().mean() / len(seeds)).backward()
        norm = nn.utils.clip_grad_norm_(list(mean.live.values()), 0.1, foreach=True)
        optimizer.step()
        mean.update(step)
        optimizer.zero_grad(set_to_none=True)
    return float(whole(norm))


def in_one_of_two(rank: int, port: int, folder: Path) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    device = torch.device("cpu")
    module = Parts()
    divided = sharded_copy(module, device, 2)
    assert divided.frozen is module.frozen
    assert divided.unet is not module.unet
    assert divided.unet[2].weight.to_local().shape == (1 - rank, 3)
    optimizer, mean = optimizer_of(divided), WeightAverage(divided, 0.9)
    norm = learn(divided, optimizer, mean, [rank])
    tensors = state_tensors(divided, optimizer, mean, keep=rank == 0)
    assert bool(tensors) == (rank == 0)
    gather_into(module if rank == 0 else None, mean.mean)
    if rank == 0:
        write_state(tensors, folder / STATE_FILE)
        gathered = {name: p.detach() for name, p in module.named_parameters()}
        save_file({**gathered, "norm": torch.tensor(norm)}, folder / GATHERED)
        (folder / PROGRESS_FILE).write_text(PROGRESS)
    torch.distributed.barrier()
    again = sharded_copy(Parts(), device, 2)
    optimizer, mean = optimizer_of(again), WeightAverage(again, 0.9)
    load_state(folder, again, optimizer, mean)
    loaded = state_tensors(again, optimizer, mean)
    assert all(torch.equal(value, loaded[name]) for name, value in tensors.items())
    torch.distributed.barrier()  # whoever leaves while the other still listens makes it abort
    torch.distributed.destroy_process_group()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_divided_module_learns_saves_and_loads_as_a_whole_one(tmp_path: Path) -> None:
    tmp_path = tmp_path / "step-00000003"  # where PROGRESS says that the run stands
    tmp_path.mkdir()
    mp.spawn(in_one_of_two, (free_port(), tmp_path), nprocs=2)
    module = Parts()
    optimizer, mean = optimizer_of(module), WeightAverage(module, 0.9)
    norm = learn(module, optimizer, mean, [0, 1])
    expected = state_tensors(module, optimizer, mean)
    assert expected
    found = load_file(tmp_path / STATE_FILE)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-7)
    gathered = load_file(tmp_path / GATHERED)
    torch.testing.assert_close(float(gathered["norm"]), norm, rtol=1e-5, atol=0)
    with mean.swapped_in():
        for name, parameter in module.named_parameters():
            torch.testing.assert_close(gathered[name], parameter.detach(), rtol=1e-5, atol=1e-7)


def test_parts_that_train_are_lent_and_come_back() -> None:
    module = Parts()
    assert list(trained_parts(module)) == ["guide", "unet"]
    before = copy.deepcopy(module.state_dict())
    with lent_to(torch.device("cpu"), module):
        assert {p.device.type for p in module.parameters()} == {"cpu"}
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


class CountingOptimizer(torch.optim.SGD):
    """Its steps are a plain integer, as those of bitsandbytes are."""

    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                state["step"] = state.get("step", 0) + 1


def test_an_integer_of_the_optimizers_state_is_one_again(tmp_path: Path) -> None:
    tmp_path = tmp_path / "step-00000003"
    tmp_path.mkdir()
    module = Parts()
    optimizer = CountingOptimizer([p for p in module.parameters() if p.requires_grad], lr=0.0)
    mean = WeightAverage(module, 0.9)
    optimizer.step()
    optimizer.step()
    write_state(state_tensors(module, optimizer, mean), tmp_path / STATE_FILE)
    (tmp_path / PROGRESS_FILE).write_text(PROGRESS)
    fresh = CountingOptimizer([p for p in module.parameters() if p.requires_grad], lr=0.0)
    load_state(tmp_path, module, fresh, mean)
    assert [state["step"] for state in fresh.state.values()] == [2] * len(mean.live)
    assert all(isinstance(state["step"], int) for state in fresh.state.values())
