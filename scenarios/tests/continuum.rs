//! What the two readers of Continuum files say, over one good file and many ways to break it; and that nothing
//! makes them panic.

mod continuum_support;

use continuum_support::{app, deployment};
use offing_core::{Balance, Manager, Rate, Scope, Sharing};
use offing_scenarios::continuum::links::Shape;
use offing_scenarios::continuum::{
    Cpus, LONGEST_FILE, Mode, Semantics, derive, from_deployment, lenient, place, strict, to_scenario,
};
use offing_scenarios::{Issue, Severity};
use proptest::prelude::*;

/// One worker in the cloud, two endpoints.
const GOOD: &str = "[infrastructure]
provider = qemu
cloud_nodes = 2
endpoint_nodes = 2
cloud_cores = 4
cloud_memory = 8
cloud_quota = 1.0
endpoint_cores = 1
endpoint_memory = 1
endpoint_quota = 0.5
network_emulation = True
[benchmark]
resource_manager = kubernetes
application = image_classification
frequency = 5
";

/// The good file with some parts replaced.
fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(GOOD.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old:?} is not in {text}");
        text.replacen(old, new, 1)
    })
}

/// A way to break the file, what Continuum says of it and what the lenient reader says.
struct Case {
    what: &'static str,
    edits: &'static [(&'static str, &'static str)],
    /// `line:column: message`, or `accepted`.
    strict: &'static str,
    lenient: &'static [&'static str],
}

