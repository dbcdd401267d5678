"""`archc explain SPEC PATH|LINE`: what it says of each kind of step, what is refused, and that what it says is what is built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import archc
from archc import Failure
from archc.compiler.analysis.changes import relative_path
from archc.compiler.backends.onnx.opsets import OPSET
from archc.compiler.backends.onnx.write import lower_graph
from archc.compiler.driver import check, run_passes
from archc.compiler.ir.graph import Graph
from archc.compiler.ir.types import TensorType
from archc.compiler.ops import OPS
from archc.compiler.ops.lowerings import OWN_LAYERS, ModuleRecorder, module_call
from archc.compiler.passes import PIPELINE
from archc.compiler.view.draw import draw_graph
from archc.details import with_details
from archc.explanations import explain_graph
from archc.text.explanations import number_ranges
from archc.text.layout import encodable
from archc.text.tables import format_number

from . import foreign_models
from .op_cases import CASES, Case
from .program import Run, program
from .sweep import sweep
from .test_cli import loaded

NORM = """archspec: 1
blocks:
  Norm:
    params: {eps: 0.1}
    steps:
      - batch_norm: {eps: $eps}
"""
SMALL = """archspec: 1
name: small
import: [norm.yaml]
params: {classes: 10}
input: {image: [3, 32, 32]}

blocks:
  ConvBN:                # used everywhere
    params: {out: int, stride: 1}
    steps:
      - {name: conv, conv: {out: $out, kernel: 3, stride: $stride, padding: 1, bias: false}}
      - {name: bn, batch_norm}
      - relu
  Head:
    steps:
      - adaptive_avg_pool: 2
      - flatten
      - {name: fc, linear: $classes}

graph:
  - {name: stem, ConvBN: {out: 8, stride: 2}}
  - name: body
    repeat: {i: 3}
    residual: {body: {name: inner, ConvBN: {out: 8}}}
  - {name: aux, aux: 0.3, Head}
  - name: pool
    max_pool:
      kernel: 3
      stride: 2
      ceil_mode: true
  - name: wide
    concat:
      left: {conv: {out: 4, kernel: 3, dilation: 2, padding: same}}
      right: {conv: {out: 6, groups: 2}}
  - {name: scaled, Norm: {eps: 0.2}}
  - {when: $(classes > 99), name: never, relu}
  - dropout: 0.5
  - global_avg_pool
  - {name: fc, linear: $classes}
