"""Series: several interferograms of one place as one sample."""

import geopandas as gpd
import numpy as np
import pytest
import shapely
import torch
import xarray as xr
from shapely.geometry import box
from torch import nn

from insarflow.errors import SchemaError, SelectionError
from insarflow.learn.augment import Chain, RandomConjugation, RandomOffset, RandomTurn, RandomWarp
from insarflow.learn.edge import RandomEdge
from insarflow.learn.labels import read_labels
from insarflow.learn.leakage import leakage_report
from insarflow.learn.patches import PatchDataset
from insarflow.learn.samples import Samples, collate
from insarflow.learn.series import SeriesDataset
from insarflow.learn.splits import split_by_acquisition, split_by_time
from insarflow.learn.train import fit
from insarflow.learn.training import Training
from insarflow.learn.transforms import STANDARD, augmented
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN
from insarflow.stack.assemble import stack_pairs
from insarflow.stack.labels import cell_of
from insarflow.types import Grid, Pair

SHAPE, SIDE = (48, 64), 16
GRID = Grid((5e5, 20.0, 0.0, 5.1e6, 0.0, -20.0), SHAPE, "EPSG:32632")
DAYS = [np.datetime64("2021-07-03", "ns") + np.timedelta64(6 * k, "D") for k in range(7)]
PAIRS = [Pair(a, b) for step in (1, 2, 3) for a, b in zip(DAYS, DAYS[step:], strict=False)]
LOST = PAIRS[2]
"""Holds nothing in the first patch."""


@pytest.fixture(scope="module")
def stack():
    rng = np.random.default_rng(0)
    coherence = rng.uniform(0.2, 0.9, SHAPE).astype(np.float32)  # the same in all pairs, so that it tells places apart
    images = {}
    for pair in PAIRS:
        phase = rng.uniform(-3, 3, SHAPE)
        images[pair] = {"igram": np.exp(1j * phase).astype(np.complex64), "coherence": coherence}
    images[LOST]["igram"][:SIDE, :SIDE] = np.nan
    return stack_pairs(images, GRID)


@pytest.fixture(scope="module")
def states(stack):
    """Something moves in one corner of all pairs of 12 days; in another, open at first, in the last of 6 days."""
    cells = np.zeros((stack.sizes["date"], stack.sizes["delay"], *SHAPE), np.uint8)
    for pair in PAIRS:
        date, delay = cell_of(stack, pair)
        cells[date, delay, 4:10, 6:12] = MOVING if pair.delay_days == 12 else ABSENT
        cells[date, delay, 36:40, 50:60] = MOVING if pair == PAIRS[5] else OPEN if pair == PAIRS[0] else ABSENT
    return xr.DataArray(cells, dims=stack["igram"].dims)


def patches_of(stack, states, **options):
    return PatchDataset(stack, states, **{"patch": SIDE, "least_valid": None, **options})


def expected_members(pair, rule, count):
    """By the definition, one by one."""
    days = {
        p: (abs((p.reference - pair.reference).astype(int)), abs((p.secondary - pair.secondary).astype(int)))
        for p in PAIRS
    }
    if rule == "delay":
        fit = [p for p in PAIRS if p.delay_days == pair.delay_days]
    elif rule == "date":
        fit = [p for p in PAIRS if p.name[:8] == pair.name[:8]]
    else:
        fit = PAIRS
    near = sorted(fit, key=lambda p: (sum(days[p]), p.name))[:count]
    return sorted(p.name for p in near)


