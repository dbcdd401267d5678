"""`archc view MODEL.onnx`: structure from names, shapes and costs from what a file says, for archc's files and for anyone's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import ModelProto, TensorProto, helper
from torch import nn

import archc
from archc.compiler.view.drawing import Drawing, GroupItem, Item, RepeatItem, children
from archc.model_view import inference
from archc.model_view.draw import draw_model
from archc.runtime.faults import RuntimeFault
from archc.runtime.weightless import without_weights

from .foreign_models import constant, endless_loop, make, nested_functions, node, port, save
from .program import Run, program

SPEC = """archspec: 1
name: small
input: {image: [3, 16, 16]}
blocks:
  Unit:
    params: {out: int}
    steps: [{name: conv, conv: {out: $out, kernel: 3, padding: 1, bias: false}}, batch_norm, relu]
graph:
  - {name: stem, Unit: {out: 8}}
  - {name: body, repeat: {i: 2}, steps: [{residual: {body: [{name: a, Unit: {out: 8}}]}}, relu]}
  - global_avg_pool
  - {name: fc, linear: 5}
"""


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    return program(capsys)


def groups(items: Sequence[Item]) -> Iterator[str]:
    """The paths of all groups in a series; of equal rounds, that of the first, with how many there are."""
    for item in items:
        if isinstance(item, GroupItem):
            yield item.id
        if isinstance(item, RepeatItem):
            yield f"{len(item.items)}×"
        for inner in children(item):
            yield from groups(inner[:1] if isinstance(item, RepeatItem) else inner)


def titles(drawing: Drawing) -> list[str]:
    """What stands on the nodes, in their order."""
    return [each.title for each in drawing.nodes]


# ---- archc's files


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("own") / "small.yaml"
    path.write_text(SPEC, "utf-8")
    return path


@pytest.mark.parametrize("options", [{}, {"batch": 4}, {"opset": 13}, {"precision": "fp16"}, {"fold": False}], ids=str)
def test_a_file_of_archc_shows_its_spec(spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:  # fmt: skip
    """Paths, lines and costs, and no process for them."""
    monkeypatch.setattr(inference, "START", "raise SystemExit(1)")
    net = archc.load(spec)
    net.export_onnx(tmp_path / "small.onnx", proof="none", **options)
    drawing = draw_model(str(tmp_path / "small.onnx"))
    paths = {each.path: each for each in drawing.nodes}
    assert {"stem.conv", "body.0.a.conv", "body.1.1", "fc"} <= {*paths}
    assert drawing.totals.macs == net.cost().macs and drawing.totals.activations >= net.cost().activations
    assert paths["stem.conv"].title == "3×3 conv, 8" and paths["stem.conv"].shape == (8, 16, 16)
    assert drawing.inputs == (("image", (3, 16, 16)),) and drawing.outputs[0][2] == (5,)
    assert drawing.files == (("small.yaml", SPEC),) and paths["body.1.1"].places[0].line == 9 + 1
    assert [line for _, line in paths["stem.conv"].places] == [7, 9]
    assert [each for each in groups(drawing.tree) if each.startswith("body")][:1] == ["body"] and "2×" in groups(
        drawing.tree
    )
    assert drawing.summary.startswith(f"archc {archc.__version__}, opset ")


def test_metadata_is_not_believed(spec: Path, tmp_path: Path) -> None:
    """What it says of sources may be anything, and a line may be past their end."""
    import onnx

    archc.load(spec).export_onnx(tmp_path / "small.onnx", proof="none")
    for sources in ("[", "[1]", '{"small.yaml": 3}', '{"small.yaml": "a"}', "[" * 100_000):
        model = onnx.load(tmp_path / "small.onnx")
        next(each for each in model.metadata_props if each.key == "archc.sources").value = sources
        drawing = draw_model(str(save(model, tmp_path / "changed.onnx")))
        assert not any(each.places for each in drawing.nodes) and len(drawing.nodes) > 5


# ---- files of other exporters


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.relu, self.conv2 = nn.ReLU(), nn.Conv2d(8, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(x + self.conv2(self.relu(self.bn1(self.conv1(x)))))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.layer1 = nn.Conv2d(3, 8, 3, 2, 1), nn.Sequential(Block(), Block())
        self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.flatten(self.pool(self.layer1(self.stem(x))), 1))


# 13,824 of the stem, twice 36,864 and 4,096 of a block, 40 of the end
MACS = 13_824 + 2 * (36_864 + 4_096) + 40


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "exporter",
    ["scripted", *(pytest.param(each, marks=pytest.mark.slow) for each in ("scripted with an open batch", "dynamo"))],
)
def test_what_torch_exports(exporter: str, tmp_path: Path) -> None:
    path, image = tmp_path / "net.onnx", torch.zeros(1, 3, 16, 16)
    if exporter == "dynamo":
        pytest.importorskip("onnxscript")
        torch.onnx.export(Net().eval(), (image,), path, dynamo=True, verbose=False)
    else:
        axes = {"image": {0: "N"}} if "open" in exporter else {}
        torch.onnx.export(Net().eval(), (image,), path, dynamo=False, input_names=["image"], dynamic_axes=axes)
    drawing = draw_model(str(path))
    assert [*groups(drawing.tree)] == ["layer1", "2×", "layer1.0"]
    assert drawing.totals.macs == MACS and 1_550 < drawing.totals.params < 1_600
    paths = {each.path: each for each in drawing.nodes}
    assert {"stem", "layer1.0.conv1", "layer1.1.conv2", "fc"} <= {*paths}
    assert paths["stem"].shape == (8, 8, 8) and paths["stem"].title == "3×3 conv, 8 /2" and paths["fc"].shape == (5,)


WEIGHT = constant("w", np.zeros((4, 3, 3, 3)), np.float32)


def conv(name: str, source: str, result: str, weight: str = "w", **fields: Any) -> Any:
    return node("Conv", [source, weight], [result], name=name, pads=[1] * 4, **fields)


def tensorflow() -> ModelProto:
    """As tf2onnx names nodes, channels last outside."""
    names = ["model/block1/conv/Conv2D", "model/block1/act/Relu", "model/block2/conv/Conv2D", "model/block2/act/Relu"]
    return make(
        [
            node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2], name="model/block1/conv/Conv2D__6"),
            conv(names[0], "t", "a"), node("Relu", ["a"], ["b"], name=names[1]),
            conv(names[2], "b", "c", "v"), node("Relu", ["c"], ["y"], name=names[3]),
        ],
        inputs=[port("x", shape=["N", 8, 8, 3])],
        weights=[WEIGHT, constant("v", np.zeros((4, 4, 3, 3)), np.float32)],
    )  # fmt: skip


def unnamed() -> ModelProto:
    """No node has a name; weights have those of torch."""
    weights = [constant(f"layer{at}.conv.weight", np.zeros((3, 3, 3, 3)), np.float32) for at in (1, 2)]
    nodes = [conv("", "x", "a", "layer1.conv.weight"), node("Relu", ["a"], ["b"]), conv("", "b", "c", "layer2.conv.weight"),
             node("Relu", ["c"], ["d"]), node("GlobalAveragePool", ["d"], ["y"])]  # fmt: skip
    return make(nodes, outputs=[port("y", shape=None)], weights=weights)


def constant_nodes() -> ModelProto:
    """Weights are nodes, and the size of a Reshape is worked out from the image."""
    nodes = [
        node("Constant", [], ["w"], value=WEIGHT), conv("c", "x", "a"),
        node("Shape", ["a"], ["s"]), node("Constant", [], ["zero"], value_ints=[0]), node("Gather", ["s", "zero"], ["n"]),
        node("Constant", [], ["rest"], value_ints=[-1]), node("Concat", ["n", "rest"], ["to"], axis=0),
        node("Reshape", ["a", "to"], ["y"]),
    ]  # fmt: skip
    return make(nodes, outputs=[port("y", shape=None)])


def rounded() -> ModelProto:
    """An int8 file: weights are stored as integers, values are rounded and made floats again."""
    scale, zero = constant("s", 0.1, np.float32), constant("z", 0, np.uint8)
    weights = [constant("q", np.zeros((4, 3, 3, 3)), np.int8), constant("qz", 0, np.int8), scale, zero]
    nodes = [
        node("DequantizeLinear", ["q", "s", "qz"], ["w"], name="c.weight"),
        node("QuantizeLinear", ["x", "s", "z"], ["x8"]), node("DequantizeLinear", ["x8", "s", "z"], ["xf"]),
        conv("c", "xf", "a"), node("Relu", ["a"], ["b"]),
        node("QuantizeLinear", ["b", "s", "z"], ["b8"]), node("DequantizeLinear", ["b8", "s", "z"], ["y"]),
    ]  # fmt: skip
    return make(nodes, weights=weights)


def many_ports() -> ModelProto:
    """Two images are compared, and each of three outputs is read elsewhere; the deepest is not the last."""
    nodes = [
        conv("one", "x", "a"),
        conv("two", "z", "b"),
        node("Add", ["a", "b"], ["y"]),
        node("Relu", ["y"], ["deep"]),
    ]
    ports = [port("x"), port("z"), port("w", shape=[4, 3, 3, 3])]
    return make(nodes, inputs=ports, outputs=[port(each, shape=None) for each in ("a", "deep", "b")], weights=[WEIGHT])


def open_sizes() -> ModelProto:
    """An image of any size."""
    nodes = [conv("c", "x", "a"), node("GlobalAveragePool", ["a"], ["p"]), node("Flatten", ["p"], ["y"])]
    return make(nodes, inputs=[port("x", shape=["N", 3, "H", "W"])], weights=[WEIGHT])


def branches() -> ModelProto:
    """An If whose graphs read what is around them."""
    inner = helper.make_graph([node("Relu", ["a"], ["i"])], "inner", [], [port("i")])
    other = helper.make_graph([node("Neg", ["a"], ["j"]), node("Abs", ["j"], ["k"])], "other", [], [port("k")])
    nodes = [conv("c", "x", "a"), node("If", ["yes"], ["y"], then_branch=inner, else_branch=other)]
    return make(nodes, inputs=[port("x"), port("yes", TensorProto.BOOL, [])], weights=[WEIGHT])


def shared() -> ModelProto:
    """Two convolutions with one weight, and a bias that is added."""
    nodes = [conv("one", "x", "a", "v"), conv("two", "a", "b", "v"), node("Add", ["b", "bias"], ["y"])]
    weights = [constant("v", np.zeros((3, 3, 3, 3)), np.float32), constant("bias", np.zeros((3, 1, 1)), np.float32)]
    return make(nodes, weights=weights)


def unsorted() -> ModelProto:
    """A node stands before the one that it reads."""
    return make([node("Relu", ["a"], ["y"], name="second"), conv("first", "x", "a")], weights=[WEIGHT])


def own_operators() -> ModelProto:
    """Operators of another domain, one with the name of one of ONNX's."""
    nodes = [node("Conv", ["x", "w"], ["a"], domain="mine"), node("Odd", ["a"], ["y"], domain="mine")]
    return make(nodes, weights=[WEIGHT], imports=[helper.make_opsetid("mine", 1)])


