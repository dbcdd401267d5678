"""The page of a run: a pure function of its record. It loads nothing and runs no script; what comes from files is escaped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ...compiler.counts import format_count
from ...runtime.evaluation import ClassificationReport
from ...runtime.evaluation.page import (
    escape_text,
    format_document,
    format_figures,
    format_findings,
    format_html_table,
    format_percent,
    format_totals,
)
from ...runtime.evaluation.tally import TOP_CLASSES
from ..watching import RunEnd, RunPlan
from .curves import STYLE as CHART_STYLE
from .series import Chart, EpochRow

STYLE = (
    CHART_STYLE
    + """\
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem; }
.charts figure { padding: .5rem .5rem 0; }
.charts svg { display: block; width: 100%; height: auto; }
.charts figcaption { font-weight: 600; padding: .25rem .5rem; }
.charts text { font-family: system-ui, sans-serif; }
pre { margin: .5rem 0 1rem; padding: .75rem 1rem; overflow: auto; max-height: 34rem; background: var(--panel); border-radius: .5rem;
  font: .85rem/1.45 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 2; }
.wide { background: linear-gradient(90deg, var(--paper) 50%, transparent) 0 0 / 3rem 100% no-repeat local,
  linear-gradient(270deg, var(--paper) 50%, transparent) 100% 0 / 3rem 100% no-repeat local,
  linear-gradient(90deg, var(--line), transparent) 0 0 / 1rem 100% no-repeat scroll,
  linear-gradient(270deg, var(--line), transparent) 100% 0 / 1rem 100% no-repeat scroll; }
.best td { font-weight: 600; }
.stopped { border: 1px solid var(--miss); border-left-width: .4rem; border-radius: .5rem; padding: .5rem 1rem .25rem; margin: 1rem 0; }
.stopped p { color: var(--ink); }
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #333; --paper: #fff; --line: #bbb; --panel: #fff;
    --line-0: #0072b2; --line-1: #c24e00; --line-2: #00805d; --line-3: #a8487f; --line-4: #946400; --line-5: #2a7fae; }
  .wide, pre { overflow: visible; max-height: none; }
  figure, tr, dl div { break-inside: avoid; }
  h2 { break-after: avoid; }
}
"""
)
DASH = "\N{EN DASH}"
# what the page says of a run that came to its end
FINISHED = "The run is finished."
# rows of broken pictures
LISTED = 50


class RunRecord(NamedTuple):
    """All that a page tells of a run. `texts` are recipe and spec by their titles; `versions` what it ran with; `broken` name and why;
    `drawings` are the charts as SVG."""

    plan: RunPlan
    end: RunEnd
    charts: Sequence[Chart]
    drawings: Sequence[str]
    epochs: Sequence[EpochRow]
    best: EpochRow | None
    texts: Mapping[str, str]
    versions: Mapping[str, str]
    broken: Mapping[str, str]
    evaluation: ClassificationReport | None


def format_run(record: RunRecord) -> str:
    """The whole page."""
    title = f"{record.plan.net}: training" + (f", {format_share(record.best.top1)} top-1" if record.best else "")
    return format_document(title, format_parts(record), STYLE)


def format_parts(record: RunRecord) -> Iterator[str]:
    """The page's parts in their order."""
    yield format_head(record)
    yield format_charts(record)
    yield format_epochs(record)
    if record.evaluation:
        yield f"<section><h2>The best weights on the validation pictures</h2>\n{format_totals(record.evaluation)}</section>\n"
        yield from format_findings(record.evaluation)
    yield from format_texts(record.texts)
    yield format_rows("Made with", ("what", "version"), record.versions)
    rest = len(record.broken) - LISTED
    yield format_rows("Pictures that were skipped", ("picture", "why"), dict([*record.broken.items()][:LISTED])) + (
        f"<p>and {rest:,} more in broken.csv</p>\n" if rest > 0 else ""
    )