const CASES: &[Case] = &[
    Case {
        what: "an inline comment",
        edits: &[("cloud_nodes = 2", "cloud_nodes = 2  # one controller, one worker")],
        strict: "3:15: Config: Invalid type for option infrastructure->cloud_nodes, expected <class 'int'>",
        lenient: &[
            "x.cfg:3:18: warning: infrastructure.cloud_nodes: `2  # one controller, one worker` is read as `2`: ` #` starts no comment in Continuum\n  hint: write `cloud_nodes = 2`",
        ],
    },
    Case {
        what: "an inline comment with a semicolon",
        edits: &[("frequency = 5", "frequency = 5 ; Hz")],
        strict: "15:13: Config: Invalid type for option benchmark->frequency, expected <class 'int'>",
        lenient: &[
            "x.cfg:15:15: warning: benchmark.frequency: `5 ; Hz` is read as `5`: ` ;` starts no comment in Continuum\n  hint: write `frequency = 5`",
        ],
    },
    Case {
        what: "quotes",
        edits: &[("provider = qemu", "provider = \"qemu\"")],
        strict: "2:12: Config: Invalid value for option infrastructure->provider",
        lenient: &[
            "x.cfg:2:12: warning: infrastructure.provider: `\"qemu\"` is read as `qemu`: quotes are a part of the value in Continuum\n  hint: write `provider = qemu`",
        ],
    },
    Case {
        what: "upper case",
        edits: &[("network_emulation = True", "network_emulation = True\nwireless_network_preset = 5G")],
        strict: "12:27: Config: Invalid value for option infrastructure->wireless_network_preset",
        lenient: &[
            "x.cfg:12:27: warning: infrastructure.wireless_network_preset: `5G` is read as `5g`: Continuum wants lower case\n  hint: write `wireless_network_preset = 5g`",
        ],
    },
    Case {
        what: "another spelling",
        edits: &[("resource_manager = kubernetes", "resource_manager = K8s")],
        strict: "13:20: Config: Invalid value for option benchmark->resource_manager",
        lenient: &[
            "x.cfg:13:20: warning: benchmark.resource_manager: `K8s` is read as `kubernetes`: Continuum calls it so\n  hint: write `resource_manager = kubernetes`",
        ],
    },
    Case {
        what: "a typing error in a value",
        edits: &[("resource_manager = kubernetes", "resource_manager = kubernets")],
        strict: "13:20: Config: Invalid value for option benchmark->resource_manager",
        lenient: &[
            "x.cfg:13:20: error: benchmark.resource_manager: `kubernets` is not known\n  hint: did you mean `kubernetes`?",
        ],
    },
    Case {
        what: "an unknown value",
        edits: &[("provider = qemu", "provider = azure")],
        strict: "2:12: Config: Invalid value for option infrastructure->provider",
        lenient: &[
            "x.cfg:2:12: error: infrastructure.provider: `azure` is not known\n  hint: write one of `qemu`, `gcp`, `aws`, `baremetal`",
        ],
    },
    Case {
        what: "a truth value that Python does not know",
        edits: &[("network_emulation = True", "network_emulation = enabled")],
        strict: "11:21: Config: Invalid type for option infrastructure->network_emulation, expected <class 'bool'>",
        lenient: &[
            "x.cfg:11:21: warning: infrastructure.network_emulation: `enabled` is read as `True`: Continuum knows only 1, yes, true, on and 0, no, false, off\n  hint: write `network_emulation = True`",
        ],
    },
    Case {
        what: "a truth value that nobody knows",
        edits: &[("network_emulation = True", "network_emulation = maybe")],
        strict: "11:21: Config: Invalid type for option infrastructure->network_emulation, expected <class 'bool'>",
        lenient: &[
            "x.cfg:11:21: error: infrastructure.network_emulation: `maybe` is neither true nor false\n  hint: write `True` or `False`",
        ],
    },
    Case {
        what: "a unit",
        edits: &[(
            "network_emulation = True",
            "network_emulation = True\ncloud_endpoint_latency_avg = 20 ms",
        )],
        strict: "12:30: Config: Invalid type for option infrastructure->cloud_endpoint_latency_avg, expected <class 'float'>",
        lenient: &[
            "x.cfg:12:30: warning: infrastructure.cloud_endpoint_latency_avg: `20 ms` is read as `20`: Continuum wants it without the unit, which is ms\n  hint: write `cloud_endpoint_latency_avg = 20`",
        ],
    },
    Case {
        what: "another unit",
        edits: &[(
            "network_emulation = True",
            "network_emulation = True\ncloud_endpoint_latency_avg = 0.02 s",
        )],
        strict: "12:30: Config: Invalid type for option infrastructure->cloud_endpoint_latency_avg, expected <class 'float'>",
        lenient: &[
            "x.cfg:12:30: error: infrastructure.cloud_endpoint_latency_avg: `0.02 s` is not a number\n  hint: write a number of at least 0",
        ],
    },
    Case {
        what: "per cent",
        edits: &[("endpoint_quota = 0.5", "endpoint_quota = 50%")],
        strict: "10:18: InterpolationSyntaxError: '%' must be followed by '%' or '(', found: '%'",
        lenient: &[
            "x.cfg:10:18: warning: infrastructure.endpoint_quota: `50%` has a `%` that starts no reference; read as it stands\n  hint: write `%%` for a percent sign; Continuum stops here",
            "x.cfg:10:18: warning: infrastructure.endpoint_quota: `50%` is read as `0.5`: Continuum wants it without the unit, as a share of 1\n  hint: write `endpoint_quota = 0.5`",
        ],
    },
    Case {
        what: "a decimal comma",
        edits: &[("endpoint_quota = 0.5", "endpoint_quota = 0,5")],
        strict: "10:18: Config: Invalid type for option infrastructure->endpoint_quota, expected <class 'float'>",
        lenient: &[
            "x.cfg:10:18: error: infrastructure.endpoint_quota: `0,5` is not a number\n  hint: write `0.5` with a point",
        ],
    },
    Case {
        what: "a whole number with a point",
        edits: &[("cloud_cores = 4", "cloud_cores = 4.0")],
        strict: "5:15: Config: Invalid type for option infrastructure->cloud_cores, expected <class 'int'>",
        lenient: &[
            "x.cfg:5:15: warning: infrastructure.cloud_cores: `4.0` is read as `4`: Continuum wants it without a point\n  hint: write `cloud_cores = 4`",
        ],
    },
    Case {
        what: "half a core",
        edits: &[("endpoint_cores = 1", "endpoint_cores = 0.5")],
        strict: "8:18: Config: Invalid type for option infrastructure->endpoint_cores, expected <class 'int'>",
        lenient: &[
            "x.cfg:8:18: error: infrastructure.endpoint_cores: `0.5` is not a whole number\n  hint: write a whole number of at least 1",
        ],
    },
    Case {
        what: "not a number at all",
        edits: &[("cloud_quota = 1.0", "cloud_quota = nan")],
        strict: "7:15: Config: Invalid value for option infrastructure->cloud_quota",
        lenient: &[
            "x.cfg:7:15: error: infrastructure.cloud_quota: `nan` is out of range\n  hint: write a number from 0.1 to 1",
        ],
    },
    Case {
        what: "a quota above one",
        edits: &[("cloud_quota = 1.0", "cloud_quota = 2.0")],
        strict: "7:15: Config: Invalid value for option infrastructure->cloud_quota",
        lenient: &[
            "x.cfg:7:15: error: infrastructure.cloud_quota: `2.0` is out of range\n  hint: write a number from 0.1 to 1",
        ],
    },
    Case {
        what: "zero cores of a tier without nodes",
        edits: &[("network_emulation = True", "network_emulation = True\nedge_cores = 0\nedge_quota = 0")],
        strict: "12:14: Config: Invalid value for option infrastructure->edge_cores",
        lenient: &[
            "x.cfg:12:14: warning: infrastructure.edge_cores: `0` is ignored, because there are no edge nodes\n  hint: remove the line; Continuum checks it all the same",
            "x.cfg:13:14: warning: infrastructure.edge_quota: `0` is ignored, because there are no edge nodes\n  hint: remove the line; Continuum checks it all the same",
        ],
    },
    Case {
        what: "words for the cores of a tier without nodes",
        edits: &[("network_emulation = True", "network_emulation = True\nedge_cores = many")],
        strict: "12:14: Config: Invalid type for option infrastructure->edge_cores, expected <class 'int'>",
        lenient: &[
            "x.cfg:12:14: error: infrastructure.edge_cores: `many` is not a whole number\n  hint: write a whole number of at least 1",
        ],
    },
    Case {
        what: "a missing memory",
        edits: &[("cloud_memory = 8\n", "")],
        strict: "1:1: Config: Missing option infrastructure->cloud_memory",
        lenient: &[
            "x.cfg:1:1: warning: infrastructure.cloud_memory: not set; the memory of these nodes is unknown and never runs out\n  hint: set it in GB; Continuum does not accept the file without",
        ],
    },
    Case {
        what: "missing cores",
        edits: &[("cloud_cores = 4\n", "")],
        strict: "1:1: Config: Missing option infrastructure->cloud_cores",
        lenient: &[
            "x.cfg:1:1: error: infrastructure.cloud_cores: not set\n  hint: set `cloud_cores`; write a whole number of at least 1",
        ],
    },
    Case {
        what: "a missing frequency, and an option that is like it",
        edits: &[("frequency = 5", "freqency = 5")],
        strict: "12:1: Config: Missing option benchmark->frequency",
        lenient: &[
            "x.cfg:12:1: error: benchmark.frequency: not set\n  hint: is `freqency` in line 15 meant to be `frequency`?",
            "x.cfg:15:1: warning: benchmark.freqency: Continuum has no option `freqency`; ignored\n  hint: did you mean `frequency`?",
        ],
    },
    Case {
        what: "a missing provider",
        edits: &[("provider = qemu\n", "")],
        strict: "1:1: Config: Missing option infrastructure->provider",
        lenient: &[
            "x.cfg:1:1: error: infrastructure.provider: not set\n  hint: set `provider = qemu`, `gcp`, `aws` or `baremetal`",
        ],
    },
    Case {
        what: "a missing application",
        edits: &[("application = image_classification\n", "")],
        strict: "12:1: ERROR: When resource_manager_only=False, application should be set",
        lenient: &[
            "x.cfg:12:1: error: benchmark.application: When resource_manager_only=False, application should be set\n  hint: add for example `application = image_classification`",
            "x.cfg:14:1: warning: benchmark.frequency: ignored without an application that knows it",
        ],
    },
    Case {
        what: "no resource manager, endpoints only",
        edits: &[("cloud_nodes = 2\n", ""), ("resource_manager = kubernetes\n", "")],
        strict: "11:1: Config: Missing option benchmark->resource_manager",
        lenient: &[
            "x.cfg:11:1: warning: benchmark.resource_manager: not set; `none`, because there are only endpoints\n  hint: set `resource_manager = none`; Continuum wants it",
        ],
    },
    Case {
        what: "no resource manager, cloud nodes",
        edits: &[("resource_manager = kubernetes\n", "")],
        strict: "12:1: Config: Missing option benchmark->resource_manager",
        lenient: &[
            "x.cfg:12:1: error: benchmark.resource_manager: not set\n  hint: set `resource_manager = kubernetes`",
        ],
    },
    Case {
        what: "no nodes",
        edits: &[("cloud_nodes = 2\n", ""), ("endpoint_nodes = 2\n", "")],
        strict: "1:1: Config: cloud_nodes + edge_nodes + endpoint_nodes should be > 0",
        lenient: &[
            "x.cfg:1:1: error: infrastructure: cloud_nodes + edge_nodes + endpoint_nodes should be > 0\n  hint: set `endpoint_nodes`, and `cloud_nodes` or `edge_nodes` to offload",
            "x.cfg:1:1: error: infrastructure.endpoint_nodes: Application image classification requires at least 1 endpoint\n  hint: set `endpoint_nodes = 1` or more",
            "x.cfg:11:20: error: benchmark.resource_manager: Kubernetes requires #clouds>=1, #edges=0, #endpoints>=0\n  hint: set `edge_nodes = 0`, or use `kubeedge` or `mist`",
        ],
    },
    Case {
        what: "the same option twice with one value",
        edits: &[("frequency = 5", "frequency = 5\nFrequency = 5")],
        strict: "16:1: DuplicateOptionError: While reading from 'x.cfg' [line 16]: option 'frequency' in section 'benchmark' already exists",
        lenient: &[
            "x.cfg:16:1: warning: benchmark.frequency: `frequency` is set already, in line 15; this line is ignored\n  hint: Continuum stops here; remove one of the two",
        ],
    },
    Case {
        what: "the same option twice with two values",
        edits: &[("frequency = 5", "frequency = 5\nfrequency = 10")],
        strict: "16:1: DuplicateOptionError: While reading from 'x.cfg' [line 16]: option 'frequency' in section 'benchmark' already exists",
        lenient: &[
            "x.cfg:16:13: error: benchmark.frequency: set to `5` in line 15 and to `10` here\n  hint: keep the one that is meant",
        ],
    },
    Case {
        what: "the same section twice",
        edits: &[("frequency = 5", "[benchmark]\nfrequency = 5")],
        strict: "15:1: DuplicateSectionError: While reading from 'x.cfg' [line 15]: section 'benchmark' already exists",
        lenient: &[
            "x.cfg:15:1: warning: benchmark: `[benchmark]` is there already, in line 12; read as one section\n  hint: Continuum stops here; join the two",
        ],
    },
    Case {
        what: "a section in another case",
        edits: &[("[benchmark]", "[ Benchmark ]")],
        strict: "1:1: Config: benchmark section missing while infra_only=False",
        lenient: &[
            "x.cfg:12:1: warning: benchmark: `[ Benchmark ]` is another section to Continuum; read as `[benchmark]`\n  hint: write `[benchmark]`",
        ],
    },
    Case {
        what: "a typing error in a section",
        edits: &[("[benchmark]", "[bechmark]")],
        strict: "1:1: Config: benchmark section missing while infra_only=False",
        lenient: &[
            "x.cfg:12:1: warning: benchmark: `[bechmark]` is another section to Continuum; read as `[benchmark]`\n  hint: write `[benchmark]`",
        ],
    },
    Case {
        what: "a section that is missing",
        edits: &[(
            "[benchmark]\nresource_manager = kubernetes\napplication = image_classification\nfrequency = 5\n",
            "",
        )],
        strict: "1:1: Config: benchmark section missing while infra_only=False",
        lenient: &[
            "x.cfg:1:1: error: benchmark: benchmark section missing while infra_only=False\n  hint: add `[benchmark]` with `resource_manager` and `application`, or set `infra_only = True`",
        ],
    },
    Case {
        what: "an option that is indented",
        edits: &[("endpoint_nodes = 2", "  endpoint_nodes = 2")],
        strict: "3:15: Config: Invalid type for option infrastructure->cloud_nodes, expected <class 'int'>",
        lenient: &[
            "x.cfg:4:3: warning: infrastructure.endpoint_nodes: `endpoint_nodes` is indented deeper than `cloud_nodes`, so Continuum takes it for a part of that value; read as an option of its own\n  hint: indent both alike",
        ],
    },
    Case {
        what: "a section that is indented",
        edits: &[("[benchmark]", "  [benchmark]")],
        strict: "11:21: Config: Invalid type for option infrastructure->network_emulation, expected <class 'bool'>",
        lenient: &[
            "x.cfg:12:3: warning: benchmark: `[benchmark]` is indented, so Continuum takes it for a part of the value of `network_emulation`; read as a section\n  hint: start the line with the bracket",
        ],
    },
    Case {
        what: "a line without a delimiter",
        edits: &[("frequency = 5", "frequency 5")],
        strict: "15:1: ParsingError: Source contains parsing errors: 'x.cfg'\n\t[line 15]: 'frequency 5\\n'",
        lenient: &[
            "x.cfg:15:1: warning: benchmark.frequency: there is no `=`; read as `frequency = 5`\n  hint: Continuum does not accept the line",
        ],
    },
    Case {
        what: "a line of prose",
        edits: &[("frequency = 5", "frequency = 5\nfive frames per second")],
        strict: "16:1: ParsingError: Source contains parsing errors: 'x.cfg'\n\t[line 16]: 'five frames per second\\n'",
        lenient: &[
            "x.cfg:16:1: error: `five frames per second` is neither a section nor an option nor a comment\n  hint: write `option = value`, or start the line with `#`",
        ],
    },
    Case {
        what: "a header without its bracket",
        edits: &[("[benchmark]", "[benchmark")],
        strict: "12:1: ParsingError: Source contains parsing errors: 'x.cfg'\n\t[line 12]: '[benchmark\\n'",
        lenient: &[
            "x.cfg:12:1: warning: benchmark: `[benchmark` has no closing bracket; read as `[benchmark]`\n  hint: write `[benchmark]`",
        ],
    },
    Case {
        what: "no header at all",
        edits: &[("[infrastructure]\n", "")],
        strict: "1:1: MissingSectionHeaderError: File contains no section headers.\nfile: 'x.cfg', line: 1\n'provider = qemu\\n'",
        lenient: &[
            "x.cfg:1:1: warning: infrastructure.provider: `provider` stands before the first section; read as part of `[infrastructure]`\n  hint: write `[infrastructure]` above it; Continuum stops here",
            "x.cfg:2:1: warning: infrastructure.cloud_nodes: `cloud_nodes` stands before the first section; read as part of `[infrastructure]`\n  hint: write `[infrastructure]` above it; Continuum stops here",
            "x.cfg:3:1: warning: infrastructure.endpoint_nodes: `endpoint_nodes` stands before the first section; read as part of `[infrastructure]`\n  hint: write `[infrastructure]` above it; Continuum stops here",
            "x.cfg:4:1: warning: infrastructure.cloud_cores: `cloud_cores` stands before the first section; read as part of `[infrastructure]`\n  hint: write `[infrastructure]` above it; Continuum stops here",
            "x.cfg:5:1: warning: infrastructure.cloud_memory: `cloud_memory` stands before the first section; read as part of `[infrastructure]`\n  hint: write `[infrastructure]` above it; Continuum stops here",
            "x.cfg:6:1: warning: infrastructure.cloud_quota: `cloud_quota` stands before the first section; read as part of `[infrastructure]`\n  hint: write `[infrastructure]` above it; Continuum stops here",
            "x.cfg:7:1: warning: infrastructure.endpoint_cores: `endpoint_cores` stands before the first section; read as part of `[infrastructure]`\n  hint: write `[infrastructure]` above it; Continuum stops here",
            "x.cfg:8:1: warning: infrastructure.endpoint_memory: `endpoint_memory` stands before the first section; read as part of `[infrastructure]`\n  hint: write `[infrastructure]` above it; Continuum stops here",
            "x.cfg:9:1: warning: infrastructure.endpoint_quota: `endpoint_quota` stands before the first section; read as part of `[infrastructure]`\n  hint: write `[infrastructure]` above it; Continuum stops here",
            "x.cfg:10:1: warning: infrastructure.network_emulation: `network_emulation` stands before the first section; read as part of `[infrastructure]`\n  hint: write `[infrastructure]` above it; Continuum stops here",
        ],
    },
    Case {
        what: "nothing before the delimiter",
        edits: &[("frequency = 5", "frequency = 5\n= 5")],
        strict: "16:1: ParsingError: Source contains parsing errors: 'x.cfg'\n\t[line 16]: '= 5\\n'",
        lenient: &[
            "x.cfg:16:1: error: there is no option before the `=` or `:`\n  hint: write `option = value`, or start the line with `#`",
        ],
    },
    Case {
        what: "a per cent sign in a path",
        edits: &[("network_emulation = True", "network_emulation = True\nbase_path = /data/100%x")],
        strict: "12:13: InterpolationSyntaxError: '%' must be followed by '%' or '(', found: '%x'",
        lenient: &[
            "x.cfg:12:13: warning: infrastructure.base_path: `/data/100%x` has a `%` that starts no reference; read as it stands\n  hint: write `%%` for a percent sign; Continuum stops here",
        ],
    },
    Case {
        what: "a reference to nothing",
        edits: &[("network_emulation = True", "network_emulation = True\nbase_path = %(root)s/vm")],
        strict: "12:13: InterpolationMissingOptionError: Bad value substitution: option 'base_path' in section 'infrastructure' contains an interpolation key 'root' which is not a valid option name. Raw value: '%(root)s/vm'",
        lenient: &[
            "x.cfg:12:13: error: infrastructure.base_path: refers to an option that is not there\n  hint: write the value itself instead of `%(name)s`",
        ],
    },
    Case {
        what: "a reference that goes round",
        edits: &[("frequency = 5", "frequency = %(duration)s\nduration = %(frequency)s")],
        strict: "15:13: InterpolationDepthError: Recursion limit exceeded in value substitution: option 'frequency' in section 'benchmark' contains an interpolation key which cannot be substituted in 10 steps. Raw value: '%(duration)s'",
        lenient: &[
            "x.cfg:15:13: error: benchmark.frequency: refers to itself, or through more than 10 options\n  hint: write the value itself instead of `%(name)s`",
            "x.cfg:16:12: error: benchmark.duration: refers to itself, or through more than 10 options\n  hint: write the value itself instead of `%(name)s`",
        ],
    },
    Case {
        what: "a byte order mark",
        edits: &[("[infrastructure]", "\u{feff}[infrastructure]")],
        strict: "1:1: MissingSectionHeaderError: File contains no section headers.\nfile: 'x.cfg', line: 1\n'\\ufeff[infrastructure]\\n'",
        lenient: &[
            "x.cfg:1:1: warning: the file starts with a byte order mark, which Continuum takes for a part of the first line; ignored\n  hint: save it as UTF-8 without the mark",
        ],
    },
    Case {
        what: "an unknown option",
        edits: &[("frequency = 5", "frequency = 5\ndurration = 60\ncolour = red")],
        strict: "accepted",
        lenient: &[
            "x.cfg:16:1: warning: benchmark.durration: Continuum has no option `durration`; ignored\n  hint: did you mean `duration`?",
            "x.cfg:17:1: warning: benchmark.colour: Continuum has no option `colour`; ignored\n  hint: remove it, or see docs/continuum.md for the options that there are",
        ],
    },
    Case {
        what: "options that are not read",
        edits: &[(
            "network_emulation = True",
            "gcp_region = europe-west4\ncloud_endpoint_throughput = 10\nfrequency = 3",
        )],
        strict: "accepted",
        lenient: &[
            "x.cfg:11:1: warning: infrastructure.gcp_region: ignored with `provider = qemu`",
            "x.cfg:12:1: warning: infrastructure.cloud_endpoint_throughput: ignored without `network_emulation = True`",
            "x.cfg:13:1: warning: infrastructure.frequency: `frequency` belongs to `[benchmark]`; Continuum ignores it here\n  hint: move it to `[benchmark]`",
        ],
    },
    Case {
        what: "a cloud account left blank",
        edits: &[(
            "provider = qemu",
            "provider = gcp\ngcp_cloud = e2-standard-4\ngcp_endpoint = e2-medium\ngcp_region =\ngcp_zone =\ngcp_project =\ngcp_credentials =",
        )],
        strict: "5:13: Config: Missing option infrastructure->gcp_region",
        lenient: &[
            "x.cfg:5:13: warning: infrastructure.gcp_region: not set; a simulation does not need it\n  hint: Continuum needs it to run",
            "x.cfg:6:11: warning: infrastructure.gcp_zone: not set; a simulation does not need it\n  hint: Continuum needs it to run",
            "x.cfg:7:14: warning: infrastructure.gcp_project: not set; a simulation does not need it\n  hint: Continuum needs it to run",
            "x.cfg:8:18: warning: infrastructure.gcp_credentials: not set; a simulation does not need it\n  hint: Continuum needs it to run",
            "x.cfg:17:21: warning: infrastructure.network_emulation: on this provider the reply is not shaped: it goes to an external address\n  hint: `--semantics intended` shapes both ways",
        ],
    },
    Case {
        what: "credentials that end in a slash",
        edits: &[
            (
                "provider = qemu",
                "provider = gcp\ngcp_cloud = e2-standard-4\ngcp_endpoint = e2-medium\ngcp_region = r\ngcp_zone = z\ngcp_project = p\ngcp_credentials = ~/keys/",
            ),
            ("network_emulation = True\n", ""),
        ],
        strict: "8:19: KeyError: 'base_pgcp_credentialsth'",
        lenient: &[
            "x.cfg:8:19: warning: infrastructure.gcp_credentials: Continuum crashes on a path that ends in `/`; the `/` is ignored\n  hint: remove it",
        ],
    },
    Case {
        what: "only the resource manager, with an application",
        edits: &[(
            "resource_manager = kubernetes",
            "resource_manager = kubernetes\nresource_manager_only = True",
        )],
        strict: "15:15: ERROR: When resource_manager_only=True, application should not be set",
        lenient: &[
            "x.cfg:15:15: warning: benchmark.application: ignored, because `resource_manager_only` is set; Continuum's template says so, but its parser wants the application gone\n  hint: remove `application`",
            "x.cfg:16:1: warning: benchmark.frequency: ignored without an application that knows it",
        ],
    },
    Case {
        what: "bare metal",
        edits: &[
            ("provider = qemu", "provider = baremetal"),
            ("cloud_nodes = 2", "cloud_nodes = 1"),
            ("resource_manager = kubernetes", "resource_manager = none"),
        ],
        strict: "2:12: ERROR: Baremetal only supports #clouds==1 and #endpoints>=1 at the moment",
        lenient: &[
            "x.cfg:2:12: warning: infrastructure.provider: Continuum's check of bare metal fails whatever the file says; read as one worker without a controller\n  hint: use `provider = qemu` to run it with Continuum",
        ],
    },
    Case {
        what: "bare metal with two workers",
        edits: &[
            ("provider = qemu", "provider = baremetal"),
            ("resource_manager = kubernetes", "resource_manager = none"),
        ],
        strict: "2:12: ERROR: Baremetal only supports #clouds==1 and #endpoints>=1 at the moment",
        lenient: &[
            "x.cfg:2:12: error: infrastructure.provider: Baremetal only supports #clouds==1 and #endpoints>=1 at the moment\n  hint: use `qemu`; Continuum's check of this provider fails whatever the file says",
        ],
    },
    Case {
        what: "stress on Kata",
        edits: &[
            ("resource_manager = kubernetes", "resource_manager = kube_kata"),
            (
                "application = image_classification\nfrequency = 5",
                "application = stress\nstress_app_timeout = 60",
            ),
        ],
        strict: "14:15: ERROR: Application stress requires resource_manager kubecontrol",
        lenient: &[
            "x.cfg:13:20: warning: benchmark.resource_manager: Continuum copies the binaries of kube_kata from a folder that only its authors have",
            "x.cfg:14:15: warning: benchmark.application: Application stress requires resource_manager kubecontrol; its template allows kube_kata, too, and so does this reader\n  hint: Continuum does not accept this",
            "x.cfg:14:15: warning: benchmark.application: Continuum crashes at the end: it cannot format the results of stress\n  hint: read the numbers from its log",
        ],
    },
    Case {
        what: "edge nodes with kubernetes",
        edits: &[(
            "cloud_nodes = 2",
            "cloud_nodes = 2\nedge_nodes = 1\nedge_cores = 2\nedge_memory = 4\nedge_quota = 1.0",
        )],
        strict: "17:20: ERROR: Kubernetes requires #clouds>=1, #edges=0, #endpoints>=0",
        lenient: &[
            "x.cfg:17:20: error: benchmark.resource_manager: Kubernetes requires #clouds>=1, #edges=0, #endpoints>=0\n  hint: set `edge_nodes = 0`, or use `kubeedge` or `mist`",
        ],
    },
    Case {
        what: "endpoints that do not spread evenly",
        edits: &[("cloud_nodes = 2", "cloud_nodes = 4")],
        strict: "4:18: ERROR: Kubernetes requires (#clouds-1) % #endpoints == 0 (-1 for control)",
        lenient: &[
            "x.cfg:4:18: error: infrastructure.endpoint_nodes: Kubernetes requires (#clouds-1) % #endpoints == 0 (-1 for control)\n  hint: use a multiple of the number of workers; the first cloud node is the controller",
        ],
    },
    Case {
        what: "openfaas without kubernetes",
        edits: &[
            ("resource_manager = kubernetes", "resource_manager = kube_kata"),
            ("frequency = 5\n", "frequency = 5\n[execution_model]\nmodel = OpenFaaS\n"),
        ],
        strict: "17:9: Config: Invalid value for option execution_model->model",
        lenient: &[
            "x.cfg:13:20: warning: benchmark.resource_manager: Continuum copies the binaries of kube_kata from a folder that only its authors have",
            "x.cfg:17:9: error: execution_model.model: Execution_model openfaas requires resource_manager Kubernetes\n  hint: set `resource_manager = kubernetes`",
            "x.cfg:17:9: warning: execution_model.model: `OpenFaaS` is read as `openfaas`: Continuum wants lower case\n  hint: write `model = openfaas`",
        ],
    },
    Case {
        what: "one cloud node and an application",
        edits: &[("cloud_nodes = 2", "cloud_nodes = 1")],
        strict: "accepted",
        lenient: &[
            "x.cfg:3:15: warning: infrastructure.cloud_nodes: Continuum dies later: the only cloud node is the controller, so there is no worker\n  hint: set `cloud_nodes = 2` or more",
        ],
    },
    Case {
        what: "an application without code",
        edits: &[("application = image_classification", "application = signal_classification")],
        strict: "14:15: ModuleNotFoundError: No module named 'application.signal_classification.signal_classification'",
        lenient: &[
            "x.cfg:14:15: error: benchmark.application: Continuum crashes: ModuleNotFoundError: No module named 'application.signal_classification.signal_classification'\n  hint: use `image_classification`; Continuum has no code for this one",
            "x.cfg:15:1: warning: benchmark.frequency: ignored with `application = signal_classification`",
        ],
    },
    Case {
        what: "addresses that collide",
        edits: &[("network_emulation = True", "network_emulation = True\nmiddleIP = 90")],
        strict: "12:12: Config: middleIP == middleIP_base",
        lenient: &[
            "x.cfg:12:12: error: infrastructure.middleIP: middleIP == middleIP_base\n  hint: give the virtual machines and their base images different numbers",
        ],
    },
    Case {
        what: "an address that is none",
        edits: &[("network_emulation = True", "network_emulation = True\nprefixIP = ten.8")],
        strict: "12:12: ValueError: invalid literal for int() with base 10: 'ten'",
        lenient: &[
            "x.cfg:12:12: error: infrastructure.prefixIP: `ten.8` is not the first half of an address\n  hint: write two numbers above 0 and below 255, for example `192.168`",
        ],
    },
    Case {
        what: "a list of commas",
        edits: &[("network_emulation = True", "network_emulation = True\nexternal_physical_machines = , ,")],
        strict: "accepted",
        lenient: &[
            "x.cfg:12:30: warning: infrastructure.external_physical_machines: only commas; read as an empty list. Continuum drops the option and dies on it later\n  hint: remove the line",
        ],
    },
    Case {
        what: "everything at once",
        edits: &[
            ("provider = qemu", "provider = qemo"),
            ("cloud_cores = 4", "cloud_cores = four"),
            ("endpoint_quota = 0.5", "endpoint_quota = 5"),
            ("frequency = 5", "frequency = 0"),
        ],
        strict: "2:12: Config: Invalid value for option infrastructure->provider",
        lenient: &[
            "x.cfg:2:12: error: infrastructure.provider: `qemo` is not known\n  hint: did you mean `qemu`?",
            "x.cfg:5:15: error: infrastructure.cloud_cores: `four` is not a whole number\n  hint: write a whole number of at least 1",
            "x.cfg:10:18: error: infrastructure.endpoint_quota: `5` is out of range\n  hint: write a number from 0.1 to 1",
            "x.cfg:15:13: error: benchmark.frequency: `0` is out of range\n  hint: write a whole number of at least 1",
        ],
    },
];

