"""Loads checkpoints: one for the whole net, or one each for several steps, such as the members of an ensemble."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ..diagnostics import Failure, nearest
from ..ir.graph import Graph
from ..ir.operation import Param
from .fit import Fit, Wanted, find_fits, is_preferred
from .formats import open_checkpoint
from .input_channels import AdaptedSource, first_weights, suitable_method
from .matching import SAVE_STATE_DICT, Matching, RenamedSource, describe_not_run
from .name_map import map_names
from .names import belongs_to, enclosing_steps
from .options import READ_AS_IT_FITS, CheckpointOptions
from .report import Taken, WeightReport, report_weights
from .source import Checkpoint, KeyedStateDict, WeightSource

CheckpointsByStep = Mapping[str, Path | Checkpoint]  # "" is the whole net
MAX_LISTED = 8
MAX_PREFIX = 80  # letters of a name that are looked through for its prefixes


class LoadedWeights(NamedTuple):
    """The tensors of a whole graph, and where they come from."""

    source: WeightSource
    report: WeightReport


class NetTensors(NamedTuple):
    """What of a training graph its weights have to do with.

    `paths` are its steps and `heads` its auxiliary heads, which a checkpoint may lack; `first` are the weights that read the image,
    each with its number of channels.
    """

    params: Mapping[str, Param]
    paths: Collection[str] = ()
    heads: Collection[str] = ()
    first: Mapping[str, int] = {}

    @classmethod
    def of(cls, graph: Graph) -> NetTensors:
        heads = [head.path for head in graph.heads]
        return cls(graph.params(), {node.path for node in graph.nodes}, heads, first_weights(graph))


def load_checkpoints(checkpoints: CheckpointsByStep, net: NetTensors, fallback: WeightSource,
                     options: CheckpointOptions = READ_AS_IT_FITS) -> LoadedWeights:  # fmt: skip
    """The tensors of a net: those inside a checkpoint's step come from it, all others from `fallback`.

    A file that serves several steps is opened once. Raises Failure where a checkpoint does not fit, or an option names what there
    is not.
    """
    checkpoints = as_one_checkpoint(checkpoints, net, options)
    check_steps(checkpoints, net.params, net.paths, options)
    opened = {file: open_checkpoint(file) for file in checkpoints.values() if isinstance(file, Path)}
    matchings = [match_checkpoint(opened[file] if isinstance(file, Path) else file, net, step, options)
                 for step, file in checkpoints.items()]  # fmt: skip
    check_skipped(options, {*net.paths, *net.params}, matchings)
    if options.names:
        options.names.check_used(net.params, options.spelling("weights_map"))
    merged, loaded, unused, left_out = fallback, set[str](), list[str](), set[str]()
    for matching in matchings:
        matching.check()
        merged = RenamedSource(adapted_source(matching), matching.fit.original_names, merged)
        loaded |= matching.fit.original_names.keys()
        unused += [name for names in matching.unused() for name in names]
        left_out |= matching.left_out()
    report = report_weights(
        describe_checkpoints(checkpoints), net.params, loaded, tuple(unused), options.skip, left_out
    )
    not_run = {each.name: each.unknown for each in opened.values() if each.unknown}
    return LoadedWeights(
        merged, report._replace(taken=tuple(matching.taken for matching in matchings), not_run=not_run)
    )


def match_checkpoint(checkpoint: Checkpoint, net: NetTensors, step: str, options: CheckpointOptions) -> Matching:
    """What a checkpoint has for the step `step`, not yet checked. Raises Failure as choose_fits does."""
    prefix = f"{step}." if step else ""
    inside = [tensor for tensor in net.params if tensor.startswith(prefix) and not belongs_to(tensor, options.skip)]
    theirs = {tensor: name.removeprefix(prefix) for tensor, name in map_names(inside, options.names).items()}
    # a net with a grey and a wide image wants both ways, and names one
    adaptable = net.first if options.input in {suitable_method(each) for each in net.first.values()} else ()
    wanted = Wanted(theirs, net.params, net.heads, adaptable)
    best, *others = choose_fits(checkpoint, wanted, step, options)
    also = tuple(dict.fromkeys(other.place for other in others if other.whole and best.whole))
    passed_over = tuple(each.shortcoming for each in others if best.whole and is_preferred(each, best, wanted))
    taken = Taken(checkpoint.name, step, best.state_dict.key, best.prefix, also, passed_over)
    return Matching(best, wanted, taken, options, net.first, checkpoint.unknown)


def as_one_checkpoint(checkpoints: CheckpointsByStep, net: NetTensors, options: CheckpointOptions) -> CheckpointsByStep:
    """Checkpoints by step; one for the whole net where the keys are no steps, but those of what torch.load gives: {"model": …}.

    A key may be both, in a net with a step `model`: what fits the whole net is taken for it.
    """
    opened = {key: each for key, each in checkpoints.items() if isinstance(each, Checkpoint)}
    if not opened or "" in checkpoints:
        return checkpoints
    inside = [
        each._replace(key=f"{key}.{each.key}".removesuffix("."))
        for key, one in opened.items()
        for each in one.state_dicts
    ]
    whole = next(iter(opened.values()))._replace(state_dicts=tuple(inside))
    steps = {*net.params, *net.paths, *steps_around({*net.params, *net.paths})}
    by_step = any(key in steps or nearest(key, steps) for key in checkpoints)
    if by_step and not (inside and match_checkpoint(whole, net, "", options).fit.whole):
        return checkpoints
    return {"": whole}


def choose_fits(checkpoint: Checkpoint, wanted: Wanted, step: str, options: CheckpointOptions) -> list[Fit]:
    """How the state dicts of a checkpoint fit, the best first; those alone that the options choose.

    Raises Failure where there is no state dict, or none under the key or with the prefix.
    """
    if not checkpoint.state_dicts:
        raise Failure("weights-missing", f"{checkpoint.name} has no tensors by name. It holds: {checkpoint.holds}",
                      SAVE_STATE_DICT + describe_not_run(checkpoint.unknown))  # fmt: skip
    if options.key is not None:
        checkpoint = checkpoint._replace(state_dicts=under_key(checkpoint, options))
    prefix = None if options.prefix is None else existing_prefix(checkpoint, options)
    return find_fits(checkpoint, wanted, prefix, step)


def under_key(checkpoint: Checkpoint, options: CheckpointOptions) -> tuple[KeyedStateDict, ...]:
    """The state dicts that the user's key means: the one of that key, else those inside it, else those whose key ends so.

    "." is the top. Raises Failure (usage) where there is none.
    """
    key = options.key or "."
    wanted = "" if key == "." else key
    for meant in (re.escape(wanted), re.escape(wanted) + r"\..*", r".*\." + re.escape(wanted)):
        if found := tuple(each for each in checkpoint.state_dicts if re.fullmatch(meant, each.key)):
            return found
    keys = [each.key or "." for each in checkpoint.state_dicts]
    near = nearest(key, keys)
    hint = f"did you mean `{near}`?" if near else "it has " + ", ".join(f"`{each}`" for each in keys[:MAX_LISTED])
    raise Failure("no-such-key", f"{checkpoint.name} has no tensors under `{key}`", hint, 2)


def existing_prefix(checkpoint: Checkpoint, options: CheckpointOptions) -> str:
    """The user's prefix, with the dot at its end that may be left out. Raises Failure (usage) where no name begins with it."""
    asked = options.prefix or ""
    names = [name for each in checkpoint.state_dicts for name in each.source.names()]
    for prefix in dict.fromkeys((f"{asked.removesuffix('.')}." if asked else "", asked)):
        ends = not prefix[-1:].isalnum()  # `modul` is no prefix of `module.conv1`
        if ends and any(name.startswith(prefix) for name in names):
            return prefix
    known = dict.fromkeys(
        name[: at + 1] for name in names for at, letter in enumerate(name[:MAX_PREFIX]) if letter == "."
    )
    near = nearest(asked, [prefix.removesuffix(".") for prefix in known])
    some = ", ".join(f"`{name[:60]}`" for name in names[:3])
    hint = f"did you mean `{near}`?" if near else f"its names are as {some}"
    raise Failure("no-such-key", f"no tensor of {checkpoint.name} begins with `{asked}`", hint, 2)


