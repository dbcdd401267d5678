"""What a training step takes, what a machine has, and which batch is refused or named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import archc
from archc.compiler.analysis.training_memory import training_memory
from archc.compiler.diagnostics import Failure
from archc.training.machine_memory import available_bytes
from archc.training.memory import failed_batch, is_out_of_memory, measure_step, refuse_large_batch, split_batch
from archc.training.optimizers import state_names
from archc.training.recipe.recipe import OptimizerRules, Recipe

GB = 10**9


def recipe(batch: int = 256, **changes: Any) -> Recipe:
    return Recipe("r", batch, epochs=1, optimizer=OptimizerRules("sgd", {"lr": 0.1, "momentum": 0.9}), **changes)


@pytest.fixture(scope="module")
def graph() -> Any:
    return archc.load("resnet18").graph


def test_it_is_what_the_analysis_says(graph: Any) -> None:
    found, told = measure_step(graph, recipe()), training_memory(graph, 8)
    assert found.least(8) - 8 * 4 * 3 * 224 * 224 == told.total("sgd_momentum")
    assert found.total(8) > found.least(8)


STATES = {
    "sgd": ("sgd", {}, 0),
    "momentum": ("sgd", {"momentum": 0.9}, 1),
    "adam": ("adam", {}, 2),
    "amsgrad": ("adamw", {"amsgrad": True}, 3),
    "rmsprop": ("rmsprop", {}, 1),
    "centered with momentum": ("rmsprop", {"momentum": 0.9, "centered": True}, 3),
}
MAKERS: dict[str, Any] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}


@pytest.mark.parametrize("case", STATES)
def test_an_optimizer_keeps_what_torch_keeps(graph: Any, case: str) -> None:
    name, values, times = STATES[case]
    rules = OptimizerRules(name, {"lr": 0.1, **values})
    found = measure_step(graph, Recipe("r", 8, epochs=1, optimizer=rules))
    assert found.optimizer == times * found.gradients
    parameter = torch.nn.Parameter(torch.ones(1000))
    optimizer = MAKERS[name]([parameter], lr=0.1, **values)
    parameter.sum().backward()
    optimizer.step()
    kept = {key: value for key, value in optimizer.state[parameter].items() if value is not None}
    assert set(kept) == state_names(rules)
    assert sum(value.numel() for value in kept.values() if value.numel() > 1) == times * 1000


def test_half_floats_frozen_steps_and_the_average(graph: Any) -> None:
    plain, half, frozen = measure_step(graph, recipe()), measure_step(graph, recipe(precision="bf16")), measure_step(graph, recipe(freeze=("layer1", "conv1")))  # fmt: skip
    assert half.image < plain.image and half.copies == plain.gradients // 2 and half.optimizer == plain.optimizer
    assert frozen.gradients < plain.gradients and frozen.weights == plain.weights
    assert measure_step(graph, recipe(ema=0.999)).average == plain.weights


def test_a_batch_that_cannot_fit_is_refused(graph: Any) -> None:
    with pytest.raises(Failure) as failed:
        refuse_large_batch(graph, recipe(4096), "cpu", available=4 * GB)
    told = failed.value
    assert (told.code, told.exit_code) == ("batch-too-large", 3)
    assert (
        told.message.startswith("a batch of 4,096 does not fit in memory: it takes about ")
        and "cpu has 3.7 GiB left" in told.message
    )
    named = int(told.help.split("batch=")[1].split(";")[0])
    assert f"the largest that fits is {named:,}" in told.message and "--set accumulate=" in told.help
    parts = int(told.help.split("accumulate=")[1].split()[0])
    for fitting in (recipe(named), recipe(4096, accumulate=parts)):
        refuse_large_batch(graph, fitting, "cpu", available=4 * GB)


def test_processes_share_a_machine(graph: Any) -> None:
    refuse_large_batch(graph, recipe(256), "cpu", world_size=2, processes=1, available=4 * GB)
    with pytest.raises(Failure, match=r"a batch of 256 \(128 at once\)"):
        refuse_large_batch(graph, recipe(256), "cpu", world_size=2, processes=2, available=4 * GB)
    with pytest.raises(Failure, match="not even one picture"):
        refuse_large_batch(graph, recipe(256), "cuda:0", world_size=2, available=GB // 100)


def test_a_step_that_failed_names_a_smaller_batch(graph: Any) -> None:
    memory = measure_step(graph, recipe(64))
    for available in (None, 100 * GB, GB):
        told = failed_batch(memory, recipe(64), "cpu", available=available)
        assert told.code == "batch-too-large" and 0 < int(told.help.split("batch=")[1].split(";")[0]) < 64
    assert "not even one" in failed_batch(memory, recipe(1), "cpu", available=100 * GB).message


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), True),
        (
            RuntimeError(
                "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"
            ),
            True,
        ),
        (RuntimeError("not enough memory: you tried to allocate 4000000000000 bytes."), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("not enough memory"), False),
    ],
)
def test_errors_of_memory_are_known(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_torch_says_so_itself() -> None:
    with pytest.raises(RuntimeError) as failed:
        torch.empty(1 << 50, dtype=torch.float32)
    assert is_out_of_memory(failed.value)


@pytest.mark.parametrize(("batch", "world", "fits", "parts"), [(256, 1, 100, 4), (256, 2, 100, 2), (7, 1, 3, 7), (255, 2, 100, None), (8, 1, 1, 8)])  # fmt: skip
def test_parts_of_a_batch_are_equal(batch: int, world: int, fits: int, parts: int | None) -> None:
    assert split_batch(batch, world, fits) == parts


MEMINFO = {"proc/meminfo": "MemTotal: 9000000 kB\nMemAvailable:    4000 kB\n"}
V1 = {"proc/self/cgroup": "5:cpu:/\n4:memory:/job/one\n0::/\n"}
V2 = {"proc/self/cgroup": "0::/job/one\n"}
MACHINES: dict[str, tuple[dict[str, str], int | None]] = {
    "nothing is told": ({}, None),
    "the machine": (MEMINFO, 4096000),
    "v2": (MEMINFO | V2 | {"sys/fs/cgroup/job/one/memory.max": "3000000\n", "sys/fs/cgroup/job/one/memory.current": "1000000\n",
                           "sys/fs/cgroup/job/one/memory.stat": "anon 5\ninactive_file 200\n"}, 2000200),
    "v2, the outer group": (MEMINFO | V2 | {"sys/fs/cgroup/job/one/memory.max": "max\n", "sys/fs/cgroup/job/one/memory.current": "1\n",
                                            "sys/fs/cgroup/job/memory.max": "500\n", "sys/fs/cgroup/job/memory.current": "100\n"}, 400),
    "v2 in a container": (MEMINFO | {"proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/memory.max": "70\n", "sys/fs/cgroup/memory.current": "80\n"}, 0),
    "v1": (MEMINFO | V1 | {"sys/fs/cgroup/memory/job/one/memory.limit_in_bytes": "3000000\n",
                           "sys/fs/cgroup/memory/job/one/memory.usage_in_bytes": "1000000\n",
                           "sys/fs/cgroup/memory/job/one/memory.stat": "total_inactive_file 100\n"}, 2000100),
    "v1 without a limit": (MEMINFO | V1 | {"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                                           "sys/fs/cgroup/memory/memory.usage_in_bytes": "1\n"}, 4096000),
}  # fmt: skip


@pytest.mark.parametrize("case", MACHINES)
def test_what_a_machine_has(tmp_path: Path, case: str) -> None:
    files, expected = MACHINES[case]
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "ascii")
    assert available_bytes("cpu", tmp_path) == expected
    assert available_bytes("mps", tmp_path) is None
