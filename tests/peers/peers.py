"""Longshore beside Restate and DBOS: durable steps a second on this machine, in one run, each with its syncs on.

usage: peers.py BENCH [--quick]      (BENCH: the program `longshore-bench`; see `just bench-peers`)

The peers come from their package registries into $LONGSHORE_TOOLS/peers. PostgreSQL is the system's, in a folder of its own with
its defaults: `fsync` and `synchronous_commit` are on.
"""

import contextlib
import glob
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
AT_ONCE = 64


def say(text):
    print(text, file=sys.stderr, flush=True)


def cache():
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.environ["HOME"], ".cache")
    tools = os.environ.get("LONGSHORE_TOOLS") or os.path.join(home, "longshore", "tools")
    return pathlib.Path(tools) / "peers"


def install(folder):
    """Restate by npm and DBOS by pip, unless they are there."""
    node, venv = folder / "node", folder / "venv"
    packages = ["@restatedev/restate-server", "@restatedev/restate-sdk"]
    if not all((node / "node_modules" / package).is_dir() for package in packages):
        node.mkdir(parents=True, exist_ok=True)
        (node / "package.json").write_text('{"private": true}\n')
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", *packages], cwd=node, check=True,
                       stdout=sys.stderr)
    if not (venv / "bin" / "dbos").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin" / "pip", "install", "-q", "dbos", "psycopg[binary]"], check=True)
    return node, venv


def versions(node, venv):
    package = json.loads((node / "node_modules/@restatedev/restate-server/package.json").read_text())
    listed = json.loads(subprocess.check_output([venv / "bin/pip", "list", "--format", "json"]))
    dbos = next(entry["version"] for entry in listed if entry["name"] == "dbos")
    return package["version"], dbos


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def syncs_of_disk(folder, times=400):
    """How often a second a page is appended to a file and synced."""
    with open(pathlib.Path(folder) / "syncs", "wb", buffering=0) as file:
        begun = time.perf_counter()
        for _ in range(times):
            file.write(b"\x5a" * 4096)
            os.fdatasync(file.fileno())
        return times / (time.perf_counter() - begun)


@contextlib.contextmanager
def process(command, **more):
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=more.pop("stderr", subprocess.DEVNULL), **more)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def post(url, body, patience=600):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=patience) as answer:
        return json.loads(answer.read() or b"null")


def until(what, attempt, patience=60):
    begun = time.monotonic()
    while True:
        try:
            return attempt()
        except OSError as error:
            if time.monotonic() - begun > patience:
                raise SystemExit(f"{what} does not come up: {error}") from error
            time.sleep(0.2)


def restate(node, folder, steps, each, rounds):
    ports = {name: free_port() for name in ("ingress", "admin", "node", "service")}
    environment = dict(
        os.environ,
        RESTATE_INGRESS__BIND_ADDRESS=f"127.0.0.1:{ports['ingress']}",
        RESTATE_ADMIN__BIND_ADDRESS=f"127.0.0.1:{ports['admin']}",
        RESTATE_BIND_ADDRESS=f"127.0.0.1:{ports['node']}",
        RESTATE_ADVERTISED_ADDRESS=f"http://127.0.0.1:{ports['node']}",
        # Said, although they are the defaults: nothing is acknowledged that a power cut could take back.
        RESTATE_LOG_SERVER__ROCKSDB_DISABLE_WAL_FSYNC="false",
        RESTATE_BIFROST__LOCAL__ROCKSDB_DISABLE_WAL_FSYNC="false",
        RESTATE_DISABLE_TELEMETRY="true",
        RUST_LOG="error",
    )
    server = node / "node_modules/.bin/restate-server"
    log = open(pathlib.Path(folder) / "restate.log", "wb")
    service = ["node", HERE / "restate.mjs", node, str(ports["service"])]
    told = {"one": [], "many": []}
    with process([server, "--base-dir", pathlib.Path(folder) / "restate"], env=environment, stderr=log), process(service, stderr=log):
        admin = f"http://127.0.0.1:{ports['admin']}/deployments"
        deployment = {"uri": f"http://127.0.0.1:{ports['service']}"}
        until("Restate", lambda: post(admin, deployment))
        url = f"http://127.0.0.1:{ports['ingress']}/steps/run"

        def run(steps):
            assert post(url, {"steps": steps}) == steps * (steps - 1)

        until("the service", lambda: run(10))
        for _ in range(rounds):
            begun = time.perf_counter()
            run(steps)
            told["one"].append(time.perf_counter() - begun)
            begun = time.perf_counter()
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(run, [each] * AT_ONCE))
            told["many"].append(time.perf_counter() - begun)
    return told


