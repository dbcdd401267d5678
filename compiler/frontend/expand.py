"""Expansion: blocks, repeats and names become a graph, and every node gets its shapes on the way.

The steps are walked once, in the order of the text. Each step takes the value that arrives and gives one. A wrong step is
reported once and gives poison, so that nothing which only follows from it is reported. The naming rules of language.md,
section 3, give the paths (naming.py). What needs no walk has files of its own: the context of a step (context.py), a call of
a block (calls.py), the copies of a repeat (repeats.py), `from` (references.py), the other keys beside a core (modifiers.py),
an op and its inputs (application.py), merges of merges (merges.py), and the graph of all nodes (finish.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from ..diagnostics import Collector, Diagnostic, Span
from ..ir.graph import Graph, Head, Node, Value
from ..ops.merge import Add
from .absent import Absent
from .application import Applier, RejectedStep, check_usable
from .budget import BRANCH, CHARACTERS_PER_UNIT, FAULT, LONG_PATH, MERGE_INPUT, OUTPUT, THREAD, Budget
from .calls import bind_document_inputs, bind_params, enter_block, require_depth
from .compose import Document
from .context import NOTHING, POISON, Context, Poison, StepValue, guess_result
from .deep import DeepCalls
from .finish import add_output, check_params, check_results, collect_outputs, insert_path_draw, known_part
from .located_yaml import Located
from .merges import AbsorbedMerges
from .modifiers import evaluate_boolean, evaluate_name, evaluate_output, evaluate_use, evaluate_weight
from .naming import Paths, Position, join_path
from .recovery import Incomplete
from .references import resolve_reference
from .repeats import bind_copies, bind_copy
from .reporting import report_in_context
from .spec import BlockCall, BrokenCore, Group, MergeCall, OpCall, Place, Residual, Step, Use
from .values import Arguments, Fault, Poisoned, template_of

_T = TypeVar("_T")


class Expander:
    """One walk over one document."""

    def __init__(self, document: Document, diagnostics: Collector, budget: Budget) -> None:
        self.document, self.diagnostics, self.budget = document, diagnostics, budget
        self.heads: list[Head] = []
        self.outputs: dict[str, tuple[Value, Span]] = {}
        self.paths = Paths(budget)
        self.merges = AbsorbedMerges()
        self.refused_calls: set[tuple[Located, str]] = set()
        self.deep = DeepCalls()
        self.arguments = Arguments(budget)
        self.applier = Applier(self.arguments, self.paths.absent, diagnostics, budget)

    # ---- the document

    def expand_document(self) -> Graph | None:
        """The graph of the whole document; None where something in it is wrong, which is reported here or before."""
        inputs = bind_document_inputs(self.document.input, self.diagnostics)
        if inputs is None:
            return None
        self.paths.claims.update({name: entry.key.span for name, entry in self.document.input.items()})
        assert self.document.graph is not None
        names = bind_params(self.document.params, {}, {}, self.arguments, self.diagnostics)
        ctx = Context("", "", names, names, self.document.blocks, inputs, self.budget)
        start: StepValue = next(iter(inputs.values())) if len(inputs) == 1 else NOTHING
        end = self.expand_place(self.document.graph, start, ctx, Position("", is_list=True))
        return None if self.diagnostics.failed or isinstance(end, Poison) else self.finish_graph(inputs, end)

    def finish_graph(self, inputs: Mapping[str, Value], end: Value) -> Graph | None:
        """The graph of all nodes, which ends in `end`; None where its outputs or its joins are wrong, which is reported."""
        document = self.document
        assert document.graph is not None
        outputs = collect_outputs(self.outputs, end, document.input, self.diagnostics)
        if outputs is None:
            return None
        if not self.applier.nodes:
            self.diagnostics.warn("empty-graph", document.graph.span, "the graph is empty: its output is its input")
        check_params(self.applier.nodes, self.budget.limits.params, self.diagnostics)
        nodes = insert_path_draw(self.applier.nodes, self.diagnostics)
        if self.diagnostics.failed:
            return None
        graph = Graph(document.name, tuple(inputs.values()), nodes, outputs, tuple(self.heads))
        check_results(graph, self.merges.names(), self.diagnostics)
        return graph

    # ---- places and steps

    def expand_place(self, place: Place, x: StepValue, ctx: Context, position: Position) -> StepValue:
        """The value behind the steps of a place. Deep nests get a new stack (deep.py)."""
        if self.deep.needs_stack:
            self.budget.spend_at(THREAD, place.span)
        return self.deep.call(lambda: self.expand_steps(place, x, ctx, position))

    def expand_steps(self, place: Place, x: StepValue, ctx: Context, position: Position) -> StepValue:
        """The value behind the steps. A single step has the path of the place."""
        if place.is_single_step and place.steps and "repeat" not in place.steps[0].modifiers:
            position = position.of_single_step()
        return self.expand_list(place, x, ctx, position)

    def expand_step(self, step: Step, x: StepValue, ctx: Context, position: Position) -> StepValue:
        """The value behind a step, or behind all of its copies.

        A repeated step whose name is the same in all copies is their scope: they are `name`.0, `name`.1, …
        """
        if "repeat" not in step.modifiers:
            return self.expand_copy(step, x, ctx, position)
        copies = self.bind_copies(step, x, ctx)
        if copies is None:
            return POISON
        name = step.modifiers.get("name")
        template = self.attempt(lambda: template_of(name.value, self.budget)) if name else None
        name_varies = bool(template and copies and copies[0].keys() & {n for n, _ in template.names})
        scope: str | None = None
        if name and not name_varies and copies:
            scope = self.copies_scope(name.value, x, ctx)
            if scope is None:
                return POISON
            position.next_path()
        for i, bindings in enumerate(copies):
            path = join_path(scope, str(i)) if scope is not None else None
            x = self.expand_copy(step, x, bind_copy(ctx, bindings, step), position, path)
        if scope is not None and not isinstance(x, Poison):
            self.paths.results[scope] = (x, ctx.aux)
        return x

    def copies_scope(self, name: Located, x: StepValue, ctx: Context) -> str | None:
        """The path of a repeated step with a name of its own.

        Reports a wrong name or a second claim, and then gives None.
        """
        path = self.attempt(lambda: join_path(ctx.scope, evaluate_name(name, x, ctx)), ctx)
        if path is None:
            self.paths.some_lost = True
        return path if path is not None and self.paths.claim(path, name.span, self.diagnostics) else None

    def expand_copy(
        self, step: Step, x: StepValue, ctx: Context, position: Position, path: str | None = None
    ) -> StepValue:
        """The value behind one copy of a step; a mistake in it is reported, and gives poison."""
        self.budget.count_step(step.node, ctx.frames[0].span if ctx.frames else step.span)
        # a key that is reported may be meant for its name
        if isinstance(step.node, Incomplete):
            self.paths.some_lost = True
        try:
            return self.expand_modifiers(step, x, ctx, position, path)
        except Fault as fault:
            self.report(fault.diagnostic, ctx)
        except Poisoned:
            pass
        if "aux" in step.modifiers:
            return x
        name = step.modifiers.get("name")
        if name and isinstance(name.value.value, str) and "$" not in name.value.value:
            self.paths.poison(join_path(ctx.scope, name.value.value), POISON)
        elif name:
            self.paths.some_lost = True
        return POISON

    def expand_modifiers(
        self, step: Step, x: StepValue, ctx: Context, position: Position, path: str | None
    ) -> StepValue:
        """One copy of a step by its modifiers: if it is there, where it starts, what its path is, and where its result goes."""
        modifiers = step.modifiers
        if "when" in modifiers and not self.is_kept(step, x, ctx):
            return x
        arriving = x
        if "from" in modifiers:
            x = resolve_reference(modifiers["from"].value, x, ctx, self.paths, self.document.graph)
        has_name = "name" in modifiers or path is not None
        if isinstance(step.core, Group) and not has_name and not modifiers.keys() & {"aux", "output"}:
            return self.expand_unnamed_group(step.core.steps, x, ctx, position)
        if path is None:
            path = self.claim_path(step, x, ctx, position)
        inner_ctx = ctx._replace(aux=path) if "aux" in modifiers else ctx
        result = self.expand_core(step, x, inner_ctx, path, has_name, position)
        if isinstance(result, Poison):
            self.paths.poison(path, result)
        else:
            self.paths.results[path] = (result, inner_ctx.aux)
        if "output" in modifiers and ctx.outputs:
            self.budget.spend(OUTPUT, modifiers["output"].value)
            name = evaluate_output(modifiers["output"].value, x, ctx)
            add_output(name, modifiers["output"].value, result, self.outputs, self.document.input)
        if "aux" not in modifiers:
            return result
        weight = evaluate_weight(modifiers["aux"].value, arriving, ctx)
        if isinstance(result, Poison) or not ctx.heads:
            return arriving
        if self.paths.claim_head(path, modifiers["aux"].key.span, self.diagnostics):
            self.heads.append(Head(path, result, weight))
        return arriving

    def is_kept(self, step: Step, x: StepValue, ctx: Context) -> bool:
        """Whether `when` keeps the step. The name of a removed one is remembered, for a message about `from`."""
        kept = evaluate_boolean(step.modifiers["when"].value, "when", x, ctx)
        if not kept:
            entry = step.modifiers.get("name")
            name = self.attempt(lambda: ctx.evaluate(entry.value, x)) if entry else None
            self.paths.absent.add(Absent(step, None if name is None else str(name), "when", ctx, x))
        return kept

    def claim_path(self, step: Step, x: StepValue, ctx: Context, position: Position) -> str:
        """The path of a step by the naming rules 1, 2 and 6. Reports a path that another step has, and raises Poisoned."""
        name = step.modifiers.get("name")
        own_path = join_path(ctx.scope, evaluate_name(name.value, x, ctx)) if name else ""
        path, is_new = position.next_path()
        if name:
            path, is_new = own_path, True
        if len(path) > LONG_PATH:
            self.budget.spend(len(path) // CHARACTERS_PER_UNIT, step.node)
        if is_new and not self.paths.claim(path, name.value.span if name else step.span, self.diagnostics):
            raise Poisoned
        return path

    # ---- cores

    def expand_core(
        self, step: Step, x: StepValue, ctx: Context, path: str, has_name: bool, position: Position
    ) -> StepValue:
        """The value of a step's core: an op, a block, a merge or a group.

        A step with a name is a scope for those inside it.
        """
        match step.core:
            case BrokenCore():
                # a step that cannot be read may have any name
                self.paths.some_lost |= not isinstance(step.node.value, dict) or "name" in step.node.value
                return POISON
            case OpCall(name, key, args):
                return self.applier.apply(name, key, args, (x,), x, ctx, path)
            case None:
                return x
            case BlockCall(name, key, args):
                return self.expand_block(name, key, args, x, ctx, path)
            case Use(what, key, args):
                return self.expand_use(what, args, x, ctx, path)
        inner = ctx._replace(scope=path) if has_name else ctx
        match step.core:
            case MergeCall():
                values = self.expand_branches(step.core, x, inner, path)
                return self.expand_merge(step.core, values, x, ctx, path)
            case Residual():
                return self.expand_residual(step, step.core, x, inner, path)
            case Group(_, place) if has_name:
                return self.expand_place(place, x, inner, Position(path, shares_path=True))
            case Group(_, place):
                return self.expand_unnamed_group(place, x, inner, position.claimed())
        raise AssertionError(step.core)

    def expand_unnamed_group(self, place: Place, x: StepValue, ctx: Context, position: Position) -> StepValue:
        """The value behind a group without a name: its list is that of the place of which it is the one step, or the one around it."""
        if position.is_single:
            return self.expand_place(place, x, ctx, position.of_list())
        return self.deep.call(lambda: self.expand_list(place, x, ctx, position))

    def expand_list(self, place: Place, x: StepValue, ctx: Context, position: Position) -> StepValue:
        """The value behind steps that belong to the list of `position`."""
        for step in place.steps:
            x = self.expand_step(step, x, ctx, position)
        return x

    def expand_branches(self, core: MergeCall, x: StepValue, ctx: Context, path: str) -> tuple[StepValue, ...]:
        """The values of a merge's branches, by the naming rules 4 and 5. A branch that is one repeated step is many branches."""
        values: list[StepValue] = []

        def add_numbered(place: Place, ctx: Context) -> None:
            number = str(len(values))
            inner = ctx.in_branch(number, place.span)
            values.append(self.expand_place(place, x, inner, Position(f"{path}.{number}")))

        branches = core.branches.items
        self.budget.spend(len(branches) * (BRANCH + ctx.work_of_frames), core.key)
        for branch in branches:
            step = branch.place.steps[0] if branch.place.is_single_step and branch.place.steps else None
            if branch.key is not None:
                inner = ctx.in_branch(str(branch.key.value), branch.key.span)
                values.append(self.expand_keyed_branch(branch.key, branch.place, x, inner))
            elif step is None or "repeat" not in step.modifiers:
                add_numbered(branch.place, ctx)
            else:
                copy = step._replace(modifiers={k: e for k, e in step.modifiers.items() if k != "repeat"})
                copies = self.bind_copies(step, x, ctx)
                if copies is None:
                    values.append(POISON)
                self.budget.spend(len(copies or ()) * BRANCH, core.key)
                for bindings in copies or ():
                    add_numbered(branch.place._replace(steps=(copy,)), bind_copy(ctx, bindings, step))
        return tuple(values)

    def expand_keyed_branch(self, key: Located, place: Place, x: StepValue, ctx: Context) -> StepValue:
        """The value of a branch under a key, which is the scope of its steps."""
        path = join_path(ctx.scope, str(key.value))
        if not self.paths.claim(path, key.span, self.diagnostics):
            return POISON
        value = self.expand_place(place, x, ctx._replace(scope=path), Position(path, shares_path=True))
        if not isinstance(value, Poison):
            self.paths.results[path] = (value, ctx.aux)
        return value

    def expand_residual(self, step: Step, core: Residual, x: StepValue, ctx: Context, path: str) -> StepValue:
        """The sum of body and shortcut; the body alone where `skip` is false."""
        body = self.expand_place(core.body, x, ctx.in_branch("body", core.body.span), Position(f"{path}.body"))
        if core.skip is not None and not evaluate_boolean(core.skip, "skip", x, ctx):
            return body
        shortcut = x
        if core.shortcut:
            inner = ctx.in_branch("shortcut", core.shortcut.span)
            shortcut = self.expand_place(core.shortcut, x, inner, Position(f"{path}.shortcut"))
        if not isinstance(body, Poison) and body == x == shortcut:
            self.diagnostics.warn("empty-residual", step.span, "body and shortcut are both empty: this is x + x")
        return self.applier.apply(Add.name, core.key, None, (body, shortcut), x, ctx, path, ("body", "shortcut"))

    def expand_merge(
        self, core: MergeCall, values: tuple[StepValue, ...], x: StepValue, ctx: Context, path: str
    ) -> StepValue:
        """A merge of its branches, or of theirs where one of them is a merge of the same op (merges.py)."""
        values = self.merges.open_up(core.name, values)
        self.budget.spend(MERGE_INPUT * len(values), core.key)
        if not values:
            raise Fault("empty", core.key.span, f"`{core.key.value}` has no branches: the repeats in it give none")
        result = self.applier.apply(core.name, core.key, core.args, values, x, ctx, path)
        self.merges.remember(core.name, values, result)
        return result

    def expand_use(self, what: Located, args: Located | None, x: StepValue, ctx: Context, path: str) -> StepValue:
        """The result of the block or op that an expression names. Raises Fault or Poisoned."""
        name = evaluate_use(what, x, ctx)
        arguments = args if args is not None else Located(None, what.span)
        if name in ctx.blocks:
            return self.expand_block(name, what, arguments, x, ctx, path)
        check_usable(name, what, ctx.blocks)
        return self.applier.apply(name, what, arguments, (x,), x, ctx, path)

    def expand_block(self, name: str, key: Located, args: Located, x: StepValue, ctx: Context, path: str) -> StepValue:
        """The result of a block, whose steps have its own names and its own scope. Raises LimitReached for a recursion without end."""
        block = ctx.blocks.get(name)
        # names.py has reported it
        if block is None:
            return POISON if self.document.incomplete else guess_result(name, x)
        require_depth(block, key, ctx)
        # wrong arguments are reported, and the same for each copy
        if block.incomplete or (key, name) in self.refused_calls:
            return POISON
        mistakes = Collector(self.diagnostics.limit)
        inner = enter_block(block, key, args, x, ctx, path, self.arguments, mistakes)
        # reported again where `use` names the block: the frames say how it came here
        for diagnostic in mistakes:
            self.report(diagnostic, ctx)
        if inner is None:
            self.refused_calls.add((key, name))
            return POISON
        return self.expand_place(block.steps, x, inner, Position(path, shares_path=True))

    # ---- values

    def bind_copies(self, step: Step, x: StepValue, ctx: Context) -> list[dict[str, Any]] | None:
        """The values of the names of `repeat`, for each copy; None where they are wrong, which is reported."""
        return self.attempt(lambda: bind_copies(step, x, ctx, self.paths), ctx)

    def attempt(self, action: Callable[[], _T], ctx: Context | None = None) -> _T | None:
        """What `action` gives; None where it raises Fault or Poisoned. Reports the Fault where there is a `ctx`."""
        try:
            return action()
        except Fault as fault:
            if ctx is not None:
                self.report(fault.diagnostic, ctx)
        except Poisoned:
            pass
        return None

    def report(self, diagnostic: Diagnostic, ctx: Context) -> None:
        """Reports a mistake with the frames of its context. Its explanation is work, also where the same was said before."""
        report_in_context(self.diagnostics, diagnostic, ctx)
        if diagnostic.span:
            self.budget.spend_at(FAULT, diagnostic.span)


class Expansion(NamedTuple):
    """The training graph, and the nodes that were made. Where something is wrong, `graph` is None, `known` is that of these nodes
    alone, if there are any, and `rejected` are the steps whose ops refuse what arrives, by path."""

    graph: Graph | None
    nodes: tuple[Node, ...]
    known: Graph | None
    rejected: Mapping[str, RejectedStep]


def expand(document: Document, diagnostics: Collector, budget: Budget) -> Expansion:
    """Expands a document that has an input, a graph, and a value for every param. Reports its mistakes.

    Raises LimitReached where the budget is spent.
    """
    expander = Expander(document, diagnostics, budget)
    graph = expander.expand_document()
    nodes = graph.nodes if graph else tuple(expander.applier.nodes)
    known = None if graph else known_part(document.name, nodes, expander.heads)
    return Expansion(graph, nodes, known, expander.applier.rejected)
