"""`reported`: its schema, that it is about one net and changes none, and that the zoo's figures are what can be looked up."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import archc
from archc.catalog import compose_bundled
from archc.compiler.diagnostics import SpecError
from archc.compiler.driver import check
from archc.compiler.frontend.reported import FIGURES, Reported
from archc.compiler.sources import zoo

SPEC = """archspec: 1
name: tiny
params: {classes: 10}
input: {image: [3, 8, 8]}
graph: [conv: 4, relu, global_avg_pool, {name: fc, linear: $classes}]
"""


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def told_of(reported: str) -> list[str]:
    """The codes, messages and helps of a spec with this `reported`, each with the column where it points."""
    Path("tiny.yaml").write_text(SPEC + f"reported: {reported}\n", "utf-8")
    found = check("tiny.yaml").diagnostics
    return [f"{d.code}: {d.message}" + (f" ({d.help})" if d.help else "") for d in found]


ROW = "cifar10_error: 6.2, split: test, source: here"
PERCENT = "wants a percentage, 0 to 100, not"
MISTAKES = {
    "{cifar10_eror: 6, split: test, source: here}": "unknown-key: unknown key of `reported`: `cifar10_eror` (did you mean `cifar10_error`?)",
    "{cifar10_error: 130, split: test, source: here}": f"out-of-range: `cifar10_error` {PERCENT} 130",
    "[{cifar10_error: -0.1, split: test, source: here}]": f"out-of-range: `cifar10_error` {PERCENT} -0.1",
    "{cifar10_error: .nan, split: test, source: here}": f"out-of-range: `cifar10_error` {PERCENT} nan",
    "{cifar10_error: .inf, split: test, source: here}": f"out-of-range: `cifar10_error` {PERCENT} inf",
    "{cifar10_error: true, split: test, source: here}": f"wrong-type: `cifar10_error` {PERCENT} true",
    '{cifar10_error: "6.2", split: test, source: here}': f"wrong-type: `cifar10_error` {PERCENT} '6.2' (write 6.2 without quotes: in quotes it is a string)",
    "{split: test, source: here}": f"missing-key: a row of `reported` states no error (it can be {', '.join(FIGURES)})",
    "{cifar10_error: 6, source: here}": "missing-key: `reported` needs `split`",
    "[{cifar10_error: 6, split: test}]": "missing-key: an item of `reported` needs `source`",
    "{cifar10_error: 6, split: validation, source: here}": "wrong-type: `split` wants one of `val`, `test`, not 'validation' (`validation` is `val` here)",
    f"{{{ROW}, crops: 0}}": "out-of-range: `crops` wants a number of crops, `dense` or `multiscale`, not 0",
    f"{{{ROW}, crops: densely}}": "wrong-type: `crops` wants a number of crops, `dense` or `multiscale`, not 'densely'",
    f"{{{ROW}, crops: 1.5}}": "wrong-type: `crops` wants a number of crops, `dense` or `multiscale`, not 1.5 (write 1 or 2)",
    f"{{{ROW}, models: 0}}": "out-of-range: `models` wants an integer of at least 1, not 0",
    f"{{{ROW}, size: large}}": "wrong-type: `size` wants an integer of at least 1, not 'large'",
    f"{{{ROW}, augmented: yes}}": "wrong-type: `augmented` wants a boolean, not 'yes' (write true: YAML 1.2 reads `yes` as a string)",
    f"{{{ROW}, with: {{clases: 100}}}}": "unknown-param: there is no parameter `clases` (did you mean `classes`?)",
    f"{{{ROW}, with: 100}}": "wrong-type: `with` wants a mapping of params to values, not 100",
    "{cifar10_error: 6, split: test, source: ''}": "empty: `source` is empty (`source` wants a string)",
    "{cifar10_error: 6, split: test, source: our run, of May}": "unknown-key: unknown key of `reported`: `of May` (a text with a comma stands in quotes)",
    "4": "wrong-type: `reported` wants a list of rows, or one, not 4",
    "[]": "wrong-type: `reported` wants a list of rows, or one, not [], of 0",
    "[3]": "wrong-type: an item of `reported` wants a mapping, not 3",
}  # fmt: skip


@pytest.mark.parametrize("reported", MISTAKES)
def test_a_mistake_is_told_once_with_what_to_write(reported: str) -> None:
    assert told_of(reported) == [MISTAKES[reported]]


IMAGENET = "imagenet_top1_error: 30, imagenet_top5_error: 9, split: val, source: here"
# what a net of ten classes, or of so many, says of each
CLASSES: list[tuple[str, int, str]] = [
    (f"{{{IMAGENET}}}", 10, "reported-classes: `imagenet_top1_error` is of 1000 classes, and the net has 10 (a figure is of this very net: leave out what another"
     " one reached, or say that it is of the net with {classes: 1000}, under `with`)"),
    (f"{{{IMAGENET}}}", 1000, ""), (f"{{{IMAGENET}}}", 1001, ""), (f"{{{IMAGENET}, with: {{classes: 1000}}}}", 10, ""),
    (f"{{{ROW}}}", 10, ""), (f"{{{ROW}}}", 100, "`cifar10_error` is of 10 classes, and the net has 100"),
    ("{cifar100_error: 6, split: test, source: here}", 10, "`cifar100_error` is of 100 classes, and the net has 10"),
    ("{mnist_error: 6, split: test, source: here}", 26, "`mnist_error` is of 10 classes, and the net has 26"),
]  # fmt: skip


@pytest.mark.parametrize(("reported", "classes", "told"), CLASSES)
def test_a_figure_of_other_classes_is_told(reported: str, classes: int, told: str) -> None:
    text = SPEC.replace("classes: 10", f"classes: {classes}") + f"reported: {reported}\n"
    Path("tiny.yaml").write_text(text, "utf-8")
    found = check("tiny.yaml").diagnostics
    assert [each.severity for each in found] == ["warning"] * bool(told)
    assert not told or told in f"{found[0].code}: {found[0].message} ({found[0].help})"
    # of a net that settings make nothing is reported
    assert not check("tiny.yaml", ["classes=7"]).diagnostics


def test_a_figure_that_one_of_several_outputs_can_have_is_right() -> None:
    steps = "[{name: c, conv: 4}, global_avg_pool, {name: fc, linear: 10, output: small}, {from: c, global_avg_pool}, {name: top, linear: 1000}]"
    text = f"archspec: 1\nname: tiny\ninput: {{image: [3, 8, 8]}}\ngraph: {steps}\nreported: "
    Path("tiny.yaml").write_text(f"{text}{{{ROW}}}\n", "utf-8")
    assert not check("tiny.yaml").diagnostics
    Path("tiny.yaml").write_text(f"{text}{{cifar100_error: 3, split: test, source: here}}\n", "utf-8")
    (found,) = check("tiny.yaml").diagnostics
    assert (found.code, found.severity) == ("reported-classes", "warning")


def test_a_wrong_row_hides_no_other() -> None:
    found = told_of(
        "[{cifar10_error: 130, split: test, source: a}, {split: val, source: b}, {cifar_error: 3, split: val, source: c}]"
    )
    assert [each.split(":")[0] for each in found] == ["out-of-range", "missing-key", "unknown-key"]


def test_results_is_a_synonym() -> None:
    Path("tiny.yaml").write_text(SPEC + f"results: {{{ROW}}}\n", "utf-8")
    (found,) = check("tiny.yaml").diagnostics
    assert (found.code, found.help) == ("unknown-key", f"`results` is `reported` here: write `reported: {{{ROW}}}`")


def test_a_row_is_typed() -> None:
    row = "{imagenet_top1_error: 24, imagenet_top5_error: 7.8, split: val, crops: 10, size: 320, models: 2, subset: half, with: {classes: 5}, source: a, doc: b}"
    assert told_of(f"[{row}, {{{ROW}, augmented: true, crops: dense}}]") == []
    first, second = check("tiny.yaml").header.reported
    assert first.errors == {"imagenet_top1_error": 24, "imagenet_top5_error": 7.8}
    assert first[3:] == ("val", "a", 10, 320, 2, False, "half", {"classes": 5}, "b")
    assert second.errors == {"cifar10_error": 6.2}
    assert second[3:] == ("test", "here", "dense", None, 1, True, "", {}, "")


def test_it_is_about_one_net_and_changes_none() -> None:
    plain = archc.load(write("plain.yaml", SPEC))
    told = archc.load(write("told.yaml", SPEC + f"reported: {{{ROW}}}\n"))
    assert told.graph.sha256() == plain.graph.sha256()
    overlay = archc.load(write("over.yaml", "archspec: 1\nname: over\nextends: told.yaml\n"))
    assert told.checked.header.reported and not overlay.checked.header.reported
    text = SPEC.replace("{classes: 10}", "{classes: 10, width: 3}") + f"reported: {{{ROW}, doc: of width}}\n"
    assert [d.code for d in check(write("unused.yaml", text)).diagnostics] == ["unused-param"]


def write(name: str, text: str) -> str:
    Path(name).write_text(text, "utf-8")
    return name


def test_init_does_not_take_it_over() -> None:
    from archc.scaffold.starter import start_spec

    assert "reported" in zoo()["resnet50"].read_text("utf-8")
    assert "reported" not in start_spec("mine", "resnet50").text


def test_an_ill_fitting_with_is_told() -> None:
    write("tiny.yaml", SPEC + f"reported: {{{ROW}, with: {{classes: ten}}}}\n")
    from archc.comparison import read_nets
    from archc.compiler.diagnostics import Failure
    from archc.compiler.limits import DEFAULT

    with pytest.raises((Failure, SpecError)):
        read_nets(["tiny.yaml"], [], DEFAULT)


ROWS = {name: compose_bundled(path).header.reported for name, path in zoo().items()}


def test_the_rows_of_the_zoo_are_sound() -> None:
    assert sum(map(len, ROWS.values())) >= 170
    for name, rows in ROWS.items():
        assert len({(*row[3:9], *sorted(row.errors), *row.params, row.source, row.doc) for row in rows}) == len(rows), (
            f"{name}: a row twice"
        )
        for row in rows:
            assert all(0 < error < 50 for error in row.errors.values()), name
            first, five = row.errors.get("imagenet_top1_error"), row.errors.get("imagenet_top5_error")
            assert first is None or five is None or five < first / 2, name
            assert ("cifar100_error" in row.errors) == (row.params == {"classes": 100}), name
            assert row.split == "test" or any(key.startswith("imagenet") for key in row.errors), name


TORCHVISION = "torchvision, weights IMAGENET1K_V1"


def torchvision_accuracies(name: str) -> tuple[float, float] | None:
    """The accuracies that torchvision's source states of these weights. Its modules are read, and not imported: that takes torch."""
    place = find_spec("torchvision")
    assert place and place.origin
    for path in Path(place.origin).parent.joinpath("models").glob("*.py"):
        for title, body in re.findall(
            r"^class (\w+)_Weights\(.*?:\n(.*?)(?=^\S|\Z)", path.read_text("utf-8"), re.M | re.S
        ):
            if title.lower() == name:
                stated = re.search(r'IMAGENET1K_V1 = .*?"acc@1": ([\d.]+),\s*"acc@5": ([\d.]+)', body, re.S)
                return (float(stated[1]), float(stated[2])) if stated else None
    return None