"""
LINES = {text.strip(): number for number, text in enumerate(SMALL.splitlines(), 1)}


def line_of(start: str) -> int:
    """The number of the line of SMALL that begins so."""
    return next(number for text, number in LINES.items() if text.startswith(start))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs archc in a folder with a spec, and a file that it imports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("small.yaml").write_text(SMALL, "utf-8")
    Path("norm.yaml").write_text(NORM, "utf-8")
    return program(capsys)


SAID: dict[str, list[str]] = {
    "stem.conv": [
        "stem.conv: conv of small",
        "      - {name: conv, conv: {out: $out, kernel: 3",
        "= expanded from `ConvBN` out=8 stride=2 (small.yaml:21:18)",
        "input   image  3×32×32",
        "H, W    (32 + 2·1 − 3) // 2 + 1 = 16",
        "output  8×16×16",
        "params       8 · 3/1 · 3·3 = 216  (7.74 % of the net)",
        "MACs         8·16·16 · 3/1 · 3·3 = 55,296",
        "activations  8·16·16 = 2,048",
        "bytes        8·16·16 · 4 = 8,192",
        "size    3×3 pixels",
        "stride  2×2 pixels",
        "module            nn.Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1)",
        "stem.conv.weight  8×3×3×3 f32, 8 · 3/1 · 3·3 = 216",
        "stem.conv  Conv(x, weight, bias, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]",
        "fold-batch-norm  it takes in stem.bn, so that its weight and bias are made anew",
    ],
    "stem.bn": [
        "params  8 + 8 = 16",
        "nn.BatchNorm2d(8, eps=1e-05, momentum=0.1, affine=True)",
        "stem.bn.running_mean         8 f32, a buffer",
        "stem.bn.num_batches_tracked  one number i64, a buffer",
        "fold-batch-norm  it is folded into stem.conv",
    ],
    "stem": [
        "stem: `ConvBN`, 3 steps of small",
        "21 |   - {name: stem, ConvBN: {out: 8, stride: 2}}",
        "= the block is written at small.yaml:8:3",
        "output  stem.2  8×16×16",
        "params       232",
    ],
    "body": ["body: 3 rounds, 12 steps of small", "repeat: {i: 3}", "body.0 … body.2  ×3  4 steps  8×16×16"],
    "body.1": [
        "body.1: add of small",
        "= expanded from `repeat` i=1 (small.yaml:23:5)",
        "input   body.1.inner.2  8×16×16",
        "body.1.inner    3 steps",
        "Add(x0, x1)",
    ],
    "body.2.inner.conv": ["= expanded from the branch `body` (small.yaml:24:", "= expanded from `ConvBN` out=8 stride=1"],
    "aux.fc": [
        "only an auxiliary head needs it: it costs nothing at inference",
        "remove-dead  it is taken out, as no output of the inference graph needs it",
    ],
    "aux": [
        "aux: `Head`, 3 steps of small", "MACs         320\n", "aux.fc    linear             10         330   320",
        "only an auxiliary head needs it: it costs nothing at inference",
    ],
    "aux.1": ["C       8·2·2 = 32"],
    "pool": [
        "H, W    ceil((16 − 3) / 2) + 1 = 8  (`ceil_mode` rounds up)",
        "pool  MaxPool(x, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])",
    ],
    "wide": ["C       4 + 6 = 10  (the branches one after the other)", "wide.left     conv"],
    "wide.left": ["(8 + 2·2 − 2·(3 − 1) − 1) // 1 + 1 = 8  (`same` pads 2 before and 2 after)", "padding=(2, 2)"],
    "wide.right": ["MACs         6·8·8 · 8/2 · 1·1 = 1,536"],
    "scaled": [
        "norm.yaml:6:9",
        "= expanded from `Norm` eps=0.2 (small.yaml:",
        "scaled.0  BatchNormalization(x, weight, bias, running_mean, running_var, epsilon=0.2)",
    ],
    "fc": ["(behind .flatten(1))", "fc/Flatten  Flatten(x, axis=1)", "fc          Gemm(Flatten, weight, bias, transB=1)"],
    "logits": ["fc: linear of small"],
    "%7": ["global_avg_pool of small", "H, W    1  (the whole map becomes one position)", "nn.AdaptiveAvgPool2d((1, 1))"],
    "6": ["erase-training  it is taken out, as it passes scaled.0 on at inference", "nn.Dropout(0.5)"],
    f"{line_of('- {name: conv, conv')}": [
        "makes 4 steps of small", "stem.conv                                  conv  8×16×16",
        "body.0.inner.conv … body.2.inner.conv  ×3", "`archc explain SPEC PATH` explains one of them",
    ],
    f"{line_of('ConvBN:')}": ["makes 4 groups of small", "  ConvBN:                # used everywhere"],
    f"{line_of('kernel: 3')}": ["pool: max_pool of small", "    max_pool:", "      ceil_mode: true"],
    f":{line_of('- {name: fc')}": ["fc: linear of small"],
    f"small.yaml:{line_of('- dropout')}": ["dropout of small"],
    "norm.yaml:6": ["scaled.0: batch_norm of small"],
    f"{line_of('residual:')}": [
        "makes 3 steps of small", "all 3 are equal, as is what follows, but for where they stand",
        "input   8×16×16", "result  Add(x0, x1)",
    ],
    f"{line_of('repeat:')}": ["makes 3 groups of small", "body.0 … body.2"],
}  # fmt: skip


@pytest.mark.parametrize("word", SAID)
def test_what_is_said_of_a_step(run: Run, word: str) -> None:
    ran = run("explain", "small.yaml", word)
    assert ran.code == 0 and not ran.err
    assert [text for text in SAID[word] if text not in ran.out] == [], ran.out


REFUSED = {
    "stem.con": "did you mean `stem.conv`?",
    "bn": "did you mean `stem.bn`, `body.0.inner.bn`, `body.1.inner.bn` or 1 more?",
    "nothing_like_it": "at the top are `stem`, `body`, `aux`, `pool`, `wide`, `scaled`",
    "image": "`image` is an input, f32[N,3,32,32], and no step",
    ":2": "line 2 of `small.yaml` is no step",
    ":6": "line 6 of `small.yaml` is empty",
    ":999": f"line 999 of `small.yaml` is not there: it has {len(SMALL.splitlines())}",
    "0": "`small.yaml`",
    f"{line_of('- {when')}": "makes nothing in this net: what it is in is not called, or its `when` is false",
    "smal.yaml:3": "did you mean `small.yaml`?",
    "qqq.yml:3": "its files are `small.yaml`, `norm.yaml`",
    "": "the net has no step ``",
}


@pytest.mark.parametrize("word", REFUSED)
def test_what_makes_no_step_is_told(run: Run, word: str) -> None:
    ran = run("explain", "small.yaml", word)
    assert ran.code == 2 and not ran.out and "error[no-such-step]" in ran.err
    assert REFUSED[word] in " ".join(ran.err.split()), ran.err


@pytest.mark.parametrize("word", ["stem.con", "bn", "nothing_like_it", "body.7", "%7.x", "x" * 5000, "fc.\x1b"])
def test_every_command_says_the_same_of_a_path_that_is_none(run: Run, word: str) -> None:
    """`explain`, `--only` for a spec and for a model; that of an input has its type in the words of each."""
    Path("small.onnx").touch()
    archc.load("small.yaml").export_onnx("small.onnx", proof="none", keep_aux=True, fold=False)
    path = word.removeprefix("%")
    errors = [run(*words).err for words in (["explain", "small.yaml", word], ["view", "small.yaml", "--only", path])]
    assert errors[0] == errors[1] and "error[no-such-step]" in errors[0]
    drawn = run("view", "small.onnx", "--only", path)
    assert drawn.code == 2 and drawn.err.splitlines()[0] == errors[0].splitlines()[0]
    assert "`image` is an input, 3×32×32, and no step" in run("view", "small.yaml", "--only", "image").err


def test_a_line_without_steps_names_those_near_it(run: Run) -> None:
    comment = "# a comment\n" + SMALL
    Path("small.yaml").write_text(comment, "utf-8")
    ran = run("explain", "small.yaml:1")
    assert "line 1 of `small.yaml` is a comment" in ran.err
    assert f"lines near it that make steps: {line_of('- {name: conv') + 1}, " in ran.err


@pytest.mark.parametrize(
    ("arguments", "starts"),
    [
        (["explain", "shape-mismatch"], "# shape-mismatch\n"),
        (["explain", "small.yaml:21"], "stem: `ConvBN`"),
        (["explain", "small.yaml:21:5"], "stem: `ConvBN`"),
        (["explain", "lenet5_1998.yaml:40"], "lenet5_1998.yaml:40: makes 6 steps"),
        (["explain", "resnet18", "resnet.yaml:57"], "conv1: conv of resnet18"),
        (["explain", "resnet18", "resnet:57"], "conv1: conv of resnet18"),
        (["explain", "small.yaml", "fc", "--set", "classes=7"], "fc: linear of small"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_ways_to_ask(run: Run, arguments: list[str], starts: str) -> None:
    ran = run(*arguments)
    assert ran.code == 0 and ran.out.startswith(starts)


@pytest.mark.parametrize("word", ["resnet18", "small.yaml"])
def test_a_spec_alone_is_asked_which_step(run: Run, word: str) -> None:
    ran = run("explain", word)
    assert ran.code == 2 and "say which step of it" in ran.err
    assert f"`archc show {word}` tells the paths" in ran.err


@pytest.mark.parametrize(
    ("word", "help"),
    [
        ("conv", "`conv` is an operation: archc ops conv"),
        ("MaxPool2d", "`max_pool` is an operation: archc ops max_pool"),
        ("shape-mismach", "did you mean `shape-mismatch`?"),
        ("Bottleneck", "a code is what stands in brackets"),
    ],
)
def test_a_word_that_is_no_code_is_told_what_it_is(run: Run, word: str, help: str) -> None:
    ran = run("explain", word)
    assert ran.code == 2 and "error[unknown-code]" in ran.err and help in ran.err


@pytest.mark.parametrize(
    ("paths", "ranges"),
    [
        (["a.0.x", "a.1.x", "a.2.x"], [3]),
        (["inc3.1.pool.1", "inc3.2.one.0", "inc3.2.three.0"], [1, 1, 1]),
        (["i.branch3.1.2", "i.branch4.1.2"], [1, 1]),
        (["a.0.0", "a.0.1", "a.1.0", "a.1.1"], [2, 2]),
        (["conv3", "conv4"], [1, 1]),
        (["0", "1", "1.0"], [2, 1]),
    ],
)
def test_a_range_keeps_to_one_scope(paths: list[str], ranges: list[int]) -> None:
    found = number_ranges(paths)
    assert [len(each) for each in found] == ranges and [path for each in found for path in each] == paths


def test_a_group_of_a_head_says_what_its_steps_say(run: Run) -> None:
    """What a head costs is there, in the group as in its steps, and is said to be no part of inference."""
    (group,) = json.loads(run("explain", "small.yaml", "aux", "--format", "json").out)["groups"]
    (node,) = json.loads(run("explain", "small.yaml", "aux.fc", "--format", "json").out)["nodes"]
    assert group["aux"] and node["aux"] and group["shares"]["macs"] == node["shares"]["macs"] == 0
    assert group["macs"] == 320 == next(terms[2] for terms in node["costs"] if terms[0] == "MACs")


def test_a_block_with_a_head_counts_what_inference_does(run: Run) -> None:
    """Its shares are those of its numbers."""
    text = SMALL.replace(
        "      - {name: bn, batch_norm}\n",
        "      - {name: bn, batch_norm}\n      - {aux: 0.1, steps: [{conv: 500}, Head]}\n",
    )
    Path("small.yaml").write_text(text, "utf-8")
    ran = run("explain", "small.yaml", "stem", "--format", "json")
    (group,) = json.loads(ran.out)["groups"]
    (layer,) = [x for x in archc.load("small.yaml").cost().by("block") if x.path == "stem"]
    assert (group["macs"], group["activations"]) == (layer.macs, layer.activations) and group["shares"]["macs"] < 1
    assert "MACs are not for inference, and not in the sum" in run("explain", "small.yaml", "stem").out


def test_a_block_that_is_one_merge_is_called_by_its_own_path(run: Run) -> None:
    text = SMALL.replace("  Head:\n", "  Pair:\n    steps:\n      - concat: [{conv: 4}, {conv: 6}]\n  Head:\n").replace(
        "  - name: wide\n", "  - {name: pair, Pair: {}}\n  - name: wide\n"
    )
    Path("small.yaml").write_text(text, "utf-8")
    for word in ("pair", f"{text.splitlines().index('  - {name: pair, Pair: {}}') + 1}"):
        out = run("explain", "small.yaml", word).out
        assert out.startswith("pair: `Pair`, 3 steps of small\n")
        assert all(f"\npair.{name} " in out.partition("steps\npath")[2] for name in ("0", "0.0", "0.1"))


def test_a_table_of_steps_keeps_to_its_columns(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    table = run("explain", "small.yaml", f"{line_of('- {name: conv, conv')}").out.partition("path ")[2]
    assert max(map(len, table.splitlines())) <= 50 and "left out at 50 columns" in table


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of archc's, of seven classes, and one from elsewhere, `bare` being the first in another name."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "small.yaml").write_text(SMALL, "utf-8")
    (folder / "norm.yaml").write_text(NORM, "utf-8")
    archc.load(folder / "small.yaml", params={"classes": 7}).export_onnx(
        folder / "small.onnx", proof="none", precision="fp16"
    )
    (folder / "bare").write_bytes((folder / "small.onnx").read_bytes())
    foreign = foreign_models.make([foreign_models.node("Relu", ["x"], ["y"])], producer_name="mine\x1b")
    foreign_models.save(foreign, folder / "foreign.onnx")
    (folder / "text.onnx").write_text("no model", "utf-8")
    return folder


OF_MODELS: list[tuple[list[str], int, str]] = [
    (["small.onnx", "stem.conv"], 0, "stem.conv: conv of small\n  --> small.yaml:11:"),
    (["small.onnx", "fc"], 0, "params       70 + 7 = 77"),
    (["small.onnx", "fc", "--set", "classes=9"], 0, "params       90 + 9 = 99"),
    (["small.onnx", "norm.yaml:6"], 0, "scaled.0: batch_norm of small"),
    (["small.onnx:21"], 0, "stem: `ConvBN`, 3 steps of small"),
    (["bare", "stem"], 0, "stem: `ConvBN`, 3 steps of small"),
    (["small.onnx"], 2, "`small.onnx` is a model of small; say which step of it: archc explain small.onnx PATH"),
    (["small.onnx", "stem.con"], 2, "did you mean `stem.conv`?"),
    (["foreign.onnx"], 1, "error[nothing-to-explain]: `foreign.onnx` was not built by archc (mine\\x1b made it)"),
    (["foreign.onnx", "conv1"], 1, "`archc view foreign.onnx` draws it"),
    (["text.onnx", "conv1"], 1, "error[not-a-model]"),
    (["gone.onnx"], 2, "error[no-such-model]"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), OF_MODELS, ids=lambda value: str(value)[:40])
def test_a_step_of_a_model(
    run: Run, models: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
) -> None:
    """By the spec inside it: the files that it was made of may be gone."""
    for name in ("small.onnx", "bare", "foreign.onnx", "text.onnx"):
        Path(name).write_bytes((models / name).read_bytes())
    Path("small.yaml").unlink()
    ran = run("explain", *arguments)
    assert ran.code == code and words in (ran.out if code == 0 else " ".join(ran.err.split())), ran
    assert not (ran.err if code == 0 else ran.out)


def test_settings_count(run: Run) -> None:
    assert (
        "params       70 + 7 = 77" in run("explain", "small.yaml", "fc", "--set", "classes=7", "--set", "classes=7").out
    )
    assert "never: relu of small" in run("explain", "small.yaml", "never", "--set", "classes=100").out


def test_python_prints_the_same(run: Run) -> None:
    net = archc.load("small.yaml")
    for word in ("stem.conv", "body", "wide", "norm.yaml:6"):
        assert f"{net.explain(word)}\n" == run("explain", "small.yaml", word).out
    assert str(net.explain(21)) == str(net.explain("stem"))
    assert repr(net.explain("fc")) == "<NetExplanation of fc in small: 1 nodes, 0 groups>"
    with pytest.raises(Failure, match="no step `stm`"):
        net.explain("stm")
    for wrong in (None, 3.0, True, b"fc"):
        with pytest.raises(Failure, match="a step is a path"):
            net.explain(wrong)  # type: ignore[arg-type]


def test_json_has_what_the_text_has(run: Run) -> None:
    document = json.loads(run("explain", "small.yaml", "stem.conv", "--format", "json").out)
    assert (document["name"], document["asked"], document["opset"], document["groups"]) == (
        "small",
        "stem.conv",
        20,
        [],
    )
    (node,) = document["nodes"]
    assert node["shape"][1] == ["H, W", "(32 + 2·1 − 3) // 2 + 1", 16]
    assert node["costs"][0] == ["params", "8 · 3/1 · 3·3", 216] and node["tensors"][0][:2] == ["weight", [8, 3, 3, 3]]
    assert node["frames"] == [
        {"kind": "block", "name": "ConvBN", "bindings": {"out": 8, "stride": 2}, "source": "small.yaml:21"}
    ]
    assert node["onnx"][0][:3] == ["", "Conv", ["x", ".weight", ".bias"]] and node["receptive_field"]["size"] == [3, 3]
    assert node["torch"].startswith("nn.Conv2d(3, 8, ") and node["source"] == "small.yaml:11" and not node["aux"]
    (group,) = json.loads(run("explain", "small.yaml", "body", "--format", "json").out)["groups"]
    assert (group["rounds"], len(group["nodes"]), group["params"]) == (3, 12, 1776)
    assert (group["inputs"], group["outputs"]) == ({"stem.2": [8, 16, 16]}, {"body.2": [8, 16, 16]})


def test_it_imports_no_heavy_library() -> None:
    modules = loaded("from archc.cli import main; main(['explain', 'googlenet', 'inception3a.branch1.conv'])")
    assert not modules & {"torch", "onnx", "onnxruntime", "numpy", "jsonschema"}


def test_an_encoding_without_the_signs_gets_ascii(run: Run) -> None:
    class Ascii:
        encoding = "ascii"

    text = encodable(run("explain", "small.yaml", "stem.conv").out, Ascii())  # type: ignore[arg-type]
    assert text.isascii() and "(32 + 2*1 - 3) // 2 + 1 = 16" in text


# ---- what is said is what is built


def graph_of(name: str) -> Graph:
    graph = check(name).graph
    assert graph is not None
    return graph


NETS = ["googlenet", "resnet18", "fractalnet20_cifar", "lenet5_1998", "densenet_40_12_cifar", "alexnet_2012"]


class NoWeights:
    """A source of weights that nobody asks for any: the ONNX file is not written."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