def adapted_source(matching: Matching) -> WeightSource:
    """The checkpoint's tensors, with first layers as the graph's number of channels wants them."""
    fit, params = matching.fit, matching.params
    shapes = {tensor: tuple(fit.state_dict.source.shape(original)) for tensor, original in fit.original_names.items()}
    adapted = {fit.original_names[tensor]: matching.first[tensor] for tensor, shape in shapes.items()
               if shape != params[tensor].shape}  # fmt: skip
    return AdaptedSource(fit.state_dict.source, adapted) if adapted else fit.state_dict.source


def check_skipped(options: CheckpointOptions, names: Collection[str], matchings: Iterable[Matching]) -> None:
    """Raises Failure unless each step that is left out is in the net or in a checkpoint; `names` are the net's steps and tensors."""
    if not options.skip:
        return
    theirs = {name for matching in matchings for each in matching.unused() for name in each}
    known = {*names, *theirs, *steps_around(names), *steps_around(theirs)}
    ours = {options.names.theirs(each): each for each in {*names, *steps_around(names)}} if options.names else {}
    for step in options.skip:
        if step not in known and step in ours:
            raise Failure("no-such-step", f"{options.spelling('weights_skip', (step,))}: the net has no step `{step}`",
                          f"the map says that it is `{ours[step]}` in the net: leave that out", 2)  # fmt: skip
        if step not in known:
            raise no_such_step(options.spelling("weights_skip", (step,)), step, known)


