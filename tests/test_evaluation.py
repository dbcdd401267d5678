"""`archc eval`: pictures with their classes, names matched to labels, what is counted, and a page that no name can break out of."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import archc
from archc.cli.eval import evaluation_json, text_parts
from archc.runtime.evaluation import ClassificationReport, format_page
from archc.runtime.evaluation.examples import open_examples
from archc.runtime.evaluation.matching import match_classes
from archc.runtime.evaluation.tally import ClassScore, Confusion, Mistake, Tally, Unreadable

from .cuda_trouble import break_cuda
from .foreign_models import KINDS, make, save
from .program import Run, program

ROOT = Path(__file__).parent.parent
SPEC = """archspec: 1
name: shades
input: {image: [1, 4, 4]}
labels: [dark, light grey, white]
graph: [global_avg_pool, {linear: 3}]
"""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with shades.onnx, which tells dark, grey and white pictures apart, features.onnx, which tells no classes, and pair.onnx of two inputs."""
    import torch

    folder = tmp_path_factory.mktemp("models")
    (folder / "shades.yaml").write_text(SPEC, "utf-8")
    module = archc.load(folder / "shades.yaml").to_torch()
    (weight, bias) = module.state_dict().values()
    # the largest of -x², as lines: 0·x, 2·½·x - ¼, 2·x - 1
    state = dict(
        zip(
            module.state_dict(),
            (torch.tensor([[0.0], [20], [40]]).reshape(weight.shape), torch.tensor([0.0, -5, -20]).reshape(bias.shape)),
            strict=True,
        )
    )
    archc.load(folder / "shades.yaml").export_onnx(folder / "shades.onnx", weights=state, proof="none")
    (folder / "features.yaml").write_text(
        "archspec: 1\nname: features\ninput: {image: [1, 4, 4]}\ngraph: [{conv: 4}]", "utf-8"
    )
    archc.load(folder / "features.yaml").export_onnx(folder / "features.onnx", proof="none")
    (folder / "pair.yaml").write_text(
        "archspec: 1\nname: pair\ninput: {left: [1, 4, 4], right: [1, 4, 4]}\n"
        "graph: [concat: [[{from: left}], [{from: right}]], global_avg_pool, {linear: 3}]\n",
        "utf-8",
    )
    archc.load(folder / "pair.yaml").export_onnx(folder / "pair.onnx", proof="none")
    return folder


@pytest.fixture
def run(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    execute = program(capsys)
    return lambda *words, model="shades": execute("eval", str(models / f"{model}.onnx"), "--device", "cpu", *words)


def picture(path: str | Path, shade: int) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (6, 6), shade).save(path)


def make_shades(folder: str = "shades", names: Sequence[str] = ("dark", "light grey", "white")) -> None:
    """Two pictures a class; one white picture is called dark, and one light grey picture is white."""
    for name, shades in zip(names, ((0, 255), (128, 120), (255, 130)), strict=True):
        for at, shade in enumerate(shades):
            picture(f"{folder}/{name}/deep/{at}.png", shade)


# -- what is counted -----------------------------------------------------------------------------------------------------


