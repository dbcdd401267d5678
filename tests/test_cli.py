"""The program as users run it: exit codes, what is said where, and what is imported."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import archc
from archc.cli import main

from .program import Ran, Run, program

ROOT = Path(__file__).parent.parent
TINY = """archspec: 1
name: tiny
params: {classes: 10}
input: {image: [3, 32, 32]}
graph:
  - {name: stem, conv: {out: 8, kernel: 3, stride: 2, padding: 1}}
  - relu
  - global_avg_pool
  - {name: fc, linear: $classes}
expect: {params: 314, macs: 55376}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in an empty folder that holds tiny.yaml."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY, "utf-8")
    return program(capsys)


def fresh(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python code in a process of its own."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=120, check=False
    )


def loaded(code: str) -> set[str]:
    done = fresh(f"{code}\nimport sys; print(' '.join(sys.modules))")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_importing_archc_is_light() -> None:
    modules = loaded("import archc, archc.runtime")
    assert not modules & {
        "torch",
        "onnx",
        "numpy",
        "yaml",
        "onnxruntime",
        "click",
        "jsonschema",
        "archc.compiler.driver",
    }


@pytest.mark.parametrize("command", ["check", "cost", "show"])
def test_reading_commands_import_nothing_heavy(command: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY, "utf-8")
    modules = loaded(f"from archc.cli import main\nassert main([{command!r}, {str(tmp_path / 'tiny.yaml')!r}]) == 0")
    assert not modules & {"torch", "onnx", "numpy", "onnxruntime"}


@pytest.mark.parametrize("opset", ["-1", "99", "16"])
def test_an_opset_is_refused_before_what_is_heavy_is_imported(opset: str, tmp_path: Path) -> None:
    (tmp_path / "young.yaml").write_text(TINY.replace("relu", "layer_norm").split("expect")[0], "utf-8")
    line = ["build", str(tmp_path / "young.yaml"), "--opset", opset]
    modules = loaded(f"from archc.cli import main\nassert main({line!r}) == 2")
    assert not modules & {"torch", "onnx", "onnxruntime"}


def test_help_imports_no_command() -> None:
    modules = loaded("from archc.cli import main\nassert main(['--help']) == 0")
    assert "archc.cli.commands" in modules
    assert not modules & {"archc.cli.check", "archc.cli.build", "archc.compiler", "yaml", "jsonschema"}


def test_archc_alone_prints_its_help(run: Run) -> None:
    assert run() == run("--help") and run().code == 0 and run().out.startswith("Usage: archc")


def test_help_names_every_command_and_each_has_an_example(run: Run) -> None:
    from archc.cli.commands import COMMANDS

    top = run("--help")
    assert top.code == 0
    for name in COMMANDS:
        assert name in top.out
        told = run(name, "--help")
        assert told.code == 0
        assert "Example: archc " + name in told.out


def explains(run: Run, ran: Ran) -> None:
    """What stopped a command is explained under the very code that was printed."""
    printed = re.match(r"error\[(.+?)\]: ", ran.err)
    assert printed
    explained = run("explain", printed[1])
    assert explained.code == 0 and explained.out.startswith(f"# {printed[1]}\n")


def test_check_proves(run: Run) -> None:
    assert run("check", "tiny.yaml") == Ran(
        0,
        "  ok  params 314\n  ok  macs 55376\ntiny.yaml: ok, 2 expectations proved\n"
        "  314 params, 55,376 MACs, output logits 10\n",
        "",
    )


def test_check_ends_with_the_facts_of_each_net(run: Run) -> None:
    """The same in text and JSON, for each spec; a spec that is refused and an abstract one have none."""
    Path("maps.yaml").write_text(
        "archspec: 1\nname: maps\ninput: {image: [3, 8, 8]}\nblocks: {Idle: {steps: [relu]}}\n"
        "graph:\n  - {name: c, conv: {out: 4, kernel: 3, padding: 1}}\n  - relu\n", "utf-8"
    )  # fmt: skip
    Path("bad.yaml").write_text(TINY.replace("- relu", "- rleu"), "utf-8")
    Path("family.yaml").write_text(TINY.replace("classes: 10", "classes: int").split("expect")[0], "utf-8")
    ran = run("check", "tiny.yaml", "maps.yaml")
    assert "\n  314 params, 55,376 MACs, output logits 10\n" in ran.out
    last = ran.out.splitlines()[-1]
    assert last.startswith("  112 params, 6,912 MACs, output ") and last.endswith("4×8×8, 1 warning")
    assert "maps.yaml: ok\n" in ran.out
    ran = run("check", "tiny.yaml", "maps.yaml", "bad.yaml", "family.yaml", "--format", "json")
    facts = [each["facts"] for each in json.loads(ran.out)["specs"]]
    assert facts[0] == {"params": 314, "macs": 55376, "output": {"logits": [10]}}
    assert list(facts[1]["output"].values()) == [[4, 8, 8]] and facts[2:] == [None, None]
    assert not any(" MACs" in line for line in run("check", "bad.yaml").out.splitlines())


