import numpy as np
import pytest
from skimage.feature import peak_local_max

from insarflow.datasets.crops import Place, crop_places, middles
from insarflow.errors import SelectionError
from insarflow.types import Window


def blobs(seed, shape=(70, 90), count=7):
    """Moves of different sizes, some of which touch each other or the border."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    ids = np.zeros(shape, np.int64)
    for move in rng.permutation(count) + 1:
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        a, b = rng.uniform(2, 14, 2)
        ids[((y - cy) / a) ** 2 + ((x - cx) / b) ** 2 < 1] = move
    return ids


def obvious_middles(moving, spacing):
    """Distances, highest pixels and their spacing, pixel by pixel."""
    still = np.argwhere(~moving)
    distance = np.zeros(moving.shape)
    for y, x in np.argwhere(moving):
        distance[y, x] = np.sqrt(((still - (y, x)) ** 2).sum(axis=1).min())
    candidates = []
    for y, x in np.argwhere(moving):
        around = distance[max(y - spacing, 0) : y + spacing + 1, max(x - spacing, 0) : x + spacing + 1]
        if distance[y, x] == around.max():
            candidates.append((-distance[y, x], int(y), int(x)))
    found = []
    for _, y, x in sorted(candidates):
        if all(max(abs(y - a), abs(x - b)) >= spacing for a, b in found):
            found.append((y, x))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_middles_are_those_that_one_finds_pixel_by_pixel(seed):
    moving = blobs(seed) > 0
    found = middles(moving, 10)
    assert found == obvious_middles(moving, 10)
    assert len(found) > 3


@pytest.mark.parametrize("seed", range(6))
def test_middles_are_those_of_the_released_code_inside_of_the_border(seed):
    moving = blobs(seed, (150, 170), 12) > 0
    from scipy.ndimage import distance_transform_edt

    theirs = peak_local_max(distance_transform_edt(moving), 10, exclude_border=False)
    assert middles(moving, 10) == [tuple(middle) for middle in theirs.tolist()]


def test_windows_are_shifted_inwards_where_the_image_ends():
    ids = np.zeros((120, 260), np.int32)
    ids[2:7, 250:259] = 9
    ids[60:81, 120:141] = 3
    ids[110:113, 4:7] = 5
    places = crop_places(ids)
    assert places[0] == Place(3, 0, Window(20, 80, 100, 100))  # the largest first
    assert {(p.move, p.window.y0, p.window.x0) for p in places[1:]} == {(9, 0, 160), (5, 20, 0)}
    assert [p.k for p in places] == [0, 1, 2]
    for place in places:
        assert 0 <= place.window.y0 <= 20
        assert 0 <= place.window.x0 <= 160


def test_a_large_move_has_several_crops_that_overlap():
    ids = np.zeros((150, 300), np.int32)
    ids[60:80, 40:260] = 1
    ids[50:90, 100:130] = 1
    windows = [p.window for p in crop_places(ids)]
    assert len(windows) > 3
    assert any(a.shared(b) for a in windows for b in windows if a != b)


def test_a_move_is_the_highest_id_about_the_middle():
    ids = np.zeros((110, 110), np.int32)
    ids[40:51, 40:51] = 2
    middle = middles(ids > 0)[0]
    assert middle == (45, 45)
    ids[44, 46] = 8
    assert crop_places(ids)[0].move == 8
    ids[44, 46], ids[45, 47] = 2, 8
    assert crop_places(ids)[0].move == 2


def test_a_part_of_an_image_gives_the_places_of_the_whole():
    ids = np.zeros((300, 320), np.int32)
    ids[120:220, 130:240] = blobs(3, (100, 110))
    ids[:, :125] = ids[:, 245:] = 0
    part = ids[115:225, 125:245]
    assert crop_places(part, inside=ids.shape, corner=(115, 125)) == crop_places(ids)


@pytest.mark.parametrize(
    ("ids", "given", "error", "told"),
    [
        (np.zeros((120, 120), int), {}, SelectionError, "instead nothing moves"),
        (np.ones((120, 120), int), {}, SelectionError, "instead all pixels move"),
        (
            np.ones((90, 120), int),
            {},
            ValueError,
            "side must fit into the image of 90 by 120 pixels, instead got side=100",
        ),
        (np.ones((120, 120)), {}, TypeError, "ids must be whole numbers"),
        (np.full((120, 120), -1), {}, ValueError, "ids must be 0 or more, instead got -1"),
        (np.ones((120, 120), int), {"spacing": 0}, ValueError, "spacing must be"),
    ],
)
def test_what_has_no_crops_is_told(ids, given, error, told):
    with pytest.raises(error, match=told):
        crop_places(ids, **given)
