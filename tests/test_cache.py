"""The warm-start cache: sessions that start from it answer as others do, and a model or an entry that changed is seen."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

import archc
from archc.compiler.backends.onnx.write import export_onnx
from archc.compiler.driver import run_passes
from archc.compiler.passes import PassOptions
from archc.runtime import RuntimeFault, Session, processor
from archc.runtime.artifact import open_artifact
from archc.runtime.cache import entry, start, store
from archc.runtime.cache.outlines import outline_json, parse_outline
from archc.runtime.inference import create_ort_session

from .cached import NETS, WIDE, build, cache, entries, facts, flip, leftovers, model, state
from .foreign_models import endless_loop, make, node, save
from .op_cases import CASES, Case
from .test_ops import Positive, graph_of, spread

__all__ = ["cache", "model"]  # the fixtures


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


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "gone": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a flipped bit": flip,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    **({"a pipe": lambda path: (path.unlink(), os.mkfifo(path))} if hasattr(os, "mkfifo") else {}),
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