# of each: titles in order, groups, macs, params, and how the summary ends
FOREIGN: dict[Callable[[], ModelProto], tuple[list[str], list[str], int, int, str]] = {
    tensorflow: (["transpose", "3×3 conv, 4", "ReLU", "3×3 conv, 4", "ReLU"], ["model", "model.block1", "model.block1.conv"],
                 8 * 8 * 4 * 27 + 8 * 8 * 4 * 36, 108 + 144, "opset 20"),
    unnamed: (["3×3 conv, 3", "ReLU", "3×3 conv, 3", "ReLU", "global avg pool"], [], 2 * 8 * 8 * 3 * 27, 162, "opset 20"),
    constant_nodes: (["3×3 conv, 4", "reshape"], [], 8 * 8 * 4 * 27, 108, "counts as 0"),
    rounded: (["to 8 bits", "to floats", "3×3 conv, 4", "ReLU", "to 8 bits", "to floats"], [], 8 * 8 * 4 * 27, 108, "opset 20"),
    many_ports: (["3×3 conv, 4", "3×3 conv, 4", "+", "ReLU"], [], 2 * 8 * 8 * 4 * 27, 108, "opset 20"),
    open_sizes: (["3×3 conv, 4", "global avg pool", "flatten"], [], 0, 108, "counts as 0"),
    branches: (["3×3 conv, 4", "If (2 + 1 nodes)"], [], 8 * 8 * 4 * 27, 108, "opset 20"),
    shared: (["3×3 conv, 3", "3×3 conv, 3", "bias"], [], 2 * 8 * 8 * 3 * 27, 84, "opset 20"),
    unsorted: (["3×3 conv, 4", "ReLU"], [], 8 * 8 * 4 * 27, 108, "opset 20"),
    own_operators: (["Conv", "Odd"], [], 0, 0, "counts as 0"),
}  # fmt: skip