def test_the_figures(run: Run) -> None:
    make_shades()
    picture("shades/loose.png", 0)
    Path("shades/white/bad.jpg").write_bytes(b"\xff\xd8\xff" + bytes(20))
    ran = run("shades", "--format", "json")
    told = json.loads(ran.out)
    assert ran.code == 1 and told["pictures"] == 6 and told["unreadable_count"] == 1
    assert told["top1"] == pytest.approx(4 / 6) and told["top5"] == 1
    assert [(each["label"], each["pictures"], each["top1"], each["precision"]) for each in told["classes"]] == [
        ("dark", 2, 0.5, 1.0), ("light grey", 2, 1.0, pytest.approx(2 / 3)), ("white", 2, 0.5, 0.5)
    ]  # fmt: skip
    assert told["confusions"] == [
        {"true": 0, "predicted": 2, "pictures": 1},
        {"true": 2, "predicted": 1, "pictures": 1},
    ]
    assert [each["path"] for each in told["mistakes"]] == [
        os.path.join("shades", "dark", "deep", "1.png"),
        os.path.join("shades", "white", "deep", "1.png"),
    ]
    assert told["mistakes"][0]["probability"] > told["mistakes"][1]["probability"]
    assert told["unreadable"][0]["code"] == "image-unreadable" and "1 in `shades` itself" in told["notes"][0]
    shown = run("shades")
    assert (
        shown.code == 1
        and "top-1   66.67%" in shown.out
        and "top-5" not in shown.out
        and "1 could not be read" in shown.out
        and "bad.jpg: error[image-unreadable]" in shown.out
    )
    assert re.search(r"^dark +2 +50.00% +100.00% +white \(1\)$", shown.out, re.M)


@pytest.mark.parametrize(("outcomes", "shown"), [(None, True), (6, True), (5, False), (2, False)])
def test_the_first_five_of_five_classes_are_not_told(outcomes: int | None, shown: bool) -> None:
    """They are always all of them; the JSON document has the key for any model."""
    tally = Tally()
    tally.add({"path": ["a"], "top": [[{"index": 0, "label": "x", "probability": 1.0}]], "error": [None], "message": [None]}, [0])  # fmt: skip
    found = tally.finish("m", "cpu", ".", "", {}, (), outcomes)
    assert ("top-5" in text_parts(found)[0]) == ("top-5" in format_page(found)) == shown
    assert evaluation_json(found, "")["top5"] == 1


def test_it_is_what_counting_by_hand_gives() -> None:
    """Random answers, tallied in batches, against numpy."""
    rng = np.random.default_rng(0)
    scores, true = rng.random((500, 9)).round(2), rng.integers(0, 9, 500)
    order = np.argsort(-scores, axis=1, kind="stable")
    tally = Tally(mistakes=7)
    for start in range(0, 500, 33):
        part = range(start, min(start + 33, 500))
        top = [
            [{"index": int(k), "label": None, "probability": float(scores[at, k])} for k in order[at, :5]]
            for at in part
        ]
        none = [None] * len(part)
        tally.add(
            {"path": [f"{at}" for at in part], "top": top, "error": none, "message": none},
            [int(true[at]) for at in part],
        )
    found = tally.finish("m", "cpu", ".", "", {}, ())
    assert found.top1 == pytest.approx((order[:, 0] == true).mean()) and found.top5 == pytest.approx(
        (order[:, :5] == true[:, None]).any(1).mean()
    )
    for each in found.classes:
        mine = true == each.index
        assert (
            each.pictures == mine.sum()
            and each.first == (order[mine, 0] == each.index).sum()
            and each.answered == (order[:, 0] == each.index).sum()
        )
    assert sum(each.pictures for each in found.confusions) == (order[:, 0] != true).sum()
    wrong = sorted((at for at in range(500) if order[at, 0] != true[at]), key=lambda at: (-scores[at].max(), at))
    assert [int(each.path) for each in found.mistakes] == wrong[:7]


def test_lenet_reads_445_of_the_450_held_out_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    from digits import images, split  # type: ignore[import-not-found]

    monkeypatch.chdir(tmp_path)
    archc.load("lenet5_modern").export_onnx(
        "lenet.onnx", weights=ROOT / "archspecs/lenet/lenet5_modern.safetensors", proof="none"
    )
    pictures, answers = images()
    lines = ["path,class"]
    for at in split(len(pictures))[1]:
        Path(f"held/{answers[at]}").mkdir(parents=True, exist_ok=True)
        pictures[at].save(f"held/{answers[at]}/{at}.png")
        lines.append(f"held/{answers[at]}/{at}.png,{answers[at]}")
    Path("held.csv").write_text("\n".join(lines), "utf-8")
    run = program(capsys)
    told = [
        json.loads(run("eval", "lenet.onnx", place, "--format", "json", "--device", "cpu", "--batch", "64").out)
        for place in ("held", "held.csv")
    ]
    for each in told:
        assert (
            each["pictures"] == 450
            and round(each["top1"] * 450) == 445
            and len(each["classes"]) == 10
            and len(each["mistakes"]) == 5
        )
    assert told[0]["confusions"] == told[1]["confusions"]


