"""HTTP: pictures in, predictions out. Closed by default; the parts are one file each.

A request passes `guard` (who may ask, how much, how long), is cut into pictures (`uploads`), waits in a
bounded queue (`batching`), and is decoded and predicted in a process of its own (`engine`, `worker`).
"""