def format_head(record: RunRecord) -> str:
    """The net, what it was trained on, and the figures of the best epoch."""
    plan, best = record.plan, record.best
    done = record.epochs[-1].epoch if record.epochs else 0
    figures = [
        ("epochs", f"{done:,} of {plan.epochs:,}"),
        ("training pictures", f"{plan.train:,}"),
        ("classes", f"{len(plan.classes):,}"),
    ]
    if best:
        figures = [("top-1", format_share(best.top1)), ("validation loss", format_number(best.val_loss)), ("best epoch", f"{best.epoch:,}"), *figures]  # fmt: skip
    if plan.parameters:
        trained = f", {format_count(plan.parameters)} of them trained" if plan.frozen else ""
        figures.append(("parameters", format_count(plan.parameters + plan.frozen) + trained))
    ended = FINISHED if record.end.is_finished else ""
    source = f" ({escape_text(plan.recipe.source)})" if plan.recipe.source else ""
    processes = f" in {plan.world_size} processes" if plan.world_size > 1 else ""
    return (f"<header><h1>{escape_text(plan.net)}</h1><p>trained by the recipe <code>{escape_text(plan.recipe.name)}</code>{source} on {escape_text(plan.device)}{processes}, "
            f"with batches of {plan.recipe.batch:,}. {ended}</p>{format_end(record.end)}{format_figures(figures)}</header>\n")  # fmt: skip


def format_end(end: RunEnd) -> str:
    """A box that says why a run ended before its time, and what to do; nothing where it is finished."""
    if end.is_finished:
        return ""
    advice = f"<p>{escape_text(end.help)}</p>" if end.help else ""
    return (
        f"<div class=stopped><p><b>The run ended before its time: {escape_text(end.stopped_by)}</b></p>{advice}</div>\n"
    )


def format_charts(record: RunRecord) -> str:
    """The curves."""
    shown = "".join(f"<figure><figcaption>{escape_text(chart.title)}</figcaption>\n{svg}</figure>\n" for chart, svg in zip(record.charts, record.drawings, strict=True))  # fmt: skip
    return f"<section><h2>Curves</h2>\n<div class=charts>\n{shown}</div></section>\n" if shown else ""


def format_epochs(record: RunRecord) -> str:
    """A row an epoch."""
    if not record.epochs:
        return ""
    with_five = len(record.plan.classes) > TOP_CLASSES
    head = ("epoch", "steps", "training loss", "validation loss", "top-1", *["top-5"] * with_five, "learning rate")
    rows = (
        [f"{each.epoch:,}" + (" <b>best</b>" if each == record.best else ""), f"{each.step:,}", format_number(each.train_loss), format_number(each.val_loss),
         format_share(each.top1), *[format_share(each.top5)] * with_five, format_number(each.lr)]
        for each in record.epochs
    )  # fmt: skip
    return f"<section><h2>Epochs</h2>\n{format_html_table(head, rows, 5 + with_five, 'epochs')}</section>\n"


def format_texts(texts: Mapping[str, str]) -> Iterator[str]:
    """Each text under its title."""
    for name, text in texts.items():
        yield f"<section><h2>{escape_text(name)}</h2>\n<pre>{format_lines(text)}</pre></section>\n"


def format_rows(title: str, head: tuple[str, str], rows: Mapping[str, str]) -> str:
    """A table of two columns; nothing where there are no rows."""
    if not rows:
        return ""
    cells = ([escape_text(name), f"<code>{escape_text(value)}</code>"] for name, value in rows.items())
    return f"<section><h2>{title}</h2>\n{format_html_table(head, cells, 0, title.lower())}</section>\n"


def format_lines(text: str) -> str:
    """A text with its lines kept."""
    return "\n".join(map(escape_text, text.expandtabs(2).splitlines()))


def format_number(value: float | None) -> str:
    """Four digits, or a dash."""
    return DASH if value is None else f"{value:.4g}"


def format_share(value: float | None) -> str:
    """Per cent, or a dash."""
    return DASH if value is None else format_percent(value)
