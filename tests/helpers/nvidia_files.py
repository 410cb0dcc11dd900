"""Files as NVIDIA's programs pickle them, of small networks with random weights.

The classes have the names that those programs give them, so that `pickle` writes the same
instructions; reading such a file back with `pickle` would run the source that stands in it.
"""

import collections
import contextlib
import pickle
import sys
import types

import numpy as np
import torch

SOURCE = "raise SystemExit('the source in the file was run')"


def state_of(side=16, dim=8, channels=6, layers=2, seed=0):
    """Tensors of a generator by NVIDIA's names."""
    source = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=source)

    state = {}
    for number in range(layers):
        state[f"mapping.fc{number}.weight"] = draw(dim, dim) * 100
        state[f"mapping.fc{number}.bias"] = draw(dim)
    state["mapping.w_avg"] = draw(dim)
    filters = torch.outer(*[torch.tensor([1.0, 3.0, 3.0, 1.0])] * 2) / 64
    state["synthesis.b4.const"] = draw(channels, 4, 4)
    n_in, block = channels, 4
    while block <= side:
        n_out = channels if block < side else channels - 2
        for layer in ("conv0", "conv1") if block > 4 else ("conv1",):
            prefix = f"synthesis.b{block}.{layer}"
            state[f"{prefix}.weight"] = draw(n_out, n_in, 3, 3)
            state[f"{prefix}.bias"] = draw(n_out) * 0.1
            state[f"{prefix}.noise_const"] = draw(block, block)
            state[f"{prefix}.noise_strength"] = draw() * 0.3
            state[f"{prefix}.affine.weight"] = draw(n_in, dim)
            state[f"{prefix}.affine.bias"] = draw(n_in) + 1
            state[f"{prefix}.resample_filter"] = filters
            n_in = n_out
        prefix = f"synthesis.b{block}.torgb"
        state[f"{prefix}.weight"] = draw(3, n_in, 1, 1)
        state[f"{prefix}.bias"] = draw(3) * 0.1
        state[f"{prefix}.affine.weight"] = draw(n_in, dim)
        state[f"{prefix}.affine.bias"] = draw(n_in) + 1
        if block > 4:
            state[f"synthesis.b{block}.resample_filter"] = filters
        block *= 2
    return state


@contextlib.contextmanager
def _modules():
    """The modules that pickles of NVIDIA name, for as long as one is written."""
    made = {}
    for name in ("torch_utils", "torch_utils.persistence", "dnnlib", "dnnlib.util",
                 "dnnlib.tflib", "dnnlib.tflib.network"):  # fmt: skip
        made[name] = types.ModuleType(name)

    class EasyDict(dict):
        pass

    class Network:
        pass

    def _reconstruct_persistent_obj(meta):
        raise AssertionError("called")

    for module, thing in (
        ("dnnlib.util", EasyDict),
        ("dnnlib.tflib.network", Network),
        ("torch_utils.persistence", _reconstruct_persistent_obj),
    ):
        thing.__module__, thing.__qualname__ = module, thing.__name__
        setattr(made[module], thing.__name__, thing)
    before = {name: sys.modules.get(name) for name in made}
    sys.modules.update(made)
    try:
        yield types.SimpleNamespace(
            EasyDict=EasyDict, Network=Network, rebuild=_reconstruct_persistent_obj
        )
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class _Module:
    """A persistent module: pickled as a call with its source and its fields."""

    def __init__(self, rebuild, name, fields):
        self.call = (rebuild, ({"type": "class", "version": 6, "module_src": SOURCE,
                                "class_name": name, "state": fields},), None)  # fmt: skip

    def __reduce__(self):
        return self.call


def _tree(state):
    tree = {}
    for key, value in state.items():
        *path, leaf = key.split(".")
        at = tree
        for part in path:
            at = at.setdefault(part, {})
        at[leaf] = value
    return tree


def _module(known, name, tree, **attributes):
    fields = known.EasyDict(
        _parameters=collections.OrderedDict(),
        _buffers=collections.OrderedDict(),
        _modules=collections.OrderedDict(),
        _non_persistent_buffers_set=set(),
        _backward_hooks=collections.OrderedDict(),
        training=False,
        **attributes,
    )
    for key, value in tree.items():
        if isinstance(value, dict):
            fields["_modules"][key] = _module(known, f"{name}Part", value)
        elif key in {"w_avg", "noise_const", "resample_filter"}:
            fields["_buffers"][key] = value
        else:
            fields["_parameters"][key] = torch.nn.Parameter(value)
    return _Module(known.rebuild, name, fields)


def write_ada(path, state, *, protocol=4, **attributes):
    """A file of stylegan2-ada-pytorch: G, D, G_ema and settings."""
    with _modules() as known:
        generator = _module(known, "Generator", _tree(state), z_dim=8, c_dim=0, **attributes)
        other = _module(known, "Discriminator", {"b4": {"weight": torch.ones(2)}})
        content = {
            "G": generator,
            "D": other,
            "G_ema": generator,
            "training_set_kwargs": known.EasyDict(class_name="Images", resolution=16),
            "augment_pipe": None,
        }
        path.write_bytes(pickle.dumps(content, protocol=protocol))


def tensorflow_variables(state):
    """The same tensors under the names of TensorFlow and in its layout."""
    found = {"lod": np.float32(0)}
    for key, value in state.items():
        array = value.numpy()
        if key == "mapping.w_avg":
            found["dlatent_avg"] = array
        elif key.startswith("mapping."):
            number = key.split(".")[1].removeprefix("fc")
            found[f"mapping/Dense{number}/{key.rpartition('.')[2]}"] = array.T
        elif key == "synthesis.b4.const":
            found["synthesis/4x4/Const/const"] = array[None]
        elif not key.endswith("resample_filter"):
            _, block, layer, leaf = key.split(".", 3)
            side = int(block[1:])
            log = side.bit_length() - 1
            if leaf == "noise_const":
                number = 2 * log - (5 if layer == "conv0" else 4)
                found[f"synthesis/noise{number}"] = array[None, None]
                continue
            name = {"conv0": "Conv0_up", "torgb": "ToRGB"}.get(layer, "Conv1")
            name = "Conv" if (side, layer) == (4, "conv1") else name
            if leaf == "weight":
                array = array.transpose(2, 3, 1, 0)
                array = array[::-1, ::-1] if layer == "conv0" else array
            elif leaf == "affine.weight":
                array = array.T
            elif leaf == "affine.bias":
                array = array - 1
            elif leaf == "noise_strength":
                array = np.float32(array)
            found[f"synthesis/{side}x{side}/{name}/{leaf.replace('affine.', 'mod_')}"] = array
    return found


def write_tensorflow(path, state, **settings):
    """A file of stylegan2: (G, D, Gs) of TensorFlow's networks."""
    with _modules() as known:

        def network(name, variables, components):
            made = known.Network()
            made.__dict__.update(
                version=4,
                name=name,
                static_kwargs=known.EasyDict(resolution=16, **settings),
                components=known.EasyDict(components),
                build_module_src=SOURCE,
                build_func_name=name,
                variables=[[key, value] for key, value in variables.items()],
            )
            return made

        parts, own = {"mapping": {}, "synthesis": {}}, {}
        for key, value in tensorflow_variables(state).items():
            part, _, rest = key.partition("/")
            if part in parts:
                parts[part][rest] = value
            else:
                own[key] = value
        components = {key: network(f"G_{key}", values, {}) for key, values in parts.items()}
        made = network("Gs", own, components)
        path.write_bytes(pickle.dumps((made, network("D", {}, {}), made), protocol=4))
