"""The limits of a check: any spec is checked or refused with bounded work, and all that ordinary nets do is far within it."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import time
from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import archc
from archc.catalog import models
from archc.compiler.diagnostics import Failure
from archc.compiler.driver import Compilation, check
from archc.compiler.frontend.validation import validator
from archc.compiler.garbage import without_collection
from archc.compiler.limits import DEFAULT, Limits, double_limit, highest_of, limits_from, raise_limit, read_limits
from archc.compiler.sources import Memory, SpecText
from tests.limit_specs import HEAD, SPECS, graph, rows
from tests.program import Run, program

REFUSALS = {
    "too-much-work",
    "too-many-nodes",
    "too-many-steps",
    "too-many-mistakes",
    "file-too-large",
    "too-deep",
    "yaml-syntax",
}
CALLS_A_UNIT = 6  # a call takes less than a sixth of a microsecond, a unit at most about one
CALLS_OF_A_START = 120_000  # whatever is checked
CALLS_A_MISTAKE = 12_000  # each is explained, and the limit of mistakes bounds them


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return program(capsys)


def compiled(text: str, limits: Limits = DEFAULT) -> Compilation:
    return check(SpecText(Memory({}), "big.yaml", text.encode(), "big.yaml"), limits=limits)


def counted_calls(action: Callable[[], Compilation]) -> tuple[Compilation, int]:
    """What an action gives, and how many calls of functions it took: the same on every machine."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    validator()  # the schema is made once
    gc.collect()
    sys.setprofile(profile)
    try:
        found = action()
    finally:
        sys.setprofile(None)
    return found, count


@pytest.mark.parametrize("name", SPECS)
def test_what_is_done_is_counted(name: str) -> None:
    """A check makes no more calls than the work that it counts allows."""
    found, calls = counted_calls(lambda: compiled(SPECS[name](150)))
    mistakes = len(found.diagnostics)
    assert calls <= CALLS_OF_A_START + CALLS_A_UNIT * found.work + CALLS_A_MISTAKE * mistakes, (
        calls,
        found.work,
        mistakes,
    )


@pytest.mark.parametrize("name", SPECS)
def test_work_grows_as_the_spec_does(name: str) -> None:
    """No construct costs the square of its number, but for names in sight, which are counted where they are taken over."""
    one, two = (counted_calls(lambda n=n: compiled(SPECS[name](n)))[1] for n in (200, 400))  # type: ignore[misc]
    assert two <= 2.6 * one + 30_000


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_the_largest_of_each_kind_is_checked_or_refused(name: str) -> None:
    found = compiled(SPECS[name](45_000))
    assert found.work <= DEFAULT.work * 1.05, "little is done beyond the limit"
    errors = [d for d in found.diagnostics if d.severity == "error"]
    assert len(errors) <= DEFAULT.mistakes + 1
    for each in (d for d in errors if d.code in REFUSALS - {"too-deep", "yaml-syntax", "too-many-mistakes"}):
        assert each.span and "--limit " in each.help and "limits={" in each.help


def test_each_copy_has_the_names_of_its_repeat() -> None:
    """A thousand of them in a thousand copies took 20 s and 1.6 GB."""
    names = ", ".join(f"i{i}: 1000" for i in range(1_000))
    assert "too-much-work" in {d.code for d in compiled(graph(f"  - {{repeat: {{{names}}}, relu: }}\n")).diagnostics}


@pytest.mark.parametrize("beside", [b"a: b: c\n" * 12_500, b"\n" * 1_000_000 + b"\x00"])
def test_many_files_that_cannot_be_read_are_work(beside: bytes) -> None:
    """Each is read, and its beginning once more for the explanation: 250 of them took half a minute."""
    names = [f"b{i}.yaml" for i in range(20)]
    text = graph("  - relu\n", f"import: [{', '.join(names)}]\n")
    found = check(SpecText(Memory(dict.fromkeys(names, beside)), "big.yaml", text.encode(), "big.yaml"))
    codes = {d.code for d in found.diagnostics}
    assert "too-much-work" in codes and len(codes) > 1, "what was wrong with the first ones is said"


