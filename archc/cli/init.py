"""`archc init`: writes a spec of the user's own that starts from another."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

from ..compiler.diagnostics import clean
from .completion import complete_recipe, complete_spec
from .options import format_option, output_path, print_json, refuse_two_answers

if TYPE_CHECKING:
    from ..scaffold.starter import StarterSpec


@click.command(epilog="Example: archc init net; archc init mine --from resnet50")
@click.argument("name")
@click.option("--from", "origin", metavar="SPEC", help="The spec to begin from, bundled or a file; else a small net.",
              shell_complete=complete_spec)  # fmt: skip
@click.option("--recipe", metavar="RECIPE", help="Begin a recipe instead, from this one, bundled or a file; -o - prints it.",
              shell_complete=complete_recipe)  # fmt: skip
@click.option("-o", "output", metavar="PATH", help="Where to write it: a file, a folder, or - for standard output.")
@format_option()
def command(name: str, origin: str | None, recipe: str | None, output: str | None, form: str) -> None:
    """Begin a spec of your own, NAME.yaml, with all that it needs in it; or a recipe.

    A member of a family becomes one document of what it uses of the family, comments kept; what it imports is written beside it. So is the schema by which editors
    complete and check a spec or a recipe. Nothing is overwritten.
    """
    from ..compiler.destinations import FOLDER_ENDS, find_destination
    from ..compiler.diagnostics import Failure
    from ..compiler.files import atomic_write
    from ..scaffold.starter import add_schema, write_spec

    name = name.removesuffix(".yaml")
    if output and output.endswith(FOLDER_ENDS):
        output = f"{output}/{name}.yaml"
    refuse_two_answers(output, form)
    draft = start_spec_or_recipe(name, origin, recipe)
    if draft.bundled:
        print(f"using the bundled {draft.bundled}", file=sys.stderr)
    target = output_path(output or f"{name}.yaml")
    place = find_destination(target)
    if place.kind == "stream":
        if draft.companions:
            needs = ", ".join(draft.companions)
            raise Failure("needs-files", f"the spec needs files beside it ({needs}); `{output}` takes one", exit_code=2)
        with atomic_write(target) as partial:
            partial.write_bytes(draft.text.encode())
        return
    target = target / f"{name}.yaml" if place.kind == "folder" else target
    files = [
        path.as_posix() for path in write_spec(add_schema(draft, target.parent, of_recipe=recipe is not None), target)
    ]
    following = f"archc check {shlex.quote(files[-1])}"
    if form == "json":
        print_json({"name": name, "from": recipe or origin, "files": files, "next": following})
        return
    for path in files:
        print(f"wrote {clean(path)}")
    print(f"next: {following}")


def start_spec_or_recipe(name: str, origin: str | None, recipe: str | None) -> StarterSpec:
    """What is to be written: a spec from `origin`, or a recipe from `recipe`. Raises Failure (usage) where there is none of that name."""
    from ..scaffold.starter import StarterSpec, check_name, start_spec

    if recipe is None:
        return start_spec(name, origin)
    if origin is not None:
        raise click.UsageError("--from begins a spec, and --recipe a recipe; choose one")
    from ..training.recipe.begin import begin_recipe

    check_name(name)
    return StarterSpec(begin_recipe(name, recipe))
