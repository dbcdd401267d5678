"""OpenVINO in the tests: whether its plugin is here, and its use on a processor by whomever.

The plugin takes processors by Intel only, by the number of the maker, although OpenVINO computes on any x86-64 (onnxruntime's pull
request 31981 would lift that). So that the tests run on other machines, too, onnxruntime is told here that the processor is Intel's, before
the plugin asks: nothing else is changed, and what computes is OpenVINO.
"""

from __future__ import annotations

import ctypes

import pytest

INTEL = 0x8086
# in onnxruntime's description of a device: its kind, then its maker; a Python object points to it behind its own two words
POINTER, MAKER = 16, 4


@pytest.fixture
def openvino() -> None:
    """A machine on which `--device openvino` works; the test is skipped where that cannot be had."""
    pytest.importorskip("onnxruntime_ep_openvino", reason="OpenVINO's plugin is not installed: tests/peers.txt")
    if not call_processor_intel():
        pytest.skip(
            "OpenVINO's plugin takes Intel's processors only, and onnxruntime has no number for this one's maker"
        )


def call_processor_intel() -> bool:
    """Whether onnxruntime takes the processor for Intel's from now on."""
    import onnxruntime

    (processor,) = [each.device for each in onnxruntime.get_ep_devices() if each.ep_name == "CPUExecutionProvider"]
    maker = ctypes.c_uint32.from_address(ctypes.c_void_p.from_address(id(processor) + POINTER).value + MAKER)
    # another onnxruntime may lay it out otherwise
    if maker.value == processor.vendor_id:
        maker.value = INTEL
    return bool(processor.vendor_id == INTEL)
