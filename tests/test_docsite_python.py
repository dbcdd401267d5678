"""The pages of the Python API: every public name has one, with its parameters; the examples run, and print what they say."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import re
import runpy
import warnings
from functools import lru_cache
from pathlib import Path

import pytest

from docsite.docstrings import parse_docstring
from docsite.python_api import EXAMPLES, INDEX, MODULES, Name, api_pages, public_names
from docsite.signatures import fields_of, members_of, parameters_of, signature_text

SCRIPTS = sorted(EXAMPLES.glob("*.py"))
# these build, prove or train
SLOW = ("archc.Net", "archc.runtime.Session", "archc.training.train")


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

    text = signature_text("load", load)
    assert text.startswith(
        "load(\n    spec: str | PathLike[str],\n    params: Mapping[str, Any] | None = None,\n    *,\n"
    )
    assert text.endswith(") -> Net")
    assert 'errors: "raise" | "keep" = \'raise\'' in signature_text("classify", Session.classify)
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
    assert (
        functions - shown == {"archc.training.resume"}
        and "resume(" in pages()["reference/python/archc.training.train.md"]
    )


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
