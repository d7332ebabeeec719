"""A workflow of DBOS of so many steps; what a step does costs nothing. Prints seconds as JSON.

usage: dbos_steps.py DATABASE-URL STEPS AT-ONCE STEPS-OF-EACH ROUNDS
"""

import json
import sys
import time

from dbos import DBOS, SetWorkflowID  # noqa: F401

url, steps, at_once, each, rounds = sys.argv[1], *(int(word) for word in sys.argv[2:6])
DBOS(config={"name": "steps", "system_database_url": url, "run_admin_server": False, "log_level": "ERROR"})


@DBOS.step()
def step(n: int) -> int:
    return n * 2


@DBOS.workflow()
def run(steps: int) -> int:
    return sum(step(n) for n in range(steps))


DBOS.launch()
run(10)
told = {"one": [], "many": []}
for _ in range(rounds):
    begun = time.perf_counter()
    assert run(steps) == steps * (steps - 1)
    told["one"].append(time.perf_counter() - begun)
    begun = time.perf_counter()
    handles = [DBOS.start_workflow(run, each) for _ in range(at_once)]
    for handle in handles:
        assert handle.get_result() == each * (each - 1)
    told["many"].append(time.perf_counter() - begun)
print(json.dumps(told))
DBOS.destroy()
