"""What a device is to archc: one row of the registry, and the values that go with it. What one device alone needs stands in its own module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..faults import RuntimeFault

NOTHING: Mapping[str, str] = MappingProxyType({})


class Trouble(NamedTuple):
    """Why a device cannot be used, and what to do; two empty texts where it can."""

    cause: str = ""
    fix: str = ""


class DeviceOption(NamedTuple):
    """An option of a device: its values, the default first, and the reason for the default. One `counts` takes any whole number."""

    name: str
    values: tuple[str, ...]
    reason: str
    counts: bool = False

    @property
    def default(self) -> str:
        """The value where none is asked for."""
        return self.values[0]

    @property
    def choices(self) -> str:
        """Its values as a message names them."""
        return "a whole number from 0" if self.counts else " or ".join(self.values)

    def takes(self, value: str) -> bool:
        """Whether `value` is one of its values."""
        return value in self.values or (self.counts and value.isascii() and value.isdigit() and len(value) < 4)


def write_option(name: str, value: str) -> str:
    """How a device's option is written, in the shell and in Python."""
    return f"--device-option {name}={value}, or options={{{name!r}: {value!r}}} in Python"


# An operator that a device does not have would run on the CPU, and nobody would know what was measured or proved.
CPU_NODES = DeviceOption("cpu-nodes", ("refuse", "allow"), "what was asked for is used, wholly or not at all")


class Device(NamedTuple):
    """A device: where it computes, onnxruntime's name for its provider, what it needs, and its rules as functions.

    `find_trouble` looks whether it works here, `find_refusal` whether it does with the options in force. `list_providers` gives what
    onnxruntime takes, for the options in force and a number of threads. `name_precision` says in what products of float32 are
    computed. `package` is the one on the package index that brings its provider as a plugin; empty where onnxruntime's own wheel
    has it. `cannot_run` are precisions of a file that it refuses, each with the reason. `tried` says where archc has been run on it.

    `memory` is onnxruntime's name for its memory where arrays stay in it from run to run; empty where runs take the host's arrays.
    `arena` is its name for what a session keeps of memory for runs to come, with the option `index` in braces; empty where that cannot
    be given back. `is_nvidia` says that it is an NVIDIA GPU, of which NVML counts memory and energy. `session` are entries of the
    configuration of onnxruntime's sessions there.
    """

    name: str
    provider: str
    runs_on: str
    needs: str
    find_trouble: Callable[[], Trouble]
    list_providers: Callable[[Mapping[str, str], int | None], tuple[Any, ...]]
    options: tuple[DeviceOption, ...] = ()
    name_precision: Callable[[Mapping[str, str]], str] = lambda settings: "f32"
    package: str = ""
    find_refusal: Callable[[Mapping[str, str]], Trouble] = lambda settings: Trouble()
    cannot_run: Mapping[str, str] = NOTHING
    tried: str = ""
    memory: str = ""
    arena: str = ""
    is_nvidia: bool = False
    session: Mapping[str, str] = NOTHING

    @property
    def is_tried(self) -> bool:
        """Whether archc has been run on it."""
        return bool(self.tried)

    def read_options(self, asked: Mapping[str, str]) -> dict[str, str]:
        """Every option with its value, those of `asked` before the defaults. Raises RuntimeFault `usage` for what it does not take."""
        known = {option.name: option for option in self.options}
        for name, value in asked.items():
            if name not in known:
                there = ", ".join(known) or "none"
                raise RuntimeFault("usage", f"the device {self.name} has no option `{name}`", f"it has {there}", 2)
            if not isinstance(value, str) or not known[name].takes(value):
                raise RuntimeFault("usage", f"the option {name} of the device {self.name} is `{value}`",
                                   f"it is {known[name].choices}", 2)  # fmt: skip
        return {name: asked.get(name, option.default) for name, option in known.items()}


class DeviceChoice(NamedTuple):
    """The device to run on, its providers with their options, and the reason for this device.

    `precision` says in what products of float32 are computed there; `settings` are the device's options in force.
    `gpu_unusable` says that a GPU seems to be here, and that `auto` could not take it: then the reason is worth a person's time.
    """

    device: str
    providers: tuple[Any, ...]
    reason: str
    precision: str = "f32"
    settings: Mapping[str, str] = NOTHING
    gpu_unusable: bool = False

    @property
    def is_strict(self) -> bool:
        """Whether a node that the device does not take is an error."""
        return self.device != "cpu" and self.settings.get(CPU_NODES.name) != "allow"
