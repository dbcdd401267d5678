"""`archc doctor` on machines that have something wrong: it says what, gives a command, and changes nothing."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from archc.runtime.devices import DEVICES
from archc.runtime.doctor import packages
from archc.runtime.libraries import read_needed

from .fake_machine import Machine, write_library

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not (shutil.which("cc") or shutil.which("gcc")),
    reason="shared libraries are made here as Linux has them, by a C compiler",
)
CUDA_12 = ["libcudart.so.12", "libcublas.so.12", "libcudnn.so.9", "libc.so.6", "libcuda.so.1"]
TORCH = "from typing import Optional\n__version__ = '2.9.0'\ncuda: Optional[str] = {}\nclass Tensor: pass\n"


class Wrong(NamedTuple):
    """A machine, and one finding on it: its name, whether it is wrong, words of its value and of its advice, and the exit code."""

    make: Callable[[Machine], Any]
    name: str
    ok: bool | None
    value: list[str]
    advice: list[str] = []
    exit_code: int = 0
    area: str = "cpu"


def both_wheels(m: Machine) -> None:
    m.add_distribution("onnxruntime", "1.30.0", "onnxruntime")
    m.add_distribution("onnxruntime-gpu", "1.31.0", "onnxruntime")


def third_wheel(m: Machine) -> None:
    m.add_distribution("onnxruntime-openvino", "1.30.0", "onnxruntime")


def cuda(
    m: Machine, *here: str, driver: int = 13000, status: int = 0, needed: list[str] = CUDA_12, **more: Any
) -> None:
    m.add_onnxruntime("12.4", needed, **more)
    for name in here:
        m.add_library(name)
    if driver:
        m.add_driver(driver, status)


def torch(m: Machine, version: str) -> None:
    package = m.add_package("torch", TORCH.format(version))
    (package / "version.py").write_text(TORCH.format(version))
    m.add_distribution("torch", "2.9.0", "torch")


def set_variable(m: Machine, name: str, value: str) -> None:
    m.variables[name] = value


def without_cuda(m: Machine) -> None:
    cuda(m, *LIBRARIES)
    module = m.packages / "onnxruntime" / "__init__.py"
    module.write_text(module.read_text("utf-8").replace('"CUDAExecutionProvider", ', ""), "utf-8")


def without_the_provider_s_file(m: Machine) -> None:
    """As on Windows, where it has another name and says nothing of its libraries."""
    cuda(m)
    (m.packages / "onnxruntime" / "capi" / "libonnxruntime_providers_cuda.so").unlink()


def out_of_range(m: Machine) -> None:
    cuda(m, *LIBRARIES)
    m.add_distribution("onnxruntime-gpu", "1.10.0", "onnxruntime")


PLUGINS = """
class Device: ep_name, ep_metadata = "OpenVINOExecutionProvider", {{}}
def get_ep_devices(): return [Device] if done else []
done = []
def register_execution_provider_library(name, path): {}
"""


def plugin(m: Machine, registering: str) -> None:
    """OpenVINO's plugin, and an onnxruntime that takes plugins; without `registering` it is older than they are."""
    cuda(m, *LIBRARIES)
    m.add_package("onnxruntime_ep_openvino", "def get_library_path(): return 'plugin.so'")
    if registering:
        module = m.packages / "onnxruntime" / "__init__.py"
        module.write_text(module.read_text("utf-8") + PLUGINS.format(registering), "utf-8")


