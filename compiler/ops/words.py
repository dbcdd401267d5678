"""The words of other frameworks: which op or field of ours each means, and what to write where no single op is meant.

Most words stand with the ops (`also_called`). Here is how they are looked up, and those that belong to no op: what archc infers,
what is no part of an architecture, what is a step by itself here, and what the language writes as several steps. Case,
underscores, dashes, a package in front (`nn.`) and brackets behind do not count.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

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
        (
            "norm",
            "norm_layer",
            "norm_type",
            "normalization",
            "normalizer_fn",
            "use_norm",
            "use_bn",
            "with_bn",
            "batch_normalize",
            "batch_normalization",
            "use_batch_norm",
            "use_batchnorm",
            "with_norm",
        ),
        "batch_norm",
    ),
)
# values of such arguments by which other frameworks say that there is no such step
NO_STEP = ("linear", "identity", "none", "null", "no", "off", "false", "0", "")
# arguments that mean something else than the most similar field, and what to say of them
ARGUMENT_ADVICE = (
    (("padding_mode", "pad_mode"), "padding is with zeros; `pad: {height: [1, 1], width: [1, 1], value: …}` is a step of its own"),
    (("depth_multiplier", "channel_multiplier", "depthwise", "separable"), "a depthwise convolution has as many `groups` as channels"),
    (("keep_prob", "keep_probability", "survival_prob"), "here the probability to drop is given: 1 minus that to keep"),
    (("kernel_h", "kernel_w", "kernel_height", "kernel_width"), "both are one pair: `kernel: [height, width]`"),
    (("stride_h", "stride_w"), "both are one pair: `stride: [height, width]`"),
    (("pad_h", "pad_w"), "both are one pair: `padding: [height, width]`"),
    (("transpose", "transposed", "output_padding"), "there is no transposed convolution: `upsample: 2`, then `conv: {out: …, kernel: 3, padding: 1}`"),
    (("axis", "dim", "start_dim", "end_dim", "keepdims", "keepdim"), "leave it out: axes are those of images and vectors, channels first"),
    (("decay", "moving_average_fraction", "bn_momentum"), "`momentum` is the weight of the newest batch: 1 minus the decay"),
    (("weights", "pretrained", "weight_file"), "weights are no part of a spec: `archc build --weights FILE`"),
    (("max_value",), "write the step `relu6` where the bound is 6; there is no other"),
    (("return_indices", "use_global_stats", "spectral_norm", "momentum_schedule"), "leave it out: there is nothing of it here"),
    (("align_corners", "half_pixel_centers", "antialias"), "leave it out: sizes grow as with align_corners false"),
    (("depth_radius",), "`size` counts the whole window: twice the radius, and one"),
)  # fmt: skip
# parts of the paths to what libraries have
LIBRARIES = frozenset({"torch", "nn", "optim", "lr_scheduler", "functional", "F", "torchvision", "transforms", "T", "v2", "A", "albumentations", "kornia",
    "tf", "tensorflow", "keras", "layers", "optimizers", "losses", "schedules", "timm", "transformers", "lightning", "pytorch_lightning", "mmcv",
    "mmengine", "mmpretrain", "jax", "optax", "flax", "paddle", "bitsandbytes", "torch_optimizer", "pytorch_optimizer"})  # fmt: skip
# mappings in which other formats keep a step's arguments
NESTED_ARGUMENTS = re.compile(r"config|args|kwargs|attrs|attributes|params|parameters|options|\w+_param")
# keys that open a list of names or branches in other formats
INPUT_KEYS = ("inputs", "input", "from", "branches", "layers", "bottom", "sources")
# keys under which other formats name a step's op
OP_KEYS = ("type", "op", "op_type", "layer", "layer_type", "module", "class_name", "_target_", "kind")

# words for which there is no single op, and what to write instead
COMPOSITIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("ConvTranspose", "ConvTranspose2d", "Conv2DTranspose", "TransposedConv", "TransposedConv2d", "TransposeConv", "Deconvolution", "Deconvolutional",
      "Deconvolution2D", "Deconv", "Deconv2d", "UpConv"),
     "there is no transposed convolution: write `upsample: 2`, then `conv: {out: …, kernel: 3, padding: 1}`"),
    (("Conv2dNormActivation", "ConvNormActivation", "ConvNormAct", "ConvBNReLU", "ConvBNAct", "ConvBN", "ConvModule", "BasicConv2d", "CBR", "CBL",
      "CBS"),
     "write its steps: `conv: {out: …, kernel: 3, padding: 1, bias: false}`, `batch_norm`, `relu`; a block of yours may hold them"),
    (("Conv3x3",), "write `conv: {out: …, kernel: 3, padding: 1}`"),
    (("Conv5x5",), "write `conv: {out: …, kernel: 5, padding: 2}`"),
    (("Conv7x7",), "write `conv: {out: …, kernel: 7, padding: 3}`"),
    (("PixelShuffle", "DepthToSpace", "SubPixelConv"), "there is none: write `upsample: 2`, then `conv: {out: …, kernel: 3, padding: 1}`"),
    (("PixelUnshuffle", "SpaceToDepth", "Reorg", "Focus"), "there is none: write `conv: {out: …, kernel: 2, stride: 2}`"),
    (("C1", "C2", "C2f", "C3", "C3k2", "C3TR", "C2PSA", "C3Ghost", "BottleneckCSP", "Bottleneck", "BasicBlock", "InvertedResidual", "MBConv", "Fire",
      "InceptionModule", "DenseBlock", "TransitionLayer"),
     "it is several steps: write a block of yours under `blocks`, from `conv: {out: …}`, `batch_norm`, `residual: {body: [ … ]}` and `concat: [ … ]`"),
    (("SPP", "SPPF", "SPPCSPC"),
     "it is several steps: `concat: [[], {max_pool: {kernel: 5, stride: 1, padding: 2}}]` between two of `conv: {out: …}`"),
    (("GhostConv", "GSConv", "RepConv", "CrossConv", "MixConv", "DeformConv", "DeformConv2d", "DCNv2", "LocallyConnected2D", "Local", "PartialConv2d"),
     "there is no such convolution: an ordinary one is `conv: {out: …, kernel: 3, padding: 1}`"),
    (("Detect", "Segment", "Pose", "OBB", "Yolo", "Region", "Detection", "DetectionOutput", "PriorBox"),
     "write the convolutions of the head, each with an `output`; boxes are decoded outside of the net"),
    (("Classify",), "write `global_avg_pool`, then a `linear`"),
    (("LSTM", "GRU", "RNN", "Embedding", "Attention", "MultiheadAttention", "SelfAttention", "Transformer", "TransformerEncoder", "TransformerEncoderLayer"),
     "the language describes convolutional nets: there is no such layer"),
    (("MLP",), "it is several steps: linear layers, with `gelu` between them"),
    (("Power",), "a constant factor is `scale: 0.5`; there is no power"),
    (("SELU",), "it is `elu: 1.67326`, then `scale: 1.0507`"),
    (("CELU",), "it is `elu: 1.0` where its alpha is 1; there is no other"),
    (("Mish", "Softplus", "Softsign", "LogSigmoid", "ThresholdedReLU", "RReLU", "CReLU", "Maxout", "GLU", "QuickGELU"),
     "there is no such activation: `archc ops` lists those that there are"),
    (("Permute", "Transpose", "Squeeze", "Unsqueeze", "ExpandDims", "RepeatVector", "Lambda", "TimeDistributed", "MatMul"),
     "there is none: images stay images, and `flatten` makes vectors of them"),
    (("ReflectionPad2d", "ReplicationPad2d", "MirrorPad"), "padding is with a constant: `pad: {height: [1, 1], width: [1, 1]}`"),
    (("Maximum", "Max", "Minimum", "Subtract", "Sub", "Div", "Dot"), "there is no such merge: they are `add: [ … ]`, `multiply: [ … ]`, `mean: [ … ]` and `concat: [ … ]`"),
    (("MaxUnpool2d", "Unpooling", "Unpool"), "there is none: write `upsample: 2`"),
    (("GlobalPool", "GlobalPooling"), "write `global_avg_pool` or `global_max_pool`"),
    (("LpPool2d", "StochasticPool", "FractionalMaxPool2d"), "there is no such pool: write `max_pool: 2` or `avg_pool: 2`"),
    (("SpectralNorm", "WeightNorm", "WeightStandardization"), "there is none: it is a matter of training"),
    (("Norm", "Normalization", "Normalize"), "say which: `batch_norm`, `group_norm: {groups: …}`, `layer_norm`"),
    (("DepthwiseConv", "DepthwiseConv2D", "DepthwiseConv2dNative", "DWConv", "ConvolutionDepthwise"),
     "a depthwise convolution has as many groups as channels: `conv: {out: C, kernel: 3, padding: 1, groups: C}`"),
    (("SeparableConv", "SeparableConv2D", "DepthwiseSeparableConv"),
     "write its two steps: `conv: {out: C, kernel: 3, padding: 1, groups: C}`, then `conv: {out: …}`"),
    (("PointwiseConv", "Conv1x1"), "write `conv: {out: …}`: the kernel is 1 unless given"),
    (("Conv1d", "Conv3d", "MaxPool1d", "MaxPool3d", "AvgPool1d", "AvgPool3d", "BatchNorm3d", "ConvTranspose3d"),
     "the language describes nets over images: there is nothing of one or three dimensions"),
    (("Pooling", "Pool", "Pool2d", "Pooling2D"), "write `max_pool: 2` or `avg_pool: 2`"),
    (("AdaptiveMaxPool2d", "AdaptiveMaxPool"), "write `global_max_pool` where one number a channel is wanted; there is no other size"),
    (("Eltwise", "Elementwise", "Merge"), "write `add: [ … ]` for a sum, `multiply: [ … ]` for a product"),
    (("Scale",), "a learned weight and bias a channel is `affine`; a constant factor is `scale: 0.5`"),
    (("LayerScale", "Parameter"), "a learned factor for each channel is `affine: {bias: false}`"),
    (("AMax",), "write `global_max_pool`: the largest number of each channel"),
    (("InstanceNorm", "InstanceNorm2d", "InstanceNormalization"), "write `group_norm: {groups: C}` with as many groups as channels"),
    (("Reshape", "View", "Unflatten"), "`flatten` makes a vector of an image; there is no other change of shape"),
    (("Clip", "Hardtanh", "Clamp"), "write `relu6` where the bounds are 0 and 6; there are no others"),
    (("UpsamplingBilinear2d",), "write `upsample: {scale: 2, mode: bilinear}`"),
    (("Dropout2d", "SpatialDropout2D", "AlphaDropout", "FeatureAlphaDropout", "GaussianDropout", "DropBlock"), "there is `dropout: 0.5`, which drops single elements, and `drop_path`, which drops whole branches"),
    (("SqueezeExcitation", "SqueezeExcite", "SEModule", "SELayer", "SE"),
     "write `multiply: [[], [global_avg_pool, conv: {out: …}, relu, conv: {out: C}, sigmoid]]`"),
    (("Split", "Chunk"), "take each part by a step of its own: `slice: {channels: [0, 2]}`"),
    (("Activation", "NonLinearity"), "write the activation itself as a step: `relu`"),
    (("Sequential", "ModuleList"), "write `steps: [ … ]`"),
    (("Residual", "ResidualBlock", "ResBlock", "SkipConnection", "Shortcut"), "write `residual: {body: [ … ], shortcut: [ … ]}`"),
    (("Input", "InputLayer", "Data", "Placeholder"), "the input is the document's key: `input: {image: [3, 224, 224]}`"),
    (("CrossEntropyLoss", "SoftmaxWithLoss", "Accuracy", "Loss"), "a loss is no part of a net: leave it out"),
)  # fmt: skip

# what else than the op of its name a module of Ultralytics' rows has
ROW_REMARKS = ((("Conv",), "theirs holds `batch_norm` and `silu` too: steps of their own here"),)


@lru_cache(maxsize=4096)
def normalize_word(word: str) -> str:
    """A word in one spelling: `nn.MaxPool2d()`, `max-pool2d` and `MaxPool_2D` are all `maxpool2d`."""
    return re.sub(r"[_\-\s]", "", word.partition("(")[0].rpartition(".")[2]).lower()


def is_own_word(word: str) -> bool:
    """Whether a word with points is a name of the user's own, as `my.auto`, and no path to what a library has, as `torch.optim.SGD` or
    `F.cross_entropy`: only of such a path the last part tells what is meant."""
    *path, last = word.partition("(")[0].split(".")
    are_names = all(part.isidentifier() for part in (*path, last))
    return are_names and bool(path) and not last[:1].isupper() and LIBRARIES.isdisjoint(path)


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


def argument_advice(word: str) -> str:
    """What to say of an argument that has no field of its meaning; empty where there is no advice."""
    return next((advice for words, advice in ARGUMENT_ADVICE if is_among(word, words)), "")


def match_op(word: str) -> type[Op] | None:
    """The op that `word` means: ours in any spelling, or another framework's word for it; None where there is none."""
    return ops_by_word().get(normalize_word(word))


