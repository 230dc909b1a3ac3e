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
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, Endian, ShardingCodec, ShardingCodecIndexLocation

_SHUFFLES = {"noshuffle": Blosc.NOSHUFFLE, "shuffle": Blosc.SHUFFLE, "bitshuffle": Blosc.BITSHUFFLE}

_ABSENT = 2**64 - 1
"""Offset and length of a chunk that is not there, and reads as the fill value."""


def by_whole_shards(array: zarr.Array[Any]) -> zarr.Array[Any]:
    """The array, to be written a whole shard at a time; as it is if it is kept in another way than this package's."""
    inner = array._async_array
    codec = WholeShard.like(getattr(inner.metadata, "codecs", ()))
    if codec is None:
        return array
    return zarr.Array(zarr.AsyncArray(replace(inner.metadata, codecs=(codec,)), inner.store_path, config=inner.config))


@dataclass(frozen=True)
class WholeShard(ArrayBytesCodec):
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
        match codecs:
            case (
                ShardingCodec(
                    codecs=(BytesCodec() as raw, BloscCodec() as blosc), index_codecs=(BytesCodec(), Crc32cCodec())
                ) as sharding,
            ) if raw.endian is not Endian.big and sharding.index_location is ShardingCodecIndexLocation.end:
                shuffle = _SHUFFLES[blosc.shuffle.value]
                return cls(sharding.chunk_shape, blosc.cname.value, blosc.clevel, shuffle, blosc.blocksize)
        return None

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: Any) -> int:
        """Not known before: chunks are compressed."""
        raise NotImplementedError

    async def _encode_single(self, chunk_data: Any, chunk_spec: Any) -> Any:
        values = chunk_data.as_numpy_array()
        fill = np.asarray(chunk_spec.fill_value, values.dtype)
        shard = await asyncio.to_thread(self.encode_shard, values, fill)
        return chunk_spec.prototype.buffer.from_bytes(shard)

    def encode_shard(self, values: np.ndarray, fill: np.ndarray) -> bytes:
        """All chunks of a shard in order, then offset and length of each, then their checksum.

        Chunks of nothing but `fill`, such as those beyond the image's edge, are left out.
        """
        blosc = Blosc(self.cname, self.clevel, self.shuffle, self.blocksize)
        counts = tuple(size // side for size, side in zip(values.shape, self.chunk, strict=True))
        index = np.full((*counts, 2), _ABSENT, "<u8")
        parts, end = [], 0
        for place in np.ndindex(counts):
            window = tuple(slice(k * side, (k + 1) * side) for k, side in zip(place, self.chunk, strict=True))
            chunk = np.ascontiguousarray(values[window], values.dtype.newbyteorder("<"))
            if _same_bits(chunk, fill):
                continue
            part = blosc.encode(chunk)
            index[place] = end, len(part)
            parts.append(part)
            end += len(part)
        table = index.tobytes()
        return b"".join([*parts, table, google_crc32c.value(table).to_bytes(4, "little")])


def _same_bits(chunk: np.ndarray, fill: np.ndarray) -> bool:
    """Whether all numbers are `fill`, which may be NaN; quick where the first is another."""
    bits = f"u{chunk.itemsize}"
    flat, one = chunk.reshape(-1).view(bits), fill.astype(chunk.dtype).view(bits)
    return bool(flat[0] == one and (flat == one).all())
