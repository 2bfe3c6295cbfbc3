"""``cupy.random``: the Generator with CuPy's methods and parameters. The numbers are not those of a GPU."""

from __future__ import annotations

import contextlib
import inspect

import numpy as np

from tests.strict_cupy.device import current_device, launches
from tests.strict_cupy.functions import asarray
from tests.strict_cupy.namespace import Partial, load, parse_signature
from tests.strict_cupy.ndarray import check_dtype, fresh, ndarray, require_writable


class BitGenerator(Partial):
    """The source of random bits. As on a GPU its state is device memory (``_state``, bytes) and has no public face."""

    _place = "cupy.random"

    def __init__(self, seed=None):
        if isinstance(seed, ndarray):
            seed = seed.get()
        self._seed_seq = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        self._current_device_id = current_device()
        self._state = fresh(_pack(np.random.PCG64(self._seed_seq)))

    def state(self) -> int:
        """The device pointer to the state, after CuPy's check that the current device is the generator's own."""
        if current_device() != self._current_device_id:
            raise RuntimeError("This Generator state is allocated in a different device")
        return self._state.data.ptr


class XORWOW(BitGenerator):
    """The default source."""


class MRG32k3a(BitGenerator):
    """Another source; the same one here."""


class Philox4x3210(BitGenerator):
    """Another source; the same one here."""


def _pack(source: np.random.PCG64) -> np.ndarray:
    state = source.state
    numbers = state["state"]["state"], state["state"]["inc"], state["uinteger"] | state["has_uint32"] << 32
    return np.frombuffer(b"".join(n.to_bytes(16, "little") for n in numbers), np.int8).copy()


def _unpack(packed: np.ndarray) -> np.random.PCG64:
    source, data = np.random.PCG64(0), packed.tobytes()
    state, inc, rest = (int.from_bytes(data[i : i + 16], "little") for i in (0, 16, 32))
    source.state = {
        "bit_generator": "PCG64",
        "state": {"state": state, "inc": inc},
        "has_uint32": rest >> 32,
        "uinteger": rest & 0xFFFFFFFF,
    }
    return source


class Generator(Partial):
    """``cupy.random.Generator``: fewer methods than NumPy's (no normal, permutation, shuffle, choice)."""

    _place = "cupy.random"

    def __init__(self, bit_generator):
        self.bit_generator = bit_generator

    def _draw(self, method: str, *args, size=None, out=None, **kwargs) -> np.ndarray:
        """The values of NumPy's ``method``. Parameters ``args`` are uploaded where they are not on the device yet."""
        args = [asarray(x)._array for x in args]
        if size is None and out is not None:
            size = out.shape
        with self._numpy_generator() as generator:
            return np.asarray(getattr(generator, method)(*args, size=size, **kwargs))

    @contextlib.contextmanager
    def _numpy_generator(self):
        self.bit_generator.state()  # checks the device
        source = _unpack(self.bit_generator._state._array)
        yield np.random.Generator(source)
        self.bit_generator._state._array[...] = _pack(source)

    def random(self, size=None, dtype=np.float64, out=None) -> ndarray:
        """Uniform in [0, 1)."""
        drawn = np.float64 if np.dtype(dtype) == np.float64 else np.float32
        return _deliver(self._draw("random", size=size, out=out, dtype=drawn), dtype, out)

    def standard_normal(self, size=None, dtype=np.float64, out=None) -> ndarray:
        """Normal with mean 0 and deviation 1, in single or double precision."""
        if np.dtype(dtype).char not in "fd":
            raise TypeError(f"Unsupported dtype {np.dtype(dtype).name} for standard_normal")
        return _deliver(self._draw("standard_normal", size=size, out=out, dtype=dtype), dtype, out)

    def standard_gamma(self, shape, size=None, dtype=np.float64, out=None) -> ndarray:
        """Gamma with scale 1."""
        return _deliver(self._draw("standard_gamma", shape, size=size, out=out), dtype, out)

    def standard_exponential(self, size=None, dtype=np.float64, method="inv", out=None) -> ndarray:
        """Exponential with scale 1."""
        if method == "zig":
            raise NotImplementedError("Ziggurat method is not supported")
        return _deliver(self._draw("standard_exponential", size=size, out=out), dtype, out)

    def uniform(self, low=0.0, high=1.0, size=None, dtype=np.float64) -> ndarray:
        """Uniform in [low, high); the bounds are uploaded."""
        return _deliver(self._draw("uniform", low, high, size=size), dtype)

    def beta(self, a, b, size=None, dtype=np.float64) -> ndarray:
        """Beta."""
        return _deliver(self._draw("beta", a, b, size=size), dtype)

    def integers(self, low, high=None, size=None, dtype=np.int64, endpoint=False) -> ndarray:
        """Integers in [low, high), or up to and including ``high``; the bounds are single numbers on the host."""
        bounds = (int(low),) if high is None else (int(low), int(high))
        with self._numpy_generator() as generator:
            return fresh(np.asarray(generator.integers(*bounds, size=size, dtype=dtype, endpoint=endpoint), dtype))


def _deliver(values: np.ndarray, dtype, out: ndarray | None = None) -> ndarray:
    values = values.astype(check_dtype(dtype), copy=False)
    launches.record(values)
    if out is None:
        return fresh(values)
    require_writable(out)
    if out.dtype != values.dtype or out.shape != values.shape or not out._array.flags.forc:
        raise TypeError(f"Supplied output array has dtype {out.dtype} and shape {out.shape}, or is not contiguous")
    out._array[...] = values
    return out


def _distribution(name: str, parsed: inspect.Signature):
    def draw(self, *args, **kwargs) -> ndarray:
        given = parsed.bind(self, *args, **kwargs).arguments
        del given["self"]
        size = given.pop("size", None)
        values = self._draw(name, *given.values(), size=size)
        return fresh(values)

    draw.__name__, draw.__doc__ = name, f"NumPy's {name}."
    return draw


for _name, _signature in load()["cupy.random.Generator"].items():
    if not hasattr(Generator, _name) and _signature.startswith("(") and not _name.startswith("_"):
        setattr(Generator, _name, _distribution(_name, parse_signature(_signature)))


def default_rng(seed=None) -> Generator:
    """A generator from a seed (None, int, sequence of ints, SeedSequence), a bit generator or a generator."""
    if isinstance(seed, Generator):
        return seed
    return Generator(seed if isinstance(seed, BitGenerator) else XORWOW(seed))