def check_steps(
    checkpoints: CheckpointsByStep, params: Collection[str], paths: Collection[str], options: CheckpointOptions
) -> None:
    """Raises Failure unless every step that gets a checkpoint exists, has tensors, and lies in no other such step."""
    known = steps_around(params)
    for step, file in checkpoints.items():
        option = f"{options.spelling('weights')} for {file.name}"
        if step and step not in known:
            if belongs_to(step, paths) or any(belongs_to(path, [step]) for path in paths):
                raise Failure("no-such-step", f"{option}: the step `{step}` has no weights", exit_code=2)
            raise no_such_step(option, step, known)
        around = next(
            (other for other in checkpoints if other != step and (not other or belongs_to(step, [other]))), None
        )
        if around is not None:
            outer = checkpoints[around].name
            both = f"{around}={outer}" if around else outer
            raise Failure("weights-overlap", f"two checkpoints for `{step}`: {both} and {step}={file.name}",
                          "give one file for the whole net, or STEP=FILE for steps of which none lies in another", 2)  # fmt: skip


def steps_around(names: Iterable[str]) -> set[str]:
    """All steps that the tensors or steps `names` lie in."""
    return {step for name in names for step in enclosing_steps(name)}


def no_such_step(option: str, step: str, known: Collection[str]) -> Failure:
    """The Failure of an `option` that names a step which is not among the `known`; it suggests the nearest."""
    near = nearest(step, known)
    hint = f"did you mean `{near}`?" if near else "`archc show SPEC` tells the steps of a net"
    return Failure("no-such-step", f"{option}: the net has no step `{step}`", hint, 2)


def describe_checkpoints(checkpoints: CheckpointsByStep) -> str:
    """The checkpoints by name, each with its steps: `a.pth (member0, member1), b.pth (member2)`."""
    steps: dict[str, list[str]] = {}
    for step, file in checkpoints.items():
        steps.setdefault(file.name, []).append(step)
    return ", ".join(f"{name} ({', '.join(each)})" if each != [""] else name for name, each in steps.items())
