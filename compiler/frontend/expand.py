"""Expansion: blocks, repeats and names become a graph, with shapes as it goes.

One walk in the order of the text. Each step takes the value that arrives and gives one; a step that is wrong is told once
and gives `POISON`, which silences what follows from it. Paths are made by the naming rules of language.md, section 3;
`naming.py` holds them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from ..diagnostics import Collector, Diagnostic, Note, Span
from ..ir.graph import Frame, Graph, Head, Node, Output, Value
from ..ir.types import TensorType, image
from ..ops import OPS, merge
from ..ops.fields import Misfit, show
from ..ops.op import Op, Reject, inferred
from .compose import Document
from .located_yaml import Entry, Located
from .names import arguments, name_fault
from .naming import Paths, Position, join
from .spec import Block, BlockCall, Branches, Group, Join, Merge, OpCall, Param, Place, Residual, Step, Use
from .values import Arguments, Fault, Lookup, Poisoned, evaluate, locate, parsed, typed, unknown, within

MAX_STEPS = 50_000
MAX_DEPTH = 64
MAX_ELEMENTS = 2**31  # of one value, an image
MAX_PARAMS = 2**33  # of one op
FRAMES = 20_000  # Python frames: 64 nested blocks, each with the places inside it


class Poison:
    """Stands for the result of a step that was refused."""

    def __repr__(self) -> str:
        return "poison"


POISON = Poison()
NOTHING = Value("", TensorType(()))  # with several inputs nothing arrives at the first step
Arriving = Value | Poison


class Stop(Exception):
    """The limit of steps or depth is passed: nothing further is expanded."""


class Context(NamedTuple):
    """Where a step stands: `scope` names it, `root` bounds what `from` sees, `names` are the values in sight."""

    scope: str
    root: str
    names: Mapping[str, Any]
    document: Mapping[str, Any]
    blocks: Mapping[str, Block]
    inputs: Mapping[str, Value]
    frames: tuple[Frame, ...] = ()
    calls: tuple[str, ...] = ()
    aux: str | None = None
    outputs: bool = True


class Expander:
    def __init__(self, diagnostics: Collector) -> None:
        self.diagnostics = diagnostics
        self.nodes: list[Node] = []
        self.heads: list[Head] = []
        self.outputs: dict[str, tuple[Value, Span]] = {}
        self.paths = Paths()
        self.joins: dict[str, tuple[Value, ...]] = {}
        self.steps = 0
        self.arguments = Arguments()
        self.written: dict[tuple[str, Located | None], Op] = {}  # ops whose fields hold no expression

    # ---- the document

    def document(self, document: Document) -> Graph | None:
        inputs = {name: Value(name, image(*(i.value for i in e.value.value))) for name, e in document.input.items()}
        for name, value in inputs.items():
            if value.type.elements > MAX_ELEMENTS:
                span = document.input[name].value.span
                self.fault("too-large", span, f"the input is {over(value.type)}")
                return None
        assert document.graph is not None
        names = self.params(document.params, {}, {})
        if names is None:
            return None
        ctx = Context("", "", names, names, document.blocks, inputs)
        start: Arriving = next(iter(inputs.values())) if len(inputs) == 1 else NOTHING
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(max(limit, FRAMES))
        try:
            end = self.place(document.graph, start, ctx, Position("", listed=True))
        except Stop:
            return None
        finally:
            sys.setrecursionlimit(limit)
        if self.diagnostics.failed or isinstance(end, Poison):
            return None
        return self.finish(document, inputs, end)

    def finish(self, document: Document, inputs: Mapping[str, Value], end: Value) -> Graph | None:
        outputs = [Output(name, value) for name, (value, _) in self.outputs.items()]
        if all(output.value != end for output in outputs):
            if "logits" in self.outputs:
                self.fault("duplicate-output", self.outputs["logits"][1], "the end of the graph is `logits` already")
                return None
            outputs.append(Output("logits", end))
        assert document.graph is not None
        if not self.nodes:
            where = document.graph.span
            self.diagnostics.add(
                Diagnostic("empty-graph", where, "the graph is empty: its output is its input", severity="warning")
            )
        nodes = self.drawn()
        if self.diagnostics.failed:
            return None
        graph = Graph(document.name, tuple(inputs.values()), nodes, tuple(outputs), tuple(self.heads))
        self.warn_dead(graph)
        return graph

    def drawn(self) -> tuple[Node, ...]:
        """The nodes; joins with a global drop take their draw from one node before all others."""
        joins = {n.path: n.op.global_ for n in self.nodes if isinstance(n.op, merge.Join) and n.op.global_ > 0}
        if not joins:
            return tuple(self.nodes)
        taking = [n for n in self.nodes if n.path in joins]
        first = taking[0]
        for node in taking:
            if joins[node.path] != joins[first.path]:
                self.tell(self.differing(node, joins[node.path], first, joins[first.path]), None)
        columns = max(len(n.inputs) for n in taking)
        draw = OPS["path_draw"](columns=columns, probability=joins[first.path])
        value = Value("path_draw", draw.infer())
        nodes = [n._replace(inputs=(*n.inputs, value)) if n.path in joins else n for n in self.nodes]
        return Node("path_draw", draw, (), (value,), first.span), *nodes

    def differing(self, node: Node, one: float, first: Node, other: float) -> Diagnostic:
        """A net draws once, so its joins have one probability."""
        what = f"`global` is {show(one)} in this join, but {show(other)} in `{first.path}`"
        help = "the net draws one column for all of its joins: give them the same `global`"
        return Diagnostic("global-differs", node.span, what, "", (Note("the other is here", first.span),), help)

    def warn_dead(self, graph: Graph) -> None:
        """One warning for each chain of steps that reaches no output; joins that a larger join absorbed are meant."""
        live = {v.name for v in graph.results()}
        dead: list[Node] = []
        for node in reversed(graph.nodes):
            if node.output.name in live:
                live.update([v.name for v in node.inputs])
            elif node.output.name not in self.joins and node.op.name != "identity":
                dead.append(node)
        fed = {v.name for node in dead for v in node.inputs}
        for node in dead:
            if node.output.name not in fed:
                self.diagnostics.add(Diagnostic("dead-step", node.span, f"the result of `{node.path}` reaches no output",
                                                help="take the step out, or use it with `from`", severity="warning"))  # fmt: skip

    # ---- places and steps

    def place(self, place: Place, x: Arriving, ctx: Context, position: Position) -> Arriving:
        """Runs the steps of a place. A lone step takes the path of the place; a lone group is its list."""
        if place.lone and place.steps:
            step = place.steps[0]
            if isinstance(step.core, Group) and not step.beside.keys() - {"when", "doc"}:
                if "when" in step.beside and not self.kept(step, x, ctx):
                    return x
                return self.place(step.core.steps, x, ctx, position)
            if "repeat" not in step.beside:
                position = position._replace(lone=True) if not position.listed else position
        for step in place.steps:
            x = self.step(step, x, ctx, position)
        return x

    def step(self, step: Step, x: Arriving, ctx: Context, position: Position) -> Arriving:
        if "repeat" not in step.beside:
            return self.guarded(step, x, ctx, position)
        rounds = self.rounds(step, x, ctx)
        if rounds is None:
            return POISON
        name = step.beside.get("name")
        own = {n for bound in rounds[:1] for n in bound}
        computed = self.attempt(lambda: parsed(name.value)) if name else None
        counted = bool(computed and own & {n for n, _ in computed.names})
        base: str | None = None
        if name and not counted and rounds:
            base = self.named(name.value, x, ctx)
            if base is None or not self.claim(base, name.value.span):
                return POISON
            position.take()
        for i, bound in enumerate(rounds):
            x = self.guarded(
                step, x, self.bind(ctx, bound, step), position, join(base, str(i)) if base is not None else None
            )
        if base is not None and not isinstance(x, Poison):
            self.paths.results[base] = (x, ctx.aux)
        return x

    def bind(self, ctx: Context, bound: Mapping[str, Any], step: Step) -> Context:
        said = " ".join(f"{n}={show(v)}" for n, v in bound.items())
        frame = Frame(step.beside["repeat"].key.span, f"`repeat` {said}")
        return ctx._replace(names={**ctx.names, **bound}, frames=(*ctx.frames, frame))

    def guarded(self, step: Step, x: Arriving, ctx: Context, position: Position, path: str | None = None) -> Arriving:
        """One copy of a step; a mistake in it is told and poisons its result."""
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise self.too_many(step, ctx)
        try:
            return self.once(step, x, ctx, position, path)
        except Fault as fault:
            self.tell(fault.diagnostic, ctx)
        except Poisoned:
            pass
        if "aux" in step.beside:
            return x
        name = step.beside.get("name")
        if name and isinstance(name.value.value, str) and "$" not in name.value.value:
            self.paths.poison(join(ctx.scope, name.value.value), POISON)
        return POISON

    def once(self, step: Step, x: Arriving, ctx: Context, position: Position, path: str | None) -> Arriving:
        beside = step.beside
        if "when" in beside and not self.kept(step, x, ctx):
            return x
        arrived = x
        if "from" in beside:
            x = self.find(beside["from"].value, x, ctx)
        spliced = isinstance(step.core, Group) and "name" not in beside and path is None
        if spliced and not beside.keys() & {"aux", "output"}:
            assert isinstance(step.core, Group)
            return self.splice(step.core.steps, x, ctx, position)
        named = "name" in beside or path is not None
        if path is None:
            path = self.claimed(step, x, ctx, position)
        inner = ctx._replace(aux=path) if "aux" in beside else ctx
        result = self.core(step, x, inner, path, named, position)
        if isinstance(result, Poison):
            self.paths.poison(path, result)
        else:
            self.paths.results[path] = (result, inner.aux)
        if "output" in beside and ctx.outputs:
            self.output(beside["output"], result, x, ctx)
        if "aux" not in beside:
            return result
        weight = self.number(beside["aux"], arrived, ctx)
        if not isinstance(result, Poison) and ctx.outputs:
            self.heads.append(Head(path, result, weight))
        return arrived

    def kept(self, step: Step, x: Arriving, ctx: Context) -> bool:
        """Whether `when` leaves the step in; the name of one taken out is remembered for `from`."""
        node = step.beside["when"].value
        value = evaluate(node, self.lookup(x, ctx))
        if value is not True and value is not False:
            raise Fault("wrong-type", node.span, f"`when` wants a boolean, true or false, not {show(value)}")
        if not value and "name" in step.beside:
            name = self.attempt(lambda: evaluate(step.beside["name"].value, self.lookup(x, ctx)))
            self.paths.removed[join(ctx.scope, str(name))] = step.span
        return bool(value)

    def splice(self, place: Place, x: Arriving, ctx: Context, position: Position) -> Arriving:
        """An unnamed group is nothing but its list, wherever it stands."""
        for step in place.steps:
            x = self.step(step, x, ctx, position)
        return x

    def claimed(self, step: Step, x: Arriving, ctx: Context, position: Position) -> str:
        """The path of a step by rules 1, 2 and 6; two steps of one path are an error."""
        name = step.beside.get("name")
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
        value = evaluate(node, self.lookup(x, ctx))
        fault = name_fault(value)
        if fault:
            raise Fault("bad-name", node.span, fault)
        return join(ctx.scope, str(value))

    def claim(self, path: str, span: Span) -> bool:
        if path not in self.paths.taken:
            self.paths.taken[path] = span
            return True
        first = self.paths.taken[path]
        self.fault("duplicate-path", span, f"two steps have the path `{path}`", "give one of them another name",
                   (Note("the first is here", first),))  # fmt: skip
        return False

    # ---- cores

    def core(self, step: Step, x: Arriving, ctx: Context, path: str, named: bool, position: Position) -> Arriving:
        match step.core:
            case OpCall(name, key, args):
                return self.apply(name, key, args, (x,), x, ctx, path)
            case None:
                return x
            case BlockCall(name, key, args):
                return self.call(name, key, args, x, ctx, path)
            case Use(what, key, args):
                return self.use(step, what, args, x, ctx, path)
        inner = ctx._replace(scope=path) if named else ctx
        match step.core:
            case Merge(kind, key, branches):
                return self.apply(kind, key, None, self.branches(branches, x, inner, path), x, ctx, path)
            case Join(key, args, branches):
                return self.join(step, key, args, self.branches(branches, x, inner, path), x, ctx, path)
            case Residual():
                return self.residual(step, step.core, x, inner, path)
            case Group(_, place):
                return self.place(place, x, inner, Position(path, owned=True) if named else position)
        raise AssertionError(step.core)

    def branches(self, branches: Branches, x: Arriving, ctx: Context, path: str) -> tuple[Arriving, ...]:
        """The values of a merge's branches, by rules 4 and 5."""
        values: list[Arriving] = []
        for branch in branches.items:
            if branch.key is not None:
                values.append(self.keyed(branch.key, branch.place, x, ctx))
                continue
            step = branch.place.steps[0] if branch.place.lone and branch.place.steps else None
            if step is None or "repeat" not in step.beside:
                values.append(self.place(branch.place, x, ctx, Position(f"{path}.{len(values)}")))
                continue
            bare = step._replace(beside={k: e for k, e in step.beside.items() if k != "repeat"})
            for bound in self.rounds(step, x, ctx) or ():
                place = branch.place._replace(steps=(bare,))
                values.append(self.place(place, x, self.bind(ctx, bound, step), Position(f"{path}.{len(values)}")))
        return tuple(values)

    def keyed(self, key: Located, place: Place, x: Arriving, ctx: Context) -> Arriving:
        path = join(ctx.scope, str(key.value))
        if not self.claim(path, key.span):
            return POISON
        value = self.place(place, x, ctx._replace(scope=path), Position(path, owned=True))
        if not isinstance(value, Poison):
            self.paths.results[path] = (value, ctx.aux)
        return value

    def residual(self, step: Step, core: Residual, x: Arriving, ctx: Context, path: str) -> Arriving:
        body = self.place(core.body, x, ctx, Position(f"{path}.body"))
        if core.skip is not None:
            skip = evaluate(core.skip, self.lookup(x, ctx))
            if not isinstance(skip, bool):
                raise Fault("wrong-type", core.skip.span, f"`skip` wants a boolean, true or false, not {show(skip)}")
            if not skip:
                return body
        shortcut = self.place(core.shortcut, x, ctx, Position(f"{path}.shortcut")) if core.shortcut else x
        if not isinstance(body, Poison) and body == x == shortcut:
            self.diagnostics.add(Diagnostic("empty-residual", step.span, "body and shortcut are both empty: this is x + x",
                                            severity="warning"))  # fmt: skip
        return self.apply("add", core.key, None, (body, shortcut), x, ctx, path, ("body", "shortcut"))

    def join(
        self,
        step: Step,
        key: Located,
        args: Located,
        values: tuple[Arriving, ...],
        x: Arriving,
        ctx: Context,
        path: str,
    ) -> Arriving:
        """FractalNet's join: an input that is itself a join counts as that join's inputs."""
        flat: list[Arriving] = []
        for value in values:
            flat += self.joins.get(value.name, (value,)) if isinstance(value, Value) else (value,)
        result = self.apply("join", key, args, tuple(flat), x, ctx, path)
        if isinstance(result, Value):
            self.joins[result.name] = tuple(v for v in flat if isinstance(v, Value))
        return result

    def use(self, step: Step, what: Located, args: Located | None, x: Arriving, ctx: Context, path: str) -> Arriving:
        name = evaluate(what, self.lookup(x, ctx))
        if not isinstance(name, str):
            raise Fault("wrong-type", what.span, f"`use` wants the name of one block or operation, not {show(name)}")
        given = args if args is not None else Located(None, what.span)
        if name in ctx.blocks:
            return self.call(name, what, given, x, ctx, path)
        if name not in OPS:
            known = [*ctx.blocks, *(n for n in OPS if not n[0].isupper())]
            diagnostic = unknown("block or operation", name, known, what.span, "unknown-block")
            raise Fault(diagnostic.code, what.span, diagnostic.message, diagnostic.help)
        return self.apply(name, what, given, (x,), x, ctx, path)

    def call(self, name: str, key: Located, args: Located, x: Arriving, ctx: Context, path: str) -> Arriving:
        """A block: its own names, its own scope; it never sees its caller's."""
        block = ctx.blocks[name]
        if len(ctx.calls) >= MAX_DEPTH:
            circle = " → ".join(dict.fromkeys(ctx.calls[-8:]))
            self.fault("recursion", key.span, f"blocks are nested over {MAX_DEPTH} deep: {circle} → {name}",
                       "a recursion needs a `when` that becomes false", (), ctx)  # fmt: skip
            raise Stop
        if not arguments(block, key, args, self.diagnostics):
            return POISON
        given: Mapping[str, Entry] = args.value if isinstance(args.value, dict) else {}
        lookup = self.lookup(x, ctx)
        values = {n: self.argument(block.params[n], e.value, lookup) for n, e in given.items() if n in block.params}
        document = ctx.document if block.sees_document else {}
        names = self.params(block.params, values, document)
        if names is None:
            return POISON
        frames = (*ctx.frames, Frame(key.span, f"`{name}`"))
        inner = Context(
            path, path, {**document, **names}, document, block.blocks, {}, frames, (*ctx.calls, name), ctx.aux, False
        )
        if block.input is not None:
            inner = self.enter_document(block, key, x, names, inner)
        for n, entry in block.let.items():
            inner = inner._replace(names={**inner.names, n: self.let(entry.value, x, inner)})
        return self.place(block.steps, x, inner, Position(path, owned=True))

    def enter_document(
        self, block: Block, key: Located, x: Arriving, names: Mapping[str, Any], inner: Context
    ) -> Context:
        """A document taken as a block: its params are its document's, and what arrives must fit its input."""
        assert block.input is not None
        wants = image(*(i.value for i in block.input.value))
        if isinstance(x, Value) and x.type != wants:
            raise Fault("input-mismatch", key.span, f"`{block.name}` takes {wants}, but {x.type} arrives")
        inputs = {"image": x} if isinstance(x, Value) else {}
        return inner._replace(names=names, document=names, inputs=inputs)

    def let(self, node: Located, x: Arriving, ctx: Context) -> Any:
        try:
            return evaluate(node, self.lookup(x, ctx))
        except Poisoned:
            return POISON

    # ---- ops

    def apply(self, name: str, key: Located, args: Located | None, values: tuple[Arriving, ...], x: Arriving, ctx: Context, path: str,
              labels: tuple[str, ...] = ()) -> Arriving:  # fmt: skip
        """One op on its inputs: fields checked, shape inferred, node added."""
        op = self.written.get((name, args)) or self.build(name, key, args, x, ctx)
        inputs = []
        for value in values:
            if isinstance(value, Poison):
                raise Poisoned
            if value is NOTHING:
                raise Fault(
                    "nothing-arrives", key.span, "the net has several inputs: this step, or each branch, says `from`"
                )
            inputs.append(value)
        try:
            result = fitting(op, *[v.type for v in inputs])
        except Reject as reject:
            raise self.rejected(reject, key, fields_of(op, args), inputs, labels) from None
        node = Node(path, op, tuple(inputs), (Value(path, result),), key.span, ctx.frames)
        self.nodes.append(node)
        return node.output

    def build(self, name: str, key: Located, args: Located | None, x: Arriving, ctx: Context) -> Op:
        cls = OPS[name]
        if args is not None and args.value is not None and not isinstance(args.value, dict) and not cls.bare:
            raise Fault("wrong-type", args.span, f"`{name}` takes no bare value, but {show(args.value)} is given")
        lookup, checked = self.lookup(x, ctx), {}
        for field, node in fields_of(cls, args).items():
            if field not in cls.fields:
                raise Fault("unknown-key", node.span, f"`{name}` has no field `{field}`")
            try:
                checked[field] = self.arguments.value(cls.fields[field], node, lookup, cls.fields[field].kind.check)
            except Misfit as misfit:
                raise Fault(misfit.code, locate(node, misfit.at).span, f"`{field}` {misfit}") from None
        for field, declared in cls.fields.items():
            if declared.required and field not in checked:
                raise Fault("missing-key", key.span, f"`{name}` needs `{field}`", f"write {{{name}: {{{field}: …}}}}")
        made = op_of(name, tuple(checked.items()))
        if args is None or self.arguments.written(args):
            self.written[name, args] = made
        return made

    def rejected(
        self,
        reject: Reject,
        key: Located,
        fields: Mapping[str, Located],
        inputs: list[Value],
        labels: tuple[str, ...],
    ) -> Fault:
        """An op's refusal at the field or step that is wrong, with the tensors that met there."""
        node = fields.get(reject.field) if reject.field else None
        span = node.span if node else key.span
        producers = {n.output.name: n for n in self.nodes[-2000:]}
        notes = []
        for i, value in enumerate(inputs[:6]):
            source = producers.get(value.name)
            what = labels[i] if i < len(labels) else f"input {i}" if len(inputs) > 1 else "what arrives"
            by = f" from `{value.name}`" if value.name else ""
            notes.append(Note(f"{what} is {value.type}{by}", source.span if source else None))
        if len(inputs) == 1:
            notes += self.chain(inputs[0], producers)
        return Fault(reject.code, span, str(reject).replace("`add`", f"`{key.value}`"), reject.help, notes=tuple(notes))

    def chain(self, value: Value, producers: Mapping[str, Node]) -> list[Note]:
        """How the arriving shape came about: the last steps that changed it."""
        steps: list[str] = []
        while value.name in producers and len(steps) < 8:
            node = producers[value.name]
            if not node.inputs:
                break
            if node.inputs[0].type.shape[2:] != value.type.shape[2:]:
                steps.append(f"`{node.path}` {'×'.join(map(str, value.type.sizes))}")
            value = node.inputs[0]
        if not steps:
            return []
        start = "×".join(map(str, value.type.sizes))
        return [Note(f"the shapes on the way: {start} → " + " → ".join(reversed(steps)))]

    # ---- values

    def lookup(self, x: Arriving, ctx: Context) -> Any:
        def look(name: str) -> Any:
            if name == "x":
                if isinstance(x, Poison):
                    raise Poisoned
                return x.type
            value = ctx.names[name]
            if value is POISON:
                raise Poisoned
            return value

        return look

    def argument(self, param: Param, node: Located, lookup: Lookup) -> Any:
        return self.arguments.value(param.key, node, lookup, lambda value: typed(param, value, node))

    def params(
        self, params: Mapping[str, Param], given: Mapping[str, Any], outer: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """The values of params: those given, and defaults, each of which sees those before it."""
        values: dict[str, Any] = {}

        def seen(name: str) -> Any:
            return values[name] if name in values else outer[name]

        for name, param in params.items():
            if name in given:
                values[name] = given[name]
            elif param.default is not None:
                try:
                    values[name] = self.argument(param, param.default, seen)
                except Fault as fault:
                    self.diagnostics.add(fault.diagnostic)
                    return None
        return values

    def number(self, entry: Entry, x: Arriving, ctx: Context) -> float:
        value = evaluate(entry.value, self.lookup(x, ctx))
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise Fault(
                "wrong-type",
                entry.value.span,
                f"`aux` wants the head's weight, a number of at least 0, not {show(value)}",
            )
        return float(value)

    def rounds(self, step: Step, x: Arriving, ctx: Context) -> list[dict[str, Any]] | None:
        """The bindings of each copy: counts and lists in step, tables column by column."""
        entry = step.beside["repeat"]
        columns: dict[str, list[Any]] = {}
        first: tuple[str, int] | None = None
        try:
            for key, item in entry.value.value.items():
                value = evaluate(item.value, self.lookup(x, ctx))
                count = len(value) if isinstance(value, list) else value
                if isinstance(count, bool) or not isinstance(count, int) or count < 0:
                    raise Fault(
                        "wrong-type",
                        item.value.span,
                        f"`repeat` wants an integer of at least 0 or a list, not {show(value)}",
                    )
                if first and first[1] != count:
                    raise Fault("repeat-unequal", item.value.span, f"`{key}` has {count} rounds, but `{first[0]}` has {first[1]}",
                                "names of one repeat go in step")  # fmt: skip
                first = first or (key, count)
                if self.steps + count > MAX_STEPS:
                    raise Fault(
                        "too-many-steps",
                        item.value.span,
                        f"{count} copies are too many: a net has at most {MAX_STEPS} steps",
                    )
                columns |= self.columns(key.split(), value, count, item.value)
        except Fault as fault:
            self.tell(fault.diagnostic, ctx)
            return None
        except Poisoned:
            return None
        return [{name: column[i] for name, column in columns.items()} for i in range(first[1] if first else 0)]

    def columns(self, names: list[str], value: Any, count: int, node: Located) -> dict[str, list[Any]]:
        if len(names) == 1:
            return {names[0]: value if isinstance(value, list) else list(range(count))}
        if not isinstance(value, list):
            raise Fault(
                "wrong-type", node.span, f"a table of {len(names)} columns is a list of rows, not {show(value)}"
            )
        for i, row in enumerate(value):
            if not isinstance(row, list) or len(row) != len(names):
                has = len(row) if isinstance(row, list) else show(row)
                raise Fault("repeat-unequal", locate(node, (i,)).span,
                            f"row {i} has {has} where the header `{' '.join(names)}` has {len(names)} columns")  # fmt: skip
        return {name: [row[c] for row in value] for c, name in enumerate(names)}

    def find(self, node: Located, x: Arriving, ctx: Context) -> Arriving:
        """What `from` names: outward from the step's scope to its block, then the inputs."""
        name = evaluate(node, self.lookup(x, ctx))
        if not isinstance(name, str) or not name:
            raise Fault("wrong-type", node.span, f"`from` wants the name of one earlier step, not {show(name)}")
        span = within(node, 0, len(node.raw)) if node.raw else node.span
        for scope in self.scopes(ctx):
            path = join(scope, name)
            if path in self.paths.results:
                value, owner = self.paths.results[path]
                if owner is not None and owner != ctx.aux and not (ctx.aux or "").startswith(owner + "."):
                    raise Fault(
                        "from-head",
                        span,
                        f"`{name}` is inside the auxiliary head `{owner}`, which inference does not have",
                    )
                found: Arriving = value
                return found
        for scope in self.scopes(ctx):
            if join(scope, name) in self.paths.removed:
                raise Fault("from-removed", span, f"`{name}` was taken out by its `when`",
                            notes=(Note("here", self.paths.removed[join(scope, name)]),))  # fmt: skip
        if name in ctx.inputs:
            return ctx.inputs[name]
        seen = [
            p[len(s) + 1 if s else 0 :]
            for p in self.paths.results
            for s in self.scopes(ctx)
            if not s or p.startswith(s + ".")
        ]
        diagnostic = unknown(
            "step", name, [*seen, *ctx.inputs], span, "unknown-step", "`from` sees the steps before it, by path"
        )
        raise Fault(
            diagnostic.code, span, f"{diagnostic.message}: no step before this one has that path", diagnostic.help
        )

    def scopes(self, ctx: Context) -> Iterator[str]:
        scope = ctx.scope
        while True:
            yield scope
            if scope == ctx.root or not scope:
                return
            scope = scope.rpartition(".")[0]

    def output(self, entry: Entry, result: Arriving, x: Arriving, ctx: Context) -> None:
        node = entry.value
        name = evaluate(node, self.lookup(x, ctx))
        fault = name_fault(name)
        if fault:
            raise Fault("bad-name", node.span, f"`output`: {fault}")
        if name in self.outputs or name in ctx.inputs:
            first = self.outputs[name][1] if name in self.outputs else None
            raise Fault("duplicate-output", node.span, f"two outputs are called `{name}`",
                        notes=(Note("the first is here", first),) if first else ())  # fmt: skip
        if isinstance(result, Value):
            self.outputs[str(name)] = (result, node.span)

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

    def fault(
        self,
        code: str,
        span: Span,
        message: str,
        help: str = "",
        notes: tuple[Note, ...] = (),
        ctx: Context | None = None,
    ) -> None:
        self.tell(Diagnostic(code, span, message, "", notes, help), ctx)

    def tell(self, diagnostic: Diagnostic, ctx: Context | None) -> None:
        """Adds a diagnostic with the blocks and repeats it was expanded from, innermost first."""
        frames = ctx.frames[-4:] if ctx else ()
        origin = tuple(Note(f"expanded from {frame.what}", frame.span) for frame in reversed(frames))
        self.diagnostics.add(diagnostic._replace(notes=diagnostic.notes + origin))


def fields_of(op: Op | type[Op], args: Located | None) -> dict[str, Located]:
    """The fields that `args` writes, a bare value under the name of the field that it sets."""
    if args is None or args.value is None:
        return {}
    if isinstance(args.value, dict):
        return {key: entry.value for key, entry in args.value.items() if not key.startswith("x-")}
    return {op.bare: args} if op.bare else {}


@lru_cache(maxsize=4096)
def fitting(op: Op, *x: TensorType) -> TensorType:
    """The type that `op` gives; rejects what no machine holds, before anything tries to."""
    y = inferred(op, *x)
    owned = sum(param.elements for param in op.params(*x).values())
    help = "make it smaller here, or what arrives before"
    if y.elements > MAX_ELEMENTS:
        raise Reject("too-large", f"the result of `{op.name}` is {over(y)}", help)
    if owned > MAX_PARAMS:
        raise Reject("too-large", f"`{op.name}` has {owned:,} parameters; the limit is {MAX_PARAMS:,}", help)
    return y


def over(x: TensorType) -> str:
    sizes = "×".join(map(str, x.sizes))
    return f"{sizes}, {x.elements:,} elements an image; the limit is {MAX_ELEMENTS:,}"


@lru_cache(maxsize=1024)
def op_of(name: str, fields: tuple[tuple[str, Any], ...]) -> Op:
    """The op of that name with fields in canonical form."""
    return OPS[name](**dict(fields))


def expand(document: Document, diagnostics: Collector) -> Graph | None:
    """The training graph of a document without open params; None where it is refused."""
    return Expander(diagnostics).document(document)
