"""The zoo by its families, whose members are the same blocks more often, or wider."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from archc.compiler.sources import zoo

Choice = Callable[[Sequence[str]], list[str]]
# by the folder of its spec, as in archc/catalog.py, which reads every spec
FAMILY = {name: path.parent.name for name, path in zoo().items()}


def two_of_each(names: Sequence[str]) -> list[str]:
    """Of each family the first and the last of `names`."""
    firsts = {FAMILY[name]: name for name in reversed(names)}
    lasts = {FAMILY[name]: name for name in names}
    chosen = {*firsts.values(), *lasts.values()}
    return [name for name in names if name in chosen]


def by_family(names: Sequence[str]) -> pytest.MarkDecorator:
    """Cases `name` of a sweep over nets of the zoo: two of each family in CI, the others in the soak."""
    in_ci = set(two_of_each(names))
    marked = [pytest.param(name, marks=pytest.mark.slow if name in in_ci else pytest.mark.soak) for name in names]
    return pytest.mark.parametrize("name", marked)


# a sweep that is one test: over what `choose` takes of the zoo's names
by_share = pytest.mark.parametrize(
    "choose",
    [
        pytest.param(two_of_each, marks=pytest.mark.slow, id="two of each family"),
        pytest.param(list, marks=pytest.mark.soak, id="all"),
    ],
)
