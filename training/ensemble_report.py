"""How well the average of an ensemble does beside each of its members: on the same pictures, in one pass over them; and RUN/report.html of all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..compiler.counts import count_of
from ..compiler.diagnostics import Failure
from ..compiler.weights.loading import NetTensors, load_checkpoints
from ..compiler.weights.options import READ_AS_IT_FITS
from ..runtime.faults import RuntimeFault
from .checkpoint.progress import Best
from .data.worker_faults import worker_faults
from .devices import local_processes
from .ensemble import Member, result_of, with_members
from .losses import ClassOutput, class_output
from .measures import Measures
from .memory import batch_of_process, is_out_of_memory
from .prepare import PreparedNet, TrainingRequest
from .result import EnsembleMeasures, MemberMeasures
from .run_folder import RunFolder
from .run_report import list_versions
from .validation import add_batches, measure_batch, read_measures
from .watching import RunEnd

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor, nn

    from ..compiler.ir.graph import Graph
    from ..runtime.evaluation import ClassificationReport


class Measured(NamedTuple):
    """What one pass over the validation pictures gives: measures of each member, of the average, and the answers of the average. Nothing
    without such pictures."""

    members: Sequence[Measures | None] = ()
    average: Measures | None = None
    evaluation: ClassificationReport | None = None


def report_ensemble(request: TrainingRequest, net: PreparedNet, fabric: Fabric, members: Sequence[Member],
                    bests: Sequence[Best | None]) -> tuple[EnsembleMeasures, list[str]]:  # fmt: skip
    """Measures the members of RUN/best.safetensors and their average on the validation pictures, and writes RUN/report.html; gives remarks, too.

    The first process alone calls it. Raises Failure where pictures or weights cannot be read.
    """
    folder, notes, measured = RunFolder(request.output), [], Measured()
    if net.data.val is not None:
        request.tell(
            f"measuring {count_of(len(members), 'member')} and their average on {count_of(len(net.data.val), 'picture')}"
        )
        try:
            measured = measure_ensemble(request, net, fabric, members)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            notes.append(
                "the average was not measured, as all members at once do not fit in memory: `archc eval` measures the built model"
            )
    each_measured = measured.members or [None] * len(members)
    found = tuple(
        MemberMeasures(member.name, folder.member(member.name).path, best, measures)
        for member, best, measures in zip(members, bests, each_measured, strict=True)
    )
    ensemble = EnsembleMeasures(found, measured.average, len(net.data.classes))
    return ensemble, [*notes, *write_page(request, net, ensemble, measured.evaluation, str(fabric.device), RunEnd())]


def report_early_end(request: TrainingRequest, net: PreparedNet, fabric: Fabric, members: Sequence[Member], bests: Sequence[Best | None],
                     end: RunEnd) -> list[str]:  # fmt: skip
    """Writes RUN/report.html of an ensemble that ended before its time, with what there is: `bests` of the members that were trained so far.
    The first process alone calls it. Gives remarks."""
    folder = RunFolder(request.output)
    known = [*bests, *[None] * (len(members) - len(bests))]
    found = tuple(
        MemberMeasures(member.name, folder.member(member.name).path, best, None)
        for member, best in zip(members, known, strict=True)
    )
    return write_page(request, net, EnsembleMeasures(found, None, len(net.data.classes)), None, str(fabric.device), end)


def measure_ensemble(request: TrainingRequest, net: PreparedNet, fabric: Fabric, members: Sequence[Member]) -> Measured:
    """The measures of the members and of their average, in float32."""
    from .data.loader import ValidationLoader, share_workers
    from .report.evaluation import evaluate_module

    recipe, val, world = request.recipe, net.data.val, fabric.world_size
    graph = with_members(net.graph, members)
    average = class_output(graph)
    outputs = [*(ClassOutput(result_of(each), average.classes, average.probable) for each in members), average]
    sums: list[list[Tensor]] = [[] for _ in outputs]

    def see(results: Any, targets: Tensor) -> None:
        for own, output in zip(sums, outputs, strict=True):
            own.append(measure_batch(results, targets, output))

    module = load_module(graph, RunFolder(request.output).best, recipe.seed).to(fabric.device)
    # all members at once take no more for a batch than one of them did in training
    batch = max(batch_of_process(recipe, world) // len(members), 1)
    workers = share_workers(recipe.data.workers, local_processes(world))
    with worker_faults(), closing(ValidationLoader(val, net.how, batch, workers)) as batches:  # type: ignore[arg-type]
        evaluation = evaluate_module(module, batches, val, average, net.data.classes, model=net.checked.name,
                                     place=recipe.data.val or recipe.data.train, matched=net.data.how, see=see)  # fmt: skip
    *each, whole = (read_measures(add_batches(own)) for own in sums)
    return Measured(each, whole, evaluation)


def load_module(graph: Graph, weights: Path, seed: int) -> nn.Module:
    """The graph as a torch module with the weights of a best.safetensors. Raises Failure where they do not fit."""
    from ..compiler.backends.torch.module import to_torch
    from ..compiler.weights.seeded import SeededSource

    start = SeededSource(graph.params(), seed)
    return to_torch(graph, load_checkpoints({"": weights}, NetTensors.of(graph), start, READ_AS_IT_FITS).source, seed)


def write_page(request: TrainingRequest, net: PreparedNet, ensemble: EnsembleMeasures, evaluation: ClassificationReport | None,
               device: str, end: RunEnd) -> list[str]:  # fmt: skip
    """Writes RUN/report.html; gives remarks. One that cannot be written costs no run: that is said."""
    from .report.ensemble_page import EnsembleRecord
    from .report.write import write_ensemble

    data = net.data
    reports = frozenset(each.name for each in ensemble.members if RunFolder(each.folder).report.is_file())
    try:
        write_ensemble(RunFolder(request.output), EnsembleRecord(
            net.checked.name, request.recipe, device, data.classes, len(data.train), ensemble, reports, evaluation, list_versions(device.partition(":")[0]), end
        ))  # fmt: skip
    except (Failure, RuntimeFault) as fault:
        return [f"there is no report.html: {fault.message}"]
    return []
