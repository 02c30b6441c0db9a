"""Films served over a local socket, as a camera or a web server does."""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from sightline.data.io.video_writer import VideoWriter
from tests.unit.data.films import still


def written(path: Path, frames: int = 40) -> Path:
    """A film by our own writer, 25 frames a second; the square moves one pixel a frame."""
    with VideoWriter(path) as writer:
        for i in range(frames):
            writer.add(still(i, i), i / 25)
    return path


@contextlib.contextmanager
def web_server(file: Path, most: int | None = None) -> Iterator[str]:
    """Address of a file, served by parts as web servers do; with `most`, a server that breaks off there."""
    content = file.read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            match = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(match[1]) if match else 0
            self.send_response(206 if match else 200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(content) - start))
            if match:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            with contextlib.suppress(OSError):  # the reader seeks by hanging up
                self.wfile.write(content[start:most])

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}/{file.name}"
        served.shutdown()


@contextlib.contextmanager
def camera(content: bytes, then: threading.Event | None = None) -> Iterator[str]:
    """Address of a socket that sends bytes to whoever connects, and hangs up, or is silent until `then`."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):  # nobody came
                connection, _ = server.accept()
                with connection:
                    connection.sendall(content)
                    if then is not None:
                        then.wait(60)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        if then is not None:
            then.set()
        thread.join(10)
