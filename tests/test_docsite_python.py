"""The pages of the Python API: every public name has one, with its parameters; the examples run, and print what they say."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import io
import re
import runpy
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

import archc
from docsite.docstrings import parse_docstring
from docsite.python_api import EXAMPLES, INDEX, MODULES, Name, api_pages, public_names
from docsite.signatures import fields_of, members_of, parameters_of, signature_text
from docsite.sources import DOCS

SCRIPTS = sorted(EXAMPLES.glob("*.py"))
# these build, prove or train
SLOW = (
    "archc.Net",
    "archc.build.trained.build_trained",
    "archc.runtime.Session",
    "archc.runtime.batch.run_pictures",
    "archc.runtime.evaluation.evaluate",
    "archc.training.train",
)
# functions without an example of their own, by the name whose example calls them
SHOWN_WITH = {
    "archc.training.resume": "archc.training.train",
    "archc.runtime.evaluation.format_page": "archc.runtime.evaluation.evaluate",
}
IMPORT = re.compile(r"\bfrom (archc[\w.]*) import (\([^)]*\)|[^\n;]*)")
DOTTED = re.compile(r"\barchc(?:\.[A-Za-z_]\w*)+")
CODE = re.compile(r"^ *```.*?^ *```$|`[^`\n]+`", re.M | re.S)
# for those who change archc
INSIDE = ("architecture.md",)


@lru_cache(maxsize=1)
def pages() -> dict[str, str]:
    """The pages by their paths. Not made when this file is read, as they import torch."""
    return {page.path: str(page.content) for page in api_pages()}


@lru_cache(maxsize=1)
def names() -> tuple[Name, ...]:
    """The public names."""
    return tuple(public_names())


def test_every_name_of_the_modules_has_a_page() -> None:
    for module in map(importlib.import_module, MODULES):
        for name in module.__all__:
            target = getattr(module, name)
            if inspect.isfunction(target) or isinstance(target, type):
                path = f"reference/python/{module.__name__}.{name}.md"
                assert path in pages() and f"({Path(path).name})" in pages()[INDEX]
    assert set(pages()) == {INDEX, *(each.path for each in names())}


def test_a_page_has_every_parameter_and_member() -> None:
    for name in names():
        page, target = pages()[name.path], name.target
        assert "ForwardRef" not in page and " at 0x" not in page
        members = members_of(target) if isinstance(target, type) else []
        functions = [each.target for each in members if not each.is_property] if isinstance(target, type) else [target]
        for each in (parameter for function in functions for parameter in parameters_of(function)):
            assert f"| `{each.name}` | " in page, name.full
        for member in members:
            assert (f"| `{member.name}` | " if member.is_property else f"\n## {member.name}\n") in page, name.full


def test_every_field_is_told() -> None:
    """Each field of each class has a line in its docstring, and a row with it on the page; each property says what it is."""
    for name in (each for each in names() if isinstance(each.target, type)):
        told = parse_docstring(name.target.__doc__ or "").names
        for field in fields_of(name.target):
            assert told.get(field.name), (name.full, field.name)
            assert f"| `{field.name}` | " in pages()[name.path], name.full
        assert all(each.docstring for each in members_of(name.target) if each.is_property), name.full


def test_results_that_are_fields_have_pages() -> None:
    from archc.build.build import BuiltFile
    from archc.runtime import Prediction
    from archc.training import Warmup

    assert {BuiltFile, Prediction, Warmup} <= {each.target for each in names()}


def test_types_stand_as_in_the_source() -> None:
    from archc import load
    from archc.runtime import Session
    from archc.runtime.batch import Predictor

    text = signature_text("load", load)
    assert text.startswith(
        "load(\n    spec: str | PathLike[str],\n    params: Mapping[str, Any] | None = None,\n    *,\n"
    )
    assert text.endswith(") -> Net")
    assert 'errors: "raise" | "keep" = \'raise\'' in signature_text("classify", Session.classify)
    assert "options: PredictOptions = PredictOptions()" in signature_text("Predictor", Predictor.__init__)
    assert {each.name for each in members_of(Session)} >= {"classify", "predict", "run", "preprocess"}
    assert "describe_no_memory" not in {each.name for each in members_of(Session)}


def test_docstrings_are_read() -> None:
    told = parse_docstring(
        """Does it. Raises Failure `usage` for another `by`. And so on.

    name      what it is,
              and more
    other     the rest

    Warns (SomeWarning) where it is wrong."""
    )
    assert told.prose == ("Does it. And so on.",)
    assert told.names == {"name": "what it is, and more", "other": "the rest"}
    assert told.errors == ("Raises Failure `usage` for another `by`.", "Warns (SomeWarning) where it is wrong.")


def test_every_example_stands_on_a_page() -> None:
    """And every function has one; a class whose methods people call, too."""
    shown = {each.full for each in names() if "## Example" in pages()[each.path]}
    assert {path.stem for path in SCRIPTS} == shown
    functions = {each.full for each in names() if not isinstance(each.target, type)}
    assert functions - shown == set(SHOWN_WITH)
    for name, other in SHOWN_WITH.items():
        assert f"{name.rpartition('.')[2]}(" in pages()[f"reference/python/{other}.md"].partition("## Example")[2]


def named_in(text: str) -> Iterator[str]:
    """What of archc a page's code imports, and what it names with dots, each as `module.name`."""
    for block in CODE.findall(text):
        imports = [(module, re.findall(r"\w+", listed)) for module, listed in IMPORT.findall(block)]
        yield from (f"{module}.{name}" for module, listed in imports for name in listed)
        yield from DOTTED.findall(IMPORT.sub("", block))


