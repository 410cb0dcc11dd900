import e2style_vectors
import pytest


@pytest.fixture(scope="session")
def official_file(tmp_path_factory):
    """A full-size two-stage checkpoint in the official format, about 1 GB; deleted at the end."""
    import torch

    if not e2style_vectors.VECTORS.is_dir():
        pytest.skip(f"no vectors at {e2style_vectors.VECTORS}")
    path = tmp_path_factory.mktemp("official") / "e2style_inversion.pt"
    content = {
        "state_dict": e2style_vectors.filled("e2style_2stage"),
        "opts": {"training_stage": 2, "start_from_latent_avg": True, "device": "cuda:0"},
        "latent_avg": torch.from_numpy(e2style_vectors.fill().latent_avg()),
    }
    torch.save(content, path)
    del content
    yield path
    path.unlink()
