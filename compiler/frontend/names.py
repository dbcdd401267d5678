"""The static check of names: every expression parses, every name it uses is in sight, every block and parameter exists.

Scopes are lexical (language.md, section 4), so this needs no value and speaks of a block once, however often it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from keyword import iskeyword
from typing import NamedTuple

from ..diagnostics import Collector, Diagnostic, nearest
from ..ops import OPS
from ..ops.fields import show
from ..ops.words import is_among
from .compose import Document
from .foreign_steps import advise_step
from .located_yaml import BROKEN, Entry, Located, is_broken, plain_value
from .spec import Block, BlockCall, Declaration, Group, MergeCall, OpCall, Place, Residual, Step, Use
from .values import Fault, parsed, scalars, typed, unknown, within

NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
MAX_NAME = 200

# What torch.nn.Module owns and a child of that name would break; a test holds the list against torch.
MODULE_OWNED = frozenset(
    [
        "T_destination",
        "add_module",
        "append",
        "apply",
        "bfloat16",
        "buffers",
        "call_super_init",
        "children",
        "compile",
        "cpu",
        "cuda",
        "double",
        "dump_patches",
        "eval",
        "extend",
        "extra_repr",
        "float",
        "forward",
        "get_buffer",
        "get_extra_state",
        "get_parameter",
        "get_submodule",
        "half",
        "insert",
        "ipu",
        "items",
        "keys",
        "load_state_dict",
        "modules",
        "mtia",
        "named_buffers",
        "named_children",
        "named_modules",
        "named_parameters",
        "parameters",
        "pop",
        "register_backward_hook",
        "register_buffer",
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
        "register_load_state_dict_post_hook",
        "register_load_state_dict_pre_hook",
        "register_module",
        "register_parameter",
        "register_state_dict_post_hook",
        "register_state_dict_pre_hook",
        "requires_grad_",
        "set_extra_state",
        "set_submodule",
        "share_memory",
        "state_dict",
        "to",
        "to_empty",
        "train",
        "training",
        "type",
        "update",
        "values",
        "xpu",
        "zero_grad",
        "code",
        "graph",
        "print_readable",
        "recompile",
        "to_folder",
        "add_submodule",
        "delete_submodule",
        "delete_all_unused_submodules",
        "meta",
    ]
) - {"update", "values", "keys", "items", "pop", "append", "extend", "insert"}


def name_fault(name: object) -> str:
    """Why `name` cannot name a step; empty where it can."""
    return word_fault(name) if isinstance(name, str) else f"a name is a string, not {show(name)}"


@lru_cache(maxsize=4096)
def word_fault(name: str) -> str:
    """The same of a string."""
    if not name.strip():
        return "a name is not empty"
    if len(name) > MAX_NAME:
        return f"a name has at most {MAX_NAME} characters, not {len(name)}"
    if not NAME.match(name):
        return f"{show(name)} is no name: letters, digits, `_` and `-` only; the dot joins paths"
    if iskeyword(name):
        return f"`{name}` cannot be a name: it is a keyword of Python, and paths become attributes of a module"
    if name in MODULE_OWNED or name.startswith("__") or name in MODULE_PRIVATE:
        return f"`{name}` cannot be a name: torch's Module owns it"
    return ""


MODULE_PRIVATE = frozenset(
    ["_modules", "_parameters", "_buffers", "_version", "_graph", "_tracer_cls", "_get_name", "_apply", "_call_impl"]
)


class Scope(NamedTuple):
    """What a step sees: names, blocks, and whether it stands in a block or an auxiliary head."""

    names: frozenset[str]
    blocks: Mapping[str, Block]
    block: str | None = None
    aux: bool = False


class Resolver:
    def __init__(self, diagnostics: Collector) -> None:
        self.diagnostics = diagnostics
        self.used: set[str] = set()
        self.dynamic = False
        self.scopes: dict[Located, Scope] = {}  # what each step of the text sees: for whoever completes names there
        self._done: set[int] = set()

    def document(self, document: Document) -> None:
        self.check_document(document.params, document.blocks, document.graph)
        own = [document.blocks[name] for name in document.own_blocks if name in document.blocks]
        if document.graph and not self.dynamic and not self.diagnostics.failed:  # what is refused may be the use
            for block in own:
                if block.name not in self.used:
                    self.diagnostics.add(Diagnostic("unused-block", block.key.span, f"block `{block.name}` is never used",
                                                    severity="warning"))  # fmt: skip

    def check_document(
        self, params: Mapping[str, Declaration], blocks: Mapping[str, Block], graph: Place | None
    ) -> None:
        """A document's params, blocks and graph, which see one another."""
        seen = self.params(params)
        for block in blocks.values():
            if id(block) in self._done:
                continue
            self._done.add(id(block))
            if block.input is not None:
                self.check_document(block.params, block.blocks, block.steps)
            else:
                self.block(block, seen if block.sees_document else frozenset())
                if block.blocks is not blocks:
                    self.check_document({}, block.blocks, None)
        if graph:
            self.place(graph, Scope(seen, blocks))

    def params(self, params: Mapping[str, Declaration], outer: frozenset[str] = frozenset()) -> frozenset[str]:
        """Checks defaults, each of which sees the params before it; returns all names in sight."""
        seen: set[str] = set()
        for name, param in params.items():
            if param.default is not None:
                later = [p for p in params if p not in seen]
                self.expressions(
                    param.default,
                    frozenset(seen) | outer,
                    f"a default sees only the params before it, not {', '.join(later)}",
                )
                if not next(scalars(param.default), None) and not is_broken(param.default):
                    try:
                        typed(param, plain_value(param.default), param.default)
                    except Fault as fault:
                        d = fault.diagnostic
                        self.diagnostics.add(d._replace(message=f"the default of {d.message}"))
            seen.add(name)
        return frozenset(seen)

    def block(self, block: Block, document: frozenset[str]) -> None:
        own = self.params(block.params)
        names = set(own | document)
        for name, entry in block.let.items():
            if name in names or name == "x":
                self.diagnostics.error(
                    "hidden-name",
                    entry.key.span,
                    f"`let` hides `{name}`, which is in sight already",
                    "only a block's parameter may hide a parameter of the document",
                )
            self.expressions(entry.value, frozenset(names | {"x"}), "a `let` sees only what stands before it")
            names.add(name)
        self.place(block.steps, Scope(frozenset(names), block.blocks, block.name))

    def place(self, place: Place, scope: Scope) -> None:
        for step in place.steps:
            self.step(step, scope)

    def step(self, step: Step, scope: Scope) -> None:
        modifiers = step.modifiers
        if "repeat" in modifiers:
            scope = scope._replace(names=scope.names | self.repeat(modifiers["repeat"], scope))
        self.scopes[step.node] = scope
        names = scope.names | {"x"}
        for key in ("when", "name", "from", "aux", "output"):
            if key in modifiers:
                self.expressions(modifiers[key].value, names)
        if "output" in modifiers:
            self.output(modifiers["output"], scope)
        if (
            "name" in modifiers
            and not is_broken(modifiers["name"].value)
            and "$" not in str(modifiers["name"].value.value)
        ):
            fault = name_fault(modifiers["name"].value.value)
            if fault:
                self.diagnostics.error("bad-name", modifiers["name"].value.span, fault)
        self.core(step, scope._replace(aux=scope.aux or "aux" in modifiers), names)

    def output(self, entry: Entry, scope: Scope) -> None:
        if scope.aux:
            self.diagnostics.error(
                "output-inside", entry.key.span, "an `output` inside an auxiliary head: the head is gone in inference"
            )
        elif scope.block:
            self.diagnostics.error(
                "output-inside",
                entry.key.span,
                f"an `output` inside block `{scope.block}`: outputs are the graph's",
                "name the output where the block is used",
            )

    def repeat(self, entry: Entry, scope: Scope) -> frozenset[str]:
        found: set[str] = set()
        for key, value in entry.value.value.items():
            self.expressions(value.value, scope.names | {"x"})
            for name in key.split():
                if name == "x" or not name.isidentifier():
                    why = "`x` is the tensor that arrives" if name == "x" else "no expression can say it"
                    self.diagnostics.error("param-name", value.key.span, f"a repeat cannot count by `{name}`: {why}")
                elif name in scope.names or name in found:
                    self.diagnostics.error(
                        "hidden-name",
                        value.key.span,
                        f"the repeat hides `{name}`, which is in sight already",
                        "choose another name",
                    )
                found.add(name)
        return frozenset(found)

    def core(self, step: Step, scope: Scope, names: frozenset[str]) -> None:
        match step.core:
            case OpCall(_, _, args):
                self.expressions(args, names)
            case BlockCall(name, key, args):
                self.expressions(args, names)
                self.call(name, key, args, scope)
            case Use(what, _, args):
                self.dynamic = True
                self.expressions(what, names)
                self.expressions(args, names)
                if isinstance(what.value, str) and "$" not in what.value:
                    self.call(what.value, what, args, scope)
            case MergeCall(_, _, args, branches):
                self.expressions(args, names)
                for branch in branches.items:
                    if branch.key is not None and (fault := name_fault(branch.key.value)):
                        self.diagnostics.error("bad-name", branch.key.span, fault)
                    self.place(branch.place, scope)
            case Residual(_, body, shortcut, skip):
                self.expressions(skip, names)
                self.place(body, scope)
                if shortcut:
                    self.place(shortcut, scope)
            case Group(_, steps):
                self.place(steps, scope)

    def call(self, name: str, key: Located, args: Located | None, scope: Scope) -> None:
        if name in OPS:
            return
        block = scope.blocks.get(name)
        if block is None and (advice := advise_step(name, args)) and not is_among(name, tuple(scope.blocks)):
            self.diagnostics.error("unknown-op", key.span, f"there is no operation or block `{name}`", advice)
            return
        if block is None:
            known = [*scope.blocks, *(OPS if name[:1].islower() else ())]
            blocks = f"the blocks are {', '.join(scope.blocks)}" if scope.blocks else "this document has no blocks"
            self.diagnostics.add(unknown("block", name, known, key.span, "unknown-block", blocks))
            return
        self.used.add(name)
        arguments(block, key, args, self.diagnostics)

    def expressions(self, node: Located | None, names: Iterable[str], why: str = "") -> None:
        """Each expression below `node` parses and uses names in sight only."""
        for scalar in scalars(node):
            try:
                found = parsed(scalar)
            except Fault as fault:
                self.diagnostics.add(fault.diagnostic)
                continue
            for name, offset in found.names if found else ():
                if name not in names:
                    near = nearest(name, names)
                    hint = (
                        f"did you mean `{near}`?"
                        if near
                        else why or f"in sight are {', '.join(sorted(names)) or 'none'}"
                    )
                    span = within(scalar, offset, len(name))
                    self.diagnostics.error(
                        "unknown-name", span, f"unknown name `{name}`" + (f"; {why}" if why and near else ""), hint
                    )


def arguments(block: Block, key: Located, args: Located | None, diagnostics: Collector) -> bool:
    """Whether the keys of a call are the block's parameters, and the required ones are there."""
    if args is not None and args.value is BROKEN:
        return False
    given: Mapping[str, Entry] = args.value if args is not None and isinstance(args.value, dict) else {}
    fine = True
    for name, entry in given.items():
        if name not in block.params and not name.startswith("x-"):
            more = f"its parameters are {', '.join(block.params)}" if block.params else "it has no parameters"
            diagnostics.add(
                unknown(f"parameter of `{block.name}`", name, block.params, entry.key.span, "unknown-param", more)
            )
            fine = False
    missing = [n for n, p in block.params.items() if p.default is None and n not in given]
    if missing:
        said = ", ".join(f"`{n}`" for n in missing)
        where = block.name if key.value == block.name else "with"
        diagnostics.add(Diagnostic("missing-param", key.span, f"block `{block.name}` needs {said}",
                                   help=f"write {{{where}: {{{', '.join(f'{n}: …' for n in missing)}}}}}"))  # fmt: skip
        fine = False
    return fine
