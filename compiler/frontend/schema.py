"""The JSON Schema of a document (2020-12), made from the ops' fields, and the check of a document against it.

One schema serves three readers: jsonschema here, the editor (compiler/archspec.schema.json), and `archc schema`. It has
no `anyOf`: a step is `type: [string, object]` with operations as plain properties and blocks as a pattern, so that an
error is about one key or one value, and an editor completes all operations everywhere. Keys that begin with `x-` are for
schema_errors.py, which explains an error: what a fragment is (`x-what`), what it wants in words (`x-wants`), whose fields
it holds (`x-op`), other words for a key (`x-also-called`) and what to write for a value of the wrong type (`x-instead`).
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from ..diagnostics import Collector
from ..ops import OPS
from ..ops.fields import EXPRESSION, Bool, Float, Schema
from ..ops.op import Op
from .located_yaml import Located, plain_value
from .schema_errors import explain
from .spec import MERGES, TYPES

BLOCK = "^[A-Z][A-Za-z0-9_]*$"
USER = "^x-"


def text(what: str, **more: Any) -> Schema:
    """A string, with one line for an editor's hover."""
    return {"type": "string", "description": what, **more}


def mapping(properties: Schema, what: str, required: tuple[str, ...] = (), **more: Any) -> Schema:
    """A mapping of these keys and no others; `what` names one of its keys in a message."""
    closed = {"type": "object", "properties": properties, "additionalProperties": False, "x-what": what}
    return closed | ({"required": list(required)} if required else {}) | more


def called(rule: Schema, *words: str, **instead: str) -> Schema:
    """A rule with other words for its key, and what to write `instead` for a value of some JSON type."""
    return rule | {"x-also-called": list(words)} | ({"x-instead": instead} if instead else {})


def op_schema(cls: type[Op]) -> Schema:
    """An op's arguments: its fields as a mapping, a bare value where one is allowed, or nothing."""
    properties = {}
    for key, declared in cls.fields.items():
        properties[key] = declared.kind.schema() | {"description": declared.doc, "x-wants": declared.kind.wants}
    needed = tuple(key for key, declared in cls.fields.items() if declared.required)
    schema = mapping(properties, f"field of `{cls.name}`", needed, **{"x-op": cls.name})
    schema["type"] = ["object", "null"]
    schema["description"] = (cls.__doc__ or "").strip().splitlines()[0]
    wants = "a mapping of its fields" if properties else "no value: it has no fields"
    if cls.bare:
        one = properties[cls.bare]
        kinds = one["type"] if isinstance(one["type"], list) else [one["type"]]
        schema["type"] += [kind for kind in kinds if kind not in schema["type"]]
        schema |= {
            k: v
            for k, v in one.items()
            if k not in ("type", "description", "x-wants", "properties", "additionalProperties")
        }
        wants = f"a mapping of its fields, or `{cls.bare}` alone: {cls.fields[cls.bare].kind.wants}"
    return schema | {"x-wants": wants}


def merge_schema(cls: type[Op], branches: Schema) -> Schema:
    """A merge: its branches, or, where it has fields, a mapping of them and of `branches`."""
    if not cls.fields:
        return branches | {"description": f"{cls.name} of branches"}
    fields = {key: declared.kind.schema() for key, declared in cls.fields.items()}
    branches = called(branches, "inputs", "columns")
    return mapping({"branches": branches, **fields}, f"key of `{cls.name}`", ("branches",), **{"x-op": cls.name})


