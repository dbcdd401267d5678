"""Specimens: a text in, texts out, with prose between, in tests/specimens/*.md.

A specimen begins with a fenced block of input and goes on with blocks of what is expected; its name is the heading above it.

    ```yaml                        a spec                     ```graph    a graph's text, of either phase

    ```ir                          the graph, as it is expanded
    ```after PASS … [keep_aux=true] [fold=false] [phase=train]
                                   the graph after these passes, run one after the other, each with its promises
    ```diagnostics                 what a spec is told, as the terminal shows it
    ```verify                      what the verifier says of the graph
    ```cost                        the costs, as `analysis/cost.py` counts them
    ```onnx [opset=N]              the nodes that are written for the graph as it is, and the tensors that they name

`pytest --bless` writes what is found in the place of what is expected. No numbers of weights, no times and no absolute paths are
in any of them.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from archc.compiler.analysis.cost import cost
from archc.compiler.diagnostics import InternalError, SpecError
from archc.compiler.driver import Compilation, check
from archc.compiler.ir.graph import Graph
from archc.compiler.ir.parse import parse
from archc.compiler.ir.verify import verify
from archc.compiler.ops import OPS
from archc.compiler.passes import PIPELINE, PassOptions
from archc.compiler.sources import Memory, SpecText

FOLDER = Path(__file__).parent / "specimens"
FENCE = "```"
INPUTS = ("yaml", "graph")


class Block(NamedTuple):
    """A fenced block: its info string in words, its text, and where the text stands (lines from 0, the end left out)."""

    info: tuple[str, ...]
    text: str
    start: int
    end: int

    @property
    def options(self) -> dict[str, str]:
        """`keep_aux=true` of the info string."""
        return dict(word.split("=", 1) for word in self.info[1:] if "=" in word)

    @property
    def words(self) -> list[str]:
        """What else the info string says behind its first word."""
        return [word for word in self.info[1:] if "=" not in word]


class Specimen(NamedTuple):
    """One input and what is expected of it; `expected` are places in the file's blocks."""

    file: Path
    title: str
    given: Block
    expected: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.file.stem}: {self.title}"


def blocks(text: str) -> list[tuple[str, Block]]:
    """Every fenced block of a Markdown text, with the heading above it. Raises ValueError where a fence is not closed."""
    found: list[tuple[str, Block]] = []
    title, opened, info = "", -1, ""
    for number, line in enumerate(text.split("\n")):
        if opened >= 0 and line.rstrip() == FENCE:
            inside = text.split("\n")[opened:number]
            found.append((title, Block(tuple(info.split()), "".join(f"{each}\n" for each in inside), opened, number)))
            opened = -1
        elif opened < 0 and line.startswith(FENCE):
            opened, info = number + 1, line[len(FENCE) :]
        elif opened < 0 and line.startswith("#"):
            title = line.lstrip("#").strip()
    if opened >= 0:
        raise ValueError(f"the block of line {opened} is not closed")
    return found


def specimens(file: Path) -> Iterator[Specimen]:
    """The specimens of a file. Raises ValueError for an expected block without an input, or an input without an expected one."""
    titled = blocks(file.read_text("utf-8"))
    starts = [i for i, (_, block) in enumerate(titled) if block.info and block.info[0] in INPUTS]
    if titled and (not starts or starts[0]):
        raise ValueError(f"{file.name}: the first block is no input")
    for start, end in zip(starts, [*starts[1:], len(titled)], strict=True):
        title, given = titled[start]
        if end == start + 1:
            raise ValueError(f"{file.name}: nothing is expected of `{title}`")
        yield Specimen(file, title, given, tuple(range(start + 1, end)))


def bless(file: Path, place: int, text: str) -> None:
    """Writes `text` into the file's block number `place`."""
    lines = file.read_text("utf-8").split("\n")
    _, block = blocks("\n".join(lines))[place]
    lines[block.start : block.end] = text.removesuffix("\n").split("\n") if text else []
    file.write_text("\n".join(lines), "utf-8")


def answer(given: Block, asked: Block) -> str:
    """What the compiler says to `asked` of the input."""
    kind = asked.info[0] if asked.info else ""
    if kind not in ANSWERS:
        raise ValueError(f"a block asks for `{kind}`; known are {', '.join(ANSWERS)}")
    return ANSWERS[kind](given, asked)