fn lines(issues: &[Issue]) -> Vec<String> {
    issues.iter().map(Issue::to_string).collect()
}

#[test]
fn every_broken_file_gets_its_messages() {
    for case in CASES {
        let text = edited(case.edits);
        let verdict = match strict(&text, "x.cfg") {
            Ok(_) => "accepted".to_owned(),
            Err(rejection) => format!("{}:{}: {}", rejection.line, rejection.column, rejection.message),
        };
        assert_eq!(verdict, case.strict, "{}, strict", case.what);
        let issues = match lenient(&text, "x.cfg") {
            Ok((_, issues)) => {
                assert!(issues.iter().all(|issue| issue.severity == Severity::Warning), "{}", case.what);
                issues
            }
            Err(issues) => {
                assert!(issues.iter().any(|issue| issue.severity == Severity::Error), "{}", case.what);
                issues
            }
        };
        assert_eq!(lines(&issues), case.lenient, "{}, lenient", case.what);
    }
}

#[test]
fn a_repaired_file_means_what_the_good_one_says() {
    let good = strict(GOOD, "x.cfg").expect("accepted");
    for what in
        ["an inline comment", "quotes", "another spelling", "an option that is indented", "no header at all"]
    {
        let case = CASES.iter().find(|case| case.what == what).expect("it is in the table");
        let (resolved, _) = lenient(&edited(case.edits), "x.cfg").expect("repaired");
        assert_eq!(resolved, good, "{what}");
    }
}