def step_schema() -> Schema:
    """A step: a bare word, or one core with what may stand beside it."""
    place = {"$ref": "#/$defs/place"}
    branches = {
        "type": ["object", "array"],
        "items": place,
        "additionalProperties": place,
        "minItems": 1,
        "minProperties": 1,
        "x-wants": "branches: a list of them, or a mapping by name",
    }
    visible = {name: op_schema(cls) for name, cls in sorted(OPS.items()) if not (cls.is_merge or cls.is_internal)}
    beside: Schema = {
        "name": called(text("the step's name in its scope", minLength=1), "id", "label"),
        "when": called(Bool().schema() | {"description": "false takes the step out", "x-wants": Bool.wants}, "if", "condition"),
        "repeat": called({
            "type": "object",
            "description": "counts or lists by name: the step is written out for each",
            "minProperties": 1,
            "additionalProperties": {"type": ["integer", "array", "string"], "minimum": 0, "pattern": EXPRESSION,
                                     "x-wants": "an integer or a list"},
        }, "repeats", "times", "number", integer="repeat: {i: VALUE}", string="repeat: {i: VALUE}", array="repeat: {i: VALUE}"),
        "from": called(text("the earlier step at which this one starts", minLength=1), "inputs", "bottom"),
        "aux": Float(ge=0).schema() | {"description": "a training-only head, by its weight in the loss"},
        "output": called(text("a name under which the result is also an output", minLength=1), "top"),
        "doc": called(text("a remark"), "comment", "description"),
        "with": called({"type": ["object", "null"], "description": "arguments of `use`"}, "args", "kwargs"),
    }  # fmt: skip
    cores: Schema = {
        **visible,
        **{name: merge_schema(op, branches) for name, op in MERGES.items()},
        "use": text("the block or operation that an expression names", minLength=1),
        "steps": called(place | {"description": "a group of steps"}, "layers", "sequence"),
        "residual": called(
            mapping(
                {
                    "body": called(place, "main", "branch", "steps"),
                    "shortcut": called(place, "downsample", "projection"),
                    "skip": Bool().schema() | {"x-wants": Bool.wants},
                },
                "key of `residual`",
                ("body",),
                **{"x-wants": "a mapping of body, shortcut and skip"},
            ),
            array="residual: {body: [ … ]}",
            string="residual: {body: VALUE}",
        ),
    }
    bare = [name for name in visible if not any(f.required for f in OPS[name].fields.values())]
    return {
        "type": ["string", "object"],
        "pattern": f"^({'|'.join(bare)})$|{BLOCK}",
        "properties": {**beside, **cores},
        "patternProperties": {
            BLOCK: {"type": ["object", "null"], "x-what": "call", "x-wants": "a mapping of its parameters"},
            USER: {},
        },
        "additionalProperties": False,
        "minProperties": 1,
        "x-what": "step",
        "x-wants": "a step: an operation, a block, a merge or `steps`",
    }


def param_schema() -> Schema:
    number = {"type": "number"}  # bounds are written out: they are compared before any expression has a value
    long_form = {
        "type": {"type": "string", "enum": list(TYPES), "x-wants": "one of " + ", ".join(TYPES)},
        "default": {},
        "min": number,
        "max": number,
        "choices": {"type": "array", "minItems": 1},
        "doc": text("a remark"),
    }
    allowed = ["object", "integer", "number", "boolean", "string", "array"]
    return mapping(long_form, "key of a parameter") | {
        "type": allowed,
        "x-wants": "a type, a default, or {type, default, …}",
    }


