"""Processes that tests start, with the signal dispositions of a shell's foreground job.

A child inherits which signals are ignored or blocked. In the background of a script, under `nohup`
or in some CI runners those are SIGINT, SIGHUP and SIGQUIT, and a program that is right to obey
would seem not to react.
"""

import subprocess
import sys

# Runs before the program itself, so that Python installs its handler of SIGINT there.
_DISPOSITIONS = """
import fcntl, os, signal, sys, termios
if sys.argv[1] == "terminal":
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_DFL)
    except (OSError, ValueError):  # kept by the C library for itself
        pass
signal.pthread_sigmask(signal.SIG_SETMASK, ())
os.execv(sys.argv[2], sys.argv[2:])
"""


def start(command, terminal=False, **options):
    """Start a program whose reaction to signals is tested; its output is piped, as text.

    With `terminal`, the standard input that is given becomes its controlling terminal.
    """
    kind = "terminal" if terminal else "plain"
    before = [sys.executable, "-I", "-S", "-c", _DISPOSITIONS, kind]
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    if terminal:
        settings["start_new_session"] = True
    settings |= options
    return subprocess.Popen([*before, *map(str, command)], **settings)
