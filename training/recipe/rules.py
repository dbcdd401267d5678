"""The JSON Schema of a recipe (2020-12), in the style of compiler/frontend/schema.py.

It has three readers: the front end's check, editors (training/recipe.schema.json), and `archc schema --recipe`. What a recipe needs
once it is composed (`batch`, and `epochs` or `steps`) is checked in checks.py, because a recipe that extends another leaves it out.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, get_args

from ...compiler.frontend.language import RECIPE_KEYS, SPEC_KEYS, Language
from ...compiler.frontend.schema import USER_KEY, mapping_rule, string_rule, with_synonyms
from ...compiler.ops.fields import Schema
from ..augment.steps import STEPS
from ..initialization import INITS
from ..measures import METRICS
from ..optimizers import OPTIMIZERS
from ..schedules import SCHEDULES
from .choice import choice_rules
from .field_rules import (
    MAX_INT,
    MOST,
    below_one_rule,
    count_rule,
    number_rule,
    positive_rule,
    share_rule,
    switch_rule,
    word_rule,
)
from .other_tools import with_other_words, without_other_words
from .recipe import DataFormat, TrainingPrecision, WarmupShape


def one_of(what: str, choices: Schema, kind: str, name_key: str, words: tuple[str, ...] = (), **more: Any) -> Schema:
    """The rule of one choice by name: a mapping of one key, or one of the `words` alone. Other tools name it under `name_key`, too."""
    wants = f"one {kind}: {{NAME: {{FIELD: VALUE}}}}" + (" or a name alone" if words else "")
    rule = mapping_rule(choices, kind, minProperties=1, maxProperties=1, description=what)
    rule |= {"x-wants": wants, "x-name-key": name_key}
    if words:
        rule |= {"type": ["string", "object"], "pattern": f"^({'|'.join(words)})$"}
    return rule | more


def without_needs(choices: Schema) -> tuple[str, ...]:
    """The names of the choices that may stand as a word alone."""
    return tuple(name for name, rule in choices.items() if "null" in rule["type"])


def data_rule() -> Schema:
    """The rule of `data`: where the pictures are."""
    split = mapping_rule(
        {"val": with_synonyms(number_rule("the share of each class that is kept", "a share over 0 and under 1", exclusiveMinimum=0, exclusiveMaximum=1),
                              "ratio", "fraction", "share", "size", "valid", "validation"), "seed": with_synonyms(count_rule("of the draw", 0, default=0), "random_state")},
        "key of `split`", ("val",),
    ) | {"type": ["object", "number", "null"], "exclusiveMinimum": 0, "exclusiveMaximum": 1, "x-bare": "val",
         "description": "a part of `train` for validation, instead of `val`", "default": None,
         "x-wants": "a share over 0 and under 1, or {val: SHARE, seed: NUMBER}"}  # fmt: skip
    names = {"type": ["array", "null"], "items": {"type": "string", "minLength": 1, "x-wants": "a class's name"}, "minItems": 1, "default": None,
             "description": "names of the classes, where the data have only numbers", "x-wants": "a list of names"}  # fmt: skip
    keys = {
        "format": word_rule("how the pictures lie there; null: told by what is there", get_args(DataFormat), None),
        "train": with_synonyms(string_rule("the training pictures, below --data", minLength=1, default="train"), "train_dir"),
        "val": with_synonyms(string_rule("the validation pictures, below --data", minLength=1, default="val")
                             | {"type": ["string", "null"]}, "valid", "validation", "val_dir"),
        "split": with_synonyms(split, "val_split", "validation_split", "holdout", "test_split", "val_ratio", "val_fraction", "validation_fraction"),
        "classes": with_synonyms(names, "names", "labels", "class_names"),
        "broken": with_synonyms(count_rule("unreadable pictures that are skipped before the run stops", 0, default=100), "max_broken"),
        "workers": with_synonyms(number_rule("processes that read pictures; null: one a core, at most 8", "an integer from 0 to 256",
                                             kind="integer", optional=True, minimum=0, maximum=256, default=None),
                                 "num_workers", "n_workers", "threads", "dataloader_num_workers", "num_dataloader_workers", "workers_per_gpu"),
    }  # fmt: skip
    keys["format"]["type"] = ["string", "null"]
    keys["format"]["enum"] = [*keys["format"]["enum"], None]
    keys["format"]["x-wants"] = "one of " + ", ".join(f"`{word}`" for word in get_args(DataFormat))
    return mapping_rule(keys, "key of `data`", description="where the pictures are") | {
        "x-instead": {"string": "data: {train: VALUE}"}
    }


def warmup_rule() -> Schema:
    """The rule of `warmup`."""
    keys = {
        "epochs": positive_rule("how long, in epochs", optional=True, default=None),
        "steps": number_rule("how long, in optimizer steps", "an integer of at least 1", kind="integer", optional=True, minimum=1,
                             maximum=MAX_INT, default=None),
        "start": with_synonyms(share_rule("the share of the learning rate at the start", default=0.0), "start_factor", "warmup_factor"),
        "shape": with_synonyms(word_rule("`linear` rises in a straight line, `constant` stays at `start` until the warm-up ends",
                                         get_args(WarmupShape), "linear"),
                               "method", "warmup_method", "type", "name", "mode", "policy"),
    }  # fmt: skip
    rule = mapping_rule(keys, "key of `warmup`", minProperties=1) | {"type": ["object", "null"], "default": None}
    return with_synonyms(rule, "warm_up", "warmup_epochs", integer="warmup: {epochs: VALUE}")


def loss_rule() -> Schema:
    """The rule of `loss`: cross-entropy and its options."""
    weight = {"type": "number", "minimum": 1e-6, "maximum": MOST, "x-wants": f"a number from 0.000001 to {MOST:,}"}
    keys = {
        "label_smoothing": with_synonyms(below_one_rule("the share of the target that goes to all classes", default=0.0), "smoothing"),
        "class_weights": with_synonyms({
            "type": ["string", "array", "null"], "pattern": "^balanced$", "items": weight, "minItems": 1, "default": None,
            "description": "a weight for each class, or `balanced`: by how rare a class is",
            "x-wants": f"`balanced`, or a list of numbers from 0.000001 to {MOST:,}",
        }, "weights", "weight"),
    }  # fmt: skip
    return mapping_rule(keys, "key of `loss`", description="cross-entropy, and its options")


def checkpoint_rule() -> Schema:
    """The rule of `checkpoint`."""
    every = mapping_rule(
        {"epochs": count_rule("epochs"), "steps": count_rule("optimizer steps")},
        "key of `every`", minProperties=1, maxProperties=1, description="how often one is written", default={"epochs": 1},
    ) | {"x-wants": "{epochs: NUMBER} or {steps: NUMBER}"}  # fmt: skip
    keys = {
        "every": with_synonyms(
            every, "interval", "frequency", "save_every", "save_interval", "save_freq", integer="every: {epochs: VALUE}"
        ),
        "keep": with_synonyms(count_rule("how many of the newest stay", default=2), "save_total_limit", "max_to_keep"),
        "best": with_synonyms(
            word_rule("by what the best weights are told", METRICS, "top1"),
            "metric",
            "monitor",
            "best_metric",
            "metric_for_best_model",
            "eval_metric",
            "metrics",
            "key_indicator",
        ),
    }
    return mapping_rule(
        keys, "key of `checkpoint`", description="how often the state of a run is written, and what stays"
    )


def top_rules() -> Schema:
    """The rules of the keys of a recipe, in the order in which they are written."""
    schedules, steps, inits = choice_rules(SCHEDULES), choice_rules(STEPS), choice_rules(INITS)
    strings = {"type": "array", "items": string_rule("a name", minLength=1)}
    augment = one_of("one step", steps, "augment step", "step", without_needs(steps))
    logs = {"every": with_synonyms(count_rule("steps from one row of metrics.csv to the next", default=50), "log_interval", "print_freq", "logging_steps",
        "log_every", "log_every_n_steps", "log_freq"),
            "tensorboard": switch_rule("whether event files for TensorBoard are written", False)}  # fmt: skip
    return {
        "recipe": {"type": "integer", "const": 1, "description": "version of the language", "x-wants": "the integer 1"},
        "name": string_rule("the recipe's name; else the file's", minLength=1),
        "summary": with_synonyms(string_rule("one line on the recipe", default=""), "description"),
        "source": with_synonyms(string_rule("the paper and section it follows", default=""), "paper"),
        "nets": with_synonyms(strings | {"description": "bundled specs whose own recipe this is", "default": []}, "models"),
        "extends": with_synonyms(string_rule("another recipe: a file beside this one, or zoo:NAME", minLength=1), "base", "inherits"),
        "data": with_synonyms(data_rule(), "dataset", "datasets", "data_config", "dataset_config"),
        "epochs": with_synonyms(count_rule("passes over the training pictures", most=MOST), "max_epochs", "num_epochs", "n_epochs", "max_epoch",
            "num_train_epochs", "total_epochs", "nb_epoch", "n_epoch"),
        "steps": with_synonyms(count_rule("optimizer steps, instead of epochs"), "max_steps", "iterations", "max_iter", "num_steps", "total_steps",
            "train_steps", "num_train_steps", "max_iters", "num_iters", "total_iters"),
        "batch": with_synonyms(count_rule("pictures of a step: of all processes and accumulated passes", most=16 * MOST), "batch_size", "global_batch_size",
            "bs", "train_batch_size", "total_batch_size", "mini_batch_size"),
        "init": with_synonyms(one_of("how the weights of convolutions and linear layers begin, where no checkpoint has them", inits, "start", "init", without_needs(inits),
                                     default="default"), "initialization", "initialisation", "initializer", "weight_init", "init_cfg", "weight_initializer",
                              "kernel_initializer", "kernel_init", "weight_filler", "init_method", "init_type", "param_init"),
        "optimizer": with_synonyms(one_of("the optimizer and its numbers", choice_rules(OPTIMIZERS), "optimizer", "optimizer", default={"sgd": {"lr": 0.1}}),
                                    "optimiser", "optim", "opt", "optimizer_name", "optim_name"),
        "schedule": with_synonyms(one_of("how the learning rate goes on", schedules, "schedule", "schedule", without_needs(schedules), default="constant"),
                                    "lr_scheduler", "scheduler", "lr_schedule", "sched", "lr_scheduler_type", "lr_policy", "lr_config", "param_scheduler",
                                    "learning_rate_schedule", "lr_schedulers"),
        "warmup": warmup_rule() | {"description": "a lower learning rate at the start"},
        "loss": with_synonyms(loss_rule(), "criterion"),
        "augment": with_synonyms({"type": "array", "items": augment, "description": "steps on the training pictures, in their order", "default": [],
                    "x-wants": "a list of steps"}, "augmentation", "augmentations", "transforms", "transform", "augmentation_pipeline", "train_transforms",
                        "train_pipeline", "aug"),
        "ema": with_synonyms(number_rule("the decay of the average of the weights", "a number over 0 and under 1", optional=True,
                                         exclusiveMinimum=0, exclusiveMaximum=1, default=None), "ema_decay", "model_ema", "model_ema_decay", "use_ema",
                                             "ema_rate", "ema_momentum"),
        "precision": with_synonyms(word_rule("of the passes", get_args(TrainingPrecision), "fp32"), "amp", "dtype", "mixed_precision", "autocast",
            "use_amp", "mixed_precision_policy"),
        "compile": with_synonyms(switch_rule("whether torch.compile compiles the net", False), "torchcompile", "torch_compile"),
        "channels_last": switch_rule("whether pixels lie together in memory, channels innermost", False),
        "accumulate": with_synonyms(count_rule("passes of a step", default=1), "accumulate_grad_batches", "grad_accum_steps",
                                    "gradient_accumulation_steps", "grad_accum", "gradient_accumulation", "accum_iter", "grad_accumulation",
                                    "accumulation_steps"),
        "clip": with_synonyms(positive_rule("the largest norm of the gradient", optional=True, default=None), "clip_grad", "gradient_clip_val",
                              "max_grad_norm", "clip_norm", "clip_grad_norm", "grad_clip", "gradient_clip", "clip_gradients", "max_norm", "gradient_clipping"),
        "freeze": with_synonyms(strings | {"description": "paths of steps that are not trained", "default": []}, "frozen", "freeze_layers", "frozen_layers",
            "freeze_stages"),
        "checkpoint": with_synonyms(checkpoint_rule(), "checkpoints"),
        "seed": with_synonyms(count_rule("of all draws", 0, default=0), "random_seed", "manual_seed"),
        "log": with_synonyms(mapping_rule(logs, "key of `log`", description="what a run writes beside its checkpoints"), "logging", "logger"),
    }  # fmt: skip


@lru_cache(maxsize=1)
def recipe_schema() -> Schema:
    """The whole schema, as JSON values. Cached, so do not change it."""
    whole = mapping_rule(top_rules(), "key of a recipe", ("recipe",), patternProperties={USER_KEY: {}})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "archc recipe, version 1",
        **with_other_words(whole),
    }


def recipe_schema_text() -> str:
    """The schema as JSON text, which is also committed as training/recipe.schema.json for editors."""
    return json.dumps(without_other_words(recipe_schema()), indent=1, ensure_ascii=False) + "\n"


RECIPES_LANGUAGE = Language(
    "recipe",
    recipe_schema,
    "recipe, epochs, batch and optimizer",
    "the smallest recipe: recipe: 1, epochs: 10, batch: 32, optimizer: {sgd: {lr: 0.1}}",
    RECIPE_KEYS,
    (("archspec", "a spec", "a recipe says how a net is trained: `archc train SPEC RECIPE` takes both", SPEC_KEYS),),
)
