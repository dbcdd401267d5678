"""Specs out of git: `REV:path` as git writes it, with the bases of that revision, wherever one stands, and nothing run by it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from archc.compiler.revisions import RevisionPath, parse_revision_path

from .program import Run, program

FAMILY = "archspec: 1\nname: family\nparams: {width: 8}\ninput: {image: [3, 8, 8]}\nlabels: names.txt\ngraph: [{name: first, conv: {out: $width}}, global_avg_pool, {linear: 2}]\n"
MEMBER = "archspec: 1\nname: member\nextends: families/family.yaml\nimport: [blocks.yaml]\n"
BLOCKS = "archspec: 1\nname: blocks\nblocks:\n  Unit: {steps: [relu]}\n"


def git(folder: Path, *arguments: str) -> None:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@e", "-c", "protocol.file.allow=always", *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def write(root: Path, **files: str) -> None:
    """Writes files by their paths; `__` stands for a slash, `_` before `yaml` and `txt` for a dot."""
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_yaml", ".yaml").replace("_txt", ".txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of two commits: the base, the labels and the blocks change in the second, the member itself does not."""
    root = tmp_path_factory.mktemp("repository")
    git(root, "init", "-q", "-b", "main")
    write(
        root,
        nets__member_yaml=MEMBER,
        nets__families__family_yaml=FAMILY,
        nets__blocks_yaml=BLOCKS,
        nets__families__names_txt="ant\nbee\n",
    )
    write(root, own_yaml=FAMILY.replace("labels: names.txt\n", ""), with__spaces_yaml="no spec")
    (root / "nets" / "my net.yaml").write_text(MEMBER, "utf-8")
    (root / "nets" / "é&$(touch x);.yaml").write_text(MEMBER, "utf-8")
    (root / "nets" / "link.yaml").symlink_to("member.yaml")
    (root / "nets" / "linked").symlink_to("families")
    (root / "nets" / "circle.yaml").symlink_to("circle.yaml")
    (root / "nets" / "outside.yaml").symlink_to("../../secret.yaml")
    (root / "nets" / "absolute.yaml").symlink_to("/etc/passwd")
    (root / "by_link.yaml").write_text(
        MEMBER.replace("families/", "nets/linked/").replace("blocks", "nets/blocks"), "utf-8"
    )
    (root / "binary.yaml").write_bytes(bytes(range(256)))
    (root / "model.onnx").write_bytes(b"\x08\x09\x12\x05archc")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    git(root, "tag", "v1")
    write(
        root,
        nets__families__family_yaml=FAMILY.replace("width: 8", "width: 16"),
        nets__families__names_txt="cat\ndog\n",
    )
    write(root, nets__blocks_yaml=BLOCKS.replace("relu", "gelu"), nets__late_yaml=MEMBER)
    git(root, "commit", "-qam", "second")
    write(root, nets__families__family_yaml=FAMILY.replace("width: 8", "width: 32"))
    git(root, "add", "nets/families/family.yaml")
    write(root, nets__families__family_yaml=FAMILY.replace("width: 8", "width: 64"))
    return root


