"""Mistakes that stand in a text rather than in a word: its YAML, its params, its order, its files; each told once, at its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archc.compiler.diagnostics import Failure, nearest
from archc.compiler.driver import check, explain_open_params
from archc.compiler.ops import OPS
from archc.compiler.sources import zoo

from .program import program

HEAD = "archspec: 1\nname: net\ninput: {image: [3, 32, 32]}\n"
WIDTH = HEAD + "params: {width: 8}\ngraph:\n  - conv: {out: $width}\n"
BLOCK = HEAD + "blocks:\n  B:\n    params: {out: int}\n    steps:\n      - conv: "

SYNTAX = [  # the text, its line and what the caret marks, what the answer names
    (HEAD + "graph:\n  - relu\n - tanh\n", 6, "- tanh", ["line 5's dash"]),
    (HEAD + "graph:\n  - relu: null\n   - tanh\n", 6, "- tanh", ["line 5's dash"]),
    (HEAD + "graph:\n  - relu\n   - tanh\n", 5, "relu", ["dash"]),
    (HEAD + "graph:\n  - residual:\n      body:\n        - relu\n       - tanh\n", 8, "- tanh", ["line 7's dash"]),
    (HEAD + "graph:\n  - name: c\n      conv: 3\n", 6, "conv", ["line 5's first word"]),
    (HEAD + "graph:\n  - name: c\n   conv: 3\n", 6, "conv", ["line 5's first word"]),
    (HEAD + "graph:\n  - conv:\n      out: 3\n     kernel: 3\n", 7, "kernel", ["line 6's first word"]),
    (HEAD + " graph:\n  - relu\n", 4, "graph", ["line 3's first word"]),
    (HEAD + "graph:\n  - relu:\n    doc: see: this\n", 6, ": this", ["a second `: `", "quote"]),
    (HEAD + "graph:\n  - conv:\n      out: $((lambda: 8)())\n", 6, ": 8", ["a second `: `", "quote"]),
    (" " + HEAD + "graph: [relu]\n", 2, "name", ["line 1's first word"]),
    (HEAD + "graph:\n  - relu\n  -max_pool: 2\n  - relu\n", 6, "-max_pool", ["a space after the dash"]),
    (HEAD + "graph:\n  -max_pool: 2\n  - relu\n", 5, "-max_pool", ["a space after the dash"]),
    (HEAD + "graph:\n  - conv: {out: 8}\n  -relu\n", 6, "-relu", ["a space after the dash"]),
    (HEAD + "graph:\n  - relu\n  -{name: x, relu}\n", 6, "-", ["a space after the dash"]),
    (HEAD + "graph:\n  -max_pool: 2\n  -max_pool: 2\n", 5, "-max_pool", ["a dash and a space", "`- max_pool`"]),
    (HEAD + "graph:\n  -relu\n  -tanh\n", 5, "-relu", ["a dash and a space"]),
    (HEAD + "graph: [relu, -tanh]\n", 4, "-tanh", ["a dash and a space"]),
    (HEAD + "graph:\n  - conv: {out: ${width}, kernel: 3}\n", 5, "${width}", ["`$width` or `$(width)`"]),
    (HEAD + "graph:\n  - conv:\n      out: ${width}\n", 6, "${width}", ["`$width` or `$(width)`"]),
    (HEAD + "graph:\n  - conv: {out: 3, kernel: [${k}, 3]}\n", 5, "${k}", ["`$k` or `$(k)`"]),
    (HEAD + "graph:\n  - {name: l${i}, relu}\n", 5, "${i}", ["`$i` or `$(i)`"]),
    (HEAD + "graph:\n  - conv: {out: ${2 * width}}\n", 5, "${2 * width}", ["`$(2 * width)`"]),
    *[(HEAD + f"graph:\n  - conv: {{out: {text}}}\n", 5, text, ["`$width` or `$(width)`"]) for text in ("${{ width }}", "${params.width}")],
    (HEAD + "graph:\n  - conv:\n      out: ${{ width }}\n", 6, "${{ width }}", ["`$width` or `$(width)`"]),
    (HEAD + "graph:\n  - conv: {out: {{ width }}}\n", 5, "{ width }", ["`$name`"]),
    (HEAD + "graph:\n  - conv: {out: $(divisible(8 * width, 8))}\n", 5, "$(divisible", ["quotes"]),
    (HEAD + "graph:\n  - {name: fc, linear: 10\n", 5, "{name", ["`{` is never closed", "`}`"]),
    (HEAD + "graph:\n  - conv: {out: 3\n  - {name: fc, linear: 10}\n  - relu\n", 5, "{out", ["`{` is never closed"]),
    (HEAD + "graph:\n  - conv: {out: 3, kernel: [3, 3}\n  - relu\n", 5, "[3, 3", ["`[` is never closed", "`]`"]),
    (HEAD + "graph: [relu, tanh\n", 4, "[relu", ["`[` is never closed"]),
    (HEAD + "params: {width: 8\ngraph:\n  - relu\n", 4, "{width", ["`{` is never closed"]),
    (HEAD + "graph:\n  - {name: a, relu}\n  - concat: [{from: a, {from: image}]\n", 6, "{from: a, {", ["`{` is never closed"]),
    *[(HEAD.replace("[3, 32, 32]", text) + "graph: [relu]\n", 3, text, ["write [3, 32, 32]"]) for text in ("(3, 32, 32)", "3, 32, 32")],
    (HEAD + "graph: [conv: {out: 8, kernel: 3, 5}]\n", 4, "3, 5", ["write [3, 5]"]),
    (HEAD + "graph:\n  - {name: fc, relu}}\n", 5, "}", ["closes nothing"]),
    (HEAD + "graph:\n  - conv: {out: 3 kernel: 3}\n", 5, ": 3}", ["a comma"]),
    (HEAD + 'summary: "a net\ngraph: [relu]\n', 4, '"a net', ["is never closed"]),
    (HEAD + "summary: 'a net\ngraph: [relu]\n", 4, "'a net", ["is never closed"]),
    (HEAD + 'summary: "a net\nsource: "x"\ngraph: [relu]\n', 4, '"a net', ["closed only on line 5"]),
    (HEAD + "summary: 'it's a net'\ngraph: [relu]\n", 4, "'s", ["inside the text write ''"]),
    (HEAD + "graph:\n  - {name: 'a, relu}\n", 5, "'a", ["is never closed"]),
    (HEAD + "graph:\n  - conv: {out: '3' '4}\n", 5, "'4}", ["is never closed"]),
    (HEAD + 'summary: "a \\q escape"\ngraph: [relu]\n', 4, "q escape", ["escape"]),
    (HEAD + "graph: - relu\n", 4, "- relu", ["the next line"]),
    (HEAD + "graph:\n  - {relu: null} x\n", 5, "x", ["behind a value"]),
    (HEAD + "graph\n  - relu\n", 4, "graph", ["`graph:`"]),
    (HEAD + "summary: a net: the best\ngraph: [relu]\n", 4, ": the", ["quote"]),
    (HEAD + "graph:\n  - linear:10\n", 5, "linear:10", ["`linear: 10`"]),
    (HEAD + "graph:\n  - conv {out: 3}\n", 5, "conv {out", ["a colon"]),
    (HEAD + "graph:\n  - relu;\n", 5, "relu;", ["`;`"]),
    *[(HEAD + f"{line}\n", 4, line, ["`graph: [relu]`"]) for line in ("graph:[relu]", "graph = [relu]", "graph [relu]", "graph=[relu]")],
    (HEAD.replace("input: ", "input:") + "graph: [relu]\n", 3, "input:{", ["`input: {image: [3, 32, 32]}`"]),
    (HEAD.replace("name: net", "name:net") + "graph: [relu]\n", 2, "name:net", ["`name: net`"]),
    *[(HEAD + f"graph:\n  - conv:\n      {lines}\n", line, "out:8", ["`out: 8`"])
      for lines, line in (("out:8\n      kernel: 3", 6), ("kernel: 3\n      out:8", 7))],
    (HEAD + "graph:\n  - out:8\n    conv: 3\n", 5, "out:8", ["`out: 8`"]),
]  # fmt: skip

MEANING = [
    (HEAD.replace("name", "nam") + "graph: [relu]\n", 2, "nam", ["`name`"]),
    (HEAD + "parmas: {w: 8}\nblocks: {B: {steps: [conv: $w]}}\ngraph: [B]\n", 4, "parmas", ["`params`"]),
    (HEAD + "graph:\n  - {from: late, relu}\n  - {name: late, relu}\n", 5, "late", ["line 6", "after this step"]),
    (HEAD + "graph:\n  - add: [{from: left}, []]\n  - concat: {left: relu, right: tanh}\n", 5, "left", ["line 6"]),
    (HEAD + "blocks:\n  B:\n    steps:\n      - {from: late, relu}\n      - {name: late, relu}\ngraph: [B]\n", 7, "late", ["line 8"]),
    (HEAD + "graph:\n  - {name: a, from: a, relu}\n", 5, "a, relu", ["this step itself"]),
    (HEAD + "graph:\n  - {name: g, steps: [{name: in, relu}]}\n".replace("in,", "low,") + "  - {from: low, relu}\n", 6, "low", ["`g.low`"]),
    (HEAD + "graph:\n  - {from: input, relu}\n", 5, "input", ["`image`"]),
    (HEAD + "graph:\n  - {from: 3, relu}\n", 5, "3", ["`from: NAME`"]),
    (HEAD + "params: {width: sixtyfour}\ngraph:\n" + "  - conv: {out: $width}\n" * 4, 4, "sixtyfour", ["int", "line 6"]),
    (HEAD + "params: {width: sixtyfour}\ngraph:\n" + "  - conv: {out: $(2 * width)}\n" * 3, 4, "sixtyfour", ["line 6"]),
    (HEAD + "params: {width: 64.0}\ngraph:\n" + "  - conv: $width\n" * 2, 4, "64.0", ["int", "line 6"]),
    (HEAD + "params: {width: 0}\ngraph:\n" + "  - conv: $width\n" * 2, 4, "0", ["int", "line 6"]),
    (HEAD + "params: {bn: 1}\ngraph:\n" + "  - {when: $bn, relu}\n" * 2, 4, "1", ["bool", "line 6"]),
    (HEAD + "params: {w: 8, width: w}\ngraph: [conv: $w, conv: $width]\n", 4, "w}", ["`$w`"]),
    (HEAD + "params: {w: a}\nblocks: {B: {params: {o: int}, steps: [conv: $o]}}\ngraph:\n" + "  - B: {o: $w}\n" * 3, 4, "a}", ["int", "line 7"]),
    (BLOCK + "{out: out}\ngraph: [B: {out: 8}]\n", 8, "out}", ["`$out`"]),
    (BLOCK + "out\ngraph: [B: {out: 8}]\n", 8, "out", ["`$out`"]),
    (BLOCK + "{out: 2 * out}\ngraph: [B: {out: 8}]\n", 8, "2 * out", ["`$(2 * out)`"]),
    (BLOCK + "{out: {out}}\ngraph: [B: {out: 8}]\n", 8, "{out}", ["`$out`"]),
    (BLOCK + "$out\ngraph:\n  - {repeat: {n: [8]}, B: {out: n}}\n", 10, "n}", ["`$n`"]),
    *[(WIDTH + f"  - conv: {{out: {text}}}\n", 7, text, [f"`$({inner})`"])
      for text, inner in (("$width * 2", "width * 2"), ("2 * $width", "2 * width"), ("$(width) + width", "width + width"))],
    (WIDTH + "  - {when: $width > 2, relu: null}\n", 7, "$width > 2", ["`$(width > 2)`"]),
    (WIDTH + "  - width\n", 7, "width", ["`width` is a param", "`use: $width`"]),
    (WIDTH + "  - conv: {out: 8, bias: 0}\n", 7, "0}", ["write false"]),
    (WIDTH + "  - conv: {out: 8, kernel: 3x3}\n", 7, "3x3", ["write `3`"]),
    (HEAD + "extends: resnet18\n", 4, "resnet18", ["`zoo:resnet18`", "--from resnet18"]),
    (HEAD + "extends: resnet50.yaml\n", 4, "resnet50.yaml", ["`zoo:resnet50`"]),
    (HEAD + "extends: zoo:resnet5O\n", 4, "zoo:resnet5O", ["`zoo:resnet50`"]),
    (HEAD + "extends: zoo:resnet51\n", 4, "zoo:resnet51", ["`zoo:resnet50`"]),
    *[(HEAD.replace("image: [3, 32, 32]", text) + "graph: [relu]\n", 3, marked, ["[3, 32, 32]"])
      for text, marked in (("channels: 3, height: 32, width: 32", "3, h"), ("height: 32, width: 32, channels: 3", "32, w"),
                           ("image: [N, 3, 32, 32]", "[N"), ("image: [-1, 3, 32, 32]", "[-1"), ("image: [1, 3, 32, 32]", "[1"))],
    (HEAD + "params: {act: nn.ReLU}\ngraph: [use: $act, use: $act]\n", 4, "nn.ReLU", ["`relu`", "line 5"]),
    *[(BLOCK.replace("out: int", f"out: {kind}") + "$out\ngraph: [B: {out: 3}, B: {out: 4}]\n", 6, kind, ["`int`"])
      for kind in ("integer", "Int")],
    (HEAD + "params: {pad: SAME}\ngraph: [conv: {out: 8, kernel: 3, padding: $pad}]\n", 4, "SAME", ["`SAME` is `same`"]),
    (HEAD + "extends: 'zoo:'\n", 4, "'zoo:'", ["archc list"]),
    (HEAD + "import: {Net: zoo:nothing_like_it}\ngraph: [Net]\n", 4, "zoo:nothing", ["archc list"]),
    (HEAD + "extends: besides.yaml\n", 4, "besides.yaml", ["`beside.yaml`"]),
    (HEAD + "import: zoo:resnet18\ngraph: [relu]\n", 4, "zoo:resnet18", ['`import: ["zoo:resnet18"]`']),
    ("input: {image: [3, 8, 8]}\ngraph: [relu]\n", 1, "input", ["`archspec`", "`name`"]),
]  # fmt: skip

WARNINGS = [  # the text, its code, its line and what the caret marks, what the answer names
    ("archspec: 1\nname: net\ninput: {image: [32, 32, 3]}\ngraph: [relu]\n", "channels-last", 3, "[32", ["32 channels", "width 3", "[3, 32, 32]"]),
    ("archspec: 1\nname: net\ninput: {image: [28, 28, 1]}\ngraph: [relu]\n", "channels-last", 3, "[28", ["[1, 28, 28]"]),
    ("archspec: 1\nname: net\ninput: {image: [480, 640, 3]}\ngraph: [relu]\n", "channels-last", 3, "[480", ["[3, 480, 640]"]),
    ("archspec: 1\nname: net\ninput: {image: [64, 64, 4]}\ngraph: [relu]\n", "channels-last", 3, "[64", ["[4, 64, 64]"]),
    (HEAD + "graph: [conv: {out: 8, padding: 1}]\n", "default-kernel", 4, "padding", ["the kernel is 1 by default"]),
    (HEAD + "graph: [conv: {out: 8, dilation: 2}]\n", "default-kernel", 4, "dilation", ["the kernel is 1 by default"]),
    (HEAD + "graph: [batch_norm: {momentum: 0.99}]\n", "momentum-of-old", 4, "momentum", ["`momentum: 0.01`"]),
    (HEAD + "params: {width: 8, other: 9}\ngraph: [conv: $width]\n", "unused-param", 4, "other", ["`other`"]),
    (HEAD + "blocks: {B: {params: {o: 3, p: 1}, steps: [conv: $o]}}\ngraph: [B]\n", "unused-param", 4, "p", ["`p`"]),
    (HEAD + "blocks: {B: {let: {o: 3}, steps: [relu]}}\ngraph: [B]\n", "unused-param", 4, "o", ["`o`"]),
    (HEAD + "params: {w: 3}\nblocks: {B: {params: {w: 3}, steps: [conv: $w]}}\ngraph: [B]\n", "unused-param", 4, "w", ["`w`"]),
]  # fmt: skip

QUIET = [
    "archspec: 1\nname: net\ninput: {image: [64, 1000, 1]}\ngraph: [relu]\n",
    "archspec: 1\nname: net\ninput: {image: [512, 4, 4]}\ngraph: [relu]\n",
    *[f"archspec: 1\nname: net\ninput: {{image: {sizes}}}\ngraph: [relu]\n" for sizes in ("[16, 8, 4]", "[64, 56, 4]", "[8, 8, 1]", "[8, 9, 3]")],
    HEAD + "graph: [conv: {out: 8, padding: 0}, conv: {out: 8, kernel: 1, padding: 1}, conv: {out: 8, padding: same}]\n",
    HEAD + "params: {a: 8, b: $(2 * a), c: 1, d: 1, e: true}\ngraph: [{when: $e, repeat: {i: $c}, name: r$d, conv: $b}]\n",
    HEAD + "graph: [batch_norm: {momentum: 0.01}, batch_norm: {momentum: 1.0}, batch_norm]\n",
    HEAD + "params: {a: 8}\nsummary: a net of width $a\ngraph: [relu]\n",
    HEAD + "params: {a: 8}\nblocks: {B: {steps: [conv: $a]}}\ngraph: [B]\n",
    HEAD + "params: {b: {type: step, default: B}}\nblocks: {B: {params: {p: 1}, steps: [relu]}}\ngraph: [{use: $b, with: {p: 2}}]\n",
    HEAD + "params: {a: int, b: 1}\ngraph: [conv: $a]\n",
    HEAD + "params: {a: 8}\nblocks: {B: {steps: [relu]}}\n",
]  # fmt: skip


def answers(tmp_path, text):
    (tmp_path / "net.yaml").write_text(text)
    (tmp_path / "beside.yaml").write_text(HEAD + "graph: [relu]\n")
    return check(str(tmp_path / "net.yaml")).diagnostics


def assert_place(found, text, line, marked):
    shown = text.splitlines()[found.span.line - 1]
    assert found.span.line == line and shown[found.span.column - 1 :].startswith(marked), (found.span.place, shown)
    assert found.span.source.line(line) == shown, "the line is shown"


@pytest.mark.parametrize(
    "text, line, marked, named", SYNTAX + MEANING, ids=[text[len(HEAD) :] for text, *_ in SYNTAX + MEANING]
)
def test_one_mistake_is_one_error_at_its_place(tmp_path, text, line, marked, named):
    (found,) = answers(tmp_path, text)
    assert found.severity == "error"
    assert_place(found, text, line, marked)
    for word in named:
        assert word in found.help or word in found.message, (found.message, found.help)


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
@pytest.mark.parametrize("text, line, marked, named", SYNTAX, ids=[text[len(HEAD) :] for text, *_ in SYNTAX])
def test_other_line_ends_have_the_same_places(tmp_path, newline, text, line, marked, named):
    (tmp_path / "net.yaml").write_bytes(text.replace("\n", newline).encode())
    (found,) = check(str(tmp_path / "net.yaml")).diagnostics
    assert_place(found, text, line, marked)


@pytest.mark.parametrize("text, code, line, marked, named", WARNINGS)
def test_what_is_allowed_and_hardly_meant_is_a_warning(tmp_path, text, code, line, marked, named):
    (found,) = answers(tmp_path, text)
    assert (found.severity, found.code) == ("warning", code)
    assert_place(found, text, line, marked)
    for word in named:
        assert word in found.help or word in found.message, (found.message, found.help)


@pytest.mark.parametrize("text", QUIET)
def test_no_false_warning(tmp_path, text):
    assert not [d for d in answers(tmp_path, text) if d.severity == "warning"]


def test_three_mistakes_are_told_in_one_run(tmp_path):
    found = answers(tmp_path, HEAD + "graph:\n  - conv: {out: 3, strides: 2}\n  - Undefined\n  - linear: 10\n")
    assert [(d.code, d.span.line) for d in found] == [("unknown-key", 5), ("unknown-block", 6), ("not-a-vector", 7)]


@pytest.mark.parametrize("steps, advice", [("[relu, tanh]", "steps: […]"), ("relu", "steps: [relu]")])
def test_a_block_that_is_its_steps_is_told_their_key(tmp_path, steps, advice):
    (found,) = answers(tmp_path, HEAD + f"blocks:\n  Own: {steps}\ngraph: [Own: {{}}]\n")
    assert "`Own` wants a mapping with its steps, not" in found.message and found.help == f"write `{advice}`"


def test_a_param_that_is_mostly_right_is_told_where_it_is_used(tmp_path):
    text = HEAD + "params: {act: relu}\ngraph:\n  - use: $act\n  - use: $act\n  - conv: {out: $act}\n"
    assert [(d.code, d.span.line) for d in answers(tmp_path, text)] == [("wrong-type", 8)]


def test_a_param_of_the_base_that_the_overlay_does_not_need(tmp_path):
    (tmp_path / "base.yaml").write_text(HEAD + "params: {a: 8, b: 9}\ngraph: [conv: $a, conv: $b]\n")
    assert not answers(tmp_path, "archspec: 1\nname: own\nextends: base.yaml\ngraph: [relu]\n")
    (found,) = answers(tmp_path, "archspec: 1\nname: own\nextends: base.yaml\nparams: {a: 2}\ngraph: [conv: $b]\n")
    assert (found.code, found.span.line) == ("unused-param", 4)


SETTINGS = [
    ("depths=2,2,2,2", ["depths=[2,2,2,2]"]), ("depths=(2,2)", ["depths=[2,2]"]), ("depths=2 2", ["depths=[2,2]"]), ("depths=2", ["depths=[2]"]),
    ("size=3x3", ["size=[3,3]"]), ("bn=yes", ["bn=true"]), ("bn=0", ["bn=false"]), ("n='3'", ["n=3"]), ("word=3", ["word=\"'3'\""]),
    ("depth=3", ["`depths`"]), ("n=", ["n=VALUE"]), ("n", ["n=VALUE"]), ("zzz=3", ["depths, size, bn, n, word"]),
]  # fmt: skip


@pytest.mark.parametrize("setting, named", SETTINGS)
def test_a_setting_that_does_not_fit(tmp_path, setting, named):
    params = "params: {depths: [1, 2], size: {type: pair, default: 1}, bn: true, n: 3, word: a}\n"
    uses = "[{repeat: {d: $depths}, when: $(bn and n > 1 and word == 'a'), conv: {out: 3, kernel: $size}}]"
    (tmp_path / "net.yaml").write_text(f"{HEAD}{params}graph: {uses}\n")
    with pytest.raises(Failure) as failure:
        check(str(tmp_path / "net.yaml"), [setting])
    for word in named:
        assert word in failure.value.help


def test_all_wrong_settings_are_told(tmp_path):
    (tmp_path / "net.yaml").write_text(
        f"{HEAD}params: {{depths: [1, 2], w: 3}}\ngraph: [{{repeat: {{d: $depths}}, conv: $w}}]\n"
    )
    with pytest.raises(Failure) as failure:
        check(str(tmp_path / "net.yaml"), ["width=4", "depth=5"])
    assert "--set width" in failure.value.message and "--set depth names" in failure.value.message
    with pytest.raises(Failure) as failure:
        check(str(tmp_path / "net.yaml"), ["depths=2,2,2,2"])
    assert "depths=[2,2,2,2]" in failure.value.help


SIZES_THAT_DIFFER = [  # the input, the body of a residual, what the help names and what it does not
    ("[16, 64, 64]", "conv: {out: 16, kernel: 3, stride: 2}", "paddings and strides", "projection"),
    ("[16, 64, 64]", "conv: {out: 32, kernel: 3, stride: 2, padding: 1}", "{conv: {out: 32, kernel: 1, stride: 2, bias: false}}", "paddings"),
    ("[16, 63, 63]", "conv: {out: 16, kernel: 3, stride: 2, padding: 1}", "{conv: {out: 16, kernel: 1, stride: 2, bias: false}}", "paddings"),
    ("[16, 64, 64]", "conv: {out: 32}", "{conv: {out: 32, kernel: 1, bias: false}}", "paddings"),
    ("[16, 64, 64]", "conv: {out: 32}", "let all branches end with equally many channels", "paddings"),
    ("[16, 64, 64]", "upsample: 2", "{conv: {out: 16, kernel: 1, stride: 2, bias: false}}", "paddings"),
    ("[16, 64, 64]", "max_pool: {kernel: [1, 2]}", "paddings and strides", "projection"),
]  # fmt: skip


@pytest.mark.parametrize("sizes, body, named, unnamed", SIZES_THAT_DIFFER)
def test_a_projection_is_advised_where_it_gives_the_size(tmp_path, sizes, body, named, unnamed):
    head = f"archspec: 1\nname: net\ninput: {{image: {sizes}}}\n"
    (found,) = answers(tmp_path, f"{head}graph: [residual: {{body: [{body}]}}]\n")
    assert found.code == "shape-mismatch" and named in found.help and unnamed not in found.help


CONV_BN = """blocks:
  ConvBN: {params: {out: int, kernel: 1, padding: 0}, steps: [{name: conv, conv: {out: $out, kernel: $kernel, padding: $padding}}, relu]}
  Two: {params: {padding: 0}, steps: [{conv: {out: 8, kernel: 5, padding: $padding}}, {conv: {out: 8, kernel: 3}}]}
  Outer: {params: {out: int, pad: 0}, steps: {conv: {out: $out, kernel: 3, padding: $(pad)}}}
