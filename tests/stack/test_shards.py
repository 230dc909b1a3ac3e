import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from zarr.codecs import BloscCodec, GzipCodec

from insarflow.stack.layout import compressor
from insarflow.stack.shards import by_whole_shards

CELL = np.s_[1:2, 0:1]


def make(folder, shape, dtype, **options):
    options = {"chunks": (1, 1, 4, 6), "shards": (1, 1, 8, 18), "compressors": compressor(np.dtype(dtype))} | options
    return zarr.create_array(folder, shape=(2, 2, *shape), dtype=dtype, fill_value=7, overwrite=True, **options)


def noise(shape, dtype):
    bits = np.random.default_rng(1).integers(0, 256, (*shape, np.dtype(dtype).itemsize), np.uint8)
    return bits.view(dtype)[..., 0][None, None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shards")


@given(st.integers(1, 17), st.integers(1, 37), st.sampled_from(["int16", "uint8", "uint16", "float32", "complex64"]))
@settings(max_examples=15, deadline=None)
def test_zarr_reads_it_and_writes_as_many_bytes(folder, height, width, dtype):
    ours, plain = (make(folder / name, (height, width), dtype) for name in ("ours", "plain"))
    values = noise((height, width), dtype)
    for y in range(0, height, 8):
        for x in range(0, width, 18):
            window = np.s_[y : y + 8, x : x + 18]
            by_whole_shards(ours)[*CELL, *window] = values[:, :, *window]
    plain[*CELL] = values
    read = zarr.open_array(folder / "ours", mode="r")
    np.testing.assert_array_equal(read[*CELL].view("uint8"), values.view("uint8"))
    np.testing.assert_array_equal(read[0], np.full((2, height, width), 7, dtype))
    small = np.s_[1, 0, height // 2 :, width // 2 :]
    expected = np.ascontiguousarray(values[0, 0, height // 2 :, width // 2 :])
    np.testing.assert_array_equal(read[small].view("uint8"), expected.view("uint8"))
    sizes = [
        {path.relative_to(folder / name): path.stat().st_size for path in (folder / name / "c").rglob("*")}
        for name in ("ours", "plain")
    ]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(("dtype", "fill"), [("uint8", 255), ("int16", -32768), ("complex64", complex(np.nan, np.nan))])
def test_chunks_of_nothing_take_no_space_and_the_shard_is_there(folder, dtype, fill):
    array = zarr.create_array(
        folder / "ours", shape=(8, 18), dtype=dtype, fill_value=fill, chunks=(4, 6), shards=(8, 18), overwrite=True,
        compressors=compressor(np.dtype(dtype)), config={"write_empty_chunks": True},
    )  # fmt: skip
    values = np.full((8, 18), fill, dtype)
    by_whole_shards(array)[...] = values
    file = folder / "ours" / "c" / "0" / "0"
    assert file.stat().st_size == 6 * 16 + 4
    np.testing.assert_array_equal(array[...], values)
    values[7, 17] = 1
    by_whole_shards(array)[...] = values
    assert file.stat().st_size > 6 * 16 + 4
    np.testing.assert_array_equal(array[...], values)


@pytest.mark.parametrize(
    "options",
    [
        {"shards": None},
        {"compressors": GzipCodec()},
        {"compressors": (GzipCodec(), BloscCodec())},
        {"compressors": None},
        {"serializer": zarr.codecs.BytesCodec(endian="big")},
    ],
)
def test_what_is_kept_in_another_way_is_left_to_zarr(folder, options):
    array = make(folder / "other", (8, 18), "int16", **options)
    assert by_whole_shards(array) is array


def test_damage_is_found_by_the_checksum(folder):
    by_whole_shards(make(folder / "ours", (8, 18), "int16"))[0:1, 0:1] = noise((8, 18), "int16")
    file = folder / "ours" / "c" / "0" / "0" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="checksum"):
        zarr.open_array(folder / "ours", mode="r")[0, 0]
