#!/usr/bin/env python3
"""The old project's database_sync, on top of modsyncd.

Put this file where the old `Shared/database_sync.py` was. Its callers stay as they are:

    DatabaseSync().sync_to_server(create_backup=True, verify=True, pull_first=True)   # True or False
    DatabaseSync().pull_assessments_from_server()                                     # (True or False, products)
    await sync_database_async()                                                       # True or False

Nothing is copied any more: each call asks the daemon that runs on this machine (`modsyncd`) for a cycle over its Unix
socket and waits for the end of it. The daemon is not started from here; where none runs, the calls log an error and
return False. They never raise, unless DatabaseSync(raise_errors=True) asks for it.

On the command line it does what sync_now.py did: `python3 database_sync.py`, `--help` says more.

Python 3.8 or later, standard library only.
"""

import argparse
import asyncio
import http.client
import json
import logging
import os
import re
import socket as sockets
import sys

try:
    import tomllib
except ImportError:  # before Python 3.11
    tomllib = None

logger = logging.getLogger(__name__)

# The exit codes of modsyncctl.
DONE, FAILED, USAGE, NOT_RUNNING, ATTENTION, OFFLINE = range(6)

# As long as modsyncctl waits for a cycle.
TIMEOUT = 600.0


class SyncError(Exception):
    """Why a cycle did not do its work. `code`: the exit code of modsyncctl for it."""

    def __init__(self, message, hint=None, code=FAILED):
        super().__init__(message if not hint else "%s (%s)" % (message, hint))
        self.message = message
        self.hint = hint
        self.code = code


class DatabaseSync:
    """Asks modsyncd for cycles.

    socket: the daemon's socket; name: the pair's, where there are several. Without either it is found as modsyncctl
    finds it. raise_errors: raise SyncError where the old class returned False.
    """

    def __init__(self, socket=None, name=None, timeout=TIMEOUT, raise_errors=False):
        self._socket = socket
        self._name = name
        self._timeout = timeout
        self._raise = raise_errors

    def sync_to_server(self, create_backup=True, verify=True, pull_first=True):
        """A cycle now. True when everything that could move has moved, False when not; the log says why.

        create_backup: the server's database is backed up first. verify: what was written is read back. pull_first: what
        the server has is taken first; without, what is newer there is left alone.
        """
        request = {"no_backup": not create_backup, "no_verify": not verify, "skip_pull": not pull_first}
        return self._run(request) is not None

    def pull_assessments_from_server(self):
        """Takes what the server has and sends nothing. (True, how many products were updated), or (False, 0)."""
        cycle = self._run({"pull_only": True})
        if cycle is None:
            return False, 0
        return True, sum(table["pulled"] for table in cycle.get("tables", []) if table["table"] == "products")

    def cycle(self, request):
        """Runs a cycle and returns its summary, as docs/api.md describes both. Raises SyncError."""
        path = self._socket or find_socket(self._name)
        cycle = _post(path, "/v1/sync", request, self._timeout)
        outcome, reason, hint = cycle.get("outcome"), cycle.get("reason"), cycle.get("hint")
        if outcome in ("synced", "unchanged", "planned"):
            return cycle
        if outcome == "attention" and not cycle.get("held"):
            logger.warning("synced, with %s conflicts: `modsyncctl conflicts` shows them", cycle.get("conflicts"))
            return cycle
        words = {
            "attention": "%s rows are held back" % cycle.get("held"),
            "stopped": "stopped before anything was written",
            "offline": "the server cannot be reached, the daemon tries again",
            "interrupted": "interrupted, the next cycle goes on",
        }.get(outcome, "failed, nothing is lost")
        code = {"attention": ATTENTION, "stopped": ATTENTION, "offline": OFFLINE}.get(outcome, FAILED)
        raise SyncError("sync: %s: %s" % (words, reason or "`modsyncctl logs` says why"), hint, code)

    def _run(self, request):
        """The summary; None, with the reason logged, when the cycle did not do its work."""
        try:
            cycle = self.cycle(request)
        except SyncError as error:
            if self._raise:
                raise
            logger.error("%s", error)
            return None
        logger.info("%s", describe(cycle))
        return cycle


