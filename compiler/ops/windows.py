"""What an output position of an op sees of its input, along each axis of a map: the rule of receptive fields."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """What one output position sees of the input along an axis, padding included: for receptive fields.

    Output position p sees the whole numbers from (stride · p + first) / parts to (stride · p + last) / parts, each `spread`-th of
    them. `parts` is over one where the map is enlarged or its bins are uneven; a stride of 0 says that every position sees the same.
    """

    stride: int
    first: int
    last: int
    parts: int = 1
    spread: int = 1

    def span(self, first: int, last: int) -> tuple[int, int]:
        """The first and the last input position that the output positions `first` to `last` see."""
        return -(-(self.stride * first + self.first) // self.parts), (self.stride * last + self.last) // self.parts

    def span_inside(self, first: int, last: int, size: int) -> tuple[int, int] | None:
        """The same without padding, in a map of `size` positions; None where all that they see is padding."""
        begin, end = size, -1
        for position in range(first, last + 1):
            low, high = self.span(position, position)
            tap = low if low >= 0 else low + -(low // self.spread) * self.spread
            if tap <= high:
                begin = min(begin, tap)
            if low >= 0:  # no later one begins before
                break
        for position in range(last, first - 1, -1):
            low, high = self.span(position, position)
            tap = high if high < size else high - -((size - 1 - high) // self.spread) * self.spread
            if tap >= low:
                end = max(end, tap)
            if high < size:
                break
        return (begin, end) if 0 <= begin <= end < size else None


Windows = tuple[Window, Window]  # of the rows, and of the columns
POINTWISE_WINDOWS = Window(1, 0, 0), Window(1, 0, 0)


def whole_window(size: int) -> Window:
    """The window of what sees all of an axis, wherever it stands."""
    return Window(0, 0, size - 1)
