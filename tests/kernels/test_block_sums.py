import numpy as np
import pytest

from insarflow.kernels.block_sums import SUMS, block_reads, phase_sums, value_sums
from insarflow.types import Tile, Window


def oracle(image, weight, height, side):
    """Block by block, pixel by pixel."""
    shape = tuple(-(-n // side) for n in image.shape)
    out = np.zeros(shape, SUMS)
    for i, j in np.ndindex(shape):
        rows, cols = np.mgrid[
            i * side : min((i + 1) * side, image.shape[0]), j * side : min((j + 1) * side, image.shape[1])
        ]
        z, w, h = (a[rows, cols] for a in (image, weight, height))
        there = np.isfinite(z) & (w > 0) & np.isfinite(h) & ((z != 0) | (image.dtype.kind == "f"))
        if not there.any():
            out[i, j] = (0, 0, np.nan, np.nan, np.nan)
            continue
        z, w, h = z[there].astype(complex), w[there].astype(float), h[there].astype(float)
        z = z / np.abs(z) if image.dtype.kind == "c" else z
        out[i, j] = ((z * w).sum(), w.sum(), *((w * q).sum() / w.sum() for q in (rows[there], cols[there], h)))
    return out


@pytest.mark.parametrize("side", [1, 3, 8])
@pytest.mark.parametrize("given", [(), ("coherence",), ("mask",), ("coherence", "mask", "dem")])
@pytest.mark.parametrize("function", [phase_sums, value_sums])
def test_sums_are_the_oracles(function, given, side):
    rng = np.random.default_rng(0)
    shape = (19, 26)
    image = rng.normal(size=shape) * 3 + (1j * rng.normal(size=shape) if function is phase_sums else 0)
    image[rng.uniform(size=shape) < 0.2] = np.nan
    image[8:16, 16:24] = np.nan
    image[0, 0] = 0
    image[1, 1] = np.inf
    image = image.astype("complex64" if function is phase_sums else "float32")
    fields = {
        "coherence": rng.uniform(-0.1, 1, shape).astype("float32"),
        "mask": rng.uniform(size=shape) < 0.7,
        "dem": rng.uniform(0, 3000, shape).astype("float32"),
    }
    fields["coherence"][4], fields["dem"][:, 5] = np.nan, np.nan
    weight = np.ones(shape)
    for name in ("coherence", "mask"):
        weight = weight * (fields[name] if name in given else 1)
    height = fields["dem"] if "dem" in given else np.zeros(shape)
    wanted = oracle(image, weight, height, side)
    blocks = Window(0, 0, *wanted.shape)
    tile = Tile(Window(0, 0, *shape), blocks, shape)
    sums = function(image[None], *(fields[name] for name in given), given=given, side=side, tile=tile)
    for name in SUMS.names:
        np.testing.assert_allclose(sums[0][name], wanted[name], rtol=2e-5, atol=2e-5)
    # A part of it has the same bits.
    part = Window(1, 2, wanted.shape[0] - 1, 1)
    (y0, y1), (x0, x1) = block_reads(1, part.y1, 19, side=side), block_reads(2, 3, 26, side=side)
    cut = [a[y0:y1, x0:x1] for a in (image, *(fields[name] for name in given))]
    again = function(*cut, given=given, side=side, tile=Tile(Window(y0, x0, y1 - y0, x1 - x0), part, shape))
    for name in SUMS.names:
        np.testing.assert_array_equal(again[name], sums[0][1:, 2:3][name])
