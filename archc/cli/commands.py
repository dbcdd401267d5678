"""The `archc` group: which commands there are, in the order of the help, each imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

import click

from .. import __version__

COMMANDS = {
    "init": "Begin a spec of your own: a small net, or a bundled one.",
    "list": "List the bundled specs.",
    "check": "Check specs: their mistakes, and what they expect of themselves.",
    "view": "Draw a net.",
    "cost": "Count parameters, MACs, activations and memory.",
    "show": "Show the graph of a spec as text, or as a tree.",
    "explain": "Explain a step of a spec, or the code of a diagnostic.",
    "diff": "Say what differs between two nets, or two revisions of one.",
    "compare": "Compare nets by accuracy and costs, as a table or a chart.",
    "train": "Train a net on pictures, as a recipe says.",
    "build": "Build a model: ONNX or PyTorch.",
    "run": "Run a built model on pictures.",
    "eval": "Say how well a built classifier does on pictures.",
    "bench": "Time models, and say which differ.",
    "profile": "Say where a model's time goes, by step and line.",
    "verify": "Verify a built model: bytes, sources, answers.",
    "cache": "Show or clear the graphs that `run` keeps for a quick start.",
    "ops": "List the operations, or describe one.",
    "schema": "Print the JSON Schema of specs, for editors.",
    "doctor": "Say what is wrong with this machine, and what to do.",
}
BEGINNING = """\b
Begin: archc init net         a small net of your own, net.yaml
       archc check net.yaml   its mistakes, each with its line
       archc view net.yaml    its picture, net.html
       archc build net.yaml   a model of it, net.onnx"""


class LazyGroup(click.Group):
    """A group that knows its commands by name and loads a command's module only when it runs or shows its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(f".{cmd_name}", __package__), "command")  # noqa: B009
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown command is told with the nearest one that there is."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from ..compiler.diagnostics import nearest

            near = nearest(args[0], COMMANDS)
            hint = f"; did you mean `{near}`?" if near else ""
            raise click.UsageError(f"there is no command `{args[0]}`{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """From the table, so that the help imports no command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=BEGINNING)
@click.version_option(__version__, prog_name="archc", message="%(prog)s %(version)s")
def cli() -> None:
    """Compile convolutional networks written in YAML to PyTorch and ONNX.

    A SPEC is the text of a net: a file, or the name of a bundled net (`archc list`). A RECIPE says how a net is trained. A
    MODEL is a file that was built from a spec. `archc COMMAND --help` says more of each command.
    """
