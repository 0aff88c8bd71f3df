//! Work is linear in what is read, and a large ordinary installation is assessed in full.