@pytest.mark.parametrize("maker", FOREIGN, ids=lambda maker: maker.__name__)
def test_what_others_export(maker: Callable[[], ModelProto], tmp_path: Path) -> None:
    drawing = draw_model(str(save(maker(), tmp_path / "net.onnx")))
    shown, found, macs, params, end = FOREIGN[maker]
    assert titles(drawing) == shown and [*groups(drawing.tree)] == found
    assert (drawing.totals.macs, drawing.totals.params) == (macs, params)
    assert drawing.summary.endswith(end), drawing.summary
    if maker is many_ports:
        assert [each.name for each in drawing.outputs] == ["a", "b", "deep"]
        assert [each.name for each in drawing.inputs] == ["x", "z"]
    if maker is branches:
        assert (0, 1) in drawing.edges


def test_sizes_that_are_packed_are_read(tmp_path: Path) -> None:
    """Writers in proto3 put the numbers of a field into one: dims, strides, pads."""
    plain = make(
        [conv("c", "x", "a"), node("MaxPool", ["a"], ["y"], kernel_shape=[2, 2], strides=[2, 2])], weights=[WEIGHT]
    )
    data = plain.SerializeToString()
    # a field of its own for each of two strides becomes one of both
    for field in (8, 1):
        key = bytes([field << 3])
        data = re.sub(
            re.escape(key) + rb"([\x02-\x04])" + re.escape(key) + rb"([\x02-\x04])",
            bytes([field << 3 | 2, 2]) + rb"\1\2",
            data,
        )
    assert data != plain.SerializeToString() and len(data) == len(plain.SerializeToString())
    (tmp_path / "net.onnx").write_bytes(data)
    drawing = draw_model(str(tmp_path / "net.onnx"))
    assert titles(drawing) == ["3×3 conv, 4", "2×2 max pool /2"] and drawing.totals.params == 108


