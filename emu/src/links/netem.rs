//! Links in the kernel: HTB for the rate, netem for delay, jitter, loss and the queue.
//!
//! Each node has a veth pair into a namespace of the run, where a bridge joins them. What a node sends is
//! shaped at its own end: an HTB class per medium, below it a class and a netem per receiver, chosen by the
//! receiver's address. Everything is set by `ip` and `tc` (package iproute2), as a list of commands that can
//! be printed and tested. Where the kernel has no netem, `probe` says so, and the forwarder takes over.
//!
//! netem delays before HTB limits the rate; the forwarder does it the other way round. Jitter of netem may
//! reorder packets; the forwarder's does not.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use offing_core::Span;

use super::forwarder::{Attachment, DEVICE, Spec};
use super::shaper::Path;
use crate::error::EmuError;

/// One command: the program and its arguments.
pub type Line = Vec<String>;

/// HTB needs a rate also where none is asked for.
const UNLIMITED: &str = "100gbit";

/// Whether this kernel can do it, found out by trying in a throw-away namespace.
///
/// # Errors
/// Why not.
pub fn probe() -> Result<(), String> {
    let script = "ip link set lo up && tc qdisc add dev lo root handle 1: htb && \
                  tc class add dev lo parent 1: classid 1:1 htb rate 1mbit && \
                  tc qdisc add dev lo parent 1:1 netem delay 1ms";
    let line: Line = ["unshare", "-n", "sh", "-c", script].map(String::from).into();
    run(&line)
}

/// Everything that has to be done to connect the nodes, in order.
///
/// `ends` are the numbers of the nodes' first processes. The namespace is the run's own.
pub fn commands(spec: &Spec, ends: &[i64], namespace: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |text: String| lines.push(text.split(' ').map(String::from).collect());
    let hub = format!("ip -n {namespace}");
    add(format!("ip netns add {namespace}"));
    add(format!("{hub} link add hub type bridge"));
    add(format!("{hub} link set hub up"));
    for (i, node) in spec.nodes.iter().enumerate() {
        let inside = format!("nsenter --net={}", node.namespace.display());
        add(format!("{hub} link add node{i} type veth peer name {DEVICE} netns {}", ends[i]));
        add(format!("{hub} link set node{i} master hub up"));
        add(format!("{inside} ip address add {}/{} dev {DEVICE}", node.address, node.prefix));
        // Frames as they would be on a wire: no segmentation left to the other end.
        add(format!("{inside} ip link set {DEVICE} up gso_max_segs 1"));
        shape(spec, i, &inside, &mut add);
    }
    lines
}

/// What a node sends, shaped.
fn shape(spec: &Spec, node: usize, inside: &str, add: &mut impl FnMut(String)) {
    let tc = format!("{inside} tc");
    // What no filter chooses passes without a class: the neighbours' questions.
    add(format!("{tc} qdisc add dev {DEVICE} root handle 1: htb"));
    let mut media: Vec<usize> = spec.paths.iter().filter(|p| p.from == node).map(|p| p.medium).collect();
    media.dedup();
    for &medium in &media {
        let rate = rate(spec, medium);
        add(format!("{tc} class add dev {DEVICE} parent 1: classid 1:{:x} htb rate {rate}", 0x1000 + medium));
    }
    for (number, path) in spec.paths.iter().enumerate().filter(|(_, path)| path.from == node) {
        let (rate, class) = (rate(spec, path.medium), number + 1);
        let parent = 0x1000 + path.medium;
        add(format!(
            "{tc} class add dev {DEVICE} parent 1:{parent:x} classid 1:{class:x} htb rate {rate} ceil {rate}"
        ));
        let mut netem = format!("limit {} delay {}", limit(spec, path), microseconds(path.latency));
        if path.jitter.as_nanos() > 0 {
            netem += &format!(" {} distribution normal", microseconds(path.jitter));
        }
        if path.loss > 0.0 {
            netem += &format!(" loss {}%", path.loss * 100.0);
        }
        add(format!("{tc} qdisc add dev {DEVICE} parent 1:{class:x} netem {netem}"));
        let to: Ipv4Addr = spec.nodes[path.to].address;
        add(format!(
            "{tc} filter add dev {DEVICE} parent 1: protocol ip prio 1 u32 match ip dst {to}/32 flowid 1:{class:x}"
        ));
    }
}

/// tc of 2022 does not read `ns`.
fn microseconds(span: Span) -> String {
    format!("{}us", span.as_nanos() as f64 / 1e3)
}

/// netem counts the packets that it delays among those that wait: what fits into the delay comes on top.
fn limit(spec: &Spec, path: &Path) -> u64 {
    const FRAME_BITS: f64 = 1_514.0 * 8.0;
    const PLENTY: u64 = 200_000;
    let medium = &spec.media[path.medium];
    let longest_s = path.latency.as_secs_f64() + 4.0 * path.jitter.as_secs_f64();
    let delayed = medium.rate_bit_s.map(|rate_bit_s| (rate_bit_s * longest_s / FRAME_BITS).ceil() as u64);
    delayed.map_or(PLENTY, |delayed| (medium.queue_packets as u64 + delayed).min(PLENTY))
}

fn rate(spec: &Spec, medium: usize) -> String {
    spec.media[medium].rate_bit_s.map_or(UNLIMITED.into(), |rate| format!("{}bit", rate.round()))
}

