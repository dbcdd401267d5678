"""A page for each operation, read off its class: fields, rules, costs, and what its own lowerings make of its example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import fill
from typing import NamedTuple

from archc.catalog import public_ops
from archc.compiler.backends.onnx.opsets import OPSET, OPSETS
from archc.compiler.ops.op import FAMILIES, Op
from archc.text.explanations import onnx_row, working_text
from archc.text.tables import format_number

from .diagnostics import first_sentence
from .markup import code, fence, link, table
from .op_examples import OpExample, make_example
from .op_rules import OpRules, read_rules, read_warning
from .page import Page
from .placement import OpPlacement, describe_placement, placements
from .sources import DOCS
from .zoo_nets import families_by_op

FOLDER = "reference/ops"
KINDS = {
    "conv": "Convolution",
    "linear": "Vectors",
    "pool": "Pools",
    "merge": "Merges",
    "norm": "Normalisation",
    "activation": "Activations",
    "shape": "Shape",
    "other": "Other",
}
# what op.counts says, for people
COUNTED = {
    "weight": "It counts as a layer: its MACs, a step of the depth, and its output in the activations.",
    "pool": "Its output counts in the activations. It has no MACs, and is no step of the depth.",
    "": "It adds nothing to MACs, depth and activations: those count convolutions, linear layers and pools.",
}
INDEX = """\
# Operations

What a step of a spec may be, beside a block of your own: {count} operations. `archc ops` lists them in a terminal, and `archc ops NAME`
tells one, by our word or another framework's: `archc ops Conv2d`. {language} tells what may stand beside an operation in a step.
A `residual` is no operation, but a body, a shortcut and an `add`: {branches}.

"""


class OpUse(NamedTuple):
    """Where operations are, by their names: what was measured of them on CUDA, and the families of the zoo that have them."""

    placed: Mapping[str, OpPlacement]
    families: Mapping[str, Sequence[str]]


def op_pages() -> Iterator[Page]:
    """The index, then each operation by its name."""
    yield Page(f"{FOLDER}/index.md", index_text())
    use = OpUse(placements(), families_by_op())
    for op in public_ops():
        yield Page(f"{FOLDER}/{op.name}.md", op_text(op, use), op.name)


def index_text() -> str:
    """The page that lists all operations, by kind."""
    ops, here = public_ops(), f"{FOLDER}/index.md"
    language = link("The language", "reference/language.md#steps", here)
    branches = link("branches and residuals", "reference/language.md#branches-and-residuals", here)
    parts = [INDEX.format(count=len(ops), language=language, branches=branches)]
    for family in FAMILIES:
        rows = [
            [link(code(op.name), f"{FOLDER}/{op.name}.md", here), read_rules(op).summary]
            for op in ops
            if op.family == family
        ]
        if rows:
            parts += [f"## {KINDS[family]}\n\n", table(["operation", "what it does"], rows), "\n"]
    return "".join(parts)


def op_text(op: type[Op], use: OpUse) -> str:
    """The page of an operation."""
    here = f"{FOLDER}/{op.name}.md"
    rules, example = read_rules(op), make_example(op)
    parts = (
        f"# {op.name}\n\n{rules.prose}\n\nSource: {rules.source}. Kind: {KINDS[op.family].lower()}.\n",
        *example_section(op, example),
        *field_section(op, here),
        *shape_section(rules, example),
        *cost_section(rules, example, here),
        *reject_section(op, rules, here),
        *torch_section(example, here),
        *onnx_section(op, example, here),
        f"\n## On CUDA\n\n{describe_placement(op, example, use.placed, here)}\n",
        *use_section(use.families.get(op.name, ()), here),
        *word_section(op),
    )
    return "".join(parts)


def example_section(op: type[Op], example: OpExample) -> Iterator[str]:
    """A step as a spec has it, the sizes that it takes and gives, and what a bare value sets."""
    yield "\n## Example\n\n" + fence("yaml", example.spec)
    arriving = " and ".join(format_number(x.sizes) for x in example.facts.inputs if not x.is_control)
    yield f"\nHere it takes {arriving} and gives {format_number(example.facts.output.sizes)}."
    yield f" A bare value sets `{op.bare}`.\n" if op.bare else "\n"


def field_section(op: type[Op], here: str) -> Iterator[str]:
    """Its fields: what each is, what it takes, and its default."""
    yield "\n## Fields\n\n"
    if not op.fields:
        branches = link("by key or as a list", "reference/language.md#branches-and-residuals", here)
        alone = f"It has its branches alone, {branches}; `[]` is what arrived.\n"
        yield alone if op.is_merge else f"It has none: a step is its name, `- {op.name}`.\n"
        return
    rows = [
        [code(name), field.doc, field.kind.wants, "required" if field.required else code(field.kind.spell(field.default))]
        for name, field in op.fields.items()
    ]  # fmt: skip
    yield table(["field", "what it is", "takes", "default"], rows)
    refused = [link(code(each), f"diagnostics/{each}.md", here) for each in ("wrong-type", "out-of-range")]
    yield f"\nA value of another type is refused as {refused[0]}, one outside of its range as {refused[1]}.\n"


def shape_section(rules: OpRules, example: OpExample) -> Iterator[str]:
    """Its shape rule, and the arithmetic of the example."""
    yield f"\n## Shape\n\n{fence('text', rules.shapes)}"
    if example.facts.shape:
        yield "\nIn the example:\n\n" + fence(
            "text", "\n".join(f"{each.name:<5} {working_text(each)}" for each in example.facts.shape)
        )


def cost_section(rules: OpRules, example: OpExample, here: str) -> Iterator[str]:
    """Its parameters and multiply-accumulates, as a rule and for the example."""
    facts = example.facts
    yield "\n## Parameters\n\n" + (fence("text", rules.params) if rules.params else "It has none.\n")
    if facts.tensors:
        rows = [
            [
                code(f"{example.path}.{each.name}"),
                "×".join(map(str, each.param.shape)) or "one number",
                f"{each.working.result:,}",
                "a buffer" if each.param.buffer else "trained",
            ]
            for each in facts.tensors
        ]
        yield "\n" + table(["tensor of the example", "shape", "numbers", ""], rows, "<<>")
    yield f"\n## Costs\n\n{COUNTED[type(facts.op).counts]}\n"
    if rules.cost:
        yield f"\n{fence('text', rules.cost)}"
    yield "\nThe example, for one image:\n\n" + table(
        ["cost", "how it comes about"], [[each.name, working_text(each)] for each in facts.costs]
    )
    yield f"\n{link('archc cost', 'reference/costs.md', here)} says what is counted and what is not.\n"


def reject_section(op: type[Op], rules: OpRules, here: str) -> Iterator[str]:
    """The codes of what it refuses."""
    yield "\n## What it refuses\n\n"
    if rules.rejects:
        rows = [[link(each, f"diagnostics/{each}.md", here), diagnostic_summary(each)] for each in rules.rejects]
        yield table(["code", "what it says"], rows)
    else:
        yield "It takes whatever arrives.\n"
    if warning := read_warning(op):
        yield f"\nIt warns of this: {warning}\n"


def diagnostic_summary(name: str) -> str:
    """The first sentence of a diagnostic's page."""
    return first_sentence((DOCS / "diagnostics" / f"{name}.md").read_text("utf-8"))


