"""`archc diff`: each kind of edit is told for what it is, both ways round; whether A's checkpoint fits B is what a build does with it."""

from __future__ import annotations

import io
import json
import os
import random
import re
import subprocess
import sys
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import archc
from archc.compiler.analysis.diff.alignment import MAX_DIFFERENCES, align
from archc.compiler.analysis.diff.changes import GraphDiff, diff_graphs
from archc.compiler.analysis.diff.costs import CostChange
from archc.compiler.diagnostics import Failure
from archc.compiler.weights.name_map import NameMap
from archc.difference import NetDiff, open_side
from archc.text.diff_report import cost_row

from .program import Run, program

NET = """archspec: 1
name: net
params: {classes: 10, width: 8}
input: {image: [3, 32, 32]}
preprocess: {crop: 32, mean: [0.5, 0.5, 0.5]}
blocks:
  Unit:
    params: {out: int}
    steps:
      - {name: conv, conv: {out: $out, kernel: 3, padding: 1}}
      - {name: bn, batch_norm}
      - relu
graph:
  - {name: stem, Unit: {out: $width}}
  - name: layer$(i + 1)
    repeat: {i: 3}
    residual:
      body: {name: unit, Unit: {out: $width}}
  - {conv: {out: 16, kernel: 1}}
  - relu
  - {name: aux, aux: 0.3, steps: [global_avg_pool, {linear: $classes}]}
  - {max_pool: {kernel: 2, stride: 2}}
  - global_avg_pool
  - {name: fc, linear: $classes}
"""


class Edit(NamedTuple):
    """A text that is replaced in NET, how many nodes of each kind that gives, and what must be said of it."""

    old: str
    new: str
    counts: dict[str, int]
    told: tuple[str, ...]
    fits: bool = True
    skip: tuple[str, ...] = ()


EDITS = {
    "a field": Edit("{conv: {out: 16, kernel: 1}}", "{conv: {out: 16, kernel: 3, padding: 1}}", {"changed": 1},
                    ("~ 4  kernel 1 → 3, padding 0 → 1", "net.yaml:19 → b.yaml:19", "+ - {conv: {out: 16, kernel: 3, padding: 1}}"),
                    False, ("4",)),
    "a width": Edit("{conv: {out: 16, kernel: 1}}", "{conv: {out: 24, kernel: 1}}", {"changed": 1, "reshaped": 6},
                    ("out 16 → 24, gives 16×32×32 → 24×32×32", "6 changed by it", "because of 4  6 steps: ", "fc takes"), False, ("4", "aux.1", "fc")),
    "an op": Edit("  - relu\n  - {name: aux", "  - gelu\n  - {name: aux", {"changed": 1}, ("op relu → gelu",)),
    "a step more": Edit("  - relu\n  - {name: aux", "  - relu\n  - {name: more, conv: {out: 16}}\n  - {name: aux", {"added": 1, "renamed": 2},
                        ("+ more  conv(out=16)", "1 step added"), False, ("more",)),
    "a step more in front": Edit("  - {conv: {out: 16", "  - avg_pool: {kernel: 3, stride: 1, padding: 1}\n  - {conv: {out: 16",
                                 {"added": 1, "renamed": 4}, ("+ 4  avg_pool(", "> 4 → 5, …, 8 → 9"), False),
    "a step less": Edit("  - {max_pool: {kernel: 2, stride: 2}}\n", "", {"removed": 1, "renamed": 1, "reshaped": 1}, ("- 7  max_pool(", "because of 7")),
    "a rename": Edit("{name: stem, Unit", "{name: first, Unit", {"renamed": 3}, ("> stem → first", "but for names", "first: stem"), False),
    "a deeper repeat": Edit("repeat: {i: 3}", "repeat: {i: 6}", {"added": 12, "renamed": 4}, ("+ layer4 … layer6 ×3  4 steps each",), False,
                            ("layer4", "layer5", "layer6")),
    "a change in a repeat": Edit("body: {name: unit, Unit: {out: $width}}", "body: [{name: unit, Unit: {out: $width}}, dropout: 0.1]",
                                 {"added": 3}, ("+ layer1.", "×3  dropout(p=0.1)")),
    "a param": Edit("width: 8", "width: 16", {"changed": 4, "reshaped": 12}, ("~ width  8 → 16", "layer*.unit.conv ×3", "out 8 → 16"), False),
    "wiring": Edit("  - {max_pool: {kernel: 2, stride: 2}}", "  - {max_pool: {kernel: 2, stride: 2}, from: '4'}", {"changed": 1},
                   ("~ 7  reads 5 → 4",)),
    "one branch more": Edit("  - {max_pool: {kernel: 2, stride: 2}}", "  - {name: both, add: [relu, dropout]}\n  - {max_pool: {kernel: 2, stride: 2}}",
                            {"added": 3, "renamed": 2}, ("+ both", "3 steps")),
    "the input": Edit("[3, 32, 32]}\npreprocess: {crop: 32,", "[3, 64, 64]}\npreprocess: {crop: 64,", {"reshaped": 20},
                      ("input image  shape 3×32×32 → 3×64×64", "because of image", "preprocess.crop  32 → 64")),
    "grey": Edit("[3, 32, 32]}\npreprocess: {crop: 32, mean: [0.5, 0.5, 0.5]}", "[1, 32, 32]}", {"reshaped": 1},
                 ("input image  shape 3×32×32 → 1×32×32", "--weights-input sum", "preprocess.mean"), False),
    "a head's weight": Edit("aux: 0.3", "aux: 0.5", {}, ("~ head aux  weight 0.3 → 0.5",)),
    "no head": Edit("  - {name: aux, aux: 0.3, steps: [global_avg_pool, {linear: $classes}]}\n", "", {"removed": 2, "renamed": 2},
                    ("- head aux", "lost: 2 tensors (aux)")),
    "preprocessing": Edit("0.5, 0.5]", "0.5, 0.4]", {}, ("preprocess.mean  [0.5, 0.5, 0.5] → [0.5, 0.5, 0.4]",)),
}  # fmt: skip
SAME = {
    "a comment": ("name: net\n", "name: net\n# a comment\n"),
    "a summary": ("name: net\n", "name: net\nsummary: another\n"),
    "a block's name": ("Unit", "Part"),
    "a param that has a name now": ("out: 16, kernel: 1", "out: $(2 * width), kernel: 1"),
    "the net's name": ("name: net\n", "name: other\n"),
}


