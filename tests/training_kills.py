"""Training runs in processes of their own that are killed at a step, and resumed: one process imports torch once and forks for each.

Processes of several are what torchrun would start: they find each other by its variables.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

ROOT = Path(__file__).parent.parent

PROGRAM = """
import json, os, signal, sys, traceback
sys.path.insert(0, sys.argv[1])
import numpy as np, torch
import lightning_fabric, torch._dynamo, torch.distributed.optim, torch.optim.swa_utils, safetensors.torch
import archc.training.driver, archc.training.members, archc.training.requests, archc.training.metrics, archc.training.rewind
import archc.training.data.loader, archc.compiler.backends.torch.module, archc.compiler.weights.seeded
from archc.training import resume, train
from archc.training.data import TrainingData
from archc.training.data.pictures import ArrayPictures
from archc.training.watching import Watcher
from pathlib import Path
torch.set_num_threads(1)
random = np.random.default_rng(3)
images, targets = random.integers(0, 256, (67, 8, 8), np.uint8), random.integers(0, 3, 67)
data = TrainingData(ArrayPictures(images[:49], targets[:49], 3, "a"), ArrayPictures(images[49:], targets[49:], 3, "b"), ("x", "y", "z"), "")

class Kill(Watcher):
    def __init__(self, how, at):
        self.how, self.at = how, at
    def tick(self, step, epoch):
        if step == self.at:
            os.kill(os.getpid(), getattr(signal, self.how))

def run(spec, recipe, output, how, at, rank, world, port, epochs):
    if world > 1:
        os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), LOCAL_WORLD_SIZE=str(world), GROUP_RANK="0",
                          TORCHELASTIC_RUN_ID="test", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), OMP_NUM_THREADS="1")
    # each of the processes is told, as when a machine goes down
    watchers = [Kill(how, at)] if how else []
    if (Path(output) / "run.json").exists():
        return resume(output, data=data, epochs=epochs, watchers=watchers, device="cpu")
    return train(spec, recipe, data=data, output=output, watchers=watchers, device="cpu")

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
            except BaseException:
                traceback.print_exc()
                os._exit(70)
        children.append(child)
    codes = {}
    while len(codes) < len(children):
        child, status = os.wait()
        codes[child] = os.waitstatus_to_exitcode(status)
        if codes[child]:
            for other in set(children) - set(codes):
                os.kill(other, signal.SIGKILL)
    print(json.dumps([codes[child] for child in children]), flush=True)
"""


class Course(NamedTuple):
    """How a net is trained here: its recipe as text, and by how many processes."""

    recipe: str
    world: int = 1


class Trainer:
    """Trains nets, each run in processes of its own; to be used in a `with` block."""

    def __enter__(self) -> Trainer:
        command = [sys.executable, "-c", PROGRAM, str(ROOT)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = 29_600 + self.process.pid % 20_000
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
        at: int = 0,
        epochs: int | None = None,
    ) -> list[int]:
        """Begins a run, or goes on with that in `output`; at the step `at` it gets the signal `how`. Gives the processes' exit codes."""
        self.port += 1
        request = {"spec": str(spec), "recipe": str(recipe), "output": str(output), "how": how, "at": at, "world": world,
                   "port": self.port, "epochs": epochs}  # fmt: skip
        assert self.process.stdin and self.process.stdout
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return [int(code) for code in json.loads(self.process.stdout.readline())]
