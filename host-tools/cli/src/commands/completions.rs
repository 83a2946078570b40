//! `cdoc2 completions`.

use clap::CommandFactory as _;

use crate::args::{Cli, Completions};
use crate::exit::Result;
use crate::output;

pub(crate) fn run(args: &Completions) -> Result<()> {
    // Into memory first: the generator does not know what to do about a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cdoc2", &mut script);
    output::print(&script)
}
