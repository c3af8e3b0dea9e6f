//! Judges predictions by measurements and fits the models to them.
//!
//! Empty so far, and not offered on the command line. Fit, accuracy on held-out runs, and the choice of the next experiment come here.
