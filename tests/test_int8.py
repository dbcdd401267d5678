"""int8: the calibration set, what is rounded and how it is called, and the whole build as a user runs it."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import archc
from archc.build.precision.calibration import open_calibration
from archc.build.precision.int8 import DEQUANTIZE, QUANTIZE, QUANTIZED, nodes_in_float32, quantize
from archc.build.precision.methods import METHODS
from archc.build.precision.ranges import find_ranges
from archc.build.precision.split import MOST, split_inputs
from archc.compiler.backends.onnx.write import export_onnx, lower_graph
from archc.compiler.diagnostics import Failure
from archc.compiler.driver import check, run_passes
from archc.compiler.passes import PassOptions
from archc.compiler.weights.rewrite import RewrittenSource
from archc.compiler.weights.seeded import SeededSource
from archc.runtime import Session, UntrainedWarning
from archc.runtime.sources import Picture

from .program import Ran, program

NET = """archspec: 1
name: net
input: {image: [3, 12, 12]}
preprocess: {mean: [0.4], std: [0.3]}
labels: [a, b, c, d, e]
graph:
  - {name: conv1, conv: {out: 8, kernel: 3, padding: 1}}
  - {name: relu1, relu}
  - {name: lrn, local_response_norm: {size: 3}}
  - {name: pool1, max_pool: 2}
  - name: block
    steps:
      - {name: conv1_scale, conv: {out: 8, kernel: 3, padding: 1, groups: 8}}
      - {name: v1, relu}
  - {name: join, add: [[{name: left, conv: {out: 4, kernel: 1}}], [{name: right, conv: {out: 4, kernel: 1}}]]}
  - {name: up, upsample: 2}
  - {name: pad, pad: {height: [1, 1], width: [0, 0]}}
  - {name: last, conv: {out: 1, kernel: 3}}
  - flatten
  - {name: fc, linear: 5}
  - softmax
"""
SMALL = """archspec: 1
name: small
input: {image: [3, 12, 12]}
graph: [{conv: {out: 8, kernel: 3}}, relu, global_avg_pool, {linear: 5}]
"""


def photos(folder: Path, count: int, seed: int = 0) -> Path:
    """A folder of `count` small pictures, whose colours run from dark to light."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for at in range(count):
        x = np.linspace(0, random.uniform(40, 255), 20)[:, None, None] + random.uniform(0, 30, (1, 20, 3))
        Image.fromarray(x.repeat(1, 1).clip(0, 255).astype(np.uint8)).save(folder / f"{at:03}.png")
    return folder


class Quantized:
    """The net of a text, quantised on `feeds` in a folder: both files, their models as onnx reads them, and both sessions."""

    def __init__(
        self, folder: Path, text: str, feeds: list[Any], method: Any = "minmax", keep: tuple[str, ...] = ()
    ) -> None:
        spec = folder / "net.yaml"
        spec.write_text(text, "utf-8")
        checked = check(str(spec))
        graph = run_passes(checked.graph, PassOptions())
        weights = RewrittenSource(SeededSource(checked.graph.params()), graph)
        self.plain, self.path = folder / "plain.onnx", folder / "int8.onnx"
        export_onnx(graph, weights, self.plain)
        model = lower_graph(graph, weights, 20, None, {"archc.version": "1"})
        proto, ranges = find_ranges(self.plain, feeds, method, QUANTIZED)
        self.model = quantize(model, proto, ranges, keep)
        with self.path.open("wb") as file:
            self.model.write(file)
        self.before, self.nodes = onnx.load(str(self.plain)), {node.name: node for node in self.model.nodes}

    def run(self, image: Any) -> tuple[Any, Any]:
        """The last output of the plain file and of the quantised one."""
        found = [Session(path, device="cpu").run({"image": image}) for path in (self.plain, self.path)]
        return tuple(next(reversed(each.values())) for each in found)


def images(count: int, seed: int = 0, size: int = 12) -> Any:
    return np.random.default_rng(seed).uniform(-1.5, 2, (count, 3, size, size)).astype(np.float32)


