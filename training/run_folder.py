"""RUN, the folder of a run: what lies in it, how it begins, and what `--resume` reads back.

run.json       what ran: command, versions, hashes, processes, data, git revision; written last, so that its being there means a run has begun
recipe.yaml    the whole recipe, with the defaults and with what was set
spec.yaml      a small spec that extends the user's own or a bundled one: its parameters and labels as they were trained
spec/          the user's own texts
checkpoints/   the newest checkpoints
train.csv, val.csv   where a share of the pictures validates: which are trained on, and which validate, as `archc eval` takes them
best.safetensors   the best weights, under the spec's own names
metrics.csv, broken.csv, tensorboard/, report.html, members/
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..compiler.diagnostics import Failure
from ..compiler.driver import Compilation
from ..compiler.files import atomic_write
from ..compiler.revisions import FIXED, HARMLESS, KEPT
from ..compiler.sources import BUNDLED
from ..compiler.spelling import as_word
from .recipe.write import flow
from .tables import format_row

if TYPE_CHECKING:
    from .data import TrainingData
    from .data.pictures import PictureSet

OWN = ("spec.yaml", "spec", "recipe.yaml", "run.json", "train.csv", "val.csv")
MEMBERS = "members"
# the folders with what a net starts from
STARTED = ("checkpoints", MEMBERS)
PLAIN_FILES = (
    "spec.yaml",
    "recipe.yaml",
    "train.csv",
    "val.csv",
    "metrics.csv",
    "broken.csv",
    "best.safetensors",
    "report.html",
    ".lock",
)
FIRST = f"{0:08d}.safetensors"


class RunFolder(NamedTuple):
    """The places in the folder of a run."""

    path: Path

    @property
    def spec(self) -> Path:
        return self.path / "spec.yaml"

    @property
    def recipe(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def lists(self) -> tuple[Path, Path]:
        """The lists of the pictures that are trained on, and of those that validate."""
        return self.path / "train.csv", self.path / "val.csv"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        return self.path / "best.safetensors"

    def model(self, net: str) -> Path:
        """Where the average of the ensemble `net` is built; a net may be called as no file can."""
        return self.path / f"{Path(net).name or 'net'}.onnx"

    def member(self, name: str) -> RunFolder:
        """The folder of a member of an ensemble, a run of its own."""
        return RunFolder(self.path / MEMBERS / name)

    @property
    def ensemble(self) -> RunFolder:
        """The folder of the ensemble, where this is a member's."""
        return RunFolder(self.path.parent.parent)

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def check_new(self) -> None:
        """Raises Failure `run-exists` where there is a run already, or anything else."""
        try:
            inside = [each.name for each in self.path.iterdir()]
        except FileNotFoundError:
            if self.path.is_symlink():
                raise Failure("run-exists", f"`{self.path}` is a link to `{os.readlink(self.path)}`, which is not there",
                              "make that folder, or give -o another name", 2) from None  # fmt: skip
            return
        except NotADirectoryError:
            if not self.path.exists():
                # mkdir will say which of the folders above is a file
                return
            raise Failure(
                "run-exists", f"`{self.path}` is a file; a run is a folder", "give -o another name", 2
            ) from None
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise Failure("cannot-write", f"`{self.path}` cannot be read: {why}", "give -o another name", 3) from None
        if self.record.exists():
            raise Failure("run-exists", f"`{self.path}` holds a run already",
                          f"go on with it: archc train --resume {as_word(self.path)}; or begin another: -o ANOTHER", 2)  # fmt: skip
        # a start that was killed leaves some of these, and no run.json
        started = self.is_started()
        if others := [
            each
            for each in inside
            if each not in OWN and not each.startswith(".") and not (started and each in STARTED)
        ]:
            raise Failure("run-exists", f"`{self.path}` is not empty: it has `{others[0]}`", "give -o a new name", 2)

    def is_started(self) -> bool:
        """Whether no step was taken: there is no checkpoint but what a net, or each member of an ensemble, starts from."""
        try:
            kept = [each.name for each in self.checkpoints.iterdir()] if self.checkpoints.is_dir() else []
            members = [*(self.path / MEMBERS).iterdir()] if (self.path / MEMBERS).is_dir() else []
            inside = [each.name for each in self.path.iterdir()]
        except OSError:
            return False
        return all(name == FIRST or name.startswith(".") for name in kept) and all(
            name in (*OWN, *STARTED) or name.startswith(".") for name in inside
        ) and all(RunFolder(each).is_started() for each in members)  # fmt: skip

    def check_begun(self) -> None:
        """Raises Failure `no-such-run` where there is no run to go on with."""
        if not self.record.is_file():
            why = "has no run.json" if self.path.is_dir() else "is no folder"
            raise Failure("no-such-run", f"`{self.path}` is no run: it {why}", "archc train SPEC -o RUN begins one", 2)
        for place in (self.path / name for name in PLAIN_FILES):
            # to open a pipe would wait for who writes into it
            if place.exists() and not place.is_file():
                raise Failure("no-such-run", f"`{place}` is no plain file", "remove it, or put the run's own back", 2)

    def check_texts(self) -> None:
        """Raises Failure `no-such-run` where the recipe or the spec of a run is not there."""
        if lost := [place.name for place in (self.recipe, self.spec) if not place.exists()]:
            raise Failure("no-such-run", f"`{self.path}` has no {lost[0]}, which the run wrote when it began",
                          f"put it back, or begin a new run with --weights {as_word(self.best)}", 2)  # fmt: skip

    def read_record(self) -> dict[str, Any]:
        """What run.json says. Raises Failure `no-such-run` where it cannot be read."""
        self.check_begun()
        try:
            found = json.loads(self.record.read_text("utf-8"))
            return check_record(found)
        except (OSError, ValueError, RecursionError) as error:
            raise Failure("no-such-run", f"`{self.record}` cannot be read: {str(error)[:200]}",
                          f"put it back as it was written, or begin a new run with --weights {as_word(self.best)}", 2) from None  # fmt: skip

    def write_text(self, place: Path, text: str) -> None:
        """Writes a file of the run, whole or not at all."""
        with atomic_write(place) as partial:
            partial.write_text(text, "utf-8", newline="")

    def add_session(self, first: int, last: int, seconds: float) -> float:
        """Adds to run.json that a session went from the step `first` to `last`; gives the seconds of all. Of one that was killed nothing is known."""
        record = self.read_record()
        sessions = [*record.get("sessions", ()), {"first": first, "last": last, "seconds": round(seconds, 3)}]
        self.write_text(self.record, json.dumps({**record, "sessions": sessions}, indent=2, ensure_ascii=False) + "\n")
        return float(sum(each["seconds"] for each in sessions))

    def write_split(self, data: TrainingData) -> None:
        """Writes train.csv and val.csv where the validation pictures are a share of the others, and files."""
        from .data.pictures import ChosenPictures

        if isinstance(data.val, ChosenPictures) and isinstance(data.val.source(0), str):
            for place, pictures in zip(self.lists, (data.train, data.val), strict=True):
                write_list(place, pictures, data.classes)