def test_a_path_is_no_longer_than_a_path_may_be() -> None:
    """One of 200,000 times `..` took ten seconds."""
    found = compiled(f"{HEAD}extends: {'x/../' * 200_000}b.yaml\ngraph: [relu]\n")
    assert [(d.code, d.span and d.span.line) for d in found.diagnostics] == [("file-unreadable", 4)]


def test_a_refusal_names_what_takes_the_work() -> None:
    """The expression, not the step at which the budget happened to end."""
    costly = "- {repeat: {i: 1500}, when: $(sum(range(900)) > 0), relu: }"
    found = compiled(graph(f"  {costly}\n  - {{repeat: {{i: 9000}}, relu: }}\n"))
    refusal = next(d for d in found.diagnostics if d.code == "too-much-work")
    assert "$(sum(range(900)) > 0)" in refusal.message and "%" in refusal.message
    assert refusal.span is not None and (refusal.span.line, refusal.span.column) == (5, 31)
    assert found.document is not None and found.scopes, "what the stages before found is kept"
    limits = refusal.help.partition("--limit ")[2].partition(" ")[0]
    assert compiled(found.document.root.span.source.text, read_limits([limits])).graph is not None


def test_many_short_expressions_pass_and_many_long_ones_do_not() -> None:
    """Each text is counted once, by its tokens, whether anything computes it or not."""
    assert compiled(SPECS["distinct short expressions"](5_000)).graph is not None
    long = SPECS["distinct long expressions that nothing computes"]
    assert compiled(long(2_000)).graph is not None
    assert "too-much-work" in {d.code for d in compiled(long(51_000)).diagnostics}
    same = graph("".join("  - {when: $(3 + 4 - i < 0), relu: }\n".replace("i", "7") for _ in range(5_000)))
    one = compiled(same.replace("7 <", "7 + 1 - 1 <", 1)).work - compiled(same).work
    assert one < 200, "a second text is one more, however often the first one stands there"


def test_a_refusal_names_the_text_where_that_is_the_largest() -> None:
    found = compiled(SPECS["distinct short expressions"](15_500))
    refusal = next(d for d in found.diagnostics if d.code == "too-much-work")
    assert "goes to the text itself, with" in refusal.message and "YAML nodes" in refusal.message


def test_a_long_word_has_no_suggestion_and_is_cut_in_messages() -> None:
    """Nothing that is said of a word grows with it, nor with how many long words are like it."""
    names = "".join(f"  {'abcdefgh' * 20}{i}: 1\n" for i in range(300))
    (found,) = compiled(f"{HEAD}params:\n{names}graph: [{{conv: $" + "abcdefgh" * 20 + "x}]\n").diagnostics
    assert found.code == "unknown-name" and "did you mean" not in found.help and len(found.help) < 2_000
    (found,) = compiled(graph(f"  - {'k' * 200_000}\n")).diagnostics
    assert len(found.message) + len(found.help) < 20_000
    for text in ('graph: "' + "\n" * 50_000, "graph:\n" + "\t" * 50_000, 'graph: "' + "a" * 50_000):
        (found,) = compiled(HEAD + text).diagnostics
        assert found.code == "yaml-syntax" and ("never closed" in found.message or "a tab" in found.message)


