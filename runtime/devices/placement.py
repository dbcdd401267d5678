"""How a session is given a device's provider, and which nodes it took.

onnxruntime itself says where it put each node, from 1.24 on. It counts them after its simplest rewrites and before it fuses any, so
that they have the model's own names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .device import DeviceChoice
from .plugins import pick_devices
from .registry import PROVIDERS, find_device

STRICT = "session.disable_cpu_ep_fallback"
RECORD = "session.record_ep_graph_assignment_info"
NAMED_NODES = 5


def add_provider(options: Any, choice: DeviceChoice, strict: bool) -> list[Any]:
    """Prepares SessionOptions for a device, and gives the providers that onnxruntime.InferenceSession is called with.

    With `strict` onnxruntime refuses a model of which a node would run on the CPU. A plugin goes into the options: none are given.
    """
    options.add_session_config_entry(RECORD, "1")
    if strict:
        options.add_session_config_entry(STRICT, "1")
    device = find_device(choice.device)
    for name, value in device.session.items():
        options.add_session_config_entry(name, value)
    if not device.package:
        return [*choice.providers] if strict else [*choice.providers, PROVIDERS["cpu"]]
    ((_, own),) = choice.providers
    options.add_provider_for_devices(pick_devices(device, choice.settings), own)
    return []


def locate_nodes(session: Any) -> dict[str, list[tuple[str, str]]]:
    """The nodes that each provider took, by name and operator; nothing where this onnxruntime does not say."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return {}
    found: dict[str, list[tuple[str, str]]] = {}
    for part in session.get_provider_graph_assignment_info():
        found.setdefault(part.ep_name, []).extend((node.name, node.op_type) for node in part.get_nodes())
    return found


def count_nodes(nodes: Mapping[str, Sequence[Any]]) -> dict[str, int]:
    """How many nodes each provider took."""
    return {provider: len(each) for provider, each in nodes.items()}


def describe_elsewhere(nodes: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """Which nodes a device left to the CPU, the first by their names; empty where there are none."""
    left = nodes.get(PROVIDERS["cpu"], ())
    if not left:
        return ""
    total = sum(map(len, nodes.values()))
    more = f", and {len(left) - NAMED_NODES} more" if len(left) > NAMED_NODES else ""
    return f"it does not run {len(left)} of {total} nodes: {name_nodes(left[:NAMED_NODES])}{more}"


def name_nodes(nodes: Iterable[tuple[str, str]]) -> str:
    """Nodes by name and operator, in words: `head.det` (Det), …"""
    return ", ".join(f"`{name}` ({op})" if name else f"a {op} without a name" for name, op in nodes)


def describe_placement(device: str, nodes: Mapping[str, int]) -> str:
    """How many of all nodes run on the device, as `139/139 nodes`; empty where nothing says."""
    own = sum(count for provider, count in nodes.items() if device == "cpu" or provider != PROVIDERS["cpu"])
    return f"{own}/{sum(nodes.values())} nodes" if nodes else ""
