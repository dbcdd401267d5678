"""Nets in a REPL, a notebook and an editor: what is printed, listed and completed; and how little is imported for it."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import archc
import archc.runtime
from archc.build.options import WITH_WEIGHTS, BuildOptions
from archc.cli import main

ZOO = ["googlenet", "lenet5_modern", "resnet18", "fractalnet20_cifar"]


def spec(folder: Path, graph: list[Any], **header: Any) -> archc.Net:
    document = {"archspec": 1, "name": "net", "input": {"image": [3, 8, 8]}, "graph": graph, **header}
    (folder / "net.yaml").write_text(json.dumps(document), "utf-8")
    return archc.load(folder / "net.yaml")


@pytest.mark.parametrize("name", ZOO)
def test_costs_print_as_the_command_line_prints_them(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    print(archc.load(name).cost())
    printed = capsys.readouterr().out
    assert main(["cost", name]) == 0
    assert printed == capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80


def test_a_net_says_its_name_its_size_and_its_outputs(tmp_path: Path) -> None:
    head = {"name": "h", "aux": 0.3, "steps": ["global_avg_pool", {"linear": 5}]}
    net = spec(tmp_path, [{"conv": 4}, head, {"global_avg_pool": {}, "output": "features"}, {"linear": 5}])
    params = (4 * 3 + 4) + 2 * (5 * 4 + 5)
    assert repr(net) == str(net) == f"<archc.Net net: {params} parameters, features 4×1×1, logits 5>"
    assert net.inputs == {"image": (3, 8, 8)} and net.outputs == {"features": (4, 1, 1), "logits": (5,)}
    assert f"net: {params} parameters, {64 * 12 + 20:,} MACs, depth 2" in repr(net.cost())


class Cells(HTMLParser):
    """The texts of a table's cells; its tags must close as they opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        if tag == "td":
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open:
            self.texts[-1] += data


@pytest.mark.parametrize("name", ZOO)
def test_a_notebook_shows_the_same_numbers(name: str) -> None:
    net = archc.load(name)
    text, cells = str(net.cost()), Cells(net.cost()._repr_html_()).texts
    assert cells and all(" ".join(cell.split()) in " ".join(text.split()) for cell in cells)
    whole = Cells(net._repr_html_()).texts
    assert set(cells) <= set(whole) and net.checked.header.summary in whole
    assert ("auxiliary heads" in whole) == bool(net.graph.heads)


def test_a_spec_s_words_are_no_markup(tmp_path: Path) -> None:
    net = spec(tmp_path, [{"conv": 4}], summary="<script>alert(1)</script> & </td>")
    assert "<script" not in net._repr_html_()
    assert "<script>alert(1)</script> & </td>" in Cells(net._repr_html_()).texts


def test_dir_shows_what_there_is() -> None:
    assert {"load", "Net", "Failure", "SpecError", "runtime"} <= set(dir(archc))
    assert {"Session", "RuntimeFault"} <= set(dir(archc.runtime))
    for module in (archc, archc.runtime):
        assert dir(module) == sorted(module.__all__) and all(getattr(module, name) is not None for name in dir(module))


LIGHT = """
import sys, archc
dir(archc), dir(archc.runtime)
heavy = {"torch", "numpy", "onnx", "onnxruntime", "click", "rich", "yaml", "jsonschema"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
net = archc.load("lenet5_modern")
print(net), print(net.cost()), net._repr_html_()
assert "archc.cli" not in sys.modules
assert not heavy - {"yaml", "jsonschema"} & set(sys.modules), sys.modules.keys() & heavy
"""


def test_printing_imports_no_command_line_and_no_torch() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_options_of_an_export_are_those_of_a_build() -> None:
    """Named, with their defaults and a line on each: neither may drift from BuildOptions."""
    named = inspect.signature(archc.Net.export_onnx).parameters
    options = {
        each.name: each.default for each in fields(BuildOptions) if each.name not in ("exports", "output", "spelling")
    }
    found = {name: each.default for name, each in named.items() if name not in ("self", "path", "others")}
    assert found == options
    assert all(each.annotation is not inspect.Parameter.empty for name, each in named.items() if name != "self")
    text = inspect.getdoc(archc.Net.export_onnx) or ""
    assert all(any(line.startswith(name + " ") for line in text.splitlines()) for name in options)


OPTION_LINE = re.compile(r"^(\w+) {2,}(\S.*)$", re.M)


def test_the_options_of_a_module_are_among_them() -> None:
    """With the same defaults, and in the same words."""
    named = inspect.signature(archc.Net.to_torch).parameters
    known = inspect.signature(archc.Net.export_onnx).parameters
    texts = dict(OPTION_LINE.findall(inspect.getdoc(archc.Net.to_torch) or ""))
    assert list(texts) == [name for name in known if name in texts] and set(texts) == set(named) - {"self"}
    assert texts.items() <= dict(OPTION_LINE.findall(inspect.getdoc(archc.Net.export_onnx) or "")).items()
    assert all(named[name].default == known[name].default for name in texts)


def test_checkpoint_options_have_one_text() -> None:
    """In Python and in the record of a build."""
    record, python = (
        dict(OPTION_LINE.findall(inspect.getdoc(each) or "")) for each in (BuildOptions, archc.Net.export_onnx)
    )
    for name in WITH_WEIGHTS:
        assert python[name].replace('"', "`") == record[name].replace('"', "`")
