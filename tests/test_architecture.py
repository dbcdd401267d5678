"""Who may import whom, where the heavy libraries live, that ops are known by their facts, and that the package's map fits the tree.

The rules are docs/architecture.md's. Imports are read from the syntax, late ones included, so nothing here is imported but the
table of ops, whose names are looked for.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "archc.compiler": ROOT / "compiler",
    "archc.runtime": ROOT / "runtime",
    "archc.training": ROOT / "training",
    "archc": ROOT / "archc",
}

# each room and the rooms that it may know; longest prefix wins
MAY_KNOW = {
    "archc.compiler.diagnostics": (),
    "archc.compiler.destinations": ("archc.compiler.diagnostics",),
    "archc.compiler.content_names": (),
    "archc.compiler.hashed_file": ("archc.compiler.content_names",),
    "archc.compiler.memory_map": (),
    "archc.compiler.files": (
        "archc.compiler.diagnostics",
        "archc.compiler.destinations",
        "archc.compiler.content_names",
    ),
    "archc.compiler.spelling": (),
    "archc.compiler.counts": (),
    "archc.compiler.limits": ("archc.compiler.diagnostics", "archc.compiler.spelling"),
    "archc.compiler.other_files": ("archc.compiler.diagnostics",),
    "archc.compiler.patterns": ("archc.compiler.diagnostics",),
    "archc.compiler.sources": (
        "archc.compiler.diagnostics",
        "archc.compiler.limits",
        "archc.compiler.other_files",
        "archc.compiler.patterns",
        "archc.compiler.revisions",
    ),
    "archc.compiler.revisions": (
        "archc.compiler.diagnostics",
        "archc.compiler.limits",
        "archc.compiler.other_files",
        "archc.compiler.sources",
    ),
    "archc.compiler.ir": ("archc.compiler.diagnostics", "archc.compiler.ir"),
    "archc.compiler.ops": ("archc.compiler.diagnostics", "archc.compiler.ir", "archc.compiler.ops"),
    "archc.runtime": ("archc.runtime",),
    "archc.training": ("archc.training", "archc.compiler", "archc.runtime"),
    "archc.compiler.driver": ("archc.compiler",),
    "archc.compiler.name_maps": ("archc.compiler",),
    "archc": ("archc",),
}
STAGES = ("frontend", "passes", "analysis", "backends", "weights")
BELOW = (
    "archc.compiler.diagnostics",
    "archc.compiler.limits",
    "archc.compiler.sources",
    "archc.compiler.destinations",
    "archc.compiler.content_names",
    "archc.compiler.files",
    "archc.compiler.hashed_file",
    "archc.compiler.memory_map",
    "archc.compiler.spelling",
    "archc.compiler.counts",
    "archc.compiler.ir",
    "archc.compiler.ops",
)
MAY_KNOW |= {f"archc.compiler.{stage}": (*BELOW, f"archc.compiler.{stage}") for stage in STAGES}
# a picture is drawn of what the analysis finds
MAY_KNOW["archc.compiler.view"] = (*BELOW, "archc.compiler.view", "archc.compiler.analysis")
# a backend reads weights by their protocol
PROTOCOLS = {"archc.compiler.weights.source"}

HEAVY = {
    "torch": ("compiler/backends/torch/", "archc/build/proof/", "archc/build/torch_runner.py", "training/"),
    "onnx": (
        "compiler/backends/onnx/",
        "archc/build/proof/",
        "archc/build/precision/",
        "archc/model_view/inference.py",
    ),
    "onnxruntime": ("runtime/", "archc/build/precision/"),
    "yaml": ("compiler/frontend/located_yaml.py",),
    "jsonschema": ("compiler/frontend/validation.py",),
    "click": ("archc/cli/",),
    "matplotlib": ("archc/charts/", "training/report/"),
    "lightning_fabric": ("training/",),
    "torchvision": ("training/augment/",),
    "compiler": (),
    "runtime": (),
}


def sources() -> Iterator[tuple[str, Path]]:
    """Every module of ours by its name."""
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            inside = path.relative_to(folder)
            if package == "archc" and inside.parts[0] in ("compiler", "runtime", "training", "archspecs"):
                continue  # the links
            parts = inside.with_suffix("").parts
            yield ".".join((package, *parts[: -1 if parts[-1] == "__init__" else None])), path


MODULES = dict(sources())


@cache
def syntax() -> dict[str, ast.Module]:
    """Each module's tree; not read when tests are collected, which every worker does."""
    return {module: ast.parse(path.read_text("utf-8")) for module, path in MODULES.items()}


def typing_only(tree: ast.AST) -> set[ast.AST]:
    """The statements under `if TYPE_CHECKING`: names for the reader, which no program imports."""
    tests = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {inner for test in tests for statement in test.body for inner in ast.walk(statement)}


