"""A graph's text: what is printed is read back equal, and a malformed text is refused with its place."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from archc.compiler.diagnostics import Source, Span
from archc.compiler.driver import check, run_passes
from archc.compiler.ir.dtypes import F16, F64, I64
from archc.compiler.ir.graph import Graph, Head, Node, Output, Rewrite, Value
from archc.compiler.ir.parse import GraphSyntaxError, parse
from archc.compiler.ir.types import TensorType, image
from archc.compiler.ir.verify import verify
from archc.compiler.ops import OPS
from archc.compiler.passes import PIPELINE, PassOptions
from archc.compiler.sources import zoo

from .families import by_family
from .op_cases import CASES, Case
from .program import program
from .sweep import sweep
from .test_ops import graph_of

IMAGE = Value("image", image(3, 8, 8))
TEXT = """graph tiny(%image: f32[N,3,8,8]) -> (logits: f32[N,4,6,6]) phase train {
  %conv = conv(%image, out=4, kernel=[3, 3], bias=false) : f32[N,4,6,6]
  %n = batch_norm(%conv) : f32[N,4,6,6]
  head aux = %n weight 0.3
  rewrite conv gives bn: weight=conv.weight = fold(weight=conv.weight, variance=bn.running_var; eps=1e-05)
  return logits = %n
}
"""


def read(text: str) -> Graph:
    return parse(text, OPS)


def assert_reads_back(graph: Graph) -> None:
    assert read(str(graph)) == graph
    assert read(graph.text(places=False)) == graph


@sweep("case", CASES)
def test_every_op_reads_back(case: Case) -> None:
    assert_reads_back(graph_of(case))


@pytest.mark.parametrize("dtype", [F16, F64, I64], ids=str)
def test_element_types_read_back(dtype) -> None:
    x = Value("x", TensorType(("N", 3), dtype))
    assert_reads_back(Graph("g", (x,), (), (Output("y", x),)))


@by_family(sorted(zoo()))
def test_the_zoo_reads_back_after_every_pass(name: str) -> None:
    assert_the_stages_read_back(name)


@pytest.mark.parametrize("name", ["googlenet", "resnet18", "fractalnet20_cifar", "squeezenet1_0", "stochastic_depth_resnet110_cifar"])  # fmt: skip
def test_nets_read_back_after_every_pass(name: str) -> None:
    assert_the_stages_read_back(name)


def assert_the_stages_read_back(name: str) -> None:
    graph = check(name).graph
    if graph is None:  # a family, which wants its parameters
        pytest.skip(f"{name} has open parameters")
    assert_reads_back(graph)
    ones = (1.0,) * graph.inputs[0].type.channels
    every = PassOptions(half=True, pixel_factor=ones, pixel_offset=ones)  # every pass
    for settings in (every, replace(every, keep_aux=True))[: 1 + bool(graph.heads)]:
        now = graph
        for each in PIPELINE:
            configured = each.from_options(settings)
            assert configured is not None
            now = configured.run(now)
            assert read(str(now)) == now


@pytest.mark.parametrize("after", [each.name for each in PIPELINE])
def test_what_the_program_shows_is_read(after: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = program(capsys)("show", "lenet5_modern", "--after", after)
    graph = check("lenet5_modern").graph
    assert graph is not None
    assert shown.code == 0 and read(shown.out) == run_passes(graph, PassOptions(), after)


ODD_NAMES = ["a b", "é", "x\ny", '"', "\\", "%a", "a=b", "a,b", "(", "}", "#", "", " ", "\u2028", "\x85", "\x1c", "漢", "\ud800", "head ", "a: b"]  # fmt: skip


@pytest.mark.parametrize("name", ODD_NAMES, ids=ascii)
def test_odd_names_read_back(name: str) -> None:
    """Names of graphs, inputs, nodes, outputs, heads, and of a rewrite's node, step and tensors."""
    relu = Value(f"r{name}", IMAGE.type)
    node = Node(relu.name, OPS["relu"](), (Value(name, IMAGE.type),), (relu,))
    rewrite = Rewrite("fold", name, f"s{name}", (("weight", f"t{name}"),), (("bias", f"u{name}"),), (("eps", 1e-5),))
    assert_reads_back(
        Graph(name, (Value(name, IMAGE.type),), (node,), (Output(name, relu),), (Head(name, relu, 0.3),), (rewrite,))
    )


@pytest.mark.parametrize("label", ODD_NAMES, ids=ascii)
def test_odd_file_names_stay_in_their_comment(label: str) -> None:
    graph = read(TEXT)
    span = Span(Source(label, ""), 3, 1, 3, 2)
    assert_reads_back(graph.replace(nodes=tuple(node.replace(span=span) for node in graph.nodes)))


@pytest.mark.parametrize("weight", [0.3, 0.0, 1.0, 1e-20, 0.30000000000000004, 1e300, -2.5, 7])
def test_weights_of_heads_read_back(weight: float) -> None:
    assert_reads_back(Graph("g", (IMAGE,), (), (Output("y", IMAGE),), (Head("aux", IMAGE, weight),)))


