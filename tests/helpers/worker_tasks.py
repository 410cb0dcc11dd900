"""Tasks for processes of their own; in a module that those can import."""

import os
import signal
import time
from pathlib import Path

LOST = "lost"


def square(number):
    return number * number


def square_or_die(number):
    """Be killed at 3, as when memory runs out, and at 5 ended by a signal."""
    if number == 3:
        os._exit(9)
    if number == 5:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    return square(number)


def hold(folder):
    """Hold a temporary file for a minute, or until stopped."""
    path = Path(folder) / f"{os.getpid()}.part"
    path.touch()
    try:
        time.sleep(60)
    finally:
        path.unlink()
