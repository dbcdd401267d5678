"""What a model takes and gives: the name, element type and shape of each input and output, and whether an array fits."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from .faults import RuntimeFault

# onnxruntime's word for an element type, and numpy's
DTYPES = {
    "float": "float32", "double": "float64", "float16": "float16", "bool": "bool", "string": "object",
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip
IMAGE_DTYPES = ("float32", "float16", "float64")
PIXEL_DTYPE = "uint8"


class Port(NamedTuple):
    """One input or output. A dimension is a number, a name, or None where it is open; the first is the batch's. `has_rank` is
    False where the model does not even say how many there are; then `shape` is empty.

    `dtype` is numpy's word, or onnxruntime's own where a value is no tensor that numpy has (`seq(tensor(float))`).
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]
    has_rank: bool = True

    @classmethod
    def of(cls, value: Any, unranked: Container[str] = ()) -> Port:
        """From one of onnxruntime's NodeArg, which says of those `unranked` the same as of a single number."""
        kind = str(value.type)
        element = kind[len("tensor(") : -1] if kind.startswith("tensor(") else ""
        shape = tuple(value.shape or ())
        return cls(str(value.name), DTYPES.get(element, kind), shape, bool(shape) or value.name not in unranked)

    def __str__(self) -> str:
        """`image float32 (N, 3, 224, 224)`."""
        return f"{self.name} {self.kind}"

    @property
    def kind(self) -> str:
        """`float32 (N, 3, 224, 224)`; texts are `string`, as ONNX has it."""
        dtype = "string" if self.dtype == "object" else self.dtype
        return f"{dtype} {format_shape(self.shape) if self.has_rank else '(any shape)'}"

    @property
    def row(self) -> Port:
        """The port for one picture's array, without the batch's dimension."""
        return self._replace(shape=self.shape[1:])

    def fits(self, shape: Sequence[int]) -> bool:
        """Whether an array of this `shape` fits the numbers in the port's own."""
        fixed = [(a, b) for a, b in zip(shape, self.shape, strict=False) if isinstance(b, int)]
        return not self.has_rank or (len(shape) == len(self.shape) and all(a == b for a, b in fixed))

    @property
    def is_tensor(self) -> bool:
        return self.dtype in DTYPES.values()

    @property
    def numpy_dtype(self) -> str:
        """numpy's word for its element type; that of any object where it is no tensor."""
        return self.dtype if self.is_tensor else "object"

    @property
    def has_one_size(self) -> bool:
        """Whether all of its arrays are of one size, but for the batch."""
        return self.has_rank and all(isinstance(d, int) for d in self.shape[1:])

    @property
    def image_size(self) -> tuple[int, int, int] | None:
        """(channels, height, width) where pictures can become its arrays: (N, C, H, W) of one size, of floats, or of bytes, which are pixels as they are; else None.

        Where the last dimension is 1, 3 or 4 and the second is more, the channels come last, as from TensorFlow: no such either.
        """
        if self.dtype not in (*IMAGE_DTYPES, PIXEL_DTYPE) or len(self.shape) != 4 or not self.has_one_size:
            return None
        channels, height, width = (d for d in self.shape[1:] if isinstance(d, int))
        channels_last = width in (1, 3, 4) and height == channels > width
        return (channels, height, width) if min(channels, height, width) > 0 and not channels_last else None


def format_shape(shape: Sequence[int | str | None]) -> str:
    """A shape as numpy writes it, with names for what is open: `(N, 3, 224, 224)`."""
    words = ["?" if d is None else str(d) for d in shape]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


def list_ports(ports: Mapping[str, Port]) -> str:
    """The ports for a message."""
    return "; ".join(map(str, ports.values())) or "none"


def check_feeds(
    feeds: Mapping[str, Any], ports: Mapping[str, Port], model: str, fixed_batch: int | None
) -> dict[str, Any]:
    """The arrays by input's name, each checked. With a `fixed_batch` of the model their first dimension may be any number.

    Raises RuntimeFault `wrong-input` for a name that is unknown or missing, and for an array that does not fit.
    """
    import numpy as np

    advice = f"the inputs of {model}: {list_ports(ports)}"
    check_input_names(feeds, ports, model, advice)
    arrays = {name: np.asarray(feeds[name]) for name in ports}
    for name, array in arrays.items():
        port = ports[name]
        if not port.is_tensor:
            raise RuntimeFault("wrong-input", f"the input `{name}` is {port.dtype}; only arrays can be given", advice)
        if str(array.dtype) != port.dtype and not (port.dtype == "object" and array.dtype.kind == "U"):
            raise RuntimeFault("wrong-input", f"`{name}` is given as {array.dtype}, it takes {port.dtype}", advice)
        wanted = port._replace(shape=(None, *port.shape[1:])) if fixed_batch and port.shape else port
        if not wanted.fits(array.shape):
            raise RuntimeFault(
                "wrong-input", f"`{name}` is given as {array.shape}, it takes {format_shape(port.shape)}", advice
            )
    check_names(arrays, ports, advice)
    return arrays


