"""Where outputs go: devices and pipes are written to and stay what they are, links stay links, files keep their modes."""

from __future__ import annotations

import errno
import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import archc
from archc.compiler.destinations import Destination, find_destination, is_standard_output
from archc.compiler.diagnostics import Failure

from .program import Run, program

if os.name != "posix":
    pytest.skip("devices, pipes and links of POSIX", allow_module_level=True)

TINY = """archspec: 1
name: tiny
input: {image: [3, 8, 8]}
graph: [conv: 4, relu, global_avg_pool, {name: fc, linear: 10}]
"""
QUICK = ("--proof", "none")
is_root = os.geteuid() == 0
as_root = pytest.mark.skipif(not is_root, reason="only root makes devices, and gives files away")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in a folder that holds a spec."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY, "utf-8")
    return program(capfd)


def archc_process(*arguments: str, **streams: object) -> subprocess.CompletedProcess[bytes]:
    """A command in a process of its own, with the standard streams that are given; others are kept."""
    how: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    return subprocess.run([sys.executable, "-m", "archc", *arguments], check=False, timeout=300, **how)  # type: ignore[call-overload,no-any-return]


def whole_model() -> bytes:
    """What the spec's ONNX file holds, by a build to a plain file."""
    archc.load("tiny.yaml").export_onnx("plain.onnx", proof="none")
    return Path("plain.onnx").read_bytes()


def read_later(path: Path) -> Callable[[], bytes]:
    """Reads a pipe in a thread; the result waits for its end."""
    found: list[bytes] = []
    thread = threading.Thread(target=lambda: found.append(path.read_bytes()), daemon=True)
    thread.start()

    def result() -> bytes:
        thread.join(60)
        return found[0]

    return result


# -- devices and pipes -------------------------------------------------------------------------------------------------


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

    monkeypatch.setattr("archc.build.build.prove", refuse)
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


# -- links -------------------------------------------------------------------------------------------------------------


def test_a_link_stays_and_its_target_is_replaced(run: Run) -> None:
    for folder in ("store", "current"):
        Path(folder).mkdir()
    Path("store/old.onnx").write_bytes(b"old")
    Path("store/old.onnx").chmod(0o604)
    Path("current/net.onnx").symlink_to("../store/old.onnx")
    Path("new.onnx").symlink_to("store/new.onnx")
    for output in ("current/net.onnx", "new.onnx"):
        assert run("build", "tiny.yaml", "-o", output, *QUICK).code == 0
        assert Path(output).is_symlink() and Path(output).read_bytes() == whole_model()
    assert sorted(os.listdir("store")) == ["new.onnx", "old.onnx"] and os.listdir("current") == ["net.onnx"]
    assert stat.S_IMODE(os.stat("store/old.onnx").st_mode) == 0o604


@pytest.mark.parametrize(
    ("links", "code", "said"),
    [({"a": "b", "b": "a"}, "cannot-write", "symbolic links"), ({"a": "no/where"}, "no-such-folder", "`no`"),
     ({"a": "folder"}, "output-is-folder", "`a`"), ({"a": "tiny.yaml"}, "output-is-input", "tiny.yaml")],
    ids=["loop", "nowhere", "folder", "input"],
)  # fmt: skip
def test_links_that_lead_to_no_output(run: Run, links: dict[str, str], code: str, said: str) -> None:
    Path("folder").mkdir()
    for link, target in links.items():
        Path(link).symlink_to(target)
    ran = run("build", "tiny.yaml", "-o", "a", *QUICK)
    assert ran.code in (2, 3) and f"error[{code}]" in ran.err and said in ran.err
    assert Path("tiny.yaml").read_text("utf-8") == TINY and all(Path(link).is_symlink() for link in links)


def test_no_input_is_overwritten_under_whatever_name(run: Run) -> None:
    """Through links and hard links; labels and maps of names, too; and the data that a replaced model names."""
    spec = TINY.replace("graph", "labels: names.txt\ngraph")
    Path("labelled.yaml").write_text(spec, "utf-8")
    Path("names.txt").write_text("\n".join("abcdefghij"), "utf-8")
    Path("map.yaml").write_text("fc: fc\n", "utf-8")
    build = ("build", "labelled.yaml", *QUICK)
    assert run(*build, "--export", "torch", "-o", "net.py").code == 0
    data = next(name for name in os.listdir() if name.endswith(".safetensors"))
    os.link("labelled.yaml", "hard")
    Path("soft").symlink_to("names.txt")
    weights = ("--weights", data, "--weights-map", "map.yaml")
    for output in ("hard", "soft", "names.txt", "map.yaml", data):
        ran = run(*build, *weights, "-o", output)
        assert ran.code == 2 and "error[output-is-input]" in ran.err, output
    ran = run(*build, *weights, "--export", "torch", "-o", "net.py")
    assert ran.code == 2 and "error[output-is-input]" in ran.err and data in ran.err
    assert Path("names.txt").read_text("utf-8") == "\n".join("abcdefghij") and Path(data).exists()


def test_init_through_a_link_and_into_a_pipe(run: Run) -> None:
    Path("specs").mkdir()
    Path("mine.yaml").symlink_to("specs/mine.yaml")
    assert run("init", "mine").code == 0 and Path("mine.yaml").is_symlink()
    assert sorted(os.listdir("specs")) == ["archspec.schema.json", "mine.yaml"]
    assert run("init", "mine").code == 2, "nothing is overwritten"
    os.mkfifo("pipe")
    result = read_later(Path("pipe"))
    assert run("init", "mine", "-o", "pipe").code == 0
    assert result().startswith(b"archspec: 1")
    ran = run("init", "mine", "--from", "alexnet_ensemble", "-o", "pipe")
    assert ran.code == 2 and "error[needs-files]" in ran.err


