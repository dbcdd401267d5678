"""What Python says of a callable and of a class: parameters with their types as they are written, fields, properties and methods."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.util import resolve_name
from types import MappingProxyType, ModuleType
from typing import Any, Literal, NamedTuple, get_args, get_origin

WORD = re.compile(r"\b[A-Z]\w+\b")
LITERAL = re.compile(r"\bLiteral\[([^\]]*)\]")
NAMED = re.compile(r"`(\w+)`")


class Parameter(NamedTuple):
    """A parameter or a field: its type and its default as they are written, the default empty where it has none."""

    name: str
    type: str
    default: str
    kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD

    def __str__(self) -> str:
        star = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(self.kind, "")
        typed = f"{star}{self.name}: {self.type}" if self.type else f"{star}{self.name}"
        return f"{typed} = {self.default}" if self.default else typed


class Member(NamedTuple):
    """A property or a method of a class."""

    name: str
    target: Callable[..., Any]
    docstring: str
    is_property: bool


def parameters_of(function: Callable[..., Any]) -> list[Parameter]:
    """The parameters of a function or a class, less the instance's own."""
    found = inspect.signature(function).parameters.values()
    module = module_of(function)
    return [
        Parameter(each.name, written_type(each.annotation, module), written_default(each.default), each.kind)
        for each in found
        if each.name not in ("self", "cls")
    ]


def signature_text(name: str, function: Callable[..., Any]) -> str:
    """A call with all parameters and what it gives, as one writes it; long ones take a line for each."""
    parts: list[str] = []
    keywords = False
    for each in parameters_of(function):
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not keywords:
            keywords = True
            parts.append("*")
        parts.append(str(each))
    gives = written_type(getattr(function, "__annotations__", {}).get("return", ""), module_of(function))
    end = f" -> {gives}" if gives and function.__name__ != "__init__" else ""
    line = f"{name}({', '.join(parts)}){end}"
    return line if len(line) <= 90 else f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){end}"


def written_type(annotation: Any, module: ModuleType) -> str:
    """An annotation as it stands in the source; an alias of words is these words."""
    if annotation is inspect.Parameter.empty or annotation == "":
        return ""
    given = getattr(annotation, "__forward_arg__", annotation)
    text = given if isinstance(given, str) else getattr(given, "__name__", str(given))
    text = text.strip("\"'").replace("os.PathLike", "PathLike")
    text = LITERAL.sub(lambda found: found[1].replace("'", '"').replace(", ", " | "), text)

    def spell(found: re.Match[str]) -> str:
        meant = resolve_type(found[0], module)
        return " | ".join(f'"{word}"' for word in get_args(meant)) if get_origin(meant) is Literal else found[0]

    return WORD.sub(spell, text)


def written_default(default: Any) -> str:
    """A default as it is written; empty where there is none. A value of archc's that is made without arguments is a call without any."""
    if default is inspect.Parameter.empty:
        return ""
    if is_ours(type(default)) and fields_of(type(default)) and default == type(default)():
        return f"{type(default).__name__}()"
    return default.__name__ if callable(default) else repr(default)


def fields_of(kind: type) -> list[Parameter]:
    """The fields of a named tuple or a dataclass; none of another class."""
    if dataclasses.is_dataclass(kind):
        defaults = {each.name: "…" if each.default_factory is not dataclasses.MISSING else
                    "" if each.default is dataclasses.MISSING else repr(each.default) for each in dataclasses.fields(kind)}  # fmt: skip
    elif hasattr(kind, "_fields"):
        given = getattr(kind, "_field_defaults", {})
        defaults = {name: repr(given[name]) if name in given else "" for name in kind._fields}
    else:
        return []
    types = {
        name: text for base in reversed(kind.__mro__) for name, text in vars(base).get("__annotations__", {}).items()
    }
    return [
        Parameter(name, written_type(types.get(name, ""), module_of(kind)), default)
        for name, default in defaults.items()
    ]


def members_of(kind: type) -> list[Member]:
    """The properties and methods for users, in the order of the source, those of archc's own bases first.

    A class whose docstring names methods in backticks has those alone; else all are for users that do not begin with an underscore.
    """
    found = {each.name: each for base in reversed(kind.__mro__) if is_ours(base) for each in own_members(base)}
    named = {name for name in NAMED.findall(kind.__doc__ or "") if name in found and not found[name].is_property}
    return [each for each in found.values() if each.is_property or not named or each.name in named]


def own_members(kind: type) -> Iterator[Member]:
    """What a class itself defines, less its fields."""
    fields = {each.name for each in fields_of(kind)}
    for name, value in vars(kind).items():
        if name.startswith("_") or name in fields:
            continue
        if isinstance(value, (property, cached_property)):
            target = value.fget if isinstance(value, property) else value.func
            if target is not None:
                yield Member(name, target, target.__doc__ or "", True)
        elif isinstance(value, (classmethod, staticmethod)):
            yield Member(name, value.__func__, value.__func__.__doc__ or "", False)
        elif inspect.isfunction(value):
            yield Member(name, value, value.__doc__ or "", False)


def is_ours(kind: Any) -> bool:
    """Whether a class is archc's."""
    return isinstance(kind, type) and kind.__module__.partition(".")[0] == "archc"


def types_named(annotation: str, module: ModuleType) -> Iterator[type]:
    """The classes of archc that an annotation names."""
    for word in WORD.findall(annotation):
        meant = resolve_type(word, module)
        if is_ours(meant):
            yield meant


def module_of(target: Any) -> ModuleType:
    """The module in which a function or a class is defined."""
    return sys.modules[target.__module__]


def resolve_type(word: str, module: ModuleType) -> Any:
    """What a name in an annotation means in its module, also where only type checkers import it; None where that is not archc's."""
    if word in vars(module):
        return vars(module)[word]
    found = imports_of(module.__name__).get(word)
    return getattr(import_module(found[0]), found[1], None) if found else None


@lru_cache(maxsize=256)
def imports_of(name: str) -> Mapping[str, tuple[str, str]]:
    """The module and the name behind each name that a module imports from archc, wherever in it."""
    module = sys.modules[name]
    package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
    found = {
        alias.asname or alias.name: (resolve_name("." * node.level + (node.module or ""), package), alias.name)
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    return MappingProxyType(found)