def imports(module: str) -> Iterator[tuple[str, int]]:
    """What a module imports, absolute, with the line."""
    tree = syntax()[module]
    below = module.startswith(
        ("archc.compiler.ir", "archc.compiler.ops", "archc.compiler.diagnostics", "archc.compiler.sources")
    )
    skipped = set() if below else typing_only(tree)  # what lies below names nothing above it, not even to its reader
    package = module.split(".") if MODULES[module].name == "__init__.py" else module.split(".")[:-1]
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


@cache
def every_import() -> list[tuple[str, str, int]]:
    """What each module imports: the module, the target, the line."""
    return [(module, target, line) for module in MODULES for target, line in imports(module)]


def allowed(module: str) -> tuple[str, ...]:
    room = max((r for r in MAY_KNOW if module == r or module.startswith(r + ".")), key=len)
    return MAY_KNOW[room]


# one test for all modules, whose failures it lists: a test for each took longer to collect and report than to run
def test_direction() -> None:
    wrong = [
        f"{MODULES[module].relative_to(ROOT)}:{line} imports {target}"
        for module, target, line in every_import()
        if target.split(".")[0] == "archc"
        and target not in PROTOCOLS
        and not any(target == room or target.startswith(room + ".") for room in allowed(module))
    ]
    assert not wrong, "\n".join(wrong)


def test_heavy_imports_stay_in_their_places() -> None:
    wrong = [
        f"{where}:{line} imports {target}"
        for module, target, line in every_import()
        if (library := target.split(".")[0]) in HEAVY
        and not (where := MODULES[module].relative_to(ROOT).as_posix()).startswith(HEAVY[library] or ("-",))
    ]
    assert not wrong, "\n".join(wrong)


def test_imports_inside_are_relative() -> None:
    absolute = [
        f"{path.relative_to(ROOT)}:{n.lineno}"
        for module, path in MODULES.items()
        if module != "archc.__main__"
        for n in ast.walk(syntax()[module])
        if isinstance(n, ast.ImportFrom) and not n.level and (n.module or "").split(".")[0] == "archc"
    ]
    assert not absolute, "\n".join(absolute)


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
    for name in ("compiler", "runtime", "training", "archspecs"):
        link = ROOT / "archc" / name
        if link.is_symlink():  # an sdist or a checkout without links has none, and needs none
            assert link.readlink().as_posix() == f"../{name}"


CODE = re.compile(r"[a-z]+\d*(-[a-z0-9]+)*")
PRINTED = re.compile(r"\b(?:error|warning)\[([a-z0-9-]+)\]")


def takers() -> dict[str, set[int]]:
    """Each function and class that takes a `code`, by name, with where among its arguments the code stands."""
    found: dict[str, set[int]] = {}
    for node in (n for tree in syntax().values() for n in ast.walk(tree)):
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
    for node in (n for tree in syntax().values() for n in ast.walk(tree) if isinstance(n, ast.ClassDef)):
        for base in map(ast.unparse, node.bases):  # a kind of fault is made as that which it is a kind of
            found.setdefault(node.name, set()).update(found.get(base, ()))
    return found


def codes() -> set[str]:
    """Every code that can be printed: given literally where a `code` is taken, or within a text as `error[code]`."""
    found, places = set(), takers()
    for node in (n for tree in syntax().values() for n in ast.walk(tree)):
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


# Words that name an op and something else: they are refused only where they speak of an op.
HOMONYMS = {
    "linear": "a word in the names of blocks that end in a vector, by which the front end guesses what follows a mistake",
    "mean": "a key of `preprocess`, and what a norm's running mean is to the arithmetic of a rewrite",
    "scale": "a key of `preprocess`, and what a norm's weight is to the arithmetic of a rewrite",
}
ABOUT_AN_OP = re.compile(r"\bop\b|\bops\b|\bOPS\b|\bop_type\b|\bname\b")
LOOKUPS = (ast.Compare, ast.Subscript, ast.Call, ast.Match)