# -- modes and permissions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("export", ["onnx", "torch"])
def test_modes(run: Run, export: str) -> None:
    """A new file's is by the umask, also of a file that safetensors writes; that of a file which is there is kept."""
    output = "net.py" if export == "torch" else "net.onnx"
    build = ("build", "tiny.yaml", "--export", export, "-o", output, *QUICK)
    before = os.umask(0o027)
    try:
        assert run(*build).code == 0
        files = sorted(set(os.listdir()) - {"tiny.yaml"})
        assert len(files) == 1 + (export == "torch")
        assert {stat.S_IMODE(os.stat(file).st_mode) for file in files} == {0o640}
        for file in files:
            os.chmod(file, 0o606)
        assert run(*build).code == 0
        assert {stat.S_IMODE(os.stat(file).st_mode) for file in files} == {0o606}
        # other weights have another name, and are as open as the model
        assert run(*build, "--seed", "1").code == 0
        changed = sorted(set(os.listdir()) - {"tiny.yaml"})
        assert len(changed) == len(files) and (changed == files) == (export == "onnx")
        assert {stat.S_IMODE(os.stat(file).st_mode) for file in changed} == {0o606}
    finally:
        os.umask(before)


@as_root
def test_owner_and_group_are_kept(run: Run) -> None:
    Path("net.onnx").touch(0o640)
    os.chown("net.onnx", 1234, 4321)
    assert run("build", "tiny.yaml", "-o", "net.onnx", *QUICK).code == 0
    found = os.stat("net.onnx")
    assert (found.st_uid, found.st_gid) == (1234, 4321) and found.st_size


@contextmanager
def another_user() -> Iterator[None]:
    """As a user who owns nothing, where this is root: then nothing is imported within, as root's files may be closed to others."""
    if not is_root:
        yield
        return
    if not hasattr(os, "setresuid"):
        pytest.skip("root cannot become another user for a while here")
    os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def test_what_may_not_be_written_is_told(run: Run) -> None:
    """A read-only file is not replaced, nor a file in a folder that takes no new one; both are told before any work."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to other users
        folder = Path(name)
        shutil.copy("tiny.yaml", folder)
        for file, mode, around in (("free/net.onnx", 0o444, 0o777), ("closed/net.onnx", 0o666, 0o555)):
            path = folder / file
            path.parent.mkdir()
            path.write_bytes(b"old")
            path.chmod(mode)
            path.parent.chmod(around)
        folder.chmod(0o755)
        os.chdir(folder)
        # all that a build imports, a failed one and one that replaces a file
        for output, code in (("no/where", 2), ("warm.onnx", 0), ("warm.onnx", 0)):
            assert run("build", "tiny.yaml", "-o", output, *QUICK).code == code
        (folder / "box").mkdir()
        (folder / "box").chmod(0o733)
        with another_user():
            assert run("build", "tiny.yaml", "-o", "box/net.onnx", *QUICK).code == 0, (
                "it takes files, and cannot be read"
            )
        for output, said in (
            ("free/net.onnx", "read-only"),
            ("closed/net.onnx", "takes no new file"),
            ("closed/new.onnx", "takes no new"),
        ):
            with another_user():
                ran = run("build", "tiny.yaml", "-o", output, *QUICK)
            assert ran.code == 3 and "error[cannot-write]" in ran.err and said in ran.err, ran
        assert {path.read_bytes() for path in folder.glob("[fc]*/net.onnx")} == {b"old"}
        (folder / "closed").chmod(0o755)
        os.chdir("/")


# -- names, several exports, disks -------------------------------------------------------------------------------------


def test_long_names(run: Run) -> None:
    longest = "n" * 250 + ".onnx"
    assert run("build", "tiny.yaml", "-o", longest, *QUICK).code == 0 and os.path.getsize(longest)
    ran = run("build", "tiny.yaml", "-o", "n" + longest, *QUICK)
    assert ran.code == 3 and "error[cannot-write]" in ran.err and "too long" in ran.err


@pytest.mark.parametrize("output", ["net.py", "NET.py"])
def test_two_exports_to_one_file(run: Run, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before either is written."""
    from archc.build.build import build

    with pytest.raises(Failure, match="would both write"):
        build(archc.load("tiny.yaml").checked, exports=("onnx", "torch"), output=output, proof="none")
    assert os.listdir() == ["tiny.yaml"]


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "disk-full"), (errno.EDQUOT, "disk-full"), (errno.EXDEV, "cannot-write")]
)
def test_a_disk_that_refuses(run: Run, monkeypatch: pytest.MonkeyPatch, number: int, code: str) -> None:
    """EXDEV as some network disks say it of a rename; the old file stays, and nothing beside it."""
    Path("net.onnx").write_bytes(b"old")

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.replace", refuse)
    ran = run("build", "tiny.yaml", "-o", "net.onnx", *QUICK)
    assert ran.code == 3 and f"error[{code}]" in ran.err
    assert Path("net.onnx").read_bytes() == b"old" and sorted(os.listdir()) == ["net.onnx", "tiny.yaml"]


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
