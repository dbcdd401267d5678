"""The JSON Schema of a spec (2020-12), made from the fields of the ops. validation.py checks a document against it.

One schema has three readers: jsonschema, the editor (compiler/archspec.schema.json), and `archc schema`. It has no
`anyOf`: a step is `type: [string, object]`, with operations as plain properties and blocks as a pattern. So an error is about
one key or one value, and an editor completes all operations everywhere. The parts of the schema are called rules here. Their
keys that begin with `x-` are for schema_errors.py: what a rule describes (`x-what`), the key whose mapping it is (`x-owner`), what it wants, in
words (`x-wants`), the op whose fields it holds (`x-op`), synonyms (`x-also-called`), what to write instead (`x-instead`), and what other formats' keys mean (`x-other-keys`).
To a string that may be only some words belong these (`x-words`), and what other formats' words mean (`x-other-words`). What belongs in a
section and stands at the top has a row in `x-stands-in`. named_choices.py has the keys for choices by name.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from ..ops import OPS
from ..ops.fields import EXPRESSION, Bool, Float, Schema
from ..ops.op import Op
from .declarations import OTHER_TYPES, TYPES
from .reported import RULES
from .spec import MERGES

BLOCK_NAME = "^[A-Z][A-Za-z0-9_]*$"
USER_KEY = "^x-"
PLACE: Schema = {"$ref": "#/$defs/place"}
SIZE: Schema = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1, "x-wants": "an integer of at least 1"}
SIZES: Schema = {"type": "array", "items": SIZE, "x-wants": "a list of sizes"}


def string_rule(what: str, **more: Any) -> Schema:
    """The rule of a string; `what` is the line that an editor shows."""
    return {"type": "string", "description": what, **more}


def mapping_rule(properties: Schema, what: str, required: tuple[str, ...] = (), **more: Any) -> Schema:
    """The rule of a mapping with these keys and no others; `what` names one of its keys in a message."""
    closed = {"type": "object", "properties": properties, "additionalProperties": False, "x-what": what}
    return closed | ({"required": list(required)} if required else {}) | more


def with_synonyms(rule: Schema, *words: str, **instead: str) -> Schema:
    """The rule, with synonyms of its key, and what to write `instead` for a value of another JSON type."""
    return rule | {"x-also-called": list(words)} | ({"x-instead": instead} if instead else {})


def op_rule(cls: type[Op]) -> Schema:
    """The rule of an op's arguments: a mapping of its fields, a bare value if the op takes one, or nothing."""
    properties = {}
    for key, declared in cls.fields.items():
        properties[key] = declared.kind.schema() | {"description": declared.doc, "x-wants": declared.kind.wants}
    needed = tuple(key for key, declared in cls.fields.items() if declared.required)
    schema = mapping_rule(properties, f"field of `{cls.name}`", needed, **{"x-op": cls.name})
    schema["type"] = ["object", "null"]
    schema["description"] = (cls.__doc__ or cls.name).strip().splitlines()[0]
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


def merge_rule(cls: type[Op], branches: Schema) -> Schema:
    """The rule of a merge: its branches; if the op has fields, a mapping of them and of `branches`."""
    if not cls.fields:
        return branches | {"description": f"{cls.name} of branches"}
    fields = {key: declared.kind.schema() for key, declared in cls.fields.items()}
    branches = with_synonyms(branches, "inputs", "columns")
    return mapping_rule({"branches": branches, **fields}, f"key of `{cls.name}`", ("branches",), **{"x-op": cls.name})


def modifier_rules() -> Schema:
    """The rules of the keys that may stand beside a step's core."""
    return {
        "name": with_synonyms(string_rule("the step's name in its scope", minLength=1), "id", "label", "top"),
        "when": with_synonyms(Bool().schema() | {"description": "false takes the step out", "x-wants": Bool.wants}, "if", "condition"),
        "repeat": with_synonyms({
            "type": "object",
            "description": "counts or lists by name: the step is written out for each",
            "minProperties": 1,
            "additionalProperties": {"type": ["integer", "array", "string"], "minimum": 0, "pattern": EXPRESSION,
                                     "x-wants": "an integer or a list"},
        }, "repeats", "times", "number", integer="repeat: {i: VALUE}", string="repeat: {i: 3}", expression="repeat: {i: VALUE}",
            array="repeat: {i: VALUE}"),
        "from": with_synonyms(string_rule("the earlier step at which this one starts", minLength=1), "input", "inputs", "bottom",
                              integer="from: NAME", array="concat: [{from: NAME}, {from: NAME}]"),
        "aux": Float(ge=0).schema() | {"description": "a training-only head, by its weight in the loss"},
        "output": with_synonyms(string_rule("a name under which the result is also an output", minLength=1), "outputs"),
        "doc": with_synonyms(string_rule("a remark"), "comment", "description"),
        "with": with_synonyms({"type": ["object", "null"], "description": "arguments of `use`"}, "args", "kwargs"),
    }  # fmt: skip


