//! What is taken from the models: the parameters, the link presets, and the numbers of Continuum's application,
//! image_classification, which no `.cfg` has.

use offing_core::Presets;
use offing_models::ModelSet;
use offing_scenarios::continuum::AppNumbers;

/// The parameters of all models.
pub fn parameters() -> ModelSet {
    ModelSet::default()
}

/// The link presets that scenarios may name.
pub fn presets() -> Presets {
    Presets::new()
}

/// Sizes of the first 60 validation images of ILSVRC2012, which Continuum's endpoints send in turn [byte]
/// (docs/continuum.md, "Image sizes").
const IMAGES: [u32; 60] = [
    63345, 76305, 61785, 38625, 76840, 136729, 100976, 54548, 60884, 36054, 111933, 89935, 70576, 66371,
    71253, 104629, 81658, 38657, 7018, 65246, 143010, 76339, 29956, 83656, 171925, 54740, 89210, 80852,
    102274, 56151, 60808, 62812, 8310, 46958, 8366, 108801, 27962, 70382, 12276, 58987, 67089, 51983, 103245,
    63037, 86817, 57855, 71812, 60277, 54807, 112632, 75663, 7351, 51596, 69666, 15588, 74120, 57896, 101969,
    92628, 35111,
];
/// What a message adds to its image.
const HEADER: u32 = 35;

/// Continuum's published run with processing at the endpoint takes 263.21 ms of wall time per image under a
/// quota of 0.5, so 132 ms of CPU time.
pub fn application() -> AppNumbers {
    let sizes: Vec<String> = IMAGES.iter().map(|image| format!("\"{} B\"", image + HEADER)).collect();
    let total: u32 = IMAGES.iter().map(|image| image + HEADER).sum();
    AppNumbers {
        process_s: 0.132,
        prepare_s: 0.001_29,
        message_bytes: f64::from(total) / IMAGES.len() as f64,
        frame: format!("{{ values = [{}] }}", sizes.join(", ")),
        process: "{ lognormal = { mean = \"132 ms\", cv = 0.06 } }".into(),
        prepare: "\"1.29 ms\"".into(),
        result: "\"20 B\"".into(),
        memory: "\"500 MiB\"".into(),
    }
}
