"""Specs out of git: `REV:path` as git writes it, with all that the spec names read at the same revision.

Only git's plumbing is asked (rev-parse, ls-tree, ls-files, cat-file), which runs no filters, hooks or pagers. Nothing is checked out, fetched
or written. Paths are walked here, from tree to tree, so that links and `..` keep to the rule of every folder: they do not lead out of it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from .diagnostics import Failure, nearest
from .limits import HIGHEST_BYTES
from .other_files import refuse_other_file
from .sources import BUNDLED, FilesAndZoo, SourceError, SpecText, check_path, missing_error, outside_error, shorten

LINK, SUBMODULE, TREE = "120000", "160000", "040000"
MAX_LINKS = 40  # that lead from one to the next
MAX_LISTED = 2000  # branches and tags that a misspelt revision is compared with
# hooks run with these, and they say where the repository is; all other GIT_* variables change what git prints, or have it run programs
KEPT = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM")  # fmt: skip
FIXED = {"LC_ALL": "C", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
HARMLESS = ("--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=", "-c", "protocol.allow=never")


class RevisionPath(NamedTuple):
    """`REV:path` in its two parts. `revision` is "" or a `:` and a digit for what is staged: git's index, or one side of a merge in it."""

    revision: str
    path: str

    @property
    def stage(self) -> str | None:
        """The stage of the index that is meant; None for a revision."""
        return self.revision[1:] or "0" if self.revision in ("", ":0", ":1", ":2", ":3") else None


class TreeEntry(NamedTuple):
    """What a folder of a revision has under a name: git's mode, and the object."""

    mode: str
    object: str


def parse_revision_path(spec: str) -> RevisionPath | None:
    """The parts of `REV:path`, cut at the first colon outside of braces; None for what is no such thing: a URL, a drive, `zoo:NAME`."""
    windows_path = re.match(r"[A-Za-z]:" + (r"" if os.name == "nt" else r"[\\/]"), spec)
    if spec.startswith(BUNDLED) or windows_path or re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", spec):
        return None
    staged = re.fullmatch(r"(:[0-3])?:(?![:/])(.*)", spec, re.DOTALL)
    if staged:
        return RevisionPath(staged[1] or "", staged[2])
    found = re.fullmatch(r"((?:[^:{]|\{[^}]*\}|\{)+):(.*)", spec, re.DOTALL)
    return RevisionPath(found[1], found[2]) if found else None


