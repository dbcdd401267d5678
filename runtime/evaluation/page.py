"""A ClassificationReport as one page of HTML: a pure function of the value. The page loads nothing and runs no script.

What comes from files (names, labels) is escaped, and the page's own policy forbids scripts and addresses besides.
"""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from ..faults import escape_controls
from .page_style import STYLE
from .tally import ClassificationReport, ClassScore, Mistake

# with more classes than this the matrix is a list of what is confused most
MATRIX_CLASSES = 30
LISTED = 30
# the column of what has none of its own
REST = -1
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def format_page(found: ClassificationReport) -> str:
    """An evaluation as one page of HTML that loads nothing and runs no script: what `archc eval -o` writes."""
    title = f"{found.model}: {format_answered(found, found.top1)} of {found.answered:,} pictures"
    return format_document(title, [format_heading(found), *format_findings(found)])


def format_findings(found: ClassificationReport) -> list[str]:
    """All of the page but its heading, for another page that has it as a part."""
    return [
        format_notes(found),
        format_classes(found),
        format_confusions(found),
        format_mistakes(found),
        format_unreadable(found),
    ]


def format_document(title: str, parts: Iterable[str], style: str = "") -> str:
    """A page of HTML that needs nothing else; `parts` are HTML, `style` is added to the look of all such pages."""
    # a window's title has no use for it, and it would be escaped as a sign that does not print
    title = title.replace("\N{NO-BREAK SPACE}", " ")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape_text(title)}</title>\n<style>\n{STYLE}{style}</style>\n</head>\n'
        f"<body>\n<main>\n{''.join(parts)}</main>\n</body>\n</html>\n"
    )  # fmt: skip


def escape_text(value: object) -> str:
    """Text from anywhere as HTML."""
    return escape(escape_controls(str(value)))


def format_percent(value: float) -> str:
    """`98.89 %`."""
    return f"{value:.2%}".replace("%", "\N{NO-BREAK SPACE}%")


def format_answered(found: ClassificationReport, value: float) -> str:
    """A share of all pictures; a dash where none was answered."""
    return format_percent(value) if found.answered else "\N{EN DASH}"


