"""The opsets that archc writes, and the IR version of each. `archc build --help` reads them, so they are light."""

from __future__ import annotations

OPSET = 20
# The IR version that came with each opset, as in onnx's own table (a test holds it), so that the oldest onnxruntime that knows an
# opset reads the file. What is written has been in the format since IR 4: tensors that are no inputs, tensors outside the model, docs.
IR_OF_OPSET = {
    **dict.fromkeys((13, 14), 7),
    **dict.fromkeys((15, 16, 17, 18), 8),
    **dict.fromkeys((19, 20), 9),
    **dict.fromkeys((21, 22), 10),
    23: 11,
    24: 12,
    **dict.fromkeys((25, 26), 13),
}
OPSETS = range(min(IR_OF_OPSET), max(IR_OF_OPSET) + 1)
