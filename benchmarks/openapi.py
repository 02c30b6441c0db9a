"""Does the server do what its OpenAPI description says, whatever it is sent?

    python benchmarks/openapi.py [--examples 200] [--schemathesis COMMAND] [--model FILE.onnx]

schemathesis (pip install schemathesis, perhaps in an environment of its own) makes requests from the
description, right and wrong ones, and chains of them; all its checks are on but for what `schemathesis.toml`
says, with the reason. Once with a server that is open to this machine, once with one that wants a token.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from _exported import serving, trained

CONFIG = Path(__file__).with_name("schemathesis.toml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--examples", type=int, default=200, help="for each path and method")
    parser.add_argument("--schemathesis", default="schemathesis")
    parser.add_argument("--model", type=Path)
    args = parser.parse_args()
    codes = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = str(args.model or trained(folder, "shapes", "cnn-tiny", 32))
        token = folder / "token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_urlsafe())
        plain = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        for options in ([], ["--token-file", str(token)]):
            with serving(folder, [model], "--threads", "1", *options) as server:
                command = [
                    args.schemathesis,
                    "--config-file",
                    str(CONFIG),
                    "run",
                    f"{server.url}/openapi.json",
                ]
                command += ["--max-examples", str(args.examples), "--seed", "0", "--max-response-time", "5"]
                if options:
                    command += ["--header", f"Authorization: Bearer {token.read_text()}"]
                codes.append(subprocess.run(command, cwd=folder, env=plain, check=False).returncode)
                if lost := server.metric("sightline_worker_restarts_total", token.read_text()):
                    sys.exit(f"{lost:g} worker processes were lost")
    sys.exit(max(codes))


if __name__ == "__main__":
    main()