def test_check_refutes_with_both_numbers(run: Run) -> None:
    Path("tiny.yaml").write_text(TINY.replace("314", "315"), "utf-8")
    ran = run("check", "tiny.yaml")
    assert ran.code == 1
    assert "error[expectation-refuted]" in ran.out
    assert "315" in ran.out and "314" in ran.out
    assert "--> tiny.yaml:10:18" in ran.out
    assert ran.out.endswith("tiny.yaml: 1 error\n")


@pytest.mark.parametrize(
    "bounds, told",
    [
        ("{max: 3.0e2}", "expected params at most 300, found 314"),
        ("{min: 400, max: 500}", "expected params at least 400, at most 500, found 314"),
    ],
)
def test_check_tells_bounds_in_words(run: Run, bounds: str, told: str) -> None:
    Path("tiny.yaml").write_text(TINY.replace("314", bounds), "utf-8")
    assert f"error[expectation-refuted]: {told}\n" in run("check", "tiny.yaml").out


@pytest.mark.parametrize(
    "command", [["cost"], ["show"], ["view", "-o", "tiny.svg"], ["explain", "fc"], ["diff", "tiny.yaml"]]
)
def test_a_net_can_be_looked_at_whatever_it_is_expected_to_cost(run: Run, command: list[str]) -> None:
    """Who is told that it costs too much asks these why."""
    Path("tiny.yaml").write_text(TINY.replace("314", "315"), "utf-8")
    word, *rest = command
    ran = run(word, "tiny.yaml", *rest)
    assert ran.code == 0 and ran.out and "error[expectation-refuted]: expected params 315, found 314" in ran.err
    assert run("build", "tiny.yaml", "--proof", "none").code == 1 and not Path("tiny.onnx").exists()


def test_expectations_do_not_apply_with_set(run: Run) -> None:
    ran = run("check", "tiny.yaml", "--set", "classes=100")
    assert ran.code == 0
    assert "not applicable with --set" in ran.out


def test_check_of_several_formats_agrees(run: Run) -> None:
    Path("bad.yaml").write_text(TINY.replace("- relu", "- rleu"), "utf-8")
    for form in ("text", "json", "sarif", "github"):
        ran = run("check", "tiny.yaml", "bad.yaml", "--format", form)
        assert ran.code == 1
        assert "rleu" in ran.out
    told = json.loads(run("check", "tiny.yaml", "bad.yaml", "--format", "json").out)
    assert [each["ok"] for each in told["specs"]] == [True, False]
    assert told["specs"][1]["diagnostics"][0]["line"] == 7


def test_an_abstract_family_says_what_is_open(run: Run) -> None:
    Path("family.yaml").write_text(TINY.replace("classes: 10", "classes: int").split("expect")[0], "utf-8")
    ran = run("check", "family.yaml")
    assert ran.code == 0
    assert "classes" in ran.out
    assert "note[open-params]" in ran.out and "family.yaml:3:" in ran.out
    refused = run("cost", "family.yaml")
    assert refused.code == 1
    assert "error[open-params]" in refused.err
    assert run("cost", "family.yaml", "--set", "classes=10").code == 0


