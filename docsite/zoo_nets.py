"""The nets of the zoo, compiled once for all pages that tell of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path

from archc.catalog import Model, models
from archc.compiler.driver import check, run_passes
from archc.compiler.passes import PassOptions
from archc.compiler.sources import zoo
from archc.net import Net
from archc.text.costs import NetCost


class ZooNet:
    """A net of the zoo: what the catalogue says of it, the compiled net, and its costs."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.net = Net(check(f"zoo:{model.name}"))
        self.cost: NetCost = self.net.cost()

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def path(self) -> Path:
        """Its spec."""
        return zoo()[self.name]

    @cached_property
    def built_ops(self) -> frozenset[str]:
        """The operations of its inference graph, after all passes of a plain build."""
        return frozenset(node.op.name for node in run_passes(self.net.graph, PassOptions()).nodes)


@lru_cache(maxsize=1)
def zoo_nets() -> Mapping[str, ZooNet]:
    """All of them by name: families in the order of their first papers, then by name."""
    return {model.name: ZooNet(model) for model in models()}


@lru_cache(maxsize=1)
def families() -> Mapping[str, tuple[ZooNet, ...]]:
    """The nets of each family, in the same order."""
    found: dict[str, list[ZooNet]] = {}
    for each in zoo_nets().values():
        found.setdefault(each.model.family, []).append(each)
    return {name: tuple(nets) for name, nets in found.items()}


@lru_cache(maxsize=1)
def families_by_op() -> Mapping[str, tuple[str, ...]]:
    """The families that have an operation in a training graph, by the operation's name."""
    found: dict[str, dict[str, None]] = {}
    for family, nets in families().items():
        for op in {node.op.name for each in nets for node in each.net.graph.nodes}:
            found.setdefault(op, {})[family] = None
    return {op: tuple(names) for op, names in found.items()}
