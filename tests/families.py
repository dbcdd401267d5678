"""The zoo by its families, whose members are the same blocks more often, or wider."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from archc.compiler.sources import zoo

# by the folder of its spec, as in archc/catalog.py, which reads every spec
FAMILY = {name: path.parent.name for name, path in zoo().items()}


def by_family(names: Sequence[str]) -> pytest.MarkDecorator:
    """Cases `name` of a sweep over nets of the zoo: of each family the first and the last of `names` in CI, the others in the soak."""
    firsts = {FAMILY[name]: name for name in reversed(names)}
    lasts = {FAMILY[name]: name for name in names}
    in_ci = {*firsts.values(), *lasts.values()}
    marked = [pytest.param(name, marks=pytest.mark.slow if name in in_ci else pytest.mark.soak) for name in names]
    return pytest.mark.parametrize("name", marked)