@pytest.mark.parametrize("name", NETS)
def test_the_onnx_nodes_are_those_of_the_file(name: str) -> None:
    """Types, names, attributes, in their order; and the names of what they take, but for what arrives."""
    graph = graph_of(name)
    explained = {each.path: each for each in explain_graph(graph)}
    built = run_passes(graph)
    model = lower_graph(built, NoWeights(), OPSET, None, {})  # type: ignore[arg-type]
    told = []
    for node in built.nodes:
        each = explained[node.path]
        told += [(f"{node.path}{part.name}", part.op_type, dict(part.attributes)) for part in each.facts.onnx]
    extra = len(model.nodes) - len(told)  # an output's second name
    written = [(n.name, n.op_type, dict(n.attributes)) for n in model.nodes]
    assert 0 <= extra <= len(graph.outputs) and written[: len(told)] == told
    left = {node.path for node in built.nodes}
    assert {path for path, each in explained.items() if each.facts.onnx} == left


@pytest.mark.parametrize("name", NETS)
def test_what_passes_did_is_what_happened(name: str) -> None:
    """A node is told to be gone if it is, and to be other if it is; passes are named in their order."""
    graph, order = graph_of(name), [each.name for each in PIPELINE]
    built = {node.path: node for node in run_passes(graph).nodes}
    for node, each in zip(graph.nodes, explain_graph(graph), strict=True):
        assert [c.by for c in each.changes] == sorted((c.by for c in each.changes), key=order.index)
        gone = [c for c in each.changes if c.what.startswith(("is taken out", "is folded"))]
        assert len(gone) == (node.path not in built)
        assert "{}" not in " ".join(change.text for change in each.changes)
        if not gone:
            kept = built[node.path]
            assert bool(each.changes) == (
                (kept.op, kept.inputs, kept.outputs) != (node.op, node.inputs, node.outputs)
                or any("made anew" in change.what for change in each.changes)
            )


