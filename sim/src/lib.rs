//! Predicts one deployment.
mod streams;
