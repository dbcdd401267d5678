"""Training runs in processes of their own that are killed at a step, or while a file is written, and resumed: one process imports torch once
and forks for each.

Processes of several are what torchrun would start: they find each other by its variables.
"""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
# below those of connections that go out (Linux: from 32768 on, by itself), of which one may take any at any time
PORTS = range(20_000, 32_000)

PROGRAM = """
import errno, json, os, signal, sys, traceback
root, device = sys.argv[1:]
sys.path.insert(0, root)
import numpy as np, torch
import lightning_fabric, torch._dynamo, torch.distributed.optim, torch.optim.swa_utils, safetensors.torch
import archc.training.driver, archc.training.members, archc.training.requests, archc.training.metrics, archc.training.rewind
import archc.training.data.loader, archc.compiler.backends.torch.module, archc.compiler.weights.seeded
from archc.compiler import files
from archc.compiler.diagnostics import Failure
from archc.training import driver, resume, train
from archc.training.data import TrainingData
from archc.training.data.pictures import ArrayPictures
from archc.training.watching import Watcher
from pathlib import Path
torch.set_num_threads(1)
# the page at the end draws for a second, and is no part of what is compared
driver.report_run = lambda *_: []
random = np.random.default_rng(3)
images, targets = random.integers(0, 256, (67, 8, 8), np.uint8), random.integers(0, 3, 67)
data = TrainingData(ArrayPictures(images[:49], targets[:49], 3, "a"), ArrayPictures(images[49:], targets[49:], 3, "b"), ("x", "y", "z"), "")

class Kill(Watcher):
    def __init__(self, how, at):
        self.how, self.at = how, at
    def tick(self, step, epoch):
        if step == self.at:
            os.kill(os.getpid(), getattr(signal, self.how))

def end_writing(moment, name):
    # ends the process while the file of this name is written; `disk full` before a moment has the system refuse it there
    full, moment = moment.startswith("disk full "), moment.removeprefix("disk full ")
    def reached(path, when):
        if when != moment or Path(path).name != name:
            return
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os._exit(9)
    real_save, real_force, real_replace, real_unlink = safetensors.torch.save_file, files.force_to_disk, os.replace, Path.unlink
    def save(tensors, path, metadata=None):
        real_save(tensors, path, metadata=metadata)
        if moment == "half written" and Path(path).name == name:
            os.truncate(path, os.path.getsize(path) // 2)
        reached(path, "half written")
    def force(path):
        reached(path, "written")
        real_force(path)
    def replace(source, place):
        reached(place, "on the disk")
        real_replace(source, place)
        reached(place, "in its place")
    def unlink(path, **how):
        reached(path, "to be removed")
        real_unlink(path, **how)
    safetensors.torch.save_file, files.force_to_disk, os.replace, Path.unlink = save, force, replace, unlink

def run(spec, recipe, output, how, at, rank, world, port, epochs):
    # some of many processes have no picture to validate
    seen = data._replace(val=ArrayPictures(images[49:51], targets[49:51], 3, "b")) if world > 2 else data
    if world > 1:
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), LOCAL_WORLD_SIZE=str(world), GROUP_RANK="0",
                          TORCHELASTIC_RUN_ID="test", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), OMP_NUM_THREADS="1")
    # each of the processes is told, as when a machine goes down
    watchers = [Kill(how, at)] if isinstance(at, int) and how else []
    if isinstance(at, str):
        end_writing(how, at)
    if (Path(output) / "run.json").exists():
        return resume(output, data=seen, epochs=epochs, watchers=watchers, device=device)
    return train(spec, recipe, data=seen, output=output, watchers=watchers, device=device)

for line in sys.stdin:
    request = json.loads(line)
    children = []
    for rank in range(request["world"]):
        child = os.fork()
        if not child:
            sys.stdout = sys.stderr
            try:
                result = run(**request, rank=rank)
                os._exit(0 if result.reason == "finished" else 130)
            except Failure as failure:
                traceback.print_exc()
                os._exit(failure.exit_code)
            except BaseException:
                traceback.print_exc()
                os._exit(70)
        children.append(child)
    codes = {}
    while len(codes) < len(children):
        child, status = os.wait()
        codes[child] = os.waitstatus_to_exitcode(status)
        # a process that was asked to end (130) leaves the others to end by themselves; one that broke takes them along, as torchrun does
        if codes[child] not in (0, 130):
            for other in set(children) - set(codes):
                os.kill(other, signal.SIGKILL)
    print(json.dumps([codes[child] for child in children]), flush=True)
"""


def free_port() -> int:
    """A port at which processes of this machine can meet: one that nobody listens at, and that the system gives to no connection that goes out."""
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with socket.socket() as place, suppress(OSError):
            place.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("every port is taken")


class Course(NamedTuple):
    """How a net is trained here: its recipe as text, and by how many processes."""

    recipe: str
    world: int = 1


class Trainer:
    """Trains nets on a device, each run in processes of its own; to be used in a `with` block."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device

    def __enter__(self) -> Trainer:
        command = [sys.executable, "-c", PROGRAM, str(ROOT), self.device]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.communicate(timeout=60)

    def train(
        self,
        spec: Path,
        recipe: Path,
        output: Path,
        world: int = 1,
        how: str = "",
        at: int | str = 0,
        epochs: int | None = None,
    ) -> list[int]:
        """Begins a run, or goes on with that in `output`; at the step `at` it gets the signal `how`, or it ends while a file `at` is written, at
        the moment `how`. Gives the processes' exit codes."""
        request = {"spec": str(spec), "recipe": str(recipe), "output": str(output), "how": how, "at": at, "world": world,
                   "port": free_port() if world > 1 else 0, "epochs": epochs}  # fmt: skip
        assert self.process.stdin and self.process.stdout
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return [int(code) for code in json.loads(self.process.stdout.readline())]