"""
BRANCHES_THAT_LOSE = [  # the branches of a concat of 28×28, what the help says or notes say
    ("a: {conv: {out: 8, kernel: 3}}, b: []", "`a` (net.yaml:8) has kernel 3 and padding 0: with `padding: 1` it keeps 28×28"),
    ("a: [], b: [{name: c, conv: {out: 8, kernel: [5, 1]}}, relu]", "`b.c` (net.yaml:8) has kernel [5, 1] and padding 0: with `padding: [2, 0]`"),
    ("a: {conv: {out: 8, kernel: 1, padding: 1}}, b: []", "has kernel 1 and padding 1: with `padding: 0` it keeps 28×28"),
    ("a: {conv: {out: 8, kernel: 3, dilation: 2}}, b: []", "has kernel 3 and padding 0: with `padding: 2` it keeps"),
    ("a: {conv: {out: 8, kernel: 4}}, b: []", "with `padding: same` it keeps 28×28"),
    ("a: {max_pool: {kernel: 3, stride: 2}}, b: {conv: {out: 8, stride: 2}}", "`a` (net.yaml:8) has kernel 3 and padding 0: with `padding: 1` it gives 14×14"),
    ("a: {conv: {out: 8, kernel: 3}}, b: {conv: {out: 8, kernel: 5}}", "it keeps 28×28; `b` (net.yaml:8) has kernel 5 and padding 0: with `padding: 2`"),
    ("a: {ConvBN: {out: 8, kernel: 3}}, b: []", "`a.conv` (net.yaml:8) has kernel 3"),
    ("a: {max_pool: 2}, b: []", "`a` makes 14×14 of 28×28"),
    ("a: [], b: {conv: {out: 8, kernel: 3}}, c: {conv: {out: 8, kernel: 5}}", "it keeps 28×28; `c` (net.yaml:8) has kernel 5 and padding 0: with `padding: 2`"),
    ("a: [], b: {conv: {out: 8, kernel: 3}}, c: {max_pool: {kernel: 3, stride: 1}}", "it keeps 28×28; `c` (net.yaml:8) has kernel 3 and padding 0: with `padding: 1`"),
    # a pool whose stride is that of its kernel because none is written
    ("a: {conv: 8}, b: [{name: pool, max_pool: 3}, {conv: 8}]", "`b.pool` (net.yaml:8) has the stride of its kernel, 3: with `stride: 1, padding: 1` it keeps 28×28"),
    ("a: {avg_pool: 5}, b: []", "`a` (net.yaml:8) has the stride of its kernel, 5: with `stride: 1, padding: 2` it keeps 28×28"),
    ("a: {max_pool: {kernel: 3, padding: 1}}, b: []", "with `stride: 1` it keeps 28×28"),
    ("a: {conv: 8}, b: {conv: {out: 8, kernel: 3}}, c: {max_pool: 3}", "with `padding: 1` it keeps 28×28; `c` (net.yaml:8) has the stride of its kernel, 3: with `stride: 1, padding: 1`"),
    ("a: {max_pool: {kernel: 3, stride: 3}}, b: []", "`a` makes 9×9 of 28×28"),
    ("a: {max_pool: 3}, b: {conv: {out: 8, kernel: 3, stride: 3, padding: 1}}", "`a` (net.yaml:8) has kernel 3 and padding 0: with `padding: 1` it gives 10×10"),
    # a param of the block that this step does not take, and one of another name
    ("a: {Two: {padding: 2}}, b: []", "`a.1` (net.yaml:6) has kernel 3 and padding 0: with `padding: 1` it keeps"),
    ("a: {Two: {}}, b: []", "`a.0` (net.yaml:8) has kernel 5 and padding 0: with `padding: 2` it keeps 28×28; `a.1` (net.yaml:6)"),
    ("a: {Outer: {out: 8}}, b: []", "`a` (net.yaml:8) has kernel 3 and padding 0: with `pad: 1` it keeps"),
]  # fmt: skip


@pytest.mark.parametrize("branches, said", BRANCHES_THAT_LOSE)
def test_the_step_that_makes_a_branch_smaller_is_named_with_its_padding(tmp_path, branches, said):
    head = f"archspec: 1\nname: net\ninput: {{image: [3, 28, 28]}}\n{CONV_BN}"
    (found,) = [
        each for each in answers(tmp_path, f"{head}graph: [concat: {{{branches}}}]\n") if each.severity == "error"
    ]
    assert found.code == "shape-mismatch" and said in " ".join([found.help, *(note.message for note in found.notes)])


WORDS_OF_THE_HEADER = [  # a line of a spec, what the message says, what the help says
    ("expect: {macs: 1.0e6}", "`macs` wants a whole number or {min, max}, not 1000000.0", "write 1000000"),
    ("params: {w: {type: number, default: 1.0}}", "`type` wants one of int, float", "`number` is `float` here"),
    ("params: {w: {type: Integer, default: 1}}", "`type` wants one of int, float", "`Integer` is `int` here"),
    ("params: {w: {type: flaot, default: 1.0}}", "`type` wants one of int, float", "did you mean `float`?"),
]  # fmt: skip


@pytest.mark.parametrize("line, said, advice", WORDS_OF_THE_HEADER)
def test_values_of_the_header(tmp_path, line, said, advice):
    (found,) = answers(
        tmp_path, f"archspec: 1\nname: net\ninput: {{image: [3, 8, 8]}}\n{line}\ngraph: [conv: {{out: 8}}]\n"
    )
    assert (found.code, found.span.line) == ("wrong-type", 4) and said in found.message and advice in found.help


SIZES_OF_INPUTS = [  # params, the sizes of the input, what to write
    ("{size: 32}", "[3, $size, 32]", "write 32"),
    ("{size: {type: int, default: 32}}", "[3, 32, $size]", "write 32"),
    ("{size: 32}", "[3, 32, $(2 * size)]", "write its value"),
    ("{size: 32}", "[3, 32, size]", "write 32"),
    ("{shape: [3, 8, 8]}", "$shape", "write [3, 8, 8]"),
]


@pytest.mark.parametrize("params, sizes, said", SIZES_OF_INPUTS)
def test_the_size_of_an_input_is_no_expression(tmp_path, params, sizes, said):
    head = f"archspec: 1\nname: net\nparams: {params}\ninput: {{image: {sizes}}}\n"
    (found,) = [each for each in answers(tmp_path, f"{head}graph: [relu]\n") if each.severity == "error"]
    assert found.code == "wrong-type" and f"plain numbers, which no parameter changes: {said};" in found.help
    assert "`extends` this one" in found.help


ABSENT_STEPS = [  # the graph, the code of its mistake, what a note says
    ("add: {a: {conv: 16}, b: [{name: up, when: $wide, conv: 16}]}", "shape-mismatch", "`b.up` is not there: its `when: $wide` is false, with wide=false"),
    ("add: {a: {conv: 16}, b: [{repeat: {i: $n}, conv: 16}]}", "shape-mismatch", "a step `conv` is not there: its `repeat` has no rounds"),
    ("{name: pool, when: $(wide and n > 0), global_avg_pool}, relu, linear: 10", "not-a-vector",
     "`pool` is not there: its `when: $(wide and n > 0)` is false, with wide=false, n=0"),
    ("{name: c, when: $(x.channels > 8), conv: 4}, {from: c, relu}", "from-removed",
     "its `when: $(x.channels > 8)` is false, with x=f32[N,3,28,28]"),
]  # fmt: skip


@pytest.mark.parametrize("graph, code, said", ABSENT_STEPS)
def test_a_step_that_is_not_there_is_named_with_its_condition(tmp_path, graph, code, said):
    head = "archspec: 1\nname: net\nparams: {wide: false, n: 0}\ninput: {image: [3, 28, 28]}\n"
    (found,) = [each for each in answers(tmp_path, f"{head}graph: [{graph}]\n") if each.severity == "error"]
    assert found.code == code and said in [note.message for note in found.notes]


@pytest.mark.parametrize(
    "graph",
    [
        "concat: [[{when: $wide, conv: 4}], [{linear: 4}]]",
        # a head for training
        "{name: h, aux: 0.3, when: $wide, steps: [flatten, {linear: 3}]}, {linear: 4}",
    ],
)
def test_a_step_that_is_not_there_in_another_branch_is_no_cause(tmp_path, graph):
    head = "archspec: 1\nname: net\nparams: {wide: false}\ninput: {image: [3, 28, 28]}\n"
    (found,) = answers(tmp_path, f"{head}graph: [{graph}]\n")
    assert found.code == "not-a-vector" and not any("not there" in note.message for note in found.notes)


@pytest.mark.parametrize("merge", ["concat", "add"])
def test_an_image_and_a_vector_want_a_flatten(tmp_path, merge):
    (found,) = answers(tmp_path, f"{HEAD}graph: [{merge}: [[], [flatten]]]\n")
    assert found.code == "shape-mismatch" and "`flatten`" in found.help


def test_an_imported_block_sees_the_params_of_its_own_document(tmp_path):
    (tmp_path / "base.yaml").write_text(
        "archspec: 1\nname: base\nparams: {width: int}\nblocks: {In: {steps: [conv: $width]}, Out: {steps: [In, relu]}}\n"
    )
    (tmp_path / "child.yaml").write_text("archspec: 1\nname: child\nextends: base.yaml\nparams: {width: 7}\n")
    (tmp_path / "more.yaml").write_text("archspec: 1\nname: more\nimport: [child.yaml]\nparams: {width: 9}\n")
    for imported in ("child.yaml", "more.yaml"):
        text = f"{HEAD}import: [{imported}]\nparams: {{width: 5}}\ngraph: [conv: $width, Out]\n"
        assert not answers(tmp_path, text)
        assert [node.output.type.channels for node in check(str(tmp_path / "net.yaml")).graph.nodes] == [5, 7, 7]
    assert not answers(tmp_path, HEAD + 'import: ["zoo:resnet50"]\ngraph: [Bottleneck: {planes: 8, stride: 2}]\n')


def test_an_open_family_is_told_at_its_params(tmp_path, capsys):
    found = check("resnet")
    block, depths = explain_open_params(found)
    assert not found.failed and not found.diagnostics
    assert [d.span.source.line(d.span.line).split(":")[0].strip() for d in (block, depths)] == ["block", "depths"]
    assert "--set block=" in block.help and "params={'block':" in block.help
    assert "`Bottleneck`" in block.help and "`resnet18` with [2, 2, 2, 2]" in depths.help
    params = "params: {w: {type: int, min: 1, max: 9}, b: bool, c: {type: string, choices: [p, q]}}\n"
    (tmp_path / "f.yaml").write_text(HEAD + params + "graph: [{when: $b, conv: $w}, {name: $c, relu}]\n")
    told = program(capsys)("check", str(tmp_path / "f.yaml"))
    assert told.code == 0
    assert re.findall(r"f.yaml:4:(\d+)", told.out) == ["10", "42", "51"]
    assert "at least 1 and at most 9" in told.out and "true or false" in told.out and "['p', 'q']" in told.out


SUGGESTIONS = [
    ("covn", "conv"), ("max_pol", "max_pool"), ("rleu", "relu"), ("Relu", "relu"), ("lin", "linear"), ("convolution", "conv"), ("kernel", None),
    ("foo", None), ("local", None), ("yolo", None), ("block", None), ("connected", None), ("attention", None), ("x", None), ("", None),
]  # fmt: skip


@pytest.mark.parametrize("word, near", SUGGESTIONS)
def test_the_nearest_op_is_a_likely_one(word, near):
    assert nearest(word, OPS) == near


@pytest.mark.parametrize("name", sorted(zoo()))
def test_no_suggestion_is_the_word_itself(name):
    assert nearest(name, zoo()) != name
    assert nearest(name.upper(), zoo()) == name


@pytest.mark.parametrize("name", sorted(zoo()))
def test_the_zoo_has_no_warnings(name):
    """By their paths, so that the schema is asked, too."""
    assert not check(str(Path(zoo()[name]))).diagnostics