def is_promised(name: str, promised: set[str]) -> bool:
    """Whether a name, or what it is an attribute of, is one of those, or a module of the index. A word as `archc.sarif` that no module is called is a file's."""
    parts = name.split(".")
    if importlib.util.find_spec(".".join(parts[:2])) is None and not hasattr(archc, parts[1]):
        return True
    return name in MODULES or any(".".join(parts[:end]) in promised for end in range(2, len(parts) + 1))


def test_what_pages_import_is_promised() -> None:
    """All of archc that a hand-written page has readers import is in the index."""
    promised = {f"{module}.{name}" for module in MODULES for name in importlib.import_module(module).__all__}
    texts = {path.relative_to(DOCS).as_posix(): path.read_text("utf-8") for path in sorted(DOCS.rglob("*.md"))}
    lost = [
        f"docs/{page}: {name}"
        for page, text in texts.items()
        if page not in INSIDE
        for name in dict.fromkeys(named_in(text))
        if not is_promised(name, promised)
    ]
    assert not lost


def test_names_are_found_in_code() -> None:
    found = "`archc.load(x)` archc.lost\n```python\nfrom archc.a import (\n    B,\n    c,\n)\nimport archc.d\n```\n"
    assert [*named_in(found)] == ["archc.load", "archc.a.B", "archc.a.c", "archc.d"]
    assert is_promised("archc.load", {"archc.load"}) and is_promised("archc.sarif", set())
    assert is_promised("archc.runtime.Session.classify", {"archc.runtime.Session"}) and is_promised(
        "archc.runtime", set()
    )
    for name in ("archc.compiler.analysis", "archc.view", "archc.runtime.images.read_image"):
        assert not is_promised(name, {"archc.load", "archc.runtime.Session"})


@pytest.mark.parametrize(
    "script", [pytest.param(path, id=path.stem, marks=[pytest.mark.slow] * (path.stem in SLOW)) for path in SCRIPTS]
)
def test_an_example_prints_what_it_says(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment behind a `print` is what it prints; the lines come in their order."""
    monkeypatch.chdir(tmp_path)
    expected = re.findall(r"^ *print\(.*\)  # (.*)$", script.read_text("utf-8"), re.M)
    out = io.StringIO()
    with contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpy.run_path(str(script), run_name="__main__")
    lines = iter(out.getvalue().splitlines())
    assert all(text in lines for text in expected), out.getvalue()