REWRITES = [
    Rewrite("fold", "c", "n", (), ()),
    Rewrite("fold", "c", "n", (), (), (("eps", 1e-20),)),
    Rewrite("cast", "c", "n", (("weight", "c.weight"),), (("weight", "c.weight"),), (("to", "f16"), ("axes", (0, 1)))),
    Rewrite("fold", "c", "n", (("a", "x"), ("b", "y")), (("c", "z"), ("d", "w")), (("keep", True), ("none", None))),
]


@pytest.mark.parametrize("rewrite", REWRITES, ids=lambda r: f"{r.how}{len(r.takes)}")
def test_rewrites_read_back(rewrite: Rewrite) -> None:
    graph = Graph("g", (IMAGE,), (), (Output("y", IMAGE),), rewrites=(rewrite,))
    assert_reads_back(graph)
    hash(read(str(graph)))


def test_several_inputs_and_control_values_read_back() -> None:
    other = Value("other", TensorType((2, 3, 8, 8)))
    draw = Value("draw", TensorType((), I64))
    join, r = (Value(name, IMAGE.type) for name in ("j", "r"))
    nodes = (
        Node("draw", OPS["path_draw"](columns=2, probability=0.5), (), (draw,)),
        Node("r", OPS["relu"](), (IMAGE,), (r,)),
        Node("j", OPS["join"](**{"local": 0.1, "global": 0.5}), (IMAGE, r, draw), (join,)),
    )
    graph = Graph("g", (IMAGE, other), nodes, (Output("y", join), Output("z", other)))
    assert_reads_back(graph)
    verify(read(str(graph)))


def test_two_results_of_one_node_read_back() -> None:
    node = Node("a", OPS["relu"](), (IMAGE,), (Value("a", IMAGE.type), Value("a.1", IMAGE.type)))
    assert_reads_back(Graph("g", (IMAGE,), (node,), (Output("y", node.outputs[1]),), phase="inference"))


def test_blanks_comments_and_empty_lines_say_nothing() -> None:
    loose = "\n# a net\n" + TEXT.replace(", ", " ,\t").replace("\n", "  # what it is\n\n").replace("=", " = ")
    assert read(loose) == read(TEXT) and read(TEXT.replace("\n", "\r\n")) == read(TEXT)


def mutated(old: str, new: str) -> str:
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new)


