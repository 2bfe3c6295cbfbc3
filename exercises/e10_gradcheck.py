"""10. Find the wrong gradient.

Four operations stand in suspects.py, and one of them has a wrong backward. Do not stare at them: check them.
`mg.gradcheck(operation.apply, [x])` compares the gradient that an operation claims with the slope of a secant, and says
where they differ. Use float64, `x = mg.Tensor(np.array([...]), requires_grad=True)`, and values that show the fault:
several, positive and negative. Then return the operation, and find its mistake with pencil and paper.

Afterwards read minigrad/gradcheck/__init__.py.
"""

from __future__ import annotations

from exercises.suspects import Bump, Cube, Hinge, Swish
from minigrad import Function

SUSPECTS = Cube, Bump, Hinge, Swish


def culprit() -> type[Function]:
    """Return the one of SUSPECTS whose backward is wrong."""
    raise NotImplementedError
