"""The page at the end of a run: what it tells, that nothing in it is loaded or runs, and that no text breaks out of it."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from archc import Failure
from archc.runtime.evaluation import ClassificationReport
from archc.runtime.evaluation.page import escape_text
from archc.runtime.faults import PictureFault
from archc.training import resume, train
from archc.training.losses import ClassOutput
from archc.training.metrics import MetricsFile
from archc.training.recipe.recipe import LogRules
from archc.training.report import evaluate_module, write_report
from archc.training.report.page import FINISHED
from archc.training.report.series import MOST_POINTS, thin_out
from archc.training.watching import RunEnd, Watcher

from .test_training_loop import DATA, RECIPE, SPEC
from .training_runs import CLASSES, make_plan, play

OUTPUT = ClassOutput("logits", 10, frozenset())


class GivenBatch(NamedTuple):
    images: torch.Tensor
    targets: torch.Tensor
    broken: tuple[tuple[str, str], ...] = ()


class Pictures:
    """Pictures each of one shade, which is 25 times the class; every 7th has the next class's shade, and number 3 is broken."""

    classes = 10

    def __len__(self) -> int:
        return 50

    def name(self, index: int) -> str:
        return f"val/<{index}>.png"

    def load(self, index: int) -> np.ndarray[Any, Any]:
        if index == 3:
            raise PictureFault("image-unreadable", "it ends early")
        return np.full((8, 8), 25 * ((index + (index % 7 == 0)) % 10), np.uint8)

    def target(self, index: int) -> int:
        return index % 10


class Batches:
    """As a ValidationLoader: what cannot be read is left out, and known before its batch comes."""

    def __init__(self) -> None:
        self.broken: dict[str, str] = {}

    def __iter__(self) -> Any:
        pictures = Pictures()
        for start in range(0, 50, 8):
            chosen = [at for at in range(start, min(start + 8, 50)) if at != 3]
            if start == 0:
                self.broken["val/<3>.png"] = "it ends early"
            images = torch.tensor(np.stack([pictures.load(at) for at in chosen])[:, None] / 25.0).float()
            yield GivenBatch(images, torch.tensor([pictures.target(at) for at in chosen]))


class Shade(nn.Module):
    """Tells the class by the shade."""

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": -((images.mean((1, 2, 3))[:, None] - torch.arange(10)) ** 2), "aux": images}


@pytest.fixture(scope="module")
def evaluation() -> ClassificationReport:
    module = Shade().train()
    found = evaluate_module(
        module,
        Batches(),
        Pictures(),
        OUTPUT,
        CLASSES,
        model="small_net",
        place="val",
        matched="by the labels as they are",
    )
    assert module.training
    return found


def test_the_answers_are_counted(evaluation: ClassificationReport) -> None:
    wrong = range(0, 50, 7)
    assert (
        evaluation.answered == 49
        and evaluation.top1 == pytest.approx(1 - len(wrong) / 49)
        and evaluation.top5 == pytest.approx(48 / 49)
    )
    assert {each.path for each in evaluation.mistakes} == {f"val/<{at}>.png" for at in wrong}
    assert all(each.thumbnail.startswith(b"\xff\xd8") for each in evaluation.mistakes)
    assert [(each.path, each.message) for each in evaluation.unreadable] == [("val/<3>.png", "it ends early")]


def test_an_output_of_probabilities_is_taken_as_it_is() -> None:
    class Sure(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[0.25, 0.75, *[0.0] * 8]]).expand(len(images), 10)

    found = evaluate_module(Sure(), Batches(), Pictures(), OUTPUT._replace(probable=frozenset(("logits",))), CLASSES, model="m", place="", matched="")  # fmt: skip
    assert {each.probability for each in found.mistakes} == {0.75}


