//! What the kernel of this host has counted for a node: read from outside, so that the node does not pay for it.
//!
//! | number | control groups version 1 | version 2 |
//! |---|---|---|
//! | processor time | `cpuacct.usage` [ns] | `usage_usec` of `cpu.stat` |
//! | periods, throttled periods | `nr_periods`, `nr_throttled` of `cpu.stat` | the same |
//! | throttled time | `throttled_time` [ns] | `throttled_usec` |
//! | processes killed for want of memory | `oom_kill` of `memory.oom_control` | `oom_kill` of `memory.events` |
//! | memory, peak | `memory.max_usage_in_bytes` | `memory.peak` (kernel 5.19 and later) |
//!
//! Packets and bytes are those of the node's device, from `/proc/PID/net/dev`; segments that TCP sent again, timeouts and tail
//! loss probes are those of the node's network namespace, from `net/snmp` and `net/netstat` beside it. Energy is that of the processor
//! packages of the whole host (`intel-rapl`, which AMD processors have too), absent where the kernel has none.
//! What is not there is absent, never zero.

use std::fs;
use std::path::{Path, PathBuf};

use offing_app::protocol::PodCounters;
use serde::{Deserialize, Serialize};

use crate::error::EmuError;
use crate::links::forwarder::DEVICE;

/// Where the kernel shows control groups.
const GROUPS: &str = "/sys/fs/cgroup";
/// Where it shows counters of energy.
const ENERGY: &str = "/sys/class/powercap";

/// What a node has used from one instant to another.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeUse {
    /// Its name.
    pub name: String,
    /// Its tier.
    pub tier: String,
    /// Processor time that cores and quota would have allowed [s].
    pub allowed_cpu_seconds: f64,
    /// Processor time of everything in it, the broker and the kernel's work for it included [s].
    pub cpu_seconds: f64,
    /// How long it was ready to run and not allowed to [s].
    pub throttled_seconds: Option<f64>,
    /// Periods of the quota in which it was stopped.
    pub throttled_periods: Option<u64>,
    /// Periods of the quota in which it ran.
    pub periods: Option<u64>,
    /// The most memory it ever had, since its start [byte].
    pub memory_peak_bytes: Option<u64>,
    /// Processes that the kernel has killed in it because its memory was used up, since its start.
    pub memory_kills: Option<u64>,
    /// Received by its device; nothing if it has none.
    pub rx_bytes: Option<u64>,
    /// Sent by its device.
    pub tx_bytes: Option<u64>,
    /// Received by its device.
    pub rx_packets: Option<u64>,
    /// Sent by its device.
    pub tx_packets: Option<u64>,
    /// Not received by its device for want of room.
    pub rx_dropped: Option<u64>,
    /// Not sent by its device for want of room.
    pub tx_dropped: Option<u64>,
    /// Segments that its TCP has sent again.
    pub tcp_retransmits: Option<u64>,
    /// Timeouts of its TCP, after each of which a connection begins anew.
    pub tcp_timeouts: Option<u64>,
    /// Times that its TCP has sent the last segment again because nothing was heard of it.
    pub tcp_loss_probes: Option<u64>,
}

/// Counters at an instant; they only ever rise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counters {
    cpu_ns: u64,
    throttled_ns: Option<u64>,
    throttled: Option<u64>,
    periods: Option<u64>,
    memory_peak: Option<u64>,
    pub memory_kills: Option<u64>,
    network: Option<[u64; 4]>,
    /// Packets that the device dropped: received, to be sent.
    dropped: Option<[u64; 2]>,
    /// Segments sent again, timeouts, loss probes.
    tcp: Option<[u64; 3]>,
}

/// Where the counters of a node are.
pub(crate) struct Sources {
    cpu: PathBuf,
    stat: PathBuf,
    memory: Option<PathBuf>,
    kills: Option<PathBuf>,
    network: PathBuf,
    is_second_version: bool,
}

impl Sources {
    /// Those of the node whose first process is this one.
    ///
    /// # Errors
    /// The process is gone, or its processor time is counted nowhere.
    pub(crate) fn of(node: &str, process: i64) -> Result<Sources, EmuError> {
        let path = PathBuf::from(format!("/proc/{process}"));
        let groups = fs::read_to_string(path.join("cgroup"))
            .map_err(|cause| EmuError::node(node, "be watched: its first process is gone", cause))?;
        let network = path.join("net/dev");
        Self::find(&groups, Path::new(GROUPS), network).ok_or_else(|| {
            EmuError::node(node, "be watched", "no processor controller counts its processor time")
        })
    }