@pytest.mark.parametrize(("rule", "length"), [("delay", 3), ("date", 4), ("near", 5), ("near", 1)])
def test_a_series_holds_the_patches_of_its_members(stack, states, rule, length):
    patches = patches_of(stack, states)
    series = SeriesDataset(patches, length=length, members=rule)
    assert series.index.drop(columns="members").equals(patches.index)
    where = {(r.pair, r.y, r.x): k for k, r in enumerate(patches.index.itertuples())}
    filled = 0
    for k in range(0, len(series), 17):
        row, sample = series.index.iloc[k], series[k]
        (pair,) = [p for p in PAIRS if p.name == row["pair"]]
        names = row["members"].split()
        assert names == expected_members(pair, rule, length)
        order = [row["pair"], *(n for n in names if n != row["pair"])]
        assert sample["image"].shape == (length, 3, SIDE, SIDE)
        for j, name in enumerate(order):
            (one,) = [p for p in PAIRS if p.name == name]
            own = patches[where[name, row["y"], row["x"]]]
            torch.testing.assert_close(sample["image"][j], own["image"], rtol=0, atol=0)
            days = (one.reference - np.datetime64("2014-01-01")) / np.timedelta64(1, "D")
            assert sample["when"][j].tolist() == [days, one.delay_days]
            assert bool(sample["there"][j]) == (name != LOST.name or (row["y"], row["x"]) != (0, 0))
        assert not sample["there"][len(order) :].any()
        assert not sample["image"][len(order) :].any()
        filled += length - len(order)
        target = patches[k]
        assert sample["mask"].equal(target["mask"])
        assert sample["valid"].equal(target["valid"])
    assert (filled > 0) == (rule == "date")
    kinds = {name: value.dtype for name, value in series[0].items()}
    assert kinds == {
        "image": torch.float32, "mask": torch.uint8, "valid": torch.bool, "when": torch.float32, "there": torch.bool,
    }  # fmt: skip


def test_a_member_that_holds_nothing_of_the_place_is_not_there(stack, states):
    patches = patches_of(stack, states)
    series = SeriesDataset(patches, length=3)
    at = series.index.query(f"pair == '{PAIRS[1].name}' and y == 0 and x == 0").index[0]
    sample = series[at]
    assert sample["there"].tolist() == [True, True, False]
    assert not sample["image"][2].any()
    assert sample["when"][2, 1] == 6
    assert sample["valid"].all()  # the pair itself is whole
    own = series[series.index.query(f"pair == '{LOST.name}' and y == 0 and x == 0").index[0]]
    assert own["there"].tolist() == [False, True, True]
    assert (own["mask"] == MISSING).all()


def test_members_are_drawn_from_a_pool_by_seed_epoch_and_label(stack, states):
    patches = patches_of(stack, states, transforms=RandomOffset())
    series = SeriesDataset(patches, length=3, members="near", pool=9)
    row = series.index.iloc[40]
    names = row["members"].split()
    assert len(names) == 9
    days = {p.name: [(p.reference - np.datetime64("2014-01-01")) / np.timedelta64(1, "D"), p.delay_days] for p in PAIRS}
    found = []
    for epoch in range(30):
        series.set_epoch(epoch)
        sample = series[40]
        shown = [n for when in sample["when"].tolist() for n in names if days[n] == when]
        assert len({*shown}) == 3
        assert shown[0] == row["pair"]
        assert shown[1] < shown[2]
        found.append(tuple(shown))
    assert patches.epoch == 29
    assert {n for shown in found for n in shown} == {*names}
    assert len({*found}) > 10
    again = SeriesDataset(patches_of(stack, states, transforms=RandomOffset()), length=3, members="near", pool=9)
    again.set_epoch(7)
    series.set_epoch(7)
    part = series.at(series.index.iloc[[40]])
    assert all(again[40][name].equal(series[40][name]) and part[0][name].equal(again[40][name]) for name in again[40])
    with pytest.raises(SelectionError, match=r"^rows must be labels of the index"):
        series.at([10_000])


