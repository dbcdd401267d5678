"""The longest common subsequence of two sequences, in bounded time: Myers's greedy algorithm up to a number of differences.

Source: Myers 1986, "An O(ND) difference algorithm and its variations". difflib takes minutes where ten thousand steps are alike.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

MAX_DIFFERENCES = 256  # time and memory grow with its square

Pair = tuple[int, int]


def align(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Pair]:
    """The places of equal elements that belong together, rising on both sides.

    Common beginnings come first, so that of equal elements those at the same place are paired. With over MAX_DIFFERENCES between
    two sequences whose every element is in both, only what stands at the same place is paired.
    """
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
    pairs = [(at, at) for at in range(start)]
    pairs += align_middle(a, b, range(start, len(a) - end), range(start, len(b) - end))
    return pairs + [(len(a) - at, len(b) - at) for at in range(end, 0, -1)]


def align_middle(a: Sequence[Hashable], b: Sequence[Hashable], in_a: range, in_b: range) -> list[Pair]:
    """The pairs within two ranges; elements that only one side has are left out first."""
    common = {a[i] for i in in_a} & {b[j] for j in in_b}
    kept_a, kept_b = [i for i in in_a if a[i] in common], [j for j in in_b if b[j] in common]
    if not common:
        return []
    found = shortest_edit([a[i] for i in kept_a], [b[j] for j in kept_b])
    if found is None:
        return [(i, i) for i in in_a if i in in_b and a[i] == b[i]]
    return [(kept_a[x], kept_b[y]) for x, y in found]


def shortest_edit(a: Sequence[Hashable], b: Sequence[Hashable]) -> list[Pair] | None:
    """The pairs of a longest common subsequence; None where more than MAX_DIFFERENCES elements are in no pair."""
    furthest = {1: 0}  # for each diagonal x - y: how far along `a` a path with so many differences comes
    trace: list[dict[int, int]] = []
    for differences in range(min(len(a) + len(b), MAX_DIFFERENCES) + 1):
        trace.append(dict(furthest))
        for diagonal in range(-differences, differences + 1, 2):
            down = diagonal == -differences or (
                diagonal != differences and furthest.get(diagonal - 1, -1) < furthest.get(diagonal + 1, -1)
            )
            x = furthest[diagonal + 1] if down else furthest[diagonal - 1] + 1
            y = x - diagonal
            while x < len(a) and y < len(b) and a[x] == b[y]:
                x, y = x + 1, y + 1
            furthest[diagonal] = x
            if x >= len(a) and y >= len(b):
                return [*walk_back(trace, len(a), len(b))][::-1]
    return None


def walk_back(trace: Sequence[dict[int, int]], x: int, y: int) -> Iterator[Pair]:
    """The pairs of the path that ends at (x, y), from its end."""
    for differences in range(len(trace) - 1, -1, -1):
        furthest, diagonal = trace[differences], x - y
        down = diagonal == -differences or (
            diagonal != differences and furthest.get(diagonal - 1, -1) < furthest.get(diagonal + 1, -1)
        )
        before = diagonal + 1 if down else diagonal - 1
        x0 = furthest[before] if differences else 0
        y0 = x0 - before if differences else 0  # the walk begins at 0, 0
        while x > x0 and y > y0:
            x, y = x - 1, y - 1
            yield x, y
        x, y = x0, y0
