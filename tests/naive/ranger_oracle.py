"""Ranger by its definition, in float64 numpy: the slow oracle of `test_optim.py`."""

import numpy as np


def trajectory(weight, gradients, *, lr, beta1=0.95, beta2=0.999, eps=1e-5, every=6, alpha=0.5):
    """Weights after each step, from the gradients that were seen at it."""
    weight = np.array(weight, dtype=np.float64)
    slow = weight.copy()
    mean, variance = np.zeros_like(weight), np.zeros_like(weight)
    longest = 2 / (1 - beta2) - 1
    path = []
    for t, gradient in enumerate(gradients, 1):
        g = np.array(gradient, dtype=np.float64)
        if g.ndim > 1:  # centralisation: every filter's gradient has mean zero
            g = g - g.mean(axis=tuple(range(1, g.ndim)), keepdims=True)
        mean = beta1 * mean + (1 - beta1) * g
        variance = beta2 * variance + (1 - beta2) * g**2
        length = longest - 2 * t * beta2**t / (1 - beta2**t)
        rate = lr / (1 - beta1**t)
        if length > 5:
            tractable = (length - 4) * (length - 2) * longest
            tractable /= (longest - 4) * (longest - 2) * length
            rate *= np.sqrt((1 - beta2**t) * tractable)
            weight = weight - rate * mean / (np.sqrt(variance) + eps)
        else:
            weight = weight - rate * mean
        if t % every == 0:
            slow = slow + alpha * (weight - slow)
            weight = slow.copy()
        path.append(weight.copy())
    return path
