import pytest
import torch

from insarflow.learn.models import build_model, list_models, spec_of
from insarflow.learn.models.sizes import sizes_of


@pytest.mark.parametrize(("name", "channels", "count"), [("resunet", 3, 100_849), ("unet", 3, 31_037_633)])
def test_published_number_of_parameters(name, channels, count):
    with torch.device("meta"):
        network = build_model(name, channels)
    assert {t.device.type for t in network.state_dict().values()} == {"meta"}
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize(("name", "expected"), [("resunet", 18_600), ("unet", 48.17e9 / 256**2)])
def test_multiply_accumulates_per_pixel(name, expected):
    counted = 0

    def count(module, given, out):
        nonlocal counted
        # Each pixel of a transposed convolution's input meets the whole kernel; so does each of another's output.
        image = given[0] if isinstance(module, torch.nn.ConvTranspose2d) else out
        counted += image.shape[2:].numel() * module.weight.numel()

    with torch.device("meta"):
        network = build_model(name)
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
                module.register_forward_hook(count)
        network(torch.zeros(1, 3, 64, 64))
    assert counted / 64**2 == pytest.approx(expected, rel=5e-3)


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_gives_one_logit_per_pixel(name, channels):
    if name in ("context-unet", "phase-contrast") and channels < 3:
        with pytest.raises(ValueError, match="must be 3 or more, of which the first are coherence, cos, sin"):
            build_model(name, channels)
        return
    network = build_model(name, channels)
    stride = network.spec.stride
    with torch.no_grad():
        out = network(torch.randn(2, channels, 4 * stride, 5 * stride))
    assert out.shape == (2, 1, 4 * stride, 5 * stride)
    assert out.std() > 0
    # Five parameters draw any threshold.
    assert out.min() < 0 < out.max() or name == "phase-contrast"


@pytest.mark.parametrize("name", list_models())
def test_every_parameter_is_used(name):
    network = build_model(name)
    network(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("name", list_models())
def test_sizes_off_the_stride_are_refused(name):
    stride = spec_of(name).stride
    if stride == 1:
        pytest.skip("takes any size")
    sizes = rf"\(1, 3, {2 * stride + 2}, {2 * stride}\)"
    with pytest.raises(ValueError, match=rf"^height and width must be multiples of {stride}, instead got {sizes}$"):
        build_model(name)(torch.zeros(1, 3, 2 * stride + 2, 2 * stride))


@pytest.mark.parametrize("function", [build_model, spec_of])
def test_unknown_name(function):
    with pytest.raises(
        ValueError, match=r"^name must be one of \['context-unet', .*\], instead got name='vgg': to use another"
    ):
        function("vgg")


def test_no_channels():
    with pytest.raises(ValueError, match=r"^in_channels must be 1 or more, instead got in_channels=0$"):
        build_model("resunet", 0)


def test_sizes():
    unet = sizes_of("unet")
    assert unet.largest == 64 * 4
    assert unet.weights == sum(t.nbytes for t in build_model("unet").state_dict().values())
    assert sizes_of("resunet", 5).weights > sizes_of("resunet").weights
