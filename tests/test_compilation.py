"""The driver: what each stage has found, every problem in one run and each once, and threads that do not meet."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import archc
from archc.compiler.driver import check
from archc.compiler.sources import Memory, SpecText

HEAD = "archspec: 1\nname: net\ninput: {image: [3, 32, 32]}\n"


def compiled(text: str, **how):
    return check(SpecText(Memory({"net.yaml": text}), "net.yaml", text.encode(), "net.yaml"), **how)


def problems(text: str) -> list[tuple[str, int]]:
    """(code, line) of each diagnostic, in order."""
    return [(d.code, d.span.line if d.span else 0) for d in compiled(text).diagnostics]


MANY = {  # independent mistakes, told in one run
    "a field, a block and a shape": (
        HEAD + "graph:\n  - conv: {out: 8, kernel: 3, strides: 2}\n  - Undefined: {out: 8}\n  - linear: 10\n",
        [("unknown-key", 5), ("unknown-block", 6), ("not-a-vector", 7)],
    ),
    "in other orders": (
        HEAD + "graph:\n  - Undefined: {out: 8}\n  - conv: {out: 8, kernel: 3, strides: 2}\n  - linear: 10\n",
        [("unknown-block", 5), ("unknown-key", 6), ("not-a-vector", 7)],
    ),
    "header, names and shapes": (
        "archspec: 1\nname: net\ninput: {image: [3, 32, 32]}\nlabels: 5\nparams: {width: 8}\ngraph:\n"
        "  - {name: a, conv: {out: $widht}}\n  - {from: image, linear: 10}\n  - {from: nowhere, relu: {}}\n",
        [("wrong-type", 4), ("unknown-name", 7), ("not-a-vector", 8), ("unknown-step", 9)],
    ),
    "branches apart": (
        HEAD + "graph:\n  - concat:\n      - [{conv: {out: '8'}}]\n      - [{linear: 3}]\n      - [{conv: {out: 6, groups: 4}}]\n",
        [("wrong-type", 6), ("not-a-vector", 7), ("groups-mismatch", 8)],
    ),
    "two blocks": (
        HEAD + "blocks:\n  A: {steps: [{conv: {out: 4, grous: 2}}]}\n  B: {steps: [{conv: {out: $n}}]}\ngraph: [A, B]\n",
        [("unknown-key", 5), ("unknown-name", 6)],
    ),
    "preprocess and graph": (
        "archspec: 1\nname: net\ninput: {image: [3, 32, 32]}\npreprocess: {crop: -1}\ngraph: [{max_pool: 40}]\n",
        [("out-of-range", 4), ("window-too-large", 5)],
    ),
    "a header beside a shape": (
        "archspec: 1\nname: net\ninput: {image: [3, 32, 32]}\npreprocess: {crop: 31, mean: [1, 2]}\nlabels: none.txt\ngraph: [{linear: 3}]\n",
        [("preprocess-mismatch", 4), ("preprocess-channels", 4), ("file-missing", 5), ("not-a-vector", 6)],
    ),
    "a default, and what does not use it": (
        "archspec: 1\nname: net\nparams: {a: {type: int, default: x}, w: 8}\ninput: {image: [3, 32, 32]}\n"
        "graph:\n  - {name: c, conv: $w}\n  - {name: c, relu: {}}\n  - {from: c, linear: 3}\n",
        [("wrong-type", 3), ("duplicate-path", 7), ("not-a-vector", 8)],
    ),
    "an import that is not there, and a name": (
        "archspec: 1\nname: net\nimport: [none.yaml]\ninput: {image: [3, 32, 32]}\ngraph: [Stem, {from: image, linear: 3}]\n",
        [("file-missing", 3), ("not-a-vector", 5)],
    ),
    "two steps by one name, and a shape": (
        HEAD + "graph:\n  - {name: a, relu: {}}\n  - {name: a, relu: {}}\n  - {from: a, linear: 3}\n",
        [("duplicate-path", 6), ("not-a-vector", 7)],
    ),
}  # fmt: skip

ONE = {  # one mistake: what only follows from it is not told
    "an unknown block, and what it fed": (
        HEAD + "graph: [{name: a, Undefined: {}}, {conv: 8}, {add: [[{from: a}], [{conv: 9}]]}, global_avg_pool, {linear: 3}]\n",
        [("unknown-block", 4)],
    ),
    "a pool that nobody knows": (HEAD + "graph:\n  - GlobalAveragePooling: {}\n  - linear: 3\n", [("unknown-op", 5)]),
    "an unknown op before a linear": (HEAD + "graph:\n  - globalavgpool\n  - linear: 3\n", None),
    "a wrong number of channels, used later": (
        HEAD + "graph:\n  - {name: a, conv: {out: ten}}\n  - {name: b, conv: 8}\n  - add: [[{from: a}], [{from: b}]]\n  - flatten\n",
        [("wrong-type", 5)],
    ),
    "a field that nobody knows, and sizes that then differ": (
        HEAD + "graph:\n  - {name: a, conv: {out: 8, strides: 2}}\n  - {name: b, from: image, conv: {out: 8, stride: 2}}\n"
        "  - add: [[{from: a}], [{from: b}]]\n  - max_pool: 30\n",
        [("unknown-key", 5)],
    ),
    "a param of no type": (
        "archspec: 1\nname: net\nparams: {width: {typ: int}}\ninput: {image: [3, 32, 32]}\n"
        "graph: [{conv: $width}, {conv: $(2 * width)}]\n",
        None,
    ),
    "a base that is not there": (
        "archspec: 1\nname: net\nextends: none.yaml\nparams: {width: 3}\ngraph: [Stem, {conv: $depth}]\n",
        [("file-missing", 3)],
    ),
    "an input of two sizes": (
        "archspec: 1\nname: net\ninput: {image: [3, 32]}\ngraph: [{conv: 8}, {linear: 3}]\n", [("wrong-type", 3)],
    ),
    "a block without steps, used": (HEAD + "blocks: {Stem: {params: {out: int}}}\ngraph: [{Stem: {out: 3}}, {conv: 8}]\n", None),
    "a repeat of no kind": (HEAD + "graph: [{repeat: 3, name: a$i, conv: 8}, {from: a0, relu: {}}]\n", None),
    "an expression that a comma cuts": (HEAD + "graph: [{conv: {out: $(max(4, 8)), kernel: 1}}]\n", [("expression-unclosed", 4)]),
    "a block's params of no kind": (
        HEAD + "blocks:\n  B: {params: 1.5, steps: [{conv: {out: $out, kernel: $k}}]}\ngraph: [{B: {out: 8, k: 3}}, {conv: 8}]\n",
        [("wrong-type", 5)],
    ),
    "a block's key that nothing knows": (
        HEAD + "blocks:\n  B: {parms: {out: int}, steps: [{conv: $out}]}\ngraph: [{B: {out: 8}}, {linear: 3}]\n", [("unknown-key", 5)],
    ),
    "the document's params of no kind": (
        "archspec: 1\nname: net\nparams: 3\ninput: {image: [3, 8, 8]}\ngraph: [{conv: $width}, {conv: $(2 * width)}]\n", [("wrong-type", 3)],
    ),
    "`repaet`": (HEAD + "graph: [{repaet: {i: 3}, name: a$i, conv: $(8 * (i + 1))}, {from: a2, relu: {}}]\n", [("unknown-op", 4)]),
    "`nmae`": (HEAD + "graph: [{nmae: a, conv: 8}, {from: a, relu: {}}, relu]\n", [("unknown-op", 4)]),
    "`form`": (HEAD + "graph: [{name: a, conv: 8}, {form: a, conv: 8}, relu]\n", [("unknown-op", 4)]),
    "`form`, which would have changed the size": (
        HEAD + "graph:\n  - {name: a, conv: 8}\n  - global_avg_pool\n  - {form: a, conv: {out: 8, kernel: 3}}\n", [("unknown-op", 7)],
    ),
    "`wiht`": (HEAD + "blocks: {A: {params: {o: int}, steps: [{conv: $o}]}}\ngraph: [{use: A, wiht: {o: 3}}, {conv: 8}]\n", [("unknown-op", 5)]),
    "`auxx`": (HEAD + "graph:\n  - {name: h, auxx: 0.3, steps: [flatten, {linear: 10}]}\n  - conv: 8\n", [("unknown-op", 5)]),
    "`parms`": (HEAD + "parms: {w: 3}\ngraph: [{conv: $w}, {conv: $(2 * w)}]\n", [("unknown-key", 4)]),
    "`blok`": (HEAD + "blok: {A: {steps: [relu]}}\ngraph: [A, A]\n", [("unknown-key", 4)]),
    "a block's argument by another name": (
        HEAD + "blocks: {A: {params: {out: int}, steps: [{conv: $out}]}}\ngraph: [{A: {channels: 3}}, {conv: 8}]\n", [("unknown-param", 5)],
    ),
    "a field by another name": (HEAD + "graph: [{conv: {chanels: 16}}, {conv: 8}]\n", [("unknown-key", 4)]),
    "`layers` for graph": ("archspec: 1\nname: net\ninput: {image: [3, 32, 32]}\nlayers: [relu]\n", [("unknown-key", 4)]),
}  # fmt: skip


@pytest.mark.parametrize("case", MANY)
def test_every_problem_in_one_run(case):
    text, expected = MANY[case]
    assert problems(text) == expected


@pytest.mark.parametrize("case", ONE)
def test_one_mistake_is_one_message(case):
    text, expected = ONE[case]
    found = problems(text)
    assert len(found) == 1 and (expected is None or found == expected), found


def test_what_each_stage_found_is_kept():
    """A later stage that fails takes nothing away: an editor shows shapes up to the mistake, and beside it."""
    text = (
        HEAD
        + "params: {width: 4}\ngraph:\n  - {name: a, conv: $width}\n  - {name: b, linear: 10}\n  - {from: a, name: c, relu: {}}\n"
    )
    found = compiled(text)
    assert found.failed and found.graph is None
    assert found.root.value["params"].key.span.line == 4
    assert found.document.params["width"].default.value == 4
    assert [(node.path, str(node.output.type)) for node in found.nodes] == [
        ("a", "f32[N,4,32,32]"), ("c", "f32[N,4,32,32]"),
    ]  # fmt: skip
    scopes = {scope.names for scope in found.scopes.values()}
    assert frozenset({"width"}) in scopes
    syntax = compiled(HEAD + "graph: [relu\n")
    assert syntax.failed and syntax.root is None and syntax.name == "net" and len(syntax.sources) == 1


def test_scopes_say_what_a_step_sees():
    text = (
        HEAD
        + "params: {width: 4}\nblocks:\n  B:\n    params: {out: int}\n    steps: [{conv: $out}]\ngraph:\n  - {repeat: {i: 2}, B: {out: $width}}\n"
    )
    found = compiled(text)
    seen = {node.span.line: scope for node, scope in found.scopes.items()}
    assert seen[8].names == {"width", "out"} and seen[8].block == "B"
    assert seen[10].names == {"width", "i"} and set(seen[10].blocks) == {"B"}


def test_provenance_is_structured():
    text = HEAD + (
        "blocks:\n  B:\n    params: {out: int, k: 1}\n    steps:\n      - concat: {left: [{conv: {out: $out, kernel: $k}}], right: [relu]}\n"
        "graph:\n  - repeat: {i: [4, 8]}\n    name: s$i\n    B: {out: $i}\n"
    )
    node = compiled(text).graph.nodes[3]
    assert node.path == "s8.left.0"
    frames = [(frame.kind, frame.name, frame.bindings, frame.span.line) for frame in node.frames]
    assert frames == [
        ("repeat", "", (("i", 8),), 10), ("block", "B", (("out", 8), ("k", 1)), 12), ("branch", "left", (), 8),
    ]  # fmt: skip


def test_an_imported_document_is_a_frame():
    texts = {"net.yaml": "archspec: 1\nname: two\nimport: {Small: small.yaml}\ninput: {image: [3, 8, 8]}\ngraph: [{name: m, Small: {}}]\n",
             "small.yaml": "archspec: 1\nname: small\nparams: {width: 4}\ninput: {image: [3, 8, 8]}\ngraph: [{conv: $width}]\n"}  # fmt: skip
    found = check(SpecText(Memory(texts), "net.yaml", texts["net.yaml"].encode(), "net.yaml"))
    (frame,) = found.graph.nodes[0].frames
    assert (frame.kind, frame.name, frame.bindings) == ("import", "Small", (("width", 4),))


@pytest.mark.parametrize(
    "text, same",
    [("# a comment\n\n" + HEAD + "graph: [relu]  # why\n", True), (HEAD + "\n\ngraph:\n  - relu\n", True), (HEAD + "graph: [tanh]\n", False)],
)  # fmt: skip
def test_a_comment_changes_no_hash(text, same):
    assert (compiled(text).graph.sha256() == compiled(HEAD + "graph: [relu]\n").graph.sha256()) is same


DEEP = "archspec: 1\nname: deep\ninput: {image: [3, 8, 8]}\nblocks:\n" + "".join(
    f"  B{i}: {{steps: [{{residual: {{body: [{{steps: [{{concat: [[B{i + 1}]]}}]}}]}}}}]}}\n" for i in range(60)
) + "  B60: {steps: [relu]}\ngraph: [B0]\n"  # fmt: skip


def test_deep_nests_need_no_deeper_stack():
    limit = sys.getrecursionlimit()
    assert len(compiled(DEEP).graph.nodes) == 121
    assert sys.getrecursionlimit() == limit


def test_eight_specs_in_eight_threads():
    """Three failed at once, and left Python's recursion limit at 20,000."""
    limit = sys.getrecursionlimit()
    names = ["googlenet", "resnet50", "densenet121", "inception_v4", "fractalnet20_cifar", "resnet1202_cifar_optA"]
    alone = {name: check(name).graph for name in names} | {"deep": compiled(DEEP).graph}

    def work(turn: int) -> None:
        for step in range(3):
            name = [*alone, "deep"][(turn + step) % 8]
            found = compiled(DEEP) if name == "deep" else check(name)
            assert not found.failed and found.graph == alone[name], name
            assert compiled(MANY["branches apart"][0]).graph is None

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, turn) for turn in range(8)]:
            done.result()
    assert sys.getrecursionlimit() == limit


