"""The JSON Schema of a document (2020-12), made from the ops' fields, and the check of a document against it.

One schema serves three readers: jsonschema here, the editor (compiler/archspec.schema.json), and `archc schema`. It has
no `anyOf`: a step is `type: [string, object]` with operations as plain properties and blocks as a pattern, so that an
error is about one key or one value, and an editor completes all operations everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ..diagnostics import Collector, Diagnostic, Span, nearest
from ..ops import OPS
from ..ops.fields import EXPRESSION, Bool, Float, Schema, show
from ..ops.op import Op
from .located_yaml import Located, plain
from .spec import MERGES, MODIFIERS, TYPES

BLOCK = "^[A-Z][A-Za-z0-9_]*$"
USER = "^x-"


def text(what: str, **more: Any) -> Schema:
    return {"type": "string", "description": what, **more}


def mapping(properties: Schema, what: str, required: tuple[str, ...] = (), **more: Any) -> Schema:
    closed = {"type": "object", "properties": properties, "additionalProperties": False, "x-what": what}
    return closed | ({"required": list(required)} if required else {}) | more


def op_schema(cls: type[Op]) -> Schema:
    """An op's arguments: its fields as a mapping, a bare value where one is allowed, or nothing."""
    properties = {}
    for key, declared in cls.fields.items():
        properties[key] = declared.kind.schema() | {"description": declared.doc, "x-wants": declared.kind.wants}
    needed = tuple(key for key, declared in cls.fields.items() if declared.required)
    schema = mapping(properties, f"field of `{cls.name}`", needed)
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
    return mapping({"branches": branches, **fields}, f"key of `{cls.name}`", ("branches",))


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
        "name": text("the step's name in its scope", minLength=1),
        "when": Bool().schema() | {"description": "false takes the step out", "x-wants": Bool.wants},
        "repeat": {
            "type": "object",
            "description": "counts or lists by name: the step is written out for each",
            "minProperties": 1,
            "additionalProperties": {"type": ["integer", "array", "string"], "minimum": 0, "pattern": EXPRESSION,
                                     "x-wants": "an integer or a list"},
        },
        "from": text("the earlier step at which this one starts", minLength=1),
        "aux": Float(ge=0).schema() | {"description": "a training-only head, by its weight in the loss"},
        "output": text("a name under which the result is also an output", minLength=1),
        "doc": text("a remark"),
        "with": {"type": ["object", "null"], "description": "arguments of `use`"},
    }  # fmt: skip
    cores: Schema = {
        **visible,
        **{name: merge_schema(op, branches) for name, op in MERGES.items()},
        "use": text("the block or operation that an expression names", minLength=1),
        "steps": place | {"description": "a group of steps"},
        "residual": mapping(
            {"body": place, "shortcut": place, "skip": Bool().schema() | {"x-wants": Bool.wants}},
            "key of `residual`",
            ("body",),
            **{"x-wants": "a mapping of body, shortcut and skip"},
        ),
    }
    bare = [name for name in visible if not any(f.required for f in OPS[name].fields.values())]
    return {
        "type": ["string", "object"],
        "pattern": f"^({'|'.join(bare)})$|{BLOCK}",
        "properties": {**beside, **cores},
        "patternProperties": {BLOCK: {"type": ["object", "null"], "x-wants": "a mapping of its parameters"}, USER: {}},
        "additionalProperties": False,
        "minProperties": 1,
        "x-what": "step",
        "x-wants": "a step: an operation, a block, a merge or `steps`",
    }


