"""A page for each public name of Python: what `__all__` of the modules for users names, and the classes that these take and give."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .docstrings import Docstring, first_sentence, names_table, parse_docstring, prose_markdown
from .markdown import escape_markdown
from .markup import relative, table
from .page import Page
from .signatures import (
    Parameter,
    fields_of,
    members_of,
    module_of,
    parameters_of,
    signature_text,
    types_named,
    written_type,
)

FOLDER = "reference/python"
INDEX = f"{FOLDER}/index.md"
MODULES = (
    "archc",
    "archc.runtime",
    "archc.runtime.batch",
    "archc.runtime.evaluation",
    "archc.runtime.sources",
    "archc.training",
    "archc.build.trained",
)
# the compiler's own values, which nobody is promised
INTERNAL = ("archc.compiler.ir", "archc.compiler.ops", "archc.compiler.analysis", "archc.compiler.driver")
EXAMPLES = Path(__file__).parent.parent / "examples" / "python"
INTRODUCTION = """\
# Python

What archc promises in Python, module by module, with what its functions take and give. Anything that is not here may change with any version.

```python
import archc

net = archc.load("lenet5_modern")
print(net.cost())
```

archc is typed (`py.typed`), and importing it costs next to nothing: torch, onnx and onnxruntime are imported when they are used.
A mistake in a spec is a `SpecError`, anything else that stands in the way a `Failure`, of the runtime a `RuntimeFault`; each carries
[the code of a diagnostic](../../diagnostics/index.md).

"""


class Name(NamedTuple):
    """A public name: how it is written, and what it is. `module` is where it is imported from."""

    module: str
    name: str
    target: Any

    @property
    def full(self) -> str:
        return f"{self.module}.{self.name}"

    @property
    def path(self) -> str:
        return f"{FOLDER}/{self.full}.md"


def api_pages() -> Iterator[Page]:
    """The index, then a page for each name."""
    names = public_names()
    text = INTRODUCTION
    for module in (*MODULES, ""):
        shown = [each for each in names if (each.module if each.module in MODULES else "") == module]
        rows = ((f"[{each.full}]({relative(each.path, INDEX)})", summary_of(each)) for each in shown)
        text += f"## {module or 'What these take and give'}\n\n" + table(("name", "what it is"), rows) + "\n"
    yield Page(INDEX, text, "All names")
    for each in names:
        yield Page(each.path, name_page(each, names), each.full if each.module in MODULES else each.name)


def summary_of(name: Name) -> str:
    """The first sentence of a name's docstring, for the index."""
    return escape_markdown(first_sentence(name.target.__doc__ or ""), INDEX)


def public_names() -> list[Name]:
    """The names of the modules' `__all__`, and behind them the classes that these take and give, by the modules that define them."""
    from importlib import import_module

    promised = [
        (module, name, getattr(import_module(module), name))
        for module in MODULES
        for name in import_module(module).__all__
    ]
    names = [Name(*each) for each in promised if inspect.isfunction(each[2]) or isinstance(each[2], type)]
    listed = {each.target for each in names}
    return names + [Name(kind.__module__, kind.__name__, kind) for kind in reached_from(names) if kind not in listed]


def reached_from(names: Sequence[Name]) -> list[type]:
    """The classes of archc that the names' parameters, results and properties are, and those that the fields of all of these are."""
    found: dict[type, None] = {}
    for each in names:
        for function in callables_of(each.target):
            for annotation in getattr(function, "__annotations__", {}).values():
                found |= dict.fromkeys(promised_classes(types_named(str(annotation), module_of(function))))
    waiting = [*found, *(each.target for each in names if isinstance(each.target, type))]
    while waiting:
        kind = waiting.pop(0)
        inner = [
            named for field in fields_of(kind) for named in promised_classes(types_named(field.type, module_of(kind)))
        ]
        waiting += [named for named in dict.fromkeys(inner) if named not in found]
        found |= dict.fromkeys(inner)
    return list(found)


def promised_classes(kinds: Iterable[type]) -> Iterator[type]:
    """Those of the classes that users may count on."""
    return (kind for kind in kinds if not kind.__module__.startswith(INTERNAL))


def callables_of(target: Any) -> Iterator[Any]:
    """A function itself; of a class the constructor that users call, and its members."""
    if not isinstance(target, type):
        yield target
        return
    if has_constructor(target):
        yield vars(target)["__init__"]
    yield from (each.target for each in members_of(target))


