"""The messages of an ONNX file as archc writes them: which fields each has, and which others mean what archc does not do.

The numbers are those of onnx.proto.
"""

from __future__ import annotations

from .wire import BYTES, FIXED32, VARINT, Message

MODEL = Message.of(
    "model",
    {1: VARINT, 2: BYTES, 3: BYTES, 7: BYTES, 8: BYTES},
    {14: BYTES},
    {4: "a domain of the model", 20: "steps of training", 25: "functions"},
)
GRAPH = Message.of(
    "graph",
    {2: BYTES},
    {1: BYTES, 5: BYTES, 11: BYTES, 12: BYTES, 13: BYTES},
    {10: "a text about the graph", 14: "notes on quantisation", 15: "sparse weights"},
)
NODE = Message.of(
    "node",
    {2: BYTES, 3: BYTES, 4: BYTES, 6: BYTES},
    {1: BYTES, 5: BYTES},
    {7: "a node of a domain of its own, such as a call of a function"},
)
ATTRIBUTE = Message.of(
    "attribute",
    {1: BYTES, 2: FIXED32, 3: VARINT, 4: BYTES, 20: VARINT},
    {7: FIXED32, 8: VARINT},
    {5: "a tensor inside a node", 6: "a graph inside a node", 9: "texts in an attribute", 10: "tensors inside a node",
     11: "graphs inside a node"},
)  # fmt: skip
TENSOR = Message.of(
    "tensor",
    {2: VARINT, 8: BYTES, 9: BYTES, 14: VARINT},
    {1: VARINT, 13: BYTES},
    {4: "a weight's numbers in the field for floats", 7: "a weight's numbers in the field for int64"},
)
PORT = Message.of("port", {1: BYTES, 2: BYTES})
TYPE = Message.of("type", {1: BYTES})
TENSOR_TYPE = Message.of("tensor's type", {1: VARINT, 2: BYTES})
SHAPE = Message.of("shape", {}, {1: BYTES})
DIMENSION = Message.of("dimension", {1: VARINT, 2: BYTES})
OPSET = Message.of("opset", {1: BYTES, 2: VARINT})
PAIR = Message.of("pair", {1: BYTES, 2: BYTES})

# where tensors may stand in any model: the messages by name, and in each the fields that lead on, with the message in them
LEADS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