class Loaded(HTMLParser):
    """What a page would load or run, its headings, and the text of its <pre>."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.wants: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and not (value or "").startswith(("data:image/jpeg;base64,", "#")):
                self.wants.append(f"{tag} {name}={value}")
            if name.startswith("on"):
                self.wants.append(name)
            if name == "id":
                self.ids.append(value or "")


def write(folder: Path, evaluation: ClassificationReport | None, **changes: Any) -> str:
    plan = make_plan(folder)
    play(plan, MetricsFile(folder))
    (folder / "recipe.yaml").write_text("name: small # <script>alert(1)</script>\n", "utf-8")
    (folder / "spec.yaml").write_text("extends: zoo:small_net\n", "utf-8")
    (folder / "broken.csv").write_text("picture,why\n<b>.jpg,it ends early\n", "utf-8")
    path = write_report(plan._replace(**changes), RunEnd(), {"torch": "2.99"}, evaluation)
    assert path == folder / "report.html"
    return path.read_text("utf-8")


def test_the_page(tmp_path: Path, evaluation: ClassificationReport) -> None:
    page = write(tmp_path, evaluation)
    found = Loaded(page)
    assert not found.wants and "script" not in found.tags and "@import" not in page and "default-src 'none'" in page
    assert found.tags.count("svg") == 5 and len(found.ids) == len(set(found.ids))
    for words in ("<title>small_net: training, 83.33 % top-1", "2.99", "extends: zoo:small_net", "3 <b>best</b>", "11.2 M", "&lt;b&gt;.jpg", "The worst mistakes",
                  "What was taken for what", "var(--line-0)", "prefers-color-scheme: dark", "@media print"):  # fmt: skip
        assert words in page, words
    assert "<script>" not in page and "<b>.jpg" not in page and "mathdefault" not in page
    assert re.search(r'aria-label="Loss \(that of training has the heads in it\) over epochs; training: from', page)


def test_it_is_the_same_page_twice(tmp_path: Path) -> None:
    assert write(tmp_path, None) == write(tmp_path, None)


def test_a_run_that_measured_nothing_has_a_page(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, heads=())
    MetricsFile(tmp_path).begin(plan)
    page = write_report(plan, RunEnd("diverged: the loss is <nan> at step 1", "try <less>"), {}).read_text("utf-8")
    assert (
        "ended before its time: diverged: the loss is &lt;nan&gt; at step 1</b>" in page and "try &lt;less&gt;" in page
    )
    assert "<svg" not in page and "best epoch" not in page and FINISHED not in page


def test_numbers_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    plan = make_plan(tmp_path)
    play(plan, MetricsFile(tmp_path))
    path = tmp_path / "metrics.csv"
    path.write_text(path.read_text("utf-8").replace("1.84", "nan", 1).replace("20,1,val,2,", "20,1,val,inf,"), "utf-8")
    assert write_report(plan, RunEnd(), {}).read_text("utf-8").count("<svg") == 5


def test_long_lines_are_thinned() -> None:
    points = [(float(at), 1.0) for at in range(50_000)]
    thin = thin_out(points)
    assert len(thin) <= MOST_POINTS and {y for _, y in thin} == {1.0} and thin[0][0] < thin[-1][0]
    assert thin_out(points[:5]) == tuple(points[:5])


class Interrupt(Watcher):
    """Ctrl-C after a step."""

    def __init__(self, step: int) -> None:
        self.at = step

    def tick(self, step: int, epoch: int) -> None:
        if step == self.at:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_that_is_interrupted_has_a_page(tmp_path: Path) -> None:
    """With the curves up to there, and a box that says how to go on; the page of the run that went on to its end has no box."""
    (tmp_path / "small.yaml").write_text(SPEC, "utf-8")
    run, recipe = tmp_path / "run", replace(RECIPE, epochs=3, log=LogRules(every=1))
    train(tmp_path / "small.yaml", recipe, data=DATA, output=run, device="cpu", watchers=[Interrupt(6)])
    page = (run / "report.html").read_text("utf-8")
    assert "interrupted after step 6 of 12" in page and f"archc train --resume {run}" in page
    assert "<svg" in page and FINISHED not in page and not Loaded(page).wants
    resume(run, data=DATA, device="cpu")
    page = (run / "report.html").read_text("utf-8")
    assert FINISHED in page and "<div class=stopped>" not in page


def test_a_run_that_diverges_has_a_page(tmp_path: Path) -> None:
    """With a box that has the words of the failure."""
    (tmp_path / "small.yaml").write_text(SPEC, "utf-8")
    run, recipe = tmp_path / "run", replace(RECIPE, epochs=3, log=LogRules(every=1))
    with pytest.raises(Failure) as found:
        train(
            tmp_path / "small.yaml", recipe, data=DATA, output=run, device="cpu", settings=["optimizer.sgd.lr=1.0e+6"]
        )
    page = (run / "report.html").read_text("utf-8")
    assert f"diverged: {escape_text(found.value.message)}</b>" in page and "try a lower learning rate" in page
    assert "<svg" in page and FINISHED not in page and not Loaded(page).wants
