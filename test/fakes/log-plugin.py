"""A Docker log plugin in Python: `log-plugin.py --socket PATH --out DIR`. Entries go to `OUT/ID.log`, as
`log-plugin.ts` writes them, with the fields source and text."""
import argparse
import json
import os
import socketserver
import struct
import threading
from http.server import BaseHTTPRequestHandler

arguments = argparse.ArgumentParser()
arguments.add_argument("--socket")
arguments.add_argument("--out")
options = arguments.parse_args()
os.makedirs(options.out, exist_ok=True)


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def decode(message):
    entry = {"source": "", "text": ""}
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        value, at = varint(message, at)
        if key & 7 == 2:
            field = message[at : at + value]
            at += value
            if key >> 3 == 1:
                entry["source"] = field.decode()
            if key >> 3 == 3:
                entry["text"] = field.decode("utf-8", "replace")
    return entry


def exactly(fifo, count):
    data = b""
    while len(data) < count:
        more = fifo.read(count - len(data))
        if not more:
            return None
        data += more
    return data


def follow(path, identity):
    with open(path, "rb", buffering=0) as fifo, open(f"{options.out}/{identity}.log", "a") as log:
        while (head := exactly(fifo, 4)) is not None:
            message = exactly(fifo, struct.unpack(">I", head)[0])
            if message is None:
                return
            log.write(json.dumps(decode(message)) + "\n")
            log.flush()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = json.loads(body) if body else {}
        answer = {"Err": ""}
        if self.path == "/Plugin.Activate":
            answer = {"Implements": ["LogDriver"]}
        elif self.path == "/LogDriver.StartLogging":
            where = (request["File"], request["Info"]["ContainerID"])
            threading.Thread(target=follow, args=where, daemon=True).start()
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


with Server(options.socket, Handler) as server:
    print("ready", flush=True)
    server.serve_forever()
