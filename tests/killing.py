"""Builds in processes of their own, in which the n-th step towards the disk fails or ends the process, or that are killed at any time.

A step is a call that changes the disk, or waits for it, or a write to a file. safetensors writes by itself, which no wrapper of
Python's sees: there the system's own limit on the size of a file cuts a write off, at any byte.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple

EXTERNAL_OVER = 1000  # bytes: a small net has two files then

# one process imports everything once, and forks for each build
PROGRAM = """
import io, json, os, resource, signal, sys, time, traceback, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[2])
import archc, archc.compiler.files, archc.compiler.destinations, safetensors.numpy, tempfile
import archc.compiler.backends.torch.source
from archc.build.build import build
from archc.compiler.backends.onnx import write
from archc.compiler.diagnostics import Failure
write.export_onnx.__kwdefaults__["external_over"] = int(sys.argv[1])
CALLS = ("fsync", "replace", "rename", "mkdir", "chmod", "chown", "unlink", "rmdir")
done = 0

def counted(real, how, at):
    def step(*arguments, **keywords):
        global done
        done += 1
        if done == at and how == "kill before":
            os.kill(os.getpid(), signal.SIGKILL)
        if done == at and how.startswith("fail"):
            raise OSError(int(how.split()[1]), "made to fail")
        result = real(*arguments, **keywords)
        if done == at and how == "kill after":
            os.kill(os.getpid(), signal.SIGKILL)
        if done == at and how == "interrupt after":
            raise KeyboardInterrupt
        return result
    return step

class File:
    def __init__(self, file, how, at):
        self.file, self.write = file, counted(file.write, how, at)
    def __enter__(self):
        return self
    def __exit__(self, *error):
        self.file.close()
    def __getattr__(self, name):
        return getattr(self.file, name)

def prepare(how, at, writes):
    if how.startswith("limit"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (at, -1))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL if how == "limit kills" else signal.SIG_IGN)
        return
    for name in CALLS:
        setattr(os, name, counted(getattr(os, name), how, at))
    real = io.open
    if writes:
        io.open = lambda path, mode="r", *rest: (
            File(real(path, mode, *rest), how, at) if set(mode) & set("wx+") else real(path, mode, *rest)
        )

def one(spec, kind, output, seed, how, at, writes):
    checked = archc.load(spec).checked
    if how:
        prepare(how, at, writes)
    try:
        build(checked, exports=(kind,), output=output, seed=seed, proof="none")
    except Failure as failure:
        return failure.exit_code, failure.code
    except KeyboardInterrupt:
        return 130, "interrupted"
    return 0, done

with tempfile.TemporaryDirectory() as folder:
    for kind in ("onnx", "torch"):  # what a first build imports
        build(archc.load("lenet5_modern").checked, exports=(kind,), output=f"{folder}/m.py", proof="none")

for line in sys.stdin:
    request = json.loads(line)
    delay = request.pop("delay")
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            code, said = one(**request)
            os.write(writing, str(said).encode())
            os._exit(code)
        except BaseException:
            traceback.print_exc()
            os._exit(70)
    os.close(writing)
    if delay is not None:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    with open(reading) as said:
        print(json.dumps([os.waitstatus_to_exitcode(status), said.read()]), flush=True)
"""

How = Literal[
    "",
    "count",
    "fail 28",
    "fail 5",
    "fail 18",
    "kill before",
    "kill after",
    "interrupt after",
    "limit fails",
    "limit kills",
]


class Ended(NamedTuple):
    """How a build ended: its exit code, negative for a signal, and the code of a failure, or how many steps it took."""

    code: int
    said: str


class Builder:
    """Builds specs, each in a process of its own; to be used in a `with` block."""

    def __enter__(self) -> Builder:
        root = str(Path(__file__).parent.parent)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(EXTERNAL_OVER), root],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.communicate(timeout=60)

    def build(self, spec: Path, output: Path, seed: int, how: How = "", at: int = 0, *, writes: bool = True,
              delay: float | None = None) -> Ended:  # fmt: skip
        """Builds to `output`, of the kind that its suffix says. `how` says what becomes of the step `at`, from 1, or of a file's
        byte `at`; with `delay` the process is killed after so many seconds."""
        kind = "torch" if output.suffix == ".py" else "onnx"
        request = {"spec": str(spec), "kind": kind, "output": str(output), "seed": seed, "how": how, "at": at,
                   "writes": writes, "delay": delay}  # fmt: skip
        assert self.process.stdin and self.process.stdout
        print(json.dumps(request), file=self.process.stdin, flush=True)
        return Ended(*json.loads(self.process.stdout.readline()))
