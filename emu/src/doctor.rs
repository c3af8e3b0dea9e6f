//! Is this host able to measure? Every need is tried, not looked up, and what is missing says what it costs
//! and how to get it.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

use crate::cluster::find_agent;
use crate::links::{forwarder, netem};
use crate::plan::{Host, LinkKind};
use crate::provider::docker::Docker;

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Whether a deployment can be measured on Docker here.
    pub able: bool,
    /// What would make the links; nothing if nothing can.
    pub links: Option<LinkKind>,
    /// Processors and memory.
    pub host: Host,
    /// Every need, in the order in which they matter.
    pub findings: Vec<Finding>,
}

/// One need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What is needed.
    pub what: String,
    /// Whether it is there.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What it costs to be without, and how to get it.
    pub advice: Option<String>,
}

/// How a need is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is there.
    Yes,
    /// It is missing, and something else takes its place or suffers.
    Limited,
    /// It is missing, and nothing can be measured without it.
    No,
}

impl Verdict {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Yes => "yes",
            Verdict::Limited => "limited",
            Verdict::No => "no",
        }
    }
}

fn found(what: &str, seen: impl Into<String>) -> Finding {
    Finding { what: what.into(), verdict: Verdict::Yes, seen: seen.into(), advice: None }
}

fn missing(what: &str, verdict: Verdict, seen: impl Into<String>, advice: &str) -> Finding {
    Finding { what: what.into(), verdict, seen: seen.into(), advice: Some(advice.into()) }
}

/// What this host has to give.
pub fn host() -> Host {
    let cores = thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
    Host { cores, memory_bytes: available_memory().unwrap_or(0) }
}

/// Looks at everything that measuring needs. Leaves nothing behind. `program` is the one beside which the binary for the
/// nodes may lie.
pub fn diagnose(program: &Path) -> Diagnosis {
    let engine = engine();
    let binary = binary(program);
    let tun = tun();
    let real_time = real_time();
    let netem = netem();
    let root = rights();
    let is = |finding: &Finding| finding.verdict == Verdict::Yes;
    let forwarder_works = is(&tun) && is(&real_time) && is(&root);
    let links = match () {
        () if is(&netem) && is(&root) => Some(LinkKind::Netem),
        () if forwarder_works => Some(LinkKind::Forwarder),
        () => None,
    };
    let able = is(&engine) && is(&binary) && is(&root) && links.is_some();
    let findings = vec![
        engine,
        binary,
        root,
        as_needed(netem, links.is_some()),
        as_needed(tun, links.is_some()),
        as_needed(real_time, links.is_some()),
        control_groups(),
        cores(),
        memory(),
        clock(),
        timer(),
    ];
    Diagnosis { able, links, host: host(), findings }
}

/// One way of making links is enough.
fn as_needed(mut finding: Finding, links: bool) -> Finding {
    if links && finding.verdict == Verdict::No {
        finding.verdict = Verdict::Limited;
    }
    finding
}

fn engine() -> Finding {
    match Docker::connect().and_then(|docker| docker.about()) {
        Ok((version, cgroups)) => {
            found("container engine", format!("Docker {version}, control groups v{cgroups}"))
        }
        Err(cause) => missing(
            "container engine",
            Verdict::No,
            cause.to_string(),
            "nodes are containers. Install Docker (Debian: `apt-get install docker.io`) and start it, for example \
             by `lab/docker.sh`; your user must be allowed to talk to it",
        ),
    }
}

fn binary(program: &Path) -> Finding {
    let what = "binary for the nodes";
    match find_agent(None, program) {
        Ok(place) => found(what, place.display().to_string()),
        Err(_) => missing(
            what,
            Verdict::No,
            "neither named by OFFING_AGENT nor beside this program",
            "nodes are empty but for it. In the sources of Offing, `export OFFING_AGENT=$(lab/agent.sh)` builds it and \
             says where it is",
        ),
    }
}

fn rights() -> Finding {
    let effective = fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let line =
            status.lines().find_map(|line| line.strip_prefix("CapEff:").map(str::trim).map(String::from))?;
        u64::from_str_radix(&line, 16).ok()
    });
    let needed = [("CAP_NET_ADMIN", 12), ("CAP_SYS_PTRACE", 19), ("CAP_SYS_ADMIN", 21), ("CAP_SYS_NICE", 23)];
    let held = effective.unwrap_or(0);
    let lacking: Vec<&str> =
        needed.iter().filter(|(_, bit)| held >> bit & 1 == 0).map(|(name, _)| *name).collect();
    match lacking.is_empty() {
        true => found("rights", "all capabilities that links need"),
        false => missing(
            "rights",
            Verdict::No,
            format!("without {}", lacking.join(", ")),
            "links are put into the nodes' network namespaces. Run as root on the host, outside of any container",
        ),
    }
}

