"""torch's contenders: the same net as a module, channels last, eager and compiled."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from .case import Case
from .contender import EAGER, FROM_HOST, KERNELS, Opened, Recipe


def eager_recipes(precision: str) -> list[Recipe]:
    """Eager, the one that all others are held against, and eager from pixels that are normalised on the device."""
    return [Recipe(EAGER, open_eager), Recipe(f"{EAGER}, uint8 input", open_pixels)]


def compiled_recipes(autotune: bool) -> list[Recipe]:
    """torch.compile as it is, and as it tunes for longer where that is wanted."""
    recipes = [Recipe("torch compile", partial(open_compiled, None), seconds=45)]
    if autotune:
        recipes.append(Recipe("torch compile, max-autotune", partial(open_compiled, "max-autotune"), seconds=90))
    return recipes


def open_eager(case: Case) -> Opened:
    return open_module(case, half_module(case), case.half_images if case.precision == "fp16" else case.images)


def open_pixels(case: Case) -> Opened:
    """The net behind the normalisation: it takes pixels as archc's file with `--input-type uint8` does."""
    import torch

    scale, mean, deviation = case.normalisation
    kind = torch.float16 if case.precision == "fp16" else torch.float32
    shift, factor = (
        torch.from_numpy(each).to(case.device.name, kind) for each in (mean / deviation, scale / deviation)
    )
    net = half_module(case)
    return open_module(case, lambda pixels: net(pixels.to(kind) * factor - shift), case.pixels)


def open_compiled(mode: str | None, case: Case) -> Opened:
    """By inductor on a card; the time of its first run, in which it compiles, is told."""
    import torch

    torch._dynamo.reset()
    # the two are not taken together: a mode is inductor's
    how: dict[str, Any] = {"mode": mode} if mode else {"backend": case.device.backend}
    net = torch.compile(half_module(case), dynamic=False, **how)
    opened = open_module(case, net, case.half_images if case.precision == "fp16" else case.images)
    began = time.perf_counter()
    opened.runs[KERNELS]()
    case.device.synchronise()
    facts = {
        "compile_s": time.perf_counter() - began,
        "backend": case.device.backend,
        "compile_mode": mode or "default",
    }
    return opened._replace(facts={**opened.facts, **facts})


def half_module(case: Case) -> Any:
    """The module in the case's precision: half floats are the weights' own, which is faster than autocast."""
    return case.module().half() if case.precision == "fp16" else case.module()


def open_module(case: Case, net: Any, array: Any) -> Opened:
    """A callable of torch as a contender; `array` is what it takes in the host's memory."""
    import torch

    def move() -> Any:
        images = torch.from_numpy(array).to(case.device.name)
        return images.to(memory_format=torch.channels_last)

    held = move()

    def run(images: Any) -> Any:
        with torch.inference_mode():
            return net(images)

    runs = {KERNELS: lambda: run(held), FROM_HOST: lambda: run(move()).cpu()}
    return Opened(runs, lambda: run(held).float().cpu().numpy(), {"described": f"{case.device.name}, channels last"})
