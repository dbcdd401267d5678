"""`Scope`, what a dotted path goes through: a place of steps, which only the net's graph calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle


class Scope(nn.Module):
    """A scope of the spec: its steps by name, or by position as in an nn.Sequential: `net.classifier[6]`, `net.layer1[-1]`.

    It cannot be called, as only the net's graph says which step takes what. Its methods are those of torch's modules alone: a
    step may have any other name.
    """

    def __getitem__(self, key: int | str) -> nn.Module:
        return self.get_submodule(step_name(self, key))

    def __setitem__(self, key: int | str, module: nn.Module) -> None:
        setattr(self, step_name(self, key), module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return self.children()

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError(
            "a scope is a place of steps, which the net's graph calls: call the net, or one of the steps"
        )

    def register_forward_hook(self, *args: Any, **kwargs: Any) -> RemovableHandle:
        """Hooks the step that gives the scope's result: the hook gets this step, what it takes, and the result."""
        return result_step(self).register_forward_hook(*args, **kwargs)

    def register_full_backward_hook(self, *args: Any, **kwargs: Any) -> RemovableHandle:
        """Hooks the step that gives the scope's result: the hook gets its gradients."""
        return result_step(self).register_full_backward_hook(*args, **kwargs)

    def register_forward_pre_hook(self, *args: Any, **kwargs: Any) -> RemovableHandle:
        raise NotImplementedError(
            f"a scope takes nothing by itself: hook the step that does, one of {', '.join(self._modules)}"
        )

    register_full_backward_pre_hook = register_forward_pre_hook


def step_name(scope: Scope, key: int | str) -> str:
    """The name of a step of `scope`; a negative number counts from the last. Raises IndexError or KeyError where there is none."""
    names = list(scope._modules)
    if isinstance(key, int) and -len(names) <= key < 0:
        return names[key]
    if str(key) not in names:
        raise (IndexError if isinstance(key, int) else KeyError)(f"{key}; the scope has {', '.join(names)}")
    return str(key)


def result_step(scope: Scope) -> nn.Module:
    """The step that gives the result of a scope: the last one in it."""
    last = scope[-1]
    return result_step(last) if isinstance(last, Scope) else last
