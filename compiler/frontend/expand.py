"""Expansion: blocks, repeats and names become a graph, with shapes as it goes.

One walk in the order of the text. Each step takes the value that arrives and gives one; a step that is wrong is told once
and gives `POISON`, which silences what follows from it. Paths are made by the naming rules of language.md, section 3;
`naming.py` holds them. What needs no walk stands modifiers this: where a step is (context.py), what a called block
sees (calls.py), the rounds of a repeat (repeats.py), `from` (references.py), an op and its inputs (application.py), and
what is left at the end (finish.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..diagnostics import Collector, Diagnostic, Note, Span
from ..ir.graph import Graph, Head, Node, Output, Value
from ..ir.provenance import Frame
from ..ir.types import image
from ..ops import OPS
from ..ops.fields import show
from ..ops.merge import Add
from .application import MAX_ELEMENTS, Applier, check_usable, describe_size
from .calls import bind_params, enter_block
from .compose import Document
from .context import NOTHING, POISON, Arriving, Context, Poison, kind_of_block
from .deep import DeepCalls
from .finish import insert_path_draw, warn_dead
from .located_yaml import Entry, Located
from .modifiers import head_weight, is_kept, output_name
from .names import name_fault
from .naming import Paths, Position, join
from .references import resolve_reference
from .repeats import MAX_STEPS, rounds
from .reporting import report
from .spec import BlockCall, Branches, Group, MergeCall, OpCall, Place, Refused, Residual, Step, Use
from .values import Arguments, Fault, Poisoned, evaluate, parsed

MAX_DEPTH = 64


class Stop(Exception):
    """The limit of steps or depth is passed: nothing further is expanded."""


class Expander:
    """One walk over one document."""

    def __init__(self, diagnostics: Collector) -> None:
        self.diagnostics = diagnostics
        self.heads: list[Head] = []
        self.outputs: dict[str, tuple[Value, Span]] = {}
        self.paths = Paths()
        self.absorbable: dict[tuple[str, str] | None, tuple[Arriving, ...]] = {}  # by op and value
        self.steps = 0
        self.deep = DeepCalls()
        self.arguments = Arguments()
        self.applier = Applier(self.arguments)

    # ---- the document

    def document(self, document: Document) -> Graph | None:
        """The graph of the whole document; None where something was refused, here or before."""
        inputs = {name: Value(name, image(*(i.value for i in e.value.value))) for name, e in document.input.items()}
        for name, value in inputs.items():
            if value.type.elements > MAX_ELEMENTS:
                span = document.input[name].value.span
                self.fault("too-large", span, f"the input is {describe_size(value.type)}")
                return None
            self.paths.taken[name] = document.input[name].key.span
        assert document.graph is not None
        names = bind_params(document.params, {}, {}, self.arguments, self.diagnostics)
        if names is None:
            return None
        ctx = Context("", "", names, names, document.blocks, inputs)
        start: Arriving = next(iter(inputs.values())) if len(inputs) == 1 else NOTHING
        try:
            end = self.place(document.graph, start, ctx, Position("", listed=True))
        except Stop:
            return None
        if self.diagnostics.failed or isinstance(end, Poison):
            return None
        return self.finish(document, inputs, end)

    def finish(self, document: Document, inputs: Mapping[str, Value], end: Value) -> Graph | None:
        """The graph of all nodes: its end is the output `logits` unless it has a name, and joins get their draw."""
        outputs = [Output(name, value) for name, (value, _) in self.outputs.items()]
        if all(output.value != end for output in outputs):
            if "logits" in self.outputs:
                self.fault("duplicate-output", self.outputs["logits"][1], "the end of the graph is `logits` already")
                return None
            outputs.append(Output("logits", end))
        assert document.graph is not None
        if not self.applier.nodes:
            where = document.graph.span
            self.diagnostics.add(
                Diagnostic("empty-graph", where, "the graph is empty: its output is its input", severity="warning")
            )
        nodes = insert_path_draw(self.applier.nodes, self.diagnostics)
        if self.diagnostics.failed:
            return None
        graph = Graph(document.name, tuple(inputs.values()), nodes, tuple(outputs), tuple(self.heads))
        warn_dead(graph, {name for _, name in filter(None, self.absorbable)}, self.diagnostics)
        return graph

    # ---- places and steps

    def place(self, place: Place, x: Arriving, ctx: Context, position: Position) -> Arriving:
        """The value behind the steps of a place. Deep nests go on on a stack of their own: Python's limit is one for all threads."""
        return self.deep.call(lambda: self.run_place(place, x, ctx, position))

    def run_place(self, place: Place, x: Arriving, ctx: Context, position: Position) -> Arriving:
        """Runs the steps of a place. A single step takes the path of the place; a single group is its list."""
        if place.is_single_step and place.steps:
            step = place.steps[0]
            if isinstance(step.core, Group) and not step.modifiers.keys() - {"when", "doc"}:
                if "when" in step.modifiers and not self.kept(step, x, ctx):
                    return x
                return self.place(step.core.steps, x, ctx, position)
            if "repeat" not in step.modifiers:
                position = position._replace(lone=True) if not position.listed else position
        for step in place.steps:
            x = self.step(step, x, ctx, position)
        return x

    def step(self, step: Step, x: Arriving, ctx: Context, position: Position) -> Arriving:
        """The value behind a step, or behind all of its copies; a repeated step with a name of its own is a scope of them."""
        if "repeat" not in step.modifiers:
            return self.expand_copy(step, x, ctx, position)
        rounds = self.rounds(step, x, ctx)
        if rounds is None:
            return POISON
        name = step.modifiers.get("name")
        own = {n for bound in rounds[:1] for n in bound}
        computed = self.attempt(lambda: parsed(name.value)) if name else None
        counted = bool(computed and own & {n for n, _ in computed.names})
        base: str | None = None
        if name and not counted and rounds:
            try:
                base = self.named(name.value, x, ctx)
            except Fault as fault:
                self.tell(fault.diagnostic, ctx)
            except Poisoned:
                pass
            if base is None or not self.claim(base, name.value.span):
                self.paths.some_lost |= base is None
                return POISON
            position.take()
        for i, bound in enumerate(rounds):
            path = join(base, str(i)) if base is not None else None
            x = self.expand_copy(step, x, self.bind(ctx, bound, step), position, path)
        if base is not None and not isinstance(x, Poison):
            self.paths.results[base] = (x, ctx.aux)
        return x

    def bind(self, ctx: Context, bound: Mapping[str, Any], step: Step) -> Context:
        frame = Frame("repeat", "", tuple(bound.items()), step.modifiers["repeat"].key.span)
        return ctx._replace(names={**ctx.names, **bound}, frames=(*ctx.frames, frame))

    def expand_copy(
        self, step: Step, x: Arriving, ctx: Context, position: Position, path: str | None = None
    ) -> Arriving:
        """One copy of a step; a mistake in it is told and poisons its result."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise self.too_many(step, ctx)
        try:
            return self.expand_step(step, x, ctx, position, path)
        except Fault as fault:
            self.tell(fault.diagnostic, ctx)
        except Poisoned:
            pass
        if "aux" in step.modifiers:
            return x
        name = step.modifiers.get("name")
        if name and isinstance(name.value.value, str) and "$" not in name.value.value:
            self.paths.poison(join(ctx.scope, name.value.value), POISON)
        elif name:
            self.paths.some_lost = True
        return POISON

    def expand_step(self, step: Step, x: Arriving, ctx: Context, position: Position, path: str | None) -> Arriving:
        """One copy of a step by its modifiers: whether it is there, where it starts, what it is called, and where its result goes."""
        modifiers = step.modifiers
        if "when" in modifiers and not self.kept(step, x, ctx):
            return x
        arrived = x
        if "from" in modifiers:
            x = resolve_reference(modifiers["from"].value, x, ctx, self.paths)
        spliced = isinstance(step.core, Group) and "name" not in modifiers and path is None
        if spliced and not modifiers.keys() & {"aux", "output"}:
            assert isinstance(step.core, Group)
            return self.splice(step.core.steps, x, ctx, position)
        named = "name" in modifiers or path is not None
        if path is None:
            path = self.claimed(step, x, ctx, position)
        inner = ctx._replace(aux=path) if "aux" in modifiers else ctx
        result = self.core(step, x, inner, path, named, position)
        if isinstance(result, Poison):
            self.paths.poison(path, result)
        else:
            self.paths.results[path] = (result, inner.aux)
        if "output" in modifiers and ctx.outputs:
            self.output(modifiers["output"], result, x, ctx)
        if "aux" not in modifiers:
            return result
        weight = head_weight(modifiers["aux"], arrived, ctx)
        if not isinstance(result, Poison) and ctx.outputs:
            self.heads.append(Head(path, result, weight))
        return arrived

    def kept(self, step: Step, x: Arriving, ctx: Context) -> bool:
        """Whether `when` leaves the step in; the name of one taken out is remembered for `from`."""
        value = is_kept(step.modifiers["when"], x, ctx)
        if not value and "name" in step.modifiers:
            name = self.attempt(lambda: evaluate(step.modifiers["name"].value, ctx.lookup(x)))
            self.paths.removed[join(ctx.scope, str(name))] = step.span
        return value

    def splice(self, place: Place, x: Arriving, ctx: Context, position: Position) -> Arriving:
        """An unnamed group is nothing but its list, wherever it stands."""
        for step in place.steps:
            x = self.step(step, x, ctx, position)
        return x

    def claimed(self, step: Step, x: Arriving, ctx: Context, position: Position) -> str:
        """The path of a step by rules 1, 2 and 6; two steps of one path are an error."""
        name = step.modifiers.get("name")
        if name:
            path = self.named(name.value, x, ctx)
            position.take()
            if path is None or not self.claim(path, name.value.span):
                raise Poisoned
            return path
        path, fresh = position.take()
        if fresh and not self.claim(path, step.span):
            raise Poisoned
        return path

    def named(self, node: Located, x: Arriving, ctx: Context) -> str | None:
        value = evaluate(node, ctx.lookup(x))
        fault = name_fault(value)
        if fault:
            raise Fault("bad-name", node.span, fault)
        return join(ctx.scope, str(value))

    def claim(self, path: str, span: Span) -> bool:
        """Whether the path is free; two steps of one path are told."""
        if path not in self.paths.taken:
            self.paths.taken[path] = span
            return True
        first = self.paths.taken[path]
        self.fault("duplicate-path", span, f"two steps have the path `{path}`", "give one of them another name",
                   (Note("the first is here", first),))  # fmt: skip
        return False

    # ---- cores

    def core(self, step: Step, x: Arriving, ctx: Context, path: str, named: bool, position: Position) -> Arriving:
        """What a step does: an op, a block, a merge or a group. A step with a name is a scope for those inside it."""
        match step.core:
            case Refused():
                self.paths.some_lost |= not step.modifiers  # not even its name is known
                return POISON
            case OpCall(name, key, args):
                return self.applier.apply(name, key, args, (x,), x, ctx, path)
            case None:
                return x
            case BlockCall(name, key, args):
                return self.call(name, key, args, x, ctx, path)
            case Use(what, key, args):
                return self.use(what, args, x, ctx, path)
        inner = ctx._replace(scope=path) if named else ctx
        match step.core:
            case MergeCall():
                return self.merge(step.core, self.branches(step.core.branches, x, inner, path), x, ctx, path)
            case Residual():
                return self.residual(step, step.core, x, inner, path)
            case Group(_, place):
                return self.place(place, x, inner, Position(path, owned=True) if named else position)
        raise AssertionError(step.core)

    def branches(self, branches: Branches, x: Arriving, ctx: Context, path: str) -> tuple[Arriving, ...]:
        """The values of a merge's branches, by rules 4 and 5."""
        values: list[Arriving] = []

        def numbered(place: Place, ctx: Context) -> None:
            number = str(len(values))
            inner = ctx.in_branch(number, place.span)
            values.append(self.place(place, x, inner, Position(f"{path}.{number}")))

        for branch in branches.items:
            step = branch.place.steps[0] if branch.place.is_single_step and branch.place.steps else None
            if branch.key is not None:
                inner = ctx.in_branch(str(branch.key.value), branch.key.span)
                values.append(self.keyed(branch.key, branch.place, x, inner))
            elif step is None or "repeat" not in step.modifiers:
                numbered(branch.place, ctx)
            else:
                bare = step._replace(modifiers={k: e for k, e in step.modifiers.items() if k != "repeat"})
                rounds = self.rounds(step, x, ctx)
                if rounds is None:
                    values.append(POISON)
                for bound in rounds or ():
                    numbered(branch.place._replace(steps=(bare,)), self.bind(ctx, bound, step))
        return tuple(values)

    def keyed(self, key: Located, place: Place, x: Arriving, ctx: Context) -> Arriving:
        """The value of a branch under a key, which names a scope."""
        path = join(ctx.scope, str(key.value))
        if not self.claim(path, key.span):
            return POISON
        value = self.place(place, x, ctx._replace(scope=path), Position(path, owned=True))
        if not isinstance(value, Poison):
            self.paths.results[path] = (value, ctx.aux)
        return value

    def residual(self, step: Step, core: Residual, x: Arriving, ctx: Context, path: str) -> Arriving:
        """Body plus shortcut; the body alone where `skip` is false."""
        body = self.place(core.body, x, ctx.in_branch("body", core.body.span), Position(f"{path}.body"))
        if core.skip is not None:
            skip = evaluate(core.skip, ctx.lookup(x))
            if not isinstance(skip, bool):
                raise Fault("wrong-type", core.skip.span, f"`skip` wants a boolean, true or false, not {show(skip)}")
            if not skip:
                return body
        shortcut = x
        if core.shortcut:
            inner = ctx.in_branch("shortcut", core.shortcut.span)
            shortcut = self.place(core.shortcut, x, inner, Position(f"{path}.shortcut"))
        if not isinstance(body, Poison) and body == x == shortcut:
            self.diagnostics.add(Diagnostic("empty-residual", step.span, "body and shortcut are both empty: this is x + x",
                                            severity="warning"))  # fmt: skip
        return self.applier.apply(Add.name, core.key, None, (body, shortcut), x, ctx, path, ("body", "shortcut"))

    def merge(self, core: MergeCall, values: tuple[Arriving, ...], x: Arriving, ctx: Context, path: str) -> Arriving:
        """A merge of its branches; one that absorbs its own kind takes the inputs of such a branch for its own."""
        absorbs = OPS[core.name].absorbs_own_kind
        if absorbs:
            own = ((core.name, v.name) if isinstance(v, Value) else None for v in values)
            values = tuple(w for v, key in zip(values, own, strict=True) for w in self.absorbable.get(key, (v,)))
        if not values:
            raise Fault("empty", core.key.span, f"`{core.key.value}` has no branches: the repeats in it give none")
        result = self.applier.apply(core.name, core.key, core.args, values, x, ctx, path)
        if absorbs and isinstance(result, Value):
            self.absorbable[core.name, result.name] = values
        return result

    def use(self, what: Located, args: Located | None, x: Arriving, ctx: Context, path: str) -> Arriving:
        """The block or op that an expression names."""
        name = evaluate(what, ctx.lookup(x))
        if not isinstance(name, str):
            raise Fault("wrong-type", what.span, f"`use` wants the name of one block or operation, not {show(name)}")
        given = args if args is not None else Located(None, what.span)
        if name in ctx.blocks:
            return self.call(name, what, given, x, ctx, path)
        check_usable(name, what, ctx.blocks)
        return self.applier.apply(name, what, given, (x,), x, ctx, path)

    def call(self, name: str, key: Located, args: Located, x: Arriving, ctx: Context, path: str) -> Arriving:
        """A block: its own names, its own scope; it never sees its caller's."""
        block = ctx.blocks.get(name)
        if block is None:  # told by names.py
            return kind_of_block(name, x)
        if len(ctx.calls) >= MAX_DEPTH:
            circle = " → ".join(dict.fromkeys(ctx.calls[-8:]))
            self.fault("recursion", key.span, f"blocks are nested over {MAX_DEPTH} deep: {circle} → {name}",
                       "a recursion needs a `when` that becomes false", (), ctx)  # fmt: skip
            raise Stop
        wrong = Collector()
        inner = enter_block(block, key, args, x, ctx, path, self.arguments, wrong)
        for diagnostic in wrong:  # only now does a `use` know its block: say by which blocks and repeats it came here
            self.tell(diagnostic, ctx)
        return self.place(block.steps, x, inner, Position(path, owned=True)) if inner else POISON

    # ---- values

    def rounds(self, step: Step, x: Arriving, ctx: Context) -> list[dict[str, Any]] | None:
        """The bindings of each copy; None where they are told to be wrong."""
        try:
            return rounds(step.modifiers["repeat"], ctx.lookup(x), self.steps)
        except Fault as fault:
            self.tell(fault.diagnostic, ctx)
        except Poisoned:
            pass
        return None

    def output(self, entry: Entry, result: Arriving, x: Arriving, ctx: Context) -> None:
        """Makes a step's result an output of the graph under the name that `output` gives."""
        node, name = entry.value, output_name(entry, x, ctx)
        if name in self.outputs or name in ctx.inputs:
            first = self.outputs[name][1] if name in self.outputs else None
            raise Fault("duplicate-output", node.span, f"two outputs are called `{name}`",
                        notes=(Note("the first is here", first),) if first else ())  # fmt: skip
        if isinstance(result, Value):
            self.outputs[name] = (result, node.span)

    # ---- telling

    def attempt(self, action: Any) -> Any:
        try:
            return action()
        except (Fault, Poisoned):
            return None

    def too_many(self, step: Step, ctx: Context) -> Stop:
        where = ctx.frames[0].span if ctx.frames else step.span
        self.fault("too-many-steps", where, f"the net expands to over {MAX_STEPS} steps, the limit", "", (), ctx)
        return Stop()

    def fault(self, code: str, span: Span, message: str, help: str = "", notes: tuple[Note, ...] = (),
              ctx: Context | None = None) -> None:  # fmt: skip
        self.tell(Diagnostic(code, span, message, "", notes, help), ctx)

    def tell(self, diagnostic: Diagnostic, ctx: Context | None) -> None:
        report(self.diagnostics, diagnostic, ctx)


class Expansion(NamedTuple):
    """What expansion found: the training graph, None where the document is refused, and the nodes that were made all the same."""

    graph: Graph | None
    nodes: tuple[Node, ...]


def expand(document: Document, diagnostics: Collector) -> Expansion:
    """Expands a document that has an input, a graph and no open params."""
    expander = Expander(diagnostics)
    graph = expander.document(document)
    return Expansion(graph, graph.nodes if graph else tuple(expander.applier.nodes))