class Repository:
    """The git repository that a folder is in. Raises Failure `no-such-revision` where there is none, `git-failed` where git does not run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        code, out, error = self.ask("rev-parse", "--is-shallow-repository", "--show-prefix")
        if code and "not a git repository" in error:
            raise Failure("no-such-revision", "this folder is in no git repository, so there are no revisions",
                          "cd into the repository, or check the name", 2)  # fmt: skip
        if code:
            raise git_failed(error)
        shallow, _, prefix = out.decode("utf-8", "surrogateescape").partition("\n")
        self.is_shallow = shallow == "true"
        self.prefix = prefix.removesuffix(
            "\n"
        )  # the folder's path in the repository, with a slash at its end; "" at the top

    def ask(self, *arguments: str) -> tuple[int, bytes, str]:
        """Runs git: its exit code, its output, at most HIGHEST_BYTES + 1 of it for an object, and its first line of complaint.

        Raises Failure `git-failed` where it is not installed.
        """
        import shutil
        import subprocess

        program = shutil.which("git")
        if program is None:
            raise Failure("git-failed", "git is not installed, so no revision can be read", "install git", 3)
        kept = {key: value for key, value in os.environ.items() if key in KEPT or not key.startswith("GIT_")}
        command = [program, *HARMLESS, *arguments]
        try:
            with subprocess.Popen(command, cwd=self.folder, env={**kept, **FIXED}, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # fmt: skip
                assert process.stdout and process.stderr
                out = process.stdout.read(HIGHEST_BYTES + 1 if arguments[0] == "cat-file" else -1)
                process.stdout.close()  # git ends where there is more
                error = process.stderr.read(10_000).decode("utf-8", "replace")
        except (OSError, ValueError) as problem:
            raise git_failed(getattr(problem, "strerror", None) or str(problem)) from None
        return process.returncode, out, error.partition("\n")[0].removeprefix("fatal: ")

    def find_tree(self, revision: str) -> str:
        """The object of a revision's files. Raises Failure `no-such-revision` where there is none of that name."""
        if not revision.startswith("-"):  # git would take it for an option
            code, out, _ = self.ask("rev-parse", "--verify", "--quiet", f"{revision}^{{tree}}")
            if code == 0:
                return out.decode().strip()
        near = nearest(revision, self.names())
        help = f"did you mean `{near}`?" if near else "`git log` shows the revisions"
        if self.is_shallow:
            help = "this clone is shallow and has the last revisions alone: git fetch --unshallow (actions/checkout: fetch-depth: 0)"
        raise Failure("no-such-revision", f"there is no revision `{shorten(revision)}` in this repository", help, 2)

    def names(self) -> list[str]:
        """The names of branches and tags."""
        _, out, _ = self.ask("for-each-ref", f"--count={MAX_LISTED}", "--format=%(refname:short)")
        return out.decode("utf-8", "replace").split()

    def read_tree(self, tree: str) -> dict[str, TreeEntry]:
        """What a folder has, by name. Raises SourceError where its object cannot be read."""
        code, out, error = self.ask("ls-tree", "-z", "--full-tree", tree)
        if code:
            raise SourceError("file-unreadable", f"git cannot read a folder of the revision: {error}")
        lines = [line.partition("\t") for line in out.decode("utf-8", "surrogateescape").split("\0") if line]
        return {name: TreeEntry(facts.split(" ")[0], facts.split(" ")[2]) for facts, _, name in lines}

    def read_index(self, stage: str) -> dict[str, dict[str, TreeEntry]]:
        """What is staged: for each folder's path what it has by name; subfolders stand there with their paths for objects."""
        code, out, error = self.ask("ls-files", "-z", "--stage", "--full-name", "--", ":/")
        if code:
            raise git_failed(error)
        folders: dict[str, dict[str, TreeEntry]] = {"": {}}
        for line in out.decode("utf-8", "surrogateescape").split("\0"):
            facts, _, path = line.partition("\t")
            if not path or facts.split(" ")[2] != stage:
                continue
            folder, _, name = path.rpartition("/")
            folders.setdefault(folder, {})[name] = TreeEntry(*facts.split(" ")[:2])
            while folder:
                path, (folder, _, name) = folder, folder.rpartition("/")
                folders.setdefault(folder, {}).setdefault(name, TreeEntry(TREE, path))
        return folders

    def read_blob(self, object: str) -> bytes:
        """The bytes of a file; at most HIGHEST_BYTES + 1. Raises SourceError where it cannot be read."""
        code, out, error = self.ask("cat-file", "blob", object)
        if code and len(out) <= HIGHEST_BYTES:
            raise SourceError("file-unreadable", f"git cannot read a file of the revision: {error}")
        return out


def git_failed(error: str) -> Failure:
    return Failure(
        "git-failed", f"git does not read this repository: {error}", "run `git status` there: it says more", 3
    )


class Snapshot:
    """All folders of one revision, or of what is staged, each read when it is asked for. Raises Failure where there is no such revision."""

    def __init__(self, repository: Repository, revision: str) -> None:
        self.repository, self.revision = repository, revision
        stage = RevisionPath(revision, "").stage
        self.index = None if stage is None else repository.read_index(stage)
        self.top = "" if self.index is not None else repository.find_tree(revision)
        self.folders: dict[str, dict[str, TreeEntry]] = {}

    def read_folder(self, object: str) -> Mapping[str, TreeEntry]:
        """What a folder has, by name. Raises SourceError where it cannot be read."""
        if self.index is not None:
            return self.index.get(object, {})
        if object not in self.folders:
            self.folders[object] = self.repository.read_tree(object)
        return self.folders[object]

    def find_folder(self, path: Iterable[str], start: str) -> str:
        """The object of the folder that `path` leads to from the folder `start`. Raises SourceError where there is none."""
        here, parts = start, [*path]
        for part in parts:
            entry = self.read_folder(here).get(part)
            if entry is None or entry.mode != TREE:
                raise SourceError("file-missing", f"`{shorten('/'.join(parts))}` is no folder of that revision")
            here = entry.object
        return here


