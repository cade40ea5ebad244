"""A little server that speaks as much of Ray Jobs as we use, so that its side can be told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Jobs:
    """What the server knows: ``jobs`` by name with their status, as a test sets it, and each
    submission as it came. ``token``: what it wants to hear, '' for nothing. ``sent_on``: the
    address that answers are sent on to, '' for none. ``heard``: the tokens that came."""

    address: str = ""
    token: str = ""
    sent_on: str = ""
    heard: list[str | None] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    submitted: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0


@contextmanager
def serving() -> Iterator[Jobs]:
    """The server, at ``address``, until the block ends."""
    known = Jobs()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            known.asked += 1
            known.heard.append(self.headers.get("Authorization"))
            if known.sent_on:
                self.send_response(302)
                self.send_header("Location", known.sent_on + self.path)
                return self.end_headers()
            if known.token and self.headers.get("Authorization") != f"Bearer {known.token}":
                return self._say(401, "Unauthorized")
            if self.path == "/api/version":
                return self._say(200, {"version": "4", "ray_version": "2.60.0"})
            name, _, rest = self.path.removeprefix("/api/jobs/").partition("/")
            if name not in known.jobs:
                return self._say(404, f"Job {name} does not exist")
            return self._say(200, {"logs": "hello\n"} if rest == "logs" else known.jobs[name])

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = self.path.removeprefix("/api/jobs/").partition("/")[0]
            if not name:
                if body["submission_id"] in known.jobs:
                    return self._say(500, "Traceback\n\nValueError: It already exists.\n.")
                known.submitted.append(body)
                known.jobs[body["submission_id"]] = {"status": "PENDING", "message": "Waiting."}
                return self._say(200, {"submission_id": body["submission_id"]})
            if name not in known.jobs:
                return self._say(404, f"Job {name} does not exist")
            known.jobs[name] = {"status": "STOPPED"}
            return self._say(200, {"stopped": True})

        def _say(self, code: int, value: Any) -> None:
            data = (value if isinstance(value, str) else json.dumps(value)).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