def run_of(weights: object) -> RunFolder | None:
    """The run in whose folder the checkpoint of a whole net lies; None where it lies elsewhere, or is no file."""
    run = RunFolder(weights.parent) if isinstance(weights, Path) else None
    return run if run is not None and run.record.is_file() else None


def write_list(place: Path, pictures: PictureSet, classes: Sequence[str]) -> None:
    """Writes pictures that are files as a .csv, a path and a class a line."""
    with (
        atomic_write(place) as partial,
        partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        file.write(format_row(("path", "class")))
        file.writelines(
            format_row((os.path.abspath(pictures.source(at)), classes[pictures.target(at)]))
            for at in range(len(pictures))
        )


def write_spec(folder: RunFolder, checked: Compilation, labels: tuple[str, ...]) -> None:
    """Writes RUN/spec.yaml, and the user's own texts beside it in RUN/spec/."""
    own = [source for source in checked.sources if not source.label.startswith(BUNDLED)]
    base = f"{BUNDLED}{checked.bundled}"
    if not checked.bundled:
        base = f"spec/{own[0].label if own[0].label != '-' else 'spec.yaml'}"
        for source in own:
            place = folder.path / "spec" / (source.label if source.label != "-" else "spec.yaml")
            place.parent.mkdir(parents=True, exist_ok=True)
            folder.write_text(place, source.text)
    params = [setting.partition("=") for setting in checked.settings]
    lines = ["archspec: 1", f"name: {flow(checked.name)}", f"extends: {flow(base)}"]
    lines += ["params:", *(f"  {name}: {value}" for name, _, value in params)] if params else []
    lines += [f"labels: {flow(labels)}"] if labels else []
    folder.write_text(folder.spec, "\n".join(lines) + "\n")


def check_record(found: Any) -> dict[str, Any]:
    """What run.json says. Raises ValueError where it is nothing that a run wrote."""
    if not isinstance(found, dict):
        raise ValueError("it holds no mapping")
    place = found.get("data")
    if place is not None and (not isinstance(place, str) or not place or "\0" in place):
        raise ValueError("its `data` is no path")
    sessions = found.get("sessions", [])
    if not isinstance(sessions, list) or not all(
        isinstance(each, dict) and type(each.get("seconds")) in (int, float) for each in sessions
    ):
        raise ValueError("its `sessions` are none")
    return found


def find_revision(folder: Path) -> str | None:
    """The git revision of the folder that a run is started in; None where there is none. No filters, hooks or pagers run."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_") or key in KEPT}
    try:
        found = subprocess.run(["git", *HARMLESS, "rev-parse", "HEAD"], cwd=folder, env={**kept, **FIXED}, stdin=subprocess.DEVNULL,
                               capture_output=True, text=True, timeout=10, check=True)  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
