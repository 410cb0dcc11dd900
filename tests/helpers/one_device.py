"""Dispatcher that refuses operations on tensors of two devices, and counts transfers.

`meta` stands in for an accelerator: it computes shapes alone, and a value that is asked for
raises, as a GPU would make the host wait.  torch itself lets some mixtures pass, such as an index
on the host, or a scalar.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class MixedDevicesError(AssertionError):
    """Two devices in one operation."""


class OneDevice(TorchDispatchMode):
    """Refuses mixtures; `uploads` are copies from the host, by the name of the operation."""

    def __init__(self, device="meta"):
        super().__init__()
        self.device = torch.device(device)
        self.uploads = []
        self.operations = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        self.operations += 1
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        kinds = {x.device.type for x in tensors}
        name = func.overloadpacket.__name__
        if name in {"_local_scalar_dense", "item"}:
            raise MixedDevicesError("the host waits for a value")
        # Copies are how a tensor changes its device.
        if name in {"_to_copy", "copy_"}:
            to = kwargs.get("device", tensors[0].device)
            if self.device.type in {torch.device(to).type} and "cpu" in kinds:
                self.uploads.append(name)
        elif len(kinds) > 1:
            raise MixedDevicesError(f"{name} of {sorted(kinds)}")
        return func(*args, **kwargs)
