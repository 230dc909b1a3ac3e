"""The data: readers of products, the lazy stack, the Zarr store."""
