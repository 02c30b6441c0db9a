"""HTTP server: images in, predictions out. It is closed by default; each part is one file.

A request passes `guard` (authentication, limits of size and time), is split into images (`uploads`), waits in
a bounded queue (`batching`), and is decoded and predicted in a process of its own (`engine`, `worker`).
"""