def torchvision_rows() -> dict[str, Reported]:
    return {name: row for name, rows in ROWS.items() for row in rows if row.source == TORCHVISION}


@pytest.mark.skipif(find_spec("torchvision") is None, reason="torchvision is one of the peers, and not here")
def test_torchvisions_errors_are_those_of_its_source() -> None:
    rows = torchvision_rows()
    assert len(rows) == 27
    for name, row in rows.items():
        stated = torchvision_accuracies(name)
        assert stated, name
        assert [row.errors[f"imagenet_top{k}_error"] for k in (1, 5)] == pytest.approx(
            [100 - each for each in stated]
        ), name
        assert (row.split, row.crops, row.size, row.models, row.params) == ("val", 1, None, 1, {}), name


# what the authors' own READMEs state of their nets, read there (KaimingHe/deep-residual-networks, facebookresearch/ResNeXt,
# szagoruyko/wide-residual-networks, liuzhuang13/DenseNet, yueatsprograms/Stochastic_Depth, songhan/SqueezeNet-Residual)
READ = [
    ("resnet50_v1_stride1x1", "imagenet_top1_error", 1, 24.7), ("resnet101_v1_stride1x1", "imagenet_top1_error", 1, 23.6),
    ("resnet152_v1_stride1x1", "imagenet_top1_error", 1, 23.0), ("resnet50_v1_stride1x1", "imagenet_top5_error", 10, 6.7),
    ("resnet101_v1_stride1x1", "imagenet_top1_error", 10, 21.8), ("resnet152_v1_stride1x1", "imagenet_top5_error", 10, 5.7),
    ("resnext50_32x4d", "imagenet_top1_error", 1, 22.2), ("resnext101_32x4d", "imagenet_top1_error", 1, 21.2),
    ("resnext101_64x4d", "imagenet_top1_error", 1, 20.4), ("wide_resnet50_2", "imagenet_top5_error", 1, 6.03),
    ("preresnet200_imagenet_fb", "imagenet_top1_error", 1, 21.66), ("densenet121", "imagenet_top1_error", 1, 25.0),
    ("densenet201", "imagenet_top1_error", 1, 22.6), ("densenet161", "imagenet_top1_error", 1, 22.2),
    ("densenet_40_12_cifar", "cifar10_error", None, 5.24), ("densenet_bc_190_40_cifar", "cifar100_error", None, 17.18),
    ("wrn_28_10_cifar", "cifar10_error", None, 4.00), ("wrn_28_10_cifar", "cifar100_error", None, 19.25),
    ("preresnet164_cifar", "cifar10_error", None, 5.46), ("preresnet1001_cifar", "cifar100_error", None, 22.71),
    ("stochastic_depth_resnet110_cifar_convbias", "cifar10_error", None, 5.23), ("squeezenet1_0_simple_bypass", "imagenet_top5_error", None, 17.5),
]  # fmt: skip


@pytest.mark.parametrize("name, figure, crops, error", READ)
def test_what_authors_state_elsewhere_agrees(name: str, figure: str, crops: int | None, error: float) -> None:
    found = [
        row.errors[figure] for row in ROWS[name] if figure in row.errors and row.crops == crops and row.size is None
    ]
    assert found[0] == pytest.approx(error, abs=0.051), "to the digit that is stated"