def fold_call(call: str) -> str:
    """A call in lines that a page has room for."""
    return fill(call, 76, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)


def torch_section(example: OpExample, here: str) -> Iterator[str]:
    """The module that the example becomes."""
    yield "\n## PyTorch\n\nThe example becomes this module:\n\n" + fence("python", fold_call(example.facts.module))
    if example.facts.flattens:
        yield "\nWhat arrives is flattened before it, by `.flatten(1)`.\n"
    if not example.facts.module.startswith("nn."):
        page = link("a module of archc's own", "reference/pytorch.md", here)
        yield f"\nIt is {page}, which torch lacks; a torch export has its source in the file.\n"
    replacement = example.facts.op.inference()
    if replacement is None:
        yield "\nInference does without it: what arrives goes on unchanged.\n"
    elif replacement is not example.facts.op:
        other = link(code(replacement.name), f"{FOLDER}/{replacement.name}.md", here)
        yield f"\nIt is for training. The inference graph has {other} in its place.\n"


def onnx_section(op: type[Op], example: OpExample, here: str) -> Iterator[str]:
    """The ONNX nodes that the example becomes, by opset."""
    yield "\n## ONNX\n\n"
    if not example.facts.onnx:
        yield "A built file has nothing of it: the step is left out.\n"
        return
    calls = [fold_call(onnx_row(each, example.path)[1]) for each in example.facts.onnx]
    yield f"The example becomes these nodes at opset {OPSET}, archc's choice:\n\n" + fence("text", "\n".join(calls))
    yield f"\nIt has a form since opset {max(op.since_opset, OPSETS[0])}; archc writes {OPSETS[0]} to {OPSETS[-1]}.\n\n"
    rows = [[f"{first} to {last}", ", ".join(map(code, types))] for first, last, types in example.forms]
    yield table(["opsets", "nodes of the example"], rows)
    yield f"\nFields may change the nodes; `archc explain SPEC STEP` shows those of a step of yours ({link('archc explain', 'reference/explain.md', here)}).\n"


def use_section(families: Sequence[str], here: str) -> Iterator[str]:
    """The families of the zoo that have it."""
    yield "\n## In the zoo\n\n"
    named = [link(each, f"zoo/families/{each}.md", here) for each in families]
    yield f"Families with it: {', '.join(named)}.\n" if named else "No net of the zoo has it.\n"


def word_section(op: type[Op]) -> Iterator[str]:
    """What other frameworks call it and its fields; nothing where they have no other words."""
    words = {op.name: op.also_called, **{name: field.also_called for name, field in op.fields.items()}}
    rows = [[code(name), ", ".join(map(code, called))] for name, called in words.items() if called]
    if rows:
        yield "\n## Other frameworks' words\n\n"
        yield "They are no words of a spec; `archc check` says for each what to write.\n\n" + table(
            ["here", "elsewhere"], rows
        )
