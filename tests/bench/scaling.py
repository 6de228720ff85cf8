"""Whether cost grows as the work does: `convd bench` over growing pictures, channels and chains."""
import json
import os
import statistics
import struct
import subprocess

from harness import ROOT

CONVD = os.path.join(ROOT, "build", "convd")
ROUNDS = 3  # of all sizes in turn
STEPS = 1, 2, 4, 8, 16, 32, 64
CHANNELS = 1, 2, 4, 8, 16, 32, 64, 128, 256
SIZES = (640, 480), (1280, 960), (2000, 1500), (4000, 3000), (8000, 6000)


def floats(pipeline):
    return json.dumps({"steps": pipeline, "output": {"format": "npy"}})


def bank(channels):
    return {"op": "conv", "padding": 1, "weight": {"init": "he_normal", "out_channels": channels, "kernel_size": 3,
                                                   "seed": 1}}


# Table: what a column is, the unit of its figures, and rows: name -> pipeline of a column.
TABLES = {
    "pixels": ("pixels", "ns per pixel", {
        "edges": lambda size: "edges",
        "gaussian:31,5": lambda size: "gaussian:31,5",
        "median:5": lambda size: "median:5",
        "max_pool:2": lambda size: "max_pool:2",
        "edges as floats": lambda size: floats(["edges"]),
        "conv 3x3 to 8 as floats": lambda size: floats([bank(8)]),
    }),
    "channels": ("channels of 128x128", "ns per channel and pixel", {
        "filter 3x3": lambda c: floats([{"op": "filter", "kernel": "sobel_x"}]),
        "max_pool:2": lambda c: floats([{"op": "max_pool", "kernel_size": 2}]),
        "conv 3x3 to 64": lambda c: floats([bank(64)]),
    }),
    "steps": ("steps on 640x480", "ns per step and pixel", {
        "dilate:3": lambda n: "/".join(["dilate:3"] * n),
        "gaussian:3,1 as floats": lambda n: floats([{"op": "filter", "kernel": {"name": "gaussian", "size": 3,
                                                                                "sigma": 1}}] * n),
        "scale as floats": lambda n: floats([{"op": "scale", "mul": 1.01, "add": 1}] * n),
    }),
}
COLUMNS = {"pixels": SIZES, "channels": CHANNELS, "steps": STEPS}


def noise(n):
    """Bytes that look random, the same each time."""
    block = b"".join(struct.pack("<I", i * 2654435761 >> 7 & 0xffffffff) for i in range(1 << 16))
    return (block * (n // len(block) + 1))[:n]


def picture(width, height):
    return b"P6\n%d %d\n255\n" % (width, height) + noise(3 * width * height)


def tensor(channels, side):
    """Bytes as an npy of 8-bit integers: values 0..255, read as floats."""
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1, %d, %d, %d), }" % (channels, side, side)
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + noise(channels * side * side)


def case(table, column):
    """The input of a column, how much work it is, and the column's name."""
    if table == "pixels":
        width, height = column
        return picture(width, height), width * height, f"{width * height / 1e6:.1f} Mpx"
    if table == "channels":
        return tensor(column, 128), column * 128 * 128, str(column)
    return picture(640, 480), column * 640 * 480, str(column)


def time_of(pipeline, data, threads):
    done = subprocess.run([CONVD, "bench", pipeline, "--input", "-", "--threads", str(threads), "--rounds", "5",
                           "--json", "--max-memory", "12Gi", "--max-macs", "1e15"], input=data, capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr.decode().strip())
    return json.loads(done.stdout)["total"]["min_ms"]


def measure(name):
    """name: "TABLE ROW". Rows, one a column."""
    table, _, row = name.partition(" ")
    make, times = TABLES[table][2][row], {}
    cases = [(column, *case(table, column)) for column in COLUMNS[table]]
    for _ in range(ROUNDS):
        for column, data, work, label in cases:
            times.setdefault(label, []).append(time_of(make(column), data, 1))
    return [dict(column=label, work=work, min=min(times[label]), median=statistics.median(times[label]))
            for _, _, work, label in cases], {}


def names():
    return [f"{table} {row}" for table, (_, _, rows) in TABLES.items() for row in rows]
