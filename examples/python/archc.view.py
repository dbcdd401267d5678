"""A picture whose boxes are coloured by their multiply-accumulates."""

from pathlib import Path

import archc

archc.view("lenet5_modern", "lenet.svg", heat="macs")
print(Path("lenet.svg").read_text()[:4])  # <svg
