"""The static check of names: each expression can be parsed, each name in it is in sight, each block and parameter exists.

Scopes are lexical (language.md, section 4). So the check needs no values, and it looks at a block once, however often the
block is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import NamedTuple

from ..diagnostics import Collector, list_names, nearest
from ..ops import OPS
from .budget import EVALUATION, FAULT, NAMES_PER_UNIT, SOURCE_PER_UNIT, WRITTEN_BLOCK, WRITTEN_STEP, Budget
from .compose import Document
from .declarations import Declaration
from .located_yaml import BROKEN, Entry, Located, is_broken, plain_value
from .recovery import Incomplete
from .spec import Block, BlockCall, Group, MergeCall, OpCall, Place, Residual, Step, Use
from .step_names import advise_name, name_fault, net_fault, port_fault
from .unused import UnusedNames
from .values import Fault, check_param_value, expression_scalars, span_within, template_of, unknown_fault


class AnyNames(frozenset[str]):
    """The names in sight where something was refused that may have bound more of them: none is unknown there."""

    def __contains__(self, name: object) -> bool:
        return True

    def __or__(self, other: object) -> AnyNames:
        return self

    __ror__ = __or__


class LayeredNames(AbstractSet[str]):
    """The names of scopes one in another, a layer for each, the outermost first. Large ones are shared, as they may be thousands."""

    __slots__ = ("layers",)
    __hash__ = AbstractSet._hash

    def __init__(self, *layers: AbstractSet[str]) -> None:
        self.layers = layers

    def __contains__(self, name: object) -> bool:
        return any(name in layer for layer in self.layers)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(chain(*self.layers)))

    def __len__(self) -> int:
        return len(dict.fromkeys(chain(*self.layers)))


X = frozenset("x")
FEW = 64
MAX_LAYERS = 8


def add_names(outer: AbstractSet[str], own: AbstractSet[str]) -> AbstractSet[str]:
    """The names of both, a few copied and many shared."""
    if isinstance(outer, AnyNames):
        return outer
    layers = outer.layers if isinstance(outer, LayeredNames) else (outer,)
    if isinstance(layers[-1], frozenset) and len(layers[-1]) <= FEW:
        layers, own = layers[:-1], layers[-1] | own
    if not layers:
        return own
    return LayeredNames(*layers, own)


class Scope(NamedTuple):
    """What a step sees: names and blocks. `block` is the block that it is in, if any; `aux`: it is in an auxiliary head."""

    names: AbstractSet[str]
    blocks: Mapping[str, Block]
    block: str | None = None
    aux: bool = False


class Resolver:
    """Checks the names of a document, and keeps in `scopes` what each of its steps sees: an editor completes names from that.

    `used` are the blocks that are called; `has_computed_use` says that a `use` may call any other; `unused` the params and
    lets that no expression has named so far.
    """

    def __init__(self, diagnostics: Collector, budget: Budget) -> None:
        self.diagnostics, self.budget = diagnostics, budget
        self.used: set[str] = set()
        self.lacks_names = False
        self.has_computed_use = False
        self.unused = UnusedNames()
        self.scopes: dict[Located, Scope] = {}
        self._checked: set[tuple[int, ...]] = set()
        self._words: dict[int, frozenset[str]] = {}  # the blocks in sight as other frameworks may spell them
        self._homes: dict[int, AbstractSet[str]] = {}

    def check_document(self, document: Document) -> None:
        """Reports every wrong name of a document, and warns of its own blocks that nothing uses."""
        self.lacks_names = document.incomplete
        name_entry = document.root.value.get("name") if document.header.name is not None else None
        if name_entry is not None and (fault := net_fault(document.name)):
            self.diagnostics.error("bad-name", name_entry.value.span, fault, advise_name(document.name, net_fault))
        for name, entry in document.input.items():
            if fault := port_fault(name):
                self.diagnostics.error("bad-name", entry.key.span, f"`input`: {fault}", advise_name(name, port_fault))
        self.check_parts(document.params, document.blocks, document.graph)
        own = [document.blocks[name] for name in document.own_blocks if name in document.blocks]
        # a step that is reported as wrong may be the use
        if document.graph and not self.has_computed_use and not self.diagnostics.failed:
            for block in own:
                if block.name not in self.used:
                    self.diagnostics.warn("unused-block", block.key.span, f"block `{block.name}` is never used")
        if document.graph and not (self.diagnostics.failed or self.lacks_names or document.open_params):
            self.unused.warn(document, self.has_computed_use, self.diagnostics)

    def check_parts(self, params: Mapping[str, Declaration], blocks: Mapping[str, Block], graph: Place | None) -> None:
        """Checks the params, blocks and graph of a document, which see one another."""
        around = self.unused.enter()
        in_sight = AnyNames() if self.lacks_names else self.check_params(params)
        for block in blocks.values():
            # a block that sees its document is another one in each document that extends it
            identity = (id(block), id(blocks)) if block.sees_document else (id(block),)
            if identity in self._checked:
                continue
            self._checked.add(identity)
            if block.input is not None:
                self.check_parts(block.params, block.blocks, block.steps)
            else:
                of_document = self.unused.enter()
                callable = block.blocks_in(blocks)
                self.check_block(block, in_sight if block.sees_document else self.check_home(block.home), callable)
                self.unused.leave(of_document, block.params, block.let, block.sees_document)
                if callable is not blocks and (id(callable),) not in self._checked:
                    self._checked.add((id(callable),))
                    self.check_parts(block.home, callable, None)
        if graph:
            self.check_place(graph, Scope(in_sight, blocks))
        self.unused.leave(around, params)

    def check_home(self, params: Mapping[str, Declaration]) -> AbstractSet[str]:
        """The names of the params of an imported document. The first of its blocks has them checked, the others find them."""
        if id(params) not in self._homes:
            self._homes[id(params)] = self.check_params(params)
        return self._homes[id(params)]

    def check_params(self, params: Mapping[str, Declaration]) -> AbstractSet[str]:
        """Checks the defaults, each of which sees the params before it. Returns the names of the params."""
        in_sight: set[str] = set()

        def why() -> str:
            return f"a default sees only the params before it, not {list_names(p for p in params if p not in in_sight)}"

        for name, param in params.items():
            if param.default is not None:
                self.check_expressions(param.default, in_sight, why)
                if not next(expression_scalars(param.default), None) and not is_broken(param.default):
                    try:
                        check_param_value(param, plain_value(param.default), param.default)
                    except Fault as fault:
                        d = fault.diagnostic
                        self.diagnostics.add(d._replace(message=f"the default of {d.message}"))
            in_sight.add(name)
        return frozenset(in_sight)

    def check_block(self, block: Block, document: AbstractSet[str], blocks: Mapping[str, Block]) -> None:
        """Checks a block. `document` are the names of the document that it sees, `blocks` the blocks that it can call."""
        self.budget.spend(WRITTEN_BLOCK, block.key)
        own = self.check_params(block.params)
        if block.incomplete:
            self.check_place(block.steps, Scope(AnyNames(), blocks, block.name))
            return
        # grows with each `let`
        before: set[str] = set()
        names = LayeredNames(add_names(document, own), before) if block.let else add_names(document, own)
        if isinstance(document, AnyNames):
            names = document
        for name, entry in block.let.items():
            if name == "x" or (name in names and not isinstance(names, AnyNames)):
                self.diagnostics.error(
                    "hidden-name",
                    entry.key.span,
                    f"`let` hides `{name}`, which is in sight already",
                    "only a block's parameter may hide a parameter of the document",
                )
            self.check_expressions(entry.value, add_names(names, X), lambda: "a `let` sees only what stands before it")
            before.add(name)
        self.check_place(block.steps, Scope(names, blocks, block.name))

    def check_place(self, place: Place, scope: Scope) -> None:
        for step in place.steps:
            self.check_step(step, scope)

    def check_step(self, step: Step, scope: Scope) -> None:
        """Checks a step, its modifiers first: the names of `repeat` are in sight of all the others."""
        self.budget.spend(WRITTEN_STEP, step.node)
        modifiers = step.modifiers
        # a key that is reported may be meant for `repeat`
        if isinstance(step.node, Incomplete):
            scope = scope._replace(names=AnyNames())
        if "repeat" in modifiers:
            names = add_names(scope.names, self.check_repeat(modifiers["repeat"], scope))
            if isinstance(names, LayeredNames) and len(names.layers) > MAX_LAYERS:
                names = frozenset(names)
                self.budget.spend(len(names) // NAMES_PER_UNIT, step.node)
            scope = scope._replace(names=names)
        self.scopes[step.node] = scope
        names = add_names(scope.names, X)
        for key in ("when", "name", "from", "aux", "output"):
            if key in modifiers:
                self.check_expressions(modifiers[key].value, names)
        if "output" in modifiers:
            self.check_output(modifiers["output"], scope)
        if (
            "name" in modifiers
            and not is_broken(modifiers["name"].value)
            and "$" not in str(modifiers["name"].value.value)
        ):
            written = modifiers["name"].value
            if fault := name_fault(written.value):
                self.diagnostics.error("bad-name", written.span, fault, advise_name(written.value, name_fault))
        self.check_core(step, scope._replace(aux=scope.aux or "aux" in modifiers), names)

    def check_output(self, entry: Entry, scope: Scope) -> None:
        """Reports an `output` inside a block or an auxiliary head."""
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

    def check_repeat(self, entry: Entry, scope: Scope) -> frozenset[str]:
        """Checks a `repeat`, and returns the names that it brings in sight."""
        counters: set[str] = set()
        for key, value in entry.value.value.items():
            self.check_expressions(value.value, add_names(scope.names, X))
            for name in key.split():
                if name == "x" or not name.isidentifier():
                    why = "`x` is the tensor that arrives" if name == "x" else "no expression can say it"
                    self.diagnostics.error("param-name", value.key.span, f"a repeat cannot count by `{name}`: {why}")
                elif name in counters or (name in scope.names and not isinstance(scope.names, AnyNames)):
                    self.diagnostics.error(
                        "hidden-name",
                        value.key.span,
                        f"the repeat hides `{name}`, which is in sight already",
                        "choose another name",
                    )
                counters.add(name)
        return frozenset(counters)

    def check_core(self, step: Step, scope: Scope, names: AbstractSet[str]) -> None:
        """Checks the core of a step. `names` are those that its expressions see: the names of the scope, and `x`."""
        match step.core:
            case OpCall(_, _, args):
                self.check_expressions(args, names)
            case BlockCall(name, key, args):
                self.check_expressions(args, names)
                self.check_call(name, key, args, scope)
            case Use(what, _, args):
                self.has_computed_use = True
                self.check_expressions(what, names)
                self.check_expressions(args, names)
                if isinstance(what.value, str) and "$" not in what.value:
                    self.check_call(what.value, what, args, scope)
            case MergeCall(_, _, args, branches):
                self.check_expressions(args, names)
                for branch in branches.items:
                    if branch.key is not None and (fault := name_fault(branch.key.value)):
                        self.diagnostics.error(
                            "bad-name", branch.key.span, fault, advise_name(branch.key.value, name_fault)
                        )
                    self.check_place(branch.place, scope)
            case Residual(_, body, shortcut, skip):
                self.check_expressions(skip, names)
                self.check_place(body, scope)
                if shortcut:
                    self.check_place(shortcut, scope)
            case Group(_, steps):
                self.check_place(steps, scope)

    def check_call(self, name: str, key: Located, args: Located | None, scope: Scope) -> None:
        """Checks that the block exists and takes these arguments; an op was checked by the schema."""
        if name in OPS:
            return
        block = scope.blocks.get(name)
        if block is None and self.lacks_names:
            return
        if block is None:
            # late: only a mistake pays for its explanation
            from ..ops.words import normalize_word
            from .foreign_steps import advise_step

            words = self._words.get(id(scope.blocks))
            if words is None:
                words = self._words[id(scope.blocks)] = frozenset(map(normalize_word, scope.blocks))
                self.budget.spend(len(scope.blocks), key)
            advice = advise_step(name, args)
            if advice and normalize_word(name) not in words:
                self.diagnostics.error("unknown-op", key.span, f"there is no operation or block `{name}`", advice)
                return
            known = chain(scope.blocks, OPS if name[:1].islower() else ())
            blocks = f"the blocks are {list_names(scope.blocks)}" if scope.blocks else "this document has no blocks"
            self.diagnostics.add(unknown_fault("block", name, known, key.span, "unknown-block", blocks).diagnostic)
            return
        self.used.add(name)
        if not block.incomplete:
            check_arguments(block, key, args, self.diagnostics)

    def check_expressions(
        self, node: Located | None, names: AbstractSet[str], explain: Callable[[], str] | None = None
    ) -> None:
        """Checks that each expression in `node` can be parsed and uses only `names`; `explain` says what else is not in sight."""
        for scalar in expression_scalars(node):
            self.budget.spend(EVALUATION + len(scalar.value) // SOURCE_PER_UNIT, scalar)
            try:
                template = template_of(scalar, self.budget)
            except Fault as fault:
                self.diagnostics.add(fault.diagnostic)
                continue
            if template is None:
                continue
            self.unused.mentioned |= template.words
            missing = {name for name in template.words if name not in names}
            for name, offset in template.names if missing else ():
                if name in missing:
                    # a suggestion looks at all names in sight
                    self.budget.spend(FAULT + len(names) // 4, scalar)
                    near, why = nearest(name, names), explain() if explain else ""
                    hint = f"did you mean `{near}`?" if near else why or f"in sight are {list_names(sorted(names))}"
                    span = span_within(scalar, offset, len(name))
                    self.diagnostics.error(
                        "unknown-name", span, f"unknown name `{name}`" + (f"; {why}" if why and near else ""), hint
                    )


def check_arguments(block: Block, key: Located, args: Located | None, diagnostics: Collector) -> bool:
    """Whether a call of a block gives only parameters of the block, and all required ones. Reports each mistake."""
    if args is not None and args.value is BROKEN:
        return False
    entries: Mapping[str, Entry] = args.value if args is not None and isinstance(args.value, dict) else {}
    valid = True
    unknown = {name for name in entries if name not in block.params and not name.startswith("x-")}
    for name, entry in entries.items():
        if name in unknown:
            more = f"its parameters are {list_names(block.params)}" if block.params else "it has no parameters"
            diagnostics.add(
                unknown_fault(
                    f"parameter of `{block.name}`", name, block.params, entry.key.span, "unknown-param", more
                ).diagnostic
            )
            valid = False
    missing = [n for n in block.required if n not in entries]
    # an unknown one may be meant for a missing one
    if missing and not unknown:
        names, fields = list_names(missing, "`{}`"), list_names(missing, "{}: …")
        where = block.name if key.value == block.name else "with"
        message = f"block `{block.name}` needs {names}"
        diagnostics.error("missing-param", key.span, message, f"write {{{where}: {{{fields}}}}}")
        valid = False
    return valid
