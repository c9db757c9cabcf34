//! `cargo xtask soak`: two sidecars under mixed load for a long time.

use clap::Args;

use crate::bench;

#[derive(Args)]
pub(crate) struct SoakArgs {
    /// How long
    #[arg(long, default_value_t = 30)]
    minutes: u64,
}

pub(crate) fn run(args: &SoakArgs) -> anyhow::Result<()> {
    bench::start("soak", "proxy", &["--minutes".into(), args.minutes.to_string().into()])
}
