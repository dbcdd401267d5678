"""Recipes in the words of other tools: one diagnostic for each slip, and what it tells to write is taken."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archc import Failure
from archc.compiler.frontend.language import RECIPE_KEYS, SPEC_KEYS, spec_rules
from archc.compiler.frontend.other_words import advise_other_word
from archc.compiler.frontend.schema_rules import find_key
from archc.compiler.frontend.validation import fits
from archc.compiler.sources import Memory, SpecText
from archc.training.recipe.find import refuse_swapped
from archc.training.recipe.read import check_recipe
from archc.training.recipe.rules import recipe_schema
from archc.training.recipe.words import (
    EXAMPLES,
    FORMS,
    INSTEAD,
    ITEM_ORDERS,
    MEANT_KEYS,
    NEEDS,
    ORDER,
    OTHER_KEYS,
    OTHER_WORDS,
    PARTS,
    STANDS_IN,
)

from .program import Run, program

HEAD = "recipe: 1\nepochs: 100\nbatch: 32\n"
NO_LENGTH = "recipe: 1\n"

# what stands behind HEAD, the code and the line of its one diagnostic, and parts of its message and its help
SLIPS: list[tuple[str, str, int, str, str]] = [
    # a choice that is named under a key, as a word, by its fields alone, beside its fields
    ("optimizer: {name: sgd, lr: 0.1}", "unknown-key", 4, "`name` is no optimizer: an optimizer is a key itself", "write `optimizer: {sgd: {lr: 0.1}}`"),
    ("optimizer: {type: SGD, lr: 0.1, momentum: 0.9}", "unknown-key", 4, "`type` is no optimizer", "write `optimizer: {sgd: {lr: 0.1, momentum: 0.9}}`"),
    ("optimizer: {class_name: Adam, config: {learning_rate: 0.001}}", "unknown-key", 4, "`class_name`", "write `optimizer: {adam: {lr: 0.001}}`"),
    ("optimizer: {_target_: torch.optim.AdamW, lr: 0.002}", "unknown-key", 4, "`_target_`", "write `optimizer: {adamw: {lr: 0.002}}`"),
    ("optimizer: {name: sgd, lr: 0.1, foo: 1}", "unknown-key", 4, "`name`", "write `optimizer: {sgd: {lr: 0.1}}`; `sgd` has no `foo`"),
    ("optimizer: {name: frobnicate, lr: 0.1}", "unknown-key", 4, "`name`", "`frobnicate`: it can be sgd"),
    ("optimizer: sgd\nlr: 0.1", "wrong-type", 4, "not 'sgd'", "write `optimizer: {sgd: {lr: 0.1}}`"),
    ("lr: 0.1\noptimizer: sgd\nmomentum: 0.9\nwd: 1e-4", "wrong-type", 5, "not 'sgd'", "write `optimizer: {sgd: {lr: 0.1, momentum: 0.9, weight_decay: 0.0001}}`"),
    ("opt: sgd\nlr: 0.2", "unknown-key", 4, "`opt`", "`opt` is `optimizer` here: write `optimizer: {sgd: {lr: 0.2}}`"),
    ("optim: adamw_torch\nlearning_rate: 0.002", "unknown-key", 4, "`optim`", "write `optimizer: {adamw: {lr: 0.002}}`"),
    ("optimizer: adam", "wrong-type", 4, "not 'adam'", "write `optimizer: {adam: {lr: 0.001}}`"),
    ("optimizer: {SGD: {learning_rate: 0.2}}", "unknown-key", 4, "unknown optimizer: `SGD`", "`SGD` is `sgd` here: write `optimizer: {sgd: {lr: 0.2}}`"),
    ("optimizer: {lr: 0.1, momentum: 0.9}", "unknown-key", 4, "`lr` is a field of an optimizer", "write `optimizer: {sgd: {lr: 0.1, momentum: 0.9}}`"),
    ("optimizer: {sgd: 0.1}", "wrong-type", 4, "a mapping of its fields, not 0.1", "write `sgd: {lr: 0.1}`"),
    ("optimizer: {sgd: }", "wrong-type", 4, "not null", "write `sgd: {lr: 0.1}`"),
    ("optimizer: {}", "empty", 4, "`optimizer` is empty", "write `optimizer: {sgd: {lr: 0.1}}`"),
    ("optimizer:\n- sgd:\n    lr: 0.1", "wrong-type", 5, "not [a mapping]", "write `optimizer: {sgd: {lr: 0.1}}`"),
    ("optimizer:\n  sgd:\n  lr: 0.1", "unknown-key", 6, "`lr` stands beside `sgd`", "write `optimizer: {sgd: {lr: 0.1}}`"),
    ("optimizer: auto", "wrong-type", 4, "not 'auto'", "or `optimizer: {adamw: {lr: 0.001}}`"),
    # a name of the user's own is no word of others, though it ends in one
    ("optimizer: my.auto", "wrong-type", 4, "not 'my.auto'", "it can be sgd, adam, adamw, rmsprop"),
    ("optimizer: {my.auto: {lr: 0.1}}", "unknown-key", 4, "unknown optimizer: `my.auto`", "it can be sgd"),
    ("optimizer: {name: my.default, lr: 0.1}", "unknown-key", 4, "`name`", "`my.default`: it can be sgd"),
    ("optimizer: my.sgd", "wrong-type", 4, "not 'my.sgd'", "did you mean `sgd`?"),
    ("schedule: our.lib.step", "wrong-type", 4, "not 'our.lib.step'", "did you mean `steps`?"),
    ("optimizer: torch.optim.SGD", "wrong-type", 4, "not 'torch.optim.SGD'", "`torch.optim.SGD` is `sgd` here: write `optimizer: {sgd: {lr: 0.1}}`"),
    ("optimizer: timm.optim.lamb", "wrong-type", 4, "not 'timm.optim.lamb'", "there is no such optimizer; the nearest"),
    ("optimizer: our.lib.Lamb", "wrong-type", 4, "not 'our.lib.Lamb'", "there is no such optimizer; the nearest"),
    ("loss: F.cross_entropy", "wrong-type", 4, "not 'F.cross_entropy'", "leave it out: the loss is cross-entropy"),
    ("optimizer: {sgd: {lr: 0.1}}\nmomentum: 0.9\nnesterov: true", "unknown-key", 5, "unknown keys of a recipe: `momentum`, `nesterov`",
     "they stand in `optimizer`: write `optimizer: {sgd: {lr: 0.1, momentum: 0.9, nesterov: true}}`"),
    ("optimizer: sgd\nnesterov: true", "wrong-type", 4, "not 'sgd'", "write `optimizer: {sgd: {lr: 0.1, momentum: 0.9, nesterov: true}}`"),
    ("weight_decay: 1e-4", "unknown-key", 4, "`weight_decay`", "write `optimizer: {sgd: {lr: 0.1, weight_decay: 0.0001}}`"),
    ("optimizer: {adam: {lr: 0.1, beta1: 0.8, beta2: 0.99}}", "unknown-key", 4, "unknown fields of `adam`: `beta1`, `beta2`", "write `betas: [0.8, 0.99]`"),
    ("optimizer: {adam: {lr: 0.1, momentum: 0.9}}", "unknown-key", 4, "`momentum`", "`betas: [0.9, 0.999]` stand for it"),
    # how weights begin
    ("init: kaiming_normal_", "wrong-type", 4, "not 'kaiming_normal_'", "write `init: {kaiming: {distribution: normal}}`"),
    ("init: nn.init.xavier_uniform_", "wrong-type", 4, "not 'nn.init.xavier_uniform_'", "write `init: {xavier: {distribution: uniform}}`"),
    ("init: kaiming_normal_(mode='fan_out', nonlinearity='relu')", "wrong-type", 4, "kaiming_normal_", "write `init: {kaiming: {distribution: normal, mode: fan_out}}`"),
    ("init: {trunc_normal_: {std: 0.02, a: -2, b: 2}}", "unknown-key", 4, "unknown start: `trunc_normal_`", "write `init: {truncated_normal: 0.02}`; `a`: leave it out"),
    ("weight_init: he_normal", "unknown-key", 4, "`weight_init`", "`weight_init` is `init` here: write `init: {kaiming: {distribution: normal}}`"),
    ("initializer: {class_name: GlorotUniform, config: {seed: 1}}", "unknown-key", 4, "`initializer`", "write `init: {xavier: {distribution: uniform}}`"),
    ("weight_filler: {type: msra, variance_norm: FAN_OUT}", "unknown-key", 4, "`weight_filler`", "write `init: {kaiming: {mode: fan_out}}`"),
    ("init: {type: gaussian, std: 0.02}", "unknown-key", 4, "`type` is no start", "write `init: {normal: 0.02}`"),
    ("init_cfg: {type: Kaiming, layer: Conv2d}", "unknown-key", 4, "`init_cfg`", "write `init: kaiming`; `layer`: a layer has its path"),
    ("init: 0.01", "wrong-type", 4, "not 0.01", "write `init: {normal: {std: 0.01}}`"),
    ("init: {normal: 0.01, bias: 1}", "unknown-key", 4, "`bias` stands beside `normal`", "write `init: {normal: {std: 0.01, bias: 1}}`"),
    ("init: {normal: {std: -1}}", "out-of-range", 4, "`std` wants a number over 0", "such as `std: 0.01`"),
    ("init: {normal: {std: .nan}}", "out-of-range", 4, "not .nan", ""),
    ("init: {normal: {layers: [fc]}}", "wrong-type", 4, "a mapping of paths", "such as `layers: {fc: {normal: {std: 0.001}}}`"),
    ("init: {normal: {layers: {fc: glorot_normal}}}", "wrong-type", 4, "`fc` wants one start", "write `fc: {xavier: {distribution: normal}}`"),
    ("init: {normal: {layers: {fc: 0.1}}}", "wrong-type", 4, "`fc` wants one start", "write `fc: {normal: {std: 0.1}}`"),
    ("init: {layers: {fc: {bias: 1, normal: 0.1}}}", "unknown-key", 4, "`layers` is a field of a start", "write `init: {default: {layers: {fc: {normal: {std: 0.1, bias: 1}}}}}`"),
    ("init: {layers: {'*': {he: {}}, '0': {bias: 1}}}", "unknown-key", 4, "whose name is missing", "write `init: {default: {layers: {\"*\": kaiming, \"0\": {bias: 1}}}}`"),
    ("init: {bias: 1}", "unknown-key", 4, "`bias` is a field of a start", "write `init: {default: {bias: 1}}`"),
    ("init: {std: 0.1, layers: {fc: {bias: 1}}}", "unknown-key", 4, "`std` is a field of a start", "write `init: {normal: {std: 0.1, layers: {fc: {bias: 1}}}}`"),
    ("init: {normal: {layers: {fc: {bias: 1, normal: 0.1}}}}", "wrong-type", 4, "not 2 of them", "write `fc: {normal: {std: 0.1, bias: 1}}`"),
    ("init: {normal: {layers: {fc: {normal: 0.1, xavier: {}}}}}", "wrong-type", 4, "not 2 of them", "leave one of them out"),
    ("init: {normal: {layers: {fc: {bias: x}}}}", "wrong-type", 4, "`bias` wants a number", ""),
    ("init: orthogonal", "wrong-type", 4, "not 'orthogonal'", "the nearest is `init: kaiming`"),
    ("init: zeros", "wrong-type", 4, "not 'zeros'", "weights that all begin alike learn alike"),
    ("init: {kaiming: {mode: fan_avg}}", "wrong-type", 4, "not 'fan_avg'", "of both fans it is `init: xavier`"),
    ("init: pretrained", "wrong-type", 4, "not 'pretrained'", "--weights FILE"),
    ("bias_init: 1", "unknown-key", 4, "`bias_init`", "write `init: {default: {bias: 1}}`"),
    ("zero_init_residual: true", "unknown-key", 4, "`zero_init_residual`", "write `init: {default: {zero_last_norm: true}}`"),
    # schedules
    ("schedule: {name: cosine, min_lr: 0.001}", "unknown-key", 4, "`name` is no schedule: a schedule is a key itself", "write `schedule: {cosine: {min_lr: 0.001}}`"),
    ("schedule: {name: cosine}", "unknown-key", 4, "`name`", "write `schedule: cosine`"),
    ("schedule: {type: CosineAnnealingLR, T_max: 90, eta_min: 1e-5}", "unknown-key", 4, "`type`", "; `T_max`: leave it out: a schedule ends with the run"),
    ("schedule: {type: StepLR, step_size: 20, gamma: 0.2}", "unknown-key", 4, "`type`", "write `schedule: {exponential: {every: 20, factor: 0.2}}`"),
    ("schedule: {step: {step_size: 30, gamma: 0.1}}", "unknown-key", 4, "`step`", "write `schedule: {exponential: {every: 30, factor: 0.1}}`"),
    ("schedule: StepLR", "wrong-type", 4, "not 'StepLR'", "write `schedule: {exponential: {every: 30, factor: 0.1}}`"),
    ("lr_config: {policy: step, step: [8, 11]}", "unknown-key", 4, "`lr_config`", "`lr_config` is `schedule` here: write `schedule: {steps: {at: [8, 11]}}`"),
    ("lr_scheduler: {type: MultiStepLR, milestones: [3, 6], gamma: 0.1}", "unknown-key", 4, "`lr_scheduler`", "write `schedule: {steps: {at: [3, 6], factor: 0.1}}`"),
    ("schedule: MultiStepLR", "wrong-type", 4, "not 'MultiStepLR'", "write `schedule: {steps: {at: [30, 60]}}`"),
    ("lr_step_size: 30\nlr_gamma: 0.2", "unknown-key", 4, "`lr_step_size`, `lr_gamma`", "write `schedule: {exponential: {every: 30, factor: 0.2}}`"),
    ("schedule: {steps: {step_size: 30}}", "unknown-key", 4, "unknown field of `steps`", "`schedule: {exponential: {every: 30, factor: 0.1}}`"),
    ("schedule: CosineAnnealingWarmRestarts", "wrong-type", 4, "not 'CosineAnnealingWarmRestarts'", "there are no restarts: write `schedule: cosine`"),
    ("schedule: {cosine: {T_max: 10}}", "unknown-key", 4, "`T_max`", "leave it out: a schedule ends with the run"),
    ("schedule: {cosine: {warmup_epochs: 5}}", "unknown-key", 4, "`warmup_epochs`", "it stands at the top: `warmup: {epochs: 5}`"),
    ("eta_min: 0.001", "unknown-key", 4, "`eta_min`", "it stands in `schedule`: write `schedule: {cosine: {min_lr: 0.001}}`"),
    ("cos_lr: true", "unknown-key", 4, "`cos_lr`", "write `schedule: cosine`"),
    ("lrf: 0.01", "unknown-key", 4, "`lrf`", "write `schedule: {cosine: {min_lr: 0.0001}}`"),
    ("schedule:", "wrong-type", 4, "not null", "such as `schedule: constant`"),
    ("schedule: {steps: }", "wrong-type", 4, "not null", "write `steps: {at: [30, 60]}`"),
    ("optimizer: {adam: {weight_decay: 0.1}}", "missing-key", 4, "`adam` needs `lr`", "write `adam: {lr: 0.001}`"),
    ("optimizer: {sgd: {momentum: 0.9}}", "missing-key", 4, "`sgd` needs `lr`", "write `sgd: {lr: 0.1}`"),
    ("schedule: {cosine: true}", "wrong-type", 4, "`cosine` wants a mapping of its fields, not true", "write `cosine: {}`"),
    # steps of augment
    ("augment: [{name: flip, p: 0.4}]", "unknown-key", 4, "`name` is no augment step: an augment step is a key itself", "write `{flip: 0.4}`"),
    ("augment: [{type: RandomCrop, size: 32, padding: 4}, {type: RandomHorizontalFlip, p: 0.5}]", "unknown-key", 4, "`type`",
     "write `augment: [{random_crop: {size: 32, padding: 4}}, {flip: 0.5}]`"),
    ("augment: [RandomCrop(32, padding=4), flip]", "wrong-type", 4, "not 'RandomCrop(32'", "write `{random_crop: {size: 32, padding: 4}}`"),
    ("optimizer: SGD(lr=0.1, momentum=0.9)", "wrong-type", 4, "not 'SGD(lr=0.1", "write `optimizer: {sgd: {lr: 0.1, momentum: 0.9}}`"),
    ("augment: [color_jitter]", "wrong-type", 4, "not 'color_jitter'", "write `{color_jitter: {brightness: 0.4}}`"),
    ("schedule: {exponential: 0.9}", "wrong-type", 4, "not 0.9", "write `exponential: {factor: 0.9}`"),
    ("schedule: [warmup, cosine]", "wrong-type", 4, "not ['warmup', 'cosine']", "write `schedule: cosine`"),
    ("optimizer: {sgd: {lr: auto}}", "wrong-type", 4, "not 'auto'", "such as `lr: 0.1`"),
    ("data: {val: 0.1}", "wrong-type", 4, "not 0.1", "write `split: 0.1`"),
    ("hyperparameters: {lr: 0.1}", "unknown-key", 4, "`hyperparameters`", "stands at the top of a recipe"),
    ("graph: [relu]\ninput: {image: [3, 8, 8]}", "unknown-key", 4, "`graph`, `input`", "it is a spec's"),
    ("checkpoint: {every: 0}", "wrong-type", 4, "not 0", "such as `every: {epochs: 1}`"),
    ("name: 5", "wrong-type", 4, "not 5", 'write `name: "5"`'),
    ("augment: [{random_crop: 32, padding: 4}]", "unknown-key", 4, "`padding` stands beside `random_crop`", "write `{random_crop: {size: 32, padding: 4}}`"),
    ("augment: [{flip: {p: 0.5}, random_crop: 32}]", "wrong-type", 4, "not 2 of them", "each is an item of its own: write `- {flip: 0.5}`, `- {random_crop: 32}`"),
    ("augment: [[flip, 0.5]]", "wrong-type", 4, "not ['flip', 0.5]", "write `{flip: 0.5}`"),
    ("augment:\n  - flip 0.5", "wrong-type", 5, "not 'flip 0.5'", "write `{flip: 0.5}`"),
    ("augment: {flip: 0.5, random_crop: 32}", "wrong-type", 4, "wants a list of steps, not a mapping", "write `augment: [{flip: 0.5}, {random_crop: 32}]`"),
    ("augment: flip", "wrong-type", 4, "not 'flip'", "write `augment: [flip]`"),
    ("augment: none", "wrong-type", 4, "not 'none'", "leave it out, or write `augment: []`"),
    ("augment: auto", "wrong-type", 4, "not 'auto'", "write `augment: [trivial_augment]`"),
    ("augment: [{mixup: 0}]", "out-of-range", 4, "not 0", "leave the step out: then there is none"),
    ("augment: [{flip: 1.5}]", "out-of-range", 4, "a number from 0 to 1, not 1.5", "such as `flip: 0.5`, the default"),
    ("augment: [{random_crop: [32, 32, 4]}]", "wrong-type", 4, "of 3", "write `random_crop: {size: 32, padding: 4}`"),
    ("augment: [{color_jitter: 0.4}]", "wrong-type", 4, "not 0.4", "write `color_jitter: {brightness: 0.4, contrast: 0.4, saturation: 0.4}`"),
    ("augment: [{rand_augment: 9}]", "wrong-type", 4, "not 9", "write `rand_augment: {magnitude: 9}`"),
    ("augment: [{random_resized_crop: {scale: \"0.2,1\"}}]", "wrong-type", 4, "not '0.2,1'", "write `scale: [0.2, 1]`"),
    ("augment: [{Normalize: {mean: [0.5], std: [0.5]}}]", "unknown-key", 4, "`Normalize`", "the spec's `preprocess` does it"),
    ("hflip: 0.4\nmixup_alpha: 0.2\ncutmix: 0", "unknown-key", 4, "`hflip`, `mixup_alpha`, `cutmix`", "they are steps of `augment`: write `augment: [{flip: 0.4}, {mixup: 0.2}]`"),
    ("augment: [flip]\nmixup: 0.2", "unknown-key", 5, "`mixup`", "it is a step of `augment`: write `augment: [flip, {mixup: 0.2}]`"),
    ("mixup: 0", "unknown-key", 4, "`mixup`", "leave it out"),
    ("mosaic: 1.0\nclose_mosaic: 10\ndegrees: 5", "unknown-key", 4, "unknown keys of a recipe: `mosaic`, `close_mosaic`, `degrees`", "`augment: [trivial_augment]`"),
    ("aa: rand-m9-mstd0.5-inc1", "unknown-key", 4, "`aa`", "write `augment: [{rand_augment: {ops: 2, magnitude: 9}}]`"),
    # other keys, and values of another kind
    ("ema: true", "wrong-type", 4, "not true", "write `ema: 0.9999`"),
    ("model_ema: true", "unknown-key", 4, "`model_ema`", "`model_ema` is `ema` here: write `ema: 0.9999`"),
    ("ema: false", "wrong-type", 4, "not false", "leave it out, or write `ema: null`"),
    ("ema: {decay: 0.999}", "wrong-type", 4, "not a mapping", "write `ema: 0.999`"),
    ("amp: true", "unknown-key", 4, "`amp`", "`amp` is `precision` here: write `precision: bf16`"),
    ("precision: true", "wrong-type", 4, "not true", "write `precision: bf16`"),
    ("precision: 16", "wrong-type", 4, "not 16", "write `precision: fp16`"),
    ("fp16: true", "unknown-key", 4, "`fp16`", "write `precision: fp16`"),
    ("warmup: 3", "wrong-type", 4, "not 3", "write `warmup: {epochs: 3}`"),
    ("warmup_epochs: 3", "unknown-key", 4, "`warmup_epochs`", "`warmup_epochs` is `warmup` here: write `warmup: {epochs: 3}`"),
    ("warmup_iters: 500", "unknown-key", 4, "`warmup_iters`", "write `warmup: {steps: 500}`"),
    ("warmup: 0", "wrong-type", 4, "not 0", "leave it out, or write `warmup: null`"),
    ("warmup_lr: 1e-6", "unknown-key", 4, "`warmup_lr`", "`warmup: {epochs: 5, start: 0.01}`"),
    ("warmup_momentum: 0.8\nwarmup_bias_lr: 0.1", "unknown-key", 4, "`warmup_momentum`, `warmup_bias_lr`", "leave it out"),
    ("data: {path: photos, train: t}", "unknown-key", 4, "`path`", "`archc train SPEC RECIPE --data photos`"),
    ("data: {test: u}", "unknown-key", 4, "`test`", "leave it out"),
    ("dataset: imagenet", "unknown-key", 4, "`dataset`", "`archc train SPEC RECIPE --data DIR`"),
    ("num_workers: 4\nval_split: 0.1", "unknown-key", 4, "`num_workers`, `val_split`", "write `data: {workers: 4, split: 0.1}`"),
    ("early_stopping: {patience: 5}", "unknown-key", 4, "`early_stopping`", "the best weights are kept"),
    ("patience: 5", "unknown-key", 4, "`patience`", "`schedule: {plateau: {patience: 5}}`"),
    ("callbacks: [EarlyStopping]", "unknown-key", 4, "`callbacks`", "a recipe has none"),
    ("imgsz: 224", "unknown-key", 4, "`imgsz`", "`input: {image: [3, 224, 224]}`"),
    ("nc: 10", "unknown-key", 4, "`nc`", "`archc train SPEC RECIPE --set classes=10`"),
    ("classes: [cat, dog]", "unknown-key", 4, "`classes`", "it stands in `data`: write `data: {classes: [cat, dog]}`"),
    ("mean: [0.5]\nstd: [0.5]\nresize: 256", "unknown-key", 4, "`mean`, `std`, `resize`", "the spec's `preprocess` says it"),
    ("save_period: 10\nsave_total_limit: 3", "unknown-key", 4, "`save_period`, `save_total_limit`", "write `checkpoint: {every: {epochs: 10}, keep: 3}`"),
    ("save_top_k: 3", "unknown-key", 4, "`save_top_k`", "`checkpoint: {keep: 3}`"),
    ("checkpoint: {best: val_acc}", "wrong-type", 4, "not 'val_acc'", "`val_acc` is `top1` here"),
    ("monitor: val_loss", "unknown-key", 4, "`monitor`", "write `checkpoint: {best: loss}`"),
    ("nbs: 64", "unknown-key", 4, "`nbs`", "`accumulate: 2`"),
    ("pretrained: true", "unknown-key", 4, "`pretrained`", "`archc train SPEC RECIPE --weights FILE`"),
    ("resume: runs/x", "unknown-key", 4, "`resume`", "`archc train --resume RUN`"),
    ("device: 0", "unknown-key", 4, "`device`", "`archc train SPEC RECIPE --device cuda`"),
    ("project: runs\nexist_ok: true", "unknown-key", 4, "`project`, `exist_ok`", "`archc train SPEC RECIPE -o RUN`"),
    ("world_size: 8", "unknown-key", 4, "`world_size`", "`torchrun --nproc-per-node gpu -m archc train"),
    ("deterministic: true", "unknown-key", 4, "`deterministic`", "every run is deterministic"),
    ("drop_path: 0.1", "unknown-key", 4, "`drop_path`", "the spec says it"),
    ("loss: cross_entropy", "wrong-type", 4, "not 'cross_entropy'", "the loss is cross-entropy"),
    ("loss: {name: cross_entropy}", "unknown-key", 4, "`name`", "the loss is cross-entropy"),
    ("loss: mse", "wrong-type", 4, "not 'mse'", "there is no such loss"),
    ("smoothing: 0.1", "unknown-key", 4, "`smoothing`", "write `loss: {label_smoothing: 0.1}`"),
    ("val_interval: 1", "unknown-key", 4, "`val_interval`", "validated after each epoch"),
    ("log: tensorboard", "wrong-type", 4, "not 'tensorboard'", "write `log: {tensorboard: true}`"),
    ("clip_grad: {max_norm: 1}", "unknown-key", 4, "`clip_grad`", "write `clip: 1`"),
    ("freeze: layer1, layer2", "wrong-type", 4, "not 'layer1, layer2'", "write `freeze: [layer1, layer2]`"),
    ("seed: random", "wrong-type", 4, "not 'random'", "write `seed: 0`"),
    ("compile: max-autotune", "wrong-type", 4, "not 'max-autotune'", "write `compile: true`"),
    ("batch_size: 64", "unknown-key", 4, "`batch_size` is `batch` here, which stands on line 3", "leave one of them out"),
    ("per_device_train_batch_size: 8", "unknown-key", 4, "`per_device_train_batch_size`", "write `batch: 8`, times"),
    ("checkpoint: {keep: 3.0}", "wrong-type", 4, "not 3.0", "write 3: a number with a point is no integer"),
    # what a table would tell of such a value is refused
    ('data: "`x`"', "wrong-type", 4, "not '`x`'", "such as `data: {train: train, val: val}`"),
    ("loss: 2", "wrong-type", 4, "not 2", "such as `loss: {label_smoothing: 0.1}`"),
    ("checkpoint: -1", "wrong-type", 4, "not -1", "such as `checkpoint: {every: {epochs: 1}}`"),
    ("log: 0", "wrong-type", 4, "not 0", "such as `log: {every: 50}`"),
    ("model_ema: .nan", "unknown-key", 4, "`model_ema`", "`model_ema` is `ema` here"),
    ("schedule: {multistep: {milestones: [.inf]}}", "unknown-key", 4, "`multistep`", "`at` wants a list of epochs, not [inf]"),
    ("schedule: {multistep: {milestones: null}}", "unknown-key", 4, "`multistep`", "write `schedule: {steps: {at: [30, 60]}}`"),
    ("lr_warmup_decay: 0.01", "unknown-key", 4, "`lr_warmup_decay`", "write `warmup: {epochs: 5, start: 0.01}`"),
    # what says that there is to be none, and values that no advice can mend
    *((text, "unknown-key", 4, "", "leave it out: then there is none") for text in (
        "lr_warmup_epochs: 0", "warmup_steps: 0", "num_warmup_steps: none", "val_split: 0", "val_ratio: 0", "model_ema: false")),
    ("warmup_epochs: 0\nwarmup_start_factor: 0.1", "unknown-key", 4, "`warmup_epochs`, `warmup_start_factor`", "leave them out"),
    ("save_period: -1", "unknown-key", 4, "`save_period`", "leave it out: without it there is a checkpoint after each epoch"),
    ("save_period: -1\nsave_total_limit: 3", "unknown-key", 4, "`save_total_limit`", "write `checkpoint: {keep: 3}`; `every`: leave it out"),
    ("log_every: x", "unknown-key", 4, "`log_every`", "it stands in `log`: `every` wants an integer of at least 1, not 'x'"),
    ("mixup: foo", "unknown-key", 4, "`mixup`", "it is a step of `augment`: `mixup` wants"),
    ("lr: foo", "unknown-key", 4, "`lr`", "`lr` wants a number over 0"),
    ("data: {split: 1}", "out-of-range", 4, "not 1", "such as `split: 0.1`"),
    ("data: {split: 20}", "out-of-range", 4, "not 20", "write 0.2: 1 is all of it"),
    ("data: {train: 0.8}", "wrong-type", 4, "`data` says the share of `train`, where one is wanted: that of the training pictures which validates", "write `split: {val: 0.2}`"),
    ("data: {train: 0.8, val: 0.2}", "wrong-type", 4, "`data` says the shares of `train`, `val`", "write `split: {val: 0.2}`"),
    ("data: {train: 80, val: 20}", "wrong-type", 4, "`data` says the shares of `train`, `val`", "write `split: {val: 0.2}`"),
    ("data: {train: 0.8, test: 0.2, workers: 4}", "wrong-type", 4, "shares of `train`, `test`", "write `split: {val: 0.2}`"),
    ("data: {train: 0.8, val: 0.15, test: 0.05}", "wrong-type", 4, "shares of `train`, `val`, `test`", "write `split: {val: 0.15}`; test pictures lie in a folder of their own"),
    ("data: {train_split: 0.8, val_split: 0.2}", "wrong-type", 4, "shares of `train_split`, `val_split`", "write `split: {val: 0.2}`"),
    ("data: {test_size: 0.25}", "wrong-type", 4, "the share of `test_size`", "write `split: {val: 0.25}`"),
    ("data: {train: train, val: val, test: 0.2}", "unknown-key", 4, "`test`", "leave it out"),
    ("data: {split: {train: 0.8, val: 0.2}}", "wrong-type", 4, "`split` says the shares of `train`, `val`", "write `split: {val: 0.2}`"),
    ("data: {split: {train: 0.8}}", "wrong-type", 4, "`split` says the share of `train`", "write `split: {val: 0.2}`"),
    ("data: {split: {train: 0.7, val: 0.2, test: 0.1, seed: 3}}", "wrong-type", 4, "`split` says the shares of `train`, `val`, `test`", "write `split: {val: 0.2}`"),
    ("data: {split: [0.8, 0.2]}", "wrong-type", 4, "`split` says the shares of several parts", "write `split: {val: 0.2}`"),
    ("data: {split: [70, 20, 10]}", "wrong-type", 4, "`split` says the shares of several parts", "write `split: {val: 0.2}`"),
    ("data: {split: [0.8, x]}", "wrong-type", 4, "not [0.8, 'x']", "such as `split: 0.1`"),
    ("data: {split: {ratio: 0.2}}", "unknown-key", 4, "`ratio`", "`ratio` is `val` here: write `val: 0.2`"),
    ("split: {train: 0.8, val: 0.2}", "unknown-key", 4, "`split`", "it stands in `data`: write `data: {split: {val: 0.2}}`"),
    ("train_split: 0.8\nval_split: 0.2", "unknown-key", 4, "`train_split`, `val_split`", "write `data: {split: {val: 0.2}}`"),
    ("test_size: 0.2", "unknown-key", 4, "`test_size`", "write `data: {split: {val: 0.2}}`"),
    # what would be taken, and mean something else
    ("lr_scheduler: StepLR(30)", "unknown-key", 4, "`lr_scheduler`", "write `schedule: {exponential: {every: 30, factor: 0.1}}`"),
    ("schedule: {step: 30}", "unknown-key", 4, "`step`", "write `schedule: {exponential: {every: 30, factor: 0.1}}`"),
    ("optimizer: sgd_momentum(0.2)", "wrong-type", 4, "not 'sgd_momentum(0.2)'", "write `optimizer: {sgd: {momentum: 0.9, lr: 0.2}}`"),
    ("optimizer: {nesterov: 0.2}", "unknown-key", 4, "`nesterov`", "write `optimizer: {sgd: {momentum: 0.9, nesterov: true, lr: 0.2}}`"),
    ("class_weights: {dog: 2, cat: 1}", "unknown-key", 4, "`class_weights`",
     "write `loss: {class_weights: [1, 2]}`; the list is in the order of the classes, which is that of their names: cat, dog"),
    ("loss: {class_weights: {'10': 3, '2': 1}}", "wrong-type", 4, "not a mapping", "write `class_weights: [1, 3]`; the list"),
    ("optimizer: {sgd: {lr: 0.1}}\nlr: 0.2", "unknown-key", 5, "`lr`", "; `lr` is said twice, as 0.1 and as 0.2: keep the one that is meant"),
    ("optimizer: SGD(lr=0.1)\nlr: 0.2", "wrong-type", 4, "not 'SGD(lr=0.1)'", "`lr` is said twice, as 0.1 and as 0.2"),
    ("warmup_epochs: 5\nlr_warmup_epochs: 3", "unknown-key", 4, "`warmup_epochs`", "`epochs` is said twice, as 5 and as 3"),
    ("optimizer: {Adam: {lr: 0.1, beta_1: 0.8}}", "unknown-key", 4, "`Adam`", "write `optimizer: {adam: {lr: 0.1, betas: [0.8, 0.999]}}`"),
    ("schedule: plateau\npatience: 5", "unknown-key", 5, "`patience`", "it stands in `schedule`: write `schedule: {plateau: {patience: 5}}`"),
    ("optimizer: SGD" + "(" * 300, "wrong-type", 4, "not 'SGD((((", "`SGD" + "(" * 56 + "…` is `sgd` here"),
    # slips of YAML
    ("optimizer: {sgd: {lr: 0,1}}", "key-not-a-string", 4, "`0,1` is no list", "write 0.1 for the number, or [0, 1] for a list"),
    ("clip: 1,5", "wrong-type", 4, "not '1,5'", "write `clip: 1.5`"),
    ("optimizer: {adam: {lr: 0.1, betas: 0.9, 0.99}}", "key-not-a-string", 4, "`0.9, 0.99` is no list", "write [0.9, 0.99]"),
    ("optimizer: {adam: {lr: 0.1, betas: (0.9, 0.99)}}", "unknown-key", 4, "YAML knows no ( )", "in square brackets: [0.9, 0.99]"),
    ("optimizer:\n  adam:\n    lr: 0.1\n    betas: 0.9, 0.99", "wrong-type", 7, "not '0.9, 0.99'", "write `betas: [0.9, 0.99]`"),
    ("optimizer: {sgd: {lr: 0.1 * 256/256}}", "wrong-type", 4, "not '0.1 * 256/256'", ""),
    ("optimizer: {sgd: {lr: 1/256}}", "wrong-type", 4, "not '1/256'", "write `lr: 0.00390625`"),
    ("optimizer: {sgd: {lr: $lr}}", "wrong-type", 4, "not '$lr'", "no expression can stand here"),
    ("schedule: cosine:", "yaml-syntax", 4, "a second colon on this line", "write `schedule: cosine`"),
    ("optimizer: sgd\n  lr: 0.1", "yaml-syntax", 5, "this line begins in column 3", "in column 1; if it belongs to `sgd`, write `optimizer: {sgd: {lr: 0.1}}`"),
    ("optimizer:\n\tsgd: {lr: 0.1}", "yaml-syntax", 5, "a tab cannot indent", "replace the tab by spaces"),
    ("seed: 1, clip: 1", "yaml-syntax", 4, "two keys on one line", "write `seed: 1` and `clip: 1` on lines of their own"),
]  # fmt: skip
LENGTHS: list[tuple[str, str, int, str, str]] = [
    ("epochs: 10\nbatch: 1_000", "wrong-type", 3, "not '1_000'", "write `batch: 1000`"),
    ("epochs: 10\nbatch: auto", "wrong-type", 3, "not 'auto'", "write a number, as `batch: 32`"),
    ("epochs: 10\nbatch: -1", "out-of-range", 3, "not -1", "write a number, as `batch: 32`"),
    ("epochs: 0\nbatch: 32", "out-of-range", 2, "not 0", "write `epochs: 1` or more"),
    ("epochs: 10.5\nbatch: 32", "wrong-type", 2, "not 10.5", "write 10 or 11"),
    ("epochs: 90.0\nbatch: 32", "wrong-type", 2, "not 90.0", "write 90: a number with a point is no integer"),
    ("epochs: 0.0\nbatch: 32", "wrong-type", 2, "not 0.0", "write `epochs: 1` or more"),
    ("epochs: 9\nbatch: -1.0", "wrong-type", 3, "not -1.0", "write a number, as `batch: 32`"),
    ('epochs: "10"\nbatch: 32', "wrong-type", 2, "not '10'", "write 10 without quotes"),
    ("num_train_epochs: 10\nbatch: 32", "unknown-key", 2, "`num_train_epochs`", "write `epochs: 10`"),
    ("epochs: 10\nbatch: {train: 32, val: 64}", "wrong-type", 3, "not a mapping", "write `batch: 32`"),
]
ROWS = [(HEAD + text, *rest) for text, *rest in SLIPS] + [(NO_LENGTH + text, *rest) for text, *rest in LENGTHS]
FRAGMENT = re.compile(r"`([^`]+)`")
# around what a part of a recipe is to be written to be seen whole
AROUND = ("{}", "augment: [{}]", "augment:\n  {}", "augment: [{{{}}}]", "init: {{{}}}", "init: {{normal: {{{}}}}}", "init: {{kaiming: {{{}}}}}", "init: {{normal: {{layers: {{{}}}}}}}", "optimizer: {{{}}}", "optimizer: {{sgd: {{lr: 0.1, {}}}}}", "optimizer: {{sgd: {{{}}}}}",
          "optimizer: {{adam: {{lr: 0.1, {}}}}}", "schedule: {{{}}}", "schedule: {{cosine: {{{}}}}}", "augment: [{{random_resized_crop: {{{}}}}}]", "augment: [{{flip: {{{}}}}}]", "schedule: {{steps: {{{}}}}}", "schedule: {{steps: {{at: [3], {}}}}}", "data: {{{}}}", "data: {{split: {{{}}}}}",
          "warmup: {{epochs: 5, {}}}", "checkpoint: {{{}}}", "log: {{{}}}", "loss: {{{}}}")  # fmt: skip
OF_SPECS = ("input: ",)


def check(text: str) -> list[str]:
    """The codes of what is wrong in a recipe."""
    return [
        d.code
        for d in check_recipe(SpecText(Memory({"x.yaml": text}), "x.yaml", text.encode(), "x.yaml")).diagnostics
        if d.severity == "error"
    ]


def fragments(help: str) -> Iterator[str]:
    """What a help tells to write into a recipe: not commands, and no single words."""
    for found in FRAGMENT.finditer(help):
        text = found[1]
        if re.match(r"- |\{|\w+: ", text) and not text.startswith(OF_SPECS):
            yield text


def is_taken(fragment: str) -> bool:
    """Whether a recipe with the fragment in its place is sound."""
    key = fragment.partition(":")[0]
    head = "".join(line + "\n" for line in HEAD.splitlines() if not line.startswith(f"{key}:"))
    return any(check(head + around.format(fragment) + "\n") == [] for around in AROUND)


@pytest.mark.parametrize(
    ("text", "code", "line", "message", "help"), ROWS, ids=[row[0].partition("\n")[2][-50:] for row in ROWS]
)
def test_one_slip_has_one_diagnostic_whose_advice_is_taken(
    text: str, code: str, line: int, message: str, help: str
) -> None:
    text += "\n"
    found = check_recipe(SpecText(Memory({"x.yaml": text}), "x.yaml", text.encode(), "x.yaml")).diagnostics
    assert [(d.code, d.span.line if d.span else 0) for d in found] == [(code, line)], found
    assert message in found[0].message and help in found[0].help, found[0]
    for fragment in fragments(found[0].help):
        assert is_taken(fragment), fragment


def advice_of_tables() -> list[str]:
    """All that the tables of words tell to write."""
    texts = [
        text
        for rows in OTHER_KEYS.values()
        for _, advice in rows
        for text in (advice.values() if isinstance(advice, dict) else [advice])
    ]
    return sorted({fragment.replace("VALUE", "5") for text in texts for fragment in fragments(text)})


@pytest.mark.parametrize("fragment", advice_of_tables())
def test_what_the_tables_tell_to_write_is_taken(fragment: str) -> None:
    assert is_taken(fragment)


def test_the_tables_are_of_places_that_there_are() -> None:
    rule = recipe_schema()

    def known(place: str) -> bool:
        at = rule
        for key in place.split(".") if place else ():
            at = at.get("items", at)
            if key == "*":
                return "properties" in at
            if key not in at.get("properties", {}):
                return False
            at = at["properties"][key]
        return True

    for table in (OTHER_KEYS, PARTS, ITEM_ORDERS, INSTEAD, MEANT_KEYS, OTHER_WORDS, FORMS, NEEDS, ORDER):
        assert [place for place in table if not known(place)] == []  # type: ignore[attr-defined]
    for _, section, key in STANDS_IN:
        assert known(section) and (not key or known(f"{section}.{key}")), (section, key)
    for place, rows in FORMS.items():
        for _, name, fields, more in rows:
            assert {*fields.values(), *more} <= {*rule["properties"][place]["properties"][name]["properties"]}


def test_telling_keys_are_those_of_one_language() -> None:
    spec, recipe = spec_rules()["properties"], recipe_schema()["properties"]
    elsewhere = {word for words, _, _ in recipe_schema()["x-stands-in"] for word in words}
    assert {*SPEC_KEYS} <= {*spec} and not {*SPEC_KEYS} & {*recipe}
    assert (
        not {*RECIPE_KEYS} & {*spec}
        and [w for w in RECIPE_KEYS if not find_key(recipe, w) and w not in elsewhere] == []
    )


def rules_at(rule: Any, place: str) -> list[Any]:
    """The rules at a place of the tables, of which `*` stands for each of the choices there."""
    found = [rule]
    for key in place.split("."):
        keys = [each.get("items", each).get("properties", {}) for each in found]
        found = [inner for each in keys for name, inner in each.items() if key in ("*", name)]
    return found


def test_the_examples_of_the_tables_are_told_and_fit() -> None:
    """Those of a place with `*` are of all choices that have such a field and say no other."""
    for place, example in EXAMPLES.items():
        rules = rules_at(recipe_schema(), place)
        assert rules and any(rule["x-example"] == example for rule in rules), place
        assert all(fits(rule, rule["x-example"]) for rule in rules), place


def test_all_advice_of_the_tables_is_in_the_rules() -> None:
    told: list[Any] = []

    def look(rule: Any) -> None:
        if isinstance(rule, dict):
            told.extend(advice for _, advice in rule.get("x-other-keys", ()))
            for each in rule.values():
                look(each)

    look(recipe_schema())
    assert [advice for rows in OTHER_KEYS.values() for _, advice in rows if advice not in told] == []


def test_a_number_is_no_word_with_a_number_behind_its_point() -> None:
    rule = {"x-other-keys": [[["rand-m9-mstd0.5", "-1"], "write another"]]}
    assert advise_other_word(rule, "Rand-m9-mstd0.5") == advise_other_word(rule, "-1") == "write another"
    assert advise_other_word(rule, "5") == advise_other_word(rule, "0.5") == advise_other_word(rule, "1") == ""


def test_a_word_of_our_own_is_none_of_others() -> None:
    """Where the language learns a word, the table that said that there is none is silent."""
    rule = {"properties": {"lion": {}}, "x-other-keys": [[["lamb"], "there is no KEY"]]}
    assert advise_other_word(rule, "LAMB") == "there is no LAMB" and advise_other_word(rule, "lion") == ""
    optimizers = recipe_schema()["properties"]["optimizer"]
    told = {word for row in optimizers["x-other-keys"] for word in row[0]}
    assert not told & {*optimizers["properties"]}


@pytest.mark.parametrize(("text", "line", "help"), [
    ("epochs: 10\nbatch: 32\n", 1, "write `recipe: 1` as the first line"),
    ("name: x\nrecipe: 1\nepochs: 10\nbatch: 32\n", 2, "move `recipe: 1` to the first line"),
    ("lr0: 0.01\nmomentum: 0.937\nweight_decay: 0.0005\n", 1, "write `recipe: 1` as the first line"),
    ("extends: zoo:digits\nbatch_size: 4\n", 1, "write `recipe: 1` as the first line"),
])  # fmt: skip
def test_a_recipe_without_its_first_key_is_told_in_one_message(
    text: str, line: int, help: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run: Run = program(capsys)
    file = tmp_path / "r.yaml"
    file.write_text(text, "utf-8")
    answer = run("check", str(file))
    assert answer.code == 1 and answer.out.count("error[") == 1, answer.out
    assert (
        "error[other-language]: this looks like a recipe" in answer.out
        and f"r.yaml:{line}:1" in answer.out
        and help in answer.out
    )
    file.write_text(text.replace("recipe: 1\n", ""), "utf-8")
    answer = run("train", str(file), "-o", str(tmp_path / "run"), "--data", str(tmp_path))
    assert answer.code and "epochs" not in answer.err.partition("error[")[2].partition("]")[0]


def test_a_spec_without_its_first_key_is_told_where_a_recipe_is_read() -> None:
    text = "name: n\ninput: {image: [3, 8, 8]}\ngraph: [relu]\n"
    found = check_recipe(SpecText(Memory({"x.yaml": text}), "x.yaml", text.encode(), "x.yaml")).diagnostics
    assert [d.code for d in found] == ["other-language"] and "looks like a spec" in found[0].message


def test_spec_and_recipe_in_the_wrong_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, spec = tmp_path / "r.yaml", tmp_path / "n.yaml"
    recipe.write_text(HEAD, "utf-8")
    spec.write_text("archspec: 1\nname: n\ninput: {image: [3, 8, 8]}\ngraph: [global_avg_pool, linear: 2]\n", "utf-8")
    answer = program(capsys)("train", str(recipe), str(spec), "-o", str(tmp_path / "run"), "--data", str(tmp_path))
    assert (
        answer.code == 2
        and "they stand in the wrong order" in answer.err
        and f"archc train {spec} {recipe}" in answer.err
    )
    with pytest.raises(Failure, match="wrong order"):
        refuse_swapped(str(recipe), "resnet18")
    for first, second in ((recipe, recipe), (spec, recipe), (spec, spec), (recipe, tmp_path)):
        refuse_swapped(str(first), str(second))


@pytest.mark.parametrize("text", [
    HEAD + "augment:\n" + "- {type: RandomCrop, size: 3}\n" * 3000,
    HEAD + "augment:\n" + "- {frob: 1, nicate: 2}\n" * 3000,
    HEAD + "".join(f"lr{i}: 1\nmixup_{i}: 1\n" for i in range(3000)),
    HEAD + "optimizer: {" + ", ".join(f"k{i}: 1" for i in range(3000)) + "}\n",
    HEAD + "optimizer: " + "[" * 60 + "]" * 60 + "\n",
    HEAD + "augment: " + "{flip: " * 60 + "1" + "}" * 60 + "\n",
    HEAD + "freeze: " + "'" + "a, " * 5000 + "'\n",
], ids=["named", "unknown", "keys", "choices", "nested-lists", "nested-maps", "text"])  # fmt: skip
def test_very_many_slips_end(text: str) -> None:
    assert check(text)
