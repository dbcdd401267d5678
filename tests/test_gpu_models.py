"""Built models on a GPU, by onnxruntime: skipped where there is none (tests/gpu.py says how to rehearse it)."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from archc.runtime import RuntimeFault, Session, UntrainedWarning
from archc.runtime.devices import device_trouble

from .gpu import DEVICE, REHEARSAL, needs_gpu, only_on_a_card
from .program import Run, program

pytestmark = [
    pytest.mark.slow,
    needs_gpu(not device_trouble("cuda").cause),
    pytest.mark.filterwarnings(f"ignore::{UntrainedWarning.__module__}.{UntrainedWarning.__name__}"),
]
NETS = ("lenet5_modern", "resnet20_cifar_optA", "squeezenet1_1", "googlenet", "densenet121")


class Form(NamedTuple):
    """How a file is built, with which options of CUDA it is run, and how far it may answer from float32 on the CPU, of the largest number there."""

    build: Sequence[str]
    options: Mapping[str, str]
    far: float


FORMS = {
    "float32": Form((), {}, 1e-4),
    "exhaustive search": Form((), {"search": "exhaustive"}, 1e-4),
    "tf32": Form((), {"tf32": "on"}, 2e-2),
    "channels last": Form((), {"nhwc": "on"}, 1e-4),
    "tf32, channels last": Form((), {"tf32": "on", "nhwc": "on"}, 2e-2),
    "half floats": Form(("--precision", "fp16"), {}, 2e-2),
    "half floats, channels last": Form(("--precision", "fp16"), {"nhwc": "on"}, 2e-2),
    "half floats in and out": Form(("--precision", "fp16", "--io", "fp16"), {}, 2e-2),
    "weights as half floats": Form(("--store", "fp16"), {}, 2e-2),
    "8 bits": Form(("--precision", "int8"), {}, 0.5),
}
# a picture's first map has 2**23 numbers, a batch of 256 has 2**31
WIDE = """archspec: 1
name: wide
input: {image: [3, 64, 64]}
graph: [{name: first, conv: {out: 2048, kernel: 1}}, relu, global_avg_pool, {name: fc, linear: 3}]
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    return program(capsys)


def build(run: Run, net: str, *options: str) -> Path:
    if "int8" in options:
        sizes = archc_input(net)
        np.savez("calibration.npz", image=np.random.default_rng(1).standard_normal((16, *sizes), np.float32))
        options = (*options, "--calibrate", "calibration.npz")
    ran = run(
        "build",
        net,
        "-o",
        "net.onnx",
        "--proof",
        "none",
        *(("--max-error", "1") if "--precision" in options else ()),
        *options,
    )
    assert ran.code == 0, ran.err
    return Path("net.onnx")


def archc_input(net: str) -> tuple[int, ...]:
    from archc.compiler.driver import check

    graph = check(net).graph
    assert graph is not None
    return graph.inputs[0].type.sizes


def reference(run: Run, net: str, images: Any) -> Any:
    """The answers in float32 on the CPU."""
    return Session(build(run, net), device="cpu", cache=False).logits(images)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("net", NETS)
def test_it_answers_as_the_cpu(net: str, form: str, run: Run) -> None:
    images = np.random.default_rng(0).standard_normal((5, *archc_input(net)), np.float32)
    expected = reference(run, net, images)
    how = FORMS[form]
    session = Session(build(run, net, *how.build), device=DEVICE, options={} if REHEARSAL else how.options, cache=False)
    given = images.astype(np.float16) if form == "half floats in and out" else images
    # the arrays' place is kept for a shape, and another shape comes in between
    answers = [session.logits(given), session.logits(given[:2]), session.logits(given)]
    np.testing.assert_array_equal(answers[0], answers[2])
    assert np.abs(answers[0] - expected).max() <= how.far * np.abs(expected).max()
    if not REHEARSAL:
        assert set(session.nodes_by_provider()) == {"CUDAExecutionProvider"}, session.nodes_by_provider()


