"""Where texts come from: a folder, the zoo, memory, a git revision; the same rules and limits in each."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from archc.compiler.diagnostics import Failure
from archc.compiler.driver import check
from archc.compiler.limits import HIGHEST_BYTES, Limits
from archc.compiler.revisions import GitRevision, Repository, Snapshot
from archc.compiler.sources import ZOO, Folder, Memory, SourceError, SpecText, find_spec, is_model
from archc.training.recipe.find import find_recipe

FAMILY = "archspec: 1\nname: family\nparams: {width: int}\ninput: {image: [3, 8, 8]}\ngraph: [{conv: {out: $width}}]\n"
MEMBER = "archspec: 1\nname: member\nextends: ../families/family.yaml\nparams: {width: 4}\n"
TEXTS = {"nets/member.yaml": MEMBER, "families/family.yaml": FAMILY, "labels.txt": "ant\nbee\n"}


def write(root: Path) -> None:
    for label, text in TEXTS.items():
        (root / label).parent.mkdir(parents=True, exist_ok=True)
        (root / label).write_text(text, "utf-8")


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@t", *arguments]
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(params=["folder", "memory", "git"])
def files(request, tmp_path):
    """The same three texts in each kind of files; the git revision is older than what lies in its folder."""
    write(tmp_path)
    if request.param == "folder":
        return Folder(tmp_path)
    if request.param == "memory":
        return Memory(TEXTS)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "families/family.yaml").write_text("archspec: 2\n", "utf-8")
    git(tmp_path, "commit", "-qam", "second")
    return GitRevision(Snapshot(Repository(tmp_path), "HEAD~1"))


def test_a_text_is_found_beside_another(files):
    assert files.locate("nets/member.yaml", "../families/family.yaml") == "families/family.yaml"
    assert files.read("families/family.yaml") == FAMILY.encode()


def test_a_spec_compiles_from_any_files(files):
    found = check(SpecText(files, "nets/member.yaml", files.read("nets/member.yaml"), "member.yaml"))
    assert not found.diagnostics and found.graph is not None
    assert [source.label for source in found.sources] == ["nets/member.yaml", "families/family.yaml"]
    assert str(found.graph.outputs[0].value.type) == "f32[N,4,8,8]"


@pytest.mark.parametrize(
    "path, code",
    [("../families/none.yaml", "file-missing"), ("../../outside.yaml", "path-outside"), ("/etc/passwd", "path-outside"),
     ("https://example.org/a.yaml", "path-outside"), ("..\\families\\family.yaml", "path-outside"), ("", "path-outside"),
     ("~/a.yaml", "file-missing"), ("a\nb", "path-outside"), ("C:/a.yaml", "path-outside"), ("..", "file-missing")],
)  # fmt: skip
def test_no_path_leaves_the_root(files, path, code):
    with pytest.raises(SourceError) as caught:
        files.locate("nets/member.yaml", path)
    assert caught.value.code == code


def test_links_do_not_lead_out(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "secret.yaml").write_text("x", "utf-8")
    (tmp_path / "root/link.yaml").symlink_to("../secret.yaml")
    with pytest.raises(SourceError, match="outside"):
        Folder(tmp_path / "root").locate("spec.yaml", "link.yaml")


def test_a_revision_that_is_not_there_is_told(tmp_path):
    git(tmp_path, "init", "-q")
    with pytest.raises(Failure, match="no revision `v9`"):
        Snapshot(Repository(tmp_path), "v9")


def test_the_zoo_is_a_folder_of_its_own():
    text = find_spec("resnet18")
    assert (text.label, text.bundled) == ("resnet/resnet18.yaml", "resnet18")
    assert find_spec(str(ZOO / "resnet" / "resnet18.yaml")).label == text.label
    assert text.files.locate(text.label, "resnet.yaml") == "resnet/resnet.yaml"


def labelled(tmp_path: Path, labels: str, classes: int, extra: str = "") -> Path:
    spec = tmp_path / "net.yaml"
    spec.write_text(
        f"archspec: 1\nname: net\nlabels: {labels}\n{extra}input: {{image: [3, 8, 8]}}\n"
        f"graph: [global_avg_pool, {{linear: {classes}}}]\n", "utf-8"
    )  # fmt: skip
    return spec


def test_a_file_of_labels_is_whole_or_refused(tmp_path):
    """It was cut at 1 MiB without a word, and the last name with it."""
    (tmp_path / "names.txt").write_text("\n".join(f"class {i:08}" for i in range(3)) + "\n\n", "utf-8")
    found = check(str(labelled(tmp_path, "names.txt", 3)))
    assert found.labels == ("class 00000000", "class 00000001", "class 00000002") and not found.diagnostics
    line = "x" * 63 + "\n"
    (tmp_path / "names.txt").write_text(line * (Limits().bytes // 64), "utf-8")
    assert check(str(labelled(tmp_path, "names.txt", Limits().bytes // 64))).labels == ("x" * 63,) * (
        Limits().bytes // 64
    )
    (tmp_path / "names.txt").write_text(line * (Limits().bytes // 64) + "y\n", "utf-8")
    found = check(str(labelled(tmp_path, "names.txt", Limits().bytes // 64 + 1)))
    assert [d.code for d in found.diagnostics] == ["file-too-large"] and found.labels is None
    assert found.diagnostics[0].span.line == 3


@pytest.mark.parametrize(
    "data, labels, code",
    [(b"\xef\xbb\xbfant\r\nbee\r\n", ("ant", "bee"), None), ("a\u2028b\nc".encode(), ("a\u2028b", "c"), None), (b"caf\xe9\nbee\n", None, "not-utf8")],
    ids=["a mark of Windows", "a separator inside a name", "latin-1"],
)  # fmt: skip
def test_labels_are_utf8_lines(tmp_path, data, labels, code):
    (tmp_path / "names.txt").write_bytes(data)
    found = check(str(labelled(tmp_path, "names.txt", 2)))
    assert found.labels == labels and [d.code for d in found.diagnostics] == ([code] if code else [])


def test_inherited_labels_lie_beside_the_text_that_names_them(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "names.txt").write_text("ant\nbee\n", "utf-8")
    labelled(tmp_path / "base", "names.txt", 2)
    own = tmp_path / "own.yaml"
    own.write_text("archspec: 1\nname: own\nextends: base/net.yaml\n", "utf-8")
    found = check(str(own))
    assert found.labels == ("ant", "bee") and not found.diagnostics


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_no_handle_is_left_open(tmp_path, recwarn):
    import gc

    (tmp_path / "names.txt").write_text("ant\nbee\n", "utf-8")
    check(str(labelled(tmp_path, "names.txt", 2)))
    gc.collect()
    assert not [w for w in recwarn if issubclass(w.category, ResourceWarning)]


def test_memory_holds_what_a_model_stores(tmp_path):
    """The sources in a built model's metadata compile to the same graph."""
    write(tmp_path)
    found = check(str(tmp_path / "nets" / "member.yaml"))  # the family lies outside this spec's folder
    assert [d.code for d in found.diagnostics] == ["path-outside"]
    whole = check(SpecText(Folder(tmp_path), "nets/member.yaml", MEMBER.encode(), "member.yaml"))
    stored = json.loads(json.dumps({source.label: source.text for source in whole.sources}))
    again = check(SpecText(Memory(stored), "nets/member.yaml", stored["nets/member.yaml"].encode(), "member.yaml"))
    assert again.graph == whole.graph


