"""Reading the data of a tour as its page does."""

from __future__ import annotations

import base64

import numpy as np


def array(tour, index):
    """The value at an index, as an array; only of what is held whole."""
    value = tour.data["values"][index]
    assert value["data"] is not None and "part" not in value
    if isinstance(value["data"], dict):
        numbers = np.frombuffer(base64.b64decode(value["data"]["f32"]), "<f4")
    else:
        numbers = np.array([float(x) for x in value["data"]])
    return numbers.astype(value["dtype"]).reshape(value["shape"])


def node(tour, name):
    """The only node of a name, a symbol, or an operation."""
    (found,) = [n for n in tour.data["nodes"] if name in (n["name"], n["symbol"], n["operation"])]
    return found


def steps(tour, direction, sweep=None):
    """The steps of a direction, and of a sweep."""
    return [s for s in tour.data["steps"] if s["direction"] == direction and sweep in (None, s.get("sweep"))]


def shares_to(tour, name, sweep=1):
    """What a node receives, in order."""
    to = node(tour, name)["id"]
    return [s for step in steps(tour, "backward", sweep) for s in step["shares"] if s["to"] == to]
