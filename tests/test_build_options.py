"""The options of a build, from Python and from the command line: what is taken, and how each mistake is told."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import archc
from archc.build.options import READERS, BuildOptions
from archc.compiler.backends import BACKENDS, Backend, Export
from archc.compiler.content_names import OutputFile, describe_file
from archc.compiler.diagnostics import Failure
from archc.compiler.spelling import as_flag, as_keyword
from archc.compiler.weights.seeded import SeededSource
from archc.runtime.artifact import open_artifact

from .program import Run, program

SPEC = """archspec: 1
name: tiny
input: {image: [3, 8, 8]}
graph:
  - {name: stem, conv: {out: 4, kernel: 3}}
  - {name: bn, batch_norm}
  - global_avg_pool
  - {name: fc, linear: 5}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(SPEC, "utf-8")
    return program(capsys)


@pytest.fixture
def net(run: Run) -> archc.Net:
    return archc.load("tiny.yaml")


def refusal(call: Callable[..., object], *arguments: Any, **options: Any) -> str:
    """The message and the help of a refusal; nothing was written."""
    with pytest.raises(archc.Failure) as caught:
        call(*arguments, **options)
    assert (caught.value.code, caught.value.exit_code) == ("bad-option", 2)
    assert [path.name for path in Path().iterdir()] == ["tiny.yaml"]
    return f"{caught.value.message}; {caught.value.help}"


FROM_PYTHON: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"opsett": 17}, ("`opsett=`", "`opset=`")),
    ({"Batch": 2}, ("`Batch=`", "`batch=`")),
    ({"frobnicate": 2}, ("`frobnicate=`", "opset, batch, phase")),
    ({"exports": ("torch",)}, ("no option `exports=`",)),
    ({"output": "x.onnx"}, ("no option `output=`",)),
    ({"spelling": as_flag}, ("no option `spelling=`",)),
    ({"opset": "17"}, ("`opset=`", "an integer", "not '17'", "write 17 without the quotes")),
    ({"opset": __import__("numpy").array([18])}, ("`opset=`", "an integer")),
    ({"opset": 17.0}, ("`opset=`", "an integer", "17.0")),
    ({"opset": True}, ("`opset=`", "an integer", "True")),
    ({"batch": 0}, ("`batch=`", "from 1", "`dynamic`", "not 0")),
    ({"batch": -4}, ("`batch=`", "from 1", "not -4")),
    ({"batch": 2**31}, ("`batch=`", "2147483647", "not 2147483648")),
    ({"batch": True}, ("`batch=`", "an integer", "True")),
    ({"batch": "4"}, ("`batch=`", "write 4 without the quotes")),
    ({"batch": "dynamics"}, ("`batch=`", "`dynamic`", "'dynamics'")),
    ({"batch": [1, 2]}, ("`batch=`", "an integer", "[1, 2]")),
    ({"seed": -1}, ("`seed=`", "from 0", "not -1")),
    ({"seed": 2**63}, ("`seed=`", "9223372036854775807")),
    ({"seed": None}, ("`seed=`", "an integer", "None")),
    ({"seed": False}, ("`seed=`", "an integer", "False")),
    ({"phase": "eval"}, ("`phase=`", "`train` or `inference`", "did you mean `inference`?")),
    ({"phase": "training"}, ("`phase=`", "did you mean `train`?")),
    ({"phase": "deploy"}, ("`phase=`", "`train` or `inference`", "'deploy'")),
    ({"phase": "train"}, ("`phase='train'`", "is for torch", "an ONNX file holds the inference graph", "both phases")),
    ({"phase": None}, ("`phase=`", "`train` or `inference`", "None")),
    ({"keep_aux": 1}, ("`keep_aux=`", "True or False", "not 1")),
    ({"fold": "no"}, ("`fold=`", "True or False", "'no'")),
    ({"fold": None}, ("`fold=`", "True or False", "None")),
    ({"precision": "fp8"}, ("`precision=`", "`fp32`", "'fp8'")),
    ({"precision": 32}, ("`precision=`", "`fp32`", "not 32")),
    ({"precision": "half"}, ("`precision=`", "did you mean `fp16`?")),
    ({"store": "half"}, ("`store=`", "`fp32` or `fp16`", "did you mean `fp16`?")),
    ({"io": "fp16"}, ("`io=`", "half floats", "`precision='fp16'`")),
    ({"precision": "fp16", "store": "fp16"}, ("`store=`", "`precision='fp16'`", "as they are computed with")),
    ({"precision": "fp16", "store": "fp32"}, ("`store=`", "float32 arithmetic")),
    ({"input_type": "int8"}, ("`input_type=`", "`float` or `uint8`")),
    ({"max_error": 0.1}, ("`max_error=`", "no plain float32")),
    ({"precision": "fp16", "max_error": 0}, ("`max_error=`", "a share over 0 and up to 1", "not 0")),
    ({"precision": "fp16", "max_error": float("nan")}, ("`max_error=`", "a share over 0 and up to 1", "nan")),
    ({"precision": "fp16", "max_error": "1%"}, ("`max_error=`", "a share over 0 and up to 1", "'1%'")),
    ({"precision": "fp16", "max_error": True}, ("`max_error=`", "a share over 0 and up to 1", "True")),
    ({"proof": "fats"}, ("`proof=`", "did you mean `fast`?")),
    ({"proof": 1}, ("`proof=`", "`fast`, `full` or `none`", "not 1")),
    ({"weights_skip": ["fc"]}, ("`weights_skip=`", "weights=")),
    ({"weights": {}, "weights_skip": "fc"}, ("`weights_skip=`", "a list of steps", "['fc']")),
    ({"weights": {}, "weights_skip": [3]}, ("`weights_skip=`", "a list of steps", "[3]")),
    ({"weights": {}, "weights_skip": None}, ("`weights_skip=`", "a list of steps", "None")),
    ({"weights": 3}, ("`weights=`", "a checkpoint's path", "int")),
    ({"weights": {"fc": 3}}, ("`weights=`", "a mapping of steps", "int")),
    ({"weights": {1: "a.pth"}}, ("`weights=`", "a mapping of steps")),
    ({"weights": b"a.pth"}, ("`weights=`", "a checkpoint's path", "bytes")),
    ({"verify": "no"}, ("`proof=`", "`fast`, `full` or `none`", "'no'")),
    ({"verify": True, "proof": "none"}, ("`verify=`", "old name of `proof=`")),
]