#[test]
fn numbers_beyond_64_bits_get_the_right_verdict() {
    let digits = |n: usize| format!("1{}", "0".repeat(n));
    let accepted = |option: &str, value: &str| {
        strict(
            &edited(&[(option, &format!("{} = {value}", option.split(' ').next().expect("a name")))]),
            "x.cfg",
        )
    };
    assert!(accepted("cloud_memory = 8", &digits(30)).is_ok());
    assert!(accepted("frequency = 5", &digits(4000)).is_ok());
    let message =
        |result: Result<_, offing_scenarios::continuum::Rejection>| result.map(drop).unwrap_err().message;
    let frequency = message(accepted("frequency = 5", &digits(4300)));
    assert_eq!(frequency, "Config: Invalid type for option benchmark->frequency, expected <class 'int'>");
    let cores = message(accepted("cloud_cores = 4", &digits(400)));
    assert_eq!(cores, "OverflowError: int too large to convert to float");
    // Two million workers less than all of 10^30 + 1, and 10^30 endpoints: does that spread evenly?
    let spread = |cloud: &str, endpoint: &str| {
        let text = edited(&[
            ("cloud_nodes = 2", &format!("cloud_nodes = {cloud}")),
            ("endpoint_nodes = 2", &format!("endpoint_nodes = {endpoint}")),
        ]);
        strict(&text, "x.cfg").map_err(|rejection| rejection.message)
    };
    assert!(spread(&format!("{}1", digits(29)), &digits(60)).is_ok());
    let uneven = "ERROR: Kubernetes requires (#clouds-1) % #endpoints == 0 (-1 for control)";
    assert_eq!(spread(&format!("{}2", digits(29)), &digits(60)), Err(uneven.into()));
    // Accepted, but no deployment of this world.
    let resolved = accepted("frequency = 5", &digits(30)).expect("accepted");
    let issues = place(&resolved, Semantics::Continuum).expect_err("too large");
    assert_eq!(lines(&issues)[0].lines().next(), Some("x.cfg:15:13: error: benchmark.frequency: too large"));
    assert_eq!(derive(&resolved, Semantics::Continuum, &app()).frequency_hz, None);
}

