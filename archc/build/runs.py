"""What the folder of a training run tells of a checkpoint that lies in it: the spec that it was trained by, and how its tensors began.

Only weights that are given ask for it, so that a build without any does without these modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiler.diagnostics import Failure, SpecError
from ..compiler.driver import check
from ..compiler.spelling import as_flag, as_word
from ..compiler.weights.matching import ANOTHER_NET
from ..training.run_folder import RunFolder, run_of
from .options import BuildOptions

if TYPE_CHECKING:
    from ..compiler.ir.graph import Graph
    from ..compiler.weights.report import WeightReport
    from ..compiler.weights.source import WeightSource

# the codes by which weights are refused that are another net's
OTHER_WEIGHTS = ("weights-misshapen", "weights-missing", "weights-unused")


def name_trained_spec(failure: Failure, options: BuildOptions) -> Failure:
    """The Failure of a checkpoint that does not fit, with the spec of the run in whose folder it lies."""
    weights = (options.weights or {}).get("")
    run = run_of(weights)
    if run is None or failure.code not in OTHER_WEIGHTS or not is_as_trained(run):
        return failure
    in_shell = options.spelling is as_flag
    then = f"archc build {as_word(run.spec)} --weights {as_word(str(weights))}" if in_shell else f"archc.load({str(run.spec)!r})"  # fmt: skip
    # whose it is need not be asked any more
    rest = failure.help.replace(ANOTHER_NET, "").strip()
    help = f"this checkpoint was trained by `{run.spec}`: {then}\n{rest}".rstrip()
    return Failure(failure.code, failure.message, help, failure.exit_code)


def is_as_trained(run: RunFolder) -> bool:
    """Whether the spec in the folder of a run is still the one that was trained."""
    try:
        trained = run.read_record().get("spec_sha256")
        graph = check(str(run.spec)).graph
    except (Failure, SpecError):
        return False
    return graph is not None and graph.sha256() == trained


def report_left_steps(report: WeightReport, source: WeightSource, graph: Graph, options: BuildOptions) -> WeightReport:
    """The report on the weights of the training graph `graph`. Steps that a run left as they began, as frozen ones, are told as untrained.

    What RUN/recipe.yaml says is only a guess at the start: numbers that equal it to the last bit prove it.
    """
    run = run_of((options.weights or {}).get(""))
    if run is None or not run.recipe.is_file():
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