def test_no_weight_is_read(tmp_path: Path) -> None:
    """What a process of inference gets is small, and weights in another file are not asked for."""
    big = constant("w", np.zeros((4096, 3, 3, 3)), np.float32)
    path = save(make([conv("c", "x", "y")], outputs=[port("y", shape=None)], weights=[big]), tmp_path / "net.onnx")
    assert path.stat().st_size > 400_000 and len(without_weights(path, 2**20) or "") < 1000
    big.ClearField("raw_data")
    big.data_location = TensorProto.EXTERNAL
    big.external_data.add(key="location", value="/etc/gone")
    path = save(make([conv("c", "x", "y")], outputs=[port("y", shape=None)], weights=[big]), tmp_path / "beside.onnx")
    assert draw_model(str(path)).totals.macs == 8 * 8 * 4096 * 27


def test_without_onnx_the_file_s_own_shapes_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "START", "raise SystemExit(1)")
    drawing = draw_model(str(save(branches(), tmp_path / "net.onnx")))
    assert titles(drawing)[0] == "3×3 conv, 4" and drawing.totals.macs == 0
    assert drawing.nodes[0].shape == ("?",) and drawing.nodes[-1].shape == (3, 8, 8) and "open" in drawing.summary


# ---- what a click shows


def details_of(drawing: Drawing) -> dict[str, dict[str, Any]]:
    """The details of each node, its own before what it shares, as the page reads them from JSON."""
    form = json.loads(json.dumps(drawing.to_json(), allow_nan=False))
    found = {}
    for each in form["nodes"]:
        own = form["details"][each[-1]]
        found[each[0]] = {**(form["details"][own["of"]] if "of" in own else {}), **own}
    return found


def test_a_click_in_a_file_of_archc_tells_what_its_spec_tells(spec: Path, tmp_path: Path) -> None:
    archc.load(spec).export_onnx(tmp_path / "small.onnx", proof="none", fold=False)
    assert not draw_model(str(tmp_path / "small.onnx")).details
    found = details_of(draw_model(str(tmp_path / "small.onnx"), explained=True))
    stem = found["stem.conv"]
    assert stem["torch"].startswith("nn.Conv2d(3, 8, kernel_size=(3, 3)") and stem["receptive_field"]["size"] == [3, 3]
    assert stem["shape"][1] == ["H, W", "(16 + 2·1 − 3) // 1 + 1", 16] and "passes" not in stem
    ((name, operator, inputs, attributes),) = stem["onnx"]
    assert (name, operator, inputs, attributes["pads"]) == ("", "Conv", ["image", "stem.conv.weight"], [1, 1, 1, 1])
    assert stem["reads"] == [["image", [3, 16, 16], "f32"]] and stem["gives"] == [["stem.conv", [8, 16, 16], "f32"]]
    assert stem["weights"] == [["stem.conv.weight", [8, 3, 3, 3], "f32"]]
    assert found["fc"]["fields"] == {"out": 5} and found["fc/Flatten"]["onnx"][0][0] == ""
    only = details_of(draw_model(str(tmp_path / "small.onnx"), "body", explained=True))
    assert only == {path: each for path, each in found.items() if path.startswith("body.")} | {p: only[p] for p in only}


