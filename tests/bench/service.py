"""Round trips over HTTP: wrk posts one picture again and again and shares the cores with the server."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from harness import BUILD, ENV, HERE, ROOT, die_with_us

SCRIPT = """
local f = io.open(os.getenv("BODY"), "rb")
if f then
  wrk.method, wrk.body = "POST", f:read("*a")
  wrk.headers["Content-Type"] = "application/octet-stream"
end
function done(s, l, r)
  local bad = s.errors.status + s.errors.read + s.errors.connect + s.errors.timeout
  io.write(string.format("R %d %d %d %d %d\\n", s.requests, s.duration, l:percentile(50), l:percentile(99), bad))
end
"""
ROUNDS, SECONDS, CONNECTIONS = 2, 2, (1, 2, 16)

CONVD = [os.path.join(ROOT, "build", "convd"), "serve", "--listen", "127.0.0.1:{port}", "--log-format", "text"]
SHARP = ["node", os.path.join(HERE, "peers", "sharp_server.js"), "{port}"]
ECHO = [os.path.join(BUILD, "mhd_echo"), "{port}", "2"]
SMALL, LARGE = "640x480", "4000x3000"
# Case: the picture that is sent (None: a GET), and (server, command, target) of all who answer it.
CASES = {
    "640x480 PNG to PNG": (SMALL + ".png", [
        ("convd /edges", CONVD, "/edges"),
        ("sharp, level 1", SHARP, "/?out=png&level=1"),
        ("sharp, level 6", SHARP, "/?out=png&level=6")]),
    "640x480 JPEG to PNG": (SMALL + ".jpg", [
        ("convd /edges", CONVD, "/edges?format=png"),
        ("sharp, level 1", SHARP, "/?out=png&level=1"),
        ("sharp, level 6", SHARP, "/?out=png&level=6")]),
    "640x480 JPEG to JPEG": (SMALL + ".jpg", [
        ("convd /edges", CONVD, "/edges?format=jpeg&quality=90"),
        ("sharp", SHARP, "/?out=jpeg")]),
    "4000x3000 JPEG to JPEG": (LARGE + ".jpg", [
        ("convd /edges", CONVD, "/edges?format=jpeg&quality=90"),
        ("convd /grayscale: decode and encode", CONVD, "/grayscale?format=jpeg&quality=90"),
        ("sharp", SHARP, "/?out=jpeg")]),
    "640x480 PNG sent back": (SMALL + ".png", [
        ("libmicrohttpd, 2 threads", ECHO, "/"),
        ("node http", [*SHARP, "echo"], "/")]),
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, command):
        self.port = free_port()
        self.process = subprocess.Popen([w.format(port=self.port) for w in command], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, preexec_fn=die_with_us,
                                        env={k: v for k, v in ENV.items() if not k.startswith("MALLOC_")})
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), .2).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError("does not start here") from None
                time.sleep(.05)
        raise RuntimeError("does not come up")

    def cpu_ms(self):
        fields = open(f"/proc/{self.process.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") * 1e3

    def peak_mb(self):
        return int(re.search(r"VmHWM:\s*(\d+)", open(f"/proc/{self.process.pid}/status").read())[1]) / 1e3

    def load(self, script, target, body, connections, seconds):
        self.process.send_signal(signal.SIGCONT)
        before = self.cpu_ms()
        out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", script,
                              f"http://127.0.0.1:{self.port}{target}"], capture_output=True, text=True,
                             env=dict(os.environ, BODY=body)).stdout
        cpu = self.cpu_ms() - before
        self.process.send_signal(signal.SIGSTOP)
        n, us, p50, p99, bad = map(int, re.search(r"R (\d+) (\d+) (\d+) (\d+) (\d+)", out).groups())
        return dict(rps=n / us * 1e6, p50=p50 / 1e3, p99=p99 / 1e3, cpu=cpu / max(1, n), bad=bad)

    def close(self):
        self.process.kill()
        self.process.wait()


def measure(case):
    """Rows of a case, the best of some rounds each, and why a server has none."""
    picture, parts = CASES[case]
    body = os.path.join(BUILD, "build", "img", picture)
    up, why, rows = {}, {}, []
    if not shutil.which("wrk"):
        return [], {"wrk": "not installed"}
    for name, command, _ in parts:
        try:
            up[name] = Server(command)
        except (OSError, RuntimeError) as e:
            why[name] = str(e)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT)
        script.flush()
        for c in CONNECTIONS if picture.startswith(SMALL) else CONNECTIONS[:2]:
            best = {}
            for r in range(-1, ROUNDS):  # the first does not count
                for name, _, target in parts:
                    if name not in up:
                        continue
                    got = up[name].load(script.name, target, body, c, 1 if r < 0 else SECONDS)
                    if r >= 0 and (name not in best or got["rps"] > best[name]["rps"]):
                        best[name] = got
            rows += [dict(server=name, connections=c, peak=up[name].peak_mb(), **got) for name, got in best.items()]
    for server in up.values():
        server.close()
    return rows, why