async def sync_database_async(create_backup=True, verify=True, pull_first=True):
    """DatabaseSync().sync_to_server() for callers that are coroutines; other tasks go on meanwhile."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(None, DatabaseSync().sync_to_server, create_backup, verify, pull_first)


def describe(cycle):
    """A cycle in one line."""
    counts = [(cycle.get(key, 0), verb) for key, verb in (("pulled", "pulled"), ("pushed", "pushed"), ("deleted", "deleted"))]
    moved = ", ".join("%d %s" % (count, verb) for count, verb in counts if count)
    backup = ", backup %s" % cycle["backup"] if cycle.get("backup") else ""
    return "synced: %s%s, %.2f s" % (moved or "nothing to do", backup, cycle.get("duration_ms", 0) / 1000)


class _UnixConnection(http.client.HTTPConnection):
    """HTTP to a Unix socket."""

    def __init__(self, path, timeout):
        super().__init__("modsync", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


def _post(path, route, body, timeout):
    """The JSON document that the daemon answers. Raises SyncError."""
    connection = _UnixConnection(path, timeout)
    try:
        connection.connect()
    except OSError as error:
        hint = "start it with `modsyncd install` (as a service) or `modsyncd run` (here and now)"
        if isinstance(error, (FileNotFoundError, ConnectionRefusedError)):
            raise SyncError("modsyncd is not running: nothing listens on %s" % path, hint, NOT_RUNNING) from error
        raise SyncError("connect to modsyncd on %s: %s" % (path, error)) from error
    try:
        connection.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read().decode("utf-8"))
    except sockets.timeout as error:
        hint = "what the daemon has begun goes on; `modsyncctl status` tells more"
        raise SyncError("wait for modsyncd: no answer within %g s" % timeout, hint) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SyncError("speak with modsyncd at %s: it ended meanwhile, or is another program: %s" % (path, error)) from error
    finally:
        connection.close()
    if not isinstance(answer, dict):
        raise SyncError("speak with modsyncd at %s: its answer is no object" % path)
    if response.status != 200:
        code = {"offline": OFFLINE, "attention": ATTENTION, "bad_request": USAGE}.get(answer.get("code"), FAILED)
        raise SyncError(answer.get("error") or "modsyncd answered %d" % response.status, answer.get("hint"), code)
    return answer


def find_socket(name=None):
    """Where the daemon listens: MODSYNC_SOCKET unless the pair is named, else what its config says, else the default."""
    variable = os.environ.get
    if not name and variable("MODSYNC_SOCKET"):
        return variable("MODSYNC_SOCKET")
    name = name or variable("MODSYNC_NAME")
    if name and not re.match(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$", name):
        raise SyncError("find the socket: %r cannot name a pair" % name, None, USAGE)
    file_name = "%s.toml" % (name or "config")
    home = os.path.expanduser("~")
    user = os.path.join(_folder("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "modsync")
    file = variable("MODSYNC_CONFIG") or os.path.join(user, file_name)
    system = os.path.join("/etc/modsync", file_name)
    if not variable("MODSYNC_CONFIG") and not os.path.exists(file) and os.path.exists(system):
        file = system
    stem = os.path.splitext(os.path.basename(file))[0]
    if not name and stem != "config" and os.path.dirname(file) in (user, "/etc/modsync"):
        name = stem
    said = _daemon_section(file)
    is_system = file.startswith("/etc/modsync/")
    state = "/var/lib/modsync" if is_system else os.path.join(_folder("XDG_STATE_HOME") or os.path.join(home, ".local/state"), "modsync")
    state = _said(said, "state_dir") or (os.path.join(state, name) if name else state)
    socket_name = "modsyncd-%s.sock" % name if name else "modsyncd.sock"
    runtime = None if is_system else _folder("XDG_RUNTIME_DIR")
    return _said(said, "socket") or os.path.join(os.path.join(runtime, "modsync") if runtime else state, socket_name)


def _folder(variable):
    """A folder of the XDG specification; relative ones do not count."""
    path = os.environ.get(variable, "")
    return path if os.path.isabs(path) else None


def _said(section, key):
    """A path as the environment or the config's [daemon] has it, expanded."""
    written = os.environ.get("MODSYNC_DAEMON_" + key.upper()) or section.get(key)
    if not isinstance(written, str) or not written:
        return None
    return os.path.expanduser(os.path.expandvars(written).replace("$$", "$"))


def _daemon_section(file):
    """[daemon] of the config; nothing where it cannot be read, as its mistakes do not matter here."""
    try:
        with open(file, encoding="utf-8") as opened:
            text = opened.read()
        if tomllib is not None:
            section = tomllib.loads(text).get("daemon", {})
            return section if isinstance(section, dict) else {}
    except (OSError, ValueError):
        return {}
    return _daemon_lines(text)


def _daemon_lines(text):
    """The same for Pythons that read no TOML: plain strings, one a line, which is how a path is written."""
    section, found = None, {}
    for line in text.splitlines():
        header = re.match(r"^\s*\[+\s*([A-Za-z_]+)\s*\]+\s*(#.*)?$", line)
        if header:
            section = header.group(1)
        value = re.match(r"""^\s*(socket|state_dir)\s*=\s*("([^"\\]*)"|'([^']*)')\s*(#.*)?$""", line)
        if value and section == "daemon":
            found[value.group(1)] = value.group(3) if value.group(3) is not None else value.group(4)
    return found


def main(arguments=None):
    """What sync_now.py did. Returns the exit code of modsyncctl."""
    parser = argparse.ArgumentParser(description="Sync now, by way of the daemon modsyncd.")
    parser.add_argument("--pull-only", action="store_true", help="take what the server has, send nothing")
    parser.add_argument("--no-pull", action="store_true", help="send without taking first; what is newer there stays")
    parser.add_argument("--no-backup", action="store_true", help="take no backup on the server")
    parser.add_argument("--no-verify", action="store_true", help="do not read back what was written")
    parser.add_argument("--socket", help="the daemon's socket (else as modsyncctl finds it)")
    parser.add_argument("--name", help="the pair's name, where there are several")
    chosen = parser.parse_args(arguments)
    if chosen.pull_only and chosen.no_pull:
        parser.error("--pull-only and --no-pull leave nothing to do")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    request = {
        "pull_only": chosen.pull_only,
        "skip_pull": chosen.no_pull,
        "no_backup": chosen.no_backup,
        "no_verify": chosen.no_verify,
    }
    try:
        print(describe(DatabaseSync(chosen.socket, chosen.name).cycle(request)))
    except SyncError as error:
        print("database_sync: %s" % error.message, file=sys.stderr)
        if error.hint:
            print("hint: %s" % error.hint, file=sys.stderr)
        return error.code
    return DONE


if __name__ == "__main__":
    sys.exit(main())
