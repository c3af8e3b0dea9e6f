//! Tells people what was found.
//!
//! Empty so far, and not offered on the command line. Pages, figures and tables come here.
