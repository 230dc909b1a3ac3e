import pytest
import torch

from insarflow.errors import ModelError
from insarflow.learn.models import Network, Spec, build_model, list_models
from insarflow.segment.reach import Reach, reach


class Convolutions(Network):
    """Two convolutions with a pooling between: a reach that is easily found by hand."""

    spec = Spec(stride=2, reach=0)

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 1, 5, padding=2)
        self.second = torch.nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        small = torch.nn.functional.max_pool2d(self.first(x), 2)
        return torch.nn.functional.interpolate(self.second(small), scale_factor=2)


class Global(Convolutions):
    """The same with a mean over the whole tile."""

    def forward(self, x):
        out = super().forward(x)
        return out * out.mean(dim=(-2, -1), keepdim=True)


def test_resunet():
    assert reach(build_model("resunet")) == Reach(37, 37)


@pytest.mark.parametrize("name", list_models())
def test_networks_state_their_reach(name):
    network = build_model(name)
    found = reach(network)
    assert max(found.left, found.right) == network.spec.reach


def test_by_hand():
    # An even output pixel: its cell and the next ones begin 2 to the left and end 3 to the right; 2 more each side.
    assert reach(Convolutions()) == Reach(2 + 2 + 1, 3 + 2)


def test_whole_tile():
    with pytest.raises(ModelError, match=r"^Global must look at a bounded neighbourhood"):
        reach(Global())


def test_network_is_left_alone():
    network = build_model("resunet").train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    reach(network)
    assert network.training
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
