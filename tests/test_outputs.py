"""Where outputs go: links stay links, files keep their modes; tests/test_streams.py has devices and pipes."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import archc
from archc.compiler.diagnostics import Failure

from .program import Run
from .tiny_net import QUICK, TINY, as_root, is_root, program_in, whole_model

if os.name != "posix":
    pytest.skip("devices, pipes and links of POSIX", allow_module_level=True)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in a folder that holds a spec."""
    return program_in(tmp_path, monkeypatch, capfd)


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


def test_init_through_a_link(run: Run) -> None:
    Path("specs").mkdir()
    Path("mine.yaml").symlink_to("specs/mine.yaml")
    assert run("init", "mine").code == 0 and Path("mine.yaml").is_symlink()
    assert sorted(os.listdir("specs")) == ["archspec.schema.json", "mine.yaml"]
    assert run("init", "mine").code == 2, "nothing is overwritten"


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


@pytest.mark.parametrize(("number", "said", "advised"), [
    (errno.EACCES, "permission denied", "make the folder writable"), (errno.EPERM, "not permitted", "make the folder writable"),
    (errno.EROFS, "read-only", "write elsewhere with -o"), (errno.ENOENT, "no such file", "the folder `sub` may take no new file"),
    (errno.EMFILE, "too many open files", "write elsewhere with -o"),
])  # fmt: skip
def test_a_folder_that_takes_no_file(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: int, said: str, advised: str
) -> None:
    """What, where, why and what to do, of every command that writes one."""
    from PIL import Image

    assert run("build", "tiny.yaml", "-o", "net.onnx", *QUICK).code == 0
    Image.new("RGB", (8, 8)).save("a.png")
    Path("sub").mkdir()

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("archc.compiler.files.tempfile.mkdtemp", refuse)
    for words in (["build", "tiny.yaml", *QUICK, "-o", "sub/x.onnx"], ["run", "net.onnx", "a.png", "-o", "sub/x.json"]):
        ran = run(*words)
        assert ran.code == 3 and f"error[cannot-write]: `{words[-1]}` cannot be written: " in ran.err, ran
        assert said in ran.err and "  = help: " in ran.err and advised in ran.err
    assert os.listdir("sub") == []
