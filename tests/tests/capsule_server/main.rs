//! The program `cdoc2-server` over real TLS, on both of its stores: every scenario of the public test plan (CDOC2 documentation, "Test plan",
//! "Capsule server API functionality tests") by its name there, and the rest of the interface.

mod certificates;
mod interface;
mod plan;

use std::sync::OnceLock;

use cdoc2_tests::capsule_server::Installation;
use cdoc2_tests::postgresql::Postgresql;

/// PostgreSQL for all tests of this program, each with a database of its own. It ends with the program.
fn postgresql() -> &'static Postgresql {
    static SERVER: OnceLock<Postgresql> = OnceLock::new();
    SERVER.get_or_init(Postgresql::start)
}

/// An installation over a new PostgreSQL database.
fn with_postgresql() -> Installation {
    Installation::with_postgresql(&postgresql().database())
}

/// Makes of each function two tests, `sqlite::name` and `postgresql::name`.
macro_rules! on_both_stores {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[test]
                fn $name() {
                    super::$name(&mut cdoc2_tests::capsule_server::Installation::with_sqlite());
                }
            )*
        }

        mod postgresql {
            $(
                #[test]
                fn $name() {
                    super::$name(&mut crate::with_postgresql());
                }
            )*
        }
    };
}
use on_both_stores;
