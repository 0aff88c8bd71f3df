//! What our policies know of OpenClaw: its agents, channels, tools and the like. A policy of any author can use it; it
//! follows the releases of OpenClaw, not the contract.

pub mod agents;
pub mod browser;
pub mod channels;
pub mod code;
pub mod exec;
pub mod exposure;
pub mod facts;
pub mod gateway;
pub mod installs;
pub mod model_ids;
pub mod models;
pub mod pairing;
pub mod plugins;
pub mod records;
pub mod sandbox;
pub mod scan;
pub mod senders;
pub mod tools;