@sweep("case", CASES)
def test_the_call_of_a_module_makes_the_module(case: Case) -> None:
    """What is shown, evaluated, prints as torch prints the op's own module, with the same tensors."""
    from torch import nn

    from archc.compiler.backends.torch import layers

    class Constructors:
        """torch.nn, with archc's own layers before it."""

        def __getattr__(self, name: str) -> Any:
            return getattr(layers, name) if name in OWN_LAYERS else getattr(nn, name)

    op, x = OPS[case.op](**case.fields), tuple(TensorType(("N", *sizes)) for sizes in case.inputs)
    own = op.torch(Constructors(), *x)
    shown = eval(module_call(op, x), {"nn": nn, **{name: getattr(layers, name) for name in OWN_LAYERS}})
    assert repr(shown) == repr(own)
    assert {k: v.shape for k, v in shown.state_dict().items()} == {k: v.shape for k, v in own.state_dict().items()}


def test_archcs_own_layers_are_all_known() -> None:
    from archc.compiler.backends.torch import layers

    found = {
        name for name, value in vars(layers).items() if isinstance(value, type) and value.__module__ == layers.__name__
    }
    assert found == OWN_LAYERS and not ModuleRecorder().used


@pytest.mark.parametrize("name", ["googlenet", "resnet18"])
def test_shares_add_up_to_the_net(name: str) -> None:
    explanations = explain_graph(graph_of(name))
    for key in ("params", "macs", "activations"):
        assert sum(each.shares[key] for each in explanations) == pytest.approx(1)


