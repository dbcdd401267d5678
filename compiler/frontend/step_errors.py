"""Explains what is no step: a word or a key that the language does not know, or an op in the wrong place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..diagnostics import Diagnostic, nearest
from ..ops import OPS
from ..ops.fields import Schema, quote_value
from ..ops.words import OP_KEYS, ROW_REMARKS, is_among, match_field, match_op
from . import foreign_steps as foreign
from .located_yaml import Entry, Located, plain_value
from .schema_rules import Path, block_names, find_node, known_keys, step_names, synonyms, visible_ops
from .spec import MODIFIERS


def explain_not_a_step(root: Located, path: Path, node: Located, wants: str) -> Iterator[Diagnostic]:
    """The diagnostics of a value that is no step: an unknown word, or something that is neither a word nor a mapping."""
    word, merge = node.value, path[-3] if path[-2:-1] == ["branches"] else "".join(map(str, path[-2:-1]))
    if not isinstance(word, str):
        help = advise_module_row(plain_value(node))
        yield Diagnostic(
            "not-a-step", node.span, f"{quote_value(plain_value(node))} is no step; {wants} is wanted", help=help
        )
    elif word in OPS and not (OPS[word].is_merge or OPS[word].is_internal):
        help = f"write {{{foreign.format_call(OPS[word], {})}}}"
        yield Diagnostic("missing-key", node.span, f"`{word}` needs its fields", help=help)
    elif word in step_names(root) and merge in OPS and OPS[str(merge)].is_merge:
        yield from explain_step_as_branch(root, path, node)
    elif word not in block_names(root):  # a wrong name of a block is reported where the block is declared
        yield unknown_step(root, node, None)


def explain_step_as_branch(root: Located, path: Path, node: Located) -> Iterator[Diagnostic]:
    """The diagnostic of a step's name in the place of a branch.

    `concat: [a, b]` is reported once, at `a`, and `add: {from: a}` at `from`.
    """
    names, key, branches = step_names(root), path[-2], find_node(root, path[:-1])[1].value
    where, message = node.span, f"`{node.value}` is a step: a branch holds steps"
    help = f"write `{{from: {node.value}}}`"
    if isinstance(branches, list):
        if node is not next(item for item in branches if is_name(item, names)):
            return
        texts = [
            f"{{from: {item.value}}}" if is_name(item, names) else foreign.format_flow(plain_value(item))
            for item in branches
        ]
        help = f"write `{key}: [{', '.join(texts)}]`"
    elif path[-1] == "from":
        where, message = branches["from"].key.span, f"`{key}` holds branches, not the keys of a step"
        help = foreign.join_with_arriving(str(key), node.value)
        yield Diagnostic("bad-name", where, message, help=help)  # names.py gives this code to a branch of that name
        return
    yield Diagnostic("unknown-op", where, message, help=help)


def is_name(node: Located, names: frozenset[str]) -> bool:
    return isinstance(node.value, str) and node.value in names


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
    if outdented and node.value[cores[0].name].value.value is None:
        arguments = {str(e.key.value): plain_value(e.value) for e in outdented}
        yield Diagnostic("unknown-op", outdented[0].key.span, f"`{outdented[0].key.value}` is a field of `{cores[0].name}`: indent it more",
                         help=str(foreign.suggest_call(cores[0], arguments)))  # fmt: skip
        unknown = [e for e in unknown if e not in outdented]
    for entry in unknown:
        own = foreign.advise_own_step(str(entry.key.value), plain_value(entry.value)) if cores else ""
        if own:
            message = f"`{entry.key.value}` cannot stand beside `{cores[0].name}`"
            yield Diagnostic("unknown-op", entry.key.span, message, help=own)
        elif str(entry.key.value) not in block_names(root):  # the block is reported where it is declared
            yield unknown_step(root, entry.key, entry.value, rule)


def unknown_step(root: Located, key: Located, args: Located | None, rule: Schema | None = None) -> Diagnostic:
    """The diagnostic of a word that is neither an operation nor a key of a step."""
    word, known = str(key.value), known_keys(rule or {})
    help = foreign.advise_step(word, args)
    if not help and (meant := next((k for k in known.keys if is_among(word, synonyms(known, k))), None)):
        help = f"`{word}` is `{meant}` here"
    if not help:
        near = nearest(word, [*known.keys, *visible_ops(), *block_names(root)])
        help = f"did you mean `{near}`?" if near else "`archc ops` lists the operations; blocks are CamelCase"
    return Diagnostic("unknown-op", key.span, f"unknown operation or key `{word}`", help=help)


def op_as_value(root: Located, node: Located, entry: Entry) -> Diagnostic:
    """The diagnostic of a step as other formats write it, `{type: conv, out: 8}`: here the operation is the key."""
    key, word = str(entry.key.value), str(entry.value.value)
    arguments = {k: plain_value(e.value) for k, e in node.value.items() if k not in (*MODIFIERS, key)}
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
            repeat = f"repeat: {{i: {number}}}, " if number > 1 else ""
            also = "".join(f"; {remark}" for words, remark in ROW_REMARKS if is_among(module, words))
            return f"a step is a mapping: write `{repeat}{foreign.suggest_positional_call(op, arguments)}`{also}"
    return ""
