"""Ray clusters: batch prediction through Ray Data, and the server through Ray Serve.

Nothing here depends on a model. `start` creates or finds a cluster, `batch` sends blocks of inputs to
workers, `stores` reads tables and object stores, `parts` writes each prediction once, `serving` deploys the
server.
"""
