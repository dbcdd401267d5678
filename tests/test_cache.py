"""The warm-start cache: sessions that start from it answer as others do, and whatever happens to it, there is an answer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import archc
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.driver import run_passes
from archc.compiler.passes import PassOptions
from archc.runtime import RuntimeFault, Session
from archc.runtime.artifact import open_artifact
from archc.runtime.cache import entry, folder, processor, start, store
from archc.runtime.cache.outlines import outline_json, parse_outline
from archc.runtime.inference import create_ort_session

from .foreign_models import endless_loop, make, node, save
from .op_cases import CASES, Case
from .program import Run, program
from .test_ops import Positive, graph_of, spread

posix = pytest.mark.skipif(os.name != "posix", reason="owners, modes and locks are Unix's")
WIDE = """archspec: 1
name: wide
input: {image: [3, 8, 8]}
labels: [ant, bee, cat]
graph: [{conv: {out: 16, kernel: 3, padding: 1}}, relu, flatten, {name: a, linear: 300}, relu, {name: fc, linear: 3}]
"""
NETS = {
    "a fixed batch": (WIDE, {"batch": 2}),
    "several inputs": ("""archspec: 1
name: two
input: {left: [3, 8, 8], right: [3, 8, 8]}
graph: [{from: left}, {concat: [[], {from: right}]}, {conv: 4}, batch_norm, relu, global_avg_pool, {linear: 3}]""", {}),
    "several outputs": ("""archspec: 1
name: three
input: {image: [3, 8, 8]}
graph: [{name: c, conv: {out: 8, kernel: 3}, output: early}, batch_norm, {relu: null, output: middle}, global_avg_pool, {linear: 3}]""", {}),
}  # fmt: skip


def build(spec: str, path: Path, seed: int = 1, **options: Any) -> Path:
    """Builds a spec at `path`."""
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".yaml").write_text(spec, "utf-8")
    archc.load(path.with_suffix(".yaml")).export_onnx(path, proof="none", seed=seed, **options)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, which is not there yet."""
    monkeypatch.setenv("ARCHC_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ARCHC_CACHE_SIZE")
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A net of 1.2 MB, with labels."""
    return build(WIDE, tmp_path / "wide.onnx")


def feeds(session: Session, rows: int = 2) -> dict[str, Any]:
    """Arrays that the session takes, the same each time."""
    rng = np.random.default_rng(1)
    shapes = {name: (rows, *port.shape[1:]) for name, port in session.inputs.items()}
    return {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}  # type: ignore[arg-type]


def facts(session: Session) -> dict[str, Any]:
    """What a session says of its model, and answers."""
    answers = session.run(feeds(session))
    return {
        "answers": {name: (each.shape, each.tobytes()) for name, each in answers.items()},
        "ports": (session.inputs, session.outputs),
        "metadata": session.artifact.metadata,
        "outline": vars(session.artifact.graph),
        "identity": session.artifact.file_identity,
        "labels": session.labels,
        "verdict": session.verdict,
        "text": repr(session),
        "nodes": session.nodes_by_provider(),
    }


def state(model: Path, **options: Any) -> str:
    """What the cache is to the model's next session; its answers are those of a session without."""
    session = Session(model, device="cpu", threads=1, **options)
    plain = Session(model, device="cpu", threads=1, cache=False)
    assert plain.cache.state == "none"
    arrays = feeds(session)
    found, expected = session.run(arrays), plain.run(arrays)
    assert {name: each.tobytes() for name, each in found.items()} == {k: v.tobytes() for k, v in expected.items()}
    return session.cache.state


def entries(cache: Path) -> list[Path]:
    """The folders of its entries."""
    return store.list_folders(cache) if cache.exists() else []


def leftovers(cache: Path) -> list[str]:
    """What is in the cache beside its entries and its lock."""
    return [each.name for each in cache.iterdir() if each not in entries(cache) and each.name != store.LOCK]


