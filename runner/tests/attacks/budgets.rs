//! Budgets: every phase ends, and no stranger starves a built-in.
