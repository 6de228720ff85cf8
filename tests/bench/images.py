#!/usr/bin/python3
"""Pictures for the workloads: photos of tests/data side by side and mirrored until they fill the size, at their own
scale, with a sensor's noise on top so that no two pieces are equal. WxH.rgb .png .jpg .webp, and the edges WxH.edges."""
import os
import sys

import numpy as np
from PIL import Image

PHOTOS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "images", "photos")
SIZES = (640, 480), (1920, 1080), (4000, 3000)


def canvas(width, height):
    photo = np.asarray(Image.open(os.path.join(PHOTOS, "astronaut.png")).convert("RGB"))
    h, w = photo.shape[:2]
    picture = np.pad(photo, ((0, max(0, height - h)), (0, max(0, width - w)), (0, 0)), "symmetric")[:height, :width]
    noise = np.random.default_rng(1).normal(0, 1.5, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def edges(picture):
    """|Sobel x| + |Sobel y| of the luma, borders reflected."""
    gray = np.rint(picture @ np.array([.299, .587, .114])).astype(np.int32)
    g = np.pad(gray, 1, "reflect")
    smooth_y = g[:-2] + 2 * g[1:-1] + g[2:]
    smooth_x = g[:, :-2] + 2 * g[:, 1:-1] + g[:, 2:]
    total = abs(smooth_y[:, 2:] - smooth_y[:, :-2]) + abs(smooth_x[2:] - smooth_x[:-2])
    return np.minimum(total, 255).astype(np.uint8)


def main(out):
    os.makedirs(out, exist_ok=True)
    for width, height in SIZES:
        base = os.path.join(out, f"{width}x{height}")
        picture = canvas(width, height)
        picture.tofile(base + ".rgb")
        edges(picture).tofile(base + ".edges")
        image = Image.fromarray(picture)
        image.save(base + ".png", compress_level=6)
        image.save(base + ".jpg", quality=90, subsampling=2)
        image.save(base + ".webp", quality=80)


main(sys.argv[1])
