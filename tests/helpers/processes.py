"""Processes that tests start, with the signal dispositions of a shell's foreground job.

A child inherits which signals are ignored or blocked. In the background of a script, under `nohup`
or in some CI runners those are SIGINT, SIGHUP and SIGQUIT, and a program that is right to obey
would seem not to react.
"""

import subprocess
import sys

# Runs before the program itself, so that Python installs its handler of SIGINT there.
_DISPOSITIONS = """
import os, signal, sys
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_DFL)
    except (OSError, ValueError):  # kept by the C library for itself
        pass
signal.pthread_sigmask(signal.SIG_SETMASK, ())
os.execv(sys.argv[1], sys.argv[1:])
"""


def undisturbed(command):
    """Return a command line that resets all signals and then becomes `command`."""
    return [sys.executable, "-I", "-S", "-c", _DISPOSITIONS, *map(str, command)]


def start(command, **options):
    """Start a program whose reaction to signals is tested; both its streams are piped, as text."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(undisturbed(command), **(streams | options))
