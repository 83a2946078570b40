//! What the servers' stores promise, on both of them: each scenario runs over a SQLite file and over a PostgreSQL database.

mod contract;
mod full;
mod killed;
mod place;
mod postgresql;
mod shares;

/// Each scenario over both stores.
macro_rules! on_both_stores {
    ($($module:ident::$scenario:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[test]
            fn $scenario() {
                super::place::run(super::$module::$scenario(&super::place::Place::sqlite()));
            })*
        }
        mod on_postgresql {
            $(#[test]
            fn $scenario() {
                super::place::run(super::$module::$scenario(&super::place::Place::postgresql()));
            })*
        }
    };
}

on_both_stores! {
    contract::what_is_put_is_found,
    contract::an_id_is_given_once,
    contract::expired_is_never_found,
    contract::expired_is_deleted_oldest_first,
    contract::clean_up_drains_beside_puts,
    contract::clean_up_runs_until_it_is_dropped,
    contract::of_many_with_one_id_one_wins,
    contract::several_servers_share_it,
    contract::newer_is_refused,
    killed::what_was_acknowledged_survives_the_server,
    shares::a_share_is_found,
    shares::a_share_id_is_given_once,
    shares::a_share_expires_to_the_second,
    shares::a_nonce_is_taken_once,
    shares::a_nonce_is_of_one_share_and_for_some_time,
    shares::others_nonces_leave_a_nonce_alone,
    shares::of_many_takers_one_gets_it,
    shares::clean_up_drains_all_kinds,
    shares::clean_up_leaves_what_is_good,
}
