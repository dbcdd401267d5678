"""What a graph becomes: a torch module, stand-alone torch source, an ONNX file."""