/// Does what [`commands`] says.
///
/// # Errors
/// The first command that failed, with what it said.
pub fn connect(spec: &Spec, ends: &[i64], namespace: &str) -> Result<(), EmuError> {
    for line in commands(spec, ends, namespace) {
        run(&line).map_err(|cause| EmuError::links(format!("run `{}`", line.join(" ")), cause))?;
    }
    Ok(())
}

/// Where the system keeps named namespaces.
const NAMESPACES: &str = "/run/netns";

/// Named namespaces that exist.
pub(crate) fn namespaces() -> Vec<String> {
    let names = std::fs::read_dir(NAMESPACES).into_iter().flatten().flatten();
    names.filter_map(|name| name.file_name().into_string().ok()).collect()
}

/// Removes the namespace of a run; one that is not there is removed already.
///
/// # Errors
/// `ip` fails.
pub fn remove_namespace(name: &str) -> Result<(), EmuError> {
    if !std::path::Path::new(NAMESPACES).join(name).exists() {
        return Ok(());
    }
    let line: Line = ["ip", "netns", "delete", name].map(String::from).into();
    run(&line).map_err(|cause| EmuError::links(format!("remove the namespace {name}"), cause))
}

fn run(line: &[String]) -> Result<(), String> {
    let [program, arguments @ ..] = line else { return Ok(()) };
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|cause| format!("{program}: {cause}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_string()),
    }
}

/// An attachment for tests and examples: node `i` of process `process`.
pub fn attachment(name: &str, process: i64, address: Ipv4Addr) -> Attachment {
    Attachment {
        name: name.into(),
        namespace: format!("/proc/{process}/ns/net").into(),
        address,
        prefix: 16,
        device: DEVICE.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::shaper::Medium;

    #[test]
    fn a_medium_with_two_receivers_is_a_class_with_two_netems() {
        let path = |from, to, medium, latency_ms, loss| Path {
            from,
            to,
            medium,
            latency: Span::from_millis(latency_ms),
            jitter: Span::from_millis(from as u64),
            loss,
        };
        let spec = Spec {
            seed: 1,
            nodes: (0..3).map(|i| attachment("n", 100 + i, [10, 77, 0, 1 + i as u8].into())).collect(),
            media: vec![
                Medium { rate_bit_s: Some(7.21e6), queue_packets: 50 },
                Medium { rate_bit_s: None, queue_packets: 1_000 },
            ],
            paths: vec![path(0, 1, 0, 45, 0.0), path(0, 2, 0, 5, 0.01), path(1, 0, 1, 45, 0.0)],
        };
        let lines: Vec<String> =
            commands(&spec, &[100, 101, 102], "offing-x").iter().map(|line| line.join(" ")).collect();
        let expected = "\
ip netns add offing-x
ip -n offing-x link add hub type bridge
ip -n offing-x link set hub up
ip -n offing-x link add node0 type veth peer name eth0 netns 100
ip -n offing-x link set node0 master hub up
nsenter --net=/proc/100/ns/net ip address add 10.77.0.1/16 dev eth0
nsenter --net=/proc/100/ns/net ip link set eth0 up gso_max_segs 1
nsenter --net=/proc/100/ns/net tc qdisc add dev eth0 root handle 1: htb
nsenter --net=/proc/100/ns/net tc class add dev eth0 parent 1: classid 1:1000 htb rate 7210000bit
nsenter --net=/proc/100/ns/net tc class add dev eth0 parent 1:1000 classid 1:1 htb rate 7210000bit ceil 7210000bit
nsenter --net=/proc/100/ns/net tc qdisc add dev eth0 parent 1:1 netem limit 77 delay 45000us
nsenter --net=/proc/100/ns/net tc filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dst 10.77.0.2/32 flowid 1:1
nsenter --net=/proc/100/ns/net tc class add dev eth0 parent 1:1000 classid 1:2 htb rate 7210000bit ceil 7210000bit
nsenter --net=/proc/100/ns/net tc qdisc add dev eth0 parent 1:2 netem limit 53 delay 5000us loss 1%
nsenter --net=/proc/100/ns/net tc filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dst 10.77.0.3/32 flowid 1:2
ip -n offing-x link add node1 type veth peer name eth0 netns 101
ip -n offing-x link set node1 master hub up
nsenter --net=/proc/101/ns/net ip address add 10.77.0.2/16 dev eth0
nsenter --net=/proc/101/ns/net ip link set eth0 up gso_max_segs 1
nsenter --net=/proc/101/ns/net tc qdisc add dev eth0 root handle 1: htb
nsenter --net=/proc/101/ns/net tc class add dev eth0 parent 1: classid 1:1001 htb rate 100gbit
nsenter --net=/proc/101/ns/net tc class add dev eth0 parent 1:1001 classid 1:3 htb rate 100gbit ceil 100gbit
nsenter --net=/proc/101/ns/net tc qdisc add dev eth0 parent 1:3 netem limit 200000 delay 45000us 1000us distribution normal
nsenter --net=/proc/101/ns/net tc filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dst 10.77.0.1/32 flowid 1:3
ip -n offing-x link add node2 type veth peer name eth0 netns 102
ip -n offing-x link set node2 master hub up
nsenter --net=/proc/102/ns/net ip address add 10.77.0.3/16 dev eth0
nsenter --net=/proc/102/ns/net ip link set eth0 up gso_max_segs 1
nsenter --net=/proc/102/ns/net tc qdisc add dev eth0 root handle 1: htb";
        assert_eq!(lines.join("\n"), expected);
    }
}
