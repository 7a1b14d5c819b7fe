"""A TCP wire whose cable can be pulled: packets vanish, nobody is told.  Not a test itself.

A proxy whose sockets have a filter in the kernel (socket(7), SO_ATTACH_FILTER) that takes no packet: neither data nor
a SYN nor a keepalive's probe is acknowledged, as behind a firewall that drops.  It needs no rights and no namespace.
The side of the server notices nothing, for as long as nobody speaks: it is half open.
"""
import ctypes, socket, struct, threading

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
NOTHING = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))  # BPF_RET: 0 bytes of it
FILTER = struct.pack("HL", 1, ctypes.addressof(NOTHING))


class Cable:
    """Between a client and a server of 127.0.0.1.

    watch(to_server, bytes) -> "", or "before" or "after": pull it now, in front of these bytes or behind them."""

    def __init__(self, port, watch=None):
        self.to, self.watch, self.pulled, self.pulls, self.made = port, watch, False, 0, 0
        self.lock, self.back, self.clients = threading.Lock(), threading.Event(), []
        self.back.set()
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(50)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            a, _ = self.listener.accept()
            b = socket.create_connection(("127.0.0.1", self.to))
            with self.lock:
                self.made += 1
                self.clients.append(a)
                if self.pulled:  # its handshake was over just before
                    a.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, FILTER)
            for args in ((a, b, True), (b, a, False)):
                threading.Thread(target=self.pump, args=args, daemon=True).start()

    def pull(self):
        with self.lock:
            self.pulled, self.pulls = True, self.pulls + 1
            self.back.clear()
            for s in [self.listener] + self.clients:
                s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, FILTER)

    def put_back(self):
        with self.lock:
            self.pulled = False
            for s in [self.listener] + self.clients:
                s.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
            self.clients = self.clients[-20:]
            self.back.set()

    def pump(self, a, b, to_server):
        try:
            while data := a.recv(65536):
                when = self.watch(to_server, data) if self.watch and not self.pulled else ""
                if when == "before":
                    self.pull()
                    return  # these were on their way, and nobody sends them again; who waits for them goes on waiting
                if self.pulled:
                    self.back.wait()
                b.sendall(data)
                if when == "after":
                    self.pull()
        except OSError:
            pass
        if to_server and self.pulled:
            return  # that the client is gone is not to be heard of there either
        try:
            b.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
