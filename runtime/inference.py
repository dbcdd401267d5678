"""onnxruntime's sessions: how they are made, on which device, and what one of them answers.

Sessions of onnxruntime are made and run nowhere else. Only providers.py, worker.py and the doctor import it besides, to ask which devices
it has, and to have it in memory before a limit is set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .faults import RuntimeFault
from .providers import PROVIDERS, DeviceChoice, choose_device
from .refusals import explain_load

if TYPE_CHECKING:
    from .profile.record import Recording

FATAL_ONLY = 4
FAILING_NODE = re.compile(r"running (\w+) node\. Name:'([^']*)'")
NO_MEMORY = re.compile(r"bad.?alloc|failed to allocate memory|out of memory", re.IGNORECASE)


def session_options(threads: int | None, optimize: bool = True) -> Any:
    """onnxruntime's SessionOptions. With `threads` None onnxruntime chooses; `optimize` False runs the graph as it is in the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    if threads:
        options.intra_op_num_threads = threads
    if threads != 1:
        # on a busy machine spinning threads take the core that the work needs (1.5 to 2.3 times slower, measured)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return options


def create_cpu_session(model: str | Path | bytes, threads: int = 1, optimize: bool = True) -> Any:
    """An onnxruntime.InferenceSession on the CPU: what a build is proved with. Raises RuntimeFault `model-refused`."""
    return create_ort_session(model, session_options(threads, optimize), (PROVIDERS["cpu"],))


def create_ort_session(model: str | Path | bytes, options: Any, providers: Sequence[Any]) -> Any:
    """An onnxruntime.InferenceSession of a file, or of a model's bytes.

    Raises RuntimeFault `model-refused`, and MemoryError where there is not enough memory.
    """
    import onnxruntime

    # what it has to say arrives as a fault
    onnxruntime.set_default_logger_severity(FATAL_ONLY)
    try:
        return onnxruntime.InferenceSession(model_source(model), options, providers=list(providers))
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
    path: Path, device: str, threads: int | None, create: Create = create_ort_session
) -> tuple[Any, DeviceChoice]:
    """A session on `device`, and the choice that was made. Where CUDA fails, `auto` takes the CPU and gives the reason.

    `create` makes the session where that is the CPU. Raises RuntimeFault where a device other than `auto` cannot be used, or the model does not load on any.
    """
    choice = choose_device(device)
    if choice.device == "cpu":
        return create(path, session_options(threads), choice.providers), choice
    options = session_options(threads)
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = create_ort_session(path, options, choice.providers)
        why = "" if session.get_providers()[0] == PROVIDERS[choice.device] else "onnxruntime did not take it"
    except RuntimeFault as fault:
        why = fault.message
    except MemoryError:
        why = "there is not enough memory for the model"
    if not why:
        return session, choice
    cpu = DeviceChoice("cpu", (PROVIDERS["cpu"],), f"{choice.device} cannot be used: {why}", gpu_unusable=True)
    # raises where the CPU cannot load the model either: then the model is at fault, not the device
    fallback = create(path, session_options(threads), cpu.providers)
    if device == "auto":
        return fallback, cpu
    raise RuntimeFault("device-unavailable", f"the device {device} cannot be used: {why}",
                       "archc doctor says what is missing", 3)  # fmt: skip


class Engine:
    """A model in onnxruntime, in this process."""

    # why it runs in a process of its own
    doubt = ""

    def __init__(self, path: Path, device: str, threads: int | None, create: Create = create_ort_session) -> None:
        """`create` makes the session on the CPU. Raises RuntimeFault for a model that does not load, and for a device that cannot be used."""
        self.path, self.threads = path, threads
        self.session, self.choice = create_device_session(path, device, threads, create)

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
        return run_session(self.session, names, arrays)

    def count_nodes(self, names: Sequence[str], arrays: Mapping[str, Any]) -> dict[str, int]:
        """How many nodes each provider ran in one profiled run of the model's own file; raises as `run` does."""
        import json
        from collections import Counter
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            options = session_options(self.threads)
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "run")
            profiled = create_ort_session(self.path, options, self.choice.providers)
            run_session(profiled, names, arrays)
            events = json.loads(Path(profiled.end_profiling()).read_text())
        ran = {e["name"]: e["args"]["provider"] for e in events if e.get("args", {}).get("provider")}
        return dict(Counter(ran.values()))

    def record(self, names: Sequence[str], arrays: Mapping[str, Any], runs: int, warm_up: int) -> Recording:
        """What onnxruntime measures of its kernels in `runs` runs after `warm_up`; raises as `run` does."""
        from .profile.record import record

        return record(self.path, session_options(self.threads), self.choice.providers, names, arrays, runs, warm_up)


def run_session(session: Any, names: Sequence[str], arrays: Mapping[str, Any]) -> list[Any]:
    """What an onnxruntime.InferenceSession answers. Raises MemoryError where it lacks memory."""
    try:
        return list(session.run([*names], dict(arrays)))
    # onnxruntime's own exceptions share no root but this
    except Exception as error:
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