#[test]
fn a_file_beyond_one_mebibyte_is_refused() {
    let text = format!("{GOOD}# {}\n", "x".repeat(LONGEST_FILE));
    assert!(
        strict(&text, "x.cfg").is_err_and(|rejection| rejection.message.contains("at most 1048576 are read"))
    );
    assert!(
        lenient(&text, "x.cfg").is_err_and(|issues| issues[0].message.contains("at most 1048576 are read"))
    );
}

#[test]
fn large_files_of_nonsense_are_read_in_moderate_time() {
    let start = std::time::Instant::now();
    for line in [
        "[a\n",
        "x\n",
        "%(",
        "a=1\n",
        " frequency = 1\n",
        "[benchmark]\n",
        "frequncy = %(a)s\n",
        "a: b\n c = d\n",
    ] {
        let body = line.repeat(LONGEST_FILE / line.len() - 100);
        for text in [format!("{GOOD}{body}"), format!("{GOOD}base_path = {body}"), body] {
            let _ = (strict(&text, "x.cfg"), lenient(&text, "x.cfg"));
        }
    }
    assert!(start.elapsed().as_secs() < 120, "{:?}", start.elapsed());
}

#[test]
fn the_two_semantics_differ_where_the_code_and_its_documentation_do() {
    let read = |edits: &[(&str, &str)]| strict(&edited(edits), "x.cfg").expect("accepted");
    let both =
        |resolved| [Semantics::Continuum, Semantics::Intended].map(|s| place(&resolved, s).expect("placed"));
    let shape = Shape { latency_ms: 45.0, jitter_ms: 5.0, rate_mbit_s: 7.21 };

    // 3.5 cores: three processes on four cores, or four that share 3.5 cores; one rate class, or one per pair.
    let [code, intended] = both(read(&[]));
    let size = |placed: &offing_scenarios::continuum::Placed| {
        let (tier, nodes) = placed.target.expect("offloaded");
        (tier, nodes.nodes, nodes.cores, nodes.quota, placed.workers)
    };
    assert_eq!(size(&code), ("cloud", 1, 4, 1.0, 3));
    assert_eq!(size(&intended), ("cloud", 1, 4, 0.875, 4));
    assert_eq!(code.link.map(|l| (l.up, l.down, l.scope)), Some((Some(shape), Some(shape), Scope::Node)));
    assert_eq!(intended.link.map(|l| (l.up, l.down, l.scope)), Some((Some(shape), Some(shape), Scope::Pair)));

    // Half a core: a whole process, or half of one.
    let [code, intended] = both(read(&[("frequency = 5", "frequency = 5\napplication_worker_cpu = 0.5")]));
    assert_eq!(size(&code), ("cloud", 1, 4, 1.0, 1));
    assert_eq!(size(&intended), ("cloud", 1, 1, 0.5, 1));

    // A limit of the endpoint below one core is none, or what it says.
    let [code, intended] = both(read(&[("frequency = 5", "frequency = 5\napplication_endpoint_cpu = 0.25")]));
    assert_eq!((code.endpoint.cores, code.endpoint.quota), (1, 0.5));
    assert_eq!((intended.endpoint.cores, intended.endpoint.quota), (1, 0.25));

    // Jitter without latency.
    let edit = ("network_emulation = True", "network_emulation = True\ncloud_endpoint_latency_avg = 0");
    let [code, intended] = both(read(&[edit]));
    assert_eq!(code.link.and_then(|l| l.up).map(|up| up.jitter_ms), Some(0.0));
    assert_eq!(intended.link.and_then(|l| l.up).map(|up| up.jitter_ms), Some(5.0));

    // Replies on Google Cloud, and both ways with functions.
    let gcp = "provider = gcp\ngcp_cloud = a\ngcp_endpoint = b\ngcp_region = c\ngcp_zone = d\ngcp_project = e\n\
               gcp_credentials = f";
    let [code, intended] = both(read(&[("provider = qemu", gcp)]));
    assert_eq!(code.link.map(|l| (l.up, l.down)), Some((Some(shape), None)));
    assert_eq!(intended.link.map(|l| (l.up, l.down)), Some((Some(shape), Some(shape))));
    let openfaas = ("frequency = 5\n", "frequency = 5\n[execution_model]\nmodel = openfaas\n");
    let [code, intended] = both(read(&[("provider = qemu", gcp), openfaas]));
    assert_eq!(
        (code.link, code.manager, code.outstanding, code.workers),
        (None, Manager::Openfaas, Some(1), 2)
    );
    assert!(intended.link.is_some());

    // Two instances each process everything, or share it.
    let two = read(&[(
        "frequency = 5",
        "frequency = 5\napplication_worker_cpu = 1.5\napplications_per_worker = 2",
    )]);
    let issues = place(&two, Semantics::Continuum).expect_err("not a scenario");
    assert!(lines(&issues)[0].starts_with("x.cfg:17:27: error: benchmark.applications_per_worker: "));
    assert_eq!(size(&place(&two, Semantics::Intended).expect("placed")), ("cloud", 1, 3, 1.0, 4));

    // Mist runs a process per core and floors the limit of all together.
    let mist = [
        ("cloud_nodes = 2", "edge_nodes = 1"),
        ("cloud_cores = 4", "edge_cores = 2"),
        ("cloud_memory = 8", "edge_memory = 4"),
        ("cloud_quota = 1.0", "edge_quota = 1.0"),
        ("resource_manager = kubernetes", "resource_manager = mist"),
    ];
    let [code, intended] = both(read(&mist));
    assert_eq!(size(&code), ("edge", 1, 1, 1.0, 2));
    assert_eq!(size(&intended), ("edge", 1, 2, 0.75, 2));
    let derived = derive(&read(&mist), Semantics::Continuum, &app());
    assert_eq!((derived.worker_container_cpus, derived.mode), (Some(Cpus::Whole(1)), Mode::Edge));
}