def param_schema() -> Schema:
    number = {"type": ["number", "string"], "pattern": EXPRESSION}
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
    params = {"type": "object", "additionalProperties": {"$ref": "#/$defs/param"}, "x-wants": "a mapping"}
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
        "let": {"type": "object", "description": "values worked out once at the block's entry"},
        "steps": {"$ref": "#/$defs/place"},
        "doc": text("a remark"),
    }
    path = text("a file, relative to this one", minLength=1)
    return mapping(
        {
            "archspec": {"type": "integer", "const": 1, "description": "version of the language", "x-wants": "the integer 1"},
            "name": text("the net's name", minLength=1),
            "summary": text("one line on the net"),
            "source": text("the paper and table it follows"),
            "lineage": text("whose details and names it follows", enum=["paper", "torchvision", "timm", "caffe"]),
            "params": params,
            "input": {"type": "object", "minProperties": 1, "description": "inputs by name, channels first",
                      "additionalProperties": sizes | {"minItems": 3, "maxItems": 3,
                                                       "x-wants": "[channels, height, width], 3 integers; the batch axis is implicit"}},
            "preprocess": mapping(preprocess, "key of `preprocess`"),
            "labels": {"type": ["string", "array"], "items": {"type": "string"}, "x-wants": "a list, a file or imagenet-1k"},
            "blocks": {"type": "object", "patternProperties": {BLOCK: mapping(block, "key of a block", patternProperties={USER: {}})},
                       "additionalProperties": False, "x-what": "block", "x-wants": "a mapping"},
            "graph": {"$ref": "#/$defs/place"},
            "expect": mapping(facts, "expectation", minProperties=1),
            "extends": path,
            "import": {"type": ["array", "object"], "items": path, "x-wants": "a list of file paths, or {Name: file}",
                       "patternProperties": {BLOCK: path}, "additionalProperties": False, "x-what": "block"},
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
    blocks = root.value.get("blocks") if isinstance(root.value, dict) else None
    names = list(blocks.value.value) if blocks and isinstance(blocks.value.value, dict) else []
    errors = list(validator().iter_errors(plain(root)))
    for error in errors:
        for diagnostic in explain(root, error, names):
            diagnostics.add(diagnostic)
    return errors


def explain(root: Located, error: Any, blocks: list[str]) -> Iterator[Diagnostic]:
    """One jsonschema error in our words."""
    path, rule = list(error.absolute_path), error.schema
    key, node = reach(root, path)
    called = f"`{path[-1]}` " if path and isinstance(path[-1], str) else ""
    wants = rule.get("x-wants") or wanted(rule)
    if error.validator == "additionalProperties":
        yield from unknown_keys(node, rule, blocks)
    elif error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        field = missing[0] if missing else ""
        yield Diagnostic("missing-key", key or node.span, f"{called or 'the document '}needs `{field}`",
                         help="write `archspec: 1` first" if field == "archspec" else "")  # fmt: skip
    elif isinstance(node.value, str) and rule.get("x-what") == "step":
        yield not_a_step(node, blocks)
    elif error.validator in ("minimum", "maximum", "exclusiveMinimum"):
        yield Diagnostic("out-of-range", node.span, f"{called}{limit(rule, wants)}, not {show(error.instance)}")
    elif rule.get("x-what") == "step":
        yield Diagnostic("not-a-step", node.span, f"{show(error.instance)} is no step; {wants} is wanted")
    elif error.validator == "minProperties" and path:
        yield Diagnostic("empty", node.span, f"{called}is empty", help=f"{called}wants {wants}")
    else:
        size = f", of {len(error.instance)}" if error.validator in ("minItems", "maxItems") else ""
        hint = boolean_hint(node, rule)
        yield Diagnostic("wrong-type", node.span, f"{called}wants {wants}, not {show(error.instance)}{size}", help=hint)


def limit(rule: Schema, wants: str) -> str:
    return f"wants {wants}" if "x-wants" in rule else f"wants a number in range ({wants})"


def wanted(rule: Schema) -> str:
    """What a fragment without words of its own wants."""
    if "enum" in rule:
        return "one of " + ", ".join(f"`{w}`" for w in rule["enum"])
    kinds = rule.get("type", [])
    names = {"object": "a mapping", "array": "a list", "string": "a string", "integer": "an integer", "number": "a number",
             "boolean": "a boolean", "null": "nothing"}  # fmt: skip
    words = [names[k] for k in ([kinds] if isinstance(kinds, str) else kinds)]
    if "number" in kinds and "string" in kinds:
        words.remove("a string")  # the string is only an expression
    bounds = [
        f"{word} {rule[key]}" for word, key in (("at least", "minimum"), ("over", "exclusiveMinimum")) if key in rule
    ]
    return " or ".join(words) + (" " + " and ".join(bounds) if bounds else "")


def boolean_hint(node: Located, rule: Schema) -> str:
    """YAML 1.1's booleans, and booleans in quotes, are strings here."""
    words = {
        "yes": "true",
        "on": "true",
        "y": "true",
        "true": "true",
        "no": "false",
        "off": "false",
        "n": "false",
        "false": "false",
    }
    meant = (
        words.get(str(node.raw).lower()) if isinstance(node.value, str) and "boolean" in rule.get("type", []) else None
    )
    return f"write {meant}: YAML 1.2 reads `{node.raw}` as a string" if meant else ""


def reach(root: Located, path: list[str | int]) -> tuple[Span | None, Located]:
    """The node at `path`, and the place of its key."""
    key, node = None, root
    for index in path:
        if isinstance(node.value, dict):
            entry = node.value[str(index)]
            key, node = entry.key.span, entry.value
        else:
            key, node = None, node.value[index]
    return key, node


def unknown_keys(node: Located, rule: Schema, blocks: list[str]) -> Iterator[Diagnostic]:
    import re

    known, patterns = rule.get("properties", {}), rule.get("patternProperties", {})
    what = rule.get("x-what", "key")
    for name, entry in node.value.items():
        if name in known or any(re.search(p, name) for p in patterns):
            continue
        if (
            "$(" in name
            or (entry.value.value is None and name.count("(") != name.count(")"))
            or _cut_expression(node, name)
        ):
            yield Diagnostic("expression-unclosed", entry.key.span, "an expression is cut off here: a quote is missing",
                             help="inside { } and [ ] YAML ends a plain value at `,` `[` `]` `{` `}`: put the expression in quotes, \"$(…)\"")  # fmt: skip
        elif what == "step":
            yield unknown_step_key(entry.key, blocks)
        elif what == "block" and BLOCK in patterns:
            camel = "".join(part[:1].upper() + part[1:] for part in name.replace("-", "_").split("_"))
            yield Diagnostic("block-name", entry.key.span, f"`{name}` cannot name a block: blocks are CamelCase",
                             help=f"call it `{camel}`; lower-case names are operations")  # fmt: skip
        else:
            near = nearest(name, known)
            hint = (
                f"did you mean `{near}`?"
                if near
                else f"it can be {', '.join(known)}"
                if known
                else "it takes no fields"
            )
            yield Diagnostic("unknown-key", entry.key.span, f"unknown {what} `{name}`", help=hint)


def _cut_expression(node: Located, name: str) -> bool:
    """Whether the key is the rest of an expression that a comma cut off: `{out: $(max(a, 8))}`."""
    rest = name.endswith(")") and name.count(")") > name.count("(")
    return rest and any("$(" in str(e.value.value) for e in node.value.values() if e.value.style == "")


def unknown_step_key(key: Located, blocks: list[str]) -> Diagnostic:
    name = str(key.value)
    known = [*MODIFIERS, *(n for n in OPS if n != "path_draw"), "steps", "use", "residual", *blocks]
    near = nearest(name, known)
    hint = f"did you mean `{near}`?" if near else "`archc ops` lists the operations; blocks are CamelCase"
    return Diagnostic("unknown-op", key.span, f"unknown operation or key `{name}`", help=hint)


def not_a_step(node: Located, blocks: list[str]) -> Diagnostic:
    """A bare word that is no step by itself."""
    name = str(node.value)
    if name in OPS and not (OPS[name].is_merge or OPS[name].is_internal):
        needed = ", ".join(f"{k}: …" for k, f in OPS[name].fields.items() if f.required)
        return Diagnostic(
            "missing-key", node.span, f"`{name}` needs its fields", help=f"write {{{name}: {{{needed}}}}}"
        )
    return unknown_step_key(node, blocks)