def core_rules() -> Schema:
    """The rules of a step's cores: operations, merges, `use`, `steps` and `residual`."""
    branches = {
        "type": ["object", "array"],
        "items": PLACE,
        "additionalProperties": PLACE,
        "minItems": 1,
        "minProperties": 1,
        "x-wants": "branches: a list of them, or a mapping by name",
    }
    operations = {name: op_rule(cls) for name, cls in sorted(OPS.items()) if not (cls.is_merge or cls.is_internal)}
    return {
        **operations,
        **{name: merge_rule(op, branches) for name, op in MERGES.items()},
        "use": string_rule("the block or operation that an expression names", minLength=1),
        "steps": with_synonyms(PLACE | {"description": "a group of steps"}, "layers", "sequence"),
        "residual": with_synonyms(
            mapping_rule(
                {
                    "body": with_synonyms(PLACE, "main", "branch", "steps"),
                    "shortcut": with_synonyms(PLACE, "downsample", "projection"),
                    "skip": Bool().schema() | {"x-wants": Bool.wants},
                },
                "key of `residual`",
                ("body",),
                **{"x-owner": "residual", "x-wants": "a mapping of body, shortcut and skip"},
            ),
            array="residual: {body: [ … ]}",
            string="residual: {body: VALUE}",
        ),
    }


def step_rule() -> Schema:
    """The rule of a step: a word alone, or one core with what may stand beside it.

    Only ops without required fields are words alone.
    """
    words = [
        name
        for name, op in sorted(OPS.items())
        if not (op.is_merge or op.is_internal or any(field.required for field in op.fields.values()))
    ]
    return {
        "type": ["string", "object"],
        "pattern": f"^({'|'.join(words)})$|{BLOCK_NAME}",
        "properties": {**modifier_rules(), **core_rules()},
        "patternProperties": {
            BLOCK_NAME: {"type": ["object", "null"], "x-what": "call", "x-wants": "a mapping of its parameters"},
            USER_KEY: {},
        },
        "additionalProperties": False,
        "minProperties": 1,
        "x-what": "step",
        "x-wants": "a step: an operation, a block, a merge or `steps`",
    }


def param_rule() -> Schema:
    """The rule of a declaration under `params`: a type, a default, or the long form."""
    # no expression: bounds are compared before any expression has a value
    number = {"type": "number"}
    others = {word: kind for word, kind in OTHER_TYPES.items() if word not in TYPES}
    long_form = {
        "type": {
            "type": "string",
            "enum": list(TYPES),
            "x-wants": "one of " + ", ".join(TYPES),
            "x-other-words": others,
        },
        "default": {},
        "min": number,
        "max": number,
        "choices": {"type": "array", "minItems": 1},
        "doc": string_rule("a remark"),
    }
    allowed = ["object", "integer", "number", "boolean", "string", "array"]
    return mapping_rule(long_form, "key of a parameter") | {
        "type": allowed,
        "x-wants": "a type, a default, or {type, default, …}",
    }


def params_rule() -> Schema:
    """The rule of `params`, of a document or a block."""
    params: Schema = {"type": "object", "additionalProperties": {"$ref": "#/$defs/param"}, "x-wants": "a mapping"}
    return with_synonyms(params, "parameters", "variables", "hyperparameters", "args", "arguments")


def input_rule() -> Schema:
    """The rule of `input`: the sizes of each input by its name, for one image."""
    wants = "[channels, height, width], 3 integers; the batch axis is implicit"
    inputs: Schema = {
        "type": "object",
        "minProperties": 1,
        "description": "inputs by name, channels first",
        "additionalProperties": SIZES | {"minItems": 3, "maxItems": 3, "x-wants": wants},
    }
    return with_synonyms(inputs, "inputs", "input_shape", "input_size", array="input: {image: VALUE}")


def preprocess_rule() -> Schema:
    """The rule of `preprocess`: how a photo becomes the input."""
    positive = {"type": "number", "exclusiveMinimum": 0}
    keys = {
        "resize": SIZE | {"description": "length of the shorter side, pixels"},
        "crop": SIZE | {"type": ["integer", "array"], "items": SIZE, "minItems": 2, "maxItems": 2},
        "mean": {"type": "array", "items": {"type": "number"}, "minItems": 1},
        "std": {"type": "array", "items": positive, "minItems": 1},
        "scale": positive | {"description": "factor before mean and std; 1/255 unless told"},
        "interpolation": string_rule("how pixels are resized", enum=["nearest", "bilinear", "bicubic", "lanczos"]),
        "color": string_rule("order of the channels", enum=["rgb", "bgr", "grey"]),
    }
    return with_synonyms(mapping_rule(keys, "key of `preprocess`"), "preprocessing", "transform", "transforms")