def write(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, "utf-8")
    return str(folder / name)


def edited(old: str, new: str) -> str:
    assert old in NET
    return NET.replace(old, new)


def counts_of(graph: GraphDiff) -> dict[str, int]:
    kinds = ("changed", "added", "removed", "renamed", "reshaped")
    return {kind: len(getattr(graph, kind)) for kind in kinds if getattr(graph, kind)}


def check_books(diff: GraphDiff) -> None:
    """What must hold of any diff: the nodes add up, and the other way round all is mirrored."""
    back = diff_graphs(diff.b, diff.a)
    assert len(diff.a.nodes) - len(diff.removed) + len(diff.added) == len(diff.b.nodes)
    assert len(diff.partners) == len(set(diff.partners.values())) == len(diff.a.nodes) - len(diff.removed)
    assert set(back.added) == set(diff.removed) and set(back.removed) == set(diff.added)
    assert {(b, a) for a, b in back.renamed} == set(diff.renamed)
    for kind in ("changed", "reshaped"):
        assert {(c.b.path, c.a.path) for c in getattr(back, kind)} == {
            (c.a.path, c.b.path) for c in getattr(diff, kind)
        }
    assert diff.equal is (diff.a.replace(name="") == diff.b.replace(name=""))
    assert {each.by for each in diff.reshaped} <= {n.path for n in (*diff.a.nodes, *diff.b.nodes)} | {
        v.name for v in diff.b.inputs
    }


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_told(tmp_path: Path, name: str) -> None:
    edit = EDITS[name]
    a, b = write(tmp_path, "net.yaml", NET), write(tmp_path, "b.yaml", edited(edit.old, edit.new))
    diff = NetDiff(open_side(a), open_side(b))
    check_books(diff.graph)
    text = str(diff)
    for told in edit.told:
        assert told in text, f"{told!r} is not in\n{text}"
    assert counts_of(diff.graph) == edit.counts, text
    assert diff.differs
    assert diff.weights.fits is edit.fits, text
    if edit.skip:
        assert diff.weights.skip == edit.skip
    for form_of in (diff.costs, diff_graphs(diff.a.graph, diff.a.graph).changed):
        assert form_of is not None


