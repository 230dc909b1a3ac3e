"""Small networks of many kinds, and a slow way to see what they look at."""

import torch
from torch import nn
from torch.nn import functional


class Apply(nn.Module):
    """A function in a module's clothes."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Around(nn.Module):
    """A part between two convolutions."""

    def __init__(self, part, channels=2):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.part = part
        self.last = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, x):
        return self.last(self.part(self.first(x)))


class Skip(nn.Module):
    """A part beside what goes around it."""

    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        return x + self.part(x)


class PadsOddSizes(nn.Module):
    """Pads to multiples of four by itself, and crops."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 3, 4, stride=4)
        self.up = nn.ConvTranspose2d(3, 1, 4, stride=4)

    def forward(self, x):
        height, width = x.shape[-2:]
        padded = functional.pad(x, (0, -width % 4, 0, -height % 4))
        return self.up(self.down(padded))[..., :height, :width]


class Unpools(nn.Module):
    """Puts maxima back where they came from: other pixels of the cell change though no value reaches them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3, padding=1)
        self.last = nn.Conv2d(2, 1, 3, padding=1)

    def forward(self, x):
        small, places = functional.max_pool2d(self.first(x), 2, return_indices=True)
        return self.last(functional.max_unpool2d(small, places, 2))


def interpolated(scale, mode):
    align_corners = None if mode == "nearest" else False
    return Apply(lambda x: functional.interpolate(x, scale_factor=scale, mode=mode, align_corners=align_corners))


def zoo():
    """Networks of one channel that look at a bounded neighbourhood, by name, each with its stride."""
    return {
        "one convolution": (nn.Conv2d(1, 1, 3, padding=1), 1),
        "1 by 7": (nn.Conv2d(1, 1, (1, 7), padding=(0, 3)), 1),
        "even kernel": (nn.Sequential(nn.ZeroPad2d((1, 2, 1, 2)), nn.Conv2d(1, 1, 4)), 1),
        "asymmetric padding": (nn.Sequential(nn.ZeroPad2d((4, 0, 4, 0)), nn.Conv2d(1, 2, 5), nn.Conv2d(2, 1, 1)), 1),
        "dilations": (
            nn.Sequential(
                nn.Conv2d(1, 2, 3, padding=2, dilation=2), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=5, dilation=5)
            ),
            1,
        ),
        "reflected border": (nn.Conv2d(1, 1, 5, padding=2, padding_mode="reflect"), 1),
        "dead ReLU": (Around(nn.Sequential(nn.BatchNorm2d(2), nn.ReLU())), 1),
        "depthwise": (Around(nn.Conv2d(2, 2, 5, padding=2, groups=2)), 1),
        "maximum": (Around(nn.Sequential(nn.MaxPool2d(2), interpolated(2, "nearest"))), 2),
        "maximum without stride": (Around(nn.MaxPool2d(3, stride=1, padding=1)), 1),
        "mean, bilinear": (Around(nn.Sequential(nn.AvgPool2d(4), interpolated(4, "bilinear"))), 4),
        "of three": (Around(nn.Sequential(nn.MaxPool2d(3), interpolated(3, "nearest"))), 3),
        "of three, bilinear": (Around(nn.Sequential(nn.AvgPool2d(3), interpolated(3, "bilinear"))), 3),
        "of six": (Around(nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(3), interpolated(6, "nearest"))), 6),
        "of five": (Around(nn.Sequential(nn.Conv2d(2, 2, 5, stride=5), nn.ConvTranspose2d(2, 2, 5, stride=5))), 5),
        "strided, transposed": (
            Around(
                nn.Sequential(nn.Conv2d(2, 3, 3, stride=2, padding=1), nn.ConvTranspose2d(3, 2, 4, stride=2, padding=1))
            ),
            2,
        ),
        "transposed with holes": (
            Around(nn.Sequential(nn.MaxPool2d(2), nn.ConvTranspose2d(2, 2, 1, stride=2, output_padding=1))),
            2,
        ),
        "pixel shuffle": (
            nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.Conv2d(2, 4, 3, padding=1), nn.PixelShuffle(2)),
            2,
        ),
        "finer inside": (Around(nn.Sequential(interpolated(2, "nearest"), nn.Conv2d(2, 2, 3, stride=2, padding=1))), 1),
        "two strides": (
            Around(
                nn.Sequential(
                    Skip(nn.Sequential(nn.MaxPool2d(2), interpolated(2, "nearest"))),
                    Skip(nn.Sequential(nn.MaxPool2d(3), interpolated(3, "nearest"))),
                )
            ),
            6,
        ),
        "pads odd sizes": (PadsOddSizes(), 4),
        "unpools": (Unpools(), 2),
        "turned": (Around(Apply(lambda x: x.rot90(1, (2, 3)).flip(2).rot90(-1, (2, 3)).flip(3))), 1),
        "swallows NaN": (Around(Apply(lambda x: torch.nan_to_num(x).clamp(-1, 1))), 1),
        "windows": (
            Around(
                Apply(
                    lambda x: (
                        (
                            x.unflatten(3, (-1, 4))
                            .unflatten(2, (-1, 4))
                            .mean((3, 5), keepdim=True)
                            .expand(-1, -1, -1, 4, -1, 4)
                        )
                        .flatten(4, 5)
                        .flatten(2, 3)
                    )
                )
            ),
            4,
        ),
        "over channels": (Around(Apply(lambda x: x * x.mean(1, keepdim=True) + x.softmax(1))), 1),
        "layer norm over channels": (
            Around(nn.Sequential(Apply(lambda x: x.movedim(1, 3)), nn.LayerNorm(2), Apply(lambda x: x.movedim(3, 1)))),
            1,
        ),
        "instance norm that tracks": (Around(nn.InstanceNorm2d(2, track_running_stats=True)), 1),
    }


def slow_reach(network, stride, size):
    """Left and right reach by changing one input pixel after the other, several ways."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        left = right = 0
        start = size // 2 // stride * stride
        for trial in range(6):
            for parameter in network.parameters():
                nn.init.normal_(parameter)
            x = torch.randn(1, 1, size, size, dtype=torch.float64)
            with torch.no_grad():
                plain = network(x)
                for y in range(start, start + stride):
                    for column in range(start, start + stride):
                        changed = x.clone()
                        changed[..., y, column] += 20 * (-1) ** trial
                        rows, columns = (network(changed) != plain)[0, 0].nonzero(as_tuple=True)
                        if len(rows):
                            left = max(left, int(rows.max()) - y, int(columns.max()) - column)
                            right = max(right, y - int(rows.min()), column - int(columns.min()))
    return left, right


