"""A Redfish service on 127.0.0.1 that serves recorded documents, with sessions, in a process of its own.

Prints its port, then answers every line on standard input with its state as JSON; ends with standard input.
`argv`: a JSON object {password, tree: folder, answers: {"METHOD path": [status, body]}, faults: [names]}.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WISHES = json.loads(sys.argv[1])
TREE = {name.rstrip("/"): document for name, document in json.loads(Path(WISHES["tree"]).read_text()).items()}
STATE = {"logins": [], "sessions": [], "done": [], "power": "off", "boot": None}
SESSIONS = "/redfish/v1/SessionService/Sessions"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def do_PATCH(self):
        self.serve()

    def do_DELETE(self):
        self.serve()

    def serve(self):
        path = self.path.rstrip("/")
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        wished = WISHES["answers"].get(f"{self.command} {path}")
        if path == SESSIONS and self.command == "POST":
            STATE["logins"].append(body["UserName"])
        if wished:
            return self.send(wished[0], wished[1].encode())
        if path == SESSIONS and self.command == "POST":
            return self.log_in(body)
        if path != "/redfish/v1" and self.headers.get("X-Auth-Token") not in STATE["sessions"]:
            return self.send(401, b'{"error": {"message": "log in first"}}')
        return getattr(self, "answer_" + self.command.lower())(path, body)

    def log_in(self, body):
        if body["Password"] != WISHES["password"]:
            return self.send(401, b'{"error": {"message": "wrong password"}}')
        token = f"token{len(STATE['logins'])}"
        STATE["sessions"].append(token)
        return self.send(201, b"{}", {"X-Auth-Token": token, "Location": f"{SESSIONS}/{token}"})

    def answer_get(self, path, body):
        if path not in TREE:
            return self.send(404, b"{}")
        document = dict(TREE[path])
        if "PowerState" in document:
            document["PowerState"] = STATE["power"].capitalize()
        return self.send(200, json.dumps(document).encode())

    def answer_post(self, path, body):
        kind = body["ResetType"]
        STATE["done"].append(kind)
        if "power stays" not in WISHES["faults"]:
            STATE["power"] = "off" if kind in ("ForceOff", "GracefulShutdown") else "on"
        self.send(204, b"")

    def answer_patch(self, path, body):
        STATE["boot"] = body["Boot"]
        self.send(200, b"{}")

    def answer_delete(self, path, body):
        STATE["sessions"].remove(path.rpartition("/")[2])
        self.send(204, b"")

    def send(self, status, body, headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def answer_questions():
    for _line in sys.stdin:
        print(json.dumps(STATE), flush=True)
    os._exit(0)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=answer_questions, daemon=True).start()
server.serve_forever()
