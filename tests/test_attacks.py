"""What an attacker of archc's own files tried: folders that look left over, builds at once, streams and folders that are gone."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from archc.compiler.backends import BACKENDS
from archc.compiler.backends.torch.data_names import LOAD
from archc.compiler.content_names import DIGITS, describe_file, name_by_content
from archc.compiler.files import JOURNAL, SUFFIX, atomic_write

posix = pytest.mark.skipif(os.name != "posix", reason="folders and streams of POSIX")
SPEC = "archspec: 1\nname: tiny\ninput: {image: [3, 8, 8]}\ngraph:\n  - {name: a, conv: {out: 4, kernel: 3}}\n"


def content_name(stem: str, content: bytes, suffix: str = ".onnx.data") -> str:
    return f"{stem}-{hashlib.sha256(content).hexdigest()[:DIGITS]}{suffix}"


def archc(*words: str, shell: str = "", flags: tuple[str, ...] = (), cwd: Path | None = None) -> tuple[int, str]:
    """The exit code and what is said; `shell` stands after the command, or with `{}` in it around it."""
    line = " ".join([sys.executable, *flags, "-m", "archc", *words])
    line = shell.format(line) if "{}" in shell else f"{line} {shell}"
    ran = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=cwd, check=False)
    return ran.returncode, ran.stdout + ran.stderr


@posix
def test_a_journal_is_not_believed(tmp_path: Path) -> None:
    """Only data of this output, with the content that its name says, goes: no document, no spec, no other model's data."""
    kept = ["thesis.docx", "mine.yaml", "mine-123456789abc.onnx.data", "mine.onnx.data", content_name("other", b"x")]
    left = content_name("mine", b"x")
    for name in (*kept, left):
        (tmp_path / name).write_bytes(b"x")
    private = tmp_path / f".mine.onnx.999999999.x{SUFFIX}"
    private.mkdir()
    (private / JOURNAL).write_text(json.dumps([*kept, left, "../x", 5]), "utf-8")
    with atomic_write(tmp_path / "mine.onnx", BACKENDS["onnx"].named_data) as path:
        path.write_bytes(b"a model")
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, "mine.onnx"])


@posix
@pytest.mark.parametrize("what", ["link", "pipe"])
def test_a_folder_that_was_left_leads_nowhere(tmp_path: Path, what: str) -> None:
    """Its lock and its journal are links or pipes: nothing is made or waited for."""
    private = tmp_path / f".mine.onnx.999999999.x{SUFFIX}"
    private.mkdir()
    for name in ("lock", JOURNAL):
        if what == "link":
            (private / name).symlink_to(tmp_path / "made")
        else:
            os.mkfifo(private / name)
    with atomic_write(tmp_path / "mine.onnx", BACKENDS["onnx"].named_data) as path:
        path.write_bytes(b"a model")
    assert not (tmp_path / "made").exists()


def test_data_that_a_model_claims_has_the_content_of_its_name(tmp_path: Path) -> None:
    for content, goes in ((b"mine", False), (b"x", True)):
        name = content_name("victim", b"x", ".safetensors")
        (tmp_path / name).write_bytes(content)
        model = tmp_path / "net.py"
        model.write_text('"""x\n\nWritten by archc from x\n"""\n' + LOAD.format(name=name) + "\n", "utf-8")
        with atomic_write(model, BACKENDS["torch"].named_data) as path:
            path.write_text("another", "utf-8")
        assert (tmp_path / name).exists() is not goes


def build_often(folder: Path, barrier: multiprocessing.synchronize.Barrier, rounds: int, shift: int) -> None:
    for number in range(rounds):
        barrier.wait()
        with atomic_write(folder / "net.py", BACKENDS["torch"].named_data) as path:
            data = path.with_name("d")
            data.write_bytes(b"x" * 100_000 + str((number * shift >> 1) % 2).encode())
            name = name_by_content(describe_file(data), "net", ".safetensors").path.name
            path.write_text('"""x\n\nWritten by archc from x\n"""\n' + LOAD.format(name=name) + "\n", "utf-8")
        barrier.wait()
        barrier.wait()


