"""What is said of weights from a module whose steps are no longer the spec's: a file is built from the spec, and holds the spec's."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ..compiler.ir.graph import Graph
from ..compiler.weights.names import enclosing_steps

MAX_DEPTH = 8
MAX_LISTED = 8


def explain_replaced(training: Graph, weights: object, keep_aux: bool = False) -> str:
    """A sentence that names the steps which the module of `weights`, a state_dict or mappings of such, has otherwise; empty for none.

    Heads count where they are kept, as a file has none else.
    """
    nodes = {node.path: node for node in training.nodes}
    kept = training.results() if keep_aux else [output.value for output in training.outputs]
    needed = {node.path for node in training.needed_by(kept)}
    notes = dict(noted_modules(weights, {step for path in nodes for step in (path, *enclosing_steps(path))}))
    if not notes:
        return ""
    from ..compiler.backends.torch.module import describe_step

    told = []
    for path, theirs in notes.items():
        own = describe_step(nodes[path]) if path in needed else ""
        if own not in ("", theirs):
            told.append(f"another `{path}` ({theirs} for {own})")
        elif path not in nodes:
            told.append(f"a `{path}` ({theirs}) that the spec has not")
    listed = "; ".join(told[:MAX_LISTED]) + f"; and {len(told) - MAX_LISTED} more" * (len(told) > MAX_LISTED)
    text = f"the file is built from the spec: the module that these weights come from has {listed}: what it answers may differ"
    return text if told else ""


def noted_modules(weights: object, steps: Collection[str], step: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """The modules, by path, that the state_dicts in `weights` note as others than their spec's.

    A key that is one of `steps` says which step a state_dict is for.
    """
    if not isinstance(weights, Mapping) or depth > MAX_DEPTH:
        return
    metadata: Any = getattr(weights, "_metadata", None)
    for notes in metadata.values() if isinstance(metadata, Mapping) else ():
        for path, theirs in notes.get("archc_other_modules", {}).items():
            yield f"{step}.{path}" if step else path, theirs
    for key, each in weights.items():
        yield from noted_modules(each, steps, str(key) if key in steps else step, depth + 1)