# -- where classes come from ---------------------------------------------------------------------------------------------

IMAGENET = ["n01440764 tench", "n02012849 crane", "n03126707 crane", "n02123045 tabby, tabby cat"]


@pytest.mark.parametrize("names, labels, classes, how, found", [
    (["b", "a"], ["a", "b"], 2, "as they are", {"b": 1, "a": 0}),
    (["Light_Grey", "DARK"], ["dark", "light grey"], 2, "case", {"Light_Grey": 1, "DARK": 0}),
    (["straße"], ["STRASSE", "b"], 2, "case", {"straße": 0}),
    (["a", "B"], ["a", "b"], 2, "case", {"a": 0, "B": 1}),
    (["cafe\u0301", "a"], ["a", "caf\u00e9"], 2, "as they are", {"a": 0, "cafe\u0301": 1}),
    (["CAFE\u0301"], ["caf\u00e9", "cafe"], 2, "case", {"CAFE\u0301": 0}),
    (["\u0915\u093f x"], ["\u0915\u0940_x", "\u0915\u093f_x"], 2, "case", {"\u0915\u093f x": 1}),
    (["1", "0"], ["1", "2"], 2, "as they are", {"1": 0}),
    (["1", "0"], ["a", "b"], 2, "numbers", {"1": 1, "0": 0}), (["007", "9"], [], 9, "numbers", {"007": 7}), (["7"], [], None, "numbers", {"7": 7}),
    (["n01440764", "n02012849"], IMAGENET, 4, "WordNet ids in", {"n01440764": 0, "n02012849": 1}),
    (["n01440764_tench"], ["tench", "b"], 2, "without the WordNet ids", {"n01440764_tench": 0}),
    (["n03126707", "n01440764"], ["tench", "crane"], 2, "order of WordNet", {"n01440764": 0, "n03126707": 1}),
    (["n03126707"], ["tench", "crane"], 2, "", {}),
    (["crane", "tench"], ["crane", "tench", "crane"], 3, "as they are", {"tench": 1}),
    (["x"], ["a"], 1, "", {}), (["---"], ["!!!", "a"], 2, "", {}), (["²"], [], 9, "", {}),
])  # fmt: skip
def test_matching(names: list[str], labels: list[str], classes: int | None, how: str, found: dict[str, int]) -> None:
    matching = match_classes(names, labels, classes)
    assert matching.classes == found and how in matching.how and bool(how) == bool(matching.how)
    assert {*matching.unmatched} == {*names} - {*found} and all(matching.unmatched.values())


def test_names_that_are_no_classes(run: Run) -> None:
    make_shades()
    make_shades("odd", ("DARK", "purple", "blue\x1b[31m"))
    ran = run("odd")
    assert ran.code == 1 and "error[classes-unmatched]: `purple` is no label of the model" not in ran.out
    assert "`purple` is no label of the model" in ran.err and "--skip-unknown" in ran.err
    assert "labels (`dark`, `light grey`, `white`)" in ran.err
    told = json.loads(run("odd", "--skip-unknown", "--format", "json").out)
    assert (
        told["pictures"] == 2
        and "case" in told["matched"]
        and "4 in" in told["notes"][0]
        and "`purple`" in told["notes"][0]
    )
    Path("names.txt").write_text("dark\npurple\nblue\n", "utf-8")
    assert json.loads(run("odd", "--labels", "names.txt", "--skip-unknown", "--format", "json").out)["pictures"] == 4
    make_shades("none", ("x", "y", "z"))
    ran = run("none", "--skip-unknown")
    assert ran.code == 1 and "classes-unmatched" in ran.err and "--skip-unknown" not in ran.err.partition("help")[2]