def documentation(tree: ast.AST) -> set[ast.AST]:
    """Docstrings: they are for readers and may name whatever they like."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body[0] for node in ast.walk(tree) if isinstance(node, holders) and node.body]
    return {first.value for first in bodies if isinstance(first, ast.Expr)}


def strings(node: ast.AST) -> list[ast.Constant]:
    return [n for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def speaks_of_an_op(node: ast.AST) -> bool:
    """Whether a comparison, a look-up, a call or a match has an op or a name in it, its own strings aside."""
    if isinstance(node, ast.Call):
        return bool(ABOUT_AN_OP.search(ast.unparse(node.func)))
    if isinstance(node, ast.Match):
        return bool(ABOUT_AN_OP.search(ast.unparse(node.subject)))
    if isinstance(node, ast.Subscript):
        return bool(ABOUT_AN_OP.search(ast.unparse(node.value)))
    sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
    return any(ABOUT_AN_OP.search(ast.unparse(side)) for side in sides if not isinstance(side, ast.Constant))


def ops_by_name(tree: ast.AST, names: Collection[str]) -> list[str]:
    """The strings of a module that are an op's name, each as `line: word`: such a module knows an op by name.

    Every string counts, wherever it stands, but docstrings; a homonym counts in what speaks of an op.
    """
    skipped = documentation(tree)
    of_ops = {s for n in ast.walk(tree) if isinstance(n, LOOKUPS) and speaks_of_an_op(n) for s in strings(n)}
    return [
        f"{s.lineno}: {s.value}"
        for s in strings(tree)
        if s.value in names and s not in skipped and (s.value not in HOMONYMS or s in of_ops)
    ]


def test_no_op_is_known_by_its_name_outside_its_room() -> None:
    """A fact of an op is a class fact of it (docs/architecture.md): a new op is one class and one row."""
    from archc.compiler.ops import OPS

    found = [
        f"{path.relative_to(ROOT)}:{named}"
        for module, path in MODULES.items()
        if not module.startswith("archc.compiler.ops")
        for named in ops_by_name(syntax()[module], OPS)
    ]
    assert not found, "these name ops; make it a fact of their classes:\n" + "\n".join(found)


NAMED = {
    "comparison": 'if node.op.name == "conv": pass',
    "comparison the other way": 'if "conv" != node.op.name: pass',
    "membership": 'if name in ("relu", "conv"): pass',
    "set": 'KNOWN = frozenset({"conv"})',
    "list": 'merges = ["conv", 1]',
    "keys": 'WIDTHS = {"conv": 4}',
    "values": 'WIDTHS = {4: "conv"}',
    "subscript": 'made = OPS["conv"](out=4)',
    "get": 'made = OPS.get("conv")',
    "start": 'if node.op.name.startswith("conv"): pass',
    "match": 'match node.op.name:\n    case "conv" | "relu": pass',
    "match of a mapping": 'match step:\n    case {"conv": out}: pass',
    "default": 'def f(op="conv"): pass',
    "argument": 'find_op("conv")',
    "homonym compared": 'if node.op.name == "mean": pass',
    "homonym in a tuple": 'if op.name in ("add", "mean"): pass',
    "homonym looked up": 'made = OPS["mean"]()',
    "homonym got": 'made = OPS.get("mean")',
    "homonym matched": 'match name:\n    case "mean": pass',
    "homonym's start": 'if op.name.startswith("scale"): pass',
}
UNNAMED = {
    "docstring": '"""conv"""\ndef f():\n    "conv"\nclass A:\n    "conv"',
    "longer text": 'message = "a conv is wanted"',
    "a key of preprocess": 'mean = given.get("mean", 0)\nif key in ("mean", "std"): pass\nx = {"scale": 1}',
    "a role": 'scale = exact("scale") if "scale" in roles else 1',
    "a class": "if isinstance(node.op, Conv): pass",
    "an attribute": "nn.conv(x).mean()",
}


@pytest.mark.parametrize("case", NAMED)
def test_naming_an_op_is_found(case: str) -> None:
    found = ops_by_name(ast.parse(NAMED[case]), {"conv", "relu", "add", *HOMONYMS})
    assert found and found[0].rpartition(" ")[2] in ("conv", "relu", "add", *HOMONYMS)


@pytest.mark.parametrize("case", UNNAMED)
def test_what_names_no_op_is_let_through(case: str) -> None:
    assert ops_by_name(ast.parse(UNNAMED[case]), {"conv", "relu", "add", *HOMONYMS}) == []


def test_homonyms_are_ops() -> None:
    """And each is still needed: a word that no module says but for an op has no business in the list."""
    from archc.compiler.ops import OPS

    modules = [tree for module, tree in syntax().items() if not module.startswith("archc.compiler.ops")]
    said = {str(s.value) for tree in modules for s in strings(tree)}
    assert set(HOMONYMS) <= set(OPS) & said


def doubled_classes(trees: Mapping[str, ast.AST]) -> dict[str, list[str]]:
    """Public class names that more than one module defines, with the modules; `trees` are by module."""
    homes: dict[str, set[str]] = {}
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, set()).add(module)
    return {name: sorted(modules) for name, modules in homes.items() if len(modules) > 1}


def test_two_classes_never_share_a_name() -> None:
    """Backends aside: torch's modules and ONNX's messages are called as torch and onnx call them."""
    assert doubled_classes({module: tree for module, tree in syntax().items() if ".backends." not in module}) == {}


def test_a_shared_name_is_found() -> None:
    a, b, c = "class Reader: pass", "if True:\n    class Reader: pass", "class _Own: pass\nclass Reader2: pass"
    texts = {"a": a, "b": b, "c": c, "d": c.replace("Reader2", "Other")}
    assert doubled_classes({name: ast.parse(text) for name, text in texts.items()}) == {"Reader": ["a", "b"]}
