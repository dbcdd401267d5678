"""Where a net is trained: device, processes and precision are Lightning Fabric's, which reads torchrun's environment itself."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ..compiler.diagnostics import Failure
from ..runtime.faults import RuntimeFault
from ..runtime.packages import import_package
from .recipe.recipe import Recipe
from .surroundings import surroundings_restored

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
Answer = TypeVar("Answer")
DEVICES = ("auto", "cpu", "cuda", "mps")


@contextmanager
def open_fabric(
    recipe: Recipe, device: str = "auto", *, all_used: bool = True, given: Fabric | None = None
) -> Iterator[Fabric]:
    """The processes of a run, in a `with` block that leaves torch and this Python process as they were; or those that are `given`.

    Raises as start_fabric does.
    """
    if given is not None:
        yield given
        return
    import_libraries()
    with surroundings_restored():
        yield start_fabric(recipe, device, all_used)


def import_libraries() -> None:
    """Raises Failure `package-missing` where the extra is not installed."""
    try:
        import_package("lightning_fabric", "training a net")
    except RuntimeFault as fault:
        raise Failure.of(fault) from fault


def start_fabric(recipe: Recipe, device: str = "auto", all_used: bool = True) -> Fabric:
    """The processes of this run on their devices, deterministic where torch can be.

    `all_used`: each trained parameter gets a gradient at every step. Raises Failure `device-unavailable` where there is no such device.
    """
    prepare_environment()
    import torch
    from lightning_fabric import Fabric

    if device not in DEVICES:
        raise Failure(
            "device-unavailable",
            f"there is no device `{device}` for training",
            f"the devices are {', '.join(DEVICES)}",
            2,
        )
    kind = choose_device() if device == "auto" else device
    if (kind == "cuda" and not torch.cuda.is_available()) or (kind == "mps" and not torch.backends.mps.is_available()):
        raise Failure("device-unavailable", f"torch finds no `{kind}` device here", "archc doctor says what is wrong; --device cpu trains without", 3)  # fmt: skip
    if kind == "cuda" and is_launched():
        refuse_lacking_gpus(local_processes(int(os.environ["WORLD_SIZE"])), torch.cuda.device_count())
    if recipe.precision == "fp16" and kind == "cpu":
        raise Failure("device-unavailable", "half floats are trained on a GPU, and this is the CPU",
                      "take `precision: bf16`, which needs no scaling of gradients, or fp32", 3)  # fmt: skip
    torch.use_deterministic_algorithms(True, warn_only=True)
    # it would write over all memory first, to show who reads what nobody wrote
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    quieten()
    fabric = Fabric(accelerator=kind, precision=PRECISIONS[recipe.precision], **processes(all_used))  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def refuse_lacking_gpus(processes: int, gpus: int) -> None:
    """Raises Failure `device-unavailable` where this machine has more processes of the run than GPUs: each needs one of its own."""
    if processes > gpus:
        raise Failure("device-unavailable", f"{processes} processes were started on this machine, and torch finds {gpus} GPU{'s' * (gpus != 1)}",
                      f"start one a GPU: torchrun --nproc-per-node {gpus}, or --nproc-per-node gpu", 3)  # fmt: skip


def prepare_environment() -> None:
    """What must be set before CUDA is used: cuBLAS adds in one order only with a workspace of one size."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def choose_device() -> str:
    """A GPU where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"


def processes(all_used: bool) -> dict[str, Any]:
    """Fabric's arguments for the processes that torchrun has started; one process without torchrun.

    With over two processes the order in which gradients are added must not change after the first step, as DDP's does when it
    makes its buckets anew; searching for unused parameters keeps it.
    """
    if not is_launched():
        return {"devices": 1, "strategy": "auto"}
    from lightning_fabric.strategies.ddp import DDPStrategy

    world = int(os.environ["WORLD_SIZE"])
    if world == 1:
        return {"devices": 1, "strategy": "auto"}
    local = local_processes(world)
    return {"devices": local, "num_nodes": max(world // local, 1),
            "strategy": DDPStrategy(find_unused_parameters=not all_used or world > 2)}  # fmt: skip


def is_launched() -> bool:
    """Whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ and "WORLD_SIZE" in os.environ


def is_first() -> bool:
    """Whether this is the first of the processes that torchrun has started, or the only one."""
    return global_rank() == 0


def ask_first(fabric: Fabric, question: Callable[[], Answer]) -> Answer:
    """What the first process answers, in all processes. Each would ask the disk at another moment, and find there what another has written.

    A Failure of the first process is raised in all of them.
    """
    if fabric.world_size == 1:
        return question()
    told: tuple[Any, Any] = None, None
    if fabric.is_global_zero:
        try:
            told = question(), None
        except Failure as failure:
            told = None, (failure.code, failure.message, failure.help, failure.exit_code)
    answer, failed = fabric.broadcast(told)
    if failed is not None:
        raise Failure(*failed)
    found: Answer = answer
    return found


def local_processes(world_size: int) -> int:
    """How many processes of a run share this machine, as torchrun says."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if world_size > 1 else 1


def global_rank() -> int:
    """The number of this process among all; 0 without torchrun. Known before torch is imported."""
    return int(os.environ.get("RANK", "0")) if is_launched() else 0


def quieten() -> None:
    """Fabric and torch say on standard error what the run says itself, or what its user cannot change."""
    import logging

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning_fabric")
    warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
