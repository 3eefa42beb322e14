//! What we talk about. Nothing here reads a clock, a socket or a table.

pub mod age;
pub mod alert;
pub mod cadence;
pub mod calendar;
pub mod chore;
pub mod criteria;
pub mod difference;
pub mod email;
pub mod facts;
pub mod history;
pub mod keywords;
pub mod language;
pub mod letter;
pub mod local_time;
pub mod opening;
pub mod quiet;
pub mod rhythm;
pub mod stop;
pub mod subject;
pub mod subscriber;
pub mod suggest;
pub mod taxonomy;
pub mod terms;
pub mod text;
pub mod token;
pub mod truth;
