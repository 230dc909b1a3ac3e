"""From interferograms to an inventory of moving slopes, step by step, on a simulated region.

Run it with ``python examples/first_map.py [FOLDER]``: it leaves ``inventory.gpkg`` there.
"""

import sys
from pathlib import Path

import insarflow
from insarflow.inventory import write_inventory


def main(folder: Path, shape: tuple[int, int] = (256, 256)) -> None:
    """Simulate, store, filter, segment, outline."""
    simulated, truth = insarflow.simulate_stack(shape, seed=1, movers=10)
    insarflow.write_stack(simulated, folder / "stack.zarr")

    ds = insarflow.open_stack(folder / "stack.zarr")
    print(ds.insar.pairs)

    # The embedded model expects this filter; it warns if the data went through another one.
    mapped = ds.insar.goldstein(patch_size=32, step=16, alpha=0.5).insar.segment("default")
    inventory = mapped.insar.inventory()
    write_inventory(inventory, folder / "inventory.gpkg")
    print(inventory[["area_m2", "probability_mean", "pairs"]])

    seen = int(truth["visible"].any(("date", "delay")).sum())
    print(f"{len(inventory)} polygons; {seen} of {truth.sizes['mover']} simulated movers show in some interferogram")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