def feeds(count: int = 12) -> list[Any]:
    return [{"image": row[None]} for row in images(count)]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Quantized:
    return Quantized(tmp_path_factory.mktemp("net"), NET, feeds())


@pytest.mark.filterwarnings("ignore::archc.runtime.UntrainedWarning")
def test_the_answers_stay(net: Quantized) -> None:
    expected, found = net.run(images(20, seed=1))
    assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)
    assert not np.array_equal(found, expected)


def test_names_lines_and_metadata_are_ours(net: Quantized) -> None:
    """Every node of the plain file is there, in its order, with its name, operator, line and output; what is added is called by its step."""
    onnx.checker.check_model(str(net.path), full_check=True)
    after = onnx.load(str(net.path))
    added = (QUANTIZE, DEQUANTIZE)
    kept = [node for node in after.graph.node if node.op_type not in added]
    facts = [
        [(n.name, n.op_type, n.doc_string, [*n.output], len(n.input)) for n in nodes]
        for nodes in (net.before.graph.node, kept)
    ]
    assert facts[0] == facts[1]
    docs = {node.name: node.doc_string for node in after.graph.node}
    for node in after.graph.node:
        if node.op_type in added:
            path = node.name.partition("/")[0]
            assert node.name == node.output[0]
            assert node.doc_string == docs.get(path, "")
    assert {name for name in docs if name.startswith("block.conv1_scale")} == {
        "block.conv1_scale", "block.conv1_scale/weight/DequantizeLinear", "block.conv1_scale/bias/DequantizeLinear",
    }  # fmt: skip
    assert {"image/QuantizeLinear", "relu1/DequantizeLinear"} <= docs.keys()
    assert (after.producer_name, after.producer_version) == ("archc", "1")
    assert (after.ir_version, after.opset_import[0].version) == (net.before.ir_version, 20)
    assert [each.name for each in after.graph.output] == [each.name for each in net.before.graph.output]


def test_what_is_rounded(net: Quantized) -> None:
    """Weights by channel in 7 bits; what shares numbers shares its scale; what 8 bits lose stays, and so does the answer."""
    types = {each.name: each.data_type for each in onnx.load(str(net.path)).graph.initializer}
    weights = {node.inputs[0] for node in net.model.nodes if node.op_type == DEQUANTIZE and node.inputs[0] in types}
    convolutions = ("conv1", "block.conv1_scale", "join.left", "join.right", "last", "fc")
    assert {name for name in weights if name.endswith(".weight")} == {f"{path}.weight" for path in convolutions}
    arrays = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(str(net.path)).graph.initializer}
    for path in convolutions:
        assert arrays[f"{path}.weight"].dtype == np.int8
        assert np.abs(arrays[f"{path}.weight"].astype(int)).max() <= 64
        assert arrays[f"{path}/weight/DequantizeLinear/scale"].shape == arrays[f"{path}.weight"].shape[:1]
    assert net.nodes["up/QuantizeLinear"].inputs[1:] != net.nodes["join/QuantizeLinear"].inputs[1:]
    assert np.array_equal(arrays["up/QuantizeLinear/scale"], arrays["join/QuantizeLinear/scale"])
    # between nodes of floats nothing is rounded
    assert net.nodes["pool1"].inputs == ("lrn",)
    assert "fc/QuantizeLinear" not in net.nodes
    assert net.nodes["11"].inputs == ("fc",)
    # between the convolution and its activation nothing is rounded
    assert net.nodes["relu1"].inputs == ("conv1",)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_ranges(
    method: Any, net: Quantized, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of the library's chatter is shown."""
    other = Quantized(tmp_path, NET, feeds(), method)
    expected, found = other.run(images(20, seed=1))
    # entropy cuts off what is rare
    assert np.linalg.norm(found - expected) < (0.3 if method == "entropy" else 0.05) * np.linalg.norm(expected)
    assert capsys.readouterr() == ("", "")


def test_equal_bytes(net: Quantized, tmp_path: Path) -> None:
    assert Quantized(tmp_path, NET, feeds()).path.read_bytes() == net.path.read_bytes()


def test_what_is_kept_in_float32(tmp_path: Path) -> None:
    found = Quantized(tmp_path, NET, feeds(), keep=("block", "fc"))
    assert not any(name.startswith(("block.conv1_scale/", "fc/")) for name in found.nodes)
    assert "conv1/weight/DequantizeLinear" in found.nodes
    model = lower_graph(
        run_passes(check(str(tmp_path / "net.yaml")).graph, PassOptions()), SeededSource({}), 20, None, {}
    )
    assert {"fc", "block.conv1_scale", "block.v1"} <= nodes_in_float32(model, ("block", "fc"))


def test_a_value_that_is_not_finite_has_no_range(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="the value `image` is not finite") as caught:
        Quantized(tmp_path, NET, [{"image": np.full((1, 3, 12, 12), np.inf, np.float32)}])
    assert caught.value.code == "answer-not-finite"


# -- the calibration set ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "calibrating", "held_out"),
    [(1, 1, 0), (4, 4, 0), (5, 4, 1), (20, 16, 4), (320, 256, 64), (5000, 256, 64)],
)
def test_every_fifth_is_held_out(count: int, calibrating: int, held_out: int) -> None:
    split = split_inputs(count)
    assert (len(split.calibrating), len(split.held_out)) == (calibrating, held_out)
    assert not {*split.calibrating} & {*split.held_out}
    assert max((*split.calibrating, *split.held_out)) >= count - 1 - count // MOST


