"""Random valid specs as YAML text, for properties that hold of every net.

A spec is written step by step, with the type of the tensor that arrives at hand, so that all it says fits: an operation is
drawn with fields that its input allows, a branch ends in steps that bring it to the shape it must have. Values may be
said as expressions, and a parameter comes into being when a value is first said by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import yaml
from hypothesis import strategies as st

from archc.compiler.ir.types import TensorType, image
from archc.compiler.ops import OPS

from .random_fields import FIELDS, KEEP, VECTOR, WIDEST, Chooser, Fields, by_kind, operations, towards, vector
from .random_values import Here, PlainDumper, Sight, Speaker

STEPS = 12
Step = dict[str, Any]
PREFIXES = ("a", "conv_", "b-", "Up", "3d", "x", "self")
KINDS = (*["operation"] * 12, "merge", "merge", "merge", "gate", "residual", "residual", "group", "repeat", "repeat", "table",
         "block", "block", "again", "use", "use", "start", "head", "removed", "mark", "fractal")  # fmt: skip

MERGES = tuple(name for name, op in OPS.items() if op.is_merge)


def must_be_listed(step: Step, keyed: bool, branch: bool) -> bool:
    """Whether one step by itself would mean something else than a list of it: a key names it, `repeat` makes branches."""
    return (keyed and "name" in step) or (branch and "repeat" in step)


class Called(NamedTuple):
    """A block that was written: what it took and gave, and its parameters that a call must give."""

    name: str
    took: TensorType
    gave: TensorType
    given: dict[str, Any]
    optional: dict[str, Any]


@st.composite
def written(draw: Any, write: Callable[[], Any]) -> Any:
    """What `write` gives, which draws all it needs: one element of a list."""
    return draw(st.just(write))()


class Writer(Speaker):
    """Writes one document. Each kind of step is a method: (what arrives, where, its name) -> (its core, what comes out)."""

    def __init__(self, d: Chooser) -> None:
        super().__init__(d)
        self.left = STEPS
        self.blocks: dict[str, Any] = {}
        self.called: list[Called] = []
        self.drop = d.one((0.5, 0.25, 1))  # `global` of every join

    def document(self) -> dict[str, Any]:
        d, params = self.d, Sight()
        names = ["image", *([self.fresh(d.one(("in-", "x", "input_", "self")))] if d.rarely(5) else [])]
        inputs = {name: [d.whole(1, 3), d.whole(1, 17), d.whole(1, 17)] for name in names}
        flows = {name: image(*sizes) for name, sizes in inputs.items()}
        here = Here(params, dict(flows))
        graph, x = self.first(flows, here) if len(flows) > 1 else ([], flows["image"])
        alone = d.whole(0, 11) == 0  # a net of one step is the simplest
        more, x = ([], x) if alone else self.steps(x, here, least=3)
        graph += more
        if not alone and d.coin():  # the end of a classifier
            flat, x = self.fit(x, vector(d.whole(1, WIDEST)), here)
            graph += flat
        last, x = self.named(*self.operation(x, here, "", VECTOR if x.is_vector and d.coin() else None), here)
        graph += [last]
        head = {"archspec": 1, "name": d.one(("net", "my-net", "scope", "2nets"))}
        parts = {"params": self.declare(params.params), "input": inputs, "blocks": self.blocks}
        parts["graph"] = graph if len(graph) > 1 or d.coin() else graph[0]
        return {**head, **{key: part for key, part in parts.items() if part}}

    def first(self, flows: dict[str, TensorType], here: Here) -> tuple[list[Any], TensorType]:
        """With several inputs the first step says `from`, or each branch of it."""
        (one, x), (other, y) = flows.items()
        if self.d.coin():
            core, z = self.operation(y, here, "")
            return [{"from": other, **core}], z
        fitted, _ = self.fit(y, x, here)
        return [{"add": [{"from": one}, [{"from": other}, *fitted]]}], x

    # ---- places and steps

    def steps(self, x: TensorType, here: Here, least: int = 0) -> tuple[list[Any], TensorType]:
        """A list of steps, as Hypothesis draws a list: it shrinks by leaving steps out."""
        arriving = x

        def write() -> Any:
            nonlocal arriving
            if self.left <= 0:
                return None
            step, arriving = self.step(arriving, here)
            return step

        made = self.d.draw(st.lists(written(write), min_size=min(least, self.left), max_size=max(0, self.left)))
        return [step for step in made if step is not None], arriving

    def place(
        self, x: TensorType, here: Here, target: TensorType | None = None, keyed: bool = False, branch: bool = False
    ) -> tuple[Any, TensorType]:
        """A list of steps, or one by itself; it ends in the type `target`, if there is one."""
        made, y = self.steps(x, here)
        if target is None and x.is_vector and y.is_image:
            target = vector(self.d.whole(1, WIDEST))  # what `from` made an image: branches beside it are vectors
        fitted, y = self.fit(y, target, here) if target else ([], y)
        made += fitted
        lone = made[0] if len(made) == 1 and self.d.coin() else made
        return made if isinstance(lone, dict) and must_be_listed(lone, keyed, branch) else lone, y

    def step(self, x: TensorType, here: Here) -> tuple[Any, TensorType]:
        """One step with what stands beside its core."""
        d, beside, kind = self.d, {}, "operation"
        self.left -= 1
        if self.left > 1:
            kind = d.one(KINDS)
        name = self.fresh(d.one(PREFIXES)) + here.suffix if d.coin() else ""
        arrived = x
        seen = [n for n, flow in here.named.items() if here.flat or flow.is_image]
        if seen and (kind == "start" or d.rarely(8)):
            beside["from"] = d.one(seen)
            x = here.named[beside["from"]]
        core, y = getattr(self, kind)(x, here, name)
        if any(rows in (0, []) for rows in core.get("repeat", {}).values()):
            y = arrived  # no copy, so nothing reads `from`
        if kind in ("head", "removed"):
            return {**({"name": name} if name else {}), **beside, **core}, arrived
        if d.rarely(10):
            beside["when"] = self.truth(True, here)
        if here.outputs and "repeat" not in core and (kind == "mark" or not core or d.rarely(8)):
            beside["output"] = self.fresh("out") + "".join(f"_$({r})" for r in here.rounds)
        if not core and not beside.keys() & {"from", "output"}:
            core, y = self.operation(x, here, name)
        return self.named({**beside, **core}, y, here, name)

    def named(self, step: Step, y: TensorType, here: Here, name: str = "") -> tuple[Any, TensorType]:
        """The step under its name, which `from` sees afterwards; an operation alone may be a bare word."""
        empty = any(rows in (0, []) for rows in step.get("repeat", {}).values())
        if name and not empty and "name" not in step:  # a name that counts is a name of each copy
            here.named[name] = y
        if self.d.rarely(12):
            step["doc"] = "said: about #1"
        if name and "name" not in step:
            step = {"name": name, **step}
        lone = next(iter(step.items()))
        return (lone[0] if len(step) == 1 and lone[0] in OPS and lone[1] is None and self.d.coin() else step), y

    # ---- operations

    def operation(self, x: TensorType, here: Here, name: str, only: Any = None) -> tuple[Step, TensorType]:
        op = self.d.one(tuple(only) if only else operations(x, here.flat))
        if op == "flatten" and x.elements > 4000:
            op = "relu"
        return self.write(op, FIELDS[op](self.d, x), x, here)

    def write(self, op: str, fields: Fields, x: TensorType, here: Here) -> tuple[Step, TensorType]:
        """The op with its fields, bare where one value may stand alone."""
        y = OPS[op](**fields).infer(x)
        args = {key: self.say(value, here, x) for key, value in fields.items()}
        if not args:
            return {op: self.d.one((None, {}))}, y
        bare = OPS[op].bare
        return {op: args[bare] if bare and list(args) == [bare] and self.d.coin() else args}, y

    def use(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        """An operation that an expression names."""
        core, y = self.operation(x, here, name)
        op, args = next(iter(core.items()))
        args = {OPS[op].bare: args} if args is not None and not isinstance(args, dict) else args
        given = {} if args is None else {"with": args}
        return {"use": self.say(op, here, None, rare=2), **given}, y

    def fit(self, x: TensorType, target: TensorType, here: Here) -> tuple[list[Step], TensorType]:
        """Steps that bring `x` to the type `target`."""
        made = []
        while x != target:
            op, fields = towards(self.d, x, target)
            core, x = self.write(op, fields, x, here)
            made.append(core)
        return made, x

    # ---- merges

    def merge(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        """A merge of any kind over branches by key or in a list."""
        d, kind, inner = self.d, self.d.one(MERGES), here.scope(name)
        keyed = bool(name or not here.suffix) and d.coin()
        made, y = self.branch(x, inner, None, keyed)
        branches, widths = [made], [y.channels]
        for _ in range(d.whole(0, 2)):
            target = self.beside(y, here) if kind == "concat" else y
            times = 1 if keyed else d.whole(0, 2) if d.rarely(4) else 1
            made, z = self.branch(x, inner.shaped(y), target, keyed, times)
            branches.append(made)
            widths += [z.channels] * times
        total = sum(widths) if kind == "concat" else y.channels
        gives = image(total, *y.sizes[1:]) if y.is_image else vector(total)
        said = {self.fresh("k"): each for each in branches} if keyed else branches
        self.leave(here, inner, name)
        if not OPS[kind].fields:
            return {kind: said}, gives
        if kind != "join":
            return {kind: {**by_kind(OPS[kind])(d, y), "branches": said}}, gives
        drops = {"local": d.one((0.15, 0, 1))} if d.coin() else {}
        drops |= {"global": d.one((self.drop, self.drop, 0))} if d.coin() else {}
        return {"join": {**{key: self.say(value, here, None) for key, value in drops.items()}, "branches": said}}, gives

    def beside(self, t: TensorType, here: Here) -> TensorType:
        """What another branch of a concat may give."""
        channels = self.d.whole(1, WIDEST)
        return image(channels, t.height, t.width) if t.is_image else vector(channels)

    def branch(
        self, x: TensorType, here: Here, target: TensorType | None, keyed: bool, times: int = 1
    ) -> tuple[Any, TensorType]:
        """A branch; one that stands for several, or for none, is a lone step with `repeat`."""
        if times == 1:
            return self.place(x, here.scope(keyed), target, keyed, branch=not keyed)
        counter = self.fresh("i")
        made, y = self.place(x, here.copied(counter, named=False), target)
        return {"repeat": {counter: times}, "steps": made}, y

    def leave(self, here: Here, inner: Here, name: str) -> None:
        """What `from` sees of a scope from outside: its names by path."""
        if name and inner.named is not here.named:
            here.named.update({f"{name}.{n}": flow for n, flow in inner.named.items() if n not in here.named})

    def gate(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        """Squeeze and excitation: C×1×1 spreads over C×H×W."""
        if x.is_vector:
            return self.operation(x, here, name)
        squeeze, y = self.write(self.d.one(("global_avg_pool", "global_max_pool")), {}, x, here)
        excite, _ = self.write("conv", {"out": x.channels}, y, here)
        gate = [squeeze, excite, self.d.one(("sigmoid", "hard_sigmoid", "tanh"))]
        return {"multiply": self.d.one(([[], gate], [gate, []]))}, x

    def residual(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        inner, skip = here.scope(name), self.d.one((None, True, False))
        if self.d.coin():
            body, y = self.place(x, inner.shaped(x), x)
            core = {"body": body}
        else:
            body, y = self.place(x, inner)
            beside = inner.scope(skip is False)._replace(
                suffix=inner.suffix
            )  # not expanded then: no one sees its names
            shortcut, _ = self.place(x, beside.shaped(y), y)
            core = {"body": body, "shortcut": shortcut}
        self.leave(here, inner, name)
        if skip is not None:
            core["skip"] = self.truth(skip, here) if self.d.coin() else skip
        return {"residual": core}, y

    # ---- groups, repeats, heads

    def group(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        inner = here.scope(name)
        made, y = self.place(x, inner)
        self.leave(here, inner, name)
        return {"steps": made}, y

    def repeat(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        """A count or a list; each copy gives the type that it takes."""
        d, counter = self.d, self.fresh("i")
        times = d.whole(0, 3)
        inner = here.copied(counter, named=bool(name))
        if d.coin():
            core, y = self.operation(x, inner, name, KEEP)
        else:
            made, y = self.place(x, inner.shaped(x), x)
            core = {"steps": made}
        over = d.one((times, [i * 2 for i in range(times)]))
        called = {"name": f"{name}_$({counter} + 1)"} if name and d.coin() else {}
        return {**called, "repeat": {counter: over}, **core}, x if times == 0 else y

    def table(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        """Layers by the rows of a table, or by two lists that go in step."""
        c, k = self.fresh("c"), self.fresh("k")
        widths = [self.d.whole(1, WIDEST) for _ in range(self.d.whole(1, 3))]
        kernels = [self.d.one((1, 3)) for _ in widths]
        rows = [list(row) for row in zip(widths, kernels, strict=True)]
        columns = self.d.one(({f"{c} {k}": rows}, {c: widths, k: kernels}))
        if x.is_vector:
            return {"repeat": columns, "linear": f"${c}"}, vector(widths[-1])
        conv = {"out": f"$({c} * ({k} - {k} + 1))", "kernel": f"${k}", "padding": f"$({k} // 2)"}
        return {"repeat": columns, "conv": conv}, image(widths[-1], x.height, x.width)

    def start(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        """A step without a core: with `from`, or, where nothing is named yet, with `output`."""
        return {}, x

    mark = start

    def head(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        if not here.heads:
            return {"when": False, "relu": None}, x
        inner = here.scope(True)._replace(suffix="" if name else here.suffix, outputs=False, heads=False, flat=True)
        core, _ = self.group(x, inner, "") if self.d.coin() else self.operation(x, inner, "")
        return {"aux": self.d.one((0.3, 0, 1)), **core}, x

    def removed(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        """A step that `when` takes out: nothing of it is read, so nothing of it need fit."""
        return {
            "when": self.truth(False, here),
            **self.d.one(({"linear": 3}, {"conv": {"out": 4, "kernel": 99}}, {"from": "nowhere", "relu": None})),
        }, x

    # ---- blocks

    def block(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        """A new block of what is written here, and its first call."""
        d, called = self.d, "".join(w.capitalize() for w in self.fresh("block ").split())
        sight = Sight(here.sight if here.sight.outer is None else here.sight.outer)
        inner = Here(sight, {}, flat=here.flat, outputs=False, heads=here.heads)
        steps, y = self.place(x, inner)
        given, optional, declared = {}, {}, {}
        for n, value in sight.params.items():
            if d.coin():
                given[n], declared[n] = value, self.kind(value)
            else:
                optional[n], declared[n] = value, self.declare({n: value})[n]
        let = {
            n: f"$({self.expression(v, inner, x)})" if type(v) in (int, float, str) else v for n, v in sight.let.items()
        }
        parts = {"params": declared, "let": let}
        self.blocks[called] = {**{key: part for key, part in parts.items() if part}, "steps": steps}
        self.called.append(Called(called, x, y, given, optional))
        return self.call(self.called[-1], x, here), y

    def call(self, block: Called, x: TensorType, here: Here) -> Step:
        """A call of a block, by its name or by `use`."""
        told = {**block.given, **{n: v for n, v in block.optional.items() if self.d.rarely(3)}}
        args = {n: self.say(v, here, x) for n, v in told.items()} or None
        if self.d.coin():
            return {block.name: args}
        return {"use": self.say(block.name, here, None, rare=2), **({"with": args} if args else {})}

    def again(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        """A block that was called before, on the same type, with the same values."""
        fits = [b for b in self.called if b.took == x and (here.flat or b.gave.is_image)]
        if not fits:
            return self.operation(x, here, name)
        block = self.d.one(fits)
        return self.call(block, x, here), block.gave

    def fractal(self, x: TensorType, here: Here, name: str) -> tuple[Step, TensorType]:
        """A block that uses itself; `when` ends the recursion, and joins of joins are one."""
        if x.is_vector:
            return self.operation(x, here, name)
        self.blocks.setdefault("Fractal", {
            "params": {"columns": "int", "out": "int"},
            "steps": [
                {"when": "$(columns == 1)", "name": "column", "conv": {"out": "$out", "kernel": 3, "padding": 1}},
                {"when": "$(columns > 1)", "join": {"local": 0.15, "global": self.drop, "branches": {
                    "deep": [{"Fractal": {"columns": "$(columns - 1)", "out": "$out"}}] * 2,
                    "plain": {"Fractal": {"columns": 1, "out": "$out"}}}}},
            ],
        })  # fmt: skip
        out = self.d.whole(1, WIDEST)
        return {"Fractal": {"columns": self.d.whole(1, 3), "out": out}}, image(out, x.height, x.width)


@st.composite
def specs(draw: Any) -> str:
    """A valid spec, as YAML text in block style, in flow style, or with the innermost parts in flow style."""
    d = Chooser(draw)
    document = Writer(d).document()
    return yaml.dump(
        document, Dumper=PlainDumper, sort_keys=False, default_flow_style=d.one((None, False, True)), width=120
    )
