"""A server of fake models on a cluster, in a process of its own: address, port and token in argv."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    from sightline.cluster.serving import AccessPolicyMiddleware, serve
    from sightline.cluster.start import cluster
    from sightline.errors import SightlineError
    from sightline.server.jobs import WorkerConfig
    from sightline.server.limits import Limits

    address, port, token, model = sys.argv[1:]
    specs = {"street": WorkerConfig("tests.unit.server.fake:Session", model, 1)}
    try:
        with cluster(address) as there:
            serve(
                specs,
                Limits(max_body=100_000, workers=2, timeout=5),
                AccessPolicyMiddleware("127.0.0.1", int(port), token),
                there,
                lambda: print("ready", flush=True),
            )
    except SightlineError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
