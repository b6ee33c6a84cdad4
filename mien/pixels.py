"""Arrays of pixels, by what their last axis means: a detector or a codec that is given the wrong one still answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
"""uint8 [height, width, 3]: red, green, blue. What `models` and `worker` take unless they say otherwise."""

Bgr = NDArray[np.uint8]
"""uint8 [height, width, 3]: blue, green, red, as OpenCV captures and decodes."""

Grey = NDArray[np.uint8]
"""uint8 [height, width]: one channel, 0 black."""

RgbBatch = NDArray[np.uint8]
"""uint8 [count, height, width, 3]: pictures of one size, as a detector takes them."""

Crop = NDArray[np.uint8]
"""uint8 [side, side, channels]: a face as a classifier takes it, grey with 1 channel and RGB with 3."""
