"""The language of expressions: values, refusals with their places, bounds, and that nothing else ever comes out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.compiler.diagnostics import Source, Span
from archc.compiler.frontend.budget import TOKEN, Budget
from archc.compiler.frontend.expressions.arithmetic import Evaluation
from archc.compiler.frontend.expressions.template import parse_template
from archc.compiler.frontend.expressions.tokens import MAX_DEPTH, MAX_LENGTH, MAX_LIST, ExpressionError
from archc.compiler.frontend.located_yaml import Located
from archc.compiler.frontend.values import template_of
from archc.compiler.ir.types import TensorType, image
from archc.compiler.limits import DEFAULT

NAMES = {
    "a": 3,
    "b": 2.5,
    "t": True,
    "s": "hey",
    "l": [3, 4, 6, 3],
    "x": image(64, 7, 9),
    "inf": float("inf"),
    "huge": 10**400,
}


def value(text, **names):
    found = parse_template(text)
    assert found is not None
    return found.evaluate(Evaluation({**NAMES, **names}.__getitem__))


def refused(text, **names):
    with pytest.raises(ExpressionError) as caught:
        value(text, **names)
    return caught.value


@pytest.mark.parametrize("text, expected", [
    ("-2 ** 2", -4), ("2 ** -1", 0.5), ("2 ** 3 ** 2", 512), ("2 ** --1", 2), ("-a // 2", -2), ("7 % -3", -2), ("1 / 2", 0.5), ("4 / 2", 2.0),
    ("1 + 2 * 3 - 4", 3), ("10 - 3 - 2", 5), ("(1 + 2) * 3", 9), ("1e3", 1000.0), (".5", 0.5), ("a\n + 1", 4), ("-(2 ** 62) * 2", -(2**63)),
    ("1 < 2", True), ("1 < 2 and 2 < 3", True), ("not a == 3", False), ("not not t", True), ("t or 1 / 0 > 0", True), ("false and 1 / 0 > 0", False),
    ("1 == 1.0", True), ("1 == true", False), ("[1] == [true]", False), ("[1, [2]] == [1, [2]]", True), ("'a' == 1", False), ("'a' != 1", True),
    ("1 if t else 2", 1), ("1 if not t else 2 if t else 3", 2), ("l[0]", 3), ("l[-1]", 3), ("l[:2]", [3, 4]), ("l[1:]", [4, 6, 3]), ("l[-9:9]", [3, 4, 6, 3]),
    ("[1] + [2, 3]", [1, 2, 3]), ("[]", []), ("'it' + s", "ithey"), ("x.channels", 64), ("x.height", 7), ("x.width", 9), ("x.features", 64 * 7 * 9),
    ("min(1, 2)", 1), ("max(l)", 6), ("abs(-1)", 1), ("round(2.5)", 2), ("round(3.5)", 4), ("floor(-1.5)", -2), ("ceil(1.1)", 2), ("int(-2.7)", -2),
    ("float(1)", 1.0), ("len(l)", 4), ("sum(l[:2])", 7), ("sum([])", 0), ("range(3)", [0, 1, 2]), ("range(1, 9, 3)", [1, 4, 7]),
    ("divisible(30, 8)", 32), ("divisible(33, 8)", 32), ("divisible(1, 8)", 8), ("divisible(16 * 1.4, 8)", 24), ("divisible(10, 8)", 16),
])  # fmt: skip
def test_value(text, expected):
    found = value(f"$({text})")
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize("text, expected", [
    ("$a", 3), ("$t", True), ("$l", [3, 4, 6, 3]), ("layer$(a + 1)", "layer4"), ("$a$b", "32.5"), ("$$", "$"), ("x$$y", "x$y"), ("$a.b", "3.b"),
    ("v$t", "vtrue"), ("v$(1.0)", "v1.0"), ("v$s", "vhey"), ("$(a)-$(b)", "3-2.5"), ("$('a)')", "a)"),
])  # fmt: skip
def test_a_whole_value_keeps_its_type_and_a_part_is_written(text, expected):
    assert value(text) == expected


def test_no_dollar_is_no_template():
    assert parse_template("a + 1") is None


def test_names_come_with_their_places():
    found = parse_template("n$(a + x.height) $b")
    assert found is not None and found.names == (("a", 3), ("x", 7), ("b", 18)) and not found.is_one_expression
    assert parse_template("$(a)").is_one_expression


@pytest.mark.parametrize("text, code, offset, words", [
    ("$(max(4", "expression-unclosed", 0, "quote )"), ("$(", "expression-unclosed", 0, "quote )"), ("${a}", "expression-syntax", 0, "$a $(a)"),
    ("$x.channels", "expression-syntax", 0, "$(x.channels)"), ("cost $5", "expression-syntax", 5, "$$"), ("$()", "expression-syntax", 2, "empty"),
    ("$(a = 3)", "expression-syntax", 4, "=="), ("$(t && t)", "expression-syntax", 4, "and"), ("$(t || t)", "expression-syntax", 4, "or"),
    ("$(!t)", "expression-syntax", 2, "not"), ("$(a ^ 2)", "expression-syntax", 4, "**"), ("$(a × 2)", "expression-syntax", 4, "*"),
    ("$(a\u00a0+ 1)", "expression-syntax", 3, "U+00A0 space"), ("$(t ? 1 : 2)", "expression-syntax", 4, "else"), ('$("a")', "expression-syntax", 2, "single"),
    ("$('a)", "expression-syntax", 2, "quote"), ("$({1: 2})", "expression-syntax", 2, "braces"), ("$(lambda: 1)", "expression-syntax", 2, "lambda"),
    ("$(max(key=1))", "expression-syntax", 9, "names"), ("$(True)", "expression-syntax", 2, "true"), ("$(1_000)", "expression-syntax", 2, "1_000"),
    ("$(1 if t)", "expression-syntax", 4, "else"), ("$(a +)", "expression-syntax", 5, "ends"), ("$((1, 2))", "expression-syntax", 4, ")"),
    ("$(1 < 2 < 3)", "expression-syntax", 8, "chain and"), ("$(l[::2])", "expression-syntax", 5, "step"), ("$(1 in l)", "expression-syntax", 4, "in"),
    ("$(mx(1, 2))", "expression-syntax", 2, "mx max"), ("$(eval('1'))", "expression-syntax", 2, "eval divisible"),
    ("$(x.__class__)", "expression-syntax", 4, "__class__ channels"), ("$(s.upper())", "expression-syntax", 4, "upper"),
    ("$nope", "unknown-name", 1, "nope"), ("$(1 + nope)", "unknown-name", 6, "nope"), ("$(min)", "unknown-name", 2, "min"),
    ("$x", "wrong-type", 1, "x.channels"), ("$(1 + true)", "wrong-type", 4, "true"), ("$('a' + 1)", "wrong-type", 6, "'a'"), ("$('a' * 3)", "wrong-type", 6, "*"),
    ("$([1] * 3)", "wrong-type", 6, "*"), ("$(not 1)", "wrong-type", 2, "boolean"), ("$(1 if 1 else 2)", "wrong-type", 4, "boolean"),
    ("$(l[1.0])", "wrong-type", 3, "integer"), ("$(l[true])", "wrong-type", 3, "integer"), ("$(abs(true))", "wrong-type", 2, "abs true"),
    ("$(max())", "wrong-type", 2, "max"), ("$(round(1.5, -9))", "wrong-type", 2, "round"), ("$(range(1, 2, 0))", "wrong-type", 2, "step"),
    ("$(int(inf))", "wrong-type", 2, "int inf"), ("$((-8) ** 0.5)", "wrong-type", 7, "root"), ("$(l[9])", "index-out-of-range", 3, "9 4"),
    ("$(1 / 0)", "division-by-zero", 4, "zero"), ("$(1 // 0)", "division-by-zero", 4, "zero"), ("$(1 % 0.0)", "division-by-zero", 4, "zero"),
    ("$(0 ** -1)", "division-by-zero", 4, "zero"), ("$(divisible(8, 0))", "division-by-zero", 2, "zero"),
])  # fmt: skip
def test_a_refusal_names_its_place_and_says_what_to_write(text, code, offset, words):
    error = refused(text)
    assert (error.code, error.offset) == (code, offset)
    assert all(word in f"{error} {error.help}" for word in words.split())


def test_a_flat_tensor_has_no_height():
    assert refused("$(x.height)", x=TensorType(("N", 10))).code == "wrong-type"
    assert value("$(x.features)", x=TensorType(("N", 10))) == 10


@pytest.mark.parametrize("text", [
    "$(2 ** 63)", "$(2 ** 1000000)", "$(10.0 ** 400)", "$(1e308 * 10)", "$(1e999)", "$(9223372036854775807 + 1)", "$(-(-9223372036854775807 - 1))",
    "$(inf + 1)", "$(huge + 0.5)", "$(huge * huge)", "$(huge ** huge)", "$(2 ** huge)", "$(-huge)", "$(float(huge))", "$(int(1e300))", "$(divisible(1e300, 8))",
])  # fmt: skip
def test_numbers_stay_in_64_bits_and_finite(text):
    error = refused(text)
    assert error.code == "expression-overflow" and "too large" in str(error)


@pytest.mark.parametrize("text", [
    "1" * (MAX_LENGTH + 1), "(" * 60 + "1" + ")" * 60, "-" * 100 + "1", "not " * 100 + "t", "2 ** " * 300 + "2", "[" * 60 + "]" * 60,
    "l" + "[0]" * 300, "min(" * 60 + "1" + ")" * 60, "1 if t else " * 100 + "1", "+".join(["sum(range(10000))"] * 100),
])  # fmt: skip
def test_length_depth_and_steps_are_bounded(text):
    assert refused(f"$({text})").code == "expression-limit"


def test_a_number_is_no_truth_and_is_to_be_compared():
    assert "compare it, as `i > 0`" in refused("$(not 1)").help and not refused("$(not 'a')").help


def test_a_long_sum_needs_no_deep_stack():
    def at(depth):
        return at(depth - 1) if depth else value("$(" + "1+" * 800 + "1)")

    assert at(300) == 801


def grown(text, times):
    found: list = [1]
    for _ in range(times):
        found = value(text, l=found)
    return found


def test_lists_and_texts_cannot_double_for_ever():
    assert len(grown("$([l, l])", 8)) == 2
    with pytest.raises(ExpressionError, match="too large"):
        grown("$([l, l])", 40)
    with pytest.raises(ExpressionError, match="nested"):
        grown("$([l])", MAX_DEPTH + 1)
    assert refused("$s" * 100, s="a" * 1000).code == "expression-overflow"
    assert refused(f"$(range({MAX_LIST + 1}))").code == "wrong-type"
    assert len(value(f"$(range({MAX_LIST}))")) == MAX_LIST


def test_the_same_text_is_parsed_and_counted_once():
    budget, span = Budget(), Span(Source("a.yaml", ""), 1, 1, 1, 2)
    first, second = (template_of(Located("$(a + 1)", span), budget) for _ in range(2))
    assert first is second is not None and DEFAULT.work - budget.left == TOKEN * first.tokens


def nothing_else(text):
    try:
        found = parse_template(text)
        if found is not None:
            found.evaluate(Evaluation(NAMES.__getitem__))
    except ExpressionError as error:
        assert 0 <= error.offset <= len(text) and error.length >= 1 and error.code and str(error)  # noqa: PT017 - a value is right, too


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=100))
def test_texts_give_a_value_or_a_refusal(text):
    nothing_else(text)
    nothing_else(f"${text}")
    nothing_else(f"$({text})")


PIECES = ["+", "-", "*", "/", "//", "%", "**", "==", "<", ">=", "(", ")", "[", "]", ",", ":", ".", "'", " if ", " else ", " and ", " or ", " not ", "lambda",
          "true", "x", "x.height", "a", "b", "t", "s", "l", "inf", "huge", "nope", "0", "1", "9", "1e308", "2.5", "min(", "range(", "divisible(", "round(", "$", "é"]  # fmt: skip


@settings(max_examples=800, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25))
def test_expression_like_texts_give_a_value_or_a_refusal(parts):
    nothing_else(f"$({''.join(parts)})")


numbers = st.integers(-9, 9).map(lambda n: f"({n})")
trees = st.recursive(
    numbers,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "//", "%", "/"]), inner).map(" ".join),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(trees)
def test_arithmetic_is_python_s(text):
    try:
        expected = eval(text)
    except ZeroDivisionError:
        assert refused(f"$({text})").code == "division-by-zero"
    else:
        assert value(f"$({text})") == expected