def test_a_model_of_several_inputs(run: Run) -> None:
    make_shades()
    ran = run("shades", model="pair")
    assert ran.code == 1 and ran.err.startswith("error[wrong-input]: pair has 2 inputs") and "--input" not in ran.err


@pytest.mark.parametrize("text, found", [
    ("a.png,x\nb.png,y\n", [("a.png", "x"), ("b.png", "y")]), ("path,class\na.png,x\n", [("a.png", "x")]),
    ("image_path,class\na.png,x", [("a.png", "x")]), ("\nFile Name,class-id\na.png,x", [("a.png", "x")]),
    ("image_1.png,class_1\n", [("image_1.png", "class_1")]), ("a.png,x\npath,class\n", [("a.png", "x"), ("path", "class")]),
    ("\ufeffid,label,file\r\n1,x,a.png\r\n\r\n", [("a.png", "x")]), ('"a,b.png", x y ', [("a,b.png", "x y")]), ('"new\nline.png",x', [("new\nline.png", "x")]),
])  # fmt: skip
def test_a_csv(tmp_path: Path, text: str, found: list[tuple[str, str]]) -> None:
    (tmp_path / "list.csv").write_text(text, "utf-8", newline="")
    examples = open_examples(tmp_path / "list.csv")
    assert [*examples] == [(str(tmp_path / path), name) for path, name in found] and sum(
        examples.counts.values()
    ) == len(found)


@pytest.mark.parametrize("place, told", [
    ("none", "is not there"), ("a.png", "is no folder"), ("empty", "has no picture with a class"), ("flat", "has no picture with a class"),
    ("one.csv", "line 2 has no path and class"), ("empty.csv", "has no picture with a class"), ("none.csv", "cannot be read"), ("nul.csv", "no-classes"),
])  # fmt: skip
def test_places_without_classes(run: Run, place: str, told: str) -> None:
    picture("a.png", 0)
    picture("flat/a.png", 0)
    Path("empty").mkdir()
    for name, text in (("one", "a.png,x\nb.png\n"), ("empty", "path,class\n"), ("nul", "a\0b,x\n\n")):
        Path(f"{name}.csv").write_text(text, "utf-8")
    ran = run(place)
    assert (ran.code, "error[no-classes]" in ran.err) == (2, True) or (place == "nul.csv" and ran.code in (1, 2))
    assert told in ran.err or place == "nul.csv"


def test_nothing_is_told_where_nothing_was_answered(run: Run) -> None:
    Path("list.csv").write_text("gone.png,dark\n", "utf-8")
    ran = run("list.csv")
    assert ran.code == 1 and "gone.png: error[image-missing]" in ran.out and "%" not in ran.out
    told = json.loads(run("list.csv", "--format", "json").out)
    assert told["top1"] is told["top5"] is None and told["pictures"] == 0
    assert run("list.csv", "-o", "x.html").code == 1 and "0.00" not in Path("x.html").read_text("utf-8")


@pytest.mark.parametrize("driver", [False, True])
def test_auto_says_why_where_a_gpu_seems_to_be_here(run: Run, monkeypatch: pytest.MonkeyPatch, driver: bool) -> None:
    make_shades()
    reason = break_cuda(monkeypatch, driver)
    told = json.loads(run("shades", "--device", "auto", "--format", "json").out)
    assert (told["device"], told["reason"]) == ("cpu", reason)
    for target in ((), ("-o", "report.html")):
        assert run("shades", "--device", "auto", *target).out.endswith(f"\nshades on cpu: {reason}\n") == driver
    assert reason not in run("shades").out


