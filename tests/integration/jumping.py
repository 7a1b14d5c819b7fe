"""A wall clock that jumps under a program of ours: clock_jump.c, and who sets it.  Not a test itself."""
import mmap, os, struct, tempfile

SHIM = os.path.join(os.path.dirname(os.environ.get("AVROGATE", "")), "clock-jump.so")
HOUR, DAY = 3600, 86400


class Clock:
    """`env` is for the programs that see it; jump() sets it, in seconds from the right time, for all of them at once."""

    def __init__(self):
        self.file = tempfile.NamedTemporaryFile(prefix="avrogate-clock-")
        self.file.write(bytes(8))
        self.file.flush()
        self.map = mmap.mmap(self.file.fileno(), 8)
        self.env = {**os.environ, "LD_PRELOAD": SHIM, "CLOCK_JUMP": self.file.name}

    def jump(self, seconds):
        self.map[:8] = struct.pack("q", int(seconds * 1000000000))
