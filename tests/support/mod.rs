//! What the integration tests share.

pub mod local_transport;