PARAMS = "archspec: 1\nname: net\nparams: {classes: 10, rate: 0.5, depths: [1, 2], act: relu, big: false}\ninput: {image: [3, 8, 8]}\ngraph: [global_avg_pool, {linear: $classes}]\n"
SPOKEN = {  # values from Python, and what the answer holds; never `--set`
    "a name near another": ({"clases": 5}, "set-unknown", ["params['clases']", "classes"]),
    "another type": ({"classes": "ten"}, "set-value", ["params['classes']", "integer", "'ten'"]),
    "a number that is none": ({"rate": float("nan")}, "set-value", ["params['rate']", "finite"]),
    "an object": ({"classes": object()}, "set-value", ["params['classes']", "object"]),
    "a name that is none": ({3: 3}, "set-unknown", ["params[3]", "string"]),
    "more digits than a number has": ({"classes": 10**5000}, "set-value", ["params['classes']", "40 digits"]),
    "an expression": ({"act": "$classes"}, "set-value", ["params['act']", "expression"]),
    "below zero": ({"classes": -1}, None, ["out", "-1"]),
}


@pytest.mark.parametrize("case", SPOKEN)
def test_errors_about_params_speak_python(case, tmp_path):
    params, code, words = SPOKEN[case]
    path = tmp_path / "net.yaml"
    path.write_text(PARAMS, "utf-8")
    with pytest.raises((archc.Failure, archc.SpecError)) as caught:
        archc.load(path, params=params)
    text = f"{caught.value} {getattr(caught.value, 'help', '')}"
    assert code is None or caught.value.code == code
    assert all(word in text for word in words) and "--set" not in text, text