def calibration(place: Path, text: str = NET, batch: int | None = None) -> Any:
    spec = place.parent / "net_for_calibration.yaml"
    spec.write_text(text, "utf-8")
    found = check(str(spec))
    stated = found.header.preprocess
    return open_calibration(place, found.graph, None if stated is None else stated.to_dict(), batch)


@pytest.mark.filterwarnings("ignore::archc.runtime.UntrainedWarning")
def test_pictures_are_what_run_reads(net: Quantized, tmp_path: Path) -> None:
    """The same numbers as `archc run` gives the net."""
    spec = tmp_path / "net.yaml"
    spec.write_text(NET, "utf-8")
    archc.load(str(spec)).export_onnx(tmp_path / "net.onnx", proof="none")
    session = Session(tmp_path / "net.onnx", device="cpu")
    folder = photos(tmp_path / "photos", 6)
    found = [*calibration(folder).calibrating()]
    assert [len(each["image"]) for each in found] == [5]
    first = str(folder / "000.png")
    assert np.array_equal(found[0]["image"][0], session.prepare(Picture(first, first))["image"])


def test_a_fixed_batch_is_filled(tmp_path: Path) -> None:
    """By other pictures; a last batch that lacks some is left out, unless it is the only one."""
    folder = photos(tmp_path / "photos", 10)
    assert [len(each["image"]) for each in calibration(folder, batch=3).calibrating()] == [3, 3]
    (only,) = calibration(folder, batch=12).calibrating()
    assert np.array_equal(only["image"][0], only["image"][8])
    assert not np.array_equal(only["image"][0], only["image"][7])


def test_rows_of_an_npz_are_the_same_compressed_or_not(tmp_path: Path) -> None:
    array = images(700)
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "inputs.npz", image=array)
        found = calibration(tmp_path / "inputs.npz")
        rows = np.concatenate([each["image"] for each in found.calibrating()])
        assert np.array_equal(rows, array[list(found.split.calibrating)])
        assert np.array_equal(
            np.concatenate([each["image"] for each in found.held_out]), array[list(found.split.held_out)]
        )
        assert found.notes() == ("of the 700 rows in `inputs.npz`, 320 were taken, evenly spaced",)


# -- as a user runs it --------------------------------------------------------------------------------------------------

TWO_INPUTS = """archspec: 1
name: two
input: {left: [3, 12, 12], right: [3, 12, 12]}
preprocess: {mean: [0.5]}
graph: [{concat: [[{from: left}], [{from: right}]]}, {conv: {out: 4, kernel: 3}}, global_avg_pool, {linear: 3}]
"""


