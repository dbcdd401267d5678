"""The pages' own claims: what a ```console block shows is what its commands print, code and the README run, and sums are right.

How blocks are read stands in docsite/walkthrough.py. How-tos and the tutorial are followed in folders of their own (tests/test_howtos.py, tests/test_tutorial.py).
"""

from __future__ import annotations

import ast
import operator
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from archc.cli import main
from docsite.walkthrough import printed_pattern, read_console

from .pages import DOCS, HOWTOS, TUTORIAL

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
SUM = re.compile(r"`([\d,. +*/^()-]+) = ([\d,.]+)`")
LARGE = re.compile(r"\b\d{1,3}(?:,\d{3})+\b")
CONSOLE = [
    (page.name, block)
    for page in sorted(DOCS.rglob("*.md"))
    if page not in (*HOWTOS, *TUTORIAL)
    for block in BLOCK.findall(page.read_text("utf-8"))
]
LECTURE = (DOCS / "zoo/lecture.md").read_text("utf-8")

LANGUAGE = (DOCS / "reference/language.md").read_text("utf-8")
WHOLE_SPEC = re.compile(r"^```yaml\n(archspec: 1\n.*?)^```$", re.M | re.S)

OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def test_the_specs_of_the_language_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    specs = WHOLE_SPEC.findall(LANGUAGE)
    assert specs
    for spec in specs:
        Path("net.yaml").write_text(spec, "utf-8")
        assert main(["check", "net.yaml"]) == 0 and "warning" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("page, block", CONSOLE, ids=[f"{page}-{at}" for at, (page, _) in enumerate(CONSOLE)])
def test_commands_print_what_is_shown(
    page: str, block: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # a width leaves columns of a table out; pytest-xdist sets one
    commands = list(read_console(block))
    assert commands
    for command, _, _, lines, _ in commands:
        program, *arguments = shlex.split(command)
        assert program == "archc"
        assert lines and set(lines) != {"…"}, "it shows nothing"
        assert main(arguments) == 0, command
        out = re.sub(r"[ \t]+$", "", capsys.readouterr().out.rstrip("\n"), flags=re.M) + "\n"
        assert re.fullmatch(printed_pattern(lines), out), f"`{command}` prints:\n{out}"


def test_the_form_is_strict() -> None:
    """What is compared, compared: blocks and sums are found, and no cut matches more than it says."""
    assert {page for page, _ in CONSOLE} >= {"lecture.md"} and len(SUM.findall(LECTURE)) > 10
    assert re.fullmatch(printed_pattern(["a", "…", "c …"]), "a\nb\nb\nc d\n")
    assert re.fullmatch(printed_pattern(["a", "…"]), "a\n")
    assert not re.fullmatch(printed_pattern(["a", "c"]), "a\nb\nc\n")
    assert not re.fullmatch(printed_pattern(["a", "…", "b"]), "a\nbc\n")
    assert not re.fullmatch(printed_pattern(["a.b"]), "axb\n")


PYTHON = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)


# GoogLeNet's blocks under the names that the page uses: to trace, script, export and compile all nine modules takes half a minute
SHORT = """archspec: 1
name: short
extends: zoo:googlenet
graph:
  - {name: conv1, ConvBN: {out: 16, kernel: 7, stride: 4, padding: 3}}
  - {name: inception3a, Inception: {b1: 8, b2_reduce: 8, b2: 16, b3_reduce: 4, b3: 8, b4: 8}}
  - {name: maxpool, max_pool: {kernel: 3, stride: 4}}
  - {name: aux1, aux: $aux_weight, AuxHead}
  - {name: inception5b, Inception: {b1: 8, b2_reduce: 8, b2: 16, b3_reduce: 4, b3: 8, b4: 8}}
  - {name: aux2, aux: $aux_weight, AuxHead}
  - global_avg_pool
  - dropout: 0.2
  - {name: fc, linear: $classes}
"""


