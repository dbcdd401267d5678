"""`archc verify`: a built file that is whole is verified; what was changed in it, or beside it, is found and named."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from archc.compiler.backends.onnx.seal import SEAL_BYTES, encode_seal

from .program import program

SPEC = """archspec: 1
name: small
input: {image: [3, 8, 8]}
graph:
  - conv: {out: 4, kernel: 3}
  - batch_norm:
  - relu:
  - local_response_norm: {size: 3}
  - flatten:
  - linear: 5
"""


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SPEC, "utf-8")
    return program(capsys)


def build(run, *options: str) -> Path:
    assert run("build", "small.yaml", "-o", "small.onnx", *options).code == 0
    return Path("small.onnx")


def seal(model: onnx.ModelProto, path: Path) -> None:
    """Writes a model as who changes it on purpose would: with a seal that holds."""
    kept = [each for each in model.metadata_props if each.key != "archc.sha256"]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    data = model.SerializeToString()
    path.write_bytes(data + encode_seal(hashlib.sha256(data).hexdigest()))


@pytest.mark.parametrize(
    "options", [(), ("--no-fold",), ("--batch", "2"), ("--opset", "13"), ("--set", "k=2")], ids=str
)
def test_what_was_built_is_verified(run, options):
    Path("small.yaml").write_text(
        SPEC.replace("input:", "params: {k: 1}\ninput:").replace("out: 4", "out: $(4 * k)"), "utf-8"
    )
    build(run, "--proof", "none", *options)
    Path("small.yaml").unlink()
    ran = run("verify", "small.onnx", "--format", "json")
    document = json.loads(ran.out)
    assert ran.code == 0 and document["ok"], document
    assert [each["name"] for each in document["facts"]] == ["bytes", "nodes", "sources", "answers"]
    assert document["parity"]["max_rel"] < 1e-4


def test_a_file_of_labels_is_in_the_model(run):
    """The spec is made again of what the model holds of it, wherever that is: so is the file that names its classes."""
    Path("small.yaml").write_text(SPEC.replace("input:", "labels: names/of.txt\ninput:"), "utf-8")
    Path("names").mkdir()
    Path("names/of.txt").write_text("a\nb\nc\nd\ne\n", "utf-8")
    build(run, "--proof", "none")
    assert run("diff", "small.onnx", "small.yaml", "-q").code == 0
    Path("names/of.txt").write_text("a\nb\nC\nd\ne\n", "utf-8")
    changed = run("diff", "small.onnx", "small.yaml")
    assert changed.code == 0 and "~ labels  [a, b, c, d, e] → [a, b, C, d, e]" in changed.out
    Path("names/of.txt").unlink()
    Path("small.yaml").unlink()
    verified = run("verify", "small.onnx", "--proof", "none")
    assert verified.code == 0 and "small.yaml and 1 more in the file" in verified.out
    assert run("explain", "small.onnx", "0").code == 0


def test_heads_that_were_kept_are_verified(run):
    assert run("build", "googlenet", "--keep-aux", "--proof", "none", "-o", "g.onnx").code == 0
    assert run("verify", "g.onnx", "--proof", "none").code == 0


def test_any_changed_bit_is_found(run):
    path = build(run, "--proof", "none")
    whole = path.read_bytes()
    chance = random.Random(11)
    places = [
        0,
        len(whole) // 2,
        len(whole) - SEAL_BYTES,
        len(whole) - 1,
        *(chance.randrange(len(whole)) for _ in range(60)),
    ]
    for place in places:
        data = bytearray(whole)
        data[place] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        ran = run("verify", "small.onnx", "--proof", "none")
        assert ran.code == 1, f"byte {place}: {ran.out}{ran.err}"


def shift_metadata(model: onnx.ModelProto, key: str, change: Callable[[str], str]) -> None:
    (entry,) = [each for each in model.metadata_props if each.key == key]
    entry.value = change(entry.value)


def change_alpha(model: onnx.ModelProto) -> None:
    (node,) = [each for each in model.graph.node if each.op_type == "LRN"]
    (alpha,) = [each for each in node.attribute if each.name == "alpha"]
    alpha.f = 5.0


# what is done to the model, sealed anew, and the check that finds it with a word of what it says
CHANGES = {
    "a source": (lambda m: shift_metadata(m, "archc.sources", lambda t: t.replace("out: 4", "out: 6")), "sources", "another graph"),
    "a source that is wrong": (lambda m: shift_metadata(m, "archc.sources", lambda t: t.replace("relu", "rellu")), "sources", "rellu"),
    "no source": (lambda m: shift_metadata(m, "archc.sources", lambda t: "{}"), "sources", "no spec"),
    "sources that are none": (lambda m: shift_metadata(m, "archc.sources", lambda t: '{"a.yaml": 3}'), "sources", "not as archc"),
    "options of passes": (lambda m: shift_metadata(m, "archc.passes", lambda t: '{"fold": 3}'), "sources", "not as archc"),
    "the hash": (lambda m: shift_metadata(m, "archc.spec_sha256", lambda t: "0" * 64), "sources", "hash"),
    "the graph": (lambda m: shift_metadata(m, "archc.graph", lambda t: t[:40]), "sources", "graph"),
    "a node's number": (change_alpha, "answers", "differ"),
    "a foreign node": (lambda m: m.graph.node.append(onnx.helper.make_node("Erf", ["conv"], ["x"])), "nodes", "does not write"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_on_purpose_is_found(run, name):
    change, check, word = CHANGES[name]
    path = build(run, "--proof", "none")
    model = onnx.load(str(path))
    change(model)
    seal(model, path)
    ran = run("verify", "small.onnx", "--format", "json")
    wrong = [each for each in json.loads(ran.out)["facts"] if each["ok"] is False]
    assert ran.code == 1 and [each["name"] for each in wrong] == [check], ran.out
    assert word in wrong[0]["message"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda path: path.write_bytes(path.read_bytes() + b"\x72\x02\x0a\x00"), "behind the file's seal"),
        (lambda path: path.write_bytes(path.read_bytes()[:-SEAL_BYTES]), "no seal"),
    ],
    ids=["something behind it", "without its seal"],
)
def test_another_tool_wrote_it(run, change, word):
    change(build(run, "--proof", "none"))
    ran = run("verify", "small.onnx", "--proof", "none")
    assert ran.code == 1 and word in " ".join(ran.out.split())


@pytest.mark.parametrize(("harm", "word"), [("flipped", "digest of its name"), ("gone", "not beside")])
def test_the_data_beside_a_model_is_held_to_its_name(run, monkeypatch, harm, word):
    from archc.compiler.backends.onnx import write

    monkeypatch.setattr(write, "EXTERNAL_OVER", 0)
    monkeypatch.setattr(write, "ALIGNMENT", 64)
    monkeypatch.setattr(write.export_onnx, "__kwdefaults__", {**write.export_onnx.__kwdefaults__, "external_over": 0})
    build(run, "--proof", "none")
    (data,) = Path().glob("*.onnx.data")
    assert run("verify", "small.onnx").code == 0
    if harm == "gone":
        data.unlink()
    else:
        content = bytearray(data.read_bytes())
        content[7] ^= 16
        data.write_bytes(content)
    ran = run("verify", "small.onnx")
    assert ran.code == 1 and word in " ".join((ran.out + ran.err).split()), ran


def test_a_model_from_elsewhere_has_nothing_to_verify(run):
    model = onnx.load(str(build(run, "--proof", "none")))
    del model.metadata_props[:]
    onnx.save(model, "other.onnx")
    ran = run("verify", "other.onnx")
    assert ran.code == 1 and "nothing-to-verify" in ran.err and "archc verify" in ran.err


OTHER = SPEC.replace("  - relu:\n", "  - gelu:\n")
# the second model, made of the first spec or of a text, with options; whether the two agree, and words of the answer
SECOND = {
    "the same net without folds": (SPEC, ("--no-fold", "--opset", "13"), True, ""),
    "of a fixed batch": (SPEC, ("--batch", "3"), True, ""),
    "other weights": (SPEC, ("--seed", "3"), False, "`0`"),
    "another operation": (OTHER, (), False, "at `2`"),
    "an output of another name": (SPEC.replace("linear: 5", "{linear: 5, output: scores}"), (), True, ""),
    "another input": (SPEC.replace("8, 8", "9, 9"), (), None, "different inputs"),
    "two outputs": (SPEC.replace("- relu:", "- {relu: , output: map}"), (), None, "outputs of the two"),
}


@pytest.mark.parametrize("name", SECOND)
def test_two_models_are_compared(run, name):
    text, options, agree, words = SECOND[name]
    build(run, "--proof", "none")
    Path("other.yaml").write_text(text, "utf-8")
    assert run("build", "other.yaml", "-o", "other.onnx", "--proof", "none", *options).code == 0
    ran = run("verify", "small.onnx", "other.onnx", "--format", "json")
    assert ran.code == (0 if agree else 1)
    if agree is None:
        assert words in ran.err
        return
    document = json.loads(ran.out)
    assert document["ok"] is agree
    first = document["first"]
    assert (first is None) is agree and words in f"at `{(first or {}).get('value', '')}`"
    text_ran = run("verify", "small.onnx", "other.onnx")
    assert ("agree" if agree else "differ") in text_ran.out and (agree or first["place"] in text_ran.out)


def test_a_model_from_elsewhere_is_compared_in_a_process_of_its_own(run):
    model = onnx.load(str(build(run, "--proof", "none")))
    del model.metadata_props[:]
    (alpha,) = [a for n in model.graph.node if n.op_type == "LRN" for a in n.attribute if a.name == "alpha"]
    alpha.f = 5.0
    model.graph.doc_string = "from elsewhere"
    onnx.save(model, "other.onnx")
    ran = run("verify", "small.onnx", "other.onnx", "--format", "json")
    first = json.loads(ran.out)["first"]
    assert ran.code == 1 and first["op"] == "LRN" and first["place"].startswith("small.yaml:")
    (alpha,) = [a for n in model.graph.node if n.op_type == "LRN" for a in n.attribute if a.name == "alpha"]
    alpha.f = 1e-4
    onnx.save(model, "other.onnx")
    assert run("verify", "small.onnx", "other.onnx", "--tolerance", "1e-6").code == 0


VARIANTS = {
    "stored as half": ("--store", "fp16"),
    "half": ("--precision", "fp16"),
    "half, in and out": ("--precision", "fp16", "--io", "fp16", "--batch", "3"),
    "pixels": ("--input-type", "uint8"),
    "half of pixels": ("--precision", "fp16", "--input-type", "uint8", "--no-fold", "--max-error", "0.5"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_files_that_are_not_plain_float32(run, name):
    """They lie as near to torch as their build allowed; one that was changed does not, whatever it says of itself."""
    Path("small.yaml").write_text(SPEC.replace("graph:", "preprocess: {mean: [0.5], std: [0.5]}\ngraph:"), "utf-8")
    path = build(run, "--proof", "none", *VARIANTS[name])
    ran = run("verify", "small.onnx", "--format", "json")
    facts = json.loads(ran.out)["facts"]
    assert ran.code == 0 and {each["name"]: each["ok"] for each in facts} == dict.fromkeys(("bytes", "nodes", "sources", "answers"), True)  # fmt: skip
    if "--max-error" in VARIANTS[name]:
        assert "50 % allowed" in facts[-1]["message"]
    model = onnx.load(str(path))
    change_alpha(model)
    seal(model, path)
    ran = run("verify", "small.onnx", "--format", "json")
    assert ran.code == 1 and [each["name"] for each in json.loads(ran.out)["facts"] if not each["ok"]] == ["answers"]


def test_the_answers_of_8_bits_are_not_looked_at(run):
    np.savez("a.npz", image=np.random.default_rng(0).normal(size=(10, 3, 8, 8)).astype(np.float32))
    build(run, "--proof", "none", "--precision", "int8", "--calibrate", "a.npz", "--max-error", "1")
    ran = run("verify", "small.onnx", "--format", "json")
    answers = json.loads(ran.out)["facts"][-1]
    assert ran.code == 0 and answers["ok"] is None and "calibrated" in answers["message"]


def test_two_models_are_compared_on_pictures(run):
    """Each prepares them as it takes them: numbers or pixels, any number at once or a fixed one; 8 bits agree to what they cost."""
    Path("small.yaml").write_text(SPEC.replace("graph:", "preprocess: {mean: [0.5], std: [0.5]}\ngraph:"), "utf-8")
    draw = np.random.default_rng(0)
    Path("photos").mkdir()
    for at in range(12):
        Image.fromarray(draw.integers(0, 256, (8, 8, 3), np.uint8)).save(f"photos/{at:02}.png")
    build(run, "--proof", "none")
    pictures = [word for at in range(3) for word in ("--picture", f"photos/{at:02}.png")]
    for words in (("--input-type", "uint8"), ("--batch", "2")):
        assert run("build", "small.yaml", "-o", "other.onnx", "--proof", "none", *words).code == 0
        assert run("verify", "small.onnx", "other.onnx", *pictures).code == 0
    words = ("--precision", "int8", "--calibrate", "photos", "--max-error", "1")
    assert run("build", "small.yaml", "-o", "other.onnx", "--proof", "none", *words).code == 0
    ran = run("verify", "small.onnx", "other.onnx", *pictures, "--format", "json")
    assert ran.code == 1 and 1e-4 < json.loads(ran.out)["outputs"][0]["max_rel"] < 0.1
    assert run("verify", "small.onnx", "other.onnx", *pictures, "--tolerance", "0.1").code == 0


def test_pictures_are_for_models_of_one_input(run):
    Path("pair.yaml").write_text(
        "archspec: 1\nname: pair\ninput: {a: [1, 4, 4], b: [1, 4, 4]}\n"
        "graph: [concat: [[{from: a}], [{from: b}]], global_avg_pool, {linear: 3}]\n",
        "utf-8",
    )
    Image.new("L", (4, 4)).save("a.png")
    assert run("build", "pair.yaml", "--proof", "none").code == 0
    ran = run("verify", "pair.onnx", "pair.onnx", "--picture", "a.png")
    assert ran.code == 1 and "pair has 2 inputs" in ran.err and "--input" not in ran.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("small.onnx", "--picture", "a.png"), "--picture is for two models"),
        (("small.onnx", "--tolerance", "0.1"), "--tolerance is for two models"),
        (("small.onnx", "--trust"), "--trust is for two models"),
        (("small.onnx", "small.onnx", "--proof", "full"), "--proof is for one model"),
        (("small.onnx", "small.onnx", "--limit", "nodes=9"), "--limit is for one model"),
        (("small.onnx", "small.onnx", "--picture", "a.png"), "a.png"),
    ],
)
def test_options_that_would_do_nothing_are_refused(run, words, told):
    build(run, "--proof", "none")
    ran = run("verify", *words)
    assert ran.code == 2 and told in " ".join(ran.err.split())
