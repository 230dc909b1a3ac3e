"""Windows of an endless ground, and the law that what is drawn in them does not depend on them."""

import numpy as np
from hypothesis import strategies as st

from insarflow.types import Window

windows = st.builds(
    Window, st.integers(-900, 900), st.integers(-900, 900), st.integers(1, 45), st.integers(1, 45)
)  # fmt: skip


def check_any_window(draw, window, margin=9):
    """Each array that `draw(window)` gives has the same bits as cut from a larger window."""
    outer = Window(window.y0 - margin, window.x0 - 5, window.height + margin + 4, window.width + 11)
    alone, cut = draw(window), draw(outer)
    alone, cut = (parts if isinstance(parts, tuple) else (parts,) for parts in (alone, cut))
    for one, other in zip(alone, cut, strict=True):
        assert one.shape == window.shape
        assert np.all(np.isfinite(one))
        np.testing.assert_array_equal(one, other[window.within(outer)])
