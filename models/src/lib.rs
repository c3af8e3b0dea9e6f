//! Knows how long things take and how much they use, as closed forms over parameter files.
