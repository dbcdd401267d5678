"""Columns as files: csv, jsonl and parquet. Rows are encoded part by part, and the parts of a whole run are joined into one file.

Texts in a table are whole Unicode: of a name that is no UTF-8 the odd bytes become escapes, as in every document of archc. In csv a list is
its JSON. Numbers that JSON has no word for (NaN, infinities) are texts there.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, NamedTuple

from ..packages import import_package
from .columns import Column, Columns

# rows that are read as one, at most, and numbers in them
GROUP_ROWS, GROUP_VALUES = 2**16, 2**24


class ResultsFormat(NamedTuple):
    """A kind of file: how columns become the bytes of a part, how parts become a file, and which package that takes."""

    encode: Callable[[Columns, Sequence[Column]], bytes]
    join: Callable[[Iterable[Path], BinaryIO, Sequence[Column]], None]
    package: str = ""


def encode_jsonl(columns: Columns, kinds: Sequence[Column]) -> bytes:
    """A JSON object a row, in ASCII; what a row has not is null."""
    names = [column.name for column in kinds]
    rows = zip(*(map(plain, columns[name]) for name in names), strict=True)
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows).encode()


def encode_csv(columns: Columns, kinds: Sequence[Column]) -> bytes:
    """A line a row, in UTF-8; what a row has not is empty."""
    return csv_lines(zip(*(map(cell, columns[column.name]) for column in kinds), strict=True))


def csv_lines(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as the lines of a csv. Both signs that readers take for a line's end are quoted, which Python does for those of its own line's end alone."""
    lines: list[str] = []
    csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n").writerows(rows)
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines).encode()


def cell(value: Any) -> Any:
    """A value in a csv: a list as its JSON, nothing for None."""
    value = plain(value)
    return json.dumps(value) if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """A value as JSON can say it."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):
        return [plain(each) for each in value.tolist()]
    return value


def whole_text(text: str) -> str:
    """The text with an escape for each half of a character, as names have that are no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def join_jsonl(parts: Iterable[Path], file: BinaryIO, _: Sequence[Column]) -> None:
    """One part behind the other."""
    for part in parts:
        with part.open("rb") as source:
            shutil.copyfileobj(source, file, 2**20)


def join_csv(parts: Iterable[Path], file: BinaryIO, kinds: Sequence[Column]) -> None:
    """The names of the columns, and one part behind the other."""
    file.write(csv_lines([[column.name for column in kinds]]))
    join_jsonl(parts, file, kinds)


def arrow_schema(kinds: Sequence[Column]) -> Any:
    """The columns as Arrow has them."""
    arrow = import_package("pyarrow", "a .parquet")
    ranking = arrow.struct([("index", arrow.int32()), ("label", arrow.string()), ("probability", arrow.float64())])
    types = {
        "text": arrow.string(),
        "integer": arrow.int32(),
        "number": arrow.float64(),
        "ranking": arrow.list_(ranking),
    }
    values = {"bool": "bool_", "float16": "float16"}
    return arrow.schema(
        [
            (
                c.name,
                types[c.kind] if c.kind != "values" else arrow.list_(getattr(arrow, values.get(c.dtype, c.dtype))()),
            )
            for c in kinds
        ]
    )


def encode_parquet(columns: Columns, kinds: Sequence[Column]) -> bytes:
    """A whole parquet file with the rows."""
    import pyarrow as arrow
    from pyarrow import parquet

    schema, sink = arrow_schema(kinds), arrow.BufferOutputStream()
    made = {c.name: [*map(arrow_value, columns[c.name])] for c in kinds}
    parquet.write_table(arrow.table(made, schema), sink)
    return bytes(sink.getvalue())


def arrow_value(value: Any) -> Any:
    """A value as Arrow takes it: an array as it is, texts whole."""
    if isinstance(value, str):
        return whole_text(value)
    if isinstance(value, list):
        return [arrow_value(each) for each in value]
    return {key: arrow_value(each) for key, each in value.items()} if isinstance(value, dict) else value


def join_parquet(parts: Iterable[Path], file: BinaryIO, kinds: Sequence[Column]) -> None:
    """One file, in groups of rows that do not depend on where the parts end, and that fit into memory."""
    import pyarrow as arrow
    from pyarrow import parquet

    schema = arrow_schema(kinds)
    numbers = sum(prod(column.shape) for column in kinds if column.kind == "values")
    size = max(1, min(GROUP_ROWS, GROUP_VALUES // max(numbers, 1)))
    rest = schema.empty_table()
    with parquet.ParquetWriter(file, schema) as writer:
        for part in parts:
            rest = arrow.concat_tables([rest, parquet.read_table(arrow.BufferReader(part.read_bytes()), schema=schema)])
            while len(rest) >= size:
                writer.write_table(rest.slice(0, size).combine_chunks(), size)
                rest = rest.slice(size)
        if len(rest):
            writer.write_table(rest.combine_chunks(), size)


FORMATS = {
    ".csv": ResultsFormat(encode_csv, join_csv),
    ".jsonl": ResultsFormat(encode_jsonl, join_jsonl),
    ".parquet": ResultsFormat(encode_parquet, join_parquet, "pyarrow"),
}
