"""What stands between a gateway and its upstreams, faked: a CONNECT proxy and a name server."""

import base64
import socket
import struct
import threading


class ConnectProxy:
    """A forward proxy: tunnels for CONNECT, and plain requests in absolute form. `refuse` is a status to answer instead."""

    def __init__(self, user=None, password=None, refuse=None, route=None):
        self.expected = None
        if user:
            self.expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.refuse = refuse
        self.route = route or {}  # "host:port" asked for -> (host, port) to connect to
        self.requests = []        # (method, target, headers) of each request
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            data = client.recv(4096)
            if not data:
                return client.close()
            head += data
        head, early = head.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        method, target, _ = first.split(" ")
        self.requests.append((method, target, headers))
        if self.expected and headers.get("proxy-authorization") != self.expected:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
            return client.close()
        if self.refuse:
            client.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % self.refuse)
            return client.close()
        authority, path = target, ""
        if method != "CONNECT":
            authority, _, path = target.removeprefix("http://").partition("/")
        host, _, port = authority.rpartition(":")
        upstream = socket.create_connection(self.route.get(authority, (host.strip("[]"), int(port))))
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 Tunnel\r\n\r\n")
        else:
            early = head.replace(target.encode(), b"/" + path.encode(), 1) + b"\r\n\r\n" + early
        if early:
            upstream.sendall(early)
        back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
        back.start()
        _pump(client, upstream)
        back.join()
        client.close()
        upstream.close()

    def stop(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    try:
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


A, AAAA = 1, 28


class NameServer:
    """Answers A and AAAA questions over UDP from `names`: name -> (ttl, [addresses]). A name whose value is None gets no
    answer at all; a name that is missing does not exist. `asked` counts questions by (name, type)."""

    def __init__(self, names=None):
        self.names = names or {}
        self.asked = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _serve(self):
        while True:
            try:
                question, peer = self._socket.recvfrom(4096)
            except OSError:
                return
            if len(question) < 12:
                return
            answer = self._answer(question)
            if answer:
                self._socket.sendto(answer, peer)

    def _answer(self, question):
        labels, at = [], 12
        while question[at]:
            labels.append(question[at + 1:at + 1 + question[at]].decode().lower())
            at += 1 + question[at]
        kind = struct.unpack(">H", question[at + 1:at + 3])[0]
        asked, name = question[12:at + 5], ".".join(labels)
        self.asked[name, kind] = self.asked.get((name, kind), 0) + 1
        if name not in self.names:
            return question[:2] + struct.pack(">HHHHH", 0x8183, 1, 0, 0, 0) + asked
        if self.names[name] is None:
            return None
        ttl, addresses = self.names[name]
        family = {A: socket.AF_INET, AAAA: socket.AF_INET6}.get(kind)
        records = [socket.inet_pton(family, a) for a in addresses if family and (":" in a) == (kind == AAAA)]
        body = b"".join(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, ttl, len(r)) + r for r in records)
        return question[:2] + struct.pack(">HHHHH", 0x8180, 1, len(records), 0, 0) + asked + body

    def stop(self):
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._socket.close()