def graph_of(given: Block) -> Graph:
    """The graph of an input. Raises SpecError for a spec that is refused."""
    if given.info[0] == "graph":
        return parse(given.text, OPS)
    checked = checked_spec(given.text)
    if checked.graph is None:
        raise SpecError(checked.diagnostics)
    return checked.graph


def checked_spec(text: str) -> Compilation:
    """What `check` finds in a text that is called spec.yaml."""
    return check(SpecText(Memory({}), "spec.yaml", text.encode(), "spec.yaml"))


def ir(given: Block, asked: Block) -> str:
    return graph_of(given).text(places=given.info[0] == "yaml")


def after(given: Block, asked: Block) -> str:
    """The passes by name, in the order of the info string, each as the options configure it."""
    graph, options = graph_of(given), asked.options
    settings = PassOptions(
        options.pop("phase", "inference"),  # type: ignore[arg-type]
        **{key: {"true": True, "false": False}[value] for key, value in options.items()},
    )
    verify(graph)
    by_name = {each.name: each for each in PIPELINE}
    for name in asked.words:
        configured = by_name[name].from_options(settings)
        if configured is None:
            raise ValueError(f"these settings leave {name} out")
        configured.require(graph)
        graph = configured.run(graph)
        configured.ensure(graph)
        verify(graph)
    return graph.text(places=False)


def diagnostics(given: Block, asked: Block) -> str:
    """As a terminal of 100 columns shows them."""
    from archc.cli import render

    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "100"
    try:
        text = render.format_diagnostics(checked_spec(given.text).diagnostics)
        return f"{text}\n" if text else ""
    finally:
        os.environ.pop("COLUMNS") if columns is None else os.environ.update(COLUMNS=columns)


def verdict(given: Block, asked: Block) -> str:
    try:
        verify(graph_of(given))
    except InternalError as error:
        return f"{error}\n"
    return ""


def costs(given: Block, asked: Block) -> str:
    """A line a figure, then a line a layer that costs anything."""
    facts = cost(graph_of(given))
    total = {
        "params": facts.params.total,
        "params without heads": facts.params.without_aux,
        "macs": facts.macs,
        "activations": facts.activations,
        "peak activation bytes": facts.peak_activation_bytes,
        "depth": facts.depth,
        "receptive field": "×".join(map(str, facts.receptive_field)),
        "minimum input": "×".join(map(str, facts.min_input)),
    }
    lines = [f"{name}: {value}" for name, value in total.items()]
    for x in facts.layers:
        if x.params or x.macs or x.activations:
            head = " (head)" if x.aux else ""
            lines.append(f"  {x.path}: {x.params} params, {x.macs} macs, {x.activations} activations{head}")
    return "\n".join(lines) + "\n"


def onnx_nodes(given: Block, asked: Block) -> str:
    """The file's nodes with their attributes, its tensors with their types, and the ends; values of tensors are left out."""
    import onnx

    from archc.compiler.backends.onnx.write import export_onnx
    from archc.compiler.weights.seeded import SeededSource

    graph = graph_of(given)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        export_onnx(graph, SeededSource(graph.params()), path, opset=int(asked.options.get("opset", 20)))
        model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    net, lines = model.graph, [f"opset {model.opset_import[0].version}, ir {model.ir_version}"]
    lines += [f"input {info(value)}" for value in net.input]
    lines += [f"tensor {t.name}: {element(t.data_type)}{list(t.dims)}" for t in net.initializer]
    for node in net.node:
        attributes = [f"{a.name}={show(onnx.helper.get_attribute_value(a))}" for a in node.attribute]
        lines.append(f"{', '.join(node.output)} = {node.op_type}({', '.join([*node.input, *attributes])})")
    lines += [f"output {info(value)}" for value in net.output]
    return "\n".join(lines) + "\n"


def info(value: Any) -> str:
    tensor = value.type.tensor_type
    dims = [d.dim_param or str(d.dim_value) for d in tensor.shape.dim]
    return f"{value.name}: {element(tensor.elem_type)}[{', '.join(dims)}]"


def element(number: int) -> str:
    import onnx

    return str(onnx.TensorProto.DataType.Name(number)).lower()


def show(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    return f"{value:.6g}" if isinstance(value, float) else re.sub(r"\s+", " ", str(value))


ANSWERS: dict[str, Callable[[Block, Block], str]] = {
    "ir": ir,
    "after": after,
    "diagnostics": diagnostics,
    "verify": verdict,
    "cost": costs,
    "onnx": onnx_nodes,
}
