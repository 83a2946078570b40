//! Keys that are held elsewhere than in a file: on a smart card, in an HSM.
//!
//! - [`token`]: cards over PC/SC, or over any other [`Reader`](token_proto::Reader): the Estonian ID-card of 2018 and of 2025, and tokens
//!   with the applet that knows CDOC2.
//! - [`directory`]: directories of certificates over LDAP, asked by [codes](person_code) and names.
//! - [`pkcs11`]: whatever has a PKCS#11 module.
//! - [`capsule_server`]: capsules that wait on a server; [`policy`]: until when.
//! - [`shares_server`]: keys that are split over several servers, which give the shares to who signs in.
//! - [`https`]: how all of these servers are talked to, and what can go wrong there.
//! - [`auth`]: people who sign in to shares servers, by Smart-ID, Mobile-ID, a card, a module.
//! - [`config`]: what is set once: capsule servers, shares servers, the policy service, directories, Smart-ID and Mobile-ID.
//!
//! Both end in a [`KeyHolder`](cdoc2::core::holder::KeyHolder), with which [`Container::unlock_with`](cdoc2::Container::unlock_with) opens a
//! container. A PIN is asked for only when a record of the container is for the key, and at most once.

pub mod auth;
pub mod capsule_server;
pub mod config;
pub mod directory;
pub mod https;
pub mod person_code;
pub mod pkcs11;
pub mod policy;
pub mod shares_server;
pub mod tls;
pub mod token;

mod parallel;
mod sender;
mod signature;
