"""A server of fake models in a process of its own: settings as JSON in argv, its port on stdout."""

from __future__ import annotations

import json
import sys

if __name__ == "__main__":
    from sightline.errors import SightlineError
    from sightline.server.jobs import WorkerConfig
    from sightline.server.limits import Limits
    from sightline.server.listener import bound, listen
    from sightline.server.logs import set_up
    from sightline.server.service import Service

    asked = json.loads(sys.argv[1])
    set_up(sys.stderr)
    specs = {n: WorkerConfig("tests.unit.server.fake:Session", f, 1) for n, f in asked["models"].items()}
    service = Service.of(specs, Limits(**asked["limits"]))
    try:
        listen(service, bound("127.0.0.1", 0), token=asked["token"], origins=asked["origins"],
               started=lambda host, port: print(port, flush=True))  # fmt: skip
    except SightlineError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
