//! The command `token-sim`, from outside: what it prints, how it ends, what it leaves behind.

mod certificates;
mod new;
mod run;
mod support;
mod survival;
mod touch;
