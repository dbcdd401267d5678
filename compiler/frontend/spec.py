"""The tree of a document: blocks, places for steps, and steps with their cores. Params are declared in declarations.py.

It is built from located YAML that the schema has checked. Only what a schema cannot say is checked here: that a step has one
core, and that keys stand together which belong together. Every part keeps its YAML node, and so its span.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from ..diagnostics import Collector, Note, Span
from ..ops import OPS
from .declarations import Declaration
from .located_yaml import BROKEN, Entry, Located
from .recovery import Incomplete

MERGES = {name: op for name, op in OPS.items() if op.is_merge}
MODIFIERS = ("name", "when", "repeat", "from", "aux", "output", "doc", "with")


class OpCall(NamedTuple):
    """An op with its arguments."""

    name: str
    key: Located
    args: Located


class BlockCall(NamedTuple):
    """A block with its arguments. The block may not exist: names.py checks that."""

    name: str
    key: Located
    args: Located


class Use(NamedTuple):
    """`use`: a block or an op that an expression names, with its arguments under `with`."""

    what: Located
    key: Located
    args: Located | None


class MergeCall(NamedTuple):
    """A merge of branches. `args` holds the fields of the op; None for an op without fields."""

    name: str
    key: Located
    args: Located | None
    branches: Branches


class Residual(NamedTuple):
    """`residual`: body plus shortcut, which is what arrives where there is none; the body alone where `skip` is false."""

    key: Located
    body: Place
    shortcut: Place | None
    skip: Located | None


class Group(NamedTuple):
    """`steps`: steps in a row, as one step."""

    key: Located
    steps: Place


class BrokenCore(NamedTuple):
    """A core that is reported as wrong already; nothing that follows from it is reported."""

    key: Located


Core = BrokenCore | OpCall | BlockCall | Use | MergeCall | Residual | Group


class Step(NamedTuple):
    """One step. `modifiers` holds the entries of MODIFIERS that it has; `core` is None for a step that has no core."""

    node: Located
    modifiers: Mapping[str, Entry]
    core: Core | None

    @property
    def span(self) -> Span:
        """Where a message about the whole step points: the key of its core, or its first character."""
        return self.core.key.span if self.core else self.node.span


class Place(NamedTuple):
    """A place for steps: a list of them, or one step without a list (`is_single_step`)."""

    steps: tuple[Step, ...]
    is_single_step: bool
    span: Span


class Branch(NamedTuple):
    """A branch of a merge: under a key, which is the scope of its steps, or in a list."""

    key: Located | None
    place: Place


class Branches(NamedTuple):
    """The branches of a merge, all under keys (`keyed`) or all in a list."""

    items: tuple[Branch, ...]
    keyed: bool


class Block(NamedTuple):
    """A block, with the `blocks` that it can call.

    `sees_document`: its steps see the params and the blocks of the document that is compiled, and `blocks` is empty; those of an imported block see `home`, the params
    of the document that it comes from. `input` is the input of a whole document that is imported as a block (`import: {AlexNet: …}`); None for all other blocks. `incomplete`: a part of it
    was refused, so that nobody knows its params. `required` are the params without a default.
    """

    name: str
    key: Located
    params: Mapping[str, Declaration]
    let: Mapping[str, Entry]
    steps: Place
    blocks: Mapping[str, Block] = MappingProxyType({})
    sees_document: bool = True
    input: Entry | None = None
    incomplete: bool = False
    home: Mapping[str, Declaration] = MappingProxyType({})
    required: tuple[str, ...] = ()

    def blocks_in(self, document: Mapping[str, Block]) -> Mapping[str, Block]:
        """The blocks that it can call, where it is one of the blocks of a document."""
        return document if self.sees_document else self.blocks


def places_in(step: Step) -> Iterator[Place]:
    """The places for steps inside a step."""
    match step.core:
        case MergeCall(_, _, _, branches):
            yield from (branch.place for branch in branches.items)
        case Residual(_, body, shortcut, _):
            yield from (body, *((shortcut,) if shortcut else ()))
        case Group(_, steps):
            yield steps


class Builder:
    """Turns located YAML into steps. Reports what is wrong; a method then gives None."""

    def __init__(self, diagnostics: Collector) -> None:
        self.diagnostics = diagnostics

    def build_place(self, node: Located) -> Place:
        """The steps of a list, or one step without a list."""
        if isinstance(node.value, list):
            return Place(tuple(s for item in node.value if (s := self.build_step(item))), False, node.span)
        step = self.build_step(node)
        return Place((step,) if step else (), True, node.span)

    def build_step(self, node: Located) -> Step | None:
        """A step from a word or a mapping."""
        if node.value is BROKEN:
            return Step(node, {}, BrokenCore(node))
        if isinstance(node.value, str):
            nothing = Located(None, node.span)
            call = OpCall if node.value in OPS else BlockCall
            return Step(node, {}, call(node.value, node, nothing))
        assert isinstance(node.value, dict)
        modifiers = {key: entry for key, entry in node.value.items() if key in MODIFIERS}
        if "repeat" in modifiers and modifiers["repeat"].value.value is BROKEN:
            return Step(node, {}, BrokenCore(node))
        cores = [entry for key, entry in node.value.items() if key not in MODIFIERS and not key.startswith("x-")]
        known = [entry for entry in cores if entry.value.value is not BROKEN]
        # a key that the schema has reported is no second core
        cores = known or cores[:1]
        if len(cores) > 1:
            names = " and ".join(f"`{c.key.value}`" for c in cores)
            self.diagnostics.error(
                "two-cores",
                cores[1].key.span,
                f"a step has one core, but here stand {names}",
                "give each a step of its own: the order of a mapping says nothing",
                (Note(f"the first is `{cores[0].key.value}`", cores[0].key.span),),
            )
        # the key that is reported may be meant for one that changes what the core does
        if isinstance(node, Incomplete) and cores:
            return Step(node, modifiers, BrokenCore(cores[0].key))
        if not cores:
            return self.build_coreless_step(node, modifiers)
        core = self.build_core(cores[0], modifiers)
        return Step(node, modifiers, core) if core else None

    def build_coreless_step(self, node: Located, modifiers: Mapping[str, Entry]) -> Step | None:
        """A step without a core, which is right only with `from` or `output`, and without `aux`."""
        if "with" in modifiers:
            self.diagnostics.error(
                "with-without-use",
                modifiers["with"].key.span,
                "`with` gives arguments to `use`, which is not here",
                "write {use: $block, with: {…}}",
            )
            return None
        if "from" not in modifiers and "output" not in modifiers:
            names = [k for k in node.value if isinstance(node.value, dict)]
            first = next(iter(node.value.values())).key.span if names else node.span
            about = f"; `{names[0]}` alone makes no step" if names else ""
            where = modifiers["aux"].key.span if "aux" in modifiers else first if "when" in modifiers else node.span
            self.diagnostics.error(
                "step-without-core",
                where,
                f"a step needs an op, a block, a merge or `steps`{about}",
                "a step without a core must have `from` or `output`",
            )
            return None
        if "aux" in modifiers:
            self.diagnostics.error(
                "step-without-core",
                modifiers["aux"].key.span,
                "`aux` needs a core: the head itself",
                "write {name: aux1, aux: 0.3, steps: [...]}",
            )
            return None
        return Step(node, modifiers, None)

    def build_core(self, entry: Entry, modifiers: Mapping[str, Entry]) -> Core | None:
        """The core of a step from its entry; `use` takes its arguments from the modifier `with`."""
        key, value = entry
        name = str(key.value)
        if value.value is BROKEN:
            return BrokenCore(key)
        if "with" in modifiers and name != "use":
            self.diagnostics.error(
                "with-without-use",
                modifiers["with"].key.span,
                f"`with` belongs to `use`; `{name}` takes its arguments itself",
                f"write {{{name}: {{…}}}}",
            )
        if name == "use":
            return Use(value, key, modifiers["with"].value if "with" in modifiers else None)
        if name in MERGES:
            return self.build_merge(name, key, value)
        fields = value.value if isinstance(value.value, dict) else {}
        if name == "residual":
            if "body" not in fields:
                return None
            shortcut = self.build_place(fields["shortcut"].value) if "shortcut" in fields else None
            skip = fields["skip"].value if "skip" in fields else None
            return Residual(key, self.build_place(fields["body"].value), shortcut, skip)
        if name == "steps":
            return Group(key, self.build_place(value))
        return OpCall(name, key, value) if name in OPS else BlockCall(name, key, value)

    def build_merge(self, name: str, key: Located, value: Located) -> MergeCall | None:
        """A merge. Its value is its branches; if the op has fields, the value is a mapping of them and of `branches`."""
        if not MERGES[name].fields:
            return MergeCall(name, key, None, self.build_branches(value))
        fields = value.value if isinstance(value.value, dict) else {}
        if "branches" not in fields:
            return None
        args = type(value)({k: e for k, e in fields.items() if k != "branches"}, value.span)
        return MergeCall(name, key, args, self.build_branches(fields["branches"].value))

    def build_branches(self, node: Located) -> Branches:
        """The branches of a merge, from a mapping or a list."""
        if node.value is BROKEN:
            return Branches((Branch(None, self.build_place(node)),), False)
        if isinstance(node.value, dict) and all(entry.value.value is BROKEN for entry in node.value.values()):
            # their keys may be no names
            return self.build_branches(Located(BROKEN, node.span))
        if isinstance(node.value, dict):
            items = (Branch(e.key, self.build_keyed_branch(e)) for e in node.value.values())
            return Branches(tuple(items), True)
        return Branches(tuple(Branch(None, self.build_place(item)) for item in node.value or ()), False)

    def build_keyed_branch(self, entry: Entry) -> Place:
        """The steps of a branch under a key. The key is the name of a single step, which so can have no `name`."""
        place = self.build_place(entry.value)
        if (
            place.is_single_step
            and place.steps
            and "name" in place.steps[0].modifiers
            and "repeat" not in place.steps[0].modifiers
        ):
            name = place.steps[0].modifiers["name"].value
            self.diagnostics.error(
                "name-on-keyed-branch",
                name.span,
                f"the one step of branch `{entry.key.value}` is called by its key and cannot be named, too",
                "leave the name out, or make the branch a list of steps",
            )
        return place
