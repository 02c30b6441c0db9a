"""Views of a whole network, one file each, with CARD and `run(network)`: what `sightline explain RUN` shows.

`run` gives a `View`, or the reason in words why there is none for this network.
"""

from sightline.core.folder import Folder

VIEWS = Folder(__name__, "view of a network")