class SelfAttention(nn.Module):
    """Attention of all pixels to all, written with products."""

    def forward(self, x):
        pixels = x.flatten(2)
        weights = (pixels.mT @ pixels).softmax(-1)
        return (pixels @ weights.mT).view_as(x)


class Heads(nn.Module):
    """Torch's own attention."""

    def __init__(self):
        super().__init__()
        self.heads = nn.MultiheadAttention(2, 1, batch_first=True)

    def forward(self, x):
        pixels = x.flatten(2).mT
        return self.heads(pixels, pixels, pixels, need_weights=False)[0].mT.unflatten(2, x.shape[2:])


class Squeeze(nn.Module):
    """Squeeze and excitation."""

    def __init__(self):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.gate = nn.Conv2d(2, 2, 1)

    def forward(self, x):
        return x * self.gate(self.pool(x)).sigmoid()


class Pyramid(nn.Module):
    """Means over a few large cells, stretched back from corner to corner."""

    def forward(self, x):
        cells = functional.adaptive_avg_pool2d(x, 3)
        return x + functional.interpolate(cells, x.shape[2:], mode="bilinear", align_corners=True)


class Thresholds(nn.Module):
    """Shrinkage: what is below a part of the mean is noise."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Linear(2, 2)

    def forward(self, x):
        mean = x.abs().float().mean((2, 3))
        threshold = (mean * self.scale(mean).sigmoid())[..., None, None]
        return x.sign() * (x.abs() - threshold).clamp(min=0)


def scaled_attention(x):
    pixels = x.flatten(2).mT[:, None]
    return functional.scaled_dot_product_attention(pixels, pixels, pixels)[:, 0].mT.unflatten(2, x.shape[2:])


def whole_tile_zoo():
    """Parts that look at the whole tile, by name, each with how it is called."""
    pool, size = functional.adaptive_avg_pool2d, (2, 3)
    return {
        "squeeze": (Squeeze(), "part.pool (AdaptiveAvgPool2d)"),
        "largest": (Skip(nn.Sequential(nn.AdaptiveMaxPool2d(1))), "part.part.0 (AdaptiveMaxPool2d)"),
        "shrinkage": (Thresholds(), "part (Tensor.mean over y, x)"),
        "pyramid": (Pyramid(), "part (adaptive_avg_pool2d over y, x)"),
        "mean": (Apply(lambda x: x * x.mean(size, keepdim=True)), "part (Tensor.mean over y, x)"),
        "pooled": (Apply(lambda x: x * pool(x, 1)), "part (adaptive_avg_pool2d over y, x)"),
        "as large as the tile": (
            Apply(lambda x: x * functional.avg_pool2d(x, x.shape[2:])),
            "part (avg_pool2d over y, x)",
        ),
        "sum over columns": (Apply(lambda x: x * torch.sum(x, 3, keepdim=True)), "part (sum over x)"),
        "maximum over rows": (Apply(lambda x: x - x.max(2, keepdim=True).values), "part (Tensor.max over y)"),
        "range": (
            Apply(lambda x: (x - x.amin(size, keepdim=True)) / x.amax(size, keepdim=True)),
            "part (Tensor.amin over y, x)",
            "part (Tensor.amax over y, x)",
        ),
        "variance": (Apply(lambda x: x / x.flatten(2).var(2)[..., None, None]), "part (Tensor.var over y, x)"),
        "median": (
            Apply(lambda x: x - x.flatten(1).median(1).values.view(-1, 1, 1, 1)),
            "part (Tensor.median over y, x)",
        ),
        "norm": (
            Apply(lambda x: x / torch.linalg.vector_norm(x, dim=size, keepdim=True)),
            "part (linalg_vector_norm over y, x)",
        ),
        "einsum": (
            Apply(lambda x: torch.einsum("bcyx,bdyx,bdvw->bcvw", x, x, x)),
            "part (einsum over y, x)",
        ),
        "instance norm": (nn.InstanceNorm2d(2), "part (InstanceNorm2d)"),
        "group norm": (nn.GroupNorm(1, 2), "part (GroupNorm)"),
        "batch norm that does not track": (nn.BatchNorm2d(2, track_running_stats=False), "part (BatchNorm2d)"),
        "layer norm over space": (
            Apply(lambda x: functional.layer_norm(x, x.shape[1:])),
            "part (layer_norm over y, x)",
        ),
        "softmax over space": (Apply(lambda x: x.flatten(2).softmax(2).view_as(x)), "part (Tensor.softmax over y, x)"),
        "attention": (SelfAttention(), "part (Tensor.softmax over y, x)", "part (Tensor.matmul over y, x)"),
        "heads": (Heads(), "part.heads (MultiheadAttention)"),
        "scaled attention": (Apply(scaled_attention), "part (scaled_dot_product_attention over y, x)"),
        "axial": (
            Apply(lambda x: (x @ x.mT).softmax(-1) @ x),
            "part (Tensor.matmul over x)",
            "part (Tensor.softmax over y)",
            "part (Tensor.matmul over y)",
        ),
        "Fourier": (
            Apply(lambda x: torch.fft.ifft2(torch.fft.fft2(x) * 2).real),
            "part (fft_fft2 over y, x)",
            "part (fft_ifft2 over y, x)",
        ),
        "to a fixed size": (
            Apply(lambda x: x * functional.interpolate(functional.interpolate(x, (8, 8)), x.shape[2:])),
            "part (interpolate over y, x)",
        ),
    }


class SmallSegNet(nn.Module):
    """Poolings undone level by level, at the places of the maxima or at all places of a cell."""

    def __init__(self, *, places):
        super().__init__()
        self.places = places
        self.encoder = nn.ModuleList(nn.Conv2d(i, 2, 3, padding=1) for i in (1, 2, 2, 2))
        self.decoder = nn.ModuleList(nn.Conv2d(2, o, 3, padding=1) for o in (2, 2, 2, 1))

    def forward(self, x):
        maxima = []
        for layer in self.encoder:
            x, where = functional.max_pool2d(layer(x), 2, return_indices=True)
            maxima.append(where)
        for layer in self.decoder:
            where = maxima.pop()
            x = layer(
                functional.max_unpool2d(x, where, 2) if self.places else functional.interpolate(x, scale_factor=2)
            )
        return x
