"""The words of other frameworks: which op or field of ours each means, and what to write where no single op is meant.

Most words stand with the ops (`also_called`). Here is how they are looked up, and those that belong to no op: what archc infers,
what is no part of an architecture, what is a step by itself here, and what the language writes as several steps. Case,
underscores, dashes, a package in front (`nn.`) and brackets behind do not count.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .op import OPS, Op

# what an op infers from its input, so that a spec does not state it
INFERRED = (
    "in_channels", "in_features", "in_planes", "in_ch", "in_dim", "c1", "input_dim", "input_shape", "input_size", "num_features",
    "num_channels", "normalized_shape", "num_parameters",
)  # fmt: skip
# what does not change what a net computes in inference, or belongs to a framework's runtime
NOT_ARCHITECTURE = (
    "inplace", "data_format", "layout", "trainable", "device", "dtype", "track_running_stats", "workspace", "cudnn_off", "engine",
    "kernel_regularizer", "weight_decay",
)  # fmt: skip
# arguments that are a step of their own here; for each, the op that is meant where the argument's value names none
STEP_ARGUMENTS = (
    (
        ("activation", "act", "act_type", "act_layer", "act_func", "activation_fn", "activation_layer", "nonlinearity"),
        "relu",
    ),
    (
        ("norm", "norm_layer", "norm_type", "normalization", "normalizer_fn", "use_norm", "use_bn", "with_bn"),
        "batch_norm",
    ),
)
# keys under which other formats name a step's op
OP_KEYS = ("type", "op", "op_type", "layer", "layer_type", "module", "class_name", "_target_", "kind")

# words for which there is no single op, and what to write instead
COMPOSITIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("ConvTranspose", "ConvTranspose2d", "Conv2DTranspose", "TransposedConv", "Deconvolution", "Deconv", "Deconv2d", "UpConv"),
     "there is no transposed convolution: write `upsample: 2`, then `conv: {out: …, kernel: 3, padding: 1}`"),
    (("Conv2dNormActivation", "ConvNormActivation", "ConvNormAct", "ConvBNReLU", "ConvBNAct", "ConvBN", "ConvModule", "BasicConv2d", "CBR", "CBL",
      "CBS"),
     "write its steps: `conv: {out: …, kernel: 3, padding: 1, bias: false}`, `batch_norm`, `relu`; a block of yours may hold them"),
    (("DepthwiseConv", "DepthwiseConv2D", "DepthwiseConv2dNative", "DWConv", "ConvolutionDepthwise"),
     "a depthwise convolution has as many groups as channels: `conv: {out: C, kernel: 3, padding: 1, groups: C}`"),
    (("SeparableConv", "SeparableConv2D", "DepthwiseSeparableConv"),
     "write its two steps: `conv: {out: C, kernel: 3, padding: 1, groups: C}`, then `conv: {out: …}`"),
    (("PointwiseConv", "Conv1x1"), "write `conv: {out: …}`: the kernel is 1 unless given"),
    (("Conv1d", "Conv3d", "MaxPool1d", "MaxPool3d", "AvgPool1d", "AvgPool3d", "BatchNorm3d", "ConvTranspose3d"),
     "the language describes nets over images: there is nothing of one or three dimensions"),
    (("Pooling", "Pool", "Pool2d", "Pooling2D"), "write `max_pool: 2` or `avg_pool: 2`"),
    (("AdaptiveMaxPool2d", "AdaptiveMaxPool"), "write `global_max_pool` where one number a channel is wanted; there is no other size"),
    (("Eltwise", "Elementwise"), "write `add: [ … ]` for a sum, `multiply: [ … ]` for a product"),
    (("Scale",), "a learned weight and bias a channel is `affine`; a constant factor is `scale: 0.5`"),
    (("LayerScale",), "write `affine: {bias: false}`"),
    (("InstanceNorm", "InstanceNorm2d", "InstanceNormalization"), "write `group_norm: {groups: C}` with as many groups as channels"),
    (("Reshape", "View", "Unflatten"), "`flatten` makes a vector of an image; there is no other change of shape"),
    (("Clip", "Hardtanh", "Clamp"), "write `relu6` where the bounds are 0 and 6; there are no others"),
    (("UpsamplingBilinear2d",), "write `upsample: {scale: 2, mode: bilinear}`"),
    (("Dropout2d", "SpatialDropout2D", "DropBlock"), "there is `dropout: 0.5`, which drops single elements, and `drop_path`, which drops whole branches"),
    (("SqueezeExcitation", "SqueezeExcite", "SEModule", "SELayer", "SE"),
     "write `multiply: [[], [global_avg_pool, conv: {out: …}, relu, conv: {out: C}, sigmoid]]`"),
    (("Split", "Chunk"), "take each part by a step of its own: `slice: {channels: [0, 2]}`"),
    (("Activation", "NonLinearity"), "write the activation itself as a step: `relu`"),
    (("Sequential", "ModuleList"), "write `steps: [ … ]`"),
    (("Residual", "ResidualBlock", "SkipConnection", "Shortcut"), "write `residual: {body: [ … ], shortcut: [ … ]}`"),
    (("Input", "InputLayer", "Data", "Placeholder"), "the input is the document's key: `input: {image: [3, 224, 224]}`"),
    (("CrossEntropyLoss", "SoftmaxWithLoss", "Accuracy", "Loss"), "a loss is no part of a net: leave it out"),
)  # fmt: skip

# what else than the op of its name a module of Ultralytics' rows has
ROW_REMARKS = ((("Conv",), "theirs holds `batch_norm` and `silu` too: steps of their own here"),)


@lru_cache(maxsize=4096)
def normalize_word(word: str) -> str:
    """A word in one spelling: `nn.MaxPool2d()`, `max-pool2d` and `MaxPool_2D` are all `maxpool2d`."""
    return re.sub(r"[_\-\s]", "", word.partition("(")[0].rpartition(".")[2]).lower()


def is_among(word: str, words: tuple[str, ...]) -> bool:
    """Whether `word` is one of `words`, in any spelling."""
    return normalize_word(word) in map(normalize_word, words)


@lru_cache(maxsize=1)
def compositions() -> dict[str, str]:
    """The advice of COMPOSITIONS by normalised word."""
    return {normalize_word(word): advice for words, advice in COMPOSITIONS for word in words}


@lru_cache(maxsize=1)
def ops_by_word() -> dict[str, type[Op]]:
    """The ops that a spec can name, by each of their words, normalised.

    To be called once all of compiler.ops is imported: ops that are registered later are not found.
    """
    visible = [op for op in OPS.values() if not op.is_internal]
    return {normalize_word(word): op for op in visible for word in (op.name, *op.also_called)}


def composition_advice(word: str) -> str:
    """What to write for a word for which there is no single op; empty where there is no advice."""
    return compositions().get(normalize_word(word), "")


def match_op(word: str) -> type[Op] | None:
    """The op that `word` means: ours in any spelling, or another framework's word for it; None where there is none."""
    return ops_by_word().get(normalize_word(word))


def match_field(op: type[Op], word: str) -> str | None:
    """The field of `op` that `word` means, in any spelling; None where there is none."""
    return next((key for key, each in op.fields.items() if is_among(word, (key, *each.also_called))), None)


def match_step(word: str, value: object) -> type[Op] | None:
    """The op of the step that an argument such as `activation: gelu` or `bn: true` asks for; None where it asks for none."""
    usual = next((name for words, name in STEP_ARGUMENTS if is_among(word, words)), None)
    if usual is None:
        return match_op(word)
    return (match_op(value) if isinstance(value, str) else None) or OPS[usual]
