"""The command, as `archc` and as `python -m archc`.

Its first lines catch the signals: from here on Ctrl-C is one word and 130. So nothing is imported above that is not built in.
"""

import _signal  # type: ignore[import-not-found]
import os
import sys


def leave(_number: int, _frame: object) -> None:
    """Ends the process. It does for the moment in which archc/interruption.py, which has more to say, is imported."""
    os.write(2, b"interrupted\n")
    os._exit(130)


for number in (_signal.SIGINT, _signal.SIGTERM):
    if _signal.getsignal(number) != _signal.SIG_IGN:
        _signal.signal(number, leave)


def main() -> int:
    """Runs the command line of this process and returns its exit code."""
    from .interruption import run_interruptibly

    return run_interruptibly(run_command_line)


def run_command_line() -> int:
    """Imports the command line, which takes as long as much of what it does, and runs it."""
    from .cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
