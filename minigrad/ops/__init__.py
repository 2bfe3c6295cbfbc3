"""Every differentiable operation. One file per kind; in it each `Function` stands beside the function that users
call, and its `__all__` names those functions.
"""

from minigrad.ops.activation import *
from minigrad.ops.arrange import *
from minigrad.ops.casting import *
from minigrad.ops.conv import *
from minigrad.ops.cross_entropy import *
from minigrad.ops.dropout import *
from minigrad.ops.elementwise import *
from minigrad.ops.indexing import *
from minigrad.ops.joining import *
from minigrad.ops.joining import concat as cat
from minigrad.ops.loss import *
from minigrad.ops.matmul import *
from minigrad.ops.norm import *
from minigrad.ops.order import *
from minigrad.ops.pool import *
from minigrad.ops.reduce import *
from minigrad.ops.scan import *
from minigrad.ops.select import *
from minigrad.ops.shape import *
from minigrad.ops.unary import *

__all__ = [name for name in dir() if not name.startswith("_") and callable(globals()[name])]


def __dir__() -> list[str]:
    return __all__
