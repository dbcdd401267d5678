"""Where a model runs: one registry of devices, the choice of one, and how onnxruntime is given its provider."""

from __future__ import annotations

from .device import CPU_NODES, Device, DeviceChoice, DeviceOption, Trouble
from .nvidia import CUDA_OPTIONS
from .registry import DEVICES, PROVIDERS, choose_device, device_names, device_trouble, find_device, refuse_precision

__all__ = [
    "CPU_NODES",
    "CUDA_OPTIONS",
    "DEVICES",
    "PROVIDERS",
    "Device",
    "DeviceChoice",
    "DeviceOption",
    "Trouble",
    "choose_device",
    "device_names",
    "device_trouble",
    "find_device",
    "refuse_precision",
]
