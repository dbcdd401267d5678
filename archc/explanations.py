"""What `archc explain` and `Net.explain` answer: steps of a net from all sides, as a plain build makes them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .compiler.analysis.explanation import Explainer, Explanation
from .compiler.analysis.step_groups import StepGroup, group_nodes, nodes_under
from .compiler.backends.onnx.opsets import OPSET
from .compiler.diagnostics import Diagnostic, Failure, Note, Source, Span, SpecError
from .compiler.driver import pass_stages
from .compiler.ir.provenance import Frame
from .compiler.limits import DEFAULT, Limits
from .steps import find_steps, rejected_steps

if TYPE_CHECKING:
    from .compiler.driver import Compilation
    from .compiler.frontend.application import RejectedStep
    from .compiler.ir.graph import Graph
    from .compiler.passes import PassOptions
    from .difference import Side


SHAPES = re.compile(r"^ *Shapes {2,}(.+)$", re.M)  # of an op's docstring


class ExplainedGroup(NamedTuple):
    """Steps that are one: a block's call, a repeat, a round of it, a named list.

    group       which steps these are, and what they cost together
    members     its steps, each from all sides
    shares      its parts of the net, from 0 to 1, by "params", "macs" and "activations"
    definition  where its block is written; None where it is no block
    """

    group: StepGroup
    members: tuple[Explanation, ...]
    shares: dict[str, float]
    definition: Span | None

    @property
    def place(self) -> Span | None:
        """The call or the repeat that made it, else what its first step is expanded from next, else that step."""
        own, inner = self.group.own, self.members[0].frames[len(self.group.frames) :]
        return own[-1].span if own else inner[0].span if inner else self.members[0].place

    @property
    def outer(self) -> tuple[Frame, ...]:
        """What its place was expanded from."""
        return self.group.frames[: -1 if self.group.own else None]

    def to_json(self) -> dict[str, Any]:
        """{"path", "source", "definition", "rounds", "nodes", "aux", "inputs", "outputs", "params", "macs", "activations", "shares"}."""
        return {
            "path": self.group.path,
            "source": self.place.short if self.place else None,
            "definition": self.definition.short if self.definition else None,
            "rounds": self.group.rounds,
            "nodes": [each.path for each in self.members],
            "aux": self.group.aux,
            "inputs": {value.name: value.type.sizes for value in self.group.inputs},
            "outputs": {value.name: value.type.sizes for value in self.group.outputs},
            "params": self.group.params,
            "macs": self.group.macs,
            "activations": self.group.activations,
            "shares": self.shares,
        }


class NetExplanation(NamedTuple):
    """What there is to tell of steps of a net. Printed, it is the text of `archc explain`.

    name    the net's
    asked   the path or the line that was asked for
    nodes   the steps, each from all sides
    groups  the blocks, repeats and scopes that `asked` means; none where it means single steps
    lines   where a line was asked for, the text with the first and the last line of the step as it is written; else None
    """

    name: str
    asked: str
    nodes: tuple[Explanation, ...]
    groups: tuple[ExplainedGroup, ...]
    lines: tuple[Source, int, int] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.asked} in {self.name}: {len(self.nodes)} nodes, {len(self.groups)} groups>"

    def __str__(self) -> str:
        from .text.explanations import explanation_text

        return explanation_text(self)

    def to_json(self) -> dict[str, Any]:
        """{"name", "asked", "opset", "nodes": […], "groups": […]}; a node as Explanation.to_json has it."""
        return {
            "name": self.name,
            "asked": self.asked,
            "opset": OPSET,
            "nodes": [each.to_json() for each in self.nodes],
            "groups": [each.to_json() for each in self.groups],
        }


def make_explainer(graph: Graph, options: PassOptions | None = None) -> Explainer:
    """Explains nodes of a training graph by the passes of a plain build, or of one with these options, and the opset of a plain one."""
    return Explainer(graph, pass_stages(graph, options), OPSET)


def explain_graph(graph: Graph, options: PassOptions | None = None) -> tuple[Explanation, ...]:
    """Every node of a training graph from all sides, in its order. Imports neither torch, onnx nor numpy."""
    explainer = make_explainer(graph, options)
    return tuple([explainer.explain(node) for node in graph.nodes])


def open_explained_model(path: str, settings: Sequence[str] = (), limits: Limits = DEFAULT) -> Side:
    """The net of a model that archc built, by the spec inside it. Raises RuntimeFault for what is no model, Failure `nothing-to-explain`
    for one that archc did not build.
    """
    from .difference import SpecUse, open_model

    help = (
        f"`archc view {path}` draws it, and a click in the page tells what the file says of a node; "
        f"`archc verify {path} OTHER.onnx` finds the first node in which two models differ"
    )
    return open_model(path, settings, limits, SpecUse("explain", "nothing-to-explain", help))


def explain_steps(checked: Compilation, graph: Graph, word: str) -> NetExplanation:
    """What `word` means in a checked spec: a path, a line, `:line` or `file:line`. Raises Failure `no-such-step` where it means nothing."""
    found = find_steps(checked, graph, word)
    explainer = make_explainer(graph)
    explained = [tuple([explainer.explain(node) for node in part]) for part in found.parts]
    if all(len(part) == 1 for part in explained):
        under = () if found.lines else nodes_under(graph, found.word)
        inside = [explainer.explain(node) for node in under if node.path != explained[0][0].path]
        scopes = (explain_group(checked, graph, explainer, [*inside, *explained[0]]),) if inside else ()
        return NetExplanation(graph.name, found.word, tuple(part[0] for part in explained), scopes, found.lines)
    groups = [explain_group(checked, graph, explainer, part) for part in explained]
    return NetExplanation(graph.name, found.word, (), tuple(groups), found.lines)


def explain_known_steps(checked: Compilation, word: str) -> NetExplanation:
    """What `word` means in a spec that is refused, if its steps are known all the same; shares of the net are not, and are left out.

    Raises SpecError: with the mistake of the step alone, and what its op takes, where it or one under it is wrong; else with all.
    """
    if wrong := rejected_steps(checked, word):
        raise SpecError([explain_rejected(each) for each in wrong])
    graph = checked.graph or checked.known
    if graph is not None:
        try:
            found = explain_steps(checked, graph, word)
        except Failure:
            # it may come behind the mistake
            pass
        else:
            if checked.graph is not None:
                return found
            nodes = tuple([node._replace(shares={}) for node in found.nodes])
            return found._replace(nodes=nodes, groups=tuple([each._replace(shares={}) for each in found.groups]))
    first = next(each for each in checked.diagnostics if each.severity == "error")
    note = Note(f"before this is mended, nothing is known of `{word[:200]}`")
    raise SpecError(
        [each._replace(notes=(*each.notes, note)) if each is first else each for each in checked.diagnostics]
    )


def explain_rejected(step: RejectedStep) -> Diagnostic:
    """The mistake of a step whose op refuses what arrives, with what the op takes and gives."""
    shapes = SHAPES.search(type(step.op).__doc__ or "")
    notes = (Note(f"the shapes of `{step.op.name}`: {shapes[1]}"),) if shapes else ()
    return step.diagnostic._replace(notes=(*step.diagnostic.notes, *notes))


def explain_group(
    checked: Compilation, graph: Graph, explainer: Explainer, members: Sequence[Explanation]
) -> ExplainedGroup:
    """Explained nodes of a graph as one group."""
    paths = {each.path for each in members}
    group = group_nodes(graph, explainer.layers, [node for node in graph.nodes if node.path in paths])
    shares = {key: sum(each.shares[key] for each in members) for key in explainer.totals}
    blocks = checked.document.blocks if checked.document else {}
    called = [frame.name for frame in group.own if frame.kind != "repeat" and frame.name in blocks]
    return ExplainedGroup(group, tuple(members), shares, blocks[called[-1]].key.span if called else None)
