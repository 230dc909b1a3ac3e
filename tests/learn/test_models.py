import pytest
import torch

from insarflow.learn.models import build_model, list_models, spec_of


def test_resunet_has_the_published_number_of_parameters():
    assert sum(p.numel() for p in build_model("resunet").parameters()) == 100_849


def test_resunet_multiply_accumulates_per_pixel():
    counted = 0

    def count(module, _, out):
        nonlocal counted
        counted += out.numel() * module.in_channels * 9

    network = build_model("resunet")
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.zeros(1, 3, 64, 64))
    assert counted / 64**2 == pytest.approx(18_600, rel=5e-3)


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_gives_one_logit_per_pixel(name, channels):
    network = build_model(name, channels)
    stride = network.spec.stride
    out = network(torch.randn(2, channels, 8 * stride, 9 * stride))
    assert out.shape == (2, 1, 8 * stride, 9 * stride)
    assert out.min() < 0 < out.max()


def test_every_parameter_is_used():
    network = build_model("resunet")
    network(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_sizes_off_the_stride_are_refused():
    with pytest.raises(ValueError, match=r"^height and width must be multiples of 4, instead got \(1, 3, 10, 12\)"):
        build_model("resunet")(torch.zeros(1, 3, 10, 12))


@pytest.mark.parametrize("function", [build_model, spec_of])
def test_unknown_name(function):
    with pytest.raises(ValueError, match=r"^name must be one of \['resunet'\], instead got name='vgg'$"):
        function("vgg")


def test_no_channels():
    with pytest.raises(ValueError, match=r"^in_channels must be 1 or more, instead got in_channels=0$"):
        build_model("resunet", 0)
