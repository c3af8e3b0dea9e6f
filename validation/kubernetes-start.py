#!/usr/bin/env python3
"""Measures how long pods need to start on the lab's cluster (lab/kubernetes/up.sh), phase by phase.

    validation/kubernetes-start.py --pods 1 10 30 60 --repeat 3 --out validation/data/kubernetes-start
    validation/kubernetes-start.py --pods 20 --way jobs --out FOLDER
    validation/kubernetes-start.py --path --out FOLDER        what a Service adds to the path of a request

Stamps, all in milliseconds since the request of the user was sent, on the one clock of the machine:
created, scheduled, ready: when a watch of the pods told it; sandbox, container, started: when containerd had
started the sandbox, created the application's container and started it, from its own events.
Appends to pods.csv (a row for each pod, or container with `--way containers`) and runs.csv (a row for each
repetition, with the CPU time that was used, and the nodes whose kubelet was refused the token of the service account
at first, by its log). A drawn part of a second passes before each start, so that it meets the kubelets' lists at any
phase. Needs no package besides Python's own.
"""

import argparse
import base64
import csv
import datetime
import http.client
import json
import os
import pathlib
import random
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import time

LAB = pathlib.Path(os.environ.get("OFFING_LAB", pathlib.Path.home() / ".cache/offing-lab"))
IMAGE = "lab.local/busybox:1"
LABEL = {"app": "offing-start"}
PODS = "/api/v1/namespaces/default/pods"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
# The reflector of a kubelet that asks before the node authorizer has heard of the pod.
REFUSED = re.compile(rb"secrets .*is forbidden.*no relationship found")
MOST_S = 170  # a start that takes longer is given up


PHASES = random.Random()


class Api:
    """The API server by the certificates of a kubeconfig."""

    def __init__(self, kubeconfig):
        text = pathlib.Path(kubeconfig).read_text()
        data = {key: base64.b64decode(value) for key, value in re.findall(r"([\w-]+-data): (\S+)", text)}
        self.host = re.search(r"server: https://(\S+)", text).group(1)
        self.context = ssl.create_default_context(cadata=data["certificate-authority-data"].decode())
        with tempfile.NamedTemporaryFile() as pair:  # mode 600
            pair.write(data["client-certificate-data"] + data["client-key-data"])
            pair.flush()
            self.context.load_cert_chain(pair.name)

    def connect(self, timeout=30):
        return http.client.HTTPSConnection(self.host, context=self.context, timeout=timeout)

    def call(self, method, path, body=None, connection=None):
        connection = connection or self.connect()
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = json.loads(answer.read())
        if answer.status >= 300 and answer.status != 404:
            sys.exit(f"{method} {path}: {answer.status} {told.get('message')}")
        return told


class Watch(threading.Thread):
    """Notes when each state of each pod was told."""

    def __init__(self, api):
        super().__init__(daemon=True)
        version = api.call("GET", PODS)["metadata"]["resourceVersion"]
        self.connection = api.connect(timeout=MOST_S + 30)
        self.connection.request("GET", f"{PODS}?watch=1&labelSelector=app%3Doffing-start&resourceVersion={version}")
        self.answer = self.connection.getresponse()
        self.seen, self.node, self.ready = {}, {}, 0
        self.start()

    def run(self):
        try:
            while line := self.answer.readline():
                self.note(time.time_ns(), json.loads(line)["object"])
        except (OSError, ValueError, AttributeError):
            pass  # closed by finish()

    def note(self, now, pod):
        name = pod["metadata"]["name"]
        stamps = self.seen.setdefault(name, {"created": now})
        if pod["spec"].get("nodeName"):
            stamps.setdefault("scheduled", now)
            self.node[name] = pod["spec"]["nodeName"]
        conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
        if conditions.get("Ready") == "True" and "ready" not in stamps:
            stamps["ready"] = now
            self.ready += 1

    def finish(self):
        self.connection.sock and self.connection.sock.close()