@pytest.mark.parametrize("name", SAME)
def test_what_changes_no_net(tmp_path: Path, name: str) -> None:
    a, b = write(tmp_path, "net.yaml", NET), write(tmp_path, "b.yaml", edited(*SAME[name]))
    diff = NetDiff(open_side(a), open_side(b))
    assert not diff.differs and diff.graph.equal and diff.weights.whole
    assert "the same net: equal graphs" in str(diff) and "same text" not in str(diff)
    assert "equal graphs of the same text" in str(NetDiff(open_side(a), open_side(a)))


# -- a checkpoint of A in B: what is said is what a build does ---------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_weights_load_as_is_said(tmp_path: Path, name: str) -> None:
    edit = EDITS[name]
    a = archc.load(write(tmp_path, "net.yaml", NET))
    b = archc.load(write(tmp_path, "b.yaml", edited(edit.old, edit.new)))
    found, state = a.diff(b).weights, a.to_torch(seed=3).state_dict()
    for tensor in state.values():  # another number than any seed gives
        tensor += 1
    if found.fits:
        b.to_torch(state)
    else:
        with pytest.raises(Failure):
            b.to_torch(state)
    assert found.works
    options: dict[str, Any] = {
        "weights_skip": found.skip,
        "weights_map": found.names or None,
        "weights_input": found.input,
    }
    module = b.to_torch(state, **options) if not found.fits or found.names else b.to_torch(state)
    fresh = b.to_torch(seed=0).state_dict()
    held = module.state_dict()
    learned = [key for key in held if not key.endswith("num_batches_tracked")]
    assert {key for key in learned if (held[key] == fresh[key]).all()} == set(found.new)
    assert len(learned) == found.wanted and len(learned) - len(found.new) == found.carried


def test_a_tensor_that_only_has_the_name_of_another(tmp_path: Path) -> None:
    """With one more step at the front, all load by name and shape, and each convolution gets another one's weights."""
    head = "archspec: 1\nname: net\ninput: {image: [8, 16, 16]}\ngraph:\n"
    conv = "  - conv: {out: 8, kernel: 3, padding: 1}\n"
    last = "  - global_avg_pool\n  - {name: fc, linear: 4}\n"
    a = archc.load(write(tmp_path, "a.yaml", f"{head}{conv}  - relu\n{conv}  - relu\n{conv}{last}"))
    b = archc.load(write(tmp_path, "b.yaml", f"{head}  - relu\n  - relu\n{conv}  - relu\n{conv}  - relu\n{conv}{last}"))
    diff = a.diff(b)
    assert [node.path for node in diff.graph.added] == ["0", "1"]
    assert (
        not diff.weights.fits and dict(diff.weights.names) == {"2": "0", "4": "2", "6": "4"} and not diff.weights.skip
    )
    assert diff.weights.misplaced == ("2.weight", "2.bias", "4.weight", "4.bias")
    assert '"2": "0"' in str(diff) and "another step's by the name: 4 tensors" in str(diff)
    shorter = archc.load(write(tmp_path, "c.yaml", f"{head}  - relu\n  - relu\n{conv}  - relu\n{conv}{last}"))
    assert "another net" not in str(b.diff(shorter))


# -- the zoo ----------------------------------------------------------------------------------------------------------------

PAIRS = {
    ("resnet50", "resnet50_v1_stride1x1"): {"changed": 6, "reshaped": 6},
    ("resnet50", "resnet101"): {"added": 170},
    ("vgg16", "vgg16_bn"): {"added": 13, "renamed": 30},
    ("googlenet", "googlenet_paper"): None,
    ("alexnet", "alexnet_2012"): None,
    ("inception_v3", "inception_v4"): None,
    ("lenet5_1998", "fractalnet20_cifar"): None,
    ("densenet121", "resnet18"): None,
}


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_pairs_of_the_zoo(pair: tuple[str, str]) -> None:
    a, b = map(archc.load, pair)
    diff = a.diff(b)
    check_books(diff.graph)
    if PAIRS[pair] is not None:
        assert counts_of(diff.graph) == PAIRS[pair]
    assert diff.differs and str(diff).startswith(f"{a.name} → {b.name}\n")
    costs = {each.name: each for each in diff.costs}
    assert (costs["macs"].a, costs["macs"].b, costs["params"].b) == (
        a.cost().macs,
        b.cost().macs,
        b.cost().params.total,
    )
    assert costs["macs"].difference == b.cost().macs - a.cost().macs
    for one in (a, b):
        same = one.diff(archc.load(one.name))
        assert not same.differs and not counts_of(same.graph) and same.weights.whole


