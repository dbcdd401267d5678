"""The options of commands that run a model: where, in whose process, and on pictures how large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from ..compiler.diagnostics import clean
from ..runtime.arguments import MAX_THREADS
from ..runtime.images import MAX_PIXELS
from .completion import complete_device_option, device_names, offer
from .options import Count

_F = TypeVar("_F", bound=Callable[..., Any])


def device_options(command: _F) -> _F:
    """The options `--device`, `--device-option` and `--threads`, as the arguments `device`, `device_settings` and `threads`."""
    for option in (
        click.option("--threads", type=Count(1, MAX_THREADS), help="Threads on the CPU.  [default: onnxruntime's choice]"),
        click.option("--device-option", "device_settings", multiple=True, metavar="NAME=VALUE", callback=read_pairs,
                     shell_complete=complete_device_option, help="An option of the device; repeatable. docs/reference/devices.md lists them."),
        click.option("--device", metavar="NAME", default="auto", show_default=True, shell_complete=offer(device_names),
                     help="Where to run; never silently elsewhere. `archc doctor` lists the devices."),
    ):  # fmt: skip
        command = option(command)
    return command


trust_option = click.option(
    "--trust",
    is_flag=True,
    help="Open a model from elsewhere in archc's own process, without limits on time and memory.",
)
max_pixels_option = click.option(
    "--max-pixels", type=Count(min=1), default=MAX_PIXELS, show_default=True, help="Refuse larger pictures."
)


def read_pairs(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """The values by name of an option that is given as NAME=VALUE. Raises UsageError for what is not, and for a name twice."""
    found: dict[str, str] = {}
    for pair in values:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise click.UsageError(f"{parameter.opts[0]} {pair}: it is NAME=VALUE")
        if found.setdefault(name, value) != value:
            raise click.UsageError(f"{parameter.opts[0]} {name} is given twice: {found[name]} and {value}")
    return found


def explain_cpu(name: str, reason: str, gpu_unusable: bool) -> list[str]:
    """The line that says why `name` runs on the CPU, where a GPU seems to be here that cannot be used; no line elsewhere."""
    return [clean(f"{name} on cpu: {reason}")] if gpu_unusable else []
