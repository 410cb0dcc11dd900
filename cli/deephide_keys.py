"""Commands that make keys: a key pair for public-key use, and passphrases."""

from __future__ import annotations

import click

from cli.deephide_group import app
from cli.program import command
from cli.render import Terminal

__all__ = ["keygen", "passphrase"]


@command(
    app,
    examples=(
        "deephide keygen",
        "deephide keygen -o identity.txt --json",
    ),
)
@click.option(
    "-o",
    "--output",
    default="identity.txt",
    show_default=True,
    metavar="PATH",
    help="Output: the identity file to write; it is never replaced.",
)
def keygen(terminal: Terminal, output: str) -> None:
    """Make a key pair: write the identity, print the public key.

    Give the public key to whoever hides something for you, with embed --recipient KEY; you get it
    back with extract --identity identity.txt. Only its owner can read that file (mode 0600), which
    opens everything that was hidden for it: keep it, and show it to nobody.
    """
    if output == "-":
        raise click.UsageError("an identity goes into a file, because only its owner may read it")
    import deephide
    from deephide.output import within

    output = str(within(output, "identity.txt"))
    public = deephide.keygen(output)
    terminal.info(f"the identity is in {click.format_filename(output)}: keep it secret")
    terminal.result(public, {"output": output, "public_key": public})


@command(app, examples=("deephide passphrase", "deephide passphrase --words 8 > key.txt"))
@click.option(
    "--words",
    type=click.IntRange(4, 16),
    default=5,
    show_default=True,
    metavar="N",
    help="Security: words of the passphrase; each adds 16 bits.",
)
def passphrase(terminal: Terminal, words: int) -> None:
    """Make a passphrase that can be spoken and cannot be guessed.

    Each word is drawn from 65,536 pronounceable ones, by the operating system, and so worth exactly
    16 bits. The usual five are 80 bits: more than anybody can try, since each try takes 64 MiB and
    a fifth of a second. Four are 64 bits, enough where nobody spends years.
    """
    from deephide.container.spoken import WORD_BITS, draw_words

    text = "-".join(draw_words(words))
    bits = words * WORD_BITS
    terminal.info(
        f"{bits} bits; write it down, or give it to --passphrase-file in a file of its own"
    )
    terminal.result(text, {"passphrase": text, "bits": bits})
