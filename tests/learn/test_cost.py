"""What networks cost, against published counts and a slow one."""

import pytest
from torch import nn

from insarflow.learn.cost import cost_of, given, kind_of, step_seconds
from insarflow.learn.models import build_model, forget_model, list_models, register_model


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    # Of 256 by 256 pixels, 10^9; the published 54.68 of U-Net counts transposed convolutions four times.
    [("unet", 31_037_633, 48.17), ("segnet", 29_443_587, 40.01)],
)
def test_published_counts(name, parameters, multiply_adds):
    cost = cost_of(name)
    assert cost.parameters == parameters
    assert cost.multiply_adds / 1e9 == pytest.approx(multiply_adds, abs=0.006)


def test_a_slow_count():
    """Outputs times inputs of each, layer by layer, as they are computed."""
    network, total = build_model("resunet").eval(), 0

    def look(layer, _, out):
        nonlocal total
        total += out.numel() * layer.weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(look)
    network(*given("image", 1, 3, 32))
    assert cost_of("resunet", side=32).multiply_adds == total > 0


def test_every_network_of_the_package_is_counted():
    kinds = {name: kind_of(name) for name in list_models()}
    assert kinds["nava-cnn"] == "clip"
    assert kinds["utae"] == "series"
    for name, kind in kinds.items():
        cost = cost_of(name, side=32 if kind == "clip" else 64)
        assert cost.parameters >= 5, name
        assert cost.multiply_adds > 1000, name


def test_a_network_of_ones_own():
    register_model("blur", lambda channels: nn.Conv2d(channels, 1, 3, padding=1), stride=1, reach=1)
    try:
        assert cost_of("blur", 2, side=10).multiply_adds == 10 * 10 * 2 * 9
        assert cost_of("blur", 2).parameters == 2 * 9 + 1
    finally:
        forget_model("blur")


def test_a_step_takes_time_for_each_sample():
    assert 0 < step_seconds("resunet", side=16, batch_size=8) < 60
