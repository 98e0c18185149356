# The engine for servers with python3: runs steps from standard input. Without arguments it says its version.
import hashlib, os, sqlite3, struct, sys

if len(sys.argv) < 4:
    if sys.version_info >= (3, 6) and sqlite3.sqlite_version_info >= (3, 27):
        print(".".join(map(str, sys.version_info[:3])) + " with SQLite " + sqlite3.sqlite_version)
    sys.exit()

path = os.fsencode(sys.argv[1])


def identity():
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def to_blob(real):
    return struct.pack(">d", real) if isinstance(real, (int, float)) else None


def from_blob(blob):
    return struct.unpack(">d", blob)[0] if isinstance(blob, bytes) and len(blob) == 8 else None


def sha3(value, bits):
    if bits != 256 or isinstance(value, float):
        raise ValueError
    if value is None:
        return None
    return hashlib.sha3_256(value if isinstance(value, bytes) else str(value).encode()).digest()


def steps(lines):
    for line in lines:
        if line.startswith(b"--+"):
            line = b"".join(lines.readline() for _ in range(int(line[3:])))
        # A last line without an end was cut on its way.
        if line.endswith(b"\n"):
            yield line.decode()


opened = identity()
try:
    database = sqlite3.connect(
        sys.argv[2], uri=True, isolation_level=None, timeout=int(sys.argv[3]) / 1000, cached_statements=0
    )
    database.create_function("ieee754_to_blob", 1, to_blob)
    database.create_function("ieee754_from_blob", 1, from_blob)
    database.create_function("sha3", 2, sha3)
    database.create_function("modsync_moved", 0, lambda: int(opened is None or identity() != opened))
    out = sys.stdout.buffer
    for step in steps(sys.stdin.buffer):
        if step.startswith("SELECT"):
            for row in database.execute(step):
                out.write("\t".join(row).encode() + b"\n")
            out.flush()
        else:
            database.executescript(step)
except Exception as error:
    sys.exit("Error: " + str(error))
