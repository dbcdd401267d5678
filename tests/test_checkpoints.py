"""Checkpoints as they are found in the wild, by the command line: what is read, what is left out, and what is refused."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import archc
from archc.cli import main
from archc.runtime import Session, UntrainedWarning

from .small_net import answers, built, run, state
from .wild import FORMS, State, dotted, old, torch_0_3

__all__ = ["run"]  # the fixture


@pytest.mark.parametrize("form", FORMS)
def test_forms(form, run):
    tensors = state()
    FORMS[form](tensors, "file.pth")
    done = run("small.yaml", "--weights", "file.pth", "--format", "json")
    assert done.code == 0, done.err
    assert done.weights["source"] == "file.pth" and not done.weights["missing"] and not done.weights["unused"]
    np.testing.assert_allclose(built(), answers(tensors), rtol=1e-4, atol=1e-5)


def test_the_old_form_is_what_torch_reads(run):
    """Our own writer of it is held against torch's reader, as no torch of that age is here."""
    tensors = state()
    torch_0_3(tensors, "file.pth")
    found = torch.load("file.pth", weights_only=False)
    assert list(found) == [k for k in dotted(tensors) if "num_batches" not in k]
    assert all(torch.equal(found[k], v) for k, v in dotted(tensors).items() if k in found)


@pytest.mark.parametrize("save", [torch.save, old, save_file])
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats(kind, save, run):
    tensors = {k: v.to(kind) if v.is_floating_point() else v for k, v in state().items()}
    save(tensors, "file.bin")
    done = run("small.yaml", "--weights", "file.bin")
    assert done.code == 0, done.err
    floats = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    np.testing.assert_allclose(built(), answers(floats), rtol=1e-4, atol=1e-5)