@pytest.mark.parametrize(
    ("path", "other", "relative"),
    [("layer1.0.conv1", "layer1.0.bn1", "bn1"), ("a.b", "a", "a"), ("a.b.c", "a.b", "b"), ("a", "b.c", "b.c"), ("a.b", "a.b.c", "b.c")],
)  # fmt: skip
def test_others_are_named_from_where_one_stands(path: str, other: str, relative: str) -> None:
    assert relative_path(path, other) == relative


def test_a_receptive_field_is_that_of_the_net() -> None:
    """The field of the last map is the net's, as `archc cost` has it."""
    net = archc.load("resnet18")
    last = next(each for each in explain_graph(net.graph) if each.path == "layer4.1.1")
    assert last.field is not None and last.field.size == net.cost().receptive_field == (435, 435)
    assert format_number(last.field.size) == "435×435"


@pytest.mark.parametrize("name", ["googlenet", "resnet18"])
def test_a_drawings_details_are_the_explanations(name: str) -> None:
    """Each node of a picture finds its own, by way of what it shares with others; what is shared stands once."""
    graph = graph_of(name)
    explanations = explain_graph(graph)
    drawing = with_details(draw_graph(graph), explanations)
    by_path = {each.path: each for each in explanations}
    for node in drawing.nodes:
        assert node.detail is not None
        own = drawing.details[node.detail]
        shared = drawing.details[own["of"]]
        each = by_path[node.path]
        assert shared["torch"] == each.facts.module and len(shared.get("onnx", ())) == len(each.facts.onnx)
        assert [by for by, _ in shared.get("passes", ())] == [change.by for change in each.changes]
        assert each.field and own["receptive_field"] == each.field._asdict()
        assert [row[0] for row in shared.get("shape", ())] == [working.name for working in each.facts.shape]
    texts = [json.dumps(detail) for detail in drawing.details]
    assert len(texts) == len(set(texts)) < 2 * len(drawing.nodes)
    assert json.loads(json.dumps(drawing.to_json()))["details"] == json.loads(f"[{','.join(texts)}]")


