//! What answers over HTTPS, as curl sees it.

mod curl;
mod mobile_id;
mod people;
mod servers;
mod shares;
mod smart_id;