fn netem() -> Finding {
    match netem::probe() {
        Ok(()) => found("netem", "HTB and netem work in a throw-away namespace"),
        Err(cause) => missing(
            "netem",
            Verdict::No,
            cause.lines().next().unwrap_or("it does not work").to_string(),
            "links are then made by Offing's forwarder, which costs processor time (about 27 us per packet) and \
             carries at most 250 Mbit/s. A kernel with CONFIG_NET_SCH_NETEM and the package iproute2 have it",
        ),
    }
}

fn tun() -> Finding {
    match access("/dev/net/tun", Access::READ_OK | Access::WRITE_OK) {
        Ok(()) => found("TAP devices", "/dev/net/tun can be opened"),
        Err(cause) => missing(
            "TAP devices",
            Verdict::No,
            format!("/dev/net/tun: {cause}"),
            "the forwarder needs them. Load the module (`modprobe tun`) and run as root",
        ),
    }
}

/// Tried on a thread that ends at once.
fn real_time() -> Finding {
    let tried =
        thread::spawn(forwarder::real_time).join().unwrap_or_else(|_| Err("the attempt failed".into()));
    match tried {
        Ok(()) => found("real-time scheduling", "SCHED_FIFO is granted"),
        Err(cause) => missing(
            "real-time scheduling",
            Verdict::No,
            cause,
            "without it the forwarder's delays are wrong by up to 20 ms on a busy machine. Run as root in the \
             host's root control group, not in a container (its `cpu.rt_runtime_us` is 0)",
        ),
    }
}

fn control_groups() -> Finding {
    let what = "control groups";
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        return found(what, "version 2");
    }
    match Path::new("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").exists()
        || Path::new("/sys/fs/cgroup/cpu").exists()
    {
        true => found(what, "version 1"),
        false => missing(
            what,
            Verdict::Limited,
            "no processor controller is mounted",
            "quotas may not be enforced: the proof before each run will tell",
        ),
    }
}

fn cores() -> Finding {
    let cores = host().cores;
    let seen = format!("{cores}");
    match cores >= 2.0 {
        true => found("processors", seen),
        false => missing(
            "processors",
            Verdict::Limited,
            seen,
            "the links share the only processor with the nodes. Take a machine with at least two",
        ),
    }
}

fn available_memory() -> Option<u64> {
    let table = fs::read_to_string("/proc/meminfo").ok()?;
    let line = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

fn memory() -> Finding {
    match available_memory() {
        Some(bytes) if bytes >= 1 << 30 => found("memory", format!("{} MiB available", bytes >> 20)),
        Some(bytes) => missing(
            "memory",
            Verdict::Limited,
            format!("{} MiB available", bytes >> 20),
            "only small deployments fit. Close other programs",
        ),
        None => missing("memory", Verdict::Limited, "unknown", "plans cannot be checked against it"),
    }
}

fn clock() -> Finding {
    let source = fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    let source = source.map_or("unknown".into(), |text| text.trim().to_string());
    match source.as_str() {
        "tsc" | "kvm-clock" | "arch_sys_counter" | "hyperv_clocksource_tsc_page" => {
            found("clock source", source)
        }
        _ => missing(
            "clock source",
            Verdict::Limited,
            source,
            "reading the clock may take microseconds. Prefer a machine whose kernel trusts the processor's counter",
        ),
    }
}

/// How long a sleep of a millisecond takes beyond it.
fn timer() -> Finding {
    let overshoot = |_| {
        let begin = Instant::now();
        thread::sleep(Duration::from_millis(1));
        begin.elapsed().saturating_sub(Duration::from_millis(1))
    };
    let mut late: Vec<Duration> = (0..20).map(overshoot).collect();
    late.sort_unstable();
    let median = late[late.len() / 2];
    let seen = format!("a sleep ends {} us late (median of {})", median.as_micros(), late.len());
    match median < Duration::from_millis(1) {
        true => found("timers", seen),
        false => missing(
            "timers",
            Verdict::Limited,
            seen,
            "the machine is busy or its timers are coarse; measure on an idle machine",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_missing_comes_with_advice() {
        let program = std::env::current_exe().expect("it runs");
        let diagnosis = diagnose(&program);
        assert_eq!(diagnosis.findings.len(), 11);
        for finding in &diagnosis.findings {
            assert_eq!(finding.advice.is_none(), finding.verdict == Verdict::Yes, "{finding:?}");
        }
        assert!(diagnosis.host.cores >= 1.0 && diagnosis.host.memory_bytes > 0);
        let hindered = diagnosis.findings.iter().any(|finding| finding.verdict == Verdict::No);
        assert!(!(diagnosis.able && hindered), "{diagnosis:?}");
    }
}
