//! Predicts one deployment.