def test_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TINY.encode()), "utf-8"))
    assert "-: ok, 2 expectations proved\n" in run("check", "-").out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["frobnicate"], "frobnicate"),
        (["deploy", "tiny.yaml"], "deploy"),
        (["chekc", "tiny.yaml"], "`check`"),
        (["check"], "SPEC"),
        (["check", "tiny.yaml", "--frob"], "--frob"),
        (["check", "tiny.yaml", "--format", "xml"], "xml"),
        (["check", "no_such.yaml"], "no_such.yaml"),
        (["check", "tiny.yaml", "--set", "classes=ten"], "classes"),
        (["check", "tiny.yaml", "--set", "clases=1"], "`classes`"),
        (["show", "tiny.yaml", "--after", "no-such-pass"], "no-such-pass"),
        (["build", "tiny.yaml", "--opset", "latest"], "latest"),
        (["build", "tiny.yaml", "--batch", "many"], "many"),
        (["build", "tiny.yaml", "--batch", "-4"], "-4"),
        (["build", "tiny.yaml", "--batch", "0"], "0"),
        (["build", "tiny.yaml", "--seed", "lucky"], "lucky"),
        (["build", "tiny.yaml", "--phase", "deploy"], "deploy"),
        (["build", "tiny.yaml", "--export", "onnx", "--export", "torch", "-o", "x"], "-o"),
        (["run", "tiny.onnx", "x.jpg", "--top", "0"], "--top"),
        (["ops", "covn"], "`conv`"),
        (["explain", "no-such-code"], "no-such-code"),
        (["check", "a\x1b[31m\u202e.yaml"], "\\x1b"),
    ],
)
def test_usage_is_refused_with_2(run: Run, arguments: list[str], word: str) -> None:
    ran = run(*arguments)
    assert ran.code == 2
    assert word in ran.err
    assert not ran.out
    assert sorted(os.listdir()) == ["tiny.yaml"]
    explains(run, ran)


def test_cost(run: Run) -> None:
    told = json.loads(run("cost", "tiny.yaml", "--format", "json").out)
    assert told["params"] == {"total": 314, "without_aux": 314}
    assert told["macs"] == 55376
    assert told["output"] == {"logits": [10]}
    assert told["receptive_field"] == [3, 3]
    assert [each["path"] for each in told["layers"]] == ["stem", "1", "2", "fc"]
    assert told["layers"][0]["source"] == "tiny.yaml:6"
    for by in ("layer", "block", "op"):
        assert "55,296" in run("cost", "tiny.yaml", "--by", by).out
    assert json.loads(run("cost", "tiny.yaml", "--batch", "8", "--format", "json").out)["macs"] == 8 * 55376


def test_show(run: Run) -> None:
    assert "%fc = linear(%2, out=10) : f32[N,10]" in run("show", "tiny.yaml").out
    Path("normed.yaml").write_text(TINY.split("expect")[0].replace("- relu", "- batch_norm\n  - dropout: 0.5"), "utf-8")

    def ops(*arguments: str) -> list[str]:
        told = json.loads(run("show", "normed.yaml", *arguments, "--format", "json").out)
        assert all(f" {node['op']}(" in told["text"] for node in told["nodes"])
        return [node["op"] for node in told["nodes"]]

    folded = ["conv", "global_avg_pool", "linear"]
    normed, written = [*folded[:1], "batch_norm", *folded[1:]], ["conv", "batch_norm", "dropout", *folded[1:]]
    assert ops() == ops("--phase", "train") == written
    assert ops("--after", "erase-training") == ops("--after", "remove-dead") == normed
    assert ops("--after", "fold-batch-norm") == ops("--phase", "inference") == folded


def test_a_bundled_spec_is_said_on_standard_error(run: Run) -> None:
    ran = run("cost", "googlenet", "--format", "json")
    assert ran.code == 0
    assert ran.err == "using the bundled googlenet\n"
    assert json.loads(ran.out)["params"]["total"] == 13004888


def test_a_file_comes_before_the_bundled_net_of_its_name(run: Run) -> None:
    """Then nothing is said; with `zoo:` before it a name is the bundled net's in any case."""
    Path("resnet50").write_text("archspec: 1\nname: mine\ninput: {image: [1, 8, 8]}\ngraph: [conv: 3]\n", "utf-8")
    assert run("check", "resnet50").err == "" and run("check", "zoo:resnet50").err == "using the bundled resnet50\n"
    assert run("compare", "resnet50", "zoo:resnet50").err.splitlines()[:1] == ["using the bundled resnet50"]