#[test]
fn the_load_and_the_inequalities_can_be_checked_by_hand() {
    let resolved = strict(GOOD, "x.cfg").expect("accepted");
    let derived = derive(&resolved, Semantics::Continuum, &app());
    // 0.125 s of work, 5 Hz, 2 endpoints, 4 cores at quota 1; 68 kB at 5 Hz are 2.72 Mbit/s.
    assert_eq!(derived.system_load, Some(0.3125));
    assert_eq!(derived.system_load_plotted_percent, Some(31));
    let sides = derived.inequalities.iter().map(|i| (i.left, i.right, i.holds));
    let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
    for ((left, right, holds), expected) in
        sides.zip([(1.25, 4.0, true), (0.01, 0.5, true), (2.72, 7.21, true)])
    {
        assert!(
            close(left, expected.0) && right == Some(expected.1) && holds == expected.2,
            "{left} {right:?}"
        );
    }
    let local = derived.local.expect("it applies");
    assert_eq!((local.left, local.right, local.holds), (0.625, Some(0.5), false));
}

#[test]
fn a_scenario_says_where_each_value_is_from() {
    let resolved = strict(GOOD, "x.cfg").expect("accepted");
    let scenario =
        to_scenario(&resolved, Semantics::Continuum, &app(), "two endpoints").expect("it has requests");
    let expected = r#"# Read from a Continuum configuration: what Continuum's code does (`--semantics continuum`).
# The comments name its options; docs/continuum.md has the rules.
name = "two endpoints"
seed = 1
duration = "300 s"  # duration
warm_up = "0 s"  # Continuum has none; it trims its averages instead

[app]
rate = "5 /s"  # frequency
arrivals = "periodic"
frame = "68 kB"
result = "20 B"
prepare = "2 ms"
process = { lognormal = { mean = "125 ms", cv = 0.06 } }
memory = "500 MiB"

[tier.endpoint]
nodes = 2  # endpoint_nodes
cores = 1  # endpoint_cores
quota = 0.5  # endpoint_quota
memory = "1 GiB"  # endpoint_memory

[tier.cloud]
nodes = 1  # cloud_nodes - 1: the first is the controller
cores = 4  # cloud_cores
quota = 1.0  # cloud_quota
memory = "8 GiB"  # cloud_memory

[[link]]
between = ["endpoint", "cloud"]
latency = "45 ms"  # Continuum's 4g
jitter = "5 ms"  # Continuum's 4g
rate = "7.21 Mbit/s"  # Continuum's 4g
sharing = "fifo"
scope = "node"  # one rate class for all nodes of the other tier

[deploy]
target = "cloud"
workers = 3  # application_worker_cpu, rounded down
balance = "static"
queue = "unlimited"
provider = "qemu"  # provider
manager = "kubernetes"  # resource_manager, execution_model
"#;
    assert_eq!(scenario, expected);
}