LIBRARIES = ("libcudart.so.12", "libcublas.so.12", "libcudnn.so.9")
MACHINES = {
    "both wheels": Wrong(both_wheels, "onnxruntime wheels", False, ["onnxruntime and onnxruntime-gpu", "overwrite"],
                         ["pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'onnxruntime"], 3),
    "a wheel of another name": Wrong(third_wheel, "onnxruntime wheels", False, ["onnxruntime-openvino"], ["pip uninstall -y"], 3),
    "a version that is too old": Wrong(lambda m: m.add_distribution("pyyaml", "5.4", "yaml"), "pyyaml", False, ["5.4", ">=6.0.1", "<7"],
                                       ["pip install 'pyyaml"], 3),
    "a version that is too new": Wrong(lambda m: m.add_distribution("click", "9.1", "click"), "click", False, ["9.1", "<9"],
                                       ["pip install 'click"], 3),
    "torch without its libraries": Wrong(
        lambda m: m.add_package("torch", "raise OSError('libtorch_cpu.so: cannot open shared object file')"),
        "torch", False, ["does not import", "libtorch_cpu.so"], ["pip install --force-reinstall --no-deps 'torch>=2.4,<3'"], 3),
    "a package that kills": Wrong(lambda m: m.add_package("onnx", "import os; os.abort()"), "onnx", False, ["SIGABRT"], ["pip install"], 3),
    "half of a package": Wrong(lambda m: m.add_package("onnxruntime", ""), "onnxruntime-gpu", False, ["does not import", "InferenceSession"],
                               ["pip install --force-reinstall"], 3),
    "an extra by half": Wrong(lambda m: m.add_distribution("nvidia-cufft", "12.1", "nvidia"), "extra cuda", False,
                              ["half installed", "nvidia-curand"], ["pip install 'onnxruntime-gpu[cuda,cudnn]>=1.21,<2'"], area="gpu"),
    "an extra in another version": Wrong(lambda m: m.add_distribution("nvidia-cufft", "11.0", "nvidia"), "extra cuda", False,
                                         ["nvidia-cufft 11.0 is not within"], ["onnxruntime-gpu[cuda,cudnn]"], area="gpu"),
    "no driver": Wrong(lambda m: cuda(m, driver=0), "cuda", None, ["libcuda.so.1"], ["cpu"], area="gpu"),
    "no driver, no libraries": Wrong(lambda m: cuda(m, driver=0, needed=["libcublas.so.77"]), "cuda libraries", None,
                                     ["not here: libcublas.so.77"], ["onnxruntime-gpu[cuda,cudnn]"], area="gpu"),
    "a driver that is too old": Wrong(lambda m: cuda(m, *LIBRARIES, driver=11080), "cuda", False, ["CUDA 11.8", "built for CUDA 12"],
                                      ["update the driver"], area="gpu"),
    "a driver without a GPU": Wrong(lambda m: cuda(m, *LIBRARIES, status=100), "cuda", False, ["no GPU", "100"], ["nvidia-smi"], area="gpu"),
    "all of CUDA": Wrong(lambda m: cuda(m, *LIBRARIES), "cuda", True, ["load"], area="gpu"),
    "onnxruntime without CUDA": Wrong(without_cuda, "cuda", False, ["built without CUDA"], ["pip uninstall -y onnxruntime onnxruntime-gpu && pip install 'onnxruntime-gpu>="], area="gpu"),
    "no file of the provider": Wrong(without_the_provider_s_file, "cuda", True, ["load"], area="gpu"),
    "onnxruntime out of range": Wrong(out_of_range, "onnxruntime-gpu", False, ["1.10.0, which is not within"], ["pip install 'onnxruntime-gpu"], 3),
    "CUDA of an onnxruntime out of range": Wrong(out_of_range, "cuda", True, ["load"], exit_code=3, area="gpu"),
    "providers of an onnxruntime out of range": Wrong(out_of_range, "providers", True, ["cpu, cuda"], exit_code=3),
    "no cuDNN": Wrong(lambda m: cuda(m, "libcudart.so.12", "libcublas.so.12"), "cuda libraries", False, ["not here: libcudnn.so.9"],
                      ["pip install 'onnxruntime-gpu[cuda,cudnn]>=1.21,<2'"], area="gpu"),
    "a cuDNN that nothing names": Wrong(lambda m: cuda(m, "libcudart.so.12", needed=["libcudart.so.12"]), "cuda libraries", False,
                                        ["libcudnn.so.9"], area="gpu"),
    "an older cuDNN": Wrong(lambda m: cuda(m, "libcudart.so.12", "libcublas.so.12", "libcudnn.so.8"), "cuda libraries", False,
                            ["libcudnn.so.9 is wanted", "libcudnn.so.8 is here"], area="gpu"),
    "an older cuDNN without a driver": Wrong(lambda m: cuda(m, "libcudnn.so.8", driver=0), "cuda libraries", False,
                                             ["libcudnn.so.9 is wanted", "libcudnn.so.8"], area="gpu"),
    "another CUDA": Wrong(lambda m: cuda(m, "libcudart.so.11", needed=["libcudart.so.77"]), "cuda libraries", False,
                          ["libcudart.so.77 is wanted", "libcudart.so.11"], area="gpu"),
    "TensorRT is not here": Wrong(lambda m: cuda(m, *LIBRARIES, tensorrt=["libnvinfer.so.10"]), "tensorrt", None, ["not here", "libnvinfer.so.10"],
                                  ["pip install 'tensorrt-cu12>=10,<11'"], area="gpu"),
    "a newer TensorRT": Wrong(lambda m: cuda(m, *LIBRARIES, "libnvinfer.so.11", tensorrt=["libnvinfer.so.10", "libnvonnxparser.so.10"]),
                              "tensorrt", False, ["libnvinfer.so.10 is wanted", "libnvinfer.so.11 is here"],
                              ["pip install 'tensorrt-cu12>=10,<11'"], area="gpu"),
    "the right TensorRT": Wrong(lambda m: cuda(m, *LIBRARIES, "libnvinfer.so.10", tensorrt=["libnvinfer.so.10"]), "tensorrt", True, ["load"],
                                area="gpu"),
    "torch without CUDA": Wrong(lambda m: (cuda(m), torch(m, "None")), "torch and cuda", True, ["without CUDA", "CUDA 12"], ["fine"],
                                area="gpu"),
    "torch with another CUDA": Wrong(lambda m: (cuda(m), torch(m, "'13.0'")), "torch and cuda", None, ["CUDA 13.0", "CUDA 12"],
                                     ["onnxruntime-gpu[cuda,cudnn]"], area="gpu"),
    "a plugin that works": Wrong(lambda m: plugin(m, "done.append(1)"), "openvino", True, ["works", "Intel"], area="plugin"),
    "a plugin before its time": Wrong(lambda m: plugin(m, ""), "openvino", False, ["1.20.0", "takes no plugins"], ["onnxruntime", "1.24"],
                                      area="plugin"),
    "a plugin that kills": Wrong(lambda m: plugin(m, "import os; os.abort()"), "openvino", False, ["ends the process"], ["the device cpu"],
                                 area="plugin"),
    "a plugin of no device": Wrong(lambda m: plugin(m, "pass"), "openvino", False, ["takes none of the devices here"], ["Intel"],
                                   area="plugin"),
    "hidden GPUs": Wrong(lambda m: set_variable(m, "CUDA_VISIBLE_DEVICES", ""), "CUDA_VISIBLE_DEVICES", None, ["hides"],
                         ["unset CUDA_VISIBLE_DEVICES"], area="gpu"),
    "a path to nowhere": Wrong(lambda m: set_variable(m, "LD_LIBRARY_PATH", "/no/such/folder"), "LD_LIBRARY_PATH", None, ["/no/such/folder is no"],
                               ["export LD_LIBRARY_PATH"], area="gpu"),
    "escapes in a variable": Wrong(lambda m: set_variable(m, "CUDA_PATH", "\x1b[31m"), "CUDA_PATH", None, ["\x1b[31m"]),
    "a cache that is no folder": Wrong(lambda m: set_variable(m, "ARCHC_CACHE", "/dev/null"), "cache", None, ["is no folder"], ["ARCHC_CACHE=FOLDER"]),
    "no temporary folder": Wrong(lambda m: set_variable(m, "TMPDIR", "/no/such/folder"), "temporary folder", False, ["cannot be written"],
                                 ["export TMPDIR"], 3),
}  # fmt: skip


