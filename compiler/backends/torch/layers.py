# mypy: allow-untyped-defs, no-warn-return-any, disable-error-code="operator"
# Constructors are untyped because their source is copied into exported files, where less is more.
"""The modules that torch.nn lacks. Each class stands alone, so that its source can be copied into an exported file.

They ask no tensor for its rank and draw random numbers from tensors that arrive: torch.fx.symbolic_trace follows tensors, and what
hangs on none would be a constant in its graph.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PaddedConv2d(nn.Conv2d):
    """A convolution with its own padding on each side: (top, left, bottom, right)."""

    def __init__(self, *args, sides, **kwargs):
        super().__init__(*args, **kwargs)
        self.sides = tuple(sides)

    def forward(self, x: Tensor) -> Tensor:
        top, left, bottom, right = self.sides
        return super().forward(F.pad(x, (left, right, top, bottom)))


class PaddedMaxPool2d(nn.Module):
    """A max pool with its own padding on each side: (top, left, bottom, right)."""

    def __init__(self, kernel_size, stride, sides):
        super().__init__()
        self.kernel_size, self.stride, self.sides = tuple(kernel_size), tuple(stride), tuple(sides)

    def forward(self, x: Tensor) -> Tensor:
        top, left, bottom, right = self.sides
        padded = F.pad(x, (left, right, top, bottom), value=float("-inf"))
        return F.max_pool2d(padded, self.kernel_size, self.stride)


class PaddedAvgPool2d(nn.Module):
    """A mean pool with its own padding on each side: (top, left, bottom, right).

    `beyond` adds rows and columns at the end for a last, partial window; they never count in the mean.
    """

    def __init__(self, kernel_size, stride, sides, beyond=(0, 0), count_include_pad=True):
        super().__init__()
        self.kernel_size, self.stride, self.sides = tuple(kernel_size), tuple(stride), tuple(sides)
        self.beyond, self.count_include_pad = tuple(beyond), count_include_pad

    def forward(self, x: Tensor) -> Tensor:
        top, left, bottom, right = self.sides
        own, beyond = (left, right, top, bottom), (0, self.beyond[1], 0, self.beyond[0])
        ones = F.pad(torch.ones_like(x[:1, :1]), own, value=float(self.count_include_pad))
        mean, counted = (
            F.avg_pool2d(F.pad(padded, beyond), self.kernel_size, self.stride) for padded in (F.pad(x, own), ones)
        )
        return mean / counted


class Rbf(nn.Module):
    """Squared Euclidean distances to fixed centers."""

    def __init__(self, features, out):
        super().__init__()
        self.register_buffer("centers", torch.zeros(out, features))

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, None, :] - self.centers).square().sum(2)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each position of an image."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Scale(nn.Module):
    """Multiplies by a constant."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x: Tensor) -> Tensor:
        return x * self.value


class Affine(nn.Module):
    """A learned weight, and bias, a channel of a tensor with `rank` axes."""

    def __init__(self, channels, bias=True, rank=4):
        super().__init__()
        self.shape = (-1,) + (1,) * (rank - 2)
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = x * self.weight.view(self.shape)
        return y if self.bias is None else y + self.bias.view(self.shape)


class Concat(nn.Module):
    """Channels one after the other."""

    def forward(self, *x: Tensor) -> Tensor:
        return torch.cat(x, 1)


class Add(nn.Module):
    """The sum of the inputs."""

    def forward(self, first: Tensor, *more: Tensor) -> Tensor:
        for x in more:
            first = first + x
        return first


class Mean(nn.Module):
    """The mean of the inputs."""

    def forward(self, *x: Tensor) -> Tensor:
        return torch.stack(x).mean(0)


class Multiply(nn.Module):
    """The product of the inputs."""

    def forward(self, first: Tensor, *more: Tensor) -> Tensor:
        for x in more:
            first = first * x
        return first


class PathDraw(nn.Module):
    """The column of this pass: -1 for none, else 0 … columns - 1. Of its input it takes the device alone."""

    def __init__(self, columns, probability):
        super().__init__()
        self.columns, self.probability = columns, probability

    def forward(self, x: Tensor) -> Tensor:
        draws = x.new_empty(2, dtype=torch.float32).uniform_()
        column = (draws[0] * self.columns).long().clamp(max=self.columns - 1)
        return torch.where(draws[1] < self.probability, column, -torch.ones_like(column))


class Join(nn.Module):
    """FractalNet's join. The last input is the drawn column if `drawn`."""

    def __init__(self, local, drawn):
        super().__init__()
        # a branch may have any other name, and is an attribute of its join
        self.__local__, self.__drawn__ = local, drawn

    def forward(self, *x: Tensor) -> Tensor:
        """The mean of the branches that are kept; in eval mode of all of them."""
        branches = torch.stack(x[:-1] if self.__drawn__ else x)
        if not self.training:
            return branches.mean(0)
        n = len(x) - self.__drawn__
        draws = branches.new_empty(n + 1, dtype=torch.float32).uniform_()
        keep = (draws[:n] >= self.__local__).to(branches)
        one = F.one_hot((draws[n] * n).long().clamp(max=n - 1), n).to(branches)
        keep = torch.where(keep.sum() > 0, keep, one)  # never all are dropped
        if self.__drawn__:
            column = x[-1]
            alone = F.one_hot(column.clamp(0, n - 1), n).to(branches)
            everything = torch.ones_like(keep)  # a join without that column is off the path
            keep = torch.where(column < 0, keep, torch.where(column < n, alone, everything))
        return torch.tensordot(keep / keep.sum(), branches, 1)


class DropPath(nn.Module):
    """Drops the whole tensor of `rank` axes with probability p, per sample or per batch."""

    def __init__(self, p, per="sample", rescale="training", rank=4):
        super().__init__()
        self.p, self.per, self.rescale = p, per, rescale
        self.shape = (-1,) + (1,) * (rank - 1)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x * (1 - self.p) if self.rescale == "inference" else x
        count = x.shape[0] if self.per == "sample" else 1
        kept = (x.new_empty(count, dtype=torch.float32).uniform_() >= self.p).to(x.dtype).view(self.shape)
        return x * kept / (1 - self.p) if self.rescale == "training" and self.p < 1 else x * kept


class Pad(nn.Module):
    """Adds a constant; `pads` as torch.nn.functional.pad takes them, the last axis first."""

    def __init__(self, pads, value=0.0):
        super().__init__()
        self.pads, self.value = tuple(pads), value

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.pads, value=self.value)


class Slice(nn.Module):
    """(start, stop, step) of each axis behind the batch."""

    def __init__(self, ranges):
        super().__init__()
        self.ranges = tuple(tuple(r) for r in ranges)

    def forward(self, x: Tensor) -> Tensor:
        return x[(slice(None), *(slice(*r) for r in self.ranges))]


class Select(nn.Module):
    """The channels of a list, in its order."""

    def __init__(self, channels):
        super().__init__()
        self.channels = list(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, self.channels]
