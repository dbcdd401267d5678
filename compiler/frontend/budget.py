"""The budget of a check: work is counted in all stages, and a spec that takes too much of it is refused.

Time is bounded by this count and not by a clock, so that a spec is accepted or refused alike on every machine. A unit takes
at most a microsecond. What is done ten thousand times in a repeat is counted in bulk, at the place that repeats it.
"""

from __future__ import annotations

from ..diagnostics import Diagnostic, LimitReached, Span
from ..limits import DEFAULT, Limits, double_limit, raise_limit
from ..ops.fields import quote_value
from .expressions.template import Template
from .located_yaml import Located

# units of work
STEP = 30  # a step of the net: its node, its checks, its cost
INFERENCE = 45  # the type of an op's result, once for each op and its inputs
TOKEN = 12  # of an expression that is parsed, once for each text
EVALUATION = 18  # of an expression, beside what it computes
YAML_NODE = 24
WRITTEN_STEP = 30  # a step as it stands in the text
WRITTEN_BLOCK = 90
PARAM = 4  # a param or a let of a call
REFERENCE = 16
OUTPUT = 40
FAULT = 1000  # a mistake in a copy of a step, with its explanation
WARNING = 50
BRANCH = 24
MERGE_INPUT = 6
FEW_ELEMENTS = 16  # of the lists of an op: each more is a unit, in each copy, as the graph's text holds all of them
THREAD = 400  # a new stack for a deep nest
BYTES_PER_UNIT = 2  # of a text that is read
READ_AGAIN = 5  # a byte of a text that is no YAML, which is read again for its explanation
REFUSED_BYTES_PER_UNIT = 1000  # of a text over the limit of bytes
CHARACTERS_PER_UNIT = 8  # of a text that an expression makes, or of a path
LONG_PATH = 100  # characters: longer ones are work
SCOPES_PER_UNIT = 256  # characters of the scopes in which `from` looks for a name
SOURCE_PER_UNIT = 3  # characters of an expression that is computed
NAMES_PER_UNIT = 16  # of names in sight that a copy of a step takes over
FRAMES_PER_UNIT = 1  # blocks, repeats and branches around a copy of a step


class Budget:
    """The work that one check may still do. `spent` is what each expression, step or param has taken, to name the largest.

    `templates` are the expressions that are parsed, and so are counted, by their text; `roots` how many nodes each text has.
    """

    __slots__ = ("left", "limits", "places", "roots", "spent", "steps", "templates", "yaml_nodes")

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self.limits, self.left, self.steps = limits, limits.work, 0
        self.yaml_nodes = 0
        self.spent: dict[Located, int] = {}
        self.places: dict[Span, Located] = {}
        self.templates: dict[str, Template] = {}
        self.roots: dict[Located, int] = {}

    def spend(self, units: int, on: Located) -> None:
        """Counts work that is done for the node `on`. Raises LimitReached where it was too much."""
        self.spent[on] = self.spent.get(on, 0) + units
        self.left -= units
        if self.left < 0:
            raise LimitReached(self.explain())

    def spend_at(self, units: int, place: Span) -> None:
        """Counts work that is done for a place, where no node is at hand. Raises LimitReached where it was too much."""
        self.spend(units, self.places.setdefault(place, Located(None, place)))

    def count_text(self, characters: int, nodes: int, root: Located) -> None:
        """Counts a text and the nodes of its tree. Raises LimitReached where the documents have too many nodes together."""
        self.yaml_nodes += nodes
        self.roots[root] = nodes
        if self.yaml_nodes > self.limits.nodes:
            message = f"this and what was read before it have over {self.limits.nodes} YAML nodes, the limit"
            help = raise_limit("nodes", self.yaml_nodes)
            raise LimitReached(Diagnostic("too-many-nodes", root.span, message, help=help))
        self.spend(characters // BYTES_PER_UNIT + YAML_NODE * nodes, root)

    def count_step(self, on: Located, place: Span) -> None:
        """Counts a step of the net. Raises LimitReached where there are too many; `place` is where they come from."""
        self.steps += 1
        if self.steps > self.limits.nodes:
            message = f"the net expands to over {self.limits.nodes} steps, the limit"
            raise LimitReached(
                Diagnostic("too-many-steps", place, message, help=double_limit("nodes", self.limits.nodes))
            )
        self.spend(STEP, on)

    def explain(self) -> Diagnostic:
        """The diagnostic of a budget that is spent: at what has taken most of it."""
        largest = max(self.spent, key=self.spent.__getitem__)
        share = 100 * self.spent[largest] // max(1, sum(self.spent.values()))
        if largest in self.roots:
            what = f"the text itself, with {self.roots[largest]:,} YAML nodes"
        elif isinstance(largest.value, str):
            what = f"`{quote_value(largest.value).strip(chr(39))}`"
        else:
            what = "what stands here"
        message = (
            f"checking this spec takes over {self.limits.work:,} units of work, the limit; "
            f"the largest part, {share} %, goes to {what}"
        )
        return Diagnostic("too-much-work", largest.span, message, help=double_limit("work", self.limits.work))
