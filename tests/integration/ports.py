"""Ports of 127.0.0.1 that are free, for tests that run side by side."""
import fcntl, os, random, socket, tempfile

CLAIMS = os.path.join(tempfile.gettempdir(), "avrogate-test-ports-%d" % os.getuid())
# Below the ports that the system gives to connections: a server that is killed and started again must find its own still free.
# And below those that services have for good (tests/services, ./test: from 25432 on).
FIRST, LAST = 12000, 25000
chosen = random.SystemRandom()  # tests seed the other, some with the same seed
held = []  # claims: files that stay locked until this process ends


def claim(port):
    """False if another test has it, even if nothing listens there yet, or no more."""
    os.makedirs(CLAIMS, exist_ok=True)
    f = open(os.path.join(CLAIMS, str(port)), "w")
    try:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        f.close()
        return False
    held.append(f)
    return True


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
            return True
        except OSError:
            return False


def free_ports(*offsets, step=1):
    """A port, of those `step` apart, that has free ones at these distances from it; all are this process's until it ends."""
    while True:
        base = chosen.randrange(FIRST, LAST, step)
        mine = len(held)
        if all(claim(base + o) and is_free(base + o) for o in offsets):
            return base
        for f in held[mine:]:
            f.close()
        del held[mine:]


def free_port():
    return free_ports(0)