@pytest.fixture
def run(made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(made)
    for name in [key for key in os.environ if key.startswith("GIT_")]:
        monkeypatch.delenv(name)
    return program(capsys)


class Pair(NamedTuple):
    """Two sides from a folder of the repository, and the widths that they have."""

    folder: str
    a: str
    b: str
    widths: tuple[int, int]


PAIRS = [
    Pair(".", "HEAD~1:nets/member.yaml", "nets/member.yaml", (8, 64)),
    Pair(".", "HEAD~1:nets/member.yaml", "HEAD:nets/member.yaml", (8, 16)),
    Pair(".", "v1:nets/member.yaml", "@:nets/member.yaml", (8, 16)),
    Pair(".", "main^{/first}:nets/member.yaml", "main@{0}:nets/member.yaml", (8, 16)),
    Pair(".", ":nets/member.yaml", "HEAD:nets/member.yaml", (32, 16)),
    Pair(".", ":0:nets/member.yaml", "nets/member.yaml", (32, 64)),
    Pair("nets", "HEAD:nets/member.yaml", "HEAD~1:./member.yaml", (16, 8)),
    Pair("nets/families", "HEAD:../member.yaml", "v1:./../link.yaml", (16, 8)),
    Pair("nets", ":./member.yaml", "member.yaml", (32, 64)),
    Pair(".", "v1:nets/my net.yaml", "HEAD:nets/é&$(touch x);.yaml", (8, 16)),
    Pair(".", "v1:nets/link.yaml", ":nets/link.yaml", (8, 32)),
    Pair(".", "v1:by_link.yaml", "HEAD:by_link.yaml", (8, 16)),
    Pair(".", "v1:own.yaml", "nets/member.yaml", (8, 64)),
    Pair(".", "HEAD^{tree}:nets/member.yaml", "v1^0:nets/member.yaml", (16, 8)),
]  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.a} {pair.b}".encode("ascii", "replace").decode())
def test_bases_are_read_at_the_revision(run: Run, made: Path, monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
    monkeypatch.chdir(made / pair.folder)
    ran = run("diff", pair.a, pair.b)
    assert ran.code == 0, ran.err
    assert f"~ first  out {pair.widths[0]} → {pair.widths[1]}" in ran.out and not (made / "x").exists()


def test_every_command_reads_a_revision(run: Run) -> None:
    assert "MACs" in run("cost", "v1:nets/member.yaml").out
    assert "member.yaml: ok" in run("check", "v1:nets/member.yaml").out
    assert "labels  2 items" not in run("diff", "v1:nets/member.yaml", "v1:nets/link.yaml").out
    assert "~ labels  [ant, bee] → [cat, dog]" in run("diff", "v1:nets/member.yaml", "HEAD:nets/member.yaml").out


REFUSED = [
    (".", "v9:nets/member.yaml", 2, "no-such-revision", "no revision `v9`"),
    (".", "mian:nets/member.yaml", 2, "no-such-revision", "did you mean `main`?"),
    (".", "v1:nets/late.yaml", 2, "no-such-spec", "there is no file `nets/late.yaml` in revision v1"),
    (".", "v1:nets/membre.yaml", 2, "no-such-spec", "did you mean `member.yaml`?"),
    ("nets", "v1:member.yaml", 2, "no-such-spec", "write `v1:./member.yaml`"),
    (".", "v1:nets", 2, "not-a-file", "is a folder"),
    (".", "v1:", 2, "no-such-spec", "no path"),
    (".", "v1:/etc/passwd", 2, "no-such-spec", "no path"),
    (".", "v1:../secret.yaml", 2, "no-such-spec", "no path inside"),
    (".", "v1:nets/outside.yaml", 2, "no-such-spec", "no path inside"),
    (".", "v1:nets/absolute.yaml", 2, "no-such-spec", "no path inside"),
    (".", "v1:nets/circle.yaml", 2, "file-unreadable", "circle of links"),
    (".", "v1:nets/member.yaml/x", 2, "no-such-spec", "no file"),
    (".", ":nets/none.yaml", 2, "no-such-spec", "in what is staged"),
    (".", ":1:nets/member.yaml", 2, "no-such-spec", "no file"),
    (".", "v1:binary.yaml", 1, "not-utf8", "binary.yaml"),
    (".", "v1:model.onnx", 1, "not-a-spec", "git show v1:model.onnx > old.onnx"),
    (".", "--help:x", 2, "no-such-revision", "no revision"),
    (".", "v1..main:nets/member.yaml", 2, "no-such-revision", "no revision"),
    (".", "$(touch x):nets/member.yaml", 2, "no-such-revision", "no revision"),
    (".", "https://example.org/a.yaml", 2, "no-such-spec", "no file"),
    (".", "C:\\nets\\a.yaml", 2, "no-such-spec", "no file"),
    (".", "zoo:resnet5O", 2, "no-such-spec", "resnet50"),
]  # fmt: skip


@pytest.mark.parametrize("folder, spec, code, name, told", REFUSED, ids=lambda value: str(value)[:30])
def test_what_is_not_there(
    run: Run, made: Path, monkeypatch: pytest.MonkeyPatch, folder: str, spec: str, code: int, name: str, told: str
) -> None:
    monkeypatch.chdir(made / folder)
    ran = run("diff", "own.yaml" if folder == "." else "member.yaml", "--", spec)
    assert ran.code == code and told in ran.err and f"error[{name}]" in ran.err, ran.err
    assert not ran.out and ran.err.count("error[") == 1 and not (made / "x").exists()


def test_a_file_with_a_colon_in_its_name_wins(
    run: Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "v1:net.yaml").write_text(FAMILY.replace("labels: names.txt\n", ""), "utf-8")
    assert run("check", "v1:net.yaml").code == 0
    ran = run("check", "v2:net.yaml")
    assert ran.code == 2 and "no git repository" in ran.err and "`v2:net.yaml`" in ran.err


def test_a_mistake_in_a_base_is_placed_in_its_revision(
    run: Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "-q")
    write(
        tmp_path,
        nets__member_yaml=MEMBER.replace("import: [blocks.yaml]\n", ""),
        nets__families__family_yaml=FAMILY.replace("conv", "covn"),
    )
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "one")
    assert (
        " --> HEAD:nets/families/family.yaml:6:"
        in run("check", "HEAD:nets/member.yaml").err + run("check", "HEAD:nets/member.yaml").out
    )
    git(tmp_path, "rm", "-q", "nets/families/family.yaml")
    git(tmp_path, "commit", "-qm", "two")
    write(tmp_path, nets__families__family_yaml=FAMILY)
    ran = run("check", "HEAD:nets/member.yaml")
    assert ran.code == 1 and "file-missing" in ran.out, "a base is never taken from the folder"


