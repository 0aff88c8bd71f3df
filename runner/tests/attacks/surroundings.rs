//! It answers anywhere: few threads, no `/proc`, small limits, odd names.
