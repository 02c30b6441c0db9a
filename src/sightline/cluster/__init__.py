"""Many machines: the door to Ray. Batch prediction through Ray Data, and the server through Ray Serve.

Nothing here knows a model. `start` makes or finds a cluster, `batch` sends blocks of inputs to workers,
`stores` reads tables and object stores, `parts` writes each answer once, `serving` deploys the application.
"""
