"""Appends over HTTP/2 with hyper-h2, as the Python SDK and httpx do, while its server restarts.

Takes port and token. On one connection it keeps WINDOW appends of unique bodies to the stream `many` in flight, and one
append to the stream `one`, on the condition that it is the next. It prints a line for each acknowledgement; when its
input ends it waits for what is in flight and prints what it counted as JSON.

As httpx does, it drops a connection at any GOAWAY. What was sent and not acknowledged when a connection is lost is sent
again: a client without the acknowledgement cannot know better. So an acknowledgement that is lost stores a record twice.
"""

import json
import select
import socket
import sys
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions

WINDOW = 8
RECONNECT_SECONDS = 0.02
REFUSED_SECONDS = 0.1

port, token = int(sys.argv[1]), sys.argv[2]


class Append:
    def __init__(self, stream, body, seq_num=None):
        self.stream = stream
        self.body = body
        self.seq_num = seq_num
        self.due = 0.0
        self.status = None
        self.answer = b""


class Client:
    def __init__(self):
        self.waiting = []
        self.in_flight = {}
        self.socket = None
        self.acked = {"many": [], "one": []}
        self.made = 0
        self.refused = []
        self.connections = 0
        self.is_over = False

    def run(self):
        while not (self.is_over and not self.waiting and not self.in_flight):
            self.fill()
            if self.socket is None and not self.connect():
                time.sleep(RECONNECT_SECONDS)
                continue
            self.send()
            self.receive()
        print(json.dumps({"acked": self.acked, "refused": self.refused, "connections": self.connections}), flush=True)

    def fill(self):
        """Makes new appends until the window is full."""
        if self.is_over:
            return
        open_now = [*self.waiting, *self.in_flight.values()]
        if not any(append.stream == "one" for append in open_now):
            done = len(self.acked["one"])
            self.waiting.append(Append("one", f"one {done}", done))
        for _ in range(WINDOW - sum(append.stream == "many" for append in open_now)):
            self.waiting.append(Append("many", f"many {self.made}"))
            self.made += 1

    def connect(self):
        try:
            self.socket = socket.create_connection(("127.0.0.1", port))
        except OSError:
            return False
        self.connections += 1
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        return True

    def send(self):
        try:
            for append in [append for append in self.waiting if append.due <= time.monotonic()]:
                self.start(append)
                self.waiting.remove(append)
            self.socket.sendall(self.h2.data_to_send())
        except (OSError, h2.exceptions.ProtocolError):
            self.lose()

    def start(self, append):
        number = self.h2.get_next_available_stream_id()
        condition = {} if append.seq_num is None else {"match_seq_num": append.seq_num}
        body = json.dumps({"records": [{"body": append.body}], **condition}).encode()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", f"127.0.0.1:{port}"),
            (":path", f"/v1/streams/{append.stream}/records"),
            ("authorization", f"Bearer {token}"),
            ("s2-basin", "telemetry"),
            ("content-type", "application/json"),
        ]
        self.h2.send_headers(number, headers)
        self.h2.send_data(number, body, end_stream=True)
        self.in_flight[number] = append

    def receive(self):
        ready, _, _ = select.select([self.socket, *([] if self.is_over else [sys.stdin])], [], [], REFUSED_SECONDS)
        if sys.stdin in ready and sys.stdin.readline() == "":
            self.is_over = True
        if self.socket not in ready:
            return
        try:
            data = self.socket.recv(65536)
            events = self.h2.receive_data(data) if data else [h2.events.ConnectionTerminated()]
        except (OSError, h2.exceptions.ProtocolError):
            self.lose()
            return
        for event in events:
            if isinstance(event, h2.events.ConnectionTerminated):
                self.lose()
                return
            self.take(event)

    def take(self, event):
        append = self.in_flight.get(getattr(event, "stream_id", None))
        if append is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            append.status = dict(event.headers)[":status"]
        elif isinstance(event, h2.events.DataReceived):
            append.answer += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self.again(event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.settle(event.stream_id, append)

    def settle(self, number, append):
        if append.status == "200":
            del self.in_flight[number]
            self.acked[append.stream].append(append.body)
            print(append.body, flush=True)
        elif append.status == "503":
            self.again(number, time.monotonic() + REFUSED_SECONDS)
        else:
            # A condition that does not hold: the append had been stored, and its acknowledgement was lost.
            del self.in_flight[number]
            self.refused.append([append.body, append.status, append.answer.decode()])
            self.acked[append.stream].append(append.body)

    def again(self, number, due=0.0):
        lost = self.in_flight.pop(number)
        append = Append(lost.stream, lost.body, lost.seq_num)
        append.due = due
        self.waiting.append(append)

    def lose(self):
        self.socket.close()
        self.socket = None
        for number in list(self.in_flight):
            self.again(number)


Client().run()