class Events:
    """What containerd of one node tells about its containers."""

    WHEN = re.compile(r"^(\S+ \S+?)(\.\d+)? \+0000 UTC \S+ (\S+) (.*)$")

    def __init__(self, node):
        self.node, self.file = node, tempfile.TemporaryFile("w+")
        command = ["docker", "exec", node, "ctr", "-n", "k8s.io", "events"]
        self.process = subprocess.Popen(command, stdout=self.file)

    def finish(self):
        """Stamps by container."""
        self.process.terminate()
        subprocess.run(["docker", "exec", self.node, "pkill", "-x", "ctr"], check=False)
        self.process.wait()
        self.file.seek(0)
        found = {}
        for line in self.file:
            match = self.WHEN.match(line)
            if not match or match.group(3) not in ("/containers/create", "/tasks/start"):
                continue
            when = datetime.datetime.fromisoformat(match.group(1)).replace(tzinfo=datetime.timezone.utc)
            ns = int(when.timestamp()) * 10**9 + int(float(match.group(2) or 0) * 1e9)
            about = json.loads(match.group(4))
            container = about.get("container_id") or about.get("id")
            found.setdefault(container, {})[match.group(3)] = ns
        return found

    def containers(self):
        """Kind, pod and name of every container there is."""
        script = "for c in $(ctr -n k8s.io containers ls -q); do ctr -n k8s.io containers info $c; done"
        text = subprocess.run(["docker", "exec", self.node, "sh", "-c", script], check=True, capture_output=True,
                              text=True).stdout
        decoder, at, found = json.JSONDecoder(), 0, {}
        while (at := text.find("{", at)) >= 0:
            info, at = decoder.raw_decode(text, at)
            labels = info["Labels"] or {}
            found[info["ID"]] = (labels.get("io.cri-containerd.kind"), labels.get("io.kubernetes.pod.name"),
                                 labels.get("io.kubernetes.container.name", ""))
        return found


def template(containers):
    """A pod that sleeps."""
    one = {"image": IMAGE, "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"],
           "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}}}
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
            "containers": [{"name": f"c{i}", **one} for i in range(containers)]}
    return {"metadata": {"labels": LABEL}, "spec": spec}


def job(name, parallelism, containers=1):
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "labels": LABEL},
            "spec": {"parallelism": parallelism, "completions": parallelism, "template": template(containers)}}


def submit(api, way, pods):
    """Asks for the pods as Continuum's ways of deploying do."""
    if way == "job":
        api.call("POST", JOBS, job("start", pods))
    elif way == "containers":
        api.call("POST", JOBS, job("start", 1, pods))
    elif way == "jobs":
        connection = api.connect()
        for i in range(pods):
            api.call("POST", JOBS, job(f"start-{i}", 1), connection)
    else:
        connections = [api.connect() for _ in range(pods)]
        calls = [threading.Thread(target=api.call, args=("POST", JOBS, job(f"start-{i}", 1), connection))
                 for i, connection in enumerate(connections)]
        [call.start() for call in calls]
        [call.join() for call in calls]


def cpu_s(container):
    """CPU time of the machine, or of a container of the engine [s]."""
    if container is None:
        ticks = [int(n) for n in open("/proc/stat").readline().split()[1:]]
        return (sum(ticks[:3]) + sum(ticks[5:7])) / os.sysconf("SC_CLK_TCK")
    full = subprocess.run(["docker", "inspect", "-f", "{{.Id}}", container], check=True, capture_output=True, text=True)
    return int(open(f"/sys/fs/cgroup/cpuacct/docker/{full.stdout.strip()}/cpuacct.usage").read()) / 1e9


