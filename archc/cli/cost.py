"""`archc cost`: what a net costs, in all and by its parts, on a card, and beside other nets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..compiler.analysis.cost import ELEMENT_BYTES, cost
from ..compiler.limits import Limits
from ..text.costs import CostReport, cost_text, report_costs
from .options import (
    Count,
    compile_spec,
    format_option,
    limit_option,
    print_answer,
    print_json,
    set_option,
    specs_argument,
)

if TYPE_CHECKING:
    from ..compiler.analysis.cards import Card
    from ..compiler.analysis.parts import By
    from ..compiler.ir.graph import Graph
    from ..text.rooflines import CardReport


class Asked(NamedTuple):
    """What the tables are to show."""

    by: By | None
    depth: int
    share: bool
    with_bytes: bool


class Found(NamedTuple):
    """A net, as it was asked for, with its costs and what it takes on each card."""

    spec: str
    report: CostReport
    cards: list[CardReport]


def read_cards(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> list[Card]:
    """The cards of `--on`."""
    if not names:
        return []
    from ..compiler.analysis.cards import find_card

    return [*map(find_card, names)]


@click.command(epilog="Example: archc cost resnet50 --by block --on h200 --precision fp16 --batch 64")
@specs_argument
@set_option
@limit_option
@click.option("--by", type=click.Choice(["layer", "block", "op"]), help="Also a table of the parts.")
@click.option("--depth", type=Count(1, 1000), help="Words of a path that name a block.  [default: 1]")
@click.option("--share", is_flag=True, help="In the table, each part's share in percent; the input is a part, too.")
@click.option("--weights-only", is_flag=True, help="Count no biases and no normalisation, as many papers do.")
@click.option(
    "--batch",
    type=Count(1, 2**31 - 1),
    default=1,
    help="Images at once: MACs, activations and memory are multiplied.",
)
@click.option(
    "--precision", type=click.Choice([*ELEMENT_BYTES]), help="What bytes and cards are told for.  [default: fp32]"
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
def command(
    specs: tuple[str, ...],
    settings: tuple[str, ...],
    limits: Limits,
    by: By | None,
    depth: int | None,
    share: bool,
    weights_only: bool,
    batch: int,
    precision: str | None,
    cards: list[Card],
    form: str,
) -> None:
    """Count parameters, MACs, activations and memory of specs.

    MACs are those of convolutions and linear layers; 1 MAC is 2 FLOPs. Activations are the outputs of convolutions, pools
    and linear layers.
    """
    if share and not by:
        raise click.UsageError("--share is about a table; say which: --by layer, block or op")
    if depth and by != "block":
        raise click.UsageError("--depth is about blocks; say --by block")
    if share and form in ("csv", "markdown"):
        raise click.UsageError(f"--share is for people; --format {form} has the numbers")
    asked = Asked(by, depth or 1, share, precision is not None)
    found = []
    for spec in specs:
        graph = compile_spec(spec, settings, limits)[1]
        report = report_costs(cost(graph), weights_only, batch, precision or "fp32")
        found.append(Found(spec, report, on_cards(graph, report, cards)))
    print_costs(found, asked, form)


def on_cards(graph: Graph, report: CostReport, cards: Sequence[Card]) -> list[CardReport]:
    """What the net takes on each card."""
    if not cards:
        return []
    from ..compiler.analysis.roofline import roofline
    from ..text.rooflines import CardReport

    return [CardReport(report, roofline(graph, card, report.precision, report.batch)) for card in cards]


def print_costs(found: Sequence[Found], asked: Asked, form: str) -> None:
    """Prints the answer in the form that was asked for."""
    if form == "json":
        from ..text.cost_documents import cost_document

        documents: list[dict[str, Any]] = [cost_document(x.report, asked.by, asked.depth, x.cards) for x in found]
        print_json(documents[0] if len(documents) == 1 else documents)
    elif form == "csv":
        from ..text.cost_documents import cost_csv

        print_answer(cost_csv(found, asked.by, asked.depth))
    elif form == "markdown":
        print_answer("\n\n".join(markdown_tables(found, asked)))
    else:
        print("\n\n".join(text_parts(found, asked)))


def text_parts(found: Sequence[Found], asked: Asked) -> list[str]:
    """What is printed for people, part by part: a net's numbers and tables, or a table of several nets."""
    if len(found) > 1 and not asked.by:
        from ..text.cost_comparison import compare_costs

        return [compare_costs([x.report for x in found]), *cards_text(found)]
    parts: list[str] = []
    for each in found:
        parts.append(cost_text(each.report))
        if asked.by:
            from ..text.cost_tables import CostTable, parts_table, shares_table

            table = CostTable(each.report, asked.by, asked.depth)
            parts.append(shares_table(table) if asked.share else parts_table(table, asked.with_bytes))
            if each.cards:
                from ..text.rooflines import card_table, card_text

                for card in each.cards:
                    parts += [card_text(card), card_table(table, card.roof)]
        else:
            parts += cards_text([each])
    return parts


def cards_text(found: Sequence[Found]) -> list[str]:
    """What nets take on cards: in a table, if there are several."""
    cards = [card for each in found for card in each.cards]
    if not cards:
        return []
    from ..text.rooflines import card_text, compare_cards

    return [compare_cards(cards) if len(cards) > 1 else card_text(cards[0])]


def markdown_tables(found: Sequence[Found], asked: Asked) -> list[str]:
    """The same in Markdown: a table of the nets, or for each net one of its parts, with the least times on each card."""
    if not asked.by:
        from ..text.cost_comparison import compare_costs_markdown

        tables = [compare_costs_markdown([x.report for x in found])]
        if cards := [card for each in found for card in each.cards]:
            from ..text.rooflines import compare_cards_markdown

            tables.append(compare_cards_markdown(cards))
        return tables
    from ..text.cost_tables import CostTable, parts_markdown
    from ..text.interchange import escape_markdown

    tables = []
    for each in found:
        table = CostTable(each.report, asked.by, asked.depth)
        tables += [f"### {escape_markdown(each.report.label)}"] if len(found) > 1 else []
        tables.append(parts_markdown(table, asked.with_bytes))
        if each.cards:
            from ..text.rooflines import card_markdown

            tables += [card_markdown(table, card.roof) for card in each.cards]
    return tables