@pytest.mark.filterwarnings("ignore:.verify=:DeprecationWarning")
@pytest.mark.parametrize(
    ("options", "words"), FROM_PYTHON, ids=["-".join(options) + str(i) for i, (options, _) in enumerate(FROM_PYTHON)]
)
def test_what_python_is_told(net: archc.Net, options: dict[str, Any], words: tuple[str, ...]) -> None:
    told = refusal(net.export_onnx, "net.onnx", **options)
    assert all(word in told for word in words), told
    assert "--" not in told, "Python has no flags"


@pytest.mark.parametrize(
    ("options", "word"),
    [({"seed": "3"}, "write 3 without the quotes"), ({"weights": 3}, "`weights=`"), ({"weights_skip": ["fc"]}, "`weights_skip=`")],
)  # fmt: skip
def test_to_torch_checks_its_options(net: archc.Net, options: dict[str, Any], word: str) -> None:
    assert word in refusal(net.to_torch, **options)


FROM_THE_SHELL = [
    (["--seed", "-1"], ("`--seed`", "from 0", "not -1")),
    (["--seed", str(2**63)], ("`--seed`", "9223372036854775807")),
    (["--batch", "0"], ("`--batch`", "from 1", "`dynamic`", "not 0")),
    (["--batch", "-4"], ("`--batch`", "from 1", "not -4")),
    (["--batch", "99999999999"], ("`--batch`", "2147483647")),
    (["--weights-skip", "fc"], ("`--weights-skip`", "--weights")),
    (["--phase", "train"], ("`--phase train`", "is for torch", "an ONNX file holds the inference graph")),
    (["--export", "torch", "--export", "onnx", "--phase", "train"], ("`--phase train`", "is for torch")),
    (["--export", "torch", "--opset", "17"], ("`--opset`", "torch", "no opset")),
    (["--export", "torch", "--batch", "2"], ("`--batch`", "torch", "any number of images")),
    (["--export", "torch", "--precision", "fp16"], ("`--precision`", "torch", "float32", "`.half()`")),
    (["--export", "torch", "--input-type", "uint8"], ("`--input-type`", "torch", "normalises")),
    (["--io", "fp16"], ("`--io`", "`--precision fp16`")),
    (["--precision", "fp16", "--store", "fp16"], ("`--store`", "`--precision fp16`")),
    (["--max-error", "0.1"], ("`--max-error`", "no plain float32")),
    (["--precision", "fp16", "--max-error", "-1"], ("`--max-error`", "a share over 0 and up to 1")),
    (["--input-type", "uint8"], ("`--input-type uint8`", "`preprocess`", "tiny has none")),
]


