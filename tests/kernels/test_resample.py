import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insarflow.kernels.resample import METHODS, SUPPORT, reach, resample

RNG = np.random.default_rng(11)
HEIGHT, WIDTH = 23, 31


def weight(t, method):
    t = np.abs(t)
    if method == "nearest":
        return (t <= 0.5).astype(float)
    if method == "bilinear":
        return np.maximum(0.0, 1.0 - t)
    inner, outer = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t < 1, inner, np.where(t < 2, outer, 0.0))


def mean_weight(t, method, box):
    """Mean of the weight over a box, by many points of it."""
    if not box:
        return weight(t, method)
    points = box * ((np.arange(500) + 0.5) / 500 - 0.5)
    return np.where(np.abs(t) < 2 + box / 2, weight(t[:, None] + points, method).mean(axis=1), 0.0)


def oracle(image, row, col, method, stretch=(1.0, 1.0)):
    """One value: the weighted mean over every pixel of the image that has any weight."""
    padded = np.pad(image, 12, constant_values=np.nan)
    y, x = (np.arange(-12, n + 12) for n in image.shape)
    boxes = [0.0 if method == "nearest" else s - 1 if s > 1.25 else 0.0 for s in stretch]
    wy, wx = (mean_weight(v - at, method, box) for v, at, box in ((y, row, boxes[0]), (x, col, boxes[1])))
    w = wy[:, None] * wx
    counts = (np.abs(w) > 1e-12) & ~np.isnan(padded)
    have = w[counts].sum()
    if not counts.any() or have < 0.5 * w.sum() - 1e-6:
        return np.nan
    total = (w[counts] * padded[counts].astype(complex)).sum()
    if image.dtype.kind == "c" and np.allclose(np.abs(padded[counts]) ** 2, 1.0, atol=1e-3):
        return total / abs(total)
    return total / have if image.dtype.kind == "c" else (total / have).real


def affine_nodes(matrix, shift, cells, step, start=(0, 0)):
    """Nodes of a mesh under an affine map from output to source pixels."""
    y, x = (s * step + step * np.arange(n + 1) for s, n in zip(start, cells, strict=True))
    rows, cols = np.meshgrid(y, x, indexing="ij")
    return np.stack([rows, cols], axis=-1) @ np.array(matrix).T + np.array(shift)


def images():
    real = RNG.normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    phase = np.exp(1j * RNG.uniform(-np.pi, np.pi, real.shape)).astype(np.complex64)
    weighted = (phase * RNG.uniform(0.5, 9, real.shape)).astype(np.complex64)
    for image in (real, phase, weighted):
        image[RNG.uniform(size=image.shape) < 0.25] = np.nan
    return {"real": real, "phase only": phase, "with amplitude": weighted}


IMAGES = images()


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize(
    ("method", "stretch"),
    [("nearest", (1, 1)), ("bilinear", (1, 1)), ("cubic", (1, 1)), ("bilinear", (3.3, 1.6)), ("cubic", (1, 2.5))],
)
def test_against_numpy(kind, method, stretch):
    image = IMAGES[kind]
    nodes = affine_nodes([[1.3131, 0.2117], [-0.1713, 1.4327]], [-3.3719, -1.2153], (6, 6), 4)
    out = resample(image, nodes, np.empty((22, 23), image.dtype), step=4, method=method, stretch=stretch)
    positions = affine_nodes([[1.3131, 0.2117], [-0.1713, 1.4327]], [-3.3719, -1.2153], (21, 22), 1)
    expected = np.array([[oracle(image, *p, method, stretch) for p in line] for line in positions])
    assert 0.1 < np.isnan(expected).mean() < 0.9
    within = 2e-6 if stretch == (1, 1) else 2e-4
    np.testing.assert_allclose(out, expected, rtol=within, atol=within)


