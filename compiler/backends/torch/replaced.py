"""Which modules of a net are others than its spec's: what is built from the spec has those of the spec."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from . import layers
from .scope import Scope

ONLY_TRAINING = re.compile(r"(^|, )(inplace|momentum)=[^,]*")
TWICE = re.compile(r"\((-?\d+), \1\)")  # a pair of equal numbers
KNOWN_PLACES = ("torch.nn.modules.", layers.__name__)  # of the classes that the steps of specs become


def describe_module(module: nn.Module) -> str:
    """What a module is for inference, in a line: `Conv2d(3, 64, kernel_size=7, stride=2)`.

    Modules that infer alike are described alike: a dropout is an identity, a batch norm over several processes is one of images.
    The class has its module's name before it where it is none of torch.nn's: a quantised `Conv2d` is another.
    """
    if isinstance(module, (nn.Identity, _DropoutNd)):
        return "Identity()"
    cls = nn.BatchNorm2d if type(module) is nn.SyncBatchNorm else type(module)
    name = cls.__qualname__ if cls.__module__.startswith(KNOWN_PLACES) else f"{cls.__module__}.{cls.__qualname__}"
    fields = TWICE.sub(r"\1", ONLY_TRAINING.sub("", " ".join(module.extra_repr().split())))
    return f"{name}({fields.removeprefix(', ')})"


def other_modules(net: nn.Module, spec: Mapping[str, str], called: Collection[str]) -> dict[str, str]:
    """Descriptions by path of the modules of `net` that are not as in `spec`, and of those added to a scope or `called` besides.

    What was added to the net itself and is not called, as a criterion is, has no part in its answers.
    """
    modules = dict(net.named_modules(remove_duplicate=False))
    found: dict[str, str] = {}
    for path, module in modules.items():
        in_scope = isinstance(modules[path.rpartition(".")[0]], Scope) and not isinstance(module, Scope)
        if path in spec or path in called or in_scope:
            description = describe_module(module)
            if spec.get(path) != description and not path.startswith(tuple(f"{each}." for each in found)):
                found[path] = description
    return found
