"""`archc init`: a spec of one's own is the same net as the one that it is begun from, as text that stands by itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from archc.catalog import models
from archc.compiler.driver import check
from archc.compiler.frontend.located_yaml import plain_value
from archc.scaffold.overlay import TextDocument
from archc.scaffold.starter import start_spec, write_spec
from archc.training.recipe.begin import begin_recipe
from archc.training.recipe.find import bundled_recipes
from archc.training.recipe.read import read_recipe

from .begun_specs import nodes, same_net
from .program import Ran, Run, program

NETS = models()
FIRST_OF_FAMILY = {each.family: each.name for each in reversed(NETS)}.values()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return program(capfd)


@pytest.mark.parametrize("origin", FIRST_OF_FAMILY)
def test_a_family(origin: str, tmp_path: Path) -> None:
    same_net(origin, tmp_path)


# members of one family differ in their numbers alone
@pytest.mark.soak
@pytest.mark.parametrize("origin", [each.name for each in NETS if each.name not in FIRST_OF_FAMILY])
def test_every_net(origin: str, tmp_path: Path) -> None:
    same_net(origin, tmp_path)


def test_a_member_with_its_familys_comments(run: Run) -> None:
    ran = run("init", "mine", "--from", "resnet50")
    wrote = "wrote archspec.schema.json\nwrote mine.yaml\nnext: archc check mine.yaml\n"
    assert ran == Ran(0, wrote, "using the bundled resnet50\n")
    text = Path("mine.yaml").read_text("utf-8")
    assert "\n  block: {type: step, default: Bottleneck}\n" in text, "what its comment speaks of is not there"
    assert "\n  depths: [3, 4, 6, 3]                      # blocks a stage\n" in text
    assert "# 1x1 narrows, 3x3 works, 1x1 widens" in text
    assert 'column "50-layer"' in text
    assert re.search(r'^summary: "begun from resnet50: ', text, re.M)
    assert run("check", "mine.yaml").code == 0
    assert "mine" in run("show", "mine.yaml", "--set", "classes=10").out


@pytest.mark.parametrize(
    ("origin", "blocks", "params"),
    [
        ("resnet18", ["Projection", "Basic"], ["classes", "block", "depths"]),
        ("resnet50", ["Projection", "Bottleneck"], ["classes", "block", "depths", "groups", "base_width", "version"]),
        # a param chooses between the two shortcuts
        ("resnet20_cifar_optA", ["ZeroPad", "Projection", "Basic"], ["classes", "n", "shortcut", "last_survival", "last_norm", "conv_bias"]),
        # a family is whole: any of its blocks may be chosen
        ("resnet", ["Projection", "Basic", "Bottleneck"], ["classes", "block", "depths", "groups", "base_width", "version"]),
    ],
)  # fmt: skip
def test_it_holds_what_is_used(origin: str, blocks: list[str], params: list[str]) -> None:
    spec = plain_value(TextDocument(start_spec("mine", origin).text).root)
    assert [*spec["blocks"]] == blocks and [*spec["params"]] == params


MEMBER = """archspec: 1
name: member
params: {width: 8, other: 3}    # a comment

blocks:
  Used: {steps: [conv: $width]}
  # of the one that is not used

  # right above it
  Unused:
    params: {deep: 1}
    steps:
      - {use: Inner, with: {out: $deep}}

  Inner: {params: {out: int}, steps: [conv: $out]}