def test_lists(run: Run) -> None:
    assert "googlenet" in [each["name"] for each in json.loads(run("list", "--format", "json").out)]
    from archc.compiler.frontend.schema import schema_text

    assert run("schema").out == schema_text()
    page = json.loads(run("explain", "usage", "--format", "json").out)
    assert page["code"] == "usage" and page["page"].startswith("# usage\n")
    assert "conv" in run("ops").out
    assert "groups" in run("ops", "conv").out
    assert all(each["name"] != "path_draw" for each in json.loads(run("ops", "--format", "json").out)["ops"])
    ran = run("doctor", "--format", "json")
    assert ran.code == 0 and json.loads(ran.out)["findings"]


def test_help_tells_choices_and_defaults(run: Run) -> None:
    from archc.compiler.backends.onnx.opsets import OPSET, OPSETS
    from archc.compiler.passes import PIPELINE

    told = " ".join(run("build", "--help").out.split())
    assert f"The ONNX opset, {OPSETS[0]} to {OPSETS[-1]}, honoured or refused. [default: {OPSET}]" in told
    assert "`train`, with dropout and heads, is for torch" in told
    names = ", ".join(each.name for each in PIPELINE)
    assert names in run("show", "--help").out
    assert names in run("show", "tiny.yaml", "--after", "nothing").err


def test_a_bug_is_said_and_leaves_70(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from archc.compiler import driver

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh\x1b[31m")

    monkeypatch.delenv("ARCHC_DEBUG", raising=False)
    monkeypatch.setattr(driver, "check", broken)
    ran = run("check", "tiny.yaml")
    assert ran.code == 70
    assert "archc has a bug" in ran.err and "ZeroDivisionError: oh" in ran.err
    explains(run, ran)
    monkeypatch.setenv("ARCHC_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        main(["check", "tiny.yaml"])


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 3, "error[out-of-memory]: there is not enough memory for this"),
        (OSError(28, "No space left on device", "x"), 3, "error[os-error]: `x`: No space left on device"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_what_the_machine_does(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    from archc import cli

    def broken(_: object) -> int:
        raise error

    monkeypatch.setattr(cli, "run_command", broken)
    monkeypatch.setattr(cli, "leave_pipe", lambda: None)
    monkeypatch.delenv("ARCHC_DEBUG", raising=False)
    assert run("check", "tiny.yaml") == Ran(code, "", said and said + "\n")


def test_ascii_terminals_are_spoken_to() -> None:
    code = "from archc.cli import main\nraise SystemExit(main(['check', 'st\u0435m.yaml']))"
    done = fresh(code, PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert done.stderr.startswith("error[no-such-spec]") and "st\\u0435m.yaml" in done.stderr


def test_the_python_face(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, "utf-8")
    net = archc.load(path, params={"classes": 4})
    assert net.name == "tiny"
    assert net.cost().params.total == 224 + 36
    path.write_text(TINY.replace("- relu", "- rleu"), "utf-8")
    with pytest.raises(archc.SpecError) as caught:
        archc.load(str(path))
    assert caught.value.diagnostics[0].span is not None
    with pytest.raises(archc.Failure):
        archc.load("no_such_spec")


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_one_spec_that_is_not_there_keeps_no_answers_back(form, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("wrong.yaml").write_text("archspec: 1\nname: wrong\ninput: {image: [3, 8, 8]}\ngraph: [{conv: {}}]\n", "utf-8")
    assert main(["check", "lenet5_modern", "wrong.yaml", "nothere.yaml", "--format", form]) == 2
    out, err = capsys.readouterr()
    assert all(each in out for each in ("missing-key", "no-such-spec", "nothere.yaml")) and "Traceback" not in err
    if form in ("json", "sarif"):
        assert json.loads(out)


@pytest.mark.parametrize(
    ("last", "told"),
    [
        ("relu", "4×8×8"),
        ("{relu: , output: map}", "map 4×8×8"),
        ("global_avg_pool", "logits 4×1×1"),
        ("linear: 3", "logits 3"),
    ],
)
def test_a_map_is_not_called_logits(run: Run, last: str, told: str) -> None:
    graph = f"[conv: 4, {'flatten, ' * (last == 'linear: 3')}{last}]"
    Path("map.yaml").write_text(f"archspec: 1\nname: map\ninput: {{image: [3, 8, 8]}}\ngraph: {graph}\n", "utf-8")
    assert f"MACs, output {told}\n" in run("check", "map.yaml").out
    (row,) = [line for line in run("cost", "map.yaml").out.splitlines() if line.lstrip().startswith("output")]
    assert row.split(maxsplit=1)[1] == told
