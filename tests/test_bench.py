"""`archc bench`: contenders in processes of their own; a difference within the noise is not called one."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from archc.build.torch_runner import choose_torch_device
from archc.runtime.bench.contender import Contender
from archc.runtime.bench.energy import find_counters, measure_joules, processor_counters
from archc.runtime.bench.models import open_runner
from archc.runtime.bench.nvml import find_gpus
from archc.runtime.bench.statistics import compare_rounds, summarize
from archc.runtime.faults import PictureFault, RuntimeFault

from .cuda_trouble import break_cuda
from .fake_runners import OnCpu, OnCuda
from .program import program

SPEC = """archspec: 1
name: small
input: {image: [3, 8, 8]}
graph:
  - conv: {out: 4, kernel: 3}
  - relu:
  - global_avg_pool:
  - linear: 5
"""


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SPEC, "utf-8")
    return program(capsys)


def test_models_specs_and_torch_are_timed(run):
    assert run("build", "small.yaml", "-o", "small.onnx", "--proof", "none").code == 0
    ran = run(
        "bench",
        "small.onnx",
        "small.yaml",
        "--against",
        "torch",
        "--batch",
        "1,4",
        "--seconds",
        "0.1",
        "--threads",
        "1",
        "--format",
        "json",
    )
    assert ran.code == 0, ran.err
    timings = json.loads(ran.out)["timings"]
    assert [(each["model"], each["batch"]) for each in timings] == [
        (name, batch) for batch in (1, 4) for name in ("small.onnx", "small.yaml", "torch eager")
    ]
    for each in timings:
        assert each["latency_ms"]["p50"] > 0 and each["images_per_s"] > 0 and each["start_ms"] > 0
        assert (each["against_first"] is None) == (each["model"] == "small.onnx")
        assert each["joules_per_image"] is not None or each["why_no_energy"]
        assert each["device"] in ("cpu", "cuda") and each["reason"]


def test_the_answer_for_people(run):
    ran = run("bench", "small.yaml", "--against", "small.yaml", "--seconds", "0.1")
    assert (ran.code == 0 and "p50 ms" in ran.out and "small.yaml and small.yaml" in ran.out) or "times as" in ran.out


BAD = {
    "no such model": (("nothing.onnx",), 2, "no-such-model"),
    "no such spec": (("nothing",), 2, "no-such-spec"),
    "a list of batches": (("small.yaml", "--batch", "1,x"), 2, "1,8,64"),
    "a batch of none": (("small.yaml", "--batch", "0"), 2, "1,8,64"),
    "a batch that is fixed": (("fixed.onnx", "--batch", "3"), 2, "2 images at once, not 3"),
    "torch of a model from elsewhere": (("other.onnx", "--against", "torch"), 1, "models that archc built"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_requests(run, name):
    import onnx

    arguments, code, word = BAD[name]
    assert run("build", "small.yaml", "-o", "fixed.onnx", "--batch", "2", "--proof", "none").code == 0
    model = onnx.load("fixed.onnx")
    del model.metadata_props[:]
    onnx.save(model, "other.onnx")
    ran = run("bench", "--seconds", "0.1", *arguments)
    assert ran.code == code and word in ran.err, ran.err


@pytest.mark.parametrize("driver", [False, True])
def test_auto_says_why_where_a_gpu_seems_to_be_here(run, monkeypatch, driver):
    """A contender's process is not this one, so that what is opened there is looked at here."""
    reason = break_cuda(monkeypatch, driver)
    assert run("build", "small.yaml", "-o", "small.onnx", "--proof", "none").code == 0
    opened = open_runner("small.onnx", "auto", {}, 1, trust=False, cache=False)
    opener = partial(OnCpu, opened.reason, opened.gpu_unusable)
    monkeypatch.setattr("archc.cli.bench.onnx_contender", lambda name, *_, **__: Contender(name, opener, ()))
    words = ("bench", "small.onnx", "--batch", "1,2", "--seconds", "0.01")
    assert [each["reason"] for each in json.loads(run(*words, "--format", "json").out)["timings"]] == [reason] * 2
    assert run(*words).out.count(f"small.onnx on cpu: {reason}\n") == int(driver)


@pytest.mark.parametrize(
    "device, has_cuda, told",
    [
        ("cpu", True, ("cpu", "asked for")),
        ("cuda", True, ("cuda", "asked for")),
        ("auto", True, ("cuda", "a CUDA device works")),
        ("auto", False, ("cpu", "torch has no CUDA here")),
        ("openvino", True, ("cpu", "torch is not run on openvino")),
    ],
)
def test_where_torch_runs_and_why(monkeypatch, device, has_cuda, told):
    monkeypatch.setattr("torch.cuda.is_available", lambda: has_cuda)
    assert choose_torch_device(device) == told


def rounds(chance: np.random.Generator, scale: float, noise: float, count: int = 60) -> tuple[list[float], list[float]]:
    """Times of two contenders, one `scale` times the other, on a machine that drifts; each round has noise of its own."""
    drift = np.exp(np.cumsum(chance.normal(0, 0.02, count)))
    ours, theirs = (drift * np.exp(chance.normal(0, noise, count)) for _ in range(2))
    return list(ours), list(scale * theirs)