@pytest.mark.parametrize(("arguments", "words"), FROM_THE_SHELL)
def test_what_the_command_line_is_told(run: Run, arguments: list[str], words: tuple[str, ...]) -> None:
    ran = run("build", "tiny.yaml", *arguments)
    assert ran.code == 2 and ran.err.startswith("error[bad-option]") and not ran.out
    assert all(word in ran.err for word in words), ran.err
    assert "=`" not in ran.err, "a shell has no keywords"
    assert [path.name for path in Path().iterdir()] == ["tiny.yaml"]


@pytest.mark.parametrize(
    "arguments",
    [["--phase", "eval"], ["--export", "tflite"], ["--precision", "fp8"], ["--proof", "slow"], ["--batch", "1_0"]],
)
def test_what_click_parses_it_refuses(run: Run, arguments: list[str]) -> None:
    ran = run("build", "tiny.yaml", *arguments)
    assert ran.code == 2 and ran.err.startswith("error[usage]") and arguments[1] in ran.err


def input_shape(path: str) -> list[int | str]:
    return [d.dim_param or d.dim_value for d in onnx.load(path).graph.input[0].type.tensor_type.shape.dim]


@pytest.mark.parametrize(("batch", "first"), [("dynamic", "N"), (None, "N"), (2, 2), (np.int64(3), 3)])
def test_batch(net: archc.Net, batch: Any, first: int | str) -> None:
    net.export_onnx("net.onnx", batch=batch, proof="none")
    assert input_shape("net.onnx") == [first, 3, 8, 8]


@pytest.mark.parametrize(
    ("proof", "extent"), [("fast", "fast"), (True, "fast"), ("full", "full"), ("none", None), (False, None)]
)
def test_proof(net: archc.Net, proof: str | bool, extent: str | None) -> None:
    parity = net.export_onnx("net.onnx", proof=proof).parity
    assert (parity.extent if parity else None) == extent


@pytest.mark.parametrize(
    ("arguments", "made"), [([], True), (["--proof", "full"], True), (["--proof", "none"], False), (["--no-verify"], False)]
)  # fmt: skip
def test_proof_from_the_shell(run: Run, arguments: list[str], made: bool) -> None:
    ran = run("build", "tiny.yaml", *arguments)
    assert ran.code == 0 and ("parity" in ran.out) == made


@pytest.mark.parametrize("verify", [True, False])
def test_the_old_name_of_the_proof_works_and_warns_once(net: archc.Net, verify: bool) -> None:
    net.export_onnx("net.onnx")  # libraries that it imports set filters, at which Python forgets what it has warned of
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        results = [net.export_onnx("net.onnx", verify=verify) for _ in range(2)]
    assert [(result.parity is not None) for result in results] == [verify, verify]
    (warning,) = [each for each in caught if "archc" in str(each.filename) or each.filename == __file__]
    assert warning.category is DeprecationWarning and "`verify=` is called `proof=` now" in str(warning.message)
    assert warning.filename == __file__, "it points at who wrote the old name"


def test_options_heeded(net: archc.Net) -> None:
    net.export_onnx("net.onnx", opset=18, fold=False, seed=3, proof="none")
    model = onnx.load("net.onnx")
    assert model.opset_import[0].version == 18
    assert [node.op_type for node in model.graph.node].count("BatchNormalization") == 1
    kernel = next(onnx.numpy_helper.to_array(t) for t in model.graph.initializer if t.name == "stem.weight")
    np.testing.assert_array_equal(kernel, net.to_torch(seed=3).state_dict()["stem.weight"].numpy())