def test_what_a_check_prints_is_bounded(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    names = ", ".join(f"p{i}: int" for i in range(2_000))
    path.write_text(f"{HEAD}params: {{{names}}}\ngraph: [relu]\n")
    said = run("check", str(path))
    assert said.code == 0 and len(said.out) < 20_000 and "`p19` and 1980 more" in said.out
    path.write_text(SPECS["outputs"](1_000))
    said = run("check", str(path))
    assert said.code == 0 and len(said.out) < 2_000 and "and 980 more" in said.out


def test_a_raised_limit_is_enough_by_itself(run: Run, tmp_path: Path) -> None:
    """Who raises `nodes` gets the work for them."""
    path = tmp_path / "big.yaml"
    path.write_text(graph("  - {repeat: {i: 60000}, relu: }\n"))
    refused = run("check", str(path))
    assert refused.code == 1 and "too-many-steps" in refused.out and "--limit nodes=" in refused.out
    assert run("check", str(path), "--limit", "nodes=60000").code == 0
    assert archc.load(path, limits={"nodes": 60_000}).cost().params.total == 0
    with pytest.raises(archc.SpecError) as error:
        archc.load(path)
    assert "too-many-steps" in str(error.value)
    for command in ("show", "cost"):
        assert run(command, str(path)).code == 1
    assert run("cost", str(path), "--limit", "nodes=60000", "--limit", "work=5000000").code == 0


WRONG_LIMITS: dict[str, tuple[str, str]] = {
    "misspelt": ("node=5", "did you mean `nodes`?"), "unknown": ("zzz=5", "the limits are nodes, work"), "zero": ("nodes=0", "an integer of 1"),
    "negative": ("nodes=-5", "an integer of 1"), "no number": ("nodes=many", "an integer of 1"), "no value": ("nodes", "NAME=N"),
    "empty": ("nodes=", "an integer of 1"), "a fraction": ("work=1.5", "an integer of 1"), "too many bytes": ("bytes=999999999", "33,554,432"),
    "many digits": ("nodes=" + "9" * 5000, "an integer of 1"), "odd digits": ("nodes=²", "an integer of 1"),
    "digits of another script": ("nodes=\N{ARABIC-INDIC DIGIT NINE}", "an integer of 1"), "digits in groups": ("nodes=60_000", "an integer of 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_LIMITS)
@pytest.mark.parametrize("command", ["check", "show", "cost", "compare", "build"])
def test_a_wrong_limit_is_wrong_usage(run: Run, command: str, name: str) -> None:
    setting, said = WRONG_LIMITS[name]
    ended = run(command, "lenet5_modern", "--limit", setting)
    assert ended.code == 2 and said in ended.err


@pytest.mark.parametrize(
    "given", [{"node": 5}, {"nodes": 0}, {"nodes": True}, {"nodes": 1.5}, {"nodes": "9"}, 5, [("nodes", 5)]]
)
def test_a_wrong_limit_from_python(given: Any) -> None:
    with pytest.raises(Failure) as error:
        archc.load("lenet5_modern", limits=given)
    assert error.value.exit_code == 2


def test_another_limit_raises_the_work_with_it() -> None:
    assert limits_from({}) == DEFAULT
    assert limits_from({"nodes": 10**9}).work == 10**9, "no limit is above what one may say"
    assert limits_from({"bytes": 2 * DEFAULT.bytes}).work == 2 * DEFAULT.work
    assert limits_from({"nodes": 100_000}).work == 10_000_000
    assert limits_from({"nodes": DEFAULT.nodes // 2}).work == DEFAULT.work, "a lower limit gives no more work"
    assert limits_from({"nodes": 100_000, "work": 7}).work == 7


@pytest.mark.slow
def test_the_zoo_is_far_within_the_limits() -> None:
    assert max(check(model.name).work for model in models()) < 0.26 * DEFAULT.work, (
        "docs/reference/limits.md says a fourth"
    )


def test_each_limit_is_met(tmp_path: Path) -> None:
    """What each limit refuses: the least that is not refused is found, and one less is."""
    files = {f"b{i}.yaml": f"archspec: 1\nname: b\nblocks: {{B{i}: {{steps: [relu]}}}}\n".encode() for i in range(4)}
    text = HEAD + "import: [b0.yaml, b1.yaml, b2.yaml, b3.yaml]\ngraph: [B0, B1, B2, B3, bad1, bad2, bad3]\n"
    spec = SpecText(Memory(files), "a.yaml", text.encode(), "a.yaml")
    met = {
        "documents": "too-many-documents",
        "bytes": "file-too-large",
        "nodes": "too-many-nodes",
        "mistakes": "too-many-mistakes",
        "work": "too-much-work",
    }

    def is_refused(name: str, limit: int) -> bool:
        return met[name] in {d.code for d in check(spec, limits=DEFAULT._replace(**{name: limit})).diagnostics}

    for name in met:
        enough = bisect_left(range(10_000), True, lo=1, key=lambda limit: not is_refused(name, limit))
        assert is_refused(name, enough - 1) and not is_refused(name, enough), name
        assert {"documents": 4, "bytes": len(text), "mistakes": 3}.get(name, enough) == enough, name


@pytest.mark.parametrize("name", Limits._fields)
def test_no_help_names_a_limit_that_is_refused(name: str) -> None:
    highest = highest_of(name)
    for least in (1, highest - 1, highest, highest + 1, 10**18):
        for help in (raise_limit(name, least), double_limit(name, least)):
            if "--limit " in help:
                setting = help.partition("--limit ")[2].partition(" ")[0]
                assert getattr(read_limits([setting]), name) >= min(least, highest)
            else:
                assert least >= highest and f"`{name}` is at most {highest:,}; " in help
    assert "--limit " in raise_limit(name, highest) and "--limit " not in raise_limit(name, highest + 1)
    assert f"{name}={highest}" in double_limit(name, highest - 1) and "--limit " not in double_limit(name, highest)


def test_an_imported_or_extended_file_is_not_copied_block_by_block() -> None:
    """However often it is imported, and however long the chain of documents is."""
    library = "archspec: 1\nname: a\nblocks:\n" + rows("B#: {steps: relu}", 300)
    files = {"a.yaml": library.encode(), "d0.yaml": library.encode()}
    files |= {f"d{i}.yaml": f"archspec: 1\nname: d\nextends: d{i - 1}.yaml\n".encode() for i in range(1, 12)}

    def calls(key: str) -> int:
        spec = SpecText(Memory(files), "m.yaml", f"{HEAD}{key}\ngraph: [B7]\n".encode(), "m.yaml")
        check(spec)  # its texts are read
        found, count = counted_calls(lambda: check(spec))
        assert found.graph is not None
        return count

    assert calls(f"import: [{', '.join(['a.yaml'] * 40)}]") < 1.3 * calls("import: [a.yaml]") + 15_000
    assert calls("extends: d11.yaml") < 1.3 * calls("extends: d0.yaml") + 10_000


def test_what_extends_and_what_imports_see_blocks_of_their_own() -> None:
    """A block of a base calls the blocks of what extends it; for what imports the same base it calls the base's."""
    base = b"archspec: 1\nname: base\nblocks: {Outer: {steps: Inner}, Inner: {steps: {conv: 5}}}\n"
    files = {
        "base.yaml": base,
        "lib.yaml": b"archspec: 1\nname: lib\nimport: [base.yaml]\nblocks: {Own: {steps: Outer}}\n",
    }
    own = "blocks: {Inner: {steps: {conv: 7}}, Third: {steps: Outer}}\n"

    def channels(keys: str, block: str) -> int:
        text = f"{HEAD}{keys}graph: [{block}]\n"
        found = check(SpecText(Memory(files), "m.yaml", text.encode(), "m.yaml"))
        assert found.graph is not None, found.diagnostics
        return found.graph.outputs[0].value.type.channels

    assert [channels(f"extends: base.yaml\n{own}", name) for name in ("Outer", "Third")] == [7, 7]
    assert channels("import: [lib.yaml]\n", "Own") == channels("import: [base.yaml]\n", "Outer") == 5


def test_a_text_that_aliases_repeat_counts_each_time() -> None:
    text = graph("  - relu\n", f"x-a: &a {'a' * 100_000}\nx-b: [*a, *a, *a]\n")
    assert compiled(text).graph is not None
    (found,) = compiled(text.replace("*a, ", "*a, " * 9)).diagnostics
    assert found.code == "file-too-large" and "--limit bytes=" in found.help and found.span and found.span.line == 5
    assert compiled(text.replace("*a, ", "*a, " * 9), limits_from({"bytes": 2**22})).graph is not None


def test_notes_are_cut_as_messages_are() -> None:
    named = f"x-a: &a B{'b' * 50_000}\nblocks: {{*a : {{steps: relu}}}}\n"
    found = compiled(graph("  - {*a : , relu: }\n", named)).diagnostics
    notes = [note.message for each in found for note in each.notes]
    assert notes and max(map(len, notes)) < 5_000


def test_a_step_in_the_scope_of_one_that_is_taken_out_sees_the_input() -> None:
    """Two steps of one name, one of which `when` takes out, are alternatives."""
    steps = "  - {name: a, when: false, steps: [tanh]}\n  - {name: a, steps: [{from: image, relu: }]}\n"
    assert compiled(graph(steps)).graph is not None
    (found,) = compiled(graph("  - {name: b, when: false, relu: }\n  - {from: b, relu: }\n")).diagnostics
    assert found.code == "from-removed"


def test_more_copies_than_any_limit_allows() -> None:
    (found,) = compiled(graph("  - {repeat: {i: 1000000000000}, relu: }\n")).diagnostics
    assert found.code == "too-many-steps" and "--limit" not in found.help
    assert "no limit allows that: `nodes` is at most 1,000,000,000" in found.help


def test_a_recursion_is_told_once_and_ends_the_check() -> None:
    text = graph("  - B\n  - {conv: {out: 3, groups: 2}}\n", "blocks: {B: {steps: [B, B]}}\n")
    (found,) = compiled(text).diagnostics
    assert found.code == "recursion" and "B → B" in found.message and found.notes and "`when`" in found.help


def test_thousands_of_expressions_are_far_within_the_limits() -> None:
    widths = rows("- conv: {out: $(w * # // (# + 1) + 1), kernel: 1}", 2_000)
    found = compiled(graph(widths, "params: {w: 8}\n"))
    assert not found.failed and found.graph and found.work < DEFAULT.work * 2 / 3


def test_the_params_of_a_net_are_limited_at_the_step_that_passes_the_limit() -> None:
    text = HEAD + "graph: [{conv: 4}, relu, {conv: 4}, {conv: 4}]\n"
    (found,) = compiled(text, DEFAULT._replace(params=40)).diagnostics
    assert found.span and (found.code, found.span.column) == ("too-large", text.splitlines()[-1].rindex("conv") + 1)
    assert "has 56 parameters" in found.message and "params=" in found.help
    assert compiled(text, limits_from({"params": 10**12})).graph


def test_warnings_are_left_out_and_refuse_nothing() -> None:
    found = compiled(SPECS["leading zeros"](500))
    assert not found.failed and found.graph is not None
    assert sum(d.severity == "warning" for d in found.diagnostics) == DEFAULT.mistakes + 1
    assert sum(d.code == "too-many-mistakes" for d in found.diagnostics) == 1


@pytest.mark.soak
def test_time_and_memory_of_the_whole_program(tmp_path: Path) -> None:
    """Prints what `archc check` takes for the largest of each kind, whole process; nothing here depends on a clock."""
    for name, spec in SPECS.items():
        for n in (2_000, 9_000, 24_000, 49_000):
            path = tmp_path / "big.yaml"
            path.write_text(spec(n))
            began = time.perf_counter()
            process = subprocess.Popen(
                [sys.executable, "-m", "archc", "check", str(path)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            print(
                f"{name:40} n {n:6} {time.perf_counter() - began:6.2f} s {usage.ru_maxrss // 1024:5} MB rc {process.returncode}",
                flush=True,
            )
            assert process.returncode in (0, 1)


@pytest.mark.parametrize("enabled", [True, False])
def test_a_check_leaves_the_collector_as_it_was(enabled: bool) -> None:
    """Also where it ends in an error; inside, nothing is collected."""
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with suppress(KeyError), without_collection():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == enabled
        check("lenet5_modern")
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()