def blocks_rule() -> Schema:
    """The rule of `blocks`: blocks by their CamelCase names."""
    let = {"type": "object", "description": "values worked out once at the block's entry"}
    keys = {
        "params": params_rule(),
        "let": with_synonyms(let, "locals", "vars"),
        "steps": with_synonyms(PLACE, "graph", "layers", "body"),
        "doc": string_rule("a remark"),
    }
    block = mapping_rule(keys, "key of a block", patternProperties={USER_KEY: {}})
    block |= {"x-wants": "a mapping with its steps", "x-instead": {"array": "steps: […]", "string": "steps: [VALUE]"}}
    blocks: Schema = {
        "type": "object",
        "patternProperties": {BLOCK_NAME: block},
        "additionalProperties": False,
        "x-what": "block",
        "x-wants": "a mapping",
    }
    return with_synonyms(blocks, "components", "definitions")


def expect_rule() -> Schema:
    """The rule of `expect`: figures that must hold for the net."""
    count = {
        "type": ["integer", "object"],
        "minimum": 0,
        "x-wants": "a whole number or {min, max}",
        "x-what": "bound",
        "properties": {"min": {"type": "number"}, "max": {"type": "number"}},
        "additionalProperties": False,
        "minProperties": 1,
    }
    figures = {
        "output": SIZES | {"type": ["array", "object"], "additionalProperties": SIZES},
        "receptive_field": SIZES | {"minItems": 2, "maxItems": 2},
        **dict.fromkeys(("params", "params_without_aux", "macs", "depth"), count),
    }
    return with_synonyms(mapping_rule(figures, "expectation", minProperties=1), "expected")


def reported_rule() -> Schema:
    """The rule of `reported`: rows of results, or one."""
    row = mapping_rule(RULES, "key of `reported`", ("split", "source"))
    rows = row | {
        "type": ["array", "object"],
        "items": row | {"x-wants": "a mapping"},
        "minItems": 1,
        "x-wants": "a list of rows, or one",
    }
    return with_synonyms(rows, "results", "accuracy", "metrics")


def import_rule(path: Schema) -> Schema:
    """The rule of `import`: files whose blocks are taken, or {Name: file} for a whole document as a block."""
    imports: Schema = {
        "type": ["array", "object"],
        "items": path,
        "x-wants": "a list of file paths, or {Name: file}",
        "patternProperties": {BLOCK_NAME: path},
        "additionalProperties": False,
        "x-what": "block",
    }
    return with_synonyms(imports, "include", "imports", string="import: [VALUE]")


def stands_in(keys: Schema, section: str) -> list[Any]:
    """The row of the words that stand in a section, and not at the top."""
    return [[word for word in keys[section]["properties"] if word not in keys], section, ""]


# keys of other tools' documents, and what is written here
OTHER_KEYS: list[list[Any]] = [
    [
        ["backbone", "neck", "head", "encoder", "decoder", "stem", "features"],
        "all steps stand in one list, `graph: [ … ]`",
    ],
    [
        [
            "nc",
            "num_classes",
            "n_classes",
            "num_class",
            "classes",
            "depth_multiple",
            "width_multiple",
            "width",
            "depth",
        ],
        "a number is a param: write `params: {KEY: VALUE}`",
    ],
]


def document_rule() -> Schema:
    """The rule of a whole document."""
    version = {"type": "integer", "const": 1, "description": "version of the language", "x-wants": "the integer 1"}
    labels = {
        "type": ["string", "array"],
        "items": {"type": "string"},
        "x-wants": "a list, a file or imagenet-1k",
    }
    graph_words = ("layers", "steps", "model", "net", "network", "architecture", "modules", "nodes")
    lineages = ["paper", "torchvision", "timm", "caffe"]
    path = string_rule("a file, relative to this one", minLength=1)
    keys = {
        "archspec": with_synonyms(version, "version"),
        "name": with_synonyms(string_rule("the net's name", minLength=1), "title"),
        "summary": with_synonyms(string_rule("one line on the net"), "description"),
        "source": string_rule("the paper and table it follows"),
        "lineage": string_rule("whose details and names it follows", enum=lineages),
        "params": params_rule(),
        "input": input_rule(),
        "preprocess": preprocess_rule(),
        "labels": with_synonyms(labels, "names", "class_names"),
        "blocks": blocks_rule(),
        "graph": with_synonyms(PLACE, *graph_words),
        "expect": expect_rule(),
        "reported": reported_rule(),
        "extends": with_synonyms(path, "base", "inherits"),
        "import": import_rule(path),
    }
    words = {
        "x-other-keys": OTHER_KEYS,
        "x-stands-in": [stands_in(keys, section) for section in ("preprocess", "expect")],
    }
    return mapping_rule(keys, "key", ("archspec",), patternProperties={USER_KEY: {}}, **words)


@lru_cache(maxsize=1)
def schema() -> Schema:
    """The whole schema, as JSON values. Cached, so do not change it."""
    place = {
        "type": ["array", "object", "string"],
        "items": {"$ref": "#/$defs/step"},
        # one step without a list
        "if": {"type": ["string", "object"]},
        "then": {"$ref": "#/$defs/step"},
        "x-wants": "a list of steps, or one step",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "archspec, version 1",
        **document_rule(),
        "$defs": {"place": place, "step": step_rule(), "param": param_rule()},
    }


def schema_text() -> str:
    """The schema as JSON text, which is also committed as compiler/archspec.schema.json for editors."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
