"""Text that comes from a file is shown escaped, whatever shows it: commands in every format, errors in Python, tables, notebooks."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

import archc
from archc.compiler.diagnostics import Failure, SpecError, clean
from archc.runtime import Results, RuntimeFault, Session
from archc.runtime.answers import Prediction, Result
from archc.runtime.faults import escape_controls

from .program import program

HOSTILE = "\x1b[31m\x07\x7f\x9b\u202e\u2066\u200b\u2028\ufeff"
NAME = f"n{HOSTILE}\udcff"  # as Python has a file's name whose last byte is no UTF-8
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")

SPEC = r"""
archspec: 1
name: small
summary: "a\e[31m\u202e"
labels: ["x\e[2J", "y\u202e\u2028"]
input: {image: [3, 8, 8]}
graph:
  - {conv: {out: 4, kernel: 3}, name: first}
  - global_avg_pool
  - linear: 2
"""
BROKEN = (
    SPEC + '  - {conv: {out: 4, kernel: 3, "n\\e[2J\\u202e": 1}, name: "a\\u202e\\e"}\n  - "\\e[2J"\n  - "\u202e"\n'
)

COMMANDS = [
    ["check", "SPEC"], ["check", "SPEC", "--format", "json"], ["check", "SPEC", "--format", "sarif"], ["check", "SPEC", "--format", "github"],
    ["cost", "SPEC"], ["cost", "SPEC", "--format", "json"], ["cost", "SPEC", "--format", "csv"], ["cost", "SPEC", "--format", "markdown"],
    ["compare", "SPEC"], ["compare", "SPEC", "--format", "csv"], ["compare", "lenet5_1998", "--bench", "SPEC"], ["compare", "--protocol", "SPEC"],
    ["diff", "SPEC", "lenet5_modern"], ["diff", "SPEC", "lenet5_modern", "--format", "json"], ["diff", "lenet5_modern", "SPEC", "--format", "markdown"],
    ["show", "SPEC"], ["build", "SPEC", "--export", "torch", "-o", "OUT.py"], ["explain", "SPEC"], ["explain", "SPEC", "SPEC"], ["explain", "SPEC:5"], ["explain", "SPEC", "first"], ["show", "SPEC", "--tree"], ["init", "new", "--from", "SPEC"],
    ["run", "SPEC", "SPEC"], ["run", "MODEL", "SPEC", "--format", "json"], ["run", "MODEL", "PHOTO"], ["run", "MODEL", "PHOTO", "--format", "json"],
    ["run", "MODEL", "PHOTO", "--labels", "SPEC"], ["run", "MODEL", "PHOTO", "--outputs", "SPEC"], ["run", "MODEL", "PHOTO", "-o", "OUT.npz"],
    ["run", "MODEL", "PHOTO", "-o", "OUT.csv"], ["run", "MODEL", "PHOTO", "-o", "OUT.jsonl", "--format", "json"],
    ["eval", "MODEL", "SPEC"], ["eval", "MODEL", "PHOTO", "--format", "json"],
    ["run", "MODEL", "--input", "SPEC=PHOTO"], ["verify", "MODEL"], ["verify", "MODEL", "MODEL"], ["profile", "MODEL", "--runs", "1"],
    ["bench", "MODEL", "--seconds", "0.01"], ["SPEC"], ["check", "--SPEC"], ["check", "PHOTO"], ["cost", "MODEL"], ["list", "SPEC"],
    ["build", "SPEC", "--export", "onnx", "-o", "OUT.onnx", "--weights", "MODEL"], ["check", "SPEC", "--set", "SPEC=1"],
]  # fmt: skip


def hostile_model(path):
    """A classifier whose every name is hostile; archc's forms, so that it runs in this process."""
    ports = [helper.make_tensor_value_info(name + HOSTILE, TensorProto.FLOAT, shape)
             for name, shape in (("x", ["N", 3, 8, 8]), ("y", ["N", 192]))]  # fmt: skip
    node = helper.make_node("Flatten", ["x" + HOSTILE], ["y" + HOSTILE], name=HOSTILE, axis=1)
    model = helper.make_model(helper.make_graph([node], HOSTILE, ports[:1], ports[1:]),
                              opset_imports=[helper.make_opsetid("", 20)], ir_version=9)  # fmt: skip
    labels = [f"{at}{HOSTILE}" for at in range(191)] + ["\ud800"]
    facts = {
        "archc.name": HOSTILE,
        "archc.labels": json.dumps(labels),
        "archc.weights": json.dumps({"trained": False, "untrained": [HOSTILE]}),
    }
    helper.set_model_props(model, facts)
    with open(path, "wb") as file:
        file.write(model.SerializeToString())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile_model(NAME + ".onnx")
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(NAME + ".png")
    return tmp_path