def test_a_spec_that_gives_another_net_explains_nothing(spec: Path, tmp_path: Path) -> None:
    """Details are the file's own then."""
    import onnx

    archc.load(spec).export_onnx(tmp_path / "small.onnx", proof="none")
    model = onnx.load(tmp_path / "small.onnx")
    sources = next(each for each in model.metadata_props if each.key == "archc.sources")
    sources.value = json.dumps(
        {"small.yaml": SPEC.replace("padding: 1", "padding: 1, dilation: 1").replace("relu]", "tanh]")}
    )
    found = details_of(draw_model(str(save(model, tmp_path / "changed.onnx")), explained=True))
    assert all("torch" not in each and each["onnx"] and each["gives"] for each in found.values())


def odd_attributes() -> ModelProto:
    """Numbers that are none in JSON, names that bite, and thousands of values."""
    weights = [WEIGHT, *(constant(f"c{at}", np.zeros((1, 3, 8, 8)), np.float32) for at in range(50))]
    nodes = [node("LeakyRelu", ["x"], ["a"], name="leak\x1b", alpha=float("nan"), domain="mine", other=[0.1, float("inf")], long=2**60, text="t\u202e"),
             node("Concat", ["a", *(f"c{at}" for at in range(50))], ["y\x07"], name="join", axis=1)]  # fmt: skip
    return make(
        nodes,
        outputs=[port("y\x07", shape=["N", "C\x1b", None, 8])],
        weights=weights,
        imports=[helper.make_opsetid("mine", 1)],
    )


def test_a_click_in_any_file_tells_what_the_file_says(tmp_path: Path) -> None:
    found = details_of(draw_model(str(save(odd_attributes(), tmp_path / "net.onnx")), explained=True))
    leak, join = found["leak\\x1b"], found["join"]
    assert (leak["operator"], leak["name"]) == ("mine.LeakyRelu", "leak\\x1b")
    assert leak["attributes"] == {"alpha": "nan", "other": [0.1, "inf"], "long": str(2**60), "text": "t\\u202e"}
    assert leak["reads"] == [["x", [3, 8, 8], "f32"]] and leak["gives"] == [["a", None, ""]]
    assert len(join["weights"]) == 41 and join["weights"][-1] == ["and 10 more", None, ""]
    assert join["weights"][0] == ["c0", [1, 3, 8, 8], "f32"] and join["gives"] == [
        ["y\\x07", ["C\\x1b", "?", 8], "f32"]
    ]


# ---- files that mean harm


def chain(count: int, name: Callable[[int], str] = lambda at: f"r{at}") -> ModelProto:
    nodes = [node("Relu", [f"v{at}"], [f"v{at + 1}"], name=name(at)) for at in range(count)]
    return make(nodes, inputs=[port("v0")], outputs=[port(f"v{count}")])


def deep_graphs(depth: int) -> ModelProto:
    graph = helper.make_graph([node("Relu", ["x"], ["s"])], "g", [], [port("s")])
    for _ in range(depth):
        graph = helper.make_graph([node("If", ["b"], ["s"], then_branch=graph)], "g", [], [port("s")])
    return make([node("If", ["x"], ["y"], then_branch=graph)])