def test_an_empty_state_dict_is_no_seed(net: archc.Net) -> None:
    with pytest.raises(archc.Failure) as caught:
        net.export_onnx("net.onnx", weights={})
    assert caught.value.code == "weights-missing"


def test_the_record(run: Run) -> None:
    options = BuildOptions(output=Path("x"), weights={"": Path("a.pth")}, weights_skip=("fc",))
    assert replace(options, seed=1).weights == options.weights, "what was read once reads the same again"
    source = BuildOptions(weights={"fc": SeededSource({})}).weights
    assert (
        source is not None
        and isinstance(source["fc"].state_dicts[0].source, SeededSource)
        and replace(options, weights=source).weights == source
    )
    with pytest.raises(FrozenInstanceError):
        options.seed = 2  # type: ignore[misc]
    assert {each.name for each in fields(BuildOptions)} == READERS.keys() | {"spelling"}, "an option that nobody checks"


@pytest.mark.parametrize(
    ("exports", "words"),
    [("onnx", ("a list of backends", "['onnx']")), ((), ("at least one",)), (("onxn",), ("did you mean `onnx`?",)), (None, ("a list",))],
)  # fmt: skip
def test_exports(run: Run, exports: Any, words: tuple[str, ...]) -> None:
    told = refusal(BuildOptions, exports=exports)
    assert "`exports=`" in told and all(word in told for word in words), told
    assert BuildOptions(exports=("torch", "onnx", "torch")).exports == ("torch", "onnx")


def test_an_option_that_one_export_can_honour(net: archc.Net) -> None:
    from archc.build.build import build

    result = build(net.checked, exports=("torch", "onnx"), opset=17, proof="none")
    assert [each.kind for each in result.artifacts] == ["torch", "weights", "onnx"]
    with pytest.raises(TypeError):
        build(net.checked, BuildOptions(), seed=1)


@pytest.mark.parametrize(
    ("option", "value", "keyword", "flag"),
    [("opset", "", "opset=", "--opset"), ("proof", "none", "proof='none'", "--proof none"), ("weights_skip", "", "weights_skip=", "--weights-skip"),
     ("output", "", "output=", "-o"), ("exports", "torch", "exports='torch'", "--export torch")],
)  # fmt: skip
def test_spellings(option: str, value: str, keyword: str, flag: str) -> None:
    assert (as_keyword(option, value), as_flag(option, value)) == (keyword, flag)


# -- backends ----------------------------------------------------------------------------------------------------------


def write(export: Export) -> list[OutputFile]:
    """A backend of a test: the graph's text."""
    export.path.write_text(f"{export.title}\n{export.graph}", "utf-8")
    return [describe_file(export.path)]


def test_a_backend_is_a_module_and_a_row(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "archc.compiler.backends.text", sys.modules[__name__])
    row = Backend(
        name="text", writes="a text", suffix=".txt", module=".text", graph="built", unsupported={"opset": "it has none"}
    )
    monkeypatch.setitem(BACKENDS, "text", row)
    from archc.build.build import build

    (made,) = build(archc.load("tiny.yaml").checked, exports=("text",)).artifacts
    assert (made.kind, made.path) == ("text", "tiny.txt")
    assert "%fc = linear(" in Path("tiny.txt").read_text("utf-8")
    with pytest.raises(archc.Failure, match="it has none"):
        BuildOptions(exports=("text",), opset=17)


@pytest.mark.parametrize("name", BACKENDS)
def test_every_row_writes(net: archc.Net, name: str) -> None:
    from archc.build.build import build

    row = BACKENDS[name]
    result = build(net.checked, exports=(name,))
    assert result.artifacts[0].kind == name and result.artifacts[0].path == f"tiny{row.suffix}"
    assert len(result.artifacts) == 1 + row.has_data(net.graph)
    assert {each.path for each in result.artifacts[1:]} == set(row.named_data(Path(f"tiny{row.suffix}")))
    assert (result.parity is not None) == row.provable
    assert row.unsupported.keys() <= READERS.keys()


