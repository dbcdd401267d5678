"""What a training run ends in: its net, or the average of its ensemble, as an ONNX file in the folder of the run.

This stands here and not in training, which knows the compiler and no build.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..compiler.diagnostics import Failure, SpecError
from ..compiler.driver import Compilation, check
from ..compiler.limits import DEFAULT, Limits
from ..compiler.spelling import Spelling, as_keyword, as_word
from ..training.run_folder import RunFolder
from .build import BuildResult, build
from .options import BuildOptions

if TYPE_CHECKING:
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