@pytest.mark.parametrize(
    ("asked", "said"),
    [("tinny.yaml", "`tiny.yaml`"), ("tiny", "`tiny.yaml`"), ("resnte50", "bundled `resnet50`"), ("zzz", "archc list")],
)
def test_a_misspelt_spec_is_answered_by_the_file_beside_it(asked, said, tmp_path, monkeypatch):
    (tmp_path / "tiny.yaml").write_text(FAMILY, "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failure) as error:
        find_spec(asked)
    assert error.value.code == "no-such-spec" and said in error.value.help


@pytest.mark.parametrize(
    ("asked", "message", "help"),
    [
        ("nets/*.yaml", "no file matches the pattern `nets/*.yaml`", "there is no folder `nets` in `{cwd}`"),
        ("specs/*.yml", "no file matches the pattern `specs/*.yml`", "the folder `specs` holds `a.yaml`, `empty`"),
        (
            "[xy].yaml",
            "no file matches the pattern `[xy].yaml`",
            "the current folder, `{cwd}`, holds `many`, `specs`",
        ),
        ("specs/*.yaml", "`specs/*.yaml` is a pattern, and here the name of one file", "it matches `specs/a.yaml`"),
        # what a shell hides is no help, and what is named is the first by name
        (
            "many/*.yml",
            "no file matches the pattern `many/*.yml`",
            "the folder `many` holds `a.yaml`, `b.yaml`, `c.yaml`, `d.yaml`, `e.yaml`, …",
        ),
        ("specs/empty/a?", "no file matches the pattern `specs/empty/a?`", "the folder `specs/empty` is empty"),
    ],
)
@pytest.mark.parametrize("find", [find_spec, find_recipe])
def test_a_pattern_that_stands_for_no_file_is_told_as_one(find, asked, message, help, tmp_path, monkeypatch):
    (tmp_path / "specs/empty").mkdir(parents=True)
    (tmp_path / "specs/a.yaml").write_text(FAMILY, "utf-8")
    (tmp_path / "many/.git").mkdir(parents=True)
    for name in "zyxwedcba":
        (tmp_path / f"many/{name}.yaml").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Failure) as error:
        find(asked)
    assert message in error.value.message and error.value.exit_code == 2
    assert help.format(cwd=tmp_path) in error.value.help


def test_an_empty_name_is_called_empty():
    found = check(SpecText(Memory({}), "a.yaml", FAMILY.replace("family", '""', 1).encode(), "a.yaml"))
    assert [(d.code, d.message) for d in found.diagnostics] == [("empty", "`name` is empty")]


def test_a_model_of_any_size_is_told_as_one(tmp_path):
    large = tmp_path / "large.bin"
    large.write_bytes(b"\x08\x0a" + bytes(HIGHEST_BYTES))
    for name in (large, tmp_path / "text.onnx"):
        name.touch()
        with pytest.raises(Failure, match="is a built model") as error:
            find_spec(str(name))
        assert error.value.code == "not-a-spec" and is_model(str(name))
    assert is_model("gone.ONNX") and not is_model("v1:gone.onnx") and not is_model("-") and not is_model(str(ZOO))