def test_other_kinds_of_repositories(run: Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(made), "bare.git")
    monkeypatch.chdir(tmp_path / "bare.git")
    assert "first  out 8 → 16" in run("diff", "v1:nets/member.yaml", "HEAD:nets/member.yaml").out
    assert "first  out 8 → 16" in run("diff", "v1:./nets/member.yaml", "HEAD:nets/member.yaml").out
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{made}", "shallow")
    monkeypatch.chdir(tmp_path / "shallow")
    ran = run("diff", "HEAD~1:nets/member.yaml", "nets/member.yaml")
    assert ran.code == 2 and "fetch-depth: 0" in ran.err
    git(made, "worktree", "add", "-q", str(tmp_path / "tree"), "v1")
    monkeypatch.chdir(tmp_path / "tree" / "nets")
    assert "first  out 16 → 8" in run("diff", "main:./member.yaml", "member.yaml").out
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "submodule", "--quiet", "add", str(made), "sub")
    git(outer, "commit", "-qm", "one")
    monkeypatch.chdir(outer)
    ran = run("diff", "HEAD:sub/nets/member.yaml", "sub/nets/member.yaml")
    assert ran.code == 2 and "submodule" in ran.err
    monkeypatch.chdir(outer / "sub")
    assert "first  out 8 → 16" in run("diff", "v1:nets/member.yaml", "nets/member.yaml").out


def test_nothing_of_the_repository_is_run(
    run: Run, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filters, text conversions, monitors, pagers and the environment's own programs."""
    git(tmp_path, "clone", "-q", str(made), "clone")
    clone = tmp_path / "clone"
    (clone / ".gitattributes").write_text("*.yaml filter=evil diff=evil\n", "utf-8")
    touch = f"touch {tmp_path}/ran"
    for key in (
        "filter.evil.smudge",
        "filter.evil.clean",
        "diff.evil.textconv",
        "diff.external",
        "core.fsmonitor",
        "core.pager",
    ):
        git(clone, "-c", "core.fsmonitor=false", "config", key, touch)
    git(clone, "config", "core.hooksPath", str(tmp_path / "hooks"))
    monkeypatch.chdir(clone)
    for key in ("GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_SSH_COMMAND", "GIT_EDITOR"):
        monkeypatch.setenv(key, touch)
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "ran"))
    for spec in ("v1:nets/member.yaml", ":nets/member.yaml"):
        assert run("cost", spec).code == 0
    assert not (tmp_path / "ran").exists()


def test_git_is_not_there_or_refuses(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    git(broken, "init", "-q")
    (broken / ".git" / "config").write_text("[core\n", "utf-8")
    monkeypatch.chdir(broken)
    ran = run("diff", "HEAD:a.yaml", "HEAD:b.yaml")
    assert ran.code == 3 and "error[git-failed]" in ran.err and "bad config" in ran.err
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = run("diff", "HEAD:a.yaml", "HEAD:b.yaml", "--format", "json")
    assert ran.code == 3 and "git is not installed" in ran.err and "git-failed" in ran.out


@pytest.mark.parametrize(
    "spec, parts",
    [("HEAD:a", ("HEAD", "a")), ("HEAD@{1 day ago: 12:00}:a:b", ("HEAD@{1 day ago: 12:00}", "a:b")), (":a", ("", "a")), (":2:a", (":2", "a")),
     ("a", None), ("zoo:a", None), ("C:\\a", None), ("C:/a", None), ("s3://b/c", None), (":/text", None), ("::a", None), ("a:", ("a", "")),
     ("{:a", ("{", "a")), ("HEAD^{/fix: it}:./a", ("HEAD^{/fix: it}", "./a"))],
)  # fmt: skip
def test_where_a_revision_ends(spec: str, parts: tuple[str, str] | None) -> None:
    assert parse_revision_path(spec) == (None if parts is None else RevisionPath(*parts))
