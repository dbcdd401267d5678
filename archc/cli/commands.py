"""The `archc` group: which commands there are, in the order of the help, each imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

import click

from .. import __version__

COMMANDS = {
    "check": "Check specs; prove or refute what they expect.",
    "show": "Show the graph of a spec as text, or as a tree.",
    "cost": "Count parameters, MACs, activations and memory.",
    "view": "Draw a net.",
    "diff": "Say what differs between two nets, or two revisions of one.",
    "compare": "Compare nets by accuracy and costs, as a table or a chart.",
    "build": "Build a model: ONNX or PyTorch.",
    "train": "Train a net on pictures, as a recipe says.",
    "run": "Run a built model on pictures.",
    "eval": "Say how well a built classifier does on pictures.",
    "bench": "Time models, and say which differ.",
    "profile": "Say where a model's time goes, by step and line.",
    "verify": "Verify a built model: bytes, sources, answers.",
    "cache": "Show or clear the graphs that `run` keeps for a quick start.",
    "init": "Begin a spec of your own, from a bundled one.",
    "list": "List the bundled specs.",
    "schema": "Print the JSON Schema of specs, for editors.",
    "ops": "List the operations, or describe one.",
    "explain": "Explain a step of a spec, or the code of a diagnostic.",
    "doctor": "Say what is wrong with this machine, and what to do.",
}


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


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog="Example: archc check googlenet"
)
@click.version_option(__version__, prog_name="archc", message="%(prog)s %(version)s")
def cli() -> None:
    """Compile convolutional networks written in YAML to PyTorch and ONNX."""
