"""The tour: one's own graph as a page, to be stepped through forwards and backwards.

    mg.tour(lambda: loss_of(model, x, y), "tour.html", names={"x": x, "y": y})

The function runs once, forwards and backwards, under a hook (`record.py`). What was seen becomes nodes, boxes and steps
(`graph.py`), arrays become numbers and pictures (`values.py`); questions (`questions.py`) and slopes by finite
differences (`belief.py`) are added, and all of it goes into one file (`writer.py`), which `page/` shows.
"""

from __future__ import annotations

from minigrad.guided.tour import Tour, tour

__all__ = ["Tour", "tour"]
