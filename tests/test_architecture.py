"""Who may import whom, where the heavy libraries live, and that the package's map fits the tree.

The rules are docs/architecture.md's. Imports are read from the syntax, late ones included, so nothing here is imported.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {"archc.compiler": ROOT / "compiler", "archc.runtime": ROOT / "runtime", "archc": ROOT / "archc"}

# each room and the rooms that it may know; longest prefix wins
MAY_KNOW = {
    "archc.compiler.diagnostics": (),
    "archc.compiler.files": ("archc.compiler.diagnostics",),
    "archc.compiler.sources": ("archc.compiler.diagnostics",),
    "archc.compiler.ir": ("archc.compiler.diagnostics", "archc.compiler.ir"),
    "archc.compiler.ops": ("archc.compiler.diagnostics", "archc.compiler.ir", "archc.compiler.ops"),
    "archc.runtime": ("archc.runtime",),
    "archc.compiler.driver": ("archc.compiler",),
    "archc": ("archc",),
}
STAGES = ("frontend", "passes", "analysis", "backends", "weights")
BELOW = (
    "archc.compiler.diagnostics",
    "archc.compiler.sources",
    "archc.compiler.files",
    "archc.compiler.ir",
    "archc.compiler.ops",
)
MAY_KNOW |= {f"archc.compiler.{stage}": (*BELOW, f"archc.compiler.{stage}") for stage in STAGES}
# a backend reads weights by their protocol; and verify asks an op, by its contract, what it makes of its inputs
PROTOCOLS = {"archc.compiler.weights.source", "archc.compiler.ops.op"}
# the one way across: a module in eval mode is its training graph less the heads, and the pass knows what that leaves dead
ACROSS = {("archc.compiler.backends.torch.module", "archc.compiler.passes")}

HEAVY = {
    "torch": ("compiler/backends/torch/", "archc/build/proof.py"),
    "onnx": ("compiler/backends/onnx/", "archc/build/proof.py"),
    "onnxruntime": ("runtime/",),
    "yaml": ("compiler/frontend/located_yaml.py",),
    "jsonschema": ("compiler/frontend/schema.py",),
    "click": ("archc/cli/",),
    "compiler": (),
    "runtime": (),
}


def sources() -> Iterator[tuple[str, Path]]:
    """Every module of ours by its name."""
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            inside = path.relative_to(folder)
            if package == "archc" and inside.parts[0] in ("compiler", "runtime", "archspecs"):
                continue  # the links
            parts = inside.with_suffix("").parts
            yield ".".join((package, *parts[: -1 if parts[-1] == "__init__" else None])), path


MODULES = dict(sources())


def typing_only(tree: ast.AST) -> set[ast.AST]:
    """The statements under `if TYPE_CHECKING`: names for the reader, which no program imports."""
    tests = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {inner for test in tests for statement in test.body for inner in ast.walk(statement)}


def imports(module: str, path: Path) -> Iterator[tuple[str, int]]:
    """What a module imports, absolute, with the line."""
    tree = ast.parse(path.read_text("utf-8"))
    skipped = typing_only(tree)
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield (whole if whole in MODULES else base), node.lineno


def allowed(module: str) -> tuple[str, ...]:
    room = max((r for r in MAY_KNOW if module == r or module.startswith(r + ".")), key=len)
    return MAY_KNOW[room]


@pytest.mark.parametrize("module", MODULES)
def test_direction(module: str) -> None:
    wrong = [
        f"{MODULES[module].relative_to(ROOT)}:{line} imports {target}"
        for target, line in imports(module, MODULES[module])
        if target.split(".")[0] == "archc"
        and target not in PROTOCOLS
        and (module, target) not in ACROSS
        and not any(target == room or target.startswith(room + ".") for room in allowed(module))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", MODULES)
def test_heavy_imports_stay_in_their_places(module: str) -> None:
    where = MODULES[module].relative_to(ROOT).as_posix()
    wrong = [
        f"{where}:{line} imports {target}"
        for target, line in imports(module, MODULES[module])
        if (library := target.split(".")[0]) in HEAVY and not where.startswith(HEAVY[library] or ("-",))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", [m for m in MODULES if m != "archc.__main__"])
def test_imports_inside_are_relative(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    absolute = [
        n.lineno
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom) and not n.level and (n.module or "").split(".")[0] == "archc"
    ]
    assert not absolute


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_every_package_is_mapped() -> None:
    setup = project()["tool"]["setuptools"]
    assert set(setup["packages"]) == set(setup["package-dir"])
    found = {name if path.name == "__init__.py" else name.rpartition(".")[0] for name, path in MODULES.items()}
    assert found <= set(setup["packages"]), "a package is missing in pyproject.toml"
    for package, folder in setup["package-dir"].items():
        assert (ROOT / folder).is_dir(), f"{package} = {folder} is not there"
    assert set(setup["packages"]) - found == {"archc.archspecs", "archc.docs"}, "these hold data alone"


def test_no_package_is_ignored() -> None:
    """`build/` in .gitignore, meant for setuptools, hides archc/build from git, and from ruff, too."""
    lines = (ROOT / ".gitignore").read_text("utf-8").split()
    anywhere = {line.strip("/") for line in lines if not line.startswith("/")}
    assert anywhere.isdisjoint(
        part for folder in project()["tool"]["setuptools"]["package-dir"].values() for part in folder.split("/")
    )


def test_one_version() -> None:
    init = (ROOT / "archc" / "__init__.py").read_text("utf-8")
    stated = re.search(r'^__version__ = "(.+)"$', init, re.M)
    assert stated
    assert stated[1] == project()["project"]["version"]
    assert f"## {stated[1]}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_links_point_at_the_folders() -> None:
    for name in ("compiler", "runtime", "archspecs"):
        link = ROOT / "archc" / name
        if link.is_symlink():  # an sdist or a checkout without links has none, and needs none
            assert link.readlink().as_posix() == f"../{name}"


CODE = re.compile(r"[a-z]+\d*(-[a-z0-9]+)*")
PRINTED = re.compile(r"\b(?:error|warning)\[([a-z0-9-]+)\]")
TREES = [ast.parse(path.read_text("utf-8")) for path in MODULES.values()]


def takers() -> dict[str, set[int]]:
    """Each function and class that takes a `code`, by name, with where among its arguments the code stands."""
    found: dict[str, set[int]] = {}
    for node in (n for tree in TREES for n in ast.walk(tree)):
        if isinstance(node, ast.ClassDef):
            made = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
            names = [a.arg for n in made for a in n.args.args] or [
                str(n.target.id) for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
            ]
        elif isinstance(node, ast.FunctionDef):
            names = [a.arg for a in node.args.args]
        else:
            continue
        names = [n for n in names if n != "self"]
        if "code" in names:
            found.setdefault(node.name, set()).add(names.index("code"))
    return found


def codes() -> set[str]:
    """Every code that can be printed: given literally where a `code` is taken, or within a text as `error[code]`."""
    found, places = set(), takers()
    for node in (n for tree in TREES for n in ast.walk(tree)):
        given: list[ast.expr] = []
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            given = [k.value for k in node.keywords if k.arg == "code"]
            given += [a for at, a in enumerate(node.args) if at in places.get(name, ())]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= set(PRINTED.findall(node.value))
        words = [n.value for each in given for n in ast.walk(each) if isinstance(n, ast.Constant)]
        found |= {word for word in words if isinstance(word, str) and CODE.fullmatch(word)}
    return found


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    pages = {path.stem: path.read_text("utf-8") for path in (ROOT / "docs" / "diagnostics").glob("*.md")}
    assert codes() == set(pages)
    assert [code for code, text in pages.items() if not text.startswith(f"# {code}\n\n")] == []