@pytest.mark.parametrize("words, model, code, told", [
    (["shades"], "features", 1, "not-a-classifier"), (["shades", "-o", "x.pdf"], "shades", 2, "a report is a .html"),
    (["shades.csv", "-o", "shades.csv"], "shades", 2, "a report is"), (["shades", "-o", "no/x.html"], "shades", 2, "no-such-folder"),
    (["shades", "--labels", "none"], "shades", 2, "file-missing"), (["shades"], "none", 2, "no-such-model"),
])  # fmt: skip
def test_refusals(run: Run, words: list[str], model: str, code: int, told: str) -> None:
    make_shades()
    ran = run(*words, model=model)
    assert ran.code == code and told in ran.err and not ran.out


def test_a_model_that_answers_with_texts_is_no_classifier(run: Run, models: Path) -> None:
    make_shades()
    nodes, output = KINDS["texts"]
    save(make(nodes, outputs=[output]), models / "texts.onnx")
    ran = run("shades", model="texts")
    assert ran.code == 1 and "not-a-classifier" in ran.err


# -- the page ------------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """The elements and the text of a page; every element that is opened is closed."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\udcff\x1b[31m'&amp;"


@pytest.mark.parametrize("count", [3, 60])
def test_no_name_breaks_out_of_the_page(count: int) -> None:
    labels = {at: f"{at}{EVIL}" for at in range(count)}
    evaluation = ClassificationReport(
        f"m{EVIL}", f"cpu{EVIL}", f"place{EVIL}", f"how{EVIL}", labels, tuple(ClassScore(at, labels[at], 10, at % 9, 9, 8) for at in range(count)),
        tuple(Confusion(at, (at + 1) % count, 3) for at in range(count)), (Mistake(f"p{EVIL}", 0, 1, 0.9, b"\xff\xd8"), Mistake(f"q{EVIL}", 1, 2, 0.8)),
        (Unreadable(f"r{EVIL}", f"code{EVIL}", f"why{EVIL}"),), 200, (f"note{EVIL}",),
    )  # fmt: skip
    made = format_page(evaluation)
    page = Page(made)
    assert made == format_page(evaluation) and made.isprintable() is False and not re.search("[\u202e\x1b\udcff]", made)
    made.encode("utf-8")
    allowed = {"html", "head", "meta", "title", "style", "body", "main", "header", "h1", "h2", "p", "code", "dl", "div", "dt", "dd", "ul", "li", "section",
               "table", "thead", "tbody", "tr", "th", "td", "span", "figure", "img", "figcaption", "b", "br"}  # fmt: skip
    assert {tag for tag, _ in page.tags} <= allowed
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name in ("href", "action") for name in attributes), tag
        assert (attributes.get("src") or "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
    assert page.text.count("<script>alert(1)</script>") >= 10
    assert "default-src 'none'" in made and not re.search(r"https?://|@import|url\(", made)


def test_every_picture_is_in_the_matrix() -> None:
    """A right answer has its cell, however many classes were answered."""
    tally = Tally(0)
    for at in range(100):
        top = [{"index": at if at else 999, "label": None, "probability": 1.0}]
        tally.add({"path": ["x"], "top": [top], "error": [None], "message": [None]}, [999])
    page = format_page(tally.finish("net", "cpu", "x", "by", {}, ()))
    matrix = page.partition('aria-label="confusion matrix"')[2].partition("</table>")[0]
    cells = re.findall(r'<td class="(hit|miss)"[^>]*>(\d+)</td>', matrix)
    assert sum(int(count) for _, count in cells) == 100 and ("hit", "1") in cells and "any other" in matrix


def test_the_page_of_a_run(run: Run) -> None:
    make_shades()
    ran = run("shades", "-o", "report.html")
    assert ran.code == 0 and "wrote report.html" in ran.out
    page = Page(Path("report.html").read_text("utf-8"))
    pictures = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 2 and all(source and len(source) > 400 for source in pictures)
    assert "66.67" in page.text and "light grey" in page.text and "top-5" not in page.text
    first = Path("report.html").read_bytes()
    run("shades", "-o", "report.html", "--threads", "3", "--batch", "1")
    assert Path("report.html").read_bytes() == first
