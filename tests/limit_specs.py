"""Specs that are as costly to check as they can be: each construct of the language, `n` of it, for the tests of limits.

`n` is scaled until a limit is met: what is checked must cost as much as is counted, and twice as much for twice `n`.
"""

from __future__ import annotations

from collections.abc import Callable

# of nearly as many characters as an expression may have
LONG_SUM = "+".join(["1"] * 970)
LONG_NEGATIONS = "+".join(["-(1)"] * 380)
MANY_NAMES = "$i" * 400
LONG_CHAIN = " or ".join(["x.width<0"] * 140)

HEAD = "archspec: 1\nname: big\ninput: {image: [3, 8, 8]}\n"


def rows(text: str, n: int) -> str:
    """`n` lines, in which # is the number of the line."""
    return "".join(f"  {text.replace('#', str(i))}\n" for i in range(n))


def items(text: str, n: int, start: int = 0) -> str:
    """`n` items in flow style, in which # is the item's number and @ the one before it."""
    return ", ".join(text.replace("#", str(i)).replace("@", str(i - 1)) for i in range(start, n))


def graph(steps: str, before: str = "") -> str:
    return f"{HEAD}{before}graph:\n{steps}"


def nest(levels: int, inner: str) -> str:
    """A step in so many groups, each in a repeat of one."""
    for level in range(levels):
        inner = f"{{repeat: {{r{level}: 1}}, steps: [{inner}]}}"
    return inner


def call_repeated(block: str, n: int, before: str = "") -> str:
    return graph(rows(f"- {{repeat: {{i: {n}}}, B: }}", 1), f"{before}blocks: {{B: {block}}}\n")


