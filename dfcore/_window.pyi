from typing import Any, final

import numpy as np

@final
class Window:
    def __new__(cls, dtype: np.dtype[Any], length: int) -> Window: ...
