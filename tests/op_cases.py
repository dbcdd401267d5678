"""The op table: every op with several argument combinations and the shapes it is given. One row drives every check."""

from __future__ import annotations

from typing import Any, NamedTuple


class Case(NamedTuple):
    op: str
    fields: dict[str, Any]
    inputs: tuple[tuple[int, ...], ...]

    def __str__(self) -> str:
        said = ",".join(f"{k}={v}" for k, v in self.fields.items()).replace(" ", "")
        return f"{self.op}({said[:60]})-{'+'.join('x'.join(map(str, s)) for s in self.inputs)}"


def cases(op: str, fields: list[dict[str, Any]], *inputs: tuple[int, ...]) -> list[Case]:
    """The same op on each of several inputs."""
    return [Case(op, f, (x,)) for f in fields for x in inputs]


IMAGE, ODD, VECTOR = (6, 9, 8), (4, 7, 11), (6,)

CASES: list[Case] = [
    *cases("conv", [
        {"out": 4}, {"out": 4, "bias": False}, {"out": 6, "kernel": 3, "padding": 1}, {"out": 4, "kernel": [1, 5], "padding": [0, 2]},
        {"out": 4, "kernel": [5, 1], "stride": [2, 1]}, {"out": 4, "kernel": 2, "stride": 3}, {"out": 4, "kernel": 3, "dilation": 2, "padding": 2},
        {"out": 4, "groups": 2, "kernel": 3}, {"out": 4, "kernel": 3, "padding": [0, 1, 2, 1]}, {"out": 4, "kernel": 3, "stride": 2, "padding": "same"},
        {"out": 4, "kernel": 2, "padding": "same"}, {"out": 4, "kernel": [4, 3], "stride": [3, 2], "padding": "same"},
    ], IMAGE, ODD),
    *cases("conv", [{"out": 12, "groups": 6, "kernel": 3, "padding": 1}, {"out": 3, "groups": 3, "kernel": [3, 2], "dilation": [1, 2]}], IMAGE),
    *cases("linear", [{"out": 5}, {"out": 1, "bias": False}], VECTOR, (6, 1, 1)),
    *cases("rbf", [{"out": 3}, {"out": 2, "centers": [[1, -1, 1, -1, 1, -1], [0.5, 0, 0, 0, 0, 2]]}], VECTOR, (6, 1, 1)),
    *cases("batch_norm", [{}, {"eps": 1e-3}, {"affine": False}], IMAGE, VECTOR),
    *cases("group_norm", [{"groups": 2}, {"groups": 6}, {"groups": 1, "eps": 1e-3}], IMAGE),
    *cases("layer_norm", [{}, {"eps": 1e-3}], IMAGE, VECTOR),
    *cases("local_response_norm", [{"size": 5}, {"size": 3, "alpha": 5e-4, "beta": 0.5, "k": 2.0}, {"size": 1},
                                  {"size": 3, "alpha": 0, "k": 2.0}, {"size": 3, "beta": 0, "k": 2.0}], IMAGE, ODD),
    *[Case(op, {}, (x,)) for op in ("relu", "relu6", "gelu", "silu", "hard_swish", "sigmoid", "hard_sigmoid", "tanh", "softmax", "log_softmax",
                                    "identity") for x in (IMAGE, VECTOR)],
    *cases("leaky_relu", [{}, {"slope": 0.2}], IMAGE, VECTOR),
    *cases("elu", [{}, {"alpha": 0.5}], IMAGE, VECTOR),
    *cases("prelu", [{}, {"start": 0.1}], IMAGE, VECTOR),
    *cases("max_pool", [
        {"kernel": 2}, {"kernel": 3, "stride": 2}, {"kernel": 3, "stride": 2, "ceil_mode": True}, {"kernel": 3, "stride": 2, "padding": 1},
        {"kernel": 2, "stride": 3}, {"kernel": 2, "stride": 3, "ceil_mode": True}, {"kernel": [3, 2], "stride": [1, 2], "padding": [1, 0]},
        {"kernel": 3, "stride": 2, "padding": "same"}, {"kernel": 2, "stride": 1, "padding": "same"}, {"kernel": 2, "padding": 1, "ceil_mode": True},
        {"kernel": 3, "stride": 2, "padding": [0, 0, 1, 1]},
    ], IMAGE, ODD),
    *cases("avg_pool", [
        {"kernel": 2}, {"kernel": 3, "stride": 2}, {"kernel": 3, "stride": 2, "ceil_mode": True}, {"kernel": 3, "stride": 2, "padding": 1},
        {"kernel": 3, "stride": 2, "padding": 1, "ceil_mode": True}, {"kernel": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
        {"kernel": 3, "stride": 1, "padding": 1, "count_include_pad": False}, {"kernel": 2, "stride": 3, "ceil_mode": True},
        {"kernel": 3, "stride": 2, "padding": "same"}, {"kernel": 2, "stride": 1, "padding": "same", "count_include_pad": False},
        {"kernel": 3, "stride": 2, "padding": [0, 0, 1, 1]}, {"kernel": 4, "padding": [0, 0, 2, 1], "ceil_mode": True},
        {"kernel": [4, 3], "stride": [5, 3], "padding": [1, 0, 2, 1], "ceil_mode": True, "count_include_pad": False},
    ], IMAGE, ODD),
    *cases("adaptive_avg_pool", [{"size": 1}, {"size": 4}, {"size": [3, 4]}, {"size": [9, 8]}, {"size": [5, 3]}], IMAGE),
    *cases("adaptive_avg_pool", [{"size": 7}], (3, 3, 5)),
    *cases("global_avg_pool", [{}], IMAGE, (6, 1, 1)),
    *cases("global_max_pool", [{}], IMAGE, (6, 1, 1)),
    Case("concat", {}, (IMAGE, (2, 9, 8))), Case("concat", {}, (VECTOR, (3,), VECTOR)), Case("concat", {}, (IMAGE,)),
    *[Case(op, {}, (IMAGE,) * n) for op in ("add", "mean", "multiply") for n in (1, 2, 3)],
    Case("add", {}, (VECTOR, VECTOR)), Case("multiply", {}, (IMAGE, (6, 1, 1))), Case("multiply", {}, ((6, 1, 1), IMAGE)),
    *cases("scale", [{"value": 0.17}, {"value": -2.0}], IMAGE, VECTOR),
    *cases("affine", [{}, {"bias": False}], IMAGE, VECTOR),
    *cases("flatten", [{}], IMAGE, VECTOR),
    *cases("pad", [{"channels": [1, 2]}, {"height": [0, 2], "width": [1, 0], "value": 0.5}], IMAGE),
    *cases("pad", [{"channels": [1, 2]}], VECTOR),
    *cases("slice", [{"height": [0, 9, 2], "width": [0, 8, 2]}, {"channels": [1, 4]}, {"channels": [0, 6, 4], "width": [3, 4]}], IMAGE),
    *cases("slice", [{"channels": [2, 5]}], VECTOR),
    *cases("select", [{"channels": [0, 4, 5]}, {"channels": [3, 3, 0]}], IMAGE, VECTOR),
    *cases("channel_shuffle", [{"groups": 2}, {"groups": 3}], IMAGE),
    *cases("upsample", [{"scale": 2}, {"scale": 3, "mode": "bilinear"}, {"scale": 2, "mode": "bilinear"}], IMAGE, ODD),
    *cases("dropout", [{}, {"p": 0.2}], IMAGE, VECTOR),
    *cases("drop_path", [{"p": 0.3}, {"p": 0.3, "per": "batch"}, {"p": 0.4, "rescale": "inference"}], IMAGE),
    Case("join", {"local": 0.15}, (IMAGE, IMAGE, IMAGE)),
    Case("join", {"local": 0.15, "global": 0.5}, (VECTOR, VECTOR)),
]  # fmt: skip

# op, fields, inputs, the code it is refused with, the field that is pointed at
REJECTS: list[tuple[str, dict[str, Any], tuple[tuple[int, ...], ...], str, str | None]] = [
    ("conv", {"out": 4}, (VECTOR,), "not-an-image", None),
    ("conv", {"out": 4, "groups": 4}, (IMAGE,), "groups-mismatch", "groups"),
    ("conv", {"out": 3, "groups": 2}, (IMAGE,), "groups-mismatch", "groups"),
    ("conv", {"out": 4, "kernel": 10}, (IMAGE,), "window-too-large", "kernel"),
    ("conv", {"out": 4, "kernel": 3, "dilation": 5}, (IMAGE,), "window-too-large", "dilation"),
    ("linear", {"out": 4}, (IMAGE,), "not-a-vector", None),
    ("rbf", {"out": 1, "centers": [[1, 2]]}, (VECTOR,), "centers-mismatch", "centers"),
    ("rbf", {"out": 1, "centers": [[1, 2, 3, 4, 5, 6]] * 2}, (VECTOR,), "centers-mismatch", "centers"),
    ("rbf", {"out": 1}, (IMAGE,), "not-a-vector", None),
    ("group_norm", {"groups": 2}, (VECTOR,), "not-an-image", None),
    ("local_response_norm", {"size": 5}, (VECTOR,), "not-an-image", None),
    ("group_norm", {"groups": 4}, (IMAGE,), "groups-mismatch", "groups"),
    ("group_norm", {"groups": 8}, ((8, 1, 1),), "groups-mismatch", "groups"),
    ("local_response_norm", {"size": 4}, (IMAGE,), "even-size", "size"),
    ("max_pool", {"kernel": 10}, (IMAGE,), "window-too-large", "kernel"),
    ("avg_pool", {"kernel": [1, 9]}, (IMAGE,), "window-too-large", "kernel"),
    ("max_pool", {"kernel": [2, 3], "padding": [0, 2]}, (IMAGE,), "padding-too-large", "padding"),
    ("avg_pool", {"kernel": 3, "padding": 2}, (IMAGE,), "padding-too-large", "padding"),
    ("max_pool", {"kernel": 2}, (VECTOR,), "not-an-image", None),
    ("avg_pool", {"kernel": 2}, (VECTOR,), "not-an-image", None),
    ("adaptive_avg_pool", {"size": 1}, (VECTOR,), "not-an-image", None),
    ("global_avg_pool", {}, (VECTOR,), "not-an-image", None),
    ("global_max_pool", {}, (VECTOR,), "not-an-image", None),
    ("add", {}, (IMAGE, ODD), "shape-mismatch", None),
    ("add", {}, (IMAGE, (6, 1, 1)), "shape-mismatch", None),
    ("concat", {}, (IMAGE, (6, 9, 7)), "shape-mismatch", None),
    ("concat", {}, (IMAGE, VECTOR), "shape-mismatch", None),
    ("mean", {}, (VECTOR, (5,)), "shape-mismatch", None),
    ("multiply", {}, (IMAGE, (5, 1, 1)), "shape-mismatch", None),
    ("join", {}, (IMAGE, IMAGE, ODD), "shape-mismatch", None),
    ("pad", {"height": [1, 1]}, (VECTOR,), "not-an-image", None),
    ("slice", {"channels": [0, 7]}, (IMAGE,), "slice-out-of-range", "channels"),
    ("slice", {"height": [0, 1]}, (VECTOR,), "not-an-image", None),
    ("select", {"channels": [6]}, (IMAGE,), "select-out-of-range", "channels"),
    ("channel_shuffle", {"groups": 4}, (IMAGE,), "groups-mismatch", "groups"),
    ("channel_shuffle", {"groups": 2}, (VECTOR,), "not-an-image", None),
    ("upsample", {"scale": 2}, (VECTOR,), "not-an-image", None),
    ("normalize", {"factor": [1] * 6, "offset": [0] * 6}, (VECTOR,), "not-an-image", None),
    ("normalize", {"factor": [1] * 3, "offset": [0] * 3}, (IMAGE,), "preprocess-channels", None),
]
