"""A model without a network: its codes are an image's coarse colours, so it paints smooth ones.

Everything `deephide` needs of a model is there, and painting a secret is exact enough to tell
a smooth image from noise.
"""

import numpy as np

from e2style.quantizer import Quantizer

SIDE = 64
CELLS = 8
ROWS = 2
RADIUS = 40


def make_quantizer(rows=ROWS, radius=RADIUS):
    """Two tables: a wide one for the symbols in use, a peaked one for the rest."""
    values = np.arange(-radius, radius + 1)
    tables = []
    for decay in (0.05, 3.0):
        weights = np.exp(-decay * np.abs(values))
        table = 1 + np.floor(weights / weights.sum() * (2**24 - values.size)).astype(np.int64)
        table[radius] += 2**24 - table.sum()
        tables.append(table)
    used = np.zeros((rows, 512), dtype=bool)
    used.reshape(-1)[: 3 * CELLS * CELLS] = True
    return Quantizer(
        w_avg=np.full((rows, 512), 0.125, dtype=np.float32),
        step=np.full((rows, 512), 0.025, dtype=np.float32),
        table_index=np.where(used, 0, 1).astype(np.uint8),
        tables=np.array(tables, dtype=np.uint32),
    )


class FakeModel:
    def __init__(self, name="fake", fingerprint=bytes(range(32)), accept_psnr=24.0):
        self.name = name
        self.fingerprint = fingerprint
        self.image_size = SIDE
        self.n_codes = ROWS
        self.accept_psnr = accept_psnr
        self.accept_likeness = 0.4
        self.accept_face = False
        self.accept_bits = float("inf")
        self.quantizers = (make_quantizer(),)
        self.quality = 1
        self.quantizer = self.quantizers[0]

    def invert(self, images):
        import torch

        cells = torch.nn.functional.avg_pool2d(images, SIDE // CELLS).reshape(len(images), -1)
        codes = torch.zeros(len(images), ROWS * 512)
        codes[:, : cells.shape[1]] = cells
        return codes.reshape(len(images), ROWS, 512) + 0.125

    def synthesize(self, codes):
        import torch

        cells = codes.reshape(len(codes), -1)[:, : 3 * CELLS * CELLS] - 0.125
        cells = cells.reshape(len(codes), 3, CELLS, CELLS)
        return torch.nn.functional.interpolate(cells, size=SIDE, mode="bilinear")