    /// From the text of `/proc/PID/cgroup`.
    fn find(groups: &str, mounts: &Path, network: PathBuf) -> Option<Sources> {
        let of = |controller: &str| {
            groups.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let (controllers, path) = (fields.next()?, fields.next()?);
                let is_it = controllers.split(',').any(|name| name == controller);
                is_it.then(|| mounts.join(controller).join(path.trim_start_matches('/')))
            })
        };
        if let (Some(account), Some(cpu)) = (of("cpuacct"), of("cpu"))
            && account.join("cpuacct.usage").is_file()
        {
            return Some(Sources {
                cpu: account.join("cpuacct.usage"),
                stat: cpu.join("cpu.stat"),
                memory: of("memory").map(|memory| memory.join("memory.max_usage_in_bytes")),
                kills: of("memory").map(|memory| memory.join("memory.oom_control")),
                network,
                is_second_version: false,
            });
        }
        let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let folder = mounts.join(path.trim_start_matches('/'));
        let stat = folder.join("cpu.stat");
        stat.is_file().then(|| Sources {
            cpu: stat.clone(),
            stat,
            memory: Some(folder.join("memory.peak")),
            kills: Some(folder.join("memory.events")),
            network,
            is_second_version: true,
        })
    }

    /// Reads all counters.
    ///
    /// # Errors
    /// The node is gone.
    pub(crate) fn read(&self, node: &str) -> Result<Counters, EmuError> {
        let gone = |cause: &dyn std::fmt::Display| {
            EmuError::node(node, "be watched: it is gone", format!("{}: {cause}", self.cpu.display()))
        };
        let text = fs::read_to_string(&self.cpu).map_err(|cause| gone(&cause))?;
        let stat = fs::read_to_string(&self.stat).unwrap_or_default();
        let micros = |key| value(&stat, key).map(|micros| micros * 1_000);
        let (cpu_ns, throttled_ns) = match self.is_second_version {
            false => (text.trim().parse().ok(), value(&stat, "throttled_time")),
            true => (value(&text, "usage_usec").map(|micros| micros * 1_000), micros("throttled_usec")),
        };
        let table = fs::read_to_string(&self.network).ok();
        let read = |path: &Option<PathBuf>| path.as_ref().and_then(|path| fs::read_to_string(path).ok());
        Ok(Counters {
            cpu_ns: cpu_ns.ok_or_else(|| gone(&"it holds no number"))?,
            throttled_ns,
            throttled: value(&stat, "nr_throttled"),
            periods: value(&stat, "nr_periods"),
            memory_peak: read(&self.memory).and_then(|text| text.trim().parse().ok()),
            memory_kills: read(&self.kills).and_then(|text| value(&text, "oom_kill")),
            network: table.as_deref().and_then(device),
            dropped: table.as_deref().and_then(dropped),
            tcp: self.network.parent().and_then(tcp),
        })
    }
}

impl From<&PodCounters> for Counters {
    fn from(read: &PodCounters) -> Counters {
        Counters {
            cpu_ns: read.cpu_ns.unwrap_or(0),
            throttled_ns: read.throttled_ns,
            throttled: read.throttled,
            periods: read.periods,
            memory_peak: read.memory_peak,
            memory_kills: read.memory_kills,
            network: read.network,
            // A pod does not tell.
            dropped: None,
            tcp: None,
        }
    }
}