@pytest.mark.parametrize("text", [SPEC, BROKEN], ids=["right", "broken"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_prints_what_does_not_print(folder, capsys, command, text):
    with open(NAME + ".yaml", "w", encoding="utf-8") as file:
        file.write(text)
    names = {"SPEC": NAME + ".yaml", "MODEL": NAME + ".onnx", "PHOTO": NAME + ".png", "OUT": NAME}
    words = [re.sub("|".join(names), lambda found: names[found[0]], word) for word in command]
    ran = program(capsys)(*words)
    assert not RAW.search(ran.out + ran.err)
    assert ran.code in (0, 1, 2)
    (ran.out + ran.err).encode("utf-8", "strict")
    if "json" in command or "sarif" in command:
        json.dumps(json.loads(ran.out), ensure_ascii=False).encode("utf-8", "strict")


def test_a_very_long_name_is_cut_in_messages(folder, capsys):
    """Names in a model have any length."""
    names = "x" * 10**6, "y" * 10**6
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3, 8, 8]) for name in names]
    graph = helper.make_graph([helper.make_node("Relu", *[[name] for name in names])], "long", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    helper.set_model_props(model, {"archc.name": "z" * 10**6})
    (folder / "long.onnx").write_bytes(model.SerializeToString())
    ran = program(capsys)("run", "long.onnx", NAME + ".png")
    assert ran.code == 0 and 1000 < len(ran.err) < 20_000


def test_a_file_of_the_answer_is_json_that_others_read(folder, capsys):
    assert program(capsys)("run", NAME + ".onnx", NAME + ".png", "-o", "a.json").code == 0
    document = json.loads((folder / "a.json").read_text("utf-8"))
    json.dumps(document, ensure_ascii=False).encode("utf-8", "strict")
    best = document["results"][0]["top"][0]
    assert document["model"] == HOSTILE and best["label"] == "\\ud800"  # a text is whole where JSON can say it


def test_what_python_prints(folder):
    for kind in (Failure, RuntimeFault):
        assert str(kind("code", HOSTILE)) == clean(HOSTILE) == escape_controls(HOSTILE)
    with open(NAME + ".yaml", "w", encoding="utf-8") as file:
        file.write(BROKEN)
    with pytest.raises(SpecError) as caught:
        archc.load(NAME + ".yaml")
    assert not RAW.search(str(caught.value))
    session = Session(NAME + ".onnx", device="cpu")
    results = Results([*session.classify(NAME + ".png"), Result(HOSTILE, (Prediction(1, HOSTILE, 1.0),))])
    assert len(results[0].top) == 5
    assert not RAW.search(repr(session) + repr(results) + results._repr_html_())
    with pytest.raises(RuntimeFault) as wrong:
        session.run({HOSTILE: np.zeros(1)})
    assert not RAW.search(str(wrong.value)) and HOSTILE in wrong.value.message


def test_the_rule():
    """All that does not print is escaped, and the two rooms have one rule."""
    everything = "".join(map(chr, [*range(0x3000), *range(0xD7F0, 0xE010), *range(0xFFF0, 0x10010), 0xE0001, 0xF0000]))
    assert clean(everything) == escape_controls(everything) and clean(everything).isprintable()
    assert clean("é ü 漢字 🙂") == "é ü 漢字 🙂"
    assert clean("\x1b\t\n\u202e\U000e0001\udcff") == r"\x1b\t\n\u202e\U000e0001\udcff"
    for each in "\x1b\x07\x7f\x9b\u202e\u2066\u200b\u2028\ufeff\udcff":
        assert RAW.search(each) and not RAW.search(clean(each))


def test_a_caret_stands_under_what_it_marks(tmp_path, capsys, monkeypatch):
    """Escapes are longer than what they stand for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(SPEC + '  - {conv: {"\u202e": 1, out: 4, kernle: 3}}\n', "utf-8")
    lines = program(capsys)("check", "a.yaml").out.splitlines()
    carets = {lines[at - 1][line.index("^") :][: line.count("^")] for at, line in enumerate(lines) if "^" in line}
    assert carets >= {'"\\u202e"', "kernle"}