def format_html_table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int, label: str) -> str:
    """A table whose last `numbers` columns are numbers; cells are HTML. It scrolls where it is wider than the page."""
    kinds = [' class="n"' if at >= len(head) - numbers else "" for at in range(len(head))]
    top = "".join(f'<th scope="col"{kind}>{cell}</th>' for cell, kind in zip(head, kinds, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{cell}</td>' for cell, kind in zip(row, kinds, strict=True))}</tr>\n" for row in rows
    )
    return f'<div class="wide" tabindex="0" role="region" aria-label="{label}"><table><thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n'


def format_figures(figures: Iterable[tuple[str, str]]) -> str:
    """Numbers with their names, large; both are HTML."""
    return f"<dl>{''.join(f'<div><dt>{name}</dt><dd>{value}</dd></div>' for name, value in figures)}</dl>"


def format_totals(found: ClassificationReport) -> str:
    """The figures, and of how many pictures and classes they are."""
    five = (("top-5", format_answered(found, found.top5)),) * found.shows_top5
    return format_figures((("top-1", format_answered(found, found.top1)), *five, ("pictures", f"{found.answered:,}"),
                           ("classes", f"{len(found.classes):,}")))  # fmt: skip


def format_heading(found: ClassificationReport) -> str:
    """The model, the two figures, and where they come from."""
    return (f"<header><h1>{escape_text(found.model)}</h1><p>on {escape_text(found.device)}, with the pictures in <code>{escape_text(found.place)}</code>; "
            f"names of classes were matched {escape_text(found.matched)}.</p>{format_totals(found)}</header>\n")  # fmt: skip


def format_notes(found: ClassificationReport) -> str:
    """What was left out."""
    told = [*found.notes]
    if found.unreadable_count:
        told.append(
            f"not read, and in no figure: {found.unreadable_count:,} of {found.unreadable_count + found.answered:,}"
        )
    return f"<ul class=notes>{''.join(f'<li>{escape_text(note)}.</li>' for note in told)}</ul>\n" if told else ""


def format_classes(found: ClassificationReport) -> str:
    """A row a class, the worst first."""
    worst = sorted(found.classes, key=lambda each: (each.top1, -each.pictures, each.index))
    rows = ([f"<span class=bar style='--share:{each.top1:.4f}'></span>{escape_text(each.label)}", f"{each.pictures:,}", format_percent(each.top1), format_percent(each.precision)]
            for each in worst)  # fmt: skip
    return f"<section><h2>Classes, the worst first</h2>\n{format_html_table(('class', 'pictures', 'top-1', 'precision'), rows, 3, 'classes')}</section>\n"


def format_confusions(found: ClassificationReport) -> str:
    """The matrix of few classes; of many, what is confused most."""
    if not found.confusions:
        return ""
    if len(found.classes) <= MATRIX_CLASSES:
        return f"<section><h2>What was taken for what</h2>\n<p>A row a class, a column an answer.</p>\n{format_matrix(found)}</section>\n"
    rows = (
        [escape_text(name_of(found, each.true)), escape_text(name_of(found, each.predicted)), f"{each.pictures:,}"]
        for each in found.confusions[:LISTED]
    )
    return f"<section><h2>Confused most</h2>\n{format_html_table(('class', 'taken for', 'pictures'), rows, 1, 'confusions')}</section>\n"


def format_matrix(found: ClassificationReport) -> str:
    """The confusion matrix, of the classes that occur and of those that were answered most, with one column for any other.

    A cell is as strong as its share of the row.
    """
    counts = {(each.true, each.predicted): each.pictures for each in found.confusions}
    counts |= {(each.index, each.index): each.first for each in found.classes if each.first}
    true = {each.index for each in found.classes}
    others = Counter[int]()
    for (_, predicted), count in counts.items():
        others[predicted] += count * (predicted not in true)
    columns = sorted(true | {at for at, count in others.most_common(2 * MATRIX_CLASSES - len(true)) if count})
    for each in found.classes:
        rest = sum(
            count for (row, predicted), count in counts.items() if row == each.index and predicted not in columns
        )
        counts |= {(each.index, REST): rest} if rest else {}
    columns += [REST] * any(at == REST for _, at in counts)
    head = "".join(
        f'<th scope="col"><span>{escape_text(name_of(found, at) if at != REST else "any other")}</span></th>'
        for at in columns
    )
    rows = "".join(f'<tr><th scope="row">{escape_text(each.label)}</th>{"".join(format_cell(each, at, counts.get((each.index, at), 0)) for at in columns)}</tr>\n'
                   for each in found.classes)  # fmt: skip
    return f'<div class="wide matrix" tabindex="0" role="region" aria-label="confusion matrix"><table><thead><tr><td></td>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n'


def format_cell(row: ClassScore, column: int, count: int) -> str:
    """A cell of the matrix."""
    if not count:
        return "<td></td>"
    kind = "hit" if row.index == column else "miss"
    return f'<td class="{kind}" style="--share:{count / row.pictures:.4f}">{count:,}</td>'


def format_mistakes(found: ClassificationReport) -> str:
    """The worst mistakes with their pictures."""
    if not found.mistakes:
        return ""
    shown = "".join(format_mistake(found, each) for each in found.mistakes)
    return f"<section><h2>The worst mistakes</h2>\n<p>Wrong answers of the highest probability.</p>\n<div class=gallery>\n{shown}</div></section>\n"


def format_mistake(found: ClassificationReport, mistake: Mistake) -> str:
    """One mistake: its picture, its class, and what it was taken for."""
    true, predicted = escape_text(name_of(found, mistake.true)), escape_text(name_of(found, mistake.predicted))
    picture = (f'<img src="data:image/jpeg;base64,{b64encode(mistake.thumbnail).decode()}" alt="{true}, taken for {predicted}" loading="lazy">'
               if mistake.thumbnail else "<div class=none>no picture</div>")  # fmt: skip
    return (f"<figure>{picture}<figcaption>taken for <b>{predicted}</b>, {format_percent(mistake.probability)}<br>is <b>{true}</b><br><code>{escape_text(mistake.path)}</code></figcaption>"
            "</figure>\n")  # fmt: skip


def format_unreadable(found: ClassificationReport) -> str:
    """The pictures without an answer."""
    if not found.unreadable:
        return ""
    more = found.unreadable_count - len(found.unreadable)
    rows = (
        [f"<code>{escape_text(each.path)}</code>", escape_text(each.code), escape_text(each.message)]
        for each in found.unreadable
    )
    rest = f"<p>and {more:,} more</p>\n" if more else ""
    return f"<section><h2>Not read</h2>\n{format_html_table(('picture', 'error', 'why'), rows, 0, 'unreadable')}{rest}</section>\n"


def name_of(found: ClassificationReport, at: int) -> str:
    """What a class is called."""
    return found.labels.get(at) or str(at)
