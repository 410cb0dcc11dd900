import dataclasses

import numpy as np
import pytest
import ranger_oracle as oracle
import torch

from e2style.config import TrainConfig
from e2style.training.optim import learning_rate, make_optimizer, ranger, update_average


@pytest.mark.parametrize("shape", [(5, 3, 3, 3), (4, 6), (7,), (1,)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 5e-6)])
def test_ranger_walks_the_path_of_its_definition(shape, dtype, tolerance):
    rng = np.random.default_rng(3)
    start = rng.standard_normal(shape)
    gradients = [rng.standard_normal(shape) * 10.0 ** rng.integers(-3, 2) for _ in range(40)]
    weight = torch.nn.Parameter(torch.tensor(start, dtype=dtype))
    optimizer = ranger([weight], 1e-2)
    for gradient, wanted in zip(
        gradients, oracle.trajectory(start, gradients, lr=1e-2), strict=True
    ):
        weight.grad = torch.tensor(gradient, dtype=dtype)
        optimizer.step()
        assert np.abs(weight.detach().numpy() - wanted).max() < tolerance


def test_ranger_goes_on_from_its_saved_state():
    rng = np.random.default_rng(4)
    gradients = [torch.tensor(rng.standard_normal((3, 4))) for _ in range(20)]
    ends = []
    for stop in (20, 9):
        weight = torch.nn.Parameter(torch.zeros(3, 4, dtype=torch.float64))
        optimizer = ranger([weight], 1e-2)
        for step, gradient in enumerate(gradients):
            if step == stop:
                state = optimizer.state_dict()
                weight = torch.nn.Parameter(weight.detach().clone())
                optimizer = ranger([weight], 1e-2)
                optimizer.load_state_dict(state)
            weight.grad = gradient.clone()
            optimizer.step()
        ends.append(weight.detach())
    assert torch.equal(*ends)


def test_the_rate_can_be_constant():
    config = TrainConfig(schedule="constant", lr=1e-4, warmup_images=0)
    assert learning_rate(config, 0) == learning_rate(config, 99_999) == 1e-4


def test_groups_of_ranger_keep_their_factor():
    model = torch.nn.ModuleDict({"rate": torch.nn.Linear(2, 2), "other": torch.nn.Linear(2, 2)})
    groups = make_optimizer(TrainConfig(optimizer="ranger"), model).param_groups
    assert sorted(group["factor"] for group in groups) == [1.0, 4.0]


def test_the_average_moves_by_its_half_life():
    config = dataclasses.replace(TrainConfig(), batch=10, ema_images=10)
    average, model = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    before = average.weight.detach().clone()
    update_average(average, model, config, images=10_000)
    torch.testing.assert_close(average.weight, (before + model.weight) / 2)
    update_average(model, model, config, images=10_000)