# the specs by name; each is given n
SPECS: dict[str, Callable[[int], str]] = {
    "steps of a repeat": lambda n: graph(rows(f"- {{repeat: {{i: {n}}}, conv: {{out: 3}}}}", 1)),
    "steps that when takes out": lambda n: graph(rows(f"- {{repeat: {{i: {n}}}, when: $(i < 0), relu: }}", 1)),
    "an expression for each step": lambda n: graph(rows(f"- {{repeat: {{i: {n}}}, conv: {{out: $(3 + i - i)}}}}", 1)),
    "a costly expression for each step": lambda n: graph(
        rows(f"- {{repeat: {{i: {n}}}, when: $(sum(range(900)) > 0), relu: }}", 1)
    ),
    "long expressions without operators": lambda n: graph(
        rows(f'- {{repeat: {{i: {n}}}, when: "$({" or ".join(["i < 0"] * 200)})", relu: }}', 1)
    ),
    "distinct long expressions": lambda n: graph(rows(f'- {{when: "$({LONG_SUM} > #)", relu: }}', n // 100)),
    "distinct long expressions that nothing computes": lambda n: graph(
        rows(f'- {{when: false, conv: {{out: "$({LONG_NEGATIONS} + #)"}}}}', n // 100)
    ),
    "distinct long expressions in lets": lambda n: graph(
        "  - B\n", "blocks:\n  B:\n    let:\n" + rows(f'    v#: "$({LONG_CHAIN} or # < 0)"', n // 100) + "    steps: [relu]\n"
    ),
    "many names in one text": lambda n: graph(rows(f'- {{name: "{"$i" * 900}#", relu: }}', n // 100)),
    "distinct short expressions": lambda n: graph(rows("- conv: $(#-#+3)", n)),
    "long expressions that are wrong": lambda n: graph(rows(f'- {{when: "$({LONG_SUM} + # +)", relu: }}', n // 100)),
    "distinct expressions of a param": lambda n: graph(
        rows("- conv: {out: $(w * # // (# + 1) + 1), kernel: 1}", n), "params: {w: 8}\n"
    ),
    "an op of its own for each step": lambda n: graph(rows(f"- {{repeat: {{i: {n}}}, conv: {{out: $(3 + i % 7000)}}}}", 1)),
    "heads": lambda n: graph(rows("- {aux: 0.3, steps: [global_avg_pool, {linear: 5}]}", n) + "  - relu\n"),
    "calls": lambda n: graph(rows("- B: {a: #}", n), "blocks: {B: {params: {a: int, b: 3}, steps: [relu]}}\n"),
    "names of copies": lambda n: graph(rows(f"- {{repeat: {{i: {n}}}, name: a$i, relu: }}", 1)),
    "open params": lambda n: graph("  - relu\n", f"params: {{{items('p#: {type: int, min: 1, max: 5}', n)}}}\n"),
    "convs": lambda n: graph(rows("- conv: {out: 1#, kernel: 1, bias: false}", n)),
    "a large list looked through": lambda n: call_repeated(
        "{steps: [{when: $(sum(large) > 0), relu: }]}", n, "params: {large: $(range(3000))}\n"
    ),
    "large lists compared": lambda n: call_repeated(
        "{steps: [{when: $(large == large), relu: }]}", n, "params: {large: $(range(3000))}\n"
    ),
    "large lists cut": lambda n: call_repeated(
        '{let: {part: "$(large[1:])"}, steps: [relu]}', n, "params: {large: $(range(3000))}\n"
    ),
    "texts that grow": lambda n: call_repeated(
        '{let: {long: $(text + text + text), longer: "$long$long"}, steps: [{when: $(longer != text), relu: }]}',
        n,
        f"params: {{text: {'a' * 1500}}}\n",
    ),
    "lists with one expression": lambda n: call_repeated(
        f"{{let: {{list: [$(1), {items('1', 200)}]}}, steps: [relu]}}", n
    ),
    "lets in a row": lambda n: graph(
        "  - B\n", f"blocks: {{B: {{let: {{v0: 1, {items('v#: $v@', n, 1)}}}, steps: [relu]}}}}\n"
    ),
    "lets at each call": lambda n: call_repeated(f"{{let: {{{items('v#: 1', 100)}}}, steps: [relu]}}", n),
    "params in a row": lambda n: graph("  - relu\n", f"params: {{p0: 1, {items('p#: $(p@ + 1)', n, 1)}}}\n"),
    "params at each call": lambda n: call_repeated(f"{{params: {{{items('p#: 1', 100)}}}, steps: [relu]}}", n),
    "names in sight of each step": lambda n: graph(
        rows("- {repeat: {i: 2}, when: $(i == 0), relu: }", n // 4), f"params: {{{items('p#: 1', n)}}}\n"
    ),
    "names taken over by each copy": lambda n: call_repeated("{steps: [relu]}", n, f"params: {{{items('p#: 1', n)}}}\n"),
    "names of a repeat": lambda n: graph(rows(f"- {{repeat: {{{items(f'i#: {n}', 100)}}}, relu: }}", 1)),
    "repeats of one": lambda n: graph(rows(f"- {{repeat: {{i: {n}}}, steps: [{nest(10, 'relu')}]}}", 1)),
    "repeats of one, written": lambda n: graph(rows("- {repeat: {i: 1}, relu: }", n)),
    "frames": lambda n: graph(
        rows(f"- {{repeat: {{i: {n}}}, B: }}", 1), f"blocks: {{B: {{steps: {nest(20, 'C')}}}, C: {{steps: {nest(20, 'relu')}}}}}\n"
    ),
    "long paths": lambda n: graph(
        rows(f"- {{name: {'a' * 200}, steps: {{name: {'b' * 200}, steps: [{{repeat: {{i: {n}}}, relu: }}]}}}}", 1)
    ),
    "wide merges": lambda n: graph(rows(f"- concat: [{{repeat: {{i: {n}}}, relu: }}]", 1)),
    "merges in merges": lambda n: graph(rows(f"- {{repeat: {{i: {n}}}, concat: [{{conv: {{out: 1}}}}, []]}}", 1)),
    "empty branches": lambda n: graph(rows(f"- {{repeat: {{i: {n}}}, mean: [{items('[]', 50)}]}}", 1)),
    "empty groups": lambda n: graph(rows(f"- {{repeat: {{i: {n}}}, steps: []}}", 1)),
    "blocks": lambda n: graph("  - relu\n", "blocks:\n" + rows("B#: {steps: [relu]}", n)),
    "outputs": lambda n: graph(rows("- {relu: , output: o#}", n)),
    "inputs": lambda n: f"archspec: 1\nname: big\ninput: {{{items('i#: [3, 8, 8]', n)}}}\ngraph: [{{from: i0, relu: }}]\n",
    "references": lambda n: graph("  - {name: a, relu: }\n" + rows(f"- {{repeat: {{i: {n}}}, from: a, relu: }}", 1)),
    "anchors": lambda n: graph("  - relu\n", f"x-a: [{items('&a# 1', n)}]\n"),
    "aliases": lambda n: graph("  - relu\n", f"x-a: &a [1, 2]\nx-b: [{items('*a', n)}]\n"),
    "labels": lambda n: graph("  - relu\n", f"labels: [{items('l#', n)}]\n"),
    "means": lambda n: graph("  - relu\n", f"preprocess: {{mean: [{items('1', n)}]}}\n"),
    "comments": lambda n: graph("  - relu\n", "# a comment\n" * n),
    "deep nests": lambda n: graph(rows(f"- {{repeat: {{i: {n}}}, steps: {'{steps: ' * 40}relu{'}' * 40}}}", 1)),
    "a table": lambda n: graph(rows(f"- {{repeat: {{a b: [{items('[1, 2]', n)}]}}, relu: }}", 1)),
    "unknown steps": lambda n: graph(rows("- convv#: {out: 3}", n)),
    "unknown blocks": lambda n: graph(rows("- Bad#", n)),
    "unknown fields": lambda n: graph(rows("- conv: {outt: 3}", n)),
    "unknown keys": lambda n: graph("  - relu\n", "".join(f"k{i}: 1\n" for i in range(n))),
    "unknown names": lambda n: graph(rows("- conv: {out: $q#}", n), f"params: {{{items('p#: 1', n)}}}\n"),
    "unknown references": lambda n: graph(rows("- {name: a#, from: b#, relu: }", n)),
    "a refused step in each copy": lambda n: graph(
        "  - {name: a, relu: }\n" + rows(f"- {{repeat: {{i: {n}}}, from: a, conv: {{out: 3, groups: 2}}}}", 1)
    ),
    "a refused call in each copy": lambda n: call_repeated(
        "{params: {n: int}, steps: [relu]}", n
    ),
    "hidden names": lambda n: graph(
        "  - B\n", f"params: {{{items('p#: 1', n)}}}\nblocks: {{B: {{let: {{{items('p#: 1', n)}}}, steps: [relu]}}}}\n"
    ),
    "wrong types": lambda n: graph(rows("- 1", n)),
    "wrong types in a deep nest": lambda n: graph(f"  - {'{steps: ' * 40}[{items('conv: {out: a}', n)}]{'}' * 40}\n"),
    "wrong params": lambda n: graph("  - relu\n", f"params: {{{items('p#: {type: in}', n)}}}\n"),
    "two cores": lambda n: graph(rows("- {relu: , tanh: }", n)),
    "the same path": lambda n: graph(rows("- {name: a, relu: }", n)),
    "the same key": lambda n: graph("  - relu\n", "params:\n" + rows("p: 1", n)),
    "leading zeros": lambda n: graph("  - relu\n", f"x-a: [{items('010', n)}]\n"),
    "dead steps": lambda n: graph("  - {name: a, relu: }\n" + rows("- {from: a, relu: }", n)),
    "directives of tags": lambda n: "".join(f"%TAG !a{i}! b\n" for i in range(n)) + "---\n" + graph("  - relu\n"),
    "a syntax error behind it": lambda n: graph(rows("- relu", n) + "  - {a: b: c}\n"),
    "brackets without end": lambda n: HEAD + "graph: " + "[" * n,
    "brackets of the wrong kind": lambda n: f"x: {'[{' * 40}{']' * n}\n",
    "quotes over two lines": lambda n: "x:\n" + "- 'a\n  '\n" * n + "a: b: c\n",
    "flow style before a syntax error": lambda n: f"x: [{'[' * 60}{'a,' * n}{']' * 60}]\ny: b: c\n",
    "absent steps and references": lambda n: graph(
        rows(f"- {{repeat: {{i: {n}}}, when: false, relu: }}", 1) + rows(f"- {{repeat: {{i: {n}}}, from: image, relu: }}", 1)
    ),
    "absent steps of many names": lambda n: graph(
        rows(f"- {{repeat: {{i: {n}}}, when: false, steps: [{items('{name: a#, relu: }', n // 4)}]}}", 1)
        + rows(f"- {{repeat: {{i: {n}}}, from: image, relu: }}", 1)
    ),
    "absent steps of unknown names": lambda n: graph(
        rows(f"- {{repeat: {{i: 0}}, steps: [{items('{name: a$(i)b$(i)#, relu: }', n // 4)}]}}", 1)
        + rows(f"- {{repeat: {{i: {n}}}, from: image, relu: }}", 1)
    ),
    "a name of many expressions that is absent": lambda n: graph(
        rows(f"- {{when: false, steps: [{{name: {'$p' * min(n // 10, 90)}-z, relu: }}]}}", 1)
        + rows(f"- {{name: {'b' * 180}, steps: [{{repeat: {{i: {n}}}, from: image, relu: }}]}}", 1),
        "params: {p: q}\n",
    ),
    "an unknown reference in each copy": lambda n: graph(
        rows(f"- {{repeat: {{i: {n}}}, relu: }}", 1) + rows(f"- {{repeat: {{i: {n}}}, from: nope, relu: }}", 1)
    ),
    "aliases of a long text": lambda n: graph(
        rows("- {steps: *a }", n), f"x-a: &a B{'b' * 2000}$\nx-b: [{items('*a', n)}]\n"
    ),
    "aliases of a list of long texts": lambda n: graph(
        rows("- {name: *a , relu: }", n), f"x-a: &a [{items('b' * 200, 10)}]\n"
    ),
    "calls of a block of many params": lambda n: graph(
        "  - {when: false, C: }\n",
        f"blocks:\n  B: {{params: {{{items('p#: 1', n)}}}, steps: [relu]}}\n  C:\n    steps:\n" + "    - B\n" * n,
    ),
    "many names in the texts of a deep nest": lambda n: graph(
        f"  - {nest(40, items(f'{{when: false, name: {MANY_NAMES}, relu: }}', n // 20))}\n", "params: {i: 1}\n"
    ),
    "unknown arguments": lambda n: graph(
        rows("- B: {q#: 1}", n), f"blocks: {{B: {{params: {{{items('p#: 1', n)}}}, steps: [relu]}}}}\n"
    ),
    "unknown steps beside blocks": lambda n: graph(
        rows("- {q#: }", n), "blocks:\n" + rows("Block_of_a_long_name_#: {steps: relu}", n)
    ),
    "missing arguments": lambda n: graph(
        rows("- B", n), f"blocks: {{B: {{params: {{{items('p#: int', n)}}}, steps: [relu]}}}}\n"
    ),
    "wrong values beside params": lambda n: graph(rows("- conv: {out: q1 }", n), f"params: {{{items('p#: 1', n)}}}\n"),
    "wrong values beside counters": lambda n: graph(
        f"  - {{repeat: {{{items('p#: 2', n)}}}, steps: [{items('conv: {out: q1}', n)}]}}\n"
    ),
    "unknown fields of one step": lambda n: graph(f"  - conv: {{out: 3, {items('k#: 1', n)}}}\n"),
    "arguments beside their block": lambda n: graph(
        f"  - {{B: , {items('p#: 1', n)}}}\n", f"blocks: {{B: {{params: {{{items('p#: 1', n)}}}, steps: [relu]}}}}\n"
    ),
    "sizes without a list": lambda n: f"archspec: 1\nname: big\ninput: {{{items('i#: 1', n)}}}\ngraph: [relu]\n",
    "branches without steps": lambda n: graph(f"  - concat: {{{items('i#: ', n)}}}\n"),
    "names in place of branches": lambda n: graph(
        f"  - {{name: a, relu: }}\n  - concat: {{inputs: [{items('a', n)}]}}\n"
    ),
    "a param of many choices": lambda n: graph(
        rows(f"- {{repeat: {{i: {n}}}, B: {{a: $i}}}}", 1),
        f"blocks: {{B: {{params: {{a: {{type: int, choices: [{items('#', n)}]}}}}, steps: [relu]}}}}\n",
    ),
    "long texts compared": lambda n: graph(
        rows(f"- {{repeat: {{i: {n}}}, when: $({' or '.join(['a == b'] * 90)} or true), relu: }}", 1),
        f"params: {{a: {'a' * 9000}x, b: {'a' * 9000}y}}\n",
    ),
    "lists of long texts compared": lambda n: graph(
        rows(f"- {{repeat: {{i: {n}}}, when: $(a != b), relu: }}", 1),
        f"params: {{a: [{items('a' * 900, 40)}], b: [{items('a' * 900, 40)}, 1]}}\n",
    ),
    "an op with a long list": lambda n: f"archspec: 1\nname: big\ninput: {{image: [{n}, 1, 1]}}\ngraph:\n"
    + rows(f"- {{repeat: {{i: {n}}}, select: {{channels: [{items('#', n)}]}}}}", 1),
    "an op with a computed long list": lambda n: "archspec: 1\nname: big\ninput: {image: [9000, 1, 1]}\n"
    + "params: {all: $(range(9000))}\ngraph:\n"
    + rows(f"- {{repeat: {{i: {n}}}, select: {{channels: $all}}}}", 1),
}  # fmt: skip
