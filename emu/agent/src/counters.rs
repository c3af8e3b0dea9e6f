//! What the kernel has counted for this container, as it is seen from inside: the container's own control group is
//! what is mounted at `/sys/fs/cgroup`. The files are those of `collect.rs` in emu, which reads them from outside.

use std::fs;
use std::path::Path;

use offing_app::protocol::PodCounters;

use crate::pod::now_ns;

/// The container's network device.
const DEVICE: &str = "eth0:";

/// Reads all counters.
pub fn read() -> PodCounters {
    let mut counters = read_groups(Path::new("/sys/fs/cgroup"));
    counters.at_ns = now_ns();
    counters.network = text("/proc/net/dev").and_then(|table| device(&table));
    counters.node_ticks = text("/proc/stat").and_then(|table| ticks(&table));
    counters.load_average = text("/proc/loadavg").and_then(|line| line.split(' ').next()?.parse().ok());
    counters
}

fn text(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn read_groups(root: &Path) -> PodCounters {
    let number = |text: Option<String>| text?.trim().parse().ok();
    let second = text(root.join("cpu.stat"));
    if let Some(stat) = second.filter(|stat| value(stat, "usage_usec").is_some()) {
        let micros = |key| value(&stat, key).map(|micros| micros * 1_000);
        return PodCounters {
            cpu_ns: micros("usage_usec"),
            throttled_ns: micros("throttled_usec"),
            throttled: value(&stat, "nr_throttled"),
            periods: value(&stat, "nr_periods"),
            memory_peak: number(text(root.join("memory.peak"))),
            memory_kills: text(root.join("memory.events")).and_then(|text| value(&text, "oom_kill")),
            ..PodCounters::default()
        };
    }
    let of =
        |folders: [&str; 3], file: &str| folders.iter().find_map(|folder| text(root.join(folder).join(file)));
    let processor = ["cpu,cpuacct", "cpuacct,cpu", "cpu"];
    let stat = of(processor, "cpu.stat").unwrap_or_default();
    PodCounters {
        cpu_ns: number(of(["cpuacct", "cpu,cpuacct", "cpuacct,cpu"], "cpuacct.usage")),
        throttled_ns: value(&stat, "throttled_time"),
        throttled: value(&stat, "nr_throttled"),
        periods: value(&stat, "nr_periods"),
        memory_peak: number(text(root.join("memory/memory.max_usage_in_bytes"))),
        memory_kills: text(root.join("memory/memory.oom_control")).and_then(|text| value(&text, "oom_kill")),
        ..PodCounters::default()
    }
}

/// The number after a key, one per line.
fn value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

fn device(table: &str) -> Option<[u64; 4]> {
    let row = table.lines().find_map(|line| line.trim().strip_prefix(DEVICE))?;
    let cells: Vec<u64> = row.split_whitespace().filter_map(|cell| cell.parse().ok()).collect();
    Some([*cells.first()?, *cells.get(1)?, *cells.get(8)?, *cells.get(9)?])
}

/// From the first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal.
fn ticks(text: &str) -> Option<[u64; 2]> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().take(8).filter_map(|field| field.parse().ok()).collect();
    let all = fields.iter().sum::<u64>();
    Some([all - fields.get(3)? - fields.get(4)?, all])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_control_groups_tell_the_same_from_inside() {
        let first: &[(&str, &str)] = &[
            ("cpuacct/cpuacct.usage", "2500000000\n"),
            ("cpu/cpu.stat", "nr_periods 10\nnr_throttled 3\nthrottled_time 70000000\n"),
            ("memory/memory.max_usage_in_bytes", "4096\n"),
            ("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"),
        ];
        let second: &[(&str, &str)] = &[
            ("cpu.stat", "usage_usec 2500000\nnr_periods 10\nnr_throttled 3\nthrottled_usec 70000\n"),
            ("memory.peak", "4096\n"),
            ("memory.events", "oom 2\noom_kill 1\n"),
        ];
        for (name, files) in [("v1", first), ("v2", second)] {
            let root = std::env::temp_dir().join(format!("offing-agent-{}-{name}", std::process::id()));
            for (path, text) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
                fs::write(path, text).expect("it can be written");
            }
            let read = read_groups(&root);
            assert_eq!((read.cpu_ns, read.throttled_ns), (Some(2_500_000_000), Some(70_000_000)), "{name}");
            assert_eq!((read.throttled, read.periods), (Some(3), Some(10)), "{name}");
            assert_eq!((read.memory_peak, read.memory_kills), (Some(4_096), Some(1)), "{name}");
            fs::remove_dir_all(root).expect("it is there");
        }
        assert_eq!(read_groups(Path::new("/nowhere")), PodCounters::default());
    }
}
