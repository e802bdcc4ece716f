//! What happened, in the words that the field's tools read.

mod prometheus;

pub use prometheus::metrics;
