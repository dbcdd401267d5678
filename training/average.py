"""The exponential moving average of the weights: ema ← decay · ema + (1 - decay) · weights after each step, buffers too.

After the first step the average is the weights themselves. Source: Polyak and Juditsky 1992; as torchvision's references use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn
    from torch.optim.swa_utils import AveragedModel


def make_average(module: nn.Module, decay: float | None) -> AveragedModel | None:
    """A copy of `module` that follows it; None without a decay."""
    if decay is None:
        return None
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    follow = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    average = AveragedModel(module, multi_avg_fn=follow, use_buffers=True)
    average.eval()
    return average
