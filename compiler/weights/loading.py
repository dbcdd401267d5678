"""Which checkpoint is for which steps: one for the whole net, or one for each member of an ensemble."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from ..diagnostics import Failure, nearest
from ..ir.operation import Param
from .formats import open_checkpoint
from .matching import Matched, Renamed, named, pair, report
from .names import scopes, under
from .source import WeightSource

Given = Mapping[str, Path | WeightSource]  # by step; "" is the whole net


def load(given: Given, params: Mapping[str, Param], fallback: WeightSource, *, paths: Collection[str],
         optional: Collection[str] = (), skip: Collection[str] = ()) -> Matched:  # fmt: skip
    """The tensors of a graph with steps `paths`: each checkpoint's under its step, all others from `fallback`.

    A file that serves several steps is opened once. Raises Failure before anything is taken from any of them.
    """
    check_steps(given, params, paths)
    opened = {file: open_checkpoint(file) for file in given.values() if isinstance(file, Path)}
    checkpoints = {step: opened[file] if isinstance(file, Path) else file for step, file in given.items()}
    found = {step: named(checkpoint, params, step) for step, checkpoint in checkpoints.items()}
    check_skipped(skip, {*paths, *params}.union(*found.values()))
    source, loaded, unused = fallback, set[str](), list[str]()
    for step, checkpoint in checkpoints.items():
        name = called(given[step])
        pairs, over = pair(checkpoint, found[step], params, name=name, at=step, optional=optional, skip=skip)
        source = Renamed(checkpoint, pairs, source)
        loaded |= pairs.keys()
        unused += over
    return Matched(source, report(sources(given), params, loaded, tuple(unused), skip))


def check_skipped(skip: Collection[str], names: Collection[str]) -> None:
    """Every step that is to be left out is one of the net or of a checkpoint."""
    if skip:
        steps = {*names, *(scope for name in names for scope in scopes(name))}
        for step in skip:
            if step not in steps:
                raise no_such_step(f"--weights-skip {step}", step, steps)


def check_steps(given: Given, params: Collection[str], paths: Collection[str]) -> None:
    """Every step is there, has tensors, and gets one checkpoint."""
    steps = {scope for name in params for scope in scopes(name)}
    for step, file in given.items():
        if step and step not in steps:
            if under(step, paths) or any(under(path, [step]) for path in paths):
                raise Failure(
                    "no-such-step", f"--weights {step}={called(file)}: the step `{step}` has no weights", exit_code=2
                )
            raise no_such_step(f"--weights {step}={called(file)}", step, steps)
        around = next((other for other in given if other != step and (not other or under(step, [other]))), None)
        if around is not None:
            both = f"{around}={called(given[around])}" if around else called(given[around])
            raise Failure("weights-overlap", f"two checkpoints for `{step}`: {both} and {step}={called(file)}",
                          "give one file for the whole net, or STEP=FILE for steps of which none lies in another", 2)  # fmt: skip


def no_such_step(where: str, step: str, known: Collection[str]) -> Failure:
    near = nearest(step, known)
    hint = f"did you mean `{near}`?" if near else "`archc show SPEC` tells the steps of a net"
    return Failure("no-such-step", f"{where}: the net has no step `{step}`", hint, 2)


def called(file: Path | WeightSource) -> str:
    return file.name if isinstance(file, Path) else "the given state dict"


def sources(given: Given) -> str:
    """The checkpoints by name, each with its steps: `a.pth (member0, member1), b.pth (member2)`."""
    steps: dict[str, list[str]] = {}
    for step, file in given.items():
        steps.setdefault(called(file), []).append(step)
    return ", ".join(f"{name} ({', '.join(each)})" if each != [""] else name for name, each in steps.items())