#[test]
fn a_file_without_requests_is_no_scenario_and_says_why() {
    let empty = edited(&[
        ("resource_manager = kubernetes", "resource_manager = kubecontrol"),
        ("application = image_classification\nfrequency = 5", "application = empty\nsleep_time = 60"),
    ]);
    let infra = edited(&[("network_emulation = True", "network_emulation = True\ninfra_only = True")]);
    let only =
        edited(&[("application = image_classification\nfrequency = 5", "resource_manager_only = True")]);
    for (text, first) in [
        (
            empty,
            "x.cfg:14:15: error: benchmark.application: `empty` only sleeps to study the control plane; it sends no requests that could be predicted",
        ),
        (
            infra,
            "x.cfg:12:14: error: infrastructure.infra_only: with `infra_only` no application runs, so there are no requests to predict",
        ),
        (
            only,
            "x.cfg:14:25: error: benchmark.resource_manager_only: without an application there are no requests to predict",
        ),
    ] {
        let resolved = strict(&text, "x.cfg").expect("accepted");
        let issues = to_scenario(&resolved, Semantics::Continuum, &app(), "x").expect_err("no requests");
        assert_eq!(lines(&issues)[0].lines().next(), Some(first));
    }
}

#[test]
fn an_export_refuses_everything_that_it_cannot_say_at_once() {
    let resolved = strict(&edited(&[("cloud_nodes = 2", "cloud_nodes = 3")]), "x.cfg").expect("accepted");
    let good = deployment(&place(&resolved, Semantics::Continuum).expect("placed"));
    let mut bad = good.clone();
    bad.app.rate_hz = 2.5;
    bad.placement.balance = Balance::Random;
    bad.placement.queue = Some(10);
    bad.tiers[0].nodes = 3;
    bad.tiers[1].speed = 2.0;
    bad.tiers[1].quota = 0.05;
    bad.links[0].sharing = Sharing::Fair;
    bad.links[0].scope = Scope::Tier;
    bad.links[0].up.loss = 0.01;
    bad.links[0].up.rate = Rate::Unlimited;
    let issues = from_deployment(&bad, "bad").expect_err("refused");
    let mut keys: Vec<&str> =
        issues.iter().filter(|i| i.severity == Severity::Error).map(|issue| issue.key.as_str()).collect();
    keys.sort_unstable();
    let mut expected = vec![
        "app.rate",
        "deploy.balance",
        "deploy.queue",
        "link",
        "link.scope",
        "link.sharing",
        "link.up.loss",
        "link.up.rate",
        "tier.cloud.quota",
        "tier.cloud.speed",
        "tier.endpoint.nodes",
    ];
    expected.sort_unstable();
    assert_eq!(keys, expected);

    // A process that Continuum would not start: three for each of two endpoints' functions.
    let mut functions = good;
    functions.placement.manager = Manager::Openfaas;
    functions.app.outstanding = Some(1);
    functions.placement.workers = 3;
    let issues = from_deployment(&functions, "functions").expect_err("refused");
    assert!(issues.iter().any(|issue| issue.key == "deploy.workers"), "{issues:?}");
}

#[test]
fn an_export_reads_back_and_says_what_it_leaves_out() {
    let resolved = strict(GOOD, "x.cfg").expect("accepted");
    let deployment = deployment(&place(&resolved, Semantics::Continuum).expect("placed"));
    let (cfg, issues) = from_deployment(&deployment, "two endpoints").expect("exported");
    assert_eq!(
        cfg,
        "# Written by Offing from two endpoints
[infrastructure]
provider = qemu

# The first cloud node is the controller and runs no application.
cloud_nodes = 2
cloud_cores = 4
cloud_memory = 8
cloud_quota = 1.0

endpoint_nodes = 2
endpoint_cores = 1
endpoint_memory = 1
endpoint_quota = 0.5

network_emulation = True
wireless_network_preset = 4g

[benchmark]
resource_manager = kubernetes
application = image_classification
frequency = 5
duration = 300
"
    );
    assert_eq!(strict(&cfg, "y.cfg"), Ok(resolved), "every value comes back");
    let expected = "two endpoints:1:1: warning: app: frame, result, prepare, process and memory are not carried: \
                    Continuum's own application has its sizes and CPU times";
    assert_eq!(lines(&issues), [expected]);
}

