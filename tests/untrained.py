"""Networks that were not trained."""

import torch

from insarflow.learn.models import build_model


def random_network(in_channels=3):
    """A network whose every layer matters: untrained, it would give nearly one value everywhere."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = build_model("resunet", in_channels)
        with torch.no_grad():
            for module in network.modules():
                if isinstance(module, torch.nn.Conv2d):
                    module.weight.mul_(2)
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.momentum = None
            for _ in range(3):
                network(torch.randn(4, in_channels, 64, 64))
    return network.eval()
