"""`archc init`: writes a spec of the user's own that starts from another."""

from __future__ import annotations

import shlex
import sys

import click

from ..compiler.diagnostics import clean
from .completion import complete_recipe, complete_spec
from .options import format_option, output_path, print_json, refuse_two_answers


@click.command(epilog="Example: archc init mine --from resnet50")
@click.argument("name")
@click.option("--from", "origin", metavar="SPEC", help="The spec to begin from, bundled or a file; else a small net.",
              shell_complete=complete_spec)  # fmt: skip
@click.option("--recipe", metavar="RECIPE", help="Begin a recipe instead, from this one, bundled or a file; -o - prints it.",
              shell_complete=complete_recipe)  # fmt: skip
@click.option("-o", "output", metavar="PATH", help="Where to write it: a file, a folder, or - for standard output.")
@format_option()
def command(name: str, origin: str | None, recipe: str | None, output: str | None, form: str) -> None:
    """Begin a spec of your own, NAME.yaml, with all that it needs in it; or a recipe.

    A member of a family becomes one document, comments kept; what it imports is written beside it, and the schema by which
    editors complete and check it. Nothing is overwritten.
    """
    from ..compiler.destinations import find_destination
    from ..compiler.diagnostics import Failure
    from ..compiler.files import atomic_write
    from ..scaffold.starter import add_schema, start_spec, write_spec

    refuse_two_answers(output, form)
    name = name.removesuffix(".yaml")
    if recipe is not None:
        if origin is not None:
            raise click.UsageError("--from begins a spec, and --recipe a recipe; choose one")
        from ..scaffold.starter import StarterSpec, check_name
        from ..training.recipe.begin import begin_recipe

        check_name(name)
        draft = StarterSpec(begin_recipe(name, recipe))
    else:
        draft = start_spec(name, origin)
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
    files = [path.as_posix() for path in write_spec(draft if recipe else add_schema(draft, target.parent), target)]
    following = f"archc check {shlex.quote(files[-1])}"
    if form == "json":
        print_json({"name": name, "from": recipe or origin, "files": files, "next": following})
        return
    for path in files:
        print(f"wrote {clean(path)}")
    print(f"next: {following}")
