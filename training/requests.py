"""What is asked for, made into a TrainingRequest: which recipe, whose settings, which pictures, which weights."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..compiler.counts import count_of
from ..compiler.diagnostics import Failure, SpecError
from ..compiler.driver import check
from ..compiler.limits import DEFAULT, Limits
from ..compiler.sources import Memory, SpecText, find_spec
from ..compiler.spelling import as_word
from .devices import global_rank
from .prepare import TrainingRequest
from .recipe.find import recipe_for, refuse_swapped
from .recipe.given import plain_recipe, refuse_other
from .recipe.read import check_recipe, read_recipe
from .recipe.recipe import Recipe
from .recipe.settings import split_settings
from .recipe.write import to_yaml
from .run_folder import MEMBERS, RunFolder
from .schedules import SCHEDULES
from .start_weights import FROM_SEED, StartWeights
from .watching import Watcher

RecipeGiven = Recipe | str | os.PathLike[str] | None


def ignore(text: str) -> None:
    """Tells nobody."""


def plan_request(
    spec: str, recipe: RecipeGiven, output: Path | None, *, data: Any = None, params: Mapping[str, Any] | None = None, settings: Sequence[str] = (),
    epochs: int | None = None, start: StartWeights = FROM_SEED, device: str = "auto", limits: Limits = DEFAULT,
    watchers: Sequence[Watcher] = (), tell: Callable[[str], None] = ignore,
) -> TrainingRequest:  # fmt: skip
    """The request for a new run. Raises SpecError for a wrong spec or recipe, Failure (usage) for what does not fit together.

    `output` is None for a rehearsal, which writes nothing.
    """
    settings = one_or_more(settings, "settings")
    # before anything takes long; the first process alone looks, as it may write there before another looks
    if output is not None and global_rank() == 0:
        RunFolder(output).check_new()
    if isinstance(recipe, (str, os.PathLike)):
        refuse_swapped(spec, os.fspath(recipe))
    if spec == recipe == "-":
        raise Failure(
            "usage", "the spec and the recipe cannot both come from standard input", "give one of them as a file", 2
        )
    # standard input is read once, and a spec is checked twice: without the number of classes, and with it
    text = find_spec(spec) if spec == "-" else spec
    of_spec = settings
    of_recipe: tuple[str, ...] = ()
    if settings:
        checked = check(text, limits=limits)
        if checked.document is None:
            raise SpecError(checked.diagnostics)
        of_recipe, of_spec = split_settings(settings, checked.document.params)
    # checked as any setting is: a warm-up may be too long for them
    of_recipe = (*of_recipe, *epochs_setting(epochs))
    found = choose_recipe(spec, recipe, of_recipe, limits, tell)
    where = data if data is not None else folder_of(found)
    return TrainingRequest(text, found, output or Path(), where, of_spec, start, device, False, limits, watchers, tell,
                           params=params or {})  # fmt: skip


def one_or_more(words: str | Sequence[str], name: str) -> tuple[str, ...]:
    """The words of an argument `name`; a string is one. Raises Failure `wrong-type` for what is none."""
    found = (words,) if isinstance(words, str) else tuple(words)
    if odd := [each for each in found if not isinstance(each, str)]:
        raise Failure("wrong-type", f"{name}: {ascii(odd[0])[:80]} is no string", 'settings are as "batch=64"' if name == "settings" else "", 2)  # fmt: skip
    return found


def plan_resume(
    output: Path, *, data: Any = None, epochs: int | None = None, device: str = "auto", limits: Limits = DEFAULT,
    watchers: Sequence[Watcher] = (), tell: Callable[[str], None] = ignore,
) -> TrainingRequest:  # fmt: skip
    """The request to go on with the run in `output`. Raises Failure where there is none, or it cannot become longer."""
    folder = RunFolder(output)
    refuse_member(output)
    record = folder.read_record()
    folder.check_texts()
    refuse_length(read_recipe(folder.recipe), epochs, output)
    recipe = read_recipe(folder.recipe, epochs_setting(epochs))
    where = data if data is not None else record.get("data")
    if where is None:
        raise Failure("no-pictures", f"`{folder.record}` does not say where the pictures are: they were given in memory", "give --data DIR", 2)  # fmt: skip
    if data is None and not Path(where).exists():
        raise Failure("no-pictures", f"`{where}`, where the run's pictures were, is not there", f"say where they are now: archc train --resume {as_word(output)} --data DIR", 2)  # fmt: skip
    return TrainingRequest(str(folder.spec), recipe, output, where if data is not None else Path(where), (), FROM_SEED, device, True,
                           limits, watchers, tell)  # fmt: skip


def refuse_member(output: Path) -> None:
    """Raises Failure `no-such-run` for the folder of an ensemble's member, which has no spec of its own and goes on with the whole."""
    # the folder may be given as `.`
    place = output if output.parent.name == MEMBERS else output.absolute()
    folder = RunFolder(place)
    if place.parent.name == MEMBERS and folder.ensemble.record.is_file() and not folder.spec.exists():
        whole = folder.ensemble.path
        raise Failure("no-such-run", f"`{output}` is a member of the ensemble in `{whole}`, and goes on with it",
                      f"archc train --resume {as_word(whole)}", 2)  # fmt: skip