def check_input_names(given: Iterable[str], ports: Mapping[str, Port], model: str, advice: str) -> None:
    """Raises RuntimeFault `wrong-input` where the names `given` are not those of the inputs; for a misspelt one it names the right."""
    from difflib import get_close_matches

    given = [*given]
    missing = [name for name in ports if name not in given]
    for name in given:
        if name not in ports:
            close = get_close_matches(name, missing or ports, 1)
            hint = f"; did you mean `{close[0]}`?" if close else ""
            raise RuntimeFault("wrong-input", f"{model} has no input `{name}`{hint}", advice)
    if missing:
        raise RuntimeFault("wrong-input", f"the input `{missing[0]}` of {model} is missing", advice)


def advise_names(ports: Mapping[str, Port]) -> str:
    """How a picture is given for each input by its name, for a message."""
    return (f"give each by its name: {' '.join(f'--input {name}=FILE' for name in ports)}, "
            f"or {{{', '.join(f'{name!r}: …' for name in ports)}}} in Python")  # fmt: skip


def check_names(arrays: Mapping[str, Any], ports: Mapping[str, Port], advice: str) -> None:
    """A dimension with a name has one size in all arrays. Raises RuntimeFault `wrong-input` where it has two."""
    sizes: dict[str, tuple[int, str]] = {}
    for name, array in arrays.items():
        for dimension, size in zip(ports[name].shape, array.shape, strict=False):
            if not isinstance(dimension, str):
                continue
            known, where = sizes.setdefault(dimension, (size, name))
            if known != size:
                raise RuntimeFault("wrong-input", f"{dimension} is {known} in `{where}` and {size} in `{name}`", advice)


def fill_batches(arrays: Mapping[str, Any], count: int, size: int) -> Iterator[dict[str, Any]]:
    """The `count` rows of each array as batches of `size`; the last one is filled up with zeros."""
    import numpy as np

    for start in range(0, count, size):
        chunk = {name: array[start : start + size] for name, array in arrays.items()}
        padding = {name: np.zeros((size - len(part), *part.shape[1:]), part.dtype) for name, part in chunk.items()}
        yield {name: np.concatenate([chunk[name], padding[name]]) for name in chunk}


def split_rows(
    outputs: Mapping[str, Any], ports: Mapping[str, Port], count: int, model: str
) -> Iterator[dict[str, Any]]:
    """The outputs of each of `count` pictures. Raises RuntimeFault `not-an-image-model` where an output has other rows."""
    for name, found in outputs.items():
        rows = len(found) if getattr(found, "ndim", 0) else "no"
        if rows == count:
            continue
        message = f"`{name}` of {model} has {rows} row{'s' * (rows != 1)} for {count} picture{'s' * (count != 1)}"
        advice = "Session.run gives the output whole"
        # an output whose first dimension is fixed, or that has none, has as many rows for one picture
        first = ports[name].shape[:1] or (1,)
        if count > 1 and rows != "no" and (first[0] == 1 or not isinstance(first[0], int)):
            advice = f"--batch 1, or batch=1 in Python, runs one picture at a time; {advice}"
        raise RuntimeFault("not-an-image-model", f"{message}, so none tells whose it is", advice)
    return ({name: found[i] for name, found in outputs.items()} for i in range(count))


def bytes_of_rows(arrays: Mapping[str, Any]) -> int:
    """The bytes of one row of all arrays together."""
    return sum(array.itemsize * prod(array.shape[1:]) for array in arrays.values())


def fixed_batch(inputs: Sequence[Sequence[Any]], outputs: Sequence[Sequence[Any]]) -> int | None:
    """The one number of rows that a model of these shapes takes and gives; None where that is open, or its first dimension is no batch's."""
    first = {shape[0] if shape else None for shape in (*inputs, *outputs)}
    (size,) = first if len(first) == 1 and inputs else (None,)
    return size if isinstance(size, int) and size > 0 else None


def has_open_batch(inputs: Iterable[Port]) -> bool:
    """Whether a model takes any number of rows: the first dimension of each input is open."""
    return all(port.shape and not isinstance(port.shape[0], int) for port in inputs)
