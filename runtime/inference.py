"""onnxruntime's sessions: how they are made, on which device, and what one of them answers.

Sessions of onnxruntime are made and run nowhere else. Only devices/, worker.py and the doctor import it besides, to ask which devices
it has, and to have it in memory before a limit is set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .binding import BoundRuns, binds
from .devices import PROVIDERS, DeviceChoice, choose_device, find_device
from .devices.device import CPU_NODES, NOTHING, write_option
from .devices.placement import add_provider, count_nodes, describe_elsewhere, locate_nodes
from .faults import RuntimeFault
from .refusals import explain_load

if TYPE_CHECKING:
    from .profile.record import Recording

FATAL_ONLY = 4
# what a run may give back at its end: the memory that the arena of a device holds
SHRINK = "memory.enable_memory_arena_shrinkage"
FAILING_NODE = re.compile(r"running (\w+) node\. Name:'([^']*)'")
# a tensor of 2**31 numbers or more, as cuDNN says it
TOO_LARGE = re.compile(r"CUDNN_STATUS_NOT_SUPPORTED.*cudnnSetTensorNdDescriptor", re.DOTALL)
# as the C++ library, onnxruntime's arena, CUDA, cuBLAS, cuDNN, OpenCL and Vulkan say it
NO_MEMORY = re.compile(r"bad.?alloc|failed to allocate memory|out.of.(\w+.)?memory|alloc(ation)?_failed", re.IGNORECASE)


def session_options(threads: int | None, optimize: bool = True) -> Any:
    """onnxruntime's SessionOptions. With `threads` None onnxruntime chooses; `optimize` False runs the graph as it is in the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    if threads:
        options.intra_op_num_threads = threads
    if threads != 1:
        # on a busy machine threads that spin take the core that the work needs, and a thread that is late keeps the others waiting,
        # the less the smaller its block is (docs/reference/devices.md has what was measured)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.dynamic_block_base", "4")
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def create_cpu_session(model: str | Path | bytes, threads: int = 1, optimize: bool = True) -> Any:
    """An onnxruntime.InferenceSession on the CPU: what a build is proved with. Raises RuntimeFault `model-refused`."""
    return create_ort_session(model, session_options(threads, optimize), (PROVIDERS["cpu"],))


def create_ort_session(model: str | Path | bytes, options: Any, providers: Sequence[Any]) -> Any:
    """An onnxruntime.InferenceSession of a file, or of a model's bytes, on `providers`; none where the options have them.

    Raises RuntimeFault `model-refused`, and MemoryError where there is not enough memory.
    """
    import onnxruntime

    # what it has to say arrives as a fault
    onnxruntime.set_default_logger_severity(FATAL_ONLY)
    try:
        # its fallback would print to standard output and go on to the CPU, here and in any run that fails
        return onnxruntime.InferenceSession(
            model_source(model), options, providers=[*providers] or None, enable_fallback=0
        )
    # onnxruntime's own exceptions share no root but this
    except Exception as error:
        if lacks_memory(error):
            raise MemoryError from None
        name = "the model" if isinstance(model, bytes) else f"`{model}`"
        why, help = explain_load(str(error), onnxruntime.__version__)
        raise RuntimeFault("model-refused", f"onnxruntime cannot load {name}: {why}", help) from None


def model_source(model: str | Path | bytes) -> str | bytes:
    """What onnxruntime takes: a path, or the model's bytes where the path is no UTF-8, which it cannot open."""
    if isinstance(model, bytes):
        return model
    try:
        str(model).encode()
        return str(model)
    except UnicodeEncodeError:
        return Path(model).read_bytes()


# makes a session on the CPU of the model at a path, with options and providers; cache/ makes it of the graph that it has of the model
Create = Callable[[Path, Any, Sequence[Any]], Any]


def create_device_session(
    path: Path,
    device: str,
    threads: int | None,
    asked: Mapping[str, str] = NOTHING,
    create: Create = create_ort_session,
) -> tuple[Any, DeviceChoice]:
    """A session on `device`, with its options as `asked`, and the choice that was made. Where CUDA fails, `auto` takes the CPU.

    `create` makes the session where that is the CPU. Raises RuntimeFault where a device other than `auto` cannot be used, or the model does not load on any.
    """
    choice = choose_device(device, asked, threads)
    if choice.device == "cpu":
        return create(path, session_options(threads), choice.providers), choice
    help = "archc doctor says what is missing"
    try:
        session = create_provider_session(path, choice, threads, choice.is_strict)
        if session.get_providers()[0] == PROVIDERS[choice.device]:
            return session, choice
        why = "onnxruntime did not take it"
    except RuntimeFault as fault:
        why = fault.message
        left = find_nodes_elsewhere(path, choice, threads)
        if left:
            why, help = (
                left,
                f"run on the device cpu; to run those nodes there: {write_option(CPU_NODES.name, 'allow')}",
            )
    except MemoryError:
        why = "there is not enough memory for the model"
    cpu = DeviceChoice("cpu", (PROVIDERS["cpu"],), f"{choice.device} cannot be used: {why}", gpu_unusable=True)
    # raises where the CPU cannot load the model either: then the model is at fault, not the device
    fallback = create(path, session_options(threads), cpu.providers)
    if device == "auto":
        return fallback, cpu
    raise RuntimeFault("device-unavailable", f"the device {device} cannot be used: {why}", help, 3)


