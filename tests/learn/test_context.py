import pytest
import torch

import insarflow
from insarflow.learn.models.context import ContextUNet


def test_size_and_what_it_looks_at():
    network = ContextUNet()
    assert sum(p.numel() for p in network.parameters()) == 890_849
    reach = insarflow.reach(network)
    assert (reach.stride, max(reach.left, reach.right)) == (network.spec.stride, network.spec.reach)
    assert not reach.whole_tile


def test_logits_have_the_size_of_the_image():
    with torch.inference_mode():
        assert ContextUNet(5).eval()(torch.zeros(2, 5, 48, 32)).shape == (2, 1, 48, 32)
    with pytest.raises(ValueError, match=r"^height and width must be multiples of 16, instead got \(2, 3, 40, 32\)$"):
        ContextUNet()(torch.zeros(2, 3, 40, 32))


def test_every_weight_has_a_part_in_the_result():
    network = ContextUNet()
    network(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