@pytest.mark.slow
def test_large_nets_take_no_long_time() -> None:
    """Bounded work, whatever the two are: that it ends is the test."""
    deep, other, third = map(archc.load, ("resnet1202_cifar_optA", "preresnet1001_cifar", "densenet_bc_250_24_cifar"))
    for a, b in ((deep, other), (deep, third)):
        check_books(a.diff(b).graph)
        assert str(a.diff(b))
    half = deep.diff(archc.load("resnet1202_cifar_optA", {"n": 100}))
    assert counts_of(half.graph) == {"removed": 2100} and "×100" in str(half)


def test_a_map_of_names_is_looked_up_in_its_order() -> None:
    """A pair for each of many steps is no search; of two that fit, the first counts, and plain names come before patterns."""
    names = NameMap({"a.*": "p.*", "a": "x", "a.b": "y", "c.d": "z", "c": "w"})
    told = {
        "a.b.weight": "x.b.weight",
        "a": "x",
        "ab.weight": "ab.weight",
        "c.d.weight": "z.weight",
        "c.e.weight": "w.e.weight",
    }
    assert {name: names.theirs(name) for name in told} == told
    assert NameMap({"a.*": "p.*"}).theirs("a.b.weight") == "p.b.weight"


def test_alignment_is_a_longest_common_subsequence() -> None:
    random.seed(12)
    for _ in range(500):
        kinds = random.choice([1, 2, 4])
        a, b = ([random.randrange(kinds + side) for _ in range(random.randrange(12))] for side in (0, 1))
        pairs = align(a, b)
        assert all(a[i] == b[j] for i, j in pairs) and all(p[0] < q[0] and p[1] < q[1] for p, q in pairwise(pairs))
        lengths = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
        for i in range(len(a)):
            for j in range(len(b)):
                lengths[i + 1][j + 1] = lengths[i][j] + 1 if a[i] == b[j] else max(lengths[i][j + 1], lengths[i + 1][j])
        assert len(pairs) == lengths[-1][-1]
    many = 4 * MAX_DIFFERENCES
    a, b = ([random.randrange(9) for _ in range(many)] for _ in range(2))
    assert all(a[i] == b[j] for i, j in align(a, b))


# -- the command --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    write(tmp_path, "net.yaml", NET)
    write(tmp_path, "wide.yaml", NET.replace("width: 8", "width: 12"))
    write(tmp_path, "wrong.yaml", NET.replace("relu", "rleu"))
    return program(capsys)