def test_a_season_moves_where_any_member_does(stack, states):
    patches = patches_of(stack, states)
    series = SeriesDataset(patches, length=6, members="delay", target="season")
    assert len(series) == 3 * 12  # one series for each delay and place
    by_delay = {len(names.split()): rows for names, rows in series.index.groupby("members")}
    for count, delay in ((6, 6), (5, 12), (4, 18)):
        rows = by_delay[count]
        for label, row in rows.iterrows():
            cells = [states.values[cell_of(stack, p)] for p in PAIRS if p.delay_days == delay]
            cut = [c[row["y"] : row["y"] + SIDE, row["x"] : row["x"] + SIDE] for c in cells]
            expected = np.select(
                [np.any([c == s for c in cut], axis=0) for s in (MOVING, OPEN)], [MOVING, OPEN], ABSENT
            )
            sample = series.at([label])[0]
            np.testing.assert_array_equal(sample["mask"].numpy(), expected)
            assert row["positive"] == (expected == MOVING).mean()
    # No pair that stands for its season moves by itself in the far corner: its season does.
    corner = by_delay[6].query("y == 32 and x == 48")
    assert corner["pair"].item() == PAIRS[0].name
    assert corner["positive"].item() == 40 / 256
    assert series.at(corner)[0]["image"].shape[0] == 6
    even = SeriesDataset(patches, length=6, target="season", balance=0.5).index
    assert (even["positive"] > 0).sum() == (series.index["positive"] > 0).sum() == (even["positive"] == 0).sum() == 2


def test_weights_of_a_season_are_the_highest_of_its_movers(stack):
    shapes = [shapely.transform(box(2, 2, 10, 10), lambda c: np.array([5e5, 5.1e6]) + c * (20, -20))] * 2
    about = {"confidence": [0.25, 0.5], "date": ["20210703", "20210709"], "delay": [6, 6]}
    labels = read_labels(gpd.GeoDataFrame(about, geometry=shapes, crs=32632), stack)
    patches = patches_of(stack, labels, weighted=True)
    here = patches.index.query("y == 0 and x == 0")
    at = here[here["delay"] == np.timedelta64(6, "D")].index
    pair = SeriesDataset(patches, length=2).at(at)
    season = SeriesDataset(patches, length=6, target="season")
    season = season.at(at[:1])
    weights = [{*s["weight"][s["mask"] == MOVING].tolist()} for s in (pair[0], pair[1], season[0])]
    assert weights == [{0.25}, {0.5}, {0.5}]
    assert season[0]["weight"][season[0]["mask"] != MOVING].eq(1).all()


def test_a_series_is_turned_whole_and_each_member_gets_its_own_offset(stack, states):
    plain = SeriesDataset(patches_of(stack, states), length=3)
    chain = Chain((RandomTurn(), RandomOffset()))
    changed = SeriesDataset(patches_of(stack, states, transforms=chain), length=3)
    seen = set()
    at = plain.index.query(f"pair == '{PAIRS[3].name}' and y == 32 and x == 48").index[0]
    for epoch in range(12):
        changed.set_epoch(epoch)
        one, two = plain[at], changed[at]
        turned = [
            (k, flip) for k in range(4) for flip in (False, True)
            if two["image"][0, 0].equal(_turned(one["image"][0, 0], k, flip))
        ]  # fmt: skip
        ((k, flip),) = turned
        seen.add((k, flip))
        assert two["mask"].equal(_turned(one["mask"], k, flip))
        steps = []
        for j in range(3):
            before, after = (_phasor(s["image"][j]) for s in (one, two))
            assert two["image"][j, 0].equal(_turned(one["image"][j, 0], k, flip))
            step = after * _turned(before, k, flip).conj()
            torch.testing.assert_close(step, step.mean().expand(step.shape), rtol=0, atol=1e-5)
            steps.append(complex(step.mean()))
        assert min(abs(steps[a] - steps[b]) for a, b in ((0, 1), (0, 2), (1, 2))) > 1e-3
        assert two["when"].equal(one["when"])
    assert len(seen) > 4