def match_field(op: type[Op], word: str) -> str | None:
    """The field of `op` that `word` means, in any spelling; None where there is none."""
    return next((key for key, each in op.fields.items() if is_among(word, (key, *each.also_called))), None)


def match_step_argument(word: str, value: object) -> type[Op] | None:
    """The op that the value of an argument such as `activation: gelu` names; None for other words, and where it names none."""
    is_argument = any(is_among(word, words) for words, _ in STEP_ARGUMENTS)
    return match_op(value) if is_argument and isinstance(value, str) else None


def match_usual_step(word: str) -> type[Op] | None:
    """The op that an argument such as `activation` or `bn` usually asks for; None for all other words."""
    return next((OPS[name] for words, name in STEP_ARGUMENTS if is_among(word, words)), None)


def asks_for_no_step(value: object) -> bool:
    """Whether the value of such an argument says that there is no step: `activation: linear`, `bn: false`."""
    return value is None or value is False or str(value).lower() in NO_STEP


class ForeignCall(NamedTuple):
    """A call in another framework's words: its op here, its arguments in its own words, and remarks on their meaning."""

    op: type[Op]
    value: Any
    remarks: tuple[str, ...] = ()


def read_foreign_call(word: str, value: Any) -> ForeignCall | None:
    """The call that `word: value` means where the word is an op's; values are ours where theirs mean something else."""
    op, spelled = match_op(word), normalize_word(word)
    if op is None:
        return None
    if spelled == "leaky" and value is None:  # Darknet's has this slope
        return ForeignCall(op, 0.1)
    if spelled == "groupnorm" and (isinstance(value, (int, list)) and not isinstance(value, bool)) and value:
        return ForeignCall(op, {"groups": value[0] if isinstance(value, list) else value})
    if not isinstance(value, dict):
        return ForeignCall(op, value)
    if spelled == "upsampling2d" and "size" in value:  # torch's `size` is that of the result
        value = {("scale" if key == "size" else key): each for key, each in value.items()}
    if spelled == "relu" and (key := next((key for key in ("negative_slope", "alpha") if value.get(key)), None)):
        return ForeignCall(OPS["leaky_relu"], {"slope": value[key]})
    if spelled == "convolutional" and value.get("pad") in (1, True) and isinstance(value.get("size"), int):
        remark = "Darknet's `pad` is half of the kernel"
        return ForeignCall(op, {**value, "pad": value["size"] // 2}, (remark,) if value["size"] > 3 else ())
    if spelled == "batchnormalization" and isinstance(momentum := value.get("momentum"), float) and momentum > 0.5:
        remark = "`momentum` is the weight of the newest batch: 1 minus theirs"
        return ForeignCall(op, {**value, "momentum": round(1 - momentum, 9)}, (remark,))
    return ForeignCall(op, value)
