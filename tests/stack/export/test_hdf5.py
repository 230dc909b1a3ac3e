import numpy as np
import pytest

from insarflow.stack.export.hdf5 import storage, write_window
from insarflow.types import Window

h5py = pytest.importorskip("h5py")


@pytest.mark.parametrize("dtype", ["float32", "int8", "bool", "int32"])
@pytest.mark.parametrize("shape", [(3, 7), (512, 512), (600, 1025)])
def test_chunks_compressed_here_are_those_of_hdf5(tmp_path, dtype, shape):
    rng = np.random.default_rng(0)
    values = (rng.normal(0, 40, (2, *shape)) if dtype != "bool" else rng.random((2, *shape)) < 0.5).astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("made", **storage(values.shape, values.dtype))
        for k in range(2):
            for x in range(0, shape[1], 1024):
                window = Window(0, x, shape[0], min(1024, shape[1] - x))
                write_window(made, (k,), window, values[k, :, x : x + 1024])
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["made"].dtype == np.dtype(dtype)
        assert (file["made"].compression, file["made"].shuffle) == ("gzip", True)
        np.testing.assert_array_equal(file["made"][...], values)


def test_what_is_not_written_is_missing(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("made", **storage((600, 600), np.dtype("float32")), fillvalue=np.nan)
        write_window(made, (), Window(512, 512, 88, 88), np.ones((88, 88)))
        assert np.isnan(made[:512]).all()
        assert (made[512:, 512:] == 1).all()
