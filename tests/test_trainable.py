"""Which nets `archc train` takes: any other is told in one message, at its place in the spec, before pictures are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from archc.compiler.diagnostics import SpecError
from archc.training import train
from archc.training.prepare import check_graph, prepare_net
from archc.training.recipe.recipe import DataRules, OptimizerRules, Recipe
from archc.training.requests import plan_request
from archc.training.trainable import refuse_untrainable

HEAD = "archspec: 1\nname: net\n"
ONE = "input: {image: [3, 8, 8]}\n"
RECIPE = Recipe("small", batch=6, epochs=1, optimizer=OptimizerRules("sgd", {"lr": 0.1}), data=DataRules(workers=0))

# a spec behind HEAD; the code and the line of its one message; and parts of its message and its help
REFUSED: dict[str, tuple[str, str, int, str, str]] = {
    "two pictures": (
        "input: {left: [3, 8, 8], right: [3, 8, 8]}\ngraph: [{concat: [{from: left}, {from: right}]}, global_avg_pool, {name: fc, linear: 3}]\n",
        "not-an-image-model", 3, "has 2 inputs: `left`, `right`", "docs/howto/inputs.md",
    ),
    "a picture and numbers": (
        "input:\n  image: [3, 8, 8]\n  numbers: [4, 1, 1]\ngraph: [{name: gap, global_avg_pool: {}, from: image}, {concat: [[], {from: numbers}]}, {name: fc, linear: 3}]\n",
        "not-an-image-model", 5, "has 2 inputs: `image`, `numbers`", "a loop of your own",
    ),
    "a map": (
        ONE + "graph:\n  - {name: scores, conv: {out: 3, kernel: 1}, output: map}\n",
        "not-a-classifier", 5, "the output, `map`, is f32[N,3,8,8]: a map", "let the net end in a `linear`",
    ),
    "one number": (
        ONE + "graph:\n  - global_avg_pool\n  - {name: age, linear: 1}\n",
        "not-a-classifier", 6, "f32[N,1]: one number, as of a regression", "archc.load(SPEC).to_torch()",
    ),
    "a map behind the classes": (
        ONE + "graph:\n  - {name: conv, conv: {out: 4, kernel: 1}}\n  - {name: gap, global_avg_pool: {}}\n  - {name: fc, linear: 3, output: classes}\n"
        "  - {name: mask, conv: {out: 1, kernel: 1}, from: conv, output: mask}\n",
        "not-a-classifier", 8, "the last output, `mask`, is f32[N,1,8,8]: a map", "let the net end",
    ),
    "two tasks": (
        ONE + "graph:\n  - {name: gap, global_avg_pool: {}}\n  - {name: age, linear: 9, output: age}\n  - {name: fc, linear: 3, from: gap, output: classes}\n",
        "not-a-classifier", 6, "`age` would stay untrained: `age` alone needs it", "`freeze: [age]`",
    ),
}  # fmt: skip
TAKEN = {
    "features beside the classes": ONE + "graph:\n  - {name: gap, global_avg_pool: {}, output: features}\n  - {name: fc, linear: 3, output: classes}\n",
    "classes of 1×1": ONE + "graph: [global_avg_pool, {name: fc, conv: {out: 3}}]\n",
}  # fmt: skip


def write(folder: Path, text: str) -> Path:
    (folder / "net.yaml").write_text(HEAD + text, "utf-8")
    return folder / "net.yaml"


@pytest.mark.parametrize("name", REFUSED)
def test_a_net_that_training_does_not_take(name: str, tmp_path: Path) -> None:
    text, code, line, message, help = REFUSED[name]
    spec = write(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        # the pictures are not there, and nothing was looked for
        train(spec, RECIPE, data=tmp_path / "photos", output=tmp_path / "run", device="cpu")
    (found,) = caught.value.diagnostics
    assert (found.code, found.span and found.span.line) == (code, line)
    assert message in found.message and help in found.help
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", TAKEN)
def test_a_net_that_training_takes(name: str, tmp_path: Path) -> None:
    request = plan_request(str(write(tmp_path, TAKEN[name])), RECIPE, None, data=tmp_path)
    refuse_untrainable(*check_graph(request, {}), ())


def test_a_frozen_step_may_stay_untrained(tmp_path: Path) -> None:
    request = plan_request(str(write(tmp_path, REFUSED["two tasks"][0])), RECIPE, None, data=tmp_path)
    refuse_untrainable(*check_graph(request, {}), ("age",))


CHANNELS = "graph: [{name: conv, conv: 4}, global_avg_pool, {name: fc, linear: 2}]\n"
# the input's channels, the modes of the pictures in their order (None: no picture), and whether the net takes them
PICTURES: dict[str, tuple[int, tuple[str | None, ...], bool]] = {
    "colours for four channels": (4, ("RGB", "RGB"), False),
    "broken ones beside colours for four": (4, (None, "RGB"), False),
    "transparency for four": (4, ("RGBA", "RGBA"), True),
    "one that has them": (4, ("RGB", "RGBA"), True),
    "colours for two": (2, ("RGB", "L"), False),
    "grey and colours for two": (2, ("L", "RGB"), False),
    "grey for two": (2, ("L", "I;16"), False),
    "grey with transparency for two": (2, ("LA", "LA"), True),
    "colours for grey": (1, ("RGB", "RGBA"), True),
    "grey for colours": (3, ("L", "LA"), True),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_other_channels_are_told_before_any_work(name: str, tmp_path: Path) -> None:
    channels, modes, fits = PICTURES[name]
    spec = write(tmp_path, f"input: {{image: [{channels}, 8, 8]}}\n{CHANNELS}")
    for part in ("train", "val"):
        for at, mode in enumerate(modes):
            (place := tmp_path / part / "ab"[at]).mkdir(parents=True)
            Image.new(mode, (8, 8)).save(place / "x.png") if mode else (place / "x.png").write_text("no picture")
    request = plan_request(str(spec), RECIPE, tmp_path / "run", data=tmp_path)
    if fits:
        assert len(prepare_net(request).data.train) == 2
        return
    with pytest.raises(SpecError) as caught:
        train(spec, RECIPE, data=tmp_path, output=tmp_path / "run", device="cpu")
    (found,) = caught.value.diagnostics
    assert (found.code, found.span and found.span.line) == ("image-channels", 3)
    assert (
        f"the model wants {channels}" in found.message
        and f"input: {{image: [{3 if 'RGB' in modes else 1}, 8, 8]}}" in found.help
    )
    assert not (tmp_path / "run").exists()


def test_a_head_of_other_classes(tmp_path: Path) -> None:
    text = ONE + "graph:\n  - {name: conv, conv: {out: 4, kernel: 1}}\n  - {name: side, aux: 0.3, steps: [global_avg_pool, {name: fc, linear: 4}]}\n  - global_avg_pool\n  - {name: fc, linear: 3}\n"  # fmt: skip
    request = plan_request(str(write(tmp_path, text)), RECIPE, None, data=tmp_path)
    with pytest.raises(SpecError, match="both learn the same classes"):
        refuse_untrainable(*check_graph(request, {}), ())
