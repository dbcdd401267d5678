"""What a session answers: the most probable classes of a picture, or the outputs as they are; printed as small tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from .faults import RuntimeFault, escape_controls


class Prediction(NamedTuple):
    """One class of an image.

    index        its number among the classes, from 0
    label        its name; None where the model has none
    probability  from 0 to 1
    """

    # a tuple's method of that name is not missed
    index: int  # type: ignore[assignment]
    label: str | None
    probability: float


class Result(NamedTuple):
    """The most probable classes of one image. Printed, it is a small table.

    input  the image's path; "image 3" where it has none, counted from 0
    top    the classes, the most probable first; none where the image could not be read
    error  why it could not be read; None where it could
    """

    input: str
    top: tuple[Prediction, ...]
    error: RuntimeFault | None = None

    def __repr__(self) -> str:
        return repr(Results([self]))

    def _repr_html_(self) -> str:
        return Results([self])._repr_html_()


class Results(list[Result]):
    """A list of results that prints as a table."""

    columns = ("image", "probability", "class", "label")

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """A row for each class: the picture, the probability, the index and the label; for an error, the code and what it says."""
        for each in self:
            if each.error:
                yield each.input, f"error[{each.error.code}]", "", each.error.message
            for at, found in enumerate(each.top):
                yield ("" if at else each.input), f"{found.probability:.2%}", str(found.index), found.label or ""

    def __repr__(self) -> str:
        return format_rows([self.columns, *self.rows()], right=(1, 2)) if self else "[]"

    def _repr_html_(self) -> str:
        rows = [self.columns, *self.rows()]
        cells = ("".join(f"<td>{escape(escape_controls(cell))}</td>" for cell in row) for row in rows)
        return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


class Answer(NamedTuple):
    """All outputs of one picture.

    input    the picture's path; "image 3" where it has none, counted from 0
    outputs  numpy arrays by the outputs' names, without the batch's dimension: (C, H, W) of a map; none where the picture could not be read
    error    why it could not be read; None where it could
    """

    input: str
    outputs: Mapping[str, Any]
    error: RuntimeFault | None = None

    def __repr__(self) -> str:
        gives = ", ".join(f"{name} {found.dtype} {found.shape}" for name, found in self.outputs.items())
        told = f"error[{self.error.code}] {self.error.message}" if self.error else gives
        return f"<{type(self).__name__} of {escape_controls(self.input)}: {escape_controls(told)}>"


def format_rows(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows as aligned columns; the columns `right` are aligned at the right. What does not print is escaped."""
    plain = [[escape_controls(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    lines = (
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in plain
    )
    return "\n".join(line.rstrip() for line in lines)


def softmax(logits: Any) -> Any:
    """(N, classes): numbers that are positive and add up to one in each row."""
    import numpy as np

    logits = np.asarray(logits, np.float32) if logits.dtype.itemsize < 4 else logits
    exponent = np.exp(logits - logits.max(1, keepdims=True))
    return exponent / exponent.sum(1, keepdims=True)


def most_probable(row: Any, labels: Sequence[str], top: int) -> tuple[Prediction, ...]:
    """The `top` classes of one row of probabilities, the most probable first."""
    import numpy as np

    best = np.argsort(-row, kind="stable")[:top]
    return tuple(Prediction(int(k), labels[k] if k < len(labels) else None, float(row[k])) for k in best)
