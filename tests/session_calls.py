"""What tests of sessions share: pictures, and a call that must end in a fault of ours, without a word of onnxruntime's."""

from __future__ import annotations

import numpy as np
import pytest

from archc.runtime import RuntimeFault


def fault(call, *arguments, **options) -> RuntimeFault:
    with pytest.raises(RuntimeFault) as caught:
        call(*arguments, **options)
    assert "ONNXRuntimeError" not in caught.value.message + caught.value.help
    return caught.value


def photos(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)
