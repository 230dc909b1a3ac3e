"""Whole shards for Zarr, each made in one go.

Zarr's own writer hands every chunk of a shard through the event loop to a thread and back, which costs as much as
compressing it. A task here writes a whole shard, and there are as many tasks at once as cores: one thread compresses
its chunks one after the other. The bytes are a shard by the Zarr v3 specification like any other.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import google_crc32c
import numpy as np
import zarr
from numcodecs import Blosc
from zarr.abc.codec import ArrayBytesCodec
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, ShardingCodec

_SHUFFLES = {"noshuffle": Blosc.NOSHUFFLE, "shuffle": Blosc.SHUFFLE, "bitshuffle": Blosc.BITSHUFFLE}


def by_whole_shards(array: zarr.Array[Any]) -> zarr.Array[Any]:
    """The array, to be written a whole shard at a time; as it is if it is kept in another way than this package's."""
    codec = WholeShard.like(array.metadata.codecs)
    if codec is None:
        return array
    inner = array._async_array
    return zarr.Array(zarr.AsyncArray(replace(inner.metadata, codecs=(codec,)), inner.store_path, config=inner.config))


@dataclass(frozen=True)
class WholeShard(ArrayBytesCodec):  # type: ignore[misc]
    """What stands for Zarr's sharding codec while whole shards are written.

    Attributes
    ----------
    chunk
        Shape of the chunks inside.
    cname, clevel, shuffle, blocksize
        Of Blosc.
    """

    chunk: tuple[int, ...]
    cname: str
    clevel: int
    shuffle: int
    blocksize: int

    is_fixed_size = False

    @classmethod
    def like(cls, codecs: tuple[Any, ...]) -> WholeShard | None:
        """What writes as these codecs of an array do; None if they are others than Blosc in shards."""
        if len(codecs) != 1 or not isinstance(codecs[0], ShardingCodec):
            return None
        sharding = codecs[0]
        kinds = [tuple(map(type, inner)) for inner in (sharding.codecs, sharding.index_codecs)]
        if kinds != [(BytesCodec, BloscCodec), (BytesCodec, Crc32cCodec)] or sharding.index_location.value != "end":
            return None
        blosc = sharding.codecs[1]
        return cls(sharding.chunk_shape, blosc.cname.value, blosc.clevel, _SHUFFLES[blosc.shuffle.value], blosc.blocksize)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Not known before: chunks are compressed."""
        raise NotImplementedError

    async def _encode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        shard = await asyncio.to_thread(self.encode_shard, chunk_data.as_numpy_array())
        return chunk_spec.prototype.buffer.from_bytes(shard)

    def encode_shard(self, values: np.ndarray) -> bytes:
        """All chunks of a shard in order, then offset and length of each, then their checksum."""
        blosc = Blosc(self.cname, self.clevel, self.shuffle, self.blocksize)
        counts = tuple(size // side for size, side in zip(values.shape, self.chunk, strict=True))
        index = np.empty((*counts, 2), "<u8")
        parts, end = [], 0
        for place in np.ndindex(counts):
            window = tuple(slice(k * side, (k + 1) * side) for k, side in zip(place, self.chunk, strict=True))
            part = blosc.encode(np.ascontiguousarray(values[window], values.dtype.newbyteorder("<")))
            index[place] = end, len(part)
            parts.append(part)
            end += len(part)
        table = index.tobytes()
        return b"".join([*parts, table, google_crc32c.value(table).to_bytes(4, "little")])
