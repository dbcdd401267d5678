"""Devices, pipes and standard output as outputs: they are written to, and stay what they are."""

from __future__ import annotations

import os
import pty
import signal
import stat
import subprocess
import sys
import threading
import tty
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archc.compiler.destinations import Destination, find_destination, is_standard_output
from archc.compiler.diagnostics import Failure

from .program import Run
from .tiny_net import QUICK, as_root, program_in, whole_model

if os.name != "posix":
    pytest.skip("devices, pipes and links of POSIX", allow_module_level=True)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in a folder that holds a spec."""
    return program_in(tmp_path, monkeypatch, capfd)


def archc_process(*arguments: str, **streams: object) -> subprocess.CompletedProcess[bytes]:
    """A command in a process of its own, with the standard streams that are given; others are kept."""
    how: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.run([sys.executable, "-m", "archc", *arguments], check=False, timeout=300, **how)  # type: ignore[call-overload,no-any-return]


def read_later(path: Path) -> Callable[[], bytes]:
    """Reads a pipe in a thread; the result waits for its end."""
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    thread.start()

    def result() -> bytes:
        thread.join(60)
        return found[0]

    return result


@pytest.mark.parametrize("through", ["pipe", "link", "link to a link"])
def test_a_pipe_is_written_to(run: Run, through: str) -> None:
    os.mkfifo("pipe")
    if through != "pipe":
        Path("link").symlink_to("pipe")
        Path("link to a link").symlink_to("link")
    result = read_later(Path("pipe"))
    ran = run("build", "tiny.yaml", "-o", through, *QUICK)
    assert ran.code == 0 and through in ran.out
    assert result() == whole_model()
    assert Path("pipe").is_fifo() and Path(through).is_symlink() == (through != "pipe")
    assert sorted(os.listdir()) == sorted(
        {"tiny.yaml", "plain.onnx", "pipe", *(("link", "link to a link") if through != "pipe" else ())}
    )


@as_root
@pytest.mark.parametrize(("minor", "code", "said"), [(3, 0, ""), (7, 3, "disk-full")], ids=["null", "full"])
def test_a_device_is_written_to(run: Run, minor: int, code: int, said: str) -> None:
    """Nodes of a test's own: the machine's are never at risk."""
    try:
        os.mknod("node", stat.S_IFCHR | 0o666, os.makedev(1, minor))
        os.close(os.open("node", os.O_WRONLY))
    except PermissionError:
        pytest.skip("no devices here")
    for arguments in (["build", "tiny.yaml", "-o", "node", *QUICK], ["init", "mine", "-o", "node"]):
        ran = run(*arguments)
        assert ran.code == code and (f"error[{said}]" in ran.err if said else "error" not in ran.err)
        assert stat.S_ISCHR(os.lstat("node").st_mode) and sorted(os.listdir()) == ["node", "tiny.yaml"]


def test_a_terminal_is_written_to(run: Run) -> None:
    master, terminal = pty.openpty()
    tty.setraw(terminal)
    ran = run("init", "mine", "-o", os.ttyname(terminal))
    assert ran.code == 0 and not ran.out
    text = os.read(master, 100_000).decode()
    os.close(terminal)
    os.close(master)
    assert text.startswith("archspec: 1")


@pytest.mark.parametrize("output", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "here"])
def test_standard_output(run: Run, output: str) -> None:
    """As a pipe, and as a file that the shell opened: it is written where it stands, and what is said goes to standard error."""
    Path("here").symlink_to("/dev/stdout")
    if output.startswith("/proc") and not Path(output).exists():
        pytest.skip("no /proc here")
    model = whole_model()
    done = archc_process("build", "tiny.yaml", "-o", output, *QUICK)
    assert (done.returncode, done.stdout) == (0, model) and b"sha256" in done.stderr
    with open("opened", "wb") as file:
        file.write(b"before ")
        file.flush()
        node = os.fstat(file.fileno()).st_ino
        done = archc_process("build", "tiny.yaml", "-o", output, *QUICK, stdout=file)
        file.write(b" after")
    assert done.returncode == 0 and Path("opened").read_bytes() == b"before " + model + b" after"
    assert os.stat("opened").st_ino == node and Path("here").is_symlink()
    refused = archc_process("build", "tiny.yaml", "-o", output, "--format", "json")
    assert refused.returncode == 2 and b'"usage"' in refused.stdout


def test_another_open_file(run: Run) -> None:
    with open("opened", "wb") as file, open("tiny.yaml", "rb") as reading:
        ran = run("build", "tiny.yaml", "-o", f"/dev/fd/{file.fileno()}", *QUICK)
        assert ran.code == 0 and "sha256" in ran.out
        ran = run("build", "tiny.yaml", "-o", f"/dev/fd/{reading.fileno()}", *QUICK)
        assert ran.code == 3 and "error[cannot-write]" in ran.err and "for reading" in ran.err
    assert Path("opened").read_bytes() == whole_model()
    ran = run("build", "tiny.yaml", "-o", "/dev/fd/987", *QUICK)
    assert ran.code == 3 and "no file is open under the number 987" in ran.err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["build", "tiny.yaml", *QUICK], ["init", "mine"]], ids=["build", "init"])
def test_standard_output_on_a_full_disk(run: Run, arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = archc_process(*arguments, "-o", "-", stdout=full)
    assert done.returncode == 3 and b"error[disk-full]" in done.stderr and b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("arguments", [["build", "tiny.yaml", *QUICK], ["init", "mine"]], ids=["build", "init"])
def test_a_reader_that_has_gone(run: Run, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = archc_process(*arguments, "-o", "-", stdout=writing)
    os.close(writing)
    assert done.returncode == 0 and b"error" not in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("through", ["pipe", "link"])
def test_two_files_do_not_fit_into_a_pipe(run: Run, monkeypatch: pytest.MonkeyPatch, through: str) -> None:
    """Refused before any work, as nobody reads this pipe; an ONNX file over 2 GB, too."""
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    ran = run("build", "tiny.yaml", "--export", "torch", "-o", through)
    assert ran.code == 2 and "error[output-is-device]" in ran.err and "`-o`" in ran.err
    monkeypatch.setattr("archc.compiler.backends.onnx.write.EXTERNAL_OVER", 10)
    ran = run("build", "tiny.yaml", "-o", through)
    assert ran.code == 2 and "error[output-is-device]" in ran.err
    assert Path("pipe").is_fifo() and sorted(os.listdir()) == ["link", "pipe", "tiny.yaml"]


def test_what_proves_wrong_does_not_go_out(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Failure("parity", "no")

    monkeypatch.setattr("archc.build.proof.prove.prove", refuse)
    ran = run("build", "tiny.yaml", "-o", "-")
    assert ran.code == 1 and not ran.out and "error[parity]" in ran.err


def test_a_socket_is_refused(run: Run) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        ran = run("build", "tiny.yaml", "-o", "s", *QUICK)
    assert ran.code == 3 and "error[cannot-write]" in ran.err and "socket" in ran.err and Path("s").is_socket()


def test_outputs_of_a_run(run: Run) -> None:
    """The answer of `archc run`, as a program reads it through a pipe."""
    from PIL import Image

    Image.fromarray(np.zeros((8, 8, 3), "u1")).save("a.png")
    whole_model()
    os.mkfifo("answers.json")
    Path("out.json").symlink_to("/dev/stdout")
    result = read_later(Path("answers.json"))
    assert run("run", "plain.onnx", "a.png", "-o", "answers.json", "--device", "cpu").code == 0
    assert result().startswith(b"{") and Path("answers.json").is_fifo()
    ran = run("run", "plain.onnx", "a.png", "-o", "out.json", "--device", "cpu")
    assert ran.code == 0 and ran.out.encode().startswith(b"{") and "wrote out.json" in ran.err


def test_destinations() -> None:
    assert find_destination(Path("/dev/stdout")) == Destination(Path("/dev/stdout"), "stream", 1)
    assert (
        is_standard_output("/dev/fd/1") and not is_standard_output("/dev/fd/2") and not is_standard_output("net.onnx")
    )
    assert find_destination(Path("/")).kind == "folder" and find_destination(Path("no/where")).kind == "file"


def test_init_into_a_pipe(run: Run) -> None:
    os.mkfifo("pipe")
    result = read_later(Path("pipe"))
    assert run("init", "mine", "-o", "pipe").code == 0
    assert result().startswith(b"archspec: 1")
    ran = run("init", "mine", "--from", "alexnet_ensemble", "-o", "pipe")
    assert ran.code == 2 and "error[needs-files]" in ran.err


def test_an_interrupt_leaves_nothing(run: Run) -> None:
    """Ctrl-C while a pipe waits for its reader, which is when the file is complete."""
    os.mkfifo("pipe")
    process = subprocess.Popen(
        [sys.executable, "-m", "archc", "build", "tiny.yaml", "-o", "pipe", *QUICK],
        env=os.environ | {"TMPDIR": str(Path.cwd() / "tmp")}, stderr=subprocess.PIPE,
    )  # fmt: skip
    Path("tmp").mkdir()
    while process.poll() is None and not any(path.stat().st_size for path in Path("tmp").glob("*/new/pipe")):
        threading.Event().wait(0.02)
    threading.Event().wait(0.2)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1].endswith(b"interrupted\n") and process.returncode == 130
    assert not os.listdir("tmp") and Path("pipe").is_fifo()
