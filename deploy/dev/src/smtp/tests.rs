//! The server, driven by a client that says exactly what it is told to.

mod client;
mod misbehaviour;
mod protocol;
mod storage;
mod tls;