def dbos(venv, url, steps, each, rounds):
    command = [venv / "bin/python", HERE / "dbos_steps.py", url]
    numbers = [str(number) for number in (steps, AT_ONCE, each, rounds)]
    output = subprocess.check_output([*command, *numbers], stderr=sys.stderr)
    return json.loads(output.splitlines()[-1])


@contextlib.contextmanager
def postgres(folder):
    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not programs:
        raise SystemExit("no PostgreSQL: install the package `postgresql`")
    programs, data, port = pathlib.Path(programs[-1]), pathlib.Path(folder) / "postgres", free_port()
    # PostgreSQL does not run as root.
    user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    data.mkdir()
    if user:
        os.chmod(folder, 0o755)
        subprocess.run(["chown", "-R", "postgres:postgres", data], check=True)
    quiet = {"stdout": subprocess.DEVNULL, "check": True}
    subprocess.run([programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust"], **quiet, **user, cwd="/")
    server = [programs / "postgres", "-D", data, "-p", str(port), "-k", data, "-h", "127.0.0.1"]
    with process(server, cwd="/", **user):
        def connects():
            with socket.create_connection(("127.0.0.1", port), 2):
                pass
        until("PostgreSQL", connects)
        create = [programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "dbos"]
        until("PostgreSQL", lambda: subprocess.run(create, stderr=subprocess.DEVNULL, check=True))
        yield f"postgresql://postgres@127.0.0.1:{port}/dbos"


def longshore(bench, quick):
    command = [bench, "--only", "steps", "--json", *(["--quick"] if quick else [])]
    rows = json.loads(subprocess.check_output(command))["rows"]
    value = {row["name"]: row["value"] for row in rows}
    return {
        "pure": value["without effects, one run, sequential"],
        "one": value["with an effect each, one run, sequential"],
        "many": value["with an effect each, 64 runs at once"],
    }


def rates(told, steps, each):
    return {
        "one": statistics.median(steps / seconds for seconds in told["one"]),
        "many": statistics.median(each * AT_ONCE / seconds for seconds in told["many"]),
    }


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    bench, quick = sys.argv[1], "--quick" in sys.argv
    steps, each, rounds = (100, 10, 2) if quick else (500, 50, 5)
    node, venv = install(cache())
    restate_version, dbos_version = versions(node, venv)
    peers, disk = {}, []
    with tempfile.TemporaryDirectory(prefix="longshore-peers-") as folder:
        disk.append(syncs_of_disk(folder))
        say("Longshore …")
        ours = longshore(bench, quick)
        say("Restate …")
        peers[f"Restate {restate_version}"] = rates(restate(node, folder, steps, each, rounds), steps, each)
        disk.append(syncs_of_disk(folder))
        say("DBOS on SQLite …")
        told = dbos(venv, f"sqlite:///{folder}/dbos.sqlite", steps, each, rounds)
        peers[f"DBOS {dbos_version}, SQLite"] = rates(told, steps, each)
        say("DBOS on PostgreSQL …")
        with postgres(folder) as url:
            peers[f"DBOS {dbos_version}, PostgreSQL"] = rates(dbos(venv, url, steps, each, rounds), steps, each)
        disk.append(syncs_of_disk(folder))
    print(f"the disk: a page appended and synced {statistics.median(disk):.0f} times a second\n")
    head = ("steps a second", "effect-free, one run", "effects, one run", "effects, 64 runs")
    print("{:<26} {:>21} {:>17} {:>17}".format(*head))
    print(f"{'Longshore':<26} {ours['pure']:>21.0f} {ours['one']:>17.0f} {ours['many']:>17.0f}")
    for name, peer in peers.items():
        print(f"{name:<26} {peer['one']:>21.0f} {peer['one']:>17.0f} {peer['many']:>17.0f}")
    print()
    print("{:<26} {:>21} {:>17} {:>17}".format("Longshore over", *head[1:]))
    for name, peer in peers.items():
        ratios = (ours["pure"] / peer["one"], ours["one"] / peer["one"], ours["many"] / peer["many"])
        print("{:<26} {:>20.1f}× {:>16.1f}× {:>16.1f}×".format(name, *ratios))


main()
