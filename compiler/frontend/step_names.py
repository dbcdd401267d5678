"""The names that a step can have: paths become attributes of a torch module, which owns some of its own."""

from __future__ import annotations

import re
from functools import lru_cache
from keyword import iskeyword

from ..ops.fields import quote_value

NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
MAX_NAME = 200

# Attributes of torch.nn.Module, which a submodule of that name would hide; a test compares the public ones with torch.
MODULE_ATTRIBUTES = frozenset([
    "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "compile", "cpu",
    "cuda", "double", "dump_patches", "eval", "extra_repr", "float", "forward", "get_buffer", "get_extra_state",
    "get_parameter", "get_submodule", "half", "ipu", "load_state_dict", "modules", "mtia", "named_buffers",
    "named_children", "named_modules", "named_parameters", "parameters", "register_backward_hook", "register_buffer",
    "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
    "register_full_backward_pre_hook", "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook",
    "register_module", "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook",
    "requires_grad_", "set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train",
    "training", "type", "xpu", "zero_grad", "_apply", "_buffers", "_call_impl", "_get_name", "_modules",
    "_parameters", "_version",
])  # fmt: skip
# Those that torch.fx.GraphModule has besides; tracing a net makes one of it.
GRAPH_MODULE_ATTRIBUTES = frozenset([
    "_graph", "_tracer_cls", "add_submodule", "code", "delete_all_unused_submodules", "delete_submodule", "graph",
    "meta", "print_readable", "recompile", "to_folder",
])  # fmt: skip

# Those that a net of ours has besides.
NETWORK_ATTRIBUTES = frozenset(["head_weights", "loss", "output_names", "seed", "spec_modules", "training_graph"])


def name_fault(name: object) -> str:
    """Why a step cannot have this name; empty where it can."""
    return word_fault(name) if isinstance(name, str) else f"a name is a string, not {quote_value(name)}"


@lru_cache(maxsize=4096)
def word_fault(name: str) -> str:
    """Why a step cannot have this string for a name; empty where it can."""
    if not name.strip():
        return "a name is not empty"
    if len(name) > MAX_NAME:
        return f"a name has at most {MAX_NAME} characters, not {len(name)}"
    if not NAME.match(name):
        return f"{quote_value(name)} is no name: letters, digits, `_` and `-` only; the dot joins paths"
    if iskeyword(name):
        return f"`{name}` cannot be a name: it is a keyword of Python, and paths become attributes of a module"
    if name in MODULE_ATTRIBUTES or name in GRAPH_MODULE_ATTRIBUTES or name.startswith("__"):
        return f"`{name}` cannot be a name: torch's Module owns it"
    if name in NETWORK_ATTRIBUTES:
        return f"`{name}` cannot be a name: the module that a net becomes has a `{name}` of its own"
    return ""
