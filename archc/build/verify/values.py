"""Any values of a model, asked of a copy that gives them as outputs; the file itself stays as it is."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ...compiler.backends.onnx.wire import more_outputs
from ...runtime.artifact import Artifact, open_artifact
from ...runtime.faults import RuntimeFault
from ...runtime.inference import failing_node
from ...runtime.ports import Port
from ...runtime.trust import find_data, find_doubt, open_engine


class OpenValues:
    """A model of which every value can be asked for. Closed, it removes its copy."""

    def __init__(self, model: str | Path, trust: bool) -> None:
        """With `trust` the model is opened in this process, wherever it comes from. Raises RuntimeFault where it is no model."""
        self.artifact: Artifact = open_artifact(model)
        self.trust = trust
        self.folder = tempfile.TemporaryDirectory(prefix="archc-")
        for name in find_data(self.artifact):
            source, copy = self.artifact.path.parent / name, Path(self.folder.name) / name
            # what is not there is told by who opens the model
            if source.is_file():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, copy)

    def __enter__(self) -> OpenValues:
        return self

    def __exit__(self, *_: object) -> None:
        self.folder.cleanup()

    def ports(self) -> dict[str, Port]:
        """The inputs by name."""
        engine = open_engine(self.artifact, "cpu", None, self.trust, None)
        return {each.name: Port.of(each, self.artifact.graph.unranked) for each in engine.get_inputs()}

    @cached_property
    def trusts_copies(self) -> bool:
        """Whether copies are opened in this process. Names of outputs are all that they have more, so a model of archc's forms stays one."""
        return self.trust or not find_doubt(self.artifact)

    def ask(self, names: Sequence[str], inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The values by name, for arrays by the inputs' names. Raises RuntimeFault where the model does not run on these.

        A value that is asked for is not fused away, so one is asked for at a time.
        """
        new = [name for name in names if name not in self.artifact.outputs]
        copy = Path(self.folder.name) / "model.onnx"
        shutil.copyfile(self.artifact.path, copy)
        with copy.open("ab") as file:
            file.write(more_outputs(new))
        engine = open_engine(open_artifact(copy), "cpu", None, self.trusts_copies, None)
        try:
            return dict(zip(names, engine.run(names, inputs), strict=True))
        except (RuntimeFault, MemoryError):
            raise
        # onnxruntime's own exceptions share no root but this
        except Exception as error:
            raise RuntimeFault("run-failed", f"onnxruntime stopped while it ran {self.artifact.path.name}{failing_node(error)}",
                               "look at what the model computes with these inputs") from None  # fmt: skip