@pytest.mark.parametrize(
    ("scale", "noise", "least", "most"), [(1.0, 0.05, 0, 8), (1.0, 0.3, 0, 8), (1.2, 0.03, 95, 100), (1.02, 0.3, 0, 8)]
)
def test_a_difference_within_the_noise_is_not_called_one(scale, noise, least, most):
    told = sum(compare_rounds(*rounds(np.random.default_rng(seed), scale, noise)).beyond_noise for seed in range(100))
    assert least <= told <= most


def test_a_disturbance_of_many_rounds_is_not_called_a_difference():
    told = 0
    for seed in range(100):
        chance, times = np.random.default_rng(seed), np.zeros((2, 60))
        for at in range(1, 60):
            times[:, at] = 0.8 * times[:, at - 1] + chance.normal(0, 0.05, 2)
        told += compare_rounds(*np.exp(times).tolist()).beyond_noise
    assert told <= 4


def test_a_difference_is_about_the_ratio():
    found = compare_rounds(*rounds(np.random.default_rng(3), 2.0, 0.02))
    assert (
        found.beyond_noise and found.low < found.ratio < found.high < 1 and found.ratio == pytest.approx(0.5, rel=0.05)
    )


@pytest.mark.parametrize(
    ("count", "known"), [(5, (True, False, False)), (10, (True, True, False)), (100, (True, True, True))]
)
def test_a_quantile_is_told_where_there_are_runs_for_it(count, known):
    assert tuple(each is not None for each in summarize([1e-3] * count)) == known


def test_the_processors_energy(tmp_path):
    assert processor_counters(tmp_path)[1]
    package = tmp_path / "intel-rapl:0"
    package.mkdir()
    (package / "max_energy_range_uj").write_text("10000000")
    (package / "energy_uj").write_text("9000000")
    (tmp_path / "intel-rapl:0:0").mkdir()
    counters, why = processor_counters(tmp_path)
    assert len(counters) == 1 and not why
    # it begins again at its end
    assert measure_joules(counters, lambda: (package / "energy_uj").write_text("2000000")) == pytest.approx(3.0)


@pytest.mark.parametrize("kind", [RuntimeFault, PictureFault])
def test_a_fault_goes_from_process_to_process_whole(kind):
    found = pickle.loads(pickle.dumps(kind("run-failed", "it stopped", "again", 3)))
    assert (type(found), found.code, found.message, found.help, found.exit_code) == (
        kind,
        "run-failed",
        "it stopped",
        "again",
        3,
    )


class FakeNvml:
    """NVML of a machine with two GPUs: what is in use on the second is what `used` says."""

    def __init__(self, used: Iterable[int]) -> None:
        self.used = iter(used)

    def nvmlInit(self) -> None: ...

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return SimpleNamespace(used=next(self.used) if handle else 100)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        return 5000 if handle == 0 else 7000


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[FakeNvml | None], None]]:
    def install(fake: FakeNvml | None) -> None:
        find_gpus.cache_clear()
        monkeypatch.setitem(sys.modules, "pynvml", fake)

    yield install
    find_gpus.cache_clear()


def test_the_memory_of_a_gpu_is_what_each_takes_of_it(nvml: Callable[[FakeNvml | None], None]) -> None:
    """It is read around the opening and each warm-up, of one contender after the other; all GPUs count, whatever their order."""
    nvml(FakeNvml([0, 40, 40, 70, 70, 75, 75, 90]))
    with Contender("a", OnCuda, ()) as a, Contender("b", OnCuda, ()) as b:
        a.warm_up(1, 1)
        b.warm_up(1, 1)
        assert (a.device_bytes, b.device_bytes) == (45, 45)
        assert [counter.read() for counter in find_counters("cuda")[0]] == [5.0]


def test_the_memory_of_a_gpu_is_not_known_without_nvml(nvml: Callable[[FakeNvml | None], None]) -> None:
    nvml(None)
    with Contender("a", OnCuda, ()) as a:
        assert a.device_bytes is None
    assert "nvidia-ml-py" in find_counters("cuda")[1]


INTERRUPTED = """
import os, signal
from functools import partial
from archc.runtime.bench.contender import Contender
from archc.runtime.bench.models import open_runner

class Early(Contender):
    def receive(self):
        os.kill(self.process.pid, signal.SIGINT)
        return super().receive()

if __name__ == "__main__":
    with Early("a", partial(open_runner, "small.onnx", "cpu", {}, 1, False, False)) as contender:
        contender.requests.send(("run", 1, 1000))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of another kind")
def test_a_contender_says_nothing_of_an_interrupt(run):
    """Ctrl-C reaches all processes: one in which Python still starts, and one that answers when nobody reads any more."""
    assert run("build", "small.yaml", "-o", "small.onnx", "--proof", "none").code == 0
    Path("script.py").write_text(INTERRUPTED, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run([sys.executable, "script.py"], env=environment, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
