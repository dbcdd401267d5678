"""onnxruntime's contenders: archc's file by archc's own Session, and the file that torch exports."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from archc.runtime import Session, UntrainedWarning
from archc.runtime.devices import PROVIDERS, choose_device
from archc.runtime.devices.placement import count_nodes, describe_placement, locate_nodes
from archc.runtime.inference import create_ort_session, session_options

from .case import Case
from .contender import FROM_HOST, KERNELS, Opened, Recipe

NUMPY_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}
NHWC = {"nhwc": "on"}
# options of onnxruntime's that Session does not offer (docs/reference/devices.md says why)
GRAPH, FUSED = {"enable_cuda_graph": "1"}, {"fuse_conv_bias": "1"}


def archc_recipes(precision: str) -> list[Recipe]:
    """archc's contenders in a precision: its file as it is built, with the provider's options, as a CUDA graph, and with pixels as input."""
    tf32 = {"tf32": "on"} if precision == "tf32" else {}
    plain: dict[str, str] = {"precision": "fp16", "io": "fp16"} if precision == "fp16" else {}
    half = {"precision": "fp16"} if precision == "fp16" else {}
    recipes = [
        Recipe("archc", partial(open_archc, plain, tf32)),
        Recipe("archc, nhwc", partial(open_archc, plain, tf32 | NHWC), needs_card=True),
        Recipe("archc, fused biases", partial(open_with, FUSED, plain, tf32), needs_card=True),
        Recipe("archc, nhwc, fused biases", partial(open_with, FUSED, plain, tf32 | NHWC), needs_card=True),
        Recipe("archc, uint8 input", partial(open_archc, half | {"input_type": "uint8"}, tf32)),
        Recipe("archc, uint8 input, nhwc", partial(open_archc, half | {"input_type": "uint8"}, tf32 | NHWC), needs_card=True),
        Recipe("archc, CUDA graph", partial(open_with, GRAPH, plain, tf32), needs_card=True),
        Recipe("archc, nhwc, CUDA graph", partial(open_with, GRAPH, plain, tf32 | NHWC), needs_card=True),
    ]  # fmt: skip
    if precision == "fp16":
        recipes += [
            Recipe("archc, float32 input", partial(open_archc, half, tf32)),
            Recipe("archc, float32 input, nhwc", partial(open_archc, half, tf32 | NHWC), needs_card=True),
        ]
    return recipes


def export_recipes(precision: str, group_seconds: float = 20.0) -> list[Recipe]:
    """torch's own export in the same onnxruntime, with the options that archc has by default, and channels last."""
    tf32 = {"tf32": "on"} if precision == "tf32" else {}
    return [
        Recipe("torch export", partial(open_export, tf32), seconds=group_seconds, package="onnx"),
        Recipe("torch export, nhwc", partial(open_export, tf32 | NHWC), True, package="onnx"),
    ]


def on_device(case: Case, settings: Mapping[str, str]) -> dict[str, str]:
    """The options that the case's device has; the processor has none."""
    return dict(settings) if case.device.is_card else {}


def open_archc(options: Mapping[str, Any], settings: Mapping[str, str], case: Case) -> Opened:
    """archc's file by Session: what `archc run` and Python's users get. Raises RuntimeFault where a node is not on the device."""
    path = case.build(**options)
    with warnings.catch_warnings(action="ignore", category=UntrainedWarning):
        session = Session(path, device=case.device.name, options=on_device(case, settings), cache=False)
    engine: Any = session.session
    (port,) = session.inputs.values()
    array, output = case.feed(port.dtype), session.logits_output
    run, answer = bind_run(case, engine.session)
    facts = {"described": session.describe_device(), "file": path.name, "file_bytes": path.stat().st_size}
    return Opened({KERNELS: run, FROM_HOST: lambda: session.run(array, [output])}, answer, facts)


def open_with(more: Mapping[str, str], options: Mapping[str, Any], settings: Mapping[str, str], case: Case) -> Opened:
    """archc's file by onnxruntime with provider options that Session does not offer. A CUDA graph is captured at the first run, and replayed
    by all that follow."""
    path = case.build(**options)
    session, facts = open_provider(case, path, settings, more, strict=True)
    run, answer = bind_run(case, session)
    without = {FROM_HOST: f"archc's Session offers no {' or '.join(more)} (docs/reference/devices.md)"}
    return Opened({KERNELS: run}, answer, {**facts, "file": path.name}, without)