def test_what_is_no_mapping_or_no_spec_is_told():
    for spec, params in (("lenet5_modern", [1]), ("lenet5_modern", "classes=3"), (None, {}), (b"lenet5_modern", {})):
        with pytest.raises(archc.Failure, match=r"params= is a mapping|a spec is a path"):
            archc.load(spec, params=params)


def test_python_is_told_what_to_do():
    with pytest.raises(archc.Failure, match=r"googlenett.*did you mean the bundled `googlenet`"):
        archc.load("googlenett")


def test_params_are_values(tmp_path):
    import numpy as np

    path = tmp_path / "net.yaml"
    path.write_text(PARAMS, "utf-8")
    net = archc.load(
        path, params={"classes": np.int64(7), "rate": np.float32(0.25), "depths": (3, 4), "act": "yes", "big": True}
    )
    assert net.graph.outputs[0].value.type.sizes == (7,)
    stated = {name: declared.default for name, declared in net.checked.document.params.items()}
    assert stated["act"].value == "yes" and stated["big"].value is True and stated["rate"].value == 0.25
    assert net.checked.settings[:2] == ("classes=7", "rate=0.25")


LEAKS = {  # what random mutations found: each ended in exit 70
    "an unknown name in a repeat's name": (HEAD + "graph: [{repeat: {i: 2}, name: c$t, conv: 8}]\n", "unknown-name"),
    "a number for a repeat's name": (HEAD + "graph: [{repeat: {i: 2}, name: 9, conv: 8}]\n", "wrong-type"),
    "a computed number for a repeat's name": (HEAD + "graph: [{repeat: {i: 2}, name: $(x.channels), conv: 8}]\n", "bad-name"),
    "a repeat's name that is no expression": (HEAD + 'graph: [{repeat: {i: 2}, name: "c$(i ? 1)", conv: 8}]\n', "expression-syntax"),
    "a branch by the name of an input": (HEAD + "graph: [{add: {image: [relu], b: [relu]}}]\n", "duplicate-path"),
    "a step by the name of an input": (HEAD + "graph: [{name: image, relu: {}}]\n", "duplicate-path"),
    "a bound that is an expression": (
        "archspec: 1\nname: net\nparams: {n: {type: int, min: $x, default: 3}}\ninput: {image: [3, 8, 8]}\ngraph: [{conv: $n}]\n",
        "wrong-type",
    ),
    "branches from no rounds": (HEAD + "graph: [{add: [{repeat: {i: 0}, conv: 8}]}]\n", "empty"),
    "branches from a list that is wrong": (HEAD + "params: {t: {tpe: list}}\ngraph: [{add: [{repeat: {i: $t}, conv: 8}]}]\n", "unknown-key"),
}  # fmt: skip