@pytest.fixture
def archc_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Ran]:
    """`archc build … --precision int8 -o out.onnx` in a folder with specs, where out.onnx is there already."""
    monkeypatch.chdir(tmp_path)
    for name, text in (("net", NET), ("two", TWO_INPUTS), ("plain", SMALL)):
        Path(f"{name}.yaml").write_text(text, "utf-8")
    run = program(capsys)

    def build(spec: str, *arguments: str) -> Ran:
        Path("out.onnx").write_bytes(b"old")
        before = sorted(Path().iterdir())
        ran = run("build", spec, "--precision", "int8", "-o", "out.onnx", "--no-verify", *arguments)
        assert sorted(Path().iterdir()) == before
        assert (Path("out.onnx").read_bytes() == b"old") == bool(ran.code)
        assert ran.err.count("error[") + ran.err.count("Usage:") == (1 if ran.code else 0)
        return ran

    return build


def test_verify_sends_8_bits_to_pictures(archc_build: Callable[..., Ran], capsys: pytest.CaptureFixture[str]) -> None:
    """A proof's inputs leave the ranges of a calibration, so no comparison of two files by them is advised."""
    photos(Path("photos"), 12)
    assert archc_build("net.yaml", "--calibrate", "photos", "--max-error", "1").code == 0
    ran = program(capsys)("verify", "out.onnx")
    assert ran.code == 0 and "8 bits" in ran.out and "archc eval" in ran.out and "--tolerance" not in ran.out


def save(path: str, **arrays: Any) -> None:
    np.savez(path, **arrays)


def broken(folder: str, good: int, bad: int) -> None:
    photos(Path(folder), good)
    for at in range(bad):
        Path(folder, f"bad{at}.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")


