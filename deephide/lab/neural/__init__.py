"""Networks as judges: architectures, their weights from files, and paired training.

::

    pairs (cover, stego) ── training ──► network ── scores ──► verdict
                            (crops, turns,
                             snapshot)

Nothing here knows conditions or folders of experiments; `deephide.lab.network_judges` does.
"""