def test_acquisitions_are_exchanged_together_and_the_days_say_so(stack, states):
    plain = SeriesDataset(patches_of(stack, states), length=4, members="near")
    changed = SeriesDataset(patches_of(stack, states, transforms=RandomConjugation()), length=4, members="near")
    kinds = set()
    for epoch in range(10):
        changed.set_epoch(epoch)
        one, two = plain[3], changed[3]
        exchanged = not two["image"].equal(one["image"])
        kinds.add(exchanged)
        sign = torch.tensor([1.0, 1.0, -1.0 if exchanged else 1.0])[:, None, None]
        assert two["image"].equal(one["image"] * sign)
        later = torch.stack((one["when"].sum(1), -one["when"][:, 1]), 1)
        assert two["when"].equal(later if exchanged else one["when"])
    assert kinds == {True, False}


def test_all_members_are_warped_and_cut_alike(stack, states):
    changed = SeriesDataset(
        patches_of(stack, states, transforms=Chain((RandomWarp(0.4, 0.5), RandomEdge(chance=1.0)))), length=3
    )
    batch = collate([Samples(SeriesDataset(patches_of(stack, states), length=3), 3)[k] for k in (21, 22, 23)])
    moved = augmented(batch, RandomWarp(0.4, 0.5), torch.Generator().manual_seed(1))
    coherences = [changed[21]["image"][:, 0], *moved.image[:, :, 0]]
    for coherence in coherences:
        assert coherence[1:].equal(coherence[:1].expand(2, -1, -1))
    # Each series has a warp of its own.
    first, second = (((moved.mask[k] == MISSING) * 1) for k in (0, 1))
    assert not first.equal(second)
    assert moved.image.shape == batch.image.shape


class Shifting:
    """Moves each member another way."""

    def __call__(self, image, mask, generator=None):
        moved = [torch.roll(m, k, -1) for k, m in enumerate(mask)]
        return image, torch.stack(moved)


def test_a_transform_that_moves_members_apart_is_refused(stack, states):
    series = SeriesDataset(patches_of(stack, states, transforms=Shifting()), length=3)
    with pytest.raises(ValueError, match=r"^a transform must move all members of a series alike, instead got Shifting"):
        series[30]


def test_no_split_shares_an_acquisition_of_any_member(stack, states):
    patches = patches_of(stack, states, patch=32)
    series = SeriesDataset(patches, length=2, members="delay")
    index = series.index.assign(positive=0.1)
    naive = split_by_time(index.drop(columns="members"), DAYS[3])
    leaking = leakage_report(index.loc[naive.train.index], index.loc[naive.test.index])
    assert leaking.shares_acquisitions
    for split in (split_by_time(index, DAYS[3]), split_by_acquisition(index, DAYS[:3])):
        report = leakage_report(split.train, split.test)
        assert not report.shares_acquisitions
        assert report.split.pairs == ()
        sides = []
        for side in (split.train, split.test):
            part = series.at(side)
            shown = set()
            for k in range(len(part)):
                for days, delay in part[k]["when"][part[k]["there"]].tolist():
                    shown |= {days, days + delay}
            sides.append(shown)
        assert sides[0]
        assert not sides[0] & sides[1]


class Tiny(nn.Module):
    """The mean over what is there of a convolution that knows the days."""

    def __init__(self):
        super().__init__()
        self.first, self.days, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Linear(2, 8), nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, image, when, there):
        count, members = there.shape
        seen = self.first(image.flatten(0, 1)).reshape(count, members, 8, *image.shape[-2:])
        seen = torch.relu(seen + self.days(when / 3000)[..., None, None]) * there[..., None, None, None]
        return self.last(seen.sum(1) / there.sum(1).clamp_min(1)[:, None, None, None])


