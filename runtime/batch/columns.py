"""The columns of a table of results: their names and kinds, whatever file they are written to."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..faults import RuntimeFault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..session import Session

Kind = Literal["text", "integer", "number", "ranking", "values"]
# a column by its name: a list with one entry a row, or an array
Columns = dict[str, Any]
# numbers of one picture that are still a row of a table
MAX_VALUES = 4096
WHY = "message"


class Column(NamedTuple):
    """A column of a table of results.

    name   what it is called
    kind   what it holds: in a `ranking` a list of {"index", "label", "probability"}, in `values` the numbers of an output, row by row, as one list
    dtype  that of the output, of `values` alone
    shape  that of the output for one picture, of `values` alone
    """

    name: str
    kind: Kind
    dtype: str = ""
    shape: tuple[int, ...] = ()


PATH = Column("path", "text")
CLASSES = (
    Column("index", "integer"),
    Column("label", "text"),
    Column("probability", "number"),
    Column("top", "ranking"),
)
FAULT = (Column("error", "text"), Column(WHY, "text"))


def columns_of(session: Session, outputs: Sequence[str] | None) -> tuple[Column, ...]:
    """The columns of a model's rows: the best class and the ranking of a classifier, else a column for each output.

    `outputs` names those that are wanted; an empty one means all, None the classes where there are any.
    Raises RuntimeFault `wrong-output` for an output that is no small array of one size, and for one that is called as another column.
    """
    if outputs is None and session.verdict.output is not None:
        return (PATH, *CLASSES, *FAULT)
    names = (
        session.known_outputs(outputs)
        if outputs
        else [name for name, port in session.outputs.items() if port.is_tensor]
    )
    return (PATH, *(output_column(session, name) for name in names), *FAULT)


def output_column(session: Session, name: str) -> Column:
    """The column of the output `name`. Raises RuntimeFault `wrong-output` where it cannot be one."""
    port = session.outputs[name]
    advice = "choose others: --outputs NAME, or outputs= in Python; -o FILE.npz holds the outputs of some pictures as they are"
    if not port.is_tensor or port.dtype == "object" or not port.has_one_size:
        raise RuntimeFault("wrong-output", f"the output `{name}` of {session.name} is {port.kind}: a column of a table holds numbers of one size",
                           advice)  # fmt: skip
    shape = tuple(size for size in port.shape[1:] if isinstance(size, int))
    if prod(shape) > MAX_VALUES:
        raise RuntimeFault("wrong-output", f"the output `{name}` of {session.name} has {prod(shape):,} numbers a picture; a row of a table takes "
                           f"{MAX_VALUES:,}", advice)  # fmt: skip
    if name in {column.name for column in (PATH, *FAULT)}:
        raise RuntimeFault(
            "wrong-output", f"an output of {session.name} is called `{name}`, as a column of every table is", advice
        )
    return Column(name, "values", port.dtype, shape)
