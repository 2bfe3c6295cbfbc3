"""Found first where this folder is on `PYTHONPATH`: `import cupy` then is the strict stand-in, in any program."""

import sys

from tests.strict_cupy.module import MODULES

sys.modules.update(MODULES)
