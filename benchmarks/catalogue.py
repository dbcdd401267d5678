"""Which benchmarks there are: what each asks, how it is run, which of its figures are shown, and the goals that they are held against.

How a benchmark measures is said once, in its script's docstring; the page takes it from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .goals import Goal
from .summaries import (
    check_agreement,
    compare_best,
    find_share_of_limit,
    keep,
    keep_graphs,
    mark_elsewhere,
    summarise_agreement,
    summarise_placement,
    summarise_zoo,
)
from .tables import CODE, Column, Table


class Benchmark(NamedTuple):
    """A benchmark, and its part of the page.

    `command` is the script in benchmarks/ with its arguments, without that for its results; `minutes` is about how long it takes on two
    quiet cores. `packages` are modules that it needs beside archc's own, `device` is the device that must be there. Its results are in the file
    `name`.json, or in the folder `name` for a script that has `--json-dir`.
    """

    name: str
    title: str
    question: str
    command: str
    minutes: int
    tables: Sequence[Table]
    goals: Sequence[Goal] = ()
    packages: Sequence[str] = ()
    device: str = ""
    folder: bool = False


NET = Column("net", "net", CODE)
SUMMARY = (Column("what", ""), Column("figure", ""))
PEERS = ("torchvision", "onnxscript")
FOUR = ("googlenet", "resnet50", "densenet121", "inception_v3")
TWO = ("googlenet", "resnet50")
HALF_WAYS = "--ways fp16 'fp16, fp16 io' 'stored as fp16' 'uint8 input'"


AGREEMENT = (
    Goal("each net within 1e-3 of torch", "max_rel", most=1e-3, form=".1e", choose=check_agreement),
    Goal("no node elsewhere", "away", most=0, choose=check_agreement),
)


def show_precision(error: str, *more: Column) -> Table:
    """The table of builds in other precisions; `error` is how the relative L2 is written."""
    return Table((NET, Column("way", "built"), Column("latency_ratio", "latency", ".2f"), Column("open_ratio", "opening", ".2f"),
                  Column("size_ratio", "file", ".3f"), Column("relative_l2", "relative L2", error), *more))  # fmt: skip


BUILD = Benchmark(
    "build", "Building", "How long does a build take, and how much memory, beside torch's own exporter?", "build.py --rounds 5", minutes=25,
    tables=(Table((NET, Column("times_faster", "times faster", ".1f"), Column("archc_s", "archc s", ".1f"), Column("torch_s", "torch s", ".1f"),
            Column("times_less_cpu", "less CPU", ".1f"), Column("times_a_copy", "of a copy", ".2f")), title="Time"),
     Table((NET, Column("times_less_memory", "times less", ".1f"), Column("archc_peak_mb", "archc MB", ".0f"),
            Column("torch_peak_mb", "torch MB", ".0f"), Column("copy_peak_mb", "copy MB", ".0f")), title="Peak memory")),
    goals=(
        *(Goal(f"`{net}`: 22 times faster", "times_faster", {"net": net}, least=22, form=".1f") for net in FOUR),
        Goal("`resnet152`: 18 times faster with SHA", "times_faster", {"net": "resnet152"}, least=18, form=".1f",
             needs=("sha_ni",)),
        Goal("`resnet152`: 14 times faster without SHA", "times_faster", {"net": "resnet152"}, least=14, form=".1f", lacks=("sha_ni",)),
        Goal("`vgg16`: at most 1.5 of a bare copy", "times_a_copy", {"net": "vgg16"}, most=1.5, form=".2f"),
        *(Goal(f"`{net}`: 5 times less memory", "times_less_memory", {"net": net}, least=5, form=".1f") for net in (*FOUR, "vgg16")),
        Goal("`resnet152`: 6 times less memory", "times_less_memory", {"net": "resnet152"}, least=6, form=".1f"),
    ),
    packages=PEERS,
)  # fmt: skip
START = Benchmark(
    "start", "Starting", "How long does a session take to open, with archc's cache and without, beside plain onnxruntime?",
    "start.py --runs 9", minutes=20,
    tables=(Table((NET, Column("way", "way"), Column("start_ms", "session ms", ".0f"), Column("start_ratio", "of torch", ".2f"),
            Column("cpu_ms", "CPU ms", ".0f"), Column("answer_ms", "answer ms", ".0f"), Column("answer_ratio", "of torch", ".2f"))),),
    goals=(
        Goal("`googlenet`, warm: session ≤ 0.25 of torch's", "start_ratio", {"net": "googlenet", "way": "warm"}, most=0.25, form=".2f"),
        Goal("`resnet152`, warm: session ≤ 0.12 of torch's", "start_ratio", {"net": "resnet152", "way": "warm"}, most=0.12, form=".2f"),
    ),
    packages=PEERS,
)  # fmt: skip
PRECISION_HALF = Benchmark(
    "precision", "Half floats", "What do half floats, weights stored as half, and uint8 inputs cost and give on the CPU?",
    f"precision.py --nets lenet5_modern squeezenet1_1 googlenet resnet50 {HALF_WAYS} --rounds 15", minutes=20, tables=(show_precision(".1e"),),
    goals=(
        Goal("stored as fp16: file ≤ 0.52 of fp32's", "size_ratio", {"way": "stored as fp16"}, most=0.52, form=".3f"),
        Goal("stored as fp16: at most 3 % slower", "latency_ratio", {"way": "stored as fp16"}, most=1.03, form=".2f"),
    ),
    packages=("skimage",),
)  # fmt: skip
PRECISION_INT8 = Benchmark(
    "precision_int8", "8 bits", "What do 8 bits cost and give on the CPU, calibrated with photos?",
    "precision.py --nets googlenet resnet50 --ways int8 --rounds 15", minutes=15, tables=(show_precision(".1%", Column("top1_agreement", "same top-1", ".0%")),),
    goals=(
        *(Goal(f"`{net}`: 2.5 times faster with VNNI (latency ≤ 0.40)", "latency_ratio", {"net": net, "way": "int8"}, most=0.4,
               form=".2f", needs=("avx512_vnni",)) for net in TWO),
        *(Goal(f"`{net}`: relative L2 ≤ 2 %", "relative_l2", {"net": net, "way": "int8"}, most=0.02, form=".1%") for net in TWO),
        *(Goal(f"`{net}`: file ≤ 0.27 of fp32's", "size_ratio", {"net": net, "way": "int8"}, most=0.27, form=".3f") for net in TWO),
    ),
    packages=("skimage",),
)  # fmt: skip
INT8_KINDS = Benchmark(
    "int8_kinds", "Kinds of 8 bits", "Which 8 bits should a file have: signed or not, and why do archc's weights take 7?",
    "int8_kinds.py --rounds 15", minutes=15,
    tables=(Table((NET, Column("kind", "activations and weights"), Column("relative_l2", "relative L2", ".1%"),
            Column("latency_ratio", "latency", ".2f"))),),
    packages=("skimage",),
)  # fmt: skip
THREADS = Benchmark(
    "threads", "Threads", "What do threads give on the CPU, on a machine as it is and beside other work?", "threads.py --rounds 21", minutes=10,
    tables=(Table((NET, Column("load", "load"), Column("contender", "session"), Column("ratio", "ratio", ".2f"), Column("loadavg", "loadavg", ".1f"))),),
)  # fmt: skip
FOLDERS = Benchmark(
    "folders", "Folders of photos", "How near does `archc run FOLDER` come to what decoding and the model allow together?",
    "folders.py --photos 400 --large 48 --rounds 5", minutes=30,
    tables=(Table((Column("model", "model", CODE), Column("photos", "photos"), Column("decode_per_s", "decode/s", ".1f"),
            Column("model_per_s", "model/s", ".1f"), Column("bound_per_s", "bound/s", ".1f"), Column("run_per_s", "run/s", ".1f"),
            Column("of_bound", "share", ".0%"))),),
    goals=(Goal("each row: ≥ 95 % of the bound", "of_bound", least=0.95, form=".1%"),),
)  # fmt: skip
PHOTOS = Benchmark(
    "photos", "Memory of photos", "How much memory does `archc run` take for many photos, and for large ones?", "photos.py --photos 500", minutes=5,
    tables=(Table((Column("pictures", "pictures"), Column("peak_mb", "peak MB", ".0f"), Column("seconds", "s", ".1f"),
            Column("code", "exit code"))),),
    goals=(Goal("500 photos: ≤ 400 MB", "peak_mb", {"pictures": "500 photos of 12 megapixels"}, most=400, form=".0f"),),
)  # fmt: skip
MEMORY = Benchmark(
    "memory", "Memory of a run", "How much memory does a run take beside what `archc cost --memory` counts?", "memory.py --batch 8", minutes=5,
    tables=(Table((NET, Column("counted_mb", "count MB", ".0f"), Column("in_place_mb", "in place", ".0f"),
            Column("written_mb", "written", ".0f"), Column("written_ratio", "ratio", ".2f"), Column("usual_mb", "usual", ".0f"),
            Column("usual_ratio", "ratio", ".2f"))),),
)  # fmt: skip
CHECKPOINTS = Benchmark(
    "checkpoints", "Opening a checkpoint", "How long does it take to open a .pth, beside reading its bytes?", "checkpoints.py --runs 20", minutes=1,
    tables=(Table((Column("way", "way"), Column("ms", "ms", ".1f"), Column("ratio", "of reading", ".2f"))),),
)  # fmt: skip
PROOF = Benchmark(
    "proof", "Proofs", "What does a proof add to a build?", "proof.py --rounds 5", minutes=40,
    tables=(Table((NET, Column("proof", "proof"), Column("seconds", "s", ".1f"), Column("seconds_ratio", "of none", ".1f"),
            Column("cpu_s", "CPU s", ".1f"), Column("peak_mb", "peak MB", ".0f"))),),
)  # fmt: skip
ZOO = Benchmark(
    "zoo", "The zoo", "How long do `check` and `build` take over all bundled nets?", "zoo.py --runs 5", minutes=5, tables=(Table(SUMMARY, summarise_zoo),),
)  # fmt: skip
PLACEMENT = Benchmark(
    "placement", "Nodes on CUDA", "Which nodes does onnxruntime leave to the CPU, when CUDA is asked for?", "placement.py", minutes=15,
    tables=(Table(SUMMARY, summarise_placement),),
    goals=(Goal("each net wholly on CUDA", "away", most=0, choose=mark_elsewhere),), packages=("nvidia.cudnn",),
)  # fmt: skip
PLACEMENT_OPS = Benchmark(
    "placement_ops", "Ops on CUDA", "Which ops of the tests' table does onnxruntime leave to the CPU?", "placement.py --ops", minutes=15,
    tables=(Table(SUMMARY, summarise_placement),),
    goals=(Goal("each op wholly on CUDA", "away", most=0, choose=mark_elsewhere),), packages=("nvidia.cudnn",),
)  # fmt: skip
OPENVINO = Benchmark(
    "zoo_openvino", "OpenVINO", "Does OpenVINO answer as torch does, and does it take every node?",
    "zoo_on_device.py --device openvino --any-processor --nets lenet5_modern resnet20_cifar_optA squeezenet1_0 googlenet resnet50"
    " densenet121 inception_v3 resnet18 resnext50_32x4d alexnet", minutes=5,
    tables=(Table((NET, Column("max_rel", "difference / largest", ".1e"), Column("nodes", "nodes"), Column("elsewhere", "elsewhere"))),),
    goals=AGREEMENT,
    packages=("onnxruntime_ep_openvino",),
)  # fmt: skip
CUDA = Benchmark(
    "zoo_cuda", "CUDA: the zoo", "Does every bundled net answer on a GPU as torch does, and does every node run there?",
    "zoo_on_device.py --device cuda --jobs 8", minutes=10,
    tables=(Table(SUMMARY, summarise_agreement),),
    goals=AGREEMENT,
    device="cuda",
)  # fmt: skip
GPU = Benchmark(
    "gpu", "On a GPU", "How fast do nets run on a GPU, beside torch on the same card?", "gpu.py", minutes=100,
    tables=(Table((NET, Column("batch", "batch"), Column("precision", "arithmetic"), Column("archc", "archc/s", ",.0f"),
            Column("peer_per_s", "peer/s", ",.0f"), Column("over_eager", "of eager's time", ".2f")),
           lambda rows: keep(mode="kernels alone")(compare_best(rows)), "Images a second on the card alone, the fastest of archc's and of the others"),
     Table((NET, Column("batch", "batch"), Column("precision", "arithmetic"), Column("archc", "archc/s", ",.0f"),
            Column("peer_per_s", "peer/s", ",.0f"), Column("over_eager", "of eager's time", ".2f")),
           lambda rows: keep(mode="from the host's memory")(compare_best(rows)), "The same from the host's memory"),
     Table((NET, Column("batch", "batch"), Column("precision", "arithmetic"), Column("images_per_s", "images/s", ",.0f"),
            Column("time_over_eager", "of eager's time", ".2f")), keep_graphs, "archc's files as CUDA graphs, which a Session does not offer, on the card alone"),
     Table((NET, Column("batch", "batch"), Column("precision", "arithmetic"), Column("share_of_unfused", "of the limit", ".0%"),
            Column("contender", "contender")), find_share_of_limit, "Share of the layer-wise limit, nothing fused"),
     Table((Column("what", "ceiling"), Column("ceiling", "at most", ".3g"), Column("unit", "unit")), keep(section="ceilings", status="measured"),
           "What the card does at most"),
     Table((Column("what", "session"), Column("open_ms", "open ms", ".0f"), Column("first_run_ms", "first run ms", ".0f"),
            Column("warm_up_ms", "warm up ms", ".0f"), Column("run_ms", "run ms", ".2f")), keep(section="start", status="measured"),
           "Starting, by how cuDNN's algorithm is chosen"),
     Table(SUMMARY, summarise_agreement, "The zoo against torch")),
    goals=(Goal("`resnet50`, batch 256, fp16, H200: ≥ 20,000/s", "archc",
          {"net": "resnet50", "batch": 256, "precision": "fp16", "mode": "kernels alone"}, least=20_000, form=",.0f", card="H200",
          choose=compare_best),
     Goal("the same as a share of the card's limit: ≥ 62 %", "share_of_unfused",
          {"net": "resnet50", "batch": 256, "precision": "fp16"}, least=0.62, form=".0%", card="NVIDIA", choose=find_share_of_limit),
     Goal("not slower than torch eager, beyond noise", "slower", most=1, form=".2f", card="NVIDIA", choose=compare_best),
     *AGREEMENT),
    device="cuda", folder=True,
)  # fmt: skip
PICTURE = Benchmark(
    "picture", "Pictures", "How long does `archc view` take, how large are its pages, and how do they move?", "picture.py --rounds 9", minutes=5,
    tables=(Table((NET, Column("view_s", "view, s", ".2f"), Column("of_check", "of check", ".2f"), Column("page_kb", "page, kB"),
            Column("boxes", "boxes, all open"))),
            Table((NET, Column("layout_ms", "layout, ms", ".1f"), Column("open_ms", "open all, ms", ".0f"),
            Column("frame_ms", "frame, ms", ".1f"), Column("frame_p95_ms", "95 %", ".1f")))),
    goals=(
        Goal("`resnet152`: whole process ≤ 0.5 s", "view_s", {"net": "resnet152"}, most=0.5, form=".2f"),
        Goal("`resnet152`: page ≤ 300 kB", "page_kb", {"net": "resnet152"}, most=300),
    ),
    packages=("playwright",),
)  # fmt: skip
COST = Benchmark(
    "cost", "Costs", "How much CPU time does `archc cost` take beside `archc check`?", "cost.py --rounds 15", minutes=2,
    tables=(Table((NET, Column("check_ms", "check, ms", ".0f"), Column("cost_ms", "cost, ms", ".0f"), Column("least_ratio", "ratio", ".3f"),
            Column("median_ratio", "median", ".3f"))),),
    goals=(Goal("each net: at most 1.10 of check", "least_ratio", most=1.10, form=".3f"),),
)  # fmt: skip
TRAINING = Benchmark(
    "training", "Training", "What does `archc train` cost over a plain torch loop with the same module and loader, and its loader over torchvision's?",
    "training.py --rounds 7", minutes=20,
    tables=(Table((NET, Column("archc_rate", "pictures/s", ",.0f"), Column("plain_rate", "plain", ",.0f"), Column("rate_ratio", "ratio", ".3f"),
            Column("start_over_s", "start, +s", ".2f"), Column("memory_over_mb", "memory, +MB", ".0f")), keep(what="training")),
            Table((Column("archc_rate", "archc, photos/s", ",.0f"), Column("plain_rate", "torchvision", ",.0f"), Column("rate_ratio", "ratio", ".3f")),
            keep(what="loader"), "The loader: JPEG decoded, cropped at random, mirrored")),
    goals=(
        Goal("pictures a second: ≥ 0.97 of the plain loop's", "rate_ratio", {"what": "training"}, least=0.97, form=".3f"),
        Goal("start: ≤ 2.5 s over it", "start_over_s", {"what": "training"}, most=2.5, form=".2f"),
        Goal("memory: ≤ 100 MB over it", "memory_over_mb", {"what": "training"}, most=100, form=".0f"),
    ),
    packages=("torchvision", "lightning_fabric", "sklearn", "skimage"),
)  # fmt: skip
BENCHMARKS = (BUILD, START, PRECISION_HALF, PRECISION_INT8, INT8_KINDS, THREADS, FOLDERS, PHOTOS, MEMORY, CHECKPOINTS, PROOF, ZOO, PLACEMENT,
              PLACEMENT_OPS, OPENVINO, CUDA, GPU, PICTURE, COST, TRAINING)  # fmt: skip
