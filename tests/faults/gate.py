"""Stands in for `sqlite3` on the server: passes everything on to the real one, and stops where it is told to.

    gate.py FOLDER ARGUMENT...

When FOLDER holds a file `hold.TEXT`, the first of these programs that meets a line with that text takes the file (as
`held`, with its own process number and the engine's in it) and waits until it is gone before it passes the line on.
"""

import os
import subprocess
import sys
import threading
import time

REAL = "/usr/bin/sqlite3"


def main() -> None:
    folder, arguments = sys.argv[1], sys.argv[2:]
    if ":memory:" in arguments:
        os.execv(REAL, [REAL, *arguments])
    engine = subprocess.Popen([REAL, *arguments], stdin=subprocess.PIPE)
    # An engine that is killed ends the session at once, wherever this program is.
    threading.Thread(target=lambda: os._exit(engine.wait() & 255), daemon=True).start()
    for line in sys.stdin.buffer:
        stop(folder, line, engine.pid)
        engine.stdin.write(line)
        engine.stdin.flush()
    engine.stdin.close()
    engine.wait()
    time.sleep(60)  # the thread ends it


def stop(folder: str, line: bytes, engine: int) -> None:
    for name in os.listdir(folder):
        if not name.startswith("hold.") or name[5:].encode() not in line:
            continue
        held = os.path.join(folder, "held")
        with open(held + ".new", "w", encoding="ascii") as file:
            file.write(f"{os.getpid()} {engine}")
        try:
            os.rename(os.path.join(folder, name), held + ".claim")
        except FileNotFoundError:
            return
        os.unlink(held + ".claim")
        os.rename(held + ".new", held)
        while os.path.exists(held):
            time.sleep(0.005)


main()