# -- a warm session is as a cold one --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_a_warm_session_is_as_a_cold_one(
    name: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "MIN_BYTES", 0)
    spec, options = NETS[name]
    path = build(spec, tmp_path / "net.onnx", **options)
    found = {}
    for wanted in ("none", "written", "hit", "hit"):
        session = Session(path, device="cpu", threads=1, cache=wanted != "none")
        assert session.cache.state == wanted
        found[wanted] = facts(session)
    assert found["none"] == found["written"] == found["hit"]


def first_of_each_op() -> list[Case]:
    """A case of each op."""
    return [*{case.op: case for case in reversed(CASES)}.values()]


def test_every_op_gives_the_same_bytes(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "MIN_BYTES", 0)
    monkeypatch.setattr(store.os, "fsync", lambda _: None)
    for at, case in enumerate(first_of_each_op()):
        graph = graph_of(case)
        path = tmp_path / f"{at}.onnx"
        export_onnx(run_passes(graph, PassOptions(fold=False)), Positive(spread(graph.params())), path)
        assert [state(path), state(path)] == ["written", "hit"], case
    assert len(entries(cache)) == at + 1


@pytest.mark.parametrize("name", ["googlenet", "densenet_40_12_cifar", "lenet5_1998"])
def test_an_outline_is_the_same_from_json(name: str, tmp_path: Path) -> None:
    archc.load(name).export_onnx(tmp_path / "net.onnx", proof="none")
    outline = open_artifact(tmp_path / "net.onnx").graph
    assert vars(parse_outline(json.loads(json.dumps(outline_json(outline))))) == vars(outline)


def test_a_model_of_two_files(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_onnx, "__kwdefaults__", {**export_onnx.__kwdefaults__, "external_over": 1000})
    path = build(WIDE, tmp_path / "wide.onnx")
    (data,) = tmp_path.glob("*.data")
    assert [state(path), state(path)] == ["written", "hit"]
    # weights of another seed under the same name, and as large; the model is not touched
    build(WIDE, tmp_path / "more" / "wide.onnx", seed=2)
    (theirs,) = (tmp_path / "more").glob("*.data")
    data.write_bytes(theirs.read_bytes())
    assert [state(path), state(path)] == ["written", "hit"]
    # beside a link lie other weights
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "wide.onnx").symlink_to(path)
    shutil.copy(data, tmp_path / "linked" / data.name)
    assert state(tmp_path / "linked" / "wide.onnx") == "written"
    data.unlink()
    with pytest.raises(RuntimeFault, match="are not there"):
        Session(path, device="cpu")


