"""Findings about the GPU: the driver, the libraries of CUDA, cuDNN and TensorRT by the names that onnxruntime asks for, and torch's CUDA."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from ..devices import PROVIDERS
from ..devices.nvidia import driver_trouble, missing_libraries
from ..faults import RuntimeFault
from ..libraries import DRIVER, can_load, cuda_major_wanted, other_versions, wanted_libraries
from ..packages import ONNXRUNTIME_WHEELS, import_package, requirement_of
from ..pip import extra_command, install_command, replace_command
from .finding import Finding

CUDA_LINE = re.compile(r"^cuda\b[^=]*=\s*(?:'([\d.]+)'|None)", re.M)


def gpu_findings(broken: bool) -> Iterator[Finding]:
    """What stands in the way of CUDA and TensorRT; nothing where onnxruntime is `broken` or not here."""
    if broken:
        return
    try:
        why, fix = driver_trouble()
        missing = missing_libraries()
        providers = import_package("onnxruntime").get_available_providers()
    except RuntimeFault:
        # another finding says that onnxruntime is not here
        return
    if PROVIDERS["cuda"] not in providers and can_load(DRIVER):
        why, fix = (
            "this onnxruntime is built without CUDA",
            replace_command(ONNXRUNTIME_WHEELS, requirement_of("onnxruntime-gpu")),
        )
    # a machine without a GPU is fine; one whose driver is there and of no use is not
    ok = False if why and can_load(DRIVER) else None if why else not missing
    yield Finding("cuda", why or (f"these libraries do not load: {', '.join(missing)}" if missing else "the driver and its libraries load"),
                  ok, fix or (cuda_advice(missing) if missing else ""), "gpu")  # fmt: skip
    yield from library_findings("cuda libraries", missing, cuda_advice(missing), not why)
    yield from tensorrt_findings()
    yield from torch_findings()


def cuda_advice(missing: list[str]) -> str:
    """What brings CUDA's libraries: they lie where nothing looks, or are not here."""
    return path_advice(missing) or extra_command("cuda")


def path_advice(missing: list[str]) -> str:
    """The line that has the loader look where a library of the right name lies; empty where there is none."""
    folders = dict.fromkeys(str(path.parent) for name in missing for path in other_versions(name) if path.name == name)
    return f"export LD_LIBRARY_PATH={shlex.quote(':'.join(folders))}:$LD_LIBRARY_PATH" if folders else ""


def library_findings(name: str, missing: list[str], advice: str, driver: bool) -> Iterator[Finding]:
    """Each library that does not load, with the versions that are here instead. They are missed only where there is a driver."""
    there = {wanted: other_versions(wanted) for wanted in missing}
    wrong = [describe_other(wanted, paths) for wanted, paths in there.items() if paths]
    absent = [wanted for wanted, paths in there.items() if not paths]
    if missing:
        value = "; ".join([*wrong, *([f"not here: {', '.join(absent)}"] if absent else [])])
        yield Finding(name, value, False if wrong or driver else None, advice, "gpu")


def describe_other(wanted: str, paths: list[Path]) -> str:
    """A library that does not load, and the files of it that are here."""
    same = [path for path in paths if path.name == wanted]
    if same:
        return f"{wanted} does not load, and is in {same[0].parent}"
    return (
        f"{wanted} is wanted, and {', '.join(dict.fromkeys(path.name for path in paths))} is here, in {paths[0].parent}"
    )


def tensorrt_findings() -> Iterator[Finding]:
    """Whether TensorRT's libraries load, in the version that onnxruntime is built for. Only `--device tensorrt` needs them."""
    wanted = wanted_libraries("tensorrt")
    missing = [name for name in wanted if not can_load(name)]
    if not wanted:
        yield Finding(
            "tensorrt", "this onnxruntime is built without it, or does not say which libraries it needs", area="gpu"
        )
        return
    if not missing:
        yield Finding("tensorrt", f"{', '.join(wanted)} load", True, area="gpu")
        return
    major = int(wanted[0].rpartition(".")[2])
    install = install_command(f"tensorrt-cu{cuda_major_wanted() or 13}>={major},<{major + 1}")
    advice = path_advice(missing) or install
    if not any(other_versions(name) for name in missing):
        yield Finding(
            "tensorrt", f"not here: {', '.join(missing)}", None, f"only --device tensorrt needs it: {advice}", "gpu"
        )
        return
    yield from library_findings("tensorrt", missing, advice, False)


def torch_findings() -> Iterator[Finding]:
    """Where torch is built for another CUDA than onnxruntime, or for none: both work, each on its own."""
    ours = cuda_major_wanted()
    try:
        text = str(distribution("torch").locate_file("torch/version.py"))
        found = CUDA_LINE.search(Path(text).read_text("utf-8"))
    except (PackageNotFoundError, OSError, ValueError):
        return
    if ours is None or found is None:
        return
    if found[1] is None:
        yield Finding("torch and cuda", f"torch is built without CUDA, onnxruntime for CUDA {ours}", True,
                      "fine: builds and proofs run on the CPU, and archc run on the GPU", "gpu")  # fmt: skip
    elif int(found[1].split(".")[0]) != ours:
        yield Finding("torch and cuda", f"torch is built for CUDA {found[1]}, onnxruntime for CUDA {ours}", None,
                      f"each needs libraries of its own; those of onnxruntime: {extra_command('cuda')}", "gpu")  # fmt: skip
