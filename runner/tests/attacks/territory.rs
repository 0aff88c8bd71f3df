//! Who named a place decides what is read of it.
