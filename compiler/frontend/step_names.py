"""The names that nets, steps, branches, inputs and outputs can have.

A net's name is that of its files, too. Paths become attributes of a torch module, which owns some of its own. Inputs and outputs are no attributes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from keyword import iskeyword
from typing import Any

from ..ops.fields import quote_value

NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
MAX_NAME = 200
NET_NAME = re.compile(r"\w([\w .+-]*[\w+-])?\Z")
# bytes: systems allow 255 in all, and what is beside a file has more in its name
MAX_NET_NAME = 100
RULE = "a name is letters from a to z in either case, digits, `_` and `-`; the dot joins paths"
NET_RULE = "a net's name is letters, digits, `_`, `-`, `+`, dots and spaces; a letter, a digit or `_` is first, and no dot or space last"

# Attributes of torch.nn.Module, which a submodule of that name would hide; a test compares them with torch.
MODULE_ATTRIBUTES = frozenset([
    "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile", "cpu",
    "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer", "get_extra_state",
    "get_parameter", "get_submodule", "half", "ipu", "load_state_dict", "modules", "mtia", "named_buffers",
    "named_children", "named_modules", "named_parameters", "parameters", "register_backward_hook", "register_buffer",
    "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
    "register_full_backward_pre_hook", "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook",
    "register_module", "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook",
    "requires_grad_", "set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train",
    "training", "type", "xpu", "zero_grad",
    "_apply", "_backward_hooks", "_backward_pre_hooks", "_buffers", "_call_impl", "_compiled_call_impl",
    "_forward_hooks", "_forward_hooks_always_called", "_forward_hooks_with_kwargs", "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs", "_get_backward_hooks", "_get_backward_pre_hooks", "_get_name",
    "_is_full_backward_hook", "_load_from_state_dict", "_load_state_dict_post_hooks", "_load_state_dict_pre_hooks",
    "_maybe_warn_non_full_backward_hook", "_modules", "_named_members", "_non_persistent_buffers_set", "_parameters",
    "_register_load_state_dict_pre_hook", "_register_state_dict_hook", "_replicate_for_data_parallel",
    "_save_to_state_dict", "_slow_forward", "_state_dict_hooks", "_state_dict_pre_hooks", "_version",
    "_wrapped_call_impl",
])  # fmt: skip
# Those that torch.fx.GraphModule has besides; tracing a net makes one of it.
GRAPH_MODULE_ATTRIBUTES = frozenset([
    "add_submodule", "code", "delete_all_unused_submodules", "delete_submodule", "graph", "meta", "print_readable",
    "recompile", "shape_env", "to_folder",
    "_boxed_call", "_code", "_create_node_hooks", "_deepcopy_hooks", "_deepcopy_init", "_erase_node_hooks", "_graph",
    "_in_spec", "_lineno_map", "_out_spec", "_prologue_start", "_recompile_submodules", "_register_create_node_hook",
    "_register_deepcopy_hook", "_register_erase_node_hook", "_register_replace_node_hook", "_replace_hooks",
    "_set_create_node_hook", "_set_erase_node_hook", "_set_replace_hook", "_tracer_cls", "_tracer_extras",
    "_unregister_create_node_hook", "_unregister_deepcopy_hook", "_unregister_erase_node_hook",
    "_unregister_replace_node_hook", "_unset_create_node_hook", "_unset_erase_node_hook", "_unset_replace_node_hook",
    "_wrapped_call",
])  # fmt: skip

# Those that a net of ours has besides.
NETWORK_ATTRIBUTES = frozenset(["head_weights", "loss", "output_names", "seed", "spec_modules", "training_graph"])


def net_fault(name: str) -> str:
    """Why a net cannot have this name, which a build makes a file of; empty where it can."""
    if len(name.encode("utf-8", "replace")) > MAX_NET_NAME:
        return f"a net's name has at most {MAX_NET_NAME} bytes, as files are called by it"
    if not NET_NAME.match(name):
        return f"{quote_value(name)} cannot be the name of a net, and so of its files"
    return ""


def name_fault(name: object) -> str:
    """Why a step or a branch cannot have this name; empty where it can."""
    return port_fault(name) or attribute_fault(str(name))


def port_fault(name: object) -> str:
    """Why an input or an output cannot have this name, and so no step either; empty where it can."""
    return word_fault(name) if isinstance(name, str) else f"a name is a string, not {quote_value(name)}"


@lru_cache(maxsize=4096)
def word_fault(name: str) -> str:
    """Why this string is no name at all; empty where it is one."""
    if not name.strip():
        return "a name is not empty"
    if len(name) > MAX_NAME:
        return f"a name has at most {MAX_NAME} characters, not {len(name)}"
    if not NAME.match(name):
        strange = next(letter for letter in name if not NAME.match(letter))
        return f"{quote_value(name)} is no name: {quote_value(strange)} cannot stand in one"
    if name.startswith("__"):
        return f"`{name}` cannot be a name: those that begin with two underscores are Python's and archc's own"
    return ""


@lru_cache(maxsize=4096)
def attribute_fault(name: str) -> str:
    """Why a module cannot be an attribute of this name; empty where it can."""
    if iskeyword(name):
        return f"`{name}` cannot be a name: it is a keyword of Python, and paths become attributes of a module"
    if name in MODULE_ATTRIBUTES or name in GRAPH_MODULE_ATTRIBUTES:
        return f"`{name}` cannot be a name: torch's Module owns it"
    if name in NETWORK_ATTRIBUTES:
        return f"`{name}` cannot be a name: the module that a net becomes has a `{name}` of its own"
    # torch.fx makes variables of paths in snake case, and the module is its variable `self`
    if name.lower() == "self":
        return f"`{name}` cannot be a name: it is the module itself in the code that torch.fx makes of a net"
    return ""


def advise_name(name: object, find_fault: Callable[[Any], str]) -> str:
    """The help for a name that `find_fault` refuses: a name near it that is allowed, where one follows, and what a name may be."""
    rule = NET_RULE if find_fault is net_fault else RULE
    if not isinstance(name, str):
        # a number that was computed: one that is written is no name by the schema
        return f"write letters beside what is computed, as `step$(i)`; {RULE}"
    near = next((each for each in similar_names(name, find_fault) if not find_fault(each)), None)
    return f"write `{near}`; {rule}" if near else rule


def similar_names(name: str, find_fault: Callable[[Any], str]) -> Iterator[str]:
    """Names like one that is refused, the nearest first; none where letters would be lost."""
    if find_fault is net_fault:
        yield re.sub(r"[^\w .+-]+", "_", name).lstrip(" .+-_").rstrip(" ._")
        return
    plain = "".join(each for each in unicodedata.normalize("NFKD", name) if not unicodedata.combining(each))
    letters = [each for each in plain if each.isalnum()]
    if not letters or len(name) > MAX_NAME or not all(map(str.isascii, letters)):
        return
    joined = re.sub(r"[^A-Za-z0-9_-]+", "_", plain.strip())
    yield joined
    yield joined.strip("_")
    # as Python's own style has it for a word that is taken
    yield f"{joined}_"
