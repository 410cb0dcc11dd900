"""Files of other programs into files of ours."""

from __future__ import annotations

import os

from e2style import networks, official
from e2style.checkpoint_io import read_content
from e2style.errors import CheckpointError
from e2style.untrusted import reason
from e2style.zoo import save


def convert(
    source: str | os.PathLike[str], target: str | os.PathLike[str], *, half: bool = False
) -> str:
    """Write a file of another program as safetensors; nothing that it holds is run.

    An official E2Style file keeps its fingerprint if its precision is kept, so that one side
    may use the original and the other side the converted file.

    Parameters
    ----------
    source : E2Style `.pt`, rosinality `.pt`, model_ir_se50.pth, parsing U-Net, AlexNet, or
        the heads of LPIPS
    target : file to write
    half : store the weights of an E2Style model in half precision

    Returns
    -------
    what the file holds: "inversion", or a kind of `e2style.networks`

    Raises
    ------
    CheckpointError : no such file, or a key is missing, unknown or of another shape
    """
    content = read_content(source)
    try:
        if official.is_official(content):
            save(target, official.read_inversion(content), half=half)
            return "inversion"
        kind = networks.kind_of(content)
        if kind is None:
            raise CheckpointError("its keys are those of no network that is known")
        if kind == "generator":
            generator, mean = official.read_generator(content)
            networks.save_network(target, generator, mean)
        else:
            networks.save_network(target, networks.read_feature_network(kind, content))
    except Exception as error:  # a crafted file can make its reader fail anywhere
        raise CheckpointError(f"model {os.fspath(source)}: {reason(error)}") from error
    return kind
