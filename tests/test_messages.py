"""What people write who come from elsewhere, and the answer: one error, its place, and what to write instead.

The last part sweeps the ops' own facts, so that a new op's words are held to the same.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from archc.compiler import frontend
from archc.compiler.driver import check
from archc.compiler.ops import OPS, words
from archc.compiler.ops.words import normalize_word

from .program import program

HEAD = "archspec: 1\nname: net\ninput: {image: [3, 32, 32]}\n"
GRAPH = HEAD + "graph:\n  - {name: a, conv: {out: 3}}\n  - {name: b, relu: null}\n  - "

STEPS = [  # the step, what the caret marks, what the answer names
    ("MaxPool2d: 2", "MaxPool2d", ["`max_pool: 2`"]),
    ("Conv2d: {in_channels: 3, out_channels: 64, kernel_size: 1}", "Conv2d", ["`conv: {out: 64, kernel: 1}`", "in_channels", "inferred"]),
    ("{type: conv, out: 8, kernel: 3}", "type", ["`conv: {out: 8, kernel: 3}`"]),
    ("{name: c, type: nn.Conv2d, in_channels: 3, out_channels: 8, padding: SAME}", "type", ["`conv: {out: 8, padding: same}`"]),
    ("conv: {out: 8, activation: relu}", "activation", ["add the step `- relu` after it"]),
    ("{conv: 8, activation: gelu}", "activation", ["add the step `- gelu` after it"]),
    ("conv: {out: 8, bn: true}", "bn", ["add the step `- batch_norm` after it"]),
    ("concat: [a, b]", "a", ["`concat: [{from: a}, {from: b}]`"]),
    ("concat: {left: a, right: relu}", "a", ["`{from: a}`"]),
    ("add: {from: a}", "from", ["`add: [{from: a}, []]`"]),
    ("add: a", "a", ["`add: [{from: a}, []]`"]),
    ("residual: [{conv: {out: 3}}, relu]", "[", ["`residual: {body: [ … ]}`"]),
    ("{repeat: 3, steps: [relu]}", "3", ["`repeat: {i: 3}`"]),
    *[(step, step.partition(":")[0], ["`linear: 10`"]) for step in ("dense: 10", "fc: 10", "Dense: {units: 10}", "InnerProduct: {num_output: 10}")],
    *[(f"conv: {{{word}: 64}}", word, ["`out`", "`conv: {out: 64}`"]) for word in ("filters", "num_output", "out_channels", "channels")],
    *[(f"conv: {{out: 64, {word}: 3}}", word, ["`kernel`", "`conv: {out: 64, kernel: 3}`"])
      for word in ("kernel_size", "ksize", "kernel_dim", "size")],
    ("conv: {out: 64, padding: valid}", "valid", ["`0`"]),
    *[(f"conv: {{out: 64, kernel: 3, padding: {word}}}", word, ["`same`"]) for word in ('"SAME"', "auto")],
    ("conv: {out: 8, kernel: '3'}", "'3'", ["write 3 without quotes"]),
    ("conv: {out: 8, bias: 'false'}", "'false'", ["write false without quotes"]),
    ("conv: {out: 8, bias: no}", "no}", ["write false"]),
    ("dropout: ten", "ten", ["a number of at least 0 and at most 1", "write, for example, `dropout: 0.5`"]),
    ("dropout: -1", "-1", ["a number of at least 0 and at most 1", "write, for example, `dropout: 0.5`"]),
    *[(f"{word}: 8", word, ["`upsample: 2`", "`conv:"]) for word in ("conv_transpose", "ConvTranspose2d", "Deconvolution", "upconv")],
    ("BatchNorm2d", "BatchNorm2d", ["`batch_norm`"]),
    ("BN", "BN", ["`batch_norm`"]),
    ("ReLU", "ReLU", ["`relu`"]),
    ("nn.ReLU", "nn.ReLU", ["`relu`"]),
    ("nn.ReLU(inplace=True)", "nn.ReLU(", ["`relu`"]),
    ("LeakyReLU: 0.1", "LeakyReLU", ["`leaky_relu: 0.1`"]),
    ("GlobalAveragePooling2D", "GlobalAveragePooling2D", ["`global_avg_pool`"]),
    *[(f"{word}: 2", word, ["`max_pool: 2`"]) for word in ("max-pool", "MaxPool", "maxpool2d")],
    ("Dropout: {rate: 0.3}", "Dropout", ["`dropout: 0.3`"]),
    ("GroupNorm: {num_groups: 8, num_channels: 64}", "GroupNorm", ["`group_norm: {groups: 8}`", "`num_channels`"]),
    ("AdaptiveAvgPool2d: [7, 7]", "AdaptiveAvgPool2d", ["`adaptive_avg_pool: [7, 7]`"]),
    ("Linear: [512, 10]", "Linear", ["`linear: …`"]),
    ("Conv2D: {filters: $(4 * 2), kernel_size: big}", "Conv2D", ['`conv: {out: "$(4 * 2)", kernel: …}`']),
    ("[-1, 1, Conv, [64, 3, 2]]", "[", ["a step is a mapping", "`conv: {out: 64, kernel: 3, stride: 2}`", "`batch_norm` and `silu`"]),
    ("[-1, 3, nn.MaxPool2d, [2, 2]]", "[", ["`{repeat: {i: 3}, steps: [max_pool: {kernel: 2, stride: 2}]}`"]),
    ("conv: {ou: 64}", "ou", ["did you mean `out`?"]),
    ("conv: {in_channels: 3, out: 8}", "in_channels", ["leave `in_channels` out", "`conv: {out: 8}`"]),
    ("conv: {out: 8, kernel: (3, 3)}", "3)", ["square brackets"]),
    ("conv:\n      out: 8\n      kernel: (3, 3)", "(3, 3)", ["`[3, 3]`"]),
    ("relu: {inplace: true}", "inplace", ["leave `inplace` out", "`relu`"]),
    ("conv:\n    out: 64\n    ksize: 3", "out", ["indent", "`conv: {out: 64, kernel: 3}`"]),
    ("{conv: 8, times: 3}", "times", ["`repeat`"]),
    ("{convv: 8}", "convv", ["did you mean `conv`?"]),
    ("join: {branches: [relu, tanh], local_drop: 0.1}", "local_drop", ["`local`"]),
    ("convolutional: {filters: 32, size: 3, stride: 1, pad: 1, activation: leaky, batch_normalize: 1}", "convolutional",
     ["`conv: {out: 32, kernel: 3, stride: 1, padding: 1}`", "`- leaky_relu: 0.1`", "`- batch_norm`"]),
    ("connected: {output: 10}", "connected", ["`linear: 10`"]),
    ("Activation: gelu", "Activation", ["`gelu`"]),
    ("ZeroPadding2D: 1", "ZeroPadding2D", ["`pad: {height: [1, 1], width: [1, 1]}`"]),
    ("SELU", "SELU", ["`elu: 1.67326`", "`scale: 1.0507`"]),
    ("Mish", "Mish", ["no such activation"]),
    ("LSTM: 64", "LSTM", ["no such layer"]),
    ("C3: [128]", "C3", ["a block of yours"]),
    ("SPPF: [128, 5]", "SPPF", ["`concat: [[], {max_pool:"]),
    ("Conv: [64, 3, 2]", "Conv", ["`conv: {out: 64, kernel: 3, stride: 2}`"]),
    ("conv3x3: 8", "conv3x3", ["`conv: {out: …, kernel: 3, padding: 1}`"]),
    ("conv1: 8", "conv1", ["`{name: conv1, conv: 8}`"]),
    ("fc6: {units: 10}", "fc6", ["`{name: fc6, linear: 10}`"]),
    ("torch.cat: [a, b]", "torch.cat", ["`concat: [{from: a}, {from: b}]`"]),
    ("Add: [a, b]", "Add", ["`add: [{from: a}, {from: b}]`"]),
    ("{op: add, inputs: [a, b]}", "op", ["`add: [{from: a}, {from: b}]`"]),
    ("concat: {inputs: [a, b]}", "a", ["`concat: [{from: a}, {from: b}]`"]),
    ("concat: {from: [a, b]}", "from", ["`concat: [{from: a}, {from: b}]`"]),
    ("{class_name: Conv2D, config: {filters: 32, kernel_size: 3}}", "class_name", ["`conv: {out: 32, kernel: 3}`"]),
    ("{type: Convolution, convolution_param: {num_output: 64}}", "type", ["`conv: 64`"]),
    ("{conv: 8, kernel: 3}", "kernel", ["`conv: {out: 8, kernel: 3}`"]),
    ("conv: {out: 8, name: c}", "name", ["`{name: c, conv: {out: 8}}`"]),
    ("conv: {depth_multiplier: 2}", "depth_multiplier", ["`groups`"]),
    ("conv: {out: 8, padding_mode: zeros}", "padding_mode", ["zeros"]),
    ("dropout: {keep_prob: 0.9}", "keep_prob", ["1 minus"]),
    ("batch_norm: {decay: 0.9}", "decay", ["1 minus"]),
    ("batch_norm: 64", "64", ["`batch_norm`"]),
    ("softmax: {axis: 1}", "axis", ["leave it out"]),
    ("upsample: {stride: 2}", "stride", ["`upsample: {scale: 2}`"]),
    ("group_norm: {num_groups: 2}", "num_groups", ["`groups`"]),
    ("pad: {padding: 1}", "padding", ["channels, height, width"]),
    ("[relu, tanh]", "[", ["`steps: [ … ]`"]),
    ("[Conv, [64, 3, 2]]", "[", ["`conv: {out: 64, kernel: 3, stride: 2}`"]),
    ("[[-1, 6], 1, Concat, [1]]", "[", ["`concat: [ … ]`"]),
    ("relu, tanh", "relu, tanh", ["`- relu`, `- tanh`"]),
    ("add", "add", ["needs its branches", "{add: [ … ]}"]),
    ("join", "join", ["{join: {branches: [ … ]}}"]),
    *[(f"{word}: {value}", word, ["unknown operation", advised]) for word, value, advised in (
        ("TransposedConv2d", 8, "`upsample: 2`"), ("MLP", 10, "linear layers"), ("AlphaDropout", 0.5, "`dropout: 0.5`"),
        ("Merge", "[relu, tanh]", "`add: [ … ]`"), ("Power", 2, "`scale: 0.5`"), ("Blub", 2, "`archc ops`"))],
    *[(f"conv: {{out: 8, {word}: {value}}}", word, ["leave it out"]) for word in ("activation", "bn", "batch_normalize", "norm")
      for value in ("none", "false", "None", 0)],
    ("conv: {out: 8, activation: null}", "activation", ["leave it out"]),
    ("conv: {out: 8, activation: linear}", "activation", ["leave it out"]),
    ("{conv: 8, activation: linear}", "activation", ["leave it out"]),
    ("convolutional: {filters: 8, activation: linear}", "convolutional", ["leave it out", "`conv: 8`"]),
    ("conv: {out: 8, activation: mish}", "activation", ["no such activation"]),
    ("conv: {out: 8, activation: foo}", "activation", ["a step of its own"]),
    ("conv: {out: 8, activation: leaky}", "activation", ["`- leaky_relu: 0.1`"]),
    ("leaky", "leaky", ["`leaky_relu: 0.1`"]),
    ("BatchNormalization: {momentum: 0.99}", "BatchNormalization", ["`batch_norm: {momentum: 0.01}`", "1 minus"]),
    ("BatchNorm2d: {momentum: 0.1}", "BatchNorm2d", ["`batch_norm: {momentum: 0.1}`"]),
    ("convolutional: {filters: 8, size: 5, pad: 1}", "convolutional", ["`conv: {out: 8, kernel: 5, padding: 2}`", "half of the kernel"]),
    ("convolutional: {filters: 8, size: 1, pad: 1}", "convolutional", ["`conv: {out: 8, kernel: 1, padding: 0}`"]),
    ("UpSampling2D: {size: 2}", "UpSampling2D", ["`upsample: 2`"]),
    ("ReLU: {negative_slope: 0.1}", "ReLU", ["`leaky_relu: 0.1`"]),
    ("{conv: 8, top: c}", "top", ["`name: c`"]),
    *[(f"{{conv: 8, {word}: a}}", word, ["`from: a`"]) for word in ("bottom", "input")],
    ("{conv: 8, bottom: [a, b]}", "bottom", ["`concat: [{from: a}, {from: b}]`"]),
    *[(f"GroupNorm: {value}", "GroupNorm", ["`group_norm: {groups: 8}`"]) for value in (8, "[8, 32]")],
    ("$act", "$act", ["`use: $act`"]),
    ("[-1, 3, Conv, [64, 3, 2]]", "[", ["`{repeat: {i: 3}, steps: [conv: {out: 64, kernel: 3, stride: 2}]}`"]),
    ("conv: {out: 8, repeat: 3}", "repeat", ["`{repeat: {i: 3}, conv: {out: 8}}`"]),
    ("{repeat: three, relu: null}", "three", ["`repeat: {i: 3}`"]),
    *[(f"conv: {value}", value, ["`conv: {out: 64, kernel: 3, stride: 2}`"]) for value in ("[64, 3, 2]", "64, 3, 2", "(64, 3, 2)")],
    *[(f"conv: {{{word}: 64}}", word, ["`conv: {out: 64}`"]) for word in ("units", "out_features", "features", "nb_filter")],
    ("{from: [a, b], add: []}", "[a, b]", ["`add: [{from: a}, {from: b}]`"]),
    ("residual: {conv: {out: 3}}", "conv", ["`residual: {body: [ … ]}`"]),
    ("residual: {relu: null, tanh: null}", "relu", ["`residual: {body: [ … ]}`"]),
    ("residual:\n    body: [relu]", "body", ["indent it more"]),
    ("join:\n    branches: [relu, tanh]", "branches", ["indent it more"]),
    ("concat: {a: , b: }", ", b", ["`concat: [{from: a}, {from: b}]`"]),
    ("{multiply: [[], [global_avg_pool, conv: $(max(1, x.channels // 2)), sigmoid]]}", "$(max", ["quotes"]),
    ("deconvolutional: {filters: 8}", "deconvolutional", ["`upsample: 2`"]),
    *[(f"conv: {{out: 8, padding: {word}}}", word, [f"`{word}` is `0`"]) for word in ("none", "null")],
    *[(f"conv: {{out: 8, bias: {word}}}", word, ["write false"]) for word in ("none", "null")],
    *[(f"dropout: {value}", value, ["write 0.5"]) for value in ("50", "50%")],
    ("dropout: {p: 50}", "50", ["write 0.5"]),
    ("conv: {out: 8, kernel: 3.0}", "3.0", ["write 3:"]),
    ("linear: 10.0", "10.0", ["write 10:"]),
]  # fmt: skip

CONV_BN = "blocks: {ConvBn: {params: {out: int}, steps: [conv: $out]}}\n"
DOCUMENTS = [  # the document below its head, what the caret marks, what the answer names
    (HEAD + "graph: [relu]\nmean: [0.5]\nstd: [0.2]\n", "mean", ["`mean`, `std`", "write `preprocess: {mean: [0.5], std: [0.2]}`"]),
    (HEAD + "graph: [relu]\nmacs: 30\nexpect: {params: 0}\n", "macs", ["write `expect: {params: 0, macs: 30}`"]),
    (HEAD + "graph: [relu]\npreprocess: {mean: 0.5}\n", "0.5", ["write `mean: [0.5]`"]),
    (HEAD + "graph: [relu]\nlayers: [relu]\n", "layers", ["`layers` is `graph` here, which stands on line 4"]),
    (HEAD + "graph: [relu]\nbackbone: [relu]\nhead: [relu]\n", "backbone", ["unknown keys: `backbone`, `head`"]),
    (HEAD + "layers: [relu]\n", "layers", ["`graph`"]),
    ("archspec: 1\nname: net\ninput: [3, 32, 32]\ngraph: [relu]\n", "[3", ["`input: {image: [3, 32, 32]}`"]),
    (HEAD + "blocks: {conv_bn: {params: {out: int}, steps: [{conv: $out}]}}\ngraph:\n  - conv_bn: {out: 8}\n  - conv_bn\n", "conv_bn", ["`ConvBn`"]),
    (HEAD + "blocks: {Act: {body: [relu]}}\ngraph: [Act]\n", "body", ["`steps`"]),
    (HEAD + "blocks: {3x3: {steps: [relu]}}\ngraph: [relu]\n", "3x3", ["`Block3x3`"]),
    (HEAD + "blocks: {conv: {steps: [relu]}}\ngraph: [conv]\n", "conv", ["`Conv`"]),
    (HEAD + f"{CONV_BN}graph: [conv_bn: {{out: 3}}]\n", "conv_bn", ["`ConvBn`"]),
    *[(HEAD + f"graph: [relu]\n{word}: [tanh]\n", word, ["`graph: [ … ]`"]) for word in ("backbone", "head")],
    *[(HEAD + f"{word}: 10\ngraph: [relu]\n", word, [f"`params: {{{word}: 10}}`"]) for word in ("nc", "num_classes", "classes")],
    *[(HEAD + f"{CONV_BN}graph: [{step}]\n", "out: 3", [f"`{written}: {{out: 3}}`"])
      for step, written in (("{use: ConvBn, out: 3}", "with"), ("{ConvBn: null, out: 3}", "ConvBn"), ("{use: conv, out: 3}", "with"))],
    (HEAD + "blocks: {A: {steps: [relu]}}\ngraph: [{A: , nam: b}]\n", "nam", ["did you mean `name`?"]),
    (HEAD + "blocks: {A: {args: {out: int}, steps: [conv: $out]}}\ngraph: [A: {out: 3}]\n", "args", ["`params`"]),
]  # fmt: skip


def answers(tmp_path, text):
    (tmp_path / "net.yaml").write_text(text)
    return check(str(tmp_path / "net.yaml")).diagnostics


@pytest.mark.parametrize(
    "text, marked, named",
    [(f"{GRAPH}{step}\n", marked, named) for step, marked, named in STEPS] + DOCUMENTS,
    ids=[step for step, *_ in STEPS] + [text[len(HEAD) :] for text, *_ in DOCUMENTS],
)
def test_one_mistake_is_one_error_that_says_what_to_write(tmp_path, text, marked, named):
    (found,) = answers(tmp_path, text)
    assert found.severity == "error"
    line = text.splitlines()[found.span.line - 1]
    assert line[found.span.column - 1 :].startswith(marked), (found.span.place, line)
    for words_ in named:
        assert words_ in found.help or words_ in found.message, (found.message, found.help)


def test_each_of_two_mistakes_is_told(tmp_path):
    found = answers(tmp_path, f"{GRAPH}conv: {{out: 8, kernel_size: 3, strides: 2}}\n  - dense: 10\n")
    assert [(d.code, d.span.line) for d in found] == [("unknown-key", 7), ("unknown-key", 7), ("unknown-op", 8)]
    assert {d.help.partition(": ")[2] for d in found[:2]} == {"write `conv: {out: 8, kernel: 3, stride: 2}`"}


def test_a_block_of_another_framework_s_word_is_a_block(tmp_path):
    blocks = "blocks: {Conv2d: {steps: [relu]}, ReLU: {params: {p: 1}, steps: [max_pool: $p]}}\n"
    assert not answers(tmp_path, f"{HEAD}{blocks}graph: [Conv2d, ReLU: {{p: 2}}]\n")
    (found,) = answers(tmp_path, f"{HEAD}{blocks}graph: [Conv2d, ReLU: 2]\n")
    assert (found.code, found.span.column) == ("wrong-type", 23)


def test_what_a_word_that_names_a_block_but_for_its_case_means(tmp_path):
    (found,) = answers(tmp_path, f"{HEAD}blocks: {{ConvBN: {{steps: [relu]}}}}\ngraph: [ConvBN, ConvBn]\n")
    assert (found.code, found.help) == ("unknown-block", "did you mean `ConvBN`?")


def test_archc_ops_knows_the_words(capsys):
    run = program(capsys)
    told = run("ops", "Conv2d")
    assert told.code == 0 and told.out.startswith("conv\n")
    assert re.search(r"also called.*\n  conv +Conv2d, .*\n  out +filters, ", told.out, re.S)
    data = json.loads(run("ops", "Dense", "--format", "json").out)
    assert (data["name"], data["fields"][0]["also_called"][0]) == ("linear", "units")
    refused = run("ops", "ConvTranspose2d")
    assert refused.code == 2 and "`upsample: 2`" in refused.err


OP_WORDS = [(op.name, word) for op in OPS.values() for word in op.also_called]
FIELD_WORDS = [
    (op.name, key, word) for op in OPS.values() for key, field in op.fields.items() for word in field.also_called
]


@pytest.mark.parametrize("op, word", OP_WORDS)
def test_every_word_of_an_op_is_answered(tmp_path, op, word):
    (found,) = answers(tmp_path, f"{GRAPH}{word}\n")
    assert f"`{word}` is `{op}` here" in found.help and found.span.line == 7


@pytest.mark.parametrize("op, key, word", FIELD_WORDS)
def test_every_word_of_a_field_is_answered(tmp_path, op, key, word):
    """`…` stands for needed fields that are not there: those are mistakes of their own."""
    found = answers(tmp_path, f"{GRAPH}{op}: {{{word}: 1}}\n")
    assert [d.help.partition(" here")[0] for d in found if d.code == "unknown-key"] == [f"`{word}` is `{key}`"]


def test_a_word_means_one_thing():
    """An op's word is no other op's, a field's no other field's of that op, and advice on compositions is for neither."""
    visible = [op for op in OPS.values() if not op.is_internal]
    ops = Counter(normalize_word(word) for op in visible for word in (op.name, *op.also_called))
    advised = Counter(normalize_word(word) for listed, _ in words.COMPOSITIONS for word in listed)
    assert max(ops.values()) == max(advised.values()) == 1
    assert not {normalize_word(word) for _, word in OP_WORDS} & set(advised)
    for op in visible:
        fields = Counter(normalize_word(word) for key, field in op.fields.items() for word in (key, *field.also_called))
        assert set(fields.values()) <= {1}, op.name


@pytest.mark.parametrize("advice", [advice for _, advice in words.COMPOSITIONS])
def test_what_is_advised_is_the_language(tmp_path, advice):
    """Each fragment in backticks is a step, once `…` and `C` are numbers and `[ … ]` a list of steps."""
    for fragment in re.findall("`([^`]+: [^`]+)`", advice):
        filled = re.sub(r"\bC\b", "3", fragment.replace("[ … ]", "[relu]").replace("…", "3"))
        document = HEAD.partition("input")[0] + filled if filled.startswith("input") else HEAD
        assert not answers(
            tmp_path, f"{document}\ngraph:\n  - {'relu' if filled in document else '{' + filled + '}'}\n"
        ), filled


def test_the_explanations_name_no_op():
    """They speak of ops by their facts alone; `mean` and `scale` are keys of `preprocess`, too."""
    for module in ("schema", "schema_errors", "schema_rules", "step_errors", "foreign_steps", "value_advice"):
        tree = ast.parse((Path(frontend.__file__).parent / f"{module}.py").read_text("utf-8"))
        strings = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert strings & set(OPS) <= {"mean", "scale"}, module
