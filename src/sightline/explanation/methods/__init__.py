"""Methods of explanation, one file each, with CARD and `run(subject, images, about, rng)`.

`run` gives maps (B, *S) float32, finite, higher where there is more evidence, for images (B, C, *S) in [0, 1]
and a statement about each. It draws from `rng` alone.
"""

from sightline.core.folder import Folder

EXPLAINERS = Folder(__name__, "method of explanation")