CUT = "}\n"
MALFORMED = {  # what is wrong: the text, the place, words of the message
    "empty": ("", "line 1, column 1", "graph"),
    "no graph": ("net\n", "line 1, column 1", "`graph `"),
    "no end": (TEXT.removesuffix(CUT), "line 7, column 1", "`}`"),
    "more behind": (TEXT + "more", "line 8, column 1", "the end of the text"),
    "an input without %": (mutated("(%image: ", "(image: "), "line 1, column 12", "`%`"),
    "an input without a type": (mutated("(%image: f32[N,3,8,8])", "(%image)"), "line 1, column 18", "`:`"),
    "no such element type": (mutated("(%image: f32", "(%image: f31"), "line 1, column 20", "f31"),
    "a dimension left out": (mutated("(%image: f32[N,3,8,8]", "(%image: f32[N,,8,8]"), "line 1, column 20", "a type"),
    "a dimension that is a fraction": (mutated("(%image: f32[N,3,8,8]", "(%image: f32[N,3.5,8]"), "line 1, column 20", "a type"),
    "a dimension of odd digits": (mutated("(%image: f32[N,3,8,8]", "(%image: f32[N,²,8,8]"), "line 1, column 20", "a type"),
    "a dimension beyond all": (mutated("(%image: f32[N,3,8,8]", f"(%image: f32[N,{'9' * 5000}]"), "line 1, column 20", "a type"),
    "no such phase": (mutated("phase train", "phase eval"), "line 1, column 66", "`train` or `inference`"),
    "no brace": (mutated("phase train {", "phase train"), "line 1, column 71", "`{`"),
    "words behind a line": (mutated("head aux = %n weight 0.3", "head aux = %n weight 0.3 too"), "line 4, column 28", "the end of the line"),
    "no such op": (mutated("batch_norm", "batchnorm"), "line 3, column 8", "no operation is called `batchnorm`"),
    "no such field": (mutated("out=4", "filters=4"), "line 2, column 11", "conv"),
    "a field left out": (mutated("out=4, ", ""), "line 2, column 11", "wants `out`"),
    "a field twice": (mutated("out=4", "out=4, out=5"), "line 2, column 31", "`out` is given twice"),
    "a field of a wrong type": (mutated("out=4", 'out="4"'), "line 2, column 11", "wants an integer"),
    "a field beyond all": (mutated("out=4", f"out={'9' * 5000}"), "line 2, column 28", "a JSON value"),
    "a field that is no JSON": (mutated("out=4", "out=four"), "line 2, column 28", "a JSON value"),
    "a field nested too deep": (mutated("out=4", f"out={'[' * 100_000}"), "line 2, column 28", "a JSON value"),
    "a field that is not a number": (mutated("%conv)", "%conv, eps=NaN)"), "line 3, column 30", "a JSON value"),
    "a field that is not finite": (mutated("%conv)", "%conv, eps=1e999)"), "line 3, column 30", "a JSON value"),
    "a field that is no float": (mutated("%conv)", f"%conv, eps=1{'0' * 400})"), "line 3, column 8", "batch_norm"),
    "no comma": (mutated("%image, out", "%image out"), "line 2, column 23", "`,`"),
    "a value of no node": (mutated("(%conv)", "(%cnv)"), "line 3, column 19", "nothing before this line makes %cnv"),
    "its own value": (mutated("(%conv)", "(%n)"), "line 3, column 19", "nothing before this line makes %n"),
    "no result": (mutated("%n = batch", "= batch"), "line 3, column 3", "`%`"),
    "results without types": (mutated("%n = batch", "%n, %m = batch"), "line 3, column 44", "2 results have 1 type"),
    "a node without a type": (mutated("(%conv) : f32[N,4,6,6]", "(%conv)"), "line 3, column 25", "`:`"),
    "a name of odd letters": (mutated("%n = batch", "%é = batch"), "line 3, column 4", "a name"),
    "a name that is not closed": (mutated("%n = batch", '%"n = batch'), "line 3, column 4", "a JSON value"),
    "a head without a weight": (mutated("weight 0.3", ""), "line 4, column 17", "`weight`"),
    "a weight that is no number": (mutated("weight 0.3", "weight [1]"), "line 4, column 24", "a number"),
    "a weight that is true": (mutated("weight 0.3", "weight true"), "line 4, column 24", "a number"),
    "a weight beyond all": (mutated("weight 0.3", f"weight 1{'0' * 400}"), "line 4, column 24", "a number"),
    "a rewrite of nothing": (mutated("rewrite conv gives", "rewrite gives"), "line 5, column 17", "`gives`"),
    "a rewrite without an end": (mutated("eps=1e-05)", "eps=1e-05"), "line 5, column 106", "`,`"),
    "a returned value of no node": (mutated("return logits = %n", "return logits = %m"), "line 6, column 19", "nothing before this line makes %m"),
    "another output than the head says": (mutated("(logits: f32", "(probabilities: f32"), "line 7, column 1", "probabilities"),
    "another type than the head says": (mutated("(logits: f32[N,4,6,6])", "(logits: f32[N,4])"), "line 7, column 1", "f32[N,4]"),
}  # fmt: skip


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_text_is_refused_with_its_place(case: str) -> None:
    text, place, words = MALFORMED[case]
    with pytest.raises(GraphSyntaxError) as caught:
        read(text)
    assert str(caught.value).startswith(f"{place}: ")
    assert words in str(caught.value) and len(str(caught.value)) < 400


SOME = [TEXT, str(graph_of(CASES[0])), check("fractalnet20_cifar").graph.text()[:3000]]  # type: ignore[union-attr]
PIECES = st.sampled_from(["%", "=", "(", ")", ",", ":", "{", "}", '"', "[", "]", ";", "#", " ", "\n", "\t", "head ", "return ",
                          "rewrite ", "graph ", "f32[N]", "i64[]", "null", "NaN", "1e999", "-1", "9" * 400, "\\u0000", '"\\', "²",
                          "out=", "cls=1", "self=2", "kernel=[1,", "é", "\u2028", "\x00"]) | st.text(max_size=4)  # fmt: skip


@hypothesis(max_examples=300, deadline=None)
@given(st.data())
def test_no_other_exception_leaks(data) -> None:
    """A text with a few places changed is read, or refused as a text."""
    text = data.draw(st.sampled_from(SOME))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        text = text[:start] + data.draw(PIECES) + text[start + data.draw(st.integers(0, 6)) :]
    assert_read_or_refused(text)


def assert_read_or_refused(text: str) -> None:
    """A text that is no graph is refused with its place; one that is reads back."""
    try:
        graph = read(text)
    except GraphSyntaxError as error:
        place = str(error)
    else:
        assert_reads_back(graph)
        return
    assert re.match(r"line \d+, column \d+: ", place)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@hypothesis(max_examples=200, deadline=None)
@given(st.data())
def test_no_field_leaks_another_exception(data) -> None:
    """Every field of every op, with any JSON for its value."""
    name = data.draw(st.sampled_from(sorted(OPS)))
    fields = {key: data.draw(JSON) for key in OPS[name].fields if data.draw(st.booleans())}
    line = f"  %a = {name}({', '.join(f'{k}={json.dumps(v)}' for k, v in fields.items())}) : f32[N,3]"
    assert_read_or_refused(f"graph g() -> (y: f32[N,3]) phase train {{\n{line}\n  return y = %a\n}}\n")
