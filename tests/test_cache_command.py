"""`archc cache`: what is kept, what is wrong with it, and its end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from archc.runtime.cache import entry

from .cached import WIDE, build, cache, entries, flip, model, posix, state
from .program import Run, program

__all__ = ["cache", "model"]  # the fixtures


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
    assert run("cache", "clear", str(models[1])).out == "no graph of these models is kept; nothing was removed\n"
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
