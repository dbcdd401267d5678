"""Sessions in Python: models of any inputs and outputs, arrays that do not fit, and what is printed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import archc
from archc.runtime import Session, UntrainedWarning

from .session_calls import LINEAR, build_session, fault, photos

TWO = "input: {left: [3, 8, 8], right: [3, 8, 8]}\ngraph: [{from: left}, {concat: [[], {from: right}]}, {conv: 4}, global_avg_pool, {linear: 3}]"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return build_session(tmp_path, f"input: {{image: [3, 8, 8]}}\nlabels: [ant, bee, cat]\ngraph: {LINEAR}")


# -- arrays --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("batch", [None, 2])
def test_any_number_of_channels(tmp_path, channels, batch):
    session = build_session(tmp_path, f"input: {{image: [{channels}, 8, 8]}}\ngraph: {LINEAR}", batch=batch)
    array = np.random.default_rng(0).standard_normal((5, channels, 8, 8)).astype(np.float32)
    whole = session.run({"image": array})["logits"]
    assert whole.shape == (5, 3) and (session.run(array)["logits"] == whole).all()
    np.testing.assert_allclose(np.concatenate([session.run(row[None])["logits"] for row in array]), whole, atol=1e-5)
    pictures = np.random.default_rng(1).integers(0, 256, (2, 8, 8, channels), np.uint8)
    prepared = pictures.transpose(0, 3, 1, 2).astype(np.float32) / 255
    for found, row in zip(session.predict(pictures), session.run(prepared)["logits"], strict=True):
        np.testing.assert_allclose(found.outputs["logits"], row, atol=1e-5)


@pytest.mark.parametrize("steps, shapes", [
    ("[{conv: 5}]", {"logits": (5, 8, 8)}),
    ("[{conv: {out: 5, stride: 2}, output: map}, global_avg_pool, {linear: 3}]", {"map": (5, 4, 4), "logits": (3,)}),
    ("[{global_avg_pool: null, output: features}, flatten]", {"features": (3, 1, 1), "logits": (3,)}),
])  # fmt: skip
def test_outputs_are_maps_vectors_and_features(tmp_path, steps, shapes):
    session = build_session(tmp_path, f"input: {{image: [3, 8, 8]}}\ngraph: {steps}")
    array = np.zeros((2, 3, 8, 8), np.float32)
    assert (
        {name: found.shape[1:] for name, found in session.run(array).items()}
        == shapes
        == {name: found.shape for name, found in next(session.predict(photos(2))).outputs.items()}
    )
    first = next(iter(shapes))
    assert [*session.run(array, outputs=[first])] == [first] == [*next(session.predict(photos(1), [first])).outputs]


def test_several_inputs(tmp_path):
    session = build_session(tmp_path, TWO)
    left, right = photos(3, 1), photos(3, 2)
    arrays = {
        name: each.transpose(0, 3, 1, 2).astype(np.float32) / 255 for name, each in (("left", left), ("right", right))
    }
    wanted = session.run(arrays)["logits"]
    pairs = [{"left": a, "right": b} for a, b in zip(left, right, strict=True)]
    np.testing.assert_allclose([each.outputs["logits"] for each in session.predict(pairs, batch=2)], wanted, atol=1e-5)
    results = session.classify(pairs[0])
    assert (
        len(results) == 1
        and results[0].top[0].index == wanted[0].argmax()
        and results[0].input == "left=image 0, right=image 0"
    )


def test_a_list_of_pictures_for_an_input_is_told_apart_from_a_list_of_mappings(tmp_path):
    session, pictures = build_session(tmp_path, TWO), [*photos(2)]
    for several in (pictures, tuple(pictures)):
        found = fault(lambda several=several: [*session.predict({"left": several, "right": several}, errors="keep")])
        assert found.code == "wrong-input" and "`left` is given a" in found.message and "[{'left': …}" in found.help


@pytest.mark.parametrize("feeds, said", [
    ({}, "`left` of net is missing"), ({"left": np.zeros((1, 3, 8, 8), np.float32)}, "`right` of net is missing"),
    ({"up": 0, "left": 0, "right": 0}, "no input `up`"), (np.zeros((1, 3, 8, 8), np.float32), "2 inputs"),
    ({"left": np.zeros((1, 3, 8, 8)), "right": 0}, "float64, it takes float32"),
    ({"left": np.zeros((1, 3, 8, 8), np.uint8), "right": 0}, "uint8, it takes float32"),
    ({"left": np.zeros((1, 3, 8, 9), np.float32), "right": 0}, "(1, 3, 8, 9), it takes (N, 3, 8, 8)"),
    ({"left": np.zeros((3, 8, 8), np.float32), "right": 0}, "(3, 8, 8), it takes (N, 3, 8, 8)"),
    ({"left": np.zeros((1, 3, 8, 8), np.float32), "right": np.zeros((2, 3, 8, 8), np.float32)}, "N is 1 in `left` and 2 in `right`"),
])  # fmt: skip
def test_arrays_that_do_not_fit(tmp_path, feeds, said):
    found = fault(build_session(tmp_path, TWO).run, feeds)
    assert found.code == "wrong-input" and said in found.message
    assert "left float32 (N, 3, 8, 8); right float32 (N, 3, 8, 8)" in found.message + found.help


def test_rows_of_a_fixed_batch_that_do_not_fit(tmp_path):
    session = build_session(tmp_path, TWO, batch=2)
    one, three = np.zeros((1, 3, 8, 8), np.float32), np.zeros((3, 3, 8, 8), np.float32)
    assert session.run({"left": three, "right": three})["logits"].shape == (3, 3)
    for left, right in ((one, three), (one[:0], one[:0])):
        assert fault(session.run, {"left": left, "right": right}).code == "wrong-input"


def test_an_output_that_is_not_there(session):
    assert "no output `top`" in fault(session.run, np.zeros((1, 3, 8, 8), np.float32), outputs=["top"]).message
    assert "logits float32 (N, 3)" in fault(session.predict, photos(1), ["top"]).help


@pytest.mark.parametrize("options, said", [
    ({"batch": 0}, "batch=0"), ({"batch": -1}, "batch=-1"), ({"batch": 2.5}, "batch=2.5"), ({"batch": None}, "batch=None"),
    ({"batch": True}, "batch=True"), ({"batch": 2**16 + 1}, "1 to 65536"), ({"errors": "ignore"}, "'raise' or 'keep'"), ({"errors": None}, "errors=None"),
    ({"errors": True}, "errors=True"), ({"max_pixels": None}, "max_pixels=None"), ({"max_pixels": 0}, "max_pixels=0"),
    ({"top": 0}, "top=0"), ({"top": -1}, "top=-1"), ({"top": 1.0}, "top=1.0"),
])  # fmt: skip
def test_arguments_are_checked_before_a_picture_is_asked_for(session, options, said):
    for call in (session.classify, *([session.predict] if "top" not in options else [])):
        found = fault(call, ["none.png"], **options)
        assert (found.code, found.exit_code) == ("usage", 2) and said in found.message
    assert session.classify(photos(2), batch=np.int64(1), top=np.int32(2), max_pixels=np.int64(64))[1].top


@pytest.mark.parametrize("pictures", [5, None])
def test_what_is_no_picture_is_told_when_predict_is_called(session, pictures):
    with pytest.raises(TypeError):
        session.predict(pictures)
    assert next(session.predict(iter(()), ["logits"]), None) is None


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, 2**10 + 1])
def test_numbers_of_threads_that_are_none(session, threads):
    found = fault(Session, session.artifact.path, threads=threads)
    assert (found.code, found.exit_code) == ("usage", 2) and f"threads={threads}" in found.message


def test_one_name_is_one_output(session):
    array = np.zeros((1, 3, 8, 8), np.float32)
    assert [*session.run(array, "logits")] == ["logits"] == [*session.run(array, iter(["logits"]))]
    assert [*next(session.predict(photos(1), "logits")).outputs] == ["logits"]
    assert "no output `log`" in fault(session.run, array, "log").message
    for call in (session.run, session.predict):
        found = fault(call, array, [])
        assert (found.code, found.exit_code) == ("wrong-input", 2) and "no output is named" in found.message


@pytest.mark.parametrize("labels", [
    ["0", "1", "2"], ("0", "1", "2"), range(3), (str(i) for i in range(3)), iter([0, 1, 2]), np.arange(3), np.array(["0", "1", "2"]),
], ids=lambda labels: type(labels).__name__)  # fmt: skip
def test_labels_of_every_kind_are_texts(session, labels):
    assert Session(session.artifact.path, device="cpu", labels=labels).labels == ("0", "1", "2")


@pytest.mark.parametrize(
    "labels", [{0: "a", 1: "b", 2: "c"}, {"a", "b", "c"}, b"abc", 3], ids=lambda it: type(it).__name__
)
def test_labels_without_an_order_are_refused(session, labels):
    found = fault(Session, session.artifact.path, device="cpu", labels=labels)
    assert (found.code, found.exit_code) == ("usage", 2) and type(labels).__name__ in found.message


# -- what is printed -----------------------------------------------------------------------------------------------------


def test_what_a_session_and_its_results_print(session):
    assert (
        repr(session)
        == "net on cpu (asked for)\n  input   image float32 (N, 3, 8, 8)\n  output  logits float32 (N, 3): 3 classes\n  weights untrained"
    )
    results = session.classify([photos(1)[0], b"no photo"], top=2, errors="keep")
    lines = repr(results).splitlines()
    assert lines[0].split() == ["image", "probability", "class", "label"] and len(lines) == 4
    assert lines[1].split()[-1] in ("ant", "bee", "cat") and "error[image-unreadable]" in lines[3]
    assert repr(results[0]).splitlines() == repr(type(results)(results[:1])).splitlines() and isinstance(results, list)
    assert results[0]._repr_html_().count("<tr>") == 3 and "&#x27;" not in results._repr_html_()
    assert repr(session.classify([])) == "[]"


def test_an_untrained_model_is_told_when_it_is_opened(session):
    with pytest.warns(
        UntrainedWarning, match="net was built without trained weights; its answers mean nothing"
    ) as found:
        Session(session.artifact.path, device="cpu")
    assert len(found) == 1 and found[0].filename == __file__


def test_labels_are_escaped_where_they_are_printed(tmp_path):
    session = build_session(tmp_path, f'input: {{image: [3, 8, 8]}}\nlabels: ["<b>", "a\\e[31m", c]\ngraph: {LINEAR}')
    results = session.classify(photos(1))
    assert "\x1b" not in repr(results) and "\\x1b" in repr(results)
    assert "<b>" not in results._repr_html_() and "&lt;b&gt;" in results._repr_html_()


def texts(node: ast.AST):
    """Each text of a module; of one that is put together, the fixed parts as one."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        inner = [
            part.value
            for part in node.values
            if isinstance(part, ast.FormattedValue) and "in Python" not in ast.unparse(node)
        ]
    else:
        inner = ast.iter_child_nodes(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for each in inner:
        yield from texts(each)


def test_a_fault_that_names_an_option_of_the_shell_names_the_argument_in_python_too():
    """But for what only the shell has: commands as a whole, and files that it writes."""
    rooms = Path(archc.__file__).parent.joinpath("runtime").rglob("*.py")
    # what the doctor says is read in a shell alone, as commands of pip are, and a page has styles of such names
    rooms = [room for room in rooms if room.parent.name != "doctor" and room.stem not in ("page", "page_style", "pip")]
    told = [text for room in rooms for text in texts(ast.parse(room.read_text("utf-8"))) if re.search("--[a-z]", text)]
    both = [text for text in told if "in Python" in text]
    assert (
        len(both) >= 4
        and [t for t in told if t not in both and not re.search("archc |pip install |--format json", t)] == []
    )