impl Counters {
    /// What was used since an earlier reading.
    pub(crate) fn since(
        &self,
        earlier: &Counters,
        name: &str,
        tier: &str,
        allowed_cpu_seconds: f64,
    ) -> NodeUse {
        let more = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        let network = |i: usize| more(self.network.map(|n| n[i]), earlier.network.map(|n| n[i]));
        let tcp = |i: usize| more(self.tcp.map(|n| n[i]), earlier.tcp.map(|n| n[i]));
        NodeUse {
            name: name.into(),
            tier: tier.into(),
            allowed_cpu_seconds,
            cpu_seconds: self.cpu_ns.saturating_sub(earlier.cpu_ns) as f64 / 1e9,
            throttled_seconds: more(self.throttled_ns, earlier.throttled_ns).map(|ns| ns as f64 / 1e9),
            throttled_periods: more(self.throttled, earlier.throttled),
            periods: more(self.periods, earlier.periods),
            memory_peak_bytes: self.memory_peak,
            memory_kills: self.memory_kills,
            rx_bytes: network(0),
            rx_packets: network(1),
            tx_bytes: network(2),
            tx_packets: network(3),
            rx_dropped: more(self.dropped.map(|n| n[0]), earlier.dropped.map(|n| n[0])),
            tx_dropped: more(self.dropped.map(|n| n[1]), earlier.dropped.map(|n| n[1])),
            tcp_retransmits: tcp(0),
            tcp_timeouts: tcp(1),
            tcp_loss_probes: tcp(2),
        }
    }
}

/// The number after a key, one per line.
fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Bytes and packets received, bytes and packets sent by the node's device.
fn device(table: &str) -> Option<[u64; 4]> {
    let cells = device_row(table)?;
    Some([*cells.first()?, *cells.get(1)?, *cells.get(8)?, *cells.get(9)?])
}

/// Packets that the node's device dropped: received, to be sent.
fn dropped(table: &str) -> Option<[u64; 2]> {
    let cells = device_row(table)?;
    Some([*cells.get(3)?, *cells.get(11)?])
}

fn device_row(table: &str) -> Option<Vec<u64>> {
    let row = table.lines().find_map(|line| line.trim().strip_prefix(DEVICE)?.strip_prefix(':'))?;
    Some(row.split_whitespace().filter_map(|cell| cell.parse().ok()).collect())
}

/// What TCP has counted in the namespace of this folder: segments sent again, timeouts, loss probes.
fn tcp(folder: &Path) -> Option<[u64; 3]> {
    let basic = fs::read_to_string(folder.join("snmp")).ok()?;
    let more = fs::read_to_string(folder.join("netstat")).ok()?;
    Some([
        named(&basic, "Tcp:", "RetransSegs")?,
        named(&more, "TcpExt:", "TCPTimeouts")?,
        named(&more, "TcpExt:", "TCPLossProbes")?,
    ])
}

/// A number of `/proc/net/snmp` or `netstat`: a line of names and a line of numbers begin alike.
fn named(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group));
    let place = lines.next()?.split_whitespace().position(|other| other == name)?;
    lines.next()?.split_whitespace().nth(place)?.parse().ok()
}

/// The counters of energy of all processor packages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Energy {
    /// Value and largest value of each [uJ].
    counters: Vec<(u64, u64)>,
}

impl Energy {
    /// Reads them; nothing where there are none, or where they may not be read.
    pub(crate) fn read() -> Option<Energy> {
        Self::read_in(Path::new(ENERGY))
    }

    fn read_in(folder: &Path) -> Option<Energy> {
        let mut zones: Vec<PathBuf> =
            fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
        zones.sort();
        let number = |path: PathBuf| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        let mut counters = Vec::new();
        for zone in zones {
            let name = fs::read_to_string(zone.join("name")).unwrap_or_default();
            // Below a package are its parts, which are in it already; `mmio` shows the same packages again.
            let is_again = zone.file_name().is_some_and(|name| name.to_string_lossy().contains("mmio"));
            if !name.starts_with("package") || is_again {
                continue;
            }
            counters.push((number(zone.join("energy_uj"))?, number(zone.join("max_energy_range_uj"))?));
        }
        (!counters.is_empty()).then_some(Energy { counters })
    }

    /// What was used since an earlier reading [J].
    pub(crate) fn since(&self, earlier: &Energy) -> f64 {
        let pairs = self.counters.iter().zip(&earlier.counters);
        let used = pairs.map(|(&(now, most), &(then, _))| match now >= then {
            true => now - then,
            // It has begun again from zero.
            false => now + most.saturating_sub(then),
        });
        used.sum::<u64>() as f64 / 1e6
    }
}

/// The machine that everything ran on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Its name.
    pub name: Option<String>,
    /// What its processor calls itself.
    pub processor: Option<String>,
    /// Processors.
    pub cores: f64,
    /// Memory in all [byte].
    pub memory_bytes: Option<u64>,
    /// Release of the kernel.
    pub kernel: Option<String>,
    /// Version of the container engine; nothing if there was none.
    pub engine: Option<String>,
    /// Version of the control groups.
    pub cgroups: Option<String>,
    /// Processes that were ready to run when the observed span began and ended, on average over a minute.
    pub load_average: Option<[f64; 2]>,
}

