"""Graph → ONNX: the lowering, and the bytes of the file."""
