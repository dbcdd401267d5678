"""New values for a spec's parameters: `--set` from a shell, as YAML text, and `params=` from Python, as Python values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..diagnostics import Collector, Failure, Source, Span, clean, list_names, nearest
from .compose import Document
from .declarations import Declaration
from .located_yaml import Entry, Located, parse_yaml, plain_value
from .value_advice import BOOLEANS
from .values import Fault, check_param_value, expression_scalars


class Override(NamedTuple):
    """A new value of the parameter `name`. A built file records `text`; messages name the value by `origin`.

    `in_shell`: it was given by --set, and not from Python.
    """

    name: str
    value: Located
    text: str
    origin: str
    in_shell: bool


def from_setting(setting: str) -> Override:
    """The override of `--set name=value`; the value is one line of YAML. Raises Failure (usage)."""
    name, equals, text = setting.partition("=")
    if not equals:
        word = setting if re.fullmatch(r"[\w.]{1,80}", setting) else "NAME"
        raise Failure("set-unknown", f"--set {setting[:200]!r} is no name=value", f"write --set {word}=VALUE", 2)
    if not text.strip():
        raise Failure(
            "set-value", f"--set {name}: there is no value behind the `=`", f"write --set {name[:80]}=VALUE", 2
        )
    faults = Collector()
    node = None if "\n" in text else parse_yaml(Source(f"--set {name}", text), faults)
    if node is None or faults.failed:
        why = next((d.message for d in faults), "it is one line")
        raise Failure("set-value", f"--set {name}: {text[:80]!r} is no value: {why}", exit_code=2)
    return Override(name, node, setting, f"--set {name}", True)


def from_value(name: str, value: Any) -> Override:
    """The override of a value in `params=`. Raises Failure (usage) for a value that a spec cannot hold."""
    origin = f"params[{name!r}]"
    if not isinstance(name, str):
        raise Failure("set-unknown", f"{origin}: a parameter's name is a string", exit_code=2)
    try:
        node = to_located(value, Span(Source(origin, ""), 1, 1, 1, 1), 0)
    except TypeError as error:
        raise Failure(
            "set-value", f"{origin}: {error}", "give a number, a boolean, a string, or a list of them", 2
        ) from None
    return Override(name, node, f"{name}={json.dumps(plain_value(node), ensure_ascii=False)}", origin, False)


def to_located(value: Any, span: Span, depth: int) -> Located:
    """A Python value as a node of a spec, `depth` levels down. numpy's scalars and torch's sizes count as numbers and lists.

    Raises TypeError for a value that a spec cannot hold.
    """
    if depth > 16:
        raise TypeError("it is nested too deep")
    if isinstance(value, (bool, str)) or value is None:
        return Located(value, span, str(value), "'" if isinstance(value, str) else "")
    if isinstance(value, Mapping):
        entries = {str(k): Entry(Located(str(k), span), to_located(v, span, depth + 1)) for k, v in value.items()}
        return Located(entries, span)
    if isinstance(value, (list, tuple)):
        return Located([to_located(item, span, depth + 1) for item in value], span, style="[")
    number = value.item() if hasattr(value, "item") and getattr(value, "ndim", None) == 0 else value
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise TypeError(f"a {type(value).__name__} cannot stand in a spec")
    if number != number or abs(number) == float("inf"):
        raise TypeError(f"{number} is not finite")
    if abs(number) > 10**40:
        raise TypeError("a number of over 40 digits is too large")
    return Located(number, span, str(number))


def override_params(document: Document, overrides: Sequence[Override]) -> Document:
    """The document with the new values as defaults of its parameters.

    Raises Failure (usage) for a value that does not fit.
    """
    failures = [failure for override in overrides if (failure := refuse_override(document, override))]
    if failures:
        message = "; ".join(failure.message for failure in failures)
        help = "; ".join(dict.fromkeys(failure.help for failure in failures if failure.help))
        raise Failure(failures[0].code, message, help, 2)
    params = dict(document.params)
    for override in overrides:
        params[override.name] = params[override.name]._replace(default=override.value)
    return document._replace(params=params)


def refuse_override(document: Document, override: Override) -> Failure | None:
    """Why a new value cannot be laid over the params; None where it can."""
    params, name, value, origin = document.params, override.name, override.value, override.origin
    if name not in params:
        near = nearest(name, params)
        there = f"its parameters are {list_names(params)}" if params else "it has no parameters"
        hint = f"did you mean `{near}`?" if near else there
        return Failure("set-unknown", f"{origin} names no parameter of the spec `{clean(document.name)}`", hint, 2)
    if next(expression_scalars(value), None):
        return Failure("set-value", f"{origin}: an expression cannot be set; give its value", exit_code=2)
    try:
        check_param_value(params[name], plain_value(value), value)
    except Fault as fault:
        help = advise_setting(params[name], override) or fault.diagnostic.help
        return Failure("set-value", f"{origin}: {fault.diagnostic.message}", help, 2)
    return None


def advise_setting(param: Declaration, override: Override) -> str:
    """What to write for a value of a wrong type; empty where nothing can be guessed."""
    name, given = override.name, override.value.value
    in_shell = override.in_shell
    if (
        param.type in ("list", "pair", "padding")
        and isinstance(given, (str, int, float))
        and not isinstance(given, bool)
    ):
        items = [item for item in re.split(r"[\s,;x]+", str(given).strip("()[]{} ")) if item]
        if items and all(re.fullmatch(r"-?[\d.]+", item) for item in items):
            written = f"{name}=[{','.join(items)}]"
            return (
                f"write {written}, in quotes where the shell reads brackets"
                if in_shell
                else f"give a list: [{', '.join(items)}]"
            )
    if param.type == "bool" and given in (0, 1):
        return f"write {name}={str(bool(given)).lower()}" if in_shell else f"give {bool(given)}"
    if param.type == "string" and not isinstance(given, (str, list, dict)) and given is not None:
        text = str(override.value.raw)
        return f"write {name}=\"'{text}'\"" if in_shell else f"give the string '{text}'"
    if isinstance(given, str):
        plain = parse_yaml(Source(override.origin, given.strip()), Collector())
        meant = (
            BOOLEANS.get(given.lower())
            if param.type == "bool"
            else given.strip()
            if plain and fits(param, plain)
            else None
        )
        if meant:
            return f"write {name}={meant}" if in_shell else f"give {meant}, without quotes"
    return ""


def fits(param: Declaration, value: Located) -> bool:
    """Whether the param takes the value."""
    try:
        check_param_value(param, plain_value(value), value)
    except Fault:
        return False
    return True