class GitRevision(FilesAndZoo):
    """The files of a folder in one revision; labels are relative to the folder, and links may not lead out of it.

    `root` is the folder's path in the repository, "" for its top. Raises SourceError where the revision has no such folder.
    """

    def __init__(self, snapshot: Snapshot, root: str = "") -> None:
        self.snapshot, self.root = snapshot, root
        self.root_object = snapshot.find_folder(filter(None, root.split("/")), snapshot.top)

    def locate_own(self, referrer: str, path: str) -> str:
        """The label of a file that the revision has; links are followed first. Raises SourceError."""
        check_path(path)
        return "/".join(self.walk(referrer.split("/")[:-1], path))

    def walk(self, folder: Sequence[str], path: str) -> list[str]:
        """The parts of the label of `path`, from a folder below the root. Raises SourceError where that is no file, or outside."""
        here, objects = list[str](), [self.root_object]
        left = [*folder, *path.split("/")]
        links = 0
        while left:
            part = left.pop(0)
            if part in ("", "."):
                continue
            if part == "..":
                if not here:
                    raise outside_error(path)
                here.pop()
                objects.pop()
                continue
            entry = self.snapshot.read_folder(objects[-1]).get(part)
            if entry is None:
                raise missing_error(path, self.snapshot.read_folder(objects[-1]))
            if entry.mode == SUBMODULE:
                raise SourceError(
                    "file-missing",
                    f"`{shorten(path)}` leads into the submodule `{part}`, which is a repository of its own",
                )
            if entry.mode == LINK:
                links += 1
                target = self.snapshot.repository.read_blob(entry.object).decode("utf-8", "surrogateescape")
                if target.startswith("/"):
                    raise outside_error(path)
                if links > MAX_LINKS:
                    raise SourceError("file-unreadable", f"`{shorten(path)}` is a link in a circle of links")
                left = [*target.split("/"), *left]
                continue
            here.append(part)
            if entry.mode == TREE:
                objects.append(entry.object)
            elif left:
                raise missing_error(path, ())
            else:
                return here
        raise SourceError("file-missing", f"`{shorten(path)}` is a folder, and no file")

    def read_own(self, label: str) -> bytes:
        *parts, name = label.split("/")
        folder = self.snapshot.find_folder(parts, self.root_object)
        return self.snapshot.repository.read_blob(self.snapshot.read_folder(folder)[name].object)

    def name_beside(self, name: str, path: str, label: str) -> str:
        """What messages call the file `label`: as git writes it."""
        if label.startswith(BUNDLED):
            return label
        return f"{self.snapshot.revision}:{self.root}/{label}" if self.root else f"{self.snapshot.revision}:{label}"


def find_revision_spec(asked: RevisionPath, folder: Path) -> SpecText:
    """The text of a spec in a revision; a path that begins with `./` or `../` is relative to `folder`, any other to the repository's top.

    Raises Failure where there is no repository, no such revision, or no such file in it, and for one that is clearly no spec.
    """
    spec = f"{asked.revision}:{asked.path}"
    try:
        repository = Repository(folder)
    except Failure as failure:
        raise Failure(
            failure.code, f"there is no file `{shorten(spec)}`, and {failure.message}", failure.help, failure.exit_code
        ) from None
    files = GitRevision(Snapshot(repository, asked.revision))
    try:
        if asked.path.startswith("/") or not asked.path:
            raise SourceError("path-outside", "")
        start = repository.prefix.split("/") if re.match(r"\.\.?/", asked.path) else []
        *parts, name = files.walk(start, asked.path)
        inside = GitRevision(files.snapshot, "/".join(parts))
        data = inside.read_own(name)
    except SourceError as error:
        raise explain_missing(error, asked, files, folder) from None
    refuse_other_file(spec, data, f"`git show {spec} > old{PurePosixPath(name).suffix}` gives the file")
    return SpecText(inside, name, data, spec)


def explain_missing(error: SourceError, asked: RevisionPath, files: GitRevision, folder: Path) -> Failure:
    """The Failure for a spec that a revision does not have, with what was probably meant."""
    what = f"revision {shorten(asked.revision)}" if asked.revision.strip(":0") else "what is staged"
    if error.code == "path-outside":
        return Failure("no-such-spec", f"`{shorten(asked.path)}` is no path inside the repository", exit_code=2)
    if error.near is None:
        code = "not-a-file" if error.code == "file-missing" else error.code
        return Failure(code, f"{what}: {error.message}", error.help, 2)
    message = f"there is no file `{shorten(asked.path)}` in {what}"
    help = f"did you mean `{error.near}`?" if error.near else ""
    try:
        files.walk(files.snapshot.repository.prefix.split("/"), asked.path)
        help = (
            f"write `{asked.revision}:./{shorten(asked.path)}`: without `./` a path begins at the top of the repository"
        )
    except SourceError:
        if not help and (folder / asked.path).is_file():
            help = f"the file is there, but not in {what}: `git log -- {shorten(asked.path)}` shows the revisions that have it"
    return Failure("no-such-spec", message, help, 2)
