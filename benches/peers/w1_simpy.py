"""W1 on SimPy: one process per request, a resource per queue."""
import math
import random
import sys
from array import array

import simpy

LATENCY_S = 0.010


def exponential(mean_s):
    return lambda: chance.expovariate(1 / mean_s)


def lognormal(mean_s, cv):
    variance = math.log(1 + cv * cv)
    mu, sigma = math.log(mean_s) - variance / 2, math.sqrt(variance)
    return lambda: chance.lognormvariate(mu, sigma)


def constant(value_s):
    return lambda: value_s


def camera():
    cpu, up, down = (simpy.Resource(env, 1) for _ in range(3))
    while True:
        yield env.timeout(gap())
        if env.now >= until_s:
            return
        env.process(request(cpu, up, down))


def request(cpu, up, down):
    emitted = env.now
    yield from serve(cpu, prepare)
    prepared = env.now
    yield from serve(up, uplink)
    yield env.timeout(LATENCY_S)
    arrived = env.now
    with node.request() as turn:
        yield turn
        started = env.now
        yield env.timeout(process())
    processed = env.now
    yield from serve(down, downlink)
    yield env.timeout(LATENCY_S)
    received = env.now
    prepares.append(prepared - emitted)
    uplinks.append(arrived - prepared)
    queues.append(started - arrived)
    processes.append(processed - started)
    downlinks.append(received - processed)
    totals.append(received - emitted)


def serve(resource, duration):
    with resource.request() as turn:
        yield turn
        yield env.timeout(duration())


variant, until_s = sys.argv[1], float(sys.argv[2])
endpoints = int(sys.argv[3]) if len(sys.argv) > 3 else 100
chance = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
servers = max(1, endpoints * 4 // 100)
process_s = 0.8 * servers / (4 * endpoints)
gap = exponential(0.25)
if variant == "exponential":
    prepare, uplink, process, downlink = map(exponential, (0.020, 0.0016, process_s, 0.00008))
elif variant == "realistic":
    prepare, uplink = lognormal(0.020, 0.25), constant(0.0016)
    process, downlink = lognormal(process_s, 0.5), constant(0.00008)
else:
    sys.exit(f"`{variant}` is neither `exponential` nor `realistic`")

env = simpy.Environment()
node = simpy.Resource(env, servers)
# Samples, not histograms: appending to an array is the cheapest record that Python has.
prepares, uplinks, queues, processes, downlinks, totals = (array("d") for _ in range(6))
for _ in range(endpoints):
    env.process(camera())
env.run()

n = len(queues)
print(
    f"requests={n} wait_ms={sum(queues) / n * 1e3:.4f} "
    f"p99_ms={sorted(queues)[int(0.99 * n)] * 1e3:.3f} total_ms={sum(totals) / n * 1e3:.3f}"
)