@pytest.mark.parametrize(
    "heads",
    [
        pytest.param("short.yaml", marks=pytest.mark.slow),
        # the page as it stands: its statements are the same
        pytest.param("googlenet", marks=pytest.mark.soak),
    ],
)
def test_the_code_of_the_torch_page_runs(heads: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From top to bottom, its assertions included; `heads` is loaded where the page loads GoogLeNet, a net with heads."""
    monkeypatch.chdir(tmp_path)
    Path("short.yaml").write_text(SHORT, "utf-8")
    blocks = PYTHON.findall((DOCS / "reference/pytorch.md").read_text("utf-8"))
    assert len(blocks) >= 6 and any('archc.load("googlenet"' in block for block in blocks)
    scope: dict[str, object] = {}
    for number, block in enumerate(blocks):
        text = block.replace('archc.load("googlenet"', f'archc.load("{heads}"')
        exec(compile(text, f"pytorch.md, block {number}", "exec"), scope)
    assert Path("trained.onnx").is_file()


def worked_out(text: str) -> float:
    def value(node: ast.expr) -> float:
        if isinstance(node, ast.BinOp):
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        assert isinstance(node, ast.Constant) and isinstance(node.value, (int, float))
        return node.value

    return value(ast.parse(text.replace(",", "").replace("^", "**"), mode="eval").body)


@pytest.mark.parametrize("sum, result", SUM.findall(LECTURE))
def test_sums(sum: str, result: str) -> None:
    digits = len(result.partition(".")[2])
    assert f"{worked_out(sum):,.{digits}f}".replace(",", "") == result.replace(",", "")


@lru_cache(maxsize=1)
def known_numbers() -> set[str]:
    """The large numbers that a command of the lecture's page prints, or a sum on it gives."""
    printed = [line for block in BLOCK.findall(LECTURE) for shown in read_console(block) for line in shown.printed]
    return set(LARGE.findall("\n".join(printed))) | {result for _, result in SUM.findall(LECTURE)}


def test_no_number_of_the_lecture_is_out_of_thin_air() -> None:
    """A count in the text, or in a sum, stands in an output or is the result of another sum."""
    prose = BLOCK.sub("", LECTURE)
    unknown = set(LARGE.findall(prose)) - known_numbers()
    assert unknown == set()


def test_the_lecture_says_where_it_is_wrong() -> None:
    table = LECTURE.partition("## Where a slide is wrong")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\| \d", table, re.M)) == 7
    for said in ("512, 1024", "24M", "358M", "5 million", "22 layers", "no fully connected", "1e-5"):
        assert said in table
    for found in ("384, 384", "61 MB", "271M", "7.0 million", "58", "1,025,000", "1e-4"):
        assert found in table


def test_shares_want_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", "lenet5_modern", "--share"]) == 2
    assert "--by" in capsys.readouterr().err


# -- the README: whoever pastes it, from top to bottom, gets no error ----------------------------------------------------

ROOT = DOCS.parent
README = (ROOT / "README.md").read_text("utf-8")


def tour() -> Iterator[tuple[str, str]]:
    """What the README has people do, in its order: a file's name and text, `sh` and a command, `python` and a program."""
    for language, fenced, indented in re.findall(r"^```(\w+)\n(.*?)^```$|((?:^    [^\n]*\n)+)", README, re.M | re.S):
        if language == "yaml":
            yield fenced.partition("\n")[0].removeprefix("# "), fenced
        elif language:
            yield language, fenced
        for line in indented.splitlines():
            for command in re.split("; ", re.sub(r"  +#.*", "", line.strip())):
                if command.startswith("archc "):
                    yield "sh", command


@pytest.mark.slow
def test_the_readme_runs_as_it_is_pasted(tmp_path: Path) -> None:
    """In a folder that holds what the README says is there, examples/, in fresh processes."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    steps = list(tour())
    assert len([kind for kind, _ in steps if kind == "sh"]) >= 10 and {"tiny.yaml", "python"} <= {
        kind for kind, _ in steps
    }
    for kind, text in steps:
        if kind.endswith(".yaml"):
            (tmp_path / kind).write_text(text, "utf-8")
            continue
        line = ["sh", "-c", text] if kind == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(
            line, cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stderr}"
        assert done.stdout, text


def test_the_readme_is_short_and_its_files_are_there() -> None:
    """Every link, and every path that a command names, is in the checkout or made by a command before it."""
    assert len(README.splitlines()) <= 120
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README)
    assert links and all((ROOT / link).exists() for link in links)
    made = {"tiny.yaml", "googlenet.onnx", "run/spec.yaml", "run/best.safetensors"}
    used = set(re.findall(r"[\w./]+\.(?:jpg|png|onnx|yaml|pth|safetensors)\b", README))
    assert used <= made | {name for name in used if (ROOT / name).exists()}


def test_the_demo_says_where_archc_is() -> None:
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        from demo import where_archc_is  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    told = where_archc_is()
    program = Path(re.split("[ ;]", told.removeprefix("archc is "))[0])
    assert (ROOT / program).exists()


TEXTS = (".md", ".py", ".yaml", ".toml", "")
LINK = re.compile(r"\]\((?![a-z]+:)([^)\s#]+)")
# folders of the site whose pages are made of the code: its build follows the links there
MADE = ("reference/commands", "reference/ops", "reference/python", "zoo/families")
MENTION = re.compile(r"\bdocs/[a-z0-9_/-]+\.md\b")


def is_drawn(path: Path) -> bool:
    """Whether a picture is made anew for each site, whose build follows the links again (docsite/tutorial.py)."""
    return path.suffix == ".svg" and path.parent == DOCS / "tutorial"


def test_links_and_named_pages_are_there() -> None:
    """Each link of a page that leads into the repository, and each page that a comment, a docstring or a help text names."""
    root = DOCS.parent
    pages = [*DOCS.rglob("*.md"), *root.glob("*.md")]
    lost = [f"{page}: {to}" for page in pages for to in LINK.findall(page.read_text("utf-8"))
            if not (page.parent / to).exists() and not any((page.parent / to).resolve().is_relative_to(DOCS / folder) for folder in MADE) and not is_drawn(page.parent / to)]  # fmt: skip
    rooms = [
        *(
            root / room
            for room in ("archc", "archspecs", "benchmarks", "compiler", "examples", "runtime", "tests", "training")
        ),
        DOCS,
    ]
    files = [path for room in rooms for path in room.rglob("*") if path.suffix in TEXTS and path.is_file() and "__pycache__" not in path.parts]  # fmt: skip
    named = {(path, to) for path in (*files, *root.glob("*.*"), root / "Makefile") if path.suffix in TEXTS and path.is_file()
             for to in MENTION.findall(path.read_text("utf-8", "replace"))}  # fmt: skip
    lost += [f"{path}: {to}" for path, to in sorted(named) if not (root / to).exists() and path.name != "CHANGELOG.md"]
    assert not lost
    assert len(named) > 50