impl HostFacts {
    /// What this host says of itself; the engine says what it is.
    pub fn of_this_host(engine: Option<(String, String)>) -> HostFacts {
        let line = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_string());
        let after = |text: Option<String>, key: &str| {
            let text = text?;
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_string())
        };
        let memory = after(line("/proc/meminfo"), "MemTotal");
        let memory = memory.and_then(|text| text.trim_end_matches(" kB").trim().parse::<u64>().ok());
        let (engine, cgroups) = engine.map_or((None, None), |(engine, groups)| (Some(engine), Some(groups)));
        HostFacts {
            name: line("/proc/sys/kernel/hostname"),
            processor: after(line("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64),
            memory_bytes: memory.map(|kib| kib << 10),
            kernel: line("/proc/sys/kernel/osrelease"),
            engine,
            cgroups,
            load_average: None,
        }
    }
}

/// Processor time of this host since it started [ticks].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostTicks {
    all: u64,
    idle: u64,
    /// What the hypervisor gave to others while this host wanted it.
    stolen: u64,
}

/// Shares of a host's processor time in a span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostShares {
    /// Used by whomever, also by others on the machine below.
    pub busy: f64,
    /// Given to others by the hypervisor, while it was wanted here.
    pub stolen: f64,
}

impl HostShares {
    /// What became of the time since an instant; nothing where the kernel does not count.
    pub fn since(before: Option<HostTicks>) -> Option<HostShares> {
        Some(HostTicks::now()?.since(before?))
    }
}