def files_of(folder: Path) -> set[str]:
    """Every file below a folder."""
    return {os.path.join(at, name) for at, _, names in os.walk(folder) for name in names}


# each starts archc, which starts a process for each package
FAST = {
    "both wheels",
    "torch without its libraries",
    "an extra by half",
    "a driver that is too old",
    "an older cuDNN",
    "a newer TensorRT",
    "a plugin that kills",
}
# what is wrong on one machine at once: each finding is the same as where it is alone, which the soak shows
TOGETHER = (
    ("a wheel of another name", "a version that is too old", "a version that is too new", "a package that kills", "an extra in another version",
     "hidden GPUs", "escapes in a variable", "a cache that is no folder", "no temporary folder"),
    ("onnxruntime out of range", "CUDA of an onnxruntime out of range", "providers of an onnxruntime out of range"),
    ("the right TensorRT", "torch with another CUDA", "a cache that is no folder"),
    ("all of CUDA", "TensorRT is not here", "torch without CUDA", "a version that is too old"),
)  # fmt: skip
AT_ONCE = {case for cases in TOGETHER for case in cases}


def mark(case: str) -> Any:
    if case in FAST:
        return case
    return pytest.param(case, marks=pytest.mark.soak if case in AT_ONCE else pytest.mark.slow)


