//! Chooses the deployments that are worth trying.
//!
//! Empty so far, and not offered on the command line. Sweep, screening, racing, the front and the shortlist with reasons come here.