def open_export(settings: Mapping[str, str], case: Case) -> Opened:
    """The file that torch.onnx.export makes of the same module at this batch, opened with the provider's options of archc.

    By the exporter that torch has by default where its packages are here, else by the older one.
    """
    path, exporter = export(case)
    session, facts = open_provider(case, path, settings, {}, strict=False)
    run, answer = bind_run(case, session)
    kind = session.get_inputs()[0].type
    feed, names = {session.get_inputs()[0].name: case.feed(NUMPY_TYPES[kind])}, [session.get_outputs()[-1].name]
    facts = {**facts, "exporter": exporter, "file_bytes": sum(each.stat().st_size for each in path.parent.iterdir())}
    return Opened({KERNELS: run, FROM_HOST: lambda: session.run(names, feed)}, answer, facts)


def export(case: Case) -> tuple[Path, str]:
    """torch's file of a case, in a folder of its own, and the exporter that made it."""
    import torch

    dynamo = all(find_spec(package) for package in ("onnxscript", "onnx_ir"))
    half = case.precision == "fp16"
    path = case.models / f"{case.net}-{case.batch}-torch{'-fp16' if half else ''}" / "net.onnx"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        net = case.module().half() if half else case.module()
        images = torch.from_numpy(case.half_images if half else case.images).to(case.device.name)
        partial_path = path.with_name("partial.onnx")
        with torch.no_grad(), warnings.catch_warnings(action="ignore"):
            torch.onnx.export(net, (images,), str(partial_path), dynamo=dynamo, external_data=False,
                              input_names=["images"], output_names=["logits"])  # fmt: skip
        partial_path.rename(path)
    return path, "torch.onnx.export" + ("" if dynamo else ", dynamo=False: onnxscript is not here")


def open_provider(case: Case, path: Path, settings: Mapping[str, str], more: Mapping[str, str], strict: bool) -> tuple[Any, dict[str, Any]]:  # fmt: skip
    """An onnxruntime session on the device with options that Session does not offer, and where its nodes are.

    With `strict` all nodes are on the device: a CUDA graph wants that.
    """
    choice = choose_device(case.device.name, on_device(case, settings))
    providers: list[Any] = [*choice.providers]
    if case.device.is_card:
        ((name, options),) = choice.providers
        providers = [(name, {**options, **more}), *([] if strict else [PROVIDERS["cpu"]])]
    how = session_options(None)
    how.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    session = create_ort_session(path, how, providers)
    if case.device.is_card and session.get_providers()[0] != PROVIDERS[choice.device]:
        raise RuntimeError(f"onnxruntime did not take {choice.device}")
    nodes = count_nodes(locate_nodes(session))
    return session, {"described": describe_placement(choice.device, nodes) if case.device.is_card else "cpu"}


def bind_run(case: Case, session: Any) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """A run of an onnxruntime session whose input and answer stay on the device, and what gives that answer as an array.

    The tensors are torch's, so their addresses stay; the run waits until onnxruntime's own stream is done.
    """
    import numpy as np
    import torch

    (port, *_), output = session.get_inputs(), session.get_outputs()[-1]
    kinds = [np.dtype(NUMPY_TYPES[each.type]) for each in (port, output)]
    images = torch.from_numpy(case.feed(kinds[0].name)).to(case.device.name)
    made = torch.empty((case.batch, *output.shape[1:]), dtype=getattr(torch, kinds[1].name), device=case.device.name)
    binding = session.io_binding()
    for bind, name, kind, tensor in (
        (binding.bind_input, port.name, kinds[0], images),
        (binding.bind_output, output.name, kinds[1], made),
    ):
        bind(name, case.device.name, 0, kind.type, tuple(tensor.shape), tensor.data_ptr())
    # the images have to be there before onnxruntime's own stream reads them
    case.device.synchronise()

    def run() -> None:
        session.run_with_iobinding(binding)

    def answer() -> Any:
        run()
        # `images` is named so that it lives as long as what is bound to its address
        return made.float().cpu().numpy() if images is not None else None

    return run, answer