/// Files that Continuum accepts and that send requests.
fn accepted() -> impl Strategy<Value = String> {
    let quota = prop_oneof![Just("0.1"), Just("0.33"), Just("0.5"), Just("0.75"), Just("1.0"), Just("1")];
    let cpu = proptest::option::of(prop_oneof![
        Just("0.5"),
        Just("1"),
        Just("1.5"),
        Just("2.0"),
        Just("3.7"),
        Just("12")
    ]);
    let link = (
        proptest::option::of(prop_oneof![Just("0"), Just("7.5"), Just("20"), Just("45"), Just("0.001")]),
        proptest::option::of(prop_oneof![Just("0"), Just("2.5"), Just("5")]),
        proptest::option::of(prop_oneof![
            Just("1"),
            Just("7.21"),
            Just("29.66"),
            Just("12.345678"),
            Just("1000")
        ]),
        proptest::option::of(prop_oneof![Just("4g"), Just("5g")]),
        any::<bool>(),
    );
    let sizes = (1u32..4, 1u32..4, 1u32..10, 1u32..5, quota.clone(), quota);
    let rest = (cpu.clone(), cpu, 1u32..100, proptest::option::of(1u32..1000));
    (0..6usize, 0..3usize, sizes, link, rest).prop_map(|(kind, provider, sizes, link, rest)| {
        let (workers, each, cores, endpoint_cores, quota, endpoint_quota) = sizes;
        let (latency, jitter, rate, preset, emulated) = link;
        let (worker_cpu, endpoint_cpu, frequency, duration) = rest;
        let (manager, tier) = [
            ("none", "endpoint"),
            ("kubernetes", "cloud"),
            ("kubernetes", "cloud"),
            ("kube_kata", "cloud"),
            ("kubeedge", "edge"),
            ("mist", "edge"),
        ][kind];
        let provider = ["qemu", "gcp", "aws"][provider];
        let mut text = format!("[infrastructure]\nprovider = {provider}\n");
        let mut tiers =
            vec![("endpoint", each * if kind == 0 { 1 } else { workers }, endpoint_cores, endpoint_quota)];
        match tier {
            "cloud" => tiers.push(("cloud", workers + 1, cores, quota)),
            "edge" => tiers.push(("edge", workers, cores, quota)),
            _ => {}
        }
        if manager == "kubeedge" {
            tiers.push(("cloud", 1, 2, "1.0"));
        }
        for (tier, nodes, cores, quota) in &tiers {
            text += &format!(
                "{tier}_nodes = {nodes}\n{tier}_cores = {cores}\n{tier}_memory = 4\n{tier}_quota = {quota}\n"
            );
            text += &format!("gcp_{tier} = m\naws_{tier} = m\n");
        }
        for name in ["region", "zone", "project", "credentials", "access_keys", "secret_access_keys", "ami"] {
            text += &format!("gcp_{name} = f\naws_{name} = f\n");
        }
        text += &format!("network_emulation = {emulated}\n");
        for (option, value) in [("latency_avg", latency), ("latency_var", jitter), ("throughput", rate)] {
            text += &value.map(|value| format!("{tier}_endpoint_{option} = {value}\n")).unwrap_or_default();
        }
        text += &preset.map(|preset| format!("wireless_network_preset = {preset}\n")).unwrap_or_default();
        text += &format!("[benchmark]\nresource_manager = {manager}\napplication = image_classification\n");
        text += &format!("frequency = {frequency}\n");
        text += &duration.map(|duration| format!("duration = {duration}\n")).unwrap_or_default();
        text += &worker_cpu.map(|cpu| format!("application_worker_cpu = {cpu}\n")).unwrap_or_default();
        text += &endpoint_cpu.map(|cpu| format!("application_endpoint_cpu = {cpu}\n")).unwrap_or_default();
        if kind == 2 {
            text += "[execution_model]\nmodel = openfaas\n";
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// import(export(x)) = x for every deployment x that came from a file, and a second export says the same.
    #[test]
    fn a_deployment_from_a_file_survives_export_and_import(text in accepted()) {
        let resolved = strict(&text, "x.cfg").expect("the generator makes good files");
        let (read, _) = lenient(&text, "x.cfg").expect("an accepted file is read");
        prop_assert_eq!(&read, &resolved);
        for semantics in [Semantics::Continuum, Semantics::Intended] {
            let placed = place(&resolved, semantics).expect("it has requests");
            let scenario = to_scenario(&resolved, semantics, &app(), "x").expect("it has requests");
            prop_assert!(toml::from_str::<toml::Table>(&scenario).is_ok(), "{}", scenario);
            let expressible = (placed.endpoint.quota >= 0.1)
                && placed.target.is_none_or(|(_, nodes)| nodes.quota >= 0.1);
            let exported = from_deployment(&deployment(&placed), "x");
            prop_assert_eq!(exported.is_ok(), expressible, "{:?}\n{:?}\n{}", exported, placed, text);
            let Ok((cfg, issues)) = exported else { continue };
            let back = strict(&cfg, "back.cfg").expect("Continuum accepts what is written");
            // Without a link both semantics may yield the same deployment, and the code's comes first.
            let only_intended = issues.iter().any(|issue| issue.message.contains("only with `--semantics intended`"));
            let read_as = if only_intended { Semantics::Intended } else { Semantics::Continuum };
            prop_assert!(read_as == semantics || placed.link.is_none(), "{}", cfg);
            let again = place(&back, read_as).expect("it has requests");
            prop_assert_eq!(&again, &placed, "{}", cfg);
            let (second, _) = from_deployment(&deployment(&again), "x").expect("exported again");
            prop_assert_eq!(second, cfg);
        }
    }
}

/// Texts made of the pieces that mean something to the readers, and a few that do not.
fn mutated() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => proptest::sample::select(GOOD.lines().collect::<Vec<_>>()).prop_map(|line| format!("{line}\n")),
        2 => proptest::sample::select(vec![
            "[", "]", "=", ":", "%", "%(", ")s", "%(frequency)s", "#", ";", " ", "\n", "\r", "\t", "\u{feff}", "\u{85}",
            "[DEFAULT]\n", "[execution_model]\nmodel = openfaas\n", "edge_nodes = 1\n", "infra_only = True\n", "0", "-1",
            "1e999", "inf", "nan", "_", "\"", "'", ",", "é", "\0", "99999999999999999999999999", "cloud_", "provider = gcp\n",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The good file with a few characters changed.
fn scratched() -> impl Strategy<Value = String> {
    proptest::collection::vec((0..GOOD.len(), any::<char>(), 0..3usize), 1..6).prop_map(|changes| {
        changes
            .into_iter()
            .fold(GOOD.chars().collect::<Vec<char>>(), |mut text, (at, c, how)| {
                let at = at % text.len();
                match how {
                    0 => text[at] = c,
                    1 => text.insert(at, c),
                    _ => drop(text.remove(at)),
                }
                text
            })
            .into_iter()
            .collect()
    })
}

fn read_every_way(text: &str) {
    let strict = strict(text, "x.cfg");
    let read = lenient(text, "x.cfg");
    if let Ok((resolved, _)) = &read {
        for semantics in [Semantics::Continuum, Semantics::Intended] {
            derive(resolved, semantics, &app());
            let _ = to_scenario(resolved, semantics, &app(), "x");
        }
    }
    for issue in read.as_ref().map_or_else(|issues| issues, |(_, issues)| issues) {
        assert!(issue.line > 0 && issue.column > 0, "{issue}");
        assert!(!issue.message.is_empty() && !issue.message.contains('\n'), "{issue}");
    }
    if let Ok(resolved) = strict {
        serde_json::to_string(&resolved).expect("plain data");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_a_reader_panic(text in prop_oneof![mutated(), scratched(), any::<String>()]) {
        read_every_way(&text);
    }
}
