/* code_python.c: what both printed programs share: reading pictures and tensor files, and the numbers of an init. */
#include "code_python.h"

const char api_python_load[] =
    "def load(path):\n"
    "    \"\"\"N x C x H x W: an npy as it is, a picture as numbers of 0..255.\"\"\"\n"
    "    with open(path, \"rb\") as file:\n"
    "        if file.read(6) == b\"\\x93NUMPY\":\n"
    "            x = np.load(path).astype(np.float32)\n"
    "            return x.reshape((1,) * (4 - x.ndim) + x.shape)\n"
    "    from PIL import Image, ImageOps\n"
    "    image = Image.open(path)\n"
    "    if UPRIGHT:\n"
    "        image = ImageOps.exif_transpose(image)\n"
    "    if image.mode.startswith(\"I\"):  # 16 bits\n"
    "        x = np.repeat(np.asarray(image, np.float32)[:, :, None] / 257, 3, 2)\n"
    "    elif CHANNELS == \"rgba\":\n"
    "        x = np.asarray(image.convert(\"RGBA\"), np.float32)\n"
    "    else:\n"
    "        x = np.asarray(image.convert(\"RGBA\"), np.float32)\n"
    "        a = x[:, :, 3:] / 255\n"
    "        x = np.rint(x[:, :, :3] * a + np.array(BACKGROUND, np.float32) * (1 - a))\n"
    "    if CHANNELS == \"gray\":\n"
    "        x = (x @ np.array([0.299, 0.587, 0.114], np.float32))[:, :, None]\n"
    "    return np.ascontiguousarray(x.transpose(2, 0, 1)[None])";

const char api_python_load_tensors[] =
    "def load_tensors(name, path):\n"
    "    \"\"\"NAME of an npy or of a safetensors with one tensor; NAME.THEIRS where it holds "
    "several.\"\"\"\n"
    "    with open(path, \"rb\") as file:\n"
    "        data = file.read()\n"
    "    if data[:6] == b\"\\x93NUMPY\":\n"
    "        return {name: np.load(path).astype(np.float32)}\n"
    "    size = struct.unpack(\"<Q\", data[:8])[0]\n"
    "    kinds = {\"F64\": \"<f8\", \"F32\": \"<f4\", \"F16\": \"<f2\", \"I64\": \"<i8\", \"I32\": "
    "\"<i4\", \"I16\": \"<i2\",\n"
    "             \"I8\": \"i1\", \"U8\": \"u1\", \"U16\": \"<u2\", \"U32\": \"<u4\", \"U64\": "
    "\"<u8\", \"BOOL\": \"u1\"}\n"
    "    found = {}\n"
    "    for key, entry in json.loads(data[8:8 + size]).items():\n"
    "        if key != \"__metadata__\":\n"
    "            lo, hi = entry[\"data_offsets\"]\n"
    "            values = np.frombuffer(data[8 + size + lo:8 + size + hi], "
    "kinds[entry[\"dtype\"]])\n"
    "            found[key] = values.reshape(entry[\"shape\"]).astype(np.float32)\n"
    "    if len(found) == 1:\n"
    "        return {name: found.popitem()[1]}\n"
    "    return {name + \".\" + key: value for key, value in found.items()}";

const char api_python_numbers[] =
    "def numbers(kind, shape, seed, gain):\n"
    "    \"\"\"The seed alone decides: Philox4x32-10, counter (i, 0, 0, 0), key = seed.\"\"\"\n"
    "    count = int(np.prod(shape))\n"
    "    if kind == \"zeros\":\n"
    "        return np.zeros(shape, np.float32)\n"
    "    if kind == \"identity\":\n"
    "        w = np.zeros(shape, np.float32)\n"
    "        for o in range(shape[0]):\n"
    "            w[o, o % shape[1], shape[2] // 2, shape[3] // 2] = gain\n"
    "        return w\n"
    "    low = np.uint64(0xFFFFFFFF)\n"
    "    c = [np.arange(count, dtype=np.uint64)] + [np.zeros(count, np.uint64)] * 3\n"
    "    k0, k1 = seed & 0xFFFFFFFF, seed >> 32\n"
    "    for _ in range(10):\n"
    "        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)\n"
    "        c = [(b >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), b & low,\n"
    "             (a >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), a & low]\n"
    "        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF\n"
    "    w0, w1 = c[0].astype(np.float64), c[1].astype(np.float64)\n"
    "    window = shape[2] * shape[3]\n"
    "    fan_in, fan_out = shape[1] * window, shape[0] * window\n"
    "    spread = {\"he_normal\": 2 / fan_in, \"he_uniform\": 6 / fan_in, \"xavier_normal\": 2 / "
    "(fan_in + fan_out),\n"
    "              \"xavier_uniform\": 6 / (fan_in + fan_out)}.get(kind, 1) ** 0.5 * gain\n"
    "    if kind.endswith(\"uniform\"):\n"
    "        w = spread * (2 * w0 / 2 ** 32 - 1)\n"
    "    else:\n"
    "        w = spread * np.sqrt(-2 * np.log((w0 + 1) / 2 ** 32)) * np.cos(2 * np.pi * w1 / 2 ** "
    "32)\n"
    "    return w.astype(np.float32).reshape(shape)";

/* The last lines of both programs: the command line. */
#define FILES                                                                                      \
    "\n\ndef main():\n"                                                                            \
    "    files = [word for word in sys.argv[1:] if \"=\" not in word]\n"                           \
    "    if not files:\n"                                                                          \
    "        sys.exit(__doc__)\n"
#define TENSORS                                                                                    \
    "    tensors = {}\n"                                                                           \
    "    for word in sys.argv[1:]:\n"                                                              \
    "        if \"=\" in word:\n"                                                                  \
    "            tensors.update($load_tensors(*word.split(\"=\", 1)))\n"
#define RESULTS                                                                                    \
    "    for name, y in results.items():\n"                                                        \
    "        print(name, \"x\".join(map(str, y.shape)), \"min %g max %g mean %g\" % (y.min(), "    \
    "y.max(), y.mean()))\n"                                                                        \
    "    if len(files) > 1 and len(results) == 1:\n"                                               \
    "        np.save(files[1], next(iter(results.values())))\n"                                    \
    "    elif len(files) > 1:\n"                                                                   \
    "        np.savez(files[1], **results)\n"                                                      \
    "\n\nif __name__ == \"__main__\":\n"                                                           \
    "    main()\n"

const char api_python_main[] = FILES "    results = $compute(files[0], {})\n" RESULTS;
const char api_python_main_tensors[] =
    FILES TENSORS "    results = $compute(files[0], tensors)\n" RESULTS;
