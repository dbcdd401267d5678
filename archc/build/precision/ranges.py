"""The range of each value of a net on its calibration set, as onnxruntime.quantization finds it.

The library derives names from names (`conv1_scale`), which may be those of other steps, so it gets a copy in which values and nodes are
numbered. It keeps all values of all inputs before it looks at them; so it is given one batch at a time, and its memory is that of the
values of one batch. Its own option for that, CalibMaxIntermediateOutputs, forgets what it has seen (onnxruntime 1.31).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ...compiler.diagnostics import Failure
from .methods import METHODS, Calibration


class Ranges(NamedTuple):
    """The ranges of values, by their names in the copy, and what the values and nodes of the copy are called in the file."""

    tensors: Any
    values: Mapping[str, str]
    nodes: Mapping[str, str]


class OneBatch:
    """What a calibrator reads from: one batch, and then nothing."""

    def __init__(self, feed: Mapping[str, Any]) -> None:
        self.feeds: Iterator[Mapping[str, Any]] = iter((feed,))

    def get_next(self) -> Mapping[str, Any] | None:
        """The batch the first time, then None, as the library asks."""
        return next(self.feeds, None)


def find_ranges(path: Path, feeds: Iterable[Mapping[str, Any]], method: Calibration, operators: Iterable[str]) -> tuple[Any, Ranges]:  # fmt: skip
    """The numbered copy of the ONNX file `path`, as onnx reads it, and the ranges of what `operators` take and give on `feeds`.

    Raises Failure `answer-not-finite` where a value is not finite.
    """
    import onnx
    from onnxruntime.quantization import CalibrationMethod, create_calibrator

    proto = onnx.load(str(path))
    values, nodes = number_names(proto.graph)
    numbers = {name: number for number, name in values.items()}
    kind, options = METHODS[method]
    with tempfile.TemporaryDirectory(dir=path.parent if is_utf8(path) else None) as folder, quiet():
        copy = str(Path(folder, "numbered.onnx"))
        onnx.save(proto, copy)
        del proto
        # the library wants the type of every value
        onnx.shape_inference.infer_shapes_path(copy, copy)
        calibrator = create_calibrator(copy, list(operators), str(Path(folder, "calibrated.onnx")), CalibrationMethod[kind],
                                       extra_options=dict(options))  # fmt: skip
        for feed in feeds:
            calibrator.collect_data(OneBatch({numbers[name]: array for name, array in feed.items()}))
        tensors = calibrator.compute_data()
        del calibrator
        proto = onnx.load(copy)
    check_finite(tensors, values)
    # it need not infer types again
    proto.metadata_props.add(key="onnx.infer", value="onnxruntime.quant")
    return proto, Ranges(tensors, values, nodes)


def number_names(graph: Any) -> tuple[dict[str, str], dict[str, str]]:
    """Numbers the values and nodes of a graph of onnx, `v0` and `n0` being the first; gives what each was called."""
    values: dict[str, str] = {"": ""}

    def number(name: str) -> str:
        return values.setdefault(name, f"v{len(values)}") if name else ""

    nodes: dict[str, str] = {}
    for each in (*graph.input, *graph.initializer, *graph.value_info, *graph.output):
        each.name = number(each.name)
    for at, node in enumerate(graph.node):
        nodes[f"n{at}"] = node.name
        node.name = f"n{at}"
        for names in (node.input, node.output):
            names[:] = [number(name) for name in names]
    return {number: name for name, number in values.items() if name}, nodes


def check_finite(tensors: Any, values: Mapping[str, str]) -> None:
    """Raises Failure `answer-not-finite` for a value whose range is not finite: there are no 256 steps in it."""
    from math import isfinite

    # the library's own order is another each time
    for name, tensor in sorted(tensors.items(), key=lambda item: int(item[0][1:])):
        if not all(isfinite(float(end.min())) and isfinite(float(end.max())) for end in tensor.range_value):
            raise Failure("answer-not-finite", f"the value `{values[name]}` is not finite on the calibration set, so it has no range",
                          "the weights overflow float32, or an input is not finite: give trained weights, and inputs as the net takes them")  # fmt: skip


def is_utf8(path: Path) -> bool:
    """Whether a path is UTF-8, as onnx's own code needs it."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def quiet() -> Iterator[None]:
    """Inside it what the library prints, logs and warns of is not shown: standard output is for the command's own answer."""
    import io
    import logging
    import warnings
    from contextlib import redirect_stdout

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)