@only_on_a_card
def test_doctor_finds_the_card(run: Run) -> None:
    findings = {each["name"]: each for each in json.loads(run("doctor", "--format", "json").out)["findings"]}
    assert findings["cuda"]["ok"], findings["cuda"]


def test_commands_say_where_they_ran(run: Run) -> None:
    from PIL import Image
    from skimage import data

    Image.fromarray(data.chelsea()).save("cat.jpg")
    model = str(build(run, "squeezenet1_1"))
    ran = run("run", model, "cat.jpg", "cat.jpg", "--device", DEVICE, "--top", "1")
    assert ran.code == 0 and f"on {DEVICE}" in ran.out + ran.err, ran.out + ran.err
    for kind in ("a", "b"):
        Path("pictures", kind).mkdir(parents=True)
        Image.fromarray(data.chelsea()).save(f"pictures/{kind}/cat.jpg")
    Path("labels.txt").write_text("a\nb\n", "utf-8")
    small = build(run, "lenet5_modern", "--set", "classes=2")
    ran = run("eval", str(small), "pictures", "--labels", "labels.txt", "--device", DEVICE, "--format", "json")
    assert ran.code == 0 and json.loads(ran.out)["pictures"] == 2, ran.out + ran.err
    ran = run("bench", model, "--device", DEVICE, "--batch", "1,4", "--seconds", "0.2", "--format", "json")
    assert ran.code == 0 and DEVICE in ran.out, ran.out + ran.err


def test_threads_share_a_session(run: Run) -> None:
    images = np.random.default_rng(0).standard_normal((24, *archc_input("resnet20_cifar_optA")), np.float32)
    session = Session(build(run, "resnet20_cifar_optA"), device=DEVICE, cache=False)
    expected = [session.logits(images[at : at + 1]) for at in range(24)]
    found: dict[int, Any] = {}

    def work(at: int) -> None:
        found[at] = session.logits(images[at : at + 1])

    threads = [threading.Thread(target=work, args=(at,)) for at in range(24)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for at, answer in enumerate(expected):
        np.testing.assert_array_equal(found[at], answer)


def test_a_kept_graph_answers_the_same(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHC_CACHE_DIR", str(tmp_path / "kept"))
    monkeypatch.setenv("ARCHC_CACHE_SIZE", "1GB")
    images = np.random.default_rng(0).standard_normal((2, *archc_input("googlenet")), np.float32)
    model = build(run, "googlenet")
    first, second = (Session(model, device=DEVICE).logits(images) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@only_on_a_card
@pytest.mark.parametrize("taken", [False, True], ids=["too many numbers", "memory that others hold"])
def test_a_batch_that_does_not_fit_is_told_with_one_that_does(taken: bool, run: Run) -> None:
    import torch

    Path("wide.yaml").write_text(WIDE, "utf-8")
    session = Session(build(run, "wide.yaml"), device=DEVICE, cache=False)
    free, _ = torch.cuda.mem_get_info()
    held = torch.empty(free - 3 * 2**30, dtype=torch.uint8, device=DEVICE) if taken else None
    images = np.zeros((200 if taken else 700, 3, 64, 64), np.float32)
    with pytest.raises(RuntimeFault) as fault:
        session.logits(images)
    assert fault.value.code == "out-of-memory", fault.value
    fits = int(str(fault.value).split("the largest that fits is ")[1].split()[0].rstrip(";("))
    assert (20 if taken else 200) < fits < (100 if taken else 257), fault.value
    assert session.logits(images[:fits]).shape == (fits, 3)
    del held
    torch.cuda.empty_cache()


@only_on_a_card
def test_a_card_that_is_not_there(run: Run) -> None:
    model = build(run, "lenet5_modern")
    with pytest.raises(RuntimeFault) as fault:
        Session(model, device=DEVICE, options={"index": "7"})
    assert fault.value.code == "device-unavailable" and "7" in str(fault.value), fault.value