WRONG = """archspec: 1
name: wrong
input: {image: [3, 28, 28]}
blocks:
  ConvBN:
    params: {out: int, groups: 1}
    steps:
      - {name: conv, conv: {out: $out, kernel: 3, groups: $groups}}
      - {name: bn, batch_norm}
graph:
  - {name: stem, ConvBN: {out: 8}}
  - {name: aux, aux: 0.3, steps: [global_avg_pool, {name: fc, linear: 3}]}
  - repeat: {i: 3}
    name: stage$i
    ConvBN: {out: 8, groups: $(i + 1)}
  - {name: fc, linear: 10}
"""


@pytest.mark.parametrize(
    ("word", "starts"),
    [
        ("stem.conv", "stem.conv: conv of wrong"),
        ("stem", "stem: `ConvBN`, 2 steps of wrong"),
        ("stage1", "stage1: `ConvBN`, 2 steps"),
        ("aux.fc", "aux.fc: linear of wrong"),
        ("11", "stem: `ConvBN`"),
    ],
)
def test_a_step_of_a_wrong_spec_is_explained_if_its_shapes_are_known(run: Run, word: str, starts: str) -> None:
    Path("wrong.yaml").write_text(WRONG, "utf-8")
    ran = run("explain", "wrong.yaml", word)
    assert ran.code == 0 and ran.out.startswith(starts) and "of the net)" not in ran.out
    told = (
        "note: the spec has an error elsewhere, groups-mismatch (wrong.yaml:8:59): `archc check wrong.yaml` tells more"
    )
    assert [line for line in ran.err.splitlines() if line] == [told]


