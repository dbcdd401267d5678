"""`zoo:NAME` where a spec names another: it reads the bundled spec, from a folder, from memory and from a revision in git."""

from __future__ import annotations

import subprocess

import pytest

import archc
from archc.compiler.diagnostics import SpecError
from archc.compiler.driver import check
from archc.compiler.revisions import GitRevision, Repository, Snapshot
from archc.compiler.sources import Folder, Memory, SourceError, SpecText, find_spec
from archc.scaffold.starter import start_spec

OWN = "archspec: 1\nname: own\nextends: zoo:resnet18\nparams: {classes: 7}\n"
BLOCK = "archspec: 1\nname: own\ninput: {image: [3, 224, 224]}\nimport: {Net: zoo:resnet18}\ngraph: [Net, relu]\n"
REPOSITORY = ["git", "-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main"]


def graph_lines(checked, *told):
    assert [each.code for each in checked.diagnostics] == [*told]
    return [line.partition("  # ")[0] for line in str(checked.graph).splitlines()[1:]]


def test_a_member_of_ones_own_is_the_bundled_net(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN)
    own = check(str(tmp_path / "own.yaml"))
    assert graph_lines(own) == graph_lines(check("resnet18", ["classes=7"]))
    assert [each.label for each in own.sources] == ["own.yaml", "zoo:resnet/resnet18.yaml", "zoo:resnet/resnet.yaml"]
    assert own.header.preprocess and own.document.params["classes"].default.value == 7
    assert archc.load(tmp_path / "own.yaml").name == "own"


def test_a_family_is_completed_and_a_net_is_taken_as_a_block(tmp_path):
    family = "archspec: 1\nname: own\nextends: zoo:resnet\nparams: {block: Basic, depths: [2, 2, 2, 2]}\n"
    (tmp_path / "own.yaml").write_text(family)
    assert graph_lines(check(str(tmp_path / "own.yaml"))) == graph_lines(check("resnet18"))
    (tmp_path / "own.yaml").write_text(BLOCK)
    assert len(graph_lines(check(str(tmp_path / "own.yaml")))) == len(graph_lines(check("resnet18"))) + 1


def test_from_memory_and_from_a_revision(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*REPOSITORY, *command], cwd=tmp_path, check=True)
    expected = graph_lines(check(str(tmp_path / "own.yaml")))
    for files in (Memory({"own.yaml": OWN}), GitRevision(Snapshot(Repository(tmp_path), "HEAD")), Folder(tmp_path)):
        assert graph_lines(check(SpecText(files, "own.yaml", OWN.encode(), "own.yaml"))) == expected


def test_what_a_built_file_keeps_of_its_spec_is_that_spec_again():
    """Also when the zoo has changed since: texts by the labels of bundled specs come before the zoo's own."""
    own = check(SpecText(Memory({"own.yaml": OWN}), "own.yaml", OWN.encode(), "own.yaml"))
    kept = {each.label: each.text for each in own.sources}
    again = lambda texts: check(SpecText(Memory(texts), "own.yaml", OWN.encode(), "own.yaml"))  # noqa: E731
    assert graph_lines(again(kept)) == graph_lines(own)
    kept["zoo:resnet/resnet18.yaml"] = kept["zoo:resnet/resnet18.yaml"].replace("[2, 2, 2, 2]", "[1, 1, 1, 1]")
    assert len(graph_lines(again(kept))) < len(graph_lines(own))


def test_init_writes_it_out(tmp_path):
    (tmp_path / "own.yaml").write_text(OWN)
    begun = start_spec("mine", str(tmp_path / "own.yaml"))
    assert not begun.companions and "zoo:" not in begun.text
    (tmp_path / "mine.yaml").write_text(begun.text)
    # what own.yaml took over silently stands in a spec of one's own now: a known set of labels, and another number of classes
    assert graph_lines(check(str(tmp_path / "mine.yaml")), "label-count") == graph_lines(
        check(str(tmp_path / "own.yaml"))
    )
    (tmp_path / "block.yaml").write_text(BLOCK)
    begun = start_spec("second", str(tmp_path / "block.yaml"))
    assert list(begun.companions) == ["resnet18.yaml"] and "import: {Net: resnet18.yaml}" in begun.text


@pytest.mark.parametrize("path, code", [
    ("zoo:resnet19", "file-missing"), ("zoo:../resnet18", "file-missing"), ("zoo:/etc/passwd", "file-missing"), ("zoo:", "file-missing"),
    ("zoo://resnet18", "file-missing"), ("ZOO:resnet18", "path-outside"), ("zoos:resnet18", "path-outside"),
])  # fmt: skip
def test_it_reads_nothing_but_bundled_specs(tmp_path, path, code):
    for files in (Folder(tmp_path), Memory({})):
        with pytest.raises(SourceError) as error:
            files.locate("own.yaml", path)
        assert error.value.code == code
    (tmp_path / "own.yaml").write_text(f"archspec: 1\nname: own\nextends: '{path}'\n")
    with pytest.raises(SpecError, match=code):
        archc.load(tmp_path / "own.yaml")


def test_what_a_bundled_spec_names_stays_in_the_zoo(tmp_path):
    (tmp_path / "resnet.yaml").write_text("archspec: 1\n")
    files = Folder(tmp_path)
    assert files.locate("zoo:resnet/resnet18.yaml", "resnet.yaml") == "zoo:resnet/resnet.yaml"
    with pytest.raises(SourceError, match="leads outside"):
        files.locate("zoo:resnet/resnet18.yaml", "../../own.yaml")


def test_the_command_line_takes_the_same_name():
    assert find_spec("zoo:resnet18").bundled == "resnet18"
