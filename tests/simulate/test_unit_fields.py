import numpy as np
import pytest

from insarflow.simulate.unit_fields import unit_field
from insarflow.types import Window


@pytest.mark.parametrize(
    ("exponent", "longest", "shortest"), [(-4.0, 900.0, 0.0), (-2.0, 500.0, 0.0), (-3.0, 1200.0, 400.0)]
)
def test_standard_deviation_is_one(exponent, longest, shortest):
    fields = [
        unit_field(s, "x", spacing=20.0, exponent=exponent, longest=longest, shortest=shortest).at(
            Window(-300, 5, 512, 512)
        )
        for s in range(6)
    ]
    assert np.mean(np.square(fields)) == pytest.approx(1.0, abs=0.1)


def test_fields_of_few_cells_are_drawn_too():
    field = unit_field(1, "x", spacing=100.0, exponent=-2.0, longest=50.0)
    assert np.std(field.at(Window(0, 0, 200, 200))) == pytest.approx(1.0, abs=0.1)