def epochs_setting(epochs: int | None) -> tuple[str, ...]:
    """`--epochs` as the setting that it is."""
    return () if epochs is None else (f"epochs={epochs}",)


def refuse_length(recipe: Recipe, epochs: int | None, run: Path) -> None:
    """Raises Failure `cannot-extend` where `run` by `recipe` cannot go on to so many epochs: its schedule depends on the length, or it is less."""
    if epochs is None or epochs == recipe.epochs:
        return
    if recipe.epochs is None:
        raise Failure("cannot-extend", f"the recipe counts steps ({recipe.steps:,}), not epochs", f"begin a new run with --weights {as_word(RunFolder(run).best)}", 2)  # fmt: skip
    if epochs < recipe.epochs:
        raise Failure(
            "cannot-extend",
            f"the run has {count_of(recipe.epochs, 'epoch')}, and --epochs {epochs} is less",
            f"give more, or leave it out; its best weights so far can be built as they are: archc build {as_word(RunFolder(run).spec)} --weights {as_word(RunFolder(run).best)}",
            2,
        )
    if SCHEDULES[recipe.schedule.name].spans_run:
        raise Failure("cannot-extend", f"the schedule `{recipe.schedule.name}` spans the whole run: with {count_of(epochs, 'epoch')} each step so far would have "
                      "had another learning rate", f"begin a new run with --weights {as_word(RunFolder(run).best)}", 2)  # fmt: skip


def choose_recipe(
    spec: str, recipe: RecipeGiven, settings: Sequence[str], limits: Limits, tell: Callable[[str], None]
) -> Recipe:
    """The recipe as it is given, or the bundled one of a bundled net, which is said."""
    if isinstance(recipe, Recipe):
        # read as a file would be: what it leaves out gets its defaults, and a wrong value is told
        recipe = plain_recipe(recipe)
        text, name = to_yaml(with_one_interval(recipe)).encode(), str(recipe.name)
        found = read_recipe(SpecText(Memory({name: text}), name, text, f"{name} (a Recipe)"), settings, limits=limits)
        return replace(found, name=name, origin=recipe.origin)
    if recipe is not None:
        refuse_other(recipe, (Recipe, str, os.PathLike), "recipe")
        return read_and_tell(os.fspath(recipe), settings, limits, tell)
    own = None if Path(spec).exists() else recipe_for(spec)
    if own is None:
        # a spec that is not there is told first
        check(spec, limits=limits)
        raise Failure("no-such-recipe", f"there is no bundled recipe for `{spec}`",
                      "name one: archc train SPEC RECIPE; `archc list --recipes` shows those that there are", 2)  # fmt: skip
    tell(f"using the bundled recipe {own.bundled}")
    return read_and_tell(own, settings, limits, tell)


def read_and_tell(
    recipe: str | SpecText, settings: Sequence[str], limits: Limits, tell: Callable[[str], None]
) -> Recipe:
    """A recipe, whose warnings are told: what has no effect in it, or not the one that is meant. Raises as `read_recipe` does."""
    found = check_recipe(recipe, settings, limits=limits)
    if found.recipe is None:
        raise SpecError(found.diagnostics)
    for each in found.diagnostics:
        place = f"{each.span.short}: " if each.span else ""
        tell(f"warning[{each.code}]: {place}{each.message} ({each.help})")
    return found.recipe


def with_one_interval(recipe: Recipe) -> Recipe:
    """The recipe, whose checkpoints come after so many steps or so many epochs, and not both."""
    kept = recipe.checkpoint
    return recipe if kept.every_steps is None else replace(recipe, checkpoint=replace(kept, every_epochs=None))


def folder_of(recipe: Recipe) -> Path:
    """Where a recipe's paths begin without --data: its own folder. Raises Failure where it is a bundled one, which has no pictures."""
    origin = Path(recipe.origin)
    if not recipe.origin or not origin.is_file():
        raise Failure(
            "no-pictures", f"the recipe `{recipe.name}` does not say where the pictures are", "give --data DIR", 2
        )
    return origin.parent