@pytest.mark.parametrize("word", ["stage2.conv", "stage2", "8", ":8", "wrong.yaml:8", "15"])
def test_a_wrong_step_tells_what_arrives_and_what_its_op_takes(run: Run, word: str) -> None:
    Path("wrong.yaml").write_text(WRONG + "  - nothing\n", "utf-8")
    ran = run("explain", "wrong.yaml", word)
    assert ran.code == 1 and not ran.out and ran.err.count("error[") == 1
    assert "what arrives is f32[N,8,22,22] from `stage1.bn`" in ran.err
    assert "the shapes of `conv`: (N, C, H, W) -> (N, out, H', W')" in " ".join(ran.err.split())


@pytest.mark.parametrize("word", ["fc", "no.such", "16"])
def test_of_a_step_behind_a_mistake_nothing_is_known(run: Run, word: str) -> None:
    Path("wrong.yaml").write_text(WRONG, "utf-8")
    ran = run("explain", "wrong.yaml", word)
    assert ran.code == 1 and f"before this is mended, nothing is known of `{word}`" in ran.err
    document = json.loads(run("explain", "wrong.yaml", word, "--format", "json").out)
    assert document["error"]["code"] == "groups-mismatch"


def test_a_mistake_in_the_header_keeps_no_step_back(run: Run) -> None:
    Path("wrong.yaml").write_text(SMALL.replace("name: small\n", "name: small\nlabels: none.txt\n"), "utf-8")
    ran = run("explain", "wrong.yaml", "stem.conv")
    assert ran.code == 0 and ran.out.startswith("stem.conv: conv") and "an error elsewhere, file-missing" in ran.err


def test_what_is_known_of_a_wrong_net_is_a_graph(run: Run) -> None:
    """Each node is explained, and the program prints a document without shares of a net that is not known."""
    Path("wrong.yaml").write_text(WRONG, "utf-8")
    known = check("wrong.yaml").known
    assert known is not None and [head.path for head in known.heads] == ["aux"]
    assert [each.path for each in explain_graph(known)] == [node.path for node in known.nodes]
    (node,) = json.loads(run("explain", "wrong.yaml", "stem.conv", "--format", "json").out)["nodes"]
    assert node["shares"] == {} and node["output"] == [8, 26, 26]