@pytest.mark.parametrize("case", [mark(each) for each in MACHINES])
def test_what_is_wrong_with_a_machine(tmp_path: Path, case: str) -> None:
    check_machine(tmp_path, [case])


@pytest.mark.slow
@pytest.mark.parametrize("cases", TOGETHER, ids=lambda cases: cases[0])
def test_what_is_wrong_at_once(tmp_path: Path, cases: tuple[str, ...]) -> None:
    check_machine(tmp_path, cases)


def check_machine(folder: Path, cases: Sequence[str]) -> None:
    """A machine on which all of this is wrong: each is found, with its words, and no file is another than before."""
    machine = Machine(folder)
    for make in dict.fromkeys(MACHINES[case].make for case in cases):
        make(machine)
    machine.variables.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    before = files_of(folder)
    found, exit_code = machine.examine()
    assert exit_code == max(MACHINES[case].exit_code for case in cases), found
    for wrong in (MACHINES[case] for case in cases):
        finding = found[wrong.name]
        assert (finding["ok"], finding["area"]) == (wrong.ok, wrong.area), found
        for word in wrong.value:
            assert word in finding["value"], finding
        for word in wrong.advice:
            assert word in finding["advice"].replace(f"{sys.executable} -m pip", "pip"), finding
    assert files_of(folder) == before


def test_for_people_it_is_a_table_without_escapes(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    both_wheels(machine)
    machine.variables["CUDA_PATH"] = "\x1b[31m"
    done = machine.run("doctor")
    assert done.returncode == 3 and not done.stderr and "\x1b" not in done.stdout
    text = " ".join(done.stdout.split())  # lines fold where the output is a terminal, as COLUMNS may say
    assert "onnxruntime wheels not ok: " in text and "pip uninstall -y" in text


def test_nothing_is_wrong_here() -> None:
    """In the environment of the tests, which `make` has set up."""
    from archc.runtime.doctor import examine_machine

    found = examine_machine()
    by_name = {each.name: each for each in found}
    healthy = [
        "python",
        "archc-onnx",
        "numpy",
        "pillow",
        "pyyaml",
        "click",
        "onnx",
        "torch",
        "providers",
        "current folder",
        "temporary folder",
    ]
    assert [by_name[name] for name in healthy if by_name[name].ok is not True] == []
    assert [each for each in found if each.ok is False and each.area == "cpu"] == []
    assert by_name["python"].value == sys.version.split()[0] and "cpu" in by_name["providers"].value
    assert {device.name for device in DEVICES} <= {*by_name} and by_name["cpu"].ok


@pytest.mark.parametrize("module", ["yaml", "jsonschema", "onnx", "torch"])
def test_a_server_is_in_order_without_what_compiles(module: str) -> None:
    (package,) = [each for each in packages.PACKAGES if each.module == module]
    missing = packages.describe_missing(package)
    assert missing.ok is None and "pip install" in missing.advice


def test_the_libraries_that_a_file_names(tmp_path: Path) -> None:
    write_library(tmp_path / "a.so", CUDA_12)
    assert read_needed(tmp_path / "a.so") == tuple(CUDA_12)
    whole = (tmp_path / "a.so").read_bytes()
    for end in range(0, len(whole) - 1, 7):  # whatever is cut off: a shorter answer, or ValueError
        (tmp_path / "cut.so").write_bytes(whole[:end])
        try:
            names = read_needed(tmp_path / "cut.so")
        except ValueError:
            continue
        assert len(names) <= len(CUDA_12)
    import onnxruntime.capi

    (module,) = Path(onnxruntime.capi.__file__).parent.glob("onnxruntime_pybind11_state*.so")
    assert "libc.so.6" in read_needed(module)


def test_no_process_stays_where_the_next_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    popen = subprocess.Popen

    def start(*words: Any, **options: Any) -> subprocess.Popen[str]:
        if started:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        started.append(popen(*words, **options))
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(BlockingIOError):
        packages.import_packages()
    assert started[0].returncode is not None
