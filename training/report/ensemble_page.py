"""The page of an ensemble: its members beside their average, each with a link to its own page; a pure function of its record, as page.py's is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import quote

from ...compiler.counts import count_of
from ...runtime.evaluation import ClassificationReport
from ...runtime.evaluation.page import escape_text, format_document, format_figures, format_findings, format_html_table
from ...runtime.evaluation.tally import TOP_CLASSES
from ..measures import Measures
from ..recipe.recipe import Recipe
from ..result import EnsembleMeasures, MemberMeasures
from ..watching import RunEnd
from .page import DASH, FINISHED, STYLE, format_end, format_number, format_rows, format_share, format_texts


class EnsembleRecord(NamedTuple):
    """All that the page tells: of the net `name`, which learned `pictures` of `classes` on `device`. `reports` are the members that have a page,
    `evaluation` the answers of the average, `versions` what it was made with, `end` how its training ended."""

    name: str
    recipe: Recipe
    device: str
    classes: tuple[str, ...]
    pictures: int
    ensemble: EnsembleMeasures
    reports: frozenset[str]
    evaluation: ClassificationReport | None
    versions: Mapping[str, str]
    end: RunEnd = RunEnd()


def format_ensemble(record: EnsembleRecord, texts: Mapping[str, str]) -> str:
    """The whole page; `texts` are recipe and spec by their titles."""
    average = record.ensemble.average
    title = f"{record.name}: an ensemble" + (f", {format_share(average.top1)} top-1" if average else "")
    return format_document(title, format_ensemble_parts(record, texts), STYLE)


def format_ensemble_parts(record: EnsembleRecord, texts: Mapping[str, str]) -> Iterator[str]:
    """The page's parts in their order."""
    yield format_ensemble_head(record)
    yield format_members(record)
    if record.evaluation:
        yield from format_findings(record.evaluation)
    yield from format_texts(texts)
    yield format_rows("Made with", ("what", "version"), record.versions)


def format_ensemble_head(record: EnsembleRecord) -> str:
    """The net, what it was trained on, and the figures of the average."""
    recipe, average = record.recipe, record.ensemble.average
    figures = [
        ("members", f"{len(record.ensemble.members):,}"),
        ("training pictures", f"{record.pictures:,}"),
        ("classes", f"{len(record.classes):,}"),
    ]
    if average:
        figures = [("top-1", format_share(average.top1)), ("validation loss", format_number(average.loss)), *figures]
    ended = FINISHED if record.end.is_finished else ""
    source = f" ({escape_text(recipe.source)})" if recipe.source else ""
    return (f"<header><h1>{escape_text(record.name)}</h1><p>{count_of(len(record.ensemble.members), 'member')}, whose probabilities are averaged; each is trained by the recipe "
            f"<code>{escape_text(recipe.name)}</code>{source} on {escape_text(record.device)}, by a seed of its own. {ended}</p>{format_end(record.end)}{format_figures(figures)}</header>\n")  # fmt: skip


def format_members(record: EnsembleRecord) -> str:
    """A row a member, and one for the average of what they say."""
    with_five = len(record.classes) > TOP_CLASSES
    head = ("member", "best after step", "validation loss", "top-1", *["top-5"] * with_five)
    rows = [
        [name_member(each, each.name in record.reports), f"{each.best.step:,}" if each.best else DASH, *format_measures(each.measures, with_five)]
        for each in record.ensemble.members
    ]  # fmt: skip
    if record.ensemble.average:
        bold = (f"<b>{cell}</b>" for cell in format_measures(record.ensemble.average, with_five))
        rows.append(["<b>average</b>", "", *bold])
    told = "<p>The best weights of each, on the same validation pictures.</p>\n" if record.ensemble.average else ""
    return f"<section><h2>Members</h2>\n{told}{format_html_table(head, rows, 3 + with_five, 'members')}</section>\n"


def name_member(member: MemberMeasures, linked: bool) -> str:
    """A member's name, with a link to its own page."""
    name = escape_text(member.name)
    return f'<a href="members/{quote(member.folder.name)}/report.html">{name}</a>' if linked else name


def format_measures(measures: Measures | None, with_five: bool) -> list[str]:
    """The cells of a row; dashes without validation pictures."""
    values = (measures.top1, measures.top5) if measures else (None, None)
    return [format_number(measures.loss if measures else None), *map(format_share, values[: 1 + with_five])]