def document_schema() -> Schema:
    size = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1, "x-wants": "an integer of at least 1"}
    count = {"type": ["integer", "object"], "minimum": 0, "x-wants": "a number or {min, max}", "x-what": "bound",
             "properties": {"min": {"type": "number"}, "max": {"type": "number"}}, "additionalProperties": False,
             "minProperties": 1}  # fmt: skip
    params = called({"type": "object", "additionalProperties": {"$ref": "#/$defs/param"}, "x-wants": "a mapping"},
                    "parameters", "variables", "hyperparameters")  # fmt: skip
    sizes = {"type": "array", "items": size, "x-wants": "a list of sizes"}
    axes = sizes | {"minItems": 2, "maxItems": 2}
    positive = {"type": "number", "exclusiveMinimum": 0}
    output = sizes | {"type": ["array", "object"], "additionalProperties": sizes}
    facts = {
        "output": output,
        "receptive_field": axes,
        **dict.fromkeys(("params", "params_without_aux", "macs", "depth"), count),
    }
    preprocess = {
        "resize": size | {"description": "length of the shorter side, pixels"},
        "crop": size | {"type": ["integer", "array"], "items": size, "minItems": 2, "maxItems": 2},
        "mean": {"type": "array", "items": {"type": "number"}, "minItems": 1},
        "std": {"type": "array", "items": positive, "minItems": 1},
        "scale": positive | {"description": "factor before mean and std; 1/255 unless told"},
        "interpolation": text("how pixels are resized", enum=["nearest", "bilinear", "bicubic", "lanczos"]),
        "color": text("order of the channels", enum=["rgb", "bgr", "grey"]),
    }
    block = {
        "params": params,
        "let": called(
            {"type": "object", "description": "values worked out once at the block's entry"}, "locals", "vars"
        ),
        "steps": called({"$ref": "#/$defs/place"}, "graph", "layers", "body"),
        "doc": text("a remark"),
    }
    path = text("a file, relative to this one", minLength=1)
    return mapping(
        {
            "archspec": called({"type": "integer", "const": 1, "description": "version of the language", "x-wants": "the integer 1"},
                               "version"),
            "name": called(text("the net's name", minLength=1), "title"),
            "summary": called(text("one line on the net"), "description"),
            "source": text("the paper and table it follows"),
            "lineage": text("whose details and names it follows", enum=["paper", "torchvision", "timm", "caffe"]),
            "params": params,
            "input": called({"type": "object", "minProperties": 1, "description": "inputs by name, channels first",
                             "additionalProperties": sizes | {"minItems": 3, "maxItems": 3,
                                                              "x-wants": "[channels, height, width], 3 integers; the batch axis is implicit"}},
                            "inputs", "input_shape", "input_size", array="input: {image: VALUE}"),
            "preprocess": called(mapping(preprocess, "key of `preprocess`"), "preprocessing", "transform", "transforms"),
            "labels": called({"type": ["string", "array"], "items": {"type": "string"}, "x-wants": "a list, a file or imagenet-1k"},
                             "names", "class_names"),
            "blocks": called({"type": "object", "patternProperties": {BLOCK: mapping(block, "key of a block", patternProperties={USER: {}})},
                              "additionalProperties": False, "x-what": "block", "x-wants": "a mapping"}, "components", "definitions"),
            "graph": called({"$ref": "#/$defs/place"}, "layers", "steps", "model", "net", "network", "architecture", "modules", "nodes"),
            "expect": called(mapping(facts, "expectation", minProperties=1), "expected"),
            "extends": called(path, "base", "inherits"),
            "import": called({"type": ["array", "object"], "items": path, "x-wants": "a list of file paths, or {Name: file}",
                              "patternProperties": {BLOCK: path}, "additionalProperties": False, "x-what": "block"},
                             "include", "imports", string="import: [VALUE]"),
        },
        "key",
        ("archspec",),
        patternProperties={USER: {}},
    )  # fmt: skip


@lru_cache(maxsize=1)
def schema() -> Schema:
    """The whole schema as plain data."""
    lone = {"if": {"type": ["string", "object"]}, "then": {"$ref": "#/$defs/step"}}
    place = {
        "type": ["array", "object", "string"],
        "items": {"$ref": "#/$defs/step"},
        **lone,
        "x-wants": "a list of steps, or one step",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "archspec, version 1",
        **document_schema(),
        "$defs": {"place": place, "step": step_schema(), "param": param_schema()},
    }


def schema_text() -> str:
    """The schema as committed for editors in compiler/archspec.schema.json."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


@lru_cache(maxsize=1)
def validator() -> Any:
    """jsonschema's validator of the schema, for which a whole float is no integer, nor is a boolean."""
    from jsonschema import Draft202012Validator, validators

    strict = Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    extend: Any = validators.extend
    return extend(Draft202012Validator, type_checker=strict)(schema())


def validate(root: Located, diagnostics: Collector) -> list[Any]:
    """Checks a document against the schema; every leaf error becomes a diagnostic at its own key or value.

    Gives jsonschema's errors, for recovery.py.
    """
    errors = list(validator().iter_errors(plain_value(root)))
    for error in errors:
        for diagnostic in explain(root, error):
            diagnostics.add(diagnostic)
    return errors