@posix
@pytest.mark.parametrize("rounds", [40, pytest.param(1500, marks=pytest.mark.soak)])
def test_two_builds_at_once_leave_a_model_with_its_data(tmp_path: Path, rounds: int) -> None:
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(3, timeout=120)
    builds = [spawn.Process(target=build_often, args=(tmp_path, barrier, rounds, shift)) for shift in (1, 3)]
    for each in builds:
        each.start()
    for _ in range(rounds):
        barrier.wait()
        barrier.wait()
        found = re.search(r"net-\w+\.safetensors", (tmp_path / "net.py").read_text("utf-8"))
        assert found and (tmp_path / found[0]).exists()
        barrier.wait()
    for each in builds:
        each.join()
    assert [each.exitcode for each in builds] == [0, 0]


@posix
def test_streams_and_folders_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC, "utf-8")
    spec = str(tmp_path / "tiny.yaml")
    code, said = archc("build", spec, "--proof", "none", "-o", "-", shell=">&-")
    assert code == 3 and "error[cannot-write]" in said
    for ending in ("/", "/."):
        code, said = archc("build", spec, "--proof", "none", "-o", f"x.onnx{ending}", cwd=tmp_path)
        assert code == 2 and "error[output-is-folder]" in said and not (tmp_path / "x.onnx").exists()
    gone = tmp_path / "gone"
    away = f"mkdir {gone}; cd {gone}; rmdir {gone}; {{}}"
    environment = f"PYTHONPATH={Path(__file__).parent.parent} "
    code, said = archc(
        "build", spec, "--proof", "none", "-o", str(tmp_path / "m.onnx"), shell=away.replace("{}", environment + "{}")
    )
    assert code == 0 and (tmp_path / "m.onnx").exists(), said
    code, said = archc("doctor", shell=away.replace("{}", environment + "{}"))
    assert code == 3 and "gone: it was removed or moved" in said


def test_without_docstrings(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SPEC, "utf-8")
    for words in (["check"], ["build", "--proof", "none", "-o", str(tmp_path / "m.onnx")]):
        code, said = archc(words[0], str(tmp_path / "tiny.yaml"), *words[1:], flags=("-OO",))
        assert code == 0, said


@pytest.mark.parametrize("notes", [b"\xff\xfe\n", b"", b"Metadata-Version: 2.1\nName: numpy\nVersion: \x1b[31m1.0\n"])
def test_notes_of_an_installation_that_are_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: bytes
) -> None:
    for name in ("numpy-9.9", "archc_onnx-0.1.0"):
        (tmp_path / f"{name}.dist-info").mkdir()
        (tmp_path / f"{name}.dist-info" / "METADATA").write_bytes(notes)
    for name, text in (("torch", "class Tensor: pass"), ("onnx", "checker = None")):  # quick to import
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    code, said = archc("doctor")
    assert code in (0, 3) and "numpy" in said and "\x1b" not in said and "internal" not in said


def test_what_a_model_and_a_list_lead_to_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data beside a model, whatever it is called, and a list that `--input` names."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    weight = numpy_helper.from_array(np.ones((4, 3, 1, 1), np.float32), "w")
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, 8, 8]) for n, c in (("image", 3), ("y", 4))]
    graph = helper.make_graph([helper.make_node("Conv", ["image", "w"], ["y"])], "g", value[:1], value[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, "m.onnx", save_as_external_data=True, location="weights.npz", size_threshold=0)
    Image.new("RGB", (8, 8)).save("a.png")
    Path("l.json").write_text("a.png\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    for words, target in ((["a.png"], "weights.npz"), (["--input", "image=@l.json"], "l.json")):
        before = Path(target).read_bytes()
        code, said = archc("run", "m.onnx", *words, "-o", target)
        assert code == 2 and "output-is-input" in said, said
        assert Path(target).read_bytes() == before