@pytest.mark.parametrize(
    "arguments, code",
    [(["net.yaml", "net.yaml"], 0), (["net.yaml", "wide.yaml"], 0), (["net.yaml", "net.yaml", "--exit-code"], 0),
     (["net.yaml", "wide.yaml", "--exit-code"], 1), (["net.yaml", "--set", "classes=3", "--exit-code"], 1),
     (["net.yaml", "--set", "classes=10", "--exit-code"], 0), (["net.yaml", "wide.yaml", "-q"], 1), (["net.yaml", "net.yaml", "-q"], 0),
     (["net.yaml", "wide.yaml", "--set-a", "width=12", "-q"], 0), (["net.yaml", "wide.yaml", "--set", "width=3", "-q"], 0),
     (["net.yaml", "--set-a", "width=3", "-q"], 1), (["net.yaml", "--set-a", "width=3", "--set-b", "width=3", "-q"], 0),
     (["wrong.yaml", "net.yaml"], 1), (["wrong.yaml", "net.yaml", "--exit-code"], 2), (["net.yaml", "wrong.yaml", "-q"], 2),
     (["net.yaml", "none.yaml", "--exit-code"], 2), (["net.yaml", "wrong.yaml", "--exit-code", "--format", "json"], 2)],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_exit_codes(run: Run, arguments: list[str], code: int) -> None:
    """With --exit-code 1 says that they differ, and nothing else."""
    ran = run("diff", *arguments)
    assert ran.code == code
    assert bool(ran.out) is (
        (code != 2 and "-q" not in arguments and arguments[0] != "wrong.yaml") or "json" in arguments
    )
    if "json" in arguments:
        assert json.loads(ran.out)["error"]["exit_code"] == 2


@pytest.mark.parametrize(
    "options, code", [(["--exit-code"], 1), (["-q"], 1), (["--exit-code", "--format", "json"], 1), ([], 0)]
)
@pytest.mark.parametrize("closed", ["stdout", "stderr"])
@pytest.mark.usefixtures("run")
def test_a_reader_that_goes_away_changes_no_code(options: list[str], code: int, closed: str) -> None:
    """A bundled spec is named on standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE} | {closed: writer}
    call = "import sys; from archc.cli import main; sys.exit(main(sys.argv[1:]))"
    environment = {**os.environ, "PYTHONPATH": str(Path(archc.__file__).parents[1])}
    words = [sys.executable, "-c", call, "diff", "net.yaml", "lenet5_modern", *options]
    done = subprocess.run(words, **streams, text=True, env=environment, check=False)  # type: ignore[call-overload]
    os.close(writer)
    assert done.returncode == code
    assert closed == "stderr" or done.stderr.splitlines() == ["using the bundled lenet5_modern"]


def test_json_has_every_difference(run: Run) -> None:
    told = json.loads(run("diff", "net.yaml", "wide.yaml", "--format", "json").out)
    assert told["differs"] and not told["equal_graphs"] and not told["only_names"]
    assert told["params"] == [{"name": "width", "a": 8, "b": 12}]
    assert len(told["changed"]) == 4 and len(told["changed_by_it"]) == 12
    stem = told["changed"][0]
    assert stem["path"] == "stem.conv" and stem["fields"] == [{"name": "out", "a": 8, "b": 12}]
    assert stem["source"] == {"a": "net.yaml:10", "b": "wide.yaml:10"} and stem["output"] == {
        "a": [8, 32, 32],
        "b": [12, 32, 32],
    }
    assert told["costs"]["macs"]["difference"] == told["costs"]["macs"]["b"] - told["costs"]["macs"]["a"]
    assert told["weights"]["reshaped"][0] == {"name": "stem.conv.weight", "a": [8, 3, 3, 3], "b": [12, 3, 3, 3]}
    assert told["a"]["sha256"] != told["b"]["sha256"]
    same = json.loads(run("diff", "net.yaml", "net.yaml", "--format", "json").out)
    assert same["equal_graphs"] and not same["differs"] and not same["changed"] and same["weights"]["fits"]


def test_markdown_is_a_comment(run: Run) -> None:
    """Headline and costs are seen at once; what is long is folded away, and what specs say is no Markdown."""
    out = run("diff", "net.yaml", "wide.yaml", "--format", "markdown").out
    assert out.startswith("### archc diff: net.yaml → wide.yaml\n\n**4 steps changed, 12 changed by it**\n")
    assert "| MACs |" in out and out.count("<details>") == out.count("</details>") == 1
    rows = [line for line in out.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}
    hostile = NET.replace("relu\n  - {name: aux", "relu  # ``` | </details> @you #1\n  - {name: aux").replace(
        "- relu  #", "- gelu  #"
    )
    Path("a|b`c@d.yaml").write_text(hostile.replace("name: net", "name: a_b+c"), "utf-8")
    out = run("diff", "net.yaml", "a|b`c@d.yaml", "--format", "markdown").out
    assert "net → a\\_b+c" in out and "- B: ``a|b`c@d.yaml``" in out and "````diff\n" in out
    prose = re.sub(r"(`{3,})diff\n.*?\n +\1|(`+)[^`].*?(?<!`)\2(?!`)", "", out, flags=re.S)
    assert "@" not in prose and "</details> @you" not in prose


def long_steps(name: str, op: str, count: int = 60) -> str:
    """Steps with long lines, whose names tell them apart without a number, which would make them one entry."""
    names = (f"{name}_{first}{second}_{'x' * 100}" for first in "abcdefgh" for second in "abcdefgh")
    return "".join(f"  - {{name: {each}, {op}}}  # {'long ' * 20}\n" for each in islice(names, count))


def test_markdown_fits_into_a_comment(run: Run) -> None:
    """GitHub takes 65,536 characters; what is left out is counted. A summary has no lists of steps."""
    head = "archspec: 1\nname: net\ninput: {image: [3, 8, 8]}\ngraph:\n"
    for path, conv, other in (
        ("a.yaml", "conv: 4", long_steps("old", "gelu: {}")),
        ("b.yaml", "conv: {out: 4, bias: false}", long_steps("new", "batch_norm: {}")),
    ):
        Path(path).write_text(head + long_steps("same", conv) + other + "  - {name: last, relu}\n", "utf-8")
    out = run("diff", "a.yaml", "b.yaml", "--format", "markdown").out
    counts = {title: int(count) for title, count in re.findall(r"(changed here|added|removed) \((\d+) step", out)}
    assert 40_000 < len(out) < 64_000 and out.count("<details>") == out.count("</details>") > 1, len(out)
    left_out = sum(map(int, re.findall(r"^- and (\d+) more; ", out, re.M)))
    assert left_out and len(re.findall(r"^- ``?[+~-] ", out, re.M)) + left_out == sum(counts.values())
    for form in ("text", "markdown"):
        told = run("diff", "a.yaml", "b.yaml", "--format", form, "--summary").out
        assert "changed here" not in told and "MACs" in told and "steps changed" in told and len(told) < 4_000
    assert run("diff", "a.yaml", "b.yaml", "--format", "json", "--summary").code == 2


def test_text_fits_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from archc.text import diff as text

    monkeypatch.setattr(text, "output_width", lambda: 80)
    told = archc.load("alexnet").diff(archc.load("alexnet_2012"))
    assert max(map(len, str(told).splitlines())) <= 80
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    assert "\x1b" in text.diff_text(told, terminal)
    assert "\x1b" not in run("diff", "net.yaml", "wide.yaml").out


def test_an_encoding_without_arrows_gets_ascii(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a command answers goes one way: of its own signs none is an escape."""
    for line in (
        ["diff", "net.yaml", "wide.yaml"],
        ["cost", "net.yaml"],
        ["cost", "net.yaml", "--on", "h200", "--sizes"],
    ):
        out = io.TextIOWrapper(io.BytesIO(), "ascii", errors="backslashreplace")
        with monkeypatch.context() as context:
            context.setattr("sys.stdout", out)
            assert run(*line).code == 0
            out.flush()
        told = out.buffer.getvalue().decode()  # type: ignore[attr-defined]
        assert "\\" not in told and len(told) > 100, told


def test_costs_that_look_alike_are_told_to_the_byte() -> None:
    def rows(a: tuple[int, int] | int, b: tuple[int, int] | int, name: str) -> tuple[str, ...]:
        return cost_row(CostChange(name, a, b))

    assert rows(1_150_000, 1_150_100, "peak_activation_bytes")[1:4] == ("1,150,000 B", "1,150,100 B", "+100 B")
    assert rows(1024, 4096, "peak_activation_bytes")[1:4] == ("1.0 KiB", "4.0 KiB", "+3.0 KiB")
    assert rows((99, 99), (643, 643), "receptive_field")[3] == "+544×544"
    assert rows((9, 9), (3, 1), "receptive_field")[3] == "-6×8" and rows((9, 9), (10, 8), "min_input")[3] == "+1×-1"


def test_a_refuted_expectation_keeps_no_diff_back(run: Run) -> None:
    Path("old.yaml").write_text(NET + "expect: {params: 1}\n", "utf-8")
    ran = run("diff", "old.yaml", "net.yaml")
    assert ran.code == 0 and "the same net" in ran.out and "expectation-refuted" in ran.err


LONG = [f"class {at}" for at in range(10)]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ([*LONG[:3], "bat", *LONG[4:]], "1 of 10 items: [3] class 3 → bat"),
        (LONG[::-1], "10 of 10 items: [0] class 0 → class 9, [1] class 1 → class 8, [2] class 2 → class 7, … 7 more"),
        ([*LONG, "one more"], "10 items (class 0, …) → 11 items (class 0, …)"),
        ([*LONG[:4], "bat", *LONG[4:]], "10 items (class 0, …) → 11 items (class 0, …); [4] class 4 → bat"),
    ],
    ids=["a name", "the order", "one behind", "one between"],
)
def test_what_of_a_long_list_differs(run: Run, labels: list[str], told: str) -> None:
    """That a list of a thousand labels is another one helps nobody: the change may be in each line, or in one."""
    for name, each in (("a.yaml", LONG), ("b.yaml", labels)):
        Path(name).write_text(NET.replace("name: net\n", f"name: net\nlabels: {json.dumps(each)}\n"), "utf-8")
    settings = ["--set-b", f"classes={len(labels)}"]
    assert f"~ labels  {told}\n" in run("diff", "a.yaml", "b.yaml", *settings).out


