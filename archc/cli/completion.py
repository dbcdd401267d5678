"""What a shell offers for an argument: names that archc has, and files. Click asks; each answer is in place within a keystroke.

A completion never prints and never fails: where something is wrong it offers nothing, and the command itself will say what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import click

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def offer(candidates: Callable[[], Iterable[str]]) -> Complete:
    """A completion from names; `candidates` is called when a shell asks, so that no command pays for it."""

    def complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        found: list[str] = []
        with suppress(Exception):
            found = sorted(name for name in candidates() if name.startswith(incomplete))
        return found

    return complete


def spec_names() -> Iterable[str]:
    """The bundled specs."""
    from ..compiler.sources import zoo

    return zoo()


def family_names() -> Iterable[str]:
    """The families of bundled specs."""
    from ..compiler.sources import zoo

    return {path.parent.name for path in zoo().values()}


def pass_names() -> Iterable[str]:
    """The passes, in their order."""
    from ..compiler.passes import PIPELINE

    return [each.name for each in PIPELINE]


def op_names() -> Iterable[str]:
    """The operations that a spec can name."""
    from ..catalog import public_ops

    return [op.name for op in public_ops()]


def device_names() -> Iterable[str]:
    """The devices, `auto` among them."""
    from ..runtime.devices import device_names

    return device_names()


def diagnostic_codes() -> Iterable[str]:
    """The codes that have a page."""
    from ..catalog import diagnostic_pages

    return diagnostic_pages()


def complete_spec(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Spec files and folders that begin so, then bundled specs."""
    return files_with_prefix(incomplete, (".yaml", ".yml")) + offer(spec_names)(context, parameter, incomplete)


def recipe_names() -> Iterable[str]:
    """The bundled recipes."""
    from ..training.recipe.find import bundled_recipes

    return bundled_recipes()


def complete_recipe(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Recipe files and folders that begin so, then bundled recipes."""
    return files_with_prefix(incomplete, (".yaml", ".yml")) + offer(recipe_names)(context, parameter, incomplete)


def complete_folder(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Folders that begin so."""
    return files_with_prefix(incomplete, ())


def complete_explained(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The codes that have a page, then specs."""
    return offer(diagnostic_codes)(context, parameter, incomplete) + complete_spec(context, parameter, incomplete)


def complete_spec_path(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The paths of the spec's steps, and the scopes that they are in, a level at a time."""

    def paths() -> Iterable[str]:
        from ..compiler.driver import check

        level = incomplete.count(".") + 1
        return {".".join(node.path.split(".")[:level]) for node in check(context.params["what"]).nodes}

    return offer(paths)(context, parameter, incomplete)


def complete_json(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Folders and JSON files that begin so."""
    return files_with_prefix(incomplete, (".json",))


def files_with_prefix(incomplete: str, suffixes: tuple[str, ...]) -> list[str]:
    """The folders, with a slash, and the files of these kinds whose path begins with what is typed; hidden ones only if asked for."""
    typed, slash, start = incomplete.rpartition("/")
    folder = Path(typed + slash).expanduser() if slash else Path()
    found: list[str] = []
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            if path.name.startswith(start) and (start or not path.name.startswith(".")):
                if path.is_dir():
                    found.append(f"{typed}{slash}{path.name}/")
                elif path.suffix in suffixes:
                    found.append(f"{typed}{slash}{path.name}")
    return found


def complete_device_option(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """`name=value` for each value of each option of the device on the line; of all devices where there is none yet."""
    found: list[str] = []
    with suppress(Exception):
        from ..runtime.devices import DEVICES

        asked = context.params.get("device")
        rows = [row for row in DEVICES if row.name == asked] or DEVICES
        pairs = {f"{option.name}={value}" for row in rows for option in row.options for value in option.values}
        found = sorted(pair for pair in pairs if pair.startswith(incomplete))
    return found


def complete_setting(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """`name=default` for each parameter of the spec that stands on the line: a whole value, to be changed."""
    from ..compiler.driver import check
    from ..compiler.frontend.located_yaml import plain_value

    given = next(iter(arguments_left(context)), None)
    found: list[str] = []
    with suppress(Exception):
        document = check(given).document if given else None
        for name, param in (document.params if document else {}).items():
            if name.startswith(incomplete):
                found.append(name + "=" + ("" if param.default is None else str(plain_value(param.default))))
    return found


def complete_training_setting(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """`name=value` for each parameter of the spec and each value of the recipe on the line, or of the one that the spec takes."""
    found = complete_setting(context, parameter, incomplete)
    with suppress(Exception):
        from ..training.recipe.catalog import list_settings

        words = arguments_left(context)
        found += [each for each in list_settings(*words[:2]) if each.startswith(incomplete)]
    return found


def arguments_left(context: click.Context) -> list[str]:
    """The arguments of a line that ends in an option without its value: that ends click's parsing, so they are in what is left over."""
    takes_value = {name for option in context.command.params if isinstance(option, click.Option) and not option.is_flag for name in option.opts}  # fmt: skip
    words, found = iter(context.args), []
    for word in words:
        if word in takes_value:
            next(words, None)
        elif not word.startswith("-"):
            found.append(word)
    return found