@pytest.mark.parametrize("method", ["bilinear", "cubic"])
@given(stretch=st.floats(0.3, 6), shift=st.floats(-1, 1))
def test_a_ramp_stays_exact(method, stretch, shift):
    image = (0.3 * np.arange(40, dtype=np.float32))[None, :].repeat(40, axis=0)
    nodes = affine_nodes(np.eye(2), [15 + shift, 15 - shift], (5, 5), 1)
    stretched = (stretch, stretch)
    for z, same in ((image, float), (np.exp(1j * image).astype(np.complex64), np.angle)):
        out = resample(z, nodes, np.empty((5, 5), z.dtype), step=1, method=method, stretch=stretched)
        truth = 0.3 * nodes[:-1, :-1, 1]
        wrong = out - truth if same is float else np.angle(out * np.exp(-1j * truth))
        assert np.abs(wrong).max() < (1e-5 if same is float else 2e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", IMAGES)
def test_at_the_centres_nothing_changes(kind, method):
    image = IMAGES[kind]
    nodes = affine_nodes(np.eye(2), [2 + 1e-9, 3 - 1e-9], (3, 4), 8)
    out = resample(image, nodes, np.empty((20, 27), image.dtype), step=8, method=method)
    np.testing.assert_array_equal(out, image[2:22, 3:30])


def test_a_tie_goes_one_way():
    image = np.arange(64, dtype=np.int32).reshape(8, 8)
    noise = RNG.uniform(-1e-9, 1e-9, (7, 7, 2))
    nodes = affine_nodes(np.eye(2), [0.5, 0.5], (6, 6), 1) + noise
    out = resample(image, nodes, np.empty((6, 6), np.int32), step=1, method="nearest")
    np.testing.assert_array_equal(out, image[1:7, 1:7])


def test_booleans_are_taken_from_the_nearest_pixel():
    image = RNG.random((9, 9)) < 0.5
    nodes = affine_nodes(np.eye(2), [0.3, -1.3], (9, 9), 1)
    out = resample(image, nodes, np.ones((9, 9), bool), step=1, method="nearest")
    assert not out[:, 0].any()
    np.testing.assert_array_equal(out[:, 1:], image[:, :8])


class TestMissing:
    @pytest.mark.parametrize("method", ["bilinear", "cubic"])
    def test_no_wrong_value_leaks(self, method):
        image = np.full((20, 20), 3 + 4j, np.complex64)
        image[7:12, 5:9] = complex(np.nan, 0)
        image[15, 15] = complex(1e30, np.nan)
        nodes = affine_nodes(0.37 * np.eye(2), [0.1, 0.2], (49, 49), 1)
        out = resample(image, nodes, np.empty((49, 49), np.complex64), step=1, method=method)
        there = ~np.isnan(out)
        assert 0.8 < there.mean() < 0.98
        np.testing.assert_allclose(out[there], 3 + 4j, rtol=1e-6)

    def test_half_of_the_weight_is_enough(self):
        image = np.array([[1.0, np.nan], [1.0, np.nan]], np.float32)
        nodes = np.array([[[0.5, x] for x in (0.25, 0.5, 0.51, 1.0)]] * 2)
        out = resample(image, nodes, np.empty((1, 3), np.float32), step=1)
        np.testing.assert_array_equal(out, [[1, 1, np.nan]])

    def test_image_reaches_half_a_pixel_beyond_its_centres(self):
        image = np.ones((3, 3), np.float32)
        nodes = np.array([[[1.0, x] for x in (-0.51, -0.5, 2.5, 2.51, np.inf, np.nan, 1.0)]] * 2)
        out = resample(image, nodes, np.empty((1, 6), np.float32), step=1)
        np.testing.assert_array_equal(out, [[np.nan, 1, 1, np.nan, np.nan, np.nan]])


class TestPhase:
    def test_radians_are_never_averaged(self):
        image = np.exp(1j * np.array([[3.0, -3.0]])).astype(np.complex64)
        nodes = np.array([[[0.0, 0.5], [0.0, 1.0]]] * 2)
        out = resample(image, nodes, np.empty((1, 1), np.complex64), step=1)
        assert abs(np.angle(out[0, 0])) == pytest.approx(np.pi, abs=1e-6)

    def test_magnitude_one_is_kept_and_any_other_is_a_mean(self):
        image = np.exp(1j * np.array([[0.0, 2.0]])).astype(np.complex64)
        nodes = np.array([[[0.0, 0.5], [0.0, 1.0]]] * 2)
        once, twice = (resample(z, nodes, np.empty((1, 1), np.complex64), step=1)[0, 0] for z in (image, 2 * image))
        assert abs(once) == pytest.approx(1.0, abs=1e-6)
        assert abs(twice) == pytest.approx(2 * np.cos(1.0), abs=1e-6)

    def test_a_coarse_grid_does_not_alias(self):
        """White noise on a ramp: a single pixel has the noise's phase, the mean over 8 x 8 nearly the ramp's."""
        y, x = np.mgrid[:160, :160]
        ramp = 0.05 * x - 0.03 * y
        image = np.exp(1j * (ramp + RNG.normal(0, 1.0, ramp.shape))).astype(np.complex64)
        nodes = affine_nodes(8 * np.eye(2), [11.5, 11.5], (17, 17), 1)
        truth = 0.05 * nodes[:-1, :-1, 1] - 0.03 * nodes[:-1, :-1, 0]

        def error(stretch):
            out = resample(image, nodes, np.empty((17, 17), np.complex64), step=1, stretch=stretch)
            return np.std(np.angle(out * np.exp(-1j * truth)))

        assert error((8, 8)) < 0.2 < 0.5 < error((1, 1))


@given(st.data())
def test_any_cut_gives_the_same_bits(data):
    """Whatever part of the output, from whatever window of the image that is large enough."""
    kind = data.draw(st.sampled_from(sorted(IMAGES)))
    method, stretch = data.draw(st.sampled_from([(m, s) for m in METHODS for s in ((1.0, 1.0), (2.2, 1.3))]))
    image = IMAGES[kind]
    nodes = affine_nodes([[0.81, 0.21], [-0.17, 1.13]], [1.37, 2.21], (4, 4), 6)
    whole = resample(image, nodes, np.empty((24, 24), image.dtype), step=6, method=method, stretch=stretch)
    y0, x0 = data.draw(st.integers(0, 20)), data.draw(st.integers(0, 20))
    height, width = data.draw(st.integers(1, 24 - y0)), data.draw(st.integers(1, 24 - x0))
    positions = affine_nodes([[0.81, 0.21], [-0.17, 1.13]], [1.37, 2.21], (23, 23), 1)[
        y0 : y0 + height, x0 : x0 + width
    ]
    margin = [reach(method, s) for s in stretch]
    low = np.maximum(0, np.floor(positions.min(axis=(0, 1))).astype(int) - margin)
    high = np.ceil(positions.max(axis=(0, 1))).astype(int) + np.array(margin) + 1
    part = resample(
        image[low[0] : high[0], low[1] : high[1]],
        nodes,
        np.empty((height, width), image.dtype),
        step=6,
        offset=(y0, x0),
        origin=(int(low[0]), int(low[1])),
        method=method,
        stretch=stretch,
    )
    np.testing.assert_array_equal(part, whole[y0 : y0 + height, x0 : x0 + width])


def test_only_the_cells_that_are_named():
    image = IMAGES["real"]
    nodes = affine_nodes(np.eye(2), [3.0, 3.0], (2, 2), 5)
    cells = np.array([[True, False], [False, True]])
    out = resample(image, nodes, np.full((16, 14), 7, np.float32), step=5, offset=(-2, -3), cells=cells)
    expected = np.full((16, 14), 7, np.float32)
    expected[2:7, 3:8], expected[7:12, 8:13] = image[3:8, 3:8], image[8:13, 8:13]
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("method", METHODS)
def test_reach_is_enough(method):
    assert all(
        reach(method, s) >= SUPPORT[method] + (0 if method == "nearest" else s / 2 - 0.5) for s in (0.1, 1, 2.5, 9)
    )