@pytest.mark.parametrize(
    ("export", "output", "made"),
    [("onnx", "a.b", "a.b"), ("onnx", "net", "net"), ("torch", "net", "net.py"), ("torch", "my-net.py", "my_net.py"),
     ("torch", "v1.2.py", "v1_2.py")],
)  # fmt: skip
def test_where_an_export_goes(net: archc.Net, export: str, output: str, made: str) -> None:
    from archc.build.build import build

    assert build(net.checked, exports=(export,), output=output, proof="none").artifacts[0].path == made
    assert Path(made).is_file()


@pytest.mark.parametrize("output", ["x.onnx/", "folder/", "folder/.", "x.onnx/.."])
def test_an_output_that_ends_as_a_folder_does(net: archc.Net, run: Run, output: str) -> None:
    """Python answers as the command line does; a Path has lost its slash, and names a file."""
    from archc.build.build import build

    Path("folder").mkdir()
    calls = (
        lambda: build(net.checked, output=output, proof="none"),
        lambda: net.export_onnx(output, proof="none"),
    )
    messages = set()
    for call in calls:
        with pytest.raises(Failure) as caught:
            call()
        assert (caught.value.code, caught.value.exit_code) == ("output-is-folder", 2)
        messages.add(caught.value.message)
    ran = run("build", "tiny.yaml", "-o", output)
    assert ran.code == 2 and len(messages) == 1 and messages.pop() in ran.err
    assert os.listdir("folder") == [] and not Path("x.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["-o", "tiny.yaml"], "output-is-input"), (["-o", "folder"], "output-is-folder"), (["-o", "/dev/null", "--export", "torch"], "output-is-device"),
     (["-o", "w.safetensors", "--weights", "w.safetensors"], "output-is-input")],
)  # fmt: skip
def test_where_no_export_goes(run: Run, arguments: list[str], code: str) -> None:
    from safetensors.numpy import save_file

    Path("folder").mkdir()
    module = archc.load("tiny.yaml").to_torch()
    save_file({name: tensor.numpy() for name, tensor in module.state_dict().items()}, "w.safetensors")
    before = Path("w.safetensors").read_bytes()
    ran = run("build", "tiny.yaml", *arguments)
    assert ran.code in (2, 3) and f"error[{code}]" in ran.err and "`-o`" in ran.err
    assert Path("w.safetensors").read_bytes() == before and Path("tiny.yaml").read_text("utf-8") == SPEC


# -- what the file says of itself --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["archc.graph", "archc.spec"])
def test_the_graph_of_a_file_under_its_new_and_its_old_name(net: archc.Net, key: str) -> None:
    """Models of archc 0.1 hold their graph as `archc.spec`."""
    net.export_onnx("net.onnx", proof="none")
    model = onnx.load("net.onnx")
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["archc.version"] == archc.__version__ and "archc.spec" not in facts
    facts[key] = facts.pop("archc.graph")
    onnx.helper.set_model_props(model, facts)
    onnx.save(model, "other.onnx")
    assert open_artifact("other.onnx").graph_text == open_artifact("net.onnx").graph_text
    assert "%fc = linear(" in (open_artifact("other.onnx").graph_text or "")


def test_bundled_weights_have_a_name(run: Run) -> None:
    """`zoo:NAME` stands for the weights beside a bundled net, on the command line and in Python."""
    ran = run("build", "lenet5_modern", "--weights", "zoo:lenet5_modern", "--proof", "none", "-o", "a.onnx")
    assert ran.code == 0 and "10 tensors from lenet5_modern.safetensors" in ran.out
    net = archc.load("lenet5_modern")
    net.export_onnx("b.onnx", weights="zoo:lenet5_modern", proof="none")
    assert Path("a.onnx").read_bytes() == Path("b.onnx").read_bytes()
    ran = run("build", "tiny.yaml", "--weights", "zoo:resnet50")
    assert ran.code == 2 and "error[weights-missing-file]: no weights are bundled for `resnet50`" in ran.err
    assert "`zoo:lenet5_modern`" in ran.err and not Path("tiny.onnx").exists()