def test_where_a_model_is_named_from(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state(model) == "written"
    monkeypatch.chdir(model.parent)
    (model.parent / "link.onnx").symlink_to(model)
    assert [state(Path(name)) for name in ("wide.onnx", "./wide.onnx", "link.onnx")] == ["hit"] * 3


# -- what is kept, and for whom -------------------------------------------------------------------------------------------


def test_what_is_not_kept(tmp_path: Path, model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = build(WIDE.replace("linear: 300", "linear: 3"), tmp_path / "small.onnx")
    foreign = save(make([node("Relu", ["x"], ["y"], domain="")], opset=12), tmp_path / "foreign.onnx")
    monkeypatch.setenv("ARCHC_CACHE_SIZE", "1M")
    assert [state(each) for each in (small, model)] == ["none"] * 2
    assert "over the bound" in Session(model, device="cpu").cache.reason
    assert "under 1 MiB" in Session(small, device="cpu").cache.reason
    assert "own process" in Session(foreign, device="cpu").cache.reason
    monkeypatch.setenv("ARCHC_CACHE_SIZE", "0")
    assert Session(model, device="cpu").cache.reason == "it is turned off"
    monkeypatch.delenv("ARCHC_CACHE_SIZE")
    assert Session(model, device="cpu", cache=False).cache.reason == "it is turned off"
    numbers = count()
    monkeypatch.setattr(start, "describe_ports", lambda _: next(numbers))
    assert "does not load the graph" in Session(model, device="cpu").cache.reason
    monkeypatch.setattr(entry, "describe_processor", lambda: "")
    assert "what the processor can do" in Session(model, device="cpu").cache.reason
    assert entries(cache) == [] and leftovers(cache) == []


def test_a_proof_is_of_the_files_own_graph(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "MIN_BYTES", 0)
    (tmp_path / "wide.yaml").write_text(WIDE, "utf-8")
    archc.load(tmp_path / "wide.yaml").export_onnx(tmp_path / "wide.onnx", proof="full")
    assert (tmp_path / "wide.onnx").exists() and not cache.exists()


def test_a_trusted_model_has_entries_of_its_own(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `--trust` has opened in this process is opened without it in a process of its own, as before."""
    monkeypatch.setattr(start, "MIN_BYTES", 0)
    path = save(make([node("Relu", ["x"], ["y"])], opset=12), tmp_path / "foreign.onnx")
    assert [Session(path, device="cpu", trust=True).cache.state for _ in range(2)] == ["written", "hit"]
    judged = Session(path, device="cpu")
    assert judged.session.doubt and judged.cache.state == "none"
    loop = save(endless_loop(), tmp_path / "loop.onnx")
    assert [Session(loop, device="cpu", trust=True).cache.state for _ in range(2)] == ["written", "hit"]


@pytest.mark.parametrize("change", ["processor", "onnxruntime", "format"])
def test_another_machine_has_an_entry_of_its_own(
    change: str, model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    assert [state(model), state(model)] == ["written", "hit"]
    with monkeypatch.context() as patch:
        if change == "processor":
            patch.setattr(entry, "describe_processor", lambda: "x86_64 flags: avx2 avx512f")
        elif change == "onnxruntime":
            patch.setattr(onnxruntime, "__version__", "1.99.0")
        else:
            patch.setattr(entry, "FORMAT", entry.FORMAT + 1)
        assert [state(model), state(model)] == ["written", "hit"]
    assert state(model) == "hit" and len(entries(cache)) == 2


def test_the_processor_is_described() -> None:
    told = processor.describe_processor()
    assert told and told == processor.describe_processor()
    if sys.platform == "linux":
        flags = next(
            line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("flags", "Features"))
        )
        assert set(flags.partition(":")[2].split()) <= set(told.replace(";", " ").split())


# -- the model changes ----------------------------------------------------------------------------------------------------


def replaced(model: Path, other: Path) -> None:
    """Another model in its place, of the same size and time."""
    times = model.stat()
    os.replace(other, model)
    os.utime(model, ns=(times.st_atime_ns, times.st_mtime_ns))


def rewritten(model: Path, other: Path) -> None:
    """Another model's bytes in the same file, with the time that it had."""
    times = model.stat()
    model.write_bytes(other.read_bytes())
    os.utime(model, ns=(times.st_atime_ns, times.st_mtime_ns))


def touched(model: Path, other: Path) -> None:
    """A later time."""
    os.utime(model)


@pytest.mark.parametrize("change", [replaced, rewritten, touched])
def test_a_model_that_changed_is_opened_anew(change: Callable[[Path, Path], None], model: Path, cache: Path) -> None:
    other = build(WIDE, model.parent / "more" / "wide.onnx", seed=2)
    assert other.stat().st_size == model.stat().st_size
    assert [state(model), state(model)] == ["written", "hit"]
    change(model, other)
    assert [state(model), state(model)] == ["written", "hit"]
    assert len(entries(cache)) == 1


def test_a_model_that_changes_while_it_is_opened(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, and nothing is kept; so it is where only the system's own time of it tells."""
    other = build(WIDE, model.parent / "more" / "wide.onnx", seed=2).read_bytes()
    for keeps_its_time in (False, True):

        def change(*given: Any, keeps_its_time: bool = keeps_its_time) -> Any:
            session = create_ort_session(*given)
            times = model.stat()
            model.write_bytes(other)
            if keeps_its_time:
                os.utime(model, ns=(times.st_atime_ns, times.st_mtime_ns))
            return session

        monkeypatch.setattr(start, "create_ort_session", change)
        if keeps_its_time:
            assert "changed while" in Session(model, device="cpu").cache.reason
        else:
            with pytest.raises(RuntimeFault, match="changed while"):
                Session(model, device="cpu")
    assert entries(cache) == [] and leftovers(cache) == []


# -- what is damaged is ignored, and written anew -------------------------------------------------------------------------


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a flipped bit": flip,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("name", [entry.GRAPH, entry.WEIGHTS, entry.NOTES])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_ignored(name: str, damage: str, model: Path, cache: Path) -> None:
    assert state(model) == "written"
    (place,) = entries(cache)
    DAMAGE[damage](place / name)
    assert [state(model), state(model)] == ["written", "hit"]
    assert entries(cache) == [place] and leftovers(cache) == []


def test_an_entry_that_does_not_load_is_written_anew(model: Path, cache: Path) -> None:
    """A graph that onnxruntime refuses, in an entry that says that it is whole."""
    state(model)
    (place,) = entries(cache)
    found = entry.read_notes(place)
    assert found
    (place / entry.GRAPH).write_bytes(b"no graph")
    files = {entry.GRAPH: (entry.FileStamp.of(place / entry.GRAPH), entry.checksum(place / entry.GRAPH))}
    found._replace(files=files).write_notes()
    assert [state(model), state(model)] == ["written", "hit"]


def test_notes_that_say_other_things(model: Path, cache: Path) -> None:
    """Notes with their digest, and values of other kinds."""
    state(model)
    (place,) = entries(cache)
    found = entry.read_notes(place)
    assert found
    for broken in (
        {"outline": {}},
        {"outline": 3},
        {"origin": {}},
        {"files": {}},
        {"metadata": None},
        {"environment": {}},
    ):
        found._replace(**broken).write_notes()  # type: ignore[arg-type]
        assert [state(model), state(model)] == ["written", "hit"], broken


# -- the folder -----------------------------------------------------------------------------------------------------------


def others_may_write(cache: Path, patch: pytest.MonkeyPatch) -> None:
    cache.mkdir()
    cache.chmod(0o777)


def somebody_elses(cache: Path, patch: pytest.MonkeyPatch) -> None:
    cache.mkdir(0o700)
    patch.setattr(folder.os, "geteuid", lambda: os.stat(cache).st_uid + 1)


def in_somebody_elses(cache: Path, patch: pytest.MonkeyPatch) -> None:
    """As `sudo archc` in a user's home: nothing is made there."""
    real = os.stat(cache.parent).st_uid
    patch.setattr(folder.os, "geteuid", lambda: real + 1)
    if real == 0:
        patch.setattr(
            Path,
            "stat",
            lambda self, **_: (
                os.stat_result((0o40700, 1, 1, 1, 4242, 0, 0, 0, 0, 0)) if self == cache.parent else os.stat(self)
            ),
        )


def a_file(cache: Path, patch: pytest.MonkeyPatch) -> None:
    cache.write_text("", "utf-8")


def below_a_file(cache: Path, patch: pytest.MonkeyPatch) -> None:
    cache.parent.joinpath("file").write_text("", "utf-8")
    patch.setenv("ARCHC_CACHE", str(cache.parent / "file" / "cache"))


def no_room(cache: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(start.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**6))  # type: ignore[attr-defined]


def a_full_disk(cache: Path, patch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    patch.setattr(start, "force_to_disk", fail)


TROUBLE = {
    others_may_write: "others may write",
    somebody_elses: "another user",
    in_somebody_elses: "another user",
    a_file: "no folder",
    below_a_file: "cannot be used",
    no_room: "no room",
    a_full_disk: "no space left",
}


@posix
@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_cache_that_cannot_be_used_fails_no_run(
    trouble: Callable[[Path, pytest.MonkeyPatch], None], model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    picture = model.with_name("a.png")
    Image.new("RGB", (8, 8)).save(picture)
    with monkeypatch.context() as patch:
        trouble(cache, patch)
        run = program(capsys)
        told = run("run", str(model), str(picture))
        as_json = json.loads(run("run", str(model), str(picture), "--format", "json").out)
        quiet = run("run", str(model), str(picture), "--no-cache")
    assert told.code == 0 and "ant" in told.out and told.err.count("note: the next start") == 1
    assert TROUBLE[trouble] in told.err and TROUBLE[trouble] in as_json["cache"]["reason"]
    assert as_json["cache"]["state"] == "none"
    assert quiet.code == 0 and quiet.out == told.out and "next start" not in quiet.err
    assert entries(cache) == [] if cache.is_dir() else True


@posix
def test_a_folder_is_the_users_alone(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHC_CACHE", str(cache / "deep" / "down"))
    os.umask(old := os.umask(0))
    state(model)
    made = [cache, cache / "deep", cache / "deep" / "down", *entries(cache / "deep" / "down")]
    assert [each.stat().st_mode & 0o777 for each in made] == [0o700] * 4 and old >= 0


@posix
def test_an_entry_that_others_made_is_not_read(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state(model) == "written"
    (place,) = entries(cache)
    place.chmod(0o777)
    assert [state(model), state(model)] == ["written", "hit"]


@posix
@pytest.mark.parametrize("given, found", [
    ({"ARCHC_CACHE": "/x/y", "XDG_CACHE_HOME": "/z"}, "/x/y"), ({"XDG_CACHE_HOME": "/z"}, "/z/archc"), ({"XDG_CACHE_HOME": "z"}, "/home/me/.cache/archc"),
    ({}, "/home/me/.cache/archc"), ({"ARCHC_CACHE": ""}, "/home/me/.cache/archc"),
])  # fmt: skip
def test_where_the_cache_is(given: dict[str, str], found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("ARCHC_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **given}.items():
        monkeypatch.setenv(name, value)
    assert str(folder.find_folder()) == found


@pytest.mark.parametrize("text, size", [
    ("", 4 * 2**30), ("0", 0), ("123", 123), ("500M", 500 * 2**20), ("1.5G", 3 * 2**29), ("2 GiB", 2**31), ("1k", 1024), ("1TB", 2**40),
    ("-1", None), ("much", None), ("1X", None), ("1e9", None), ("٣", None), ("9" * 40, None),
])  # fmt: skip
def test_how_large_it_may_grow(text: str, size: int | None, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.setenv("ARCHC_CACHE_SIZE", text)
    if size is not None:
        assert folder.read_bound() == size
        return
    for arguments in (["cache"], ["run", str(model), "a.png"]):
        ran = program(capsys)(*arguments)
        assert ran.code == 2 and "ARCHC_CACHE_SIZE" in ran.err
    assert Session(model, device="cpu", cache=False)


def test_the_least_recently_used_goes_first(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [build(WIDE, tmp_path / f"{name}.onnx") for name in "abc"]
    assert [state(each) for each in models[:2]] == ["written"] * 2
    places = entries(cache)
    sizes = [store.measure_folder(each) for each in places]
    monkeypatch.setenv("ARCHC_CACHE_SIZE", str(sum(sizes) + sizes[0] // 2))
    assert state(models[0]) == "hit"  # so b was used before a
    mapped = Session(models[1], device="cpu")
    before = mapped.run(feeds(mapped))["logits"]
    os.utime(places[1], (1, 1))
    assert state(models[2]) == "written"
    assert {Path(found.model).stem for each in entries(cache) if (found := entry.read_notes(each))} == {"a", "c"}
    assert (mapped.run(feeds(mapped))["logits"] == before).all()  # it lives on in the session that has it
    assert state(models[1]) == "written" and len(entries(cache)) == 2


# -- several at once, and ends of every kind ------------------------------------------------------------------------------


OPENING = """
import hashlib, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import numpy as np
from archc.runtime import Session
for _ in range(int(sys.argv[3])):
    session = Session(sys.argv[2], device="cpu", threads=1)
    answer = session.run(np.ones((2, 3, 8, 8), np.float32))["logits"]
    print(session.cache.state, hashlib.sha256(answer.tobytes()).hexdigest())
"""


@posix
@pytest.mark.slow
def test_many_at_once(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six processes on three models, in a cache that holds two of them."""
    models = [build(WIDE, tmp_path / f"{name}.onnx", seed=seed) for seed, name in enumerate("abc")]
    state(models[0])
    monkeypatch.setenv("ARCHC_CACHE_SIZE", str(2 * store.measure_folder(entries(cache)[0]) + 10_000))
    command = [sys.executable, "-c", OPENING, str(Path(__file__).parent.parent)]
    workers = [
        subprocess.Popen([*command, str(models[at % 3]), "20"], stdout=subprocess.PIPE, text=True) for at in range(6)
    ]
    told = [{*each.communicate(timeout=240)[0].splitlines()} for each in workers]
    assert [each.returncode for each in workers] == [0] * 6
    assert {line.split()[0] for lines in told for line in lines} <= {"hit", "written", "none"}
    answers = [{line.split()[1] for lines in told[at::3] for line in lines} for at in range(3)]
    assert [len(each) for each in answers] == [1] * 3 and len(set.union(*answers)) == 3
    assert 1 <= len(entries(cache)) <= 2
    assert [state(each) for each in models for _ in range(2)][1::2] == ["hit"] * 3 and leftovers(cache) == []


@posix
def test_who_finds_another_writing_does_not_wait(model: Path, cache: Path) -> None:
    folder.open_folder(create=True)
    with store.lock_cache(cache), store.private_folder(cache) as private:
        session = Session(model, device="cpu")
        assert (session.cache.state, session.cache.help) == ("none", "") and "being written" in session.cache.reason
        assert private.is_dir()
    assert state(model) == "written"


# one process imports everything once, and forks for each session
KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import onnxruntime
import archc.runtime.session
from archc.runtime.cache import start, store
count = 0

def counted(real, at):
    def step(*given, **named):
        global count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given, **named)
    return step

PLACES = [(os, "fsync"), (os, "replace"), (os, "mkdir"), (start, "create_ort_session"), (start, "checksum"), (store, "remove_entry")]
for line in sys.stdin:
    child = os.fork()
    if not child:
        for place, name in PLACES:
            setattr(place, name, counted(getattr(place, name), int(line)))
        archc.runtime.session.Session(sys.argv[2], device="cpu")
        os._exit(count)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@posix
@pytest.mark.slow
def test_killed_at_any_step(model: Path, cache: Path) -> None:
    """A first session is killed before each of its steps towards the disk; the next one finds nothing wrong, and sweeps what is left."""
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(Path(__file__).parent.parent), str(model)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout

        def open_and_kill(at: int) -> int:
            print(at, file=process.stdin, flush=True)
            return int(process.stdout.readline())  # type: ignore[union-attr]

        steps = open_and_kill(0)
        assert steps > 8 and entries(cache)
        ends = []
        for at in range(1, steps + 1):
            shutil.rmtree(cache)
            assert open_and_kill(at) == -9
            ends.append(state(model))
            assert leftovers(cache) == [] and state(model) == "hit"
        assert {*ends} == {"written", "hit"}
        process.stdin.close()


@posix
def test_a_write_that_is_cut_off(model: Path, cache: Path) -> None:
    """The system lets no file grow over a limit, which cuts onnxruntime's own writing off: the session is there all the same."""
    code = (
        "import resource, signal, sys; sys.path.insert(0, sys.argv[1]); from archc.runtime import Session\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, -1))\n"
        "found = Session(sys.argv[2], device='cpu'); print(found.cache.state, [*found.outputs])"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(Path(__file__).parent.parent), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["none", "['logits']"], done.stderr
    assert entries(cache) == [] and leftovers(cache) == []


# -- archc cache ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return program(capsys)


def states(run: Run, *arguments: str) -> dict[str, str]:
    """The states of all entries by their models' names."""
    found = json.loads(run("cache", *arguments, "--format", "json").out)["entries"]
    return {Path(each["model"]).name: each["state"] for each in found}


def test_archc_cache(tmp_path: Path, cache: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    # pytest-xdist sets it, and a long path would be cut
    monkeypatch.delenv("COLUMNS", raising=False)
    assert run("cache").out == f"nothing is kept: 0 B of 4.0 GiB in {cache}\n" and not cache.exists()
    models = [build(WIDE, tmp_path / f"{name}.onnx") for name in "ab"]
    for each in models:
        state(each)
    told = json.loads(run("cache", "--format", "json").out)
    assert told["folder"] == str(cache) and told["bound_bytes"] == 4 * 2**30
    assert told["total_bytes"] == sum(each["size_bytes"] for each in told["entries"]) > 2 * 10**6
    assert [each["sha256"] for each in told["entries"]] == [{str(m): entry.hash_file(m)} for m in reversed(models)]
    assert {each["device"] for each in told["entries"]} == {"cpu"}
    text = run("cache").out
    assert str(models[0]) in text and "ready" in text and "of 4.0 GiB" in text
    assert states(run, "verify") == {"a.onnx": "ready", "b.onnx": "ready"} and run("cache", "verify").code == 0
    os.utime(models[1])
    assert states(run, "show", str(models[1])) == {"b.onnx": "model changed"}
    assert run("cache", "clear", str(models[1])).out.startswith("removed 1 graph, 1.")
    assert states(run) == {"a.onnx": "ready"} and state(models[0]) == "hit"
    models[0].unlink()
    assert states(run) == {"a.onnx": "model gone"}
    assert json.loads(run("cache", "clear", str(models[0]), "--format", "json").out)["removed"] == 1
    assert run("cache", "clear", str(models[1])).out == "removed 0 graphs, 0 B\n"
    ran = run("cache", "clear", str(models[0]))
    assert ran.code == 2 and "no-such-model" in ran.err


def test_what_verify_finds(model: Path, cache: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    state(model)
    (place,) = entries(cache)
    found = entry.read_notes(place)
    assert found
    # a bit that flipped on the disk: no time of the file tells
    flip(place / entry.WEIGHTS)
    stamp = {entry.WEIGHTS: (entry.FileStamp.of(place / entry.WEIGHTS), found.files[entry.WEIGHTS][1])}
    found._replace(files={**found.files, **stamp}).write_notes()
    assert states(run) == {"wide.onnx": "ready"} and states(run, "verify") == {"wide.onnx": "damaged"}
    assert run("cache", "verify").code == 1 and "archc cache clear" in run("cache", "verify").out
    run("cache", "clear")
    state(model)
    flip(model)
    found._replace(
        folder=place, origin={str(model): entry.FileStamp.of(model)}, files=entry.read_notes(place).files
    ).write_notes()  # type: ignore[union-attr]
    assert states(run) == {"wide.onnx": "ready"} and states(run, "verify") == {"wide.onnx": "changed unseen"}
    assert run("cache", "verify").code == 1
    (place / entry.NOTES).write_bytes(b"")
    assert [*states(run).values()] == ["damaged"] and run("cache").code == 0
    monkeypatch.setattr(entry, "FORMAT", 99)
    run("cache", "clear")
    state(model)
    monkeypatch.setattr(entry, "FORMAT", 100)
    assert states(run) == {"wide.onnx": "other machine"}


@posix
def test_a_cache_that_is_not_trusted_is_neither_shown_nor_cleared(cache: Path, run: Run) -> None:
    cache.mkdir()
    cache.chmod(0o722)
    for action in ("show", "clear", "verify"):
        ran = run("cache", action)
        assert ran.code == 3 and "error[cache-unusable]" in ran.err and not ran.out
    cache.chmod(0o700)
    strange = [cache / "notes.txt", cache / "0123456789abcdef-0123456789abcdef"]
    for each in strange:
        each.write_text("mine", "utf-8")
    assert run("cache", "clear").code == 0 and all(each.exists() for each in strange)  # what archc did not write stays
