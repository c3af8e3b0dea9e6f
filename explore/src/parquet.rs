//! `summary.parquet`: the same rows as `summary.csv`, for programs.
//!
//! Numbers of a few values (axes, verdicts, reasons) are dictionary-encoded; metrics are split into the streams of
//! their bytes, which zstd then makes a third of. What is not known is null.
