"""What stops a run: a model, an image or a device that will not do."""

from __future__ import annotations


class RuntimeFault(Exception):
    """`exit_code` is the process's: 1 the model or the data is wrong, 2 usage, 3 the environment cannot."""

    def __init__(self, code: str, message: str, help: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.exit_code = code, message, help, exit_code
