//! A fix never opens a door, and does what it can.