def kubelet_log(node, skip=0):
    """What a kubelet has written after so many bytes."""
    command = ["docker", "exec", node, "tail", "-c", f"+{skip + 1}", "/var/log/k8s/kubelet.log"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def clean(api, nodes):
    """Removes all pods and waits until nothing of them is left and the kubelets rest."""
    selector = "labelSelector=app%3Doffing-start"
    api.call("DELETE", f"{JOBS}?{selector}&propagationPolicy=Background")
    end = time.time() + 120
    while True:
        api.call("DELETE", f"{PODS}?{selector}&gracePeriodSeconds=0")
        left = len(api.call("GET", f"{PODS}?{selector}")["items"])
        for node in nodes:
            # Dead sandboxes stay until the kubelet collects them, once a minute: only what runs counts.
            told = subprocess.run(["docker", "exec", node, "ctr", "-n", "k8s.io", "tasks", "ls", "-q"], check=True,
                                  capture_output=True, text=True).stdout
            left += len(told.split())
        if left == 0:
            break
        if time.time() > end:
            sys.exit(f"{left} pods and tasks are still there")
        time.sleep(1)
    time.sleep(4)  # until the kubelets' clients may send a whole burst again


def measure(api, nodes, way, pods):
    clean(api, nodes)
    parts = [None, *(f"offing-lab-{name}" for name in ["cp", *(n.removeprefix("offing-lab-") for n in nodes)])]
    watch, events = Watch(api), [Events(node) for node in nodes]
    logged = [len(kubelet_log(node)) for node in nodes]
    time.sleep(0.7 + PHASES.random())
    before, load = [cpu_s(part) for part in parts], os.getloadavg()[0]
    began = time.time_ns()
    submit(api, way, pods)
    submitted = time.time_ns()
    wanted = 1 if way == "containers" else pods
    while watch.ready < wanted:
        if time.time_ns() - began > MOST_S * 10**9:
            clean(api, nodes)
            sys.exit(f"only {watch.ready} of {wanted} pods were ready after {MOST_S} s")
        time.sleep(0.005)
    used = [cpu_s(part) - b for part, b in zip(parts, before)]
    watch.finish()
    ms = lambda ns: "" if ns is None else f"{(ns - began) / 1e6:.1f}"
    rows = []
    for event in events:
        stamps, kinds = event.finish(), event.containers()
        sandboxes = {pod: stamps[c].get("/tasks/start") for c, (kind, pod, _) in kinds.items()
                     if kind == "sandbox" and c in stamps}
        for container, (kind, pod, name) in kinds.items():
            if kind != "container" or pod not in watch.seen:
                continue
            seen, own = watch.seen[pod], stamps.get(container, {})
            rows.append([watch.node[pod], pod, name, ms(seen["created"]), ms(seen["scheduled"]),
                         ms(sandboxes.get(pod)), ms(own.get("/containers/create")), ms(own.get("/tasks/start")),
                         ms(seen["ready"])])
    rows.sort(key=lambda row: float(row[-1]))
    refused = [node.removeprefix("offing-lab-") for node, skip in zip(nodes, logged)
               if REFUSED.search(kubelet_log(node, skip))]
    run = [ms(submitted), max((row[-1] for row in rows), key=float), *(f"{u:.2f}" for u in used[:2]),
           f"{sum(used[2:]):.2f}", f"{load:.2f}", "+".join(refused)]
    return run, rows


def append(path, header, rows):
    new = not path.exists()
    with open(path, "a", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        if new:
            out.writerow(header)
        out.writerows(rows)


WHO = """
import collections, socket, sys
counts = collections.Counter()
for i in range(int(sys.argv[3])):
    s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
    counts[s.recv(100).decode().strip()] += 1
    s.close()
print(*sorted(counts.values()))
"""
PING = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
took = []
for i in range(int(sys.argv[3])):
    t = time.perf_counter_ns()
    s.sendall(b"x" * 64)
    s.recv(64)
    took.append(time.perf_counter_ns() - t)
took = sorted(took[len(took) // 10:])
print(took[len(took) // 2] / 1e3, sum(took) / len(took) / 1e3)
"""


def pod(name, node, command):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {**LABEL, "who": name.split("-")[0]}},
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0,
                     "containers": [{"name": "c", "image": IMAGE, "command": command}]}}


def service(name):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"selector": {"who": name}, "ports": [{"port": 7, "protocol": "TCP"}]}}


def path(api, nodes, out, repeat):
    """Round trips of 64 B from node 1 to node 2: directly, to a pod, and to the same pod through a Service; and which of
    three pods of a Service connections reach."""
    clean(api, nodes)
    services = "/api/v1/namespaces/default/services"
    server = None
    ask = lambda script, host, port, count: subprocess.run(
        ["docker", "exec", nodes[0], "python3", "-c", script, host, str(port), str(count)], check=True,
        capture_output=True, text=True).stdout.split()
    try:
        api.call("POST", PODS, pod("echo", "n2", ["nc", "-ll", "-p", "7", "-e", "cat"]))
        for i, node in enumerate(["n1", "n2", "n2"]):
            api.call("POST", PODS, pod(f"pick-{i}", node, ["nc", "-ll", "-p", "7", "-e", "hostname"]))
        echo, pick = (api.call("POST", services, service(name))["spec"]["clusterIP"] for name in ("echo", "pick"))
        while not (address := api.call("GET", f"{PODS}/echo")["status"].get("podIP")):
            time.sleep(0.2)
        time.sleep(8)  # until all run and kube-proxy has written its rules
        # The same server on the node itself.
        command = ["busybox", "nc", "-ll", "-p", "7007", "-e", "/usr/bin/busybox", "cat"]
        server = subprocess.Popen(["docker", "exec", nodes[1], *command])
        time.sleep(1)
        inspect = ["docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", nodes[1]]
        node = subprocess.run(inspect, check=True, capture_output=True, text=True).stdout.strip()
        rows = []
        for repetition in range(repeat):
            for name, host, port in [("node", node, 7007), ("pod", address, 7), ("service", echo, 7)]:
                rows.append([repetition, name, *(f"{float(n):.2f}" for n in ask(PING, host, port, 20000))])
                print(*rows[-1])
        append(out / "path.csv", ["repetition", "to", "round_trip_p50_us", "round_trip_mean_us"], rows)
        counts = ask(WHO, pick, 7, 900)
        print("connections to each of three pods:", *counts)
        append(out / "balance.csv", ["connections", "pod_a", "pod_b", "pod_c"], [[900, *counts]])
    finally:
        if server:
            subprocess.run(["docker", "exec", nodes[1], "pkill", "-f", "7007"], check=False)
            server.wait()
        for name in ("echo", "pick"):
            api.call("DELETE", f"{services}/{name}")
        clean(api, nodes)


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--pods", type=int, nargs="+", default=[])
    parse.add_argument("--way", choices=["job", "jobs", "calls", "containers"], default="job")
    parse.add_argument("--repeat", type=int, default=1)
    parse.add_argument("--seed", type=int, default=1, help="of the drawn pauses")
    parse.add_argument("--path", action="store_true")
    parse.add_argument("--clean", action="store_true", help="removes the pods of the last run at the end")
    parse.add_argument("--out", type=pathlib.Path, required=True)
    args = parse.parse_args()
    PHASES.seed(args.seed)
    api = Api(os.environ.get("KUBECONFIG", LAB / "kubernetes/kubeconfig"))
    names = sorted(item["metadata"]["name"] for item in api.call("GET", "/api/v1/nodes")["items"])
    nodes = [f"offing-lab-{name}" for name in names]
    args.out.mkdir(parents=True, exist_ok=True)
    if args.path:
        return path(api, nodes, args.out, args.repeat)
    for _ in range(args.repeat):
        for pods in args.pods:
            run, rows = measure(api, nodes, args.way, pods)
            when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")
            key = [when, args.way, pods, len(nodes)]
            append(args.out / "runs.csv", ["run", "way", "pods", "nodes", "submitted_ms", "ready_ms", "cpu_machine_s",
                                           "cpu_control_plane_s", "cpu_nodes_s", "load_before", "refused"], [[*key, *run]])
            append(args.out / "pods.csv", ["run", "way", "pods", "nodes", "node", "pod", "container_name", "created_ms",
                                           "scheduled_ms", "sandbox_ms", "container_ms", "started_ms", "ready_ms"],
                   [[*key, *row] for row in rows])
            print(*key, *run, flush=True)
    if args.clean:
        clean(api, nodes)


if __name__ == "__main__":
    main()
