"""The errors and the warning of the runtime: a model, an image or a device that cannot be used, or a model that is not trained."""

from __future__ import annotations


def escape_controls(text: str) -> str:
    """`text` on one line, with an escape for every character that does not print: the compiler's own rule (`clean`), a second time."""
    return text if text.isprintable() else "".join(map(escape_character, text))


def escape_character(character: str) -> str:
    """The character, or its escape if it does not print."""
    code = ord(character)
    if character.isprintable():
        return character
    if character in "\t\n\r":
        return repr(character)[1:-1]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


class RuntimeFault(Exception):
    """A model, an image or a device that cannot be used. `help` says what to do.

    `exit_code` is the process's: 1 the model or the data is wrong, 2 wrong usage, 3 the environment cannot do it.
    """

    def __init__(self, code: str, message: str, help: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.code, self.message, self.help, self.exit_code = code, message, help, exit_code

    def __reduce__(self) -> tuple[type[RuntimeFault], tuple[str, str, str, int]]:
        """It goes from process to process whole; an exception is made anew of its message alone."""
        return type(self), (self.code, self.message, self.help, self.exit_code)

    def __str__(self) -> str:
        """The message as it may be printed: what is in it of a file must not disturb a terminal."""
        return escape_controls(self.message)

    def without_traceback(self) -> RuntimeFault:
        """The same fault, to be kept: the frames that led to this one hold a decoded picture."""
        return type(self)(self.code, self.message, self.help, self.exit_code)


class PictureFault(RuntimeFault):
    """A picture that cannot be read, or does not fit the model. Others beside it can be answered: `errors="keep"` keeps it."""


class UntrainedWarning(UserWarning):
    """The model that was opened has steps without trained weights, so that its answers mean nothing."""