def create_provider_session(path: Path, choice: DeviceChoice, threads: int | None, strict: bool) -> Any:
    """A session on a device that is not the CPU; with `strict` none of its nodes may run there. Raises as `create_ort_session` does."""
    options = session_options(threads)
    return create_ort_session(path, options, add_provider(options, choice, strict))


def find_nodes_elsewhere(path: Path, choice: DeviceChoice, threads: int | None) -> str:
    """Which nodes the device left to the CPU, in words; empty where it left none, or does not load at all."""
    if not choice.is_strict:
        return ""
    try:
        return describe_elsewhere(locate_nodes(create_provider_session(path, choice, threads, strict=False)))
    except (RuntimeFault, MemoryError):
        return ""


class Engine:
    """A model in onnxruntime, in this process. `nodes` says how many nodes each provider took; nothing on the CPU, which takes all."""

    # why it runs in a process of its own
    doubt = ""

    def __init__(
        self,
        path: Path,
        device: str,
        threads: int | None,
        asked: Mapping[str, str] = NOTHING,
        create: Create = create_ort_session,
    ) -> None:
        """`create` makes the session on the CPU. Raises RuntimeFault for a model that does not load, and for a device that cannot be used."""
        self.path, self.threads = path, threads
        self.session, self.choice = create_device_session(path, device, threads, asked, create)
        self.nodes = {} if self.choice.device == "cpu" else count_nodes(locate_nodes(self.session))
        self.bound = BoundRuns(self.session, self.choice) if binds(self.session, self.choice) else None

    def get_inputs(self) -> Sequence[Any]:
        """Its inputs, each with a name, a type in onnxruntime's words and a shape."""
        return list(self.session.get_inputs())

    def get_outputs(self) -> Sequence[Any]:
        """Its outputs, as its inputs."""
        return list(self.session.get_outputs())

    def get_providers(self) -> Sequence[str]:
        """The providers in the order in which they are asked."""
        return list(self.session.get_providers())

    def run(self, names: Sequence[str], arrays: Mapping[str, Any]) -> list[Any]:
        """The outputs `names` for arrays that fit its inputs. Raises what onnxruntime raises, and MemoryError where that lacks memory."""
        return run_session(self.bound or self.session, names, arrays)

    def give_memory_back(self, names: Sequence[str], arrays: Mapping[str, Any]) -> None:
        """Frees what onnxruntime keeps for runs to come, as it only does behind a run: of these small arrays. Raises as `run` does."""
        if self.bound:
            self.bound.forget()
        if arena := find_device(self.choice.device).arena:
            free_arena(self.session, names, arrays, arena.format(index=self.choice.settings.get("index", 0)))

    def record(self, names: Sequence[str], arrays: Mapping[str, Any], runs: int, warm_up: int) -> Recording:
        """What onnxruntime measures of its kernels in `runs` runs after `warm_up`; raises as `run` does."""
        from .profile.record import record

        return record(self.path, session_options(self.threads), self.choice.providers, names, arrays, runs, warm_up)


def free_arena(session: Any, names: Sequence[str], arrays: Mapping[str, Any], arena: str) -> None:
    """Has a session free its arena behind a run. The outputs get memory of their own, as one in the arena would hold on to it."""
    import numpy as np
    import onnxruntime

    outputs = [np.empty_like(found) for found in run_session(session, names, arrays)]
    binding = session.io_binding()
    for name, array in arrays.items():
        binding.bind_cpu_input(name, np.ascontiguousarray(array))
    for name, output in zip(names, outputs, strict=True):
        binding.bind_ortvalue_output(name, onnxruntime.OrtValue.ortvalue_from_numpy(output))
    how = onnxruntime.RunOptions()
    how.log_severity_level = FATAL_ONLY
    how.add_run_config_entry(SHRINK, arena)
    session.run_with_iobinding(binding, how)


class TensorTooLarge(MemoryError):
    """A tensor of more numbers than a device's library takes, whatever the memory. Its text says so."""


def run_session(session: Any, names: Sequence[str], arrays: Mapping[str, Any]) -> list[Any]:
    """What an onnxruntime.InferenceSession, or BoundRuns of one, answers. Raises MemoryError where it lacks memory, or a tensor is too large."""
    try:
        return list(session.run([*names], dict(arrays)))
    # onnxruntime's own exceptions share no root but this
    except Exception as error:
        if TOO_LARGE.search(str(error)):
            raise TensorTooLarge("cuDNN takes no tensor of 2,147,483,648 numbers or more") from None
        if lacks_memory(error):
            raise MemoryError from None
        raise


def lacks_memory(error: Exception) -> bool:
    """Whether an error of onnxruntime's says that there was not enough memory."""
    return isinstance(error, MemoryError) or bool(NO_MEMORY.search(str(error)))


def failing_node(error: Exception) -> str:
    """Where onnxruntime stopped, from its message: ` at the node `conv1` (Conv)`; empty where that does not say."""
    found = FAILING_NODE.search(str(error))
    if not found:
        return ""
    return f" at the node `{found[2]}` ({found[1]})" if found[2] else f" at a {found[1]} without a name"