REFUSED: dict[str, tuple[Callable[[], ModelProto], str, str]] = {
    "a circle": (lambda: make([node("Relu", ["y"], ["a"], name="p\x1b"), node("Relu", ["a"], ["y"])]), "model-refused", "in a circle: `p\\x1b`"),
    "its own value": (lambda: make([node("Relu", ["y"], ["y"])]), "model-refused", "in a circle"),
    "a value twice": (lambda: make([node("Relu", ["x"], ["y"]), node("Relu", ["x"], ["y"])]), "model-refused", "make the value `y`"),
    "no nodes": (lambda: make([]), "model-refused", "no node in it works on an input"),
    "no outputs": (lambda: make([node("Relu", ["x"], ["y"])], outputs=[]), "model-refused", "no output comes from a node"),
    "an input alone": (lambda: make([node("Relu", ["x"], ["y"])], outputs=[port("x")]), "model-refused", "no output comes from a node"),
    "many nodes": (lambda: chain(20_001), "model-refused", "20,001 nodes"),
    "graphs in graphs": (lambda: deep_graphs(22), "not-a-model", "nested too deep"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_drawn_is_refused_in_words(run: Run, what: str) -> None:
    maker, code, words = REFUSED[what]
    save(maker(), Path("net.onnx"))
    ran = run("view", "net.onnx", "-o", "net.svg", "--format", "json")
    error = json.loads(ran.out)["error"]
    assert (ran.code, error["code"]) == (1, code) and words in error["message"]
    assert not Path("net.svg").exists()


STRANGE: dict[str, Callable[[], ModelProto]] = {
    "names with escapes": lambda: chain(3, lambda at: f"</script>\x1b[31m\u202e\x00/a.b/ /{at}"),
    "one name for all": lambda: chain(30, lambda at: "same"),
    "long names": lambda: chain(3, lambda at: "q" * 900_000),
    "many scopes": lambda: chain(20, lambda at: "/a" * 100_000 + str(at)),
    "deep scopes": lambda: chain(300, lambda at: "/".join(map(str, range(at)))),
    "an endless loop": endless_loop,
    "functions that double": lambda: nested_functions(40),
    "sizes that are none": lambda: make(
        [node("Conv", ["x", "w"], ["a"], strides=[2**62, -1], group=-5), node("MaxPool", ["a"], ["b"], kernel_shape=[2] * 9),
         node("Gemm", ["b", "w"], ["y"])], inputs=[port("x", shape=[-1, 2**62, 0])], weights=[constant("w", np.zeros((0, 3)), np.float32)]),
    "many outputs": lambda: make([node("Relu", ["x"], [f"y{at}"]) for at in range(500)], outputs=[port(f"y{at}") for at in range(500)]),
}  # fmt: skip


@pytest.mark.parametrize("what", STRANGE)
def test_what_is_strange_is_drawn(run: Run, what: str) -> None:
    save(STRANGE[what](), Path("net.onnx"))
    for form in ("svg", "json"):
        ran = run("view", "net.onnx", "-o", f"net.{form}")
        assert (ran.code, ran.err) == (0, "")
        text = Path(f"net.{form}").read_text("utf-8")
        assert "\x1b" not in text and "\u202e" not in text and "\x00" not in text
    assert len({node[0] for node in json.loads(text)["nodes"]}) == len(json.loads(text)["nodes"])


def captured_value() -> ModelProto:
    """A graph in a node reads what nothing around it makes, and its own weights."""
    inner = helper.make_graph(
        [node("Add", ["gone", "own"], ["i"])], "inner", [], [port("i")], [constant("own", 1.0, np.float32)]
    )
    return make([node("If", ["x"], ["y"], name="choose", then_branch=inner, else_branch=inner)])


# what each says on standard error
DANGLING: dict[str, tuple[Callable[[], ModelProto], list[str]]] = {
    "a node": (lambda: make([node("Relu", ["gone"], ["a"]), node("Add", ["a", "x"], ["y"])]), ["the node `Relu` reads `gone`, which"]),
    "a name that bites": (lambda: make([node("Add", ["x", "\x1b[31m"], ["y"], name="sum\u202e")]), ["the node `sum\\u202e` reads `\\x1b[31m`"]),
    "a node that is not drawn": (lambda: make([node("Relu", ["x"], ["y"]), node("Neg", ["gone"], ["z"], name="dead")]), ["`dead` reads `gone`"]),
    "a graph in a node": (captured_value, ["the node `choose` reads `gone`"]),
    "an output": (lambda: make([node("Relu", ["x"], ["y"])], outputs=[port("y"), port("gone")]), ["the output `gone` is made by no node"]),
    "read twice": (lambda: make([node("Add", ["gone", "x"], ["a"]), node("Mul", ["a", "gone"], ["y"])]), ["the node `Add` reads `gone`"]),
    "many": (lambda: make([node("Concat", ["x", *(f"g{at}" for at in range(30))], ["y"], axis=1)]),
             [*(f"`Concat` reads `g{at}`" for at in range(5)), "25 more values are made by nothing"]),
}  # fmt: skip


@pytest.mark.parametrize("what", DANGLING)
def test_a_value_that_nobody_makes_is_told_and_drawn(run: Run, what: str) -> None:
    maker, told = DANGLING[what]
    save(maker(), Path("net.onnx"))
    ran = run("view", "net.onnx", "-o", "net.json")
    lines = ran.err.splitlines()
    assert ran.code == 0 and len(lines) == len(told)
    assert all(
        line.startswith("warning[onnx-dangling]: ") and words in line for line, words in zip(lines, told, strict=True)
    )
    drawing = json.loads(Path("net.json").read_text("utf-8"))
    assert all(words in drawing["summary"] for words in told) and drawing["nodes"]


def test_a_shape_of_which_nothing_is_known_is_open(run: Run) -> None:
    """It is no scalar, which a file can state."""
    no_shape, scalar = (helper.make_tensor_value_info("y", 1, shape) for shape in (None, []))
    save(make([node("Relu", ["gone"], ["y"])], outputs=[no_shape]), Path("open.onnx"))
    save(make([node("ReduceSum", ["x"], ["y"], keepdims=0)], outputs=[scalar]), Path("scalar.onnx"))
    for name, shape in (("open", "?"), ("scalar", "scalar")):
        assert run("view", f"{name}.onnx", "-o", f"{name}.svg").code == 0
        assert f">{shape}<" in Path(f"{name}.svg").read_text("utf-8")


def test_inference_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference, "MAX_SECONDS", 0.5)
    monkeypatch.setattr(inference, "START", "import time; time.sleep(100)")
    assert titles(draw_model(str(save(branches(), tmp_path / "net.onnx"))))[0] == "3×3 conv, 4"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["text.onnx"], "not-a-model"), (["gone.onnx"], "no-such-model"), (["."], "not-a-file"), (["net.onnx", "--set", "a=1"], "usage"),
        (["net.onnx", "--watch"], "usage"), (["net.onnx", "--only", "nowhere"], "no-such-step"),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly(run: Run, words: list[str], code: str) -> None:
    save(unnamed(), Path("net.onnx"))
    Path("text.onnx").write_text("no model", "utf-8")
    ran = run("view", *words, "--format", "json")
    assert json.loads(ran.out)["error"]["code"] == code and ran.code in (1, 2)


