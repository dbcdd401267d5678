"""What costs more to know of a net, and is worked out when it is asked for: memory as it runs and in training, sizes, paths."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING, Any, NamedTuple

from .costs import PRECISION_NAMES, CostDetails, CostReport
from .tables import format_bytes

if TYPE_CHECKING:
    from ..compiler.analysis.input_limits import AxisLimits
    from ..compiler.analysis.training_memory import TrainingMemory

MOST_PATHS = 2**53  # that are told to the unit


class Training(NamedTuple):
    """The memory of a training step with an optimiser, and what of it there is once and for each image."""

    memory: TrainingMemory
    optimizer: str
    fixed_bytes: int
    image_bytes: int

    @property
    def optimizer_name(self) -> str:
        """The optimiser as the command line names it."""
        return self.optimizer.replace("_", "-")

    @property
    def total(self) -> int:
        return self.memory.total(self.optimizer)


def detail_rows(found: CostDetails, report: CostReport) -> list[tuple[str, str]]:
    """The rows that stand below the net's numbers."""
    rows: list[tuple[str, str]] = []
    if found.peaks:
        number = PRECISION_NAMES[report.precision]
        for name, peak in zip(("peak of a run", "  in place"), found.peaks, strict=True):
            at = f" at `{peak.path}`" if peak.path else ""
            rows.append((name, f"{format_bytes(scale(peak.bytes, report))} in {number}{at}"))
        rows.append(("parameters in memory", format_bytes(report.cost.params.without_aux * report.element_bytes)))
    if found.training:
        memory, optimizer = found.training.memory, found.training.optimizer
        images = f"{memory.batch:,} image{'s' * (memory.batch != 1)}"
        rows += [
            (f"training on {images}", f"{format_bytes(found.training.total)} in float32"),
            ("  parameters, buffers", format_bytes(memory.weights)),
            ("  gradients", format_bytes(memory.gradients)),
            (f"  state of {found.training.optimizer_name}", format_bytes(memory.optimizer_bytes(optimizer))),
            ("  kept activations", format_bytes(memory.activations)),
        ]
    if found.sizes:
        height, width = (describe_axis(axis) for axis in found.sizes)
        same = found.sizes.height[:4] == found.sizes.width[:4]
        rows += (
            [("sizes that fit", f"H, W {height}")]
            if same
            else [("heights that fit", height), ("widths that fit", width)]
        )
    if found.paths:
        rows += [
            ("paths", f"{describe_count(found.paths.paths)} from input to output"),
            (
                "  depth of a path",
                f"{found.paths.shortest:,} to {found.paths.longest:,}, {found.paths.mean:,.1f} on average",
            ),
        ]
    return rows


def scale(count: int, report: CostReport) -> int:
    """Bytes of float32 in the report's precision."""
    return count * report.element_bytes // 4


def describe_axis(axis: AxisLimits) -> str:
    """The sizes of an axis: `≥ 75; at 74 `pool`: its window does not fit`."""
    if axis.step == 0:
        text = f"= {axis.smallest:,} only"
    elif axis.largest is not None:
        text = f"{axis.smallest:,} to {axis.largest:,}"
    else:
        text = f"≥ {axis.smallest:,}"
    if axis.step is None:
        text += ", with gaps"
    elif axis.step > 1:
        text += f" in steps of {axis.step:,}"
    return text + (f"; at {axis.smallest - 1:,} `{axis.breaks_at}`: {axis.reason}" if axis.breaks_at else "")


def describe_count(count: int) -> str:
    """A count; a very large one to three digits."""
    if count <= MOST_PATHS:
        return f"{count:,}"
    power = int(log10(count))
    return f"{count // 10 ** (power - 2) / 100:.2f}·10^{power}"


def details_document(found: CostDetails, report: CostReport) -> dict[str, Any]:
    """The same for `--format json`."""
    document: dict[str, Any] = {}
    if found.peaks:
        run, in_place = found.peaks
        document["memory"] = {
            "param_bytes": report.cost.params.without_aux * report.element_bytes,
            "peak_bytes": scale(run.bytes, report),
            "peak_at": run.path,
            "peak_in_place_bytes": scale(in_place.bytes, report),
            "peak_in_place_at": in_place.path,
        }
    if found.training:
        memory, optimizer = found.training.memory, found.training.optimizer
        document["training"] = {
            "optimizer": found.training.optimizer_name,
            "weight_bytes": memory.weights,
            "gradient_bytes": memory.gradients,
            "optimizer_bytes": memory.optimizer_bytes(optimizer),
            "activation_bytes": memory.activations,
            "total_bytes": found.training.total,
        }
    if found.sizes:
        document["sizes"] = {"height": found.sizes.height._asdict(), "width": found.sizes.width._asdict()}
    if found.paths:
        count = found.paths.paths
        exact = count if count <= MOST_PATHS else None
        document["paths"] = found.paths._asdict() | {"paths": exact, "log10_paths": log10(count) if count else None}
    return document


def detail_cells(found: CostDetails, report: CostReport) -> dict[str, Any]:
    """The same for a row of a csv."""
    cells: dict[str, Any] = {}
    for name, part in details_document(found, report).items():
        for key, value in part.items():
            if isinstance(value, dict):
                cells |= {f"{name}_{key}_{inner}": each for inner, each in value.items()}
            else:
                cells[key if name == "memory" else f"{name}_{key}"] = value
    return cells


def compared_details(found: CostDetails, report: CostReport) -> dict[str, str]:
    """The same for a row of a table of several nets."""
    cells: dict[str, str] = {}
    if found.peaks:
        cells |= {"peak of a run": format_bytes(scale(found.peaks[0].bytes, report)),
                  "in place": format_bytes(scale(found.peaks[1].bytes, report))}  # fmt: skip
    if found.training:
        cells[f"training, {found.training.optimizer_name}"] = format_bytes(found.training.total)
    if found.sizes:
        sides = [describe_axis(axis._replace(breaks_at="")) for axis in found.sizes]
        cells["sizes that fit"] = sides[0] if sides[0] == sides[1] else " × ".join(sides)
    if found.paths:
        cells |= {"paths": describe_count(found.paths.paths), "mean depth": f"{found.paths.mean:,.1f}"}
    return cells