@pytest.mark.parametrize("case", LEAKS)
def test_a_mistake_is_never_a_traceback(case):
    text, code = LEAKS[case]
    found = compiled(text)
    assert code in [d.code for d in found.diagnostics] and found.graph is None


def test_a_bundled_spec_that_is_being_edited_is_held_against_the_schema(tmp_path, monkeypatch):
    """By its name it is trusted; where that shows it to be wrong, the schema says why."""
    from archc.compiler import sources

    (tmp_path / "family").mkdir()
    path = tmp_path / "family" / "mine.yaml"
    monkeypatch.setattr(sources, "ZOO", tmp_path)
    for graph, codes in (
        ("[{conv: 8}]", []),
        ("[{conv: {out: 8, strides: 2}}]", ["unknown-key"]),
        ("5", ["wrong-type"]),
        ("[[3]]", ["not-a-step"]),
    ):
        path.write_text(HEAD.replace("net", "mine") + f"graph: {graph}\n", "utf-8")
        found = check("mine")
        assert found.bundled == "mine" and [d.code for d in found.diagnostics] == codes


@pytest.mark.parametrize(
    ("head", "settings", "told"),
    [
        ("labels: cifar-10\nparams: {classes: 10}\n", (), ()),
        ("labels: cifar-10\nparams: {classes: 3}\n", (), ("10 labels for 3 classes",)),
        ("labels: cifar-10\nparams: {classes: 10}\n", ("classes=3",), ()),
        ("labels: [cat, dog]\nparams: {classes: 3}\n", ("classes=4",), ("2 labels for 4 classes",)),
    ],
    ids=["as many", "a spec of one's own", "for once", "names that are written out"],
)
def test_labels_that_are_not_those_of_the_classes(head: str, settings: tuple[str, ...], told: tuple[str, ...]) -> None:
    """A bundled net keeps the names of its paper's classes with any number of classes; who writes both beside one another is told."""
    graph = "graph:\n  - conv: 4\n  - global_avg_pool\n  - linear: $classes\n"
    text = HEAD + head + graph
    found = check(SpecText(Memory({"net.yaml": text}), "net.yaml", text.encode(), "net.yaml"), settings)
    assert tuple(d.message for d in found.diagnostics) == told and not found.failed