def test_each_module_of_the_names_is_a_group(tmp_path: Path) -> None:
    """Modules in a list are called by numbers; one that is like no sibling is as much a module as equal ones are."""
    nodes, value = [], "x"
    for scope, operator in (
        ("a", "Tanh"),
        ("stages/stages.0", "Relu"),
        ("stages/stages.1", "Sigmoid"),
        ("stages/stages.2", "Sigmoid"),
    ):
        for k in (1, 2):
            name = f"/{scope}/c{k}"
            nodes.append(conv(f"{name}/Conv", value, f"{name}:0", "v" if nodes else "w"))
            nodes.append(node(operator, [f"{name}:0"], [name], name=f"/{scope}/act{k}/{operator}"))
            value = name
    nodes[-1].output[0] = "y"
    model = make(nodes, inputs=[port("x", shape=[1, 3, 8, 8])], weights=[WEIGHT, constant("v", np.zeros((4, 4, 3, 3)), np.float32)])  # fmt: skip
    drawing = draw_model(str(save(model, tmp_path / "net.onnx")))
    assert [*groups(drawing.tree)] == ["a", "stages", "stages.0", "2×", "stages.1"]


def test_a_model_is_known_by_its_first_byte(run: Run) -> None:
    save(unnamed(), Path("copy.bin"))
    assert run("view", "copy.bin", "-o", "a.svg").code == 0
    refused = run("cost", "copy.bin")
    assert refused.code == 1 and "`copy.bin` is a built model" in refused.err and "`archc view`" in refused.err


def test_a_part_of_a_model(tmp_path: Path) -> None:
    path = str(save(unnamed(), tmp_path / "net.onnx"))
    assert titles(draw_model(path, only="layer2")) == ["3×3 conv, 3", "ReLU"]
    with pytest.raises(RuntimeFault):
        draw_model(str(tmp_path / "gone.onnx"))
