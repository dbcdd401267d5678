"""What a training run ends in: its net, or the average of its ensemble, as an ONNX file in the folder of the run. And whose a run's weights are.

This stands here and not in training, which knows the compiler and no build.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..compiler.diagnostics import Failure, SpecError
from ..compiler.driver import Compilation, check
from ..compiler.limits import DEFAULT, Limits
from ..compiler.spelling import Spelling, as_keyword, as_word
from ..training.run_folder import RunFolder
from .build import BuildResult, build
from .options import BuildOptions

if TYPE_CHECKING:
    from ..compiler.ir.graph import Graph
    from ..compiler.weights.report import WeightReport
    from ..compiler.weights.source import WeightSource
    from ..training.result import TrainingResult


def build_trained(
    result: TrainingResult, checked: Compilation | None = None, *, limits: Limits = DEFAULT, spelling: Spelling = as_keyword
) -> BuildResult:  # fmt: skip
    """Builds RUN/NAME.onnx, with its proof, from what a run left there: RUN/spec.yaml and RUN/best.safetensors.

    `checked` is RUN/spec.yaml for a caller that has checked it already. Raises SpecError and Failure as a build does; the help of a Failure
    says that the training is not lost, and how to build again.
    """
    run = RunFolder(result.folder)
    checked = checked or check(str(run.spec), limits=limits)
    if checked.failed:
        raise SpecError(checked.diagnostics)
    try:
        return build(checked, BuildOptions(weights={"": run.best}, output=run.model(result.net), spelling=spelling))
    except Failure as failure:
        what = "ensemble" if result.ensemble else "net"
        again = f"the {what} is trained; archc build {as_word(run.spec)} --weights {as_word(run.best)} builds it"
        help_text = f"{failure.help}; {again}" if failure.help else again
        raise Failure(failure.code, failure.message, help_text, failure.exit_code) from failure


# what other weights than the net's own are refused by
OTHER_WEIGHTS = ("weights-misshapen", "weights-missing", "weights-unused")


def name_trained_spec(failure: Failure, options: BuildOptions) -> Failure:
    """The Failure of a checkpoint that does not fit, with the spec that it was trained by where it lies in the folder of a run."""
    places = [each for each in (options.weights or {}).values() if isinstance(each, Path)]
    if failure.code not in OTHER_WEIGHTS or len(places) != 1:
        return failure
    (weights,) = places
    run = RunFolder(weights.parent)
    if not is_as_trained(run):
        return failure
    flag = options.spelling("weights") == "--weights"
    then = f"archc build {as_word(run.spec)} --weights {as_word(weights)}" if flag else f"archc.load({str(run.spec)!r})"
    own = f"this checkpoint was trained by `{run.spec}`: {then}"
    return Failure(failure.code, failure.message, f"{own}\n{failure.help}".rstrip(), failure.exit_code)


def with_starts_of_run(report: WeightReport, source: WeightSource, graph: Graph, options: BuildOptions) -> WeightReport:
    """The report on the weights of the training graph `graph`, where they lie in the folder of a run: steps that still are what its recipe drew,
    as frozen ones, are told as untrained.

    What RUN/recipe.yaml says is only a guess at the start: numbers that equal it to the last bit prove it.
    """
    weights = (options.weights or {}).get("")
    run = RunFolder(weights.parent) if isinstance(weights, Path) else None
    if run is None or not (run.record.is_file() and run.recipe.is_file()):
        return report
    from ..compiler.weights.untouched import Start, report_untouched
    from ..training.ensemble import find_members
    from ..training.initialization import begin_params
    from ..training.recipe.read import read_recipe

    members = find_members(graph)
    try:
        recipe = read_recipe(run.recipe)
        params = graph.params() if members else begin_params(graph, recipe.init)
        for member in members:
            params |= begin_params(member.graph, recipe.init, graph, member.name)
    except (Failure, SpecError):
        # a recipe that was edited, or that of another net
        return report
    seeds = range(recipe.seed, recipe.seed + max(len(members), 1))
    return report_untouched(report, source, params, [Start(seed) for seed in seeds])


def is_as_trained(run: RunFolder) -> bool:
    """Whether a folder is a run's, whose spec is still the one that was trained."""
    try:
        trained = run.read_record().get("spec_sha256")
        graph = check(str(run.spec)).graph
    except (Failure, SpecError):
        return False
    return graph is not None and graph.sha256() == trained