input: {image: [3, 8, 8]}
graph: [Used, conv: $(width * 2)]
"""


@pytest.mark.parametrize(
    "params", ["{width: 8, other: 3}    # a comment", "\n  width: 8\n  # of other\n  other: 3   # three"]
)
def test_what_is_not_used_goes_with_its_comments(run: Run, params: str) -> None:
    """The rest stays as it is written."""
    text = MEMBER.replace("{width: 8, other: 3}    # a comment", params)
    Path("member.yaml").write_text(text, "utf-8")
    assert run("init", "mine", "--from", "member.yaml").code == 0
    written = Path("mine.yaml").read_text("utf-8")
    assert not any(word in written for word in ("other", "Unused", "Inner", "right above", "three"))
    assert "  Used: {steps: [conv: $width]}\n" in written and "\n\n\n" not in written
    assert nodes(check("mine.yaml")) == nodes(check("member.yaml")) and not check("mine.yaml").diagnostics


def test_an_argument_may_be_called_as_a_text_for_people_is(run: Run) -> None:
    text = MEMBER.replace("other: 3", "other: 3, dead: 4").replace("[Used, ", "[Used, {Call: {source: $other}}, ")
    block = "  Call: {params: {source: int}, steps: [conv: $source]}\n"
    Path("member.yaml").write_text(text.replace("  Inner:", f"{block}  Inner:"), "utf-8")
    assert run("init", "mine", "--from", "member.yaml").code == 0
    assert "params: {width: 8, other: 3} " in Path("mine.yaml").read_text("utf-8")
    assert nodes(check("mine.yaml")) == nodes(check("member.yaml")) and not check("mine.yaml").diagnostics


def test_a_document_without_any_used_block_has_no_section_of_blocks(run: Run) -> None:
    Path("member.yaml").write_text(MEMBER.replace("[Used, ", "["), "utf-8")
    assert run("init", "mine", "--from", "member.yaml").code == 0
    assert "blocks" not in Path("mine.yaml").read_text("utf-8") and not check("mine.yaml").diagnostics


def test_it_builds(run: Run) -> None:
    assert run("init", "mine", "--from", "lenet5_modern").code == 0
    assert run("build", "mine.yaml", "--export", "onnx").code == 0
    assert Path("mine.onnx").stat().st_size > 61706 * 4


def test_a_first_net(run: Run) -> None:
    assert run("init", "first_try").code == 0
    ran = run("check", "first_try.yaml")
    assert ran.code == 0 and "2 expectations proved" in ran.out
    text = Path("first_try.yaml").read_text("utf-8")
    assert "name: first_try\n" in text
    assert 20 <= len(text.splitlines()) <= 40
    assert run("build", "first_try.yaml", "--export", "onnx").code == 0


def test_what_is_imported_lies_beside(run: Run) -> None:
    ran = run("init", "mine", "--from", "alexnet_ensemble", "--format", "json")
    assert json.loads(ran.out) == {
        "name": "mine",
        "from": "alexnet_ensemble",
        "files": ["alexnet_2012.yaml", "archspec.schema.json", "mine.yaml"],
        "next": "archc check mine.yaml",
    }
    assert "import: {AlexNet: alexnet_2012.yaml}" in Path("mine.yaml").read_text("utf-8")
    assert run("check", "mine.yaml", "alexnet_2012.yaml").code == 0
    again = run("init", "other", "--from", "alexnet_ensemble")
    assert again.out.startswith("wrote other.yaml\n"), "the other files are there, and the same"


def schema_of(path: Path) -> Path:
    """The schema that an editor finds for a spec: the yaml-language-server takes the path relative to the file."""
    line = path.read_text("utf-8").splitlines()[0]
    assert line.startswith("# yaml-language-server: $schema=")
    return path.parent / line.partition("$schema=")[2]


def test_editors_find_the_schema_of_every_file(run: Run) -> None:
    from jsonschema import Draft202012Validator

    from archc.compiler.frontend.schema import schema_text

    Path("nets").mkdir()
    ran = run("init", "mine", "--from", "alexnet_ensemble", "-o", "nets", "--format", "json")
    specs = [Path(file) for file in json.loads(ran.out)["files"] if file.endswith(".yaml")]
    assert len(specs) == 2
    for spec in specs:
        schema = json.loads(schema_of(spec).read_text("utf-8"))
        tree = plain_value(TextDocument(spec.read_text("utf-8")).root)
        assert not list(Draft202012Validator(schema).iter_errors(tree))
        assert list(Draft202012Validator(schema).iter_errors({**tree, "grpah": []})), "it can say no"
    assert schema_of(specs[0]).read_text("utf-8") == schema_text()


def test_a_schema_that_is_there_stays(run: Run) -> None:
    Path("archspec.schema.json").write_text("{}", "utf-8")
    assert run("init", "mine").out == "wrote mine.yaml\nnext: archc check mine.yaml\n"
    assert Path("archspec.schema.json").read_text("utf-8") == "{}" and schema_of(Path("mine.yaml")).exists()


def test_one_begun_from_another_has_the_line_once(run: Run) -> None:
    assert run("init", "first").code == 0 and run("init", "second", "--from", "first.yaml").code == 0
    assert Path("second.yaml").read_text("utf-8").count("yaml-language-server") == 1
    assert "yaml-language-server" not in run("init", "third", "--from", "first.yaml", "-o", "-").out


@pytest.mark.parametrize("where, path", [("nets/own.yaml", "nets/own.yaml"), ("nets", "nets/mine.yaml")])
def test_a_place(run: Run, where: str, path: str) -> None:
    Path("nets").mkdir()
    assert run("init", "mine.yaml", "--from", "resnet18", "-o", where).out.splitlines()[:2] == [
        "wrote nets/archspec.schema.json",
        f"wrote {path}",
    ]
    assert check(path).name == "mine"


def test_standard_output_and_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    told = run("init", "mine", "--from", "vgg16", "-o", "-")
    assert not list(Path().iterdir())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(told.out.encode())))
    assert run("init", "second", "--from", "-").code == 0
    assert nodes(check("second.yaml")) == nodes(check("vgg16"))


@pytest.mark.parametrize(
    "arguments, code, word",
    [
        (["mine", "--from", "resnte50"], "no-such-spec", "`resnet50`"),
        (["a b"], "net-name", "letters"),
        (["../up"], "net-name", "letters"),
        (["-"], "net-name", "letters"),
        (["there"], "file-exists", "there.yaml"),
        (["mine", "-o", "no/where.yaml"], "no-such-folder", "no"),
        (["mine", "-o", "no/"], "no-such-folder", "no"),
        (["mine", "--from", "alexnet_ensemble", "-o", "-"], "needs-files", "alexnet_2012.yaml"),
    ],
)
def test_refused(run: Run, arguments: list[str], code: str, word: str) -> None:
    Path("there.yaml").write_text("mine\n", "utf-8")
    ran = run("init", *arguments)
    assert ran.code == 2
    assert f"error[{code}]" in ran.err and word in ran.err
    assert not ran.out
    assert [(p.name, p.read_text("utf-8")) for p in Path().iterdir()] == [("there.yaml", "mine\n")]


@pytest.mark.parametrize("output", ["nets", "nets/", "nets/."])
def test_a_folder_is_a_place(run: Run, output: str) -> None:
    Path("nets").mkdir()
    assert run("init", "mine", "-o", output).code == 0
    assert sorted(path.name for path in Path("nets").iterdir()) == ["archspec.schema.json", "mine.yaml"]


def test_all_or_nothing(run: Run) -> None:
    Path("alexnet_2012.yaml").write_text("another\n", "utf-8")
    assert "error[file-exists]" in run("init", "mine", "--from", "alexnet_ensemble").err
    assert [p.name for p in Path().iterdir()] == ["alexnet_2012.yaml"]


def test_a_wrong_origin_tells_its_faults(run: Run) -> None:
    Path("wrong.yaml").write_text("archspec: 1\nname: wrong\nextends: nothing.yaml\n", "utf-8")
    ran = run("init", "mine", "--from", "wrong.yaml")
    assert ran.code == 1
    assert "error[file-missing]" in ran.err and "wrong.yaml:3" in ran.err


@pytest.mark.parametrize("name", ["true", "null", "1e5", "12", "0x1f"])
def test_a_name_that_yaml_reads_otherwise(name: str, tmp_path: Path) -> None:
    write_spec(start_spec(name, "resnet18"), tmp_path / "net.yaml")
    assert check(str(tmp_path / "net.yaml")).name == name


@pytest.mark.parametrize("name", bundled_recipes())
def test_a_recipe_of_ones_own_says_the_same(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(begin_recipe("mine", name), "utf-8")
    mine, bundled = read_recipe(tmp_path / "mine.yaml"), read_recipe(name)
    assert mine.name == "mine" and not mine.nets
    assert mine.__dict__ | {"origin": "", "name": "", "nets": ()} == bundled.__dict__ | {
        "origin": "",
        "name": "",
        "nets": (),
    }


def test_a_recipe_is_begun(run: Run) -> None:
    begun = run("init", "mine", "--recipe", "digits")
    assert begun.code == 0 and "wrote mine.yaml" in begun.out and "archc check mine.yaml" in begun.out
    schema, text = Path("mine.yaml").read_text("utf-8").split("\n", 1)
    assert schema == "# yaml-language-server: $schema=recipe.schema.json"
    assert Path("recipe.schema.json").read_text("utf-8") == run("schema", "--recipe").out
    assert text.startswith("# begun from zoo:digits\nrecipe: 1\nname: mine\n")
    assert run("check", "mine.yaml").code == 0
    printed = run("init", "mine", "--recipe", "zoo:digits", "-o", "-")
    assert printed.code == 0 and printed.out == text
    assert run("init", "mine", "--recipe", "digits").code == 2
    assert run("init", "other", "--recipe", "digits", "--from", "resnet18").code == 2
    assert run("check", "zoo:digits").code == 0
