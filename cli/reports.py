"""Reports of the commands about their work: text for people, fields for programs."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from cli.render import Terminal

__all__ = [
    "announce_compilation",
    "capacity_report",
    "embed_fields",
    "forecast",
    "open_to_all",
    "photo_fields",
]

_FACES = {"all": "yes", "most": "most faces", "none": "not safely", "unknown": "unknown"}


def announce_compilation(terminal: Terminal, carriers: Iterable[str | bytes]) -> None:
    """Announce that the first embedding on a machine takes longer, if this is the first."""
    import deephide

    if not all(map(deephide.is_compiled, carriers)):
        terminal.info("compiling the coder, once on this machine: this takes some seconds")


def open_to_all(codec: str) -> str:
    """Return the warning for an embedding with neither passphrase nor key."""
    hidden = "the face" if codec in ("auto", "latent", "paper") else "what is hidden"
    return f"no passphrase is set: anyone who has the model can extract {hidden}"


def forecast(result: Any) -> str:
    """Return the report of a dry run."""
    return (
        f"codec   {result.codec}\n"
        f"bits    {result.payload_bits} (safe: {result.safe_bits})\n"
        f"rate    {100 * result.change_rate:.3f} % of {result.elements} "
        f"{result.element_name} change\n" + _outlook(result)
    )


def _outlook(result: Any) -> str:
    if result.channel is None:
        return f"error   {100 * result.detector_error:.1f} % for the best detector (50 % is chance)"
    return (
        f"channel {result.channel.name}: survives all {len(result.channel.survived)} "
        f"recompressions that were tried, step {result.channel.step} of the ladder"
    )


def _channel(report: Any) -> dict[str, Any] | None:
    if report is None:
        return None
    return {name: value for name, value in asdict(report).items() if name != "cover"}


def embed_fields(
    terminal: Terminal, result: Any, output: str | None, start: float
) -> dict[str, Any]:
    """Return the fields of `embed --json`; `start` is in seconds of the monotonic clock."""
    return {
        "output": output,
        "payload_bits": result.payload_bits,
        "alpha": result.alpha,
        "change_rate": result.change_rate,
        "psnr": result.psnr,
        "secret_psnr": result.secret_psnr,
        "codec": result.codec,
        "reason": result.reason,
        "model": result.model,
        "safe_bits": result.safe_bits,
        "detector_error": result.detector_error,
        "channel": _channel(result.channel),
        "made": None if result.made is None else asdict(result.made),
        "photos": None,
        "warnings": terminal.warnings,
        "elapsed_s": round(time.monotonic() - start, 3),
    }


def photo_fields(carrier: str, output: str | None, result: Any) -> dict[str, Any]:
    """Return the fields of one of several photos that share a secret."""
    return {
        "carrier": carrier,
        "output": output,
        "payload_bits": result.payload_bits,
        "change_rate": result.change_rate,
        "psnr": result.psnr,
        "safe_bits": result.safe_bits,
        "detector_error": result.detector_error,
    }


def _risk(found: Any) -> str:
    if not found.safe_bits or not math.isfinite(found.detector_error):
        return ""
    return (
        f": {100 * found.safe_change_rate:.3f} % change, the best detector errs in "
        f"{100 * found.detector_error:.0f} % of cases"
    )


def capacity_report(terminal: Terminal, carrier: str, found: Any) -> tuple[str, dict[str, Any]]:
    """Return the report of `capacity`, and its fields."""
    fit = found.fit
    face = _FACES[fit.latent]
    if fit.latent_bytes is not None:
        face += f" (usually {fit.latent_bytes} bytes, at most {fit.latent_most})"
    picture = f"about {fit.image_side} pixels wide, {fit.image_psnr:.0f} dB"
    text = (
        f"safe  {found.safe_bits} bits ({found.safe_bytes} bytes){_risk(found)}\n"
        f"      a face    {face}\n"
        f"      a picture {picture if fit.image_side else 'not safely'}\n"
        f"      a file    {fit.file_bytes} bytes, compressed\n"
        f"hard  {found.hard_bits} bits ({found.hard_bytes} bytes)"
    )
    fields = {
        "carrier": carrier,
        "elements": found.elements,
        "dry_elements": found.dry_elements,
        "safe_bits": found.safe_bits,
        "hard_bits": found.hard_bits,
        "safe_change_rate": found.safe_change_rate,
        "detector_error": found.detector_error,
        "fits": {
            "latent": fit.latent,
            "latent_bytes": fit.latent_bytes,
            "latent_most": fit.latent_most,
            "image_side": fit.image_side,
            "image_psnr": fit.image_psnr,
            "file_bytes": fit.file_bytes,
        },
        "warnings": terminal.warnings,
    }
    return text, fields
