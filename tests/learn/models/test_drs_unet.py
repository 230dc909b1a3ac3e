import torch
from torch import nn

from insarflow.learn.models.drs_unet import DRsUNet, Shrinkage
from insarflow.learn.models.whole import SpatialMean


def test_shrinkage_is_a_soft_threshold():
    torch.manual_seed(0)
    layer = Shrinkage(4).eval()
    x = torch.randn(2, 4, 5, 6)
    with torch.no_grad():
        found = layer(x)
        mean = x.abs().mean((2, 3))
        dense = [nn.functional.linear(mean, layer.scale[0].weight[:, :, 0, 0], layer.scale[0].bias)]
        dense.append(nn.functional.relu(layer.scale[1](dense[0][..., None, None])[..., 0, 0]))
        dense.append(nn.functional.linear(dense[1], layer.scale[3].weight[:, :, 0, 0], layer.scale[3].bias))
        threshold = mean * torch.sigmoid(dense[2])
    for at in ((0, 0, 0, 0), (1, 3, 4, 5), (0, 2, 3, 1)):
        value, limit = x[at].item(), threshold[at[0], at[1]].item()
        expected = value - limit if value > limit else value + limit if value < -limit else 0.0
        assert abs(found[at].item() - expected) < 1e-6
    assert ((threshold > 0) & (threshold < mean)).all()
    zeroed = (found == 0).float().mean().item()
    assert 0.1 < zeroed < 0.9


def test_eight_blocks_whose_means_are_modules():
    with torch.device("meta"):
        network = DRsUNet()
    means = [path for path, layer in network.named_modules() if isinstance(layer, SpatialMean)]
    assert len(means) == 8
    widths = [layer.scale[3].out_channels for layer in network.modules() if isinstance(layer, Shrinkage)]
    assert widths == [64, 64, 128, 128, 256, 256, 512, 512]
    ups = [layer for layer in network.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert [(up.kernel_size, up.stride) for up in ups] == [((3, 3), (2, 2))] * 4