def tiny(seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Tiny()


class StoppedError(Exception):
    """Stands for a killed process."""


class Stopping(SeriesDataset):
    """Fails after some samples."""

    left = 10**6

    def __getitem__(self, number):
        self.left -= 1
        if self.left < 0:
            raise StoppedError
        return super().__getitem__(number)


def test_a_network_of_series_is_trained_and_resumed_with_the_same_bits(tmp_path, stack, states):
    def series(left=10**6):
        made = Stopping(patches_of(stack, states, patch=32), length=3, members="near", pool=5)
        made = made.at(made.index.query("x == 0 and y == 0"))
        made.left = left
        return made

    training = Training(3, batch_size=4, learning_rate=1e-2, augmentations=STANDARD)
    whole, parts = tiny(0), tiny(0)
    straight = fit(whole, series(), series(), tmp_path / "whole", training, progress=False)
    assert not all(a.equal(b) for a, b in zip(whole.parameters(), tiny(0).parameters(), strict=True))
    with pytest.raises(StoppedError):
        fit(parts, series(len(series()) + 5), series(), tmp_path / "parts", training, progress=False)
    parts = tiny(1)
    resumed = fit(parts, series(), series(), tmp_path / "parts", training, resume=True, progress=False)
    assert resumed == straight
    assert all(a.equal(b) for a, b in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True))


def sample(length=2, **other):
    good = {"image": torch.zeros(length, 3, 8, 8), "mask": torch.zeros(8, 8, dtype=torch.uint8)}
    return {**good, "when": torch.zeros(length, 2), "there": torch.ones(length, dtype=torch.bool), **other}


def test_what_is_not_finite_or_not_there_is_missing():
    image = torch.ones(2, 3, 8, 8)
    image[0, 1, 2, 2] = torch.nan
    image[:, 0, 3, 3] = torch.inf
    found = Samples([sample(image=image)], 3)[0]
    assert found["image"][:, 0, 2, 2].tolist() == [0.0, 1.0]
    assert (found["mask"][2, 2], found["mask"][3, 3]) == (ABSENT, MISSING)
    alone = Samples([sample(image=image, there=torch.tensor([True, False]))], 3)[0]
    assert alone["mask"][2, 2] == MISSING
    assert not alone["image"][1].any()
    batch = collate([{**found, "weight": torch.tensor(1.0)}] * 3)
    assert (batch.image.shape, batch.when.shape, batch.there.shape) == ((3, 2, 3, 8, 8), (3, 2, 2), (3, 2))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([sample(image=torch.zeros(3, 8, 8))], r"^image of sample 0 must be float32 \(time, channel, y, x\), instead"),
        (
            [sample(image=torch.zeros(2, 4, 8, 8))],
            r"^image of sample 0 must have the network's 3 channels, instead got 4",
        ),
        (
            [sample(when=torch.zeros(3, 2))],
            r"^when of sample 0 must be finite float32 of the size \(2, 2\), instead got",
        ),
        ([sample(when=torch.full((2, 2), torch.nan))], r"^when of sample 0 must be finite"),
        (
            [sample(there=torch.ones(2))],
            r"^there of sample 0 must be bool of the size \(2,\), instead got torch.float32",
        ),
        ([sample(), sample(3)], r"^sample 1 must have as many members as sample 0, 2, instead got 3"),
    ],
)
def test_bad_series_are_told(samples, message):
    with pytest.raises(SchemaError, match=message):
        collate([Samples(samples, 3)[k] for k in range(len(samples))])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"length": 0}, ValueError, r"^length must be"),
        ({"length": 3, "members": "all"}, ValueError, r"^members must be .*delay.*instead got"),
        ({"length": 3, "pool": 2}, ValueError, r"^pool must be"),
        ({"length": 3, "target": "last"}, ValueError, r"^target must be"),
        ({"length": 3, "balance": 0.5}, ValueError, r"^balance is of target='season'; for pairs give it to the PatchD"),
    ],
)
def test_bad_arguments_are_told(stack, states, options, error, message):
    with pytest.raises(error, match=message):
        SeriesDataset(patches_of(stack, states, patch=32), **options)
    with pytest.raises(TypeError, match=r"^patches must be a PatchDataset"):
        SeriesDataset(stack, length=3)


def _turned(plane, turns, flip):
    plane = plane.rot90(turns, (-2, -1))
    return plane.flip(-1) if flip else plane


def _phasor(image):
    return torch.complex(image[1], image[2])
