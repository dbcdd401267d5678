"""The language: sketches expand to the peers' keys, the naming rules, composition, and what each rule refuses."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from archc.compiler.analysis.cost import op_cost
from archc.compiler.driver import check, run_passes
from archc.compiler.frontend.application import count_params
from archc.compiler.frontend.schema import schema_text
from archc.compiler.ir.operation import infer_type
from archc.compiler.ops import OPS
from archc.compiler.ops.fields import Pair
from archc.compiler.passes import PassOptions

DATA = Path(__file__).parent / "data"
PEERS = json.loads((DATA / "peers.json").read_text())["nets"]
SKETCHES = [
    ("googlenet", "googlenet", []), ("resnet18", "resnet18", []), ("resnet50", "resnet50", []), ("resnext50_32x4d", "resnext50_32x4d", []),
    ("squeezenet", "squeezenet1_0", []), ("densenet", "densenet121", []), ("inception_v3", "inception_v3", []), ("inception_v4", "inception_v4", []),
    ("inception_resnet_v2", "inception_resnet_v2", []), ("vgg", "vgg16", []), ("vgg", "vgg16_bn", ["batch_norm=true"]), ("resnetv2_50", "resnetv2_50", []),
]  # fmt: skip
OWN = {  # sketches without a peer: parameters of the paper (reference facts)
    "ensemble": 7 * 60_965_224, "alexnet_2012": 60_965_224, "googlenet_paper": 13_378_280, "lenet5_1998": 60_000, "wrn_28_10": 36_479_194, "mobilenet_v2": 3_504_872,
}  # fmt: skip


@pytest.mark.parametrize(("sketch", "peer", "settings"), SKETCHES, ids=[p for _, p, _ in SKETCHES])
def test_sketch_has_the_peer_s_keys(sketch, peer, settings):
    checked = check(str(DATA / "sketches" / f"{sketch}.yaml"), settings)
    assert not checked.failed, checked.diagnostics
    assert {name: list(p.shape) for name, p in checked.graph.params().items()} == PEERS[peer]


@pytest.mark.parametrize(
    "name", ["alexnet_2012", "googlenet_paper", "lenet5_1998", "wrn_28_10", "mobilenet_v2", "ensemble"]
)
def test_sketch_has_the_paper_s_parameters(name):
    checked = check(str(DATA / "sketches" / f"{name}.yaml"))
    assert not checked.failed, checked.diagnostics
    assert sum(p.elements for p in checked.graph.params().values() if not p.buffer) == OWN[name]


def graph_of(tmp_path, steps, **more):
    """A spec of these steps, checked; JSON is YAML."""
    document = {"archspec": 1, "name": "net", "input": {"image": [3, 16, 16]}, "graph": steps, **more}
    (tmp_path / "net.yaml").write_text(json.dumps(document))
    return check(str(tmp_path / "net.yaml"))


CONV = {"conv": {"out": 3, "kernel": 1}}
NAMING = [  # steps, blocks, the paths of all nodes in order
    ([CONV, "relu"], {}, ["0", "1"]),
    (CONV, {}, ["0"]),
    ([{"name": "a", **CONV}, "relu", {"steps": ["relu", "tanh"]}, "gelu"], {}, ["a", "1", "2", "3", "4"]),
    ([{"name": "g", "steps": ["relu", {"name": "t", "tanh": None}]}], {}, ["g.0", "g.t"]),
    ([{"when": False, **CONV}, "relu"], {}, ["0"]),
    ([{"name": "m", "concat": {"left": CONV, "right": ["relu"]}}], {}, ["m.left", "m.right.0", "m"]),
    ([{"concat": {"left": CONV, "right": ["relu"]}}], {}, ["left", "right.0", "0"]),
    ([{"name": "m", "add": [[], ["relu", {"name": "t", "tanh": None}], "gelu"]}], {}, ["m.1.0", "m.t", "m.2", "m"]),
    ([{"residual": {"body": [{"name": "c", **CONV}, "relu"]}}], {}, ["c", "0.body.1", "0"]),
    ([{"name": "r", "residual": {"body": CONV, "shortcut": "relu"}}], {}, ["r.body", "r.shortcut", "r"]),
    ([{"B": None}, {"name": "b", "B": None}], {"B": {"steps": [CONV, "relu"]}}, ["0.0", "0.1", "b.0", "b.1"]),
    ([{"name": "b", "B": None}], {"B": {"steps": CONV}}, ["b"]),
    ([CONV, {"output": "o", "steps": "relu"}, "tanh"], {}, ["0", "2", "3"]),
    ([{"name": "a", "relu": None}, {"concat": [{"from": "a", "steps": ["tanh", "relu"]}, []]}], {}, ["a", "1.0.0", "1.0.1", "1"]),
    ([{"concat": {"l": {"output": "o", "steps": ["tanh", "relu"]}, "r": []}}], {}, ["l.0", "l.1", "0"]),
    ([{"concat": [{"output": "o", "steps": {"steps": ["tanh"]}}, []]}], {}, ["0.0.0", "0"]),
    ([{"concat": {"l": {"aux": 1, "steps": ["tanh", CONV]}, "r": {"aux": 1, "steps": CONV}}}], {}, ["l.0", "l.1", "r", "0"]),
    ([{"residual": {"body": {"aux": 1, "steps": ["tanh", {"name": "n", **CONV}]}}}, {"steps": {"aux": 1, **CONV}}], {}, ["0.body.0", "n", "0", "1"]),
    ([{"name": "b", "B": None}], {"B": {"steps": {"when": "$(x.channels > 1)", "aux": 0.5, "steps": [CONV, "relu"]}}}, ["b.0", "b.1"]),
    ([{"repeat": {"i": 2}, "name": "c$i", **CONV}, "relu"], {}, ["c0", "c1", "2"]),
    ([{"repeat": {"i": 2}, "name": "c", **CONV}], {}, ["c.0", "c.1"]),
    ([{"repeat": {"i": 2}, "steps": [CONV, "relu"]}], {}, ["0", "1", "2", "3"]),
    ([{"name": "m", "concat": [{"repeat": {"i": 2}, "steps": ["relu", CONV]}]}], {}, ["m.0.0", "m.0.1", "m.1.0", "m.1.1", "m"]),
    ([{"name": "a", "relu": None}, {"name": "b", "concat": [{"from": "a"}, []]}], {}, ["a", "b"]),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "blocks", "paths"), NAMING, ids=[",".join(p) for *_, p in NAMING])
def test_naming_rules(tmp_path, steps, blocks, paths):
    checked = graph_of(tmp_path, steps, blocks=blocks)
    assert not checked.failed, checked.diagnostics
    assert [node.path for node in checked.graph.nodes] == paths


@pytest.mark.parametrize("name", ["class", "if", "_modules", "train", "__init__", "self", "a.b", ""])
def test_names_that_a_module_cannot_have(tmp_path, name):
    checked = graph_of(tmp_path, [{"name": name, "relu": None}])
    assert [d.code for d in checked.diagnostics] == ["bad-name" if name else "empty"]


@pytest.mark.parametrize(("name", "near"), [
    ("a.b", "a_b"), ("b/c d", "b_c_d"), (" a ", "a"), ("é1", "e1"), ("a\u202eb", "a_b"), ("class", "class_"), ("_modules", "_modules_"), ("__init__", "init"),
    ("Self", "Self_"), ("train", "train_"), ("a" * 201, None), ("层", None), (".", None),
])  # fmt: skip
def test_a_refused_name_has_a_help_with_the_nearest_that_is_allowed(tmp_path, name, near):
    for step in ({"name": name, "relu": None}, {"add": {name: "relu", "b": "tanh"}}):
        (told,) = graph_of(tmp_path, [step]).diagnostics
        assert told.code == "bad-name" and told.help.startswith(f"write `{near}`; a name " if near else "a name ")


def test_the_help_for_the_names_of_ports_and_for_computed_ones(tmp_path):
    for steps, more, near in (
        (["relu"], {"input": {"a.b": [3, 4, 4]}}, "write `a_b`; a name "),
        ([{"relu": None, "output": "__b"}], {}, "write `b`; a name "),
        ([{"relu": None, "name": "$(1 + 2)"}], {}, "write letters beside what is computed, as `step$(i)`; a name "),
        ([{"relu": None, "name": "a.$(1 + 2)"}], {}, "write `a_3`; a name "),
    ):
        (told,) = graph_of(tmp_path, steps, **more).diagnostics
        assert told.code == "bad-name" and told.help.startswith(near), told


PORTS = [  # inputs, steps, the code and the message of the one mistake; none where all is right
    (["class"], ["relu"], "", ""),
    (["train"], [{"relu": None, "output": "self"}], "", ""),
    (["a.b"], ["relu"], "bad-name", "`input`: 'a.b' is no name"),
    (["__path_draw__"], ["relu"], "bad-name", "`input`: `__path_draw__` cannot be a name"),
    ([""], ["relu"], "bad-name", "`input`: a name is not empty"),
    (["a"], [{"relu": None, "output": "b/c"}], "bad-name", "`output`: 'b/c' is no name"),
    (["a"], [{"relu": None, "output": "__b"}], "bad-name", "`output`: `__b` cannot be a name"),
    (["a"], [{"name": "a", "relu": None}], "duplicate-path", "two steps have the path `a`"),
    (["a"], [{"relu": None, "output": "a"}], "duplicate-output", "an input is called `a` already"),
    (["logits"], ["relu"], "duplicate-output", "an input is called `logits`, as the end of the graph is"),
    (["logits"], [{"relu": None, "output": "o"}], "", ""),
    (["a"], [{"name": "logits", "relu": None}, {"name": "b", "tanh": None, "output": "c"}, {"name": "c", "relu": None, "output": "b"}], "", ""),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "steps", "code", "message"), PORTS, ids=[f"{p[0]} {p[1][0]}" for p in PORTS])
def test_names_of_inputs_and_outputs(tmp_path, inputs, steps, code, message):
    checked = graph_of(tmp_path, steps, input={name: [3, 4, 4] for name in inputs})
    assert [d.code for d in checked.diagnostics] == [code] * bool(code)
    assert not code or message in checked.diagnostics[0].message


def test_a_document_that_is_a_block_sees_its_input_by_its_name(tmp_path):
    inner = {
        "archspec": 1,
        "name": "inner",
        "input": {"photo": [3, 16, 16]},
        "graph": ["tanh", {"add": [{"from": "photo"}, []]}],
    }
    (tmp_path / "inner.yaml").write_text(json.dumps(inner))
    checked = graph_of(
        tmp_path, [{"name": "a", "relu": None}, {"name": "b", "Inner": None}], **{"import": {"Inner": "inner.yaml"}}
    )
    assert not checked.failed, checked.diagnostics
    assert [v.name for v in checked.graph.nodes[-1].inputs] == ["a", "b.0"]


def test_outputs_heads_and_the_two_phases(tmp_path):
    steps = [{"name": "a", "output": "low", **CONV}, {"name": "h", "aux": 0.3, "steps": ["global_avg_pool", {"name": "fc", "linear": 4}]},
             {"dropout": 0.5}, "global_avg_pool"]  # fmt: skip
    graph = graph_of(tmp_path, steps).graph
    assert [o.name for o in graph.outputs] == ["low", "logits"]
    assert [(h.path, h.weight, str(h.value.type)) for h in graph.heads] == [("h", 0.3, "f32[N,4]")]
    inference = run_passes(graph)
    assert [n.op.name for n in inference.nodes] == ["conv", "global_avg_pool"] and not inference.heads
    assert [h.path for h in run_passes(graph, PassOptions(keep_aux=True)).heads] == ["h"]
    assert any(n.op.name == "dropout" for n in run_passes(graph, PassOptions("train")).nodes)


def test_a_join_of_joins_is_one_mean_over_all_columns():
    graph = check(str(DATA / "sketches" / "fractalnet.yaml")).graph
    joins = [n for n in graph.nodes if n.op.name == "join"]
    assert max(len(n.inputs) for n in joins) == 4  # three columns and the draw
    means = [n for n in run_passes(graph).nodes if n.op.name == "mean"]
    assert {len(n.inputs) for n in means} == {2, 3}
    assert not [n for n in run_passes(graph).nodes if n.op.name == "path_draw"]


def test_the_joins_of_a_net_draw_with_one_probability(tmp_path):
    def joins(*globals_):
        return [{"name": f"j{i}", "join": {"global": p, "branches": ["relu", "tanh"]}} for i, p in enumerate(globals_)]

    refused = graph_of(tmp_path, joins(0.5, 0.5, 0.25))
    assert [(d.code, d.message) for d in refused.diagnostics] == [
        ("global-differs", "`global` is 0.25 in this join, but 0.5 in `j0`")
    ]
    graph = graph_of(tmp_path, joins(0, 0.5, 0.5)).graph
    assert [len(n.inputs) for n in graph.nodes if n.op.name == "join"] == [2, 3, 3]  # the first takes no part


def test_two_inputs_meet_by_from(tmp_path):
    steps = [{"name": "both", "concat": [{"from": "left"}, {"from": "right"}]}]
    checked = graph_of(tmp_path, steps, input={"left": [1, 4, 4], "right": [2, 4, 4]})
    assert str(checked.graph.outputs[0].value.type) == "f32[N,3,4,4]"
    refused = graph_of(tmp_path, ["relu"], input={"left": [1, 4, 4], "right": [2, 4, 4]})
    assert [d.code for d in refused.diagnostics] == ["nothing-arrives"]


def test_set_lays_over_and_expectations_do_not_apply():
    path = str(DATA / "sketches" / "resnet18.yaml")
    assert {e.holds for e in check(path).expectations} == {True}
    other = check(path, ["classes=10"])
    assert other.graph.outputs[-1].value.type.sizes == (10,) and {e.holds for e in other.expectations} == {None}


def test_a_family_says_which_parameters_are_open():
    checked = check(str(DATA / "sketches" / "families" / "resnet.yaml"))
    assert not checked.failed and checked.graph is None and checked.open_params == ("block", "depths")


def test_every_value_keeps_its_place():
    graph = check(str(DATA / "sketches" / "resnet50.yaml")).graph
    node = next(n for n in graph.nodes if n.path == "layer2.0.conv2")
    assert node.span.short == "families/resnet.yaml:34"
    assert [(f.kind, f.name, f.bindings[:2]) for f in node.frames if f.kind != "branch"] == [
        ("repeat", "", (("stage", 1), ("depth", 4))),
        ("repeat", "", (("i", 0),)),
        ("block", "Bottleneck", (("planes", 128), ("stride", 2))),
    ]


def test_ten_thousand_nodes(tmp_path):
    checked = graph_of(tmp_path, [{"repeat": {"i": 10_000}, "name": "a$i", "relu": None}])
    assert len(checked.graph.nodes) == 10_000


TOO_LARGE = [
    ({"adaptive_avg_pool": 2_000_000_000}, "the result of `adaptive_avg_pool` is 3×2000000000×2000000000"),
    ({"conv": {"out": 2**23 + 1}}, "the result of `conv` is 8388609×16×16"),
    (["flatten", {"linear": 2**24}], "`linear` has 12,901,679,104 parameters"),
]


@pytest.mark.parametrize(("steps", "message"), TOO_LARGE, ids=["result", "channels", "parameters"])
def test_what_no_machine_holds_is_refused(tmp_path, steps, message):
    refused = graph_of(tmp_path, steps)
    assert [d.code for d in refused.diagnostics] == ["too-large"] and message in refused.diagnostics[0].message


def test_the_limit_of_sizes_is_met_exactly(tmp_path):
    assert not graph_of(tmp_path, {"conv": {"out": 2**23}}).failed  # 2**31 elements
    refused = graph_of(tmp_path, ["global_avg_pool"], input={"image": [3, 2**20, 2**20]})
    assert [d.code for d in refused.diagnostics] == ["too-large"]


def test_copies_share_what_is_worked_out(tmp_path, monkeypatch):
    """A deep net is expanded by the work of one block: copies of a step have one op, inferred and checked once."""
    worked = Counter()
    for cls, method in ((OPS["conv"], "infer"), (OPS["conv"], "params"), (OPS["conv"], "macs"), (Pair, "check")):
        rule = getattr(cls, method)
        monkeypatch.setattr(cls, method, lambda *a, _r=rule, _m=method: worked.update([_m]) or _r(*a))
    for memo in (infer_type, count_params, op_cost):
        memo.cache_clear()
    block = {
        "params": {"kernel": 3},
        "steps": [{"conv": {"out": 3, "kernel": "$kernel", "padding": 1}}, "batch_norm", "relu"],
    }
    steps = [{"repeat": {"i": 400}, "Block": None}]
    checked = graph_of(tmp_path, steps, blocks={"Block": block}, expect={"params": 400 * 90, "macs": 400 * 81 * 256})
    assert [e.holds for e in checked.expectations] == [True, True]
    assert len(checked.graph.nodes) == 1200 and len({id(n.op) for n in checked.graph.nodes}) == 3
    assert (worked["infer"], worked["macs"]) == (1, 1) and worked["params"] <= 2
    assert 400 <= worked["check"] < 410  # the kernel is an expression: read for each copy, and its op made once


def test_the_committed_schema_is_the_ops(tmp_path):
    import archc.compiler.driver as driver

    committed = Path(driver.__file__).parent / "archspec.schema.json"
    assert committed.read_text("utf-8") == schema_text(), "write it again: archc schema > compiler/archspec.schema.json"