def test_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Input:
        buffer = io.BytesIO(NET.encode())

    monkeypatch.setattr(sys, "stdin", Input)
    ran = run("diff", "-", "--set", "classes=3")
    assert ran.code == 0 and "~ fc  out 10 → 3" in ran.out


def test_a_built_model(run: Run) -> None:
    """What it was built of is in it; a file of another tool has nothing to compare."""
    assert run("build", "net.yaml", "--proof", "none", "--set", "classes=7", "-o", "net.onnx").code == 0
    Path("copied").write_bytes(Path("net.onnx").read_bytes())
    ran = run("diff", "net.yaml", "net.onnx")
    assert ran.code == 0 and "~ fc  out 10 → 7" in ran.out and "built by archc" in ran.out
    assert run("diff", "net.onnx", "copied", "-q").code == 0
    assert (
        run(
            "build",
            "net.yaml",
            "--proof",
            "none",
            "--precision",
            "fp16",
            "--max-error",
            "1",
            "--set",
            "classes=7",
            "-o",
            "half.onnx",
        ).code
        == 0
    )
    ran = run("diff", "net.onnx", "half.onnx")
    assert ran.code == 0 and "to compute in fp32" in ran.out and "to compute in fp16" in ran.out
    assert run("diff", "net.onnx", "net.yaml", "--set-b", "classes=7", "-q").code == 0
    assert run("diff", "net.onnx", "--set", "classes=8", "-q").code == 1
    import onnx

    model = onnx.load("net.onnx")
    facts = {each.key: each.value for each in model.metadata_props}
    graph = model.graph.name
    onnx.helper.set_model_props(model, {**facts, "archc.spec_sha256": "0" * 64})
    onnx.save(model, "older.onnx")
    assert "another graph today" in run("diff", "older.onnx", "net.yaml").out and graph
    onnx.helper.set_model_props(
        model, {**facts, "archc.sources": json.dumps({"net.yaml": NET.replace("relu", "rleu")})}
    )
    onnx.save(model, "broken.onnx")
    ran = run("diff", "broken.onnx", "net.yaml")
    assert ran.code == 1 and "model-damaged" in ran.err
    onnx.helper.set_model_props(model, {})
    onnx.save(model, "foreign.onnx")
    for arguments, code in ((["foreign.onnx", "net.yaml"], 1), (["net.yaml", "foreign.onnx", "--exit-code"], 2)):
        ran = run("diff", *arguments)
        assert ran.code == code and "nothing-to-verify" in ran.err and "no spec in it" in ran.err