REFUSED: dict[str, tuple[str, str, Callable[[], object], int, str, str]] = {
    # the spec, what --calibrate names (empty: the option is left out), how it is made, the exit code, the code, words of the message
    "no calibration": ("net", "", lambda: None, 2, "bad-option", "--calibrate photos"),
    "not there": ("net", "nowhere", lambda: None, 2, "calibration-data", "no folder and no file `nowhere`"),
    "an empty folder": ("net", "empty", lambda: Path("empty").mkdir(), 2, "no-images", "no picture in the folder `empty`"),
    "a folder of texts": ("net", "texts", lambda: (Path("texts").mkdir(), Path("texts/a.txt").touch()), 2, "no-images", "numpy.savez"),
    "a list": ("net", "a.txt", lambda: Path("a.txt").touch(), 2, "calibration-data", "neither a folder of pictures nor an .npz"),
    "a lone array": ("net", "a.npy", lambda: np.save("a.npy", images(9)), 2, "calibration-data", "numpy.savez('inputs.npz', image=array)"),
    "nothing but damaged pictures": ("net", "bad", lambda: broken("bad", 0, 3), 1, "calibration-data", "none of the 3 pictures in `bad`"),
    "pictures without preprocess": ("plain", "photos", lambda: photos(Path("photos"), 6), 1, "calibration-data", "the spec has no `preprocess`"),
    "pictures for two inputs": ("two", "photos", lambda: photos(Path("photos"), 6), 2, "calibration-data", "the net has 2 inputs"),
    "no zip": ("net", "a.npz", lambda: Path("a.npz").write_bytes(b"no zip"), 1, "calibration-data", "no .npz that can be read"),
    "a zip of texts": ("net", "a.npz", lambda: zipfile.ZipFile("a.npz", "w").writestr("image.npy", "text"), 1, "calibration-data", "no .npz"),
    "another name": ("net", "a.npz", lambda: save("a.npz", img=images(9)), 1, "calibration-data", "is `img` meant?"),
    "a name too many": ("net", "a.npz", lambda: save("a.npz", image=images(9), mask=images(9)), 1, "calibration-data", "`mask`"),
    "another size": ("net", "a.npz", lambda: save("a.npz", image=images(9, size=14)), 1, "calibration-data", "(9, 3, 14, 14)"),
    "one row without its dimension": ("net", "a.npz", lambda: save("a.npz", image=images(1)[0]), 1, "calibration-data", "(3, 12, 12)"),
    "doubles": ("net", "a.npz", lambda: save("a.npz", image=images(9).astype(float)), 1, "calibration-data", "astype('float32')"),
    "pixels": ("net", "a.npz", lambda: save("a.npz", image=images(9).astype(np.uint8)), 1, "calibration-data", "uint8"),
    "objects": ("net", "a.npz", lambda: save("a.npz", image=np.array([None])), 1, "calibration-data", "object"),
    "no rows": ("net", "a.npz", lambda: save("a.npz", image=images(9)[:0]), 1, "calibration-data", "(0, 3, 12, 12)"),
    "columns": ("net", "a.npz", lambda: save("a.npz", image=np.asfortranarray(images(9))), 1, "calibration-data", "by columns"),
    "what is no number": ("net", "a.npz", lambda: save("a.npz", image=images(9) / 0 * 0), 1, "calibration-data", "row 0 of `image`"),
    "unequal rows": ("two", "a.npz", lambda: save("a.npz", left=images(9), right=images(8)), 1, "calibration-data", "`left` has 9, `right` has 8"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", REFUSED)
def test_a_calibration_that_does_not_fit_is_refused(case: str, archc_build: Callable[..., Ran]) -> None:
    spec, place, make, exit_code, code, words = REFUSED[case]
    make()
    ran = archc_build(f"{spec}.yaml", *(["--calibrate", place] if place else []))
    assert (ran.code, ran.out) == (exit_code, "")
    assert f"error[{code}]" in ran.err
    assert words in " ".join(ran.err.split())


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code", "words"),
    [
        (["--int8-keep", "blok"], 2, "no-such-step", "did you mean `block`?"),
        (["--int8-keep", "conv1", "--int8-keep", "block", "--int8-keep", "join", "--int8-keep", "last", "--int8-keep", "fc"], 2, "bad-option", "no convolution and no linear layer is left"),
        (["--max-error", "1e-9"], 1, "precision-lost", "--int8-keep"),
        (["--calibration", "mean"], 2, "usage", "minmax"),
        (["--precision", "fp32"], 2, "bad-option", "`--calibrate` is for 8 bits"),
        (["--export", "torch"], 2, "bad-option", "--precision"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit(
    arguments: list[str], exit_code: int, code: str, words: str, archc_build: Callable[..., Ran]
) -> None:
    save("a.npz", image=images(9))
    ran = archc_build("net.yaml", "--calibrate", "a.npz", *arguments)
    assert ran.code == exit_code
    assert f"error[{code}]" in ran.err or code == "usage"
    assert words in " ".join(ran.err.split())


def test_damaged_pictures_are_left_out_and_told(archc_build: Callable[..., Ran]) -> None:
    broken("photos", 8, 2)
    ran = archc_build("net.yaml", "--calibrate", "photos", "--max-error", "1")
    assert ran.code == 0
    assert "2 pictures could not be read, and are left out" in " ".join(ran.err.split())


def test_a_build_in_8_bits(archc_build: Callable[..., Ran]) -> None:
    """Its report is of what is held out; the file runs in this process, says what it is, and two builds are equal."""
    photos(Path("photos"), 60)
    ran = archc_build("net.yaml", "--calibrate", "photos", "--format", "json")
    assert ran.code == 0
    report = json.loads(ran.out)["precision"]
    assert (report["precision"], report["count"], report["inputs"]) == ("int8", 12, "held-out pictures of photos")
    assert 0 < report["worst"] < report["max_error"]
    first = Path("out.onnx").read_bytes()
    archc_build("net.yaml", "--calibrate", "photos")
    assert Path("out.onnx").read_bytes() == first
    with pytest.warns(UntrainedWarning):
        session = Session("out.onnx", device="cpu")
    assert session.session.doubt == ""
    assert session.artifact.precision == "int8"
    assert repr(session).startswith("net in int8 on cpu")
    assert json.loads(session.artifact.metadata["archc.calibration"]) == {
        "method": "minmax",
        "calibrating": 48,
        "held_out": 12,
    }


def test_pixels_as_inputs(archc_build: Callable[..., Ran]) -> None:
    """The file normalises itself; the ranges are those of what it makes of pixels, and it answers as one of floats does."""
    photos(Path("photos"), 60)
    ran = archc_build("net.yaml", "--calibrate", "photos", "--input-type", "uint8", "--format", "json")
    assert ran.code == 0
    report = json.loads(ran.out)["precision"]
    assert (report["precision"], report["count"]) == ("int8, uint8 input", 12)
    assert report["worst"] < 0.05
    with pytest.warns(UntrainedWarning):
        session = Session("out.onnx", device="cpu")
    assert session.session.doubt == ""
    assert (session.inputs["image"].dtype, session.artifact.precision) == ("uint8", "int8")
    save("pixels.npz", image=(images(60) * 60 + 100).clip(0, 255).astype(np.uint8))
    assert archc_build("net.yaml", "--calibrate", "pixels.npz", "--input-type", "uint8").code == 0


@pytest.mark.parametrize("batch", ["dynamic", "4"])
def test_several_inputs(batch: str, archc_build: Callable[..., Ran]) -> None:
    save("two.npz", left=images(60), right=images(60, seed=1))
    ran = archc_build("two.yaml", "--calibrate", "two.npz", "--batch", batch)
    assert ran.code == 0
    assert "held-out rows of two.npz" in ran.out


def test_lenet_keeps_its_answers_on_the_digits_held_out(tmp_path: Path) -> None:
    """Of 450 real digits at most 2 answers change; calibrated with digits that it was trained on."""
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        pytest.skip("scikit-learn has the digits")
    # importing it takes far longer than all of this test
    with gzip.open(Path(package.submodule_search_locations[0], "datasets/data/digits.csv.gz")) as file:
        rows = np.loadtxt(file, delimiter=",")
    answers = rows[:, -1].astype(int)
    order = np.random.default_rng(0).permutation(len(rows))
    learned, held_out = order[450:], order[:450]
    pictures = [Image.fromarray(np.rint(row[:-1].reshape(8, 8) * (255 / 16)).astype(np.uint8)) for row in rows]
    folder = tmp_path / "digits"
    folder.mkdir()
    for at in learned[:100]:
        pictures[at].save(folder / f"{at:04}.png")
    net = archc.load("lenet5_modern")
    weights = Path(archc.__file__).parent / "archspecs/lenet/lenet5_modern.safetensors"
    net.export_onnx(tmp_path / "fp32.onnx", weights, proof="none")
    built = net.export_onnx(tmp_path / "int8.onnx", weights, proof="none", precision="int8", calibrate=folder)
    assert built.precision is not None
    assert built.precision.worst < 0.02
    sessions = [Session(tmp_path / name, device="cpu") for name in ("fp32.onnx", "int8.onnx")]
    before, after = (
        [each.top[0].index for each in session.classify([pictures[at] for at in held_out], top=1)]
        for session in sessions
    )
    assert sum(a != b for a, b in zip(before, after, strict=True)) <= 2
    right = np.mean(np.array(after) == answers[held_out])
    assert right > 0.97


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_net_of_the_zoo(tmp_path: Path) -> None:
    """A quarter of the file, every convolution on integers, and the error of a net of 26 convolutions within its bound."""
    random = np.random.default_rng(0)
    waves = np.sin(
        np.linspace(0, 40, 224)[:, None] * random.uniform(0.2, 3, (20, 3, 1, 1)) + random.uniform(0, 6, (20, 3, 1, 224))
    )
    np.savez(tmp_path / "inputs.npz", image=(2 * waves).astype(np.float32))
    net = archc.load("squeezenet1_1")
    plain = net.export_onnx(tmp_path / "fp32.onnx", proof="none")
    built = net.export_onnx(tmp_path / "int8.onnx", precision="int8", calibrate=tmp_path / "inputs.npz")
    assert built.parity is not None
    assert built.precision is not None
    assert (built.precision.count, built.precision.inputs) == (4, "held-out rows of inputs.npz")
    assert built.precision.worst < 0.1
    assert all(layer.source for layer in built.precision.layers)
    # in a net of 5 MB the texts of its metadata count
    assert built.artifacts[0].bytes < 0.3 * plain.artifacts[0].bytes
    nodes = onnx.load(built.artifacts[0].path).graph.node
    assert all(each.input[1].endswith("/weight/DequantizeLinear") for each in nodes if each.op_type == "Conv")