def test_dots_before_digits_are_not_guessed(run):
    """`layer11` and `layer1.1` read the same without dots: neither is taken for the other."""
    tensors = {**dotted(state()), "layer1.norm1.9": torch.ones(8), "layer1.nor.m1.weight": torch.ones(8)}
    tensors["layer1.norm.1.weight"], tensors["layer.1.norm.1.weight"] = torch.ones(8), torch.ones(8)
    torch.save(tensors, "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and "layer1.norm1.weight" in done.err and "[weights-missing]" in done.err


def test_another_number_of_classes(run):
    torch.save(state(), "five.pth")
    wanted = ["small.yaml", "--set", "classes=10", "--weights", "five.pth"]
    refused = run(*wanted)
    assert refused.code == 1 and "[weights-misshapen]" in refused.err
    for said in (
        "fc.weight 5×8 for 10×8",
        "fc.bias 5 for 10",
        "`--weights-skip aux.fc --weights-skip fc` leaves them untrained",
    ):
        assert said in refused.err
    skips = ["--weights-skip", "fc", "--weights-skip", "aux.fc"]
    told = run(*wanted, *skips)
    assert (
        told.code == 0
        and "left out as asked: fc, aux.fc; 4 tensors untrained (aux, fc)" in told.out
        and "warning" not in told.err
    )
    report = run(*wanted, *skips, "--format", "json").weights
    assert report["skipped"] == ["fc", "aux.fc"] and report["untrained"] == ["aux", "fc"]
    assert set(report["missing"]) == set(report["unused"]) == {"fc.weight", "fc.bias", "aux.fc.weight", "aux.fc.bias"}
    artifact = Session("small.onnx", device="cpu").artifact
    assert not artifact.trained and artifact.untrained == ("fc",)  # the head is not in the file
    assert built().shape == (1, 10)


def test_left_out_steps_start_from_the_seed(run):
    tensors = state()
    torch.save(tensors, "file.pth")
    assert run("small.yaml", "--weights", "file.pth", "--weights-skip", "fc", "--seed", "7").code == 0
    new = archc.load("small.yaml", params={}).to_torch(seed=7).state_dict()
    np.testing.assert_allclose(
        built(), answers({k: new[k] if k.startswith("fc.") else v for k, v in tensors.items()}), rtol=1e-4, atol=1e-5
    )
    again = archc.load("small.yaml", params={}).to_torch("file.pth", 7, ["fc"]).state_dict()
    assert torch.equal(again["fc.weight"], new["fc.weight"]) and torch.equal(again["bn1.bias"], tensors["bn1.bias"])


def test_a_run_says_what_is_untrained(run, capsys):
    from PIL import Image

    torch.save(state(), "file.pth")
    run("small.yaml", "--weights", "file.pth", "--weights-skip", "fc")
    Image.new("RGB", (12, 12)).save("photo.png")
    assert main(["run", "small.onnx", "photo.png"]) == 0
    err = capsys.readouterr().err
    assert err.count("warning") == 1 and "small was built with untrained steps (fc)" in err
    with pytest.warns(UntrainedWarning, match=r"untrained steps \(fc\)"):
        assert repr(Session("small.onnx", device="cpu")).endswith("weights untrained: fc")
    assert main(["run", "small.onnx", "photo.png", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert not told["trained"] and told["untrained"] == ["fc"]
    run("small.yaml", "--weights", "file.pth")
    with warnings.catch_warnings(action="error"):
        assert "untrained" not in repr(Session("small.onnx", device="cpu"))
    assert main(["run", "small.onnx", "photo.png"]) == 0
    assert "untrained" not in capsys.readouterr().err


def test_heads_may_be_absent(run):
    torch.save({k: v for k, v in state().items() if not k.startswith("aux.")}, "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 0 and "2 tensors untrained (aux)" in done.out
    assert Session("small.onnx", device="cpu").artifact.trained


def test_tensors_without_a_place(run):
    """Beside the net's steps they are told; inside of one they show that the checkpoint is another net's."""
    torch.save({**state(), "extra.weight": torch.ones(3)}, "beside.pth")
    beside = run("small.yaml", "--weights", "beside.pth")
    assert beside.code == 0 and "warning[weights-unused]" in beside.err and "extra.weight" in beside.err
    torch.save({**state(), "layer1.conv2.weight": torch.ones(8, 8, 3, 3), "conv1.bias": torch.ones(8)}, "inside.pth")
    inside = run("small.yaml", "--weights", "inside.pth")
    assert inside.code == 1 and "[weights-unused]" in inside.err and "--weights-skip layer1.conv2" in inside.err
    allowed = run("small.yaml", "--weights", "inside.pth", "--weights-skip", "layer1.conv2", "--weights-skip", "conv1")
    assert allowed.code == 0 and "warning" not in allowed.err


USAGE = {
    "unknown step to skip": (["--weights", "a.pth", "--weights-skip", "layer2"], "did you mean `layer1`?"),
    "skip without weights": (["--weights-skip", "fc"], "give one with --weights"),
    "no file": (["--weights", "b.pth"], "cannot be read"),
    "unknown step": (["--weights", "layr1=a.pth"], "did you mean `layer1`?"),
    "step without weights": (["--weights", "2=a.pth"], "has no weights"),
    "two for the net": (["--weights", "a.pth", "--weights", "b.pth"], "two checkpoints for the whole net"),
    "two for a step": (["--weights", "fc=a.pth", "--weights", "fc=b.pth"], "two checkpoints for `fc`"),
    "one for the net, one for a step": (["--weights", "a.pth", "--weights", "fc=a.pth"], "two checkpoints for `fc`"),
    "a step in another": (["--weights", "aux=a.pth", "--weights", "aux.fc=a.pth"], "two checkpoints for `aux.fc`"),
}


@pytest.mark.parametrize("what", USAGE)
def test_usage(what, run):
    arguments, said = USAGE[what]
    torch.save(state(), "a.pth")
    done = run("small.yaml", *arguments)
    assert done.code == 2 and said in done.err


def test_a_file_with_an_equals_sign(run):
    torch.save(state(), "fc=1.pth")
    assert run("small.yaml", "--weights", "fc=1.pth").code == 0


def probabilities(*seeds: int) -> Any:
    parts = [torch.softmax(torch.from_numpy(answers(state(seed))), 1).numpy() for seed in seeds]
    return np.mean(parts, axis=0)


def test_an_ensemble_of_three_files(run):
    for seed in (1, 2, 3):
        (torch.save if seed < 3 else save_file)(state(seed), f"{seed}.bin")
    files = [f"--weights=member{i}={i + 1}.bin" for i in range(3)]
    done = run("ensemble.yaml", *files, "--format", "json")
    assert done.code == 0, done.err
    assert done.weights["source"] == "1.bin (member0), 2.bin (member1), 3.bin (member2)" and not done.weights["missing"]
    np.testing.assert_allclose(built("ensemble.onnx"), probabilities(1, 2, 3), rtol=1e-4, atol=1e-6)
    assert Session("ensemble.onnx", device="cpu").artifact.trained


def test_an_ensemble_with_one_file_twice_and_an_untrained_member(run):
    torch.save({"state_dict": {f"module.{k}": v for k, v in state(1).items()}}, "a.pth")
    done = run("ensemble.yaml", "--weights", "member0=a.pth", "--weights", "member2=a.pth")
    assert done.code == 0, done.err
    assert "from a.pth (member0, member2)" in done.out and "untrained (member1)" in done.out
    artifact = Session("ensemble.onnx", device="cpu").artifact
    assert not artifact.trained and artifact.untrained == ("member1",)


def test_an_ensemble_from_python(run):
    torch.save(state(2), "b.pth")
    net = archc.load("ensemble.yaml", params={"members": 2})
    net.export_onnx("two.onnx", weights={"member0": state(1), "member1": "b.pth"})
    np.testing.assert_allclose(built("two.onnx"), probabilities(1, 2), rtol=1e-4, atol=1e-6)
    module = net.to_torch(weights={"member0": state(1), "member1": "b.pth"})
    net.export_onnx("again.onnx", weights=module.state_dict())
    assert Path("two.onnx").stat().st_size == pytest.approx(Path("again.onnx").stat().st_size, abs=100)
    np.testing.assert_array_equal(built("two.onnx"), built("again.onnx"))


def test_a_member_is_refused_by_its_own_name(run):
    torch.save({k: v for k, v in state().items() if k != "bn1.bias"}, "cut.pth")
    done = run("ensemble.yaml", "--weights", "member0=cut.pth")
    assert done.code == 1 and "cut.pth lacks 1 tensor: member0.bn1.bias" in done.err


def damage(change: Callable[[bytes], bytes], save: Callable[[State, str], None] = torch.save) -> Callable[[State, str], None]:  # fmt: skip
    def write(tensors: State, path: str) -> None:
        save(tensors, path)
        Path(path).write_bytes(change(Path(path).read_bytes()))

    return write


def changed(name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[State, str], None]:
    return lambda tensors, path: torch.save({**tensors, name: change(tensors[name])}, path)


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("CODE_RAN"),))


BAD: dict[str, tuple[Callable[[State, str], None], str]] = {
    "cut": (damage(lambda b: b[:-200]), "checkpoint-damaged"),
    "cut, before 1.6": (damage(lambda b: b[:-200], old), "checkpoint-damaged"),
    "cut in the pickle, before 1.6": (damage(lambda b: b[:200], old), "checkpoint-damaged"),
    "too long, before 1.6": (damage(lambda b: b + b"\0" * 9, old), "checkpoint-damaged"),
    "cut, safetensors": (damage(lambda b: b[:-9], save_file), "checkpoint-damaged"),
    "code": (lambda t, p: torch.save({**t, "evil": Evil()}, p), "checkpoint-refused"),
    "code, before 1.6": (lambda t, p: old({**t, "evil": Evil()}, p), "checkpoint-refused"),
    "a module": (lambda t, p: torch.save(torch.nn.Linear(2, 2), p), "weights-missing"),
    "a module, before 1.6": (lambda t, p: old(torch.nn.Linear(2, 2), p), "weights-missing"),
    "integers": (changed("fc.bias", torch.Tensor.long), "weights-dtype"),
    "complex": (changed("fc.bias", lambda v: v.to(torch.complex64)), "weights-dtype"),
    "not a number": (changed("fc.bias", lambda v: v * float("nan")), "weights-not-finite"),
    "infinite": (changed("bn1.running_var", lambda v: v / 0), "weights-not-finite"),
    "other shape": (changed("bn1.bias", lambda v: v.reshape(2, 4)), "weights-misshapen"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_files(what, run):
    write, code = BAD[what]
    write(state(), "file.pth")
    done = run("small.yaml", "--weights", "file.pth")
    assert done.code == 1 and f"error[{code}]" in done.err, done.err
    assert "file.pth" in done.err and not Path("CODE_RAN").exists()
