"""`archc cost`: what a net costs, in all and by its parts, on a card, and beside other nets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..compiler.analysis.cost import ELEMENT_BYTES, OPTIMIZERS, cost
from ..compiler.limits import Limits
from ..text.costs import CostDetails, NetReport, cost_text, report_costs
from .options import (
    Count,
    format_option,
    limit_option,
    look_at_spec,
    print_answer,
    print_json,
    set_option,
    specs_argument,
)

if TYPE_CHECKING:
    from ..compiler.analysis.cards import Card
    from ..compiler.analysis.cost import Cost
    from ..compiler.analysis.parts import By
    from ..compiler.ir.graph import Graph
    from ..text.cost_details import Training
    from ..text.cost_tables import CostTable


class Asked(NamedTuple):
    """What is to be counted and shown, by the options' names."""

    by: By | None
    depth: int | None
    share: bool
    fields: bool
    weights_only: bool
    batch: int
    sizes_at: list[tuple[int, int]]
    precision: str | None
    memory: bool
    training: bool
    optimizer: str | None
    sizes: bool
    paths: bool
    cards: list[Card]
    form: str


def read_cards(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> list[Card]:
    """The cards of `--on`. Raises Failure `usage` for one that there is not."""
    if not names:
        return []
    from ..compiler.analysis.cards import find_card

    return [*map(find_card, names)]


class ImageSize(click.ParamType[tuple[int, int]]):
    """The height and width of an image, as `320x480`, or one number for both."""

    name = "HxW"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        found = re.fullmatch(r"([1-9][0-9]{0,5})(?:[x×]([1-9][0-9]{0,5}))?", value, re.ASCII)
        if not found:
            self.fail(
                f"`{value[:40]}` is no size of an image: write 320x480, height first, or 320 for both", param, ctx
            )
        return int(found[1]), int(found[2] or found[1])


@click.command(epilog="Example: archc cost resnet50 --by block --on h200 --precision fp16 --batch 64")
@specs_argument
@set_option
@limit_option
@click.option("--by", type=click.Choice(["layer", "block", "op"]), help="Also a table of the parts.")
@click.option("--depth", type=Count(1, 1000), help="Words of a path that name a block.  [default: 1]")
@click.option("--share", is_flag=True, help="In the table, each part's share in percent; the input is a part, too.")
@click.option("--fields", is_flag=True, help="In the table of layers, receptive fields in place of costs.")
@click.option("--weights-only", is_flag=True, help="Count no biases and no normalisation, as many papers do.")
@click.option(
    "--batch", type=Count(1, 2**31 - 1), default=1, help="Images at once: MACs, activations and memory are multiplied."
)
@click.option(
    "--at",
    "sizes_at",
    type=ImageSize(),
    multiple=True,
    help="Images of another size, with the same weights; repeatable.",
)
@click.option(
    "--precision", type=click.Choice([*ELEMENT_BYTES]), help="What bytes and cards are told for.  [default: fp32]"
)
@click.option("--memory", is_flag=True, help="Also the peak of a run in onnxruntime's order, and with steps in place.")
@click.option("--training", is_flag=True, help="Also the memory of a training step.")
@click.option(
    "--optimizer",
    type=click.Choice([name.replace("_", "-") for name in OPTIMIZERS]),
    help="Whose state training keeps.  [default: sgd-momentum]",
)
@click.option("--sizes", is_flag=True, help="Also the sizes of images that fit, and what breaks below.")
@click.option(
    "--paths", is_flag=True, help="Also how many paths there are, and their depths; the mean is the effective depth."
)
@click.option(
    "--on",
    "cards",
    multiple=True,
    metavar="CARD",
    callback=read_cards,
    help="The least time on a card, such as h200, or flops=312T,bandwidth=2T,memory=80G; repeatable.",
)
@format_option("csv", "markdown")
def command(specs: tuple[str, ...], settings: tuple[str, ...], limits: Limits, **options: Any) -> None:
    """Count parameters, MACs, activations and memory of specs.

    MACs are those of convolutions and linear layers; 1 MAC is 2 FLOPs. Activations are the outputs of convolutions, pools
    and linear layers. Several specs are rows of one table.
    """
    asked = Asked(**options)
    refuse_odd_options(asked)
    print_costs([net for spec in specs for net in report_spec(spec, settings, limits, asked)], asked)  # fmt: skip


def refuse_odd_options(asked: Asked) -> None:
    """Raises UsageError for options that do not go together."""
    if asked.share and not asked.by:
        raise click.UsageError("--share is about a table; say which: --by layer, block or op")
    if asked.depth and asked.by != "block":
        raise click.UsageError("--depth is about blocks; say --by block")
    if asked.fields and asked.by != "layer":
        raise click.UsageError("--fields is about layers; say --by layer")
    if asked.fields and (asked.share or asked.cards):
        raise click.UsageError("--fields is a table of its own; leave out --share and --on")
    if asked.share and asked.form in ("csv", "markdown"):
        raise click.UsageError(f"--share is for people; --format {asked.form} has the numbers")
    if asked.optimizer and not asked.training:
        raise click.UsageError("--optimizer is about training; say --training")
    if asked.training and ELEMENT_BYTES[asked.precision or "fp32"] != 4:
        raise click.UsageError(f"--training tells of float32; leave out --precision {asked.precision}")


def report_spec(spec: str, settings: tuple[str, ...], limits: Limits, asked: Asked) -> Iterator[NetReport]:
    """What a spec's net costs, at each size that was asked for, or at its own."""
    checked, own = look_at_spec(spec, settings, limits)
    if not asked.sizes_at:
        yield report_net(spec, own, checked.cost or cost(own), "", asked)
        return
    from ..compiler.analysis.resize import resize

    for height, width in asked.sizes_at:
        resized = resize(own, height, width)
        yield report_net(spec, resized, cost(resized), f"{own.name} at {height}×{width}", asked)


def report_net(spec: str, graph: Graph, costs: Cost, label: str, asked: Asked) -> NetReport:
    """What a net costs, and what else was asked for."""
    report = report_costs(costs, asked.weights_only, asked.batch, asked.precision or "fp32", label)
    details = find_details(graph, asked)
    fields = {}
    if asked.fields:
        from ..compiler.analysis.receptive_field import receptive_fields

        fields = receptive_fields(graph)
    cards = []
    if asked.cards:
        from ..compiler.analysis.roofline import roofline
        from ..text.rooflines import CardReport

        roofs = [roofline(graph, card, report.precision, report.batch) for card in asked.cards]
        cards = [CardReport(report, roof, details.training) for roof in roofs]
    return NetReport(spec, report, details, cards, fields)


def find_details(graph: Graph, asked: Asked) -> CostDetails:
    """What takes longer to know, as far as it was asked for."""
    found = CostDetails()
    if asked.memory:
        from ..compiler.analysis.inference_memory import inference_peak
        from ..compiler.backends.onnx.opsets import OPSET
        from ..compiler.driver import run_passes

        inference = run_passes(graph)
        run, in_place = (inference_peak(inference, OPSET, asked.batch, each) for each in (False, True))
        found = found._replace(peaks=(run, in_place))
    if asked.training:
        found = found._replace(training=find_training(graph, asked))
    if asked.sizes:
        from ..compiler.analysis.input_limits import input_limits

        found = found._replace(sizes=input_limits(graph))
    if asked.paths:
        from ..compiler.analysis.depth import path_depths

        found = found._replace(paths=path_depths(graph))
    return found


def find_training(graph: Graph, asked: Asked) -> Training:
    """The memory of a training step."""
    from ..compiler.analysis.training_memory import training_memory
    from ..text.cost_details import Training

    optimizer = (asked.optimizer or "sgd-momentum").replace("-", "_")
    memory, none, one = (training_memory(graph, batch) for batch in (asked.batch, 0, 1))
    return Training(memory, optimizer, none.total(optimizer), one.activations - none.activations)


def print_costs(nets: Sequence[NetReport], asked: Asked) -> None:
    """Prints the answer in the form that was asked for."""
    if asked.form == "json":
        from ..text.cost_documents import cost_document

        documents = [cost_document(net, asked.by, asked.depth or 1) for net in nets]
        print_json(documents[0] if len(documents) == 1 else documents)
    elif asked.form == "csv":
        from ..text.cost_documents import cost_csv

        print_answer(cost_csv(nets, asked.by, asked.depth or 1))
    elif asked.form == "markdown":
        print_answer("\n\n".join(markdown_parts(nets, asked)))
    else:
        print_answer("\n\n".join(text_parts(nets, asked)))


def text_parts(nets: Sequence[NetReport], asked: Asked) -> Iterator[str]:
    """What is printed for people, part by part: a net's numbers and tables, or one table of several nets."""
    cards = [card for net in nets for card in net.cards]
    if len(nets) > 1 and not asked.by:
        from ..text.cost_comparison import compare_costs

        yield compare_costs(nets)
    for net in nets if len(nets) == 1 or asked.by else ():
        yield overview_text(net)
        if asked.by:
            from ..text.cost_tables import CostTable

            table = CostTable(net.report, asked.by, asked.depth or 1)
            yield table_text(table, net, asked)
            if net.cards:
                from ..text.rooflines import card_table, card_text

                for card in net.cards:
                    yield card_text(card)
                    yield card_table(table, card.roof)
    if cards and not asked.by:
        from ..text.rooflines import card_text, compare_cards

        yield compare_cards(cards) if len(cards) > 1 else card_text(cards[0])


def overview_text(net: NetReport) -> str:
    """A net's numbers, and those that were asked for beside them."""
    if not any(net.details):
        return cost_text(net.report)
    from ..text.cost_details import detail_rows

    return cost_text(net.report, detail_rows(net.details, net.report))


def table_text(table: CostTable, net: NetReport, asked: Asked) -> str:
    """A net's parts: their costs, their shares of them, or their receptive fields."""
    from ..text.cost_tables import field_columns, fit_columns, parts_table, shares_table

    if asked.fields:
        return fit_columns(field_columns(table, net.fields))
    return shares_table(table) if asked.share else parts_table(table, asked.precision is not None)


def markdown_parts(nets: Sequence[NetReport], asked: Asked) -> Iterator[str]:
    """The same in Markdown: a table of the nets, or for each net one of its parts, with the least times on each card."""
    if not asked.by:
        from ..text.cost_comparison import compare_costs_markdown

        yield compare_costs_markdown(nets)
        if cards := [card for net in nets for card in net.cards]:
            from ..text.rooflines import compare_cards_markdown

            yield compare_cards_markdown(cards)
        return
    from ..text.cost_tables import CostTable, field_columns, markdown_columns, parts_markdown
    from ..text.interchange import escape_markdown

    for net in nets:
        table = CostTable(net.report, asked.by, asked.depth or 1)
        if len(nets) > 1:
            yield f"### {escape_markdown(net.report.label)}"
        if asked.fields:
            yield markdown_columns(field_columns(table, net.fields))
        else:
            yield parts_markdown(table, asked.precision is not None)
        if net.cards:
            from ..text.rooflines import card_markdown

            yield from (card_markdown(table, card.roof) for card in net.cards)