def has_constructor(kind: type) -> bool:
    """Whether users make such objects: it has a constructor of its own that is documented."""
    made = vars(kind).get("__init__")
    return inspect.isfunction(made) and bool(made.__doc__)


def name_page(name: Name, names: Sequence[Name]) -> str:
    """The page of a function or a class."""
    head = f"# {name.full}\n\n```python\nfrom {name.module} import {name.name}\n```\n\n"
    example = EXAMPLES / f"{name.full}.py"
    shown = (
        f"\n## Example\n\n```python\n{example.read_text('utf-8').partition(chr(10) * 2)[2]}```\n"
        if example.is_file()
        else ""
    )
    if isinstance(name.target, type):
        return head + class_text(name, names) + shown
    return head + callable_text(name.name, name.target, name.target.__doc__ or "", name.path, names) + shown


def class_text(name: Name, names: Sequence[Name]) -> str:
    """What a class is, its fields, its constructor, its properties and its methods."""
    kind, path = name.target, name.path
    told = parse_docstring(kind.__doc__ or "")
    fields = fields_of(kind)
    text = prose_markdown(told.prose, path) + "\n"
    if fields:
        text += "## Fields\n\n" + parameter_table(fields, told.names, path, names) + "\n"
    elif told.names:
        text += names_table(told.names, path) + "\n"
    if has_constructor(kind):
        text += "## Made by\n\n" + callable_text(kind.__name__, kind.__init__, kind.__init__.__doc__ or "", path, names)
    if issubclass(kind, Exception) and inspect.isfunction(vars(kind).get("__init__")):
        text += "## Carries\n\n" + parameter_table(parameters_of(kind.__init__), told.names, path, names) + "\n"
    members = members_of(kind)
    if properties := [each for each in members if each.is_property]:
        rows = ((f"`{each.name}`", escape_markdown(" ".join(each.docstring.split()), path),
                 type_cell(str(each.target.__annotations__.get("return", "")), module_of(each.target), path, names)) for each in properties)  # fmt: skip
        text += "\n## Properties\n\n" + table(("property", "meaning", "type"), rows)
    for each in members:
        if not each.is_property:
            text += f"\n## {each.name}\n\n" + callable_text(each.name, each.target, each.docstring, path, names)
    return text


def callable_text(called: str, function: Any, docstring: str, path: str, names: Sequence[Name]) -> str:
    """A function's signature, what it does, its parameters and its errors."""
    told = parse_docstring(docstring)
    text = f"```python\n{signature_text(called, function)}\n```\n\n" + prose_markdown(told.prose, path)
    if parameters := parameters_of(function):
        text += "\n" + parameter_table(parameters, told.names, path, names)
    return text + gives_text(function, path, names) + errors_text(told, path)


def gives_text(function: Any, path: str, names: Sequence[Name]) -> str:
    """What a function gives, where that is a class with a page."""
    cell = type_cell(str(getattr(function, "__annotations__", {}).get("return", "")), module_of(function), path, names)
    return f"\n**Gives** {cell}.\n" if cell.startswith("[") else ""


def errors_text(told: Docstring, path: str) -> str:
    """What a docstring says of errors, apart."""
    return f"\n**Errors.** {escape_markdown(' '.join(told.errors), path)}\n" if told.errors else ""


def parameter_table(parameters: Sequence[Parameter], meanings: dict[str, str], path: str, names: Sequence[Name]) -> str:
    """A row for each parameter or field; the column of meanings only where the docstring has any."""
    rows = [
        [
            f"`{each.name}`",
            *([escape_markdown(meanings.get(each.name, ""), path)] if meanings else []),
            link_types(each.type, path, names),
            f"`{each.default}`" if each.default else "",
        ]
        for each in parameters
    ]
    return table(("name", *(["meaning"] if meanings else []), "type", "default"), rows)


def type_cell(annotation: str, module: Any, path: str, names: Sequence[Name]) -> str:
    """A type as code, linked to the page of the class that it names."""
    return link_types(written_type(annotation, module), path, names)


def link_types(text: str, path: str, names: Sequence[Name]) -> str:
    """A written type as code; one that names a class with a page is a link there."""
    words = set(text.translate(str.maketrans("[],", "   ")).split())
    found = [each for each in names if isinstance(each.target, type) and each.name in words]
    code = f"`{text}`" if text else ""
    return f"[{code}]({relative(found[0].path, path)})" if found and found[0].path != path else code