impl HostTicks {
    /// Since the kernel started; nothing where it does not count.
    pub fn now() -> Option<HostTicks> {
        HostTicks::read(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// From the first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
    fn read(text: &str) -> Option<HostTicks> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let fields: Vec<u64> =
            line.split_whitespace().take(8).filter_map(|field| field.parse().ok()).collect();
        let stolen = fields.get(7).copied().unwrap_or(0);
        Some(HostTicks { all: fields.iter().sum(), idle: fields.get(3)? + fields.get(4)?, stolen })
    }

    /// What became of the time between two instants.
    pub fn since(self, before: HostTicks) -> HostShares {
        let all = self.all.saturating_sub(before.all).max(1) as f64;
        HostShares {
            busy: 1.0 - self.idle.saturating_sub(before.idle) as f64 / all,
            stolen: self.stolen.saturating_sub(before.stolen) as f64 / all,
        }
    }
}

/// Processes that are ready to run, on average over the last minute.
pub(crate) fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of a test's own with these files.
    fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("offing-collect-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        for (path, text) in files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    const DEV: &str = "Inter-|   Receive |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes\n    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  eth0: 100 2 0 0 0 0 0 0 300 4 0 0 0 0 0 0\n";

    #[test]
    fn both_versions_of_control_groups_tell_the_same() {
        let first = folder(
            "v1",
            &[
                ("cpuacct/docker/a/cpuacct.usage", "2500000000\n"),
                ("cpu/docker/a/cpu.stat", "nr_periods 10\nnr_throttled 3\nthrottled_time 70000000\n"),
                ("memory/docker/a/memory.max_usage_in_bytes", "4096\n"),
                ("memory/docker/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
                ("dev", DEV),
            ],
        );
        let second = folder(
            "v2",
            &[
                (
                    "system.slice/docker-a.scope/cpu.stat",
                    "usage_usec 2500000\nuser_usec 1\nnr_periods 10\nnr_throttled 3\nthrottled_usec 70000\n",
                ),
                ("system.slice/docker-a.scope/memory.peak", "4096\n"),
                ("system.slice/docker-a.scope/memory.events", "max 4\noom 2\noom_kill 1\noom_group_kill 0\n"),
                ("dev", DEV),
            ],
        );
        let groups = [
            "6:memory:/docker/a\n4:cpu,cpuacct:/docker/a\n0::/docker/a\n",
            "0::/system.slice/docker-a.scope\n",
        ];
        for (folder, groups) in [(first, groups[0]), (second, groups[1])] {
            let sources = Sources::find(groups, &folder, folder.join("dev")).unwrap();
            let used = sources.read("a").unwrap().since(
                &Counters {
                    cpu_ns: 500_000_000,
                    throttled_ns: Some(20_000_000),
                    throttled: Some(1),
                    periods: Some(4),
                    memory_peak: None,
                    memory_kills: None,
                    network: Some([50, 1, 100, 1]),
                    ..Counters::default()
                },
                "cloud-0",
                "cloud",
                4.0,
            );
            assert_eq!((used.cpu_seconds, used.throttled_seconds), (2.0, Some(0.05)));
            assert_eq!((used.throttled_periods, used.periods), (Some(2), Some(6)));
            assert_eq!((used.memory_peak_bytes, used.memory_kills), (Some(4096), Some(1)));
            assert_eq!((used.rx_bytes, used.rx_packets), (Some(50), Some(1)));
            assert_eq!((used.tx_bytes, used.tx_packets), (Some(200), Some(3)));
            fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn what_tcp_has_counted_is_found_by_name() {
        let snmp = "Ip: A\nIp: 1\nTcp: RtoMin RetransSegs InErrs\nTcp: 200 7 0\n";
        let netstat = "TcpExt: TCPLossProbes X TCPTimeouts\nTcpExt: 3 0 2\nIpExt: TCPTimeouts\nIpExt: 9\n";
        let folder = folder("tcp", &[("snmp", snmp), ("netstat", netstat)]);
        assert_eq!(tcp(&folder), Some([7, 2, 3]));
        assert_eq!(dropped("  eth0: 100 2 0 4 0 0 0 0 300 4 0 5 0 0 0 0\n"), Some([4, 5]));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(tcp(&folder), None);
    }

    #[test]
    fn the_host_is_busy_when_it_is_neither_idle_nor_waiting() {
        let read = |text| HostTicks::read(text).expect("it is the first line");
        let before = read("cpu  10 1 4 80 5 0 0 2 0 0\ncpu0 1 1\n");
        assert_eq!(before, HostTicks { all: 102, idle: 85, stolen: 2 });
        let shares = read("cpu  50 1 4 130 5 0 0 12 0 0\n").since(before);
        assert_eq!(shares, HostShares { busy: 0.5, stolen: 0.1 });
        assert_eq!(HostTicks::read("intr 1 2 3"), None);
    }

    #[test]
    fn what_is_not_counted_is_absent_and_not_zero() {
        let folder = folder("absent", &[("cpuacct/a/cpuacct.usage", "7\n"), ("cpu/a/x", "")]);
        let sources = Sources::find("1:cpu,cpuacct:/a\n", &folder, folder.join("none")).unwrap();
        let used = sources.read("a").unwrap().since(&Counters::default(), "a", "a", 1.0);
        assert_eq!((used.periods, used.throttled_seconds, used.rx_bytes), (None, None, None));
        assert_eq!(used.memory_peak_bytes, None);
        fs::remove_dir_all(&folder).unwrap();
        assert!(sources.read("cloud-3").unwrap_err().to_string().contains("cloud-3"));
    }

    #[test]
    fn energy_is_that_of_the_packages_also_when_a_counter_begins_again() {
        let zones = |name: &str, values: [&str; 3]| {
            folder(
                name,
                &[
                    ("intel-rapl:0/name", "package-0\n"),
                    ("intel-rapl:0/energy_uj", values[0]),
                    ("intel-rapl:0/max_energy_range_uj", "1000000\n"),
                    ("intel-rapl:0:0/name", "core\n"),
                    ("intel-rapl:0:0/energy_uj", values[1]),
                    ("intel-rapl:1/name", "package-1\n"),
                    ("intel-rapl:1/energy_uj", values[2]),
                    ("intel-rapl:1/max_energy_range_uj", "1000000\n"),
                ],
            )
        };
        let (before, after) = (zones("e0", ["900000", "1", "0"]), zones("e1", ["100000", "9", "500000"]));
        let [then, now] = [&before, &after].map(|folder| Energy::read_in(folder).unwrap());
        assert_eq!(now.since(&then), 0.7);
        assert_eq!(Energy::read_in(Path::new("/nowhere")), None);
        [before, after].into_iter().for_each(|folder| fs::remove_dir_all(folder).unwrap());
    }
}
