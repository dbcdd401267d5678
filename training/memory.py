"""What a training step takes of memory, and which batch fits: said before the run where it cannot fit, and after a step that did not.

What is certain is weights, gradients, the optimizer's state, the average of the weights and what is kept for the backward pass
(compiler/analysis/training_memory.py). What comes and goes in the backward pass, and what the convolutions work in, is an estimate: a batch
is refused for what is certain alone, and the one that is named as fitting has the estimate counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..compiler.analysis.training_memory import bytes_of, saved_bytes
from ..compiler.counts import format_bytes
from ..compiler.diagnostics import Failure
from .machine_memory import available_bytes
from .optimizers import count_state

if TYPE_CHECKING:
    from ..compiler.ir.graph import Graph
    from .recipe.recipe import Recipe

# of what float32 keeps for the backward pass, half floats keep this share at least: measured 0.50 to 0.62 on nets of the zoo
HALF_LEAST, HALF_LIKELY = 0.5, 0.65
# how many of the largest activation come and go at once: its gradient, its input's, and what the convolution works in
PASSING = 4
# of what is there: an allocator cannot give all of it in one piece
USABLE = 0.95


class StepMemory(NamedTuple):
    """The bytes of a training step: `copies` are the weights as half floats, `average` the EMA's; `image` is kept for each picture at least, `likely`
    with what comes and goes."""

    weights: int
    gradients: int
    optimizer: int
    average: int
    copies: int
    once: int
    image: int
    likely: int

    @property
    def fixed(self) -> int:
        """What does not grow with the batch."""
        return self.weights + self.gradients + self.optimizer + self.average + self.copies + self.once

    def least(self, pictures: int) -> int:
        """What a pass of so many pictures certainly takes."""
        return self.fixed + pictures * self.image

    def total(self, pictures: int) -> int:
        """What it takes, with what comes and goes as an estimate."""
        return self.fixed + pictures * self.likely

    def largest(self, available: int) -> int:
        """The most pictures that one pass can have; 0 where not one fits."""
        return max(int((USABLE * available - self.fixed) // max(self.likely, 1)), 0)


def measure_step(graph: Graph, recipe: Recipe) -> StepMemory:
    """What a step of a training graph takes under a recipe, in one process."""
    params = graph.params()
    sizes = {name: param.elements * param.dtype.size_bytes for name, param in params.items()}
    learned = {name for name, param in params.items() if not param.buffer}
    trained = sum(sizes[name] for name in learned if not is_frozen(name, recipe))
    image, once = saved_bytes(graph)
    given = sum(map(bytes_of, graph.inputs))
    passing = PASSING * max(
        map(bytes_of, (node.output for node in graph.nodes if not node.output.type.is_control)), default=0
    )
    half = recipe.precision != "fp32"
    # which activations are kept behind frozen steps, nobody has counted
    least = 0 if recipe.freeze else int(image * (HALF_LEAST if half else 1))
    likely = int((image + passing) * (HALF_LIKELY if half else 1))
    return StepMemory(
        weights=sum(sizes.values()),
        gradients=trained,
        optimizer=trained * count_state(recipe.optimizer),
        average=sum(sizes.values()) if recipe.ema else 0,
        copies=sum(sizes[name] for name in learned) // 2 if half else 0,
        once=once,
        image=given + least,
        likely=given + likely,
    )


def is_frozen(name: str, recipe: Recipe) -> bool:
    """Whether a parameter is of a step that is not trained."""
    return any(name.startswith(f"{path}.") for path in recipe.freeze)


def batch_of_process(recipe: Recipe, world_size: int) -> int:
    """The pictures of one pass of one process. Raises Failure `batch-share` where the batch is not so many equal parts."""
    parts = world_size * recipe.accumulate
    if recipe.batch % parts:
        shares = " and ".join([f"{world_size} processes"] * (world_size > 1) + [f"{recipe.accumulate} passes a step"] * (recipe.accumulate > 1))  # fmt: skip
        lower = recipe.batch // parts * parts or parts
        raise Failure("batch-share", f"a batch of {recipe.batch} is not shared equally by {shares}",
                      f"take a multiple of {parts}: --set batch={lower}", 2)  # fmt: skip
    return recipe.batch // parts


def refuse_large_batch(graph: Graph, recipe: Recipe, device: str, *, world_size: int = 1, processes: int = 1,
                       available: int | None = None) -> StepMemory:  # fmt: skip
    """What a step takes. `processes` of the run share this machine's memory where `device` is "cpu".

    Called before the net is on the device. Raises Failure `batch-too-large` where the batch certainly does not fit.
    """
    memory = measure_step(graph, recipe)
    free = available if available is not None else available_bytes(device)
    if free is None:
        return memory
    free //= processes if device == "cpu" else 1
    if memory.least(batch_of_process(recipe, world_size)) > free:
        raise describe_large_batch(memory, recipe, device, world_size, memory.largest(free), free)
    return memory


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is out: Python's, torch's of a GPU, or that of torch's allocator on the CPU."""
    kinds = [base.__name__ for base in type(error).__mro__]
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or "OutOfMemoryError" in kinds
        or (isinstance(error, RuntimeError) and ("not enough memory" in text or "can't allocate memory" in text))
    )


def failed_batch(memory: StepMemory, recipe: Recipe, device: str, *, world_size: int = 1, processes: int = 1,
                 available: int | None = None) -> Failure:  # fmt: skip
    """What is told when a step ran out of memory: the largest batch that should fit, which is less than the one that did not.

    Called when the step's tensors are gone, and the net and the optimizer's state are still there.
    """
    free = available if available is not None else available_bytes(device)
    tried = batch_of_process(recipe, world_size)
    held = memory.weights + memory.optimizer + memory.average
    fits = memory.largest(free // (processes if device == "cpu" else 1) + held) if free is not None else tried // 2
    return describe_large_batch(memory, recipe, device, world_size, fits if fits < tried else tried // 2, free)


def describe_large_batch(memory: StepMemory, recipe: Recipe, device: str, world_size: int, fits: int, free: int | None) -> Failure:  # fmt: skip
    """The Failure for a batch of which one pass can have `fits` pictures."""
    tried = batch_of_process(recipe, world_size)
    at_once = f" ({tried:,} at once)" if tried != recipe.batch else ""
    has = f", and {device} has {format_bytes(free)} left" if free is not None else f" on {device}"
    message = f"a batch of {recipe.batch:,}{at_once} does not fit in memory: it takes about {format_bytes(memory.total(tried))}{has}"
    if not fits:
        return Failure("batch-too-large", f"{message}; not even one picture at once fits", "take a smaller net or smaller pictures, --set precision=bf16, or a larger machine", 3)  # fmt: skip
    batch = fits * world_size * recipe.accumulate
    parts = split_batch(recipe.batch, world_size, fits)
    keep = f"; --set accumulate={parts} keeps the batch of {recipe.batch:,}, in {parts} parts a step" if parts else ""
    return Failure("batch-too-large", f"{message}; the largest that fits is {batch:,}", f"--set batch={batch}{keep}", 3)


def split_batch(batch: int, world_size: int, fits: int) -> int | None:
    """In how many equal parts a global batch fits; None where it has no such parts."""
    each, rest = divmod(batch, world_size)
    return (
        None
        if rest
        else next((parts for parts in range(2, each + 1) if each % parts == 0 and each // parts <= fits), None)
    )
