"""Laboratory of detectability: schemes, detectors and the protocol that compares them.

::

    covers ── conditions ──► stegos ── journal ──► features ── evaluate ──► verdicts ──► table,
              (scheme, payload)        (attacks, SPAM,         (repeated splits,         plots
                                        rich model)             FLD ensemble)
                                └──► PNG ──► networks ──────────────┘

`docs/lab.md` describes the protocol.  Nothing here is needed to hide or to find anything.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deephide.lab.conditions import SCHEMES, Condition, Payload, conditions_of
    from deephide.lab.evaluate import DETECTORS, Row
    from deephide.lab.experiment import run
    from deephide.lab.journal import Experiment
    from deephide.lab.network_judges import NETWORKS
    from deephide.lab.neural.training import Training

__all__ = [
    "DETECTORS",
    "NETWORKS",
    "SCHEMES",
    "Condition",
    "Experiment",
    "Payload",
    "Row",
    "Training",
    "conditions_of",
    "run",
]

_HOME = {
    "DETECTORS": "evaluate",
    "SCHEMES": "conditions",
    "Condition": "conditions",
    "Experiment": "journal",
    "NETWORKS": "network_judges",
    "Payload": "conditions",
    "Row": "evaluate",
    "Training": "neural.training",
    "conditions_of": "conditions",
    "run": "experiment",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"deephide.lab.{_HOME[name]}"), name)
    raise AttributeError(f"module 'deephide.lab' has no attribute {name!r}")
