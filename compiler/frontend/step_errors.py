"""Explains what is no step: a word or a key that the language does not know, or an op in the wrong place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from ..diagnostics import Diagnostic, list_names, nearest
from ..ops import OPS
from ..ops.fields import Schema, quote_value
from ..ops.op import Op
from ..ops.words import (
    INPUT_KEYS,
    NESTED_ARGUMENTS,
    OP_KEYS,
    ROW_REMARKS,
    is_among,
    match_field,
    match_op,
    normalize_word,
)
from . import foreign_steps as foreign
from .bare_names import names_in_sight
from .located_yaml import Entry, Located, plain_value
from .punctuation import advise_punctuation
from .schema_rules import Path, block_names, block_words, find_node, known_keys, step_names, synonyms, visible_ops
from .spec import MODIFIERS


def explain_not_a_step(root: Located, path: Path, node: Located, wants: str) -> Iterator[Diagnostic]:
    """The diagnostics of a value that is no step: an unknown word, or something that is neither a word nor a mapping."""
    word, merge = node.value, path[-3] if path[-2:-1] == ["branches"] else "".join(map(str, path[-2:-1]))
    listed = find_listed_names(root, path)
    if not isinstance(word, str):
        help = advise_module_row(plain_value(node))
        yield Diagnostic(
            "not-a-step", node.span, f"{quote_value(plain_value(node))} is no step; {wants} is wanted", help=help
        )
    elif word in OPS and not OPS[word].is_internal:
        # a wrong name of a block is reported where the block is declared
        if word not in block_names(root):
            yield missing_fields(OPS[word], node)
    elif word in step_names(root) and merge in OPS and OPS[str(merge)].is_merge:
        yield from explain_step_as_branch(root, path, node)
    elif listed:
        if listed.first is node:
            # names.py gives that to a branch of that name
            code = "bad-name" if listed.key.value == "from" else "unknown-op"
            where = listed.key.span if listed.key.value == "from" else node.span
            yield Diagnostic(
                code, where, f"`{word}` is a step: a branch holds steps", help=f"write `{listed.fragment}`"
            )
    elif word in step_names(root) and len(path) > 1 and not is_place(path):
        yield Diagnostic(
            "unknown-op", node.span, f"`{word}` is a step, and no operation", help=f"write `{{from: {word}}}`"
        )
    elif word in names_in_sight(root, path):
        what = f"`{word}` is a param, and no step"
        yield Diagnostic(
            "unknown-op", node.span, what, help=f"write `use: ${word}` if it names a block or an operation"
        )
    elif word not in block_names(root):
        yield unknown_step(root, node, None)


def missing_fields(op: type[Op], node: Located) -> Diagnostic:
    """The diagnostic of an op that is written as a word alone, and needs its fields or its branches."""
    fragment = foreign.suggest_merge(op, None) if op.is_merge else foreign.format_call(op, {})
    what = "branches" if op.is_merge else "fields"
    return Diagnostic("missing-key", node.span, f"`{op.name}` needs its {what}", help=f"write {{{fragment}}}")


def explain_step_as_branch(root: Located, path: Path, node: Located) -> Iterator[Diagnostic]:
    """The diagnostic of a step's name in the place of a branch.

    `concat: [a, b]` is reported once, at `a`, and `add: {from: a}` at `from`.
    """
    names, key, holder = step_names(root), path[-2], find_node(root, path[:-1])[1]
    branches = holder.value
    where, message = node.span, f"`{node.value}` is a step: a branch holds steps"
    help = f"write `{{from: {node.value}}}`"
    if isinstance(branches, list):
        if node is not first_name(holder, names):
            return
        texts = [
            f"{{from: {item.value}}}" if is_name(item, names) else foreign.format_flow(plain_value(item))
            for item in branches
        ]
        help = f"write `{key}: [{', '.join(texts)}]`"
    elif path[-1] == "from":
        where, message = branches["from"].key.span, f"`{key}` holds branches, not the keys of a step"
        help = foreign.join_with_arriving(str(key), node.value)
        # names.py gives this code to a branch of that name
        yield Diagnostic("bad-name", where, message, help=help)
        return
    yield Diagnostic("unknown-op", where, message, help=help)


class ListedNames(NamedTuple):
    """Names of steps in a list under a merge, as other formats give its inputs: `concat: {inputs: [a, b]}`.

    `first` is the node that is reported, `key` the key of the list, and `fragment` what to write.
    """

    first: Located
    key: Located
    fragment: str


def find_listed_names(root: Located, path: Path) -> ListedNames | None:
    """The names around the word at `path`, where it is one of them."""
    if len(path) < 3 or path[-2] not in INPUT_KEYS or path[-3] not in OPS or not OPS[str(path[-3])].is_merge:
        return None
    around = find_node(root, path[:-2])[1].value
    entry = around.get(str(path[-2])) if isinstance(around, dict) else None
    items = entry.value.value if entry else None
    if entry is None or not isinstance(items, list) or path[-2] == "branches":
        return None
    names = step_names(root)
    node = find_node(root, path)[1]
    if not is_name(node, names):
        return None
    first = first_name(entry.value, names)
    shown = [plain_value(item) for item in items[: foreign.MAX_ARGUMENTS]] if first is node else []
    return ListedNames(first, entry.key, foreign.suggest_merge(OPS[str(path[-3])], shown))


def is_place(path: Path) -> bool:
    """Whether `path` is that of a step of the graph, of a block or of a group, and not of a branch."""
    return path[-2] in ("graph", "steps", "body", "shortcut")


def is_name(node: Located, names: frozenset[str]) -> bool:
    return isinstance(node.value, str) and node.value in names


@lru_cache(maxsize=16)
def first_name(node: Located, names: frozenset[str]) -> Located:
    """The first item of a list that is one of the names, of which it has one: looked for once, however many are wrong."""
    first: Located = next(item for item in node.value if is_name(item, names))
    return first


def explain_unknown_step_keys(root: Located, node: Located, rule: Schema, unknown: list[Entry]) -> Iterator[Diagnostic]:
    """The diagnostics of the unknown keys of a step, one a key.

    But `{type: conv, …}` is one mistake, and so are all fields of an op that stand beside the op.
    """
    op_key = next((e for e in unknown if is_among(str(e.key.value), OP_KEYS) and isinstance(e.value.value, str)), None)
    cores = [OPS[key] for key in node.value if key in visible_ops()]
    if op_key and not cores:
        yield op_as_value(root, node, op_key)
        return
    outdented = [e for e in unknown if cores and match_field(cores[0], str(e.key.value))]
    if outdented:
        given = plain_value(node.value[cores[0].name].value)
        inner = (
            given if isinstance(given, dict) else {cores[0].bare: given} if cores[0].bare and given is not None else {}
        )
        arguments = {**inner, **{str(e.key.value): plain_value(e.value) for e in outdented}}
        more = ": indent it more" if given is None else ", and stands in it"
        yield Diagnostic("unknown-op", outdented[0].key.span, f"`{outdented[0].key.value}` is a field of `{cores[0].name}`{more}",
                         help=str(foreign.suggest_call(cores[0], arguments)))  # fmt: skip
        unknown = without(unknown, outdented)
    if misplaced := misplaced_arguments(root, node, rule, unknown):
        yield misplaced.diagnostic
        unknown = without(unknown, misplaced.entries)
    for entry in unknown:
        own = foreign.advise_own_step(str(entry.key.value), plain_value(entry.value)) if cores else ""
        if own:
            message = f"`{entry.key.value}` cannot stand beside `{cores[0].name}`"
            yield Diagnostic("unknown-op", entry.key.span, message, help=own)
        # a block of that name is reported where it is declared
        elif str(entry.key.value) not in block_names(root):
            yield unknown_step(root, entry.key, entry.value, rule)


def without(entries: list[Entry], others: list[Entry]) -> list[Entry]:
    """The entries that are none of the others."""
    keys = {other.key for other in others}
    return [entry for entry in entries if entry.key not in keys]


class Misplaced(NamedTuple):
    """Entries that stand beside the core of a step and belong in it, with the one diagnostic of them."""

    entries: list[Entry]
    diagnostic: Diagnostic


def misplaced_arguments(root: Located, node: Located, rule: Schema, unknown: list[Entry]) -> Misplaced | None:
    """The arguments of a block, of a `use`, or of a core such as `residual`, that stand beside it; None where there are none."""
    core = next((key for key in node.value if key == "use" or key in block_names(root)), None)
    core = core or next(
        (k for k, e in node.value.items() if rule["properties"].get(k, {}).get("properties") and e.value.value is None),
        None,
    )
    if core is None or not unknown:
        return None
    given = node.value[core].value
    name = str(given.value) if core == "use" else core
    fields = rule["properties"].get(name, {}).get("properties")
    taken = declared_params(root, name) if fields is None else fields
    entries = [entry for entry in unknown if taken is None or str(entry.key.value) in taken]
    if not entries:
        return None
    inner = plain_value(given) if core != "use" and isinstance(given.value, dict) else {}
    arguments = foreign.format_flow(inner | {str(e.key.value): plain_value(e.value) for e in entries})
    key = entries[0].key
    help = "indent it more" if fields and core != "use" else f"write `{'with' if core == 'use' else core}: {arguments}`"
    what = f"`{key.value}` is an argument of `{name}`, and stands in it"
    return Misplaced(entries, Diagnostic("unknown-op", key.span, what, help=help))


def declared_params(root: Located, block: str) -> Collection[str] | None:
    """The names under `params` of a block of this document; None where there is no such block."""
    if block not in block_names(root):
        return None
    fields = root.value["blocks"].value.value[block].value.value
    params = fields["params"].value.value if isinstance(fields, dict) and "params" in fields else None
    return params.keys() if isinstance(params, dict) else ()


def unknown_step(root: Located, key: Located, args: Located | None, rule: Schema | None = None) -> Diagnostic:
    """The diagnostic of a word that is neither an operation nor a key of a step."""
    word, known = str(key.value), known_keys(rule or {})
    block = block_words(root).get(normalize_word(word))
    help = f"did you mean `{block}`?" if block else advise_punctuation(key)
    meant = next((k for k in known.keys if is_among(word, synonyms(known, k))), None)
    is_modifier = meant in MODIFIERS and args is not None and not isinstance(args.value, dict)
    help = help or ("" if is_modifier else foreign.advise_step(word, args))
    if not help and meant:
        form = advise_modifier(known.keys[meant], meant, args) if args and is_modifier else ""
        help = f"`{word}` is `{meant}` here" + (f": write `{form}`" if form else "")
    if not help and re.fullmatch(r"\$(\w+|\(.*\))", word):
        help = f"write `use: {word}` if it names a block or an operation"
    several = [part for part in re.split(r"[,\s|+]+|->|→", word) if part]
    if not help and len(several) > 1 and all(match_op(part) for part in several):
        help = f"write each as a step of its own: {', '.join(f'`- {part}`' for part in several)}"
    if not help:
        near = nearest(word, chain(known.keys, visible_ops(), block_names(root)))
        own = (
            f"this document's blocks are {list_names(block_names(root))}"
            if block_names(root)
            else "blocks are CamelCase"
        )
        help = f"did you mean `{near}`?" if near else f"`archc ops` lists the operations; {own}"
    return Diagnostic("unknown-op", key.span, f"unknown operation or key `{word}`", help=help)


def advise_modifier(rule: Schema, key: str, args: Located) -> str:
    """The key of a step with the value that stands under a synonym of it; a list of steps is a merge of them."""
    value = plain_value(args)
    json_type = {int: "integer", list: "array"}.get(type(value), "")
    form = str(rule.get("x-instead", {}).get(json_type, ""))
    if key == "from" and isinstance(value, list) and value:
        return form.partition(":")[0] + ": [" + ", ".join(f"{{from: {each}}}" for each in value) + "]"
    return form.replace("VALUE", foreign.format_flow(value)) or f"{key}: {foreign.format_flow(value)}"


def op_as_value(root: Located, node: Located, entry: Entry) -> Diagnostic:
    """The diagnostic of a step as other formats write it, `{type: conv, out: 8}`: here the operation is the key."""
    key, word = str(entry.key.value), str(entry.value.value)
    arguments: dict[str, Any] = {}
    for each, argument in node.value.items():
        plain = plain_value(argument.value)
        if NESTED_ARGUMENTS.fullmatch(each) and isinstance(plain, dict):
            arguments |= plain
        elif each not in (*MODIFIERS, key) or (each == "from" and isinstance(plain, list)):
            arguments[each] = plain
    op = match_op(word)
    if op:
        help = str(foreign.suggest_call(op, arguments))
    elif word in block_names(root):
        help = f"write `{foreign.format_flow({word: arguments})[1:-1]}`"
    else:
        near = nearest(word, visible_ops())
        guess = f"did you mean `{near}`?" if near else "`archc ops` lists the operations"
        help = foreign.advise_step(word, None) or guess
    message = f"`{key}` is no key of a step: an operation is a key itself"
    return Diagnostic("unknown-op", entry.key.span, message, help=help)


def advise_module_row(value: Any) -> str:
    """The step to write for a row of an Ultralytics file, `[-1, 1, Conv, [64, 3, 2]]`: from, number, module, arguments."""
    match value:
        case [int() | list(), int(number), str(module), list(arguments)]:
            op = match_op(module)
            if op is None:
                return foreign.advise_step(module, None) or "a step is a mapping, {operation: {field: value}}"
            if op.is_merge:
                return f"a step is a mapping: write `{foreign.suggest_merge(op, None)}`"
            also = "".join(f"; {remark}" for words, remark in ROW_REMARKS if is_among(module, words))
            call = foreign.suggest_positional_call(op, arguments)
            written = f"{{repeat: {{i: {number}}}, steps: [{call}]}}" if number > 1 else call
            return f"a step is a mapping: write `{written}`{also}"
        case [*items] if items and all(
            isinstance(each, dict) or (isinstance(each, str) and match_op(each)) for each in items
        ):
            return "several steps as one step are `steps: [ … ]`"
        case [str(word), list(arguments)] | [str(word), *arguments] if match_op(word):
            op = match_op(word)
            assert op is not None
            return f"a step is a mapping: write `{foreign.suggest_positional_call(op, arguments)}`"
        case [int() | list(), int(), str(module)]:
            return foreign.advise_step(module, None)
        case list():
            return "a step is a mapping, {operation: {field: value}}"
    return ""
