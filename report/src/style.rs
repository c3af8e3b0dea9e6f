//! Colours and shapes, the same on the page, in the static figures and in `plots/`.
//!
//! The colours are those of Okabe and Ito (Color Universal Design, 2008), which readers with any common form of
//! colour blindness tell apart; blue is lighter than theirs, to stand out from a dark page too.

/// Of series, in their order.
pub const SERIES: [&str; 12] = [
    "#2E86C8", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A8A8A", "#B59F00", "#7A5195",
    "#A05A2C", "#3A9AA8", "#C44E6A",
];

/// Of the five parts, in their order.
pub const PARTS: [&str; 5] = ["#E69F00", "#56B4E9", "#D55E00", "#009E73", "#CC79A7"];

/// From the lowest to the highest value: the middle of viridis, which grey printers keep in order too.
pub const HEAT: [&str; 5] = ["#fde725", "#7ad151", "#22a884", "#2a788e", "#414487"];

/// Of a level to compare with.
pub const LEVEL: &str = "#D55E00";

/// How a deployment is marked among others, from the least to the most telling: the word, its colour, and the shape on
/// the page.
pub const MARKS: [(&str, &str, &str); 5] = [
    ("misses a requirement", SERIES[6], "cross"),
    ("feasible", SERIES[0], "circle"),
    ("on the front", SERIES[2], "circle"),
    ("on the shortlist", SERIES[1], "diamond"),
    ("measured", SERIES[3], "square"),
];
