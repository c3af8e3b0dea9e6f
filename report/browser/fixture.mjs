// Makes a folder of measured runs as `emulate run` writes it, without measuring: runs of the deployments of a
// shortlist with more work per request than was predicted, simulated request by request. One run is invalid.
//   node fixture.mjs OFFING SCENARIO EXPLORATION OUT
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";

const [offing, scenario, exploration, out] = process.argv.slice(2);
const { shortlist } = JSON.parse(readFileSync(`${exploration}/shortlist.json`));
const rows = ["run,deployment,repetition,valid,reason,deploy.target,engine,latency_mean_ms,latency_p95_ms"];
for (const [at, kept] of shortlist.slice(0, 4).entries()) {
  for (let repetition = 1; repetition <= 3; repetition++) {
    const run = `${kept.id}-${repetition}`, folder = `${out}/runs/${run}`;
    mkdirSync(folder, { recursive: true });
    const set = { ...kept.axes, "app.process": `{ lognormal = { mean = "${62 + at} ms", cv = 0.35 } }` };
    const sets = Object.entries(set).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    const told = execFileSync(offing, ["simulate", scenario, ...sets, "--seed", String(100 + repetition), "--json", "--trace", `${folder}/trace.csv`]);
    const summary = JSON.parse(told);
    const valid = !(at === 1 && repetition === 3);
    const reason = valid ? "" : "the forwarder was late by 12 ms";
    Object.assign(summary, {
      deployment: kept.id, engine: "measured", valid, reason, dilate: 1, application: "network", transport: "mqtt",
      nodes: [{ name: "edge-0", tier: "edge", cpu_seconds: 41.5, throttled_seconds: 0.2, throttled_periods: 3, periods: 1300,
                memory_peak_bytes: 700000000, rx_bytes: 41000000, tx_bytes: 60000, rx_packets: 30000, tx_packets: 700 }],
    });
    writeFileSync(`${folder}/run.json`, JSON.stringify(summary));
    const requests = readFileSync(`${folder}/trace.csv`, "utf8").trim().split("\n");
    const more = requests.map((line, row) => (row === 0 ? "worker,frame_bytes,prepare_cpu_ns,process_cpu_ns" : "0,68000,1300000,60000000"));
    writeFileSync(`${folder}/requests.csv`, requests.map((line, row) => `${line.replace(/,false$/, ",0").replace(/,true$/, ",1")},${more[row]}`).join("\n") + "\n");
    rows.push([run, kept.id, repetition, valid, reason, kept.axes["deploy.target"], "measured", summary.latency_ms.mean, summary.latency_ms.p95].join(","));
  }
}
writeFileSync(`${out}/summary.csv`, rows.join("\n") + "\n");
writeFileSync(`${out}/scenario.toml`, readFileSync(`${exploration}/scenario.toml`));
writeFileSync(`${out}/manifest.json`, JSON.stringify({
  kind: "measured", version: "0.1.0", command: ["offing", "emulate", "run", "shortlist.json", "--repeat", "3"], seed: 1,
  host: { name: "lab", processor: "a processor", cores: 8 }, start: "2026-11-24T12:00:00Z", end: "2026-11-24T12:20:00Z",
}));
