"""archc: an architecture written in YAML in, a PyTorch module or an ONNX file out.

    import archc
    net = archc.load("googlenet.yaml", params={"classes": 10})
    module = net.to_torch()
    net.export_onnx("googlenet.onnx", weights=module.state_dict())

Importing this costs next to nothing: the compiler, torch, onnx and onnxruntime come when they are used.
"""

# No import above `load`, not even of __future__ or typing: until archc/__main__.py runs, Ctrl-C in a command is a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from typing import Any

    from . import runtime
    from .comparison import NetComparison
    from .compiler.diagnostics import Diagnostic, Failure, InternalError, SpecError
    from .net import Net

__version__ = "0.1.0"
__all__ = [
    "Diagnostic",
    "Failure",
    "InternalError",
    "Net",
    "SpecError",
    "__version__",
    "compare",
    "load",
    "runtime",
    "view",
]


def load(
    spec: "str | PathLike[str]",
    params: "Mapping[str, Any] | None" = None,
    *,
    limits: "Mapping[str, int] | None" = None,
) -> "Net":
    """Compiles a spec: a file, or the name of a bundled one. `params` override the spec's parameters, as `--set` does.

    `limits` raise those of the check (docs/reference/limits.md), as `--limit` does: limits={"nodes": 200_000}.

    Raises SpecError, which carries the diagnostics, or Failure where there is no such spec.
    """
    from .net import load as load_net

    return load_net(spec, params if params is not None else {}, limits if limits is not None else {})


def compare(
    nets: "Sequence[str | PathLike[str] | Net]" = (),
    *,
    metric: "str | None" = None,
    protocol: "str | None" = None,
    mix: bool = False,
    x: str = "macs",
    bench: "Sequence[str | PathLike[str]]" = (),
    limits: "Mapping[str, int] | None" = None,
) -> "NetComparison":
    """Nets side by side: the accuracy that their specs report, parameters, MACs, activations and depth. Printed, it is `archc compare`'s table.

    nets      specs, names of bundled ones, and nets of `load`; none are those of the lecture
    metric    "imagenet-top1", "imagenet-top5", "cifar10", "cifar100" or "mnist"; None is the one that most of the nets report
    protocol  how it was measured, as the table names it; None is as for most of the nets
    mix       all protocols together
    x         what goes across in a chart: "macs", "params", "activations", "time" or "energy"
    bench     files of `archc bench --format json`, for times and energy
    limits    as of `load`

    It has `.save("chart.svg")`, `.to_json()`, `.to_markdown()` and `.to_csv()`; docs/reference/compare.md tells more.

    Raises SpecError or Failure for a spec that is wrong, and Failure for a value that an argument does not take.
    """
    from .comparison import compare as compare_specs

    return compare_specs(nets, metric, protocol, mix, x, bench, limits)


def view(
    source: "str | PathLike[str] | Net",
    path: "str | PathLike[str]",
    params: "Mapping[str, Any] | None" = None,
    *,
    only: "str | None" = None,
    depth: "int | None" = None,
    style: "str | None" = None,
    theme: "str | None" = None,
    heat: "str | None" = None,
    profile: "str | PathLike[str] | None" = None,
    scale: "float | None" = None,
    limits: "Mapping[str, int] | None" = None,
) -> None:
    """Draws a spec, a net of `load`, or a model's file, into a file whose suffix says how: .html, .svg, .png, .dot, .mmd or .json.

    The options are those of `archc view`, and docs/reference/view.md tells what is seen; None is the format's own choice.

    only     the path of a step or block; the rest is left out
    depth    how many levels of blocks are open
    style    "blocks", or "volumes" for a strip of volumes
    theme    "light" or "dark"
    heat     "params", "macs", "activations", "memory" or "time": boxes are coloured by what they cost
    profile  a file of `archc profile MODEL --format json`, for times
    scale    pixels of a .png for each of the .svg

    A UserWarning tells what is wrong with a net that is drawn all the same. Raises SpecError for a wrong spec, Failure for a value that
    an option or a format does not take, and archc.runtime's RuntimeFault for a model that cannot be read.
    """
    from .compiler.view.pictures import PictureOptions
    from .pictures import view as write_view

    write_view(source, path, params, PictureOptions(depth, style, theme, heat), only, profile, scale, limits)


def __getattr__(name: str) -> "Any":
    """The public names, each imported when it is first asked for."""
    if name == "Net":
        from .net import Net

        return Net
    if name == "runtime":
        from importlib import import_module

        return import_module(".runtime", __name__)
    if name in __all__:
        from .compiler import diagnostics

        return getattr(diagnostics, name)
    raise AttributeError(f"module 'archc' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What there is for users, whether it is imported yet or not."""
    return sorted(__all__)
