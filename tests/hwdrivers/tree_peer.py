"""A Redfish service on 127.0.0.1 made of recorded documents, in a process of its own; it remembers all deeds.

Prints its port, then answers every line on standard input with its state as JSON; ends with standard input.
`argv`: a JSON object {password, tree: file, answers: {"METHOD path": [status, body, headers, times]},
more: {path: document}, faults: [names]}. What is patched is merged into the documents and can be read back.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

WISHES = json.loads(sys.argv[1])
TREE = {
    name.rstrip("/"): document
    for name, document in (json.loads(Path(WISHES["tree"]).read_text()) | WISHES["more"]).items()
}
STATE = {"logins": [], "sessions": [], "done": [], "power": "off", "boot": None, "requests": [], "bodies": []}
SESSIONS = urlsplit(TREE["/redfish/v1"]["Links"]["Sessions"]["@odata.id"]).path
MONITOR = "/redfish/v1/TaskService/TaskMonitors/1"
FULL = json.dumps({"error": {"@Message.ExtendedInfo": [{"MessageId": "IDRAC.2.1.RAC0218"}]}})
LEFT = {"token": 3, "monitor": 1}  # requests until the session is forgotten, or the task done


def merged(document, patch):
    for name, value in patch.items():
        if isinstance(value, dict) and isinstance(document.get(name), dict):
            merged(document[name], value)
        else:
            document[name] = value
    return document


def etag(document):
    return f'"{hashlib.sha1(json.dumps(document).encode()).hexdigest()}"'


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
        path = self.path.partition("?")[0].rstrip("/")
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        STATE["requests"].append(f"{self.command} {path}")
        if path == SESSIONS and self.command == "POST":
            STATE["logins"].append(body["UserName"])
            time.sleep(1 if "slow log-in" in WISHES["faults"] else 0)
        if "slow" in WISHES["faults"] and self.command == "GET" and "Systems/" in path:
            time.sleep(3)
        if "trickles" in WISHES["faults"] and "Systems/" in path:
            return self.trickle()
        if "resets" in WISHES["faults"] and "Systems/" in path:
            return self.connection.close()
        if wished := self.wished(path):
            return self.send(wished[0], wished[1].encode(), dict(*wished[2:3]))
        if path == SESSIONS and self.command == "POST":
            return self.log_in(body)
        if path == "/redfish/v1" and "closed root" in WISHES["faults"] and not self.known():
            return self.send(401, b"{}")
        if path != "/redfish/v1" and not self.logged_in():
            return self.send(401, b'{"error": {"message": "log in first"}}')
        return getattr(self, "answer_" + self.command.lower())(path, body)

    def trickle(self):
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b" ")
                time.sleep(0.02)

    def wished(self, path):
        wished = WISHES["answers"].get(f"{self.command} {path}")
        if wished and len(wished) > 3:
            wished[3] -= 1
            return wished if wished[3] >= 0 else None
        return wished

    def log_in(self, body):
        if "full" in WISHES["faults"]:
            return self.send(503, FULL.encode(), {"Retry-After": "600"})
        if body["Password"] != WISHES["password"]:
            return self.send(401, b'{"error": {"message": "wrong password"}}')
        token = f"token{len(STATE['logins'])}"
        STATE["sessions"].append(token)
        return self.send(201, b"{}", {"X-Auth-Token": token, "Location": f"{SESSIONS}/{token}"})

    def known(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme == "Basic":
            STATE["logins"].append(base64.b64decode(token).decode().partition(":")[0])
        return (
            scheme == "Basic" and token == base64.b64encode(f"admin:{WISHES['password']}".encode()).decode()
        )

    def logged_in(self):
        if "open to all" in WISHES["faults"]:
            return "X-Auth-Token" not in self.headers and "Authorization" not in self.headers
        if self.headers.get("X-Auth-Token") not in STATE["sessions"]:
            return False
        LEFT["token"] -= 1
        if LEFT["token"] == 0 and {"forgets", "new password"} & set(WISHES["faults"]):
            STATE["sessions"].clear()
            WISHES["password"] += " new" if "new password" in WISHES["faults"] else ""
        return True

    def answer_get(self, path, body):
        if path == MONITOR:
            LEFT["monitor"] -= 1
            running = {"Id": "1", "TaskState": "Running", "PercentComplete": 40}
            if LEFT["monitor"] >= 0 and "quick" not in WISHES["faults"]:
                return self.send(202, json.dumps(running).encode())
            return self.send(204, b"")
        if path not in TREE:
            return self.send(404, b"{}")
        document = TREE[path]
        if "PowerState" in document:
            document = document | {"PowerState": STATE["power"].capitalize()}
        headers = {"ETag": etag(TREE[path])} if "etags" in WISHES["faults"] else {}
        return self.send(200, json.dumps(document).encode(), headers)

    def answer_post(self, path, body):
        STATE["bodies"].append(body)
        target, _, action = path.partition("/Actions/")
        if action.endswith(".Reset"):
            return self.reset(body["ResetType"])
        STATE["done"].append(action or path)
        if action == "VirtualMedia.InsertMedia":
            TREE[target] |= {"Image": body["Image"], "Inserted": True}
        elif action == "VirtualMedia.EjectMedia":
            TREE[target] |= {"Image": None, "Inserted": False}
        elif action == "LogService.ClearLog":
            TREE[TREE[target]["Entries"]["@odata.id"]]["Members"] = []
        elif path.endswith("/Volumes"):
            self.add_volume(path, body)
        if action.endswith(("SimpleUpdate", "ImportSystemConfiguration")) or path.endswith("/Volumes"):
            return self.send(202, b"", {"Location": f"http://{self.headers['Host']}{MONITOR}"})
        return self.send(204, b"")

    def reset(self, kind):
        STATE["done"].append(kind)
        if "power stays" not in WISHES["faults"]:
            STATE["power"] = "off" if kind in ("ForceOff", "GracefulShutdown") else "on"
        self.send(204, b"")

    def add_volume(self, path, body):
        volume = f"{path}/new"
        TREE[volume] = {"Id": "new", **body}
        TREE[path]["Members"].append({"@odata.id": volume})

    def answer_patch(self, path, body):
        if path not in TREE:
            return self.send(404, b"{}")
        if "etags" in WISHES["faults"] and self.headers.get("If-Match") != etag(TREE[path]):
            return self.send(428, b'{"error": {"message": "If-Match is missing"}}')
        STATE["bodies"].append(body)
        STATE["boot"] = body.get("Boot") or STATE["boot"]
        merged(TREE[path], body)
        if "Password" in body:
            WISHES["password"] = body["Password"]
            if "logs out" in WISHES["faults"]:
                STATE["sessions"].clear()
        return self.send(200, b"{}")

    def answer_delete(self, path, body):
        if path.startswith(SESSIONS):
            STATE["sessions"].remove(path.rpartition("/")[2])
        else:
            STATE["done"].append(f"delete {path}")
            TREE.pop(path)
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