def test_the_code_of_the_page_runs() -> None:
    page = (Path(__file__).parent.parent / "docs" / "reference/diff.md").read_text("utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    exec(compile(code, "diff.md", "exec"), {})


def test_python_compares_loaded_nets() -> None:
    small, large = archc.load("lenet5_modern"), archc.load("lenet5_modern", {"classes": 7})
    assert small.diff(large).differs and not small.diff(small).differs
    assert "--set classes=7" in str(small.diff(large))


def test_specs_are_compared_without_heavy_libraries(run: Run) -> None:
    script = (
        "import sys; from archc.cli import main; main(['diff', 'net.yaml', 'wide.yaml', '--format', sys.argv[1]]); "
    )
    script += "sys.exit(str({'torch', 'onnx', 'numpy', 'onnxruntime'} & set(sys.modules)))"
    for form in ("text", "json", "markdown"):
        done = subprocess.run([sys.executable, "-c", script, form], capture_output=True, text=True, check=False)
        assert done.stderr.strip() == "set()" and "conv" in done.stdout


def test_parameters_without_heads_are_told_where_there_are_heads(run: Run) -> None:
    assert "without heads" not in run("diff", "zoo:lenet5_modern", "--set", "classes=3").out
    assert "without heads" in run("diff", "zoo:googlenet", "--set", "classes=10").out
